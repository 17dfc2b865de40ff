/* What the writer writes, our own reader reads back; what nobody could read leaves no file. */
#include "format/gguf_write.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/alloc.h"
#include "test_support.h"

static char folder[64];
static char path[128];
static smg_gguf_writer *writer;
static smidge_error error;

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/gguf_write_test.XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/model.gguf", folder);
    writer = NULL;
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    smg_gguf_write_close(writer);
    unlink(path);
    return rmdir(folder); /* fails when something was left behind */
}

static int count_files(void)
{
    int count = 0;
    DIR *list = opendir(folder);
    assert_non_null(list);
    for (const struct dirent *entry = readdir(list); entry != NULL; entry = readdir(list))
        count += entry->d_name[0] != '.';
    closedir(list);
    return count;
}

static void ok(smidge_status status)
{
    if (status != SMIDGE_OK)
        fail_msg("%s: %s: %s", smidge_status_name(status), error.where, error.message);
}

static void begin(void)
{
    ok(smg_gguf_write_open(path, &writer, &error));
}

static void end(void)
{
    smg_gguf_write_close(writer);
    writer = NULL;
}

/* The status was a refusal that says `why`, and after closing nothing is there. */
static void refused(smidge_status status, const char *why)
{
    assert_int_equal(status, SMIDGE_E_INVALID);
    assert_int_equal(error.code, SMIDGE_E_INVALID);
    if (strstr(error.message, why) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", error.message, why);
    end();
    assert_int_equal(count_files(), 0);
}

static smg_text text_of(const char *text)
{
    return (smg_text){.data = text, .size = strlen(text)};
}

static bool text_is(smg_text text, const char *expected)
{
    return text.size == strlen(expected) && memcmp(text.data, expected, text.size) == 0;
}

/* ---- Sound files ---------------------------------------------------------------------------------------- */

static const smg_gguf_type scalars[] = {SMG_GGUF_U8,  SMG_GGUF_I8,  SMG_GGUF_U16, SMG_GGUF_I16,
                                        SMG_GGUF_U32, SMG_GGUF_I32, SMG_GGUF_F32, SMG_GGUF_BOOL,
                                        SMG_GGUF_U64, SMG_GGUF_I64, SMG_GGUF_F64};
enum { SCALARS = sizeof scalars / sizeof *scalars, ELEMENTS = 5 };

/* Bytes that are different for every key; as a bool, 0 or 1. */
static void fill(smg_gguf_type type, uint8_t *ret_bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        ret_bytes[i] = type == SMG_GGUF_BOOL ? (uint8_t)(i & 1) : (uint8_t)(16 * (unsigned)type + i);
}

static void name_key(char name[32], const char *kind, smg_gguf_type type)
{
    snprintf(name, 32, "%s.%s", kind, smg_gguf_type_name(type));
}

static void write_keys(void)
{
    char name[32];
    uint8_t values[ELEMENTS * 8];
    ok(smg_gguf_write_text(writer, "general.architecture", text_of("llama"), &error));
    for (int i = 0; i < SCALARS; i++) {
        size_t bytes = smg_gguf_scalar_bytes(scalars[i]);
        fill(scalars[i], values, sizeof values);
        name_key(name, "one", scalars[i]);
        ok(smg_gguf_write_scalar(writer, name, scalars[i], values, &error));
        name_key(name, "array", scalars[i]);
        ok(smg_gguf_write_array(writer, name, scalars[i], values, ELEMENTS, &error));
        assert_true(bytes * ELEMENTS <= sizeof values);
    }
    ok(smg_gguf_write_array(writer, "nothing", SMG_GGUF_U64, NULL, 0, &error));
    ok(smg_gguf_write_u32(writer, "number", 4000000000U, &error));
    ok(smg_gguf_write_f32(writer, "fraction", 0.25F, &error));
    ok(smg_gguf_write_bool(writer, "yes", true, &error));
    ok(smg_gguf_write_text(writer, "empty", text_of(""), &error));
    ok(smg_gguf_write_text(writer, "zero inside", (smg_text){"a\0b", 3}, &error));
    ok(smg_gguf_write_texts(writer, "no texts", 0, &error));
    ok(smg_gguf_write_texts(writer, "texts", 3, &error));
    ok(smg_gguf_write_next_text(writer, text_of("one"), &error));
    ok(smg_gguf_write_next_text(writer, text_of(""), &error));
    ok(smg_gguf_write_next_text(writer, text_of("three"), &error));
}

static void check_keys(const smg_gguf *gguf)
{
    char name[32];
    uint8_t values[ELEMENTS * 8];
    assert_int_equal(gguf->key_count, 1 + 2 * SCALARS + 8);
    for (int i = 0; i < SCALARS; i++) {
        size_t bytes = smg_gguf_scalar_bytes(scalars[i]);
        fill(scalars[i], values, sizeof values);
        name_key(name, "one", scalars[i]);
        const smg_gguf_key *key = smg_gguf_find(gguf, name);
        assert_non_null(key);
        assert_int_equal(key->type, scalars[i]);
        assert_int_equal(key->value_bytes, bytes);
        assert_memory_equal(key->value, values, bytes);
        name_key(name, "array", scalars[i]);
        ok(smg_gguf_get_array(gguf, name, scalars[i], &key, &error));
        assert_int_equal(key->count, ELEMENTS);
        assert_memory_equal(key->value, values, ELEMENTS * bytes);
    }
    uint32_t number = 0;
    float fraction = 0;
    bool yes = false;
    smg_text text = {0};
    ok(smg_gguf_get_u32(gguf, "number", &number, NULL, &error));
    ok(smg_gguf_get_f32(gguf, "fraction", &fraction, NULL, &error));
    ok(smg_gguf_get_bool(gguf, "yes", &yes, NULL, &error));
    assert_int_equal(number, 4000000000U);
    assert_true(fraction == 0.25F && yes);
    ok(smg_gguf_get_text(gguf, "zero inside", &text, NULL, &error));
    assert_int_equal(text.size, 3);
    assert_memory_equal(text.data, "a\0b", 3);
    const smg_gguf_key *texts = smg_gguf_find(gguf, "texts");
    static const char *const words[] = {"one", "", "three"};
    uint64_t position = 0;
    for (int i = 0; i < 3; i++) {
        assert_true(smg_gguf_next_text(texts, &position, &text));
        assert_true(text_is(text, words[i]));
    }
    assert_false(smg_gguf_next_text(texts, &position, &text));
}

typedef struct sample {
    const char *name;
    smg_type type;
    uint32_t dims;
    uint64_t shape[4];
    uint64_t bytes;
} sample;

static const sample samples[] = {
    {"matrix", SMG_TYPE_F32, 2, {8, 4}, 128},
    {"blocks", SMG_TYPE_Q4_0, 2, {64, 3}, 108},
    {"vector", SMG_TYPE_F16, 1, {5}, 10},
    {"four", SMG_TYPE_BF16, 4, {2, 3, 4, 5}, 240},
    {"large", SMG_TYPE_Q8_0, 2, {4096, 50}, 217600},
    {"super", SMG_TYPE_Q6_K, 1, {512}, 420},
};
enum { SAMPLES = sizeof samples / sizeof *samples };

static void write_tensors(void)
{
    for (int i = 0; i < SAMPLES; i++)
        ok(smg_gguf_write_tensor(writer, samples[i].name, samples[i].type, samples[i].dims, samples[i].shape,
                                 &error));
}

/* All bytes of all tensors, in pieces of `piece` bytes that know nothing of where tensors end. */
static void write_data(size_t piece)
{
    uint64_t total = 0;
    for (int i = 0; i < SAMPLES; i++)
        total += samples[i].bytes;
    uint8_t *data = malloc(total);
    assert_non_null(data);
    for (uint64_t i = 0; i < total; i++)
        data[i] = (uint8_t)(i * 31 >> 3);
    for (uint64_t at = 0; at < total; at += piece)
        ok(smg_gguf_write_data(writer, data + at, total - at < piece ? total - at : piece, &error));
    free(data);
}

static void check_tensors(const smg_gguf *gguf)
{
    uint64_t at = 0;
    assert_int_equal(gguf->tensor_count, SAMPLES);
    for (int i = 0; i < SAMPLES; i++) {
        const smg_gguf_tensor *tensor = smg_gguf_find_tensor(gguf, samples[i].name);
        assert_non_null(tensor);
        assert_int_equal(tensor->type, samples[i].type);
        assert_int_equal(tensor->dims, samples[i].dims);
        assert_int_equal(tensor->bytes, samples[i].bytes);
        for (uint32_t d = 0; d < tensor->dims; d++)
            assert_int_equal(tensor->shape[d], samples[i].shape[d]);
        for (uint64_t j = 0; j < tensor->bytes; j++, at++)
            assert_int_equal(tensor->data[j], (uint8_t)(at * 31 >> 3));
    }
}

static void test_everything_comes_back(void **state)
{
    (void)state;
    static const size_t pieces[] = {1000000, 7777, 100};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        begin();
        write_keys();
        write_tensors();
        write_data(pieces[i]);
        ok(smg_gguf_write_finish(writer, &error));
        end();
        assert_int_equal(count_files(), 1);
        smg_gguf gguf;
        ok(smg_gguf_open(path, &gguf, &error));
        assert_int_equal(gguf.version, 3);
        assert_int_equal(gguf.alignment, 32);
        assert_int_equal(gguf.file.size % 32, 0);
        check_keys(&gguf);
        check_tensors(&gguf);
        smg_gguf_close(&gguf);
    }
}

