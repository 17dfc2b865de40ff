#include <inttypes.h>
#include <math.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "engine/engine.h"
#include "engine/json_answer.h"
#include "engine/options.h"
#include "engine/prompt.h"
#include "engine/sampler.h"

/* Longer than any piece of text that one token adds, times what replacing broken bytes can make of it. */
#define TEXT_ROOM 4096

void smidge_generate_options_init(smidge_generate_options *options)
{
    *options = (smidge_generate_options){
        .size = sizeof *options,
        .max_tokens = 128,
        .temperature = 0.1F,
        .top_k = 40,
        .top_p = 0.95F,
        .min_p = 0.05F,
        .repeat_penalty = 1.1F,
        .repeat_window = 64,
    };
}

static smidge_status check_options(const smidge_generate_options *options, smidge_error *error)
{
    const struct {
        const char *name;
        bool right;
        const char *range;
    } rules[] = {
        {"max_tokens", options->max_tokens >= 1, "at least 1"},
        {"temperature", options->temperature >= 0.0F && isfinite(options->temperature), "0 or more"},
        {"top_k", options->top_k >= 0, "0 or more"},
        {"top_p", options->top_p > 0.0F && options->top_p <= 1.0F, "above 0, at most 1"},
        {"min_p", options->min_p >= 0.0F && options->min_p <= 1.0F, "from 0 to 1"},
        {"repeat_penalty", options->repeat_penalty > 0.0F && isfinite(options->repeat_penalty), "above 0"},
        {"repeat_window", options->repeat_window >= 0, "0 or more"},
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        if (!rules[i].right)
            return smg_error_set(error, SMIDGE_E_INVALID, rules[i].name, "must be %s", rules[i].range);
    }
    return SMIDGE_OK;
}

/* One call of smidge_generate. */
typedef struct generation {
    smidge_session *session;
    smidge_generate_options options;
    smidge_generate_result result;
    smg_stop stop;
    smg_sampler sampler;
    smg_utf8_stream stream;
    smidge_error *error;
} generation;

/* False when the callback asks to stop. */
static bool emit(generation *run, smg_text bytes)
{
    char text[TEXT_ROOM];
    const size_t most = TEXT_ROOM / 3 - 3;
    for (size_t at = 0; at < bytes.size; at += most) {
        size_t part = bytes.size - at < most ? bytes.size - at : most;
        size_t size = smg_utf8_stream_feed(&run->stream, bytes.data + at, part, text);
        if (size > 0 && run->options.on_text != NULL &&
            run->options.on_text(run->options.user, text, size) != 0)
            return false;
    }
    return true;
}

/* The text of one token: only where it does not fit TEXT_ROOM must all tokens be spelled. */
static bool emit_token(generation *run, int32_t id)
{
    const smg_tokenizer *tokenizer = run->session->model->tokenizer;
    char room[TEXT_ROOM];
    smg_text bytes = {.data = room, .size = smg_tokenizer_spell(tokenizer, id, room, sizeof room)};
    return emit(run, bytes.size < sizeof room ? bytes : smg_tokenizer_bytes(tokenizer, id));
}

/* Chooses a token, gives out its text, and says in result.finish whether it was the last. */
static smidge_status step(generation *run, int32_t *ret_id)
{
    smidge_session *session = run->session;
    int32_t id = smg_sampler_choose(&run->sampler, session->logits, session->model->model.shape.vocabulary,
                                    session->ids, session->count, session->candidates);
    if (id < 0)
        return smg_engine_bad_logits(session->model, run->error);
    if (smg_tokenizer_is_end(session->model->tokenizer, id) && run->options.ignore_end == 0) {
        run->result.finish = SMIDGE_FINISH_END;
        return SMIDGE_OK;
    }
    run->result.tokens++;
    if (!emit_token(run, id))
        run->result.finish = SMIDGE_FINISH_STOPPED;
    else if (run->result.tokens >= run->options.max_tokens)
        run->result.finish = SMIDGE_FINISH_LENGTH;
    *ret_id = id;
    return SMIDGE_OK;
}

static smidge_status generate(generation *run, const int32_t *ids, int32_t count)
{
    smidge_session *session = run->session;
    int64_t started = smg_clock_now();
    SMG_TRY(smg_session_prefill(session, ids, count, &(smg_output){.logits = session->logits}, &run->stop,
                                &run->result.cached_tokens));
    int64_t prefilled = smg_clock_now();
    run->result.prefill_ns = prefilled - started;
    for (;;) {
        int32_t id = 0;
        SMG_TRY(step(run, &id));
        run->result.decode_ns = smg_clock_now() - prefilled;
        if (run->result.finish != SMIDGE_FINISH_NONE)
            return SMIDGE_OK;
        SMG_TRY(smg_session_decode(session, &id, 1, &run->stop));
    }
}

/* What must be at the front of the answer goes through the model with the prompt; the end of it does not at all. `ids` has
 * room for the longest answer behind the prompt's `count`. */
