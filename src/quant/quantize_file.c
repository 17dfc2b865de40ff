#include "quant/quantize_file.h"

#include <inttypes.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/thread.h"
#include "cpu/cpu.h"
#include "format/gguf_write.h"
#include "quant/dequantize.h"
#include "quant/quantize.h"

/* Elements of a batch of rows, which all workers share: enough to make starting them cheap. */
#define BATCH_ELEMENTS (INT64_C(1) << 20)
#define COPY_BYTES (UINT64_C(1) << 20)
#define QUANTIZATION_VERSION 2

static const char file_type_key[] = "general.file_type", version_key[] = "general.quantization_version";

/* What is done to a tensor. */
typedef struct tensor_plan {
    char name[1025]; /* readers take no longer ones */
    const smg_gguf_tensor *tensor;
    smg_type type;
    int64_t columns, rows;
} tensor_plan;

typedef struct quantizer {
    const smg_gguf *gguf;
    const smg_quantize *options;
    smg_mix_model model;
    smg_kernels kernels;
    smg_gguf_writer *writer;
    smg_pool *pool;
    float *floats;   /* [threads][longest row] */
    uint8_t *batch;  /* quantized rows */
    int64_t longest; /* row, in elements */
    uint64_t done, total;
    /* The batch at hand: */
    tensor_plan plan;
    int64_t first, count;
    atomic_bool not_finite;
} quantizer;

/* ---- Planning ------------------------------------------------------------------------------------------- */

static bool is_float(smg_type type)
{
    return type == SMG_TYPE_F32 || type == SMG_TYPE_F16 || type == SMG_TYPE_BF16;
}

static void plan_of(const quantizer *job, uint64_t number, tensor_plan *ret_plan)
{
    const smg_gguf_tensor *tensor = &job->gguf->tensors[number];
    *ret_plan = (tensor_plan){.tensor = tensor,
                              .type = tensor->type,
                              .columns = (int64_t)tensor->shape[0],
                              .rows = 1};
    snprintf(ret_plan->name, sizeof ret_plan->name, "%.*s", (int)tensor->name.size, tensor->name.data);
    for (uint32_t i = 1; i < tensor->dims; i++)
        ret_plan->rows *= (int64_t)tensor->shape[i];
    if (smg_mix_quantizes(ret_plan->name, tensor->dims))
        ret_plan->type = smg_mix_choose(job->options->mix, &job->model, ret_plan->name, tensor->shape[0]);
}

static uint32_t number_key(const smg_gguf *gguf, const char *ending)
{
    smg_text architecture = {.data = "", .size = 0};
    char name[128];
    uint32_t value = 0;
    (void)!smg_gguf_get_text(gguf, "general.architecture", &architecture, NULL, NULL);
    snprintf(name, sizeof name, "%.*s.%s", (int)architecture.size, architecture.data, ending);
    (void)!smg_gguf_get_u32(gguf, name, &value, NULL, NULL);
    return value;
}

/* What the mix wants to know, from keys that may be missing: then the rules for layers do not apply. */
static smg_mix_model model_of(const smg_gguf *gguf)
{
    smg_mix_model model = {.layers = (int32_t)number_key(gguf, "block_count"), .grouping = 1};
    const uint32_t heads = number_key(gguf, "attention.head_count");
    const uint32_t kv_heads = number_key(gguf, "attention.head_count_kv");
    if (kv_heads > 0)
        model.grouping = (int32_t)(heads / kv_heads);
    model.tied = smg_gguf_find_tensor(gguf, "output.weight") == NULL;
    return model;
}

/* Looks at all tensors before anything is written. */
static smidge_status survey(quantizer *job, smidge_error *error)
{
    for (uint64_t i = 0; i < job->gguf->tensor_count; i++) {
        tensor_plan plan;
        plan_of(job, i, &plan);
        job->total += plan.tensor->bytes;
        if (smg_type_is_interleaved(plan.tensor->type))
            return smg_error_set(error, SMIDGE_E_INVALID, job->gguf->path,
                                 "has interleaved rows (smidge repack --plain first)");
        if (plan.type == plan.tensor->type)
            continue;
        if (!is_float(plan.tensor->type) && !job->options->requantize)
            return smg_error_set(
                error, SMIDGE_E_INVALID, job->gguf->path,
                "%s is %s already, and quantizing it again loses more (take the file in F16, BF16 or "
                "F32, or allow it: --allow-requantize)",
                plan.name, smg_type_describe(plan.tensor->type)->name);
        if (plan.columns > job->longest)
            job->longest = plan.columns;
    }
    return SMIDGE_OK;
}

/* ---- Tensors -------------------------------------------------------------------------------------------- */

static bool all_finite(const float *x, int64_t n)
{
    float sum = 0; /* of differences that are 0, or not a number */
    for (int64_t i = 0; i < n; i++)
        sum += x[i] - x[i];
    return sum == 0;
}

static void quantize_rows(void *context, smg_worker *worker)
{
    quantizer *job = context;
    const tensor_plan *plan = &job->plan;
    const smg_gguf_tensor *tensor = plan->tensor;
    const size_t from_bytes = (size_t)smg_type_row_bytes(tensor->type, (uint64_t)plan->columns);
    const size_t to_bytes = (size_t)smg_type_row_bytes(plan->type, (uint64_t)plan->columns);
    float *x = job->floats + worker->index * job->longest;
    int64_t begin, end;
    while (smg_worker_next(worker, job->count, 1, &begin, &end)) {
        for (int64_t row = begin; row < end; row++) {
            smg_dequantize_row(tensor->type, tensor->data + (size_t)(job->first + row) * from_bytes, x,
                               plan->columns);
            if (!all_finite(x, plan->columns))
                atomic_store(&job->not_finite, true);
            else
                smg_quantize_row(&job->kernels, plan->type, x, NULL, plan->columns,
                                 job->batch + (size_t)row * to_bytes);
        }
    }
}

