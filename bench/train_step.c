/* How fast a model learns: forward and backward passes of one batch and a step of AdamW, repeated, without reading data.
 *
 *   train_step MODEL [-b TOKENS] [-l SEQUENCE] [-a ANSWER] [-r RANK] [-t THREADS] [-n STEPS] [--bf16] [--recompute]
 *
 * A batch is TOKENS random tokens in sequences of SEQUENCE; the last ANSWER of each have a target. Rank 0 trains all weights. Prints
 * the median of tokens a second, the loss and the peak of memory. peers/peft_step.py does the same with PyTorch. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "cpu/cpu.h"
#include "train/optimizer.h"
#include "train/random.h"
#include "train/trainee.h"

enum { STEPS_MOST = 1000 };
#define RATE 1e-4 /* of AdamW */

typedef struct step_flags {
    const char *model;
    int32_t tokens, sequence, answer, rank, threads, steps;
    bool bf16, recompute;
} step_flags;

static bool read_flags(int argc, char **argv, step_flags *ret_flags)
{
    *ret_flags = (step_flags){.tokens = 1024,
                              .sequence = 128,
                              .answer = 4,
                              .rank = 8,
                              .threads = smg_thread_cores(),
                              .steps = 5};
    const struct {
        const char *name;
        int32_t *value;
    } numbers[] = {
        {"-b", &ret_flags->tokens}, {"-l", &ret_flags->sequence}, {"-a", &ret_flags->answer},
        {"-r", &ret_flags->rank},   {"-t", &ret_flags->threads},  {"-n", &ret_flags->steps},
    };
    for (int i = 1; i < argc; i++) {
        int32_t *number = NULL;
        for (size_t n = 0; n < sizeof numbers / sizeof *numbers; n++)
            if (strcmp(argv[i], numbers[n].name) == 0)
                number = numbers[n].value;
        if (number != NULL && i + 1 < argc)
            *number = (int32_t)strtol(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--bf16") == 0)
            ret_flags->bf16 = true;
        else if (strcmp(argv[i], "--recompute") == 0)
            ret_flags->recompute = true;
        else if (argv[i][0] != '-' && ret_flags->model == NULL)
            ret_flags->model = argv[i];
        else
            return false;
    }
    return ret_flags->model != NULL && ret_flags->sequence > 0 && ret_flags->tokens >= ret_flags->sequence &&
           ret_flags->steps > 0 && ret_flags->steps <= STEPS_MOST && ret_flags->answer >= 0;
}

/* Arrays stay until the program ends. */
static smg_train_batch make_batch(const step_flags *flags, int32_t vocabulary)
{
    const int32_t sequences = flags->tokens / flags->sequence;
    const int32_t count = sequences * flags->sequence;
    int32_t *tokens = calloc((size_t)count, sizeof *tokens);
    int32_t *targets = calloc((size_t)count, sizeof *targets);
    int32_t *starts = calloc((size_t)sequences, sizeof *starts);
    uint64_t random = 1;
    if (tokens == NULL || targets == NULL || starts == NULL)
        exit(1);
    for (int32_t i = 0; i < count; i++) {
        tokens[i] = (int32_t)(smg_random_next(&random) % (uint64_t)vocabulary);
        targets[i] = i % flags->sequence >= flags->sequence - flags->answer
                         ? (int32_t)(smg_random_next(&random) % (uint64_t)vocabulary)
                         : -1;
    }
    for (int32_t i = 0; i < sequences; i++)
        starts[i] = i * flags->sequence;
    return (smg_train_batch){.tokens = tokens,
                             .targets = targets,
                             .count = count,
                             .starts = starts,
                             .sequences = sequences};
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static smidge_status measure(const step_flags *flags, smg_trainee *trainee, smg_optimizer *optimizer,
                             const smg_train_batch *batch, smidge_error *error)
{
    static double seconds[STEPS_MOST];
    double loss = 0.0;
    double weight = 0.0;
    for (int32_t i = -1; i < flags->steps; i++) {
        smg_trainee_clear(trainee);
        const int64_t started = smg_clock_now();
        SMG_TRY(smg_trainee_run(trainee, batch, true, 1.0F, NULL, &loss, &weight, error));
        smg_optimizer_step(optimizer, i + 2, RATE, 0.0, weight > 0.0 ? 1.0 / weight : 0.0);
        if (i >= 0)
            seconds[i] = (double)(smg_clock_now() - started) * 1e-9;
    }
    qsort(seconds, (size_t)flags->steps, sizeof *seconds, by_size);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("%.1f tokens/s  loss %.4f  peak %.0f MiB\n", (double)batch->count / seconds[flags->steps / 2],
           loss / weight, (double)usage.ru_maxrss / 1024.0);
    return SMIDGE_OK;
}

static smidge_status run(const step_flags *flags, smidge_error *error)
{
    smg_gguf gguf;
    smg_model model;
    smg_pool *pool = NULL;
    smg_trainee *trainee = NULL;
    SMG_TRY(smg_gguf_open(flags->model, &gguf, error));
    SMG_TRY(smg_model_load(&gguf, smg_cpu_mask(), &model, error));
    SMG_TRY(smg_pool_new(flags->threads, &pool, error));
    SMG_TRY(smg_pool_acquire(pool, NULL));
    const smg_train_options options = {.rank = flags->rank,
                                       .alpha = 2.0F * (float)flags->rank,
                                       .targets = SMG_TARGET_ALL,
                                       .bf16 = flags->bf16,
                                       .recompute = flags->recompute,
                                       .tokens = flags->tokens,
                                       .sequence = flags->sequence,
                                       .seed = 1};
    SMG_TRY(smg_trainee_new(&model, pool, &options, &trainee, error));
    smg_parameter *parameters;
    const size_t count = smg_trainee_parameters(trainee, &parameters);
    smg_optimizer *optimizer = NULL;
    smg_optimizer_options adam;
    smg_optimizer_defaults(&adam);
    SMG_TRY(smg_optimizer_new(parameters, count, &adam, &model.kernels, pool, &optimizer, error));
    const smg_train_batch batch = make_batch(flags, model.shape.vocabulary);
    SMG_TRY(measure(flags, trainee, optimizer, &batch, error));
    smg_optimizer_free(optimizer);
    smg_trainee_free(trainee);
    smg_pool_release(pool);
    smg_pool_free(pool);
    smg_model_done(&model);
    smg_gguf_close(&gguf);
    return SMIDGE_OK;
}

int main(int argc, char **argv)
{
    step_flags flags;
    smidge_error error;
    if (!read_flags(argc, argv, &flags)) {
        fprintf(stderr,
                "usage: train_step MODEL [-b TOKENS] [-l SEQUENCE] [-a ANSWER] [-r RANK] [-t THREADS] [-n "
                "STEPS] [--bf16] [--recompute]\n");
        return 2;
    }
    if (run(&flags, &error) == SMIDGE_OK)
        return 0;
    fprintf(stderr, "train_step: %s: %s\n", error.where, error.message);
    return 1;
}
