/* Sound GGUF files, and the typed reads; files that are wrong are in gguf_hostile_test.c. */
#include "format/gguf.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "gguf_builder.h"
#include "test_support.h"

/* ---- A file with everything in it ---------------------------------------------------------------------- */

static void add_integer(gguf_builder *b, const char *name, uint32_t type, uint64_t value, int width)
{
    gguf_add_key(b, name, type);
    gguf_put_int(&b->keys, value, width);
}

static void add_f64(gguf_builder *b, const char *name, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    add_integer(b, name, SMG_GGUF_F64, bits, 8);
}

static void add_keys(gguf_builder *b)
{
    gguf_add_str(b, "general.architecture", "llama");
    gguf_add_u8(b, "u8", 250);
    add_integer(b, "i8", SMG_GGUF_I8, (uint8_t)-5, 1);
    gguf_add_u16(b, "u16", 65000);
    add_integer(b, "i16", SMG_GGUF_I16, 1234, 2);
    gguf_add_u32(b, "u32", UINT32_MAX);
    gguf_add_i32(b, "i32", -7);
    gguf_add_f32(b, "f32", 1.5F);
    gguf_add_bool(b, "yes", true);
    gguf_add_bool(b, "no", false);
    gguf_add_str_n(b, "text", "a\0b", 3);
    gguf_add_str(b, "empty", "");
    gguf_add_u64(b, "u64", UINT32_MAX);
    gguf_add_u64(b, "u64.large", UINT64_C(1) << 32);
    gguf_add_i64(b, "i64", 77);
    gguf_add_i64(b, "i64.negative", -1);
    add_f64(b, "f64", 0.25);
    add_f64(b, "f64.large", 1e300);
    gguf_add_f32(b, "f32.nan", NAN);
    gguf_add_f32(b, "f32.infinite", -INFINITY);
    static const char *const words[] = {"one", "", "three"};
    gguf_add_array_str(b, "words", words, 3);
    gguf_add_array_f32(b, "floats", (const float[]){1.0F, -2.0F}, 2);
    gguf_add_array_i32(b, "ints", (const int32_t[]){-1, 2, 3}, 3);
    gguf_add_array(b, "nothing", SMG_GGUF_U64, 0);
    for (uint32_t type = 0; type < SMG_GGUF_TYPE_COUNT; type++) {
        static const int widths[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
        char name[32];
        if (widths[type] == 0)
            continue;
        snprintf(name, sizeof name, "array.%d", (int)type);
        gguf_add_array(b, name, type, 5);
        for (uint64_t i = 0; i < 5; i++)
            gguf_put_int(&b->keys, i, widths[type]);
    }
}

static void add_tensors(gguf_builder *b)
{
    float values[32];
    for (int i = 0; i < 32; i++)
        values[i] = (float)i;
    gguf_add_tensor(b, "matrix", SMG_TYPE_F32, 2, (const uint64_t[]){8, 4}, values, sizeof values);
    gguf_add_tensor(b, "blocks", SMG_TYPE_Q4_0, 2, (const uint64_t[]){64, 3}, NULL, 18 * 2 * 3);
    gguf_add_tensor(b, "vector", SMG_TYPE_F16, 1, (const uint64_t[]){5}, NULL, 10);
    gguf_add_tensor(b, "four", SMG_TYPE_BF16, 4, (const uint64_t[]){2, 3, 4, 5}, NULL, 240);
    gguf_add_tensor(b, "super", SMG_TYPE_Q6_K, 1, (const uint64_t[]){512}, NULL, 420);
}

static void build_sample(gguf_builder *b, uint32_t version, uint32_t alignment)
{
    gguf_begin(b, version);
    if (alignment != 0) {
        gguf_add_u32(b, "general.alignment", alignment);
        b->alignment = alignment;
    }
    add_keys(b);
    add_tensors(b);
    gguf_finish(b);
}

static gguf_builder sample;
static smg_gguf gguf;

static int open_sample(void **state)
{
    (void)state;
    build_sample(&sample, 3, 0);
    return smg_gguf_parse(sample.bytes, sample.size, "sample", &gguf, NULL);
}

static int close_sample(void **state)
{
    (void)state;
    smg_gguf_close(&gguf);
    gguf_free(&sample);
    return 0;
}

/* ---- What is in the file ------------------------------------------------------------------------------- */

static bool text_is(smg_text text, const char *expected)
{
    return text.size == strlen(expected) && memcmp(text.data, expected, text.size) == 0;
}

static void check_tensor(const smg_gguf *file, const gguf_builder *b, const char *name, smg_type type,
                         uint32_t dims, const uint64_t *shape, uint64_t bytes)
{
    const smg_gguf_tensor *tensor = smg_gguf_find_tensor(file, name);
    assert_non_null(tensor);
    assert_true(text_is(tensor->name, name));
    assert_int_equal(tensor->type, type);
    assert_int_equal(tensor->dims, dims);
    for (uint32_t i = 0; i < SMG_GGUF_MAX_DIMS; i++)
        assert_int_equal(tensor->shape[i], i < dims ? shape[i] : 1);
    assert_int_equal(tensor->bytes, bytes);
    assert_int_equal(tensor->offset % b->alignment, 0);
    assert_ptr_equal(tensor->data, b->bytes + tensor->offset);
    assert_true(tensor->offset + tensor->bytes <= b->size);
}

static void check_sample(const smg_gguf *file, const gguf_builder *b)
{
    assert_int_equal(file->version, b->version);
    assert_int_equal(file->alignment, b->alignment);
    assert_int_equal(file->key_count, b->key_count);
    assert_int_equal(file->tensor_count, 5);
    assert_int_equal(file->data_offset, b->data_offset);
    check_tensor(file, b, "matrix", SMG_TYPE_F32, 2, (const uint64_t[]){8, 4}, 128);
    check_tensor(file, b, "blocks", SMG_TYPE_Q4_0, 2, (const uint64_t[]){64, 3}, 108);
    check_tensor(file, b, "vector", SMG_TYPE_F16, 1, (const uint64_t[]){5}, 10);
    check_tensor(file, b, "four", SMG_TYPE_BF16, 4, (const uint64_t[]){2, 3, 4, 5}, 240);
    check_tensor(file, b, "super", SMG_TYPE_Q6_K, 1, (const uint64_t[]){512}, 420);
    for (int i = 0; i < 32; i++) {
        float value;
        memcpy(&value, smg_gguf_find_tensor(file, "matrix")->data + 4 * (size_t)i, sizeof value);
        assert_true(value == (float)i);
    }
    assert_null(smg_gguf_find_tensor(file, "matri"));
    assert_null(smg_gguf_find_tensor(file, "matrix."));
    assert_null(smg_gguf_find_tensor(file, ""));
    assert_null(smg_gguf_find(file, "matrix"));
    assert_true(text_is(file->tensors[0].name, "matrix")); /* in file order */
    assert_true(text_is(file->tensors[4].name, "super"));
}

static void test_versions_and_alignments(void **state)
{
    (void)state;
    static const uint32_t alignments[] = {0, 8, 16, 32, 64, 4096};
    for (uint32_t version = 2; version <= 3; version++) {
        for (size_t i = 0; i < sizeof alignments / sizeof *alignments; i++) {
            gguf_builder b;
            smg_gguf file = {0};
            build_sample(&b, version, alignments[i]);
            assert_int_equal(smg_gguf_parse(b.bytes, b.size, "sample", &file, NULL), SMIDGE_OK);
            check_sample(&file, &b);
            smg_gguf_close(&file);
            gguf_free(&b);
        }
    }
}

static void test_keys_of_every_type(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        smg_gguf_type type;
        uint64_t bytes;
    } expected[] = {
        {"u8", SMG_GGUF_U8, 1},       {"i8", SMG_GGUF_I8, 1},    {"u16", SMG_GGUF_U16, 2},
        {"i16", SMG_GGUF_I16, 2},     {"u32", SMG_GGUF_U32, 4},  {"i32", SMG_GGUF_I32, 4},
        {"f32", SMG_GGUF_F32, 4},     {"yes", SMG_GGUF_BOOL, 1}, {"text", SMG_GGUF_STRING, 11},
        {"u64", SMG_GGUF_U64, 8},     {"i64", SMG_GGUF_I64, 8},  {"f64", SMG_GGUF_F64, 8},
        {"words", SMG_GGUF_ARRAY, 0},
    };
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        const smg_gguf_key *key = smg_gguf_find(&gguf, expected[i].name);
        assert_non_null(key);
        assert_true(text_is(key->name, expected[i].name));
        assert_int_equal(key->type, expected[i].type);
        if (key->type != SMG_GGUF_ARRAY) {
            assert_int_equal(key->value_bytes, expected[i].bytes);
            assert_int_equal(key->count, 1);
        }
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(smg_gguf_type_name(expected[i].type),
                                    smg_gguf_type_name(expected[j].type));
    }
    assert_string_equal(smg_gguf_type_name(SMG_GGUF_TYPE_COUNT), "unknown");
    assert_null(smg_gguf_find(&gguf, "u"));
    assert_null(smg_gguf_find(&gguf, ""));
    for (uint64_t i = 0; i < gguf.key_count; i++) { /* each is found, and is itself */
        char name[64];
        snprintf(name, sizeof name, "%.*s", (int)gguf.keys[i].name.size, gguf.keys[i].name.data);
        assert_ptr_equal(smg_gguf_find(&gguf, name), &gguf.keys[i]);
    }
}

