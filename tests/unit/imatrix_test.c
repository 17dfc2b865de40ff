/* Importance matrices as files: what the reader takes from GGUF and .dat, and files that are wrong, by accident or on purpose, at
 * every length and with hostile numbers in every place; the same bytes for merging. */
#include "quant/imatrix.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "format/gguf.h"
#include "gguf_builder.h"
#include "measure/imatrix_sums.h"
#include "test_support.h"

#define SHAPE(...) ((const uint64_t[]){__VA_ARGS__})
#define COLUMNS 8

static const float sums[COLUMNS] = {1, 2, 3, 4, 0, 6, 7, 9}; /* 4 on the average */

static void add_matrix(gguf_builder *b, const char *name, const float *values, float rows)
{
    char full[128];
    snprintf(full, sizeof full, "%s.in_sum2", name);
    gguf_add_tensor(b, full, SMG_TYPE_F32, 2, SHAPE(COLUMNS, 1), values, COLUMNS * sizeof *values);
    snprintf(full, sizeof full, "%s.counts", name);
    gguf_add_tensor(b, full, SMG_TYPE_F32, 2, SHAPE(1, 1), &rows, sizeof rows);
}

static void begin_sound(gguf_builder *b)
{
    static const char *const texts[] = {"readings.txt"};
    gguf_begin(b, 3);
    gguf_add_str(b, "general.type", "imatrix");
    gguf_add_array_str(b, "imatrix.datasets", texts, 1);
    gguf_add_u32(b, "imatrix.chunk_count", 3);
    gguf_add_u32(b, "imatrix.chunk_size", 512);
    add_matrix(b, "blk.0.attn_q.weight", sums, 1536);
}

static void build_sound(gguf_builder *b)
{
    begin_sound(b);
    add_matrix(b, "blk.0.ffn_down.weight", sums, 1536);
    gguf_finish(b);
}

/* One entry, then where it comes from. */
static void build_dat(gguf_buffer *b)
{
    gguf_put_int(b, 1, 4);
    gguf_put_int(b, 6, 4);
    gguf_put(b, "blk.0.", 6);
    gguf_put_int(b, 3, 4);
    gguf_put_int(b, COLUMNS, 4);
    for (int i = 0; i < COLUMNS; i++)
        gguf_put_f32(b, sums[i]);
    gguf_put_int(b, 3, 4);
    gguf_put_int(b, 4, 4);
    gguf_put(b, "text", 4);
}

/* ---- Reading whatever there is --------------------------------------------------------------------------- */

static void check_matrix(const smg_imatrix *imatrix, const char *name)
{
    int64_t columns = -1;
    double total = 0;
    const float *values = smg_imatrix_find(imatrix, name, &columns);
    if (values == NULL)
        return;
    assert_true(columns > 0);
    for (int64_t i = 0; i < columns; i++) {
        assert_true(isfinite(values[i]) && values[i] > 0);
        total += (double)values[i];
    }
    assert_true(fabs(total / (double)columns - 1) < 1e-4);
}

/* Over a block that ends where the bytes end, so that a sanitizer sees a read behind them. Reads it, and adds it to a collection:
 * each gives a sound result or an error that says something, and leaves nothing behind. */
static smidge_status try_bytes(const void *bytes, size_t size, smidge_status *ret_merged, smidge_error *error)
{
    const uint64_t live = smg_alloc_live_blocks();
    uint8_t *copy = malloc(size == 0 ? 1 : size);
    smg_imatrix *imatrix = NULL;
    smg_collector *collector = NULL;
    smidge_error merge_error = {0};
    assert_non_null(copy);
    memcpy(copy, bytes, size);
    *error = (smidge_error){0};
    const smidge_status status = smg_imatrix_parse(copy, size, "some.file", &imatrix, error);
    if (status == SMIDGE_OK) {
        check_matrix(imatrix, "blk.0.attn_q.weight");
        check_matrix(imatrix, "blk.0.ffn_down.weight");
        check_matrix(imatrix, "blk.0.");
        smg_imatrix_close(imatrix);
    } else {
        assert_null(imatrix);
        assert_true(error->message[0] != '\0');
    }
    assert_int_equal(smg_collector_new(&collector, &merge_error), SMIDGE_OK);
    *ret_merged = smg_collector_merge_bytes(collector, copy, size, 64, "some.file", &merge_error);
    if (*ret_merged != SMIDGE_OK)
        assert_true(merge_error.message[0] != '\0');
    smg_collector_free(collector);
    free(copy);
    assert_int_equal(smg_alloc_live_blocks(), live);
    return status;
}

static void expect(smidge_status status, smidge_status merged, const char *words, gguf_builder *b)
{
    smidge_error error;
    smidge_status got_merged;
    gguf_finish(b);
    const smidge_status got = try_bytes(b->bytes, b->size, &got_merged, &error);
    if (got != status || got_merged != merged || strstr(error.message, words) == NULL)
        fail_msg("%s (\"%s\") and merged %s; not %s (\"%s\") and %s", smidge_status_name(got), error.message,
                 smidge_status_name(got_merged), smidge_status_name(status), words,
                 smidge_status_name(merged));
    gguf_free(b);
}

