/* Models with a LoRA adapter against Hugging Face transformers and PEFT: every tiny family, 24 positions each
 * (tests/golden/make_adapters.py), at every CPU path and with 1 to 3 threads. */
#include "engine_support.h"

#include <inttypes.h>

/* As in families_test, and for the same reasons. */
static const double limits[] = {[SMIDGE_KV_F32] = 2e-5, [SMIDGE_KV_F16] = 1e-2};

/* Of each; phi3-longrope's logits are those of the long factors, which it takes in contexts above 64. */
#define CONTEXT 96

static const char *const models[] = {
    "llama-plain",  "llama-rope3",   "llama-window", "qwen2",  "qwen3",  "phi3",
    "phi3-partial", "phi3-longrope", "gemma",        "gemma2", "gemma3", "gemma3-linear",
};

typedef struct golden {
    int32_t positions;
    int32_t vocabulary;
    int32_t tokens[CONTEXT];
    float *logits;
} golden;

static golden read_golden(const char *name)
{
    char path[64];
    golden read = {0};
    snprintf(path, sizeof path, "tests/golden/%s.lora.logits", name);
    FILE *file = fopen(smg_test_source(path), "rb");
    assert_non_null(file);
    assert_int_equal(fread(&read.positions, sizeof(int32_t), 1, file), 1);
    assert_int_equal(fread(&read.vocabulary, sizeof(int32_t), 1, file), 1);
    assert_in_range(read.positions, 20, CONTEXT);
    assert_in_range(read.vocabulary, 1, 1 << 20);
    const size_t positions = (size_t)read.positions, numbers = positions * (size_t)read.vocabulary;
    read.logits = calloc(numbers, sizeof *read.logits);
    assert_int_equal(fread(read.tokens, sizeof *read.tokens, positions, file), positions);
    assert_int_equal(fread(read.logits, sizeof *read.logits, numbers, file), numbers);
    assert_int_equal(fgetc(file), EOF);
    fclose(file);
    return read;
}

/* The worst position's error relative to its largest logit. */
static double worst_error(smidge_model *model, int32_t kv, const golden *expected)
{
    smidge_session *session = engine_session(model, kv, CONTEXT, expected->positions);
    float *logits = engine_logits_new(model, expected->positions);
    double worst = 0.0;
    assert_int_equal(model->model.shape.vocabulary, expected->vocabulary);
    engine_run_rows(session, expected->tokens, expected->positions, logits);
    for (int32_t i = 0; i < expected->positions; i++) {
        const size_t row = (size_t)i * (size_t)expected->vocabulary;
        worst =
            fmax(worst, engine_relative_error(logits + row, expected->logits + row, expected->vocabulary));
    }
    free(logits);
    smidge_session_free(session);
    return worst;
}

static void check_model(const char *name, int32_t kv)
{
    char path[64], lora[64];
    const char *cpus[ENGINE_STEPS];
    const int steps = engine_cpu_names(cpus);
    golden expected = read_golden(name);
    snprintf(path, sizeof path, "tests/golden/%s.gguf", name);
    snprintf(lora, sizeof lora, "tests/golden/%s.lora.gguf", name);
    for (int i = 0; i < steps; i++) {
        double worst = 0.0;
        for (int32_t threads = 1; threads <= 3; threads++) {
            smidge_model *model =
                engine_open_adapted(smg_test_source(path), smg_test_source(lora), cpus[i], threads);
            worst = fmax(worst, worst_error(model, kv, &expected));
            smidge_model_close(model);
        }
        printf("%s with its adapter, %s KV, %s: worst of %" PRId32 " positions %.1e (limit %.0e)\n", name,
               engine_kv_names[kv], cpus[i], expected.positions, worst, limits[kv]);
        assert_true(worst <= limits[kv]);
    }
    free(expected.logits);
}

static void logits_with_f32_cache(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof models / sizeof *models; i++)
        check_model(models[i], SMIDGE_KV_F32);
}

static void logits_with_f16_cache(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof models / sizeof *models; i++)
        check_model(models[i], SMIDGE_KV_F16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logits_with_f32_cache),
        cmocka_unit_test(logits_with_f16_cache),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