/* ---- Typed reads --------------------------------------------------------------------------------------- */

static void test_integers_of_any_width(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        smidge_status status;
        uint32_t value;
        const char *words;
    } cases[] = {
        {"u8", SMIDGE_OK, 250, NULL},
        {"u16", SMIDGE_OK, 65000, NULL},
        {"i16", SMIDGE_OK, 1234, NULL},
        {"u32", SMIDGE_OK, UINT32_MAX, NULL},
        {"u64", SMIDGE_OK, UINT32_MAX, NULL},
        {"i64", SMIDGE_OK, 77, NULL},
        {"i8", SMIDGE_E_FORMAT, 0, "i8 is out of range"},
        {"i32", SMIDGE_E_FORMAT, 0, "i32 is out of range"},
        {"i64.negative", SMIDGE_E_FORMAT, 0, "i64.negative is out of range"},
        {"u64.large", SMIDGE_E_FORMAT, 0, "u64.large is out of range"},
        {"f32", SMIDGE_E_FORMAT, 0, "f32 has type f32 where an integer"},
        {"yes", SMIDGE_E_FORMAT, 0, "has type bool"},
        {"text", SMIDGE_E_FORMAT, 0, "has type string"},
        {"ints", SMIDGE_E_FORMAT, 0, "has type array"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t value = 4711;
        bool found = false;
        smidge_error error = {0};
        assert_int_equal(smg_gguf_get_u32(&gguf, cases[i].name, &value, &found, &error), cases[i].status);
        assert_true(found);
        assert_int_equal(value, cases[i].status == SMIDGE_OK ? cases[i].value : 4711);
        if (cases[i].words != NULL)
            assert_non_null(strstr(error.message, cases[i].words));
        assert_int_equal(smg_gguf_get_u32(&gguf, cases[i].name, &value, NULL, NULL), cases[i].status);
    }
}

