#include "model/weights.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/alloc.h"

typedef struct loader {
    const smg_gguf *gguf;
    smg_weights *weights;
    smidge_error *error;
} loader;

static smidge_status wrong_shape(const loader *load, const smg_gguf_tensor *tensor, int64_t columns,
                                 int64_t rows)
{
    return smg_error_set(load->error, SMIDGE_E_FORMAT, load->gguf->path,
                         "tensor %.*s is %" PRIu64 " x %" PRIu64 " where %" PRId64 " x %" PRId64
                         " is expected (convert the model again)",
                         (int)tensor->name.size, tensor->name.data, tensor->shape[0], tensor->shape[1],
                         columns, rows);
}

static smidge_status missing(const loader *load, const char *name)
{
    return smg_error_set(load->error, SMIDGE_E_FORMAT, load->gguf->path,
                         "has no tensor %s (download or convert the model again)", name);
}

static smidge_status load_matrix(const loader *load, const char *name, int64_t columns, int64_t rows,
                                 smg_matrix *ret_matrix)
{
    const smg_gguf_tensor *tensor = smg_gguf_find_tensor(load->gguf, name);
    if (tensor == NULL)
        return missing(load, name);
    if (tensor->shape[0] != (uint64_t)columns || tensor->shape[1] != (uint64_t)rows || tensor->dims > 2)
        return wrong_shape(load, tensor, columns, rows);
    smg_act act = smg_act_for(tensor->type);
    load->weights->acts |= 1U << act;
    *ret_matrix = (smg_matrix){
        .data = tensor->data,
        .type = tensor->type,
        .act = act,
        .rows = (int32_t)rows,
        .columns = (int32_t)columns,
        .stride = (size_t)smg_type_row_bytes(tensor->type, tensor->shape[0]),
    };
    return SMIDGE_OK;
}

/* Norms, biases and the like are always stored as F32. Absent ones give NULL. */
static smidge_status load_vector(const loader *load, const char *name, int64_t count,
                                 const float **ret_vector)
{
    const smg_gguf_tensor *tensor = smg_gguf_find_tensor(load->gguf, name);
    *ret_vector = NULL;
    if (tensor == NULL)
        return SMIDGE_OK;
    if (tensor->shape[0] != (uint64_t)count || tensor->dims != 1)
        return wrong_shape(load, tensor, count, 1);
    if (tensor->type != SMG_TYPE_F32)
        return smg_error_set(load->error, SMIDGE_E_FORMAT, load->gguf->path,
                             "tensor %s is not F32 as norms and biases must be (convert the model again)",
                             name);
    *ret_vector = (const float *)(const void *)tensor->data;
    return SMIDGE_OK;
}

static smidge_status require_vector(const loader *load, const char *name, int64_t count,
                                    const float **ret_vector)
{
    SMG_TRY(load_vector(load, name, count, ret_vector));
    return *ret_vector == NULL ? missing(load, name) : SMIDGE_OK;
}

/* Matrices and vectors of layer `number`, each named "blk.N.NAME". */
typedef struct matrix_entry {
    const char *name;
    int64_t columns, rows;
    smg_matrix *ret;
} matrix_entry;

typedef struct vector_entry {
    const char *name;
    int64_t count;
    bool required;
    const float **ret;
} vector_entry;

/* Rows *first .. *first + rows - 1 of a matrix that holds several; *first goes on behind them. */
static smidge_status slice(const loader *load, const smg_matrix *whole, int64_t *first, int64_t rows,
                           smg_matrix *ret_part)
{
    if (smg_type_is_interleaved(whole->type) && rows % SMG_GROUP_ROWS != 0)
        return smg_error_set(load->error, SMIDGE_E_FORMAT, load->gguf->path,
                             "parts of a fused matrix begin inside of interleaved groups (take the file that "
                             "smidge repack --plain makes of it)");
    *ret_part = *whole;
    ret_part->data += (size_t)*first * whole->stride;
    ret_part->rows = (int32_t)rows;
    *first += rows;
    return SMIDGE_OK;
}

static smidge_status load_matrices(const loader *load, int number, const matrix_entry *entries, size_t count)
{
    char name[64];
    for (size_t i = 0; i < count; i++) {
        snprintf(name, sizeof name, "blk.%d.%s", number, entries[i].name);
        SMG_TRY(load_matrix(load, name, entries[i].columns, entries[i].rows, entries[i].ret));
    }
    return SMIDGE_OK;
}

