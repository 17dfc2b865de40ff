#include "model/shape.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Reads the keys of one architecture: "llama.block_count" and the like. */
typedef struct reader {
    const smg_gguf *gguf;
    const char *architecture;
    smidge_error *error;
} reader;

static const char *key_name(const reader *read, const char *suffix, char text[128])
{
    snprintf(text, 128, "%s.%s", read->architecture, suffix);
    return text;
}

/* A required integer between 1 and `limit`; `*ret` above 0 beforehand is a default that makes it optional. */
static smidge_status read_count(const reader *read, const char *suffix, int32_t limit, int32_t *ret)
{
    char name[128];
    uint32_t value = (uint32_t)*ret;
    bool found = false;
    SMG_TRY(smg_gguf_get_u32(read->gguf, key_name(read, suffix, name), &value, &found, read->error));
    if (!found && *ret <= 0)
        return smg_error_set(read->error, SMIDGE_E_FORMAT, read->gguf->path,
                             "key %s is missing (convert the model again)", name);
    if (value < 1 || value > (uint32_t)limit)
        return smg_error_set(read->error, SMIDGE_E_FORMAT, read->gguf->path,
                             "key %s is %" PRIu32 ", not 1 to %" PRId32 " (convert the model again)", name,
                             value, limit);
    *ret = (int32_t)value;
    return SMIDGE_OK;
}

static smidge_status read_positive(const reader *read, const char *suffix, float *ret)
{
    char name[128];
    SMG_TRY(smg_gguf_get_f32(read->gguf, key_name(read, suffix, name), ret, NULL, read->error));
    if (!(*ret > 0.0F))
        return smg_error_set(read->error, SMIDGE_E_FORMAT, read->gguf->path,
                             "key %s is not positive (convert the model again)", name);
    return SMIDGE_OK;
}

static smidge_status read_heads(const reader *read, smg_shape *shape)
{
    SMG_TRY(read_count(read, "attention.head_count", SMG_MAX_HEADS, &shape->heads));
    shape->kv_heads = shape->heads;
    SMG_TRY(read_count(read, "attention.head_count_kv", shape->heads, &shape->kv_heads));
    if (shape->heads % shape->kv_heads != 0)
        return smg_error_set(read->error, SMIDGE_E_FORMAT, read->gguf->path,
                             "has %d heads for %d key/value heads, not a multiple (convert the model again)",
                             (int)shape->heads, (int)shape->kv_heads);
    if (shape->heads > shape->width)
        return smg_error_set(read->error, SMIDGE_E_FORMAT, read->gguf->path,
                             "has more heads, %d, than its width of %d (convert the model again)",
                             (int)shape->heads, (int)shape->width);
    shape->head_size = shape->width / shape->heads;
    SMG_TRY(read_count(read, "attention.key_length", SMG_MAX_HEAD_SIZE, &shape->head_size));
    int32_t value_size = shape->head_size;
    SMG_TRY(read_count(read, "attention.value_length", SMG_MAX_HEAD_SIZE, &value_size));
    if (value_size != shape->head_size)
        return smg_error_set(read->error, SMIDGE_E_UNSUPPORTED, read->gguf->path,
                             "has values of another size than its keys, which this version does not run");
    return SMIDGE_OK;
}

