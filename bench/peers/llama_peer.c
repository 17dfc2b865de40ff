/*
 * Drives llama.cpp's prebuilt libraries, so that its numbers can stand beside ours.
 *
 *   llama_peer greedy MODEL PROMPTS N -o tokens.bin   one prompt a line, continued greedily to N tokens
 *   llama_peer logits MODEL tokens.bin -o logits.f32  full logits at every position, teacher-forced
 *   llama_peer tokens MODEL PROMPTS -o ids.txt        each prompt's tokens, an id a line; needs no weights
 *
 * The file formats are described at the top of agree.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "peer_library.h"

struct options {
    const char *command, *model, *input, *output, *libs, *variant, *lora;
    int n_total, threads, batch, flash, kv_type;
    bool repack, verbose;
};

struct peer {
    struct peer_library library;
    struct llama_model *model;
    struct llama_context *context;
    struct peer_batch batch;
    const struct llama_vocab *vocab;
    int n_vocab, batch_size;
};

static const char usage_text[] = "usage: llama_peer greedy MODEL PROMPTS_FILE N -o tokens.bin [options]\n"
                                 "       llama_peer logits MODEL tokens.bin -o logits.f32 [options]\n"
                                 "       llama_peer tokens MODEL PROMPTS_FILE -o ids.txt [options]\n"
                                 "  --libs DIR      folder with libllama*.so and libggml-cpu-*.so\n"
                                 "  --variant NAME  which libggml-cpu-NAME.so computes (haswell, zen4, ...)\n"
                                 "  -t N            threads (1)\n"
                                 "  -b N            tokens a llama_decode call (the whole sequence)\n"
                                 "  --fa off|on|auto   flash attention (off)\n"
                                 "  --kv f16|f32|q8_0  type of the KV cache (f16)\n"
                                 "  --lora FILE     a LoRA adapter, GGUF, at scale 1\n"
                                 "  --no-repack     keep the weights in the file's layout\n"
                                 "  --verbose       show llama.cpp's log\n";

static void usage(void)
{
    fputs(usage_text, stderr);
    exit(2);
}

static int choice(const char *value, const char *const *names, const int *values)
{
    for (int i = 0; names[i]; i++) {
        if (strcmp(value, names[i]) == 0) {
            return values[i];
        }
    }
    usage();
    return 0;
}

static void parse_option(struct options *options, const char *name, const char *value)
{
    static const char *const flash_names[] = {"off", "on", "auto", NULL};
    static const int flash_values[] = {PEER_FLASH_OFF, PEER_FLASH_ON, PEER_FLASH_AUTO};
    static const char *const kv_names[] = {"f16", "f32", "q8_0", NULL};
    static const int kv_values[] = {PEER_TYPE_F16, PEER_TYPE_F32, PEER_TYPE_Q8_0};

    if (strcmp(name, "-o") == 0) {
        options->output = value;
    } else if (strcmp(name, "--libs") == 0) {
        options->libs = value;
    } else if (strcmp(name, "--variant") == 0) {
        options->variant = value;
    } else if (strcmp(name, "-t") == 0) {
        options->threads = atoi(value);
    } else if (strcmp(name, "-b") == 0) {
        options->batch = atoi(value);
    } else if (strcmp(name, "--lora") == 0) {
        options->lora = value;
    } else if (strcmp(name, "--fa") == 0) {
        options->flash = choice(value, flash_names, flash_values);
    } else if (strcmp(name, "--kv") == 0) {
        options->kv_type = choice(value, kv_names, kv_values);
    } else {
        usage();
    }
}

static struct options parse_arguments(int argc, char **argv)
{
    struct options options = {.threads = 1,
                              .flash = PEER_FLASH_OFF,
                              .kv_type = PEER_TYPE_F16,
                              .repack = true};
    const char *positional[4] = {NULL};
    int n_positional = 0;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--no-repack") == 0) {
            options.repack = false;
        } else if (strcmp(argv[i], "--verbose") == 0) {
            options.verbose = true;
        } else if (argv[i][0] == '-') {
            if (i + 1 == argc) {
                usage();
            }
            parse_option(&options, argv[i], argv[i + 1]);
            i++;
        } else if (n_positional < 4) {
            positional[n_positional++] = argv[i];
        } else {
            usage();
        }
    }
    options.command = positional[0];
    options.model = positional[1];
    options.input = positional[2];
    options.n_total = positional[3] ? atoi(positional[3]) : 0;
    if (!options.input || !options.output || !options.libs || !options.variant || options.threads < 1) {
        usage();
    }
    return options;
}

static void open_model(struct peer *peer, const struct options *options, bool vocabulary_only)
{
    const struct peer_api *api = &peer->library.api;

    peer_library_open(&peer->library, options->libs, options->variant, options->verbose);
    peer->model = peer_model_load_as(&peer->library, options->model, options->repack, vocabulary_only);
    peer->vocab = api->llama_model_get_vocab(peer->model);
    peer->n_vocab = api->llama_vocab_n_tokens(peer->vocab);
}

static void peer_open(struct peer *peer, const struct options *options, int n_ctx)
{
    const struct peer_api *api = &peer->library.api;

    open_model(peer, options, false);
    struct peer_context_params params = api->llama_context_default_params();
    peer->batch_size = options->batch > 0 && options->batch < n_ctx ? options->batch : n_ctx;
    params.n_ctx = (uint32_t)n_ctx;
    params.n_batch = params.n_ubatch = params.n_outputs_max = (uint32_t)n_ctx;
    params.n_outputs_max_per_seq = (uint32_t)n_ctx;
    params.n_threads = params.n_threads_batch = options->threads;
    params.flash_attention = options->flash;
    params.type_k = params.type_v = options->kv_type;
    peer->context = api->llama_init_from_model(peer->model, params);
    if (!peer->context) {
        peer_die(options->model, "llama.cpp makes no context for it (--verbose says why)");
    }
    if (options->lora) {
        struct llama_adapter_lora *adapter = api->llama_adapter_lora_init(peer->model, options->lora);
        float scale = 1.0F;
        if (!adapter || api->llama_set_adapters_lora(peer->context, &adapter, 1, &scale) != 0) {
            peer_die(options->lora, "llama.cpp does not take it as an adapter (--verbose says why)");
        }
    }
    peer->batch = api->llama_batch_init(n_ctx, 0, 1);
}

static void peer_close(struct peer *peer)
{
    peer->library.api.llama_batch_free(peer->batch);
    peer->library.api.llama_free(peer->context);
    peer->library.api.llama_model_free(peer->model);
}

/* Puts tokens at positions first.. of sequence 0 into the batch, wanting logits of all, and decodes it. */
static void decode(struct peer *peer, const int32_t *tokens, int first, int n)
{
    struct peer_batch *batch = &peer->batch;
    batch->n_tokens = 0;
    for (int i = 0; i < n; i++) {
        peer_batch_add(batch, tokens[first + i], first + i, 0, true);
    }
    if (peer->library.api.llama_decode(peer->context, *batch) != 0) {
        peer_die("llama_decode", "failed (--verbose says why)");
    }
}