static void test_floats(void **state)
{
    (void)state;
    float value = 9.0F;
    smidge_error error = {0};
    assert_int_equal(smg_gguf_get_f32(&gguf, "f32", &value, NULL, NULL), SMIDGE_OK);
    assert_true(value == 1.5F);
    assert_int_equal(smg_gguf_get_f32(&gguf, "f64", &value, NULL, NULL), SMIDGE_OK);
    assert_true(value == 0.25F);
    static const char *const refused[] = {"f64.large", "f32.nan", "f32.infinite", "u32",
                                          "yes",       "text",    "floats"};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        assert_int_equal(smg_gguf_get_f32(&gguf, refused[i], &value, NULL, &error), SMIDGE_E_FORMAT);
        assert_non_null(strstr(error.message, refused[i]));
        assert_true(value == 0.25F);
    }
}

static void test_bools_and_texts(void **state)
{
    (void)state;
    bool value = false;
    smg_text text = {0};
    smidge_error error = {0};
    assert_int_equal(smg_gguf_get_bool(&gguf, "yes", &value, NULL, NULL), SMIDGE_OK);
    assert_true(value);
    assert_int_equal(smg_gguf_get_bool(&gguf, "no", &value, NULL, NULL), SMIDGE_OK);
    assert_false(value);
    assert_int_equal(smg_gguf_get_bool(&gguf, "u8", &value, NULL, &error), SMIDGE_E_FORMAT);
    assert_non_null(strstr(error.message, "has type u8 where a bool"));
    assert_int_equal(smg_gguf_get_text(&gguf, "text", &text, NULL, NULL), SMIDGE_OK);
    assert_int_equal(text.size, 3);
    assert_memory_equal(text.data, "a\0b", 3);
    assert_int_equal(smg_gguf_get_text(&gguf, "empty", &text, NULL, NULL), SMIDGE_OK);
    assert_int_equal(text.size, 0);
    assert_int_equal(smg_gguf_get_text(&gguf, "words", &text, NULL, &error), SMIDGE_E_FORMAT);
    assert_non_null(strstr(error.message, "has type array where a string"));
}

