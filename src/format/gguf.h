/* Reading GGUF v2 and v3, memory-mapped.
 *
 * Nothing in the file is believed: hard limits come first, then the whole layout is proven to lie inside
 * the file, and only then is anything allocated (two index arrays). Strings and arrays stay in the mapping.
 * Source: the GGUF specification (ggml docs/gguf.md). */
#ifndef SMG_FORMAT_GGUF_H
#define SMG_FORMAT_GGUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "format/blocks.h"

#define SMG_GGUF_MAX_TENSORS 4096
#define SMG_GGUF_MAX_KEYS 4096
#define SMG_GGUF_MAX_STRING (1u << 20)
#define SMG_GGUF_MAX_ARRAY (1u << 20)
#define SMG_GGUF_MAX_DIMS 4

typedef enum smg_gguf_type {
    SMG_GGUF_U8 = 0,
    SMG_GGUF_I8,
    SMG_GGUF_U16,
    SMG_GGUF_I16,
    SMG_GGUF_U32,
    SMG_GGUF_I32,
    SMG_GGUF_F32,
    SMG_GGUF_BOOL,
    SMG_GGUF_STRING,
    SMG_GGUF_ARRAY,
    SMG_GGUF_U64,
    SMG_GGUF_I64,
    SMG_GGUF_F64,
    SMG_GGUF_TYPE_COUNT
} smg_gguf_type;

/* Text inside the mapping: not terminated, may hold any bytes. */
typedef struct smg_text {
    const char *data;
    size_t size;
} smg_text;

typedef struct smg_gguf_key {
    smg_text name;
    smg_gguf_type type;         /* of the value */
    smg_gguf_type element_type; /* arrays: of the elements (never ARRAY) */
    uint64_t count;             /* arrays: elements; else 1 */
    const uint8_t *value;       /* scalars: the bytes; strings: the length, then the text; arrays: elements */
    uint64_t value_bytes;       /* from `value`, all of it */
} smg_gguf_key;

typedef struct smg_gguf_tensor {
    smg_text name;
    smg_type type;
    uint32_t dims;
    uint64_t shape[SMG_GGUF_MAX_DIMS]; /* shape[0] is the row length; unused ones are 1 */
    uint64_t offset;                   /* from the start of the file */
    uint64_t bytes;
    const uint8_t *data; /* in the mapping */
} smg_gguf_tensor;

typedef struct smg_gguf {
    smg_file file;
    uint32_t version;
    uint32_t alignment;
    uint64_t data_offset; /* where tensor data starts */
    uint64_t key_count;
    uint64_t tensor_count;
    smg_gguf_key *keys;       /* in file order */
    smg_gguf_tensor *tensors; /* in file order */
    uint32_t *key_index;      /* hash tables over the two, open addressing; entries are place + 1 */
    uint32_t *tensor_index;
    bool borrowed;  /* the caller keeps the bytes */
    char path[256]; /* for messages, cut at the front */
} smg_gguf;

/* Opens and checks a file. SMIDGE_E_IO, SMIDGE_E_FORMAT (damaged, with the byte position),
 * SMIDGE_E_UNSUPPORTED (version, tensor type, big-endian, split file), SMIDGE_E_NOMEM. */
smidge_status smg_gguf_open(const char *path, smg_gguf *ret_gguf, smidge_error *error) SMG_MUST_CHECK;
/* The same over bytes the caller keeps alive; `name` is for messages. */
smidge_status smg_gguf_parse(const void *data, size_t size, const char *name, smg_gguf *ret_gguf,
                             smidge_error *error) SMG_MUST_CHECK;
void smg_gguf_close(smg_gguf *gguf);
/* Bytes of tensors that have been read need not stay in memory; they may be read again. */
void smg_gguf_forget(const smg_gguf *gguf, const void *data, size_t size);

const char *smg_gguf_type_name(smg_gguf_type type);
/* Bytes of a value of this type; 0 for strings and arrays, whose values say it themselves. */
size_t smg_gguf_scalar_bytes(smg_gguf_type type);
/* "Q4_K_M": the file's own word for its quantization, or the type that most of its bytes have. */
const char *smg_gguf_file_type(const smg_gguf *gguf);

/* NULL when absent. */
const smg_gguf_key *smg_gguf_find(const smg_gguf *gguf, const char *name);
const smg_gguf_tensor *smg_gguf_find_tensor(const smg_gguf *gguf, const char *name);

/* Typed reads. Absent: SMIDGE_OK with *ret unchanged and *ret_found false (ret_found may be NULL: then the
 * default stays). Present with another type or outside the range: SMIDGE_E_FORMAT. Integers of every width
 * are accepted where one is asked for. */
smidge_status smg_gguf_get_u32(const smg_gguf *gguf, const char *name, uint32_t *ret, bool *ret_found,
                               smidge_error *error) SMG_MUST_CHECK;
smidge_status smg_gguf_get_f32(const smg_gguf *gguf, const char *name, float *ret, bool *ret_found,
                               smidge_error *error) SMG_MUST_CHECK;
smidge_status smg_gguf_get_bool(const smg_gguf *gguf, const char *name, bool *ret, bool *ret_found,
                                smidge_error *error) SMG_MUST_CHECK;
smidge_status smg_gguf_get_text(const smg_gguf *gguf, const char *name, smg_text *ret, bool *ret_found,
                                smidge_error *error) SMG_MUST_CHECK;
/* An array of exactly this element type; *ret_key NULL when absent. */
smidge_status smg_gguf_get_array(const smg_gguf *gguf, const char *name, smg_gguf_type element_type,
                                 const smg_gguf_key **ret_key, smidge_error *error) SMG_MUST_CHECK;

/* Walks a string array: start with *position = 0. False at the end. The array was proven at open; a file that was
 * changed since ends early. */
static inline bool smg_gguf_next_text(const smg_gguf_key *array, uint64_t *position, smg_text *ret_text)
{
    uint64_t size;
    uint64_t left = array->value_bytes - *position;
    if (array->element_type != SMG_GGUF_STRING || left < sizeof size)
        return false;
    memcpy(&size, array->value + *position, sizeof size);
    if (size > left - sizeof size)
        return false;
    *ret_text =
        (smg_text){.data = (const char *)array->value + *position + sizeof size, .size = (size_t)size};
    *position += sizeof size + size;
    return true;
}

#endif
