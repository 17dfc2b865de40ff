#include "train/training_plan.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "train/gemm.h"
#include "train/train_loop.h"

#define LAYER_MATRICES 7
/* Fewer tokens at once make products slow. */
#define FEWEST_TOKENS 128

/* ---- What learns ----------------------------------------------------------------------------------------- */

static void list_layer(const smg_layer *layer, const smg_matrix *ret_matrices[LAYER_MATRICES])
{
    const smg_matrix *const all[LAYER_MATRICES] = {&layer->q,    &layer->k,  &layer->v,   &layer->o,
                                                   &layer->gate, &layer->up, &layer->down};
    for (int i = 0; i < LAYER_MATRICES; i++)
        ret_matrices[i] = all[i];
}

static smg_parameter shape_of(const char *name, int32_t rows, int32_t columns)
{
    smg_parameter one = {.rows = rows, .columns = columns, .matrix = true};
    snprintf(one.name, sizeof one.name, "%s", name);
    return one;
}

smidge_status smg_plan_parameters(const smg_model *model, const smg_train_options *train,
                                  smg_parameter **ret_list, size_t *ret_count, smidge_error *error)
{
    const size_t most = (size_t)model->shape.layers * LAYER_MATRICES * 2 + 2;
    smg_parameter *list = smg_alloc_array(most, sizeof *list);
    size_t count = 0;
    if (list == NULL)
        return smg_error_no_memory(error, "training", most * sizeof *list);
    for (int32_t i = 0; i < model->shape.layers; i++) {
        const smg_matrix *matrices[LAYER_MATRICES];
        list_layer(&model->weights.layers[i], matrices);
        for (int m = 0; m < LAYER_MATRICES; m++) {
            const int32_t rows = matrices[m]->rows, columns = matrices[m]->columns;
            if (train->rank == 0)
                list[count++] = shape_of("blk.", rows, columns);
            else if ((train->targets >> m & 1U) != 0) {
                list[count++] = shape_of("blk.", train->rank, columns);
                list[count++] = shape_of("blk.", rows, train->rank);
            }
        }
    }
    if (train->rank == 0) {
        const smg_weights *weights = &model->weights;
        list[count++] = shape_of("", weights->embedding.rows, weights->embedding.columns);
        if (weights->output.data != weights->embedding.data)
            list[count++] = shape_of("", weights->output.rows, weights->output.columns);
    }
    *ret_list = list;
    *ret_count = count;
    return SMIDGE_OK;
}

/* ---- Memory ---------------------------------------------------------------------------------------------- */

/* All but the trainee. */
static smidge_status measure_rest(const smg_plan_input *input, smg_memory_need *ret_need, smidge_error *error)
{
    SMG_CLEANUP(smg_free_ptr) smg_parameter *list = NULL;
    size_t count = 0;
    uint64_t elements = 0;
    SMG_TRY(smg_plan_parameters(input->model, &input->train, &list, &count, error));
    for (size_t i = 0; i < count; i++)
        elements += (uint64_t)list[i].rows * (uint64_t)list[i].columns;
    *ret_need = (smg_memory_need){
        .weights = input->file,
        .vocabulary = input->vocabulary + input->data,
        .scratch = smg_loop_need(input->steps, elements, input->validated) +
                   smg_optimizer_need(list, count, &input->optimizer, &input->model->kernels, input->threads),
        .program = smg_memory_program() + SMG_MEMORY_STACK * (uint64_t)input->threads,
    };
    return SMIDGE_OK;
}

/* Whether it fits with so many tokens; the last of its errors stays. */
static bool fits(const smg_plan_input *input, const smg_memory_need *rest, const smg_memory_limits *limits,
                 const smg_train_options *train, uint64_t *ret_bytes, smidge_error *error)
{
    smg_memory_need need = *rest;
    const uint64_t bytes = smg_trainee_need(input->model, train, input->threads);
    const char *advice =
        train->rank == 0
            ? "train adapters instead of all weights, or take a smaller model or a shorter --sequence"
            : "take a smaller model, fewer --lora-targets or a shorter --sequence";
    need.scratch += bytes;
    *ret_bytes = smg_memory_total(&need);
    return smg_memory_check(&need, input->vocabulary + input->data, limits, input->force, "training", advice,
                            error) == SMIDGE_OK;
}

