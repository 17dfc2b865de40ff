#include "format/gguf_write.h"

#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"

#define VERSION 3
#define USUAL_ALIGNMENT 32
#define MAX_ALIGNMENT 4096
#define MAX_NAME 1023
#define BUFFER_BYTES (1u << 16)
#define COUNTS_OFFSET 8 /* after magic and version: tensors, then keys */

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "values are written as they lie in memory");

typedef enum phase { KEYS, TENSORS, DATA, FINISHED } phase;

struct smg_gguf_writer {
    smg_file_writer file;
    phase phase;
    uint64_t position;  /* in the file, buffered bytes included */
    uint32_t alignment; /* of tensors */
    uint64_t key_count;
    uint64_t texts_left; /* of the string array begun last */
    uint64_t tensor_count;
    uint64_t data_bytes;  /* of the tensors so far, with padding: where the next one starts */
    uint64_t next_tensor; /* whose data is awaited … */
    uint64_t bytes_left;  /* … and how much of it */
    uint64_t tensor_bytes[SMG_GGUF_MAX_TENSORS];
    size_t buffered;
    uint8_t buffer[BUFFER_BYTES];
};

/* ---- Bytes ---------------------------------------------------------------------------------------------- */

static smidge_status flush(smg_gguf_writer *writer, smidge_error *error)
{
    SMG_TRY(smg_file_append(&writer->file, writer->buffer, writer->buffered, error));
    writer->buffered = 0;
    return SMIDGE_OK;
}

static smidge_status put(smg_gguf_writer *writer, const void *data, size_t size, smidge_error *error)
{
    if (!smg_checked_add(writer->position, size, &writer->position))
        return smg_error_set(error, SMIDGE_E_INVALID, writer->file.path, "would be larger than any file");
    if (size >= BUFFER_BYTES / 2) { /* as it is, rather than copied */
        SMG_TRY(flush(writer, error));
        return smg_file_append(&writer->file, data, size, error);
    }
    if (writer->buffered + size > BUFFER_BYTES)
        SMG_TRY(flush(writer, error));
    if (size > 0)
        memcpy(writer->buffer + writer->buffered, data, size);
    writer->buffered += size;
    return SMIDGE_OK;
}

static smidge_status put_u32(smg_gguf_writer *writer, uint32_t value, smidge_error *error)
{
    return put(writer, &value, sizeof value, error);
}

static smidge_status put_u64(smg_gguf_writer *writer, uint64_t value, smidge_error *error)
{
    return put(writer, &value, sizeof value, error);
}

static smidge_status put_text(smg_gguf_writer *writer, smg_text text, smidge_error *error)
{
    SMG_TRY(put_u64(writer, text.size, error));
    return put(writer, text.data, text.size, error);
}

static smidge_status pad(smg_gguf_writer *writer, smidge_error *error)
{
    static const uint8_t zeros[MAX_ALIGNMENT];
    return put(writer, zeros, (size_t)(-writer->position & (writer->alignment - 1)), error);
}

/* ---- Failures ------------------------------------------------------------------------------------------- */

static smidge_status refuse(const smg_gguf_writer *writer, const char *name, const char *why,
                            smidge_error *error)
{
    return smg_error_set(error, SMIDGE_E_INVALID, writer->file.path, "cannot hold %.128s: %s", name, why);
}

static smidge_status check_name(const smg_gguf_writer *writer, const char *name, smidge_error *error)
{
    size_t size = strlen(name);
    if (size == 0 || size > MAX_NAME)
        return refuse(writer, name, "a name has 1 to 1023 bytes (shorten it)", error);
    return writer->texts_left == 0 ? SMIDGE_OK
                                   : refuse(writer, name, "an array before it wants more texts", error);
}

static smidge_status check_text(const smg_gguf_writer *writer, const char *name, smg_text text,
                                smidge_error *error)
{
    if (text.size <= SMG_GGUF_MAX_STRING)
        return SMIDGE_OK;
    return refuse(writer, name, "a text has at most 1 MiB (shorten it)", error);
}

