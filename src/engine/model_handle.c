#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "cpu/cpu.h"
#include "engine/describe.h"
#include "engine/engine.h"
#include "engine/options.h"
#include "engine/prompt.h"

void smidge_model_options_init(smidge_model_options *options)
{
    *options = (smidge_model_options){.size = sizeof *options};
}

/* ---- Memory ------------------------------------------------------------------------------------------- */

void smg_engine_need(const smidge_model *model, uint64_t kv, uint64_t bytes, smg_memory_need *ret_need)
{
    *ret_need = (smg_memory_need){
        .weights = model->gguf.file.size + smg_adapter_bytes(&model->adapter),
        .vocabulary = model->vocabulary_bytes,
        .kv = kv,
        .scratch = bytes - kv,
        /* One thread more: the caller's. */
        .program = smg_memory_program() + (1 + (uint64_t)model->threads) * SMG_MEMORY_STACK,
    };
}

static smidge_status check_memory(const smidge_model *model, uint64_t sessions, uint64_t kv, uint64_t bytes,
                                  const char *advice, smidge_error *error)
{
    smg_memory_need need;
    smg_memory_limits limits;
    smg_engine_need(model, kv, sessions + bytes, &need);
    smg_memory_read("", &limits);
    limits.own = model->memory_limit == 0 ? SMG_MEMORY_UNKNOWN : model->memory_limit;
    const uint64_t held = sessions + model->vocabulary_bytes + model->adapter.held.size;
    return smg_memory_check(&need, held, &limits, model->force, model->gguf.path, advice, error);
}

smidge_status smg_engine_reserve(smidge_model *model, uint64_t kv, uint64_t bytes, const char *advice,
                                 smidge_error *error)
{
    pthread_mutex_lock(&model->lock);
    smidge_status status = check_memory(model, model->session_bytes, kv, bytes, advice, error);
    if (status == SMIDGE_OK)
        model->session_bytes += bytes;
    pthread_mutex_unlock(&model->lock);
    return status;
}

void smg_engine_release(smidge_model *model, uint64_t bytes)
{
    pthread_mutex_lock(&model->lock);
    model->session_bytes -= bytes;
    pthread_mutex_unlock(&model->lock);
}

smidge_status smg_engine_bad_logits(const smidge_model *model, smidge_error *error)
{
    return smg_error_set(error, SMIDGE_E_MODEL, model->gguf.path,
                         "computed something that is not a number (the file may be damaged: smidge inspect "
                         "--verify)");
}

/* ---- Opening ------------------------------------------------------------------------------------------ */

static smidge_status choose_cpu(const char *name, uint32_t *ret_mask, smidge_error *error)
{
    if (name == NULL)
        name = "auto";
    if (smg_cpu_path_parse(name, ret_mask))
        return SMIDGE_OK;
    smg_error_fill(error, SMIDGE_E_INVALID, "cpu",
                   "\"%.32s\" is not a kernel path of this machine (take auto; smidge inspect --cpu lists "
                   "them)",
                   name);
    smg_error_see(error, SMG_SECTION_BUILDING);
    return SMIDGE_E_INVALID;
}

smidge_status smg_engine_threads(int32_t wanted, int *ret_threads, smidge_error *error)
{
    if (wanted < 0 || wanted > SMG_THREADS_MAX)
        return smg_error_set(error, SMIDGE_E_INVALID, "threads", "%" PRId32 " is not between 1 and %d",
                             wanted, SMG_THREADS_MAX);
    int cores = smg_thread_cores();
    int most = cores - 1 < SMG_THREADS_MAX ? cores - 1 : SMG_THREADS_MAX;
    *ret_threads = wanted > 0 ? wanted : most > 1 ? most : 1;
    return SMIDGE_OK;
}

smidge_status smg_engine_adapt(smidge_model *model, const char *path, float scale, smidge_error *error)
{
    model->temperature = 1.0F;
    SMG_TRY(smg_adapter_read_temperature(&model->gguf, &model->temperature, error));
    if (path == NULL)
        return SMIDGE_OK;
    SMG_TRY(smg_gguf_open(path, &model->adapter_file, error));
    SMG_TRY(smg_adapter_read(&model->adapter_file, &model->gguf, scale == 0.0F ? 1.0F : scale,
                             &model->adapter, error));
    if (model->adapter.temperature > 0.0F)
        model->temperature = model->adapter.temperature;
    return smg_adapter_attach(&model->adapter, &model->model, error);
}

void smg_engine_unadapt(smidge_model *model)
{
    smg_adapter_done(&model->adapter);
    smg_gguf_close(&model->adapter_file);
}

