/* LoRA adapters. PEFT has A as [rank, input] and B as [output, rank], which is GGUF's order; MLX has both transposed. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/alloc.h"
#include "convert/convert.h"
#include "convert/tensor_names.h"
#include "quant/dequantize.h"
#include "quant/tensor_maker.h"

#define MAX_RANK 65536

typedef struct part {
    char name[80];
    const smg_safetensor *from; /* NULL: not there */
    int64_t rows, columns;      /* as they are written */
    bool rotated;
} part;

typedef struct adapter {
    const char *folder;
    const smg_convert *options;
    smg_hf_config config; /* of the base */
    char path[PATH_MAX];  /* of the weights */
    smg_safetensors file;
    bool transposed; /* MLX */
    double alpha;
    int64_t rank;
    bool ranks_differ; /* each matrix has its own, as its tensors say */
    part *parts;       /* a and b of each place */
    size_t part_count;
    uint64_t done, total, parameters;
    int64_t longest;
    smg_type type;
    smg_gguf_writer *writer;
    smg_tensor_maker *maker;
    const part *now;
} adapter;

/* ---- The base ------------------------------------------------------------------------------------------- */

static smidge_status base_key(const smg_gguf *gguf, const char *architecture, const char *ending,
                              int64_t *ret, smidge_error *error)
{
    char name[128];
    uint32_t value = (uint32_t)*ret;
    snprintf(name, sizeof name, "%s.%s", architecture, ending);
    SMG_TRY(smg_gguf_get_u32(gguf, name, &value, NULL, error));
    *ret = value;
    return SMIDGE_OK;
}

static smidge_status check_base(const adapter *job, const char *path, smidge_error *error)
{
    const smg_hf_config *config = &job->config;
    const bool sound = config->layers > 0 && config->layers <= SMG_HF_MAX_LAYERS && config->width > 0 &&
                       config->heads > 0 && config->kv_heads > 0 && config->head_size > 1 &&
                       config->head_size % 2 == 0 && config->heads < 65536 && config->kv_heads < 65536 &&
                       config->head_size < 65536 && config->feed_forward > 0;
    if (sound)
        return SMIDGE_OK;
    return smg_error_set(error, SMIDGE_E_FORMAT, path,
                         "does not have the keys of a model (give the base's folder or GGUF file: --base)");
}

static smidge_status base_from_gguf(adapter *job, const char *path, smidge_error *error)
{
    SMG_CLEANUP(smg_gguf_close) smg_gguf gguf = {0};
    static const char *const names[SMG_HF_FAMILIES] = {"llama", "qwen2",  "qwen3", "phi3",
                                                       "gemma", "gemma2", "gemma3"};
    smg_hf_config *config = &job->config;
    smg_text architecture = {.data = "", .size = 0};
    SMG_TRY(smg_gguf_open(path, &gguf, error));
    SMG_TRY(smg_gguf_get_text(&gguf, "general.architecture", &architecture, NULL, error));
    for (int i = 0; i < SMG_HF_FAMILIES; i++) {
        if (smg_text_is(architecture, names[i])) {
            config->family = (smg_hf_family)i;
            config->architecture = names[i];
        }
    }
    if (config->architecture == NULL)
        return smg_error_set(error, SMIDGE_E_UNSUPPORTED, path,
                             "has the architecture \"%.*s\", which is not supported (take another base)",
                             (int)(architecture.size < 64 ? architecture.size : 64), architecture.data);
    const char *name = config->architecture;
    SMG_TRY(base_key(&gguf, name, "block_count", &config->layers, error));
    SMG_TRY(base_key(&gguf, name, "embedding_length", &config->width, error));
    SMG_TRY(base_key(&gguf, name, "feed_forward_length", &config->feed_forward, error));
    SMG_TRY(base_key(&gguf, name, "attention.head_count", &config->heads, error));
    config->kv_heads = config->heads;
    SMG_TRY(base_key(&gguf, name, "attention.head_count_kv", &config->kv_heads, error));
    config->head_size = config->heads > 0 ? config->width / config->heads : 0;
    SMG_TRY(base_key(&gguf, name, "attention.key_length", &config->head_size, error));
    const smg_gguf_tensor *embedding = smg_gguf_find_tensor(&gguf, "token_embd.weight");
    config->vocabulary = embedding != NULL ? (int64_t)embedding->shape[1] : 0;
    return SMIDGE_OK;
}

