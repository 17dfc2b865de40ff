/* Models with random weights of any type, as files in memory: for what must hold whatever the weights are.
 *
 *   synthetic_file file = synthetic_make(&(synthetic_shape){.type = SMG_TYPE_Q4_K, .layers = 1, ...});
 *   smidge_model_open(file.path, ...)
 *   synthetic_free(&file);
 *
 * Blocks are random bytes with scales set so that a product keeps about the size of its input. */
#ifndef SMG_TESTS_SYNTHETIC_MODEL_H
#define SMG_TESTS_SYNTHETIC_MODEL_H

#include <math.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "format/blocks.h"
#include "kernels/half.h"
#include "test_support.h"
#include "tiny_vocabulary.h"

typedef struct synthetic_shape {
    smg_type type; /* of all matrices */
    int32_t layers;
    int32_t width;
    int32_t heads;
    int32_t kv_heads;
    int32_t head_size;
    int32_t feed_forward;
    int32_t context;
    int32_t window; /* 0: none */
    bool bpe;       /* tiny_vocabulary.h's byte-level BPE instead of its SentencePiece vocabulary */
    uint64_t seed;
    const char *const *extra_tokens; /* in the vocabulary besides; may be NULL */
    size_t extra_count;
} synthetic_shape;

typedef struct synthetic_file {
    int fd;
    char path[64];
} synthetic_file;

/* Where a block has its scale, and its offset if it has one, and how far values spread at a scale of 1. */
typedef struct synthetic_block {
    smg_type type;
    int scale_at;
    int offset_at; /* -1: none */
    double spread;
    double offset; /* of the scale, with the sign the format gives it */
} synthetic_block;

static const synthetic_block synthetic_blocks[] = {
    {SMG_TYPE_Q4_0, 0, -1, 4.6, 0},    {SMG_TYPE_Q4_1, 0, 2, 4.6, -7.5}, {SMG_TYPE_Q5_0, 0, -1, 9.2, 0},
    {SMG_TYPE_Q5_1, 0, 2, 9.2, -15.5}, {SMG_TYPE_Q8_0, 0, -1, 74, 0},    {SMG_TYPE_Q2_K, 80, 82, 12, 1.5},
    {SMG_TYPE_Q3_K, 108, -1, 42, 0},   {SMG_TYPE_Q4_K, 0, 2, 250, 7.5},  {SMG_TYPE_Q5_K, 0, 2, 500, 15.5},
    {SMG_TYPE_Q6_K, 208, -1, 1350, 0}, {SMG_TYPE_IQ4_NL, 0, -1, 70, 0},  {SMG_TYPE_IQ4_XS, 0, -1, 1290, 0},
};

static inline double synthetic_uniform(uint64_t *state)
{
    return (double)(smg_test_random(state) >> 11) * 0x1p-53;
}

static inline void synthetic_put_half(uint8_t *bytes, double value)
{
    uint16_t half = smg_half_from_float((float)value);
    memcpy(bytes, &half, sizeof half);
}

/* Numbers in -a .. a with a standard deviation of `size`. */
static inline void synthetic_floats(smg_type type, uint8_t *data, uint64_t count, double size,
                                    uint64_t *state)
{
    for (uint64_t i = 0; i < count; i++) {
        float value = (float)((2.0 * synthetic_uniform(state) - 1.0) * sqrt(3.0) * size);
        if (type == SMG_TYPE_F16) {
            synthetic_put_half(data + 2 * i, (double)value);
        } else if (type == SMG_TYPE_BF16) {
            uint16_t upper = (uint16_t)(smg_float_bits(value) >> 16);
            memcpy(data + 2 * i, &upper, sizeof upper);
        } else {
            memcpy(data + 4 * i, &value, sizeof value);
        }
    }
}

static inline void synthetic_fill(smg_type type, uint8_t *data, uint64_t elements, double size,
                                  uint64_t *state)
{
    if (type == SMG_TYPE_F32 || type == SMG_TYPE_F16 || type == SMG_TYPE_BF16) {
        synthetic_floats(type, data, elements, size, state);
        return;
    }
    const synthetic_block *block = NULL;
    for (size_t i = 0; i < sizeof synthetic_blocks / sizeof *synthetic_blocks; i++)
        block = synthetic_blocks[i].type == type ? &synthetic_blocks[i] : block;
    const smg_type_info *info = smg_type_describe(type);
    assert_non_null(block);
    for (uint64_t i = 0; i < elements / info->block_elements; i++) {
        uint8_t *bytes = data + i * info->block_bytes;
        for (int b = 0; b < info->block_bytes; b++)
            bytes[b] = (uint8_t)(smg_test_random(state) >> 56);
        double scale = (0.6 + 0.8 * synthetic_uniform(state)) * size / block->spread;
        synthetic_put_half(bytes + block->scale_at, scale);
        if (block->offset_at >= 0)
            synthetic_put_half(bytes + block->offset_at, scale * block->offset);
    }
}

