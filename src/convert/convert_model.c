#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "convert/convert.h"
#include "convert/hf_vocabulary.h"
#include "convert/tensor_names.h"
#include "quant/dequantize.h"
#include "quant/tensor_maker.h"
#include "token/chat_template.h"

#define QUANTIZATION_VERSION 2
#define README_BYTES ((size_t)1 << 20)
#define LICENSE_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
#define MAX_MADE 2

typedef struct planned {
    smg_hf_tensor to;
    smg_type type;
    const smg_safetensor *from; /* NULL: not there */
    const smg_hf_shard *shard;
    const float *made; /* instead of `from`: factors of rope */
} planned;

typedef struct converter {
    const char *folder;
    const smg_convert *options;
    smg_hf_config config;
    smg_hf_weights weights;
    smg_hf_vocabulary vocabulary;
    const smg_mix *mix;
    planned *plan; /* by place; the made ones stand behind */
    int32_t places, made;
    uint64_t done, total; /* bytes of the source */
    uint64_t parameters;
    int64_t longest;
    smg_gguf_writer *writer;
    smg_tensor_maker *maker;
    const planned *now;
} converter;

static void note(const converter *job, const char *text)
{
    if (job->options->note != NULL)
        job->options->note(job->options->note_context, text);
}

/* ---- Planning ------------------------------------------------------------------------------------------- */

static smidge_status check_shape(const planned *tensor, smidge_error *error)
{
    const smg_safetensor *from = tensor->from;
    const smg_hf_tensor *to = &tensor->to;
    const int64_t rows = from->dims == 2 ? (int64_t)from->shape[0] : 1;
    const int64_t columns = (int64_t)from->shape[from->dims == 2 ? 1 : 0];
    if (from->type == SMG_TYPE_COUNT)
        return smg_error_set(error, SMIDGE_E_UNSUPPORTED, tensor->shard->path,
                             "tensor %.128s is %s (take the model in F32, F16 or BF16)", from->name,
                             from->dtype);
    if (from->dims == to->dims && rows == to->rows && columns == to->columns)
        return SMIDGE_OK;
    return smg_error_set(error, SMIDGE_E_FORMAT, tensor->shard->path,
                         "tensor %.128s has %" PRIu32 " dimensions of %" PRId64 " x %" PRId64
                         ", and by config.json %" PRIu32 " of %" PRId64 " x %" PRId64
                         " (do both belong to the same model?)",
                         from->name, from->dims, rows, columns, to->dims, to->rows, to->columns);
}

static smidge_status plan_tensor(converter *job, const smg_hf_shard *shard, const smg_safetensor *from,
                                 smidge_error *error)
{
    planned tensor = {.from = from, .shard = shard};
    SMG_TRY(smg_hf_tensor_name(&job->config, from->name, shard->path, &tensor.to, error));
    if (tensor.to.place < 0)
        return SMIDGE_OK;
    SMG_TRY(check_shape(&tensor, error));
    if (job->plan[tensor.to.place].from != NULL)
        return smg_error_set(error, SMIDGE_E_FORMAT, shard->path,
                             "tensor %.128s is there twice (download the folder again)", from->name);
    job->plan[tensor.to.place] = tensor;
    job->total += from->bytes;
    job->parameters += (uint64_t)tensor.to.rows * (uint64_t)tensor.to.columns;
    if (tensor.to.columns > job->longest)
        job->longest = tensor.to.columns;
    return SMIDGE_OK;
}

/* Factors of rope that config.json has as numbers and GGUF as tensors. */
static void plan_factors(converter *job, const char *name, const float *factors)
{
    planned *tensor = &job->plan[job->places + job->made++];
    *tensor = (planned){.made = factors};
    tensor->to = (smg_hf_tensor){.dims = 1, .rows = 1, .columns = job->config.factor_count};
    snprintf(tensor->to.name, sizeof tensor->to.name, "%s", name);
    if (tensor->to.columns > job->longest)
        job->longest = tensor->to.columns;
}