static smidge_status base_from_folder(adapter *job, const char *path, smidge_error *error)
{
    SMG_CLEANUP(smg_json_release) json_t *json = NULL;
    char config[PATH_MAX];
    SMG_TRY(smg_hf_path(path, "config.json", config, error));
    SMG_TRY(smg_json_read(config, SMG_HF_JSON_BYTES, &json, error));
    return smg_hf_config_read(json, config, &job->config, error);
}

static smidge_status read_base(adapter *job, const json_t *settings, smidge_error *error)
{
    const char *path = job->options->base;
    if (path == NULL)
        path = json_string_value(smg_json_get(settings, "base_model_name_or_path"));
    if (path == NULL)
        path = json_string_value(smg_json_get(settings, "model"));
    if (path == NULL || path[0] == '\0' || !smg_hf_exists(path))
        return smg_error_set(
            error, SMIDGE_E_INVALID, job->folder,
            "is an adapter whose base model is not here%s%.200s (give the base's folder or GGUF "
            "file: --base)",
            path != NULL ? ": " : "", path != NULL ? path : "");
    char config[PATH_MAX];
    SMG_TRY(smg_hf_path(path, "config.json", config, error));
    if (smg_hf_exists(config))
        SMG_TRY(base_from_folder(job, path, error));
    else
        SMG_TRY(base_from_gguf(job, path, error));
    return check_base(job, path, error);
}

/* ---- The settings --------------------------------------------------------------------------------------- */

static smidge_status refuse_setting(const adapter *job, const char *name, smidge_error *error)
{
    return smg_error_set(
        error, SMIDGE_E_UNSUPPORTED, job->folder,
        "adapter_config.json has \"%s\", which GGUF has no place for (merge the adapter into "
        "its base with the program that trained it)",
        name);
}

static bool has_entries(const json_t *settings, const char *name)
{
    const json_t *list = smg_json_get(settings, name);
    return json_array_size(list) > 0 || json_object_size(list) > 0;
}

/* One alpha divided by each matrix's own rank is what GGUF's readers do, too; divided by its root is not. */
static smidge_status check_settings(adapter *job, const json_t *settings, const char *where,
                                    smidge_error *error)
{
    static const char *const switches[] = {"use_dora", "fan_in_fan_out", "lora_bias"};
    static const char *const lists[] = {"alpha_pattern", "modules_to_save"};
    bool by_root = false;
    for (size_t i = 0; i < sizeof switches / sizeof *switches; i++) {
        bool on = false;
        SMG_TRY(smg_json_bool(settings, switches[i], where, &on, error));
        if (on)
            return refuse_setting(job, switches[i], error);
    }
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        if (has_entries(settings, lists[i]))
            return refuse_setting(job, lists[i], error);
    }
    SMG_TRY(smg_json_bool(settings, "use_rslora", where, &by_root, error));
    job->ranks_differ = has_entries(settings, "rank_pattern");
    if (job->ranks_differ && by_root)
        return refuse_setting(job, "rank_pattern", error);
    const smg_text bias = smg_json_text(smg_json_get(settings, "bias"));
    if (bias.size > 0 && !smg_text_is(bias, "none"))
        return refuse_setting(job, "bias", error);
    return SMIDGE_OK;
}

