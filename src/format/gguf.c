#include "format/gguf.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "base/cursor.h"
#include "format/gguf_index.h"

#define MAX_NAME 1024
#define MIN_ALIGNMENT 8
#define MAX_ALIGNMENT 4096
#define DEFAULT_ALIGNMENT 32

static const uint8_t scalar_bytes[SMG_GGUF_TYPE_COUNT] = {
    [SMG_GGUF_U8] = 1,  [SMG_GGUF_I8] = 1,  [SMG_GGUF_U16] = 2, [SMG_GGUF_I16] = 2,
    [SMG_GGUF_U32] = 4, [SMG_GGUF_I32] = 4, [SMG_GGUF_F32] = 4, [SMG_GGUF_BOOL] = 1,
    [SMG_GGUF_U64] = 8, [SMG_GGUF_I64] = 8, [SMG_GGUF_F64] = 8,
};

size_t smg_gguf_scalar_bytes(smg_gguf_type type)
{
    return (unsigned)type < SMG_GGUF_TYPE_COUNT ? scalar_bytes[type] : 0;
}

/* Long arrays of texts: a vocabulary has hundreds of thousands, which are walked through once only. */
#define PASSED_MAX 4
#define PASSED_LEAST 256

typedef struct passed_texts {
    size_t start;
    size_t end;
} passed_texts;

/* The file is walked twice: first to prove it, with keys and tensors NULL, then to fill them. */
typedef struct walker {
    smg_cursor cursor;
    smg_gguf *gguf;
    smidge_error *error;
    bool filling;
    passed_texts passed[PASSED_MAX]; /* proven by the first walk */
    int passed_count;
} walker;

/* ---- Failures --------------------------------------------------------------------------------------- */

static smidge_status truncated(walker *walk, const char *what, uint64_t number)
{
    return smg_error_set(walk->error, SMIDGE_E_FORMAT, walk->gguf->path,
                         "ends inside %s %" PRIu64 " at byte %zu of %zu: the file is cut short or damaged "
                         "(download or copy it again)",
                         what, number, walk->cursor.position, walk->cursor.size);
}

#define DAMAGED(walk, format_, ...)                                                                          \
    smg_error_set((walk)->error, SMIDGE_E_FORMAT, (walk)->gguf->path,                                        \
                  format_ " at byte %zu: the file is damaged (download or copy it again)", __VA_ARGS__,      \
                  (walk)->cursor.position)

/* ---- Strings and values ------------------------------------------------------------------------------ */

static smidge_status read_text(walker *walk, uint64_t limit, const char *what, uint64_t number, smg_text *ret)
{
    uint64_t size = smg_cursor_u64(&walk->cursor);
    if (walk->cursor.failed)
        return truncated(walk, what, number);
    if (size > limit)
        return DAMAGED(walk, "%s %" PRIu64 " has a text of %" PRIu64 " bytes, more than %" PRIu64, what,
                       number, size, limit);
    const uint8_t *data = smg_cursor_bytes(&walk->cursor, size);
    if (data == NULL)
        return truncated(walk, what, number);
    *ret = (smg_text){.data = (const char *)data, .size = (size_t)size};
    return SMIDGE_OK;
}

static smidge_status read_texts(walker *walk, uint64_t number, uint64_t count)
{
    size_t start = walk->cursor.position;
    for (int i = 0; i < walk->passed_count && walk->filling; i++) {
        if (walk->passed[i].start == start) {
            walk->cursor.position = walk->passed[i].end;
            return SMIDGE_OK;
        }
    }
    for (uint64_t i = smg_cursor_pass_texts(&walk->cursor, count, SMG_GGUF_MAX_STRING); i < count; i++) {
        smg_text text; /* is wrong, and read_text says how */
        SMG_TRY(read_text(walk, SMG_GGUF_MAX_STRING, "key", number, &text));
    }
    if (count >= PASSED_LEAST && walk->passed_count < PASSED_MAX && !walk->filling)
        walk->passed[walk->passed_count++] = (passed_texts){.start = start, .end = walk->cursor.position};
    return SMIDGE_OK;
}

