/* smidge: small language models inside IoT applications.
 *
 * The engine's public interface: open a GGUF model, keep sessions on it, generate text, and classify a
 * reading into one of a set of labels before a deadline.
 *
 * Conventions
 *  - Every function that can fail returns a smidge_status: SMIDGE_OK (0) or a negative code. It also fills
 *    the optional smidge_error it is given; its message says what went wrong and what to do about it.
 *  - Outputs are named ret_x and are written only on success, unless a comment says otherwise.
 *  - Option and result structs start with their size: set `size = sizeof(struct)` (or use the _init
 *    function) so that programs built against an older header keep working. Zero means "the default".
 *  - Strings are UTF-8 with an explicit length in bytes; they need no terminating zero.
 *  - Times are nanoseconds of CLOCK_MONOTONIC (smidge_now_ns); a deadline of 0 means "none".
 *  - The library never prints, exits, aborts, or reads the environment, and it never opens a socket.
 *
 * Threads: a smidge_model, a smidge_prefix, a smidge_labels and a smidge_schema may be used by many threads at
 * once. A session belongs to one thread at a time; only smidge_session_cancel may be called from any other. Calls
 * that run the model need 256 KiB of stack.
 */
#ifndef SMIDGE_SMIDGE_H
#define SMIDGE_SMIDGE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define SMIDGE_API __attribute__((visibility("default")))
#define SMIDGE_MUST_CHECK __attribute__((warn_unused_result))
#else
#define SMIDGE_API
#define SMIDGE_MUST_CHECK
#endif

/* ---- Status and errors ------------------------------------------------------------------------------ */

typedef enum smidge_status {
    SMIDGE_OK = 0,
    SMIDGE_E_NOMEM = -1,       /* the system refused memory or a thread */
    SMIDGE_E_INVALID = -2,     /* an argument or an input is wrong; nothing was changed */
    SMIDGE_E_IO = -3,          /* a file could not be opened or read */
    SMIDGE_E_FORMAT = -4,      /* a file is damaged or is not what it should be */
    SMIDGE_E_UNSUPPORTED = -5, /* sound, but not something this build can do */
    SMIDGE_E_NO_FIT = -6,      /* it would need more memory than this machine or the limit allows */
    SMIDGE_E_CONTEXT = -7,     /* prompt and answer do not fit the session's context */
    SMIDGE_E_DEADLINE = -8,    /* the deadline passed before the answer was there */
    SMIDGE_E_CANCELLED = -9,   /* smidge_session_cancel was called */
    SMIDGE_E_MODEL = -10       /* the model computed something that is not a number */
} smidge_status;

typedef struct smidge_error {
    smidge_status code;
    char where[160];   /* what it is about: a file, a flag, a part of the library */
    char message[480]; /* why, and in parentheses what to do next, and a section of docs/troubleshooting.md */
} smidge_error;

/* A status's name, "deadline" for SMIDGE_E_DEADLINE; never NULL, static. */
SMIDGE_API const char *smidge_status_name(smidge_status status);

/* ---- Library ---------------------------------------------------------------------------------------- */

/* "0.1.0"; and the commit it was built from, "" if unknown. Static strings. */
SMIDGE_API const char *smidge_version(void);
SMIDGE_API const char *smidge_commit(void);

/* Now, in nanoseconds of CLOCK_MONOTONIC: deadlines are `smidge_now_ns() + milliseconds * 1000000`. */
SMIDGE_API int64_t smidge_now_ns(void);

/* ---- Models ------------------------------------------------------------------------------------------ */

typedef struct smidge_model smidge_model;

typedef struct smidge_model_options {
    size_t size;
    int32_t threads; /* 1 to 64; 0: physical cores minus one, at least one */
    int32_t force;   /* not 0: skip the rule that at most 70 % of RAM is used (the others stay) */
    uint64_t
        memory_limit; /* bytes that the model, all its sessions and the program may take; 0: no limit of its own */
    int64_t deadline_ns; /* for opening; 0: none */
    const char *cpu; /* kernel path: "auto" (also NULL), "ref", "avx2", "neon" …; for tests and reports */
    const char *lora_path; /* a LoRA adapter, a GGUF file, to apply while the model runs; NULL: none */
    float lora_scale;      /* how much of it; 0: 1 */
} smidge_model_options;

/* Sets size and the defaults. */
SMIDGE_API void smidge_model_options_init(smidge_model_options *options);

