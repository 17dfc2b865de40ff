/* What training refuses, how it fails, and that it learns. */
#include "engine_support.h"

#include "base/alloc.h"
#include "train/trainee.h"

enum { COUNT = 24 };

static const int32_t starts[] = {0, 10};
static int32_t tokens[COUNT], targets[COUNT];

static smg_train_batch whole_batch(void)
{
    for (int32_t i = 0; i < COUNT; i++) {
        tokens[i] = 5 + i * 7 % 40;
        targets[i] = i % 3 == 0 ? -1 : 5 + i * 11 % 40;
    }
    return (smg_train_batch){.tokens = tokens,
                             .targets = targets,
                             .count = COUNT,
                             .starts = starts,
                             .sequences = 2};
}

static smg_train_options lora_options(void)
{
    return (smg_train_options){.rank = 4,
                               .alpha = 8.0F,
                               .targets = SMG_TARGET_ALL,
                               .tokens = COUNT,
                               .sequence = 16,
                               .seed = 1};
}

static smidge_model *open_model(const char *name)
{
    char path[96];
    snprintf(path, sizeof path, "tests/golden/%s.gguf", name);
    smidge_model *model = engine_open(smg_test_source(path), NULL, 2);
    assert_int_equal(smg_pool_acquire(model->pool, NULL), SMIDGE_OK);
    return model;
}

static void close_model(smidge_model *model)
{
    smg_pool_release(model->pool);
    smidge_model_close(model);
}

static smg_trainee *new_trainee(smidge_model *model, const smg_train_options *options)
{
    smidge_error error;
    smg_trainee *trainee = NULL;
    engine_ok(smg_trainee_new(&model->model, model->pool, options, &trainee, &error), &error);
    return trainee;
}

static double run(smg_trainee *trainee, const smg_train_batch *batch, bool backward)
{
    smidge_error error;
    double loss = 0.0;
    double weight = 0.0;
    engine_ok(smg_trainee_run(trainee, batch, backward, 1.0F, NULL, &loss, &weight, &error), &error);
    return loss / weight;
}

static void refuse_options(smidge_model *model, smg_train_options options)
{
    smidge_error error;
    smg_trainee *trainee = NULL;
    assert_int_equal(smg_trainee_new(&model->model, model->pool, &options, &trainee, &error),
                     SMIDGE_E_INVALID);
    assert_null(trainee);
    assert_true(strlen(error.message) > 0);
    assert_int_equal(smg_trainee_need(&model->model, &options, 2), 0);
}

static void bad_options(void **state)
{
    (void)state;
    smidge_model *model = open_model("llama-plain");
    smg_train_options options = lora_options();
    options.rank = -1;
    refuse_options(model, options);
    options.rank = SMG_RANK_MOST + 1;
    refuse_options(model, options);
    options = lora_options();
    options.targets = 0;
    refuse_options(model, options);
    options = lora_options();
    options.alpha = NAN;
    refuse_options(model, options);
    options = lora_options();
    options.tokens = 0;
    refuse_options(model, options);
    options = lora_options();
    options.sequence = COUNT + 1;
    refuse_options(model, options);
    close_model(model);
}

static void refuse_batch(smg_trainee *trainee, const smg_train_batch *batch)
{
    smidge_error error;
    double loss = 0.0;
    double weight = 0.0;
    assert_int_equal(smg_trainee_run(trainee, batch, true, 1.0F, NULL, &loss, &weight, &error),
                     SMIDGE_E_INVALID);
}

