/* What a training takes: memory, and arithmetic. */
#ifndef SMG_TRAIN_TRAINING_PLAN_H
#define SMG_TRAIN_TRAINING_PLAN_H

#include "fit/memory.h"
#include "train/optimizer.h"
#include "train/trainee.h"

typedef struct smg_plan_input {
    const smg_model *model;
    smg_train_options train; /* tokens: at most, recompute: false, where they are to be chosen */
    smg_optimizer_options optimizer;
    int threads;
    uint64_t file, vocabulary, data; /* bytes */
    int64_t steps;
    bool validated;
    uint64_t memory; /* the user's limit; 0: none */
    bool force;
    bool settled; /* tokens and recompute are what a checkpoint says */
} smg_plan_input;

/* What learns, by its shapes alone: names are "blk." for hidden matrices and "" for others. The caller releases the list with smg_free;
 * vectors are left out. SMIDGE_E_NOMEM. */
smidge_status smg_plan_parameters(const smg_model *model, const smg_train_options *train,
                                  smg_parameter **ret_list, size_t *ret_count, smidge_error *error)
    SMG_MUST_CHECK;

/* Chooses the most tokens at once, and whether to recompute, so that everything fits: fewer tokens first, for they cost less than
 * computing a third more. SMIDGE_E_NO_FIT with the numbers where nothing does, SMIDGE_E_NOMEM. */
smidge_status smg_plan_memory(const smg_plan_input *input, int32_t *ret_tokens, bool *ret_recompute,
                              uint64_t *ret_bytes, smidge_error *error) SMG_MUST_CHECK;

/* FLOP that one token takes in products with weights, `scored` being the share of tokens that go through the output. */
double smg_plan_flop(const smg_model *model, const smg_train_options *train, double scored);
/* FLOP/s of a product whose operands lie in the cache, measured in some 50 ms. The pool is held. SMIDGE_E_NOMEM. */
smidge_status smg_plan_peak(const smg_model *model, smg_pool *pool, bool bf16, double *ret_peak,
                            smidge_error *error) SMG_MUST_CHECK;

#endif