/* Opens a GGUF file: maps it, checks it, builds its vocabulary and starts its threads. The file, and that of an adapter, must stay
 * unchanged while the model is open. `options` may be NULL. The caller releases the model with
 * smidge_model_close, after all its sessions and prefixes.
 * Errors: IO, FORMAT, UNSUPPORTED, NO_FIT (with the numbers and what would fit), NOMEM, INVALID, DEADLINE. */
SMIDGE_API smidge_status smidge_model_open(const char *path, const smidge_model_options *options,
                                           smidge_model **ret_model, smidge_error *error) SMIDGE_MUST_CHECK;
/* Takes NULL. */
SMIDGE_API void smidge_model_close(smidge_model *model);

typedef struct smidge_model_info {
    size_t size;
    char architecture[32]; /* "llama" */
    char name[128];        /* as the file says; "" if it does not */
    char type[32];         /* of the weights: "Q4_K_M", "Q4_1" */
    char cpu[16];          /* the kernel path taken: "avx2" */
    uint64_t file_bytes;
    uint64_t parameters;
    int32_t vocabulary;
    int32_t context; /* that the model was trained for */
    int32_t threads;
    float temperature; /* of labels, see smidge_classify; 1: none */
} smidge_model_info;

/* `ret_info->size` must be set. */
SMIDGE_API void smidge_model_describe(const smidge_model *model, smidge_model_info *ret_info);

/* 16 hexadecimal digits that tell models apart, with their adapters and how much of these is applied, and a zero. The first call for a model reads a part of every
 * tensor. */
SMIDGE_API void smidge_model_id(smidge_model *model, char ret_id[17]);

/* ---- Text -------------------------------------------------------------------------------------------- */

/* A piece of a prompt. Special tokens ("<|im_end|>") are recognised only in trusted pieces: in text that came
 * from a sensor or a person they stay plain text. */
typedef struct smidge_span {
    const char *text;
    size_t size;
    int32_t trusted;
} smidge_span;

/* Tokenizes the spans as one text, with BOS where the model wants it, into ret_ids. With ret_ids NULL only
 * counts. Errors: INVALID (more than `room` tokens; *ret_count says how many), NOMEM. */
SMIDGE_API smidge_status smidge_tokenize(const smidge_model *model, const smidge_span *spans,
                                         size_t span_count, int32_t *ret_ids, size_t room, size_t *ret_count,
                                         smidge_error *error) SMIDGE_MUST_CHECK;

/* ---- Conversations ------------------------------------------------------------------------------------ */

typedef struct smidge_message {
    const char *role; /* "system", "user" or "assistant" */
    const char *text;
    size_t size;
} smidge_message;

typedef struct smidge_chat_options {
    size_t size;
    const char
        *template_name; /* one of smidge_chat_templates(); NULL: the model's own, if it is recognised */
    const char
        *template_file;  /* path of a file with a prefix and a suffix for each role (docs/chat.md); or NULL */
    const char *date;    /* "26 Jul 2024", for models that are told the day; NULL: that very day */
    int32_t no_thinking; /* not 0: models that can think first are asked not to */
} smidge_chat_options;

SMIDGE_API void smidge_chat_options_init(smidge_chat_options *options);
/* "chatml, qwen2.5, …"; static. */
SMIDGE_API const char *smidge_chat_templates(void);

/* Messages as the text that the model was trained with, ready for it to answer: template text is trusted, what messages say
 * is not. A template inside a model file is never run: it is recognised, or refused. */
typedef struct smidge_chat smidge_chat;

/* Errors: UNSUPPORTED (the model's template is not recognised: name one), INVALID (an order of roles that the
 * template does not have, an unknown name, a bad template file), IO, NOMEM. */
SMIDGE_API smidge_status smidge_chat_new(const smidge_model *model, const smidge_message *messages,
                                         size_t count, const smidge_chat_options *options,
                                         smidge_chat **ret_chat, smidge_error *error) SMIDGE_MUST_CHECK;
/* Valid until the chat is freed. */
SMIDGE_API const smidge_span *smidge_chat_spans(const smidge_chat *chat, size_t *ret_count);
/* Takes NULL. */
SMIDGE_API void smidge_chat_free(smidge_chat *chat);

/* ---- Sessions ---------------------------------------------------------------------------------------- */

/* One conversation with a model: its KV cache and its working memory, allocated once. */
typedef struct smidge_session smidge_session;

