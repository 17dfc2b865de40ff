/* Files of examples to stages of sequences; private to training.c. */
#ifndef SMG_TRAIN_TRAINING_DATA_H
#define SMG_TRAIN_TRAINING_DATA_H

#include "train/train_loop.h"
#include "train/training.h"

typedef struct smg_training_data {
    smg_loop_stage stages[SMG_TRAINING_STAGES_MAX];
    int64_t stage_count;
    smg_sequences valid; /* empty: none */
    int32_t longest;     /* tokens that go through the model, of all */
    size_t examples, skipped;
    int64_t hints;
    int64_t tokens, scored; /* of the stages' examples: that go through the model, and of those with a loss */
    char **labels;          /* of all stages */
    size_t label_count;
    int64_t steps; /* of all stages */
    uint64_t hash; /* of all tokens, and of what has a loss */
} smg_training_data;

/* Fills a zeroed one, which smg_training_data_done releases also after a failure. SMIDGE_E_INVALID, SMIDGE_E_FORMAT, SMIDGE_E_IO,
 * SMIDGE_E_UNSUPPORTED, SMIDGE_E_NOMEM. */
smidge_status smg_training_data_read(const smg_training_options *options, const smidge_model *model,
                                     smg_training_data *data, smidge_error *error) SMG_MUST_CHECK;
void smg_training_data_done(smg_training_data *data);
/* Bytes that it holds. */
uint64_t smg_training_data_bytes(const smg_training_data *data);

#endif
