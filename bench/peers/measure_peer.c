/*
 * llama.cpp's perplexity and importance matrix of a text, by its prebuilt libraries and the rules of its tools: chunks of -c tokens,
 * BOS in the place of the first where the model wants one, the second half counts; every input counts for the matrix.
 *
 *   measure_peer MODEL TEXT_FILE -o sums.dat --libs DIR --variant NAME [-c 512] [--chunks N] [-t N]
 *
 * Prints the perplexity; sums.dat has the layout that llama-imatrix writes with --output-format dat.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "peer_library.h"

/* ggml_tensor, as far as it is looked at; checked against the library's own accessors. */
struct tensor {
    int32_t type;
    void *buffer;
    int64_t ne[4];
    size_t nb[4];
    int32_t op;
    int32_t op_params[16];
    int32_t flags;
    struct tensor *src[10];
    struct tensor *view_src;
    size_t view_offset;
    void *data;
    char name[64];
};

_Static_assert(offsetof(struct tensor, name) == 256, "ggml_tensor");

struct entry {
    char name[64];
    int64_t columns;
    double rows;
    double *sums;
};

struct measuring {
    struct peer_library library;
    const char *(*op_desc)(const struct tensor *tensor);
    void *(*get_data)(const struct tensor *tensor);
    const char *(*get_name)(const struct tensor *tensor);
    bool (*vocab_get_add_bos)(const struct llama_vocab *vocab);
    int32_t (*vocab_bos)(const struct llama_vocab *vocab);
    struct entry *entries;
    int count;
};

struct options {
    const char *model, *text, *output, *libs, *variant;
    int context, chunks, threads;
};

static void load(void *target, const char *name)
{
    void *symbol = dlsym(RTLD_DEFAULT, name);
    if (!symbol)
        peer_die(name, "not in the peer's libraries (another version?)");
    memcpy(target, &symbol, sizeof symbol);
}

static struct entry *find_entry(struct measuring *m, const struct tensor *weights)
{
    for (int i = 0; i < m->count; i++) {
        if (strcmp(m->entries[i].name, weights->name) == 0)
            return &m->entries[i];
    }
    m->entries = realloc(m->entries, (size_t)(m->count + 1) * sizeof *m->entries);
    struct entry *entry = m->entries ? &m->entries[m->count++] : NULL;
    if (!entry)
        peer_die("sums", "out of memory");
    *entry = (struct entry){.columns = weights->ne[0]};
    snprintf(entry->name, sizeof entry->name, "%s", weights->name);
    entry->sums = calloc((size_t)entry->columns, sizeof *entry->sums);
    if (!entry->sums)
        peer_die("sums", "out of memory");
    return entry;
}

/* Called before (ask) and after each node of the graph. */
static bool see(struct tensor *tensor, bool ask, void *context)
{
    struct measuring *m = context;
    if (m->get_name(tensor) != tensor->name || m->get_data(tensor) != tensor->data)
        peer_die("ggml_tensor", "has another layout (update measure_peer.c to this version)");
    if (strcmp(m->op_desc(tensor), "MUL_MAT") != 0 || strncmp(tensor->src[0]->name, "blk.", 4) != 0 ||
        tensor->src[1]->type != PEER_TYPE_F32)
        return !ask;
    if (ask)
        return true;
    const struct tensor *input = tensor->src[1];
    struct entry *entry = find_entry(m, tensor->src[0]);
    for (int64_t row = 0; row < input->ne[1]; row++) {
        const float *x = (const float *)((const char *)input->data + (size_t)row * input->nb[1]);
        for (int64_t i = 0; i < entry->columns; i++)
            entry->sums[i] += (double)x[i] * (double)x[i];
    }
    entry->rows += (double)input->ne[1];
    return true;
}

static struct options parse(int argc, char **argv)
{
    struct options options = {.context = 512, .threads = 1};
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (argv[i][0] != '-') {
            *(options.model ? &options.text : &options.model) = argv[i];
            continue;
        }
        if (strcmp(argv[i], "-o") == 0)
            options.output = value;
        else if (strcmp(argv[i], "--libs") == 0)
            options.libs = value;
        else if (strcmp(argv[i], "--variant") == 0)
            options.variant = value;
        else if (strcmp(argv[i], "-c") == 0)
            options.context = atoi(value);
        else if (strcmp(argv[i], "--chunks") == 0)
            options.chunks = atoi(value);
        else if (strcmp(argv[i], "-t") == 0)
            options.threads = atoi(value);
        else
            peer_die(argv[i], "is not an option");
        i++;
    }
    if (!options.text || !options.output || !options.libs || !options.variant || options.context < 4)
        peer_die("usage",
                 "measure_peer MODEL TEXT_FILE -o sums.dat --libs DIR --variant NAME [-c N] [--chunks N]");
    return options;
}

static char *read_text(const char *path, size_t *ret_size)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        peer_die(path, strerror(errno));
    fseek(file, 0, SEEK_END);
    *ret_size = (size_t)ftell(file);
    rewind(file);
    char *text = malloc(*ret_size + 1);
    if (!text || fread(text, 1, *ret_size, file) != *ret_size)
        peer_die(path, "cannot be read");
    fclose(file);
    return text;
}

