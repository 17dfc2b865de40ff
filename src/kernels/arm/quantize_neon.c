/* Activations to 8 bits; equal to the reference byte for byte. */
#include "kernels/arm/common_arm.h"

#include <math.h>

#include "kernels/act_scale.h"
#include "kernels/kernel_list.h"

/* Magnitudes are compared as integers, which orders NaN above infinity above numbers. */
static ALWAYS_INLINE uint32x4_t magnitude_bits(const float *x)
{
    return vandq_u32(vreinterpretq_u32_f32(vld1q_f32(x)), vdupq_n_u32(0x7fffffff));
}

static ALWAYS_INLINE uint32_t largest_bits(const float *x)
{
    uint32x4_t largest[4];
    foreach (i, 4)
        largest[i] = vmaxq_u32(magnitude_bits(x + 8 * i), magnitude_bits(x + 8 * i + 4));
    return vmaxvq_u32(vmaxq_u32(vmaxq_u32(largest[0], largest[1]), vmaxq_u32(largest[2], largest[3])));
}

static ALWAYS_INLINE int16x8_t round_4(const float *x, float inverse)
{
    return vreinterpretq_s16_s32(vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x), inverse)));
}

/* 16 floats, scaled and rounded to nearest even, to 16 bytes: their lowest ones, which is all there is to them. */
static ALWAYS_INLINE int8x16_t round_16(const float *x, float inverse)
{
    const int16x8_t low = vuzp1q_s16(round_4(x, inverse), round_4(x + 4, inverse));
    const int16x8_t high = vuzp1q_s16(round_4(x + 8, inverse), round_4(x + 12, inverse));
    return vuzp1q_s8(vreinterpretq_s8_s16(low), vreinterpretq_s8_s16(high));
}

/* The quants of 32 floats; returns their scale. */
static ALWAYS_INLINE float quantize_small(const float *x, quants *ret_q)
{
    uint32_t bits = largest_bits(x);
    if (!smg_act_is_finite(bits)) {
        ret_q->a = ret_q->b = vdupq_n_s8(0);
        return smg_act_nan();
    }
    float amax = smg_float_from_bits(bits), inverse = smg_act_inverse(amax);
    ret_q->a = round_16(x, inverse);
    ret_q->b = round_16(x + 16, inverse);
    return amax / 127.0F;
}

static ALWAYS_INLINE void store_f32(uint8_t *p, float value)
{
    memcpy(p, &value, sizeof value);
}

static ALWAYS_INLINE void store_half(uint8_t *p, float value)
{
    smg_half half = smg_half_from_float(value);
    memcpy(p, &half, sizeof half);
}

static ALWAYS_INLINE void store_quants(uint8_t *p, quants q)
{
    vst1q_u8(p, vreinterpretq_u8_s8(q.a));
    vst1q_u8(p + 16, vreinterpretq_u8_s8(q.b));
}

static ALWAYS_INLINE int16_t sum_of(quants q)
{
    return vaddvq_s16(vpadalq_s8(vpaddlq_s8(q.a), q.b));
}

void smg_quantize_f32_q8_0_neon(const float *x, void *ret_row, int64_t k)
{
    uint8_t *row = ret_row, *scales = row + smg_act_scales(k), *sums = row + smg_act_sums(SMG_ACT_Q8_0, k);
    for (; k > 0; k -= SMG_QK, x += SMG_QK, row += SMG_QK, scales += sizeof(float), sums += sizeof(int16_t)) {
        quants q;
        store_f32(scales, smg_round_half(quantize_small(x, &q)));
        store_quants(row, q);
        const int16_t sum = sum_of(q);
        memcpy(sums, &sum, sizeof sum);
    }
}

void smg_kv_store_f32_q8_0_neon(const float *x, void *ret_cells, int64_t n)
{
    uint8_t *cells = ret_cells;
    for (; n > 0; n -= SMG_QK, x += SMG_QK, cells += sizeof(smg_block_q8_0)) {
        quants q;
        store_half(cells, quantize_small(x, &q));
        store_quants(cells + offsetof(smg_block_q8_0, qs), q);
    }
}

