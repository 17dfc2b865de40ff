#include "prefix_cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A prefix of another prompt would be harmless, as far as it is not this prompt's beginning, and useless. */
static smidge_status check_tokens(const smidge_prefix *prefix, const smidge_model *model,
                                  const smidge_span *spans, size_t span_count, smidge_error *error)
{
    size_t held = 0;
    const int32_t *tokens = smidge_prefix_tokens(prefix, &held);
    int32_t *ids = malloc(held * sizeof *ids);
    if (ids == NULL) {
        *error = (smidge_error){.code = SMIDGE_E_NOMEM, .message = CLI_NO_MEMORY};
        return SMIDGE_E_NOMEM;
    }
    size_t count = 0;
    bool same = smidge_tokenize(model, spans, span_count, ids, held, &count, error) == SMIDGE_OK &&
                count == held && memcmp(ids, tokens, held * sizeof *ids) == 0;
    free(ids);
    if (same)
        return SMIDGE_OK;
    *error = (smidge_error){.code = SMIDGE_E_INVALID, .message = "was saved for another prompt"};
    return SMIDGE_E_INVALID;
}

static smidge_status load(const prefix_cache *cache, smidge_model *model, smidge_session *session,
                          const smidge_span *spans, size_t span_count, smidge_error *error)
{
    smidge_prefix *prefix = NULL;
    smidge_status status = smidge_prefix_load(model, cache->path, &prefix, error);
    if (status == SMIDGE_OK)
        status = check_tokens(prefix, model, spans, span_count, error);
    if (status == SMIDGE_OK)
        status = smidge_session_set_prefix(session, prefix, error);
    smidge_prefix_free(prefix); /* the session keeps it alive */
    return status;
}

/* Why, without the advice to compute it again, which has been done. */
static void explain(const prefix_cache *cache, smidge_error *refusal)
{
    char *advice = strrchr(refusal->message, '(');
    if (advice != NULL && advice > refusal->message && advice[-1] == ' ')
        advice[-1] = '\0';
    cli_complain(cache->path, "%s (it was computed again)", refusal->message);
}

void prefix_cache_open(prefix_cache *cache, smidge_model *model, smidge_session *session,
                       const smidge_span *spans, size_t span_count, int64_t deadline_ns)
{
    bool there = access(cache->path, F_OK) == 0 || errno != ENOENT;
    smidge_error refusal = {0};
    if (there && load(cache, model, session, spans, span_count, &refusal) == SMIDGE_OK)
        return;
    /* The session has computed it then, and keeps it: it needs no copy of its own. */
    smidge_error error;
    smidge_status status =
        smidge_prefix_new(session, spans, span_count, deadline_ns, &cache->computed, &error);
    if (status == SMIDGE_OK && there)
        explain(cache, &refusal);
    if (status == SMIDGE_E_NO_FIT || status == SMIDGE_E_NOMEM)
        cli_complain(cache->path, "the prefix cannot be kept: %s", error.message);
    /* Of a deadline, or a context that is too small, the readings tell themselves. */
}

void prefix_cache_save(const prefix_cache *cache)
{
    smidge_error error;
    if (cache->computed != NULL && smidge_prefix_save(cache->computed, cache->path, &error) != SMIDGE_OK)
        cli_complain(error.where, "%s", error.message);
}

void prefix_cache_done(prefix_cache *cache)
{
    smidge_prefix_free(cache->computed);
}