/* ---- Keys ----------------------------------------------------------------------------------------------- */

static smidge_status begin_key(smg_gguf_writer *writer, const char *name, smg_gguf_type type,
                               smidge_error *error)
{
    SMG_TRY(check_name(writer, name, error));
    if (writer->phase != KEYS)
        return refuse(writer, name, "keys come before tensors", error);
    if (writer->key_count == SMG_GGUF_MAX_KEYS)
        return refuse(writer, name, "there are too many keys", error);
    writer->key_count++;
    SMG_TRY(put_text(writer, (smg_text){.data = name, .size = strlen(name)}, error));
    return put_u32(writer, type, error);
}

static smidge_status begin_array(smg_gguf_writer *writer, const char *name, smg_gguf_type element_type,
                                 uint64_t count, smidge_error *error)
{
    if (count > SMG_GGUF_MAX_ARRAY)
        return refuse(writer, name, "an array has at most 1048576 elements", error);
    SMG_TRY(begin_key(writer, name, SMG_GGUF_ARRAY, error));
    SMG_TRY(put_u32(writer, element_type, error));
    return put_u64(writer, count, error);
}

smidge_status smg_gguf_write_scalar(smg_gguf_writer *writer, const char *name, smg_gguf_type type,
                                    const void *value, smidge_error *error)
{
    size_t bytes = smg_gguf_scalar_bytes(type);
    if (bytes == 0)
        return refuse(writer, name, "its type is not that of a scalar", error);
    SMG_TRY(begin_key(writer, name, type, error));
    return put(writer, value, bytes, error);
}

smidge_status smg_gguf_write_u32(smg_gguf_writer *writer, const char *name, uint32_t value,
                                 smidge_error *error)
{
    return smg_gguf_write_scalar(writer, name, SMG_GGUF_U32, &value, error);
}

smidge_status smg_gguf_write_f32(smg_gguf_writer *writer, const char *name, float value, smidge_error *error)
{
    return smg_gguf_write_scalar(writer, name, SMG_GGUF_F32, &value, error);
}

smidge_status smg_gguf_write_bool(smg_gguf_writer *writer, const char *name, bool value, smidge_error *error)
{
    uint8_t byte = value;
    return smg_gguf_write_scalar(writer, name, SMG_GGUF_BOOL, &byte, error);
}

smidge_status smg_gguf_write_text(smg_gguf_writer *writer, const char *name, smg_text text,
                                  smidge_error *error)
{
    SMG_TRY(check_text(writer, name, text, error));
    SMG_TRY(begin_key(writer, name, SMG_GGUF_STRING, error));
    return put_text(writer, text, error);
}

smidge_status smg_gguf_write_array(smg_gguf_writer *writer, const char *name, smg_gguf_type element_type,
                                   const void *elements, uint64_t count, smidge_error *error)
{
    size_t bytes = smg_gguf_scalar_bytes(element_type);
    if (bytes == 0)
        return refuse(writer, name, "its elements are not scalars", error);
    SMG_TRY(begin_array(writer, name, element_type, count, error));
    return put(writer, elements, (size_t)count * bytes, error);
}

smidge_status smg_gguf_write_texts(smg_gguf_writer *writer, const char *name, uint64_t count,
                                   smidge_error *error)
{
    SMG_TRY(begin_array(writer, name, SMG_GGUF_STRING, count, error));
    writer->texts_left = count;
    return SMIDGE_OK;
}

smidge_status smg_gguf_write_next_text(smg_gguf_writer *writer, smg_text text, smidge_error *error)
{
    if (writer->texts_left == 0)
        return refuse(writer, "another text", "no array awaits one", error);
    SMG_TRY(check_text(writer, "a text of an array", text, error));
    writer->texts_left--;
    return put_text(writer, text, error);
}

