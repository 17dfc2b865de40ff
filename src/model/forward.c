#include "model/forward.h"

#include <math.h>
#include <string.h>

#include "model/attention.h"
#include "model/product.h"
#include "quant/dequantize.h"

typedef struct pass {
    const smg_model *model;
    smg_scratch *scratch;
    const smg_row *rows;
    int32_t count;
    int32_t wanted; /* rows whose logits are asked for, listed in scratch->wanted */
    int32_t live;   /* those and the ones that are kept, in scratch->live */
    const smg_output *output;
} pass;

/* Rows of the residual stream that still matter: behind the keys and values of the last layer, only those that are asked for. */
typedef struct live {
    const int32_t *select; /* NULL: the first ones */
    int32_t count;
} live;

static live live_behind(const pass *run, int layer)
{
    if (layer < run->model->shape.layers - 1 || run->live == run->count)
        return (live){NULL, run->count};
    return (live){run->scratch->live, run->live};
}

/* Each step returns true when the run was stopped, and every worker then leaves at the same place. */

static void embed_row(const pass *run, int64_t number)
{
    const smg_shape *shape = &run->model->shape;
    const smg_matrix *embedding = &run->model->weights.embedding;
    const smg_row *row = &run->rows[number];
    smg_scratch *scratch = run->scratch;
    float *x = scratch->x + number * shape->width;
    smg_dequantize_row_of(embedding->type, embedding->data, row->token, x, shape->width);
    if (shape->architecture->scaled_embedding) {
        float scale = sqrtf((float)shape->width);
        for (int32_t i = 0; i < shape->width; i++)
            x[i] *= scale;
    }
    int64_t angles = number * shape->rope_size;
    smg_rope_angles(shape, scratch->frequencies, row->position, scratch->angles + angles);
    if (scratch->window_angles != scratch->angles)
        smg_rope_angles(shape, run->model->frequencies[SMG_ROPE_WINDOW], row->position,
                        scratch->window_angles + angles);
}

static bool embed(const pass *run, smg_worker *worker)
{
    int64_t begin;
    int64_t end;
    while (smg_worker_next(worker, run->count, 1, &begin, &end))
        embed_row(run, begin);
    return smg_worker_barrier(worker);
}

/* What a block computed for the live rows, [live][matrix->columns] at `x`, through its last matrix and onto the residual
 * stream; in some families through a norm on the way. */
static bool add_output(const pass *run, smg_worker *worker, live rows, const float *x,
                       const smg_matrix *matrix, const float *bias, const float *post_norm)
{
    const smg_model *model = run->model;
    smg_scratch *scratch = run->scratch;
    size_t width = (size_t)model->shape.width;
    const smg_source source = {
        .x = x,
        .stride = (size_t)matrix->columns,
        .rows = rows.count,
        .columns = matrix->columns,
        .forms = 1U << matrix->act,
    };
    const smg_product product = {
        .kind = post_norm != NULL ? SMG_PRODUCT_SET : SMG_PRODUCT_ADD,
        .matrix = matrix,
        .bias = bias,
        .out = post_norm != NULL ? scratch->projection : scratch->x,
        .stride = width,
        .select = post_norm != NULL ? NULL : rows.select,
    };
    if (smg_product_run(model, scratch, worker, &source, &product, 1))
        return true;
    if (post_norm == NULL)
        return false;
    int64_t begin;
    int64_t end;
    while (smg_worker_next(worker, rows.count, 1, &begin, &end)) {
        float *result = scratch->projection + (size_t)begin * width;
        float *sum = scratch->x + (size_t)(rows.select != NULL ? rows.select[begin] : begin) * width;
        model->kernels.rms_norm(result, post_norm, model->shape.norm_epsilon, model->shape.width, result);
        model->kernels.add(sum, result, model->shape.width);
    }
    return smg_worker_barrier(worker);
}