static smidge_status plan_all(converter *job, smidge_error *error)
{
    const smg_hf_config *config = &job->config;
    job->places = smg_hf_places(config);
    const size_t count = (size_t)job->places + MAX_MADE;
    job->plan = smg_alloc_array(count, sizeof *job->plan);
    if (job->plan == NULL)
        return smg_error_no_memory(error, job->folder, count * sizeof *job->plan);
    for (size_t i = 0; i < job->weights.count; i++) {
        const smg_hf_shard *shard = &job->weights.shards[i];
        for (size_t j = 0; j < shard->file.count; j++)
            SMG_TRY(plan_tensor(job, shard, &shard->file.tensors[j], error));
    }
    char name[128];
    for (int32_t i = 0; i < job->places; i++) {
        if (job->plan[i].from == NULL && smg_hf_place_needed(config, i, name))
            return smg_error_set(error, SMIDGE_E_FORMAT, job->folder,
                                 "tensor %s is missing (download the folder again)", name);
    }
    if (config->scaling == SMG_HF_LLAMA3)
        plan_factors(job, "rope_freqs.weight", config->factors);
    if (config->scaling == SMG_HF_LONGROPE) {
        plan_factors(job, "rope_factors_long.weight", config->factors);
        plan_factors(job, "rope_factors_short.weight", config->short_factors);
    }
    return SMIDGE_OK;
}

static bool is_planned(const planned *tensor)
{
    return tensor->from != NULL || tensor->made != NULL;
}

static void choose_types(converter *job)
{
    const smg_hf_config *config = &job->config;
    job->mix = job->options->mix;
    if (job->mix == NULL)
        job->mix = smg_mix_find(job->plan[0].from->type == SMG_TYPE_BF16 ? "bf16" : "f16");
    const smg_mix_model model = {.layers = (int32_t)config->layers,
                                 .grouping = (int32_t)(config->heads / config->kv_heads),
                                 .tied = job->plan[job->places - 1].from == NULL};
    for (int32_t i = 0; i < job->places + job->made; i++) {
        planned *tensor = &job->plan[i];
        tensor->type = SMG_TYPE_F32;
        if (is_planned(tensor) && smg_mix_quantizes(tensor->to.name, tensor->to.dims))
            tensor->type = smg_mix_choose(job->mix, &model, tensor->to.name, (uint64_t)tensor->to.columns);
    }
}

/* ---- Rows ----------------------------------------------------------------------------------------------- */

static void read_row(const void *context, int64_t row, float *ret_row)
{
    const converter *job = context;
    const planned *tensor = job->now;
    const int64_t columns = tensor->to.columns;
    if (tensor->made != NULL) {
        memcpy(ret_row, tensor->made, (size_t)columns * sizeof *ret_row);
        return;
    }
    const smg_hf_change change = tensor->to.change;
    const bool rotated = change == SMG_HF_ROTATED_QUERIES || change == SMG_HF_ROTATED_KEYS;
    const smg_type type = tensor->from->type;
    const size_t size = (size_t)smg_type_row_bytes(type, 1);
    const uint8_t *data = tensor->from->data;
    if (rotated && tensor->to.dims == 1) {
        for (int64_t i = 0; i < columns; i++) {
            const int64_t from = smg_convert_rotated(i, job->config.head_size);
            smg_dequantize_row(type, data + (size_t)from * size, ret_row + i, 1);
        }
        return;
    }
    const int64_t from = rotated ? smg_convert_rotated(row, job->config.head_size) : row;
    smg_dequantize_row(type, data + (size_t)from * (size_t)columns * size, ret_row, columns);
    for (int64_t i = 0; change == SMG_HF_PLUS_ONE && i < columns; i++)
        ret_row[i] += 1.0F;
}

