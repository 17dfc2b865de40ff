#include "quant/quantize_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "format/gguf_write.h"
#include "quant/dequantize.h"
#include "quant/tensor_maker.h"

#define COPY_BYTES (UINT64_C(1) << 20)
#define QUANTIZATION_VERSION 2

static const char file_type_key[] = "general.file_type", version_key[] = "general.quantization_version",
                  name_key[] = "general.name";

/* What is done to a tensor. */
typedef struct tensor_plan {
    char name[1025]; /* readers take no longer ones */
    const smg_gguf_tensor *tensor;
    smg_type type;
    int64_t columns, rows;
    int choice;   /* the one that applies; -1: none */
    bool changed; /* its weights become others */
    const float *importance;
    int64_t importance_columns;
} tensor_plan;

typedef struct quantizer {
    const smg_gguf *gguf;
    const smg_quantize *options;
    smg_mix_model model;
    smg_gguf_writer *writer;
    smg_tensor_maker *maker;
    int64_t longest; /* row, in elements */
    size_t weighted; /* tensors that the importance matrix knows */
    uint64_t done, total;
    tensor_plan plan; /* of the tensor at hand */
} quantizer;

/* ---- Choices -------------------------------------------------------------------------------------------- */

static bool type_of_name(const char *name, smg_type *ret_type)
{
    for (uint32_t type = 0; type < SMG_TYPE_COUNT; type++) {
        const smg_type_info *info = smg_type_describe(type);
        if (info != NULL && !smg_type_is_interleaved(type) && strcasecmp(info->name, name) == 0) {
            *ret_type = (smg_type)type;
            return true;
        }
    }
    return false;
}

smidge_status smg_type_choice_parse(const char *text, smg_type_choice *ret_choice, smidge_error *error)
{
    const char *equals = strrchr(text, '=');
    smg_type_choice choice;
    if (equals == NULL || equals == text || (size_t)(equals - text) >= sizeof choice.pattern)
        return smg_error_set(error, SMIDGE_E_INVALID, text,
                             "is not NAME=TYPE (for example ffn_down=q6_k, or 'blk.0.*=q8_0')");
    snprintf(choice.pattern, sizeof choice.pattern, "%.*s", (int)(equals - text), text);
    if (!type_of_name(equals + 1, &choice.type))
        return smg_error_set(
            error, SMIDGE_E_INVALID, text,
            "names no type of a tensor (such are f32, f16, bf16, q4_0, q4_1, q5_0, q5_1, q8_0, q2_k, "
            "q3_k, q4_k, q5_k, q6_k, iq4_nl and iq4_xs)");
    *ret_choice = choice;
    return SMIDGE_OK;
}

