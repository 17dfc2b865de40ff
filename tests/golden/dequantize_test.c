/* Dequantization against an independent implementation, bit for bit.
 *
 * tests/golden/dequantize.bin holds entries of: int32 type number, int32 bytes, int32 elements, the bytes of
 * one row, and what the other implementation makes of it as float32. */
#include "test_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quant/dequantize.h"

enum { LARGEST = 1 << 24 };

static FILE *golden;

static bool read_entry(int32_t head[3], uint8_t **ret_row, float **ret_expected)
{
    if (fread(head, sizeof *head, 3, golden) != 3)
        return false;
    assert_in_range(head[1], 1, LARGEST);
    assert_in_range(head[2], 1, LARGEST);
    *ret_row = malloc((size_t)head[1]);
    *ret_expected = malloc((size_t)head[2] * sizeof **ret_expected);
    assert_non_null(*ret_row);
    assert_non_null(*ret_expected);
    assert_int_equal(fread(*ret_row, 1, (size_t)head[1], golden), head[1]);
    assert_int_equal(fread(*ret_expected, sizeof **ret_expected, (size_t)head[2], golden), head[2]);
    return true;
}

static void check_entry(const int32_t head[3], const uint8_t *row, const float *expected)
{
    const smg_type_info *info = smg_type_describe((uint32_t)head[0]);
    assert_non_null(info);
    assert_true(info->weights);
    assert_int_equal(smg_type_row_bytes((uint32_t)head[0], (uint64_t)head[2]), head[1]);
    /* an allocation of exactly this size, so that the address sanitizer sees a byte too many */
    float *x = malloc((size_t)head[2] * sizeof *x);
    assert_non_null(x);
    smg_dequantize_row((smg_type)head[0], row, x, head[2]);
    for (int32_t i = 0; i < head[2]; i++) {
        if (memcmp(&x[i], &expected[i], sizeof x[i]) != 0)
            fail_msg("%s: element %d is %a, expected %a", info->name, i, (double)x[i], (double)expected[i]);
    }
    free(x);
}

static void every_type_equals_the_golden_bit_for_bit(void **state)
{
    (void)state;
    bool seen[SMG_TYPE_COUNT] = {0};
    int32_t head[3];
    uint8_t *row;
    float *expected;
    while (read_entry(head, &row, &expected)) {
        check_entry(head, row, expected);
        seen[head[0]] = true;
        free(row);
        free(expected);
    }
    assert_true(feof(golden));
    for (uint32_t type = 0; type < SMG_TYPE_COUNT; type++) {
        const smg_type_info *info = smg_type_describe(type);
        if (info && info->weights && type != SMG_TYPE_F32 && !smg_type_is_interleaved(type) && !seen[type])
            fail_msg("the golden file has no %s", info->name);
    }
}

static void row_bytes_refuse_what_does_not_fit(void **state)
{
    (void)state;
    assert_int_equal(smg_type_row_bytes(SMG_TYPE_Q4_K, 512), 2 * sizeof(smg_block_q4_k));
    assert_int_equal(smg_type_row_bytes(SMG_TYPE_F16, 3), 6);
    assert_int_equal(smg_type_row_bytes(SMG_TYPE_Q4_0, 33), 0);
    assert_int_equal(smg_type_row_bytes(SMG_TYPE_F32, UINT64_MAX / 2), 0);
    assert_int_equal(smg_type_row_bytes(4, 256), 0);
    assert_int_equal(smg_type_row_bytes(SMG_TYPE_COUNT, 256), 0);
    assert_null(smg_type_describe(UINT32_MAX));
}

int main(void)
{
    golden = fopen(smg_test_source("tests/golden/dequantize.bin"), "rb");
    if (!golden)
        smg_test_skip("tests/golden/dequantize.bin is not there");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_equals_the_golden_bit_for_bit),
        cmocka_unit_test(row_bytes_refuse_what_does_not_fit),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    fclose(golden);
    return failed;
}