/* GGUF's alpha: what is multiplied with, times the rank. */
static smidge_status read_alpha(adapter *job, const json_t *settings, const char *where, smidge_error *error)
{
    const json_t *mlx = smg_json_get(settings, "lora_parameters");
    bool by_root = false;
    double scale = 0.0;
    if (mlx != NULL) {
        SMG_TRY(smg_json_int(mlx, "rank", 1, MAX_RANK, where, &job->rank, error));
        SMG_TRY(smg_json_real(mlx, "alpha", where, &job->alpha, error));
        SMG_TRY(smg_json_real(mlx, "scale", where, &scale, error));
        if (scale > 0.0 && job->rank > 0)
            job->alpha = scale * (double)job->rank;
    } else {
        SMG_TRY(smg_json_int(settings, "r", 1, MAX_RANK, where, &job->rank, error));
        SMG_TRY(smg_json_real(settings, "lora_alpha", where, &job->alpha, error));
        SMG_TRY(smg_json_bool(settings, "use_rslora", where, &by_root, error));
        if (by_root)
            job->alpha *= sqrt((double)job->rank);
    }
    if (job->alpha > 0.0 && job->rank > 0)
        return SMIDGE_OK;
    return smg_error_set(error, SMIDGE_E_FORMAT, where,
                         "does not say rank and alpha (\"r\" and \"lora_alpha\", or \"lora_parameters\")");
}

/* ---- Tensors -------------------------------------------------------------------------------------------- */

/* "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight": the tensor that is adapted, and which of the two this is. */
static bool split_name(const char *name, char ret_base[256], bool *ret_second)
{
    static const char peft[] = "base_model.model.";
    if (strncmp(name, peft, sizeof peft - 1) == 0)
        name += sizeof peft - 1;
    const char *mark = strstr(name, ".lora_");
    if (mark == NULL || (size_t)(mark - name) + sizeof ".weight" > 256)
        return false;
    const char *end = mark + 7;
    *ret_second = mark[6] == 'B' || mark[6] == 'b';
    if (!*ret_second && mark[6] != 'A' && mark[6] != 'a')
        return false;
    snprintf(ret_base, 256, "%.*s.weight", (int)(mark - name), name);
    return *end == '\0' || strcmp(end, ".weight") == 0 || strcmp(end, ".default.weight") == 0;
}

static smidge_status plan_part(adapter *job, const smg_safetensor *from, smidge_error *error)
{
    char base[256];
    bool second = false;
    smg_hf_tensor to;
    if (strstr(from->name, ".base_layer.weight") != NULL)
        return SMIDGE_OK; /* PEFT's copy of an output matrix that it adapts: the base has it */
    if (!split_name(from->name, base, &second))
        return smg_error_set(
            error, SMIDGE_E_UNSUPPORTED, job->path,
            "tensor %.128s is none of a LoRA adapter of matrices (merge the adapter into its "
            "base with the program that trained it)",
            from->name);
    SMG_TRY(smg_hf_tensor_name(&job->config, base, job->path, &to, error));
    if (to.place < 0 || to.dims != 2)
        return smg_error_set(error, SMIDGE_E_UNSUPPORTED, job->path,
                             "tensor %.128s adapts what is no matrix of the model (train without it)",
                             from->name);
    part *made = &job->parts[2 * (size_t)to.place + second];
    if (made->from != NULL)
        return smg_error_set(error, SMIDGE_E_FORMAT, job->path, "tensor %.128s is there twice (export again)",
                             from->name);
    const uint64_t rows = from->shape[job->transposed ? 1 : 0],
                   columns = from->shape[job->transposed ? 0 : 1];
    const uint64_t own = second ? columns : rows;
    const int64_t rank = job->ranks_differ && own > 0 && own <= MAX_RANK ? (int64_t)own : job->rank;
    *made = (part){.from = from,
                   .rows = second ? to.rows : rank,
                   .columns = second ? rank : to.columns,
                   .rotated =
                       second && (to.change == SMG_HF_ROTATED_QUERIES || to.change == SMG_HF_ROTATED_KEYS)};
    snprintf(made->name, sizeof made->name, "%s.lora_%c", to.name, second ? 'b' : 'a');
    if (from->dims != 2 || from->type == SMG_TYPE_COUNT || rows != (uint64_t)made->rows ||
        columns != (uint64_t)made->columns)
        return smg_error_set(error, SMIDGE_E_FORMAT, job->path,
                             "tensor %.128s is not floats of %" PRId64 " x %" PRId64
                             " as the base and the rank %" PRId64 " want (is it another base?)",
                             from->name, job->transposed ? made->columns : made->rows,
                             job->transposed ? made->rows : made->columns, rank);
    job->total += from->bytes;
    job->parameters += rows * columns;
    if (made->columns > job->longest)
        job->longest = made->columns;
    return SMIDGE_OK;
}

