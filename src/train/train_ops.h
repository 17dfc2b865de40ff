/* The row arithmetic of training that is no product of matrices: forms that the kernels of the forward pass do not have. */
#ifndef SMG_TRAIN_TRAIN_OPS_H
#define SMG_TRAIN_TRAIN_OPS_H

#include <stdint.h>

#include "model/architectures.h"

/* Of y = x * r * weight with r = 1 / sqrt(mean(x^2) + epsilon): dx += the gradient that dy brings. Returns r. */
float smg_train_norm_backward(const float *x, const float *weight, const float *dy, float epsilon, int64_t n,
                              float *dx);
/* sum[c] += sum over rows r of dy[r][c] * x[r][c] * factor[r], for columns first … end - 1 of rows of `n`. With x NULL: of dy
 * alone. */
void smg_train_column_sums(const float *dy, const float *x, const float *factor, int64_t rows, int64_t n,
                           int64_t first, int64_t end, float *sum);
/* Of hidden = activation(gate) * up: takes d_hidden, gives the gradients of both; ret_dup may be d_hidden. */
void smg_train_gate_backward(smg_activation activation, const float *gate, const float *up,
                             const float *d_hidden, int64_t n, float *ret_dgate, float *ret_dup);
/* Takes a gradient back through smg_rope_turn. */
void smg_train_turn_backward(smg_rope_kind kind, const float *angles, int32_t pairs, float *head);

#endif
