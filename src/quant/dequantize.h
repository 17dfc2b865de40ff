/* Rows of any tensor type to floats: the reading side of quantization. */
#ifndef SMG_QUANT_DEQUANTIZE_H
#define SMG_QUANT_DEQUANTIZE_H

#include <stdint.h>

#include "base/error.h"
#include "format/blocks.h"

/* `n` elements of a row of `type`, which fits n, to floats. `type` is one that may appear in a file and is not
 * interleaved. */
void smg_dequantize_row(smg_type type, const void *row, float *ret_x, int64_t n);
/* Row `number` of a matrix with rows of n elements, interleaved or not. */
void smg_dequantize_row_of(smg_type type, const void *matrix, int64_t number, float *ret_x, int64_t n);

#endif