static void test_arrays(void **state)
{
    (void)state;
    const smg_gguf_key *key = NULL;
    smidge_error error = {0};
    assert_int_equal(smg_gguf_get_array(&gguf, "words", SMG_GGUF_STRING, &key, NULL), SMIDGE_OK);
    assert_int_equal(key->count, 3);
    static const char *const words[] = {"one", "", "three"};
    uint64_t position = 0;
    smg_text text = {0};
    for (int i = 0; i < 3; i++) {
        assert_true(smg_gguf_next_text(key, &position, &text));
        assert_true(text_is(text, words[i]));
    }
    assert_false(smg_gguf_next_text(key, &position, &text));
    assert_false(smg_gguf_next_text(key, &position, &text));
    assert_int_equal(smg_gguf_get_array(&gguf, "ints", SMG_GGUF_I32, &key, NULL), SMIDGE_OK);
    assert_int_equal(key->count, 3);
    assert_memory_equal(key->value, "\xff\xff\xff\xff\2\0\0\0\3\0\0\0", 12);
    position = 0;
    assert_false(smg_gguf_next_text(key, &position, &text)); /* not a string array */
    assert_int_equal(smg_gguf_get_array(&gguf, "nothing", SMG_GGUF_U64, &key, NULL), SMIDGE_OK);
    assert_int_equal(key->count, 0);
    const smg_gguf_key *before = key;
    assert_int_equal(smg_gguf_get_array(&gguf, "ints", SMG_GGUF_F32, &key, &error), SMIDGE_E_FORMAT);
    assert_non_null(strstr(error.message, "ints is an array of i32 where f32"));
    assert_int_equal(smg_gguf_get_array(&gguf, "u32", SMG_GGUF_U32, &key, &error), SMIDGE_E_FORMAT);
    assert_non_null(strstr(error.message, "has type u32 where an array"));
    assert_ptr_equal(key, before);
    for (uint32_t type = 0; type < SMG_GGUF_TYPE_COUNT; type++) {
        char name[32];
        if (type == SMG_GGUF_STRING || type == SMG_GGUF_ARRAY)
            continue;
        snprintf(name, sizeof name, "array.%d", (int)type);
        assert_int_equal(smg_gguf_get_array(&gguf, name, (smg_gguf_type)type, &key, NULL), SMIDGE_OK);
        assert_int_equal(key->count, 5);
    }
}

static void test_absent_keys_leave_the_default(void **state)
{
    (void)state;
    uint32_t number = 5;
    float real = 6.0F;
    bool yes = true;
    bool found = true;
    smg_text text = {.data = "x", .size = 1};
    const smg_gguf_key *key = &gguf.keys[0];
    assert_int_equal(smg_gguf_get_u32(&gguf, "absent", &number, &found, NULL), SMIDGE_OK);
    assert_false(found);
    found = true;
    assert_int_equal(smg_gguf_get_f32(&gguf, "absent", &real, &found, NULL), SMIDGE_OK);
    assert_false(found);
    found = true;
    assert_int_equal(smg_gguf_get_bool(&gguf, "absent", &yes, &found, NULL), SMIDGE_OK);
    assert_false(found);
    found = true;
    assert_int_equal(smg_gguf_get_text(&gguf, "absent", &text, &found, NULL), SMIDGE_OK);
    assert_false(found);
    assert_int_equal(smg_gguf_get_array(&gguf, "absent", SMG_GGUF_U8, &key, NULL), SMIDGE_OK);
    assert_null(key);
    assert_int_equal(number, 5);
    assert_true(real == 6.0F);
    assert_true(yes);
    assert_true(text_is(text, "x"));
}

/* ---- Names and sizes of types -------------------------------------------------------------------------- */