static inline void synthetic_matrix(gguf_builder *b, const char *name, const synthetic_shape *shape,
                                    int32_t columns, int32_t rows, double gain, uint64_t *state)
{
    uint64_t size = smg_type_row_bytes(shape->type, (uint64_t)columns) * (uint64_t)rows;
    assert_true(size > 0);
    uint8_t *data = malloc(size);
    assert_non_null(data);
    synthetic_fill(shape->type, data, (uint64_t)columns * (uint64_t)rows, gain / sqrt(columns), state);
    gguf_add_tensor(b, name, shape->type, 2, (uint64_t[]){(uint64_t)columns, (uint64_t)rows}, data, size);
    free(data);
}

static inline void synthetic_norm(gguf_builder *b, const char *name, int32_t count, uint64_t *state)
{
    float *data = malloc((size_t)count * sizeof *data);
    assert_non_null(data);
    for (int32_t i = 0; i < count; i++)
        data[i] = (float)(0.8 + 0.4 * synthetic_uniform(state));
    gguf_add_tensor(b, name, SMG_TYPE_F32, 1, (uint64_t[]){(uint64_t)count}, data,
                    (size_t)count * sizeof *data);
    free(data);
}

static inline void synthetic_layer(gguf_builder *b, const synthetic_shape *shape, int32_t layer,
                                   uint64_t *state)
{
    int32_t queries = shape->heads * shape->head_size;
    int32_t keys = shape->kv_heads * shape->head_size;
    const struct {
        const char *name;
        int32_t columns;
        int32_t rows;
        double gain;
    } matrices[] = {
        {"attn_q", shape->width, queries, 1.5},
        {"attn_k", shape->width, keys, 1.5},
        {"attn_v", shape->width, keys, 1},
        {"attn_output", queries, shape->width, 1},
        {"ffn_gate", shape->width, shape->feed_forward, 1},
        {"ffn_up", shape->width, shape->feed_forward, 1},
        {"ffn_down", shape->feed_forward, shape->width, 1},
    };
    char name[64];
    for (size_t i = 0; i < sizeof matrices / sizeof *matrices; i++) {
        snprintf(name, sizeof name, "blk.%d.%s.weight", layer, matrices[i].name);
        synthetic_matrix(b, name, shape, matrices[i].columns, matrices[i].rows, matrices[i].gain, state);
    }
    snprintf(name, sizeof name, "blk.%d.attn_norm.weight", layer);
    synthetic_norm(b, name, shape->width, state);
    snprintf(name, sizeof name, "blk.%d.ffn_norm.weight", layer);
    synthetic_norm(b, name, shape->width, state);
}

static inline void synthetic_keys(gguf_builder *b, const synthetic_shape *shape)
{
    gguf_add_str(b, "general.architecture", "llama");
    gguf_add_str(b, "general.name", "synthetic");
    gguf_add_u32(b, "llama.block_count", (uint32_t)shape->layers);
    gguf_add_u32(b, "llama.context_length", (uint32_t)shape->context);
    gguf_add_u32(b, "llama.embedding_length", (uint32_t)shape->width);
    gguf_add_u32(b, "llama.feed_forward_length", (uint32_t)shape->feed_forward);
    gguf_add_u32(b, "llama.attention.head_count", (uint32_t)shape->heads);
    gguf_add_u32(b, "llama.attention.head_count_kv", (uint32_t)shape->kv_heads);
    gguf_add_u32(b, "llama.attention.key_length", (uint32_t)shape->head_size);
    gguf_add_u32(b, "llama.attention.value_length", (uint32_t)shape->head_size);
    gguf_add_u32(b, "llama.rope.dimension_count", (uint32_t)shape->head_size);
    gguf_add_f32(b, "llama.attention.layer_norm_rms_epsilon", 1e-5F);
    if (shape->window > 0)
        gguf_add_u32(b, "llama.attention.sliding_window", (uint32_t)shape->window);
}

