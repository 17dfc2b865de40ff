/* GGUF files that are wrong, by accident or on purpose: each is refused with a status and a message that
 * fit, or is read without leaving its bytes. */
#include "format/gguf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "gguf_builder.h"
#include "test_support.h"

#define SHAPE(...) ((const uint64_t[]){__VA_ARGS__})

/* ---- Reading whatever there is ------------------------------------------------------------------------- */

static bool inside(const smg_gguf *gguf, const void *data, uint64_t size)
{
    uintptr_t start = (uintptr_t)gguf->file.data;
    uintptr_t at = (uintptr_t)data;
    return at >= start && at - start <= gguf->file.size && size <= gguf->file.size - (at - start);
}

static void walk_keys(const smg_gguf *gguf)
{
    for (uint64_t i = 0; i < gguf->key_count; i++) {
        const smg_gguf_key *key = &gguf->keys[i];
        assert_true(inside(gguf, key->name.data, key->name.size));
        assert_true(inside(gguf, key->value, key->value_bytes));
        uint64_t position = 0;
        uint64_t texts = 0;
        smg_text text;
        while (key->type == SMG_GGUF_ARRAY && smg_gguf_next_text(key, &position, &text)) {
            assert_true(inside(gguf, text.data, text.size));
            texts++;
        }
        if (key->type == SMG_GGUF_ARRAY && key->element_type == SMG_GGUF_STRING)
            assert_int_equal(texts, key->count);
    }
}

static void walk_tensors(const smg_gguf *gguf)
{
    uint64_t end = gguf->data_offset;
    for (uint64_t i = 0; i < gguf->tensor_count; i++) {
        const smg_gguf_tensor *tensor = &gguf->tensors[i];
        assert_true(inside(gguf, tensor->name.data, tensor->name.size));
        assert_true(tensor->bytes > 0);
        assert_true(inside(gguf, tensor->data, tensor->bytes));
        assert_true(tensor->offset >= end); /* no two share a byte */
        assert_int_equal(tensor->offset % gguf->alignment, 0);
        end = tensor->offset + tensor->bytes;
    }
}

/* Parses, and checks what every outcome must be like. */
static smidge_status try_parse(const void *bytes, size_t size, smidge_error *error)
{
    uint64_t live = smg_alloc_live_blocks();
    smg_gguf gguf = {.version = 4711};
    memset(error, 0, sizeof *error);
    smidge_status status = smg_gguf_parse(bytes, size, "hostile.gguf", &gguf, error);
    if (status == SMIDGE_OK) {
        walk_keys(&gguf);
        walk_tensors(&gguf);
        smg_gguf_close(&gguf);
    } else {
        assert_int_equal(error->code, status);
        assert_string_equal(error->where, "hostile.gguf");
        assert_true(error->message[0] != '\0');
        assert_int_equal(gguf.version, 4711); /* written only on success */
    }
    assert_int_equal(smg_alloc_live_blocks(), live);
    return status;
}

/* The same over a block that ends where the bytes end, so that a sanitizer sees a read behind them. */
static smidge_status try_exact(const void *bytes, size_t size, smidge_error *error)
{
    uint8_t *copy = malloc(size == 0 ? 1 : size);
    assert_non_null(copy);
    memcpy(copy, bytes, size);
    smidge_status status = try_parse(copy, size, error);
    free(copy);
    return status;
}

static void expect(smidge_status status, const char *words, const gguf_builder *b)
{
    smidge_error error;
    smidge_status got = try_exact(b->bytes, b->size, &error);
    if (got != status || (words != NULL && strstr(error.message, words) == NULL))
        print_error("got %s, \"%s\"; not %s, \"%s\"\n", smidge_status_name(got), error.message,
                    smidge_status_name(status), words != NULL ? words : "");
    assert_int_equal(got, status);
    if (words != NULL)
        assert_non_null(strstr(error.message, words));
}

static void finish_and_expect(gguf_builder *b, smidge_status status, const char *words)
{
    gguf_finish(b);
    expect(status, words, b);
    gguf_free(b);
}

