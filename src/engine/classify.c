#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "engine/engine.h"
#include "engine/options.h"
#include "engine/prompt.h"
#include "engine/scoring.h"
#include "engine/temper.h"

void smidge_classify_options_init(smidge_classify_options *options)
{
    *options = (smidge_classify_options){.size = sizeof *options};
}

const char *smidge_answer_name(smidge_answer answer)
{
    static const char *const names[] = {
        [SMIDGE_ANSWER_NONE] = "none",
        [SMIDGE_ANSWER_OK] = "ok",
        [SMIDGE_ANSWER_ABSTAIN] = "abstain",
        [SMIDGE_ANSWER_EXPIRED] = "expired",
        [SMIDGE_ANSWER_DEADLINE] = "deadline",
        [SMIDGE_ANSWER_INVALID_INPUT] = "invalid_input",
        [SMIDGE_ANSWER_MODEL_ERROR] = "model_error",
    };
    return (unsigned)answer < sizeof names / sizeof *names ? names[answer] : "unknown";
}

/* ---- The answer -------------------------------------------------------------------------------------------- */

static void decide(const smg_scoring *scoring, double temperature, double min_confidence,
                   smidge_classify_result *result)
{
    int32_t labels = scoring->set->automaton.count;
    double total = 0.0;
    int32_t best = 0;
    for (int32_t i = 0; i < labels; i++) {
        total += scoring->scores[i];
        best = scoring->scores[i] > scoring->scores[best] ? i : best;
    }
    /* A model that gives all labels together nothing at all knows nothing. */
    double even = 1.0 / labels;
    const double most = scoring->scores[best];
    double weights = 0.0;
    for (int32_t i = 0; total > 0.0 && i < labels; i++)
        weights += smg_temper(scoring->scores[i], most, temperature);
    for (int32_t i = 0; result->probabilities != NULL && i < labels; i++)
        result->probabilities[i] =
            total > 0.0 ? smg_temper(scoring->scores[i], most, temperature) / weights : even;
    result->label = best;
    result->label_mass = scoring->start_share < 0.0 ? -1.0 : total * scoring->start_share;
    result->cut_share = total > 0.0 ? scoring->cut_mass / (total + scoring->cut_mass) : 0.0;
    result->cut_branches = scoring->cut_branches;
    result->passes = scoring->passes;
    result->confidence = total > 0.0 ? smg_temper(most, most, temperature) / weights : even;
    result->answer =
        total > 0.0 && result->confidence >= min_confidence ? SMIDGE_ANSWER_OK : SMIDGE_ANSWER_ABSTAIN;
}

smidge_answer smidge_answer_for(smidge_status status)
{
    switch (status) {
    case SMIDGE_OK:
        return SMIDGE_ANSWER_OK;
    case SMIDGE_E_DEADLINE:
    case SMIDGE_E_CANCELLED:
        return SMIDGE_ANSWER_DEADLINE;
    case SMIDGE_E_INVALID:
    case SMIDGE_E_CONTEXT:
        return SMIDGE_ANSWER_INVALID_INPUT;
    default:
        return SMIDGE_ANSWER_MODEL_ERROR;
    }
}

/* ---- Readings ---------------------------------------------------------------------------------------------- */

typedef struct reading {
    int32_t *ids;
    int32_t count;
    int32_t cell; /* the first of its own in the session's cache */
    int32_t done; /* tokens that are in the cache, the common ones included */
    bool answered;
    smidge_status status;
    smidge_error error;
    smidge_classify_result result;
    smg_scoring scoring;
} reading;

/* One call. */
typedef struct classification {
    smidge_session *session;
    const smidge_labels *labels;
    smg_output output; /* what a reading's last token is asked for */
    smidge_classify_options options;
    smg_stop stop;
    int64_t started;
    int32_t common; /* tokens that all readings begin with */
    reading *readings;
    size_t count;
} classification;

static void classification_done(classification *run)
{
    for (size_t i = 0; run->readings != NULL && i < run->count; i++)
        smg_free(run->readings[i].ids);
    smg_free(run->readings);
}

/* Gives a reading its answer: what the scores say, or why there are none. */
static void finish(const classification *run, reading *one, smidge_status status)
{
    one->answered = true;
    one->status = smg_stop_explain(status, "session", &one->error);
    if (status == SMIDGE_OK)
        decide(&one->scoring, (double)run->session->model->temperature, run->options.min_confidence,
               &one->result);
    else
        one->result.answer = smidge_answer_for(status);
    one->result.duration_ns = smg_clock_now() - run->started;
}

