#include "measure/chunk_pass.h"

/* Logits that are in memory at once, of all tokens together: 16 MiB. */
#define LOGITS_MOST (4 << 20)
#define LOGIT_ROWS_MOST 64
#define LOGIT_ROWS_LEAST 4

smidge_status smg_chunk_session(smidge_model *model, int32_t context, int32_t kv_type,
                                smidge_session **ret_session, smidge_error *error)
{
    smidge_session_options options;
    smidge_session_options_init(&options);
    options.context = context;
    options.kv_type = kv_type;
    int32_t rows = LOGITS_MOST / model->model.shape.vocabulary;
    rows = rows < LOGIT_ROWS_MOST ? rows : LOGIT_ROWS_MOST;
    return smg_session_new(model, &options, rows > LOGIT_ROWS_LEAST ? rows : LOGIT_ROWS_LEAST, ret_session,
                           error);
}

smidge_status smg_chunk_pass(smidge_session *session, const int32_t *ids, int32_t first, int32_t end,
                             int32_t kept, int32_t *ret_count, const smg_stop *stop)
{
    const int32_t left = end - first;
    const int32_t count = left < session->options.batch ? left : session->options.batch;
    smg_segment segments[2];
    const int32_t segment_count = smg_session_segments(session, segments);
    for (int32_t i = 0; i < count; i++)
        session->rows[i] = (smg_row){.token = ids[first + i],
                                     .position = first + i,
                                     .segments = segments,
                                     .segment_count = segment_count,
                                     .cache = &session->cache,
                                     .cell = first + i,
                                     .kept = first + i >= kept};
    SMG_TRY(smg_forward_run(&session->model->model, session->model->pool, session->scratch, session->rows,
                            count, NULL, stop));
    *ret_count = count;
    return SMIDGE_OK;
}

smidge_status smg_chunk_logits(smidge_session *session, int32_t first, int32_t count, const int32_t *groups,
                               int32_t group_count, const smg_stop *stop)
{
    int32_t rows[LOGIT_ROWS_MOST];
    for (int32_t i = 0; i < count; i++)
        rows[i] = first + i;
    const smg_output output = {.logits = session->logits, .groups = groups, .group_count = group_count};
    return smg_forward_logits(&session->model->model, session->model->pool, session->scratch, rows, count,
                              &output, stop);
}
