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

int32_t smg_session_rewind(smidge_session *session, const int32_t *ids, int32_t count)
{
    int32_t own = common_run(session->ids, session->count, ids, count);
    const smidge_prefix *prefix = session->prefix;
    int32_t common = prefix == NULL ? 0 : common_run(prefix->ids, prefix->count, ids, count);
    if (prefix != NULL && common > own) {
        memcpy(session->ids, prefix->ids, (size_t)common * sizeof *ids);
        session->count = common;
        session->shared = common;
        return common;
    }
    session->count = own;
    session->shared = session->shared < own ? session->shared : own;
    return own;
}

/* The next `count` tokens in one pass, the last ones where there is an ending. */
static smidge_status run_chunk(smidge_session *session, const int32_t *ids, int32_t count, smg_ending *ending,
                               const smg_stop *stop)
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
            .wanted = ending != NULL && i == count - 1,
        };
    }
    int32_t rows = count;
    if (ending != NULL && ending->row_count > 0 && ending->row_count <= session->options.batch - count) {
        ending->ret_first = count;
        for (int32_t i = 0; i < ending->row_count; i++)
            session->rows[rows++] = ending->rows[i];
    }
    SMG_TRY(smg_forward_run(&session->model->model, session->model->pool, session->scratch, session->rows,
                            rows, ending != NULL ? &ending->output : NULL, stop));
    memcpy(session->ids + session->count, ids, (size_t)count * sizeof *ids);
    session->count += count;
    return SMIDGE_OK;
}

smidge_status smg_session_append(smidge_session *session, const int32_t *ids, int32_t count,
                                 smg_ending *ending, const smg_stop *stop)
{
    if (ending != NULL)
        ending->ret_first = -1;
    for (int32_t done = 0; done < count;) {
        int32_t left = count - done;
        int32_t chunk = left < session->options.batch ? left : session->options.batch;
        SMG_TRY(run_chunk(session, ids + done, chunk, chunk == left ? ending : NULL, stop));
        done += chunk;
    }
    return SMIDGE_OK;
}

smidge_status smg_session_prefill(smidge_session *session, const int32_t *ids, int32_t count,
                                  const smg_output *output, const smg_stop *stop, int32_t *ret_cached)
{
    SMG_TRY(smg_stop_check(stop)); /* even where nothing is left to compute */
    /* A token whose logits are asked for goes through the model in any case. */
    *ret_cached = smg_session_rewind(session, ids, output != NULL ? count - 1 : count);
    smg_ending ending = {0};
    if (output != NULL)
        ending.output = *output;
    return smg_session_append(session, ids + *ret_cached, count - *ret_cached,
                              output != NULL ? &ending : NULL, stop);
}

smidge_status smg_session_decode(smidge_session *session, const int32_t *ids, int32_t count,
                                 const smg_stop *stop)
{
    smg_ending ending = {.output = {.logits = session->logits}};
    return smg_session_append(session, ids, count, &ending, stop);
}
