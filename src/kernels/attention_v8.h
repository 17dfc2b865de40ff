/* Scores and mixes of one query head over cached keys and values, in eights. The including file gives v8,
 * load_half and ISA. */
#include "kernels/kernel_list.h"
#include "kernels/tile.h"
#include "kernels/v8_some.h"

/* ---- Scores: four keys at a time, each with an accumulator of its own ---- */

enum { KEYS = 4 };

static ALWAYS_INLINE void dot_plain(v8_load_fn load, size_t bytes, const float *q, const uint8_t *key,
                                    size_t stride, int64_t n, v8 *acc, const int keys)
{
    for (; n >= 8; n -= 8, q += 8, key += 8 * bytes) {
        v8 query = v8_load(q);
        foreach (i, keys)
            acc[i] = v8_fma(load(key + (size_t)i * stride), query, acc[i]);
    }
    if (n == 0)
        return;
    v8 query = v8_load_some(v8_load_f32, (const uint8_t *)q, sizeof *q, n);
    foreach (i, keys)
        acc[i] = v8_fma(v8_load_some(load, key + (size_t)i * stride, bytes, n), query, acc[i]);
}

/* A block's quants are summed first and scaled once. */
static ALWAYS_INLINE void dot_q8_0(const float *q, const uint8_t *key, size_t stride, int64_t n, v8 *acc,
                                   const int keys)
{
    for (; n > 0; n -= SMG_QK, q += SMG_QK, key += sizeof(smg_block_q8_0)) {
        foreach (i, keys) {
            const uint8_t *block = key + (size_t)i * stride;
            const uint8_t *qs = block + offsetof(smg_block_q8_0, qs);
            v8 sum = v8_mul(v8_load_i8(qs), v8_load(q));
            sum = v8_fma(v8_load_i8(qs + 8), v8_load(q + 8), sum);
            sum = v8_fma(v8_load_i8(qs + 16), v8_load(q + 16), sum);
            sum = v8_fma(v8_load_i8(qs + 24), v8_load(q + 24), sum);
            acc[i] = v8_fma(v8_set(load_half(block)), sum, acc[i]);
        }
    }
}

static ALWAYS_INLINE void dot_keys(smg_kv kv, const float *q, const uint8_t *key, size_t stride, int64_t n,
                                   float scale, float *ret_scores, const int keys)
{
    v8 acc[KEYS];
    foreach (i, keys)
        acc[i] = v8_set(0);
    if (kv == SMG_KV_F16)
        dot_plain(v8_load_f16, 2, q, key, stride, n, acc, keys);
    else if (kv == SMG_KV_F32)
        dot_plain(v8_load_f32, 4, q, key, stride, n, acc, keys);
    else
        dot_q8_0(q, key, stride, n, acc, keys);
    foreach (i, keys)
        ret_scores[i] = scale * v8_sum(acc[i]);
}

static ALWAYS_INLINE void scores(smg_kv kv, const float *q, const uint8_t *keys, size_t stride, int64_t count,
                                 int64_t n, float scale, float *ret_scores)
{
    for (; count >= KEYS; count -= KEYS, keys += KEYS * stride, ret_scores += KEYS)
        dot_keys(kv, q, keys, stride, n, scale, ret_scores, KEYS);
    for (; count > 0; count--, keys += stride, ret_scores++)
        dot_keys(kv, q, keys, stride, n, scale, ret_scores, 1);
}

/* ---- Mix: columns of the accumulator stay in registers while the values go by ---- */

enum { COLUMNS = 8 };

static ALWAYS_INLINE void mix_columns(v8_load_fn load, size_t bytes, const float *p, const uint8_t *value,
                                      size_t stride, int64_t count, float *acc, const int columns)
{
    v8 sum[COLUMNS];
    foreach (c, columns)
        sum[c] = v8_load(acc + 8 * c);
    for (int64_t i = 0; i < count; i++, value += stride) {
        v8 weight = v8_set(p[i]);
        foreach (c, columns)
            sum[c] = v8_fma(weight, load(value + (size_t)c * 8 * bytes), sum[c]);
    }
    foreach (c, columns)
        v8_store(acc + 8 * c, sum[c]);
}

static ALWAYS_INLINE void mix_plain(v8_load_fn load, size_t bytes, const float *p, const uint8_t *values,
                                    size_t stride, int64_t count, int64_t n, float *acc)
{
    for (; n >= 8 * COLUMNS; n -= 8 * COLUMNS, acc += 8 * COLUMNS, values += 8 * COLUMNS * bytes)
        mix_columns(load, bytes, p, values, stride, count, acc, COLUMNS);
    for (; n >= 8; n -= 8, acc += 8, values += 8 * bytes)
        mix_columns(load, bytes, p, values, stride, count, acc, 1);
    if (n == 0)
        return;
    v8 sum = v8_load_some(v8_load_f32, (const uint8_t *)acc, sizeof *acc, n);
    for (int64_t i = 0; i < count; i++, values += stride)
        sum = v8_fma(v8_set(p[i]), v8_load_some(load, values, bytes, n), sum);
    v8_store_some(acc, sum, n);
}

static ALWAYS_INLINE void mix_q8_0(const float *p, const uint8_t *values, size_t stride, int64_t count,
                                   int64_t n, float *acc)
{
    for (; n > 0; n -= SMG_QK, acc += SMG_QK, values += sizeof(smg_block_q8_0)) {
        const uint8_t *block = values;
        v8 sum[4];
        foreach (c, 4)
            sum[c] = v8_load(acc + 8 * c);
        for (int64_t i = 0; i < count; i++, block += stride) {
            const uint8_t *qs = block + offsetof(smg_block_q8_0, qs);
            v8 d = v8_set(load_half(block)), weight = v8_set(p[i]);
            foreach (c, 4)
                sum[c] = v8_fma(weight, v8_mul(d, v8_load_i8(qs + 8 * c)), sum[c]);
        }
        foreach (c, 4)
            v8_store(acc + 8 * c, sum[c]);
    }
}

#define DEFINE_SCORES(name, kv)                                                                              \
    void name(const float *q, const void *keys, size_t stride, int64_t count, int64_t n, float scale,        \
              float *ret_scores)                                                                             \
    {                                                                                                        \
        scores(kv, q, keys, stride, count, n, scale, ret_scores);                                            \
    }

#define DEFINE_MIX(name, mix)                                                                                \
    void name(const float *p, const void *values, size_t stride, int64_t count, int64_t n, float *acc)       \
    {                                                                                                        \
        mix(p, values, stride, count, n, acc);                                                               \
    }

#define MIX_F16(...) mix_plain(v8_load_f16, 2, __VA_ARGS__)
#define MIX_F32(...) mix_plain(v8_load_f32, 4, __VA_ARGS__)

DEFINE_SCORES(PASTE(smg_attention_scores_f16_f32_, ISA), SMG_KV_F16)
DEFINE_SCORES(PASTE(smg_attention_scores_f32_f32_, ISA), SMG_KV_F32)
DEFINE_SCORES(PASTE(smg_attention_scores_q8_0_f32_, ISA), SMG_KV_Q8_0)
DEFINE_MIX(PASTE(smg_attention_mix_f16_f32_, ISA), MIX_F16)
DEFINE_MIX(PASTE(smg_attention_mix_f32_f32_, ISA), MIX_F32)
DEFINE_MIX(PASTE(smg_attention_mix_q8_0_f32_, ISA), mix_q8_0)
