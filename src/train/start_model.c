#include "train/start_model.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "format/gguf_write.h"
#include "format/json_text.h"
#include "train/random.h"

#define SHAPE_BYTES_MAX ((size_t)65536)
#define PARAMETERS_MAX 1e9 /* more are no small model, and a file of many gigabytes */
#define DEVIATION 0.02
#define PIECE 4096 /* floats that are written at once */

typedef struct start_shape {
    int64_t layers, width, heads, kv_heads, head_size, feed_forward, context;
    double rope_base, norm_epsilon;
    bool tied;
    char name[128];
} start_shape;

typedef struct start_run {
    start_shape shape;
    smg_gguf vocabulary;
    int64_t tokens;
    smg_gguf_writer *writer;
    uint64_t state;
    bool declaring; /* the list of tensors; then their data, in the same order */
    smidge_error *error;
} start_run;

static void run_done(start_run *run)
{
    smg_gguf_close(&run->vocabulary);
    smg_gguf_write_close(run->writer);
}

/* ---- The shape ------------------------------------------------------------------------------------------- */

static smidge_status need(int64_t value, const char *name, const char *path, smidge_error *error)
{
    if (value > 0)
        return SMIDGE_OK;
    return smg_error_set(error, SMIDGE_E_INVALID, path, "\"%s\" is missing (give a whole number from 1)",
                         name);
}

static smidge_status check_names(const json_t *json, const char *path, smidge_error *error)
{
    static const char *const known[] = {"layers",       "width",        "heads",   "kv_heads",
                                        "head_size",    "feed_forward", "context", "rope_base",
                                        "norm_epsilon", "tied",         "name"};
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)json, name, value)
    {
        bool found = false;
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            found = found || strcmp(known[i], name) == 0;
        if (!found)
            return smg_error_set(
                error, SMIDGE_E_INVALID, path,
                "\"%.64s\" is no part of a shape (such are layers, width, heads, kv_heads, head_size, "
                "feed_forward, context, rope_base, norm_epsilon, tied and name)",
                name);
    }
    return SMIDGE_OK;
}

static smidge_status read_counts(const json_t *json, const char *path, start_shape *shape,
                                 smidge_error *error)
{
    SMG_TRY(smg_json_int(json, "layers", 1, 512, path, &shape->layers, error));
    SMG_TRY(smg_json_int(json, "width", 8, 1 << 16, path, &shape->width, error));
    SMG_TRY(smg_json_int(json, "heads", 1, 1024, path, &shape->heads, error));
    SMG_TRY(smg_json_int(json, "feed_forward", 8, 1 << 18, path, &shape->feed_forward, error));
    SMG_TRY(need(shape->layers, "layers", path, error));
    SMG_TRY(need(shape->width, "width", path, error));
    SMG_TRY(need(shape->heads, "heads", path, error));
    SMG_TRY(need(shape->feed_forward, "feed_forward", path, error));
    shape->kv_heads = shape->heads;
    shape->head_size = shape->width / shape->heads;
    SMG_TRY(smg_json_int(json, "kv_heads", 1, shape->heads, path, &shape->kv_heads, error));
    SMG_TRY(smg_json_int(json, "head_size", 2, 1024, path, &shape->head_size, error));
    return smg_json_int(json, "context", 16, 1 << 20, path, &shape->context, error);
}

