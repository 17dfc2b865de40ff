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

static void scores(smg_kv kv, const float *q, const void *keys, size_t stride, int64_t count, int64_t n,
                   float scale, float *ret_scores)
{
    const uint8_t *key = keys;
    for (int64_t i = 0; i < count; i++, key += stride) {
        double sum = 0;
        for (int64_t e = 0; e < n; e++)
            sum += (double)q[e] * cell(kv, key, e);
        ret_scores[i] = scale * (float)sum;
    }
}

static void mix(smg_kv kv, const float *p, const void *values, size_t stride, int64_t count, int64_t n,
                float *acc)
{
    const uint8_t *value = values;
    for (int64_t i = 0; i < count; i++, value += stride) {
        for (int64_t e = 0; e < n; e++)
            acc[e] = fmaf(p[i], cell(kv, value, e), acc[e]);
    }
}

#define ATTENTION(kv, name)                                                                                  \
    void smg_attention_scores_##name(const float *q, const void *keys, size_t stride, int64_t count,         \
                                     int64_t n, float scale, float *ret_scores)                              \
    {                                                                                                        \
        scores(kv, q, keys, stride, count, n, scale, ret_scores);                                            \
    }                                                                                                        \
    void smg_attention_mix_##name(const float *p, const void *values, size_t stride, int64_t count,          \
                                  int64_t n, float *acc)                                                     \
    {                                                                                                        \
        mix(kv, p, values, stride, count, n, acc);                                                           \
    }

ATTENTION(SMG_KV_F16, f16_f32_ref)
ATTENTION(SMG_KV_F32, f32_f32_ref)
ATTENTION(SMG_KV_Q8_0, q8_0_f32_ref)
