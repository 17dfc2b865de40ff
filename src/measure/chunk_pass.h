/* Running chunks of tokens through a model, with the logits of some of them; private to src/measure. */
#ifndef SMG_MEASURE_CHUNK_PASS_H
#define SMG_MEASURE_CHUNK_PASS_H

#include "engine/engine.h"

/* A session for chunks of `context` tokens. Logits are computed for session->logit_rows tokens at once: as many as bounded memory
 * takes, whatever the vocabulary. */
smidge_status smg_chunk_session(smidge_model *model, int32_t context, int32_t kv_type,
                                smidge_session **ret_session, smidge_error *error) SMG_MUST_CHECK;

/* Tokens ids[first] … of a chunk, at these positions, at most the session's batch: returns by *ret_count how many. Those before
 * must have gone through. Tokens from position `kept` on can be asked for logits. */
smidge_status smg_chunk_pass(smidge_session *session, const int32_t *ids, int32_t first, int32_t end,
                             int32_t kept, int32_t *ret_count, const smg_stop *stop) SMG_MUST_CHECK;

/* Logits of tokens first .. first + count - 1 of the last pass into session->logits; at most session->logit_rows. `groups` as in
 * smg_output. */
smidge_status smg_chunk_logits(smidge_session *session, int32_t first, int32_t count, const int32_t *groups,
                               int32_t group_count, const smg_stop *stop) SMG_MUST_CHECK;

#endif