static smidge_status read_shape(const char *path, start_shape *shape, smidge_error *error)
{
    SMG_CLEANUP(smg_json_release) json_t *json = NULL;
    *shape = (start_shape){.context = 1024, .rope_base = 10000.0, .norm_epsilon = 1e-5, .tied = true};
    SMG_TRY(smg_json_read(path, SHAPE_BYTES_MAX, &json, error));
    SMG_TRY(check_names(json, path, error));
    SMG_TRY(read_counts(json, path, shape, error));
    SMG_TRY(smg_json_real(json, "rope_base", path, &shape->rope_base, error));
    SMG_TRY(smg_json_real(json, "norm_epsilon", path, &shape->norm_epsilon, error));
    SMG_TRY(smg_json_bool(json, "tied", path, &shape->tied, error));
    const smg_text name = smg_json_text(smg_json_get(json, "name"));
    snprintf(shape->name, sizeof shape->name, "%.*s", name.size > 0 ? (int)name.size : 6,
             name.size > 0 ? name.data : "smidge");
    if (shape->head_size % 2 != 0)
        return smg_error_set(error, SMIDGE_E_INVALID, path,
                             "heads of an odd size cannot turn (take an even one)");
    if (shape->heads % shape->kv_heads != 0)
        return smg_error_set(error, SMIDGE_E_INVALID, path,
                             "\"kv_heads\" does not divide \"heads\" (take one that does)");
    if (!(shape->rope_base > 1.0 && shape->rope_base < 1e9) ||
        !(shape->norm_epsilon > 0.0 && shape->norm_epsilon < 0.1))
        return smg_error_set(error, SMIDGE_E_INVALID, path,
                             "\"rope_base\" or \"norm_epsilon\" is out of range (10000 and 1e-5 are usual)");
    return SMIDGE_OK;
}

/* ---- Keys ------------------------------------------------------------------------------------------------ */

static smidge_status write_keys(start_run *run)
{
    const start_shape *shape = &run->shape;
    const struct {
        const char *name;
        int64_t value;
    } counts[] = {
        {"llama.block_count", shape->layers},
        {"llama.context_length", shape->context},
        {"llama.embedding_length", shape->width},
        {"llama.feed_forward_length", shape->feed_forward},
        {"llama.attention.head_count", shape->heads},
        {"llama.attention.head_count_kv", shape->kv_heads},
        {"llama.attention.key_length", shape->head_size},
        {"llama.attention.value_length", shape->head_size},
        {"llama.rope.dimension_count", shape->head_size},
        {"llama.vocab_size", run->tokens},
        {"general.file_type", 0},
    };
    const smg_text architecture = {.data = "llama", .size = 5};
    const smg_text name = {.data = shape->name, .size = strlen(shape->name)};
    SMG_TRY(smg_gguf_write_text(run->writer, "general.architecture", architecture, run->error));
    SMG_TRY(smg_gguf_write_text(run->writer, "general.name", name, run->error));
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        SMG_TRY(smg_gguf_write_u32(run->writer, counts[i].name, (uint32_t)counts[i].value, run->error));
    SMG_TRY(smg_gguf_write_f32(run->writer, "llama.attention.layer_norm_rms_epsilon",
                               (float)shape->norm_epsilon, run->error));
    SMG_TRY(smg_gguf_write_f32(run->writer, "llama.rope.freq_base", (float)shape->rope_base, run->error));
    for (uint64_t i = 0; i < run->vocabulary.key_count; i++) {
        const smg_gguf_key *key = &run->vocabulary.keys[i];
        if (key->name.size > 10 && memcmp(key->name.data, "tokenizer.", 10) == 0)
            SMG_TRY(smg_gguf_write_key(run->writer, key, run->error));
    }
    return SMIDGE_OK;
}

/* ---- Tensors --------------------------------------------------------------------------------------------- */

/* Two numbers of a normal distribution (Box and Muller). */
static void draw_pair(uint64_t *state, double deviation, float ret_pair[2])
{
    const double u = ((double)(smg_random_next(state) >> 11) + 1.0) * 0x1p-53;
    const double v = (double)(smg_random_next(state) >> 11) * 0x1p-53;
    const double size = deviation * sqrt(-2.0 * log(u));
    ret_pair[0] = (float)(size * cos(2.0 * M_PI * v));
    ret_pair[1] = (float)(size * sin(2.0 * M_PI * v));
}

/* deviation 0: a norm, all ones. */
static smidge_status tensor(start_run *run, const char *name, int64_t columns, int64_t rows, double deviation)
{
    const uint64_t shape[] = {(uint64_t)columns, (uint64_t)rows};
    if (run->declaring)
        return smg_gguf_write_tensor(run->writer, name, SMG_TYPE_F32, deviation > 0.0 ? 2 : 1, shape,
                                     run->error);
    float piece[PIECE];
    for (int64_t left = columns * rows; left > 0;) {
        const int64_t count = left < PIECE ? left : PIECE;
        for (int64_t i = 0; i < count; i += 2) {
            float pair[2] = {1.0F, 1.0F};
            if (deviation > 0.0)
                draw_pair(&run->state, deviation, pair);
            piece[i] = pair[0];
            if (i + 1 < count)
                piece[i + 1] = pair[1];
        }
        SMG_TRY(smg_gguf_write_data(run->writer, piece, (size_t)count * sizeof *piece, run->error));
        left -= count;
    }
    return SMIDGE_OK;
}