/* ---- Sound ones ------------------------------------------------------------------------------------------ */

static void check_values(const float *values)
{
    for (int i = 0; i < COLUMNS; i++) {
        const double wanted = i == 4 ? 1e-6 : (double)sums[i] / 4;
        assert_true(fabs((double)values[i] - wanted) < 1e-6 * wanted);
    }
}

static void gguf_is_read(void **state)
{
    (void)state;
    gguf_builder b;
    smg_imatrix *imatrix;
    smidge_error error;
    int64_t columns;
    build_sound(&b);
    assert_int_equal(smg_imatrix_parse(b.bytes, b.size, "x", &imatrix, &error), SMIDGE_OK);
    gguf_free(&b);
    assert_int_equal(smg_imatrix_count(imatrix), 2);
    assert_int_equal(smg_imatrix_chunks(imatrix), 3);
    assert_string_equal(smg_imatrix_dataset(imatrix), "readings.txt");
    check_values(smg_imatrix_find(imatrix, "blk.0.attn_q.weight", &columns));
    assert_int_equal(columns, COLUMNS);
    assert_null(smg_imatrix_find(imatrix, "blk.0.attn_q", &columns));
    smg_imatrix_close(imatrix);
}

static void dat_is_read(void **state)
{
    (void)state;
    gguf_buffer b = {0};
    smg_imatrix *imatrix;
    smidge_error error;
    int64_t columns;
    build_dat(&b);
    assert_int_equal(smg_imatrix_parse(b.data, b.size, "x", &imatrix, &error), SMIDGE_OK);
    assert_int_equal(smg_imatrix_chunks(imatrix), 3);
    assert_string_equal(smg_imatrix_dataset(imatrix), "text");
    check_values(smg_imatrix_find(imatrix, "blk.0.", &columns));
    smg_imatrix_close(imatrix);
    /* older ones end behind the last entry */
    assert_int_equal(smg_imatrix_parse(b.data, b.size - 12, "x", &imatrix, &error), SMIDGE_OK);
    assert_int_equal(smg_imatrix_chunks(imatrix), 0);
    assert_string_equal(smg_imatrix_dataset(imatrix), "");
    smg_imatrix_close(imatrix);
    free(b.data);
}

static void dat_is_merged(void **state)
{
    (void)state;
    gguf_buffer b = {0};
    smg_collector *collector;
    smidge_error error;
    build_dat(&b);
    assert_int_equal(smg_collector_new(&collector, &error), SMIDGE_OK);
    /* one with the text it comes from, one without */
    assert_int_equal(smg_collector_merge_bytes(collector, b.data, b.size, 64, "x", &error), SMIDGE_OK);
    assert_int_equal(smg_collector_merge_bytes(collector, b.data, b.size - 12, 0, "x", &error), SMIDGE_OK);
    assert_int_equal(smg_collector_count(collector), 1);
    assert_int_equal(smg_collector_chunks(collector), 6);
    assert_int_equal(collector->chunk_size, 64);
    assert_int_equal(collector->dataset_count, 1);
    assert_string_equal(collector->datasets[0], "text");
    assert_string_equal(collector->entries[0].name, "blk.0.");
    assert_true(collector->entries[0].rows == 2 * 3 * 64);
    for (int i = 0; i < COLUMNS; i++)
        assert_true(collector->entries[0].sums[i] == 2 * 64 * (double)sums[i]);
    smg_collector_free(collector);
    /* nothing says how long its chunks are */
    assert_int_equal(smg_collector_new(&collector, &error), SMIDGE_OK);
    assert_int_equal(smg_collector_merge_bytes(collector, b.data, b.size, 0, "x", &error), SMIDGE_OK);
    assert_true(collector->entries[0].rows == 3 * 512);
    smg_collector_free(collector);
    /* experts: how many there are it does not say */
    gguf_buffer experts = {0};
    static const char name[] = "blk.0.ffn_up_exps.weight";
    gguf_put_int(&experts, 1, 4);
    gguf_put_int(&experts, sizeof name - 1, 4);
    gguf_put(&experts, name, sizeof name - 1);
    gguf_put(&experts, b.data + 14, 8 + COLUMNS * sizeof(float));
    assert_int_equal(smg_collector_new(&collector, &error), SMIDGE_OK);
    assert_int_equal(smg_collector_merge_bytes(collector, experts.data, experts.size, 0, "x", &error),
                     SMIDGE_E_UNSUPPORTED);
    assert_non_null(strstr(error.message, "experts"));
    smg_collector_free(collector);
    free(experts.data);
    free(b.data);
}

/* ---- Wrong ones ------------------------------------------------------------------------------------------ */