static void rows_done(void *context, int64_t first, int64_t count)
{
    converter *job = context;
    const planned *tensor = job->now;
    if (tensor->from == NULL)
        return;
    const uint64_t row = tensor->from->bytes / (uint64_t)tensor->to.rows;
    smg_file_forget(tensor->from->data + (uint64_t)first * row, (size_t)((uint64_t)count * row));
    job->done += (uint64_t)count * row;
    if (job->options->progress != NULL)
        job->options->progress(job->options->progress_context, job->done, job->total);
}

static smidge_status write_tensors(converter *job, smidge_error *error)
{
    for (int32_t i = 0; i < job->places + job->made; i++) {
        const planned *tensor = &job->plan[i];
        if (!is_planned(tensor))
            continue;
        job->now = tensor;
        const smg_tensor_rows rows = {.file = tensor->shard != NULL ? tensor->shard->path : job->folder,
                                      .name = tensor->to.name,
                                      .type = tensor->type,
                                      .columns = tensor->to.columns,
                                      .rows = tensor->to.rows,
                                      .read = read_row,
                                      .done = rows_done,
                                      .context = job};
        SMG_TRY(smg_tensor_make(job->maker, &rows, job->writer, error));
    }
    return SMIDGE_OK;
}

/* ---- Keys ----------------------------------------------------------------------------------------------- */

static smidge_status put_text(converter *job, const char *name, const char *text, smidge_error *error)
{
    return smg_gguf_write_text(job->writer, name, (smg_text){text, strlen(text)}, error);
}

/* "135M", "1.2B". */
static void size_label(uint64_t parameters, char ret_label[32])
{
    static const char letters[] = "KMBT";
    double scaled = (double)parameters / 1e3;
    size_t unit = 0;
    while (scaled >= 1e3 && unit + 1 < sizeof letters - 1) {
        scaled /= 1e3;
        unit++;
    }
    snprintf(ret_label, 32, "%.*f%c", scaled < 9.5 ? 1 : 0, scaled, letters[unit]);
}

/* "license: mit" in the lines between "---" with which a model's card begins. */
static smidge_status write_license(converter *job, smidge_error *error)
{
    SMG_CLEANUP(smg_free_ptr) char *text = NULL;
    char path[PATH_MAX], license[128];
    size_t size;
    SMG_TRY(smg_hf_path(job->folder, "README.md", path, error));
    if (!smg_hf_exists(path) || smg_file_read(path, README_BYTES, &text, &size, NULL) != SMIDGE_OK)
        return SMIDGE_OK; /* a card that cannot be read costs a key, not the model */
    if (strncmp(text, "---\n", 4) != 0)
        return SMIDGE_OK;
    for (const char *line = text + 4; line != NULL && strncmp(line, "---", 3) != 0;) {
        if (strncmp(line, "license: ", 9) == 0) {
            const size_t length = strspn(line + 9, LICENSE_CHARACTERS);
            snprintf(license, sizeof license, "%.*s", (int)(length < sizeof license ? length : 0), line + 9);
            return license[0] != '\0' ? put_text(job, "general.license", license, error) : SMIDGE_OK;
        }
        line = strchr(line, '\n');
        line = line != NULL ? line + 1 : NULL;
    }
    return SMIDGE_OK;
}

static smidge_status write_general(converter *job, smidge_error *error)
{
    char full[PATH_MAX], label[32];
    SMG_TRY(put_text(job, "general.architecture", job->config.architecture, error));
    SMG_TRY(put_text(job, "general.type", "model", error));
    const char *path = realpath(job->folder, full) != NULL ? full : job->folder;
    const char *slash = strrchr(path, '/');
    SMG_TRY(put_text(job, "general.name", slash != NULL ? slash + 1 : path, error));
    SMG_TRY(write_license(job, error));
    size_label(job->parameters, label);
    SMG_TRY(put_text(job, "general.size_label", label, error));
    return smg_gguf_write_scalar(job->writer, "general.parameter_count", SMG_GGUF_U64, &job->parameters,
                                 error);
}