/* A small sound file, whose last tensor is followed by padding. */
static void build_small(gguf_builder *b)
{
    static const char *const words[] = {"<s>", "on", "off"};
    gguf_begin(b, 3);
    gguf_add_str(b, "general.architecture", "llama");
    gguf_add_u32(b, "general.alignment", 32);
    gguf_add_u32(b, "llama.block_count", 1);
    gguf_add_u64(b, "llama.context_length", 64);
    gguf_add_f32(b, "llama.rope.freq_base", 10000.0F);
    gguf_add_bool(b, "flag", true);
    gguf_add_array_str(b, "tokenizer.ggml.tokens", words, 3);
    gguf_add_array_f32(b, "tokenizer.ggml.scores", (const float[]){0, 1, 2}, 3);
    gguf_add_tensor(b, "token_embd.weight", SMG_TYPE_F32, 2, SHAPE(4, 3), NULL, 48);
    gguf_add_tensor(b, "blocks", SMG_TYPE_Q8_0, 1, SHAPE(32), NULL, 34);
    gguf_add_tensor(b, "output_norm.weight", SMG_TYPE_F32, 1, SHAPE(4), NULL, 16);
    gguf_finish(b);
}

/* ---- The header ---------------------------------------------------------------------------------------- */

static void expect_patched(size_t at, const void *patch, size_t size, smidge_status status, const char *words)
{
    gguf_builder b;
    build_small(&b);
    memcpy(b.bytes + at, patch, size);
    expect(status, words, &b);
    gguf_free(&b);
}

static void test_the_small_file_is_sound(void **state)
{
    (void)state;
    gguf_builder b;
    build_small(&b);
    expect(SMIDGE_OK, NULL, &b);
    gguf_free(&b);
}

static void test_other_files_are_told_apart(void **state)
{
    (void)state;
    expect_patched(0, "GGML", 4, SMIDGE_E_FORMAT, "not a GGUF file");
    expect_patched(0, "gguf", 4, SMIDGE_E_FORMAT, "not a GGUF file");
    expect_patched(0, "PK\3\4", 4, SMIDGE_E_FORMAT, "not a GGUF file");
    expect_patched(4, "\0\0\0\3", 4, SMIDGE_E_UNSUPPORTED, "big-endian");
    expect_patched(4, "\0\0\0\2", 4, SMIDGE_E_UNSUPPORTED, "big-endian");
    expect_patched(4, "\0\0\0\0", 4, SMIDGE_E_UNSUPPORTED, "version 0");
    expect_patched(4, "\1\0\0\0", 4, SMIDGE_E_UNSUPPORTED, "version 1;");
    expect_patched(4, "\4\0\0\0", 4, SMIDGE_E_UNSUPPORTED, "version 4;");
    expect_patched(4, "\xff\xff\xff\xff", 4, SMIDGE_E_UNSUPPORTED, "version 4294967295;");
    expect_patched(8, "\1\20\0\0\0\0\0\0", 8, SMIDGE_E_FORMAT, "4097 tensors are more than 4096");
    expect_patched(8, "\xff\xff\xff\xff\xff\xff\xff\xff", 8, SMIDGE_E_FORMAT, "18446744073709551615 tensors");
    expect_patched(16, "\1\20\0\0\0\0\0\0", 8, SMIDGE_E_FORMAT, "4097 keys are more than 4096");
    expect_patched(16, "\0\0\0\0\0\0\0\x80", 8, SMIDGE_E_FORMAT, "9223372036854775808 keys");
}

/* A download that stopped anywhere. */
static void test_truncation_at_every_byte(void **state)
{
    (void)state;
    gguf_builder b;
    build_small(&b);
    smg_gguf whole = {0};
    assert_int_equal(smg_gguf_parse(b.bytes, b.size, "x", &whole, NULL), SMIDGE_OK);
    uint64_t needed = whole.tensors[2].offset + whole.tensors[2].bytes;
    smg_gguf_close(&whole);
    assert_true(needed < b.size); /* only padding follows */
    for (size_t size = 0; size <= b.size; size++) {
        smidge_error error;
        smidge_status status = try_exact(b.bytes, size, &error);
        assert_int_equal(status, size >= needed ? SMIDGE_OK : SMIDGE_E_FORMAT);
        if (size < 4)
            assert_non_null(strstr(error.message, "not a GGUF file"));
        else if (size < needed)
            assert_non_null(strstr(error.message, "cut short"));
    }
    gguf_free(&b);
}

