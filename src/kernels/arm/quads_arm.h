/* Four rows side by side, a quad: a register has four bytes of each of its rows, a column, or a 32-bit number of each. Interleaved
 * rows are stored so; plain rows are transposed into it. No product is ever summed across rows. */
#ifndef SMG_KERNELS_ARM_QUADS_H
#define SMG_KERNELS_ARM_QUADS_H

#include "format/blocks.h"
#include "kernels/arm/common_arm.h"

/* A word of all rows of a group, and a half of them. Quads are taken from it in pairs, for that is what a load takes. */
enum {
    WORD_BYTES = 4 * SMG_GROUP_ROWS,
    HALF_BYTES = (int)sizeof(smg_half) * SMG_GROUP_ROWS,
    PAIR_ROWS = 8,
    GROUP_PAIRS = SMG_GROUP_ROWS / PAIR_ROWS
};

static ALWAYS_INLINE int64_t at_most(int64_t n, int64_t limit)
{
    return n < limit ? n : limit;
}

/* Word `word` of a block of interleaved rows, for a pair of quads. */
static ALWAYS_INLINE void load_words(const uint8_t *words, int word, uint8x16_t *ret_a, uint8x16_t *ret_b)
{
    const byte_pair pair = load_byte_pair(words + word * WORD_BYTES);
    *ret_a = vreinterpretq_u8_s8(pair.first);
    *ret_b = vreinterpretq_u8_s8(pair.second);
}

/* A pair of quads' floats. */
typedef struct float_pair {
    float32x4_t a, b;
} float_pair;

static ALWAYS_INLINE float_pair widen_halves(uint16x8_t halves)
{
    const float16x8_t all = vreinterpretq_f16_u16(halves);
    return (float_pair){vcvt_f32_f16(vget_low_f16(all)), vcvt_high_f32_f16(all)};
}

/* A half of each row, one behind the other. */
static ALWAYS_INLINE float_pair load_halves(const uint8_t *p)
{
    return widen_halves(vreinterpretq_u16_u8(vld1q_u8(p)));
}

/* The lower and the upper halves of a word. */
static ALWAYS_INLINE void load_two_halves(const uint8_t *words, int word, float_pair *ret_low,
                                          float_pair *ret_high)
{
    uint8x16_t a, b;
    load_words(words, word, &a, &b);
    *ret_low = widen_halves(vuzp1q_u16(vreinterpretq_u16_u8(a), vreinterpretq_u16_u8(b)));
    *ret_high = widen_halves(vuzp2q_u16(vreinterpretq_u16_u8(a), vreinterpretq_u16_u8(b)));
}

/* Words i of four registers into register i. */
static ALWAYS_INLINE void transpose_words(int8x16_t a, int8x16_t b, int8x16_t c, int8x16_t d,
                                          int8_t (*ret)[16])
{
    const int32x4_t ac_low = vzip1q_s32(vreinterpretq_s32_s8(a), vreinterpretq_s32_s8(c));
    const int32x4_t ac_high = vzip2q_s32(vreinterpretq_s32_s8(a), vreinterpretq_s32_s8(c));
    const int32x4_t bd_low = vzip1q_s32(vreinterpretq_s32_s8(b), vreinterpretq_s32_s8(d));
    const int32x4_t bd_high = vzip2q_s32(vreinterpretq_s32_s8(b), vreinterpretq_s32_s8(d));
    vst1q_s8(ret[0], vreinterpretq_s8_s32(vzip1q_s32(ac_low, bd_low)));
    vst1q_s8(ret[1], vreinterpretq_s8_s32(vzip2q_s32(ac_low, bd_low)));
    vst1q_s8(ret[2], vreinterpretq_s8_s32(vzip1q_s32(ac_high, bd_high)));
    vst1q_s8(ret[3], vreinterpretq_s8_s32(vzip2q_s32(ac_high, bd_high)));
}

/* Lane i: the sum of the lanes of v[i]. */
static ALWAYS_INLINE int32x4_t sums_of_four(const int32x4_t *v)
{
    return vpaddq_s32(vpaddq_s32(v[0], v[1]), vpaddq_s32(v[2], v[3]));
}

/* Halves at four pointers. */
static ALWAYS_INLINE float32x4_t halves_at(const uint8_t *const *p, size_t offset)
{
    uint16x4_t halves = vdup_n_u16(load_u16(p[0] + offset));
    halves = vset_lane_u16(load_u16(p[1] + offset), halves, 1);
    halves = vset_lane_u16(load_u16(p[2] + offset), halves, 2);
    halves = vset_lane_u16(load_u16(p[3] + offset), halves, 3);
    return vcvt_f32_f16(vreinterpret_f16_u16(halves));
}

/* Four plain rows; where there are fewer, the last one stands for those that are missing. Each pointer has a register of its own
 * that moves: left alone, compilers add offsets to all of them, again and again. */