static smidge_status write_lists(converter *job, smidge_error *error)
{
    SMG_TRY(write_general(job, error));
    SMG_TRY(smg_hf_config_write(&job->config, job->writer, error));
    SMG_TRY(smg_hf_vocabulary_write(&job->vocabulary, job->writer, error));
    SMG_TRY(smg_gguf_write_u32(job->writer, "general.file_type", smg_mix_file_type(job->mix), error));
    SMG_TRY(smg_gguf_write_u32(job->writer, "general.quantization_version", QUANTIZATION_VERSION, error));
    for (int32_t i = 0; i < job->places + job->made; i++) {
        const planned *tensor = &job->plan[i];
        const uint64_t shape[] = {(uint64_t)tensor->to.columns, (uint64_t)tensor->to.rows};
        if (is_planned(tensor))
            SMG_TRY(smg_gguf_write_tensor(job->writer, tensor->to.name, tensor->type, tensor->to.dims, shape,
                                          error));
    }
    return SMIDGE_OK;
}

static void describe_template(const converter *job)
{
    const smg_chat_template *chat = NULL;
    char text[128];
    if (job->vocabulary.chat_template.size == 0) {
        note(job, "no chat template: for raw prompts, classification and JSON");
    } else if (smg_chat_recognize(job->vocabulary.chat_template, &chat, NULL) == SMIDGE_OK) {
        snprintf(text, sizeof text, "chat template: %.96s", smg_chat_name(chat));
        note(job, text);
    } else {
        note(job,
             "chat template not recognised: --chat needs --template (see docs/troubleshooting.md, \"Chat "
             "templates\")");
    }
}

/* ---- The file ------------------------------------------------------------------------------------------- */

static void close_job(converter *job)
{
    smg_gguf_write_close(job->writer);
    smg_tensor_maker_free(job->maker);
    smg_hf_vocabulary_free(&job->vocabulary);
    smg_hf_weights_close(&job->weights);
    smg_free(job->plan);
}

static void free_job(converter **job)
{
    if (*job != NULL)
        close_job(*job);
    smg_free(*job);
}

static smidge_status read_config(converter *job, smidge_error *error)
{
    SMG_CLEANUP(smg_json_release) json_t *json = NULL;
    char path[PATH_MAX];
    SMG_TRY(smg_hf_path(job->folder, "config.json", path, error));
    if (!smg_hf_exists(path))
        return smg_error_set(error, SMIDGE_E_IO, job->folder,
                             "has no config.json (give a folder as it is on the Hub, with config.json, the "
                             "safetensors and the tokenizer)");
    SMG_TRY(smg_json_read(path, SMG_HF_JSON_BYTES, &json, error));
    return smg_hf_config_read(json, path, &job->config, error);
}

smidge_status smg_convert_model(const char *folder, const char *path, const smg_convert *options,
                                smidge_error *error)
{
    SMG_CLEANUP(free_job) converter *job = smg_alloc(sizeof *job);
    if (job == NULL)
        return smg_error_no_memory(error, folder, sizeof *job);
    job->folder = folder;
    job->options = options;
    SMG_TRY(read_config(job, error));
    SMG_TRY(smg_hf_weights_open(folder, &job->weights, error));
    SMG_TRY(smg_hf_vocabulary_read(folder, &job->config, &job->vocabulary, error));
    SMG_TRY(plan_all(job, error));
    choose_types(job);
    SMG_TRY(smg_gguf_write_open(path, &job->writer, error));
    SMG_TRY(write_lists(job, error));
    describe_template(job);
    smg_hf_vocabulary_free(&job->vocabulary);
    SMG_TRY(smg_tensor_maker_new(options->threads, job->longest, &job->maker, error));
    SMG_TRY(write_tensors(job, error));
    return smg_gguf_write_finish(job->writer, error);
}