static void bad_batches(void **state)
{
    (void)state;
    smidge_model *model = open_model("llama-plain");
    smg_train_options options = lora_options();
    smg_trainee *trainee = new_trainee(model, &options);
    smg_train_batch batch = whole_batch();
    tokens[3] = model->model.shape.vocabulary;
    refuse_batch(trainee, &batch);
    tokens[3] = -1;
    refuse_batch(trainee, &batch);
    batch = whole_batch();
    targets[3] = model->model.shape.vocabulary;
    refuse_batch(trainee, &batch);
    batch = whole_batch();
    batch.count = COUNT + 1;
    refuse_batch(trainee, &batch);
    batch.count = 0;
    refuse_batch(trainee, &batch);
    batch = whole_batch();
    static const int32_t backward[] = {0, 10, 8}, late[] = {1, 10}, beyond[] = {0, COUNT}, longer[] = {0, 20};
    batch.starts = late;
    refuse_batch(trainee, &batch);
    batch.starts = beyond;
    refuse_batch(trainee, &batch);
    batch.starts = longer;
    refuse_batch(trainee, &batch);
    batch.starts = backward;
    batch.sequences = 3;
    refuse_batch(trainee, &batch);
    batch = whole_batch();
    assert_true(run(trainee, &batch, true) > 0.0);
    smg_trainee_free(trainee);
    close_model(model);
}

/* One block besides the trainee itself: what was promised is what is taken. */
static void failing_allocations(void **state)
{
    (void)state;
    smidge_model *model = open_model("gemma2");
    smg_train_options options = lora_options();
    const uint64_t blocks = smg_alloc_live_blocks();
    smidge_error error;
    for (uint64_t n = 1;; n++) {
        smg_trainee *trainee = NULL;
        smg_alloc_fail_at(n);
        const smidge_status status = smg_trainee_new(&model->model, model->pool, &options, &trainee, &error);
        const bool failed = smg_alloc_calls() >= n;
        smg_alloc_fail_at(0);
        if (!failed) {
            engine_ok(status, &error);
            smg_trainee_free(trainee);
            break;
        }
        assert_int_equal(status, SMIDGE_E_NOMEM);
        assert_null(trainee);
        assert_int_equal(smg_alloc_live_blocks(), blocks);
    }
    assert_int_equal(smg_alloc_live_blocks(), blocks);
    close_model(model);
}

/* Recomputation takes less memory, full training more. */
static void memory_need(void **state)
{
    (void)state;
    smidge_model *model = open_model("llama-plain");
    smg_train_options options = lora_options();
    const uint64_t need = smg_trainee_need(&model->model, &options, 2);
    options.recompute = true;
    const uint64_t less = smg_trainee_need(&model->model, &options, 2);
    assert_true(less < need);
    options.rank = 0;
    const uint64_t full = smg_trainee_need(&model->model, &options, 2);
    assert_true(full > 2 * sizeof(float) * model->model.weights.parameters);
    close_model(model);
}

static void stopping(void **state)
{
    (void)state;
    smidge_model *model = open_model("llama-plain");
    smg_train_options options = lora_options();
    smg_trainee *trainee = new_trainee(model, &options);
    smg_train_batch batch = whole_batch();
    atomic_int cancel = 1;
    const smg_stop stop = {.deadline = INT64_MAX, .cancel = &cancel};
    smidge_error error;
    double loss = -1.0;
    double weight = -1.0;
    assert_int_equal(smg_trainee_run(trainee, &batch, true, 1.0F, &stop, &loss, &weight, &error),
                     SMIDGE_E_CANCELLED);
    assert_true(loss == -1.0 && weight == -1.0);
    smg_trainee_free(trainee);
    close_model(model);
}

static void no_number(void **state)
{
    (void)state;
    smidge_model *model = open_model("llama-plain");
    smg_train_options options = lora_options();
    smg_trainee *trainee = new_trainee(model, &options);
    smg_parameter *parameters;
    assert_true(smg_trainee_parameters(trainee, &parameters) > 1);
    parameters[1].value[0] = NAN;
    smg_train_batch batch = whole_batch();
    smidge_error error;
    double loss;
    double weight;
    assert_int_equal(smg_trainee_run(trainee, &batch, true, 1.0F, NULL, &loss, &weight, &error),
                     SMIDGE_E_MODEL);
    smg_trainee_free(trainee);
    close_model(model);
}