static smidge_status read_array(walker *walk, uint64_t number, smg_gguf_key *key)
{
    uint32_t element_type = smg_cursor_u32(&walk->cursor);
    uint64_t count = smg_cursor_u64(&walk->cursor);
    if (walk->cursor.failed)
        return truncated(walk, "key", number);
    if (element_type >= SMG_GGUF_TYPE_COUNT || element_type == SMG_GGUF_ARRAY)
        return DAMAGED(walk, "key %" PRIu64 " is an array of unknown type %" PRIu32, number, element_type);
    if (count > SMG_GGUF_MAX_ARRAY)
        return DAMAGED(walk, "key %" PRIu64 " is an array of %" PRIu64 " elements, more than %u", number,
                       count, SMG_GGUF_MAX_ARRAY);
    key->element_type = (smg_gguf_type)element_type;
    key->count = count;
    key->value = walk->cursor.data + walk->cursor.position;
    if (element_type == SMG_GGUF_STRING)
        return read_texts(walk, number, count);
    if (smg_cursor_bytes(&walk->cursor, count * scalar_bytes[element_type]) == NULL)
        return truncated(walk, "key", number);
    return SMIDGE_OK;
}

static smidge_status read_value(walker *walk, uint64_t number, smg_gguf_key *key)
{
    key->value = walk->cursor.data + walk->cursor.position;
    key->count = 1;
    key->element_type = key->type;
    smg_text text;
    if (key->type == SMG_GGUF_ARRAY)
        SMG_TRY(read_array(walk, number, key));
    else if (key->type == SMG_GGUF_STRING)
        SMG_TRY(read_text(walk, SMG_GGUF_MAX_STRING, "key", number, &text));
    else if (smg_cursor_bytes(&walk->cursor, scalar_bytes[key->type]) == NULL)
        return truncated(walk, "key", number);
    key->value_bytes = (uint64_t)(walk->cursor.data + walk->cursor.position - key->value);
    return SMIDGE_OK;
}

static bool text_is(smg_text text, const char *name)
{
    return text.size == strlen(name) && memcmp(text.data, name, text.size) == 0;
}

static uint64_t load_integer(const uint8_t *bytes, int width)
{
    uint64_t value = 0;
    for (int i = width - 1; i >= 0; i--)
        value = value << 8 | bytes[i];
    return value;
}

static smidge_status read_alignment(walker *walk, const smg_gguf_key *key)
{
    if (key->type != SMG_GGUF_U32)
        return DAMAGED(walk, "general.alignment has type %d instead of a 32-bit number", (int)key->type);
    uint64_t alignment = load_integer(key->value, 4);
    if (alignment < MIN_ALIGNMENT || alignment > MAX_ALIGNMENT || (alignment & (alignment - 1)) != 0)
        return DAMAGED(walk, "general.alignment is %" PRIu64 ", not a power of two from %d to %d", alignment,
                       MIN_ALIGNMENT, MAX_ALIGNMENT);
    walk->gguf->alignment = (uint32_t)alignment;
    return SMIDGE_OK;
}

static smidge_status read_keys(walker *walk)
{
    for (uint64_t i = 0; i < walk->gguf->key_count; i++) {
        smg_gguf_key key = {0};
        SMG_TRY(read_text(walk, MAX_NAME, "key", i + 1, &key.name));
        uint32_t type = smg_cursor_u32(&walk->cursor);
        if (walk->cursor.failed)
            return truncated(walk, "key", i + 1);
        if (type >= SMG_GGUF_TYPE_COUNT)
            return DAMAGED(walk, "key %" PRIu64 " has unknown type %" PRIu32, i + 1, type);
        key.type = (smg_gguf_type)type;
        SMG_TRY(read_value(walk, i + 1, &key));
        if (text_is(key.name, "general.alignment"))
            SMG_TRY(read_alignment(walk, &key));
        if (walk->filling)
            walk->gguf->keys[i] = key;
    }
    return SMIDGE_OK;
}

/* ---- Tensors ----------------------------------------------------------------------------------------- */

static smidge_status read_shape(walker *walk, uint64_t number, smg_gguf_tensor *tensor)
{
    tensor->dims = smg_cursor_u32(&walk->cursor);
    if (walk->cursor.failed)
        return truncated(walk, "tensor", number);
    if (tensor->dims < 1 || tensor->dims > SMG_GGUF_MAX_DIMS)
        return DAMAGED(walk, "tensor %" PRIu64 " has %" PRIu32 " dimensions, not 1 to %d", number,
                       tensor->dims, SMG_GGUF_MAX_DIMS);
    for (uint32_t i = 0; i < SMG_GGUF_MAX_DIMS; i++)
        tensor->shape[i] = i < tensor->dims ? smg_cursor_u64(&walk->cursor) : 1;
    if (walk->cursor.failed)
        return truncated(walk, "tensor", number);
    return SMIDGE_OK;
}

