/* Importance matrices as files: both forms mean the same, and no integer in them is believed. */
#include "test_support.h"

#include <math.h>
#include <string.h>

#include "format/blocks.h"
#include "gguf_builder.h"
#include "quant/imatrix.h"

enum { COLUMNS = 8 };

static const char tensor[] = "blk.0.attn_q.weight";
static const float sums[COLUMNS] = {0, 1, 2, 3, 4, 5, 6, 11}; /* 4 on the average */

typedef struct dat {
    uint8_t bytes[512];
    size_t size;
} dat;

static void put_int(dat *file, uint32_t value)
{
    memcpy(file->bytes + file->size, &value, sizeof value);
    file->size += sizeof value;
}

static void put_text(dat *file, const char *text)
{
    put_int(file, (uint32_t)strlen(text));
    memcpy(file->bytes + file->size, text, strlen(text));
    file->size += strlen(text);
}

static void put_entry(dat *file, const char *name, uint32_t calls, const float *values)
{
    put_text(file, name);
    put_int(file, calls);
    put_int(file, COLUMNS);
    memcpy(file->bytes + file->size, values, COLUMNS * sizeof *values);
    file->size += COLUMNS * sizeof *values;
}

static dat make_dat(void)
{
    dat file = {.size = 0};
    put_int(&file, 2);
    put_entry(&file, tensor, 7, sums);
    put_entry(&file, "blk.0.ffn_up.weight", 0, sums); /* nothing went through it */
    put_int(&file, 7);
    put_text(&file, "readings.txt");
    return file;
}

static void make_gguf(gguf_builder *file, float tokens)
{
    gguf_begin(file, 3);
    gguf_add_str(file, "general.type", "imatrix");
    gguf_add_array_str(file, "imatrix.datasets", (const char *const[]){"readings.txt"}, 1);
    gguf_add_u32(file, "imatrix.chunk_count", 7);
    gguf_add_tensor(file, "blk.0.attn_q.weight.in_sum2", SMG_TYPE_F32, 2, (uint64_t[]){COLUMNS, 1}, sums,
                    sizeof sums);
    gguf_add_tensor(file, "blk.0.attn_q.weight.counts", SMG_TYPE_F32, 2, (uint64_t[]){1, 1}, &tokens,
                    sizeof tokens);
    gguf_finish(file);
}

static void check(const void *bytes, size_t size)
{
    smg_imatrix *imatrix = NULL;
    smidge_error error;
    int64_t columns = 0;
    if (smg_imatrix_parse(bytes, size, "test", &imatrix, &error) != SMIDGE_OK)
        fail_msg("%s", error.message);
    assert_int_equal(smg_imatrix_count(imatrix), 1);
    assert_int_equal(smg_imatrix_chunks(imatrix), 7);
    assert_string_equal(smg_imatrix_dataset(imatrix), "readings.txt");
    assert_null(smg_imatrix_find(imatrix, "blk.0.ffn_up.weight", &columns));
    const float *values = smg_imatrix_find(imatrix, tensor, &columns);
    assert_non_null(values);
    assert_int_equal(columns, COLUMNS);
    assert_true(values[0] == 1e-6F);
    for (int i = 1; i < COLUMNS; i++)
        assert_true(values[i] == sums[i] / 4);
    smg_imatrix_close(imatrix);
}

static void both_forms_say_the_same(void **state)
{
    const dat file = make_dat();
    gguf_builder gguf;
    (void)state;
    check(file.bytes, file.size);
    make_gguf(&gguf, 100);
    check(gguf.bytes, gguf.size);
    gguf_free(&gguf);
}

static void refused(const void *bytes, size_t size, const char *why)
{
    smg_imatrix *imatrix = NULL;
    smidge_error error;
    assert_int_equal(smg_imatrix_parse(bytes, size, "test", &imatrix, &error), SMIDGE_E_FORMAT);
    if (strstr(error.message, why) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", error.message, why);
}

static void cut_and_foreign_files_are_refused(void **state)
{
    dat file = make_dat();
    gguf_builder gguf;
    smg_imatrix *imatrix = NULL;
    (void)state;
    const size_t entries = file.size - 4 - 4 - strlen("readings.txt");
    for (size_t size = 0; size < file.size; size++) {
        /* what says where it is from may be missing as a whole */
        const smidge_status status = smg_imatrix_parse(file.bytes, size, "test", &imatrix, NULL);
        assert_int_equal(status, size == entries ? SMIDGE_OK : SMIDGE_E_FORMAT);
        if (status == SMIDGE_OK)
            smg_imatrix_close(imatrix);
    }
    refused("not a matrix at all", 19, "is not an importance matrix");
    gguf_begin(&gguf, 3);
    gguf_add_str(&gguf, "general.architecture", "llama");
    gguf_finish(&gguf);
    refused(gguf.bytes, gguf.size, "holds no importance matrix");
    gguf_free(&gguf);
    file.size = 0;
    put_int(&file, 1);
    put_entry(&file, tensor, 1, (const float[COLUMNS]){1, -1});
    refused(file.bytes, file.size, "a column of blk.0.attn_q.weight weighs -1");
    file.size = 0;
    put_int(&file, 1);
    put_entry(&file, tensor, 1, (const float[COLUMNS]){NAN});
    refused(file.bytes, file.size, "weighs nan");
}

/* Each integer, at its place in make_dat's bytes, with values that sizes are computed from. */
static void no_integer_is_believed(void **state)
{
    static const uint32_t hostile[] = {0,          1,          0x7FFFFFFF, 0x80000000, 0xFFFFFFFF,
                                       0x40000000, 0x3FFFFFFF, 4096,       4097};
    const dat good = make_dat();
    const size_t name = strlen(tensor), second = 4 + 4 + name + 8 + sizeof sums;
    const size_t places[] = {0, 4, 4 + 4 + name, 4 + 4 + name + 4, second, good.size - 20, good.size - 16};
    (void)state;
    for (size_t p = 0; p < sizeof places / sizeof *places; p++) {
        for (size_t h = 0; h < sizeof hostile / sizeof *hostile; h++) {
            dat file = good;
            smg_imatrix *imatrix = NULL;
            memcpy(file.bytes + places[p], &hostile[h], sizeof hostile[h]);
            if (smg_imatrix_parse(file.bytes, file.size, "test", &imatrix, NULL) == SMIDGE_OK)
                smg_imatrix_close(imatrix);
        }
    }
}

static void tensors_without_tokens_are_left_out(void **state)
{
    gguf_builder gguf;
    smg_imatrix *imatrix = NULL;
    (void)state;
    make_gguf(&gguf, 0);
    assert_int_equal(smg_imatrix_parse(gguf.bytes, gguf.size, "test", &imatrix, NULL), SMIDGE_OK);
    assert_int_equal(smg_imatrix_count(imatrix), 0);
    smg_imatrix_close(imatrix);
    gguf_free(&gguf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_forms_say_the_same),
        cmocka_unit_test(cut_and_foreign_files_are_refused),
        cmocka_unit_test(no_integer_is_believed),
        cmocka_unit_test(tensors_without_tokens_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
