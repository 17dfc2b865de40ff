/* What the parts of the engine share: the open model, the session, and moving a prompt into the KV cache. */
#ifndef SMG_ENGINE_ENGINE_H
#define SMG_ENGINE_ENGINE_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/file.h"
#include "base/thread.h"
#include "constrain/labels.h"
#include "constrain/token_filter.h"
#include "fit/memory.h"
#include "model/adapter.h"
#include "model/forward.h"
#include "token/tokenizer.h"

/* Cells beyond the context, for trying several continuations at once. */
#define SMG_BRANCH_CELLS 32
/* Tokens of one pass whose logits can be kept. */
#define SMG_LOGIT_ROWS 4
/* Cells behind those, for branches that begin with a prompt's last token. */
#define SMG_START_CELLS SMG_LOGIT_ROWS

struct smidge_model {
    smg_gguf gguf;
    smg_tokenizer *tokenizer;
    smg_model model;
    smg_gguf adapter_file;
    smg_adapter adapter; /* empty where the model has none */
    float temperature;   /* of labels: the adapter's, else the file's, else 1 */
    smg_pool *pool;
    int threads; /* of the pool */
    uint64_t memory_limit;
    bool force;
    uint64_t vocabulary_bytes;
    pthread_mutex_t lock;     /* guards what follows */
    uint64_t session_bytes;   /* of all sessions and prefixes */
    uint64_t id;              /* 0: not computed yet */
    smg_token_filter *filter; /* NULL until the first schema */
};

struct smidge_file {
    smg_gguf gguf;
    smg_tokenizer *tokenizer; /* built when first asked for */
};

struct smidge_prefix {
    atomic_int holders;
    smidge_model *model;
    smg_arena arena;
    smg_kv_cache cache;
    bool long_rope;
    int32_t *ids;
    int32_t count;
};

struct smidge_session {
    smidge_model *model;
    smg_arena arena;
    smidge_session_options options; /* with the defaults filled in */
    int32_t logit_rows;
    smg_kv_cache cache; /* context cells, then SMG_BRANCH_CELLS and SMG_START_CELLS */
    smg_scratch *scratch;
    smg_row *rows;  /* [batch] */
    float *logits;  /* [logit_rows][vocabulary] */
    int32_t *ids;   /* [context] the tokens whose keys and values are there … */
    int32_t count;  /* … and how many */
    int32_t shared; /* positions below this are the prefix's; cell = position - shared */
    smidge_prefix *prefix;
    atomic_int cancel;
    struct smg_candidate *candidates; /* [vocabulary] for the sampler */
};

struct smidge_labels {
    const smidge_model *model;
    smg_labels automaton;
    int32_t *start_groups; /* of the output matrix: those that have the first tokens */
    int32_t start_group_count;
    smg_label_edge starts[SMG_LOGIT_ROWS]; /* first tokens that leave several labels … */
    int32_t start_count;                   /* … or 0 where those are more */
};

struct smidge_schema {
    const smidge_model *model;
    const smg_token_filter *filter;
    smg_json_shape *shape;
};

/* ---- model_handle.c */

/* The failure of logits that are not numbers. */
smidge_status smg_engine_bad_logits(const smidge_model *model, smidge_error *error) SMG_MUST_CHECK;

/* Completes a number of threads; 0 is the default. SMIDGE_E_INVALID. */
smidge_status smg_engine_threads(int32_t wanted, int *ret_threads, smidge_error *error) SMG_MUST_CHECK;

/* Puts the adapter at `path`, which may be NULL, onto a model whose file is open and whose weights are loaded; and gives back what that
 * took, also of a failure. A scale of 0 is 1. Errors: those of smg_gguf_open, smg_adapter_read and smg_adapter_attach. */
smidge_status smg_engine_adapt(smidge_model *model, const char *path, float scale, smidge_error *error)
    SMG_MUST_CHECK;
void smg_engine_unadapt(smidge_model *model);

#define SMG_ADVICE_SMALLER "take a smaller model or type"

/* What a program with this model needs, with sessions and prefixes of `bytes`, `kv` of which are KV cache. */
void smg_engine_need(const smidge_model *model, uint64_t kv, uint64_t bytes, smg_memory_need *ret_need);

