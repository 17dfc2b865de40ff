#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "engine/engine.h"
#include "engine/options.h"
#include "engine/sampler.h"

#define DEFAULT_CONTEXT 1024
#define DEFAULT_BATCH 128
#define MAX_BATCH 512

static const smg_kv kv_kinds[] =
    {[SMIDGE_KV_F16] = SMG_KV_F16, [SMIDGE_KV_F32] = SMG_KV_F32, [SMIDGE_KV_Q8_0] = SMG_KV_Q8_0};

void smidge_session_options_init(smidge_session_options *options)
{
    *options = (smidge_session_options){.size = sizeof *options};
}

static smidge_status bad_option(smidge_error *error, const char *name, int64_t value, int64_t low,
                                int64_t high)
{
    return smg_error_set(error, SMIDGE_E_INVALID, name, "%" PRId64 " is not between %" PRId64 " and %" PRId64,
                         value, low, high);
}

smidge_status smg_session_complete(const smidge_model *model, const smidge_session_options *given,
                                   smidge_session_options *ret_options, smidge_error *error)
{
    smidge_session_options options;
    smidge_session_options_init(&options);
    SMG_TRY(smg_options_read(&options, sizeof options, given, "session options", error));
    const smg_shape *shape = &model->model.shape;
    int32_t most = shape->context < SMG_MAX_CONTEXT ? shape->context : SMG_MAX_CONTEXT;
    if (options.context == 0)
        options.context = most < DEFAULT_CONTEXT ? most : DEFAULT_CONTEXT;
    if (options.context < 1)
        return bad_option(error, "context", options.context, 1, most);
    if (options.context > most) {
        smg_error_fill(error, SMIDGE_E_INVALID, "context",
                       "%" PRId32 " tokens are more than the %" PRId32
                       " that this model was trained for (shorten the prompt or the answer)",
                       options.context, most);
        smg_error_see(error, SMG_SECTION_CONTEXT);
        return SMIDGE_E_INVALID;
    }
    if (options.batch == 0)
        options.batch = DEFAULT_BATCH;
    if (options.batch < 1 || options.batch > MAX_BATCH)
        return bad_option(error, "batch", options.batch, 1, MAX_BATCH);
    if (options.kv_type < 0 || options.kv_type > SMIDGE_KV_Q8_0)
        return bad_option(error, "kv type", options.kv_type, 0, SMIDGE_KV_Q8_0);
    if (!smg_kv_cache_allows(shape, kv_kinds[options.kv_type]))
        return smg_error_set(error, SMIDGE_E_INVALID, "kv type",
                             "q8_0 wants heads that are a multiple of 32 wide, and this model's have %" PRId32
                             " (take f16)",
                             shape->head_size);
    /* Branches go through the model together, so there is always room for as many as logits are kept. */
    *ret_options = options;
    return SMIDGE_OK;
}

/* Everything a session has, from one arena, which may only be counting. Returns the bytes of the KV cache. */
static uint64_t take_all(smidge_session *session, smg_arena *arena)
{
    const smg_model *model = &session->model->model;
    const smidge_session_options *options = &session->options;
    int32_t vocabulary = model->shape.vocabulary;
    int32_t rows = options->batch > session->logit_rows ? options->batch : session->logit_rows;
    size_t before = arena->used;
    smg_kv_cache_init(&session->cache, &model->shape, kv_kinds[options->kv_type],
                      options->context + SMG_BRANCH_CELLS + SMG_START_CELLS, arena);
    uint64_t kv = arena->used - before;
    session->scratch =
        smg_scratch_take(arena, model, rows, options->context, SMG_BRANCH_CELLS, session->model->threads);
    session->rows = smg_arena_take(arena, (size_t)rows * sizeof *session->rows);
    session->logits =
        smg_arena_take(arena, (size_t)session->logit_rows * (size_t)vocabulary * sizeof *session->logits);
    session->ids = smg_arena_take(arena, (size_t)options->context * sizeof *session->ids);
    session->candidates = smg_arena_take(arena, (size_t)vocabulary * sizeof *session->candidates);
    return kv;
}

