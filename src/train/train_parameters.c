#include "train/train_parameters.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "quant/dequantize.h"
#include "train/random.h"

/* Matrices and vectors of a layer, each with adapters of two parts; then embedding, output and its norm. */
enum { LAYER_PARAMETERS = 2 * 7 + 10, MODEL_PARAMETERS = 3 };

size_t smg_train_count_parameters(const smg_trainee *trainee)
{
    return (size_t)trainee->model->shape.layers * LAYER_PARAMETERS + MODEL_PARAMETERS;
}

typedef struct taker {
    smg_trainee *trainee;
    smg_arena *arena;
    int layer;
} taker;

/* A parameter by its name in a layer, or in the model where `layer` is -1; with a counting arena, {0}. */
static smg_parameter take(const taker *from, const char *name, const char *end, int64_t rows, int64_t columns,
                          bool matrix)
{
    smg_trainee *trainee = from->trainee;
    smg_parameter parameter = {.rows = (int32_t)rows, .columns = (int32_t)columns, .matrix = matrix};
    const size_t bytes = (size_t)rows * (size_t)columns * sizeof(float);
    parameter.value = smg_arena_take(from->arena, bytes);
    parameter.gradient = smg_arena_take(from->arena, bytes);
    if (from->layer >= 0)
        snprintf(parameter.name, sizeof parameter.name, "blk.%d.%s%s", from->layer, name, end);
    else
        snprintf(parameter.name, sizeof parameter.name, "%s%s", name, end);
    if (parameter.value == NULL)
        return (smg_parameter){.rows = 0};
    trainee->parameters[trainee->parameter_count++] = parameter;
    return parameter;
}

/* A matrix of the file, which holds the rows of one or several linears. */
typedef struct file_matrix {
    const char *name;
    smg_linear *linears[3];
    const smg_matrix *matrices[3];
    uint32_t targets; /* any of them */
} file_matrix;

static float *behind(float *values, int64_t count)
{
    return values != NULL ? values + count : NULL;
}

static void take_matrix(const taker *from, const file_matrix *part)
{
    const smg_train_options *options = &from->trainee->options;
    const int64_t columns = part->matrices[0]->columns;
    int64_t rows = 0;
    for (int i = 0; i < 3 && part->matrices[i] != NULL; i++)
        rows += part->matrices[i]->rows;
    smg_parameter whole = {.rows = 0};
    smg_parameter a = {.rows = 0};
    smg_parameter b = {.rows = 0};
    if (options->rank == 0)
        whole = take(from, part->name, "", rows, columns, true);
    else if ((options->targets & part->targets) != 0) {
        a = take(from, part->name, ".lora_a", options->rank, columns, true);
        b = take(from, part->name, ".lora_b", rows, options->rank, true);
    }
    rows = 0;
    for (int i = 0; i < 3 && part->matrices[i] != NULL; i++) {
        const smg_matrix *matrix = part->matrices[i];
        *part->linears[i] = (smg_linear){
            .base = options->rank > 0 ? matrix : NULL,
            .weight = behind(whole.value, rows * columns),
            .gradient = behind(whole.gradient, rows * columns),
            .a = a.value,
            .a_gradient = a.gradient,
            .b = behind(b.value, rows * options->rank),
            .b_gradient = behind(b.gradient, rows * options->rank),
            .rows = matrix->rows,
            .columns = matrix->columns,
        };
        rows += matrix->rows;
    }
}

static smg_train_vector take_vector(const taker *from, const char *name, const float *value, int64_t count)
{
    smg_train_vector vector = {.value = value};
    if (value == NULL || from->trainee->options.rank > 0)
        return vector;
    smg_parameter parameter = take(from, name, "", 1, count, false);
    return (smg_train_vector){.value = parameter.value, .gradient = parameter.gradient};
}

static void take_bias(const taker *from, const char *name, const float *value, int64_t count,
                      smg_linear *linear)
{
    smg_train_vector vector = take_vector(from, name, value, count);
    linear->bias = vector.value;
    linear->bias_gradient = vector.gradient;
}

static void take_matrices(const taker *from, const smg_layer *layer, smg_train_layer *to)
{
    const file_matrix apart[] = {
        {"attn_q.weight", {&to->q}, {&layer->q}, SMG_TARGET_Q},
        {"attn_k.weight", {&to->k}, {&layer->k}, SMG_TARGET_K},
        {"attn_v.weight", {&to->v}, {&layer->v}, SMG_TARGET_V},
        {"attn_output.weight", {&to->o}, {&layer->o}, SMG_TARGET_O},
        {"ffn_gate.weight", {&to->gate}, {&layer->gate}, SMG_TARGET_GATE},
        {"ffn_up.weight", {&to->up}, {&layer->up}, SMG_TARGET_UP},
        {"ffn_down.weight", {&to->down}, {&layer->down}, SMG_TARGET_DOWN},
    };
    const file_matrix fused[] = {
        {"attn_qkv.weight",
         {&to->q, &to->k, &to->v},
         {&layer->q, &layer->k, &layer->v},
         SMG_TARGET_Q | SMG_TARGET_K | SMG_TARGET_V},
        {"attn_output.weight", {&to->o}, {&layer->o}, SMG_TARGET_O},
        {"ffn_up.weight", {&to->gate, &to->up}, {&layer->gate, &layer->up}, SMG_TARGET_GATE | SMG_TARGET_UP},
        {"ffn_down.weight", {&to->down}, {&layer->down}, SMG_TARGET_DOWN},
    };
    const bool is_fused = from->trainee->model->shape.architecture->fused;
    const file_matrix *parts = is_fused ? fused : apart;
    const size_t count = is_fused ? sizeof fused / sizeof *fused : sizeof apart / sizeof *apart;
    for (size_t i = 0; i < count; i++)
        take_matrix(from, &parts[i]);
}

