/* Forward and backward pass of training against PyTorch's autograd (make_gradients.py): every family, all weights and adapters,
 * on an F32 and a quantized base, at every CPU path and with 1 to 3 threads. */
#include "engine_support.h"

#include <inttypes.h>

#include "base/alloc.h"
#include "train/optimizer.h"
#include "train/random.h"
#include "train/trainee.h"

enum { SKETCH = 32, STEPS = 10 };

/* Of the length of a gradient. What F32 arithmetic leaves is about 1e-6. */
static const double limit = 1e-4;
/* bfloat16 keeps 8 bits: 2^-9 of each product, which a deep and sharp random model multiplies. A gradient that is wrong is off
 * by 1. */
static const double limit_bf16 = 0.2;

typedef struct expected {
    char name[80];
    double norm;
    float sketch[SKETCH];
} expected;

typedef struct golden {
    char model[33];
    char kind[9];
    int32_t rank;
    float alpha;
    int32_t *tokens, *targets, *starts;
    float *weights;
    smg_train_batch batch;
    double loss;
    double losses[STEPS];
    int32_t count;
    expected *gradients;
} golden;

static void take(FILE *file, void *to, size_t bytes)
{
    assert_int_equal(fread(to, 1, bytes, file), bytes);
}

static void *take_array(FILE *file, int32_t count, size_t each)
{
    assert_in_range(count, 1, 4096);
    void *array = calloc((size_t)count, each);
    assert_non_null(array);
    take(file, array, (size_t)count * each);
    return array;
}

static golden read_case(FILE *file)
{
    golden read = {.count = 0};
    take(file, read.model, 32);
    take(file, read.kind, 8);
    take(file, &read.rank, sizeof read.rank);
    take(file, &read.alpha, sizeof read.alpha);
    take(file, &read.batch.count, sizeof(int32_t));
    take(file, &read.batch.sequences, sizeof(int32_t));
    read.batch.tokens = read.tokens = take_array(file, read.batch.count, sizeof(int32_t));
    read.batch.targets = read.targets = take_array(file, read.batch.count, sizeof(int32_t));
    read.batch.weights = read.weights = take_array(file, read.batch.count, sizeof(float));
    read.batch.starts = read.starts = take_array(file, read.batch.sequences, sizeof(int32_t));
    take(file, &read.loss, sizeof read.loss);
    take(file, read.losses, sizeof read.losses);
    take(file, &read.count, sizeof read.count);
    read.gradients = calloc((size_t)read.count, sizeof *read.gradients);
    assert_non_null(read.gradients);
    for (int32_t i = 0; i < read.count; i++) {
        take(file, read.gradients[i].name, sizeof read.gradients[i].name);
        take(file, &read.gradients[i].norm, sizeof read.gradients[i].norm);
        take(file, read.gradients[i].sketch, sizeof read.gradients[i].sketch);
    }
    return read;
}

static void free_case(golden *which)
{
    free(which->tokens);
    free(which->targets);
    free(which->weights);
    free(which->starts);
    free(which->gradients);
}

/* ---- The numbers that both sides make ------------------------------------------------------------------ */

static uint64_t hash(const char *name, const char *end)
{
    uint64_t state = 0xCBF29CE484222325U;
    for (const char *at = name; *at != '\0'; at++)
        state = (state ^ (uint8_t)*at) * 0x100000001B3U;
    for (const char *at = end; *at != '\0'; at++)
        state = (state ^ (uint8_t)*at) * 0x100000001B3U;
    return state;
}

static void fill_adapter(const smg_parameter *parameter)
{
    uint64_t state = hash(parameter->name, "");
    const int64_t count = (int64_t)parameter->rows * parameter->columns;
    for (int64_t i = 0; i < count; i++)
        parameter->value[i] =
            (2.0F * smg_random_unit(&state) - 1.0F) * (1.0F / sqrtf((float)parameter->columns));
}

/* How far a gradient is from the expected one, in lengths of that. */
static double distance(const smg_parameter *parameter, const expected *of)
{
    double sums[SKETCH] = {0.0};
    uint64_t state = hash(parameter->name, "#");
    const int64_t count = (int64_t)parameter->rows * parameter->columns;
    for (int64_t i = 0; i < count; i++) {
        const uint64_t bits = smg_random_next(&state);
        const double gradient = (double)parameter->gradient[i];
        assert_true(isfinite(gradient));
        for (int j = 0; j < SKETCH; j++)
            sums[j] += bits >> j & 1U ? -gradient : gradient;
    }
    double squares = 0.0;
    for (int j = 0; j < SKETCH; j++)
        squares += (sums[j] - (double)of->sketch[j]) * (sums[j] - (double)of->sketch[j]);
    assert_true(of->norm > 0.0);
    return sqrt(squares / SKETCH) / of->norm;
}