static smidge_status tokenize(const classification *run, const smidge_prompt *prompt, reading *one)
{
    smg_ids list = {0};
    SMG_TRY(smg_prompt_tokenize(run->session->model->tokenizer, prompt->spans, prompt->span_count, &list,
                                &one->error));
    one->ids = list.ids;
    one->result.prompt_tokens = (int32_t)list.count;
    size_t room = (size_t)run->session->options.context;
    size_t answer = (size_t)run->labels->automaton.max_depth;
    if (list.count > room || answer > room - list.count)
        return smg_error_set(
            &one->error, SMIDGE_E_CONTEXT, "prompt",
            "%zu tokens, and up to %zu to tell the labels apart, do not fit the context of %zu (shorten "
            "the reading or take a larger context)",
            list.count, answer, room);
    one->count = (int32_t)list.count;
    return SMIDGE_OK;
}

/* Readies the scoring of a reading whose own tokens begin at `position`, in cell `cell`. */
static void place(const classification *run, reading *one, int32_t position, int32_t cell)
{
    smidge_session *session = run->session;
    smg_scoring *scoring = &one->scoring;
    smg_segment *segments = scoring->prompt.segments;
    int32_t count = 0;
    if (session->shared > 0)
        segments[count++] = (smg_segment){.cache = &session->prefix->cache, .count = session->shared};
    if (position > session->shared)
        segments[count++] = (smg_segment){.cache = &session->cache,
                                          .position = session->shared,
                                          .count = position - session->shared};
    if (one->count > position)
        segments[count++] = (smg_segment){.cache = &session->cache,
                                          .first_cell = cell,
                                          .position = position,
                                          .count = one->count - position};
    scoring->prompt.segment_count = count;
    scoring->prompt.length = one->count;
    scoring->session = session;
    scoring->set = run->labels;
    scoring->start_row = -1;
    scoring->stop = &run->stop;
    scoring->error = &one->error;
    one->cell = cell;
    one->done = position;
}

/* ---- One reading: all of it stays in the session, for the next call to begin with ---- */

static smidge_status classify_alone(classification *run, reading *one)
{
    smidge_session *session = run->session;
    SMG_TRY(smg_stop_check(&run->stop));
    int32_t cached = smg_session_rewind(session, one->ids, one->count - 1);
    one->result.cached_tokens = cached;
    place(run, one, one->count, 0);
    smg_scoring *scoring = &one->scoring;
    scoring->start_cell = SMG_BRANCH_CELLS;
    smg_branch_view views[SMG_LOGIT_ROWS];
    smg_row rows[SMG_LOGIT_ROWS];
    smg_ending ending = {.output = run->output,
                         .rows = rows,
                         .row_count = smg_scoring_starts(scoring, views, rows)};
    SMG_TRY(smg_session_append(session, one->ids + cached, one->count - cached, &ending, &run->stop));
    scoring->start_row = ending.ret_first;
    SMG_TRY(smg_scoring_begin(scoring, session->logits, run->output.groups == NULL));
    smidge_status status;
    smg_scoring_start(&scoring, 1, &status);
    SMG_TRY(status);
    return smg_scoring_follow(scoring);
}

/* ---- Many: the common part stays; behind it each has cells of its own ---- */

static void find_common(classification *run)
{
    const reading *first = NULL;
    for (size_t i = 0; i < run->count; i++) {
        const reading *one = &run->readings[i];
        if (one->answered)
            continue;
        if (first == NULL) {
            first = one;
            run->common = one->count - 1;
        }
        int32_t same = 0;
        while (same < run->common && same < one->count - 1 && one->ids[same] == first->ids[same])
            same++;
        run->common = same;
    }
}

/* A pass over some readings. */
typedef struct pass {
    int32_t rows;
    reading *complete[SMG_LOGIT_ROWS]; /* those whose last token is in it, in the order of their logits */
    int32_t completed;
    smg_branch_view views[SMG_LOGIT_ROWS]; /* of their starts */
    int32_t starts;
} pass;

/* A reading's last token is in the pass; its starts come along where there is room. */
static void complete_reading(const classification *run, reading *one, pass *in)
{
    smidge_session *session = run->session;
    smg_row rows[SMG_LOGIT_ROWS];
    one->scoring.start_cell = SMG_BRANCH_CELLS + in->starts;
    int32_t count = smg_scoring_starts(&one->scoring, in->views + in->starts, rows);
    in->complete[in->completed++] = one;
    in->starts += count;
    if (count == 0 || count > session->options.batch - in->rows)
        return;
    one->scoring.start_row = in->rows;
    for (int32_t i = 0; i < count; i++)
        session->rows[in->rows++] = rows[i];
}

