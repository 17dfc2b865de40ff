/* Step after step: batches, gradients, the optimizer, validations, checkpoints.
 *
 * What comes out depends on the settings, the data and the place alone, never on the clock, so that a training that was ended and went on
 * is the same as one that was not, bit for bit. */
#ifndef SMG_TRAIN_TRAIN_LOOP_H
#define SMG_TRAIN_TRAIN_LOOP_H

#include "train/batches.h"
#include "train/checkpoint.h"
#include "train/optimizer.h"
#include "train/schedule.h"
#include "train/trainee.h"

typedef struct smg_loop_stage {
    smg_sequences set;
    int64_t steps;
    int64_t end; /* examples in all, so that the last step may have fewer; INT64_MAX: steps count alone */
} smg_loop_stage;

typedef struct smg_loop_settings {
    smg_batch_size batch;
    smg_schedule schedule;  /* its steps are those of all stages */
    double rate, muon_rate; /* at the peak */
    smg_loss_weights weight;
    double clip;         /* longest gradient; 0: any */
    int64_t valid_every; /* steps; also behind the last one */
    int64_t patience;    /* validations without a better one before it stops; 0: it does not */
    uint64_t seed;
    double checkpoint_every; /* seconds */
    const char *checkpoint_path;
    const char *log_path; /* written with each checkpoint; NULL: none */
    const smg_fact *facts;
    size_t fact_count;
    const atomic_int *cancel; /* 1: finish the step, write a checkpoint and stop; NULL: never */
} smg_loop_settings;

typedef struct smg_loop_status {
    int64_t step, steps;
    int64_t stage, stages;    /* from 0 */
    double epoch;             /* of the stage, that are done */
    double loss;              /* smoothed */
    double valid_loss;        /* the latest; NAN: none */
    double tokens_per_second; /* of this run so far */
    double left;              /* seconds, as far as one can say */
} smg_loop_status;

typedef struct smg_loop {
    const smg_loop_settings *settings;
    smg_trainee *trainee;
    smg_parameter *parameters;
    size_t parameter_count;
    smg_optimizer *optimizer;
    const smg_loop_stage *stages;
    int64_t stage_count;
    const smg_sequences *valid;                                     /* NULL: none */
    void (*progress)(void *context, const smg_loop_status *status); /* after each step; may be NULL */
    void *context;
    /* Of the loop: */
    smg_train_place place;
    smg_train_point *points;
    size_t point_count;
    float *best;  /* the best values so far, one parameter behind the other; NULL without validation */
    int64_t kept; /* step of the checkpoint on the disk; -1: none */
    smg_stream stream;
    smg_packer packer;
    int32_t *items;
    smg_floats *arrays; /* of a checkpoint */
    size_t array_count;
} smg_loop;

/* Room for all; what is given stands in the loop, place.batch and place.recompute too. SMIDGE_E_NOMEM. */
smidge_status smg_loop_init(smg_loop *loop, smidge_error *error) SMG_MUST_CHECK;
/* What init takes beyond the parameters, the optimizer and the data. */
uint64_t smg_loop_need(int64_t steps, uint64_t elements, bool validated);
void smg_loop_done(smg_loop *loop);
/* Goes to where a checkpoint is. SMIDGE_E_FORMAT (not of this model or data), SMIDGE_E_NOMEM. */
smidge_status smg_loop_resume(smg_loop *loop, const smg_checkpoint_file *file, smidge_error *error)
    SMG_MUST_CHECK;
/* To the end, and a checkpoint there. SMIDGE_E_CANCELLED (a checkpoint is written), SMIDGE_E_MODEL (the loss is no number), SMIDGE_E_IO
 * (no checkpoint could be written); messages name the last good checkpoint. */
smidge_status smg_loop_run(smg_loop *loop, smidge_error *error) SMG_MUST_CHECK;
/* The best values that a validation saw become those of the parameters; without validation they stay. */
void smg_loop_take_best(smg_loop *loop);

#endif
