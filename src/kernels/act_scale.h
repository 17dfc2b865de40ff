/* What all forms of quantization share: when a block has a scale, and which. */
#ifndef SMG_KERNELS_ACT_SCALE_H
#define SMG_KERNELS_ACT_SCALE_H

#include <stdbool.h>

#include "kernels/half.h"

/* Bits of the largest magnitude in a block, as an integer: it orders magnitudes, with infinity and then the
 * NaNs above all numbers. A block that holds one of those becomes zeros with a NaN for a scale, so that
 * whatever is computed from it is NaN too and is noticed. */
static inline bool smg_act_is_finite(uint32_t amax_bits)
{
    return amax_bits < 0x7f800000;
}

/* Below this 127/amax overflows. Such blocks become zeros, which is what their scale does in binary16. */
#define SMG_ACT_TINY 1e-36F

/* What a block with largest magnitude `amax` is multiplied by. (127/amax, not the reciprocal of the scale:
 * the two round differently.) */
static inline float smg_act_inverse(float amax)
{
    return amax >= SMG_ACT_TINY ? 127.0F / amax : 0.0F;
}

static inline float smg_act_nan(void)
{
    return smg_float_from_bits(0x7fc00000);
}

#endif