/* A batch without any target has no loss and leaves gradients alone. */
static void nothing_to_learn(void **state)
{
    (void)state;
    smidge_model *model = open_model("qwen3");
    smg_train_options options = lora_options();
    options.rank = 0;
    smg_trainee *trainee = new_trainee(model, &options);
    smg_train_batch batch = whole_batch();
    for (int32_t i = 0; i < COUNT; i++)
        targets[i] = -1;
    smidge_error error;
    double loss = -1.0;
    double weight = -1.0;
    engine_ok(smg_trainee_run(trainee, &batch, true, 1.0F, NULL, &loss, &weight, &error), &error);
    assert_true(loss == 0.0 && weight == 0.0);
    smg_parameter *parameters;
    const size_t count = smg_trainee_parameters(trainee, &parameters);
    for (size_t i = 0; i < count; i++)
        for (int64_t n = 0; n < (int64_t)parameters[i].rows * parameters[i].columns; n++)
            assert_true(parameters[i].gradient[n] == 0.0F);
    smg_trainee_free(trainee);
    close_model(model);
}

/* A new adapter changes nothing: the loss is that of the model's own logits. */
static void begins_as_the_base(void **state)
{
    (void)state;
    smidge_model *model = open_model("gemma3");
    smg_train_options options = lora_options();
    smg_trainee *trainee = new_trainee(model, &options);
    const smg_train_batch batch = whole_batch();
    const double loss = run(trainee, &batch, false);
    smg_trainee_free(trainee);
    smg_pool_release(model->pool);
    const int64_t vocabulary = model->model.shape.vocabulary;
    double sum = 0.0;
    double weight = 0.0;
    for (int32_t s = 0; s < 2; s++) {
        const int32_t end = s == 0 ? starts[1] : COUNT;
        smidge_session *session = engine_session(model, SMIDGE_KV_F32, 32, 32);
        float *logits = engine_logits_new(model, COUNT);
        engine_run_rows(session, tokens + starts[s], end - starts[s], logits);
        for (int32_t i = starts[s]; i < end; i++) {
            if (targets[i] < 0)
                continue;
            const float *row = logits + (i - starts[s]) * vocabulary;
            double total = 0.0;
            for (int64_t v = 0; v < vocabulary; v++)
                total += exp((double)row[v]);
            sum += log(total) - (double)row[targets[i]];
            weight += 1.0;
        }
        free(logits);
        smidge_session_free(session);
    }
    assert_true(fabs(loss - sum / weight) < 1e-4 * loss);
    smidge_model_close(model);
}

/* Plain steps down the gradient, for adapters of every kind of matrix alone. */
static void learns(void **state)
{
    (void)state;
    smidge_model *model = open_model("phi3");
    smg_train_batch batch = whole_batch();
    for (uint32_t target = 1; target < SMG_TARGET_ALL; target <<= 1) {
        smg_train_options options = lora_options();
        options.targets = target;
        smg_trainee *trainee = new_trainee(model, &options);
        smg_parameter *parameters;
        const size_t count = smg_trainee_parameters(trainee, &parameters);
        assert_int_equal(count, 2 * model->model.shape.layers);
        const double before = run(trainee, &batch, false);
        for (int step = 0; step < 8; step++) {
            smg_trainee_clear(trainee);
            run(trainee, &batch, true);
            for (size_t i = 0; i < count; i++)
                for (int64_t n = 0; n < (int64_t)parameters[i].rows * parameters[i].columns; n++)
                    parameters[i].value[n] -= 1e-3F * parameters[i].gradient[n];
        }
        assert_true(run(trainee, &batch, false) < before - 0.01);
        smg_trainee_free(trainee);
    }
    close_model(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_options),
        cmocka_unit_test(bad_batches),
        cmocka_unit_test(failing_allocations),
        cmocka_unit_test(memory_need),
        cmocka_unit_test(stopping),
        cmocka_unit_test(no_number),
        cmocka_unit_test(nothing_to_learn),
        cmocka_unit_test(begins_as_the_base),
        cmocka_unit_test(learns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