static smidge_status read_rope_scaling(const reader *read, smg_shape *shape)
{
    shape->rope_factor = 1.0F;
    SMG_TRY(read_positive(read, "rope.scale_linear", &shape->rope_factor)); /* the older key */
    SMG_TRY(read_positive(read, "rope.scaling.factor", &shape->rope_factor));
    char name[128];
    smg_text kind = {.data = "none", .size = 4};
    bool found = false;
    SMG_TRY(
        smg_gguf_get_text(read->gguf, key_name(read, "rope.scaling.type", name), &kind, &found, read->error));
    if (kind.size == 6 && memcmp(kind.data, "linear", 6) == 0)
        return SMIDGE_OK;
    bool none = kind.size == 4 && memcmp(kind.data, "none", 4) == 0;
    bool longrope = kind.size == 8 && memcmp(kind.data, "longrope", 8) == 0; /* its factors are tensors */
    if (none || longrope) {
        shape->rope_factor = found ? 1.0F : shape->rope_factor;
        return SMIDGE_OK;
    }
    return smg_error_set(
        read->error, SMIDGE_E_UNSUPPORTED, read->gguf->path,
        "uses rope scaling of type %.*s, which this version does not run (linear, longrope and "
        "Llama 3's are)",
        (int)(kind.size < 32 ? kind.size : 32), kind.data);
}

static smidge_status read_rope(const reader *read, smg_shape *shape)
{
    shape->rope_size = shape->head_size;
    SMG_TRY(read_count(read, "rope.dimension_count", shape->head_size, &shape->rope_size));
    if (shape->rope_size % 2 != 0)
        return smg_error_set(read->error, SMIDGE_E_FORMAT, read->gguf->path,
                             "turns an odd number of elements, %d (convert the model again)",
                             (int)shape->rope_size);
    shape->rope_base = 10000.0F;
    SMG_TRY(read_positive(read, "rope.freq_base", &shape->rope_base));
    shape->window_rope_base = shape->rope_base;
    if (shape->architecture->window_rope_base > 0.0F) {
        shape->window_rope_base = shape->architecture->window_rope_base;
        SMG_TRY(read_positive(read, "rope.freq_base_swa", &shape->window_rope_base));
    }
    shape->rope_magnitude = 1.0F;
    SMG_TRY(read_positive(read, "rope.scaling.attn_factor", &shape->rope_magnitude));
    shape->rope_original = shape->context;
    SMG_TRY(read_count(read, "rope.scaling.original_context_length", INT32_MAX, &shape->rope_original));
    return read_rope_scaling(read, shape);
}

/* Which layers have the window: all but one in each period, unless the file lists them. */
static smidge_status read_window_layers(const reader *read, smg_shape *shape)
{
    char name[128];
    key_name(read, "attention.sliding_window_pattern", name);
    const smg_gguf_key *key = smg_gguf_find(read->gguf, name);
    uint32_t period = (uint32_t)shape->architecture->window_period;
    if (key != NULL && key->type == SMG_GGUF_ARRAY) {
        SMG_TRY(smg_gguf_get_array(read->gguf, name, SMG_GGUF_BOOL, &key, read->error));
        if (key->count < (uint64_t)shape->layers)
            return smg_error_set(read->error, SMIDGE_E_FORMAT, read->gguf->path,
                                 "key %s has %" PRIu64 " entries for %" PRId32
                                 " layers (convert the model again)",
                                 name, key->count, shape->layers);
        for (int32_t i = 0; i < shape->layers; i++)
            shape->windowed[i] = key->value[i] != 0;
        return SMIDGE_OK;
    }
    SMG_TRY(smg_gguf_get_u32(read->gguf, name, &period, NULL, read->error));
    for (int32_t i = 0; i < shape->layers; i++)
        shape->windowed[i] = period == 1 || (period > 1 && (uint32_t)i % period < period - 1);
    return SMIDGE_OK;
}

static smidge_status read_window(const reader *read, smg_shape *shape)
{
    char name[128];
    uint32_t window = (uint32_t)shape->architecture->window;
    SMG_TRY(smg_gguf_get_u32(read->gguf, key_name(read, "attention.sliding_window", name), &window, NULL,
                             read->error));
    if (window == 0 || window > INT32_MAX || shape->architecture->window_period == 0)
        return SMIDGE_OK;
    shape->window = (int32_t)window;
    return read_window_layers(read, shape);
}