static void test_keys_alone(void **state)
{
    (void)state;
    begin();
    write_keys();
    ok(smg_gguf_write_finish(writer, &error));
    end();
    smg_gguf gguf;
    ok(smg_gguf_open(path, &gguf, &error));
    check_keys(&gguf);
    assert_int_equal(gguf.tensor_count, 0);
    smg_gguf_close(&gguf);
}

static void test_keys_are_copied(void **state)
{
    (void)state;
    begin();
    write_keys();
    ok(smg_gguf_write_u32(writer, "general.alignment", 64, &error));
    ok(smg_gguf_write_finish(writer, &error));
    end();
    smg_gguf source;
    smg_gguf copy;
    ok(smg_gguf_open(path, &source, &error));
    begin();
    for (uint64_t i = 0; i < source.key_count; i++)
        ok(smg_gguf_write_key(writer, &source.keys[i], &error));
    ok(smg_gguf_write_finish(writer, &error));
    end();
    ok(smg_gguf_open(path, &copy, &error));
    assert_null(smg_gguf_find(&copy, "general.alignment"));
    check_keys(&copy);
    smg_gguf_close(&copy);
    smg_gguf_close(&source);
}

static void test_what_was_there_stays_until_the_end(void **state)
{
    (void)state;
    begin();
    ok(smg_gguf_write_u32(writer, "number", 1, &error));
    ok(smg_gguf_write_finish(writer, &error));
    end();
    begin();
    ok(smg_gguf_write_u32(writer, "number", 2, &error));
    end(); /* given up */
    assert_int_equal(count_files(), 1);
    smg_gguf gguf;
    uint32_t number = 0;
    ok(smg_gguf_open(path, &gguf, &error));
    ok(smg_gguf_get_u32(&gguf, "number", &number, NULL, &error));
    assert_int_equal(number, 1);
    smg_gguf_close(&gguf);
}

