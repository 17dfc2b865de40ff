/* The forward pass against Hugging Face transformers: tiny random models of every family, 96 positions each
 * (tests/golden/make_llama.py, make_families.py), at every CPU path and with 1 to 3 threads. */
#include "engine_support.h"

#include <inttypes.h>

/* Of the largest logit of a position. An f32 cache leaves rounding alone, and a limit of 2e-5 sees what a looser one would
 * not: the other GELU, an epsilon ten times off, a rounded embedding scale (README.md beside this file). f16 keeps 11 bits of each key and
 * value, an error of about 2e-4 of it. q8_0 has a step of 1/127 of the largest of 32 elements, which of
 * normal ones is 2.1 standard deviations: 2.1/127/sqrt(12) = 5e-3, 25 times that of f16. Measured: f16
 * 1.9e-3, q8_0 7e-2, for attention this sharp. A wrong scale or element would give about 1. */
static const double limits[] = {[SMIDGE_KV_F32] = 2e-5, [SMIDGE_KV_F16] = 1e-2, [SMIDGE_KV_Q8_0] = 1.2e-1};

/* Phi-3's longrope turns by the length of the context: up to 64 by the short factors, beyond by the long ones. */
typedef struct oracle {
    const char *model;
    const char *logits;
    int32_t positions; /* to compare, which is also the context; 0: all there are */
} oracle;

static const oracle oracles[] = {
    {"llama-plain", "llama-plain", 0},
    {"llama-rope3", "llama-rope3", 0},
    {"llama-window", "llama-window", 0},
    {"qwen2", "qwen2", 0},
    {"qwen3", "qwen3", 0},
    {"phi3", "phi3", 0},
    {"phi3-partial", "phi3-partial", 0},
    {"phi3-longrope", "phi3-longrope-short", 64},
    {"phi3-longrope", "phi3-longrope-long", 0},
    {"gemma", "gemma", 0},
    {"gemma2", "gemma2", 0},
    {"gemma3", "gemma3", 0},
    {"gemma3-linear", "gemma3-linear", 0},
};

typedef struct golden {
    int32_t positions;
    int32_t vocabulary;
    int32_t *tokens;
    float *logits;
} golden;

static golden read_golden(const oracle *which)
{
    char path[64];
    snprintf(path, sizeof path, "tests/golden/%s.logits", which->logits);
    FILE *file = fopen(smg_test_source(path), "rb");
    assert_non_null(file);
    golden read = {0};
    assert_int_equal(fread(&read.positions, sizeof(int32_t), 1, file), 1);
    assert_int_equal(fread(&read.vocabulary, sizeof(int32_t), 1, file), 1);
    assert_in_range(read.positions, 64, 4096);
    assert_in_range(read.vocabulary, 1, 1 << 20);
    size_t positions = (size_t)read.positions;
    size_t numbers = positions * (size_t)read.vocabulary;
    read.tokens = calloc(positions, sizeof *read.tokens);
    read.logits = calloc(numbers, sizeof *read.logits);
    assert_int_equal(fread(read.tokens, sizeof *read.tokens, positions, file), positions);
    assert_int_equal(fread(read.logits, sizeof *read.logits, numbers, file), numbers);
    assert_int_equal(fgetc(file), EOF);
    fclose(file);
    if (which->positions > 0)
        read.positions = which->positions;
    return read;
}

/* The worst position's error relative to its largest logit. */
static double worst_error(smidge_model *model, int32_t kv, const golden *expected)
{
    assert_int_equal(model->model.shape.vocabulary, expected->vocabulary);
    smidge_session *session = engine_session(model, kv, expected->positions, expected->positions);
    float *logits = engine_logits_new(model, expected->positions);
    engine_run_rows(session, expected->tokens, expected->positions, logits);
    double worst = 0.0;
    for (int32_t i = 0; i < expected->positions; i++) {
        size_t row = (size_t)i * (size_t)expected->vocabulary;
        worst =
            fmax(worst, engine_relative_error(logits + row, expected->logits + row, expected->vocabulary));
    }
    free(logits);
    smidge_session_free(session);
    return worst;
}

static void check_model(const oracle *which, int32_t kv)
{
    char path[64];
    snprintf(path, sizeof path, "tests/golden/%s.gguf", which->model);
    golden expected = read_golden(which);
    const char *cpus[ENGINE_STEPS];
    int steps = engine_cpu_names(cpus);
    for (int i = 0; i < steps; i++) {
        double worst = 0.0;
        for (int32_t threads = 1; threads <= 3; threads++) {
            smidge_model *model = engine_open(smg_test_source(path), cpus[i], threads);
            if (engine_allows(model, kv))
                worst = fmax(worst, worst_error(model, kv, &expected));
            smidge_model_close(model);
        }
        printf("%s, %s KV, %s: worst of %" PRId32 " positions %.1e (limit %.0e)\n", which->logits,
               engine_kv_names[kv], cpus[i], expected.positions, worst, limits[kv]);
        assert_true(worst <= limits[kv]);
    }
    free(expected.tokens);
    free(expected.logits);
}

static void logits_with_f32_cache(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof oracles / sizeof *oracles; i++)
        check_model(&oracles[i], SMIDGE_KV_F32);
}

static void logits_with_f16_cache(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof oracles / sizeof *oracles; i++)
        check_model(&oracles[i], SMIDGE_KV_F16);
}

static void logits_with_q8_0_cache(void **state)
{
    (void)state;
    check_model(&oracles[1], SMIDGE_KV_Q8_0);
    check_model(&oracles[2], SMIDGE_KV_Q8_0);
}

/* Heads of llama-plain are 16 wide, half a block. */
static void q8_0_cache_is_refused_for_narrow_heads(void **state)
{
    (void)state;
    smidge_model *model = engine_open(smg_test_source("tests/golden/llama-plain.gguf"), NULL, 1);
    smidge_session_options options;
    smidge_session_options_init(&options);
    options.kv_type = SMIDGE_KV_Q8_0;
    smidge_session *session = NULL;
    smidge_error error;
    assert_int_equal(smidge_session_new(model, &options, &session, &error), SMIDGE_E_INVALID);
    assert_null(session);
    smidge_model_close(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logits_with_f32_cache),
        cmocka_unit_test(logits_with_f16_cache),
        cmocka_unit_test(logits_with_q8_0_cache),
        cmocka_unit_test(q8_0_cache_is_refused_for_narrow_heads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
