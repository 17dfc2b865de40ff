#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "engine/engine.h"

int32_t smg_session_segments(smidge_session *session, smg_segment ret_segments[2])
{
    int32_t count = 0;
    if (session->shared > 0)
        ret_segments[count++] = (smg_segment){.cache = &session->prefix->cache, .count = session->shared};
    ret_segments[count++] = (smg_segment){.cache = &session->cache,
                                          .position = session->shared,
                                          .count = INT32_MAX - session->shared};
    return count;
}

static int32_t common_run(const int32_t *a, int32_t a_count, const int32_t *b, int32_t b_count)
{
    int32_t least = a_count < b_count ? a_count : b_count;
    int32_t same = 0;
    while (same < least && a[same] == b[same])
        same++;
    return same;
}

/* Keeps as much of what is computed as the new ids begin with: the session's own past, or the prefix. */
static void rewind_to(smidge_session *session, const int32_t *ids, int32_t count)
{
    int32_t own = common_run(session->ids, session->count, ids, count);
    const smidge_prefix *prefix = session->prefix;
    int32_t common = prefix == NULL ? 0 : common_run(prefix->ids, prefix->count, ids, count);
    if (prefix != NULL && common > own) {
        memcpy(session->ids, prefix->ids, (size_t)common * sizeof *ids);
        session->count = common;
        session->shared = common;
        return;
    }
    session->count = own;
    session->shared = session->shared < own ? session->shared : own;
}

/* The next `count` tokens in one pass; logits of the last where there is an output. */
static smidge_status run_chunk(smidge_session *session, const int32_t *ids, int32_t count,
                               const smg_output *output, const smg_stop *stop)
{
    smg_segment segments[2];
    int32_t segment_count = smg_session_segments(session, segments);
    for (int32_t i = 0; i < count; i++) {
        int32_t position = session->count + i;
        session->rows[i] = (smg_row){
            .token = ids[i],
            .position = position,
            .segments = segments,
            .segment_count = segment_count,
            .cache = &session->cache,
            .cell = position - session->shared,
            .wanted = output != NULL && i == count - 1,
        };
    }
    SMG_TRY(smg_forward_run(&session->model->model, session->model->pool, session->scratch, session->rows,
                            count, output, stop));
    memcpy(session->ids + session->count, ids, (size_t)count * sizeof *ids);
    session->count += count;
    return SMIDGE_OK;
}

/* Tokens behind those that are there, in passes of the session's batch. */
static smidge_status run_on(smidge_session *session, const int32_t *ids, int32_t count,
                            const smg_output *output, const smg_stop *stop)
{
    for (int32_t done = 0; done < count;) {
        int32_t left = count - done;
        int32_t chunk = left < session->options.batch ? left : session->options.batch;
        SMG_TRY(run_chunk(session, ids + done, chunk, chunk == left ? output : NULL, stop));
        done += chunk;
    }
    return SMIDGE_OK;
}

smidge_status smg_session_prefill(smidge_session *session, const int32_t *ids, int32_t count,
                                  const smg_output *output, const smg_stop *stop, int32_t *ret_cached)
{
    SMG_TRY(smg_stop_check(stop)); /* even where nothing is left to compute */
    /* A token whose logits are asked for goes through the model in any case. */
    rewind_to(session, ids, output != NULL ? count - 1 : count);
    *ret_cached = session->count;
    return run_on(session, ids + session->count, count - session->count, output, stop);
}

smidge_status smg_session_decode(smidge_session *session, const int32_t *ids, int32_t count,
                                 const smg_stop *stop)
{
    const smg_output all = {.logits = session->logits};
    return run_on(session, ids, count, &all, stop);
}
