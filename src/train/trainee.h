/* A model as something that learns: parameters with gradients, and the forward and backward pass of a packed batch.
 *
 * Either small adapters learn and the model stays as it is, quantized or not (LoRA: Hu et al., "LoRA: Low-Rank Adaptation of Large
 * Language Models", arXiv 2106.09685; W x becomes W x + alpha / rank * B (A x)), or copies in F32 of all weights do. Activations and
 * gradients are F32; nothing is quantized on the way, so that what comes out is the gradient of the model with its weights
 * dequantized. With the same batch, options and number of threads the same bits come out.
 *
 * One thread at a time may use a trainee, and it holds the pool the whole time. */
#ifndef SMG_TRAIN_TRAINEE_H
#define SMG_TRAIN_TRAINEE_H

#include "base/thread.h"
#include "model/model.h"

#define SMG_PARAMETER_NAME 80
#define SMG_RANK_MOST 1024

/* Which products of a layer get an adapter. */
enum {
    SMG_TARGET_Q = 1 << 0,
    SMG_TARGET_K = 1 << 1,
    SMG_TARGET_V = 1 << 2,
    SMG_TARGET_O = 1 << 3,
    SMG_TARGET_GATE = 1 << 4,
    SMG_TARGET_UP = 1 << 5,
    SMG_TARGET_DOWN = 1 << 6,
    SMG_TARGET_ALL = (1 << 7) - 1
};

typedef struct smg_train_options {
    int32_t rank; /* of adapters; 0: all weights are trained */
    float alpha;  /* an adapter's product counts alpha / rank */
    uint32_t
        targets; /* bits SMG_TARGET_…; fused matrices (Phi-3) have one adapter if any of their parts is named */
    bool
        bf16; /* products may round what goes into them to bfloat16 where that is faster; their sums are F32 */
    bool recompute;   /* keep what comes into each layer, and compute the rest again on the way back */
    int32_t tokens;   /* most in a batch */
    int32_t sequence; /* most in one sequence of it */
    uint64_t seed;    /* of new adapters */
} smg_train_options;

typedef struct smg_parameter {
    char name
        [SMG_PARAMETER_NAME]; /* of the tensor in the file that is written: "blk.0.attn_q.weight.lora_a" */
    float *value;             /* [rows][columns] */
    float *gradient;          /* likewise: the sum since smg_trainee_clear */
    int32_t rows, columns;    /* a norm or a bias is one row */
    bool matrix;              /* not a norm or a bias */
} smg_parameter;

typedef struct smg_train_batch {
    const int32_t *tokens;  /* [count] */
    const int32_t *targets; /* [count] the token that should follow; -1: no loss here */
    const float *weights;   /* [count] of each loss; NULL: all 1 */
    int32_t count;
    const int32_t *
        starts; /* [sequences] where each packed sequence begins, ascending, the first 0. Positions count from */
    int32_t sequences; /* 0 in each, and none sees another */
} smg_train_batch;

typedef struct smg_trainee smg_trainee;

/* Bytes that a trainee takes beside the model's file; 0 for options that smg_trainee_new refuses. */
uint64_t smg_trainee_need(const smg_model *model, const smg_train_options *options, int threads);
/* Model and pool stay the caller's and must outlive the trainee. Adapters begin as PEFT's do: A uniform in +-1/sqrt(columns), B 0.
 * SMIDGE_E_INVALID (options), SMIDGE_E_UNSUPPORTED (interleaved weights), SMIDGE_E_NOMEM. */
smidge_status smg_trainee_new(const smg_model *model, smg_pool *pool, const smg_train_options *options,
                              smg_trainee **ret_trainee, smidge_error *error) SMG_MUST_CHECK;
/* Takes NULL. */
void smg_trainee_free(smg_trainee *trainee);

/* What learns, in the order of the file that is written; owned by the trainee. Values may be changed between runs. */
size_t smg_trainee_parameters(const smg_trainee *trainee, smg_parameter **ret_list);

/* One pass. *ret_loss is the sum over targets of weight * -ln p(target), *ret_weight that of the weights; with `backward` the gradients
 * of gradient_scale * that loss are added to those that are there. SMIDGE_E_INVALID (a token that the model does not have, a batch or
 * sequence beyond the options), SMIDGE_E_MODEL (the loss is no number; gradients are not to be used then), SMIDGE_E_DEADLINE and
 * SMIDGE_E_CANCELLED from the stop (likewise). */
smidge_status smg_trainee_run(smg_trainee *trainee, const smg_train_batch *batch, bool backward,
                              float gradient_scale, const smg_stop *stop, double *ret_loss,
                              double *ret_weight, smidge_error *error) SMG_MUST_CHECK;
/* All gradients to zero. */
void smg_trainee_clear(smg_trainee *trainee);

#endif
