#include "format/safetensors.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "base/cursor.h"

typedef struct dtype_row {
    const char *name;
    uint8_t bytes;
    smg_type type;
} dtype_row;

static const dtype_row dtypes[] = {
    {"F32", 4, SMG_TYPE_F32},    {"F16", 2, SMG_TYPE_F16},       {"BF16", 2, SMG_TYPE_BF16},
    {"F64", 8, SMG_TYPE_COUNT},  {"I64", 8, SMG_TYPE_COUNT},     {"U64", 8, SMG_TYPE_COUNT},
    {"I32", 4, SMG_TYPE_COUNT},  {"U32", 4, SMG_TYPE_COUNT},     {"I16", 2, SMG_TYPE_COUNT},
    {"U16", 2, SMG_TYPE_COUNT},  {"I8", 1, SMG_TYPE_COUNT},      {"U8", 1, SMG_TYPE_COUNT},
    {"BOOL", 1, SMG_TYPE_COUNT}, {"F8_E4M3", 1, SMG_TYPE_COUNT}, {"F8_E5M2", 1, SMG_TYPE_COUNT},
};

typedef struct reader {
    const char *path;
    smg_safetensors *file;
    const uint8_t *data; /* behind the header */
    uint64_t data_bytes;
    smidge_error *error;
} reader;

static smidge_status damaged(const reader *read, const char *name, const char *why)
{
    return smg_error_set(read->error, SMIDGE_E_FORMAT, read->path,
                         "tensor %.128s %s: the file is damaged (download it again)", name, why);
}

static smidge_status read_shape(const reader *read, const json_t *entry, smg_safetensor *tensor,
                                uint64_t *ret_elements)
{
    const json_t *shape = json_object_get(entry, "shape");
    const size_t dims = json_array_size(shape);
    if (!json_is_array(shape) || dims > SMG_SAFETENSORS_MAX_DIMS)
        return damaged(read, tensor->name, "has no shape of at most 8 numbers");
    for (size_t i = 0; i < SMG_SAFETENSORS_MAX_DIMS; i++)
        tensor->shape[i] = 1;
    tensor->dims = (uint32_t)dims;
    *ret_elements = 1;
    for (size_t i = 0; i < dims; i++) {
        const json_t *number = json_array_get(shape, i);
        if (!json_is_integer(number) || json_integer_value(number) < 0)
            return damaged(read, tensor->name, "has a shape that is not of whole numbers");
        tensor->shape[i] = (uint64_t)json_integer_value(number);
        if (!smg_checked_mul(*ret_elements, tensor->shape[i], ret_elements))
            return damaged(read, tensor->name, "is larger than any file");
    }
    return SMIDGE_OK;
}

static smidge_status read_tensor(const reader *read, const char *name, const json_t *entry,
                                 smg_safetensor *tensor)
{
    *tensor = (smg_safetensor){.name = name};
    const smg_text dtype = smg_json_text(json_object_get(entry, "dtype"));
    const dtype_row *row = NULL;
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
        if (smg_text_is(dtype, dtypes[i].name))
            row = &dtypes[i];
    }
    if (row == NULL)
        return damaged(read, name, "has an unknown dtype");
    tensor->dtype = row->name;
    tensor->type = row->type;
    uint64_t elements = 0, bytes = 0;
    SMG_TRY(read_shape(read, entry, tensor, &elements));
    const json_t *offsets = json_object_get(entry, "data_offsets");
    const json_t *first = json_array_get(offsets, 0), *last = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(first) || !json_is_integer(last))
        return damaged(read, name, "has no two data_offsets");
    const int64_t begin = json_integer_value(first), end = json_integer_value(last);
    if (begin < 0 || end < begin || (uint64_t)end > read->data_bytes)
        return damaged(read, name, "lies outside the file");
    if (!smg_checked_mul(elements, row->bytes, &bytes) || bytes != (uint64_t)(end - begin))
        return damaged(read, name, "has another size than its shape and dtype say");
    tensor->data = read->data + begin;
    tensor->bytes = bytes;
    return SMIDGE_OK;
}

