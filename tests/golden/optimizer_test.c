/* AdamW and Muon against PyTorch's (make_optimizer.py), and the same bits with any number of threads. */
#include "test_support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "cpu/cpu.h"
#include "train/muon.h"
#include "train/optimizer.h"

enum { PLACES = 7 };

typedef struct golden {
    int32_t muon, rows, columns, steps;
    float rate, beta1, beta2, epsilon, decay, momentum;
} golden;

typedef struct case_data {
    golden head;
    size_t count;
    float *factors, *start, *base, *after;
} case_data;

static float *read_floats(FILE *file, size_t count)
{
    float *values = malloc(count * sizeof *values);
    assert_non_null(values);
    assert_int_equal(fread(values, sizeof *values, count, file), count);
    return values;
}

static bool read_case(FILE *file, case_data *one)
{
    if (fread(&one->head, sizeof one->head, 1, file) != 1)
        return false;
    one->count = (size_t)one->head.rows * (size_t)one->head.columns;
    one->factors = read_floats(file, (size_t)one->head.steps);
    one->start = read_floats(file, one->count);
    one->base = read_floats(file, one->count);
    one->after = read_floats(file, one->count);
    return true;
}

static void free_case(case_data *one)
{
    free(one->factors);
    free(one->start);
    free(one->base);
    free(one->after);
}

/* Values behind the last step. */
static void run_case(const case_data *one, int threads, float *ret_values)
{
    const golden *head = &one->head;
    smidge_error error;
    smg_pool *pool = NULL;
    smg_optimizer *optimizer = NULL;
    smg_kernels kernels;
    smg_kernels_init(&kernels, smg_cpu_mask());
    assert_int_equal(smg_pool_new(threads, &pool, &error), SMIDGE_OK);
    assert_int_equal(smg_pool_acquire(pool, NULL), SMIDGE_OK);
    float *gradient = malloc(one->count * sizeof *gradient);
    assert_non_null(gradient);
    smg_parameter parameter = {.name = "blk.0.w",
                               .value = ret_values,
                               .gradient = gradient,
                               .rows = head->rows,
                               .columns = head->columns,
                               .matrix = head->rows > 1};
    smg_optimizer_options options;
    smg_optimizer_defaults(&options);
    options.beta1 = (double)head->beta1;
    options.beta2 = (double)head->beta2;
    options.epsilon = (double)head->epsilon;
    options.decay = (double)head->decay;
    options.muon = head->muon != 0;
    options.momentum = (double)head->momentum;
    memcpy(ret_values, one->start, one->count * sizeof *ret_values);
    assert_int_equal(smg_optimizer_new(&parameter, 1, &options, &kernels, pool, &optimizer, &error),
                     SMIDGE_OK);
    for (int32_t s = 0; s < head->steps; s++) {
        double sum = 0.0;
        for (size_t i = 0; i < one->count; i++) {
            gradient[i] = one->base[(i + (size_t)s * PLACES) % one->count] * one->factors[s];
            sum += (double)gradient[i] * (double)gradient[i];
        }
        assert_true(fabs(smg_optimizer_norm(optimizer) - sqrt(sum)) <= 1e-12 * sqrt(sum));
        /* twice the gradient, half of which counts */
        for (size_t i = 0; i < one->count; i++)
            gradient[i] *= 2.0F;
        smg_optimizer_step(optimizer, s + 1, (double)head->rate, (double)head->rate, 0.5);
    }
    free(gradient);
    smg_optimizer_free(optimizer);
    smg_pool_release(pool);
    smg_pool_free(pool);
}

/* ||ours - theirs|| / ||theirs - start|| */
static double difference(const case_data *one, const float *values)
{
    double apart = 0.0, moved = 0.0;
    for (size_t i = 0; i < one->count; i++) {
        apart += pow((double)values[i] - (double)one->after[i], 2.0);
        moved += pow((double)one->after[i] - (double)one->start[i], 2.0);
    }
    return sqrt(apart / moved);
}

static void against_torch(void **state)
{
    (void)state;
    FILE *file = fopen(smg_test_source("tests/golden/optimizer.bin"), "rb");
    assert_non_null(file);
    case_data one;
    int cases = 0;
    for (; read_case(file, &one); cases++) {
        float *values = malloc(one.count * sizeof *values);
        float *again = malloc(one.count * sizeof *again);
        assert_non_null(values);
        assert_non_null(again);
        run_case(&one, 1, values);
        const double apart = difference(&one, values);
        print_message("%s %d x %d: %.2e\n", one.head.muon != 0 ? "Muon" : "AdamW", (int)one.head.rows,
                      (int)one.head.columns, apart);
        /* Weights near 1 that move by a hundredth are rounded by some 1e-6 of that; Newton-Schulz steps are steep at 0
         * (3.4^5 = 480) and carry the roundings of small singular values along. */
        assert_true(apart <= (one.head.muon != 0 ? 1e-4 : 4e-6));
        run_case(&one, 3, again);
        assert_memory_equal(values, again, one.count * sizeof *values);
        free(values);
        free(again);
        free_case(&one);
    }
    assert_int_equal(cases, 7);
    fclose(file);
}

/* Embeddings, outputs and vectors are AdamW's, with Muon or without. */
static void who_is_whose(void **state)
{
    (void)state;
    assert_true(smg_muon_takes(&(smg_parameter){.name = "blk.3.attn_q.weight", .matrix = true}));
    assert_false(smg_muon_takes(&(smg_parameter){.name = "blk.3.attn_norm.weight", .matrix = false}));
    assert_false(smg_muon_takes(&(smg_parameter){.name = "token_embd.weight", .matrix = true}));
    assert_false(smg_muon_takes(&(smg_parameter){.name = "output.weight", .matrix = true}));
}

static void without_memory(void **state)
{
    (void)state;
    smidge_error error;
    smg_pool *pool = NULL;
    smg_kernels kernels;
    smg_kernels_init(&kernels, smg_cpu_mask());
    assert_int_equal(smg_pool_new(1, &pool, &error), SMIDGE_OK);
    assert_int_equal(smg_pool_acquire(pool, NULL), SMIDGE_OK);
    float values[64] = {0}, gradients[64] = {0};
    const smg_parameter parameter =
        {.name = "blk.0.w", .value = values, .gradient = gradients, .rows = 8, .columns = 8, .matrix = true};
    smg_optimizer_options options;
    smg_optimizer_defaults(&options);
    options.muon = true;
    const uint64_t live = smg_alloc_live_blocks();
    uint64_t failures = 0;
    for (uint64_t n = 1;; n++) {
        smg_optimizer *optimizer = NULL;
        smg_alloc_fail_at(n);
        smidge_status status = smg_optimizer_new(&parameter, 1, &options, &kernels, pool, &optimizer, &error);
        smg_alloc_fail_at(0);
        if (status == SMIDGE_OK) {
            smg_optimizer_free(optimizer);
            break;
        }
        assert_int_equal(status, SMIDGE_E_NOMEM);
        assert_null(optimizer);
        assert_int_equal(smg_alloc_live_blocks(), live);
        failures++;
    }
    assert_true(failures >= 8);
    assert_int_equal(smg_alloc_live_blocks(), live);
    smg_pool_release(pool);
    smg_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(against_torch), cmocka_unit_test(who_is_whose),
                                       cmocka_unit_test(without_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