/* Where programs run slowly, one case in four is enough of what does not differ by family. */
static int32_t case_step(void)
{
    return smg_test_repeats(20) == 20 ? 1 : 4;
}

/* ---- A case ------------------------------------------------------------------------------------------- */

typedef struct setting {
    const char *cpu;
    int32_t threads;
    bool recompute;
    bool bf16;
} setting;

typedef struct learner {
    smidge_model *model;
    smg_trainee *trainee;
    smg_parameter *parameters;
    size_t count;
} learner;

static learner start(const golden *which, const setting *how)
{
    char path[96];
    snprintf(path, sizeof path, "tests/golden/%s.gguf", which->model);
    learner started = {.model = engine_open(smg_test_source(path), how->cpu, how->threads)};
    int32_t longest = 0;
    for (int32_t s = 0; s < which->batch.sequences; s++) {
        const int32_t end = s + 1 < which->batch.sequences ? which->starts[s + 1] : which->batch.count;
        longest = end - which->starts[s] > longest ? end - which->starts[s] : longest;
    }
    const smg_train_options options = {.rank = which->rank,
                                       .alpha = which->alpha,
                                       .targets = SMG_TARGET_ALL,
                                       .bf16 = how->bf16,
                                       .recompute = how->recompute,
                                       .tokens = which->batch.count,
                                       .sequence = longest,
                                       .seed = 7};
    smidge_error error;
    const uint64_t before = smg_alloc_live_blocks();
    assert_int_equal(smg_pool_acquire(started.model->pool, NULL), SMIDGE_OK);
    engine_ok(smg_trainee_new(&started.model->model, started.model->pool, &options, &started.trainee, &error),
              &error);
    assert_true(smg_alloc_live_blocks() > before);
    started.count = smg_trainee_parameters(started.trainee, &started.parameters);
    for (size_t i = 0; i < started.count && which->rank > 0; i++)
        fill_adapter(&started.parameters[i]);
    return started;
}

static void stop(learner *of)
{
    smg_trainee_free(of->trainee);
    smg_pool_release(of->model->pool);
    smidge_model_close(of->model);
}

static double run(const learner *with, const golden *which, bool backward, float scale)
{
    smidge_error error;
    double loss = 0.0;
    double weight = 0.0;
    engine_ok(smg_trainee_run(with->trainee, &which->batch, backward, scale, NULL, &loss, &weight, &error),
              &error);
    assert_true(weight > 0.0);
    return loss;
}

static const expected *find(const golden *which, const char *name)
{
    for (int32_t i = 0; i < which->count; i++)
        if (strcmp(which->gradients[i].name, name) == 0)
            return &which->gradients[i];
    fail_msg("%s %s: %s is not expected to learn", which->model, which->kind, name);
    return NULL;
}

static void check_case(const golden *which, const setting *how)
{
    learner with = start(which, how);
    assert_int_equal(with.count, which->count);
    smg_trainee_clear(with.trainee);
    const double forward_loss = run(&with, which, false, 1.0F);
    /* Twice with a half each is once. */
    const double loss = run(&with, which, true, 0.5F);
    assert_true(loss == forward_loss);
    assert_true(run(&with, which, true, 0.5F) == loss);
    double worst = 0.0;
    const char *where = "";
    for (size_t i = 0; i < with.count; i++) {
        const double off = distance(&with.parameters[i], find(which, with.parameters[i].name));
        if (off > worst) {
            worst = off;
            where = with.parameters[i].name;
        }
    }
    const double loss_error = fabs(loss - which->loss) / which->loss;
    printf("%s %s, %s, %" PRId32 " threads%s%s: loss off by %.1e, worst gradient by %.1e (%s)\n",
           which->model, which->kind, how->cpu, how->threads, how->recompute ? ", recomputed" : "",
           how->bf16 ? ", bf16" : "", loss_error, worst, where);
    assert_true(worst <= (how->bf16 ? limit_bf16 : limit));
    assert_true(loss_error <= (how->bf16 ? 1e-2 : 1e-5));
    stop(&with);
}

