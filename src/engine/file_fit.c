/* Whether a model fits and how fast it will be: what smg_session_need counts, what smg_memory_check decides, and what
 * fit/speed.h predicts. */
#include <stdio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "cpu/cpu.h"
#include "engine/describe.h"
#include "engine/engine.h"
#include "engine/options.h"
#include "fit/plan.h"
#include "fit/speed.h"
#include "smidge/tools.h"

#define MIB ((uint64_t)1 << 20)
/* As much of a model as need be measured with: beyond the caches, all memory is alike. */
#define MEASURED_LEAST (8 * MIB)
#define MEASURED_MOST (128 * MIB)
#define MEASURED_MOST_CACHED (512 * MIB)

_Static_assert(SMG_TYPE_COUNT <= sizeof((smidge_machine_speed *)0)->rates / sizeof(double),
               "rates must have room for every type");

/* A model that is only counted with: no pool, no vocabulary, and with a plan no data. */
typedef struct subject {
    smidge_model model;
    bool planned;
} subject;

static void subject_done(subject *own)
{
    smg_engine_unadapt(&own->model);
    if (own->planned)
        smg_plan_done(&own->model.model);
    else
        smg_model_done(&own->model.model);
}

/* ---- The model ------------------------------------------------------------------------------------------ */

/* What the vocabulary of a planned model will take at most. SentencePiece has no merges, byte-level BPE about two for each
 * token; tokens are seven bytes long on average, and nine are counted. */
static uint64_t planned_vocabulary(const smg_shape *shape)
{
    enum { SENTENCEPIECE = 32100, LENGTH = 8, TEXT = 9 };
    const uint64_t tokens = (uint64_t)shape->vocabulary;
    const bool pieces =
        shape->vocabulary <= SENTENCEPIECE || strncmp(shape->architecture->name, "gemma", 5) == 0;
    return smg_tokenizer_memory_of(tokens, tokens * (LENGTH + TEXT), pieces ? 0 : tokens * 9 / 4);
}

static smidge_status load_plan(const smidge_fit_shape *given, subject *own, smidge_error *error)
{
    smidge_fit_shape shape = {.size = sizeof shape};
    SMG_TRY(smg_options_read(&shape, sizeof shape, given, "shape", error));
    if (shape.name == NULL || shape.architecture == NULL || shape.type == NULL)
        return smg_error_set(error, SMIDGE_E_INVALID, "shape", "has no name, architecture or type");
    own->planned = true;
    SMG_TRY(smg_plan_model(&shape, &own->model.model, error));
    own->model.gguf.file.size = shape.file_bytes;
    snprintf(own->model.gguf.path, sizeof own->model.gguf.path, "%s", shape.name);
    own->model.vocabulary_bytes = planned_vocabulary(&own->model.model.shape);
    return SMIDGE_OK;
}

static smidge_status load_subject(smidge_file *file, const smidge_fit_options *options, subject *own,
                                  smidge_error *error)
{
    own->model.memory_limit = options->memory_limit;
    own->model.force = options->force != 0;
    SMG_TRY(smg_engine_threads(options->threads, &own->model.threads, error));
    if (file == NULL && options->shape == NULL)
        return smg_error_set(error, SMIDGE_E_INVALID, "fit", "has neither a file nor a shape");
    if (file == NULL && options->lora_path != NULL)
        return smg_error_set(error, SMIDGE_E_INVALID, options->lora_path,
                             "is an adapter for a model that is not here (give the model's file)");
    if (file == NULL)
        return load_plan(options->shape, own, error);
    SMG_TRY(smidge_file_check(file, error));
    own->model.gguf = file->gguf;
    own->model.vocabulary_bytes = smg_tokenizer_memory(&file->gguf);
    SMG_TRY(smg_model_load(&file->gguf, smg_cpu_mask(), &own->model.model, error));
    return smg_engine_adapt(&own->model, options->lora_path, 0.0F, error);
}

/* ---- Memory --------------------------------------------------------------------------------------------- */

static smg_memory_limits limits_of(const smidge_fit_options *options)
{
    smg_memory_limits limits = {.ram = options->ram,
                                .available = SMG_MEMORY_UNKNOWN,
                                .cgroup = SMG_MEMORY_UNKNOWN};
    if (options->ram == 0)
        smg_memory_read("", &limits);
    limits.own = options->memory_limit == 0 ? SMG_MEMORY_UNKNOWN : options->memory_limit;
    return limits;
}