smidge_status smg_gguf_write_alignment(smg_gguf_writer *writer, uint32_t alignment, smidge_error *error)
{
    if (alignment < USUAL_ALIGNMENT || alignment > MAX_ALIGNMENT || (alignment & (alignment - 1)) != 0)
        return refuse(writer, "its tensors", "their alignment is a power of two from 32 to 4096", error);
    SMG_TRY(smg_gguf_write_u32(writer, "general.alignment", alignment, error));
    writer->alignment = alignment;
    return SMIDGE_OK;
}

smidge_status smg_gguf_write_key(smg_gguf_writer *writer, const smg_gguf_key *key, smidge_error *error)
{
    static const char alignment[] = "general.alignment";
    char name[MAX_NAME + 2];
    size_t size = key->name.size < sizeof name - 1 ? key->name.size : sizeof name - 1;
    memcpy(name, key->name.data, size);
    name[size] = '\0';
    if (key->name.size == sizeof alignment - 1 && memcmp(name, alignment, size) == 0)
        return SMIDGE_OK;
    if (memchr(name, '\0', size) != NULL)
        return refuse(writer, name, "its name has a zero byte (convert the model again)", error);
    if (key->type == SMG_GGUF_ARRAY)
        SMG_TRY(begin_array(writer, name, key->element_type, key->count, error));
    else
        SMG_TRY(begin_key(writer, name, key->type, error));
    return put(writer, key->value, key->value_bytes, error);
}

/* ---- Tensors -------------------------------------------------------------------------------------------- */

static smidge_status count_bytes(const smg_gguf_writer *writer, const char *name, smg_type type,
                                 uint32_t dims, const uint64_t *shape, uint64_t *ret_bytes,
                                 smidge_error *error)
{
    const smg_type_info *info = smg_type_describe(type);
    if (info == NULL || !info->weights)
        return refuse(writer, name, "its type is not one of tensors in files", error);
    if (dims < 1 || dims > SMG_GGUF_MAX_DIMS)
        return refuse(writer, name, "a tensor has 1 to 4 dimensions", error);
    uint64_t bytes = smg_type_row_bytes(type, shape[0]);
    if (bytes == 0)
        return refuse(writer, name, "its rows are not whole blocks of its type (take another type)", error);
    for (uint32_t i = 1; i < dims; i++) {
        if (shape[i] == 0 || !smg_checked_mul(bytes, shape[i], &bytes))
            return refuse(writer, name, "its shape is empty, or larger than any file", error);
    }
    if (smg_type_is_interleaved(type) && (dims != 2 || shape[1] % SMG_GROUP_ROWS != 0))
        return refuse(writer, name, "interleaved tensors are matrices with rows in whole groups", error);
    *ret_bytes = bytes;
    return SMIDGE_OK;
}

smidge_status smg_gguf_write_tensor(smg_gguf_writer *writer, const char *name, smg_type type, uint32_t dims,
                                    const uint64_t *shape, smidge_error *error)
{
    uint64_t bytes = 0;
    uint64_t end;
    SMG_TRY(check_name(writer, name, error));
    SMG_TRY(count_bytes(writer, name, type, dims, shape, &bytes, error));
    if (writer->phase > TENSORS)
        return refuse(writer, name, "the list of tensors comes before their data", error);
    if (writer->tensor_count == SMG_GGUF_MAX_TENSORS)
        return refuse(writer, name, "there are too many tensors", error);
    if (!smg_checked_add(writer->data_bytes, bytes, &end) || !smg_checked_align(end, writer->alignment, &end))
        return refuse(writer, name, "all tensors together are larger than any file", error);
    writer->phase = TENSORS;
    SMG_TRY(put_text(writer, (smg_text){.data = name, .size = strlen(name)}, error));
    SMG_TRY(put_u32(writer, dims, error));
    for (uint32_t i = 0; i < dims; i++)
        SMG_TRY(put_u64(writer, shape[i], error));
    SMG_TRY(put_u32(writer, smg_type_number(type), error));
    SMG_TRY(put_u64(writer, writer->data_bytes, error));
    writer->data_bytes = end;
    writer->tensor_bytes[writer->tensor_count++] = bytes;
    return SMIDGE_OK;
}

