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

/* Sums of the integers go to `sums`, if that is not NULL. */
static void quantize_q8_0(const float *x, uint8_t *row, uint8_t *sums, int64_t k)
{
    for (int64_t i = 0; i < k; i += SMG_QK, row += sizeof(smg_block_q8_0)) {
        smg_block_q8_0 block;
        int16_t sum = 0;
        block.d = smg_half_from_float(quantize_small(x + i, block.qs));
        memcpy(row, &block, sizeof block);
        if (sums == NULL)
            continue;
        for (int j = 0; j < SMG_QK; j++)
            sum = (int16_t)(sum + block.qs[j]);
        memcpy(sums, &sum, sizeof sum);
        sums += sizeof sum;
    }
}

void smg_quantize_f32_q8_0_ref(const float *x, void *ret_row, int64_t k)
{
    uint8_t *row = ret_row;
    quantize_q8_0(x, row, row + (size_t)(k / SMG_QK) * sizeof(smg_block_q8_0), k);
}

void smg_kv_store_f32_q8_0_ref(const float *x, void *ret_cells, int64_t n)
{
    quantize_q8_0(x, ret_cells, NULL, n);
}

void smg_quantize_f32_q8_1_ref(const float *x, void *ret_row, int64_t k)
{
    uint8_t *row = ret_row;
    for (int64_t i = 0; i < k; i += SMG_QK, row += sizeof(smg_block_q8_1)) {
        smg_block_q8_1 block;
        int sum = 0;
        float d = quantize_small(x + i, block.qs);
        for (int j = 0; j < SMG_QK; j++)
            sum += block.qs[j];
        block.d = smg_half_from_float(d);
        block.s = smg_half_from_float(d * (float)sum);
        memcpy(row, &block, sizeof block);
    }
}

void smg_quantize_f32_q8_k_ref(const float *x, void *ret_row, int64_t k)
{
    uint8_t *row = ret_row;
    for (int64_t i = 0; i < k; i += SMG_QK_K, row += sizeof(smg_block_q8_k)) {
        smg_block_q8_k block = {0};
        uint32_t bits;
        float max = largest(x + i, SMG_QK_K, &bits);
        if (!smg_act_is_finite(bits)) {
            block.d = smg_act_nan();
        } else if (fabsf(max) >= SMG_ACT_TINY) {
            float inverse = -127.0F / max;
            for (int j = 0; j < SMG_QK_K; j++)
                block.qs[j] = (int8_t)lrintf(inverse * x[i + j]);
            block.d = 1.0F / inverse;
        }
        for (int j = 0; j < SMG_QK_K; j++)
            block.bsums[j / 16] = (int16_t)(block.bsums[j / 16] + block.qs[j]);
        memcpy(row, &block, sizeof block);
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