static void test_more_keys_or_tensors_than_there_are(void **state)
{
    (void)state;
    for (uint64_t extra = 1; extra <= 4000; extra = extra * 3 + 1) {
        gguf_builder b;
        build_small(&b);
        b.key_count_override = b.key_count + extra;
        gguf_finish(&b);
        smidge_error error;
        assert_int_not_equal(try_exact(b.bytes, b.size, &error), SMIDGE_OK);
        b.key_count_override = GGUF_NO_OVERRIDE;
        b.tensor_count_override = b.tensor_count + extra;
        gguf_finish(&b);
        assert_int_not_equal(try_exact(b.bytes, b.size, &error), SMIDGE_OK);
        gguf_free(&b);
    }
}

/* ---- Any number anywhere ------------------------------------------------------------------------------- */

static const uint64_t edges[] = {
    0,
    1,
    INT32_MAX,
    UINT64_C(1) << 31,
    UINT64_C(1) << 32,
    UINT64_C(1) << 62,
    INT64_MAX,
    UINT64_C(1) << 63,
    UINT64_MAX,
    UINT64_MAX - 31,
};

/* Every place, and with it every integer field, takes each value as 32 and as 64 bits. */
static void test_edge_values_in_every_field(void **state)
{
    (void)state;
    gguf_builder b;
    build_small(&b);
    uint8_t *patched = malloc(b.size);
    assert_non_null(patched);
    int refused = 0;
    int tried = 0;
    for (size_t at = 0; at < b.data_offset; at++) {
        for (size_t i = 0; i < 2 * sizeof edges / sizeof *edges; i++) {
            size_t width = i % 2 == 0 ? 4 : 8;
            if (at + width > b.size)
                continue;
            memcpy(patched, b.bytes, b.size);
            memcpy(patched + at, &edges[i / 2], width);
            smidge_error error;
            refused += try_parse(patched, b.size, &error) != SMIDGE_OK;
            tried++;
        }
    }
    print_message("%d of %d refused\n", refused, tried);
    assert_in_range(refused, tried / 4, tried - 1);
    free(patched);
    gguf_free(&b);
}

static void test_edge_values_of_lengths_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++) {
        gguf_builder b;
        gguf_begin(&b, 3);
        gguf_put_int(&b.keys, edges[i], 8); /* of a key's name, behind which nothing comes */
        b.key_count = 1;
        finish_and_expect(&b, SMIDGE_E_FORMAT, NULL);
        if (edges[i] == 0)
            continue;
        gguf_begin(&b, 3);
        gguf_add_key(&b, "text", SMG_GGUF_STRING);
        gguf_put_int(&b.keys, edges[i], 8);
        finish_and_expect(&b, SMIDGE_E_FORMAT, edges[i] == 1 ? "cut short" : "more than 1048576");
        for (uint32_t type = 0; type < SMG_GGUF_TYPE_COUNT; type++) {
            gguf_begin(&b, 3);
            gguf_add_array(&b, "array", type, edges[i]);
            const char *words = edges[i] == 1 ? "cut short" : "more than 1048576";
            finish_and_expect(&b, SMIDGE_E_FORMAT, type == SMG_GGUF_ARRAY ? "unknown type 9" : words);
        }
        gguf_begin(&b, 3); /* in an array of texts, the second one's length */
        gguf_add_array(&b, "array", SMG_GGUF_STRING, 2);
        gguf_put_text(&b.keys, "x", 1);
        gguf_put_int(&b.keys, edges[i], 8);
        finish_and_expect(&b, SMIDGE_E_FORMAT, edges[i] == 1 ? "cut short" : "more than 1048576");
    }
}

/* ---- Keys ---------------------------------------------------------------------------------------------- */

