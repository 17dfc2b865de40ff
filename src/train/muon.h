/* Muon: a step along the nearest orthogonal matrix of the momentum (Jordan and others, "Muon: An optimizer for hidden layers
 * in neural networks", 2024), found by five Newton-Schulz steps, each X = a X + (b A + c A A) X with A = X X^T.
 *   momentum += (1 - beta) (g - momentum)    u = g + beta (momentum - g)    w = w (1 - rate decay) - rate s orthogonal(u)
 * with s = sqrt(max(1, rows / columns)). */
#ifndef SMG_TRAIN_MUON_H
#define SMG_TRAIN_MUON_H

#include "train/gemm.h"
#include "train/trainee.h"

#define SMG_MUON_STEPS 5

/* What all matrices of one optimizer share. */
typedef struct smg_muon {
    const smg_kernels *kernels;
    smg_pool *pool;
    bool bf16;
    float *x, *y;         /* [largest matrix] */
    float *gram, *square; /* [largest shorter side]^2 */
    double *sums;         /* one for each chunk of the largest matrix */
    void *space;          /* of smg_gemm_run */
} smg_muon;

typedef struct smg_muon_step {
    double rate, decay, beta;
    double scale; /* of gradients */
} smg_muon_step;

/* Whether Muon is for it: a hidden matrix. */
bool smg_muon_takes(const smg_parameter *parameter);
uint64_t smg_muon_need(const smg_parameter *parameters, size_t count, const smg_kernels *kernels, bool bf16,
                       int threads);
/* Room for the parameters that it takes. SMIDGE_E_NOMEM. */
smidge_status smg_muon_init(smg_muon *muon, const smg_parameter *parameters, size_t count,
                            const smg_kernels *kernels, bool bf16, smg_pool *pool, smidge_error *error)
    SMG_MUST_CHECK;
void smg_muon_done(smg_muon *muon);
/* `momentum` is [rows][columns]. The pool is held. */
void smg_muon_update(smg_muon *muon, const smg_parameter *parameter, float *momentum,
                     const smg_muon_step *step);

#endif