static const float *logits_of(struct peer *peer, int i)
{
    const float *logits = peer->library.api.llama_get_logits_ith(peer->context, i);
    if (!logits) {
        peer_die("llama_get_logits_ith", "no logits at this position");
    }
    return logits;
}

static FILE *open_file(const char *path, const char *mode)
{
    FILE *file = fopen(path, mode);
    if (!file) {
        peer_die(path, strerror(errno));
    }
    return file;
}

static void write_all(FILE *file, const void *data, size_t size, size_t count, const char *path)
{
    if (fwrite(data, size, count, file) != count) {
        peer_die(path, "cannot be written (disk full?)");
    }
}

/* In place; only \n, \t and \\ are escapes, since prompts.txt needs no more. */
static size_t unescape(char *text)
{
    char *out = text;
    for (const char *in = text; *in && *in != '\n'; in++) {
        if (in[0] == '\\' && (in[1] == 'n' || in[1] == 't' || in[1] == '\\')) {
            in++;
            *out++ = (char)(*in == 'n' ? '\n' : *in == 't' ? '\t' : '\\');
        } else {
            *out++ = *in;
        }
    }
    *out = '\0';
    return (size_t)(out - text);
}

/* The tokens of a text, as llama.cpp would begin a prompt with it. The caller frees. */
static int32_t *tokenize(struct peer *peer, const char *text, size_t length, int *ret_count)
{
    int capacity = (int)length + 16;
    int32_t *tokens = calloc((size_t)capacity, sizeof *tokens);
    if (!tokens) {
        peer_die("prompt", "out of memory");
    }
    *ret_count =
        peer->library.api.llama_tokenize(peer->vocab, text, (int32_t)length, tokens, capacity, true, false);
    if (*ret_count < 1) {
        peer_die("prompt", "cannot be tokenized, or is empty");
    }
    return tokens;
}

/* Fills tokens with exactly n_total ids: the prompt (cut if it is longer), then greedy text. */
static void continue_greedily(struct peer *peer, const char *text, size_t length, int32_t *tokens,
                              int n_total)
{
    int n = 0;
    int32_t *prompt = tokenize(peer, text, length, &n);
    n = n < n_total ? n : n_total;
    memcpy(tokens, prompt, (size_t)n * sizeof *tokens);
    free(prompt);

    peer->library.api.llama_memory_clear(peer->library.api.llama_get_memory(peer->context), true);
    for (int first = 0; n < n_total; first = n++) {
        decode(peer, tokens, first, n - first);
        const float *logits = logits_of(peer, n - first - 1);
        int32_t best = 0;
        for (int v = 1; v < peer->n_vocab; v++) {
            best = logits[v] > logits[best] ? v : best;
        }
        tokens[n] = best;
    }
}

