/* A whole training: from a model and files of examples to an adapter or another model, in steps that survive being killed. */
#ifndef SMG_TRAIN_TRAINING_H
#define SMG_TRAIN_TRAINING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "smidge/smidge.h"

#define SMG_TRAINING_STAGES_MAX 32
#define SMG_TRAINING_FILES_MAX 64

typedef struct smg_training_stage {
    const char *paths[SMG_TRAINING_FILES_MAX];
    size_t path_count;
    int64_t steps; /* 0: by epochs; with several stages each has steps */
} smg_training_stage;

/* Known before the first step. */
typedef struct smg_training_plan {
    size_t examples, valid_examples, skipped; /* skipped: too long */
    double example_tokens;                    /* of an example, on average, that go through the model */
    double scored;                            /* share of them that have a loss */
    double hints;                             /* of an example, on average */
    int64_t steps, stages;
    double epochs;       /* 0: counted in steps */
    uint64_t parameters; /* that learn */
    uint64_t model_parameters;
    double flop;     /* of a token, in products with weights: forward and backward */
    double peak;     /* FLOP/s that such products reach on this machine, measured */
    uint64_t memory; /* bytes that are needed at most, the model's file included */
    int32_t batch;   /* tokens that go through the model at once */
    bool recompute;
    int threads;
    bool bf16;
    int64_t resumed; /* step that a checkpoint goes on from; -1: none */
} smg_training_plan;

typedef struct smg_training_status {
    int64_t step, steps;
    int64_t stage, stages;
    double epoch;
    double loss, valid_loss; /* valid_loss NAN: none */
    double tokens_per_second, left;
} smg_training_status;

typedef struct smg_training_options {
    const char *model; /* the base; NULL: `shape` and `vocabulary` make one */
    const char *shape, *vocabulary;
    const char *output;
    const char *type; /* of a whole model's matrices, as smidge quantize has them; NULL: F32 */
    smg_training_stage stages[SMG_TRAINING_STAGES_MAX];
    size_t stage_count;
    const char *valid;  /* file of examples; NULL: `valid_share` of the first stage's */
    double valid_share; /* 0: none */
    bool chat, no_thinking;
    const char *system, *template_name, *template_file;
    bool loss_all, skip_long;
    double hints;       /* weight of the losses at an example's hints; 0: they are not asked for */
    double prompt_loss; /* weight of the losses at a prompt's own tokens; 0: they have none */
    int32_t sequence; /* tokens of the longest example; 0: as long as it takes, within the model's context */

    bool full; /* all weights; else adapters */
    int32_t rank;
    float alpha;
    uint32_t targets; /* SMG_TARGET_… */
    bool bf16;
    double epochs;                    /* of one stage without steps */
    int64_t batch_size, batch_tokens; /* of a step: examples, or, where 0, tokens */
    bool muon;
    double rate, muon_rate, floor, decay, clip, beta2;
    double warmup, hold; /* shares: of the steps, and of those behind the warm-up */
    int64_t patience;    /* 0: never stops early */
    int64_t valid_every; /* steps; 0: twenty times in all */
    uint64_t seed;

    int32_t threads; /* 0: as in other commands */
    const char *cpu;
    uint64_t memory; /* bytes for all; 0: what the machine allows */
    bool force;
    double checkpoint_every; /* seconds */
    bool restart;
    const char *log; /* CSV; NULL: none */
    const atomic_int *cancel;
    void (*problem)(void *context, const smidge_error *problem); /* a bad row, where there are several */
    void (*planned)(void *context, const smg_training_plan *plan);
    void (*progress)(void *context, const smg_training_status *status);
    void *context;
} smg_training_options;

/* The defaults of finetune; targets are all. */
void smg_training_defaults(smg_training_options *ret_options);

typedef struct smg_training_result {
    int64_t steps, best_step; /* best_step 0: no validation */
    double loss, valid_loss;  /* of what was written; NAN: none */
    double seconds;           /* in all runs */
    int64_t tokens;
    bool stopped;     /* early */
    char curve[4096]; /* path of the picture */
} smg_training_result;

/* Writes OUTPUT and a picture of the loss beside it (.svg); OUTPUT.checkpoint is there in between, and is gone on with. SMIDGE_E_INVALID
 * (options, data), SMIDGE_E_NO_FIT (with the numbers), SMIDGE_E_FORMAT, SMIDGE_E_UNSUPPORTED, SMIDGE_E_MODEL (the loss is no number),
 * SMIDGE_E_CANCELLED (a checkpoint was written), SMIDGE_E_IO, SMIDGE_E_NOMEM. */
smidge_status smg_training_run(const smg_training_options *options, smg_training_result *ret_result,
                               smidge_error *error) __attribute__((warn_unused_result));

#endif