static void test_limits_hold_exactly(void **state)
{
    (void)state;
    gguf_builder b;
    char *text = calloc(1, SMG_GGUF_MAX_STRING + 1);
    assert_non_null(text);
    gguf_begin(&b, 3);
    gguf_add_str_n(&b, "text", text, SMG_GGUF_MAX_STRING);
    finish_and_expect(&b, SMIDGE_OK, NULL);
    gguf_begin(&b, 3);
    gguf_add_str_n(&b, "text", text, SMG_GGUF_MAX_STRING + 1);
    finish_and_expect(&b, SMIDGE_E_FORMAT, "1048577 bytes, more than 1048576");
    for (uint64_t count = SMG_GGUF_MAX_ARRAY; count <= SMG_GGUF_MAX_ARRAY + 1; count++) {
        bool fits = count <= SMG_GGUF_MAX_ARRAY;
        gguf_begin(&b, 3);
        gguf_add_array(&b, "array", SMG_GGUF_U8, count);
        gguf_put(&b.keys, text, SMG_GGUF_MAX_ARRAY);
        gguf_put(&b.keys, text, count - SMG_GGUF_MAX_ARRAY);
        finish_and_expect(&b, fits ? SMIDGE_OK : SMIDGE_E_FORMAT,
                          fits ? NULL : "1048577 elements, more than 1048576");
    }
    memset(text, 'n', 1025);
    gguf_begin(&b, 3);
    gguf_put_text(&b.keys, text, 1024);
    gguf_put_int(&b.keys, SMG_GGUF_BOOL, 4);
    gguf_put_int(&b.keys, 1, 1);
    b.key_count = 1;
    finish_and_expect(&b, SMIDGE_OK, NULL);
    gguf_begin(&b, 3);
    gguf_put_text(&b.keys, text, 1025);
    b.key_count = 1;
    finish_and_expect(&b, SMIDGE_E_FORMAT, "1025 bytes, more than 1024");
    free(text);
}

static void test_wrong_types(void **state)
{
    (void)state;
    static const uint32_t types[] = {13, 14, 255, 256, 1u << 31, UINT32_MAX};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        gguf_builder b;
        gguf_begin(&b, 3);
        gguf_add_key(&b, "key", types[i]);
        gguf_put_int(&b.keys, 0, 8);
        finish_and_expect(&b, SMIDGE_E_FORMAT, "key 1 has unknown type");
        gguf_begin(&b, 3);
        gguf_add_u8(&b, "first", 1);
        gguf_add_array(&b, "array", types[i], 0);
        finish_and_expect(&b, SMIDGE_E_FORMAT, "key 2 is an array of unknown type");
    }
    gguf_builder b; /* arrays in arrays: not even empty ones */
    gguf_begin(&b, 3);
    gguf_add_array(&b, "array", SMG_GGUF_ARRAY, 1);
    gguf_put_int(&b.keys, SMG_GGUF_ARRAY, 4);
    gguf_put_int(&b.keys, 0, 8);
    finish_and_expect(&b, SMIDGE_E_FORMAT, "array of unknown type 9");
}

static void test_bad_alignments(void **state)
{
    (void)state;
    static const uint32_t bad[] = {0, 1, 2, 3, 4, 7, 24, 33, 8192, 0x80000000, UINT32_MAX};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        gguf_builder b;
        char words[64];
        snprintf(words, sizeof words, "general.alignment is %u,", bad[i]);
        gguf_begin(&b, 3);
        gguf_add_u32(&b, "general.alignment", bad[i]);
        gguf_add_tensor(&b, "t", SMG_TYPE_F32, 1, SHAPE(8), NULL, 32);
        finish_and_expect(&b, SMIDGE_E_FORMAT, words);
    }
    gguf_builder b;
    gguf_begin(&b, 3);
    gguf_add_u64(&b, "general.alignment", 32);
    finish_and_expect(&b, SMIDGE_E_FORMAT, "general.alignment has type");
    gguf_begin(&b, 3);
    gguf_add_str(&b, "general.alignment", "abcd");
    finish_and_expect(&b, SMIDGE_E_FORMAT, "general.alignment has type");
}