static void run_greedy(const struct options *options)
{
    struct peer peer = {0};
    char line[16384];
    int32_t n_sequences = 0;
    int n_total = options->n_total;

    if (n_total < 1) {
        usage();
    }
    peer_open(&peer, options, n_total);
    int32_t *tokens = calloc((size_t)n_total, sizeof *tokens);
    FILE *prompts = open_file(options->input, "r");
    FILE *out = open_file(options->output, "wb");
    write_all(out, &n_sequences, sizeof n_sequences, 1, options->output);
    while (tokens && fgets(line, sizeof line, prompts)) {
        size_t length = unescape(line);
        if (length == 0) {
            continue;
        }
        continue_greedily(&peer, line, length, tokens, n_total);
        int32_t n = n_total;
        write_all(out, &n, sizeof n, 1, options->output);
        write_all(out, tokens, sizeof *tokens, (size_t)n_total, options->output);
        n_sequences++;
    }
    rewind(out);
    write_all(out, &n_sequences, sizeof n_sequences, 1, options->output);
    if (fclose(out) != 0) {
        peer_die(options->output, "cannot be written (disk full?)");
    }
    fclose(prompts);
    free(tokens);
    peer_close(&peer);
}

static void run_tokens(const struct options *options)
{
    struct peer peer = {0};
    char line[16384];
    FILE *prompts = open_file(options->input, "r");
    FILE *out = open_file(options->output, "w");

    open_model(&peer, options, true);
    while (fgets(line, sizeof line, prompts)) {
        int n = 0;
        size_t length = unescape(line);
        if (length == 0) {
            continue;
        }
        int32_t *tokens = tokenize(&peer, line, length, &n);
        for (int i = 0; i < n; i++) {
            fprintf(out, "%d\n", tokens[i]);
        }
        free(tokens);
    }
    if (fclose(out) != 0) {
        peer_die(options->output, "cannot be written (disk full?)");
    }
    fclose(prompts);
    peer.library.api.llama_model_free(peer.model);
}

/* Reads tokens.bin whole; ret_longest is the longest sequence. The caller frees. */
static int32_t *read_tokens(const char *path, int32_t *ret_longest)
{
    FILE *file = open_file(path, "rb");
    fseek(file, 0, SEEK_END);
    long count = ftell(file) / (long)sizeof(int32_t);
    rewind(file);
    int32_t *data = calloc((size_t)count + 1, sizeof *data);
    if (!data || fread(data, sizeof *data, (size_t)count, file) != (size_t)count || count < 1) {
        peer_die(path, "cannot be read");
    }
    fclose(file);

    long at = 1;
    *ret_longest = 1;
    for (int32_t s = 0; s < data[0]; s++) {
        if (at >= count || data[at] < 1 || data[at] > count - at - 1) {
            peer_die(path, "is not a token list file (see agree.c)");
        }
        *ret_longest = data[at] > *ret_longest ? data[at] : *ret_longest;
        at += 1 + data[at];
    }
    return data;
}

static void run_logits(const struct options *options)
{
    struct peer peer = {0};
    int32_t longest = 0;
    int32_t *data = read_tokens(options->input, &longest);
    FILE *out = open_file(options->output, "wb");

    peer_open(&peer, options, longest);
    const int32_t *sequence = data + 1;
    for (int32_t s = 0; s < data[0]; s++) {
        int n = sequence[0];
        peer.library.api.llama_memory_clear(peer.library.api.llama_get_memory(peer.context), true);
        for (int first = 0; first < n; first += peer.batch_size) {
            int step = n - first < peer.batch_size ? n - first : peer.batch_size;
            decode(&peer, sequence + 1, first, step);
            for (int i = 0; i < step; i++) {
                write_all(out, logits_of(&peer, i), sizeof(float), (size_t)peer.n_vocab, options->output);
            }
        }
        sequence += 1 + n;
    }
    if (fclose(out) != 0) {
        peer_die(options->output, "cannot be written (disk full?)");
    }
    free(data);
    peer_close(&peer);
}

int main(int argc, char **argv)
{
    struct options options = parse_arguments(argc, argv);
    if (strcmp(options.command, "greedy") == 0) {
        run_greedy(&options);
    } else if (strcmp(options.command, "logits") == 0) {
        run_logits(&options);
    } else if (strcmp(options.command, "tokens") == 0) {
        run_tokens(&options);
    } else {
        usage();
    }
    return 0;
}
