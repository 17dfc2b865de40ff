/* One layer, forward and backward: the same steps as model/forward.c takes, on all tokens of a batch at once. */
#include <string.h>

#include "model/attention.h"
#include "train/train_state.h"

enum { ROW_STEP = 8 };

typedef struct turn_job {
    const smg_train_run *run;
    const float *angles; /* [sequence][rope_size] */
    float *q, *k;
    bool backward;
} turn_job;

/* A gradient goes back by the opposite angle, with the same magnitude. */
static void turn_back(smg_rope_kind kind, const float *angles, int32_t pairs, float *head)
{
    const int32_t step = kind == SMG_ROPE_ADJACENT ? 2 : 1;
    const int32_t partner = kind == SMG_ROPE_ADJACENT ? 1 : pairs;
    for (int32_t i = 0; i < pairs; i++) {
        float *a = head + i * step;
        float *b = a + partner;
        const float cosine = angles[2 * i];
        const float sine = angles[2 * i + 1];
        const float turned = *a * cosine + *b * sine;
        *b = *b * cosine - *a * sine;
        *a = turned;
    }
}

static void turn_row(const turn_job *job, int64_t row)
{
    const smg_trainee *trainee = job->run->trainee;
    const smg_shape *shape = &trainee->model->shape;
    const smg_rope_kind kind = shape->architecture->rope;
    const float *angles = job->angles + (int64_t)trainee->positions[row] * shape->rope_size;
    const int32_t pairs = shape->rope_size / 2;
    for (int32_t h = 0; h < shape->heads + shape->kv_heads; h++) {
        float *head = h < shape->heads
                          ? job->q + (row * shape->heads + h) * shape->head_size
                          : job->k + (row * shape->kv_heads + h - shape->heads) * shape->head_size;
        if (job->backward)
            turn_back(kind, angles, pairs, head);
        else
            smg_rope_turn(kind, angles, pairs, head);
    }
}

static void turn_rows(void *context, smg_worker *worker)
{
    const turn_job *job = context;
    int64_t begin;
    int64_t end;
    while (smg_worker_next(worker, job->run->batch->count, ROW_STEP, &begin, &end))
        for (int64_t r = begin; r < end; r++)
            turn_row(job, r);
}

static smidge_status turn(const smg_train_run *run, int number, float *q, float *k, bool backward)
{
    const smg_trainee *trainee = run->trainee;
    turn_job job = {.run = run, .q = q, .k = k, .backward = backward};
    job.angles = trainee->model->shape.windowed[number] ? trainee->window_angles : trainee->angles;
    return smg_pool_run(trainee->pool, turn_rows, &job, run->stop);
}

/* Queries and keys of the batch into `state`, normed and turned. */
static smidge_status compute_queries(const smg_train_run *run, int number)
{
    const smg_trainee *trainee = run->trainee;
    const smg_shape *shape = &trainee->model->shape;
    const smg_train_layer *layer = &trainee->layers[number];
    const smg_layer_state *state = &trainee->states[number];
    const int64_t count = run->batch->count;
    const float *normed = trainee->shared.normed;
    const smg_flow flows[] = {
        {.linear = &layer->q, .x = normed, .y = layer->q_norm.value != NULL ? state->q_raw : state->q},
        {.linear = &layer->k, .x = normed, .y = layer->k_norm.value != NULL ? state->k_raw : state->k},
        {.linear = &layer->v, .x = normed, .y = state->v},
    };
    SMG_TRY(smg_train_linear_forward(run, flows, 3, count));
    if (layer->q_norm.value != NULL)
        SMG_TRY(smg_train_norm(run, state->q_raw, layer->q_norm.value, count * shape->heads, shape->head_size,
                               state->q));
    if (layer->k_norm.value != NULL)
        SMG_TRY(smg_train_norm(run, state->k_raw, layer->k_norm.value, count * shape->kv_heads,
                               shape->head_size, state->k));
    return turn(run, number, state->q, state->k, false);
}

/* out = x + what a block computed at `block`, which is lost; through the post norm if there is one, of which `kept` keeps what goes
 * in. */
static smidge_status add_block(const smg_train_run *run, const smg_train_vector *post_norm, float *kept,
                               const float *x, float *block, float *out)
{
    const int64_t width = run->trainee->model->shape.width;
    const int64_t count = run->batch->count;
    if (post_norm->value != NULL) {
        memcpy(kept, block, (size_t)(count * width) * sizeof *kept);
        SMG_TRY(smg_train_norm(run, block, post_norm->value, count, width, block));
    }
    return smg_train_add(run, x, block, false, count, width, out);
}