/* ---- What is refused ------------------------------------------------------------------------------------ */

static void test_too_few_and_too_many_bytes(void **state)
{
    (void)state;
    static const uint8_t bytes[256];
    const uint64_t shape[] = {8, 4};
    begin();
    ok(smg_gguf_write_tensor(writer, "a", SMG_TYPE_F32, 2, shape, &error));
    ok(smg_gguf_write_tensor(writer, "b", SMG_TYPE_F32, 1, shape, &error));
    ok(smg_gguf_write_data(writer, bytes, 128 + 31, &error));
    refused(smg_gguf_write_finish(writer, &error), "of tensor 2 of 2, 1 bytes are missing");
    begin();
    ok(smg_gguf_write_tensor(writer, "a", SMG_TYPE_F32, 2, shape, &error));
    refused(smg_gguf_write_finish(writer, &error), "of tensor 1 of 1, 128 bytes are missing");
    begin();
    ok(smg_gguf_write_tensor(writer, "a", SMG_TYPE_F32, 2, shape, &error));
    refused(smg_gguf_write_data(writer, bytes, 129, &error), "have all of theirs");
    begin();
    refused(smg_gguf_write_data(writer, bytes, 1, &error), "have all of theirs");
}

static void refuse_tensor(smg_type type, uint32_t dims, const uint64_t *shape, const char *why)
{
    begin();
    refused(smg_gguf_write_tensor(writer, "tensor", type, dims, shape, &error), why);
}

