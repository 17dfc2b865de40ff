/* Models with random weights in the true shapes of real ones: for speed, memory and agreement of engines, which ask
 * for no sense. Nothing is fetched; the same name gives the same bytes on every machine.
 *
 *     make_model SHAPE-TYPE OUT.gguf        make_model 1b-q4_k_m /tmp/1b.gguf
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "format/gguf_write.h"
#include "make_model/made_vocabulary.h"
#include "make_model/model_shapes_table.h"
#include "make_model/random_blocks.h"
#include "quant/mix.h"

#define CHUNK_BYTES (4U << 20)
#define MAX_TENSORS 512
/* What logits and attention scores are made to spread by, in standard deviations of real models'. */
#define LOGIT_SPREAD 2.5F
#define SCORE_GAIN 1.5F

typedef struct made_tensor {
    char name[64];
    smg_type type;
    uint32_t dims;
    uint64_t shape[2];
    float level; /* matrices: the standard deviation; norms: the mean; 0: rope factors */
} made_tensor;

typedef struct maker {
    const model_shape *shape;
    const smg_mix *mix;
    smg_gguf_writer *writer;
    smidge_error error;
    made_tensor tensors[MAX_TENSORS];
    size_t count;
} maker;

/* ---- The list of tensors -------------------------------------------------------------------------------- */

static void add_vector(maker *make, const char *name, uint32_t count, float level)
{
    made_tensor *tensor = &make->tensors[make->count++];
    *tensor = (made_tensor){.type = SMG_TYPE_F32, .dims = 1, .shape = {count}, .level = level};
    snprintf(tensor->name, sizeof tensor->name, "%s", name);
}

static void add_matrix(maker *make, const char *name, uint32_t columns, uint32_t rows, float deviation)
{
    const smg_mix_model model = {.layers = (int32_t)make->shape->layers,
                                 .grouping = (int32_t)(make->shape->heads / make->shape->kv_heads),
                                 .tied = make->shape->tied};
    made_tensor *tensor = &make->tensors[make->count++];
    *tensor = (made_tensor){.type = smg_mix_choose(make->mix, &model, name, columns),
                            .dims = 2,
                            .shape = {columns, rows},
                            .level = deviation};
    snprintf(tensor->name, sizeof tensor->name, "%s", name);
}

/* `gain` in units of 1 / sqrt(columns), which keeps the size of what goes through. */
static void add_layer_matrix(maker *make, uint32_t layer, const char *name, uint32_t columns, uint32_t rows,
                             float gain)
{
    char full[64];
    snprintf(full, sizeof full, "blk.%u.%s.weight", layer, name);
    add_matrix(make, full, columns, rows, gain / sqrtf((float)columns));
}

static void add_layer_norm(maker *make, uint32_t layer, const char *name)
{
    char full[64];
    snprintf(full, sizeof full, "blk.%u.%s.weight", layer, name);
    add_vector(make, full, make->shape->width, 1.0F);
}

static void add_layer(maker *make, uint32_t layer)
{
    const model_shape *shape = make->shape;
    uint32_t width = shape->width;
    uint32_t hidden = shape->feed_forward;
    uint32_t queries = shape->heads * shape->head_size;
    uint32_t keys = shape->kv_heads * shape->head_size;
    add_layer_norm(make, layer, "attn_norm");
    if (shape->fused) {
        add_layer_matrix(make, layer, "attn_qkv", width, queries + 2 * keys, SCORE_GAIN);
    } else {
        add_layer_matrix(make, layer, "attn_q", width, queries, SCORE_GAIN);
        add_layer_matrix(make, layer, "attn_k", width, keys, SCORE_GAIN);
        add_layer_matrix(make, layer, "attn_v", width, keys, 1.0F);
    }
    add_layer_matrix(make, layer, "attn_output", queries, width, shape->residual);
    add_layer_norm(make, layer, "ffn_norm");
    if (!shape->fused)
        add_layer_matrix(make, layer, "ffn_gate", width, hidden, 1.0F);
    add_layer_matrix(make, layer, "ffn_up", width, shape->fused ? 2 * hidden : hidden, 1.0F);
    add_layer_matrix(make, layer, "ffn_down", hidden, width, shape->residual);
}

