/* Products of packed floats in NEON. */
#include "kernels/arm/v8_arm.h"
#include "kernels/kernel_list.h"

/* Four by four, in place. */
static ALWAYS_INLINE void transpose_four(float32x4_t *a, float32x4_t *b, float32x4_t *c, float32x4_t *d)
{
    const float64x2_t ab_even = vreinterpretq_f64_f32(vtrn1q_f32(*a, *b));
    const float64x2_t ab_odd = vreinterpretq_f64_f32(vtrn2q_f32(*a, *b));
    const float64x2_t cd_even = vreinterpretq_f64_f32(vtrn1q_f32(*c, *d));
    const float64x2_t cd_odd = vreinterpretq_f64_f32(vtrn2q_f32(*c, *d));
    *a = vreinterpretq_f32_f64(vtrn1q_f64(ab_even, cd_even));
    *b = vreinterpretq_f32_f64(vtrn1q_f64(ab_odd, cd_odd));
    *c = vreinterpretq_f32_f64(vtrn2q_f64(ab_even, cd_even));
    *d = vreinterpretq_f32_f64(vtrn2q_f64(ab_odd, cd_odd));
}

static ALWAYS_INLINE void v8_transpose(v8 x[8])
{
    transpose_four(&x[0].a, &x[1].a, &x[2].a, &x[3].a);
    transpose_four(&x[0].b, &x[1].b, &x[2].b, &x[3].b);
    transpose_four(&x[4].a, &x[5].a, &x[6].a, &x[7].a);
    transpose_four(&x[4].b, &x[5].b, &x[6].b, &x[7].b);
    foreach (i, 4) {
        const float32x4_t upper = x[i].b;
        x[i].b = x[4 + i].a;
        x[4 + i].a = upper;
    }
}

#define SMG_GEMM_PACK_NAME smg_gemm_pack_f32_neon
#define SMG_GEMM_NAME smg_gemm_f32_neon
#define SMG_GEMM_TILES SMG_GEMM_TILE(0, 4) SMG_GEMM_TILE(4, 4) SMG_GEMM_TILE(8, 4) SMG_GEMM_TILE(12, 4)
#include "kernels/gemm_v8.inc"