static void test_bad_tensors(void **state)
{
    (void)state;
    refuse_tensor(SMG_TYPE_F32, 0, (const uint64_t[]){4}, "1 to 4 dimensions");
    refuse_tensor(SMG_TYPE_F32, 5, (const uint64_t[]){1, 1, 1, 1, 1}, "1 to 4 dimensions");
    refuse_tensor(SMG_TYPE_F32, 2, (const uint64_t[]){4, 0}, "is empty");
    refuse_tensor(SMG_TYPE_F32, 1, (const uint64_t[]){0}, "whole blocks");
    refuse_tensor(SMG_TYPE_Q4_K, 2, (const uint64_t[]){576, 4}, "whole blocks");
    refuse_tensor(SMG_TYPE_Q8_K, 2, (const uint64_t[]){256, 4}, "its type");
    refuse_tensor((smg_type)99, 2, (const uint64_t[]){256, 4}, "its type");
    refuse_tensor(SMG_TYPE_F32, 2, (const uint64_t[]){UINT64_MAX / 2, 4}, "whole blocks");
    refuse_tensor(SMG_TYPE_F32, 3, (const uint64_t[]){1U << 30, 1U << 30, 1U << 30}, "larger than any file");
    begin();
    const uint64_t huge[] = {UINT64_C(1) << 60, 7};
    ok(smg_gguf_write_tensor(writer, "a", SMG_TYPE_F16, 2, huge, &error));
    refused(smg_gguf_write_tensor(writer, "b", SMG_TYPE_F16, 2, huge, &error), "all tensors together");
}

static void test_bad_keys(void **state)
{
    (void)state;
    char name[1100];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    begin();
    refused(smg_gguf_write_u32(writer, name, 1, &error), "1 to 1023 bytes");
    begin();
    refused(smg_gguf_write_u32(writer, "", 1, &error), "1 to 1023 bytes");
    begin();
    refused(smg_gguf_write_scalar(writer, "a", SMG_GGUF_STRING, "x", &error), "a scalar");
    begin();
    refused(smg_gguf_write_array(writer, "a", SMG_GGUF_ARRAY, "x", 1, &error), "not scalars");
    begin();
    refused(smg_gguf_write_array(writer, "a", SMG_GGUF_U8, "x", (1u << 20) + 1, &error), "1048576");
    begin();
    refused(smg_gguf_write_text(writer, "a", (smg_text){"x", (1u << 20) + 1}, &error), "1 MiB");
}