static smidge_status layer(start_run *run, int64_t number)
{
    const start_shape *shape = &run->shape;
    const int64_t width = shape->width, hidden = shape->feed_forward;
    const int64_t queries = shape->heads * shape->head_size, keys = shape->kv_heads * shape->head_size;
    const double small = DEVIATION / sqrt(2.0 * (double)shape->layers);
    const struct {
        const char *name;
        int64_t columns, rows;
        double deviation;
    } tensors[] = {
        {"attn_norm", width, 1, 0.0},           {"attn_q", width, queries, DEVIATION},
        {"attn_k", width, keys, DEVIATION},     {"attn_v", width, keys, DEVIATION},
        {"attn_output", queries, width, small}, {"ffn_norm", width, 1, 0.0},
        {"ffn_gate", width, hidden, DEVIATION}, {"ffn_up", width, hidden, DEVIATION},
        {"ffn_down", hidden, width, small},
    };
    for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++) {
        char name[64];
        snprintf(name, sizeof name, "blk.%d.%s.weight", (int)number, tensors[i].name);
        SMG_TRY(tensor(run, name, tensors[i].columns, tensors[i].rows, tensors[i].deviation));
    }
    return SMIDGE_OK;
}

static smidge_status tensors(start_run *run)
{
    SMG_TRY(tensor(run, "token_embd.weight", run->shape.width, run->tokens, DEVIATION));
    for (int64_t i = 0; i < run->shape.layers; i++)
        SMG_TRY(layer(run, i));
    SMG_TRY(tensor(run, "output_norm.weight", run->shape.width, 1, 0.0));
    return run->shape.tied ? SMIDGE_OK
                           : tensor(run, "output.weight", run->shape.width, run->tokens, DEVIATION);
}

static smidge_status check_size(const start_run *run, const char *path)
{
    const start_shape *shape = &run->shape;
    const double queries = (double)shape->heads * (double)shape->head_size;
    const double keys = (double)shape->kv_heads * (double)shape->head_size;
    const double layer =
        (double)shape->width * (2.0 * queries + 2.0 * keys + 3.0 * (double)shape->feed_forward);
    const double ends = (double)run->tokens * (double)shape->width * (shape->tied ? 1.0 : 2.0);
    const double all = ends + layer * (double)shape->layers;
    if (all <= PARAMETERS_MAX)
        return SMIDGE_OK;
    return smg_error_set(run->error, SMIDGE_E_INVALID, path,
                         "is a model of %.3g parameters, more than %.3g (take fewer layers or less width)",
                         all, PARAMETERS_MAX);
}

smidge_status smg_start_model_write(const char *shape_path, const char *vocabulary_path, uint64_t seed,
                                    const char *path, smidge_error *error)
{
    SMG_CLEANUP(run_done) start_run run = {.state = seed, .error = error};
    const smg_gguf_key *names = NULL;
    SMG_TRY(read_shape(shape_path, &run.shape, error));
    SMG_TRY(smg_gguf_open(vocabulary_path, &run.vocabulary, error));
    SMG_TRY(smg_gguf_get_array(&run.vocabulary, "tokenizer.ggml.tokens", SMG_GGUF_STRING, &names, error));
    if (names == NULL || names->count == 0)
        return smg_error_set(error, SMIDGE_E_INVALID, vocabulary_path,
                             "has no vocabulary (give a GGUF with tokenizer keys: --vocab)");
    run.tokens = (int64_t)names->count;
    SMG_TRY(check_size(&run, shape_path));
    SMG_TRY(smg_gguf_write_open(path, &run.writer, error));
    SMG_TRY(write_keys(&run));
    run.declaring = true;
    SMG_TRY(tensors(&run));
    run.declaring = false;
    SMG_TRY(tensors(&run));
    return smg_gguf_write_finish(run.writer, error);
}