/* Up to `batch` tokens of the readings first .. last - 1. False where none are left. */
static bool fill_pass(classification *run, size_t first, size_t last, pass *ret_pass)
{
    smidge_session *session = run->session;
    const int32_t starts = run->labels->start_count;
    *ret_pass = (pass){0};
    for (size_t i = first; i < last; i++) {
        reading *one = &run->readings[i];
        /* No more last tokens than their logits and starts have room. */
        bool full = ret_pass->completed == SMG_LOGIT_ROWS || ret_pass->starts + starts > SMG_START_CELLS;
        int32_t end = full ? one->count - 1 : one->count;
        while (!one->answered && one->done < end && ret_pass->rows < session->options.batch) {
            session->rows[ret_pass->rows++] = (smg_row){
                .token = one->ids[one->done],
                .position = one->done,
                .segments = one->scoring.prompt.segments,
                .segment_count = one->scoring.prompt.segment_count,
                .cache = &session->cache,
                .cell = one->cell + one->done - run->common,
                .wanted = one->done == one->count - 1,
            };
            if (++one->done == one->count)
                complete_reading(run, one, ret_pass);
        }
    }
    return ret_pass->rows > 0;
}

/* Answers readings whose last tokens were in the pass that was last. */
static void answer_some(const classification *run, const pass *in)
{
    const smidge_session *session = run->session;
    size_t vocabulary = (size_t)session->model->model.shape.vocabulary;
    smg_scoring *sound[SMG_LOGIT_ROWS];
    int32_t count = 0;
    for (int32_t i = 0; i < in->completed; i++) { /* all, before a branch's logits come there */
        reading *one = in->complete[i];
        smidge_status status = smg_scoring_begin(&one->scoring, session->logits + (size_t)i * vocabulary,
                                                 run->output.groups == NULL);
        if (status == SMIDGE_OK)
            sound[count++] = &one->scoring;
        else
            finish(run, one, status);
    }
    smidge_status statuses[SMG_LOGIT_ROWS];
    smg_scoring_start(sound, count, statuses);
    for (int32_t i = 0, at = 0; i < in->completed; i++) {
        reading *one = in->complete[i];
        if (one->answered)
            continue;
        smidge_status status = statuses[at++];
        finish(run, one, status == SMIDGE_OK ? smg_scoring_follow(&one->scoring) : status);
    }
}

/* Readings first .. last - 1, all of which have their cells. */
static smidge_status run_group(classification *run, size_t first, size_t last)
{
    smidge_session *session = run->session;
    for (pass next; fill_pass(run, first, last, &next);) {
        SMG_TRY(smg_forward_run(&session->model->model, session->model->pool, session->scratch, session->rows,
                                next.rows, &run->output, &run->stop));
        answer_some(run, &next);
    }
    return SMIDGE_OK;
}

static smidge_status classify_together(classification *run)
{
    smidge_session *session = run->session;
    const reading *sample = NULL;
    for (size_t i = 0; i < run->count && sample == NULL; i++)
        sample = run->readings[i].answered ? NULL : &run->readings[i];
    if (sample == NULL)
        return SMIDGE_OK;
    find_common(run);
    int32_t cached = 0;
    SMG_TRY(smg_session_prefill(session, sample->ids, run->common, NULL, &run->stop, &cached));
    int32_t own_cells = run->common - session->shared;
    for (size_t first = 0; first < run->count;) {
        int32_t used = own_cells;
        size_t last = first;
        for (; last < run->count; last++) {
            reading *one = &run->readings[last];
            if (one->answered)
                continue;
            int32_t needed = one->count - run->common;
            if (needed > session->options.context - used)
                break;
            place(run, one, run->common, used);
            one->result.cached_tokens = one == sample ? cached : run->common;
            used += needed;
        }
        SMG_TRY(run_group(run, first, last));
        first = last;
    }
    return SMIDGE_OK;
}

/* ---- The calls --------------------------------------------------------------------------------------------- */

