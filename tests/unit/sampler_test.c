/* The sampler against a plain one written from the definitions: sort everything, cut, normalise, draw. */
#include "engine/sampler.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "test_support.h"

#define MOST 300

static smidge_generate_options plain_options(void)
{
    return (smidge_generate_options){.size = sizeof(smidge_generate_options),
                                     .temperature = 1.0F,
                                     .top_p = 1.0F,
                                     .repeat_penalty = 1.0F,
                                     .repeat_window = 64};
}

/* One draw from a copy of the logits. */
static int32_t choose(smg_sampler *sampler, const float *logits, int32_t count, const int32_t *past,
                      int32_t past_count)
{
    static float copy[MOST];
    static smg_candidate candidates[MOST];
    memcpy(copy, logits, (size_t)count * sizeof *copy);
    return smg_sampler_choose(sampler, copy, count, past, past_count, candidates);
}

static int32_t choose_once(const smidge_generate_options *options, const float *logits, int32_t count)
{
    smg_sampler sampler;
    smg_sampler_init(&sampler, options);
    return choose(&sampler, logits, count, NULL, 0);
}

/* ---- The plain one ------------------------------------------------------------------------------------- */

typedef struct choice {
    double logit;
    double share; /* probability, in the end */
    int32_t id;
} choice;

static int by_logit(const void *left, const void *right)
{
    const choice *a = left;
    const choice *b = right;
    if (a->logit != b->logit)
        return a->logit > b->logit ? -1 : 1;
    return a->id < b->id ? -1 : 1;
}

static void normalise(choice *list, int32_t count, double temperature)
{
    double total = 0.0;
    for (int32_t i = 0; i < count; i++) {
        list[i].share = exp((list[i].logit - list[0].logit) / temperature);
        total += list[i].share;
    }
    for (int32_t i = 0; i < count; i++)
        list[i].share /= total;
}

static void penalise(const smidge_generate_options *options, choice *list, const int32_t *past,
                     int32_t past_count)
{
    bool said[MOST] = {false};
    for (int32_t i = 0; i < past_count; i++) {
        if (i >= past_count - options->repeat_window)
            said[past[i]] = true;
    }
    for (int32_t i = 0; i < MOST; i++) {
        if (!said[i])
            continue;
        float logit = (float)list[i].logit;
        list[i].logit =
            (double)(logit > 0.0F ? logit / options->repeat_penalty : logit * options->repeat_penalty);
    }
}

/* What may be drawn, likeliest first, with its probabilities. *ret_close: some candidate lies so near to a
 * limit that rounding decides. */
static int32_t plain_chain(const smidge_generate_options *options, const float *logits, int32_t count,
                           const int32_t *past, int32_t past_count, choice *list, bool *ret_close)
{
    for (int32_t i = 0; i < count; i++)
        list[i] = (choice){.logit = (double)logits[i], .id = i};
    penalise(options, list, past, past_count);
    qsort(list, (size_t)count, sizeof *list, by_logit);
    int32_t kept = options->top_k > 0 && options->top_k < count ? options->top_k : count;
    normalise(list, kept, 1.0);
    if (options->top_p < 1.0F) {
        double sum = 0.0;
        int32_t within = 0;
        while (within < kept && (within == 0 || sum < (double)options->top_p)) {
            sum += list[within++].share;
            *ret_close = *ret_close || fabs(sum - (double)options->top_p) < 1e-9;
        }
        kept = within;
    }
    double least = (double)options->min_p * list[0].share;
    while (kept > 1 && list[kept - 1].share < least)
        kept--;
    for (int32_t i = 0; i < count; i++)
        *ret_close = *ret_close || (least > 0.0 && fabs(list[i].share / least - 1.0) < 1e-6);
    normalise(list, kept, (double)options->temperature);
    return kept;
}

/* ---- Against it ---------------------------------------------------------------------------------------- */

static double uniform(uint64_t *random)
{
    return (double)(smg_test_random(random) >> 11) * 0x1p-53;
}

static smidge_generate_options random_options(uint64_t *random)
{
    smidge_generate_options options = plain_options();
    options.seed = smg_test_random(random);
    options.temperature = (float)(0.05 + 2.0 * uniform(random));
    if (smg_test_random(random) % 2 == 0)
        options.top_k = 2 + (int32_t)(smg_test_random(random) % 60);
    if (smg_test_random(random) % 2 == 0)
        options.top_p = (float)uniform(random);
    if (smg_test_random(random) % 2 == 0)
        options.min_p = (float)(uniform(random) * 0.3);
    if (smg_test_random(random) % 2 == 0)
        options.repeat_penalty = (float)(0.8 + uniform(random));
    options.repeat_window = (int32_t)(smg_test_random(random) % 40);
    return options;
}