/* shared.hidden from gate and up; backward from its gradient in shared.d_gate to that of the gate, and of up in shared.hidden. */
typedef struct gate_job {
    const smg_train_run *run;
    const smg_layer_state *state;
    bool backward;
} gate_job;

static void gate_rows(void *context, smg_worker *worker)
{
    const gate_job *job = context;
    const smg_trainee *trainee = job->run->trainee;
    const bool silu = trainee->model->shape.architecture->activation == SMG_ACTIVATION_SILU;
    const smg_kernels *kernels = &trainee->model->kernels;
    const int64_t n = trainee->model->shape.feed_forward;
    int64_t begin;
    int64_t end;
    while (smg_worker_next(worker, job->run->batch->count, ROW_STEP, &begin, &end)) {
        const float *gate = job->state->gate + begin * n;
        const float *up = job->state->up + begin * n;
        float *hidden = trainee->shared.hidden + begin * n;
        float *d_gate = trainee->shared.d_gate + begin * n;
        const int64_t count = (end - begin) * n;
        if (job->backward)
            (silu ? kernels->silu_mul_back : kernels->gelu_mul_back)(gate, up, d_gate, count, d_gate, hidden);
        else
            (silu ? kernels->silu_mul : kernels->gelu_mul)(gate, up, count, hidden);
    }
}

static smidge_status gate(const smg_train_run *run, int number, bool backward)
{
    gate_job job = {.run = run, .state = &run->trainee->states[number], .backward = backward};
    return smg_pool_run(run->trainee->pool, gate_rows, &job, run->stop);
}

smidge_status smg_train_layer_forward(smg_train_run *run, int number, float *out)
{
    const smg_trainee *trainee = run->trainee;
    const smg_train_layer *layer = &trainee->layers[number];
    const smg_layer_state *state = &trainee->states[number];
    const smg_train_shared *shared = &trainee->shared;
    const int64_t width = trainee->model->shape.width;
    const int64_t count = run->batch->count;
    SMG_TRY(smg_train_norm(run, state->x, layer->attention_norm.value, count, width, shared->normed));
    SMG_TRY(compute_queries(run, number));
    SMG_TRY(smg_train_attention_forward(run, number));
    const smg_flow o = {.linear = &layer->o, .x = state->attention, .y = shared->d_block};
    SMG_TRY(smg_train_linear_forward(run, &o, 1, count));
    SMG_TRY(add_block(run, &layer->attention_post_norm, state->projected, state->x, shared->d_block,
                      state->middle));
    SMG_TRY(smg_train_norm(run, state->middle, layer->feed_forward_norm.value, count, width, shared->normed));
    const smg_flow gate_up[] = {
        {.linear = &layer->gate, .x = shared->normed, .y = state->gate},
        {.linear = &layer->up, .x = shared->normed, .y = state->up},
    };
    SMG_TRY(smg_train_linear_forward(run, gate_up, 2, count));
    if (out == NULL && layer->feed_forward_post_norm.value == NULL)
        return SMIDGE_OK;
    SMG_TRY(gate(run, number, false));
    const smg_flow down = {.linear = &layer->down, .x = shared->hidden, .y = shared->d_block};
    SMG_TRY(smg_train_linear_forward(run, &down, 1, count));
    if (out == NULL) {
        memcpy(state->result, shared->d_block, (size_t)(count * width) * sizeof *state->result);
        return SMIDGE_OK;
    }
    return add_block(run, &layer->feed_forward_post_norm, state->result, state->middle, shared->d_block, out);
}

/* The gradient of what a block adds to the residual stream, before its post norm. */
static smidge_status start_block(const smg_train_run *run, const smg_train_vector *post_norm,
                                 const float *kept, float **ret_gradient)
{
    const smg_train_shared *shared = &run->trainee->shared;
    const int64_t width = run->trainee->model->shape.width;
    *ret_gradient = shared->dx;
    if (post_norm->value == NULL)
        return SMIDGE_OK;
    *ret_gradient = shared->d_block;
    memset(shared->d_block, 0, (size_t)(run->batch->count * width) * sizeof(float));
    return smg_train_norm_back(run, kept, post_norm, shared->dx, run->batch->count, width, shared->d_block);
}