/* `rows` are those that attend; all rows' keys and values are stored. */
static bool attention_block(const pass *run, smg_worker *worker, int number, live rows)
{
    const smg_shape *shape = &run->model->shape;
    const smg_layer *layer = &run->model->weights.layers[number];
    smg_scratch *scratch = run->scratch;
    size_t queries = (size_t)shape->heads * (size_t)shape->head_size;
    size_t keys = (size_t)shape->kv_heads * (size_t)shape->head_size;
    const smg_source normed = {
        .x = scratch->x,
        .stride = (size_t)shape->width,
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
    if (smg_product_run(run->model, scratch, worker, &normed, projections, 3))
        return true;
    const smg_asking asking = {.rows = rows.select != NULL ? scratch->asking : run->rows,
                               .select = rows.select,
                               .count = rows.count};
    if (smg_attention_run(run->model, scratch, worker, run->rows, run->count, &asking, number) ||
        smg_worker_barrier(worker))
        return true;
    return rows.count > 0 && add_output(run, worker, rows, scratch->attention, &layer->o, layer->o_bias,
                                        layer->attention_post_norm);
}

static bool feed_forward_block(const pass *run, smg_worker *worker, int number, live rows)
{
    const smg_shape *shape = &run->model->shape;
    const smg_layer *layer = &run->model->weights.layers[number];
    smg_scratch *scratch = run->scratch;
    const smg_source normed = {
        .x = scratch->x,
        .stride = (size_t)shape->width,
        .select = rows.select,
        .rows = rows.count,
        .columns = shape->width,
        .norm = layer->feed_forward_norm,
        .forms = 1U << layer->gate.act | 1U << layer->up.act,
    };
    const smg_product gate_up = {
        .kind = SMG_PRODUCT_ACTIVATE,
        .matrix = &layer->gate,
        .pair = &layer->up,
        .out = scratch->hidden,
        .stride = (size_t)shape->feed_forward,
    };
    if (smg_product_run(run->model, scratch, worker, &normed, &gate_up, 1))
        return true;
    return add_output(run, worker, rows, scratch->hidden, &layer->down, NULL, layer->feed_forward_post_norm);
}

static bool output_logits(const pass *run, smg_worker *worker)
{
    const smg_shape *shape = &run->model->shape;
    const smg_weights *weights = &run->model->weights;
    const smg_source normed = {
        .x = run->scratch->x,
        .stride = (size_t)shape->width,
        .select = run->scratch->wanted,
        .rows = run->wanted,
        .columns = shape->width,
        .norm = weights->output_norm,
        .forms = 1U << weights->output.act,
    };
    const smg_product logits = {
        .matrix = &weights->output,
        .cap = shape->logit_cap,
        .out = run->output->logits,
        .stride = (size_t)shape->vocabulary,
        .groups = run->output->groups,
        .group_count = run->output->group_count,
    };
    return smg_product_run(run->model, run->scratch, worker, &normed, &logits, 1);
}

static void run_pass(void *context, smg_worker *worker)
{
    const pass *run = context;
    if (embed(run, worker))
        return;
    for (int i = 0; i < run->model->shape.layers; i++) {
        const live rows = live_behind(run, i);
        if (attention_block(run, worker, i, rows) ||
            (rows.count > 0 && feed_forward_block(run, worker, i, rows)))
            return;
    }
    if (run->wanted > 0)
        (void)!output_logits(run, worker);
}

static smidge_status run_on_pool(smg_pool *pool, smg_pool_fn fn, pass *run, const smg_stop *stop)
{
    SMG_TRY(smg_pool_acquire(pool, stop));
    smidge_status status = smg_pool_run(pool, fn, run, stop);
    smg_pool_release(pool);
    return status;
}

smidge_status smg_forward_run(const smg_model *model, smg_pool *pool, smg_scratch *scratch,
                              const smg_row *rows, int32_t row_count, const smg_output *output,
                              const smg_stop *stop)
{
    pass run = {.model = model, .scratch = scratch, .rows = rows, .count = row_count, .output = output};
    for (int32_t i = 0; i < row_count; i++) {
        if (rows[i].wanted)
            scratch->wanted[run.wanted++] = i;
        if (!rows[i].wanted && !rows[i].kept)
            continue;
        scratch->asking[run.live] = rows[i];
        scratch->live[run.live++] = i;
    }
    return run_on_pool(pool, run_pass, &run, stop);
}

static void run_output(void *context, smg_worker *worker)
{
    (void)!output_logits(context, worker);
}

smidge_status smg_forward_logits(const smg_model *model, smg_pool *pool, smg_scratch *scratch,
                                 const int32_t *rows, int32_t row_count, const smg_output *output,
                                 const smg_stop *stop)
{
    pass run = {.model = model, .scratch = scratch, .wanted = row_count, .output = output};
    memcpy(scratch->wanted, rows, (size_t)row_count * sizeof *rows);
    return run_on_pool(pool, run_output, &run, stop);
}