static void test_names_that_occur_twice(void **state)
{
    (void)state;
    gguf_builder b;
    gguf_begin(&b, 3);
    gguf_add_u8(&b, "a", 1);
    gguf_add_u32(&b, "b.twice", 1);
    gguf_add_u8(&b, "c", 1);
    gguf_add_str(&b, "b.twice", "x");
    finish_and_expect(&b, SMIDGE_E_FORMAT, "has the key b.twice twice");
    gguf_begin(&b, 3);
    gguf_add_u32(&b, "general.alignment", 32);
    gguf_add_u32(&b, "general.alignment", 64);
    finish_and_expect(&b, SMIDGE_E_FORMAT, "has the key general.alignment twice");
    gguf_begin(&b, 3);
    gguf_add_u8(&b, "", 1);
    gguf_add_u8(&b, "", 2);
    finish_and_expect(&b, SMIDGE_E_FORMAT, "twice");
    gguf_begin(&b, 3);
    gguf_add_tensor(&b, "t", SMG_TYPE_F32, 1, SHAPE(8), NULL, 32);
    gguf_add_tensor(&b, "u", SMG_TYPE_F32, 1, SHAPE(8), NULL, 32);
    gguf_add_tensor(&b, "t", SMG_TYPE_F32, 1, SHAPE(8), NULL, 32);
    finish_and_expect(&b, SMIDGE_E_FORMAT, "has the tensor t twice");
    gguf_begin(&b, 3); /* a key and a tensor may share a name; one may begin the other */
    gguf_add_u8(&b, "t", 1);
    gguf_add_u8(&b, "tt", 1);
    gguf_add_tensor(&b, "t", SMG_TYPE_F32, 1, SHAPE(8), NULL, 32);
    finish_and_expect(&b, SMIDGE_OK, NULL);
}

static void test_as_many_names_as_allowed(void **state)
{
    (void)state;
    gguf_builder b;
    gguf_begin(&b, 3);
    for (int i = 0; i < SMG_GGUF_MAX_KEYS; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        gguf_add_u8(&b, name, 1);
        gguf_add_tensor(&b, name, SMG_TYPE_F32, 1, SHAPE(8), NULL, 32);
    }
    finish_and_expect(&b, SMIDGE_OK, NULL);
}

/* ---- Tensors ------------------------------------------------------------------------------------------- */

static void expect_tensor(uint32_t type, uint32_t dims, const uint64_t *shape, uint64_t offset,
                          smidge_status status, const char *words)
{
    gguf_builder b;
    gguf_begin(&b, 3);
    gguf_add_tensor_info(&b, "weight", type, dims, shape, offset);
    for (int i = 0; i < 4096; i++)
        gguf_put(&b.tensor_data, "", 1);
    finish_and_expect(&b, status, words);
}

static void test_shapes_that_cannot_be(void **state)
{
    (void)state;
    const uint64_t half = UINT64_C(1) << 32;
    const uint64_t most = UINT64_C(1) << 63;
    expect_tensor(SMG_TYPE_F32, 2, SHAPE(32, 32), 0, SMIDGE_OK, NULL);
    expect_tensor(SMG_TYPE_F32, 0, NULL, 0, SMIDGE_E_FORMAT, "0 dimensions");
    expect_tensor(SMG_TYPE_F32, 5, SHAPE(1, 1, 1, 1, 1), 0, SMIDGE_E_FORMAT, "5 dimensions");
    expect_tensor(SMG_TYPE_F32, 1, SHAPE(0), 0, SMIDGE_E_FORMAT, "shape that F32 rows cannot have");
    expect_tensor(SMG_TYPE_F32, 2, SHAPE(32, 0), 0, SMIDGE_E_FORMAT, "shape that F32 rows cannot have");
    expect_tensor(SMG_TYPE_F32, 4, SHAPE(1, 1, 1, 0), 0, SMIDGE_E_FORMAT, "shape that F32 rows cannot have");
    expect_tensor(SMG_TYPE_Q4_0, 1, SHAPE(33), 0, SMIDGE_E_FORMAT, "shape that Q4_0 rows cannot have");
    expect_tensor(SMG_TYPE_Q4_K, 2, SHAPE(128, 2), 0, SMIDGE_E_FORMAT, "shape that Q4_K rows cannot have");
    expect_tensor(SMG_TYPE_F32, 1, SHAPE(UINT64_MAX), 0, SMIDGE_E_FORMAT, "shape that");
    expect_tensor(SMG_TYPE_F32, 1, SHAPE(most / 2), 0, SMIDGE_E_FORMAT, "shape that");
    expect_tensor(SMG_TYPE_F32, 2, SHAPE(half, half), 0, SMIDGE_E_FORMAT, "shape that"); /* 0 modulo 2^64 */
    expect_tensor(SMG_TYPE_F32, 3, SHAPE(4, half, half), 0, SMIDGE_E_FORMAT, "shape that");
    expect_tensor(SMG_TYPE_F32, 4, SHAPE(1, half, 2, half), 0, SMIDGE_E_FORMAT, "shape that");
    expect_tensor(SMG_TYPE_F32, 3, SHAPE(1, most, 2), 0, SMIDGE_E_FORMAT, "shape that");
    expect_tensor(SMG_TYPE_F32, 2, SHAPE(1, most / 2 - 1), 0, SMIDGE_E_FORMAT, "larger than any file");
    expect_tensor(SMG_TYPE_Q8_0, 1, SHAPE(most), 0, SMIDGE_E_FORMAT, "cut short"); /* large, but a number */
    expect_tensor(SMG_TYPE_F32, 2, SHAPE(32, 33), 0, SMIDGE_E_FORMAT, "cut short");
    expect_tensor(SMG_TYPE_F32, 1, SHAPE(1025), 0, SMIDGE_E_FORMAT, "cut short");
}