/* From the lists to the data, once. */
static smidge_status begin_data(smg_gguf_writer *writer, smidge_error *error)
{
    if (writer->texts_left != 0)
        return refuse(writer, "data", "an array before it wants more texts", error);
    if (writer->phase >= DATA)
        return SMIDGE_OK;
    writer->phase = DATA;
    writer->bytes_left = writer->tensor_bytes[0];
    /* A file of keys alone ends with the last of them. */
    return writer->tensor_count == 0 ? SMIDGE_OK : pad(writer, error);
}

smidge_status smg_gguf_write_data(smg_gguf_writer *writer, const void *data, size_t size, smidge_error *error)
{
    const uint8_t *at = data;
    SMG_TRY(begin_data(writer, error));
    while (size > 0) {
        if (writer->phase == FINISHED || writer->next_tensor == writer->tensor_count)
            return refuse(writer, "more data", "its tensors have all of theirs", error);
        size_t part = size < writer->bytes_left ? size : (size_t)writer->bytes_left;
        SMG_TRY(put(writer, at, part, error));
        at += part;
        size -= part;
        writer->bytes_left -= part;
        if (writer->bytes_left > 0)
            continue;
        SMG_TRY(pad(writer, error));
        if (++writer->next_tensor < writer->tensor_count)
            writer->bytes_left = writer->tensor_bytes[writer->next_tensor];
    }
    return SMIDGE_OK;
}

/* ---- The whole file ------------------------------------------------------------------------------------- */

smidge_status smg_gguf_write_open(const char *path, smg_gguf_writer **ret_writer, smidge_error *error)
{
    static const char magic[4] = {'G', 'G', 'U', 'F'};
    smg_gguf_writer *writer = smg_alloc(sizeof *writer);
    if (writer == NULL)
        return smg_error_no_memory(error, path, sizeof *writer);
    smidge_status status = smg_file_create(path, &writer->file, error);
    if (status != SMIDGE_OK) {
        smg_gguf_write_close(writer);
        return status;
    }
    /* All of this stays in the buffer; the counts are filled in at the end. */
    writer->alignment = USUAL_ALIGNMENT;
    memcpy(writer->buffer, magic, sizeof magic);
    writer->buffer[sizeof magic] = VERSION;
    writer->buffered = COUNTS_OFFSET + 2 * sizeof(uint64_t);
    writer->position = writer->buffered;
    *ret_writer = writer;
    return SMIDGE_OK;
}

void smg_gguf_write_close(smg_gguf_writer *writer)
{
    if (writer == NULL)
        return;
    smg_file_discard(&writer->file);
    smg_free(writer);
}

/* What nobody could read shall not take the place of what somebody could. */
static smidge_status prove(const smg_gguf_writer *writer, smidge_error *error)
{
    SMG_CLEANUP(smg_gguf_close) smg_gguf gguf = {0};
    return smg_gguf_open(writer->file.fresh, &gguf, error);
}

smidge_status smg_gguf_write_finish(smg_gguf_writer *writer, smidge_error *error)
{
    SMG_TRY(begin_data(writer, error));
    if (writer->phase == FINISHED)
        return refuse(writer, "an end", "it has one already", error);
    if (writer->next_tensor < writer->tensor_count)
        return smg_error_set(error, SMIDGE_E_INVALID, writer->file.path,
                             "cannot be finished: of tensor %" PRIu64 " of %" PRIu64 ", %" PRIu64
                             " bytes are missing",
                             writer->next_tensor + 1, writer->tensor_count, writer->bytes_left);
    writer->phase = FINISHED;
    const uint64_t counts[2] = {writer->tensor_count, writer->key_count};
    SMG_TRY(flush(writer, error));
    SMG_TRY(smg_file_patch(&writer->file, COUNTS_OFFSET, counts, sizeof counts, error));
    SMG_TRY(prove(writer, error));
    return smg_file_commit(&writer->file, error);
}