static void check_file_type(uint32_t number, const char *expected)
{
    gguf_builder b;
    smg_gguf file = {0};
    gguf_begin(&b, 3);
    gguf_add_u32(&b, "general.file_type", number);
    gguf_add_tensor(&b, "small", SMG_TYPE_F32, 1, (const uint64_t[]){8}, NULL, 32);
    gguf_add_tensor(&b, "large", SMG_TYPE_Q8_0, 1, (const uint64_t[]){128}, NULL, 136);
    gguf_finish(&b);
    assert_int_equal(smg_gguf_parse(b.bytes, b.size, "x", &file, NULL), SMIDGE_OK);
    assert_string_equal(smg_gguf_file_type(&file), expected);
    smg_gguf_close(&file);
    gguf_free(&b);
}

static smidge_status parse_tensor(uint32_t number, uint64_t rows, smg_type *ret_type)
{
    gguf_builder b;
    smg_gguf file = {0};
    gguf_begin(&b, 3);
    gguf_add_tensor(&b, "rows", number, 2, (const uint64_t[]){64, rows}, NULL, (size_t)(36 * rows));
    gguf_finish(&b);
    smidge_status status = smg_gguf_parse(b.bytes, b.size, "x", &file, NULL);
    *ret_type = status == SMIDGE_OK ? file.tensors[0].type : SMG_TYPE_COUNT;
    smg_gguf_close(&file);
    gguf_free(&b);
    return status;
}

/* Interleaved types have numbers of their own in files; those that they have in memory mean nothing there. */
static void test_interleaved_types(void **state)
{
    (void)state;
    smg_type type;
    const uint32_t number = smg_type_number(SMG_TYPE_Q4_0_R16);
    assert_true(number > UINT16_MAX);
    assert_int_equal(smg_type_of_number(number), SMG_TYPE_Q4_0_R16);
    assert_int_equal(parse_tensor(number, 32, &type), SMIDGE_OK);
    assert_int_equal(type, SMG_TYPE_Q4_0_R16);
    assert_int_equal(parse_tensor(number, 30, &type), SMIDGE_E_FORMAT);
    assert_int_equal(parse_tensor(SMG_TYPE_Q4_0_R16, 32, &type), SMIDGE_E_UNSUPPORTED);
    assert_int_equal(parse_tensor(smg_type_number((smg_type)(SMG_TYPE_R16 + SMG_TYPE_F16)), 32, &type),
                     SMIDGE_E_UNSUPPORTED);
    for (uint32_t each = 0; each < SMG_TYPE_COUNT; each++)
        if (smg_type_describe(each) != NULL)
            assert_int_equal(smg_type_of_number(smg_type_number((smg_type)each)), each);
}

static void test_the_file_type_is_said_or_seen(void **state)
{
    (void)state;
    check_file_type(15, "Q4_K_M");
    check_file_type(0, "F32");
    check_file_type(4, "Q8_0"); /* withdrawn: what most bytes are */
    check_file_type(1000, "Q8_0");
    check_file_type(UINT32_MAX, "Q8_0");
}

static void test_row_sizes(void **state)
{
    (void)state;
    assert_int_equal(smg_type_row_bytes(SMG_TYPE_F32, 7), 28);
    assert_int_equal(smg_type_row_bytes(SMG_TYPE_Q4_0, 64), 36);
    assert_int_equal(smg_type_row_bytes(SMG_TYPE_Q4_K, 512), 288);
    assert_int_equal(smg_type_row_bytes(SMG_TYPE_Q4_0, 33), 0);
    assert_int_equal(smg_type_row_bytes(SMG_TYPE_Q4_K, 32), 0);
    assert_int_equal(smg_type_row_bytes(SMG_TYPE_F32, UINT64_C(1) << 62), 0);
    assert_int_equal(smg_type_row_bytes(SMG_TYPE_Q8_K, ~UINT64_C(255)), 0);
    for (uint32_t type = 0; type < 64; type++) {
        const smg_type_info *info = smg_type_describe(type);
        if (info == NULL) {
            assert_int_equal(smg_type_row_bytes(type, 256), 0);
            continue;
        }
        assert_int_equal(smg_type_row_bytes(type, info->block_elements * 3), info->block_bytes * 3);
        for (uint32_t other = 0; other < type; other++) {
            if (smg_type_describe(other) != NULL)
                assert_string_not_equal(info->name, smg_type_describe(other)->name);
        }
    }
    assert_null(smg_type_describe(4));
    assert_null(smg_type_describe(SMG_TYPE_COUNT));
    assert_null(smg_type_describe(UINT32_MAX));
}

