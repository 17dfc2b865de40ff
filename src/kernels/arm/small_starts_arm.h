/* Sums that start from the bits of the float 1.5 * 2^23: read as a float they are that plus the sum, exactly, as long as it is below
 * 2^22, and one subtraction makes the conversion. */
#ifndef SMG_KERNELS_ARM_SMALL_STARTS_H
#define SMG_KERNELS_ARM_SMALL_STARTS_H

#include "kernels/arm/common_arm.h"

#define MAGIC_BITS 0x4b400000
#define MAGIC 12582912.0F

enum { SEGMENT_BLOCKS = 128 }; /* whose starts are kept */

/* Where the sums of a block begin, in all lanes of four registers, so that the type's zero is not subtracted from each weight. */
typedef int32_t small_start[16];

static ALWAYS_INLINE void small_starts(int zero, int64_t blocks, const uint8_t *sums, small_start *ret_starts)
{
    for (int64_t b = 0; b < blocks; b++, sums += sizeof(int16_t)) {
        const int32x4_t start = vdupq_n_s32(MAGIC_BITS - zero * (int16_t)load_u16(sums));
        foreach (i, 4)
            vst1q_s32(ret_starts[b] + 4 * i, start);
    }
}

static ALWAYS_INLINE float32x4_t small_float(int32x4_t sum)
{
    return vsubq_f32(vreinterpretq_f32_s32(sum), vdupq_n_f32(MAGIC));
}

#endif
