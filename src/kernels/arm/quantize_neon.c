/* Activations to 8 bits; equal to the reference byte for byte. */
#include "kernels/arm/common_arm.h"

#include "kernels/act_scale.h"
#include "kernels/kernel_list.h"

/* Magnitudes are compared as integers, which orders NaN above infinity above numbers. */
static ALWAYS_INLINE uint32x4_t magnitude_bits(const float *x)
{
    return vandq_u32(vreinterpretq_u32_f32(vld1q_f32(x)), vdupq_n_u32(0x7fffffff));
}

static ALWAYS_INLINE uint32_t largest_bits(const float *x, int n)
{
    uint32x4_t largest = vdupq_n_u32(0);
    for (int i = 0; i < n; i += 4)
        largest = vmaxq_u32(largest, magnitude_bits(x + i));
    return vmaxvq_u32(largest);
}

static ALWAYS_INLINE int16x8_t round_8(const float *x, float inverse)
{
    int32x4_t low = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x), inverse));
    int32x4_t high = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x + 4), inverse));
    return vcombine_s16(vqmovn_s32(low), vqmovn_s32(high));
}

/* 16 floats, scaled and rounded to nearest even, to 16 bytes. */
static ALWAYS_INLINE int8x16_t round_16(const float *x, float inverse)
{
    return vcombine_s8(vqmovn_s16(round_8(x, inverse)), vqmovn_s16(round_8(x + 8, inverse)));
}

/* The quants of 32 floats; returns their scale. */
static ALWAYS_INLINE float quantize_small(const float *x, quants *ret_q)
{
    uint32_t bits = largest_bits(x, SMG_QK);
    if (!smg_act_is_finite(bits)) {
        ret_q->a = ret_q->b = vdupq_n_s8(0);
        return smg_act_nan();
    }
    float amax = smg_float_from_bits(bits), inverse = smg_act_inverse(amax);
    ret_q->a = round_16(x, inverse);
    ret_q->b = round_16(x + 16, inverse);
    return amax / 127.0F;
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

/* Sums of the integers go to `sums`, if that is not NULL. */
static ALWAYS_INLINE void quantize_q8_0(const float *x, uint8_t *row, uint8_t *sums, int64_t k)
{
    for (int64_t i = 0; i < k; i += SMG_QK, row += sizeof(smg_block_q8_0)) {
        quants q;
        store_half(row, quantize_small(x + i, &q));
        store_quants(row + offsetof(smg_block_q8_0, qs), q);
        if (sums == NULL)
            continue;
        int16_t sum = (int16_t)(vaddlvq_s8(q.a) + vaddlvq_s8(q.b));
        memcpy(sums, &sum, sizeof sum);
        sums += sizeof sum;
    }
}

void smg_quantize_f32_q8_0_neon(const float *x, void *ret_row, int64_t k)
{
    uint8_t *row = ret_row;
    quantize_q8_0(x, row, row + (size_t)(k / SMG_QK) * sizeof(smg_block_q8_0), k);
}

void smg_kv_store_f32_q8_0_neon(const float *x, void *ret_cells, int64_t n)
{
    quantize_q8_0(x, ret_cells, NULL, n);
}

void smg_quantize_f32_q8_1_neon(const float *x, void *ret_row, int64_t k)
{
    uint8_t *row = ret_row;
    for (int64_t i = 0; i < k; i += SMG_QK, row += sizeof(smg_block_q8_1)) {
        quants q;
        float d = quantize_small(x + i, &q);
        store_half(row, d);
        store_half(row + offsetof(smg_block_q8_1, s), d * (float)(vaddlvq_s8(q.a) + vaddlvq_s8(q.b)));
        store_quants(row + offsetof(smg_block_q8_1, qs), q);
    }
}

/* The first of 256 floats whose magnitude has these bits. */
static float first_with(const float *x, uint32_t bits)
{
    for (int i = 0; i < SMG_QK_K; i++) {
        if ((smg_float_bits(x[i]) & 0x7fffffff) == bits)
            return x[i];
    }
    return 0;
}

static void quantize_super(const float *x, uint8_t *block)
{
    uint32_t bits = largest_bits(x, SMG_QK_K);
    float d = 0, inverse = 0;
    if (!smg_act_is_finite(bits)) {
        d = smg_act_nan();
    } else if (smg_float_from_bits(bits) >= SMG_ACT_TINY) {
        inverse = -127.0F / first_with(x, bits);
        d = 1.0F / inverse;
    }
    memcpy(block, &d, sizeof d);
    if (inverse == 0) {
        memset(block + sizeof d, 0, sizeof(smg_block_q8_k) - sizeof d);
        return;
    }
    for (int j = 0; j < 16; j++) {
        int8x16_t q = round_16(x + 16 * j, inverse);
        int16_t sum = vaddlvq_s8(q);
        vst1q_u8(block + offsetof(smg_block_q8_k, qs) + 16 * j, vreinterpretq_u8_s8(q));
        memcpy(block + offsetof(smg_block_q8_k, bsums) + 2 * j, &sum, sizeof sum);
    }
}

void smg_quantize_f32_q8_k_neon(const float *x, void *ret_row, int64_t k)
{
    uint8_t *row = ret_row;
    for (int64_t i = 0; i < k; i += SMG_QK_K, row += sizeof(smg_block_q8_k))
        quantize_super(x + i, row);
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