static smidge_status plan_parts(adapter *job, smidge_error *error)
{
    job->part_count = 2 * (size_t)smg_hf_places(&job->config);
    job->parts = smg_alloc_array(job->part_count, sizeof *job->parts);
    if (job->parts == NULL)
        return smg_error_no_memory(error, job->folder, job->part_count * sizeof *job->parts);
    for (size_t i = 0; i < job->file.count; i++)
        SMG_TRY(plan_part(job, &job->file.tensors[i], error));
    for (size_t i = 0; i < job->part_count; i++) {
        if (job->parts[i].from != NULL && job->parts[i ^ 1].from == NULL)
            return smg_error_set(error, SMIDGE_E_FORMAT, job->path,
                                 "tensor %s has no other half (export again)", job->parts[i].name);
        if (i % 2 == 0 && job->parts[i].from != NULL && job->parts[i].rows != job->parts[i + 1].columns)
            return smg_error_set(error, SMIDGE_E_FORMAT, job->path,
                                 "tensor %s has the rank %" PRId64 ", and its other half %" PRId64
                                 " (export again)",
                                 job->parts[i].name, job->parts[i].rows, job->parts[i + 1].columns);
    }
    return job->total > 0 ? SMIDGE_OK
                          : smg_error_set(error, SMIDGE_E_FORMAT, job->path,
                                          "has no tensors of an adapter (export it again)");
}

static void read_row(const void *context, int64_t row, float *ret_row)
{
    const adapter *job = context;
    const part *made = job->now;
    const smg_type type = made->from->type;
    const size_t size = (size_t)smg_type_row_bytes(type, 1);
    const int64_t from = made->rotated ? smg_convert_rotated(row, job->config.head_size) : row;
    if (!job->transposed) {
        smg_dequantize_row(type, made->from->data + (size_t)(from * made->columns) * size, ret_row,
                           made->columns);
        return;
    }
    for (int64_t i = 0; i < made->columns; i++)
        smg_dequantize_row(type, made->from->data + (size_t)(i * made->rows + from) * size, ret_row + i, 1);
}

static void rows_done(void *context, int64_t first, int64_t count)
{
    adapter *job = context;
    (void)first;
    job->done += (uint64_t)count * (job->now->from->bytes / (uint64_t)job->now->rows);
    if (job->options->progress != NULL)
        job->options->progress(job->options->progress_context, job->done, job->total);
}

/* ---- The file ------------------------------------------------------------------------------------------- */

static smidge_status put_text(adapter *job, const char *name, const char *text, smidge_error *error)
{
    return smg_gguf_write_text(job->writer, name, (smg_text){text, strlen(text)}, error);
}

static smidge_status write_lists(adapter *job, smidge_error *error)
{
    const smg_mix *mix = job->options->mix != NULL ? job->options->mix : smg_mix_find("f16");
    char name[128];
    SMG_TRY(put_text(job, "general.architecture", job->config.architecture, error));
    SMG_TRY(put_text(job, "general.type", "adapter", error));
    SMG_TRY(put_text(job, "adapter.type", "lora", error));
    SMG_TRY(smg_gguf_write_f32(job->writer, "adapter.lora.alpha", (float)job->alpha, error));
    SMG_TRY(
        smg_gguf_write_scalar(job->writer, "general.parameter_count", SMG_GGUF_U64, &job->parameters, error));
    snprintf(name, sizeof name, "%s.attention.head_count", job->config.architecture);
    SMG_TRY(smg_gguf_write_u32(job->writer, name, (uint32_t)job->config.heads, error));
    snprintf(name, sizeof name, "%s.attention.head_count_kv", job->config.architecture);
    SMG_TRY(smg_gguf_write_u32(job->writer, name, (uint32_t)job->config.kv_heads, error));
    SMG_TRY(smg_gguf_write_u32(job->writer, "general.file_type", smg_mix_file_type(mix), error));
    SMG_TRY(smg_gguf_write_u32(job->writer, "general.quantization_version", 2, error));
    for (size_t i = 0; i < job->part_count; i++) {
        const part *made = &job->parts[i];
        const uint64_t shape[] = {(uint64_t)made->columns, (uint64_t)made->rows};
        if (made->from != NULL)
            SMG_TRY(smg_gguf_write_tensor(job->writer, made->name, job->type, 2, shape, error));
    }
    return SMIDGE_OK;
}

