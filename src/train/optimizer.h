/* From gradients to better weights.
 *
 * AdamW (Loshchilov, Hutter, "Decoupled Weight Decay Regularization", arXiv 1711.05101), as torch.optim.AdamW computes it:
 *   m = b1 m + (1 - b1) g    v = b2 v + (1 - b2) g^2
 *   w = w (1 - rate decay) - rate / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + epsilon)
 * with decay for matrices alone. Muon, where asked for, takes matrices but the embedding and the output (train/muon.h).
 *
 * All of the state is one flat array, for checkpoints. The same bits come out with any number of threads. */
#ifndef SMG_TRAIN_OPTIMIZER_H
#define SMG_TRAIN_OPTIMIZER_H

#include "train/trainee.h"

typedef struct smg_optimizer_options {
    double beta1, beta2, epsilon;
    double decay;    /* decoupled; 0: none */
    bool muon;       /* for hidden matrices */
    double momentum; /* of Muon */
    bool bf16;       /* Muon's products may round to bfloat16 */
} smg_optimizer_options;

/* What most people take: 0.9, 0.999, 1e-8; decay 0, momentum 0.95, AdamW for everything. */
void smg_optimizer_defaults(smg_optimizer_options *ret_options);

typedef struct smg_optimizer smg_optimizer;

/* Bytes that an optimizer for parameters of these shapes takes; values and gradients are not looked at. */
uint64_t smg_optimizer_need(const smg_parameter *parameters, size_t count,
                            const smg_optimizer_options *options, const smg_kernels *kernels, int threads);
/* Parameters, kernels and pool stay the caller's and outlive it; the pool is held whenever it is used.
 * SMIDGE_E_NOMEM. */
smidge_status smg_optimizer_new(const smg_parameter *parameters, size_t count,
                                const smg_optimizer_options *options, const smg_kernels *kernels,
                                smg_pool *pool, smg_optimizer **ret_optimizer, smidge_error *error)
    SMG_MUST_CHECK;
/* Takes NULL. */
void smg_optimizer_free(smg_optimizer *optimizer);

/* The length of all gradients together. */
double smg_optimizer_norm(smg_optimizer *optimizer);
/* One step along gradients times `scale`. `step` counts from 1; `rate` is AdamW's, `muon_rate` Muon's. */
void smg_optimizer_step(smg_optimizer *optimizer, int64_t step, double rate, double muon_rate, double scale);

/* Moments of all parameters in their order; zeros at the beginning. */
size_t smg_optimizer_state(const smg_optimizer *optimizer, float **ret_state);

#endif
