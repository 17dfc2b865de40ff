/* Writes tests/fuzz/corpus/gguf: small sound files, and one for each kind of wrong file that has hurt a
 * GGUF reader. Each is under 4 KB and kept in the tree; this program is how they came to be.
 *
 *   gcc -I tests -I src -I include -o make_gguf_corpus tests/fuzz/corpus_tools/make_gguf_corpus.c
 *   ./make_gguf_corpus tests/fuzz/corpus/gguf */
#include <stdio.h>

#include "format/blocks.h"
#include "gguf_builder.h"

#define SHAPE(...) ((const uint64_t[]){__VA_ARGS__})
#define HALF (UINT64_C(1) << 32)

typedef void (*fill_fn)(gguf_builder *b);

/* ---- Sound ones ---------------------------------------------------------------------------------------- */

static void nothing(gguf_builder *b)
{
    (void)b;
}

static void every_key_type(gguf_builder *b)
{
    static const int widths[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    for (uint32_t type = 0; type < sizeof widths / sizeof *widths; type++) {
        char name[16];
        if (widths[type] == 0)
            continue;
        snprintf(name, sizeof name, "key.%d", (int)type);
        gguf_add_key(b, name, type);
        gguf_put_int(&b->keys, 0, widths[type]);
        snprintf(name, sizeof name, "array.%d", (int)type);
        gguf_add_array(b, name, type, 2);
        gguf_put_int(&b->keys, 1, widths[type]);
        gguf_put_int(&b->keys, 0, widths[type]);
    }
    gguf_add_str(b, "text", "21.5 C");
    gguf_add_array_str(b, "texts", (const char *const[]){"a", "", "bc"}, 3);
}

static void every_tensor_type(gguf_builder *b)
{
    for (uint32_t type = 0; type < SMG_TYPE_COUNT; type++) {
        static const uint16_t elements[SMG_TYPE_COUNT] = {
            [SMG_TYPE_F32] = 1,    [SMG_TYPE_F16] = 1,     [SMG_TYPE_BF16] = 1,     [SMG_TYPE_Q4_0] = 32,
            [SMG_TYPE_Q4_1] = 32,  [SMG_TYPE_Q5_0] = 32,   [SMG_TYPE_Q5_1] = 32,    [SMG_TYPE_Q8_0] = 32,
            [SMG_TYPE_Q2_K] = 256, [SMG_TYPE_Q3_K] = 256,  [SMG_TYPE_Q4_K] = 256,   [SMG_TYPE_Q5_K] = 256,
            [SMG_TYPE_Q6_K] = 256, [SMG_TYPE_IQ4_NL] = 32, [SMG_TYPE_IQ4_XS] = 256,
        };
        static const uint16_t bytes[SMG_TYPE_COUNT] = {
            [SMG_TYPE_F32] = 4,    [SMG_TYPE_F16] = 2,     [SMG_TYPE_BF16] = 2,     [SMG_TYPE_Q4_0] = 18,
            [SMG_TYPE_Q4_1] = 20,  [SMG_TYPE_Q5_0] = 22,   [SMG_TYPE_Q5_1] = 24,    [SMG_TYPE_Q8_0] = 34,
            [SMG_TYPE_Q2_K] = 84,  [SMG_TYPE_Q3_K] = 110,  [SMG_TYPE_Q4_K] = 144,   [SMG_TYPE_Q5_K] = 176,
            [SMG_TYPE_Q6_K] = 210, [SMG_TYPE_IQ4_NL] = 18, [SMG_TYPE_IQ4_XS] = 136,
        };
        char name[16];
        if (elements[type] == 0)
            continue;
        snprintf(name, sizeof name, "t%d", (int)type);
        gguf_add_tensor(b, name, type, 1, SHAPE(elements[type]), NULL, bytes[type]);
    }
}

/* As smg_type_number has it. */
#define INTERLEAVED(type) (0x36315200U + (type))

static void interleaved(gguf_builder *b)
{
    gguf_add_tensor(b, "small", INTERLEAVED(SMG_TYPE_Q5_0), 2, SHAPE(32, 16), NULL, 22 * 16);
    gguf_add_tensor(b, "super", INTERLEAVED(SMG_TYPE_Q2_K), 2, SHAPE(256, 16), NULL, 84 * 16);
}

static void interleaved_half_a_group(gguf_builder *b)
{
    gguf_add_tensor(b, "small", INTERLEAVED(SMG_TYPE_Q5_0), 2, SHAPE(32, 8), NULL, 22 * 8);
}

static void interleaved_floats(gguf_builder *b)
{
    gguf_add_tensor(b, "floats", INTERLEAVED(SMG_TYPE_F16), 2, SHAPE(32, 16), NULL, 64 * 16);
}

static void add_vocabulary(gguf_builder *b, uint32_t score_type, uint32_t kind_type)
{
    static const char *const tokens[] = {"<unk>",        "<s>", "</s>", "<0x0A>",
                                         "\xe2\x96\x81", "on",  "off",  "\xe2\x96\x81on"};
    static const int32_t kinds[] = {2, 3, 3, 6, 1, 1, 1, 1};
    gguf_add_str(b, "tokenizer.ggml.model", "llama");
    gguf_add_array_str(b, "tokenizer.ggml.tokens", tokens, 8);
    gguf_add_array(b, "tokenizer.ggml.scores", score_type, 8);
    for (int i = 0; i < 8; i++)
        gguf_put_int(&b->keys, 0, score_type == 1 ? 1 : 4);
    gguf_add_array(b, "tokenizer.ggml.token_type", kind_type, 8);
    for (int i = 0; i < 8; i++)
        gguf_put_int(&b->keys, (uint32_t)kinds[i], kind_type == 1 ? 1 : 4);
    gguf_add_u32(b, "tokenizer.ggml.bos_token_id", 1);
    gguf_add_u32(b, "tokenizer.ggml.eos_token_id", 2);
}

static void spm_vocabulary(gguf_builder *b)
{
    add_vocabulary(b, 6, 5);
}

static void bpe_vocabulary(gguf_builder *b)
{
    static const char *const tokens[] = {"<|end|>", "o",          "n",  "f",  "\xc4\xa0",
                                         "on",      "\xc4\xa0on", "of", "off"};
    static const char *const merges[] = {"o n", "\xc4\xa0 on", "o f", "of f"};
    gguf_add_str(b, "tokenizer.ggml.model", "gpt2");
    gguf_add_str(b, "tokenizer.ggml.pre", "smollm");
    gguf_add_array_str(b, "tokenizer.ggml.tokens", tokens, 9);
    gguf_add_array_i32(b, "tokenizer.ggml.token_type", (const int32_t[]){3, 1, 1, 1, 1, 1, 1, 1, 1}, 9);
    gguf_add_array_str(b, "tokenizer.ggml.merges", merges, 4);
    gguf_add_u32(b, "tokenizer.ggml.eos_token_id", 0);
}

static void add_model_keys(gguf_builder *b, uint32_t heads)
{
    gguf_add_str(b, "general.architecture", "llama");
    gguf_add_u32(b, "llama.block_count", 1);
    gguf_add_u32(b, "llama.context_length", 32);
    gguf_add_u32(b, "llama.embedding_length", 4);
    gguf_add_u32(b, "llama.feed_forward_length", 8);
    gguf_add_u32(b, "llama.attention.head_count", heads);
    gguf_add_u32(b, "llama.attention.head_count_kv", 1);
    gguf_add_f32(b, "llama.attention.layer_norm_rms_epsilon", 1e-5F);
    gguf_add_f32(b, "llama.rope.freq_base", 10000.0F);
}

static void add_model_tensors(gguf_builder *b)
{
    gguf_add_tensor(b, "token_embd.weight", SMG_TYPE_F32, 2, SHAPE(4, 8), NULL, 128);
    gguf_add_tensor(b, "output_norm.weight", SMG_TYPE_F32, 1, SHAPE(4), NULL, 16);
    gguf_add_tensor(b, "blk.0.attn_norm.weight", SMG_TYPE_F32, 1, SHAPE(4), NULL, 16);
    gguf_add_tensor(b, "blk.0.attn_q.weight", SMG_TYPE_F32, 2, SHAPE(4, 4), NULL, 64);
    gguf_add_tensor(b, "blk.0.attn_k.weight", SMG_TYPE_F32, 2, SHAPE(4, 2), NULL, 32);
    gguf_add_tensor(b, "blk.0.attn_v.weight", SMG_TYPE_F32, 2, SHAPE(4, 2), NULL, 32);
    gguf_add_tensor(b, "blk.0.attn_output.weight", SMG_TYPE_F32, 2, SHAPE(4, 4), NULL, 64);
    gguf_add_tensor(b, "blk.0.ffn_norm.weight", SMG_TYPE_F32, 1, SHAPE(4), NULL, 16);
    gguf_add_tensor(b, "blk.0.ffn_gate.weight", SMG_TYPE_F32, 2, SHAPE(4, 8), NULL, 128);
    gguf_add_tensor(b, "blk.0.ffn_up.weight", SMG_TYPE_F32, 2, SHAPE(4, 8), NULL, 128);
    gguf_add_tensor(b, "blk.0.ffn_down.weight", SMG_TYPE_F32, 2, SHAPE(8, 4), NULL, 128);
}

static void whole_model(gguf_builder *b)
{
    add_model_keys(b, 2);
    spm_vocabulary(b);
    add_model_tensors(b);
}

static void version_2(gguf_builder *b)
{
    b->version = 2;
    whole_model(b);
}

static void alignment_64(gguf_builder *b)
{
    gguf_add_u32(b, "general.alignment", 64);
    b->alignment = 64;
    whole_model(b);
}

/* ---- Counts and sizes ---------------------------------------------------------------------------------- */

/* CVE-2024-23605: as many keys as make the list's size wrap. */
static void key_count_overflow(gguf_builder *b)
{
    whole_model(b);
    b->key_count_override = UINT64_C(0x0555555555555556);
}

/* CVE-2026-27940: tensors times their overhead. */
static void tensor_count_overflow(gguf_builder *b)
{
    whole_model(b);
    b->tensor_count_override = UINT64_C(0x0666666666666667);
}

static void key_count_beyond_file(gguf_builder *b)
{
    whole_model(b);
    b->key_count_override = 4096;
}

/* CVE-2024-21802: dimensions whose product is 0 in 64 bits. */
static void dims_overflow(gguf_builder *b)
{
    gguf_add_tensor_info(b, "t", SMG_TYPE_F32, 4, SHAPE(HALF, HALF, 1, 1), 0);
}

static void dims_negative(gguf_builder *b)
{
    gguf_add_tensor_info(b, "t", SMG_TYPE_F32, 2, SHAPE(UINT64_MAX, UINT64_MAX - 7), 0);
}

static void too_many_dims(gguf_builder *b)
{
    gguf_add_tensor_info(b, "t", SMG_TYPE_F32, 9, SHAPE(1, 1, 1, 1, 1, 1, 1, 1, 1), 0);
}

/* CVE-2025-53630: padded sizes whose sum wraps. */
static void padded_sum_overflow(gguf_builder *b)
{
    for (uint64_t i = 0; i < 4; i++) {
        char name[8];
        snprintf(name, sizeof name, "t%d", (int)i);
        gguf_add_tensor_info(b, name, SMG_TYPE_F32, 1, SHAPE(UINT64_C(1) << 60), i << 62);
    }
}

/* CVE-2026-33298: bytes of one tensor. */
static void tensor_bytes_overflow(gguf_builder *b)
{
    gguf_add_tensor_info(b, "t", SMG_TYPE_Q8_0, 2, SHAPE(32, UINT64_MAX / 34 + 1), 0);
    gguf_add_tensor_info(b, "u", SMG_TYPE_F32, 2, SHAPE(1, UINT64_MAX / 4 + 1), 0);
}

/* Padding that wraps to 0. */
static void padding_wraps(gguf_builder *b)
{
    gguf_add_tensor_info(b, "t", SMG_TYPE_F16, 1, SHAPE((UINT64_C(1) << 63) - 1), 0);
    gguf_add_tensor_info(b, "u", SMG_TYPE_F32, 1, SHAPE(8), 0);
}

static void text_length_overflow(gguf_builder *b)
{
    gguf_add_key(b, "text", 8);
    gguf_put_int(&b->keys, UINT64_MAX, 8);
}

static void name_length_overflow(gguf_builder *b)
{
    gguf_put_int(&b->keys, UINT64_MAX - 7, 8);
    b->key_count = 1;
}

static void array_length_overflow(gguf_builder *b)
{
    gguf_add_array(b, "array", 12, UINT64_C(0x2000000000000001));
}

static void array_of_arrays(gguf_builder *b)
{
    gguf_add_array(b, "array", 9, 1);
    for (int i = 0; i < 100; i++) {
        gguf_put_int(&b->keys, 9, 4);
        gguf_put_int(&b->keys, 1, 8);
    }
}

/* ---- Layout -------------------------------------------------------------------------------------------- */

static void add_alignment(gguf_builder *b, uint32_t alignment)
{
    gguf_add_u32(b, "general.alignment", alignment);
    whole_model(b);
}

static void alignment_0(gguf_builder *b)
{
    add_alignment(b, 0);
}

static void alignment_3(gguf_builder *b)
{
    add_alignment(b, 3);
}

static void alignment_huge(gguf_builder *b)
{
    add_alignment(b, 0x80000000);
}

/* CVE-2026-7482: offset and size past the end of the file. */
static void data_past_end(gguf_builder *b)
{
    gguf_add_tensor(b, "t", SMG_TYPE_F32, 1, SHAPE(8), NULL, 32);
    gguf_add_tensor_info(b, "u", SMG_TYPE_F32, 1, SHAPE(1 << 16), 32);
}

static void offset_past_end(gguf_builder *b)
{
    gguf_add_tensor(b, "t", SMG_TYPE_F32, 1, SHAPE(8), NULL, 32);
    gguf_add_tensor_info(b, "u", SMG_TYPE_F32, 1, SHAPE(8), UINT64_MAX - 31);
}

static void tensors_overlap(gguf_builder *b)
{
    gguf_add_tensor(b, "t", SMG_TYPE_F32, 1, SHAPE(32), NULL, 128);
    gguf_add_tensor_info(b, "u", SMG_TYPE_F32, 1, SHAPE(8), 64);
}

static void key_twice(gguf_builder *b)
{
    gguf_add_u32(b, "k", 1);
    gguf_add_u32(b, "k", 2);
}

static void tensor_twice(gguf_builder *b)
{
    gguf_add_tensor(b, "t", SMG_TYPE_F32, 1, SHAPE(8), NULL, 32);
    gguf_add_tensor(b, "t", SMG_TYPE_F32, 1, SHAPE(8), NULL, 32);
}

static void rows_not_whole_blocks(gguf_builder *b)
{
    gguf_add_tensor(b, "t", SMG_TYPE_Q4_K, 2, SHAPE(100, 4), NULL, 288);
}

/* ---- Meaning ------------------------------------------------------------------------------------------- */

/* Scores and kinds of one byte, read as four by those who do not look. */
static void scores_of_bytes(gguf_builder *b)
{
    add_vocabulary(b, 1, 5);
}

static void kinds_of_bytes(gguf_builder *b)
{
    add_vocabulary(b, 6, 1);
}

/* A byte token whose number is none, and ids outside the vocabulary. */
static void byte_token_of_no_byte(gguf_builder *b)
{
    gguf_add_str(b, "tokenizer.ggml.model", "llama");
    gguf_add_array_str(b, "tokenizer.ggml.tokens",
                       (const char *const[]){"<unk>", "<0x-1>", "<0xZZ>", "<0x100>"}, 4);
    gguf_add_array_f32(b, "tokenizer.ggml.scores", (const float[]){0, 0, 0, 0}, 4);
    gguf_add_array_i32(b, "tokenizer.ggml.token_type", (const int32_t[]){2, 6, 6, 6}, 4);
    gguf_add_u32(b, "tokenizer.ggml.bos_token_id", UINT32_MAX);
    gguf_add_i32(b, "tokenizer.ggml.eos_token_id", -1);
}

static void fewer_scores_than_tokens(gguf_builder *b)
{
    gguf_add_str(b, "tokenizer.ggml.model", "llama");
    gguf_add_array_str(b, "tokenizer.ggml.tokens", (const char *const[]){"<unk>", "a", "b"}, 3);
    gguf_add_array_f32(b, "tokenizer.ggml.scores", (const float[]){0}, 1);
    gguf_add_array_i32(b, "tokenizer.ggml.token_type", (const int32_t[]){2}, 1);
}

static void merges_of_nothing(gguf_builder *b)
{
    static const char *const merges[] = {"", " ", "a", "a ", " a", "a b c", "x y"};
    gguf_add_str(b, "tokenizer.ggml.model", "gpt2");
    gguf_add_str(b, "tokenizer.ggml.pre", "default");
    gguf_add_array_str(b, "tokenizer.ggml.tokens", (const char *const[]){"", "a", "a", "b"}, 4);
    gguf_add_array_i32(b, "tokenizer.ggml.token_type", (const int32_t[]){1, 1, 4, 1}, 4);
    gguf_add_array_str(b, "tokenizer.ggml.merges", merges, 7);
}

static void more_heads_than_width(gguf_builder *b)
{
    add_model_keys(b, 1024);
    add_model_tensors(b);
}

static void keys_of_other_types(gguf_builder *b)
{
    gguf_add_str(b, "general.architecture", "llama");
    gguf_add_f32(b, "llama.block_count", 1.0F);
    gguf_add_i64(b, "llama.context_length", -1);
    gguf_add_array_i32(b, "llama.embedding_length", (const int32_t[]){4}, 1);
    gguf_add_u64(b, "llama.attention.head_count", UINT64_MAX);
    add_model_tensors(b);
}

static void nested_chat_template(gguf_builder *b)
{
    char text[2001];
    for (size_t i = 0; i < sizeof text - 1; i++)
        text[i] = "{{(["[i % 4];
    text[sizeof text - 1] = '\0';
    spm_vocabulary(b);
    gguf_add_str(b, "tokenizer.chat_template", text);
}

static void part_of_a_split(gguf_builder *b)
{
    gguf_add_u16(b, "split.no", 65535);
    gguf_add_u16(b, "split.count", 65535);
    whole_model(b);
}

/* ---- Writing ------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    fill_fn fill;
    int cut; /* bytes missing at the end */
} files[] = {
    {"sound_empty", nothing, 0},
    {"sound_key_types", every_key_type, 0},
    {"sound_tensor_types", every_tensor_type, 0},
    {"sound_interleaved", interleaved, 0},
    {"interleaved_half_a_group", interleaved_half_a_group, 0},
    {"interleaved_floats", interleaved_floats, 0},
    {"sound_spm", spm_vocabulary, 0},
    {"sound_bpe", bpe_vocabulary, 0},
    {"sound_model", whole_model, 0},
    {"sound_version_2", version_2, 0},
    {"sound_alignment_64", alignment_64, 0},
    {"key_count_overflow", key_count_overflow, 0},
    {"tensor_count_overflow", tensor_count_overflow, 0},
    {"key_count_beyond_file", key_count_beyond_file, 0},
    {"dims_overflow", dims_overflow, 0},
    {"dims_negative", dims_negative, 0},
    {"too_many_dims", too_many_dims, 0},
    {"padded_sum_overflow", padded_sum_overflow, 0},
    {"tensor_bytes_overflow", tensor_bytes_overflow, 0},
    {"padding_wraps", padding_wraps, 0},
    {"text_length_overflow", text_length_overflow, 0},
    {"name_length_overflow", name_length_overflow, 0},
    {"array_length_overflow", array_length_overflow, 0},
    {"array_of_arrays", array_of_arrays, 0},
    {"alignment_0", alignment_0, 0},
    {"alignment_3", alignment_3, 0},
    {"alignment_huge", alignment_huge, 0},
    {"data_past_end", data_past_end, 0},
    {"data_short", whole_model, 40},
    {"offset_past_end", offset_past_end, 0},
    {"tensors_overlap", tensors_overlap, 0},
    {"key_twice", key_twice, 0},
    {"tensor_twice", tensor_twice, 0},
    {"rows_not_whole_blocks", rows_not_whole_blocks, 0},
    {"scores_of_bytes", scores_of_bytes, 0},
    {"kinds_of_bytes", kinds_of_bytes, 0},
    {"byte_token_of_no_byte", byte_token_of_no_byte, 0},
    {"fewer_scores_than_tokens", fewer_scores_than_tokens, 0},
    {"merges_of_nothing", merges_of_nothing, 0},
    {"more_heads_than_width", more_heads_than_width, 0},
    {"keys_of_other_types", keys_of_other_types, 0},
    {"nested_chat_template", nested_chat_template, 0},
    {"part_of_a_split", part_of_a_split, 0},
};

static int write_file(const char *folder, const char *name, const uint8_t *bytes, size_t size)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s.gguf", folder, name);
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(bytes, 1, size, file) != size) {
        perror(path);
        return 1;
    }
    return fclose(file) == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: make_gguf_corpus FOLDER\n");
        return 2;
    }
    int failed = 0;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        gguf_builder b;
        gguf_begin(&b, 3);
        files[i].fill(&b);
        gguf_finish(&b);
        if (b.size >= 4096) {
            fprintf(stderr, "%s: has %zu bytes\n", files[i].name, b.size);
            failed = 1;
        }
        failed |= write_file(argv[1], files[i].name, b.bytes, b.size - (size_t)files[i].cut);
        gguf_free(&b);
    }
    return failed;
}