static smidge_status load_layer_matrices(const loader *load, const smg_shape *shape, int number,
                                         smg_layer *layer)
{
    int64_t width = shape->width;
    int64_t hidden = shape->feed_forward;
    int64_t queries = (int64_t)shape->heads * shape->head_size;
    int64_t keys = (int64_t)shape->kv_heads * shape->head_size;
    smg_matrix qkv = {0};
    smg_matrix gate_up = {0};
    const matrix_entry apart[] = {
        {"attn_q.weight", width, queries, &layer->q},     {"attn_k.weight", width, keys, &layer->k},
        {"attn_v.weight", width, keys, &layer->v},        {"attn_output.weight", queries, width, &layer->o},
        {"ffn_gate.weight", width, hidden, &layer->gate}, {"ffn_up.weight", width, hidden, &layer->up},
        {"ffn_down.weight", hidden, width, &layer->down},
    };
    const matrix_entry fused[] = {
        {"attn_qkv.weight", width, queries + 2 * keys, &qkv},
        {"attn_output.weight", queries, width, &layer->o},
        {"ffn_up.weight", width, 2 * hidden, &gate_up},
        {"ffn_down.weight", hidden, width, &layer->down},
    };
    if (!shape->architecture->fused)
        return load_matrices(load, number, apart, sizeof apart / sizeof *apart);
    SMG_TRY(load_matrices(load, number, fused, sizeof fused / sizeof *fused));
    int64_t first = 0;
    SMG_TRY(slice(load, &qkv, &first, queries, &layer->q));
    SMG_TRY(slice(load, &qkv, &first, keys, &layer->k));
    SMG_TRY(slice(load, &qkv, &first, keys, &layer->v));
    first = 0;
    SMG_TRY(slice(load, &gate_up, &first, hidden, &layer->gate));
    return slice(load, &gate_up, &first, hidden, &layer->up);
}

static smidge_status load_layer(const loader *load, const smg_shape *shape, int number, smg_layer *layer)
{
    const smg_architecture *architecture = shape->architecture;
    int64_t width = shape->width;
    int64_t queries = (int64_t)shape->heads * shape->head_size;
    int64_t keys = (int64_t)shape->kv_heads * shape->head_size;
    const vector_entry vectors[] = {
        {"attn_norm.weight", width, true, &layer->attention_norm},
        {"ffn_norm.weight", width, true, &layer->feed_forward_norm},
        {"attn_q.bias", queries, false, &layer->q_bias},
        {"attn_k.bias", keys, false, &layer->k_bias},
        {"attn_v.bias", keys, false, &layer->v_bias},
        {"attn_output.bias", width, false, &layer->o_bias},
        {"attn_q_norm.weight", shape->head_size, architecture->head_norms, &layer->q_norm},
        {"attn_k_norm.weight", shape->head_size, architecture->head_norms, &layer->k_norm},
        {"post_attention_norm.weight", width, architecture->post_norms, &layer->attention_post_norm},
        {"post_ffw_norm.weight", width, architecture->post_norms, &layer->feed_forward_post_norm},
    };
    SMG_TRY(load_layer_matrices(load, shape, number, layer));
    char name[64];
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        snprintf(name, sizeof name, "blk.%d.%s", number, vectors[i].name);
        SMG_TRY(vectors[i].required ? require_vector(load, name, vectors[i].count, vectors[i].ret)
                                    : load_vector(load, name, vectors[i].count, vectors[i].ret));
    }
    return SMIDGE_OK;
}

/* Llama 3 has one set of divisors, Phi-3 one for short contexts and one for long ones. */
static smidge_status load_rope_divisors(const loader *load, const smg_shape *shape)
{
    smg_weights *weights = load->weights;
    int64_t pairs = shape->rope_size / 2;
    SMG_TRY(load_vector(load, "rope_freqs.weight", pairs, &weights->rope_divisors));
    if (weights->rope_divisors == NULL)
        SMG_TRY(load_vector(load, "rope_factors_short.weight", pairs, &weights->rope_divisors));
    SMG_TRY(load_vector(load, "rope_factors_long.weight", pairs, &weights->rope_divisors_long));
    if (weights->rope_divisors_long == NULL)
        weights->rope_divisors_long = weights->rope_divisors;
    return SMIDGE_OK;
}

static void count_tensors(const smg_gguf *gguf, smg_weights *weights)
{
    for (uint64_t i = 0; i < gguf->tensor_count; i++) {
        const smg_gguf_tensor *tensor = &gguf->tensors[i];
        weights->bytes += tensor->bytes;
        weights->parameters += tensor->shape[0] * tensor->shape[1] * tensor->shape[2] * tensor->shape[3];
    }
}

smidge_status smg_weights_load(const smg_gguf *gguf, const smg_shape *shape, smg_weights *ret_weights,
                               smidge_error *error)
{
    SMG_CLEANUP(smg_weights_done) smg_weights weights = {0};
    loader load = {.gguf = gguf, .weights = &weights, .error = error};
    weights.layers = smg_alloc_array((size_t)shape->layers, sizeof *weights.layers);
    if (weights.layers == NULL)
        return smg_error_no_memory(error, gguf->path, (size_t)shape->layers * sizeof *weights.layers);
    SMG_TRY(load_matrix(&load, "token_embd.weight", shape->width, shape->vocabulary, &weights.embedding));
    weights.output = weights.embedding;
    if (smg_gguf_find_tensor(gguf, "output.weight") != NULL)
        SMG_TRY(load_matrix(&load, "output.weight", shape->width, shape->vocabulary, &weights.output));
    SMG_TRY(require_vector(&load, "output_norm.weight", shape->width, &weights.output_norm));
    SMG_TRY(load_rope_divisors(&load, shape));
    for (int i = 0; i < shape->layers; i++)
        SMG_TRY(load_layer(&load, shape, i, &weights.layers[i]));
    count_tensors(gguf, &weights);
    *ret_weights = weights;
    weights = (smg_weights){0};
    return SMIDGE_OK;
}

void smg_weights_done(smg_weights *weights)
{
    smg_free(weights->layers);
    *weights = (smg_weights){0};
}
