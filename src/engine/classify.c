#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "engine/engine.h"
#include "engine/options.h"
#include "engine/prompt.h"

/* A branch with less than this share of what all labels together can still have cannot change an answer that anyone
 * would trust. A share and not a probability: a model that hardly expects any of the labels still has a preference. */
#define LEAST_SHARE 1e-4
/* Branches that can wait; of more, the lightest are cut. */
#define WAITING_MAX 256

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

smidge_status smidge_labels_new(const smidge_model *model, const char *const *labels, size_t count,
                                smidge_labels **ret_labels, smidge_error *error)
{
    smidge_labels *set = smg_alloc(sizeof *set);
    if (set == NULL)
        return smg_error_no_memory(error, "labels", sizeof *set);
    set->model = model;
    smidge_status status = smg_labels_compile(model->tokenizer, labels, count, &set->automaton, error);
    if (status != SMIDGE_OK) {
        smg_free(set);
        return status;
    }
    *ret_labels = set;
    return SMIDGE_OK;
}

void smidge_labels_free(smidge_labels *labels)
{
    if (labels == NULL)
        return;
    smg_labels_done(&labels->automaton);
    smg_free(labels);
}

/* A way to go on that more than one label shares: the tokens behind the prompt that spell it so far. */
typedef struct branch {
    double mass;   /* the product of their probabilities */
    int32_t state; /* of the automaton */
    int32_t token; /* the last of them */
    int32_t depth; /* how many */
    uint8_t
        cells[SMG_BRANCH_CELLS]; /* where their keys and values are; the last one's is taken when it runs */
} branch;

/* One call of smidge_classify. */
typedef struct scoring {
    smidge_session *session;
    const smg_labels *labels;
    smidge_classify_result *result;
    smg_stop stop;
    smidge_error *error;
    double scores[SMG_LABELS_MAX];
    branch waiting[WAITING_MAX];
    int32_t waiting_count;
} scoring;

/* ---- Going through one token's logits -------------------------------------------------------------------- */

static void cut(scoring *run, double mass)
{
    run->result->cut_branches++;
    run->result->cut_mass += mass;
}

/* The lightest of the waiting branches of at least this depth, or -1. */
static int32_t find_lightest(const scoring *run, int32_t depth)
{
    int32_t lightest = -1;
    for (int32_t i = 0; i < run->waiting_count; i++) {
        const branch *each = &run->waiting[i];
        if (each->depth >= depth && (lightest < 0 || each->mass < run->waiting[lightest].mass))
            lightest = i;
    }
    return lightest;
}

static void push(scoring *run, const branch *parent, int32_t token, int32_t state, double mass)
{
    int32_t place = run->waiting_count;
    if (place == WAITING_MAX) {
        place = find_lightest(run, 0);
        cut(run, run->waiting[place].mass < mass ? run->waiting[place].mass : mass);
        if (run->waiting[place].mass >= mass)
            return;
    } else {
        run->waiting_count++;
    }
    branch *fresh = &run->waiting[place];
    *fresh = parent != NULL ? *parent : (branch){0};
    fresh->mass = mass;
    fresh->state = state;
    fresh->token = token;
    fresh->depth++;
}

/* Spreads `mass` over the edges of a state by the probabilities in `logits`. */
static smidge_status spread(scoring *run, const float *logits, int32_t state, double mass,
                            const branch *parent)
{
    int32_t vocabulary = run->session->model->model.shape.vocabulary;
    float largest = -INFINITY;
    for (int32_t i = 0; i < vocabulary; i++)
        largest = logits[i] > largest ? logits[i] : largest;
    double sum = 0.0;
    for (int32_t i = 0; i < vocabulary; i++)
        sum += (double)expf(logits[i] - largest); /* not a number if any of them is not */
    if (!isfinite(sum) || !isfinite(largest))
        return smg_error_set(
            run->error, SMIDGE_E_MODEL, run->session->model->gguf.path,
            "computed something that is not a number (the file may be damaged: smidge inspect "
            "--verify)");
    const smg_label_state *from = &run->labels->states[state];
    for (int32_t i = 0; i < from->edge_count; i++) {
        const smg_label_edge *edge = &run->labels->edges[from->first_edge + i];
        double share = mass * exp((double)logits[edge->token] - (double)largest) / sum;
        if (edge->target < 0)
            run->scores[~edge->target] += share;
        else
            push(run, parent, edge->token, edge->target, share);
    }
    return SMIDGE_OK;
}

