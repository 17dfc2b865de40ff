#include "convert/merge_adapter.h"

#include <stdio.h>

#include "base/thread.h"
#include "cpu/cpu.h"
#include "model/adapter.h"
#include "quant/dequantize.h"
#include "quant/quantize_file.h"

typedef struct merger {
    smg_gguf base, file;
    smg_adapter adapter;
    smg_kernels kernels;
    float *a; /* [rank][columns] of the pair at hand */
    const smg_adapter_pair *now;
} merger;

static void close_merger(merger *job)
{
    smg_free(job->a);
    smg_adapter_done(&job->adapter);
    smg_gguf_close(&job->file);
    smg_gguf_close(&job->base);
}

/* ---- The change ----------------------------------------------------------------------------------------- */

static const smg_adapter_pair *find_pair(const merger *job, const smg_gguf_tensor *tensor)
{
    for (size_t i = 0; i < job->adapter.count; i++) {
        if (job->adapter.pairs[i].base == tensor)
            return &job->adapter.pairs[i];
    }
    return NULL;
}

static bool changes(const void *context, const smg_gguf_tensor *tensor)
{
    return find_pair(context, tensor) != NULL;
}

static void read_half(const smg_gguf_tensor *half, int64_t row, float *ret_row)
{
    const int64_t columns = (int64_t)half->shape[0];
    const size_t bytes = (size_t)smg_type_row_bytes(half->type, half->shape[0]);
    smg_dequantize_row(half->type, half->data + (size_t)row * bytes, ret_row, columns);
}

static void begin_tensor(void *context, const smg_gguf_tensor *tensor)
{
    merger *job = context;
    job->now = find_pair(job, tensor);
    for (int64_t i = 0; i < job->now->rank; i++)
        read_half(job->now->a, i, job->a + i * (int64_t)job->now->a->shape[0]);
}

/* x += scale * (row of B) A, rank by rank: the kernel's sums go in the same order on every machine. */
static void change_row(const void *context, int64_t row, float *x)
{
    const merger *job = context;
    const smg_adapter_pair *pair = job->now;
    const int64_t columns = (int64_t)pair->a->shape[0];
    float weights[SMG_ADAPTER_MAX_RANK];
    read_half(pair->b, row, weights);
    for (int32_t i = 0; i < pair->rank; i++)
        weights[i] *= pair->scale;
    for (int64_t at = 0; at < columns; at += SMG_CELL_MAX) {
        const smg_cells cells = {.rows = job->a + at,
                                 .stride = (size_t)columns * sizeof *job->a,
                                 .count = pair->rank,
                                 .n = columns - at < SMG_CELL_MAX ? columns - at : SMG_CELL_MAX};
        job->kernels.attention_mix[SMG_KV_F32](weights, 0, 1, &cells, x + at, 0);
    }
}

/* ---- The file ------------------------------------------------------------------------------------------- */

static smidge_status take_floats(merger *job, smidge_error *error)
{
    size_t most = 0;
    for (size_t i = 0; i < job->adapter.count; i++) {
        const smg_adapter_pair *pair = &job->adapter.pairs[i];
        const size_t count = (size_t)pair->rank * (size_t)pair->a->shape[0];
        most = count > most ? count : most;
    }
    job->a = smg_alloc_array(most, sizeof *job->a);
    return job->a != NULL ? SMIDGE_OK : smg_error_no_memory(error, job->file.path, most * sizeof *job->a);
}

/* "SmolLM2 135M + thresholds": the names of both, or of their files. */
static void name_of(const smg_gguf *gguf, const char *path, char *ret_name, size_t room)
{
    const char *slash = strrchr(path, '/');
    const char *file = slash != NULL ? slash + 1 : path;
    smg_text text = {.data = file, .size = strlen(file)};
    /* a name of another type is no reason to fail here */
    (void)!smg_gguf_get_text(gguf, "general.name", &text, NULL, NULL);
    snprintf(ret_name, room, "%.*s", (int)(text.size < room ? text.size : room - 1), text.data);
}

static smidge_status open_files(merger *job, const smg_merge *options, smidge_error *error)
{
    SMG_TRY(smg_gguf_open(options->base, &job->base, error));
    SMG_TRY(smg_gguf_open(options->adapter, &job->file, error));
    SMG_TRY(smg_adapter_read(&job->file, &job->base, options->scale == 0.0F ? 1.0F : options->scale,
                             &job->adapter, error));
    smg_kernels_init(&job->kernels, smg_cpu_mask());
    return take_floats(job, error);
}

smidge_status smg_merge_adapter(const char *path, const smg_merge *options, smidge_error *error)
{
    SMG_CLEANUP(close_merger) merger job = {0};
    char base[128], adapter[128], name[sizeof base + sizeof adapter + 4];
    smg_weight_change change = {.changes = changes,
                                .begin = begin_tensor,
                                .change = change_row,
                                .context = &job,
                                .name = name};
    smg_quantize quantize = {.threads = options->threads > 0 ? options->threads : smg_thread_cores(),
                             .requantize = true,
                             .change = &change,
                             .progress = options->progress,
                             .context = options->progress_context};
    if (options->type != NULL) {
        quantize.mix = smg_mix_find(options->type);
        if (quantize.mix == NULL)
            return smg_error_set(error, SMIDGE_E_INVALID, options->type, "is not a type (%s are)",
                                 smg_mix_names());
    }
    SMG_TRY(open_files(&job, options, error));
    name_of(&job.base, options->base, base, sizeof base);
    name_of(&job.file, options->adapter, adapter, sizeof adapter);
    snprintf(name, sizeof name, "%s + %s", base, adapter);
    if (job.adapter.temperature > 0.0F) {
        change.key = SMG_ADAPTER_TEMPERATURE;
        change.value = job.adapter.temperature;
    }
    return smg_quantize_write(&job.base, path, &quantize, error);
}
