#include "measure/imatrix_collect.h"

#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "measure/chunk_pass.h"
#include "measure/imatrix_sums.h"

/* What a matrix is summed into: found by where its data stand. */
typedef struct watched {
    const uint8_t *data;
    size_t entry;
} watched;

typedef struct collecting {
    smg_collector *collector;
    smidge_session *session;
    watched *list; /* by data, ascending */
    size_t count;
    bool output;
    smg_stop stop;
} collecting;

static void close_session(smidge_session **session)
{
    smidge_session_free(*session);
}

/* ---- Which matrices -------------------------------------------------------------------------------------- */

static int compare_data(const void *a, const void *b)
{
    const uintptr_t x = (uintptr_t)((const watched *)a)->data, y = (uintptr_t)((const watched *)b)->data;
    return (x > y) - (x < y);
}

/* A matrix is watched under the name of the tensor that begins where it does: of several that are parts of one tensor and share its
 * input, the first. */
static smidge_status watch(collecting *run, const smg_matrix *matrix, smidge_error *error)
{
    const smg_gguf *gguf = &run->session->model->gguf;
    smg_sums *entry;
    for (uint64_t i = 0; i < gguf->tensor_count; i++) {
        const smg_gguf_tensor *tensor = &gguf->tensors[i];
        if (tensor->data != matrix->data)
            continue;
        if (tensor->name.size >= SMG_SUMS_NAME)
            return smg_error_set(error, SMIDGE_E_FORMAT, gguf->path, "has a tensor with too long a name");
        SMG_TRY(smg_sums_find(run->collector, tensor->name, matrix->columns, gguf->path, &entry, error));
        run->list[run->count++] =
            (watched){.data = matrix->data, .entry = (size_t)(entry - run->collector->entries)};
        return SMIDGE_OK;
    }
    return SMIDGE_OK;
}

static smidge_status watch_all(collecting *run, smidge_error *error)
{
    const smg_model *model = &run->session->model->model;
    const size_t most = (size_t)model->shape.layers * 7 + 1;
    run->list = smg_alloc_array(most, sizeof *run->list);
    if (run->list == NULL)
        return smg_error_no_memory(error, "imatrix", most * sizeof *run->list);
    for (int32_t i = 0; i < model->shape.layers; i++) {
        const smg_layer *layer = &model->weights.layers[i];
        const smg_matrix *const matrices[] = {&layer->q,    &layer->k,  &layer->v,   &layer->o,
                                              &layer->gate, &layer->up, &layer->down};
        for (size_t j = 0; j < sizeof matrices / sizeof *matrices; j++)
            SMG_TRY(watch(run, matrices[j], error));
    }
    if (run->output)
        SMG_TRY(watch(run, &model->weights.output, error));
    qsort(run->list, run->count, sizeof *run->list, compare_data);
    return SMIDGE_OK;
}

/* ---- Collecting ------------------------------------------------------------------------------------------ */

static void add_rows(void *context, const smg_matrix *matrix, const float *x, size_t stride, int32_t rows,
                     int32_t first_column, int32_t end_column)
{
    const collecting *run = context;
    const watched key = {.data = matrix->data};
    const watched *found = bsearch(&key, run->list, run->count, sizeof key, compare_data);
    if (found == NULL)
        return;
    smg_sums *entry = &run->collector->entries[found->entry];
    for (int32_t row = 0; row < rows; row++, x += stride) {
        for (int32_t i = first_column; i < end_column; i++)
            entry->sums[i] += (double)x[i] * (double)x[i];
    }
    if (first_column == 0)
        entry->rows += rows;
}

/* Of the logits themselves nothing is needed: one group of them is enough for the output matrix to see its input. */
static smidge_status show_output(const collecting *run, int32_t count)
{
    static const int32_t first_group = 0;
    const int32_t most = run->session->logit_rows;
    for (int32_t row = 0; row < count; row += most)
        SMG_TRY(smg_chunk_logits(run->session, row, count - row < most ? count - row : most, &first_group, 1,
                                 &run->stop));
    return SMIDGE_OK;
}

static smidge_status collect_chunks(collecting *run, const smg_text_chunks *chunks, int32_t *ids,
                                    const smg_collect_options *options)
{
    for (int32_t i = 0; i < chunks->count; i++) {
        smg_text_chunks_copy(chunks, i, ids);
        for (int32_t first = 0, count = 0; first < chunks->size; first += count) {
            /* every token goes through all layers: each counts */
            SMG_TRY(smg_chunk_pass(run->session, ids, first, chunks->size, 0, &count, &run->stop));
            if (run->output)
                SMG_TRY(show_output(run, count));
        }
        if (options->progress != NULL)
            options->progress(options->progress_context, (uint64_t)i + 1, (uint64_t)chunks->count);
    }
    return SMIDGE_OK;
}

static smidge_status check_sums(const collecting *run, smidge_error *error)
{
    for (size_t i = 0; i < run->count; i++) {
        const smg_sums *entry = &run->collector->entries[run->list[i].entry];
        for (int32_t column = 0; column < entry->columns; column++) {
            if (!isfinite((float)entry->sums[column]))
                return smg_engine_bad_logits(run->session->model, error);
        }
    }
    return SMIDGE_OK;
}

static void release(collecting *run)
{
    if (run->session != NULL)
        smg_scratch_observe(run->session->scratch, NULL);
    smg_free(run->list);
}

static smidge_status collect(smg_collector *collector, smidge_session *session, const smg_text_chunks *chunks,
                             const smg_collect_options *options, smidge_error *error)
{
    SMG_CLEANUP(release)
    collecting run = {.collector = collector,
                      .session = session,
                      .output = options->output,
                      .stop = {.deadline = SMG_NEVER, .cancel = options->cancel}};
    const smg_observer observer = {.see = add_rows, .context = &run};
    SMG_CLEANUP(smg_free_ptr) int32_t *ids = smg_alloc_array((size_t)chunks->size, sizeof *ids);
    if (ids == NULL)
        return smg_error_no_memory(error, "imatrix", (size_t)chunks->size * sizeof *ids);
    SMG_TRY(watch_all(&run, error));
    smg_scratch_observe(session->scratch, &observer);
    SMG_TRY(smg_stop_explain(collect_chunks(&run, chunks, ids, options), "imatrix", error));
    if (collector->chunk_size == 0)
        collector->chunk_size = (uint32_t)chunks->size;
    return check_sums(&run, error);
}

smidge_status smg_collector_run(smg_collector *collector, smidge_model *model, const char *path,
                                const smg_collect_options *options, smidge_error *error)
{
    SMG_CLEANUP(smg_text_chunks_done) smg_text_chunks chunks = {0};
    SMG_CLEANUP(close_session) smidge_session *session = NULL;
    SMG_TRY(smg_text_chunks_read(model, path, &options->chunking, &chunks, error));
    SMG_TRY(smg_chunk_session(model, chunks.size, options->kv_type, &session, error));
    SMG_TRY(collect(collector, session, &chunks, options, error));
    return smg_sums_add_dataset(collector, (smg_text){path, strlen(path)}, error);
}

smidge_status smg_collector_check(const char *path, smidge_error *error)
{
    smg_file_writer writer;
    SMG_TRY(smg_file_create(path, &writer, error));
    smg_file_discard(&writer);
    return SMIDGE_OK;
}
