#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/cursor.h"
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

/* ---- .dat ------------------------------------------------------------------------------------------------ */

static smg_text read_text(smg_cursor *cursor)
{
    const uint32_t size = smg_cursor_u32(cursor);
    const uint8_t *bytes = smg_cursor_bytes(cursor, size);
    return (smg_text){(const char *)bytes, bytes != NULL ? size : 0};
}

static bool is_usable(smg_text name)
{
    return name.size > 0 && name.size < SMG_SUMS_NAME && memchr(name.data, '\0', name.size) == NULL;
}

/* A name, chunks, columns, and for each column the mean square times the chunks: times what a chunk holds it is a sum again. */
static smidge_status merge_entry(smg_collector *collector, smg_cursor *cursor, const char *file,
                                 smidge_error *error)
{
    smg_sums *entry;
    const smg_text name = read_text(cursor);
    const uint32_t chunks = smg_cursor_u32(cursor);
    const uint32_t columns = smg_cursor_u32(cursor);
    const uint8_t *means = smg_cursor_bytes(cursor, (uint64_t)columns * sizeof(float));
    if (cursor->failed || !is_usable(name) || columns == 0 || columns > INT32_MAX)
        return refuse(file, "is neither GGUF nor a whole .dat", error);
    if (memmem(name.data, name.size, "_exps.", strlen("_exps.")) != NULL)
        return smg_error_set(error, SMIDGE_E_UNSUPPORTED, file,
                             "has matrices of experts, which cannot be merged (use one file alone)");
    SMG_TRY(smg_sums_find(collector, name, (int32_t)columns, file, &entry, error));
    for (uint32_t i = 0; i < columns; i++) {
        float value;
        memcpy(&value, means + (size_t)i * sizeof value, sizeof value);
        if (!(value >= 0) || isinf(value))
            return refuse(file, "has a sum of squares that is not a number, or below 0", error);
        entry->sums[i] += (double)value * collector->chunk_size;
    }
    entry->rows += (double)chunks * collector->chunk_size;
    return SMIDGE_OK;
}

/* A count of entries and these; newer files then say how many chunks of what text they come from. */
static smidge_status merge_dat(smg_collector *collector, const void *data, size_t size, uint32_t chunk_size,
                               const char *name, smidge_error *error)
{
    smg_cursor cursor;
    smg_cursor_init(&cursor, data, size);
    const uint32_t count = smg_cursor_u32(&cursor);
    if (cursor.failed || count == 0 || count > SMG_GGUF_MAX_TENSORS)
        return smg_error_set(error, SMIDGE_E_FORMAT, name,
                             "is not an importance matrix, neither GGUF nor .dat (smidge imatrix makes one)");
    if (collector->chunk_size == 0)
        collector->chunk_size = chunk_size != 0 ? chunk_size : SMG_CHUNK_TOKENS;
    for (uint32_t i = 0; i < count; i++)
        SMG_TRY(merge_entry(collector, &cursor, name, error));
    if (smg_cursor_left(&cursor) == 0)
        return SMIDGE_OK;
    (void)smg_cursor_u32(&cursor); /* the chunks, which the entries say too */
    const smg_text dataset = read_text(&cursor);
    if (cursor.failed || (dataset.size > 0 && memchr(dataset.data, '\0', dataset.size) != NULL))
        return refuse(name, "is neither GGUF nor a whole .dat", error);
    return smg_sums_add_dataset(collector, dataset, error);
}

/* ---- Either ----------------------------------------------------------------------------------------------- */

smidge_status smg_collector_merge_bytes(smg_collector *collector, const void *data, size_t size,
                                        uint32_t chunk_size, const char *name, smidge_error *error)
{
    SMG_CLEANUP(smg_gguf_close) smg_gguf gguf = {0};
    if (size < 4 || memcmp(data, "GGUF", 4) != 0)
        return merge_dat(collector, data, size, chunk_size, name, error);
    SMG_TRY(smg_gguf_parse(data, size, name, &gguf, error));
    return merge_gguf(collector, &gguf, name, error);
}

smidge_status smg_collector_merge(smg_collector *collector, const char *path, uint32_t chunk_size,
                                  smidge_error *error)
{
    SMG_CLEANUP(smg_file_close) smg_file file = {0};
    SMG_TRY(smg_file_open(path, &file, error));
    return smg_collector_merge_bytes(collector, file.data, file.size, chunk_size, path, error);
}
