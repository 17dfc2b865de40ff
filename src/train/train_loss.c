/* The end of the pass: output norm, logits, loss, and the way back to the residual stream. Only rows that have a target get logits, some
 * at a time: of a large vocabulary all at once would be more memory than the whole model. */
#include <math.h>
#include <string.h>

#include "train/train_state.h"

/* Rows first … first + count - 1 of the wanted ones. */
typedef struct loss_job {
    const smg_train_run *run;
    int32_t first, count;
    bool backward;
} loss_job;

static float *logits_of(const smg_trainee *trainee, int64_t row)
{
    return trainee->logits + row * trainee->model->shape.vocabulary;
}

static float weight_of(const smg_train_batch *batch, int32_t row)
{
    return batch->weights != NULL ? batch->weights[row] : 1.0F;
}

static float largest(const float *x, int64_t n)
{
    float most = x[0];
    for (int64_t i = 1; i < n; i++)
        most = x[i] > most ? x[i] : most;
    return most;
}

/* A row of logits becomes the gradient of its loss. */
static double take_row(const loss_job *job, int32_t place, float *capped)
{
    const smg_trainee *trainee = job->run->trainee;
    const smg_kernels *kernels = &trainee->model->kernels;
    const smg_train_batch *batch = job->run->batch;
    const int64_t n = trainee->model->shape.vocabulary;
    const float cap = trainee->model->shape.logit_cap;
    const int32_t row = trainee->wanted[job->first + place];
    const int32_t target = batch->targets[row];
    float *logits = logits_of(trainee, place);
    if (cap > 0.0F) {
        kernels->soft_cap(logits, n, cap);
        memcpy(capped, logits, (size_t)n * sizeof *logits);
    }
    const double most = (double)largest(logits, n);
    const double right = (double)logits[target];
    kernels->softmax(logits, n);
    /* The largest probability is 1 / sum of exp(x - most); the right one itself may be too small for a float. */
    const double loss = most - right - log((double)largest(logits, n));
    if (job->backward) {
        const float scale = job->run->gradient_scale * weight_of(batch, row);
        logits[target] -= 1.0F;
        for (int64_t i = 0; i < n; i++)
            logits[i] *= scale;
        for (int64_t i = 0; i < n && cap > 0.0F; i++)
            logits[i] *= 1.0F - (capped[i] / cap) * (capped[i] / cap);
    }
    return loss;
}

static void take_rows(void *context, smg_worker *worker)
{
    const loss_job *job = context;
    const smg_trainee *trainee = job->run->trainee;
    int64_t begin;
    int64_t end;
    while (smg_worker_next(worker, job->count, 1, &begin, &end))
        trainee->losses[job->first + begin] =
            take_row(job, (int32_t)begin, trainee->workers[worker->index].capped);
}

/* shared.hidden lends its rows to the wanted rows of x, and d_gate to their gradients. */
static float *wanted_rows(const smg_trainee *trainee)
{
    return trainee->shared.hidden;
}

static void gather(const smg_train_run *run)
{
    const smg_trainee *trainee = run->trainee;
    const int64_t width = trainee->model->shape.width;
    for (int32_t i = 0; i < run->wanted; i++)
        memcpy(wanted_rows(trainee) + i * width, trainee->x + trainee->wanted[i] * width,
               (size_t)width * sizeof(float));
}

static smidge_status output_chunk(const smg_train_run *run, int32_t first, int32_t count, bool backward)
{
    const smg_trainee *trainee = run->trainee;
    const int64_t width = trainee->model->shape.width;
    loss_job job = {.run = run, .first = first, .count = count, .backward = backward};
    const smg_flow flow = {.linear = &trainee->output,
                           .x = trainee->shared.normed + first * width,
                           .y = trainee->logits,
                           .dx = trainee->shared.d_normed + first * width};
    SMG_TRY(smg_train_linear_forward(run, &flow, 1, count));
    SMG_TRY(smg_pool_run(trainee->pool, take_rows, &job, run->stop));
    return backward ? smg_train_linear_backward(run, &flow, 1, count) : SMIDGE_OK;
}

static smidge_status output_back(const smg_train_run *run)
{
    const smg_trainee *trainee = run->trainee;
    const int64_t width = trainee->model->shape.width;
    float *dx = trainee->shared.d_gate;
    memset(dx, 0, (size_t)(run->wanted * width) * sizeof *dx);
    SMG_TRY(smg_train_norm_back(run, wanted_rows(trainee), &trainee->output_norm, trainee->shared.d_normed,
                                run->wanted, width, dx));
    memset(trainee->shared.dx, 0, (size_t)(run->batch->count * width) * sizeof *dx);
    for (int32_t i = 0; i < run->wanted; i++)
        memcpy(trainee->shared.dx + trainee->wanted[i] * width, dx + i * width, (size_t)width * sizeof *dx);
    return SMIDGE_OK;
}

static void sum_losses(const smg_train_run *run, double *ret_loss, double *ret_weight)
{
    const smg_trainee *trainee = run->trainee;
    *ret_loss = 0.0;
    *ret_weight = 0.0;
    for (int32_t i = 0; i < run->wanted; i++) {
        const double weight = (double)weight_of(run->batch, trainee->wanted[i]);
        *ret_loss += weight * trainee->losses[i];
        *ret_weight += weight;
    }
}

smidge_status smg_train_output(smg_train_run *run, bool backward, double *ret_loss, double *ret_weight)
{
    const smg_trainee *trainee = run->trainee;
    run->wanted = 0;
    for (int32_t i = 0; i < run->batch->count; i++)
        if (run->batch->targets[i] >= 0)
            trainee->wanted[run->wanted++] = i;
    gather(run);
    SMG_TRY(smg_train_norm(run, wanted_rows(trainee), trainee->output_norm.value, run->wanted,
                           trainee->model->shape.width, trainee->shared.normed));
    for (int32_t first = 0; first < run->wanted; first += trainee->logit_rows) {
        const int32_t left = run->wanted - first;
        SMG_TRY(output_chunk(run, first, left < trainee->logit_rows ? left : trainee->logit_rows, backward));
    }
    sum_losses(run, ret_loss, ret_weight);
    return backward ? output_back(run) : SMIDGE_OK;
}