/* Counts `bytes` more for a session or prefix, or refuses them. `kv` of them are KV cache. */
smidge_status smg_engine_reserve(smidge_model *model, uint64_t kv, uint64_t bytes, const char *advice,
                                 smidge_error *error) SMG_MUST_CHECK;
void smg_engine_release(smidge_model *model, uint64_t bytes);

/* ---- session.c */

/* `logit_rows`: how many tokens' logits a pass may ask for; the public call has SMG_LOGIT_ROWS. */
smidge_status smg_session_new(smidge_model *model, const smidge_session_options *options, int32_t logit_rows,
                              smidge_session **ret_session, smidge_error *error) SMG_MUST_CHECK;

/* What a program that has this model and one session of these options needs; the session need not exist.
 * SMIDGE_E_INVALID. */
smidge_status smg_session_need(const smidge_model *model, const smidge_session_options *options,
                               smg_memory_need *ret_need, smidge_error *error) SMG_MUST_CHECK;

/* What would fit where a session of these options, which are complete, does not. */
void smg_session_advice(const smidge_session_options *options, char *ret_text, size_t room);
/* Whether a session's options are sound, with the defaults filled in. SMIDGE_E_INVALID. */
smidge_status smg_session_complete(const smidge_model *model, const smidge_session_options *given,
                                   smidge_session_options *ret_options, smidge_error *error) SMG_MUST_CHECK;

/* A stop for a call on this session. */
smg_stop smg_session_stop(smidge_session *session, int64_t deadline_ns);
/* Ends a call: takes back the cancellation that it answered, and gives a stop its message. */
smidge_status smg_session_finish(smidge_session *session, smidge_status status, smidge_error *error)
    SMG_MUST_CHECK;

/* ---- prefix.c */

/* Room for `count` tokens, still empty; the caller holds it. */
smidge_status smg_prefix_new(smidge_model *model, smg_kv kind, int32_t count, bool long_rope,
                             smidge_prefix **ret_prefix, smidge_error *error) SMG_MUST_CHECK;

/* ---- snapshot.c */

/* smidge_prefix_load from memory; `path` is for messages. */
smidge_status smg_snapshot_parse(smidge_model *model, const uint8_t *data, size_t size, const char *path,
                                 smidge_prefix **ret_prefix, smidge_error *error) SMG_MUST_CHECK;

/* ---- prefill.c */

/* What the end of a prompt is asked for. */
typedef struct smg_ending {
    smg_output output;   /* of the last token */
    const smg_row *rows; /* that go on from it; they go along in its pass where that has room … */
    int32_t row_count;
    int32_t ret_first; /* … and this is the first one's place in it, or -1 */
} smg_ending;

/* Goes back to as much of what is computed as `ids` begin with; returns how many tokens that are. */
int32_t smg_session_rewind(smidge_session *session, const int32_t *ids, int32_t count);
/* `count` tokens behind those that are there, in passes of the session's batch; `ending` may be NULL. On a stop the tokens
 * that were finished stay. */
smidge_status smg_session_append(smidge_session *session, const int32_t *ids, int32_t count,
                                 smg_ending *ending, const smg_stop *stop) SMG_MUST_CHECK;

/* Makes the cache hold exactly `ids`, computing only what is not there already. With `output`, which may be NULL, the last
 * token always is, and its logits end up there. *ret_cached is how many were there. On a stop the tokens that were
 * finished stay. */
smidge_status smg_session_prefill(smidge_session *session, const int32_t *ids, int32_t count,
                                  const smg_output *output, const smg_stop *stop, int32_t *ret_cached)
    SMG_MUST_CHECK;
/* `count` more tokens; the logits of the last in session->logits. */
smidge_status smg_session_decode(smidge_session *session, const int32_t *ids, int32_t count,
                                 const smg_stop *stop) SMG_MUST_CHECK;

/* The list of what a token of this session attends to; returns how many segments. */
int32_t smg_session_segments(smidge_session *session, smg_segment ret_segments[2]);

#endif