static smidge_status read_tensor(walker *walk, uint64_t number, uint64_t *end, smg_gguf_tensor *tensor)
{
    SMG_TRY(read_text(walk, MAX_NAME, "tensor", number, &tensor->name));
    SMG_TRY(read_shape(walk, number, tensor));
    uint32_t type_number = smg_cursor_u32(&walk->cursor);
    tensor->offset = smg_cursor_u64(&walk->cursor);
    if (walk->cursor.failed)
        return truncated(walk, "tensor", number);
    uint32_t type = smg_type_of_number(type_number);
    const smg_type_info *info = smg_type_describe(type);
    if (info == NULL || !info->weights)
        return smg_error_set(walk->error, SMIDGE_E_UNSUPPORTED, walk->gguf->path,
                             "tensor %.*s has type number %" PRIu32
                             ", which this version does not read (take the "
                             "model in q4_k_m, q8_0 or another of the usual types)",
                             (int)(tensor->name.size < 128 ? tensor->name.size : 128), tensor->name.data,
                             type_number);
    tensor->type = (smg_type)type;
    uint64_t rows = 0;
    uint64_t bytes = smg_type_row_bytes(type, tensor->shape[0]);
    if (bytes == 0 || !smg_checked_mul(tensor->shape[1], tensor->shape[2], &rows) ||
        !smg_checked_mul(rows, tensor->shape[3], &rows) || rows == 0 ||
        !smg_checked_mul(bytes, rows, &tensor->bytes))
        return DAMAGED(walk, "tensor %" PRIu64 " has a shape that %s rows cannot have", number, info->name);
    if (smg_type_is_interleaved(type) && rows % SMG_GROUP_ROWS != 0)
        return DAMAGED(walk, "tensor %" PRIu64 " has %" PRIu64 " rows, which %s does not divide into groups",
                       number, rows, info->name);
    if (tensor->offset % walk->gguf->alignment != 0)
        return DAMAGED(walk, "tensor %" PRIu64 " starts at %" PRIu64 ", not a multiple of the alignment",
                       number, tensor->offset);
    if (tensor->offset < *end)
        return DAMAGED(walk, "tensor %" PRIu64 " overlaps the one before it", number);
    if (tensor->offset != *end)
        return DAMAGED(walk, "tensor %" PRIu64 " leaves a hole before it", number);
    if (!smg_checked_add(tensor->offset, tensor->bytes, end) ||
        !smg_checked_align(*end, walk->gguf->alignment, end))
        return DAMAGED(walk, "tensor %" PRIu64 " is larger than any file", number);
    return SMIDGE_OK;
}

static smidge_status read_tensors(walker *walk)
{
    smg_gguf *gguf = walk->gguf;
    uint64_t end = 0;        /* where the next tensor starts, from data_offset */
    uint64_t last_bytes = 0; /* the last one's padding may be missing */
    for (uint64_t i = 0; i < gguf->tensor_count; i++) {
        smg_gguf_tensor tensor = {0};
        SMG_TRY(read_tensor(walk, i + 1, &end, &tensor));
        last_bytes = tensor.offset + tensor.bytes;
        if (walk->filling) {
            tensor.offset += gguf->data_offset;
            tensor.data = walk->cursor.data + tensor.offset;
            gguf->tensors[i] = tensor;
        }
    }
    if (walk->filling || gguf->tensor_count == 0)
        return SMIDGE_OK;
    uint64_t needed;
    if (!smg_checked_align(walk->cursor.position, gguf->alignment, &gguf->data_offset) ||
        !smg_checked_add(gguf->data_offset, last_bytes, &needed))
        return DAMAGED(walk, "%" PRIu64 " tensors are larger than any file", gguf->tensor_count);
    if (needed > walk->cursor.size)
        return smg_error_set(walk->error, SMIDGE_E_FORMAT, gguf->path,
                             "has %zu bytes but its tensors end at byte %" PRIu64 ": the file is cut short "
                             "(download or copy it again)",
                             walk->cursor.size, needed);
    return SMIDGE_OK;
}

