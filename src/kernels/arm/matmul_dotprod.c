/* Integer products with the dot product instruction: four products into each 32-bit lane. */
#if !defined(__ARM_FEATURE_DOTPROD)
#error "this file is compiled with -march=armv8.2-a+dotprod"
#endif

#include "kernels/arm/common_arm.h"

#include "kernels/kernel_list.h"

#define ISA dotprod

static ALWAYS_INLINE int32x4_t dot_16(int8x16_t a, int8x16_t b)
{
    return vdotq_s32(vdupq_n_s32(0), a, b);
}

static ALWAYS_INLINE int32x4_t dot_32(quants q, quants act)
{
    return vdotq_s32(dot_16(q.a, act.a), q.b, act.b);
}

#include "kernels/arm/matmul_small_arm.inc"
#include "kernels/arm/matmul_super_arm.inc"