/* `*` stands for any text. (fnmatch(3) brings 29 KB along.) */
static bool matches_whole(const char *pattern, const char *name)
{
    const char *star = NULL, *tried = NULL;
    while (*name != '\0') {
        if (*pattern == '*') {
            star = pattern++;
            tried = name;
        } else if (*pattern == *name) {
            pattern++;
            name++;
        } else if (star != NULL) { /* the star takes one character more */
            pattern = star + 1;
            name = ++tried;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

static bool matches(const smg_type_choice *choice, const char *name)
{
    if (strchr(choice->pattern, '*') != NULL)
        return matches_whole(choice->pattern, name);
    return strstr(name, choice->pattern) != NULL;
}

static int find_choice(const smg_quantize *options, const char *name)
{
    for (size_t i = 0; i < options->choice_count; i++) {
        if (matches(&options->choices[i], name))
            return (int)i;
    }
    return -1;
}

/* ---- Planning ------------------------------------------------------------------------------------------- */

/* Whether a tensor's blocks are made, and not copied. */
static bool is_made(const tensor_plan *plan)
{
    return plan->changed || plan->type != plan->tensor->type;
}

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
                              .rows = 1,
                              .choice = -1};
    snprintf(ret_plan->name, sizeof ret_plan->name, "%.*s", (int)tensor->name.size, tensor->name.data);
    for (uint32_t i = 1; i < tensor->dims; i++)
        ret_plan->rows *= (int64_t)tensor->shape[i];
    const smg_weight_change *change = job->options->change;
    ret_plan->changed = change != NULL && change->changes(change->context, tensor);
    if (job->options->mix == NULL || !smg_mix_quantizes(ret_plan->name, tensor->dims))
        return;
    ret_plan->choice = find_choice(job->options, ret_plan->name);
    ret_plan->type = ret_plan->choice >= 0
                         ? job->options->choices[ret_plan->choice].type
                         : smg_mix_choose(job->options->mix, &job->model, ret_plan->name, tensor->shape[0]);
    if (job->options->imatrix != NULL)
        ret_plan->importance =
            smg_imatrix_find(job->options->imatrix, ret_plan->name, &ret_plan->importance_columns);
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

static smidge_status check_plan(const quantizer *job, const tensor_plan *plan, smidge_error *error)
{
    const char *path = job->gguf->path;
    const char *type = smg_type_describe(plan->type)->name;
    if (smg_type_is_interleaved(plan->tensor->type))
        return smg_error_set(error, SMIDGE_E_INVALID, path,
                             "has interleaved rows (smidge repack --plain first)");
    if (plan->choice >= 0 && smg_type_row_bytes(plan->type, (uint64_t)plan->columns) == 0)
        return smg_error_set(error, SMIDGE_E_INVALID, path,
                             "%s has rows of %" PRId64
                             ", which are not whole blocks of %s (choose another type)",
                             plan->name, plan->columns, type);
    if (plan->importance != NULL && plan->importance_columns != plan->columns)
        return smg_error_set(error, SMIDGE_E_INVALID, job->options->imatrix_name,
                             "has %" PRId64 " numbers for %s, which has rows of %" PRId64
                             " (it belongs to another model)",
                             plan->importance_columns, plan->name, plan->columns);
    /* going back to floats loses nothing more */
    if (plan->type != plan->tensor->type && !is_float(plan->type) && !is_float(plan->tensor->type) &&
        !job->options->requantize)
        return smg_error_set(
            error, SMIDGE_E_INVALID, path,
            "%s is %s already, and quantizing it again loses more (take the file in F16, BF16 or "
            "F32, or allow it: --allow-requantize)",
            plan->name, smg_type_describe(plan->tensor->type)->name);
    return SMIDGE_OK;
}

/* Looks at all tensors before anything is written. */
static smidge_status survey(quantizer *job, smidge_error *error)
{
    const smg_quantize *options = job->options;
    uint64_t used = 0; /* a bit for each choice */
    for (uint64_t i = 0; i < job->gguf->tensor_count; i++) {
        tensor_plan plan;
        plan_of(job, i, &plan);
        SMG_TRY(check_plan(job, &plan, error));
        job->total += plan.tensor->bytes;
        job->weighted += plan.importance != NULL;
        if (plan.choice >= 0)
            used |= UINT64_C(1) << plan.choice;
        if (is_made(&plan) && plan.columns > job->longest)
            job->longest = plan.columns;
    }
    for (size_t i = 0; i < options->choice_count; i++) {
        if ((used >> i & 1) == 0)
            return smg_error_set(
                error, SMIDGE_E_INVALID, options->choices[i].pattern,
                "is no matrix of this model, or an earlier choice has them all (smidge inspect lists them)");
    }
    if (options->imatrix != NULL && job->weighted == 0)
        return smg_error_set(error, SMIDGE_E_INVALID, options->imatrix_name,
                             "knows none of this model's tensors (it belongs to another model)");
    return SMIDGE_OK;
}

/* ---- Tensors -------------------------------------------------------------------------------------------- */

static void read_row(const void *context, int64_t row, float *ret_row)
{
    const quantizer *job = context;
    const tensor_plan *plan = &job->plan;
    const smg_gguf_tensor *tensor = plan->tensor;
    const size_t bytes = (size_t)smg_type_row_bytes(tensor->type, (uint64_t)plan->columns);
    smg_dequantize_row(tensor->type, tensor->data + (size_t)row * bytes, ret_row, plan->columns);
    if (plan->changed)
        job->options->change->change(job->options->change->context, row, ret_row);
}

/* So much of a tensor is done with. */
static void report(quantizer *job, const uint8_t *data, uint64_t bytes)
{
    smg_gguf_forget(job->gguf, data, (size_t)bytes);
    job->done += bytes;
    if (job->options->progress != NULL)
        job->options->progress(job->options->context, job->done, job->total);
}

static void rows_done(void *context, int64_t first, int64_t count)
{
    quantizer *job = context;
    const smg_gguf_tensor *tensor = job->plan.tensor;
    const size_t bytes = (size_t)smg_type_row_bytes(tensor->type, (uint64_t)job->plan.columns);
    report(job, tensor->data + (size_t)first * bytes, bytes * (uint64_t)count);
}

/* The tensor of job->plan. */
static smidge_status quantize_tensor(quantizer *job, smidge_error *error)
{
    const tensor_plan *plan = &job->plan;
    const smg_tensor_rows rows = {.file = job->gguf->path,
                                  .name = plan->name,
                                  .type = plan->type,
                                  .columns = plan->columns,
                                  .rows = plan->rows,
                                  .importance = plan->importance,
                                  .read = read_row,
                                  .done = rows_done,
                                  .context = job};
    return smg_tensor_make(job->maker, &rows, job->writer, error);
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

/* What importance the file was made with, under llama.cpp's names. */
static smidge_status write_origin(quantizer *job, smidge_error *error)
{
    static const char prefix[] = "quantize.imatrix.";
    const smg_imatrix *imatrix = job->options->imatrix;
    const char *slash = strrchr(job->options->imatrix_name, '/');
    const char *file = slash != NULL ? slash + 1 : job->options->imatrix_name;
    const char *dataset = smg_imatrix_dataset(imatrix);
    for (uint64_t i = 0; i < job->gguf->key_count; i++) {
        const smg_text name = job->gguf->keys[i].name;
        if (name.size >= sizeof prefix - 1 && memcmp(name.data, prefix, sizeof prefix - 1) == 0)
            return SMIDGE_OK; /* it was once before: then that record stays */
    }
    SMG_TRY(smg_gguf_write_text(job->writer, "quantize.imatrix.file", (smg_text){file, strlen(file)}, error));
    if (dataset[0] != '\0')
        SMG_TRY(smg_gguf_write_text(job->writer, "quantize.imatrix.dataset",
                                    (smg_text){dataset, strlen(dataset)}, error));
    SMG_TRY(smg_gguf_write_u32(job->writer, "quantize.imatrix.entries_count",
                               (uint32_t)smg_imatrix_count(imatrix), error));
    return smg_gguf_write_u32(job->writer, "quantize.imatrix.chunks_count", smg_imatrix_chunks(imatrix),
                              error);
}

/* Whether a key of the model gives way to one of ours. */
static bool gives_way(const quantizer *job, const smg_gguf_key *key)
{
    const smg_gguf *gguf = job->gguf;
    const smg_weight_change *change = job->options->change;
    if (change != NULL && change->key != NULL && key == smg_gguf_find(gguf, change->key))
        return true;
    if (key == smg_gguf_find(gguf, name_key))
        return change != NULL;
    return job->options->mix != NULL &&
           (key == smg_gguf_find(gguf, file_type_key) || key == smg_gguf_find(gguf, version_key));
}

static smidge_status write_keys(quantizer *job, smidge_error *error)
{
    const smg_quantize *options = job->options;
    for (uint64_t i = 0; i < job->gguf->key_count; i++) {
        if (!gives_way(job, &job->gguf->keys[i]))
            SMG_TRY(smg_gguf_write_key(job->writer, &job->gguf->keys[i], error));
    }
    if (options->change != NULL)
        SMG_TRY(smg_gguf_write_text(job->writer, name_key,
                                    (smg_text){options->change->name, strlen(options->change->name)}, error));
    if (options->change != NULL && options->change->key != NULL)
        SMG_TRY(smg_gguf_write_f32(job->writer, options->change->key, options->change->value, error));
    if (options->imatrix != NULL)
        SMG_TRY(write_origin(job, error));
    if (options->mix == NULL)
        return SMIDGE_OK;
    SMG_TRY(smg_gguf_write_u32(job->writer, file_type_key, smg_mix_file_type(options->mix), error));
    return smg_gguf_write_u32(job->writer, version_key, QUANTIZATION_VERSION, error);
}

static smidge_status write_lists(quantizer *job, smidge_error *error)
{
    const smg_gguf *gguf = job->gguf;
    SMG_TRY(write_keys(job, error));
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
        if (job->plan.changed)
            job->options->change->begin(job->options->change->context, job->plan.tensor);
        if (is_made(&job->plan))
            SMG_TRY(quantize_tensor(job, error));
        else
            SMG_TRY(copy_tensor(job, job->plan.tensor, error));
    }
    return SMIDGE_OK;
}

static void close_job(quantizer *job)
{
    smg_gguf_write_close(job->writer);
    smg_tensor_maker_free(job->maker);
}

smidge_status smg_quantize_write(const smg_gguf *gguf, const char *path, const smg_quantize *options,
                                 smidge_error *error)
{
    SMG_CLEANUP(close_job) quantizer job = {.gguf = gguf, .options = options, .model = model_of(gguf)};
    job.model.weighted = options->imatrix != NULL;
    SMG_TRY(survey(&job, error));
    SMG_TRY(smg_tensor_maker_new(options->threads, job.longest, &job.maker, error));
    SMG_TRY(smg_gguf_write_open(path, &job.writer, error));
    SMG_TRY(write_lists(&job, error));
    SMG_TRY(write_tensors(&job, error));
    return smg_gguf_write_finish(job.writer, error);
}
