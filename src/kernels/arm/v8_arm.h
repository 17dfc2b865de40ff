/* Eight floats in two NEON registers: what the templates *_v8.inc are written in. */
#ifndef SMG_KERNELS_ARM_V8_H
#define SMG_KERNELS_ARM_V8_H

#include "kernels/arm/common_arm.h"

typedef struct v8 {
    float32x4_t a, b;
} v8;

#define V8(first, second) ((v8){(first), (second)})

static ALWAYS_INLINE v8 v8_set(float x)
{
    return V8(vdupq_n_f32(x), vdupq_n_f32(x));
}

static ALWAYS_INLINE v8 v8_load(const float *p)
{
    return V8(vld1q_f32(p), vld1q_f32(p + 4));
}

static ALWAYS_INLINE void v8_store(float *p, v8 x)
{
    vst1q_f32(p, x.a);
    vst1q_f32(p + 4, x.b);
}

/* Eight elements at any address as floats, by type. */
static ALWAYS_INLINE v8 v8_load_f32(const uint8_t *p)
{
    return V8(vreinterpretq_f32_u8(vld1q_u8(p)), vreinterpretq_f32_u8(vld1q_u8(p + 16)));
}

static ALWAYS_INLINE v8 v8_load_f16(const uint8_t *p)
{
    float16x8_t halves = vreinterpretq_f16_u8(vld1q_u8(p));
    return V8(vcvt_f32_f16(vget_low_f16(halves)), vcvt_high_f32_f16(halves));
}

static ALWAYS_INLINE v8 v8_load_bf16(const uint8_t *p)
{
    uint16x8_t halves = vreinterpretq_u16_u8(vld1q_u8(p));
    return V8(vreinterpretq_f32_u32(vshll_n_u16(vget_low_u16(halves), 16)),
              vreinterpretq_f32_u32(vshll_high_n_u16(halves, 16)));
}

static ALWAYS_INLINE v8 v8_load_i8(const uint8_t *p)
{
    int16x8_t words = vmovl_s8(vreinterpret_s8_u8(vld1_u8(p)));
    return V8(vcvtq_f32_s32(vmovl_s16(vget_low_s16(words))), vcvtq_f32_s32(vmovl_high_s16(words)));
}

static ALWAYS_INLINE v8 v8_round_f16(v8 x)
{
    return V8(vcvt_f32_f16(vcvt_f16_f32(x.a)), vcvt_f32_f16(vcvt_f16_f32(x.b)));
}

static ALWAYS_INLINE v8 v8_add(v8 x, v8 y)
{
    return V8(vaddq_f32(x.a, y.a), vaddq_f32(x.b, y.b));
}

static ALWAYS_INLINE v8 v8_sub(v8 x, v8 y)
{
    return V8(vsubq_f32(x.a, y.a), vsubq_f32(x.b, y.b));
}

static ALWAYS_INLINE v8 v8_mul(v8 x, v8 y)
{
    return V8(vmulq_f32(x.a, y.a), vmulq_f32(x.b, y.b));
}

static ALWAYS_INLINE v8 v8_div(v8 x, v8 y)
{
    return V8(vdivq_f32(x.a, y.a), vdivq_f32(x.b, y.b));
}

/* Of a NaN in either, the NaN. */
static ALWAYS_INLINE v8 v8_max(v8 x, v8 y)
{
    return V8(vmaxq_f32(x.a, y.a), vmaxq_f32(x.b, y.b));
}

static ALWAYS_INLINE v8 v8_min(v8 x, v8 y)
{
    return V8(vminq_f32(x.a, y.a), vminq_f32(x.b, y.b));
}

/* x * y + z, rounded once */
static ALWAYS_INLINE v8 v8_fma(v8 x, v8 y, v8 z)
{
    return V8(vfmaq_f32(z.a, x.a, y.a), vfmaq_f32(z.b, x.b, y.b));
}

/* z - x * y, rounded once */
static ALWAYS_INLINE v8 v8_fnma(v8 x, v8 y, v8 z)
{
    return V8(vfmsq_f32(z.a, x.a, y.a), vfmsq_f32(z.b, x.b, y.b));
}

/* To the nearest integer, ties to even. */
static ALWAYS_INLINE v8 v8_round(v8 x)
{
    return V8(vrndnq_f32(x.a), vrndnq_f32(x.b));
}

/* x * 2^n for integers n within +-252, by two factors: results below the smallest normal number and above the
 * largest come out as they should. */
static ALWAYS_INLINE float32x4_t scale_4(float32x4_t x, float32x4_t n)
{
    const int32x4_t bias = vdupq_n_s32(127);
    int32x4_t whole = vcvtq_s32_f32(n), half = vshrq_n_s32(whole, 1), rest = vsubq_s32(whole, half);
    float32x4_t first = vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(half, bias), 23));
    float32x4_t second = vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(rest, bias), 23));
    return vmulq_f32(vmulq_f32(x, first), second);
}

static ALWAYS_INLINE v8 v8_scale(v8 x, v8 n)
{
    return V8(scale_4(x.a, n.a), scale_4(x.b, n.b));
}

/* The sum of the lanes, always in the same order. */
static ALWAYS_INLINE float v8_sum(v8 x)
{
    return vaddvq_f32(vaddq_f32(x.a, x.b));
}

static ALWAYS_INLINE float32x4_t sum_four(const v8 x[4])
{
    return vpaddq_f32(vpaddq_f32(vaddq_f32(x[0].a, x[0].b), vaddq_f32(x[1].a, x[1].b)),
                      vpaddq_f32(vaddq_f32(x[2].a, x[2].b), vaddq_f32(x[3].a, x[3].b)));
}

/* The sums of eight vectors' lanes, each one's in the order of v8_sum. */
static ALWAYS_INLINE v8 v8_sum_each(const v8 x[8])
{
    return V8(sum_four(x), sum_four(x + 4));
}

/* Sums in double. */
typedef struct wide {
    float64x2_t a, b;
} wide;

static ALWAYS_INLINE wide wide_zero(void)
{
    return (wide){vdupq_n_f64(0), vdupq_n_f64(0)};
}

static ALWAYS_INLINE wide wide_add(wide sum, v8 x)
{
    sum.a = vaddq_f64(sum.a, vcvt_f64_f32(vget_low_f32(x.a)));
    sum.b = vaddq_f64(sum.b, vcvt_high_f64_f32(x.a));
    sum.a = vaddq_f64(sum.a, vcvt_f64_f32(vget_low_f32(x.b)));
    sum.b = vaddq_f64(sum.b, vcvt_high_f64_f32(x.b));
    return sum;
}

static ALWAYS_INLINE float64x2_t add_square(float64x2_t sum, float64x2_t x)
{
    return vfmaq_f64(sum, x, x);
}

static ALWAYS_INLINE wide wide_add_squares(wide sum, v8 x)
{
    sum.a = add_square(sum.a, vcvt_f64_f32(vget_low_f32(x.a)));
    sum.b = add_square(sum.b, vcvt_high_f64_f32(x.a));
    sum.a = add_square(sum.a, vcvt_f64_f32(vget_low_f32(x.b)));
    sum.b = add_square(sum.b, vcvt_high_f64_f32(x.b));
    return sum;
}

static ALWAYS_INLINE double wide_sum(wide x)
{
    return vaddvq_f64(vaddq_f64(x.a, x.b));
}

#endif