static smidge_status open_parts(smidge_model *model, const char *path, const smidge_model_options *options,
                                smidge_error *error)
{
    uint32_t cpu_mask = 0;
    const smg_stop stop = {.deadline = options->deadline_ns == 0 ? SMG_NEVER : options->deadline_ns};
    SMG_TRY(choose_cpu(options->cpu, &cpu_mask, error));
    SMG_TRY(smg_engine_threads(options->threads, &model->threads, error));
    SMG_TRY(smg_stop_report(&stop, path, error));
    SMG_TRY(smg_gguf_open(path, &model->gguf, error));
    SMG_TRY(smg_model_load(&model->gguf, cpu_mask, &model->model, error));
    SMG_TRY(smg_engine_adapt(model, options->lora_path, options->lora_scale, error));
    model->vocabulary_bytes = smg_tokenizer_memory(&model->gguf);
    SMG_TRY(check_memory(model, 0, 0, 0, SMG_ADVICE_SMALLER, error));
    SMG_TRY(smg_stop_report(&stop, path, error));
    SMG_TRY(smg_tokenizer_new(&model->gguf, &stop, &model->tokenizer, error));
    SMG_TRY(smg_describe_vocabulary(&model->model, model->tokenizer, error));
    SMG_TRY(smg_stop_report(&stop, path, error));
    return smg_pool_new(model->threads, &model->pool, error);
}

smidge_status smidge_model_open(const char *path, const smidge_model_options *options,
                                smidge_model **ret_model, smidge_error *error)
{
    smidge_model_options complete;
    smidge_model_options_init(&complete);
    SMG_TRY(smg_options_read(&complete, sizeof complete, options, "model options", error));
    smidge_model *model = smg_alloc(sizeof *model);
    if (model == NULL)
        return smg_error_no_memory(error, path, sizeof *model);
    pthread_mutex_init(&model->lock, NULL);
    model->memory_limit = complete.memory_limit;
    model->force = complete.force != 0;
    smidge_status status = smg_describe_refusal(open_parts(model, path, &complete, error), error);
    if (status != SMIDGE_OK) {
        smidge_model_close(model);
        return status;
    }
    *ret_model = model;
    return SMIDGE_OK;
}

void smidge_model_close(smidge_model *model)
{
    if (model == NULL)
        return;
    smg_pool_free(model->pool);
    smg_token_filter_free(model->filter);
    smg_tokenizer_free(model->tokenizer);
    smg_model_done(&model->model);
    smg_engine_unadapt(model);
    smg_gguf_close(&model->gguf);
    pthread_mutex_destroy(&model->lock);
    smg_free(model);
}

/* ---- Describing --------------------------------------------------------------------------------------- */

void smidge_model_id(smidge_model *model, char ret_id[17])
{
    pthread_mutex_lock(&model->lock);
    if (model->id == 0)
        model->id = smg_adapter_id(&model->adapter, smg_model_id(&model->gguf));
    snprintf(ret_id, 17, "%016" PRIx64, model->id);
    pthread_mutex_unlock(&model->lock);
}

void smidge_model_describe(const smidge_model *model, smidge_model_info *ret_info)
{
    smidge_model_info info = {
        .file_bytes = model->gguf.file.size,
        .parameters = model->model.weights.parameters,
        .vocabulary = model->model.shape.vocabulary,
        .context = model->model.shape.context,
        .threads = smg_pool_threads(model->pool),
        .temperature = model->temperature,
    };
    smg_text name = {.data = "", .size = 0};
    /* A name of another type is no reason to fail here: it stays empty. */
    (void)!smg_gguf_get_text(&model->gguf, "general.name", &name, NULL, NULL);
    smg_describe_text(name, info.name, sizeof info.name);
    snprintf(info.architecture, sizeof info.architecture, "%s", model->model.shape.architecture->name);
    snprintf(info.type, sizeof info.type, "%s", smg_gguf_file_type(&model->gguf));
    snprintf(info.cpu, sizeof info.cpu, "%s", smg_cpu_path_name(model->model.kernels.cpu_mask));
    smg_result_write(ret_info, &info, sizeof info);
}

/* ---- Text --------------------------------------------------------------------------------------------- */

smidge_status smidge_tokenize(const smidge_model *model, const smidge_span *spans, size_t span_count,
                              int32_t *ret_ids, size_t room, size_t *ret_count, smidge_error *error)
{
    return smg_prompt_fill(model->tokenizer, spans, span_count, ret_ids, room, ret_count, error);
}