smidge_status smg_plan_memory(const smg_plan_input *input, int32_t *ret_tokens, bool *ret_recompute,
                              uint64_t *ret_bytes, smidge_error *error)
{
    smg_memory_need rest;
    smg_memory_limits limits;
    smg_train_options train = input->train;
    SMG_TRY(measure_rest(input, &rest, error));
    smg_memory_read("", &limits);
    limits.own = input->memory > 0 ? input->memory : SMG_MEMORY_UNKNOWN;
    int32_t fewest = train.sequence > FEWEST_TOKENS ? train.sequence : FEWEST_TOKENS;
    fewest = fewest < train.tokens ? fewest : train.tokens;
    for (int recompute = input->settled ? input->train.recompute : 0; recompute < 2; recompute++) {
        train.recompute = recompute != 0;
        for (train.tokens = input->train.tokens;; train.tokens /= 2) {
            train.tokens = train.tokens < fewest ? fewest : train.tokens;
            if (fits(input, &rest, &limits, &train, ret_bytes, error)) {
                *ret_tokens = train.tokens;
                *ret_recompute = train.recompute;
                return SMIDGE_OK;
            }
            if (input->settled)
                return SMIDGE_E_NO_FIT;
            if (train.tokens == fewest)
                break;
        }
    }
    return SMIDGE_E_NO_FIT;
}

/* ---- Arithmetic ------------------------------------------------------------------------------------------ */

double smg_plan_flop(const smg_model *model, const smg_train_options *train, double scored)
{
    double hidden = 0.0, adapters = 0.0;
    for (int32_t i = 0; i < model->shape.layers; i++) {
        const smg_matrix *matrices[LAYER_MATRICES];
        list_layer(&model->weights.layers[i], matrices);
        for (int m = 0; m < LAYER_MATRICES; m++) {
            hidden += (double)matrices[m]->rows * matrices[m]->columns;
            if (train->rank > 0 && (train->targets >> m & 1U) != 0)
                adapters += (double)train->rank * (matrices[m]->rows + matrices[m]->columns);
        }
    }
    /* Forward two a weight; back two for what comes in, and two for the gradient of what learns. */
    const double output = scored * (double)model->weights.output.rows * model->weights.output.columns;
    const double again = train->recompute ? 2.0 * (hidden + adapters) : 0.0;
    return again + (train->rank > 0 ? 4.0 * (hidden + output) + 6.0 * adapters : 6.0 * (hidden + output));
}

smidge_status smg_plan_peak(const smg_model *model, smg_pool *pool, bool bf16, double *ret_peak,
                            smidge_error *error)
{
    enum { SIDE = 384, DEPTH = 768, LEAST_MS = 50 };
    const size_t space_bytes = smg_gemm_space(&model->kernels, bf16) * (size_t)smg_pool_threads(pool);
    SMG_CLEANUP(smg_free_ptr) float *operands = smg_alloc_array((size_t)2 * SIDE * DEPTH, sizeof(float));
    SMG_CLEANUP(smg_free_ptr) float *out = smg_alloc_array((size_t)SIDE * SIDE, sizeof(float));
    SMG_CLEANUP(smg_free_ptr) void *space = smg_alloc(space_bytes);
    if (operands == NULL || out == NULL || space == NULL)
        return smg_error_no_memory(error, "training", space_bytes);
    const smg_gemm gemm = {.a = {.data = operands, .outer_step = DEPTH, .depth_step = 1},
                           .b = {.data = operands + SIDE * DEPTH, .outer_step = DEPTH, .depth_step = 1},
                           .m = SIDE,
                           .n = SIDE,
                           .k = DEPTH,
                           .scale = 1.0F,
                           .out = out,
                           .out_stride = SIDE};
    double best = 0.0;
    const int64_t started = smg_clock_now();
    for (int64_t now = started; now - started < LEAST_MS * INT64_C(1000000);) {
        SMG_TRY(smg_gemm_run(&model->kernels, pool, space, bf16, &gemm, 1, NULL));
        const int64_t after = smg_clock_now();
        const double speed = 2.0 * SIDE * SIDE * DEPTH / ((double)(after - now) * 1e-9);
        best = speed > best ? speed : best;
        now = after;
    }
    *ret_peak = best;
    return SMIDGE_OK;
}