static void test_the_chain_equals_a_plain_one(void **state)
{
    (void)state;
    uint64_t random = 42;
    int rounds = smg_test_repeats(20000);
    int compared = 0;
    for (int round = 0; round < rounds; round++) {
        float logits[MOST];
        choice list[MOST];
        int32_t past[60];
        int32_t count = 30 + (int32_t)(smg_test_random(&random) % (MOST - 30));
        int32_t past_count = (int32_t)(smg_test_random(&random) % 60);
        for (int32_t i = 0; i < count; i++) /* many are equal */
            logits[i] = (float)((int)(smg_test_random(&random) % 61) - 30) / 4.0F;
        for (int32_t i = 0; i < past_count; i++)
            past[i] = (int32_t)(smg_test_random(&random) % 30);
        smidge_generate_options options = random_options(&random);
        bool close = false;
        int32_t kept = plain_chain(&options, logits, count, past, past_count, list, &close);
        /* The generator is SplitMix64, as documented, so the very draw can be foretold. */
        uint64_t generator = options.seed;
        double point = uniform(&generator);
        int32_t expected = list[0].id;
        double sum = 0.0;
        for (int32_t i = 0; i < kept; i++) {
            if (point >= sum)
                expected = list[i].id;
            sum += list[i].share;
            close = close || fabs(point - sum) < 1e-9;
        }
        smg_sampler sampler;
        smg_sampler_init(&sampler, &options);
        int32_t got = choose(&sampler, logits, count, past, past_count);
        if (close)
            continue;
        assert_int_equal(got, expected);
        compared++;
    }
    assert_true(compared > rounds * 9 / 10);
}

/* Pearson's test on the draws of one seed: 9 degrees of freedom; above 45 once in a million. */
static void test_draws_follow_the_probabilities(void **state)
{
    (void)state;
    static const float logits[10] = {0.0F, 1.0F, -1.0F, 2.0F, 0.5F, -0.5F, 1.5F, -1.5F, 0.25F, 0.75F};
    static const float temperatures[] = {0.5F, 1.0F, 2.0F};
    for (size_t t = 0; t < sizeof temperatures / sizeof *temperatures; t++) {
        enum { DRAWS = 100000 };
        smidge_generate_options options = plain_options();
        options.temperature = temperatures[t];
        options.seed = 7;
        double expected[10];
        double total = 0.0;
        for (int i = 0; i < 10; i++)
            total += expected[i] = exp((double)logits[i] / (double)temperatures[t]);
        int seen[10] = {0};
        smg_sampler sampler;
        smg_sampler_init(&sampler, &options);
        for (int i = 0; i < DRAWS; i++) {
            int32_t id = choose(&sampler, logits, 10, NULL, 0);
            assert_in_range(id, 0, 9);
            seen[id]++;
        }
        double chi = 0.0;
        for (int i = 0; i < 10; i++) {
            double wanted = expected[i] / total * DRAWS;
            assert_true(wanted > 5.0);
            chi += (seen[i] - wanted) * (seen[i] - wanted) / wanted;
        }
        assert_true(chi < 45.0);
        assert_true(chi > 0.1); /* nor too good to be true */
    }
}

/* ---- One at a time ------------------------------------------------------------------------------------- */

static void test_greedy_takes_the_first_of_the_likeliest(void **state)
{
    (void)state;
    static const float logits[6] = {-3.0F, 4.0F, 5.0F, 5.0F, -INFINITY, 1.0F};
    smidge_generate_options options = plain_options();
    options.temperature = 0.0F;
    assert_int_equal(choose_once(&options, logits, 6), 2);
    assert_int_equal(choose_once(&options, logits, 2), 1);
    assert_int_equal(choose_once(&options, logits, 1), 0);
    options.temperature = -1.0F;
    assert_int_equal(choose_once(&options, logits, 6), 2);
    options.temperature = 100.0F;
    options.top_k = 1;
    assert_int_equal(choose_once(&options, logits, 6), 2);
}

/* Which ids come up in many draws, as bits. */
static uint32_t support(const smidge_generate_options *options, const float *logits, int32_t count)
{
    smg_sampler sampler;
    uint32_t seen = 0;
    smg_sampler_init(&sampler, options);
    for (int i = 0; i < 2000; i++)
        seen |= 1U << choose(&sampler, logits, count, NULL, 0);
    return seen;
}

static void test_what_is_cut_never_comes(void **state)
{
    (void)state;
    /* Probabilities 0.4, 0.3, 0.2, 0.1 */
    const float logits[4] = {logf(0.2F), logf(0.4F), logf(0.1F), logf(0.3F)};
    smidge_generate_options options = plain_options();
    assert_int_equal(support(&options, logits, 4), 0xF);
    options.top_k = 2;
    assert_int_equal(support(&options, logits, 4), 1 << 1 | 1 << 3);
    options.top_k = 100;
    assert_int_equal(support(&options, logits, 4), 0xF);
    options.top_k = 0;
    options.top_p = 0.69F;
    assert_int_equal(support(&options, logits, 4), 1 << 1 | 1 << 3);
    options.top_p = 0.71F;
    assert_int_equal(support(&options, logits, 4), 1 << 1 | 1 << 3 | 1 << 0);
    options.top_p = 0.0F; /* the likeliest always stays */
    assert_int_equal(support(&options, logits, 4), 1 << 1);
    options.top_p = 1.0F;
    options.min_p = 0.49F;
    assert_int_equal(support(&options, logits, 4), 1 << 1 | 1 << 3 | 1 << 0);
    options.min_p = 0.51F;
    assert_int_equal(support(&options, logits, 4), 1 << 1 | 1 << 3);
    options.min_p = 1.0F;
    assert_int_equal(support(&options, logits, 4), 1 << 1);
    options.min_p = 0.0F;
    options.temperature = 1e-6F;
    assert_int_equal(support(&options, logits, 4), 1 << 1);
    options.temperature = 1e-45F; /* the smallest there is */
    assert_int_equal(support(&options, logits, 4), 1 << 1);
}

