#include "engine/scoring.h"

#include <math.h>
#include <string.h>

/* A branch with less than this share of what all labels together can still have cannot change an answer that anyone
 * would trust. A share and not a probability: a model that hardly expects any of the labels still has a preference. */
#define LEAST_SHARE 1e-4

/* ---- Going through one token's logits -------------------------------------------------------------------- */

static void cut(smg_scoring *run, double mass)
{
    run->cut_branches++;
    run->cut_mass += mass;
}

/* The lightest of the waiting branches of at least this depth, or -1. */
static int32_t find_lightest(const smg_scoring *run, int32_t depth)
{
    int32_t lightest = -1;
    for (int32_t i = 0; i < run->waiting_count; i++) {
        const smg_branch *each = &run->waiting[i];
        if (each->depth >= depth && (lightest < 0 || each->mass < run->waiting[lightest].mass))
            lightest = i;
    }
    return lightest;
}

static int32_t find_start(const smidge_labels *set, int32_t token)
{
    int32_t place = 0;
    while (place < set->start_count - 1 && set->starts[place].token != token)
        place++;
    return place;
}

/* Whether a branch's cell is set aside for it. */
static bool has_start_cell(const smg_scoring *run, const smg_branch *way)
{
    return way->depth == 1 && run->set->start_count > 0;
}

static void push(smg_scoring *run, const smg_branch *parent, int32_t token, int32_t state, double mass)
{
    int32_t place = run->waiting_count;
    if (place == SMG_WAITING_MAX) {
        place = find_lightest(run, 0);
        cut(run, run->waiting[place].mass < mass ? run->waiting[place].mass : mass);
        if (run->waiting[place].mass >= mass)
            return;
    } else {
        run->waiting_count++;
    }
    smg_branch *fresh = &run->waiting[place];
    *fresh = parent != NULL ? *parent : (smg_branch){0};
    fresh->mass = mass;
    fresh->state = state;
    fresh->token = token;
    fresh->depth++;
    if (has_start_cell(run, fresh))
        fresh->cells[0] = (uint8_t)(run->start_cell + find_start(run->set, token));
}

/* What exp(logit - largest) comes to over some logits: a token's probability among them is exp(its logit - largest) / sum. */
typedef struct exponentials {
    double largest, sum;
} exponentials;

static exponentials sum_all(const float *logits, int32_t count)
{
    float largest = -INFINITY;
    for (int32_t i = 0; i < count; i++)
        largest = logits[i] > largest ? logits[i] : largest;
    exponentials all = {.largest = (double)largest};
    for (int32_t i = 0; i < count; i++)
        all.sum += (double)expf(logits[i] - largest); /* not a number if any of them is not */
    return all;
}

static exponentials sum_edges(const float *logits, const smg_label_edge *edges, int32_t count)
{
    float largest = -INFINITY;
    for (int32_t i = 0; i < count; i++)
        largest = logits[edges[i].token] > largest ? logits[edges[i].token] : largest;
    exponentials some = {.largest = (double)largest};
    for (int32_t i = 0; i < count; i++)
        some.sum += exp((double)logits[edges[i].token] - (double)largest);
    return some;
}

static bool is_sound(exponentials of)
{
    return isfinite(of.largest) && isfinite(of.sum);
}

/* Spreads `mass` over the edges of a state by their probabilities among the logits that `of` summed. */
static smidge_status spread(smg_scoring *run, const float *logits, exponentials of, int32_t state,
                            double mass, const smg_branch *parent)
{
    if (!is_sound(of))
        return smg_engine_bad_logits(run->session->model, run->error);
    const smg_label_state *from = &run->set->automaton.states[state];
    for (int32_t i = 0; i < from->edge_count; i++) {
        const smg_label_edge *edge = &run->set->automaton.edges[from->first_edge + i];
        double share = mass * exp((double)logits[edge->token] - of.largest) / of.sum;
        if (edge->target < 0)
            run->scores[~edge->target] += share;
        else
            push(run, parent, edge->token, edge->target, share);
    }
    return SMIDGE_OK;
}

/* ---- Following branches ------------------------------------------------------------------------------------ */

static void view_branch(const smg_scoring *run, const smg_branch *way, smg_branch_view *ret_view)
{
    const smidge_session *session = run->session;
    const smg_scored_prompt *prompt = &run->prompt;
    int32_t count = prompt->segment_count;
    memcpy(ret_view->segments, prompt->segments, sizeof prompt->segments);
    ret_view->segments[count - 1].count = prompt->length - ret_view->segments[count - 1].position;
    for (int32_t i = 0; i < way->depth; i++)
        ret_view->segments[count++] = (smg_segment){.cache = &session->cache,
                                                    .first_cell = session->options.context + way->cells[i],
                                                    .position = prompt->length + i,
                                                    .count = 1};
    ret_view->count = count;
}

/* The branch to follow next, or -1 when none has `least`: the deepest, so that few cells are in use at a time, and of
 * those the likeliest. */
static int32_t choose(const smg_scoring *run, double least)
{
    int32_t best = -1;
    for (int32_t i = 0; i < run->waiting_count; i++) {
        const smg_branch *each = &run->waiting[i];
        const smg_branch *other = best < 0 ? NULL : &run->waiting[best];
        if (each->mass > 0.0 && each->mass >= least &&
            (other == NULL || each->depth > other->depth ||
             (each->depth == other->depth && each->mass > other->mass)))
            best = i;
    }
    return best;
}

static smg_branch take(smg_scoring *run, int32_t place)
{
    smg_branch taken = run->waiting[place];
    run->waiting[place] = run->waiting[--run->waiting_count];
    return taken;
}

