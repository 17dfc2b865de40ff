/* What a token takes, what is predicted from that, and models that are known by their dimensions alone. */
#include "fit/speed.h"

#include <math.h>
#include <string.h>

#include "cpu/cpu.h"
#include "engine/engine.h"
#include "fit/plan.h"
#include "smidge/tools.h"
#include "test_support.h"

/* Llama 3.2 1B: 16 layers of 2048, tied. */
static smidge_fit_shape llama_1b(const char *type)
{
    return (smidge_fit_shape){.size = sizeof(smidge_fit_shape),
                              .name = "llama-1b",
                              .architecture = "llama",
                              .type = type,
                              .file_bytes = UINT64_C(1321000000),
                              .tied = 1,
                              .layers = 16,
                              .width = 2048,
                              .feed_forward = 8192,
                              .heads = 32,
                              .kv_heads = 8,
                              .head_size = 64,
                              .vocabulary = 128256,
                              .context = 131072};
}

static void test_bytes_of_a_token(void **state)
{
    (void)state;
    const smidge_fit_shape shape = llama_1b("q8_0");
    smg_model model;
    smg_token_work work;
    assert_int_equal(smg_plan_model(&shape, &model, NULL), SMIDGE_OK);
    smg_token_work_count(&model, &work);
    /* 34 bytes for 32 weights: attention 2 x 2048 x 2048 + 2 x 512 x 2048, three of 8192 x 2048, and the output. */
    const uint64_t weights =
        UINT64_C(16) * (2 * 2048 * 2048 + 2 * 512 * 2048 + 3 * 8192 * 2048) + UINT64_C(128256) * 2048;
    assert_int_equal(work.bytes[SMG_TYPE_Q8_0], weights / 32 * 34);
    assert_int_equal(smg_token_work_bytes(&work), weights / 32 * 34);
    assert_int_equal(work.phases, 2 + 16 * 5);
    assert_int_equal(smg_token_work_kv(&model.shape, SMG_KV_F16, 1000), UINT64_C(16) * 2 * 8 * 64 * 2 * 1000);
    smg_plan_done(&model);
}

static void test_windows_cut_what_is_read(void **state)
{
    (void)state;
    smidge_fit_shape shape = llama_1b("q4_0");
    shape.architecture = "gemma3";
    shape.layers = 12;
    shape.window = 100;
    smg_model model;
    assert_int_equal(smg_plan_model(&shape, &model, NULL), SMIDGE_OK);
    /* One layer in six sees everything. */
    const uint64_t position = UINT64_C(2) * 8 * 64 * 2;
    assert_int_equal(smg_token_work_kv(&model.shape, SMG_KV_F16, 1000), position * (2 * 1000 + 10 * 100));
    assert_int_equal(smg_token_work_kv(&model.shape, SMG_KV_F16, 50), position * 12 * 50);
    smg_plan_done(&model);
}

static void test_the_sum(void **state)
{
    (void)state;
    smg_token_work work = {.phases = 100};
    work.bytes[SMG_TYPE_Q4_0] = 500000000;
    work.bytes[SMG_TYPE_Q6_K] = 80000000;
    smg_speed speed = {.bandwidth = 10e9, .phase = 1e-5};
    speed.rates[SMG_TYPE_Q4_0] = 5e9;
    /* 0.1 s of Q4_0, 0.01 of Q6_K at 80 % of the bandwidth, 0.001 of waiting. */
    assert_true(fabs(smg_speed_predict(&speed, &work, 0) - 0.111) < 1e-9);
    assert_true(fabs(smg_speed_predict(&speed, &work, 600000000) - 0.211) < 1e-9);
}

static void test_shapes_that_are_refused(void **state)
{
    (void)state;
    smg_model model;
    smidge_error error;
    smidge_fit_shape shape = llama_1b("q9_9");
    assert_int_equal(smg_plan_model(&shape, &model, &error), SMIDGE_E_INVALID);
    shape = llama_1b("q4_0");
    shape.architecture = "mamba";
    assert_int_equal(smg_plan_model(&shape, &model, &error), SMIDGE_E_UNSUPPORTED);
    assert_non_null(strstr(error.message, "mamba"));
    int32_t *const fields[] = {&shape.layers,   &shape.width,     &shape.feed_forward, &shape.heads,
                               &shape.kv_heads, &shape.head_size, &shape.vocabulary,   &shape.context};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        static const int32_t bad[] = {0, -1, INT32_MIN, INT32_MAX};
        for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
            shape = llama_1b("q4_0");
            *fields[i] = bad[k];
            assert_int_equal(smg_plan_model(&shape, &model, &error), SMIDGE_E_INVALID);
        }
    }
}

static smidge_fit_result fit(const smidge_fit_shape *shape, smidge_fit_options options)
{
    smidge_fit_result result = {.size = sizeof result};
    options.size = sizeof options;
    options.shape = shape;
    options.threads = 1;
    assert_int_equal(smidge_fit(NULL, &options, &result, NULL), SMIDGE_OK);
    return result;
}