void smg_quantize_f32_q8_1_neon(const float *x, void *ret_row, int64_t k)
{
    uint8_t *row = ret_row, *scales = row + smg_act_scales(k), *sums = row + smg_act_sums(SMG_ACT_Q8_1, k);
    for (; k > 0; k -= SMG_QK, x += SMG_QK, row += SMG_QK, scales += sizeof(float), sums += sizeof(float)) {
        quants q;
        const float d = quantize_small(x, &q);
        store_f32(scales, smg_round_half(d));
        store_f32(sums, smg_round_half(d * (float)sum_of(q)));
        store_quants(row, q);
    }
}

/* The element of largest magnitude, the first of them where there are several; NaN if there is one. */
static float largest_of_super(const float *x)
{
    float32x4_t high[2], low[2];
    foreach (i, 2)
        high[i] = low[i] = vld1q_f32(x + 4 * i);
    for (int i = 8; i < SMG_QK_K; i += 8) {
        foreach (j, 2) {
            const float32x4_t some = vld1q_f32(x + i + 4 * j);
            high[j] = vmaxq_f32(high[j], some);
            low[j] = vminq_f32(low[j], some);
        }
    }
    const float most = vmaxvq_f32(vmaxq_f32(high[0], high[1]));
    const float least = vminvq_f32(vminq_f32(low[0], low[1]));
    if (most != -least)
        return most > -least ? most : least;
    while (*x != most && *x != least)
        x++;
    return *x;
}

/* Lane i: the sum of the lanes of v[i]. */
static ALWAYS_INLINE int16x8_t sums_of_eight(const int16x8_t *v)
{
    return vpaddq_s16(vpaddq_s16(vpaddq_s16(v[0], v[1]), vpaddq_s16(v[2], v[3])),
                      vpaddq_s16(vpaddq_s16(v[4], v[5]), vpaddq_s16(v[6], v[7])));
}

/* Returns the scale of 256 elements. */
static float quantize_super(const float *x, uint8_t *ret_q, uint8_t *ret_sums)
{
    const float largest = largest_of_super(x);
    float d = 0, inverse = 0;
    if (!smg_act_is_finite(smg_float_bits(largest) & 0x7fffffff)) {
        d = smg_act_nan();
    } else if (fabsf(largest) >= SMG_ACT_TINY) {
        inverse = -127.0F / largest;
        d = 1.0F / inverse;
    }
    if (inverse == 0) {
        memset(ret_q, 0, SMG_QK_K);
        memset(ret_sums, 0, SMG_QK_K / 16 * sizeof(int16_t));
        return d;
    }
    for (int i = 0; i < 2; i++) {
        int16x8_t pairs[8];
        foreach (j, 8) {
            const int8x16_t q = round_16(x + 128 * i + 16 * j, inverse);
            vst1q_u8(ret_q + 128 * i + 16 * j, vreinterpretq_u8_s8(q));
            pairs[j] = vpaddlq_s8(q);
        }
        vst1q_u8(ret_sums + 16 * i, vreinterpretq_u8_s16(sums_of_eight(pairs)));
    }
    return d;
}

void smg_quantize_f32_q8_k_neon(const float *x, void *ret_row, int64_t k)
{
    uint8_t *row = ret_row, *scales = row + smg_act_scales(k), *sums = row + smg_act_sums(SMG_ACT_Q8_K, k);
    for (; k > 0; k -= SMG_QK_K, x += SMG_QK_K, row += SMG_QK_K, scales += sizeof(float), sums += 32)
        store_f32(scales, quantize_super(x, row, sums));
}

void smg_kv_store_f32_f16_neon(const float *x, void *ret_cells, int64_t n)
{
    uint8_t *cells = ret_cells;
    for (; n >= 8; n -= 8, x += 8, cells += 16) {
        float16x8_t halves = vcvt_high_f16_f32(vcvt_f16_f32(vld1q_f32(x)), vld1q_f32(x + 4));
        vst1q_u8(cells, vreinterpretq_u8_f16(halves));
    }
    for (; n > 0; n--, x++, cells += 2)
        store_half(cells, *x);
}