static void test_calls_out_of_turn(void **state)
{
    (void)state;
    const uint64_t shape[] = {1};
    begin();
    refused(smg_gguf_write_next_text(writer, text_of("x"), &error), "no array");
    begin();
    ok(smg_gguf_write_texts(writer, "texts", 2, &error));
    ok(smg_gguf_write_next_text(writer, text_of("x"), &error));
    refused(smg_gguf_write_u32(writer, "a", 1, &error), "wants more texts");
    begin();
    ok(smg_gguf_write_texts(writer, "texts", 2, &error));
    refused(smg_gguf_write_finish(writer, &error), "wants more texts");
    begin();
    ok(smg_gguf_write_tensor(writer, "a", SMG_TYPE_F32, 1, shape, &error));
    refused(smg_gguf_write_u32(writer, "k", 1, &error), "before tensors");
    begin();
    ok(smg_gguf_write_tensor(writer, "a", SMG_TYPE_F32, 1, shape, &error));
    ok(smg_gguf_write_data(writer, "xx", 2, &error));
    refused(smg_gguf_write_tensor(writer, "b", SMG_TYPE_F32, 1, shape, &error), "before their data");
}

static void test_a_name_that_occurs_twice(void **state)
{
    (void)state;
    begin();
    ok(smg_gguf_write_u32(writer, "a", 1, &error));
    ok(smg_gguf_write_u32(writer, "a", 2, &error));
    assert_int_equal(smg_gguf_write_finish(writer, &error), SMIDGE_E_FORMAT);
    end();
    assert_int_equal(count_files(), 0);
}

/* ---- Where it cannot be written ------------------------------------------------------------------------- */

static void test_a_folder_that_is_not_there(void **state)
{
    (void)state;
    char nowhere[160];
    snprintf(nowhere, sizeof nowhere, "%s/none/model.gguf", folder);
    assert_int_equal(smg_gguf_write_open(nowhere, &writer, &error), SMIDGE_E_IO);
    assert_non_null(strstr(error.message, "(check the folder"));
    assert_null(writer);
    snprintf(nowhere, sizeof nowhere, "/proc/model.gguf"); /* not even for root */
    assert_int_equal(smg_gguf_write_open(nowhere, &writer, &error), SMIDGE_E_IO);
    assert_null(writer);
}

/* A limit on the size of files fails as a full disk does. */
static void test_a_disk_that_is_full(void **state)
{
    (void)state;
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    begin();
    write_keys();
    write_tensors();
    struct rlimit small = {.rlim_cur = 100000, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    static const uint8_t zeros[217600];
    smidge_status status = smg_gguf_write_data(writer, zeros, sizeof zeros, &error);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, handler);
    assert_int_equal(status, SMIDGE_E_IO);
    assert_non_null(strstr(error.message, "free space"));
    end();
    assert_int_equal(count_files(), 0);
}

static void test_no_memory(void **state)
{
    (void)state;
    smg_alloc_fail_at(1);
    assert_int_equal(smg_gguf_write_open(path, &writer, &error), SMIDGE_E_NOMEM);
    assert_null(writer);
    begin();
    write_keys();
    smg_alloc_fail_at(1); /* the next is for reading it again */
    assert_int_equal(smg_gguf_write_finish(writer, &error), SMIDGE_E_NOMEM);
    smg_alloc_fail_at(0);
    end();
    assert_int_equal(count_files(), 0);
    assert_int_equal(smg_alloc_live_blocks(), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_everything_comes_back),
        TEST(test_keys_alone),
        TEST(test_keys_are_copied),
        TEST(test_what_was_there_stays_until_the_end),
        TEST(test_too_few_and_too_many_bytes),
        TEST(test_bad_tensors),
        TEST(test_bad_keys),
        TEST(test_calls_out_of_turn),
        TEST(test_a_name_that_occurs_twice),
        TEST(test_a_folder_that_is_not_there),
        TEST(test_a_disk_that_is_full),
        TEST(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