static inline void synthetic_begin(gguf_builder *b, const synthetic_shape *shape, tiny_tokens *tokens)
{
    if (shape->bpe) {
        tiny_bpe_tokens(tokens);
        tiny_add_missing(tokens, shape->extra_tokens, shape->extra_count);
        tiny_begin_bpe(b, tokens, "gpt-2");
    } else {
        tiny_spm_tokens(tokens);
        tiny_add_missing(tokens, shape->extra_tokens, shape->extra_count);
        tiny_begin_spm(b, tokens);
        gguf_add_u32(b, "tokenizer.ggml.bos_token_id", TINY_BOS);
        gguf_add_u32(b, "tokenizer.ggml.eos_token_id", TINY_EOS);
    }
    synthetic_keys(b, shape);
}

/* Ends the builder. */
static inline synthetic_file synthetic_store(gguf_builder *b, const char *name)
{
    gguf_finish(b);
    synthetic_file file = {.fd = memfd_create(name, MFD_CLOEXEC)};
    assert_true(file.fd >= 0);
    for (size_t done = 0; done < b->size;) {
        ssize_t written = write(file.fd, b->bytes + done, b->size - done);
        assert_true(written > 0);
        done += (size_t)written;
    }
    snprintf(file.path, sizeof file.path, "/proc/self/fd/%d", file.fd);
    gguf_free(b);
    return file;
}

static inline synthetic_file synthetic_make(const synthetic_shape *shape)
{
    tiny_tokens *tokens = malloc(sizeof *tokens);
    assert_non_null(tokens);
    gguf_builder b;
    synthetic_begin(&b, shape, tokens);
    uint64_t state = shape->seed;
    synthetic_matrix(&b, "token_embd.weight", shape, shape->width, (int32_t)tokens->count, 2.0, &state);
    synthetic_matrix(&b, "output.weight", shape, shape->width, (int32_t)tokens->count, 2.0, &state);
    synthetic_norm(&b, "output_norm.weight", shape->width, &state);
    for (int32_t i = 0; i < shape->layers; i++)
        synthetic_layer(&b, shape, i, &state);
    synthetic_file file = synthetic_store(&b, "synthetic.gguf");
    free(tokens);
    return file;
}

/* A LoRA adapter of `rank` for all matrices in the layers of such a model; alpha is twice the rank. */
static inline synthetic_file synthetic_adapter(const synthetic_shape *shape, smg_type type, int32_t rank,
                                               uint64_t seed)
{
    const int32_t queries = shape->heads * shape->head_size, keys = shape->kv_heads * shape->head_size;
    const struct {
        const char *name;
        int32_t columns;
        int32_t rows;
    } matrices[] = {
        {"attn_q", shape->width, queries},
        {"attn_k", shape->width, keys},
        {"attn_v", shape->width, keys},
        {"attn_output", queries, shape->width},
        {"ffn_gate", shape->width, shape->feed_forward},
        {"ffn_up", shape->width, shape->feed_forward},
        {"ffn_down", shape->feed_forward, shape->width},
    };
    const synthetic_shape halves = {.type = type};
    gguf_builder b;
    char name[64];
    gguf_begin(&b, 3);
    gguf_add_str(&b, "general.architecture", "llama");
    gguf_add_str(&b, "general.type", "adapter");
    gguf_add_str(&b, "adapter.type", "lora");
    gguf_add_f32(&b, "adapter.lora.alpha", 2.0F * (float)rank);
    for (int32_t layer = 0; layer < shape->layers; layer++) {
        for (size_t i = 0; i < sizeof matrices / sizeof *matrices; i++) {
            snprintf(name, sizeof name, "blk.%d.%s.weight.lora_a", layer, matrices[i].name);
            synthetic_matrix(&b, name, &halves, matrices[i].columns, rank, 1, &seed);
            snprintf(name, sizeof name, "blk.%d.%s.weight.lora_b", layer, matrices[i].name);
            synthetic_matrix(&b, name, &halves, rank, matrices[i].rows, 0.2, &seed);
        }
    }
    return synthetic_store(&b, "adapter.gguf");
}

/* The usual small one: 2 layers of width 64, all in F32. */
static inline synthetic_file synthetic_small(int32_t context)
{
    return synthetic_make(&(synthetic_shape){.type = SMG_TYPE_F32,
                                             .layers = 2,
                                             .width = 64,
                                             .heads = 2,
                                             .kv_heads = 1,
                                             .head_size = 32,
                                             .feed_forward = 128,
                                             .context = context,
                                             .seed = 1});
}

static inline void synthetic_free(synthetic_file *file)
{
    close(file->fd);
    file->fd = -1;
}

#endif