static smidge_status read_attention(const reader *read, smg_shape *shape)
{
    const smg_architecture *architecture = shape->architecture;
    int32_t scaled =
        shape->layers == architecture->wide_layers ? shape->width / shape->heads : shape->head_size;
    float scale = 1.0F / sqrtf((float)scaled);
    shape->query_scale = architecture->scaled_query ? scale : 1.0F;
    shape->score_scale = architecture->scaled_query ? 1.0F : scale;
    shape->score_cap = architecture->score_cap;
    shape->logit_cap = architecture->logit_cap;
    char name[128];
    SMG_TRY(smg_gguf_get_f32(read->gguf, key_name(read, "attn_logit_softcapping", name), &shape->score_cap,
                             NULL, read->error));
    SMG_TRY(smg_gguf_get_f32(read->gguf, key_name(read, "final_logit_softcapping", name), &shape->logit_cap,
                             NULL, read->error));
    if (shape->score_cap < 0.0F || shape->logit_cap < 0.0F)
        return smg_error_set(read->error, SMIDGE_E_FORMAT, read->gguf->path,
                             "caps attention or logits below zero (convert the model again)");
    return read_window(read, shape);
}

static smidge_status read_dimensions(const reader *read, smg_shape *shape)
{
    SMG_TRY(read_count(read, "block_count", SMG_MAX_LAYERS, &shape->layers));
    SMG_TRY(read_count(read, "embedding_length", SMG_MAX_WIDTH, &shape->width));
    SMG_TRY(read_count(read, "feed_forward_length", SMG_MAX_WIDTH, &shape->feed_forward));
    SMG_TRY(read_count(read, "context_length", INT32_MAX, &shape->context));
    SMG_TRY(read_heads(read, shape));
    SMG_TRY(read_rope(read, shape));
    SMG_TRY(read_attention(read, shape));
    shape->norm_epsilon = 1e-5F;
    SMG_TRY(read_positive(read, "attention.layer_norm_rms_epsilon", &shape->norm_epsilon));
    char name[128];
    uint32_t experts = 0;
    SMG_TRY(smg_gguf_get_u32(read->gguf, key_name(read, "expert_count", name), &experts, NULL, read->error));
    if (experts > 0)
        return smg_error_set(read->error, SMIDGE_E_UNSUPPORTED, read->gguf->path,
                             "is a mixture of experts, which this version does not run (take a dense model)");
    return SMIDGE_OK;
}

smidge_status smg_shape_read(const smg_gguf *gguf, smg_shape *ret_shape, smidge_error *error)
{
    smg_text name = {0};
    bool found = false;
    SMG_TRY(smg_gguf_get_text(gguf, "general.architecture", &name, &found, error));
    if (!found)
        return smg_error_set(error, SMIDGE_E_FORMAT, gguf->path,
                             "key general.architecture is missing (convert the model again)");
    const smg_architecture *architecture = smg_architecture_find(name);
    if (architecture == NULL)
        return smg_error_set(error, SMIDGE_E_UNSUPPORTED, gguf->path,
                             "has the architecture %.*s; this version runs %s",
                             (int)(name.size < 64 ? name.size : 64), name.data, smg_architecture_names());
    smg_shape shape = {.architecture = architecture};
    reader read = {.gguf = gguf, .architecture = architecture->name, .error = error};
    SMG_TRY(read_dimensions(&read, &shape));
    const smg_gguf_tensor *embedding = smg_gguf_find_tensor(gguf, "token_embd.weight");
    if (embedding == NULL)
        return smg_error_set(
            error, SMIDGE_E_FORMAT, gguf->path,
            "has no tensor token_embd.weight: it holds a vocabulary only, or is damaged (give a "
            "whole model)");
    if (embedding->shape[1] > SMG_MAX_VOCABULARY)
        return smg_error_set(error, SMIDGE_E_FORMAT, gguf->path, "has a vocabulary of %" PRIu64 " tokens",
                             embedding->shape[1]);
    shape.vocabulary = (int32_t)embedding->shape[1];
    *ret_shape = shape;
    return SMIDGE_OK;
}
