/* What our quantizers leave of a row is at most what llama.cpp's do: quantize.txt has their errors (make_quantize.c). */
#include "test_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/cpu.h"
#include "quant/dequantize.h"
#include "quant/quantize.h"
#include "quantize_rows.h"

/* Q8_0 rounds halves of a step to even, they round them away: the same error up to that. */
#define SLACK 1.0001

static FILE *golden;
static smg_kernels kernels;

static double our_error(smg_type type, const float *x, const float *importance)
{
    const size_t row_bytes = (size_t)smg_type_row_bytes(type, QUANTIZE_COLUMNS);
    float *y = malloc(QUANTIZE_ROWS * QUANTIZE_COLUMNS * sizeof *y);
    uint8_t *row = malloc(row_bytes); /* of exactly this size, for the address sanitizer */
    assert_non_null(y);
    assert_non_null(row);
    for (int r = 0; r < QUANTIZE_ROWS; r++) {
        smg_quantize_row(&kernels, type, x + r * QUANTIZE_COLUMNS, importance, QUANTIZE_COLUMNS, row);
        smg_dequantize_row(type, row, y + r * QUANTIZE_COLUMNS, QUANTIZE_COLUMNS);
    }
    const double error = quantize_rmse(x, y, importance);
    free(y);
    free(row);
    return error;
}

static void no_type_loses_more_than_the_peer(void **state)
{
    float *x = malloc(QUANTIZE_ROWS * QUANTIZE_COLUMNS * sizeof *x), importance[QUANTIZE_COLUMNS];
    char kind[32], weights[16];
    int type, lines = 0, filled = -1;
    double theirs;
    (void)state;
    assert_non_null(x);
    quantize_importance(importance);
    while (fscanf(golden, "%d %31s %15s %lf", &type, kind, weights, &theirs) == 4) {
        int which = 0;
        while (which < QUANTIZE_KINDS - 1 && strcmp(kind, quantize_kinds[which]) != 0)
            which++;
        if (which != filled)
            quantize_fill(which, x);
        filled = which;
        const double ours =
            our_error((smg_type)type, x, strcmp(weights, "weighted") == 0 ? importance : NULL);
        lines++;
        if (!(ours <= theirs * SLACK))
            fail_msg("%s, %s rows, %s: error %g, llama.cpp's %g", smg_type_describe((uint32_t)type)->name,
                     kind, weights, ours, theirs);
    }
    free(x);
    assert_int_equal(lines, 12 * QUANTIZE_KINDS * 2);
}

/* Rows that have nothing to search for, and ones that are short. */
static void odd_rows_are_kept_as_well_as_can_be(void **state)
{
    static const float values[] = {0, 1.0F, -3.0F, 6e-8F, -1e-30F, 1000.0F};
    (void)state;
    for (uint32_t type = 0; type < SMG_TYPE_R16; type++) {
        const smg_type_info *info = smg_type_describe(type);
        if (info == NULL || !info->weights)
            continue;
        const int n = info->block_elements == 1 ? 3 : info->block_elements;
        const size_t bytes = (size_t)smg_type_row_bytes(type, (uint64_t)n);
        uint8_t *row = malloc(bytes);
        assert_non_null(row);
        for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
            float x[SMG_QK_K], y[SMG_QK_K];
            for (int j = 0; j < n; j++)
                x[j] = values[i];
            smg_quantize_row(&kernels, (smg_type)type, x, NULL, n, row);
            smg_dequantize_row((smg_type)type, row, y, n);
            for (int j = 0; j < n; j++)
                if (!(fabsf(y[j] - x[j]) <= 0.1F * fabsf(x[j]) + 1e-7F))
                    fail_msg("%s: %g became %g", info->name, (double)x[j], (double)y[j]);
        }
        free(row);
    }
}

int main(void)
{
    golden = fopen(smg_test_source("tests/golden/quantize.txt"), "r");
    if (golden == NULL)
        smg_test_skip("tests/golden/quantize.txt is not there");
    smg_kernels_init(&kernels, smg_cpu_mask());
    const struct CMUnitTest tests[] = {cmocka_unit_test(no_type_loses_more_than_the_peer),
                                       cmocka_unit_test(odd_rows_are_kept_as_well_as_can_be)};
    int status = cmocka_run_group_tests(tests, NULL, NULL);
    fclose(golden);
    return status;
}
