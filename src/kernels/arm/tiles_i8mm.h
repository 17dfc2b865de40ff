/* What the matrix multiply instruction wants and gives. It takes 8 bytes each of two tokens and of two rows, and adds their four products
 * to a tile: both rows with the first token, then both with the second. */
#ifndef SMG_KERNELS_ARM_TILES_I8MM_H
#define SMG_KERNELS_ARM_TILES_I8MM_H

#include "kernels/arm/common_arm.h"

static ALWAYS_INLINE int8x16_t lower_halves(int8x16_t a, int8x16_t b)
{
    return vreinterpretq_s8_s64(vzip1q_s64(vreinterpretq_s64_s8(a), vreinterpretq_s64_s8(b)));
}

static ALWAYS_INLINE int8x16_t upper_halves(int8x16_t a, int8x16_t b)
{
    return vreinterpretq_s8_s64(vzip2q_s64(vreinterpretq_s64_s8(a), vreinterpretq_s64_s8(b)));
}

/* ---- Rows ------------------------------------------------------------------------------------------------ */

/* What a panel holds instead of columns 2j and 2j + 1 of four rows: elements 8j to 8j + 7 of the first two, and those of the last two. Here of 16
 * elements of each row, or of two columns that are neighbours. */
static ALWAYS_INLINE void put_rows(int8x16_t a, int8x16_t b, int8x16_t c, int8x16_t d, int8_t (*ret)[16])
{
    vst1q_s8(ret[0], lower_halves(a, b));
    vst1q_s8(ret[1], lower_halves(c, d));
    vst1q_s8(ret[2], upper_halves(a, b));
    vst1q_s8(ret[3], upper_halves(c, d));
}

static ALWAYS_INLINE void put_columns(int8x16_t even, int8x16_t odd, int8_t (*ret)[16])
{
    const int32x4_t a = vreinterpretq_s32_s8(even), b = vreinterpretq_s32_s8(odd);
    vst1q_s8(ret[0], vreinterpretq_s8_s32(vzip1q_s32(a, b)));
    vst1q_s8(ret[1], vreinterpretq_s8_s32(vzip2q_s32(a, b)));
}

/* ---- Tokens ---------------------------------------------------------------------------------------------- */

/* 32 elements of two tokens: register n of four has elements 8n to 8n + 7 of both. */
static ALWAYS_INLINE void pair_tokens(const uint8_t *a, const uint8_t *b, int8_t (*ret)[16])
{
    const byte_pair x = load_byte_pair(a), y = load_byte_pair(b);
    vst1q_s8(ret[0], lower_halves(x.first, y.first));
    vst1q_s8(ret[1], upper_halves(x.first, y.first));
    vst1q_s8(ret[2], lower_halves(x.second, y.second));
    vst1q_s8(ret[3], upper_halves(x.second, y.second));
}

/* ---- Tiles ----------------------------------------------------------------------------------------------- */

/* The sums of pairs of tokens with four rows, in two registers a pair: each has a token, or else they are the tiles of the first two rows and
 * of the last two. From either to the other. */
static ALWAYS_INLINE void turn_tiles(int32x4_t *sums, const int count)
{
    foreach (i, count / 2) {
        const int8x16_t a = vreinterpretq_s8_s32(sums[2 * i]), b = vreinterpretq_s8_s32(sums[2 * i + 1]);
        sums[2 * i] = vreinterpretq_s32_s8(lower_halves(a, b));
        sums[2 * i + 1] = vreinterpretq_s32_s8(upper_halves(a, b));
    }
}

static ALWAYS_INLINE void turn_float_tiles(float32x4_t *sums, const int count)
{
    foreach (i, count / 2) {
        int32x4_t pair[2] = {vreinterpretq_s32_f32(sums[2 * i]), vreinterpretq_s32_f32(sums[2 * i + 1])};
        turn_tiles(pair, 2);
        sums[2 * i] = vreinterpretq_f32_s32(pair[0]);
        sums[2 * i + 1] = vreinterpretq_f32_s32(pair[1]);
    }
}

/* A number of each of four rows, as it meets the tiles of the first two and of the last two. */
typedef struct float_tiles {
    float32x4_t low, high;
} float_tiles;

static ALWAYS_INLINE float_tiles load_float_tiles(const float *p)
{
    const float64x2_t both = vreinterpretq_f64_f32(vld1q_f32(p));
    return (float_tiles){vreinterpretq_f32_f64(vdupq_laneq_f64(both, 0)),
                         vreinterpretq_f32_f64(vdupq_laneq_f64(both, 1))};
}

typedef struct int_tiles {
    int32x4_t low, high;
} int_tiles;

static ALWAYS_INLINE int_tiles load_int_tiles(const int32_t *p)
{
    const int64x2_t both = vreinterpretq_s64_s32(vld1q_s32(p));
    return (int_tiles){vreinterpretq_s32_s64(vdupq_laneq_s64(both, 0)),
                       vreinterpretq_s32_s64(vdupq_laneq_s64(both, 1))};
}

/* ---- Products -------------------------------------------------------------------------------------------- */

/* Loads that stay where they are, between one pair of tokens and the next: left alone, GCC begins with all pairs at once and then has too few
 * registers. SETTLE is what they stay behind. */
static ALWAYS_INLINE byte_pair load_pair_here(const int8_t (*p)[16])
{
#if defined(__clang__)
    return load_byte_pair(p);
#else
    byte_pair pair;
    __asm__ volatile("ldp %q0, %q1, %2"
                     : "=w"(pair.first), "=w"(pair.second)
                     : "Ump"(*(const pair_place *)p)
                     : "memory");
    return pair;
#endif
}

static ALWAYS_INLINE float32x4_t load_floats_here(const float *p)
{
#if defined(__clang__)
    return vld1q_f32(p);
#else
    float32x4_t floats;
    __asm__ volatile("ldr %q0, %1" : "=w"(floats) : "m"(*(const pair_place *)p));
    return floats;
#endif
}

/* 16 elements of two tokens and four rows, from pairs of registers. */
static ALWAYS_INLINE void add_products(int_tiles *sums, const int8_t (*tokens)[16], const byte_pair *rows)
{
    const byte_pair x = load_pair_here(tokens);
    sums->low = vmmlaq_s32(sums->low, x.first, rows[0].first);
    sums->high = vmmlaq_s32(sums->high, x.first, rows[0].second);
    sums->low = vmmlaq_s32(sums->low, x.second, rows[1].first);
    sums->high = vmmlaq_s32(sums->high, x.second, rows[1].second);
}

#endif