/* So much of a tensor is done with. */
static void report(quantizer *job, const uint8_t *data, uint64_t bytes)
{
    smg_gguf_forget(job->gguf, data, (size_t)bytes);
    job->done += bytes;
    if (job->options->progress != NULL)
        job->options->progress(job->options->context, job->done, job->total);
}

static int64_t batch_rows(int64_t columns)
{
    return columns < BATCH_ELEMENTS ? BATCH_ELEMENTS / columns : 1;
}

/* The tensor of job->plan. */
static smidge_status quantize_tensor(quantizer *job, smidge_error *error)
{
    const tensor_plan *plan = &job->plan;
    const size_t row_bytes = (size_t)smg_type_row_bytes(plan->type, (uint64_t)plan->columns);
    const size_t from_bytes = (size_t)smg_type_row_bytes(plan->tensor->type, (uint64_t)plan->columns);
    const int64_t step = batch_rows(plan->columns);
    for (job->first = 0; job->first < plan->rows; job->first += job->count) {
        job->count = plan->rows - job->first < step ? plan->rows - job->first : step;
        SMG_TRY(smg_pool_run(job->pool, quantize_rows, job, NULL));
        if (atomic_load(&job->not_finite))
            return smg_error_set(error, SMIDGE_E_FORMAT, job->gguf->path,
                                 "%s has a weight that is not a finite number, in rows %" PRId64
                                 " to %" PRId64
                                 " (the file is damaged, or the model was saved while it diverged)",
                                 plan->name, job->first, job->first + job->count - 1);
        SMG_TRY(smg_gguf_write_data(job->writer, job->batch, (size_t)job->count * row_bytes, error));
        report(job, plan->tensor->data + (size_t)job->first * from_bytes, from_bytes * (uint64_t)job->count);
    }
    return SMIDGE_OK;
}

static smidge_status copy_tensor(quantizer *job, const smg_gguf_tensor *tensor, smidge_error *error)
{
    for (uint64_t at = 0, size; at < tensor->bytes; at += size) {
        size = tensor->bytes - at < COPY_BYTES ? tensor->bytes - at : COPY_BYTES;
        SMG_TRY(smg_gguf_write_data(job->writer, tensor->data + at, (size_t)size, error));
        report(job, tensor->data + at, size);
    }
    return SMIDGE_OK;
}

/* ---- The file ------------------------------------------------------------------------------------------- */

static smidge_status write_lists(quantizer *job, smidge_error *error)
{
    const smg_gguf *gguf = job->gguf;
    for (uint64_t i = 0; i < gguf->key_count; i++) {
        const smg_gguf_key *key = &gguf->keys[i];
        if (key != smg_gguf_find(gguf, file_type_key) && key != smg_gguf_find(gguf, version_key))
            SMG_TRY(smg_gguf_write_key(job->writer, key, error));
    }
    SMG_TRY(smg_gguf_write_u32(job->writer, file_type_key, smg_mix_file_type(job->options->mix), error));
    SMG_TRY(smg_gguf_write_u32(job->writer, version_key, QUANTIZATION_VERSION, error));
    for (uint64_t i = 0; i < gguf->tensor_count; i++) {
        tensor_plan plan;
        plan_of(job, i, &plan);
        SMG_TRY(smg_gguf_write_tensor(job->writer, plan.name, plan.type, plan.tensor->dims,
                                      plan.tensor->shape, error));
    }
    return SMIDGE_OK;
}

static smidge_status write_tensors(quantizer *job, smidge_error *error)
{
    for (uint64_t i = 0; i < job->gguf->tensor_count; i++) {
        plan_of(job, i, &job->plan);
        if (job->plan.type == job->plan.tensor->type)
            SMG_TRY(copy_tensor(job, job->plan.tensor, error));
        else
            SMG_TRY(quantize_tensor(job, error));
    }
    return SMIDGE_OK;
}

static void close_job(quantizer *job)
{
    smg_gguf_write_close(job->writer);
    smg_pool_free(job->pool);
    smg_free(job->floats);
    smg_free(job->batch);
}

static smidge_status prepare(quantizer *job, const char *path, smidge_error *error)
{
    const size_t floats = (size_t)job->longest * (size_t)job->options->threads * sizeof(float);
    const int64_t batch = batch_rows(job->longest > 0 ? job->longest : 1) * job->longest;
    /* no type takes more than F32; a batch of shorter rows is no larger */
    const size_t bytes = (size_t)(batch > BATCH_ELEMENTS ? batch : BATCH_ELEMENTS) * sizeof(float);
    job->floats = smg_alloc(floats + 1);
    job->batch = smg_alloc(bytes);
    if (job->floats == NULL || job->batch == NULL)
        return smg_error_no_memory(error, job->gguf->path, floats + bytes);
    SMG_TRY(smg_pool_new(job->options->threads, &job->pool, error));
    SMG_TRY(smg_pool_acquire(job->pool, NULL));
    return smg_gguf_write_open(path, &job->writer, error);
}

smidge_status smg_quantize_write(const smg_gguf *gguf, const char *path, const smg_quantize *options,
                                 smidge_error *error)
{
    SMG_CLEANUP(close_job) quantizer job = {.gguf = gguf, .options = options, .model = model_of(gguf)};
    smg_kernels_init(&job.kernels, smg_cpu_mask());
    SMG_TRY(survey(&job, error));
    SMG_TRY(prepare(&job, path, error));
    SMG_TRY(write_lists(&job, error));
    SMG_TRY(write_tensors(&job, error));
    return smg_gguf_write_finish(job.writer, error);
}