static void take_layer(const taker *from, const smg_layer *layer, smg_train_layer *to)
{
    const smg_shape *shape = &from->trainee->model->shape;
    const int64_t width = shape->width;
    const int64_t queries = (int64_t)shape->heads * shape->head_size;
    const int64_t keys = (int64_t)shape->kv_heads * shape->head_size;
    smg_train_layer taken = {0};
    take_matrices(from, layer, &taken);
    taken.attention_norm = take_vector(from, "attn_norm.weight", layer->attention_norm, width);
    take_bias(from, "attn_q.bias", layer->q_bias, queries, &taken.q);
    take_bias(from, "attn_k.bias", layer->k_bias, keys, &taken.k);
    take_bias(from, "attn_v.bias", layer->v_bias, keys, &taken.v);
    take_bias(from, "attn_output.bias", layer->o_bias, width, &taken.o);
    taken.q_norm = take_vector(from, "attn_q_norm.weight", layer->q_norm, shape->head_size);
    taken.k_norm = take_vector(from, "attn_k_norm.weight", layer->k_norm, shape->head_size);
    taken.attention_post_norm =
        take_vector(from, "post_attention_norm.weight", layer->attention_post_norm, width);
    taken.feed_forward_norm = take_vector(from, "ffn_norm.weight", layer->feed_forward_norm, width);
    taken.feed_forward_post_norm =
        take_vector(from, "post_ffw_norm.weight", layer->feed_forward_post_norm, width);
    if (to != NULL)
        *to = taken;
}

static void take_ends(const taker *from)
{
    smg_trainee *trainee = from->trainee;
    const smg_weights *weights = &trainee->model->weights;
    const bool tied = weights->output.data == weights->embedding.data;
    trainee->output_norm =
        take_vector(from, "output_norm.weight", weights->output_norm, trainee->model->shape.width);
    trainee->output = (smg_linear){.base = &weights->output,
                                   .rows = weights->output.rows,
                                   .columns = weights->output.columns};
    if (trainee->options.rank > 0)
        return;
    smg_parameter embedding =
        take(from, "token_embd.weight", "", weights->embedding.rows, weights->embedding.columns, true);
    smg_parameter output = embedding;
    if (!tied)
        output = take(from, "output.weight", "", weights->output.rows, weights->output.columns, true);
    trainee->embedding = embedding.value;
    trainee->embedding_gradient = embedding.gradient;
    trainee->output.base = NULL;
    trainee->output.weight = output.value;
    trainee->output.gradient = output.gradient;
}

void smg_train_take_parameters(smg_trainee *trainee, smg_arena *arena)
{
    taker from = {.trainee = trainee, .arena = arena, .layer = -1};
    take_ends(&from);
    for (from.layer = 0; from.layer < trainee->model->shape.layers; from.layer++)
        take_layer(&from, &trainee->model->weights.layers[from.layer],
                   trainee->layers != NULL ? &trainee->layers[from.layer] : NULL);
}

static bool ends_with(const char *text, const char *end)
{
    const size_t length = strlen(text);
    return length >= strlen(end) && strcmp(text + length - strlen(end), end) == 0;
}

void smg_train_fill_parameters(smg_trainee *trainee)
{
    uint64_t random = trainee->options.seed;
    for (size_t i = 0; i < trainee->parameter_count; i++) {
        const smg_parameter *parameter = &trainee->parameters[i];
        const int64_t count = (int64_t)parameter->rows * parameter->columns;
        const smg_gguf_tensor *tensor = smg_gguf_find_tensor(trainee->model->gguf, parameter->name);
        if (trainee->options.rank == 0)
            for (int64_t r = 0; r < parameter->rows; r++)
                smg_dequantize_row_of(tensor->type, tensor->data, r,
                                      parameter->value + r * parameter->columns, parameter->columns);
        else if (ends_with(parameter->name, ".lora_a"))
            for (int64_t n = 0; n < count; n++)
                parameter->value[n] =
                    (2.0F * smg_random_unit(&random) - 1.0F) / sqrtf((float)parameter->columns);
    }
}
