#include <string.h>

#include "base/alloc.h"
#include "engine/engine.h"
#include "engine/prompt.h"

/* Cells 0 .. count-1 of a head in a layer are moved together; the layouts differ in how many cells it has. */
static void copy_cells(const smg_kv_cache *from, smg_kv_cache *to, const smg_shape *shape, int32_t count)
{
    size_t bytes = (size_t)count * from->cell_bytes;
    size_t heads = (size_t)shape->layers * (size_t)shape->kv_heads;
    for (size_t i = 0; i < heads; i++) {
        memcpy(to->keys + i * to->head_bytes, from->keys + i * from->head_bytes, bytes);
        memcpy(to->values + i * to->head_bytes, from->values + i * from->head_bytes, bytes);
    }
}

static uint64_t take_all(smidge_prefix *prefix, smg_kv kind, int32_t count, smg_arena *arena)
{
    smg_kv_cache_init(&prefix->cache, &prefix->model->model.shape, kind, count, arena);
    uint64_t kv = arena->used;
    prefix->ids = smg_arena_take(arena, (size_t)count * sizeof *prefix->ids);
    prefix->count = count;
    return kv;
}

smidge_status smg_prefix_new(smidge_model *model, smg_kv kind, int32_t count, bool long_rope,
                             smidge_prefix **ret_prefix, smidge_error *error)
{
    smidge_prefix counted = {.model = model};
    smg_arena counting = {0};
    uint64_t kv = take_all(&counted, kind, count, &counting);
    SMG_TRY(
        smg_engine_reserve(model, kv, counting.used, "shorten the prefix or take a smaller model", error));
    smidge_prefix *prefix = smg_alloc(sizeof *prefix);
    smidge_status status = prefix == NULL ? smg_error_no_memory(error, "prefix", sizeof *prefix)
                                          : smg_arena_init(&prefix->arena, counting.used, "prefix", error);
    if (status != SMIDGE_OK) {
        smg_engine_release(model, counting.used);
        smg_free(prefix);
        return status;
    }
    atomic_init(&prefix->holders, 1);
    prefix->model = model;
    prefix->long_rope = long_rope;
    take_all(prefix, kind, count, &prefix->arena);
    *ret_prefix = prefix;
    return SMIDGE_OK;
}

static smidge_status compute(smidge_session *session, const smidge_span *spans, size_t span_count,
                             int64_t deadline_ns, smidge_error *error)
{
    smg_ids list = {0};
    SMG_TRY(smg_prompt_tokenize(session->model->tokenizer, spans, span_count, &list, error));
    SMG_CLEANUP(smg_free_ptr) int32_t *ids = list.ids;
    if (list.count > (size_t)session->options.context)
        return smg_error_set(
            error, SMIDGE_E_CONTEXT, "prefix",
            "has %zu tokens, more than the context of %d (shorten it or take a larger context)", list.count,
            (int)session->options.context);
    smg_stop stop = smg_session_stop(session, deadline_ns);
    int32_t cached = 0;
    smidge_status status = smg_session_prefill(session, ids, (int32_t)list.count, NULL, &stop, &cached);
    return smg_session_finish(session, status, error);
}

smidge_status smidge_prefix_new(smidge_session *session, const smidge_span *spans, size_t span_count,
                                int64_t deadline_ns, smidge_prefix **ret_prefix, smidge_error *error)
{
    /* All its cells are to be the session's own, so that they can be copied as they lie. */
    if (session->shared > 0)
        session->count = session->shared = 0;
    smidge_prefix *held = session->prefix;
    session->prefix = NULL;
    smidge_status status = compute(session, spans, span_count, deadline_ns, error);
    session->prefix = held;
    SMG_TRY(status);
    smidge_prefix *prefix = NULL;
    bool long_rope = smg_scratch_long(&session->model->model, session->options.context);
    SMG_TRY(smg_prefix_new(session->model, session->cache.kind, session->count, long_rope, &prefix, error));
    memcpy(prefix->ids, session->ids, (size_t)session->count * sizeof *prefix->ids);
    copy_cells(&session->cache, &prefix->cache, &session->model->model.shape, session->count);
    *ret_prefix = prefix;
    return SMIDGE_OK;
}

const int32_t *smidge_prefix_tokens(const smidge_prefix *prefix, size_t *ret_count)
{
    *ret_count = (size_t)prefix->count;
    return prefix->ids;
}

void smidge_prefix_free(smidge_prefix *prefix)
{
    if (prefix == NULL || atomic_fetch_sub(&prefix->holders, 1) > 1)
        return;
    smg_engine_release(prefix->model, prefix->arena.size);
    smg_arena_done(&prefix->arena);
    smg_free(prefix);
}

smidge_status smidge_session_set_prefix(smidge_session *session, smidge_prefix *prefix, smidge_error *error)
{
    if (prefix != NULL && prefix->model != session->model)
        return smg_error_set(error, SMIDGE_E_INVALID, "prefix",
                             "belongs to another model (compute it on this one)");
    if (prefix != NULL && prefix->cache.kind != session->cache.kind)
        return smg_error_set(error, SMIDGE_E_INVALID, "prefix",
                             "has another KV type than the session (give both the same kv_type)");
    if (prefix != NULL &&
        prefix->long_rope != smg_scratch_long(&session->model->model, session->options.context))
        return smg_error_set(
            error, SMIDGE_E_INVALID, "prefix",
            "was computed for %s context than the session's, and this model turns them differently "
            "(compute it on a session with the same context)",
            prefix->long_rope ? "a longer" : "a shorter");
    if (prefix != NULL)
        atomic_fetch_add(&prefix->holders, 1);
    if (session->shared > 0) /* what it has seen begins in the old prefix */
        session->count = session->shared = 0;
    smidge_prefix_free(session->prefix);
    session->prefix = prefix;
    return SMIDGE_OK;
}