/* ---- The whole file ---------------------------------------------------------------------------------- */

static smidge_status read_version(walker *walk)
{
    smg_gguf *gguf = walk->gguf;
    const uint8_t *magic = smg_cursor_bytes(&walk->cursor, 4);
    if (magic == NULL || memcmp(magic, "GGUF", 4) != 0)
        return smg_error_set(walk->error, SMIDGE_E_FORMAT, gguf->path,
                             "is not a GGUF file: it does not start with \"GGUF\" (give a .gguf model file)");
    gguf->version = smg_cursor_u32(&walk->cursor);
    if (walk->cursor.failed)
        return truncated(walk, "header of version", 0);
    if (gguf->version != 0 && (gguf->version & 0xffff) == 0)
        return smg_error_set(walk->error, SMIDGE_E_UNSUPPORTED, gguf->path,
                             "is a big-endian GGUF file (take the usual little-endian one)");
    if (gguf->version != 2 && gguf->version != 3)
        return smg_error_set(walk->error, SMIDGE_E_UNSUPPORTED, gguf->path,
                             "is GGUF version %" PRIu32
                             "; versions 2 and 3 are read (convert the model again)",
                             gguf->version);
    return SMIDGE_OK;
}

static smidge_status read_header(walker *walk)
{
    smg_gguf *gguf = walk->gguf;
    SMG_TRY(read_version(walk));
    uint64_t tensor_count = smg_cursor_u64(&walk->cursor);
    uint64_t key_count = smg_cursor_u64(&walk->cursor);
    if (walk->cursor.failed)
        return truncated(walk, "header of version", gguf->version);
    /* The arrays were made for what the first walk counted. */
    if (walk->filling && (tensor_count != gguf->tensor_count || key_count != gguf->key_count))
        return DAMAGED(walk, "%s", "the number of keys or tensors changed while they were read");
    gguf->tensor_count = tensor_count;
    gguf->key_count = key_count;
    if (gguf->tensor_count > SMG_GGUF_MAX_TENSORS)
        return DAMAGED(walk, "%" PRIu64 " tensors are more than %d", gguf->tensor_count,
                       SMG_GGUF_MAX_TENSORS);
    if (gguf->key_count > SMG_GGUF_MAX_KEYS)
        return DAMAGED(walk, "%" PRIu64 " keys are more than %d", gguf->key_count, SMG_GGUF_MAX_KEYS);
    return SMIDGE_OK;
}

static smidge_status walk_file(walker *walk)
{
    smg_cursor_init(&walk->cursor, walk->gguf->file.data, walk->gguf->file.size);
    walk->gguf->alignment = DEFAULT_ALIGNMENT;
    SMG_TRY(read_header(walk));
    SMG_TRY(read_keys(walk));
    return read_tensors(walk);
}

/* ---- The second walk --------------------------------------------------------------------------------- */

static smidge_status build_index(walker *walk, const char *what, const void *items, size_t stride,
                                 uint64_t count, uint32_t **ret_index)
{
    smg_text twice = {0};
    if (!smg_gguf_index_new(items, stride, count, ret_index, &twice))
        return smg_error_no_memory(walk->error, walk->gguf->path, count * sizeof **ret_index);
    if (twice.data == NULL)
        return SMIDGE_OK;
    return smg_error_set(walk->error, SMIDGE_E_FORMAT, walk->gguf->path,
                         "has the %s %.*s twice: the file is damaged (download or convert it again)", what,
                         (int)(twice.size < 128 ? twice.size : 128), twice.data);
}

static smidge_status fill(walker *walk)
{
    smg_gguf *gguf = walk->gguf;
    gguf->keys = smg_alloc_array(gguf->key_count, sizeof *gguf->keys);
    gguf->tensors = smg_alloc_array(gguf->tensor_count, sizeof *gguf->tensors);
    if (gguf->keys == NULL || gguf->tensors == NULL)
        return smg_error_no_memory(walk->error, gguf->path, gguf->key_count * sizeof *gguf->keys);
    walk->filling = true;
    SMG_TRY(walk_file(walk));
    SMG_TRY(build_index(walk, "key", gguf->keys, sizeof *gguf->keys, gguf->key_count, &gguf->key_index));
    return build_index(walk, "tensor", gguf->tensors, sizeof *gguf->tensors, gguf->tensor_count,
                       &gguf->tensor_index);
}