/* Top-p counts the probabilities that top-k has left. */
static void test_the_order_of_the_chain(void **state)
{
    (void)state;
    const float logits[4] = {logf(0.2F), logf(0.4F), logf(0.1F), logf(0.3F)};
    smidge_generate_options options = plain_options();
    options.top_k = 2; /* 0.4 of 0.7 is 0.571 */
    options.top_p = 0.55F;
    assert_int_equal(support(&options, logits, 4), 1 << 1);
    options.top_p = 0.6F;
    assert_int_equal(support(&options, logits, 4), 1 << 1 | 1 << 3);
    options.top_k = 0; /* temperature comes last: the cuts do not see it */
    options.top_p = 0.69F;
    options.temperature = 100.0F;
    assert_int_equal(support(&options, logits, 4), 1 << 1 | 1 << 3);
}

static void test_the_penalty(void **state)
{
    (void)state;
    smidge_generate_options options = plain_options();
    smg_candidate candidates[5];
    smg_sampler sampler;
    options.temperature = 0.0F;
    options.repeat_penalty = 2.0F;
    options.repeat_window = 3;
    smg_sampler_init(&sampler, &options);
    float logits[5] = {8.0F, 4.0F, -1.0F, 3.0F, 0.0F};
    static const int32_t past[] = {3, 0, 2, 0}; /* 3 is out of the window; 0 is in it twice */
    assert_int_equal(smg_sampler_choose(&sampler, logits, 5, past, 4, candidates), 0);
    static const float after[5] = {4.0F, 4.0F, -2.0F, 3.0F, 0.0F};
    assert_memory_equal(logits, after, sizeof logits);
    assert_int_equal(smg_sampler_choose(&sampler, logits, 5, past, 4, candidates), 1);
    options.repeat_window = 0;
    memcpy(logits, after, sizeof logits);
    assert_int_equal(smg_sampler_choose(&sampler, logits, 5, past, 4, candidates), 0);
    options.repeat_window = 100; /* more than there is */
    assert_int_equal(smg_sampler_choose(&sampler, logits, 5, past, 4, candidates), 1);
    assert_true(logits[3] == 1.5F);
}

static void test_seeds_repeat(void **state)
{
    (void)state;
    float logits[64];
    for (int i = 0; i < 64; i++)
        logits[i] = (float)(i % 7);
    int32_t first[100];
    for (uint64_t seed = 0; seed < 3; seed++) {
        smidge_generate_options options = plain_options();
        options.seed = seed;
        smg_sampler one;
        smg_sampler two;
        smg_sampler_init(&one, &options);
        smg_sampler_init(&two, &options);
        int different = 0;
        for (int i = 0; i < 100; i++) {
            int32_t id = choose(&one, logits, 64, NULL, 0);
            assert_int_equal(choose(&two, logits, 64, NULL, 0), id);
            if (seed == 0)
                first[i] = id;
            different += id != first[i];
        }
        assert_true(seed == 0 ? different == 0 : different > 50);
    }
}

static void test_what_is_no_number_is_refused(void **state)
{
    (void)state;
    static const float bad[] = {NAN, INFINITY};
    for (int greedy = 0; greedy < 2; greedy++) {
        smidge_generate_options options = plain_options();
        options.temperature = greedy != 0 ? 0.0F : 1.0F;
        for (int place = 0; place < 5; place++) {
            for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
                float logits[5] = {1.0F, 2.0F, -INFINITY, 4.0F, 5.0F};
                logits[place] = bad[i];
                assert_int_equal(choose_once(&options, logits, 5), -1);
            }
        }
        static const float nothing[3] = {-INFINITY, -INFINITY, -INFINITY};
        assert_int_equal(choose_once(&options, nothing, 3), -1);
        static const float one[3] = {-INFINITY, -1e30F, -INFINITY}; /* ruled out is not broken */
        assert_int_equal(choose_once(&options, one, 3), 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_chain_equals_a_plain_one),
        cmocka_unit_test(test_draws_follow_the_probabilities),
        cmocka_unit_test(test_greedy_takes_the_first_of_the_likeliest),
        cmocka_unit_test(test_what_is_cut_never_comes),
        cmocka_unit_test(test_the_order_of_the_chain),
        cmocka_unit_test(test_the_penalty),
        cmocka_unit_test(test_seeds_repeat),
        cmocka_unit_test(test_what_is_no_number_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
