#include <inttypes.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "engine/engine.h"
#include "smidge/tools.h"

/* Any ids do, as long as they differ: speed does not depend on which. */
static int32_t random_id(uint64_t *state, int32_t vocabulary)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (int32_t)((*state >> 33) % (uint64_t)vocabulary);
}

static smidge_status measure(smidge_session *session, const int32_t *ids, int32_t prompt_tokens,
                             int32_t tokens, const smg_stop *stop, int64_t *ret_prompt_ns,
                             int64_t *ret_decode_ns)
{
    int32_t cached = 0;
    int64_t started = smg_clock_now();
    if (prompt_tokens > 0)
        SMG_TRY(smg_session_prefill(session, ids, prompt_tokens, &(smg_output){.logits = session->logits},
                                    stop, &cached));
    int64_t prefilled = smg_clock_now();
    for (int32_t i = 0; i < tokens; i++)
        SMG_TRY(smg_session_decode(session, &ids[prompt_tokens + i], 1, stop));
    *ret_prompt_ns = prefilled - started;
    *ret_decode_ns = smg_clock_now() - prefilled;
    return SMIDGE_OK;
}

smidge_status smidge_measure(smidge_session *session, int32_t prompt_tokens, int32_t tokens, uint64_t seed,
                             int64_t *ret_prompt_ns, int64_t *ret_decode_ns, smidge_error *error)
{
    int32_t context = session->options.context;
    if (prompt_tokens < 0 || tokens < 0)
        return smg_error_set(error, SMIDGE_E_INVALID, "measure", "a number of tokens is negative");
    if (prompt_tokens > context || tokens > context - prompt_tokens)
        return smg_error_set(error, SMIDGE_E_CONTEXT, "measure",
                             "%" PRId32 " and %" PRId32 " tokens do not fit the context of %" PRId32
                             " (take a larger context)",
                             prompt_tokens, tokens, context);
    size_t count = (size_t)prompt_tokens + (size_t)tokens;
    SMG_CLEANUP(smg_free_ptr) int32_t *ids = smg_alloc_array(count, sizeof *ids);
    if (ids == NULL)
        return smg_error_no_memory(error, "measure", count * sizeof *ids);
    for (size_t i = 0; i < count; i++)
        ids[i] = random_id(&seed, session->model->model.shape.vocabulary);
    smidge_session_reset(session);
    smg_stop stop = smg_session_stop(session, 0);
    smidge_status status = measure(session, ids, prompt_tokens, tokens, &stop, ret_prompt_ns, ret_decode_ns);
    return smg_session_finish(session, status, error);
}