/* Bytes of a session with these options; *ret_kv of them are KV cache. */
static uint64_t count_bytes(const smidge_model *model, const smidge_session_options *options,
                            int32_t logit_rows, uint64_t *ret_kv)
{
    smg_arena counting = {0};
    smidge_session session = {.model = (smidge_model *)(uintptr_t)model,
                              .options = *options,
                              .logit_rows = logit_rows};
    *ret_kv = take_all(&session, &counting);
    return counting.used;
}

smidge_status smidge_session_memory(const smidge_model *model, const smidge_session_options *options,
                                    uint64_t *ret_bytes, smidge_error *error)
{
    smidge_session_options complete;
    SMG_TRY(smg_session_complete(model, options, &complete, error));
    uint64_t kv = 0;
    *ret_bytes = count_bytes(model, &complete, SMG_LOGIT_ROWS, &kv);
    return SMIDGE_OK;
}

smidge_status smg_session_need(const smidge_model *model, const smidge_session_options *options,
                               smg_memory_need *ret_need, smidge_error *error)
{
    smidge_session_options complete;
    SMG_TRY(smg_session_complete(model, options, &complete, error));
    uint64_t kv = 0;
    uint64_t bytes = count_bytes(model, &complete, SMG_LOGIT_ROWS, &kv);
    smg_engine_need(model, kv, bytes, ret_need);
    return SMIDGE_OK;
}

void smg_session_advice(const smidge_session_options *options, char *ret_text, size_t room)
{
    snprintf(ret_text, room, "take a context below %" PRId32 "%s, or a smaller model or type",
             options->context, options->kv_type == SMIDGE_KV_Q8_0 ? "" : ", kv type q8_0");
}

smidge_status smg_session_new(smidge_model *model, const smidge_session_options *options, int32_t logit_rows,
                              smidge_session **ret_session, smidge_error *error)
{
    smidge_session_options complete;
    SMG_TRY(smg_session_complete(model, options, &complete, error));
    uint64_t kv = 0;
    uint64_t bytes = count_bytes(model, &complete, logit_rows, &kv);
    char advice[160];
    smg_session_advice(&complete, advice, sizeof advice);
    SMG_TRY(smg_engine_reserve(model, kv, bytes, advice, error));
    smidge_session *session = smg_alloc(sizeof *session);
    if (session == NULL) {
        smg_engine_release(model, bytes);
        return smg_error_no_memory(error, "session", sizeof *session);
    }
    session->model = model;
    session->options = complete;
    session->logit_rows = logit_rows;
    smidge_status status = smg_arena_init(&session->arena, bytes, "session", error);
    if (status != SMIDGE_OK) {
        smg_engine_release(model, bytes);
        smg_free(session);
        return status;
    }
    take_all(session, &session->arena);
    *ret_session = session;
    return SMIDGE_OK;
}

smidge_status smidge_session_new(smidge_model *model, const smidge_session_options *options,
                                 smidge_session **ret_session, smidge_error *error)
{
    return smg_session_new(model, options, SMG_LOGIT_ROWS, ret_session, error);
}

void smidge_session_free(smidge_session *session)
{
    if (session == NULL)
        return;
    smidge_prefix_free(session->prefix);
    smg_engine_release(session->model, session->arena.size);
    smg_arena_done(&session->arena);
    smg_free(session);
}

void smidge_session_reset(smidge_session *session)
{
    session->count = 0;
    session->shared = 0;
    atomic_store(&session->cancel, 0);
}

void smidge_session_cancel(smidge_session *session)
{
    atomic_store(&session->cancel, 1);
    smg_pool_kick(session->model->pool);
}

smg_stop smg_session_stop(smidge_session *session, int64_t deadline_ns)
{
    return (smg_stop){.deadline = deadline_ns == 0 ? SMG_NEVER : deadline_ns, .cancel = &session->cancel};
}

smidge_status smg_session_finish(smidge_session *session, smidge_status status, smidge_error *error)
{
    if (status == SMIDGE_E_CANCELLED)
        atomic_store(&session->cancel, 0);
    return smg_stop_explain(status, "session", error);
}