/* ---- Following branches ------------------------------------------------------------------------------------ */

/* What a branch attends to: the prompt, and one cell for each of its tokens. */
typedef struct branch_view {
    smg_segment segments[2 + SMG_BRANCH_CELLS];
    int32_t count;
} branch_view;

static void view_branch(smidge_session *session, const branch *way, branch_view *ret_view)
{
    int32_t count = smg_session_segments(session, ret_view->segments);
    ret_view->segments[count - 1].count = session->count - session->shared;
    for (int32_t i = 0; i < way->depth; i++)
        ret_view->segments[count++] = (smg_segment){.cache = &session->cache,
                                                    .first_cell = session->options.context + way->cells[i],
                                                    .position = session->count + i,
                                                    .count = 1};
    ret_view->count = count;
}

/* The branch to follow next, or -1 when none has `least`: the deepest, so that few cells are in use at a time, and of
 * those the likeliest. */
static int32_t choose(const scoring *run, double least)
{
    int32_t best = -1;
    for (int32_t i = 0; i < run->waiting_count; i++) {
        const branch *each = &run->waiting[i];
        const branch *other = best < 0 ? NULL : &run->waiting[best];
        if (each->mass > 0.0 && each->mass >= least &&
            (other == NULL || each->depth > other->depth ||
             (each->depth == other->depth && each->mass > other->mass)))
            best = i;
    }
    return best;
}

static branch take(scoring *run, int32_t place)
{
    branch taken = run->waiting[place];
    run->waiting[place] = run->waiting[--run->waiting_count];
    return taken;
}

/* A cell that none of the waiting branches and of the `count` chosen ones needs, or -1. */
static int32_t find_cell(const scoring *run, const branch *ways, int32_t count)
{
    bool used[SMG_BRANCH_CELLS] = {false};
    for (int32_t i = 0; i < run->waiting_count; i++) {
        for (int32_t d = 0; d + 1 < run->waiting[i].depth; d++)
            used[run->waiting[i].cells[d]] = true;
    }
    for (int32_t i = 0; i < count; i++) {
        for (int32_t d = 0; d < ways[i].depth; d++)
            used[ways[i].cells[d]] = true;
    }
    for (int32_t cell = 0; cell < SMG_BRANCH_CELLS; cell++) {
        if (!used[cell])
            return cell;
    }
    return -1;
}

/* Chooses the branches of the next pass and gives each a cell; returns how many. */
static int32_t choose_some(scoring *run, branch ret_ways[SMG_LOGIT_ROWS])
{
    double reachable = 0.0;
    for (int32_t i = 0; i < run->labels->count; i++)
        reachable += run->scores[i];
    for (int32_t i = 0; i < run->waiting_count; i++)
        reachable += run->waiting[i].mass;
    int32_t count = 0;
    while (count < SMG_LOGIT_ROWS) {
        int32_t place = choose(run, LEAST_SHARE * reachable);
        if (place < 0)
            break;
        int32_t cell = find_cell(run, ret_ways, count);
        if (cell < 0 && count > 0)
            break;
        if (cell < 0) { /* nothing can run until somebody gives up a cell */
            cut(run, take(run, find_lightest(run, 2)).mass);
            continue;
        }
        ret_ways[count] = take(run, place);
        ret_ways[count].cells[ret_ways[count].depth - 1] = (uint8_t)cell;
        count++;
    }
    return count;
}

/* Runs branches in one pass, and spreads what comes out. */
static smidge_status follow_some(scoring *run, const branch *ways, int32_t count)
{
    smidge_session *session = run->session;
    branch_view views[SMG_LOGIT_ROWS];
    for (int32_t i = 0; i < count; i++) {
        view_branch(session, &ways[i], &views[i]);
        session->rows[i] = (smg_row){
            .token = ways[i].token,
            .position = session->count + ways[i].depth - 1,
            .segments = views[i].segments,
            .segment_count = views[i].count,
            .cache = &session->cache,
            .cell = session->options.context + ways[i].cells[ways[i].depth - 1],
            .wanted = true,
        };
    }
    run->result->passes++;
    SMG_TRY(smg_forward_run(&session->model->model, session->model->pool, session->scratch, session->rows,
                            count, session->logits, &run->stop));
    size_t vocabulary = (size_t)session->model->model.shape.vocabulary;
    for (int32_t i = 0; i < count; i++)
        SMG_TRY(spread(run, session->logits + (size_t)i * vocabulary, ways[i].state, ways[i].mass, &ways[i]));
    return SMIDGE_OK;
}