typedef enum smidge_kv_type {
    SMIDGE_KV_F16 = 0,
    SMIDGE_KV_F32 = 1,
    SMIDGE_KV_Q8_0 = 2 /* heads must be a multiple of 32 wide */
} smidge_kv_type;

typedef struct smidge_session_options {
    size_t size;
    int32_t
        context; /* tokens of prompt and answer together; 0: 1024, or what the model has if that is less */
    int32_t kv_type; /* smidge_kv_type */
    int32_t batch;   /* tokens that go through the model together, 1 to 512; 0: 128 */
} smidge_session_options;

SMIDGE_API void smidge_session_options_init(smidge_session_options *options);

/* Bytes that a session with these options will take, before it exists. Errors: INVALID. */
SMIDGE_API smidge_status smidge_session_memory(const smidge_model *model,
                                               const smidge_session_options *options, uint64_t *ret_bytes,
                                               smidge_error *error) SMIDGE_MUST_CHECK;

/* Errors: INVALID (a context larger than the model's, a KV type its heads do not allow), NO_FIT, NOMEM. */
SMIDGE_API smidge_status smidge_session_new(smidge_model *model, const smidge_session_options *options,
                                            smidge_session **ret_session, smidge_error *error)
    SMIDGE_MUST_CHECK;
/* Takes NULL. */
SMIDGE_API void smidge_session_free(smidge_session *session);
/* Forgets the text seen so far (and a cancellation that came too late). */
SMIDGE_API void smidge_session_reset(smidge_session *session);

/* From any thread: the call that runs on this session, or the next one if none does, ends with
 * SMIDGE_E_CANCELLED within milliseconds, and the thread pool is free for others. */
SMIDGE_API void smidge_session_cancel(smidge_session *session);

/* ---- Prefixes ---------------------------------------------------------------------------------------- */

/* The part that many prompts begin with, computed once and then read by any number of sessions without a copy.
 * An answer with a prefix equals the one without it bit for bit. */
typedef struct smidge_prefix smidge_prefix;

/* Computes the prefix on `session`, of which it stays independent. Deadline as in the calls below (0: none).
 * Errors: INVALID (no text), CONTEXT, DEADLINE, CANCELLED, NO_FIT, NOMEM. */
SMIDGE_API smidge_status smidge_prefix_new(smidge_session *session, const smidge_span *spans,
                                           size_t span_count, int64_t deadline_ns, smidge_prefix **ret_prefix,
                                           smidge_error *error) SMIDGE_MUST_CHECK;
/* Gives up the caller's hold; sessions that use the prefix keep it alive. Takes NULL. */
SMIDGE_API void smidge_prefix_free(smidge_prefix *prefix);
/* From now on the session starts from this prefix wherever a prompt begins with the same tokens; NULL: from none.
 * Whole prompts are given to the calls below all the same. Errors: INVALID (another model or KV type). */
SMIDGE_API smidge_status smidge_session_set_prefix(smidge_session *session, smidge_prefix *prefix,
                                                   smidge_error *error) SMIDGE_MUST_CHECK;

/* The tokens that it holds, as smidge_tokenize gives them for its spans; valid as long as the prefix. */
SMIDGE_API const int32_t *smidge_prefix_tokens(const smidge_prefix *prefix, size_t *ret_count);

/* Puts a prefix into a file, whole or not at all. A file that is there and is not a saved prefix is left alone.
 * Errors: IO, INVALID (it is something else). */
SMIDGE_API smidge_status smidge_prefix_save(const smidge_prefix *prefix, const char *path,
                                            smidge_error *error) SMIDGE_MUST_CHECK;
/* Brings it back, in a process to come, without computing it. Only what this very build computed for this very model on
 * the same kernel path is taken; everything else is refused and changes nothing: IO, FORMAT (damaged), INVALID (stale
 * or foreign: compute it again), NO_FIT, NOMEM. Whether it is the prefix that is wanted, its tokens tell. The caller
 * releases it with smidge_prefix_free. */
SMIDGE_API smidge_status smidge_prefix_load(smidge_model *model, const char *path, smidge_prefix **ret_prefix,
                                            smidge_error *error) SMIDGE_MUST_CHECK;

/* ---- JSON answers --------------------------------------------------------------------------------------- */

/* A JSON schema, compiled for one model's vocabulary: see docs/json.md for what it may say. Answers are one flat object
 * in compact form, its keys in the order of the schema; values are enums, constants, booleans, strings and numbers,
 * all of them bounded. */
typedef struct smidge_schema smidge_schema;