static int by_place(const void *a, const void *b)
{
    const smg_safetensor *left = a, *right = b;
    if (left->data != right->data)
        return left->data < right->data ? -1 : 1;
    if (left->bytes != right->bytes)
        return left->bytes < right->bytes ? -1 : 1;
    return strcmp(left->name, right->name);
}

static smidge_status check_layout(const reader *read)
{
    const uint8_t *next = read->data;
    for (size_t i = 0; i < read->file->count; i++) {
        const smg_safetensor *tensor = &read->file->tensors[i];
        if (tensor->data != next)
            return damaged(read, tensor->name, tensor->data < next ? "overlaps another" : "follows a hole");
        next += tensor->bytes;
    }
    if ((uint64_t)(next - read->data) != read->data_bytes)
        return smg_error_set(read->error, SMIDGE_E_FORMAT, read->path,
                             "has bytes that belong to no tensor: the file is damaged (download it again)");
    return SMIDGE_OK;
}

static smidge_status read_tensors(reader *read)
{
    smg_safetensors *file = read->file;
    const size_t room = json_object_size(file->header);
    if (room > SMG_SAFETENSORS_MAX_TENSORS)
        return smg_error_set(read->error, SMIDGE_E_FORMAT, read->path,
                             "has %zu tensors, more than %u (it is no language model)", room,
                             SMG_SAFETENSORS_MAX_TENSORS);
    file->tensors = smg_alloc_array(room, sizeof *file->tensors);
    if (file->tensors == NULL)
        return smg_error_no_memory(read->error, read->path, room * sizeof *file->tensors);
    const char *name;
    json_t *entry;
    json_object_foreach(file->header, name, entry)
    {
        if (strcmp(name, "__metadata__") == 0)
            continue;
        SMG_TRY(read_tensor(read, name, entry, &file->tensors[file->count]));
        file->count++;
    }
    qsort(file->tensors, file->count, sizeof *file->tensors, by_place);
    return check_layout(read);
}

static smidge_status parse(smg_safetensors *file, const char *path, smidge_error *error)
{
    smg_cursor cursor;
    smg_cursor_init(&cursor, file->file.data, file->file.size);
    const uint64_t size = smg_cursor_u64(&cursor);
    if (cursor.failed || size > SMG_SAFETENSORS_MAX_HEADER || size > smg_cursor_left(&cursor))
        return smg_error_set(
            error, SMIDGE_E_FORMAT, path,
            "does not begin with the header of a safetensors file: it is another file, or not "
            "whole (download it again)");
    const uint8_t *header = smg_cursor_bytes(&cursor, size);
    SMG_TRY(smg_json_parse((const char *)header, (size_t)size, path, &file->header, error));
    reader read = {.path = path,
                   .file = file,
                   .data = file->file.data + cursor.position,
                   .data_bytes = smg_cursor_left(&cursor),
                   .error = error};
    return read_tensors(&read);
}

smidge_status smg_safetensors_open(const char *path, smg_safetensors *ret_file, smidge_error *error)
{
    SMG_CLEANUP(smg_safetensors_close) smg_safetensors file = {0};
    SMG_TRY(smg_file_open(path, &file.file, error));
    SMG_TRY(parse(&file, path, error));
    *ret_file = file;
    file = (smg_safetensors){0};
    return SMIDGE_OK;
}

smidge_status smg_safetensors_parse(const void *data, size_t size, const char *name,
                                    smg_safetensors *ret_file, smidge_error *error)
{
    SMG_CLEANUP(smg_safetensors_close)
    smg_safetensors file = {.file = {.data = data, .size = size}, .borrowed = true};
    SMG_TRY(parse(&file, name, error));
    *ret_file = file;
    file = (smg_safetensors){0};
    return SMIDGE_OK;
}

void smg_safetensors_close(smg_safetensors *file)
{
    if (file == NULL)
        return;
    json_decref(file->header);
    smg_free(file->tensors);
    if (!file->borrowed && file->file.data != NULL)
        smg_file_close(&file->file);
    *file = (smg_safetensors){0};
}