static smidge_status check(classification *run, const smidge_labels *labels,
                           const smidge_classify_options *options, smidge_error *error)
{
    smidge_classify_options_init(&run->options);
    SMG_TRY(smg_options_read(&run->options, sizeof run->options, options, "classify options", error));
    if (!(run->options.min_confidence >= 0.0 && run->options.min_confidence <= 1.0))
        return smg_error_set(error, SMIDGE_E_INVALID, "min_confidence", "must be from 0 to 1");
    if (labels->model != run->session->model)
        return smg_error_set(error, SMIDGE_E_INVALID, "labels",
                             "were compiled for another model (compile them for this session's)");
    return SMIDGE_OK;
}

/* Everything up to the answers, which are in run->readings then. */
static smidge_status classify(classification *run, const smidge_labels *labels, const smidge_prompt *prompts,
                              const smidge_classify_options *options, const smidge_classify_result *results,
                              smidge_error *error)
{
    run->started = smg_clock_now();
    run->labels = labels;
    SMG_TRY(check(run, labels, options, error));
    run->output.logits = run->session->logits;
    if (run->options.label_mass == 0) {
        run->output.groups = labels->start_groups;
        run->output.group_count = labels->start_group_count;
    }
    run->readings = smg_alloc_array(run->count, sizeof *run->readings);
    if (run->readings == NULL)
        return smg_error_no_memory(error, "classify", run->count * sizeof *run->readings);
    run->stop = smg_session_stop(run->session, run->options.deadline_ns);
    const smidge_classify_result *given = results;
    for (size_t i = 0; i < run->count; i++) {
        reading *one = &run->readings[i];
        smidge_classify_result copy = {.size = sizeof copy};
        if (given != NULL) {
            SMG_TRY(smg_options_read(&copy, sizeof copy, given, "classify result", error));
            given = (const smidge_classify_result *)(const void *)((const char *)given + given->size);
        }
        one->result.label = -1;
        one->result.probabilities = copy.probabilities;
        smidge_status status = tokenize(run, &prompts[i], one);
        if (status != SMIDGE_OK)
            finish(run, one, status);
    }
    smidge_status status = SMIDGE_OK;
    if (run->count > 1)
        status = classify_together(run);
    else if (run->count == 1 && !run->readings[0].answered)
        status = classify_alone(run, &run->readings[0]);
    for (size_t i = 0; i < run->count; i++) {
        if (!run->readings[i].answered)
            finish(run, &run->readings[i], status);
    }
    bool cancelled = status == SMIDGE_E_CANCELLED;
    for (size_t i = 0; i < run->count; i++)
        cancelled = cancelled || run->readings[i].status == SMIDGE_E_CANCELLED;
    if (cancelled)
        atomic_store(&run->session->cancel, 0);
    return SMIDGE_OK;
}

smidge_status smidge_classify(smidge_session *session, const smidge_labels *labels, const smidge_span *spans,
                              size_t span_count, const smidge_classify_options *options,
                              smidge_classify_result *ret_result, smidge_error *error)
{
    const smidge_prompt prompt = {.spans = spans, .span_count = span_count};
    SMG_CLEANUP(classification_done) classification run = {.session = session, .count = 1};
    smidge_status status = classify(&run, labels, &prompt, options, ret_result, error);
    if (status != SMIDGE_OK) {
        smidge_classify_result refused = {.size = sizeof refused};
        (void)!smg_options_read(&refused, sizeof refused, ret_result, "",
                                NULL); /* probabilities stays as given */
        refused.label = -1;
        refused.answer = (int32_t)smidge_answer_for(status);
        smg_result_write(ret_result, &refused, sizeof refused);
        return status;
    }
    const reading *one = &run.readings[0];
    smg_result_write(ret_result, &one->result, sizeof one->result);
    if (one->status != SMIDGE_OK && error != NULL)
        *error = one->error;
    return one->status;
}

smidge_status smidge_classify_batch(smidge_session *session, const smidge_labels *labels,
                                    const smidge_prompt *prompts, size_t count,
                                    const smidge_classify_options *options,
                                    smidge_classify_result *ret_results, smidge_error *ret_errors,
                                    smidge_error *error)
{
    SMG_CLEANUP(classification_done) classification run = {.session = session, .count = count};
    SMG_TRY(classify(&run, labels, prompts, options, ret_results, error));
    char *result = (char *)ret_results;
    for (size_t i = 0; i < count; i++) {
        size_t size;
        memcpy(&size, result, sizeof size);
        smg_result_write(result, &run.readings[i].result, sizeof run.readings[i].result);
        result += size;
        if (ret_errors != NULL)
            ret_errors[i] = run.readings[i].error;
    }
    return SMIDGE_OK;
}