static double surprise(const float *logits, int vocabulary, int32_t right)
{
    double sum = 0, top = (double)logits[0];
    for (int i = 1; i < vocabulary; i++)
        top = (double)logits[i] > top ? (double)logits[i] : top;
    for (int i = 0; i < vocabulary; i++)
        sum += exp((double)logits[i] - top);
    return log(sum) + top - (double)logits[right];
}

static void write_sums(const struct measuring *m, const struct options *options, int32_t chunks)
{
    FILE *file = fopen(options->output, "wb");
    int32_t count = m->count;
    if (!file)
        peer_die(options->output, strerror(errno));
    fwrite(&count, sizeof count, 1, file);
    for (int i = 0; i < m->count; i++) {
        const struct entry *entry = &m->entries[i];
        int32_t length = (int32_t)strlen(entry->name), columns = (int32_t)entry->columns;
        fwrite(&length, sizeof length, 1, file);
        fwrite(entry->name, 1, (size_t)length, file);
        fwrite(&chunks, sizeof chunks, 1, file);
        fwrite(&columns, sizeof columns, 1, file);
        for (int32_t column = 0; column < columns; column++) {
            float value = (float)(entry->sums[column] / entry->rows * chunks);
            fwrite(&value, sizeof value, 1, file);
        }
    }
    int32_t length = (int32_t)strlen(options->text);
    fwrite(&chunks, sizeof chunks, 1, file);
    fwrite(&length, sizeof length, 1, file);
    fwrite(options->text, 1, (size_t)length, file);
    if (fclose(file) != 0)
        peer_die(options->output, "cannot be written (disk full?)");
}

static struct llama_context *new_context(struct measuring *m, const struct options *options,
                                         struct llama_model *model)
{
    struct peer_context_params params = m->library.api.llama_context_default_params();
    bool (*callback)(struct tensor *, bool, void *) = see;
    params.n_ctx = params.n_batch = params.n_ubatch = (uint32_t)options->context;
    params.n_outputs_max = params.n_outputs_max_per_seq = (uint32_t)options->context;
    params.n_threads = params.n_threads_batch = options->threads;
    params.flash_attention = PEER_FLASH_OFF;
    memcpy(&params.eval_callback, &callback, sizeof callback);
    params.eval_callback_data = m;
    struct llama_context *context = m->library.api.llama_init_from_model(model, params);
    if (!context)
        peer_die(options->model, "llama.cpp makes no context for it");
    return context;
}

int main(int argc, char **argv)
{
    struct options options = parse(argc, argv);
    struct measuring m = {0};
    const struct peer_api *api = &m.library.api;
    peer_library_open(&m.library, options.libs, options.variant, false);
    load(&m.op_desc, "ggml_op_desc");
    load(&m.get_data, "ggml_get_data");
    load(&m.get_name, "ggml_get_name");
    load(&m.vocab_get_add_bos, "llama_vocab_get_add_bos");
    load(&m.vocab_bos, "llama_vocab_bos");
    struct llama_model *model = peer_model_load(&m.library, options.model);
    const struct llama_vocab *vocab = api->llama_model_get_vocab(model);
    struct llama_context *context = new_context(&m, &options, model);
    struct peer_batch batch = api->llama_batch_init(options.context, 0, 1);

    size_t size = 0;
    char *text = read_text(options.text, &size);
    int32_t *ids = calloc(size + 16, sizeof *ids);
    int32_t count =
        ids ? api->llama_tokenize(vocab, text, (int32_t)size, ids, (int32_t)size + 16, true, false) : 0;
    int32_t chunks = count / options.context;
    if (options.chunks > 0 && options.chunks < chunks)
        chunks = options.chunks;
    if (chunks < 1)
        peer_die(options.text, "is shorter than a chunk");
    double sum = 0, squares = 0, counted = 0;
    for (int32_t chunk = 0; chunk < chunks; chunk++) {
        int32_t *own = ids + (size_t)chunk * (size_t)options.context;
        if (m.vocab_get_add_bos(vocab))
            own[0] = m.vocab_bos(vocab);
        api->llama_memory_clear(api->llama_get_memory(context), true);
        batch.n_tokens = 0;
        for (int i = 0; i < options.context; i++)
            peer_batch_add(&batch, own[i], i, 0, true);
        if (api->llama_decode(context, batch) != 0)
            peer_die("llama_decode", "failed");
        for (int i = options.context / 2; i < options.context - 1; i++) {
            double each =
                surprise(api->llama_get_logits_ith(context, i), api->llama_vocab_n_tokens(vocab), own[i + 1]);
            sum += each;
            squares += each * each;
            counted++;
        }
    }
    double mean = sum / counted, error = sqrt((squares / counted - mean * mean) / (counted - 1));
    printf("Final estimate: PPL = %.4f +/- %.5f (%d chunks, %.0f tokens count)\n", exp(mean),
           exp(mean) * error, chunks, counted);
    write_sums(&m, &options, chunks);
    free(ids);
    free(text);
    return 0;
}