static void numbers_that_cannot_be(void **state)
{
    (void)state;
    static const float bad[] = {NAN, INFINITY, -INFINITY, -1};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        gguf_builder b;
        float values[COLUMNS];
        memcpy(values, sums, sizeof values);
        values[COLUMNS - 1] = bad[i];
        begin_sound(&b);
        add_matrix(&b, "blk.1", values, 1536);
        expect(SMIDGE_E_FORMAT, SMIDGE_E_FORMAT, "a column of blk.1 weighs", &b);
        begin_sound(&b);
        add_matrix(&b, "blk.1", sums, bad[i]); /* nothing was summed: nothing is said about it */
        expect(SMIDGE_OK, SMIDGE_E_FORMAT, "", &b);
    }
}

static void tensors_that_cannot_be(void **state)
{
    (void)state;
    gguf_builder b;
    gguf_begin(&b, 3);
    expect(SMIDGE_E_FORMAT, SMIDGE_E_FORMAT, "holds no importance matrix", &b);
    begin_sound(&b);
    gguf_add_tensor(&b, "blk.1.in_sum2", SMG_TYPE_F16, 1, SHAPE(COLUMNS), NULL, 2 * COLUMNS);
    expect(SMIDGE_E_FORMAT, SMIDGE_E_FORMAT, "not F32", &b);
    begin_sound(&b);
    gguf_add_tensor(&b, "blk.1.in_sum2", SMG_TYPE_F32, 1, SHAPE(COLUMNS), sums, sizeof sums);
    expect(SMIDGE_OK, SMIDGE_E_FORMAT, "", &b); /* no counts */
    begin_sound(&b);
    gguf_add_tensor(&b, "experts.in_sum2", SMG_TYPE_F32, 2, SHAPE(COLUMNS / 2, 2), sums, sizeof sums);
    gguf_add_tensor(&b, "experts.counts", SMG_TYPE_F32, 2, SHAPE(1, 2), (const float[]){9, 9}, 8);
    expect(SMIDGE_OK, SMIDGE_E_UNSUPPORTED, "", &b);
    begin_sound(&b);
    gguf_add_tensor(&b, ".in_sum2", SMG_TYPE_F32, 1, SHAPE(COLUMNS), sums, sizeof sums);
    expect(SMIDGE_OK, SMIDGE_OK, "", &b); /* sums of no tensor are nobody's */
}

/* Wherever a number stands in a file, these are the values that have broken readers. */
static void sweep(const uint8_t *bytes, size_t size, size_t header)
{
    static const uint64_t hostile[] =
        {0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, UINT64_C(1) << 62, UINT64_C(1) << 63, UINT64_MAX};
    uint8_t *copy = malloc(size);
    smidge_error error;
    smidge_status merged;
    assert_non_null(copy);
    for (size_t at = 0; at < header; at++) {
        for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
            for (size_t width = 4; width <= 8; width += 4) {
                memcpy(copy, bytes, size);
                memcpy(copy + at, &hostile[i], at + width <= size ? width : size - at);
                (void)!try_bytes(copy, size, &merged, &error);
            }
        }
    }
    for (size_t length = 0; length < size; length++) {
        const smidge_status status = try_bytes(bytes, length, &merged, &error);
        /* a .dat without the text it comes from is an older one */
        if (status == SMIDGE_OK)
            assert_int_equal(length, header);
    }
    free(copy);
}

static void hostile_numbers_everywhere(void **state)
{
    (void)state;
    gguf_builder b;
    gguf_buffer dat = {0};
    build_sound(&b);
    /* the padding at the end may be missing, the last tensor's bytes not: the sweep by length ends with these */
    const size_t last = b.data_offset + b.tensor_data.size;
    sweep(b.bytes, last, b.data_offset);
    gguf_free(&b);
    build_dat(&dat);
    sweep(dat.data, dat.size, dat.size - 12);
    free(dat.data);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    gguf_builder b;
    smidge_error error;
    uint64_t n = 1;
    build_sound(&b);
    for (smidge_status status = SMIDGE_E_NOMEM; status != SMIDGE_OK; n++) {
        smg_imatrix *imatrix = NULL;
        smg_alloc_fail_at(n);
        status = smg_imatrix_parse(b.bytes, b.size, "x", &imatrix, &error);
        smg_alloc_fail_at(0);
        assert_true(status == SMIDGE_OK || status == SMIDGE_E_NOMEM);
        smg_imatrix_close(imatrix);
        assert_int_equal(smg_alloc_live_blocks(), 0);
    }
    assert_true(n > 3);
    gguf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gguf_is_read),
        cmocka_unit_test(dat_is_read),
        cmocka_unit_test(dat_is_merged),
        cmocka_unit_test(numbers_that_cannot_be),
        cmocka_unit_test(tensors_that_cannot_be),
        cmocka_unit_test(hostile_numbers_everywhere),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
