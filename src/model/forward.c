#include "model/forward.h"

#include "model/attention.h"
#include "model/product.h"
#include "quant/dequantize.h"

typedef struct pass {
    const smg_model *model;
    smg_scratch *scratch;
    const smg_row *rows;
    int32_t count;
    int32_t wanted; /* rows whose logits are asked for, listed in scratch->wanted */
    float *logits;
} pass;

/* Each step returns true when the run was stopped, and every worker then leaves at the same place. */

static bool embed(const pass *run, smg_worker *worker)
{
    const smg_matrix *embedding = &run->model->weights.embedding;
    int32_t width = run->model->shape.width;
    int64_t begin;
    int64_t end;
    while (smg_worker_next(worker, run->count, 1, &begin, &end)) {
        const smg_row *row = &run->rows[begin];
        smg_dequantize_row(embedding->type, embedding->data + (size_t)row->token * embedding->stride,
                           run->scratch->x + begin * width, width);
        smg_rope_angles(run->model, row->position,
                        run->scratch->angles + begin * run->model->shape.rope_size);
    }
    return smg_worker_barrier(worker);
}

static bool attention_block(const pass *run, smg_worker *worker, int number)
{
    const smg_shape *shape = &run->model->shape;
    const smg_layer *layer = &run->model->weights.layers[number];
    smg_scratch *scratch = run->scratch;
    size_t width = (size_t)shape->width;
    size_t queries = (size_t)shape->heads * (size_t)shape->head_size;
    size_t keys = (size_t)shape->kv_heads * (size_t)shape->head_size;
    smg_inputs inputs;
    const smg_source normed = {
        .x = scratch->x,
        .stride = width,
        .rows = run->count,
        .columns = shape->width,
        .norm = layer->attention_norm,
        .forms = 1U << layer->q.act | 1U << layer->k.act | 1U << layer->v.act,
    };
    const smg_product projections[] = {
        {.matrix = &layer->q, .bias = layer->q_bias, .out = scratch->q, .stride = queries},
        {.matrix = &layer->k, .bias = layer->k_bias, .out = scratch->k, .stride = keys},
        {.matrix = &layer->v, .bias = layer->v_bias, .out = scratch->v, .stride = keys},
    };
    if (smg_product_prepare(run->model, scratch, worker, &normed, &inputs))
        return true;
    smg_product_run(run->model, scratch, worker, &inputs, run->count, projections, 3);
    if (smg_worker_barrier(worker))
        return true;
    smg_attention_store(run->model, scratch, worker, run->rows, run->count, number);
    if (smg_worker_barrier(worker))
        return true;
    smg_attention_run(run->model, scratch, worker, run->rows, run->count, number);
    if (smg_worker_barrier(worker))
        return true;
    const smg_source attended = {
        .x = scratch->attention,
        .stride = queries,
        .rows = run->count,
        .columns = (int32_t)queries,
        .forms = 1U << layer->o.act,
    };
    const smg_product output = {.kind = SMG_PRODUCT_ADD,
                                .matrix = &layer->o,
                                .bias = layer->o_bias,
                                .out = scratch->x,
                                .stride = width};
    if (smg_product_prepare(run->model, scratch, worker, &attended, &inputs))
        return true;
    smg_product_run(run->model, scratch, worker, &inputs, run->count, &output, 1);
    return smg_worker_barrier(worker);
}

static bool feed_forward_block(const pass *run, smg_worker *worker, int number)
{
    const smg_shape *shape = &run->model->shape;
    const smg_layer *layer = &run->model->weights.layers[number];
    smg_scratch *scratch = run->scratch;
    size_t hidden_size = (size_t)shape->feed_forward;
    smg_inputs inputs;
    const smg_source normed = {
        .x = scratch->x,
        .stride = (size_t)shape->width,
        .rows = run->count,
        .columns = shape->width,
        .norm = layer->feed_forward_norm,
        .forms = 1U << layer->gate.act | 1U << layer->up.act,
    };
    const smg_product gate_up = {.kind = SMG_PRODUCT_ACTIVATE,
                                 .matrix = &layer->gate,
                                 .pair = &layer->up,
                                 .out = scratch->hidden,
                                 .stride = hidden_size};
    if (smg_product_prepare(run->model, scratch, worker, &normed, &inputs))
        return true;
    smg_product_run(run->model, scratch, worker, &inputs, run->count, &gate_up, 1);
    if (smg_worker_barrier(worker))
        return true;
    const smg_source hidden = {
        .x = scratch->hidden,
        .stride = hidden_size,
        .rows = run->count,
        .columns = shape->feed_forward,
        .forms = 1U << layer->down.act,
    };
    const smg_product down = {.kind = SMG_PRODUCT_ADD,
                              .matrix = &layer->down,
                              .out = scratch->x,
                              .stride = (size_t)shape->width};
    if (smg_product_prepare(run->model, scratch, worker, &hidden, &inputs))
        return true;
    smg_product_run(run->model, scratch, worker, &inputs, run->count, &down, 1);
    return smg_worker_barrier(worker);
}

static void output_logits(const pass *run, smg_worker *worker)
{
    const smg_shape *shape = &run->model->shape;
    const smg_weights *weights = &run->model->weights;
    smg_inputs inputs;
    const smg_source normed = {
        .x = run->scratch->x,
        .stride = (size_t)shape->width,
        .select = run->scratch->wanted,
        .rows = run->wanted,
        .columns = shape->width,
        .norm = weights->output_norm,
        .forms = 1U << weights->output.act,
    };
    const smg_product logits = {.matrix = &weights->output,
                                .out = run->logits,
                                .stride = (size_t)shape->vocabulary};
    if (smg_product_prepare(run->model, run->scratch, worker, &normed, &inputs))
        return;
    smg_product_run(run->model, run->scratch, worker, &inputs, run->wanted, &logits, 1);
}

static void run_pass(void *context, smg_worker *worker)
{
    const pass *run = context;
    if (embed(run, worker))
        return;
    for (int i = 0; i < run->model->shape.layers; i++) {
        if (attention_block(run, worker, i) || feed_forward_block(run, worker, i))
            return;
    }
    if (run->wanted > 0)
        output_logits(run, worker);
}

smidge_status smg_forward_run(const smg_model *model, smg_pool *pool, smg_scratch *scratch,
                              const smg_row *rows, int32_t row_count, float *ret_logits, const smg_stop *stop)
{
    pass run = {.model = model, .scratch = scratch, .rows = rows, .count = row_count, .logits = ret_logits};
    for (int32_t i = 0; i < row_count; i++) {
        if (rows[i].wanted)
            scratch->wanted[run.wanted++] = i;
    }
    SMG_TRY(smg_pool_acquire(pool, stop));
    smidge_status status = smg_pool_run(pool, run_pass, &run, stop);
    smg_pool_release(pool);
    return status;
}