static smidge_status write_tensors(adapter *job, smidge_error *error)
{
    for (size_t i = 0; i < job->part_count; i++) {
        const part *made = &job->parts[i];
        if (made->from == NULL)
            continue;
        job->now = made;
        const smg_tensor_rows rows = {.file = job->path,
                                      .name = made->name,
                                      .type = job->type,
                                      .columns = made->columns,
                                      .rows = made->rows,
                                      .read = read_row,
                                      .done = rows_done,
                                      .context = job};
        SMG_TRY(smg_tensor_make(job->maker, &rows, job->writer, error));
    }
    return SMIDGE_OK;
}

static smidge_status choose_type(adapter *job, smidge_error *error)
{
    const char *name = job->options->mix != NULL ? smg_mix_name(job->options->mix) : "F16";
    static const smg_type types[] = {SMG_TYPE_F32, SMG_TYPE_F16, SMG_TYPE_BF16};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strcmp(name, smg_type_describe(types[i])->name) == 0) {
            job->type = types[i];
            return SMIDGE_OK;
        }
    }
    return smg_error_set(error, SMIDGE_E_INVALID, name, "adapters are not quantized (f32, f16 or bf16)");
}

static smidge_status open_adapter(adapter *job, smidge_error *error)
{
    SMG_CLEANUP(smg_json_release) json_t *settings = NULL;
    char where[PATH_MAX];
    SMG_TRY(smg_hf_path(job->folder, "adapter_config.json", where, error));
    SMG_TRY(smg_json_read(where, SMG_HF_JSON_BYTES, &settings, error));
    SMG_TRY(check_settings(job, settings, where, error));
    SMG_TRY(read_alpha(job, settings, where, error));
    SMG_TRY(smg_hf_path(job->folder, "adapters.safetensors", job->path, error));
    job->transposed = smg_hf_exists(job->path);
    if (!job->transposed)
        SMG_TRY(smg_hf_path(job->folder, "adapter_model.safetensors", job->path, error));
    if (!smg_hf_exists(job->path))
        return smg_error_set(
            error, SMIDGE_E_IO, job->folder,
            "has neither adapter_model.safetensors nor adapters.safetensors (save the adapter as "
            "safetensors)");
    SMG_TRY(read_base(job, settings, error));
    return smg_safetensors_open(job->path, &job->file, error);
}

static void free_job(adapter **job)
{
    if (*job == NULL)
        return;
    smg_gguf_write_close((*job)->writer);
    smg_tensor_maker_free((*job)->maker);
    smg_safetensors_close(&(*job)->file);
    smg_free((*job)->parts);
    smg_free(*job);
}

bool smg_convert_is_adapter(const char *folder)
{
    char path[PATH_MAX];
    return smg_hf_path(folder, "adapter_config.json", path, NULL) == SMIDGE_OK && smg_hf_exists(path);
}

smidge_status smg_convert_adapter(const char *folder, const char *path, const smg_convert *options,
                                  smidge_error *error)
{
    SMG_CLEANUP(free_job) adapter *job = smg_alloc(sizeof *job);
    if (job == NULL)
        return smg_error_no_memory(error, folder, sizeof *job);
    job->folder = folder;
    job->options = options;
    SMG_TRY(choose_type(job, error));
    SMG_TRY(open_adapter(job, error));
    SMG_TRY(plan_parts(job, error));
    SMG_TRY(smg_gguf_write_open(path, &job->writer, error));
    SMG_TRY(write_lists(job, error));
    SMG_TRY(smg_tensor_maker_new(options->threads, job->longest, &job->maker, error));
    SMG_TRY(write_tensors(job, error));
    return smg_gguf_write_finish(job->writer, error);
}