static void list_tensors(maker *make)
{
    const model_shape *shape = make->shape;
    uint32_t vocabulary = (uint32_t)vocabulary_size(shape->vocabulary);
    float root = sqrtf((float)shape->width);
    float output = shape->tied ? shape->embedding : 1.0F / root;
    add_matrix(make, "token_embd.weight", shape->width, vocabulary, shape->embedding);
    if (shape->rope_scaling > 0.0F)
        add_vector(make, "rope_freqs.weight", shape->head_size / 2, 0.0F);
    for (uint32_t i = 0; i < shape->layers; i++)
        add_layer(make, i);
    add_vector(make, "output_norm.weight", shape->width, LOGIT_SPREAD / (output * root));
    if (!shape->tied)
        add_matrix(make, "output.weight", shape->width, vocabulary, output);
}

/* ---- Keys ----------------------------------------------------------------------------------------------- */

static smidge_status write_text(maker *make, const char *name, const char *text)
{
    return smg_gguf_write_text(make->writer, name, (smg_text){text, strlen(text)}, &make->error);
}

static smidge_status write_counts(maker *make)
{
    const model_shape *shape = make->shape;
    const struct {
        const char *suffix;
        uint32_t value; /* 0: no such key */
    } keys[] = {
        {"block_count", shape->layers},
        {"context_length", shape->context},
        {"embedding_length", shape->width},
        {"feed_forward_length", shape->feed_forward},
        {"attention.head_count", shape->heads},
        {"attention.head_count_kv", shape->kv_heads},
        {"attention.key_length", shape->head_size_keys ? shape->head_size : 0},
        {"attention.value_length", shape->head_size_keys ? shape->head_size : 0},
        {"attention.sliding_window", shape->window},
        {"rope.dimension_count", shape->rope_size_key ? shape->head_size : 0},
        {"rope.scaling.original_context_length", shape->original_key ? shape->context : 0},
        {"vocab_size", shape->vocabulary_key ? (uint32_t)vocabulary_size(shape->vocabulary) : 0},
    };
    char name[96];
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        snprintf(name, sizeof name, "%s.%s", shape->architecture, keys[i].suffix);
        if (keys[i].value != 0)
            SMG_TRY(smg_gguf_write_u32(make->writer, name, keys[i].value, &make->error));
    }
    return SMIDGE_OK;
}

static smidge_status write_keys(maker *make)
{
    const model_shape *shape = make->shape;
    char name[96];
    SMG_TRY(write_text(make, "general.architecture", shape->architecture));
    SMG_TRY(write_text(make, "general.name", shape->title));
    SMG_TRY(
        smg_gguf_write_u32(make->writer, "general.file_type", smg_mix_file_type(make->mix), &make->error));
    SMG_TRY(smg_gguf_write_u32(make->writer, "general.quantization_version", 2, &make->error));
    SMG_TRY(write_counts(make));
    snprintf(name, sizeof name, "%s.attention.layer_norm_rms_epsilon", shape->architecture);
    SMG_TRY(smg_gguf_write_f32(make->writer, name, shape->norm_epsilon, &make->error));
    snprintf(name, sizeof name, "%s.rope.freq_base", shape->architecture);
    if (shape->rope_base > 0.0F)
        SMG_TRY(smg_gguf_write_f32(make->writer, name, shape->rope_base, &make->error));
    return made_vocabulary_write(shape->vocabulary, make->writer, &make->error);
}

/* ---- Data ----------------------------------------------------------------------------------------------- */

/* Llama 3's: waves longer than the context it was first trained for are slowed down by the factor, those of a
 * quarter of it are left alone, and between the two it is a mixture (Meta's apply_scaling). */
static void fill_rope_factors(const model_shape *shape, uint64_t count, float *ret_values)
{
    const double trained = 8192.0;
    const double low = 1.0;
    const double high = 4.0;
    double factor = (double)shape->rope_scaling;
    for (uint64_t i = 0; i < count; i++) {
        double wave = 2.0 * M_PI * pow((double)shape->rope_base, (double)i / (double)count);
        double share = (trained / wave - low) / (high - low);
        share = share < 0.0 ? 0.0 : share > 1.0 ? 1.0 : share;
        ret_values[i] = (float)(1.0 / ((1.0 - share) / factor + share));
    }
}