static void test_only_the_rule_for_another_machine(void **state)
{
    (void)state;
    const smidge_fit_shape shape = llama_1b("q8_0");
    smidge_fit_result result = fit(&shape, (smidge_fit_options){.ram = (uint64_t)1 << 30});
    assert_int_equal(result.allowed, ((uint64_t)1 << 30) / 100 * 70);
    assert_int_equal(result.fits, 0);
    assert_int_equal(result.context, 1024);
    assert_non_null(strstr(result.reason, "70 % of RAM is 716.8 MiB"));
    result = fit(&shape, (smidge_fit_options){.ram = (uint64_t)64 << 30});
    assert_int_equal(result.fits, 1);
    assert_string_equal(result.reason, "");
    assert_int_equal(result.context_most, 131072);
    assert_int_equal(result.weights + result.vocabulary + result.kv + result.scratch + result.program,
                     result.need);
    assert_true(result.tokens_per_second == 0.0); /* nothing is known of its speed */
}

/* The longest context that is named fits, and one more token does not. */
static void test_the_longest_context(void **state)
{
    (void)state;
    const smidge_fit_shape shape = llama_1b("q8_0");
    const uint64_t limit = UINT64_C(1500000000);
    smidge_fit_options options = {.ram = UINT64_C(1) << 40, .memory_limit = limit, .context = 30000};
    smidge_fit_result result = fit(&shape, options);
    assert_int_equal(result.fits, 0);
    assert_in_range(result.context_most, 1, 29999);
    assert_true(result.context_most_q8_0 > result.context_most);
    options.context = result.context_most;
    assert_int_equal(fit(&shape, options).fits, 1);
    options.context++;
    assert_int_equal(fit(&shape, options).fits, 0);
    options.context = result.context_most_q8_0;
    options.kv_type = SMIDGE_KV_Q8_0;
    assert_int_equal(fit(&shape, options).fits, 1);
}

static void test_speed_from_a_bandwidth(void **state)
{
    (void)state;
    const smidge_fit_shape shape = llama_1b("q8_0");
    smidge_fit_options options = {.ram = (uint64_t)8 << 30, .bandwidth = 10e9};
    const smidge_fit_result one = fit(&shape, options);
    options.bandwidth = 20e9;
    const smidge_fit_result two = fit(&shape, options);
    assert_true(one.tokens_per_second > 5.5 && one.tokens_per_second < 6.5); /* 8 GB/s of 1.31 GB */
    assert_true(two.tokens_per_second > 1.9 * one.tokens_per_second);
    assert_true(one.tokens_per_second_full < one.tokens_per_second);
    options.bandwidth = -1.0;
    options.size = sizeof options;
    options.shape = &shape;
    assert_int_equal(smidge_fit(NULL, &options, NULL, NULL), SMIDGE_E_INVALID);
    options.bandwidth = (double)NAN;
    assert_int_equal(smidge_fit(NULL, &options, NULL, NULL), SMIDGE_E_INVALID);
}

static void test_neither_file_nor_shape(void **state)
{
    (void)state;
    const smidge_fit_options options = {.size = sizeof options};
    assert_int_equal(smidge_fit(NULL, &options, NULL, NULL), SMIDGE_E_INVALID);
}

static void test_measuring(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 2; threads++) {
        smg_pool *pool = NULL;
        smg_speed speed;
        assert_int_equal(smg_pool_new(threads, &pool, NULL), SMIDGE_OK);
        assert_int_equal(smg_speed_measure(pool, smg_cpu_mask(),
                                           UINT64_C(1) << SMG_TYPE_Q4_0 | UINT64_C(1) << SMG_TYPE_Q6_K, 576,
                                           (size_t)2 << 20, &speed, NULL),
                         SMIDGE_OK);
        assert_int_equal(speed.threads, threads);
        assert_true(speed.bandwidth > 1e6 && speed.phase > 0.0 && speed.phase < 1.0);
        assert_true(speed.rates[SMG_TYPE_Q4_0] > 1e5 && speed.rates[SMG_TYPE_Q6_K] > 1e5);
        assert_true(speed.rates[SMG_TYPE_Q8_0] == 0.0);
        smg_pool_free(pool);
    }
}

/* Every allocation on the way may fail, and nothing is left behind. */
static void test_no_memory(void **state)
{
    (void)state;
    const smidge_fit_shape shape = llama_1b("q4_k_m");
    const smidge_fit_options options = {.size = sizeof options, .ram = 1, .shape = &shape};
    const uint64_t before = smg_alloc_live_blocks();
    smg_alloc_fail_at(1);
    assert_int_equal(smidge_fit(NULL, &options, NULL, NULL), SMIDGE_E_NOMEM);
    for (uint64_t n = 1; n <= 4; n++) { /* the pool, the weights, a row, and its form */
        smidge_machine_speed speed = {.size = sizeof speed};
        smg_alloc_fail_at(n);
        assert_int_equal(smidge_machine_measure(NULL, 1, &speed, NULL), SMIDGE_E_NOMEM);
        smg_alloc_fail_at(0);
        assert_int_equal(smg_alloc_live_blocks(), before);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_of_a_token),
        cmocka_unit_test(test_windows_cut_what_is_read),
        cmocka_unit_test(test_the_sum),
        cmocka_unit_test(test_shapes_that_are_refused),
        cmocka_unit_test(test_only_the_rule_for_another_machine),
        cmocka_unit_test(test_the_longest_context),
        cmocka_unit_test(test_speed_from_a_bandwidth),
        cmocka_unit_test(test_neither_file_nor_shape),
        cmocka_unit_test(test_measuring),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
