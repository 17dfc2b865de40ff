#include "fit/plan.h"

#include <stdio.h>

#include "base/alloc.h"
#include "quant/mix.h"

/* Stands for a table of frequencies where it only matters that there is one. */
static float some_frequencies;

static bool in_range(int32_t value, int32_t most)
{
    return value >= 1 && value <= most;
}

static smidge_status check(const smidge_fit_shape *given, smidge_error *error)
{
    if (in_range(given->layers, SMG_MAX_LAYERS) && in_range(given->width, SMG_MAX_WIDTH) &&
        in_range(given->feed_forward, SMG_MAX_WIDTH) && in_range(given->heads, SMG_MAX_HEADS) &&
        in_range(given->kv_heads, given->heads) && in_range(given->head_size, SMG_MAX_HEAD_SIZE) &&
        in_range(given->vocabulary, SMG_MAX_VOCABULARY) && in_range(given->context, SMG_MAX_CONTEXT) &&
        given->window >= 0)
        return SMIDGE_OK;
    return smg_error_set(error, SMIDGE_E_INVALID, given->name,
                         "has a dimension that no model has (check the shape)");
}

static void read_shape(const smidge_fit_shape *given, const smg_architecture *architecture,
                       smg_shape *ret_shape)
{
    *ret_shape = (smg_shape){
        .architecture = architecture,
        .layers = given->layers,
        .width = given->width,
        .feed_forward = given->feed_forward,
        .heads = given->heads,
        .kv_heads = given->kv_heads,
        .head_size = given->head_size,
        .rope_size = given->head_size,
        .vocabulary = given->vocabulary,
        .context = given->context,
        .window = given->window,
    };
    const int32_t period = architecture->window_period;
    for (int32_t i = 0; i < given->layers && given->window > 0; i++)
        ret_shape->windowed[i] = period == 1 || (period > 1 && i % period < period - 1);
}

typedef struct planner {
    const smg_mix *mix;
    smg_mix_model rules;
    smg_weights *weights;
} planner;

static smg_matrix plan_matrix(const planner *plan, const char *name, int32_t rows, int32_t columns)
{
    const smg_type type = smg_mix_choose(plan->mix, &plan->rules, name, (uint64_t)columns);
    const smg_matrix matrix = {.type = type,
                               .act = smg_act_for(type),
                               .rows = rows,
                               .columns = columns,
                               .stride = smg_type_row_bytes(type, (uint64_t)columns)};
    plan->weights->acts |= 1U << matrix.act;
    return matrix;
}

static smg_matrix plan_in_layer(const planner *plan, int32_t layer, const char *part, int32_t rows,
                                int32_t columns)
{
    char name[64];
    snprintf(name, sizeof name, "blk.%d.%s.weight", (int)layer, part);
    return plan_matrix(plan, name, rows, columns);
}

static void plan_layer(const planner *plan, const smg_shape *shape, int32_t number, smg_layer *layer)
{
    const bool fused = shape->architecture->fused;
    const int32_t queries = shape->heads * shape->head_size, keys = shape->kv_heads * shape->head_size;
    layer->q = plan_in_layer(plan, number, fused ? "attn_qkv" : "attn_q", queries, shape->width);
    layer->k = plan_in_layer(plan, number, fused ? "attn_qkv" : "attn_k", keys, shape->width);
    layer->v = plan_in_layer(plan, number, fused ? "attn_qkv" : "attn_v", keys, shape->width);
    layer->o = plan_in_layer(plan, number, "attn_output", shape->width, queries);
    layer->gate =
        plan_in_layer(plan, number, fused ? "ffn_up" : "ffn_gate", shape->feed_forward, shape->width);
    layer->up = plan_in_layer(plan, number, "ffn_up", shape->feed_forward, shape->width);
    layer->down = plan_in_layer(plan, number, "ffn_down", shape->width, shape->feed_forward);
}

smidge_status smg_plan_model(const smidge_fit_shape *given, smg_model *ret_model, smidge_error *error)
{
    SMG_TRY(check(given, error));
    const smg_architecture *architecture =
        smg_architecture_find((smg_text){given->architecture, strlen(given->architecture)});
    if (architecture == NULL)
        return smg_error_set(error, SMIDGE_E_UNSUPPORTED, given->name,
                             "is of the family \"%.32s\", which this version does not run (%s are)",
                             given->architecture, smg_architecture_names());
    smg_model model = {0};
    const planner plan = {.mix = smg_mix_find(given->type),
                          .rules = {.layers = given->layers,
                                    .grouping = given->heads / given->kv_heads,
                                    .tied = given->tied != 0},
                          .weights = &model.weights};
    if (plan.mix == NULL)
        return smg_error_set(error, SMIDGE_E_INVALID, given->type, "is not a type (%s are)", smg_mix_names());
    read_shape(given, architecture, &model.shape);
    if (architecture->window_rope_base > 0.0F)
        model.frequencies[SMG_ROPE_WINDOW] = &some_frequencies;
    model.weights.layers = smg_alloc_array((size_t)given->layers, sizeof *model.weights.layers);
    if (model.weights.layers == NULL)
        return smg_error_no_memory(error, given->name, (size_t)given->layers * sizeof(smg_layer));
    for (int32_t i = 0; i < given->layers; i++)
        plan_layer(&plan, &model.shape, i, &model.weights.layers[i]);
    model.weights.output = plan_matrix(&plan, given->tied ? "token_embd.weight" : "output.weight",
                                       given->vocabulary, given->width);
    *ret_model = model;
    return SMIDGE_OK;
}

void smg_plan_done(smg_model *model)
{
    smg_free(model->weights.layers);
    model->weights.layers = NULL;
}
