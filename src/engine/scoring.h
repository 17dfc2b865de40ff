/* Scores of all labels behind a prompt: the probabilities of what the model would say next, spread over the automaton
 * of the labels; where labels share tokens, those are followed as branches. */
#ifndef SMG_ENGINE_SCORING_H
#define SMG_ENGINE_SCORING_H

#include "engine/engine.h"

#define SMG_PROMPT_SEGMENTS 3
/* Branches that can wait; of more, the lightest are cut. */
#define SMG_WAITING_MAX 256

/* Where a prompt lies in the caches, and how long it is. */
typedef struct smg_scored_prompt {
    smg_segment segments[SMG_PROMPT_SEGMENTS];
    int32_t segment_count;
    int32_t length;
} smg_scored_prompt;

/* A way to go on that more than one label shares: the tokens behind the prompt that spell it so far. */
typedef struct smg_branch {
    double mass;   /* the product of their probabilities */
    int32_t state; /* of the automaton */
    int32_t token; /* the last of them */
    int32_t depth; /* how many */
    uint8_t
        cells[SMG_BRANCH_CELLS]; /* where their keys and values are; the last one's is taken when it runs */
} smg_branch;

/* What a branch attends to: the prompt, and one cell for each of its tokens. */
typedef struct smg_branch_view {
    smg_segment segments[SMG_PROMPT_SEGMENTS + SMG_BRANCH_CELLS];
    int32_t count;
} smg_branch_view;

/* The caller fills the first part. */
typedef struct smg_scoring {
    smidge_session *session;
    const smidge_labels *set;
    smg_scored_prompt prompt;
    int32_t start_cell; /* where the set's starts are, one behind the other, behind the context */
    int32_t start_row;  /* and in the pass of the prompt's last token; -1: in none yet */
    const smg_stop *stop;
    smidge_error *error;

    double start_share; /* probability of all first tokens together; below 0: not asked for */
    double scores
        [SMG_LABELS_MAX]; /* of start_share; with cut_mass they sum to 1 where nothing else can follow */
    double cut_mass;
    int32_t cut_branches;
    int32_t passes;
    int32_t waiting_count;
    smg_branch waiting[SMG_WAITING_MAX];
} smg_scoring;

/* Rows of the set's starts behind the prompt, which may go through the model with its last token; `ret_views` must last as
 * long. Returns how many. */
int32_t smg_scoring_starts(const smg_scoring *run, smg_branch_view ret_views[SMG_LOGIT_ROWS],
                           smg_row ret_rows[SMG_LOGIT_ROWS]);

/* First `begin` with the logits of the prompt's last token, `all` or those of the labels' first tokens; then `start`, with all whose
 * starts were in the last pass, at most SMG_LOGIT_ROWS rows; then `follow`, whose passes put their logits into
 * session->logits. SMIDGE_E_MODEL where logits are no numbers, or why it was stopped (without a message). */
smidge_status smg_scoring_begin(smg_scoring *run, const float *logits, bool all) SMG_MUST_CHECK;
void smg_scoring_start(smg_scoring *const *runs, int32_t count, smidge_status *ret_statuses);
smidge_status smg_scoring_follow(smg_scoring *run) SMG_MUST_CHECK;

#endif