static void set_path(smg_gguf *gguf, const char *path)
{
    size_t length = strlen(path);
    size_t room = sizeof gguf->path;
    snprintf(gguf->path, room, "%s", length < room ? path : path + length - (room - 1));
}

/* Proves and indexes gguf->file. */
static smidge_status index_file(smg_gguf *gguf, smidge_error *error)
{
    walker walk = {.gguf = gguf, .error = error};
    SMG_TRY(walk_file(&walk));
    return fill(&walk);
}

smidge_status smg_gguf_parse(const void *data, size_t size, const char *name, smg_gguf *ret_gguf,
                             smidge_error *error)
{
    SMG_CLEANUP(smg_gguf_close) smg_gguf gguf = {.borrowed = true, .file = {.data = data, .size = size}};
    set_path(&gguf, name);
    SMG_TRY(index_file(&gguf, error));
    *ret_gguf = gguf;
    gguf = (smg_gguf){0};
    return SMIDGE_OK;
}

/* Which part of a split model is not there: "model-00002-of-00003.gguf". */
static smidge_status refuse_split(const smg_gguf *gguf, const char *path, uint32_t number, uint32_t count,
                                  smidge_error *error)
{
    size_t length = strlen(path);
    const size_t tail = sizeof "-00001-of-00003.gguf" - 1;
    char part[4096];
    char ending[64];
    snprintf(ending, sizeof ending, "-%05" PRIu32 "-of-%05" PRIu32 ".gguf", number, count);
    if (length <= tail || length >= sizeof part || count > 99999 || strcmp(path + length - tail, ending) != 0)
        return smg_error_set(error, SMIDGE_E_UNSUPPORTED, gguf->path,
                             "is part %" PRIu32 " of %" PRIu32
                             " of a split model (join the parts into one file)",
                             number, count);
    const char *missing = NULL;
    for (uint32_t i = 1; i <= count && missing == NULL; i++) {
        snprintf(part, sizeof part, "%.*s-%05" PRIu32 "-of-%05" PRIu32 ".gguf", (int)(length - tail), path, i,
                 count);
        if (access(part, R_OK) != 0)
            missing = part;
    }
    if (missing == NULL)
        return smg_error_set(error, SMIDGE_E_UNSUPPORTED, gguf->path,
                             "is part %" PRIu32 " of %" PRIu32
                             " of a split model; all parts are here (join them "
                             "into one file, with llama-gguf-split --merge)",
                             number, count);
    const char *name = strrchr(missing, '/');
    return smg_error_set(error, SMIDGE_E_UNSUPPORTED, gguf->path,
                         "is part %" PRIu32 " of %" PRIu32
                         " of a split model, and %.200s is missing (fetch every "
                         "part, then join them into one file)",
                         number, count, name != NULL ? name + 1 : missing);
}

smidge_status smg_gguf_open(const char *path, smg_gguf *ret_gguf, smidge_error *error)
{
    SMG_CLEANUP(smg_gguf_close) smg_gguf gguf = {0};
    set_path(&gguf, path);
    SMG_TRY(smg_file_open(path, &gguf.file, error));
    SMG_TRY(index_file(&gguf, error));
    uint32_t parts = 1;
    uint32_t part = 0;
    SMG_TRY(smg_gguf_get_u32(&gguf, "split.count", &parts, NULL, error));
    SMG_TRY(smg_gguf_get_u32(&gguf, "split.no", &part, NULL, error));
    if (parts > 1)
        return refuse_split(&gguf, path, part + 1, parts, error);
    *ret_gguf = gguf;
    gguf = (smg_gguf){0};
    return SMIDGE_OK;
}

void smg_gguf_close(smg_gguf *gguf)
{
    if (gguf == NULL)
        return;
    smg_free(gguf->keys);
    smg_free(gguf->tensors);
    smg_free(gguf->key_index);
    smg_free(gguf->tensor_index);
    if (!gguf->borrowed)
        smg_file_close(&gguf->file);
    *gguf = (smg_gguf){0};
}

void smg_gguf_forget(const smg_gguf *gguf, const void *data, size_t size)
{
    if (!gguf->borrowed)
        smg_file_forget(data, size);
}