static smidge_status follow_all(scoring *run)
{
    branch ways[SMG_LOGIT_ROWS];
    SMG_TRY(spread(run, run->session->logits, 0, 1.0, NULL));
    for (int32_t count; (count = choose_some(run, ways)) > 0;)
        SMG_TRY(follow_some(run, ways, count));
    while (run->waiting_count > 0)
        cut(run, take(run, 0).mass);
    return SMIDGE_OK;
}

/* ---- The answer -------------------------------------------------------------------------------------------- */

static void decide(scoring *run, double min_confidence, double *probabilities)
{
    smidge_classify_result *result = run->result;
    double total = 0.0;
    int32_t best = 0;
    for (int32_t i = 0; i < run->labels->count; i++) {
        total += run->scores[i];
        best = run->scores[i] > run->scores[best] ? i : best;
    }
    /* A model that gives all labels together nothing at all knows nothing. */
    double even = 1.0 / run->labels->count;
    for (int32_t i = 0; probabilities != NULL && i < run->labels->count; i++)
        probabilities[i] = total > 0.0 ? run->scores[i] / total : even;
    result->label = best;
    result->label_mass = total;
    result->confidence = total > 0.0 ? run->scores[best] / total : even;
    result->answer =
        total > 0.0 && result->confidence >= min_confidence ? SMIDGE_ANSWER_OK : SMIDGE_ANSWER_ABSTAIN;
}

static smidge_status check_context(const scoring *run, size_t count)
{
    size_t room = (size_t)run->session->options.context;
    size_t answer = (size_t)run->labels->max_depth;
    if (count <= room && answer <= room - count)
        return SMIDGE_OK;
    return smg_error_set(
        run->error, SMIDGE_E_CONTEXT, "prompt",
        "%zu tokens, and up to %zu to tell the labels apart, do not fit the context of %zu (shorten "
        "the reading or take a larger context)",
        count, answer, room);
}

static smidge_status run_scoring(scoring *run, const smidge_span *spans, size_t span_count,
                                 const smidge_classify_options *options, double *probabilities)
{
    if (!(options->min_confidence >= 0.0 && options->min_confidence <= 1.0))
        return smg_error_set(run->error, SMIDGE_E_INVALID, "min_confidence", "must be from 0 to 1");
    smg_ids list = {0};
    SMG_TRY(smg_prompt_tokenize(run->session->model->tokenizer, spans, span_count, &list, run->error));
    SMG_CLEANUP(smg_free_ptr) int32_t *ids = list.ids;
    run->result->prompt_tokens = (int32_t)list.count;
    SMG_TRY(check_context(run, list.count));
    SMG_TRY(
        smg_session_prefill(run->session, ids, (int32_t)list.count, &run->stop, &run->result->cached_tokens));
    SMG_TRY(follow_all(run));
    decide(run, options->min_confidence, probabilities);
    return SMIDGE_OK;
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

smidge_status smidge_classify(smidge_session *session, const smidge_labels *labels, const smidge_span *spans,
                              size_t span_count, const smidge_classify_options *options,
                              smidge_classify_result *ret_result, smidge_error *error)
{
    int64_t started = smg_clock_now();
    smidge_classify_options complete;
    smidge_classify_options_init(&complete);
    smidge_classify_result result = {.label = -1};
    smidge_classify_result given = {.size = sizeof given};
    SMG_TRY(smg_options_read(&given, sizeof given, ret_result, "classify result", error));
    result.probabilities = given.probabilities;
    scoring run = {.session = session, .labels = &labels->automaton, .result = &result, .error = error};
    smidge_status status = smg_options_read(&complete, sizeof complete, options, "classify options", error);
    if (status == SMIDGE_OK && labels->model != session->model)
        status = smg_error_set(error, SMIDGE_E_INVALID, "labels",
                               "were compiled for another model (compile them for this session's)");
    if (status == SMIDGE_OK) {
        run.stop = smg_session_stop(session, complete.deadline_ns);
        status = run_scoring(&run, spans, span_count, &complete, result.probabilities);
        status = smg_session_finish(session, status, &run.stop, error);
    }
    if (status != SMIDGE_OK)
        result.answer = smidge_answer_for(status);
    result.duration_ns = smg_clock_now() - started;
    smg_result_write(ret_result, &result, sizeof result);
    return status;
}