/* A cell that none of the waiting branches and of the `count` chosen ones needs, or -1. */
static int32_t find_cell(const smg_scoring *run, const smg_branch *ways, int32_t count)
{
    bool used[SMG_BRANCH_CELLS + SMG_START_CELLS] = {false};
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
static int32_t choose_some(smg_scoring *run, smg_branch ret_ways[SMG_LOGIT_ROWS])
{
    double reachable = 0.0;
    for (int32_t i = 0; i < run->set->automaton.count; i++)
        reachable += run->scores[i];
    for (int32_t i = 0; i < run->waiting_count; i++)
        reachable += run->waiting[i].mass;
    int32_t count = 0;
    while (count < SMG_LOGIT_ROWS) {
        int32_t place = choose(run, LEAST_SHARE * reachable);
        if (place < 0)
            break;
        if (has_start_cell(run, &run->waiting[place])) {
            ret_ways[count++] = take(run, place);
            continue;
        }
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

static smg_row branch_row(const smg_scoring *run, const smg_branch *way, smg_branch_view *ret_view)
{
    smidge_session *session = run->session;
    view_branch(run, way, ret_view);
    return (smg_row){
        .token = way->token,
        .position = run->prompt.length + way->depth - 1,
        .segments = ret_view->segments,
        .segment_count = ret_view->count,
        .cache = &session->cache,
        .cell = session->options.context + way->cells[way->depth - 1],
    };
}

/* Spreads the logits of branches, which are in the session's from number `first` on. */
static smidge_status spread_some(smg_scoring *run, const smg_branch *ways, int32_t count, int32_t first)
{
    int32_t vocabulary = run->session->model->model.shape.vocabulary;
    for (int32_t i = 0; i < count; i++) {
        const float *logits = run->session->logits + (size_t)(first + i) * (size_t)vocabulary;
        SMG_TRY(spread(run, logits, sum_all(logits, vocabulary), ways[i].state, ways[i].mass, &ways[i]));
    }
    return SMIDGE_OK;
}

/* Runs branches in one pass, and spreads what comes out. */
static smidge_status follow_some(smg_scoring *run, const smg_branch *ways, int32_t count)
{
    smidge_session *session = run->session;
    smg_branch_view views[SMG_LOGIT_ROWS];
    for (int32_t i = 0; i < count; i++) {
        session->rows[i] = branch_row(run, &ways[i], &views[i]);
        session->rows[i].wanted = true;
    }
    run->passes++;
    const smg_output all = {.logits = session->logits};
    SMG_TRY(smg_forward_run(&session->model->model, session->model->pool, session->scratch, session->rows,
                            count, &all, run->stop));
    return spread_some(run, ways, count, 0);
}

/* ---- From the prompt's end on ------------------------------------------------------------------------------ */

int32_t smg_scoring_starts(const smg_scoring *run, smg_branch_view ret_views[SMG_LOGIT_ROWS],
                           smg_row ret_rows[SMG_LOGIT_ROWS])
{
    for (int32_t i = 0; i < run->set->start_count; i++) {
        const smg_branch way = {.token = run->set->starts[i].token,
                                .depth = 1,
                                .cells = {(uint8_t)(run->start_cell + i)}};
        ret_rows[i] = branch_row(run, &way, &ret_views[i]);
        ret_rows[i].kept = true;
    }
    return run->set->start_count;
}

smidge_status smg_scoring_begin(smg_scoring *run, const float *logits, bool all)
{
    const smg_label_state *start = &run->set->automaton.states[0];
    const exponentials some =
        sum_edges(logits, &run->set->automaton.edges[start->first_edge], start->edge_count);
    run->start_share = -1.0;
    if (all && is_sound(some)) {
        const exponentials whole = sum_all(logits, run->session->model->model.shape.vocabulary);
        if (!is_sound(whole))
            return smg_engine_bad_logits(run->session->model, run->error);
        run->start_share = some.sum * exp(some.largest - whole.largest) / whole.sum;
    }
    return spread(run, logits, some, 0, 1.0, NULL);
}

void smg_scoring_start(smg_scoring *const *runs, int32_t count, smidge_status *ret_statuses)
{
    smg_branch ways[SMG_LOGIT_ROWS][SMG_LOGIT_ROWS];
    int32_t chosen[SMG_LOGIT_ROWS] = {0};
    int32_t rows[SMG_LOGIT_ROWS];
    int32_t row_count = 0;
    for (int32_t r = 0; r < count; r++) {
        ret_statuses[r] = SMIDGE_OK;
        if (runs[r]->start_row < 0)
            continue;
        chosen[r] = choose_some(runs[r], ways[r]);
        for (int32_t i = 0; i < chosen[r]; i++)
            rows[row_count++] = runs[r]->start_row + find_start(runs[r]->set, ways[r][i].token);
    }
    if (row_count == 0)
        return;
    smidge_session *session = runs[0]->session;
    const smg_output all = {.logits = session->logits};
    smidge_status status = smg_forward_logits(&session->model->model, session->model->pool, session->scratch,
                                              rows, row_count, &all, runs[0]->stop);
    int32_t first = 0;
    for (int32_t r = 0; r < count; first += chosen[r++])
        ret_statuses[r] = status == SMIDGE_OK ? spread_some(runs[r], ways[r], chosen[r], first) : status;
}

smidge_status smg_scoring_follow(smg_scoring *run)
{
    smg_branch ways[SMG_LOGIT_ROWS];
    for (int32_t count; (count = choose_some(run, ways)) > 0;)
        SMG_TRY(follow_some(run, ways, count));
    while (run->waiting_count > 0)
        cut(run, take(run, 0).mass);
    return SMIDGE_OK;
}
