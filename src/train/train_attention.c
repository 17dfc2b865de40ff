/* Attention within each sequence of a batch. A worker takes a sequence and a key/value head, with all query heads that share it, some
 * rows of queries at a time. Probabilities are computed again on the way back: keeping them would take more memory than all the rest. */
#include <string.h>

#include "model/attention.h"
#include "train/train_state.h"

typedef struct heads_job {
    const smg_train_run *run;
    const smg_layer_state *state;
    int layer;
    bool backward;
} heads_job;

/* Queries first … first + rows - 1 of one head of one sequence, and the keys that any of them sees: places in the sequence. */
typedef struct tile {
    int64_t start;  /* of the sequence in the batch */
    int32_t head;   /* of the queries … */
    int32_t shared; /* … and of keys and values */
    int32_t first, rows;
    int32_t begin, end;
} tile;

static const smg_shape *shape_of(const heads_job *job)
{
    return &job->run->trainee->model->shape;
}

/* The first place that the query at `place` sees. */
static int32_t first_seen(const heads_job *job, int32_t place)
{
    const smg_shape *shape = shape_of(job);
    return shape->windowed[job->layer] && place >= shape->window ? place - shape->window + 1 : 0;
}

static smg_operand head_rows(const float *rows, int64_t heads, int64_t head, int64_t size, int64_t first)
{
    return (smg_operand){.data = rows + (first * heads + head) * size,
                         .outer_step = (size_t)(heads * size),
                         .depth_step = 1};
}

static smg_operand turned(smg_operand operand)
{
    return (smg_operand){.data = operand.data,
                         .outer_step = operand.depth_step,
                         .depth_step = operand.outer_step};
}

static smg_operand query_rows(const heads_job *job, const tile *at, const float *rows)
{
    const smg_shape *shape = shape_of(job);
    return head_rows(rows, shape->heads, at->head, shape->head_size, at->start + at->first);
}

static smg_operand key_rows(const heads_job *job, const tile *at, const float *rows)
{
    const smg_shape *shape = shape_of(job);
    return head_rows(rows, shape->kv_heads, at->shared, shape->head_size, at->start + at->begin);
}

static smg_operand score_rows(const heads_job *job, const float *scores)
{
    return (smg_operand){.data = scores,
                         .outer_step = (size_t)job->run->trainee->options.sequence,
                         .depth_step = 1};
}

static void multiply(const heads_job *job, const smg_worker *worker, smg_gemm product)
{
    const smg_trainee *trainee = job->run->trainee;
    uint8_t *space = trainee->gemm_space;
    smg_gemm_alone(&trainee->model->kernels, space + (size_t)worker->index * trainee->gemm_bytes,
                   trainee->options.bf16, &product);
}

/* Scores of a tile become probabilities; what a query does not see gets none. */
static void weigh(const heads_job *job, const tile *at, const smg_train_worker *mine)
{
    const smg_kernels *kernels = &job->run->trainee->model->kernels;
    const int64_t stride = job->run->trainee->options.sequence;
    const float cap = shape_of(job)->score_cap;
    for (int32_t r = 0; r < at->rows; r++) {
        float *row = mine->scores + r * stride;
        const int32_t place = at->first + r;
        const int32_t unseen = first_seen(job, place) - at->begin;
        const int32_t end = place + 1 - at->begin;
        if (cap > 0.0F) {
            kernels->soft_cap(row + unseen, end - unseen, cap);
            memcpy(mine->capped + r * stride, row, (size_t)end * sizeof *row);
        }
        memset(row, 0, (size_t)unseen * sizeof *row);
        kernels->softmax(row + unseen, end - unseen);
        memset(row + end, 0, (size_t)(at->end - at->begin - end) * sizeof *row);
    }
}

static float scale_of(const heads_job *job)
{
    return shape_of(job)->query_scale * shape_of(job)->score_scale;
}

static void compute_probabilities(const heads_job *job, const smg_worker *worker, const tile *at,
                                  const smg_train_worker *mine)
{
    multiply(job, worker,
             (smg_gemm){.a = query_rows(job, at, job->state->q),
                        .b = key_rows(job, at, job->state->k),
                        .m = at->rows,
                        .n = at->end - at->begin,
                        .k = shape_of(job)->head_size,
                        .scale = scale_of(job),
                        .out = mine->scores,
                        .out_stride = (size_t)job->run->trainee->options.sequence});
    weigh(job, at, mine);
}

static void attend(const heads_job *job, const smg_worker *worker, const tile *at,
                   const smg_train_worker *mine)
{
    const smg_shape *shape = shape_of(job);
    float *out =
        job->state->attention + ((at->start + at->first) * shape->heads + at->head) * shape->head_size;
    compute_probabilities(job, worker, at, mine);
    multiply(job, worker,
             (smg_gemm){.a = score_rows(job, mine->scores),
                        .b = turned(key_rows(job, at, job->state->v)),
                        .m = at->rows,
                        .n = shape->head_size,
                        .k = at->end - at->begin,
                        .scale = 1.0F,
                        .out = out,
                        .out_stride = (size_t)shape->heads * (size_t)shape->head_size});
}

