/* Rows of floats to any tensor type: the writing side of quantization. */
#ifndef SMG_QUANT_QUANTIZE_H
#define SMG_QUANT_QUANTIZE_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/kernels.h"

/* `n` finite floats to a row of `type`, which fits n and is one that may appear in a file, not interleaved. Where `importance` is
 * not NULL it says for each element how much a squared error in it matters: finite, not negative, not all 0. The same bytes on every
 * machine. */
void smg_quantize_row(const smg_kernels *kernels, smg_type type, const float *x, const float *importance,
                      int64_t n, void *ret_row);

#endif
