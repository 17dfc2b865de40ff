#include "model/shape.h"

#include <inttypes.h>
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
    shape->head_size = shape->width / shape->heads;
    SMG_TRY(read_count(read, "attention.key_length", SMG_MAX_HEAD_SIZE, &shape->head_size));
    int32_t value_size = shape->head_size;
    SMG_TRY(read_count(read, "attention.value_length", SMG_MAX_HEAD_SIZE, &value_size));
    if (value_size != shape->head_size)
        return smg_error_set(read->error, SMIDGE_E_UNSUPPORTED, read->gguf->path,
                             "has values of another size than its keys, which this version does not run");
    return SMIDGE_OK;
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
    shape->rope_factor = 1.0F;
    SMG_TRY(read_positive(read, "rope.freq_base", &shape->rope_base));
    SMG_TRY(read_positive(read, "rope.scale_linear", &shape->rope_factor)); /* the older key */
    SMG_TRY(read_positive(read, "rope.scaling.factor", &shape->rope_factor));
    char name[128];
    smg_text kind = {.data = "none", .size = 4};
    bool found = false;
    SMG_TRY(
        smg_gguf_get_text(read->gguf, key_name(read, "rope.scaling.type", name), &kind, &found, read->error));
    if (kind.size == 6 && memcmp(kind.data, "linear", 6) == 0)
        return SMIDGE_OK;
    if (kind.size == 4 && memcmp(kind.data, "none", 4) == 0) {
        if (found)
            shape->rope_factor = 1.0F;
        return SMIDGE_OK;
    }
    return smg_error_set(
        read->error, SMIDGE_E_UNSUPPORTED, read->gguf->path,
        "uses rope scaling of type %.*s, which this version does not run (linear and Llama 3's "
        "are)",
        (int)(kind.size < 32 ? kind.size : 32), kind.data);
}

static smidge_status read_dimensions(const reader *read, smg_shape *shape)
{
    SMG_TRY(read_count(read, "block_count", SMG_MAX_LAYERS, &shape->layers));
    SMG_TRY(read_count(read, "embedding_length", SMG_MAX_WIDTH, &shape->width));
    SMG_TRY(read_count(read, "feed_forward_length", SMG_MAX_WIDTH, &shape->feed_forward));
    SMG_TRY(read_count(read, "context_length", INT32_MAX, &shape->context));
    SMG_TRY(read_heads(read, shape));
    SMG_TRY(read_rope(read, shape));
    shape->norm_epsilon = 1e-5F;
    SMG_TRY(read_positive(read, "attention.layer_norm_rms_epsilon", &shape->norm_epsilon));
    char name[128];
    uint32_t window = 0;
    uint32_t experts = 0;
    SMG_TRY(smg_gguf_get_u32(read->gguf, key_name(read, "attention.sliding_window", name), &window, NULL,
                             read->error));
    shape->window = window > INT32_MAX ? 0 : (int32_t)window;
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
