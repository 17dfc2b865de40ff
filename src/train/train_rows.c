/* Work on rows, shared out over the pool. */
#include <string.h>

#include "train/train_state.h"

enum { ROW_STEP = 16, COLUMN_STEP = 64 };

typedef struct row_job {
    const smg_kernels *kernels;
    float epsilon;
    const float *x, *weight, *dy;
    float *out;
    float *factors;
    bool same;
    int64_t rows, n;
} row_job;

static row_job job_of(const smg_train_run *run, int64_t rows, int64_t n)
{
    const smg_model *model = run->trainee->model;
    return (row_job){.kernels = &model->kernels, .epsilon = model->shape.norm_epsilon, .rows = rows, .n = n};
}

static smidge_status share_out(const smg_train_run *run, smg_pool_fn fn, row_job *job)
{
    return smg_pool_run(run->trainee->pool, fn, job, run->stop);
}

static void norm_rows(void *context, smg_worker *worker)
{
    const row_job *job = context;
    int64_t begin;
    int64_t end;
    while (smg_worker_next(worker, job->rows, ROW_STEP, &begin, &end))
        for (int64_t r = begin; r < end; r++)
            job->kernels->rms_norm(job->x + r * job->n, job->weight, job->epsilon, job->n,
                                   job->out + r * job->n);
}

smidge_status smg_train_norm(const smg_train_run *run, const float *x, const float *weight, int64_t rows,
                             int64_t n, float *out)
{
    row_job job = job_of(run, rows, n);
    job.x = x;
    job.weight = weight;
    job.out = out;
    return share_out(run, norm_rows, &job);
}

static void norm_rows_back(void *context, smg_worker *worker)
{
    const row_job *job = context;
    int64_t begin;
    int64_t end;
    while (smg_worker_next(worker, job->rows, ROW_STEP, &begin, &end))
        for (int64_t r = begin; r < end; r++) {
            const int64_t at = r * job->n;
            job->factors[r] = job->kernels->rms_norm_back(job->x + at, job->weight, job->dy + at,
                                                          job->epsilon, job->n, job->out + at);
        }
}

/* Each worker goes down columns of its own, so that every sum goes along the rows. */
static void sum_columns(void *context, smg_worker *worker)
{
    const row_job *job = context;
    int64_t begin;
    int64_t end;
    while (smg_worker_next(worker, job->n, COLUMN_STEP, &begin, &end))
        for (int64_t r = 0; r < job->rows; r++) {
            const float *dy = job->dy + r * job->n + begin;
            if (job->x == NULL)
                job->kernels->add(job->out + begin, dy, end - begin);
            else
                job->kernels->add_product(job->out + begin, dy, job->x + r * job->n + begin, job->factors[r],
                                          end - begin);
        }
}

smidge_status smg_train_norm_back(const smg_train_run *run, const float *x, const smg_train_vector *weight,
                                  const float *dy, int64_t rows, int64_t n, float *dx)
{
    row_job job = job_of(run, rows, n);
    job.x = x;
    job.weight = weight->value;
    job.dy = dy;
    job.out = dx;
    job.factors = run->trainee->shared.factors;
    SMG_TRY(share_out(run, norm_rows_back, &job));
    job.out = weight->gradient;
    return job.out == NULL ? SMIDGE_OK : share_out(run, sum_columns, &job);
}

smidge_status smg_train_bias_back(const smg_train_run *run, const float *dy, int64_t rows, int64_t n,
                                  float *sum)
{
    row_job job = job_of(run, rows, n);
    job.dy = dy;
    job.out = sum;
    return share_out(run, sum_columns, &job);
}

static void add_rows(void *context, smg_worker *worker)
{
    const row_job *job = context;
    int64_t begin;
    int64_t end;
    while (smg_worker_next(worker, job->rows, ROW_STEP, &begin, &end))
        for (int64_t r = begin; r < end; r++) {
            float *out = job->out + r * job->n;
            if (job->x != job->out)
                memcpy(out, job->x + r * job->n, (size_t)job->n * sizeof *out);
            job->kernels->add(out, job->dy + (job->same ? 0 : r * job->n), job->n);
        }
}

smidge_status smg_train_add(const smg_train_run *run, const float *x, const float *y, bool same, int64_t rows,
                            int64_t n, float *out)
{
    row_job job = job_of(run, rows, n);
    job.x = x;
    job.dy = y;
    job.out = out;
    job.same = same;
    return share_out(run, add_rows, &job);
}
