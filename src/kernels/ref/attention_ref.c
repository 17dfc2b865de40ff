#include <math.h>
#include <string.h>

#include "kernels/half.h"
#include "kernels/kernel_list.h"

static float cell(smg_kv kv, const uint8_t *cells, int64_t e)
{
    float value;
    if (kv == SMG_KV_F32) {
        memcpy(&value, cells + 4 * e, sizeof value);
    } else if (kv == SMG_KV_F16) {
        smg_half half;
        memcpy(&half, cells + 2 * e, sizeof half);
        value = smg_half_to_float(half);
    } else {
        smg_block_q8_0 block;
        memcpy(&block, cells + (size_t)(e / SMG_QK) * sizeof block, sizeof block);
        value = smg_half_to_float(block.d) * (float)block.qs[e % SMG_QK];
    }
    return value;
}

static void scores(smg_kv kv, const float *q, const smg_cells *keys, float scale, float *ret_scores)
{
    const uint8_t *key = keys->rows;
    for (int64_t i = 0; i < keys->count; i++, key += keys->stride) {
        double sum = 0;
        for (int64_t e = 0; e < keys->n; e++)
            sum += (double)q[e] * cell(kv, key, e);
        ret_scores[i] = scale * (float)sum;
    }
}

static void mix(smg_kv kv, const float *p, const smg_cells *values, float *acc)
{
    const uint8_t *value = values->rows;
    for (int64_t i = 0; i < values->count; i++, value += values->stride) {
        for (int64_t e = 0; e < values->n; e++)
            acc[e] = fmaf(p[i], cell(kv, value, e), acc[e]);
    }
}

#define ATTENTION(kv, name)                                                                                  \
    void smg_attention_scores_##name(const float *q, size_t q_stride, int64_t queries,                       \
                                     const smg_cells *keys, float scale, float *ret_scores,                  \
                                     size_t score_stride)                                                    \
    {                                                                                                        \
        for (int64_t j = 0; j < queries; j++, q += q_stride, ret_scores += score_stride)                     \
            scores(kv, q, keys, scale, ret_scores);                                                          \
    }                                                                                                        \
    void smg_attention_mix_##name(const float *p, size_t p_stride, int64_t queries, const smg_cells *values, \
                                  float *acc, size_t acc_stride)                                             \
    {                                                                                                        \
        for (int64_t j = 0; j < queries; j++, p += p_stride, acc += acc_stride)                              \
            mix(kv, p, values, acc);                                                                         \
    }

ATTENTION(SMG_KV_F16, f16_f32_ref)
ATTENTION(SMG_KV_F32, f32_f32_ref)
ATTENTION(SMG_KV_Q8_0, q8_0_f32_ref)