static smidge_status fill_in(generation *run, smg_json_answer *answer, int32_t *ids, int32_t count)
{
    smidge_session *session = run->session;
    int64_t started = smg_clock_now();
    memcpy(ids + count, answer->tokens, (size_t)answer->count * sizeof *ids);
    const smg_output all = {.logits = session->logits};
    int32_t cached = 0;
    SMG_TRY(smg_session_prefill(session, ids, count + answer->count,
                                smg_json_answer_complete(answer) ? NULL : &all, &run->stop, &cached));
    run->result.cached_tokens = cached < count ? cached : count;
    int64_t prefilled = smg_clock_now();
    run->result.prefill_ns = prefilled - started;
    while (!smg_json_answer_complete(answer)) {
        int32_t from = answer->count;
        if (!smg_json_answer_step(answer, &run->sampler, session->logits, session->candidates))
            return smg_engine_bad_logits(session->model, run->error);
        run->result.decode_ns = smg_clock_now() - prefilled;
        if (!smg_json_answer_complete(answer))
            SMG_TRY(smg_session_decode(session, answer->tokens + from, answer->count - from, &run->stop));
    }
    run->result.finish = SMIDGE_FINISH_END;
    return SMIDGE_OK;
}

/* The object, as a whole or not at all. */
static smidge_status generate_json(generation *run, const int32_t *ids, int32_t count)
{
    const smidge_schema *schema = run->options.schema;
    size_t room = (size_t)count + (size_t)smidge_schema_max_tokens(schema);
    SMG_CLEANUP(smg_free_ptr) int32_t *all = smg_alloc_array(room, sizeof *all);
    if (all == NULL)
        return smg_error_no_memory(run->error, "prompt", room * sizeof *all);
    memcpy(all, ids, (size_t)count * sizeof *all);
    SMG_CLEANUP(smg_json_answer_done) smg_json_answer answer = {0};
    SMG_TRY(smg_json_answer_init(&answer, schema, run->result.key_confidences, run->error));
    smidge_status status = fill_in(run, &answer, all, count);
    run->result.tokens = answer.count;
    run->result.forced_tokens = answer.forced;
    SMG_TRY(status);
    if (run->options.on_text != NULL &&
        run->options.on_text(run->options.user, answer.text, (size_t)answer.size) != 0)
        run->result.finish = SMIDGE_FINISH_STOPPED;
    return SMIDGE_OK;
}

static smidge_status check_context(const generation *run, size_t count)
{
    const smidge_schema *schema = run->options.schema;
    int32_t context = run->session->options.context;
    int32_t answer = schema != NULL ? smidge_schema_max_tokens(schema) : run->options.max_tokens;
    if (count + (size_t)answer <= (size_t)context)
        return SMIDGE_OK;
    return smg_error_set(run->error, SMIDGE_E_CONTEXT, "prompt",
                         "%zu tokens and an answer of up to %" PRId32 " do not fit the context of %" PRId32
                         " (shorten %s, or take a larger context)",
                         count, answer, context,
                         schema != NULL ? "the prompt or the schema's strings"
                                        : "the prompt, ask for fewer tokens");
}

static smidge_status run_generation(generation *run, const smidge_span *spans, size_t span_count)
{
    SMG_TRY(check_options(&run->options, run->error));
    if (run->options.schema != NULL && run->options.schema->model != run->session->model)
        return smg_error_set(run->error, SMIDGE_E_INVALID, "schema",
                             "was compiled for another model (compile it for this session's)");
    smg_ids list = {0};
    SMG_TRY(smg_prompt_tokenize(run->session->model->tokenizer, spans, span_count, &list, run->error));
    SMG_CLEANUP(smg_free_ptr) int32_t *ids = list.ids;
    run->result.prompt_tokens = (int32_t)list.count;
    SMG_TRY(check_context(run, list.count));
    smg_sampler_init(&run->sampler, &run->options);
    if (run->options.schema != NULL)
        return generate_json(run, ids, (int32_t)list.count);
    smidge_status status = generate(run, ids, (int32_t)list.count);
    char rest[TEXT_ROOM];
    size_t size = smg_utf8_stream_finish(&run->stream, rest);
    if (size > 0 && run->options.on_text != NULL && run->result.finish != SMIDGE_FINISH_STOPPED)
        (void)run->options.on_text(run->options.user, rest, size);
    return status;
}

smidge_status smidge_generate(smidge_session *session, const smidge_span *spans, size_t span_count,
                              const smidge_generate_options *options, smidge_generate_result *ret_result,
                              smidge_error *error)
{
    generation run = {.session = session, .error = error};
    smidge_generate_options_init(&run.options);
    SMG_TRY(smg_options_read(&run.options, sizeof run.options, options, "generate options", error));
    smidge_generate_result given = {.size = sizeof given};
    SMG_TRY(smg_options_read(&given, sizeof given, ret_result, "generate result", error));
    run.result.key_confidences = given.key_confidences;
    run.stop = smg_session_stop(session, run.options.deadline_ns);
    smidge_status status = smg_session_finish(session, run_generation(&run, spans, span_count), error);
    smg_result_write(ret_result, &run.result, sizeof run.result);
    return status;
}