/* As opening the model and then a session asks, in that order, so that it says the same. */
static smidge_status decide(const smidge_model *model, const smidge_session_options *session,
                            const smg_memory_limits *limits, const smg_memory_need *need, smidge_error *error)
{
    smg_memory_need alone;
    char advice[160];
    smg_engine_need(model, 0, 0, &alone);
    SMG_TRY(smg_memory_check(&alone, 0, limits, model->force, model->gguf.path, SMG_ADVICE_SMALLER, error));
    smg_session_advice(session, advice, sizeof advice);
    return smg_memory_check(need, 0, limits, model->force, model->gguf.path, advice, error);
}

/* The longest context that fits with this kind of KV cache; 0: none does. */
static int32_t longest_context(const smidge_model *model, int32_t kv_type, uint64_t allowed)
{
    int32_t low = 0, high = model->model.shape.context;
    while (low < high) {
        const int32_t middle = low + (high - low + 1) / 2;
        const smidge_session_options options = {.size = sizeof options,
                                                .context = middle,
                                                .kv_type = kv_type};
        smg_memory_need need;
        if (smg_session_need(model, &options, &need, NULL) == SMIDGE_OK && smg_memory_total(&need) <= allowed)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

static smidge_status fill_memory(const smidge_model *model, const smidge_fit_options *options,
                                 const smidge_session_options *session, smidge_fit_result *result,
                                 smidge_error *error)
{
    smg_memory_need need;
    SMG_TRY(smg_session_need(model, session, &need, error));
    const smg_memory_limits limits = limits_of(options);
    const char *name = "";
    result->weights = need.weights;
    result->vocabulary = need.vocabulary;
    result->kv = need.kv;
    result->scratch = need.scratch;
    result->program = need.program;
    result->need = smg_memory_total(&need);
    result->allowed = smg_memory_binding(&limits, 0, model->force, &name);
    snprintf(result->limit, sizeof result->limit, "%s", name);
    smidge_error reason = {0};
    result->fits = decide(model, session, &limits, &need, &reason) == SMIDGE_OK;
    if (!result->fits)
        snprintf(result->reason, sizeof result->reason, "%s", reason.message);
    result->context_most = longest_context(model, session->kv_type, result->allowed);
    result->context_most_q8_0 = longest_context(model, SMIDGE_KV_Q8_0, result->allowed);
    return SMIDGE_OK;
}

/* ---- Speed ---------------------------------------------------------------------------------------------- */

static smidge_status read_speed(const smidge_fit_options *options, smg_speed *ret_speed, smidge_error *error)
{
    smg_speed speed = {.bandwidth = options->bandwidth, .phase = SMG_SPEED_PHASE_SECONDS};
    if (options->measured != NULL) {
        smidge_machine_speed measured = {.size = sizeof measured};
        SMG_TRY(smg_options_read(&measured, sizeof measured, options->measured, "measured speed", error));
        speed.threads = measured.threads;
        speed.bandwidth = measured.bandwidth;
        speed.phase = measured.phase_ns / 1e9;
        memcpy(speed.rates, measured.rates, sizeof speed.rates);
    }
    if (speed.bandwidth != 0.0 && !(speed.bandwidth > 0.0 && speed.bandwidth < 1e15 && speed.phase >= 0.0))
        return smg_error_set(error, SMIDGE_E_INVALID, "bandwidth", "is not a number of bytes a second");
    *ret_speed = speed;
    return SMIDGE_OK;
}

static smidge_status fill_speed(const smidge_model *model, const smidge_fit_options *options,
                                const smidge_session_options *session, smidge_fit_result *result,
                                smidge_error *error)
{
    static const smg_kv kinds[] =
        {[SMIDGE_KV_F16] = SMG_KV_F16, [SMIDGE_KV_F32] = SMG_KV_F32, [SMIDGE_KV_Q8_0] = SMG_KV_Q8_0};
    smg_token_work work;
    smg_speed speed;
    smg_token_work_count(&model->model, &work);
    result->token_bytes = smg_token_work_bytes(&work);
    result->phases = work.phases;
    SMG_TRY(read_speed(options, &speed, error));
    if (speed.bandwidth == 0.0)
        return SMIDGE_OK;
    const uint64_t kv = smg_token_work_kv(&model->model.shape, kinds[session->kv_type], session->context);
    result->tokens_per_second = 1.0 / smg_speed_predict(&speed, &work, 0);
    result->tokens_per_second_full = 1.0 / smg_speed_predict(&speed, &work, kv);
    return SMIDGE_OK;
}

smidge_status smidge_fit(smidge_file *file, const smidge_fit_options *options, smidge_fit_result *ret_result,
                         smidge_error *error)
{
    smidge_fit_options chosen = {.size = sizeof chosen};
    SMG_TRY(smg_options_read(&chosen, sizeof chosen, options, "fit options", error));
    SMG_CLEANUP(subject_done) subject own = {.planned = false};
    SMG_TRY(smg_describe_refusal(load_subject(file, &chosen, &own, error), error));
    const smidge_session_options asked = {.size = sizeof asked,
                                          .context = chosen.context,
                                          .kv_type = chosen.kv_type};
    smidge_session_options session;
    SMG_TRY(smg_session_complete(&own.model, &asked, &session, error));
    smidge_fit_result result = {.context = session.context,
                                .context_trained = own.model.model.shape.context,
                                .threads = own.model.threads};
    SMG_TRY(fill_memory(&own.model, &chosen, &session, &result, error));
    SMG_TRY(fill_speed(&own.model, &chosen, &session, &result, error));
    smg_result_write(ret_result, &result, sizeof result);
    return SMIDGE_OK;
}

/* ---- The machine ---------------------------------------------------------------------------------------- */

/* How much to measure with: the model's size as far as it matters, and a quarter of what is free at most. */
static size_t measured_bytes(uint64_t wanted)
{
    smg_memory_limits limits;
    smg_memory_read("", &limits);
    const long cache = sysconf(_SC_LEVEL3_CACHE_SIZE);
    uint64_t most = MEASURED_MOST;
    if (cache > 0 && 2 * (uint64_t)cache > most)
        most = 2 * (uint64_t)cache < MEASURED_MOST_CACHED ? 2 * (uint64_t)cache : MEASURED_MOST_CACHED;
    const uint64_t quarter = smg_memory_allowed(&limits, 0, false) / 4;
    uint64_t bytes = wanted < most ? wanted : most;
    bytes = bytes > MEASURED_LEAST ? bytes : MEASURED_LEAST;
    bytes = bytes < quarter ? bytes : quarter;
    return (size_t)(bytes > MIB ? bytes : MIB);
}

smidge_status smidge_machine_measure(const smidge_file *file, int32_t threads,
                                     smidge_machine_speed *ret_speed, smidge_error *error)
{
    static const smg_type usual[] = {SMG_TYPE_Q4_0, SMG_TYPE_Q8_0, SMG_TYPE_Q4_K, SMG_TYPE_Q5_K,
                                     SMG_TYPE_Q6_K};
    SMG_CLEANUP(smg_model_done) smg_model model = {0};
    smg_token_work work = {.columns = 2048};
    uint64_t types = 0;
    uint64_t bytes = UINT64_MAX;
    int count = 0;
    SMG_TRY(smg_engine_threads(threads, &count, error));
    if (file != NULL) {
        SMG_TRY(smg_describe_refusal(smg_model_load(&file->gguf, smg_cpu_mask(), &model, error), error));
        smg_token_work_count(&model, &work);
        bytes = smg_token_work_bytes(&work);
    }
    for (int type = 0; type < SMG_TYPE_COUNT; type++)
        types |= (uint64_t)(work.bytes[type] > 0) << type;
    for (size_t i = 0; file == NULL && i < sizeof usual / sizeof *usual; i++)
        types |= UINT64_C(1) << usual[i];
    smg_pool *pool = NULL;
    smg_speed speed;
    SMG_TRY(smg_pool_new(count, &pool, error));
    smidge_status status =
        smg_speed_measure(pool, smg_cpu_mask(), types, work.columns, measured_bytes(bytes), &speed, error);
    smg_pool_free(pool);
    SMG_TRY(status);
    smidge_machine_speed result = {.threads = count,
                                   .bandwidth = speed.bandwidth,
                                   .phase_ns = speed.phase * 1e9};
    memcpy(result.rates, speed.rates, sizeof speed.rates);
    smg_result_write(ret_speed, &result, sizeof result);
    return SMIDGE_OK;
}
