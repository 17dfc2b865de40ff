/* Activations to 8 bits. Rounding agrees bit for bit with llama.cpp on x86, so that the two engines can be
 * compared; its other paths multiply by a reciprocal that is rounded twice. */
#include <math.h>
#include <string.h>

#include "kernels/act_scale.h"
#include "kernels/kernel_list.h"

/* The first element of largest magnitude; its bits without the sign in *ret_bits. */
static float largest(const float *x, int n, uint32_t *ret_bits)
{
    uint32_t best = 0;
    float value = 0;
    for (int i = 0; i < n; i++) {
        uint32_t bits = smg_float_bits(x[i]) & 0x7fffffff;
        if (bits > best) {
            best = bits;
            value = x[i];
        }
    }
    *ret_bits = best;
    return value;
}

static float quantize_small(const float *x, int8_t *q)
{
    uint32_t bits;
    float amax = fabsf(largest(x, SMG_QK, &bits));
    if (!smg_act_is_finite(bits)) {
        memset(q, 0, SMG_QK);
        return smg_act_nan();
    }
    float inverse = smg_act_inverse(amax);
    for (int i = 0; i < SMG_QK; i++)
        q[i] = (int8_t)lrintf(x[i] * inverse);
    return amax / 127.0F;
}

/* Returns where the next one goes. */
static uint8_t *put(uint8_t *place, const void *value, size_t size)
{
    memcpy(place, value, size);
    return place + size;
}

static int sum_of(const int8_t *q, int n)
{
    int sum = 0;
    for (int i = 0; i < n; i++)
        sum += q[i];
    return sum;
}

void smg_quantize_f32_q8_0_ref(const float *x, void *ret_row, int64_t k)
{
    uint8_t *scales = (uint8_t *)ret_row + smg_act_scales(k);
    uint8_t *sums = (uint8_t *)ret_row + smg_act_sums(SMG_ACT_Q8_0, k);
    for (int8_t *q = ret_row; k > 0; k -= SMG_QK, x += SMG_QK, q += SMG_QK) {
        const float d = smg_round_half(quantize_small(x, q));
        const int16_t sum = (int16_t)sum_of(q, SMG_QK);
        scales = put(scales, &d, sizeof d);
        sums = put(sums, &sum, sizeof sum);
    }
}

void smg_kv_store_f32_q8_0_ref(const float *x, void *ret_cells, int64_t n)
{
    uint8_t *cells = ret_cells;
    for (int64_t i = 0; i < n; i += SMG_QK, cells += sizeof(smg_block_q8_0)) {
        smg_block_q8_0 block;
        block.d = smg_half_from_float(quantize_small(x + i, block.qs));
        memcpy(cells, &block, sizeof block);
    }
}

void smg_quantize_f32_q8_1_ref(const float *x, void *ret_row, int64_t k)
{
    uint8_t *scales = (uint8_t *)ret_row + smg_act_scales(k);
    uint8_t *sums = (uint8_t *)ret_row + smg_act_sums(SMG_ACT_Q8_1, k);
    for (int8_t *q = ret_row; k > 0; k -= SMG_QK, x += SMG_QK, q += SMG_QK) {
        const float exact = quantize_small(x, q);
        const float d = smg_round_half(exact);
        const float s = smg_round_half(exact * (float)sum_of(q, SMG_QK));
        scales = put(scales, &d, sizeof d);
        sums = put(sums, &s, sizeof s);
    }
}

/* Returns the scale of 256 elements. */
static float quantize_super(const float *x, int8_t *q)
{
    uint32_t bits;
    const float max = largest(x, SMG_QK_K, &bits);
    memset(q, 0, SMG_QK_K);
    if (!smg_act_is_finite(bits))
        return smg_act_nan();
    if (fabsf(max) < SMG_ACT_TINY)
        return 0;
    const float inverse = -127.0F / max;
    for (int j = 0; j < SMG_QK_K; j++)
        q[j] = (int8_t)lrintf(inverse * x[j]);
    return 1.0F / inverse;
}

void smg_quantize_f32_q8_k_ref(const float *x, void *ret_row, int64_t k)
{
    uint8_t *scales = (uint8_t *)ret_row + smg_act_scales(k);
    uint8_t *sums = (uint8_t *)ret_row + smg_act_sums(SMG_ACT_Q8_K, k);
    for (int8_t *q = ret_row; k > 0; k -= SMG_QK_K, x += SMG_QK_K, q += SMG_QK_K) {
        const float d = quantize_super(x, q);
        scales = put(scales, &d, sizeof d);
        for (int j = 0; j < SMG_QK_K; j += 16) {
            const int16_t sum = (int16_t)sum_of(q + j, 16);
            sums = put(sums, &sum, sizeof sum);
        }
    }
}

void smg_kv_store_f32_f16_ref(const float *x, void *ret_cells, int64_t n)
{
    uint8_t *cells = ret_cells;
    for (int64_t i = 0; i < n; i++) {
        smg_half half = smg_half_from_float(x[i]);
        memcpy(cells + 2 * i, &half, sizeof half);
    }
}

void smg_kv_store_f32_f32_ref(const float *x, void *ret_cells, int64_t n)
{
    memcpy(ret_cells, x, (size_t)n * sizeof *x);
}