/* From the gradient of probabilities to that of scores, before they were scaled: p (dp - sum of p dp), through the cap. */
static void weigh_back(const heads_job *job, const tile *at, const smg_train_worker *mine)
{
    const int64_t stride = job->run->trainee->options.sequence;
    const int32_t count = at->end - at->begin;
    const float cap = shape_of(job)->score_cap;
    for (int32_t r = 0; r < at->rows; r++) {
        const float *p = mine->scores + r * stride;
        const float *capped = mine->capped + (cap > 0.0F ? r * stride : 0);
        float *d = mine->d_scores + r * stride;
        const int32_t seen = at->first + r + 1 - at->begin;
        float along = 0.0F;
        for (int32_t i = 0; i < seen; i++)
            along += p[i] * d[i];
        for (int32_t i = 0; i < seen; i++)
            d[i] = p[i] * (d[i] - along);
        for (int32_t i = 0; i < seen && cap > 0.0F; i++)
            d[i] *= p[i] > 0.0F ? 1.0F - (capped[i] / cap) * (capped[i] / cap) : 0.0F;
        memset(d + seen, 0, (size_t)(count - seen) * sizeof *d);
    }
}

static void attend_back(const heads_job *job, const smg_worker *worker, const tile *at,
                        const smg_train_worker *mine)
{
    const smg_shape *shape = shape_of(job);
    const smg_train_shared *shared = &job->run->trainee->shared;
    const int64_t size = shape->head_size;
    const int64_t count = at->end - at->begin;
    const size_t query_step = (size_t)(shape->heads * size);
    const size_t key_step = (size_t)(shape->kv_heads * size);
    const int64_t key_place = ((at->start + at->begin) * shape->kv_heads + at->shared) * size;
    const int64_t query_place = ((at->start + at->first) * shape->heads + at->head) * size;
    const smg_operand d_out = query_rows(job, at, shared->d_attention);
    compute_probabilities(job, worker, at, mine);
    multiply(job, worker,
             (smg_gemm){.a = turned(score_rows(job, mine->scores)),
                        .b = turned(d_out),
                        .m = count,
                        .n = size,
                        .k = at->rows,
                        .scale = 1.0F,
                        .accumulate = true,
                        .out = shared->dv + key_place,
                        .out_stride = key_step});
    multiply(job, worker,
             (smg_gemm){.a = d_out,
                        .b = key_rows(job, at, job->state->v),
                        .m = at->rows,
                        .n = count,
                        .k = size,
                        .scale = 1.0F,
                        .out = mine->d_scores,
                        .out_stride = (size_t)job->run->trainee->options.sequence});
    weigh_back(job, at, mine);
    multiply(job, worker,
             (smg_gemm){.a = score_rows(job, mine->d_scores),
                        .b = turned(key_rows(job, at, job->state->k)),
                        .m = at->rows,
                        .n = size,
                        .k = count,
                        .scale = scale_of(job),
                        .out = shared->dq + query_place,
                        .out_stride = query_step});
    multiply(job, worker,
             (smg_gemm){.a = turned(score_rows(job, mine->d_scores)),
                        .b = turned(query_rows(job, at, job->state->q)),
                        .m = count,
                        .n = size,
                        .k = at->rows,
                        .scale = scale_of(job),
                        .accumulate = true,
                        .out = shared->dk + key_place,
                        .out_stride = key_step});
}

/* Gradients of keys and values are sums over the queries that see them. */
static void clear_keys(const heads_job *job, int64_t start, int32_t length, int32_t head)
{
    const smg_shape *shape = shape_of(job);
    const smg_train_shared *shared = &job->run->trainee->shared;
    for (int32_t i = 0; i < length; i++) {
        const int64_t at = ((start + i) * shape->kv_heads + head) * shape->head_size;
        memset(shared->dk + at, 0, (size_t)shape->head_size * sizeof(float));
        memset(shared->dv + at, 0, (size_t)shape->head_size * sizeof(float));
    }
}

static void take_head(const heads_job *job, const smg_worker *worker, int64_t sequence, int32_t head)
{
    const smg_shape *shape = shape_of(job);
    const smg_train_batch *batch = job->run->batch;
    const smg_train_worker *mine = &job->run->trainee->workers[worker->index];
    const int32_t start = batch->starts[sequence];
    const int32_t end = sequence + 1 < batch->sequences ? batch->starts[sequence + 1] : batch->count;
    const int32_t length = end - start;
    const int32_t group = shape->heads / shape->kv_heads;
    tile at = {.start = start, .shared = head};
    if (job->backward)
        clear_keys(job, start, length, head);
    for (int32_t h = 0; h < group; h++) {
        at.head = head * group + h;
        for (at.first = 0; at.first < length; at.first += SMG_TRAIN_ROWS) {
            at.rows = length - at.first < SMG_TRAIN_ROWS ? length - at.first : SMG_TRAIN_ROWS;
            at.begin = first_seen(job, at.first);
            at.end = at.first + at.rows;
            if (job->backward)
                attend_back(job, worker, &at, mine);
            else
                attend(job, worker, &at, mine);
        }
    }
}

static void take_heads(void *context, smg_worker *worker)
{
    const heads_job *job = context;
    const int32_t heads = shape_of(job)->kv_heads;
    int64_t begin;
    int64_t end;
    while (smg_worker_next(worker, (int64_t)job->run->batch->sequences * heads, 1, &begin, &end))
        take_head(job, worker, begin / heads, (int32_t)(begin % heads));
}

static smidge_status attention(const smg_train_run *run, int number, bool backward)
{
    heads_job job = {.run = run,
                     .state = &run->trainee->states[number],
                     .layer = number,
                     .backward = backward};
    return smg_pool_run(run->trainee->pool, take_heads, &job, run->stop);
}

smidge_status smg_train_attention_forward(const smg_train_run *run, int number)
{
    return attention(run, number, false);
}

smidge_status smg_train_attention_backward(const smg_train_run *run, int number)
{
    return attention(run, number, true);
}
