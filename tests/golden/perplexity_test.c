/* Every CPU path is the same model: the perplexity of a fixed text differs by less than 0.5 % from that of the reference kernels, for
 * every type of weights. */
#include "engine_support.h"
#include "synthetic_model.h"

#include <math.h>

#define POSITIONS 96

static double surprise(const float *logits, int32_t vocabulary, int32_t token)
{
    double sum = 0;
    for (int32_t i = 0; i < vocabulary; i++)
        sum += exp((double)logits[i] - (double)logits[token]);
    return log(sum);
}

static double perplexity(const char *path, const char *cpu)
{
    smidge_model *model = engine_open(path, cpu, 2);
    const int32_t vocabulary = model->model.shape.vocabulary;
    int32_t ids[POSITIONS];
    uint64_t state = 5;
    for (int32_t i = 0; i < POSITIONS; i++)
        ids[i] = (int32_t)(smg_test_random(&state) % (uint64_t)vocabulary);
    smidge_session *session = engine_session(model, SMIDGE_KV_F16, POSITIONS, 32);
    float *logits = engine_logits_new(model, POSITIONS);
    engine_run_rows(session, ids, POSITIONS, logits);
    double sum = 0;
    for (int32_t i = 0; i + 1 < POSITIONS; i++)
        sum += surprise(logits + (size_t)i * (size_t)vocabulary, vocabulary, ids[i + 1]);
    free(logits);
    smidge_session_free(session);
    smidge_model_close(model);
    return exp(sum / (POSITIONS - 1));
}

static void check_type(smg_type type, const char *name)
{
    const bool super = smg_type_describe(type)->block_elements == SMG_QK_K;
    const synthetic_shape shape = {
        .type = type,
        .layers = 3,
        .width = 256,
        .heads = 4,
        .kv_heads = 2,
        .head_size = 64,
        .feed_forward = super ? 512 : 288,
        .context = 256,
        .seed = 300 + (uint64_t)type,
    };
    synthetic_file file = synthetic_make(&shape);
    const char *cpus[ENGINE_STEPS];
    const int steps = engine_cpu_names(cpus);
    const double expected = perplexity(file.path, "ref");
    assert_true(isfinite(expected));
    for (int i = 0; i < steps; i++) {
        const double ours = perplexity(file.path, cpus[i]);
        if (!(fabs(ours / expected - 1) < 0.005))
            fail_msg("%s, %s: perplexity %.4f, with the reference kernels %.4f", name, cpus[i], ours,
                     expected);
    }
    synthetic_free(&file);
}

static void every_path_is_the_same_model(void **state)
{
    (void)state;
    int count = 0;
    for (smg_type type = 0; type < SMG_TYPE_R16; type++) {
        const smg_type_info *info = smg_type_describe(type);
        if (info == NULL || !info->weights)
            continue;
        check_type(type, info->name);
        count++;
    }
    assert_int_equal(count, 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_path_is_the_same_model)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