static void test_types_that_are_not_read(void **state)
{
    (void)state;
    static const uint32_t types[] = {4, 5, 9, 15, 16, 24, 29, 31, 39, 255, 1u << 31, UINT32_MAX};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        char words[64];
        snprintf(words, sizeof words, "tensor weight has type number %u,", types[i]);
        expect_tensor(types[i], 1, SHAPE(256), 0, SMIDGE_E_UNSUPPORTED, words);
    }
    gguf_builder b; /* of a long name, so much that what to do about it still has room */
    char name[1024];
    memset(name, 'n', sizeof name);
    gguf_begin(&b, 3);
    gguf_put_text(&b.infos, name, sizeof name);
    gguf_put_int(&b.infos, 1, 4);
    gguf_put_int(&b.infos, 32, 8);
    gguf_put_int(&b.infos, 16, 4);
    gguf_put_int(&b.infos, 0, 8);
    b.tensor_count = 1;
    finish_and_expect(&b, SMIDGE_E_UNSUPPORTED, "has type number 16, which this version does not read (take");
}

static void test_offsets_that_cannot_be(void **state)
{
    (void)state;
    expect_tensor(SMG_TYPE_F32, 1, SHAPE(8), 32, SMIDGE_E_FORMAT, "leaves a hole");
    expect_tensor(SMG_TYPE_F32, 1, SHAPE(8), 1, SMIDGE_E_FORMAT, "not a multiple of the alignment");
    expect_tensor(SMG_TYPE_F32, 1, SHAPE(8), UINT64_MAX, SMIDGE_E_FORMAT, "not a multiple of the alignment");
    expect_tensor(SMG_TYPE_F32, 1, SHAPE(8), UINT64_MAX - 31, SMIDGE_E_FORMAT, "leaves a hole");
    expect_tensor(SMG_TYPE_F32, 1, SHAPE(8), UINT64_C(1) << 40, SMIDGE_E_FORMAT, "leaves a hole");
}

static void expect_second_at(uint64_t offset, smidge_status status, const char *words)
{
    gguf_builder b;
    gguf_begin(&b, 3);
    gguf_add_tensor(&b, "first", SMG_TYPE_F32, 1, SHAPE(20), NULL, 80);
    gguf_add_tensor_info(&b, "second", SMG_TYPE_F32, 1, SHAPE(8), offset);
    for (int i = 0; i < 4096; i++)
        gguf_put(&b.tensor_data, "", 1);
    finish_and_expect(&b, status, words);
}

static void test_tensors_that_overlap_or_leave_holes(void **state)
{
    (void)state;
    expect_second_at(96, SMIDGE_OK, NULL);
    expect_second_at(0, SMIDGE_E_FORMAT, "tensor 2 overlaps");
    expect_second_at(64, SMIDGE_E_FORMAT, "tensor 2 overlaps");
    expect_second_at(128, SMIDGE_E_FORMAT, "tensor 2 leaves a hole");
    expect_second_at(80, SMIDGE_E_FORMAT, "tensor 2 starts at 80, not a multiple");
    gguf_builder b; /* padded sizes whose sum is more than 64 bits: one after the other, no hole */
    gguf_begin(&b, 3);
    for (uint64_t i = 0; i < 4; i++) {
        char name[8];
        snprintf(name, sizeof name, "t%d", (int)i);
        gguf_add_tensor_info(&b, name, SMG_TYPE_F32, 1, SHAPE(UINT64_C(1) << 60), i << 62);
    }
    finish_and_expect(&b, SMIDGE_E_FORMAT, "larger than any file");
    gguf_begin(&b, 3); /* the last padding alone wraps */
    gguf_add_tensor_info(&b, "t", SMG_TYPE_F16, 1, SHAPE((UINT64_C(1) << 63) - 1), 0);
    finish_and_expect(&b, SMIDGE_E_FORMAT, "larger than any file");
}