static ALWAYS_INLINE void four_pointers(const uint8_t *w, size_t stride, int64_t rows, const uint8_t **ret)
{
    foreach (r, 4) {
        ret[r] = w + (size_t)(r < rows ? r : rows - 1) * stride;
        FORGET(ret[r]);
    }
}

static ALWAYS_INLINE void move_four(const uint8_t **p, size_t by)
{
    foreach (r, 4) {
        p[r] += by;
        FORGET(p[r]);
    }
}

/* ---- Dot products ------------------------------------------------------------------------------------- */

#if defined(__ARM_FEATURE_DOTPROD)

static ALWAYS_INLINE int32x4_t add_column(int32x4_t sum, int8x16_t w, int8x16_t x, const int lane)
{
    switch (lane) {
    case 0:
        return vdotq_laneq_s32(sum, w, x, 0);
    case 1:
        return vdotq_laneq_s32(sum, w, x, 1);
    case 2:
        return vdotq_laneq_s32(sum, w, x, 2);
    default:
        return vdotq_laneq_s32(sum, w, x, 3);
    }
}

/* start + the products of `count` columns with as many words of x. `most` is the largest magnitude of a weight. */
static ALWAYS_INLINE int32x4_t quad_dot(int32x4_t start, const int8x16_t *w, const int8x16_t *x,
                                        const int count, const int most)
{
    (void)most;
    foreach (g, count)
        start = add_column(start, w[g], x[g / 4], g % 4);
    return start;
}

/* Products of 16 bytes, in four lanes. */
static ALWAYS_INLINE int32x4_t dot_16(int8x16_t a, int8x16_t b)
{
    return vdotq_s32(vdupq_n_s32(0), a, b);
}

static ALWAYS_INLINE int32x4_t dot_32(quants q, quants act)
{
    return vdotq_s32(dot_16(q.a, act.a), q.b, act.b);
}

#else

/* Products are summed in 16 bits as long as they fit. Two always do, because activations stay within +-127. */

static ALWAYS_INLINE int8x16_t repeat_word(int8x16_t x, const int lane)
{
    const int32x4_t words = vreinterpretq_s32_s8(x);
    switch (lane) {
    case 0:
        return vreinterpretq_s8_s32(vdupq_laneq_s32(words, 0));
    case 1:
        return vreinterpretq_s8_s32(vdupq_laneq_s32(words, 1));
    case 2:
        return vreinterpretq_s8_s32(vdupq_laneq_s32(words, 2));
    default:
        return vreinterpretq_s8_s32(vdupq_laneq_s32(words, 3));
    }
}

/* Columns from .. from + count - 1, whose products fit. */
static ALWAYS_INLINE void add_products(const int8x16_t *w, const int8x16_t *x, const int from,
                                       const int count, int16x8_t *ret_low, int16x8_t *ret_high)
{
    foreach (i, count) {
        const int g = from + i;
        const int8x16_t act = repeat_word(x[g / 4], g % 4);
        const int8x8_t w_low = vget_low_s8(w[g]), act_low = vget_low_s8(act);
        *ret_low = i == 0 ? vmull_s8(w_low, act_low) : vmlal_s8(*ret_low, w_low, act_low);
        *ret_high = i == 0 ? vmull_high_s8(w[g], act) : vmlal_high_s8(*ret_high, w[g], act);
    }
}

static ALWAYS_INLINE int32x4_t quad_dot(int32x4_t start, const int8x16_t *w, const int8x16_t *x,
                                        const int count, const int most)
{
    const int fit = INT16_MAX / (127 * most), run = fit < count ? fit : count;
    int16x8_t low, high; /* of the first two rows, and of the last two */
    add_products(w, x, 0, run, &low, &high);
    if (fit >= 2 * count)
        return vpadalq_s16(start, vpaddq_s16(low, high));
    int32x4_t low_sums = vpaddlq_s16(low), high_sums = vpaddlq_s16(high);
    if (run < count) {
        foreach (i, count / run - 1) {
            add_products(w, x, (i + 1) * run, run, &low, &high);
            low_sums = vpadalq_s16(low_sums, low);
            high_sums = vpadalq_s16(high_sums, high);
        }
    }
    return vaddq_s32(start, vpaddq_s32(low_sums, high_sums));
}

static ALWAYS_INLINE int16x8_t two_products(int8x16_t a, int8x16_t b)
{
    return vmlal_high_s8(vmull_s8(vget_low_s8(a), vget_low_s8(b)), a, b);
}

static ALWAYS_INLINE int32x4_t dot_16(int8x16_t a, int8x16_t b)
{
    return vpaddlq_s16(two_products(a, b));
}

static ALWAYS_INLINE int32x4_t dot_32(quants q, quants act)
{
    return vpadalq_s16(dot_16(q.a, act.a), two_products(q.b, act.b));
}

#endif

#endif