/* `text` is the schema, `size` bytes of JSON. The model must stay open while the schema is used; the first schema of a
 * model sorts its vocabulary, which all others use. Errors: INVALID (no JSON, or it contradicts itself), UNSUPPORTED
 * (names what it asks for and cannot be kept, or a vocabulary that cannot spell JSON), NOMEM. */
SMIDGE_API smidge_status smidge_schema_new(smidge_model *model, const char *text, size_t size,
                                           smidge_schema **ret_schema, smidge_error *error) SMIDGE_MUST_CHECK;
/* Takes NULL. */
SMIDGE_API void smidge_schema_free(smidge_schema *schema);
/* No answer has more tokens (or bytes): what the context must hold behind the prompt. */
SMIDGE_API int32_t smidge_schema_max_tokens(const smidge_schema *schema);
SMIDGE_API int32_t smidge_schema_keys(const smidge_schema *schema);
/* The name of a key, 0 to smidge_schema_keys - 1, in the order of the schema; "" for other numbers. Valid as long as
 * the schema. */
SMIDGE_API const char *smidge_schema_key(const smidge_schema *schema, int32_t key);

/* ---- Generating text --------------------------------------------------------------------------------- */

/* Whole UTF-8 characters as they come; `text` is not terminated. Not 0: stop. */
typedef int (*smidge_text_fn)(void *user, const char *text, size_t size);

typedef struct smidge_generate_options {
    size_t size;
    int32_t max_tokens;     /* default 128 */
    float temperature;      /* 0: always the likeliest token; default 0.1 */
    int32_t top_k;          /* 0: off; default 40 */
    float top_p;            /* 1: off; default 0.95 */
    float min_p;            /* 0: off; default 0.05 */
    float repeat_penalty;   /* 1: off; default 1.1 */
    int32_t repeat_window;  /* tokens back that the penalty looks at; default 64 */
    int32_t ignore_end;     /* not 0: go on after an end token */
    uint64_t seed;          /* the same seed gives the same text, at any number of threads; default 0 */
    int64_t deadline_ns;    /* 0: none */
    smidge_text_fn on_text; /* may be NULL */
    void *user;
    /* Or NULL. The answer is an object of this schema, which comes in one call of on_text when it is complete, or
     * not at all. The schema bounds it: max_tokens, ignore_end and the repeat penalty mean nothing then. */
    const smidge_schema *schema;
} smidge_generate_options;

SMIDGE_API void smidge_generate_options_init(smidge_generate_options *options);

typedef enum smidge_finish {
    SMIDGE_FINISH_NONE = 0, /* it failed before its end */
    SMIDGE_FINISH_END,      /* the model ended the text */
    SMIDGE_FINISH_LENGTH,   /* max_tokens were reached */
    SMIDGE_FINISH_STOPPED   /* the callback asked for it */
} smidge_finish;

typedef struct smidge_generate_result {
    size_t size;
    int32_t finish; /* smidge_finish */
    int32_t prompt_tokens;
    int32_t cached_tokens; /* of the prompt, that were not computed again */
    int32_t tokens;        /* generated */
    int64_t prefill_ns;
    int64_t decode_ns; /* of all tokens after the first */
    int32_t
        forced_tokens; /* of those generated, that the schema left no choice about: they go through the model in
                              batches, and those at the end not at all */
    double *
        key_confidences; /* in: room for one number a key of the schema, or NULL; out: the product of what the model
                                gave to each choice in the key's value, of all that was allowed there; 1 where there
                                was none, -1 for a key that the answer leaves out */
} smidge_generate_result;

/* Continues the prompt. The context must hold prompt and max_tokens (or what the schema allows): nothing is ever cut off
 * silently. `ret_result` (may be NULL; size set) is filled even on failure, with what was reached.
 * Errors: INVALID, CONTEXT, DEADLINE, CANCELLED, MODEL, NOMEM. */
SMIDGE_API smidge_status smidge_generate(smidge_session *session, const smidge_span *spans, size_t span_count,
                                         const smidge_generate_options *options,
                                         smidge_generate_result *ret_result, smidge_error *error)
    SMIDGE_MUST_CHECK;

/* ---- Classifying ------------------------------------------------------------------------------------- */

/* A set of answers, compiled for one model's vocabulary. */
typedef struct smidge_labels smidge_labels;

/* 2 to 256 labels, each 1 to 256 bytes of UTF-8 without control characters or white space at either end, all different.
 * Errors: INVALID (which label and why), UNSUPPORTED (the vocabulary cannot spell one), NOMEM. */