static uint64_t seed_of(const maker *make, const made_tensor *tensor)
{
    uint64_t seed = 0;
    for (const char *at = make->shape->name; *at != '\0'; at++)
        seed = random_mix(seed, (unsigned char)*at);
    for (const char *at = tensor->name; *at != '\0'; at++)
        seed = random_mix(seed, (unsigned char)*at);
    return seed;
}

static smidge_status write_vector(maker *make, const made_tensor *tensor, float *chunk)
{
    if (tensor->level > 0.0F)
        random_norms_fill(seed_of(make, tensor), tensor->shape[0], tensor->level, chunk);
    else
        fill_rope_factors(make->shape, tensor->shape[0], chunk);
    return smg_gguf_write_data(make->writer, chunk, tensor->shape[0] * sizeof *chunk, &make->error);
}

static smidge_status write_matrix(maker *make, const made_tensor *tensor, void *chunk)
{
    const smg_type_info *info = smg_type_describe(tensor->type);
    uint64_t seed = seed_of(make, tensor);
    uint64_t blocks = tensor->shape[0] / info->block_elements * tensor->shape[1];
    uint64_t most = CHUNK_BYTES / info->block_bytes;
    for (uint64_t at = 0; at < blocks; at += most) {
        uint64_t count = blocks - at < most ? blocks - at : most;
        if (!random_blocks_fill(tensor->type, seed, at, count, tensor->level, chunk))
            return smg_error_set(&make->error, SMIDGE_E_UNSUPPORTED, tensor->name,
                                 "random %s is not made here (add it to random_blocks.c)", info->name);
        SMG_TRY(smg_gguf_write_data(make->writer, chunk, count * info->block_bytes, &make->error));
    }
    return SMIDGE_OK;
}

static smidge_status write_model(maker *make, void *chunk)
{
    list_tensors(make);
    SMG_TRY(write_keys(make));
    for (size_t i = 0; i < make->count; i++) {
        const made_tensor *tensor = &make->tensors[i];
        SMG_TRY(smg_gguf_write_tensor(make->writer, tensor->name, tensor->type, tensor->dims, tensor->shape,
                                      &make->error));
    }
    for (size_t i = 0; i < make->count; i++) {
        const made_tensor *tensor = &make->tensors[i];
        SMG_TRY(tensor->dims == 1 ? write_vector(make, tensor, chunk) : write_matrix(make, tensor, chunk));
    }
    return smg_gguf_write_finish(make->writer, &make->error);
}

int main(int argc, char **argv)
{
    static maker make;
    const char *dash = argc == 3 ? strchr(argv[1], '-') : NULL;
    if (dash == NULL) {
        fprintf(stderr, "usage: make_model SHAPE-TYPE OUT.gguf\n  SHAPE  %s\n  TYPE   %s\n",
                model_shape_names(), smg_mix_names());
        return 2;
    }
    make.shape = model_shape_find(argv[1], (size_t)(dash - argv[1]));
    make.mix = smg_mix_find(dash + 1);
    if (make.shape == NULL || make.mix == NULL) {
        fprintf(stderr, "make_model: there is no %s (shapes: %s; types: %s)\n", argv[1], model_shape_names(),
                smg_mix_names());
        return 2;
    }
    void *chunk = smg_alloc(CHUNK_BYTES);
    smidge_status status = smg_error_no_memory(&make.error, argv[2], CHUNK_BYTES);
    if (chunk != NULL)
        status = smg_gguf_write_open(argv[2], &make.writer, &make.error);
    if (status == SMIDGE_OK)
        status = write_model(&make, chunk);
    smg_gguf_write_close(make.writer);
    smg_free(chunk);
    if (status == SMIDGE_OK)
        return 0;
    fprintf(stderr, "make_model: %s: %s\n", make.error.where, make.error.message);
    return 1;
}
