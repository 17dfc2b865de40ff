#include "measure/imatrix_sums.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "format/gguf_write.h"

smidge_status smg_collector_new(smg_collector **ret_collector, smidge_error *error)
{
    *ret_collector = smg_alloc(sizeof **ret_collector);
    return *ret_collector != NULL ? SMIDGE_OK : smg_error_no_memory(error, "imatrix", sizeof **ret_collector);
}

void smg_collector_free(smg_collector *collector)
{
    if (collector == NULL)
        return;
    for (size_t i = 0; i < collector->count; i++)
        smg_free(collector->entries[i].sums);
    for (size_t i = 0; i < collector->dataset_count; i++)
        smg_free(collector->datasets[i]);
    smg_free(collector->entries);
    smg_free(collector);
}

size_t smg_collector_count(const smg_collector *collector)
{
    return collector->count;
}

/* As llama.cpp counts them: from the rows of the tensor that has most. */
uint32_t smg_collector_chunks(const smg_collector *collector)
{
    double rows = 0;
    for (size_t i = 0; i < collector->count; i++)
        rows = fmax(rows, collector->entries[i].rows);
    if (collector->chunk_size == 0)
        return 0;
    const double chunks = ceil(rows / collector->chunk_size);
    return chunks < (double)UINT32_MAX ? (uint32_t)chunks : UINT32_MAX;
}

static smidge_status grow(smg_collector *collector, const char *where, smidge_error *error)
{
    if (collector->count < collector->room)
        return SMIDGE_OK;
    const size_t room = collector->room > 0 ? 2 * collector->room : 256;
    smg_sums *entries = smg_realloc_array(collector->entries, room, sizeof *entries);
    if (entries == NULL)
        return smg_error_no_memory(error, where, room * sizeof *entries);
    collector->entries = entries;
    collector->room = room;
    return SMIDGE_OK;
}

smidge_status smg_sums_find(smg_collector *collector, smg_text name, int32_t columns, const char *where,
                            smg_sums **ret_entry, smidge_error *error)
{
    for (size_t i = 0; i < collector->count; i++) {
        smg_sums *entry = &collector->entries[i];
        if (strlen(entry->name) != name.size || memcmp(entry->name, name.data, name.size) != 0)
            continue;
        if (entry->columns != columns)
            return smg_error_set(error, SMIDGE_E_INVALID, where,
                                 "has %" PRId32 " columns for %s, where there are %" PRId32
                                 " already (merge files of one model)",
                                 columns, entry->name, entry->columns);
        *ret_entry = entry;
        return SMIDGE_OK;
    }
    SMG_TRY(grow(collector, where, error));
    double *sums = smg_alloc_array((size_t)columns, sizeof *sums);
    if (sums == NULL)
        return smg_error_no_memory(error, where, (size_t)columns * sizeof *sums);
    smg_sums *entry = &collector->entries[collector->count++];
    *entry = (smg_sums){.columns = columns, .sums = sums};
    memcpy(entry->name, name.data, name.size);
    *ret_entry = entry;
    return SMIDGE_OK;
}

smidge_status smg_sums_add_dataset(smg_collector *collector, smg_text name, smidge_error *error)
{
    if (collector->dataset_count == SMG_SUMS_DATASETS)
        return SMIDGE_OK;
    char *copy = smg_alloc(name.size + 1);
    if (copy == NULL)
        return smg_error_no_memory(error, "imatrix", name.size + 1);
    if (name.size > 0)
        memcpy(copy, name.data, name.size);
    copy[name.size] = '\0';
    collector->datasets[collector->dataset_count++] = copy;
    return SMIDGE_OK;
}

/* ---- Writing --------------------------------------------------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
    return strcmp((*(smg_sums *const *)a)->name, (*(smg_sums *const *)b)->name);
}

static smidge_status write_keys(const smg_collector *collector, smg_gguf_writer *writer, smidge_error *error)
{
    SMG_TRY(smg_gguf_write_text(writer, "general.type", (smg_text){"imatrix", strlen("imatrix")}, error));
    SMG_TRY(smg_gguf_write_texts(writer, "imatrix.datasets", collector->dataset_count, error));
    for (size_t i = 0; i < collector->dataset_count; i++) {
        const char *name = collector->datasets[i];
        SMG_TRY(smg_gguf_write_next_text(writer, (smg_text){name, strlen(name)}, error));
    }
    SMG_TRY(smg_gguf_write_u32(writer, "imatrix.chunk_count", smg_collector_chunks(collector), error));
    return smg_gguf_write_u32(writer, "imatrix.chunk_size", collector->chunk_size, error);
}

static smidge_status write_list(const smg_sums *const *sorted, size_t count, smg_gguf_writer *writer,
                                smidge_error *error)
{
    char name[SMG_SUMS_NAME + 16];
    for (size_t i = 0; i < count; i++) {
        const uint64_t sums_shape[] = {(uint64_t)sorted[i]->columns, 1}, counts_shape[] = {1, 1};
        snprintf(name, sizeof name, "%s.in_sum2", sorted[i]->name);
        SMG_TRY(smg_gguf_write_tensor(writer, name, SMG_TYPE_F32, 2, sums_shape, error));
        snprintf(name, sizeof name, "%s.counts", sorted[i]->name);
        SMG_TRY(smg_gguf_write_tensor(writer, name, SMG_TYPE_F32, 2, counts_shape, error));
    }
    return SMIDGE_OK;
}

static smidge_status write_sums(const smg_sums *entry, smg_gguf_writer *writer, smidge_error *error)
{
    enum { AT_ONCE = 256 };
    float values[AT_ONCE];
    for (int32_t first = 0; first < entry->columns; first += AT_ONCE) {
        const int32_t left = entry->columns - first;
        const int32_t count = left < AT_ONCE ? left : AT_ONCE;
        for (int32_t i = 0; i < count; i++)
            values[i] = (float)entry->sums[first + i];
        SMG_TRY(smg_gguf_write_data(writer, values, (size_t)count * sizeof *values, error));
    }
    const float rows = (float)entry->rows;
    return smg_gguf_write_data(writer, &rows, sizeof rows, error);
}

static void close_writer(smg_gguf_writer **writer)
{
    smg_gguf_write_close(*writer);
}

smidge_status smg_collector_write(const smg_collector *collector, const char *path, smidge_error *error)
{
    SMG_CLEANUP(close_writer) smg_gguf_writer *writer = NULL;
    const size_t count = collector->count;
    if (count == 0)
        return smg_error_set(error, SMIDGE_E_INVALID, path,
                             "nothing was collected for it (give a model and a text, or files to merge)");
    SMG_CLEANUP(smg_free_ptr) const smg_sums **sorted = smg_alloc_array(count, sizeof *sorted);
    if (sorted == NULL)
        return smg_error_no_memory(error, path, count * sizeof *sorted);
    for (size_t i = 0; i < count; i++)
        sorted[i] = &collector->entries[i];
    qsort(sorted, count, sizeof *sorted, compare_names);
    SMG_TRY(smg_gguf_write_open(path, &writer, error));
    SMG_TRY(write_keys(collector, writer, error));
    SMG_TRY(write_list(sorted, count, writer, error));
    for (size_t i = 0; i < count; i++)
        SMG_TRY(write_sums(sorted[i], writer, error));
    return smg_gguf_write_finish(writer, error);
}
