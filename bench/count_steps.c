/* Work to count instructions of: `prefill` tokens in one go, then `decode` more one by one, with the logits of the whole
 * vocabulary after the prefill and after each. arm/count.sh runs it, and arm/peer_steps.c does the same with llama.cpp.
 *
 *     count_steps MODEL PREFILL DECODE [THREADS [PATH]]
 *
 * PATH is one of those that `smidge inspect --cpu` names; without it, the best.
 */
#include <stdio.h>
#include <stdlib.h>

#include "arm/step_ids.h"
#include "engine/engine.h"

static int fail(const char *why)
{
    fprintf(stderr, "count_steps: %s\n", why);
    return 1;
}

static smidge_status run(smidge_session *session, int32_t prefill, int32_t decode)
{
    int32_t ids[STEPS_MOST];
    int32_t cached;
    const smg_stop stop = smg_session_stop(session, 0);
    fill_step_ids(ids, prefill + decode);
    SMG_TRY(
        smg_session_prefill(session, ids, prefill, &(smg_output){.logits = session->logits}, &stop, &cached));
    for (int32_t i = 0; i < decode; i++)
        SMG_TRY(smg_session_decode(session, ids + prefill + i, 1, &stop));
    return SMIDGE_OK;
}

int main(int argc, char **argv)
{
    const int32_t prefill = argc > 2 ? atoi(argv[2]) : 0;
    const int32_t decode = argc > 3 ? atoi(argv[3]) : -1;
    if (prefill < 1 || decode < 0 || prefill + decode > STEPS_MOST)
        return fail("usage: count_steps MODEL PREFILL DECODE [THREADS [PATH]]");
    smidge_model_options model_options;
    smidge_session_options session_options;
    smidge_model_options_init(&model_options);
    smidge_session_options_init(&session_options);
    model_options.threads = argc > 4 ? atoi(argv[4]) : 1;
    model_options.cpu = argc > 5 ? argv[5] : NULL;
    model_options.force = 1;
    session_options.context = STEPS_MOST;
    smidge_error error;
    smidge_model *model = NULL;
    smidge_session *session = NULL;
    smidge_status status = smidge_model_open(argv[1], &model_options, &model, &error);
    if (status == SMIDGE_OK)
        status = smidge_session_new(model, &session_options, &session, &error);
    if (status != SMIDGE_OK)
        return fail(error.message);
    status = run(session, prefill, decode);
    smidge_session_free(session);
    smidge_model_close(model);
    return status == SMIDGE_OK ? 0 : fail(smidge_status_name(status));
}
