#include "format/repack.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "format/gguf_write.h"
#include "format/interleave.h"

/* A vector register: loads of interleaved words then never cross the lines of a cache. */
#define ALIGNMENT 64

static smg_type wanted_type(const smg_gguf_tensor *tensor, bool plain)
{
    if (plain)
        return smg_type_plain(tensor->type);
    if (!smg_type_is_interleaved(tensor->type) && tensor->dims == 2 &&
        smg_group_fits(tensor->type, tensor->shape[0], tensor->shape[1]))
        return (smg_type)(SMG_TYPE_R16 + tensor->type);
    return tensor->type;
}

static uint64_t group_bytes(const smg_gguf_tensor *tensor)
{
    return smg_type_row_bytes(tensor->type, tensor->shape[0]) * SMG_GROUP_ROWS;
}

/* How many tensors change, and the bytes of the largest group among them. */
static uint64_t survey(const smg_gguf *gguf, bool plain, size_t *ret_largest, uint64_t *ret_total)
{
    uint64_t changed = 0;
    *ret_largest = 0;
    *ret_total = 0;
    for (uint64_t i = 0; i < gguf->tensor_count; i++) {
        const smg_gguf_tensor *tensor = &gguf->tensors[i];
        *ret_total += tensor->bytes;
        if (wanted_type(tensor, plain) == tensor->type)
            continue;
        changed++;
        if (group_bytes(tensor) > *ret_largest)
            *ret_largest = (size_t)group_bytes(tensor);
    }
    return changed;
}

/* Sixteen rows from a group. */
static void separate(smg_type plain, int64_t columns, const uint8_t *group, uint8_t *ret_rows)
{
    const smg_type_info *info = smg_type_describe(plain);
    const int64_t blocks = columns / info->block_elements;
    for (int row = 0; row < SMG_GROUP_ROWS; row++)
        for (int64_t i = 0; i < blocks; i++, ret_rows += info->block_bytes)
            smg_group_block(plain, columns, group, row, i, ret_rows);
}

typedef struct copier {
    const smg_gguf *gguf;
    smg_gguf_writer *writer;
    const smg_repack *options;
    uint8_t *group;
    uint64_t done, total;
} copier;

static smidge_status copy_tensor(copier *copy, const smg_gguf_tensor *tensor, smidge_error *error)
{
    const smg_type plain = smg_type_plain(tensor->type);
    const bool changes = wanted_type(tensor, copy->options->plain) != tensor->type;
    const uint64_t step = changes ? group_bytes(tensor) : UINT64_C(1) << 20;
    for (uint64_t at = 0, size; at < tensor->bytes; at += size) {
        const uint8_t *data = tensor->data + at;
        size = tensor->bytes - at < step ? tensor->bytes - at : step;
        if (changes && copy->options->plain)
            separate(plain, (int64_t)tensor->shape[0], data, copy->group);
        else if (changes)
            smg_group_interleave(plain, (int64_t)tensor->shape[0], data, copy->group);
        SMG_TRY(smg_gguf_write_data(copy->writer, changes ? copy->group : data, (size_t)size, error));
        smg_gguf_forget(copy->gguf, data, (size_t)size);
        copy->done += size;
        if (copy->options->progress != NULL)
            copy->options->progress(copy->options->context, copy->done, copy->total);
    }
    return SMIDGE_OK;
}

static smidge_status write_lists(const smg_gguf *gguf, smg_gguf_writer *writer, bool plain,
                                 smidge_error *error)
{
    if (!plain)
        SMG_TRY(smg_gguf_write_alignment(writer, ALIGNMENT, error));
    for (uint64_t i = 0; i < gguf->key_count; i++)
        SMG_TRY(smg_gguf_write_key(writer, &gguf->keys[i], error));
    for (uint64_t i = 0; i < gguf->tensor_count; i++) {
        const smg_gguf_tensor *tensor = &gguf->tensors[i];
        char name[1025]; /* readers take no longer ones */
        snprintf(name, sizeof name, "%.*s", (int)tensor->name.size, tensor->name.data);
        SMG_TRY(smg_gguf_write_tensor(writer, name, wanted_type(tensor, plain), tensor->dims, tensor->shape,
                                      error));
    }
    return SMIDGE_OK;
}

static void close_writer(smg_gguf_writer **writer)
{
    smg_gguf_write_close(*writer);
}

static void free_group(uint8_t **group)
{
    smg_free(*group);
}

smidge_status smg_repack_write(const smg_gguf *gguf, const char *path, const smg_repack *options,
                               smidge_error *error)
{
    size_t largest = 0;
    copier copy = {.gguf = gguf, .options = options};
    if (survey(gguf, options->plain, &largest, &copy.total) == 0)
        return smg_error_set(error, SMIDGE_E_INVALID, gguf->path,
                             options->plain
                                 ? "has no interleaved rows (take it as it is)"
                                 : "has nothing to interleave: no quantized matrix with whole groups of "
                                   "16 rows that is not interleaved already (take it as it is)");
    SMG_CLEANUP(close_writer) smg_gguf_writer *writer = NULL;
    SMG_CLEANUP(free_group) uint8_t *group = smg_alloc(largest);
    if (group == NULL)
        return smg_error_no_memory(error, gguf->path, largest);
    copy.group = group;
    SMG_TRY(smg_gguf_write_open(path, &writer, error));
    copy.writer = writer;
    SMG_TRY(write_lists(gguf, writer, options->plain, error));
    for (uint64_t i = 0; i < gguf->tensor_count; i++)
        SMG_TRY(copy_tensor(&copy, &gguf->tensors[i], error));
    return smg_gguf_write_finish(writer, error);
}