static smidge_status backward_feed_forward(const smg_train_run *run, int number)
{
    const smg_trainee *trainee = run->trainee;
    const smg_train_layer *layer = &trainee->layers[number];
    const smg_layer_state *state = &trainee->states[number];
    const smg_train_shared *shared = &trainee->shared;
    const int64_t width = trainee->model->shape.width;
    const int64_t count = run->batch->count;
    smg_flow down = {.linear = &layer->down, .x = shared->hidden, .dx = shared->d_gate};
    SMG_TRY(start_block(run, &layer->feed_forward_post_norm, state->result, &down.y));
    SMG_TRY(gate(run, number, false));
    SMG_TRY(smg_train_linear_backward(run, &down, 1, count));
    SMG_TRY(gate(run, number, true));
    SMG_TRY(smg_train_norm(run, state->middle, layer->feed_forward_norm.value, count, width, shared->normed));
    const smg_flow gate_up[] = {
        {.linear = &layer->gate, .x = shared->normed, .y = shared->d_gate, .dx = shared->d_normed},
        {.linear = &layer->up, .x = shared->normed, .y = shared->hidden, .dx = shared->d_normed, .add = true},
    };
    SMG_TRY(smg_train_linear_backward(run, gate_up, 2, count));
    return smg_train_norm_back(run, state->middle, &layer->feed_forward_norm, shared->d_normed, count, width,
                               shared->dx);
}

/* The gradient of a turned and normed query or key, back to what came out of its matrix. */
static smidge_status head_norm_back(const smg_train_run *run, const smg_train_vector *norm, const float *raw,
                                    int32_t heads, float *d)
{
    const int64_t size = run->trainee->model->shape.head_size;
    const int64_t rows = (int64_t)run->batch->count * heads;
    float *turned = run->trainee->shared.hidden;
    if (norm->value == NULL)
        return SMIDGE_OK;
    memcpy(turned, d, (size_t)(rows * size) * sizeof *d);
    memset(d, 0, (size_t)(rows * size) * sizeof *d);
    return smg_train_norm_back(run, raw, norm, turned, rows, size, d);
}

static smidge_status backward_attention(const smg_train_run *run, int number)
{
    const smg_trainee *trainee = run->trainee;
    const smg_shape *shape = &trainee->model->shape;
    const smg_train_layer *layer = &trainee->layers[number];
    const smg_layer_state *state = &trainee->states[number];
    const smg_train_shared *shared = &trainee->shared;
    const int64_t width = shape->width;
    const int64_t count = run->batch->count;
    smg_flow o = {.linear = &layer->o, .x = state->attention, .dx = shared->d_attention};
    SMG_TRY(start_block(run, &layer->attention_post_norm, state->projected, &o.y));
    SMG_TRY(smg_train_linear_backward(run, &o, 1, count));
    SMG_TRY(smg_train_attention_backward(run, number));
    SMG_TRY(turn(run, number, shared->dq, shared->dk, true));
    SMG_TRY(head_norm_back(run, &layer->q_norm, state->q_raw, shape->heads, shared->dq));
    SMG_TRY(head_norm_back(run, &layer->k_norm, state->k_raw, shape->kv_heads, shared->dk));
    SMG_TRY(smg_train_norm(run, state->x, layer->attention_norm.value, count, width, shared->normed));
    /* Nobody asks for the gradient of a fixed embedding. */
    const bool first = number == 0 && trainee->options.rank > 0;
    float *d_normed = first ? NULL : shared->d_normed;
    const smg_flow flows[] = {
        {.linear = &layer->q, .x = shared->normed, .y = shared->dq, .dx = d_normed},
        {.linear = &layer->k, .x = shared->normed, .y = shared->dk, .dx = d_normed, .add = true},
        {.linear = &layer->v, .x = shared->normed, .y = shared->dv, .dx = d_normed, .add = true},
    };
    SMG_TRY(smg_train_linear_backward(run, flows, 3, count));
    if (first)
        return SMIDGE_OK;
    return smg_train_norm_back(run, state->x, &layer->attention_norm, shared->d_normed, count, width,
                               shared->dx);
}

smidge_status smg_train_layer_backward(smg_train_run *run, int number)
{
    if (run->trainee->options.recompute)
        SMG_TRY(smg_train_layer_forward(run, number, NULL));
    SMG_TRY(backward_feed_forward(run, number));
    return backward_attention(run, number);
}