/* ---- Files --------------------------------------------------------------------------------------------- */

static void test_stories260k(void **state)
{
    (void)state;
    const char *path = smg_test_fixture("models/stories260K/stories260K.gguf");
    if (path == NULL)
        skip();
    uint64_t live = smg_alloc_live_blocks();
    smg_gguf file = {0};
    assert_int_equal(smg_gguf_open(path, &file, NULL), SMIDGE_OK);
    uint32_t layers = 0;
    smg_text name = {0};
    assert_int_equal(smg_gguf_get_u32(&file, "llama.block_count", &layers, NULL, NULL), SMIDGE_OK);
    assert_int_equal(layers, 5);
    assert_int_equal(smg_gguf_get_text(&file, "general.architecture", &name, NULL, NULL), SMIDGE_OK);
    assert_true(text_is(name, "llama"));
    const smg_gguf_key *tokens = NULL;
    assert_int_equal(smg_gguf_get_array(&file, "tokenizer.ggml.tokens", SMG_GGUF_STRING, &tokens, NULL),
                     SMIDGE_OK);
    assert_int_equal(tokens->count, 512);
    const smg_gguf_tensor *embedding = smg_gguf_find_tensor(&file, "token_embd.weight");
    assert_non_null(embedding);
    assert_int_equal(embedding->shape[0], 64);
    assert_int_equal(embedding->shape[1], 512);
    assert_string_equal(smg_gguf_file_type(&file), "F32");
    smg_gguf_close(&file);
    assert_int_equal(smg_alloc_live_blocks(), live);
}

static void test_vocabularies(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint64_t tokens;
    } files[] = {
        {"llama-spm", 32000}, {"phi-3", 32064},  {"llama-bpe", 128256},     {"qwen2", 151936},
        {"gpt-2", 50257},     {"refact", 49216}, {"deepseek-coder", 32256},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char name[128];
        snprintf(name, sizeof name, "tokenizers/ggml-vocab-%s.gguf", files[i].name);
        const char *path = smg_test_fixture(name);
        if (path == NULL)
            skip();
        smg_gguf file = {0};
        assert_int_equal(smg_gguf_open(path, &file, NULL), SMIDGE_OK);
        assert_int_equal(file.tensor_count, 0);
        const smg_gguf_key *tokens = NULL;
        assert_int_equal(smg_gguf_get_array(&file, "tokenizer.ggml.tokens", SMG_GGUF_STRING, &tokens, NULL),
                         SMIDGE_OK);
        assert_int_equal(tokens->count, files[i].tokens);
        uint64_t position = 0;
        uint64_t count = 0;
        smg_text text = {0};
        while (smg_gguf_next_text(tokens, &position, &text))
            count++;
        assert_int_equal(count, files[i].tokens);
        assert_int_equal(position, tokens->value_bytes);
        smg_gguf_close(&file);
    }
}

static void test_closing_nothing(void **state)
{
    (void)state;
    smg_gguf file = {0};
    smg_gguf_close(NULL);
    smg_gguf_close(&file);
    smidge_error error = {0};
    assert_int_equal(smg_gguf_open("/nowhere/model.gguf", &file, &error), SMIDGE_E_IO);
    assert_string_equal(error.where, "/nowhere/model.gguf");
    assert_null(file.keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_versions_and_alignments),
        cmocka_unit_test(test_keys_of_every_type),
        cmocka_unit_test(test_integers_of_any_width),
        cmocka_unit_test(test_floats),
        cmocka_unit_test(test_bools_and_texts),
        cmocka_unit_test(test_arrays),
        cmocka_unit_test(test_absent_keys_leave_the_default),
        cmocka_unit_test(test_interleaved_types),
        cmocka_unit_test(test_the_file_type_is_said_or_seen),
        cmocka_unit_test(test_row_sizes),
        cmocka_unit_test(test_stories260k),
        cmocka_unit_test(test_vocabularies),
        cmocka_unit_test(test_closing_nothing),
    };
    return cmocka_run_group_tests(tests, open_sample, close_sample);
}