static void test_data_that_is_not_there(void **state)
{
    (void)state;
    gguf_builder b;
    gguf_begin(&b, 3);
    gguf_add_tensor_info(&b, "t", SMG_TYPE_F32, 1, SHAPE(8), 0);
    finish_and_expect(&b, SMIDGE_E_FORMAT, "cut short");
    gguf_begin(&b, 3);
    gguf_add_tensor_info(&b, "t", SMG_TYPE_F32, 2, SHAPE(1 << 20, 1 << 20), 0);
    finish_and_expect(&b, SMIDGE_E_FORMAT, "its tensors end at byte 43980465");
}

/* ---- Damage -------------------------------------------------------------------------------------------- */

static void flip_bits(uint8_t *bytes, size_t size, size_t first)
{
    int refused = 0;
    for (size_t at = 0; at < first && at < size; at++) {
        for (int bit = 0; bit < 8; bit++) {
            smidge_error error;
            bytes[at] ^= (uint8_t)(1 << bit);
            refused += try_parse(bytes, size, &error) != SMIDGE_OK;
            bytes[at] ^= (uint8_t)(1 << bit);
        }
    }
    print_message("%d flipped bits refused\n", refused);
    assert_true(refused > 0);
}

static void test_each_bit_flipped(void **state)
{
    (void)state;
    gguf_builder b;
    build_small(&b);
    uint8_t *copy = malloc(b.size);
    assert_non_null(copy);
    memcpy(copy, b.bytes, b.size);
    flip_bits(copy, b.size, b.size);
    assert_memory_equal(copy, b.bytes, b.size);
    free(copy);
    gguf_free(&b);
}

static void test_each_bit_of_a_model_flipped(void **state)
{
    (void)state;
    const char *path = smg_test_fixture("models/stories260K/stories260K.gguf");
    if (path == NULL)
        skip();
    smg_file file = {0};
    assert_int_equal(smg_file_open(path, &file, NULL), SMIDGE_OK);
    uint8_t *copy = malloc(file.size);
    assert_non_null(copy);
    memcpy(copy, file.data, file.size);
    flip_bits(copy, file.size, 4096);
    free(copy);
    smg_file_close(&file);
}

/* What looks like a name may hold anything; messages stay one line. */
static void test_names_do_not_steer_terminals(void **state)
{
    (void)state;
    gguf_builder b;
    gguf_begin(&b, 3);
    gguf_add_u8(&b, "a\n\033[2Jb", 1);
    gguf_add_u8(&b, "a\n\033[2Jb", 1);
    finish_and_expect(&b, SMIDGE_E_FORMAT, "has the key a??[2Jb twice");
}

/* ---- Memory -------------------------------------------------------------------------------------------- */

static char folder[64];

static void write_part(const char *name, const gguf_builder *b, char path[160])
{
    snprintf(path, 160, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(b->bytes, 1, b->size, file), b->size);
    assert_int_equal(fclose(file), 0);
}

static void test_every_allocation_fails_once(void **state)
{
    (void)state;
    gguf_builder b;
    char path[160];
    build_small(&b);
    write_part("model.gguf", &b, path);
    uint64_t live = smg_alloc_live_blocks();
    int failures = 0;
    for (uint64_t n = 1;; n++) {
        smg_gguf gguf = {.version = 4711};
        smidge_error error = {0};
        smg_alloc_fail_at(n);
        smidge_status status = smg_gguf_open(path, &gguf, &error);
        smg_alloc_fail_at(0);
        if (status == SMIDGE_OK) {
            smg_gguf_close(&gguf);
            break;
        }
        assert_int_equal(status, SMIDGE_E_NOMEM);
        assert_int_equal(error.code, SMIDGE_E_NOMEM);
        assert_int_equal(gguf.version, 4711);
        assert_int_equal(smg_alloc_live_blocks(), live);
        failures++;
    }
    print_message("%d allocations failed\n", failures);
    assert_true(failures >= 5); /* a mapping, two lists, two indices */
    assert_int_equal(smg_alloc_live_blocks(), live);
    unlink(path);
    gguf_free(&b);
}