static golden *read_cases(int32_t *ret_count)
{
    FILE *file = fopen(smg_test_source("tests/golden/gradients.bin"), "rb");
    assert_non_null(file);
    take(file, ret_count, sizeof *ret_count);
    assert_in_range(*ret_count, 1, 100);
    golden *cases = calloc((size_t)*ret_count, sizeof *cases);
    assert_non_null(cases);
    for (int32_t i = 0; i < *ret_count; i++)
        cases[i] = read_case(file);
    assert_int_equal(fgetc(file), EOF);
    fclose(file);
    return cases;
}

static void free_cases(golden *cases, int32_t count)
{
    for (int32_t i = 0; i < count; i++)
        free_case(&cases[i]);
    free(cases);
}

static void gradients_of_every_family(void **state)
{
    (void)state;
    const char *cpus[ENGINE_STEPS];
    const int steps = engine_cpu_names(cpus);
    int32_t count;
    golden *cases = read_cases(&count);
    /* Where programs run slowly, the best path alone. */
    const int first = smg_test_repeats(20) == 20 ? 0 : steps - 1;
    for (int32_t i = 0; i < count; i++)
        for (int s = first; s < steps; s++) {
            /* Threads and recomputation take turns over the paths. */
            const setting how = {.cpu = cpus[s], .threads = 1 + (i + s) % 3, .recompute = (i + s) % 2 == 1};
            check_case(&cases[i], &how);
        }
    free_cases(cases, count);
}

static void gradients_in_bfloat16(void **state)
{
    (void)state;
    const char *cpus[ENGINE_STEPS];
    const int steps = engine_cpu_names(cpus);
    int32_t count;
    golden *cases = read_cases(&count);
    const setting how = {.cpu = cpus[steps - 1], .threads = 2, .bf16 = true};
    for (int32_t i = 0; i < count; i += case_step())
        check_case(&cases[i], &how);
    free_cases(cases, count);
}

/* The same bits with any number of threads, and whether or not layers are computed again. */
static void same_bits(void **state)
{
    (void)state;
    int32_t count;
    golden *cases = read_cases(&count);
    for (int32_t i = 0; i < count; i += case_step()) {
        const setting one = {.threads = 1};
        const setting three = {.threads = 3, .recompute = true};
        learner first = start(&cases[i], &one);
        learner second = start(&cases[i], &three);
        assert_true(run(&first, &cases[i], true, 1.0F) == run(&second, &cases[i], true, 1.0F));
        for (size_t p = 0; p < first.count; p++)
            assert_memory_equal(first.parameters[p].gradient, second.parameters[p].gradient,
                                (size_t)first.parameters[p].rows * (size_t)first.parameters[p].columns *
                                    sizeof(float));
        stop(&first);
        stop(&second);
    }
    free_cases(cases, count);
}

/* Ten steps of AdamW on all weights: the loss before each of them. */
static void losses_of_ten_steps(void **state)
{
    (void)state;
    int32_t count;
    golden *cases = read_cases(&count);
    for (int32_t i = 0; i < count; i += case_step()) {
        const setting how = {.threads = 2};
        if (cases[i].rank > 0)
            continue;
        learner with = start(&cases[i], &how);
        smg_optimizer_options options;
        smg_optimizer_defaults(&options);
        options.decay = 0.01;
        smg_optimizer *optimizer = NULL;
        smidge_error error;
        engine_ok(smg_optimizer_new(with.parameters, with.count, &options, &with.model->model.kernels,
                                    with.model->pool, &optimizer, &error),
                  &error);
        double weights = 0.0;
        for (int32_t t = 0; t < cases[i].batch.count; t++)
            weights += cases[i].targets[t] >= 0 ? (double)cases[i].weights[t] : 0.0;
        double worst = 0.0;
        for (int64_t step = 1; step <= STEPS; step++) {
            smg_trainee_clear(with.trainee);
            const double loss = run(&with, &cases[i], true, (float)(1.0 / weights)) / weights;
            worst = fmax(worst, fabs(loss - cases[i].losses[step - 1]) / cases[i].losses[step - 1]);
            smg_optimizer_step(optimizer, step, 1e-3, 0.0, 1.0);
        }
        printf("%s: ten losses within %.1e, from %.3f to %.3f\n", cases[i].model, worst, cases[i].losses[0],
               cases[i].losses[STEPS - 1]);
        assert_true(worst <= 1e-3);
        smg_optimizer_free(optimizer);
        stop(&with);
    }
    free_cases(cases, count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_of_every_family),
        cmocka_unit_test(gradients_in_bfloat16),
        cmocka_unit_test(same_bits),
        cmocka_unit_test(losses_of_ten_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
