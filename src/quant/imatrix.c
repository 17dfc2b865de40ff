#include "quant/imatrix.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cursor.h"
#include "format/gguf.h"

#define NAME_MAX_BYTES 256
#define LEAST_IMPORTANCE 1e-6F

typedef struct entry {
    char name[NAME_MAX_BYTES];
    int64_t columns;
    float *values; /* in the block of all of them */
} entry;

struct smg_imatrix {
    entry *entries;
    size_t count, room;
    float *values;
    size_t used; /* of values */
    uint32_t chunks;
    char dataset[256];
};

static const char sums_ending[] = ".in_sum2", counts_ending[] = ".counts";

static smidge_status damaged(const char *name, const char *what, smidge_error *error)
{
    return smg_error_set(error, SMIDGE_E_FORMAT, name,
                         "%s (copy it again, or make it again with smidge imatrix)", what);
}

/* `floats` is what all values together can be at most. */
static smidge_status new_imatrix(size_t entries, size_t floats, const char *name, smg_imatrix **ret_imatrix,
                                 smidge_error *error)
{
    smg_imatrix *imatrix = smg_alloc(sizeof *imatrix);
    if (imatrix == NULL)
        return smg_error_no_memory(error, name, sizeof *imatrix);
    *imatrix = (smg_imatrix){.entries = smg_alloc(entries * sizeof(entry)),
                             .room = entries,
                             .values = smg_alloc(floats * sizeof(float))};
    if (imatrix->entries == NULL || imatrix->values == NULL) {
        smg_imatrix_close(imatrix);
        return smg_error_no_memory(error, name, entries * sizeof(entry) + floats * sizeof(float));
    }
    *ret_imatrix = imatrix;
    return SMIDGE_OK;
}

/* Sums become importances; a tensor that nothing went through is left out. `sums` may lie anywhere. */
static smidge_status add_entry(smg_imatrix *imatrix, smg_text tensor, const uint8_t *sums, size_t columns,
                               const char *name, smidge_error *error)
{
    float *values = imatrix->values + imatrix->used;
    double total = 0;
    memcpy(values, sums, columns * sizeof *values);
    for (size_t i = 0; i < columns; i++) {
        if (!(values[i] >= 0) || isinf(values[i]))
            return smg_error_set(error, SMIDGE_E_FORMAT, name,
                                 "says that a column of %.*s weighs %g (make it again with smidge imatrix)",
                                 (int)tensor.size, tensor.data, (double)values[i]);
        total += (double)values[i];
    }
    if (total <= 0)
        return SMIDGE_OK;
    const double mean = total / (double)columns;
    for (size_t i = 0; i < columns; i++)
        values[i] = fmaxf((float)((double)values[i] / mean), LEAST_IMPORTANCE);
    entry *added = &imatrix->entries[imatrix->count++];
    *added = (entry){.columns = (int64_t)columns, .values = values};
    memcpy(added->name, tensor.data, tensor.size);
    imatrix->used += columns;
    return SMIDGE_OK;
}

static bool usable_name(smg_text text)
{
    return text.size > 0 && text.size < NAME_MAX_BYTES && memchr(text.data, '\0', text.size) == NULL;
}

static void set_dataset(smg_imatrix *imatrix, smg_text text)
{
    snprintf(imatrix->dataset, sizeof imatrix->dataset, "%.*s", (int)text.size, text.data);
}

/* ---- GGUF ----------------------------------------------------------------------------------------------- */

/* Whether it is sums of something; then of what. */
static bool has_sums(const smg_gguf_tensor *tensor, smg_text *ret_name)
{
    const size_t ending = sizeof sums_ending - 1;
    if (tensor->name.size <= ending ||
        memcmp(tensor->name.data + tensor->name.size - ending, sums_ending, ending) != 0)
        return false;
    *ret_name = (smg_text){tensor->name.data, tensor->name.size - ending};
    return usable_name(*ret_name);
}

/* How many rows were summed; 0 where it does not say. */
static float rows_summed(const smg_gguf *gguf, smg_text tensor)
{
    char name[NAME_MAX_BYTES + sizeof counts_ending];
    float count = 0;
    snprintf(name, sizeof name, "%.*s%s", (int)tensor.size, tensor.data, counts_ending);
    const smg_gguf_tensor *counts = smg_gguf_find_tensor(gguf, name);
    if (counts != NULL && counts->type == SMG_TYPE_F32 && counts->bytes >= sizeof count)
        memcpy(&count, counts->data, sizeof count);
    return count;
}

static void read_origin(const smg_gguf *gguf, smg_imatrix *imatrix)
{
    const smg_gguf_key *names = NULL;
    smg_text text;
    uint64_t position = 0;
    /* what is of another type is nothing that is needed */
    (void)!smg_gguf_get_u32(gguf, "imatrix.chunk_count", &imatrix->chunks, NULL, NULL);
    if (smg_gguf_get_array(gguf, "imatrix.datasets", SMG_GGUF_STRING, &names, NULL) == SMIDGE_OK &&
        names != NULL && smg_gguf_next_text(names, &position, &text))
        set_dataset(imatrix, text);
}

static void close_half_made(smg_imatrix **imatrix)
{
    smg_imatrix_close(*imatrix);
}

