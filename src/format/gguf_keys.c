/* Lookups in an opened GGUF file: names, and values with the type that the caller expects. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "format/gguf.h"
#include "format/gguf_index.h"

static const char *const type_names[SMG_GGUF_TYPE_COUNT] = {
    "u8", "i8", "u16", "i16", "u32", "i32", "f32", "bool", "string", "array", "u64", "i64", "f64",
};

const char *smg_gguf_type_name(smg_gguf_type type)
{
    return type < SMG_GGUF_TYPE_COUNT ? type_names[type] : "unknown";
}

const smg_gguf_key *smg_gguf_find(const smg_gguf *gguf, const char *name)
{
    uint32_t place = smg_gguf_index_find(gguf->key_index, gguf->key_count, gguf->keys, sizeof *gguf->keys,
                                         (smg_text){.data = name, .size = strlen(name)});
    return place == SMG_GGUF_ABSENT ? NULL : &gguf->keys[place];
}

const smg_gguf_tensor *smg_gguf_find_tensor(const smg_gguf *gguf, const char *name)
{
    uint32_t place =
        smg_gguf_index_find(gguf->tensor_index, gguf->tensor_count, gguf->tensors, sizeof *gguf->tensors,
                            (smg_text){.data = name, .size = strlen(name)});
    return place == SMG_GGUF_ABSENT ? NULL : &gguf->tensors[place];
}

static smidge_status wrong_type(const smg_gguf *gguf, const char *name, const smg_gguf_key *key,
                                const char *expected, smidge_error *error)
{
    return smg_error_set(error, SMIDGE_E_FORMAT, gguf->path,
                         "key %s has type %s where %s is expected (convert the model again)", name,
                         smg_gguf_type_name(key->type), expected);
}

static bool is_integer(smg_gguf_type type)
{
    switch (type) {
    case SMG_GGUF_U8:
    case SMG_GGUF_I8:
    case SMG_GGUF_U16:
    case SMG_GGUF_I16:
    case SMG_GGUF_U32:
    case SMG_GGUF_I32:
    case SMG_GGUF_U64:
    case SMG_GGUF_I64:
        return true;
    default:
        return false;
    }
}

static bool is_signed(smg_gguf_type type)
{
    return type == SMG_GGUF_I8 || type == SMG_GGUF_I16 || type == SMG_GGUF_I32 || type == SMG_GGUF_I64;
}

static uint64_t load(const smg_gguf_key *key)
{
    uint64_t value = 0;
    for (uint64_t i = key->value_bytes; i > 0; i--)
        value = value << 8 | key->value[i - 1];
    return value;
}

smidge_status smg_gguf_get_u32(const smg_gguf *gguf, const char *name, uint32_t *ret, bool *ret_found,
                               smidge_error *error)
{
    const smg_gguf_key *key = smg_gguf_find(gguf, name);
    if (ret_found != NULL)
        *ret_found = key != NULL;
    if (key == NULL)
        return SMIDGE_OK;
    if (!is_integer(key->type))
        return wrong_type(gguf, name, key, "an integer", error);
    uint64_t value = load(key);
    bool negative = is_signed(key->type) && (key->value[key->value_bytes - 1] & 0x80) != 0;
    if (negative || value > UINT32_MAX)
        return smg_error_set(error, SMIDGE_E_FORMAT, gguf->path,
                             "key %s is out of range (convert the model again)", name);
    *ret = (uint32_t)value;
    return SMIDGE_OK;
}

smidge_status smg_gguf_get_f32(const smg_gguf *gguf, const char *name, float *ret, bool *ret_found,
                               smidge_error *error)
{
    const smg_gguf_key *key = smg_gguf_find(gguf, name);
    if (ret_found != NULL)
        *ret_found = key != NULL;
    if (key == NULL)
        return SMIDGE_OK;
    float value;
    if (key->type == SMG_GGUF_F32) {
        memcpy(&value, key->value, sizeof value);
    } else if (key->type == SMG_GGUF_F64) {
        double wide;
        memcpy(&wide, key->value, sizeof wide);
        if (fabs(wide) > 3.0e38)
            wide = (double)INFINITY; /* refused below, without an undefined conversion */
        value = (float)wide;
    } else {
        return wrong_type(gguf, name, key, "a floating-point number", error);
    }
    if (!isfinite(value))
        return smg_error_set(error, SMIDGE_E_FORMAT, gguf->path,
                             "key %s is not a finite number (convert the model again)", name);
    *ret = value;
    return SMIDGE_OK;
}

smidge_status smg_gguf_get_bool(const smg_gguf *gguf, const char *name, bool *ret, bool *ret_found,
                                smidge_error *error)
{
    const smg_gguf_key *key = smg_gguf_find(gguf, name);
    if (ret_found != NULL)
        *ret_found = key != NULL;
    if (key == NULL)
        return SMIDGE_OK;
    if (key->type != SMG_GGUF_BOOL)
        return wrong_type(gguf, name, key, "a bool", error);
    *ret = key->value[0] != 0;
    return SMIDGE_OK;
}

smidge_status smg_gguf_get_text(const smg_gguf *gguf, const char *name, smg_text *ret, bool *ret_found,
                                smidge_error *error)
{
    const smg_gguf_key *key = smg_gguf_find(gguf, name);
    if (ret_found != NULL)
        *ret_found = key != NULL;
    if (key == NULL)
        return SMIDGE_OK;
    if (key->type != SMG_GGUF_STRING)
        return wrong_type(gguf, name, key, "a string", error);
    *ret = (smg_text){.data = (const char *)key->value + 8, .size = (size_t)(key->value_bytes - 8)};
    return SMIDGE_OK;
}

smidge_status smg_gguf_get_array(const smg_gguf *gguf, const char *name, smg_gguf_type element_type,
                                 const smg_gguf_key **ret_key, smidge_error *error)
{
    const smg_gguf_key *key = smg_gguf_find(gguf, name);
    if (key == NULL) {
        *ret_key = NULL;
        return SMIDGE_OK;
    }
    if (key->type != SMG_GGUF_ARRAY)
        return wrong_type(gguf, name, key, "an array", error);
    if (key->element_type != element_type)
        return smg_error_set(error, SMIDGE_E_FORMAT, gguf->path,
                             "key %s is an array of %s where %s is expected (convert the model again)", name,
                             smg_gguf_type_name(key->element_type), smg_gguf_type_name(element_type));
    *ret_key = key;
    return SMIDGE_OK;
}