/* ---- Split files --------------------------------------------------------------------------------------- */

static void expect_open(const char *path, smidge_status status, const char *words)
{
    uint64_t live = smg_alloc_live_blocks();
    smg_gguf gguf = {0};
    smidge_error error = {0};
    smidge_status got = smg_gguf_open(path, &gguf, &error);
    smg_gguf_close(&gguf);
    if (got != status || strstr(error.message, words) == NULL)
        print_error("%s, \"%s\"\n", smidge_status_name(got), error.message);
    assert_int_equal(got, status);
    assert_non_null(strstr(error.message, words));
    assert_int_equal(smg_alloc_live_blocks(), live);
}

static void build_part(gguf_builder *b, uint16_t number, uint16_t count)
{
    gguf_begin(b, 3);
    gguf_add_u16(b, "split.no", number);
    gguf_add_u16(b, "split.count", count);
    gguf_add_i32(b, "split.tensors.count", 1);
    gguf_add_tensor(b, "t", SMG_TYPE_F32, 1, SHAPE(8), NULL, 32);
    gguf_finish(b);
}

static void test_split_files(void **state)
{
    (void)state;
    gguf_builder b;
    char first[160];
    char second[160];
    char third[160];
    char renamed[160];
    build_part(&b, 0, 3);
    write_part("tiny-00001-of-00003.gguf", &b, first);
    write_part("some-other-name-for-part-one.gguf", &b, renamed);
    gguf_free(&b);
    build_part(&b, 2, 3);
    write_part("tiny-00003-of-00003.gguf", &b, third);
    gguf_free(&b);
    expect_open(first, SMIDGE_E_UNSUPPORTED,
                "part 1 of 3 of a split model, and tiny-00002-of-00003.gguf is missing");
    expect_open(third, SMIDGE_E_UNSUPPORTED,
                "part 3 of 3 of a split model, and tiny-00002-of-00003.gguf is missing");
    build_part(&b, 1, 3);
    write_part("tiny-00002-of-00003.gguf", &b, second);
    gguf_free(&b);
    expect_open(second, SMIDGE_E_UNSUPPORTED, "part 2 of 3 of a split model; all parts are here");
    /* Named otherwise, nobody knows what the other parts are called. */
    expect_open(renamed, SMIDGE_E_UNSUPPORTED, "part 1 of 3 of a split model (");
    build_part(&b, 0, 1);
    write_part("tiny-00002-of-00003.gguf", &b, second);
    gguf_free(&b);
    expect_open(second, SMIDGE_OK, ""); /* "split" into one */
    gguf_begin(&b, 3);
    gguf_add_str(&b, "split.count", "3");
    gguf_finish(&b);
    write_part("tiny-00002-of-00003.gguf", &b, second);
    gguf_free(&b);
    expect_open(second, SMIDGE_E_FORMAT, "split.count has type string");
    unlink(first);
    unlink(second);
    unlink(third);
    unlink(renamed);
}

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/gguf_test.XXXXXX");
    return mkdtemp(folder) == NULL ? -1 : 0;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_small_file_is_sound),
        cmocka_unit_test(test_other_files_are_told_apart),
        cmocka_unit_test(test_truncation_at_every_byte),
        cmocka_unit_test(test_more_keys_or_tensors_than_there_are),
        cmocka_unit_test(test_edge_values_in_every_field),
        cmocka_unit_test(test_edge_values_of_lengths_are_refused),
        cmocka_unit_test(test_limits_hold_exactly),
        cmocka_unit_test(test_wrong_types),
        cmocka_unit_test(test_bad_alignments),
        cmocka_unit_test(test_names_that_occur_twice),
        cmocka_unit_test(test_as_many_names_as_allowed),
        cmocka_unit_test(test_shapes_that_cannot_be),
        cmocka_unit_test(test_types_that_are_not_read),
        cmocka_unit_test(test_offsets_that_cannot_be),
        cmocka_unit_test(test_tensors_that_overlap_or_leave_holes),
        cmocka_unit_test(test_data_that_is_not_there),
        cmocka_unit_test(test_each_bit_flipped),
        cmocka_unit_test(test_each_bit_of_a_model_flipped),
        cmocka_unit_test(test_names_do_not_steer_terminals),
        cmocka_unit_test(test_every_allocation_fails_once),
        cmocka_unit_test(test_split_files),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