static smidge_status read_gguf(const smg_gguf *gguf, const char *name, smg_imatrix **ret_imatrix,
                               smidge_error *error)
{
    SMG_CLEANUP(close_half_made) smg_imatrix *imatrix = NULL;
    size_t entries = 0, floats = 0;
    smg_text tensor;
    for (uint64_t i = 0; i < gguf->tensor_count; i++) {
        const smg_gguf_tensor *sums = &gguf->tensors[i];
        if (!has_sums(sums, &tensor))
            continue;
        if (sums->type != SMG_TYPE_F32)
            return damaged(name, "has sums that are not F32", error);
        entries++;
        floats += (size_t)(sums->bytes / sizeof(float));
    }
    if (entries == 0)
        return smg_error_set(error, SMIDGE_E_FORMAT, name,
                             "holds no importance matrix (smidge imatrix makes one)");
    SMG_TRY(new_imatrix(entries, floats, name, &imatrix, error));
    for (uint64_t i = 0; i < gguf->tensor_count; i++) {
        const smg_gguf_tensor *sums = &gguf->tensors[i];
        if (has_sums(sums, &tensor) && rows_summed(gguf, tensor) > 0)
            SMG_TRY(
                add_entry(imatrix, tensor, sums->data, (size_t)(sums->bytes / sizeof(float)), name, error));
    }
    read_origin(gguf, imatrix);
    *ret_imatrix = imatrix;
    imatrix = NULL;
    return SMIDGE_OK;
}

/* ---- .dat ------------------------------------------------------------------------------------------------ */

static smg_text read_text(smg_cursor *cursor)
{
    const uint32_t size = smg_cursor_u32(cursor);
    const uint8_t *bytes = smg_cursor_bytes(cursor, size);
    return (smg_text){(const char *)bytes, bytes != NULL ? size : 0};
}

/* A count of entries; for each its name, how often it was summed, how many numbers, and these. Newer files say behind
 * that how many chunks of what text they come from. */
static smidge_status read_dat(const void *data, size_t size, const char *name, smg_imatrix **ret_imatrix,
                              smidge_error *error)
{
    SMG_CLEANUP(close_half_made) smg_imatrix *imatrix = NULL;
    smg_cursor cursor;
    smg_cursor_init(&cursor, data, size);
    const uint32_t count = smg_cursor_u32(&cursor);
    if (count == 0 || count > SMG_GGUF_MAX_TENSORS)
        return smg_error_set(error, SMIDGE_E_FORMAT, name,
                             "is not an importance matrix, neither GGUF nor .dat (smidge imatrix makes one)");
    SMG_TRY(new_imatrix(count, size / sizeof(float), name, &imatrix, error));
    for (uint32_t i = 0; i < count; i++) {
        const smg_text tensor = read_text(&cursor);
        const uint32_t calls = smg_cursor_u32(&cursor);
        const uint32_t columns = smg_cursor_u32(&cursor);
        const uint8_t *sums = smg_cursor_bytes(&cursor, (uint64_t)columns * sizeof(float));
        if (cursor.failed || !usable_name(tensor))
            return damaged(name, "is cut off or damaged", error);
        if (calls > 0 && columns > 0)
            SMG_TRY(add_entry(imatrix, tensor, sums, columns, name, error));
    }
    if (smg_cursor_left(&cursor) > 0) {
        imatrix->chunks = smg_cursor_u32(&cursor);
        set_dataset(imatrix, read_text(&cursor));
        if (cursor.failed)
            return damaged(name, "is cut off or damaged", error);
    }
    *ret_imatrix = imatrix;
    imatrix = NULL;
    return SMIDGE_OK;
}

/* ---- Either ----------------------------------------------------------------------------------------------- */

smidge_status smg_imatrix_parse(const void *data, size_t size, const char *name, smg_imatrix **ret_imatrix,
                                smidge_error *error)
{
    if (size < 4 || memcmp(data, "GGUF", 4) != 0)
        return read_dat(data, size, name, ret_imatrix, error);
    SMG_CLEANUP(smg_gguf_close) smg_gguf gguf = {0};
    SMG_TRY(smg_gguf_parse(data, size, name, &gguf, error));
    return read_gguf(&gguf, name, ret_imatrix, error);
}

smidge_status smg_imatrix_open(const char *path, smg_imatrix **ret_imatrix, smidge_error *error)
{
    SMG_CLEANUP(smg_file_close) smg_file file = {0};
    SMG_TRY(smg_file_open(path, &file, error));
    return smg_imatrix_parse(file.data, file.size, path, ret_imatrix, error);
}

void smg_imatrix_close(smg_imatrix *imatrix)
{
    if (imatrix == NULL)
        return;
    smg_free(imatrix->entries);
    smg_free(imatrix->values);
    smg_free(imatrix);
}

const float *smg_imatrix_find(const smg_imatrix *imatrix, const char *tensor, int64_t *ret_columns)
{
    for (size_t i = 0; i < imatrix->count; i++) {
        const entry *found = &imatrix->entries[i];
        if (strcmp(found->name, tensor) == 0) {
            *ret_columns = found->columns;
            return found->values;
        }
    }
    return NULL;
}

size_t smg_imatrix_count(const smg_imatrix *imatrix)
{
    return imatrix->count;
}

uint32_t smg_imatrix_chunks(const smg_imatrix *imatrix)
{
    return imatrix->chunks;
}

const char *smg_imatrix_dataset(const smg_imatrix *imatrix)
{
    return imatrix->dataset;
}