SMIDGE_API smidge_status smidge_labels_new(const smidge_model *model, const char *const *labels, size_t count,
                                           smidge_labels **ret_labels, smidge_error *error) SMIDGE_MUST_CHECK;
/* Takes NULL. */
SMIDGE_API void smidge_labels_free(smidge_labels *labels);

typedef enum smidge_answer {
    SMIDGE_ANSWER_NONE = 0,
    SMIDGE_ANSWER_OK,
    SMIDGE_ANSWER_ABSTAIN,       /* the confidence is below min_confidence */
    SMIDGE_ANSWER_EXPIRED,       /* the reading was too old before anything ran */
    SMIDGE_ANSWER_DEADLINE,      /* the deadline passed, or the call was cancelled */
    SMIDGE_ANSWER_INVALID_INPUT, /* the reading does not fit the context, or is no text */
    SMIDGE_ANSWER_MODEL_ERROR    /* the model or the machine failed */
} smidge_answer;

/* "ok", "abstain", "expired", "deadline", "invalid_input", "model_error"; static. */
SMIDGE_API const char *smidge_answer_name(smidge_answer answer);
/* The answer that a call which failed with this status stands for. */
SMIDGE_API smidge_answer smidge_answer_for(smidge_status status);

typedef struct smidge_classify_options {
    size_t size;
    double min_confidence; /* abstain below this; 0: never */
    int64_t deadline_ns;   /* 0: none */
    /* 1: compute the result's label_mass, which takes the logits of the whole vocabulary and not only those of the
     * tokens that labels begin with. */
    int32_t label_mass;
} smidge_classify_options;

SMIDGE_API void smidge_classify_options_init(smidge_classify_options *options);

typedef struct smidge_classify_result {
    size_t size;
    int32_t answer;        /* smidge_answer */
    int32_t label;         /* the likeliest one's place in the set; -1 where there is none */
    double confidence;     /* its probability */
    double *probabilities; /* in: room for one number a label, or NULL; out: they sum to 1 */
    /* what the model gave to all labels together, of all it could say; -1: not asked for */
    double label_mass;
    /* of what labels could have had: in branches that were not followed, each below 1e-4 or without room */
    double cut_share;
    int32_t cut_branches;
    int32_t prompt_tokens;
    int32_t cached_tokens;
    int32_t passes;      /* forward passes after the prompt's own */
    int64_t duration_ns; /* of this call */
} smidge_classify_result;

/* Chooses the label that the model would continue the prompt with: score(label) is the sum, over all ways to
 * spell it in tokens with or without one leading space, of the product of the model's probabilities. A spelling ends where
 * only one label is left; a label that another one begins with competes through end of text and newline.
 * Where the adapter has a temperature T (smidge.temperature), or without one of its own the model's file, probabilities become
 * p^(1/T), summing to 1 again, and confidence and min_confidence are of these; the label stays, and so do label_mass and cut_share.
 * Nothing but a label of the set can come out. `ret_result` (size set) is filled even on failure.
 * Returns OK for the answers ok and abstain. Errors: INVALID, CONTEXT, DEADLINE, CANCELLED, MODEL, NOMEM. */
SMIDGE_API smidge_status smidge_classify(smidge_session *session, const smidge_labels *labels,
                                         const smidge_span *spans, size_t span_count,
                                         const smidge_classify_options *options,
                                         smidge_classify_result *ret_result, smidge_error *error)
    SMIDGE_MUST_CHECK;

typedef struct smidge_prompt {
    const smidge_span *spans;
    size_t span_count;
} smidge_prompt;

/* Classifies many readings together: what their prompts begin with in common is computed once, and the weights are read
 * once for all of them. Each answer equals the one that smidge_classify gives, bit for bit, and a prompt that is
 * refused spoils only its own. ret_results: [count], with sizes set; ret_errors: [count], or NULL; an answer that
 * is not ok or abstain has its error there. The deadline is that of the whole call.
 * Errors: INVALID (options, labels of another model), NOMEM; then there are no answers. */
SMIDGE_API smidge_status smidge_classify_batch(smidge_session *session, const smidge_labels *labels,
                                               const smidge_prompt *prompts, size_t count,
                                               const smidge_classify_options *options,
                                               smidge_classify_result *ret_results, smidge_error *ret_errors,
                                               smidge_error *error) SMIDGE_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
