/* Four rows side by side, a quad: a register has four bytes of each of its rows, a column, or a 32-bit number of each. Interleaved
 * rows are stored so; plain rows are transposed into it. No product is ever summed across rows. */
#ifndef SMG_KERNELS_ARM_QUADS_H
#define SMG_KERNELS_ARM_QUADS_H

#include "format/blocks.h"
#include "kernels/arm/common_arm.h"
#if defined(__ARM_FEATURE_MATMUL_INT8)
#include "kernels/arm/tiles_i8mm.h"
#endif

/* A word of all rows of a group, and a half of them. */
enum {
    WORD_BYTES = 4 * SMG_GROUP_ROWS,
    HALF_BYTES = (int)sizeof(smg_half) * SMG_GROUP_ROWS,
    QUADS = SMG_GROUP_ROWS / 4,
    PAIR_ROWS = 8 /* of a pair of quads */
};

static ALWAYS_INLINE int64_t at_most(int64_t n, int64_t limit)
{
    return n < limit ? n : limit;
}

/* ---- Loads that move their pointer on ------------------------------------------------------------------- */

/* Left alone, GCC splits these, adds up addresses, and begins with all of them at once, until it has too few registers. What they read
 * is written by nobody while a kernel runs. */

static ALWAYS_INLINE byte_pair next_byte_pair(const void **p)
{
    byte_pair pair;
    __asm__ volatile("ldp %q0, %q1, [%2], #32" : "=w"(pair.first), "=w"(pair.second), "+r"(*p));
    return pair;
}

static ALWAYS_INLINE float next_float(const void **p)
{
    float value;
    __asm__ volatile("ldr %s0, [%1], #4" : "=w"(value), "+r"(*p));
    return value;
}

/* The next word of a block of interleaved rows, for a pair of quads. */
static ALWAYS_INLINE void next_words(const uint8_t **words, uint8x16_t *ret_a, uint8x16_t *ret_b)
{
    __asm__ volatile("ldp %q0, %q1, [%2], %3" : "=w"(*ret_a), "=w"(*ret_b), "+r"(*words) : "i"(WORD_BYTES));
}

/* The same for all quads of a group. */
static ALWAYS_INLINE void next_all_words(const uint8_t **words, uint8x16_t *ret)
{
    uint8x16x4_t all;
    __asm__ volatile("ld1 {%S0.16b - %V0.16b}, [%1], %2" : "=w"(all), "+r"(*words) : "i"(WORD_BYTES));
    foreach (i, QUADS)
        ret[i] = all.val[i];
}

/* ---- Halves --------------------------------------------------------------------------------------------- */

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
static ALWAYS_INLINE void split_halves(uint8x16_t a, uint8x16_t b, float_pair *ret_low, float_pair *ret_high)
{
    *ret_low = widen_halves(vuzp1q_u16(vreinterpretq_u16_u8(a), vreinterpretq_u16_u8(b)));
    *ret_high = widen_halves(vuzp2q_u16(vreinterpretq_u16_u8(a), vreinterpretq_u16_u8(b)));
}

/* ---- Columns of a panel ---------------------------------------------------------------------------------- */

#if !defined(__ARM_FEATURE_MATMUL_INT8)

/* 16 elements of each of four rows into columns: words i of four registers into register i. */
static ALWAYS_INLINE void put_rows(int8x16_t a, int8x16_t b, int8x16_t c, int8x16_t d, int8_t (*ret)[16])
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

/* Two columns that are neighbours. */
static ALWAYS_INLINE void put_columns(int8x16_t even, int8x16_t odd, int8_t (*ret)[16])
{
    vst1q_s8(ret[0], even);
    vst1q_s8(ret[1], odd);
}

#endif

/* ---- Plain rows ----------------------------------------------------------------------------------------- */

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

/* Sums of products of a quad. */
typedef struct quad_sum {
    int32x4_t sum;
} quad_sum;

static ALWAYS_INLINE void quad_begin(quad_sum *sum, int32x4_t start)
{
    sum->sum = start;
}

