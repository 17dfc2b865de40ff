/* Integer products of Armv8-A: bytes to 16 bits, two products summed there, pairs of those to 32 bits. Two
 * products fit, because activations stay within +-127. */
#include "kernels/arm/common_arm.h"

#include "kernels/kernel_list.h"

#define ISA neon

static ALWAYS_INLINE int16x8_t two_products(int8x16_t a, int8x16_t b)
{
    return vmlal_high_s8(vmull_s8(vget_low_s8(a), vget_low_s8(b)), a, b);
}

static ALWAYS_INLINE int32x4_t dot_16(int8x16_t a, int8x16_t b)
{
    return vpaddlq_s16(two_products(a, b));
}

static ALWAYS_INLINE int32x4_t dot_32(quants q, quants act)
{
    return vpadalq_s16(dot_16(q.a, act.a), two_products(q.b, act.b));
}

#include "kernels/arm/matmul_small_arm.inc"
#include "kernels/arm/matmul_super_arm.inc"
