#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "measure/imatrix_sums.h"

#define ROWS_MOST 0x1p53 /* above that a double no longer counts */

static const char sums_ending[] = ".in_sum2", counts_ending[] = ".counts";

static smidge_status refuse(const char *name, const char *why, smidge_error *error)
{
    return smg_error_set(error, SMIDGE_E_FORMAT, name, "%s (make it again with smidge imatrix)", why);
}

/* Whether it is sums of something; then of what. */
static bool has_sums(const smg_gguf_tensor *tensor, smg_text *ret_name)
{
    const size_t ending = sizeof sums_ending - 1;
    if (tensor->name.size <= ending ||
        memcmp(tensor->name.data + tensor->name.size - ending, sums_ending, ending) != 0)
        return false;
    *ret_name = (smg_text){tensor->name.data, tensor->name.size - ending};
    return ret_name->size < SMG_SUMS_NAME && memchr(ret_name->data, '\0', ret_name->size) == NULL;
}

static smidge_status read_rows(const smg_gguf *gguf, smg_text tensor, const char *name, double *ret_rows,
                               smidge_error *error)
{
    char wanted[SMG_SUMS_NAME + sizeof counts_ending];
    float rows;
    snprintf(wanted, sizeof wanted, "%.*s%s", (int)tensor.size, tensor.data, counts_ending);
    const smg_gguf_tensor *counts = smg_gguf_find_tensor(gguf, wanted);
    if (counts == NULL || counts->type != SMG_TYPE_F32)
        return refuse(name, "has sums of inputs and does not say how many", error);
    if (counts->bytes != sizeof rows)
        return smg_error_set(error, SMIDGE_E_UNSUPPORTED, name,
                             "has matrices of experts, which cannot be merged (use one file alone)");
    memcpy(&rows, counts->data, sizeof rows);
    if (!(rows >= 0) || (double)rows > ROWS_MOST)
        return refuse(name, "says that it has a number of inputs that cannot be", error);
    *ret_rows = (double)rows;
    return SMIDGE_OK;
}

static smidge_status merge_tensor(smg_collector *collector, const smg_gguf *gguf,
                                  const smg_gguf_tensor *tensor, smg_text name, const char *file,
                                  smidge_error *error)
{
    smg_sums *entry;
    double rows = 0;
    if (tensor->type != SMG_TYPE_F32)
        return refuse(file, "has sums that are not F32", error);
    SMG_TRY(read_rows(gguf, name, file, &rows, error));
    const uint64_t columns = tensor->bytes / sizeof(float);
    if (columns != tensor->shape[0] || columns > INT32_MAX)
        return smg_error_set(error, SMIDGE_E_UNSUPPORTED, file,
                             "has matrices of experts, which cannot be merged (use one file alone)");
    SMG_TRY(smg_sums_find(collector, name, (int32_t)columns, file, &entry, error));
    for (uint64_t i = 0; i < columns; i++) {
        float value;
        memcpy(&value, tensor->data + i * sizeof value, sizeof value);
        if (!(value >= 0) || isinf(value))
            return refuse(file, "has a sum of squares that is not a number, or below 0", error);
        entry->sums[i] += (double)value;
    }
    entry->rows += rows;
    return SMIDGE_OK;
}

static smidge_status merge_origin(smg_collector *collector, const smg_gguf *gguf, smidge_error *error)
{
    const smg_gguf_key *names = NULL;
    smg_text text;
    uint32_t chunk_size = 0;
    uint64_t position = 0;
    SMG_TRY(smg_gguf_get_u32(gguf, "imatrix.chunk_size", &chunk_size, NULL, error));
    SMG_TRY(smg_gguf_get_array(gguf, "imatrix.datasets", SMG_GGUF_STRING, &names, error));
    while (names != NULL && smg_gguf_next_text(names, &position, &text))
        SMG_TRY(smg_sums_add_dataset(collector, text, error));
    if (collector->chunk_size == 0)
        collector->chunk_size = chunk_size;
    return SMIDGE_OK;
}

static smidge_status merge_gguf(smg_collector *collector, const smg_gguf *gguf, const char *name,
                                smidge_error *error)
{
    smg_text tensor;
    size_t found = 0;
    for (uint64_t i = 0; i < gguf->tensor_count; i++) {
        if (!has_sums(&gguf->tensors[i], &tensor))
            continue;
        SMG_TRY(merge_tensor(collector, gguf, &gguf->tensors[i], tensor, name, error));
        found++;
    }
    if (found == 0)
        return smg_error_set(error, SMIDGE_E_FORMAT, name,
                             "holds no importance matrix (smidge imatrix makes one)");
    return merge_origin(collector, gguf, error);
}

smidge_status smg_collector_merge_bytes(smg_collector *collector, const void *data, size_t size,
                                        const char *name, smidge_error *error)
{
    SMG_CLEANUP(smg_gguf_close) smg_gguf gguf = {0};
    if (size < 4 || memcmp(data, "GGUF", 4) != 0)
        return smg_error_set(error, SMIDGE_E_FORMAT, name,
                             "is not a GGUF file (older .dat files do not say enough to be merged: "
                             "make it again with smidge imatrix)");
    SMG_TRY(smg_gguf_parse(data, size, name, &gguf, error));
    return merge_gguf(collector, &gguf, name, error);
}

smidge_status smg_collector_merge(smg_collector *collector, const char *path, smidge_error *error)
{
    SMG_CLEANUP(smg_file_close) smg_file file = {0};
    SMG_TRY(smg_file_open(path, &file, error));
    return smg_collector_merge_bytes(collector, file.data, file.size, path, error);
}