/* Adds column number n of `count`, of weights up to `most` in magnitude, times word `word` of x. */
static ALWAYS_INLINE void quad_add(quad_sum *sum, int8x16_t w, int8x16_t x, const int word, const int n,
                                   const int count, const int most)
{
    (void)n;
    (void)count;
    (void)most;
    switch (word) {
    case 0:
        sum->sum = vdotq_laneq_s32(sum->sum, w, x, 0);
        break;
    case 1:
        sum->sum = vdotq_laneq_s32(sum->sum, w, x, 1);
        break;
    case 2:
        sum->sum = vdotq_laneq_s32(sum->sum, w, x, 2);
        break;
    default:
        sum->sum = vdotq_laneq_s32(sum->sum, w, x, 3);
    }
}

static ALWAYS_INLINE int32x4_t quad_end(const quad_sum *sum, const int count, const int most)
{
    (void)count;
    (void)most;
    return sum->sum;
}

/* What was added until here is computed before anything is loaded that comes after. */
static ALWAYS_INLINE void quad_settle(quad_sum *sum)
{
    __asm__ volatile("" : "+w"(sum->sum));
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
typedef struct quad_sum {
    int16x8_t low, high; /* of the first two rows, and of the last two */
    int32x4_t low_sums, high_sums, start;
} quad_sum;

static ALWAYS_INLINE void quad_begin(quad_sum *sum, int32x4_t start)
{
    sum->start = start;
}

static ALWAYS_INLINE int8x16_t repeat_word(int8x16_t x, const int word)
{
    const int32x4_t words = vreinterpretq_s32_s8(x);
    switch (word) {
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

/* How many columns fit. */
static ALWAYS_INLINE int quad_fit(const int count, const int most)
{
    const int fit = INT16_MAX / (127 * most);
    return fit < count ? fit : count;
}

static ALWAYS_INLINE void quad_add(quad_sum *sum, int8x16_t w, int8x16_t x, const int word, const int n,
                                   const int count, const int most)
{
    const int8x16_t act = repeat_word(x, word);
    const int8x8_t w_low = vget_low_s8(w), act_low = vget_low_s8(act);
    const int run = quad_fit(count, most);
    sum->low = n % run == 0 ? vmull_s8(w_low, act_low) : vmlal_s8(sum->low, w_low, act_low);
    sum->high = n % run == 0 ? vmull_high_s8(w, act) : vmlal_high_s8(sum->high, w, act);
    if (run == count || n % run != run - 1)
        return;
    sum->low_sums = n < run ? vpaddlq_s16(sum->low) : vpadalq_s16(sum->low_sums, sum->low);
    sum->high_sums = n < run ? vpaddlq_s16(sum->high) : vpadalq_s16(sum->high_sums, sum->high);
}

static ALWAYS_INLINE int32x4_t quad_end(const quad_sum *sum, const int count, const int most)
{
    if (quad_fit(2 * count, most) == 2 * count)
        return vpadalq_s16(sum->start, vpaddq_s16(sum->low, sum->high));
    if (quad_fit(count, most) == count)
        return vaddq_s32(sum->start, vpaddq_s32(vpaddlq_s16(sum->low), vpaddlq_s16(sum->high)));
    return vaddq_s32(sum->start, vpaddq_s32(sum->low_sums, sum->high_sums));
}

static ALWAYS_INLINE void quad_settle(quad_sum *sum)
{
    __asm__ volatile("" : "+w"(sum->low), "+w"(sum->high));
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

/* start + the products of `count` columns with as many words of x. */
static ALWAYS_INLINE int32x4_t quad_dot(int32x4_t start, const int8x16_t *w, const int8x16_t *x,
                                        const int count, const int most)
{
    quad_sum sum;
    quad_begin(&sum, start);
    foreach (n, count)
        quad_add(&sum, w[n], x[n / 4], n % 4, n, count, most);
    return quad_end(&sum, count, most);
}

#endif
