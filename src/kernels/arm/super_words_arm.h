/* Super-blocks of interleaved rows as columns, for a pair of quads, and what scales them. `words` is the super-block's first word of
 * the pair's first row, `halves` its first lone half.
 * Four words, those of a step, have parts of 16 elements, half a chunk each: in step s of a type with n parts those are half s % 2
 * of chunks s / 2 * n and on, or in IQ4_XS both halves of chunk s. */
#ifndef SMG_KERNELS_ARM_SUPER_WORDS_H
#define SMG_KERNELS_ARM_SUPER_WORDS_H

#include "kernels/arm/small_words_arm.h"

/* Bytes: those of chunks, or of their halves, 4i to 4i + 3 of each row are in register i. */
typedef struct super_scales {
    int8x16_t scales[4], mins[4];
} super_scales;

typedef struct super_words_head {
    super_scales a, b;
    float_pair d, dmin;
} super_words_head;

/* Where the next words of a step are, of each kind that a type has. */
typedef struct super_words {
    const uint8_t *first, *second, *bits;
} super_words;

typedef void (*super_words_head_fn)(const uint8_t *words, const uint8_t *halves, super_words_head *ret_head);
typedef super_words (*super_step_fn)(const uint8_t *words, int step);
/* A column of each part. */
typedef void (*super_words_fn)(super_words *words, int step, int8x16_t *ret_a, int8x16_t *ret_b);

/* A scale of each row, as 32 bits. */
static ALWAYS_INLINE int32x4_t widen_unsigned(int8x16_t scales, const int place)
{
    const uint32x4_t at = {0xffffff00U + (uint32_t)place, 0xffffff04U + (uint32_t)place,
                           0xffffff08U + (uint32_t)place, 0xffffff0cU + (uint32_t)place};
    return vreinterpretq_s32_s8(vqtbl1q_s8(scales, vreinterpretq_u8_u32(at)));
}

static ALWAYS_INLINE int32x4_t widen_signed(int8x16_t scales, const int place)
{
    const int32x4_t words = vreinterpretq_s32_s8(scales);
    switch (place) {
    case 0:
        return vshrq_n_s32(vshlq_n_s32(words, 24), 24);
    case 1:
        return vshrq_n_s32(vshlq_n_s32(words, 16), 24);
    case 2:
        return vshrq_n_s32(vshlq_n_s32(words, 8), 24);
    default:
        return vshrq_n_s32(words, 24);
    }
}

/* ---- Q2_K, Q3_K ---------------------------------------------------------------------------------------- */

/* Pair of bits `field` of each byte, with what stands above it. */
static ALWAYS_INLINE uint8x16_t shift_pairs(uint8x16_t x, const int field)
{
    return field == 0 ? x : field == 1 ? vshrq_n_u8(x, 2) : field == 2 ? vshrq_n_u8(x, 4) : vshrq_n_u8(x, 6);
}

static ALWAYS_INLINE void split_scales(uint8x16_t both, super_scales *ret, int i)
{
    ret->scales[i] = nibble(both, false);
    ret->mins[i] = nibble(both, true);
}

static ALWAYS_INLINE void words_head_q2_k(const uint8_t *words, const uint8_t *halves,
                                          super_words_head *ret_head)
{
    (void)halves;
    const uint8_t *scales = words, *d = words + 20 * WORD_BYTES;
    uint8x16_t a, b;
    foreach (i, 4) {
        next_words(&scales, &a, &b);
        split_scales(a, &ret_head->a, i);
        split_scales(b, &ret_head->b, i);
    }
    next_words(&d, &a, &b);
    split_halves(a, b, &ret_head->d, &ret_head->dmin);
}

/* Each 8 words hold four chunks. */
static ALWAYS_INLINE int8x16_t bit_pair(uint8x16_t pairs, const int field)
{
    const uint8x16_t moved = shift_pairs(pairs, field);
    return vreinterpretq_s8_u8(field == 3 ? moved : vandq_u8(moved, vdupq_n_u8(3)));
}

static ALWAYS_INLINE super_words step_q2_k(const uint8_t *words, int step)
{
    return (super_words){.first = words + (4 + 4 * step) * WORD_BYTES};
}

static ALWAYS_INLINE void words_q2_k(super_words *words, int step, int8x16_t *ret_a, int8x16_t *ret_b)
{
    uint8x16_t a, b;
    (void)step;
    next_words(&words->first, &a, &b);
    foreach (i, 4) {
        ret_a[i] = bit_pair(a, i);
        ret_b[i] = bit_pair(b, i);
    }
}

/* Scales of six bits less 32: low nibbles of two words, high nibbles of them, bit pairs of the third. */
static ALWAYS_INLINE void q3_k_scales(const uint8x16_t *low, uint8x16_t high, super_scales *ret)
{
    const uint8x16_t mask = vdupq_n_u8(0x30), zero = vdupq_n_u8(32);
    const uint8x16_t pairs[4] = {vshlq_n_u8(high, 4), vshlq_n_u8(high, 2), high, vshrq_n_u8(high, 2)};
    foreach (i, 4) {
        const uint8x16_t nibbles = i < 2 ? vandq_u8(low[i % 2], vdupq_n_u8(15)) : vshrq_n_u8(low[i % 2], 4);
        const uint8x16_t six = vorrq_u8(nibbles, vandq_u8(pairs[i], mask));
        ret->scales[i] = vreinterpretq_s8_u8(vsubq_u8(six, zero));
    }
}

static ALWAYS_INLINE void words_head_q3_k(const uint8_t *words, const uint8_t *halves,
                                          super_words_head *ret_head)
{
    const uint8_t *scales = words + 24 * WORD_BYTES;
    uint8x16_t a[3], b[3];
    foreach (i, 3)
        next_words(&scales, &a[i], &b[i]);
    q3_k_scales(a, a[2], &ret_head->a);
    q3_k_scales(b, b[2], &ret_head->b);
    ret_head->d = load_halves(halves);
}

/* Bits are inverted: a third bit that is not set makes six ones above its pair, which take 4. */
static ALWAYS_INLINE int8x16_t join_third(uint8x16_t pairs, const int field, uint8x16_t bits, int j)
{
    const uint8x16_t upper = spread_bit(bits, j);
    if (field == 3)
        return vreinterpretq_s8_u8(vsriq_n_u8(upper, pairs, 6));
    return vreinterpretq_s8_u8(vbslq_u8(vdupq_n_u8(3), shift_pairs(pairs, field), upper));
}

static ALWAYS_INLINE super_words step_q3_k(const uint8_t *words, int step)
{
    return (super_words){.first = words + (8 + 4 * step) * WORD_BYTES,
                         .bits = words + step % 2 * 4 * WORD_BYTES};
}

static ALWAYS_INLINE void words_q3_k(super_words *words, int step, int8x16_t *ret_a, int8x16_t *ret_b)
{
    uint8x16_t a, b, bits_a, bits_b;
    next_words(&words->first, &a, &b);
    next_words(&words->bits, &bits_a, &bits_b);
    bits_a = vmvnq_u8(bits_a);
    bits_b = vmvnq_u8(bits_b);
    foreach (i, 4) {
        ret_a[i] = join_third(a, i, bits_a, step / 2 * 4 + i);
        ret_b[i] = join_third(b, i, bits_b, step / 2 * 4 + i);
    }
}

/* ---- Q4_K, Q5_K ---------------------------------------------------------------------------------------- */

/* Six bits each: the first four scales and minimums are the low bits of words 1 and 2; the last four are nibbles of
 * word 3 and the first ones' spare upper bits. */
static ALWAYS_INLINE void q4_k_words_scales(uint8x16_t first, uint8x16_t second, uint8x16_t third,
                                            super_scales *ret)
{
    const uint8x16_t six = vdupq_n_u8(0x3f), low = vdupq_n_u8(15);
    ret->scales[0] = vreinterpretq_s8_u8(vandq_u8(first, six));
    ret->mins[0] = vreinterpretq_s8_u8(vandq_u8(second, six));
    /* the two upper bits shifted down to their place leave four bits for the nibble */
    ret->scales[1] =
        vreinterpretq_s8_u8(vbslq_u8(low, third, vandq_u8(vshrq_n_u8(first, 2), vdupq_n_u8(0x30))));
    ret->mins[1] =
        vreinterpretq_s8_u8(vsriq_n_u8(vandq_u8(vshrq_n_u8(second, 2), vdupq_n_u8(0x30)), third, 4));
}

static ALWAYS_INLINE void words_head_q4_k(const uint8_t *words, const uint8_t *halves,
                                          super_words_head *ret_head)
{
    uint8x16_t a[4], b[4];
    (void)halves;
    foreach (i, 4)
        next_words(&words, &a[i], &b[i]);
    split_halves(a[0], b[0], &ret_head->d, &ret_head->dmin);
    q4_k_words_scales(a[1], a[2], a[3], &ret_head->a);
    q4_k_words_scales(b[1], b[2], b[3], &ret_head->b);
}

/* Each 8 words hold two chunks. */
static ALWAYS_INLINE super_words step_q4_k(const uint8_t *words, int step)
{
    return (super_words){.first = words + (4 + 4 * step) * WORD_BYTES};
}

static ALWAYS_INLINE void words_q4_k(super_words *words, int step, int8x16_t *ret_a, int8x16_t *ret_b)
{
    uint8x16_t a, b;
    (void)step;
    next_words(&words->first, &a, &b);
    foreach (i, 2) {
        ret_a[i] = nibble(a, i == 1);
        ret_b[i] = nibble(b, i == 1);
    }
}

/* As in Q5_0, a fifth bit that is not set takes 16. */
static ALWAYS_INLINE super_words step_q5_k(const uint8_t *words, int step)
{
    return (super_words){.first = words + (12 + 4 * step) * WORD_BYTES,
                         .bits = words + (4 + step % 2 * 4) * WORD_BYTES};
}

static ALWAYS_INLINE void words_q5_k(super_words *words, int step, int8x16_t *ret_a, int8x16_t *ret_b)
{
    uint8x16_t a, b, bits_a, bits_b;
    next_words(&words->first, &a, &b);
    next_words(&words->bits, &bits_a, &bits_b);
    bits_a = vmvnq_u8(bits_a);
    bits_b = vmvnq_u8(bits_b);
    foreach (i, 2) {
        ret_a[i] = join_nibble(a, i == 1, spread_bit(bits_a, step / 2 * 2 + i));
        ret_b[i] = join_nibble(b, i == 1, spread_bit(bits_b, step / 2 * 2 + i));
    }
}

/* ---- Q6_K ---------------------------------------------------------------------------------------------- */

static ALWAYS_INLINE void words_head_q6_k(const uint8_t *words, const uint8_t *halves,
                                          super_words_head *ret_head)
{
    const uint8_t *scales = words + 48 * WORD_BYTES;
    foreach (i, 4) {
        uint8x16_t a, b;
        next_words(&scales, &a, &b);
        ret_head->a.scales[i] = vreinterpretq_s8_u8(a);
        ret_head->b.scales[i] = vreinterpretq_s8_u8(b);
    }
    ret_head->d = load_halves(halves);
}

/* Each 16 words of low bits hold four chunks: the low nibbles of two, then the high nibbles of two. The pairs of upper bits are shifted
 * to stand above a nibble, or the nibble below them; what comes along beyond them goes. */
static ALWAYS_INLINE void join_pairs(uint8x16_t first, uint8x16_t second, uint8x16_t pairs, int8x16_t *ret)
{
    uint8x16_t one, two, three;
    /* in an order in which nothing has to be copied before it is overwritten */
    __asm__("and %2.16b, %4.16b, %6.16b\n\t"
            "ushr %3.16b, %4.16b, #2\n\t"
            "and %1.16b, %5.16b, %8.16b\n\t"
            "sri %2.16b, %0.16b, #4\n\t"
            "sli %0.16b, %4.16b, #4\n\t"
            "sli %1.16b, %3.16b, #4\n\t"
            "sri %3.16b, %5.16b, #4\n\t"
            "and %0.16b, %0.16b, %7.16b\n\t"
            "and %1.16b, %1.16b, %7.16b"
            : "+w"(first), "=&w"(one), "=&w"(two), "=&w"(three)
            : "w"(pairs), "w"(second), "w"(vdupq_n_u8(0x30)), "w"(vdupq_n_u8(0x3f)), "w"(vdupq_n_u8(15)));
    ret[0] = vreinterpretq_s8_u8(first);
    ret[1] = vreinterpretq_s8_u8(one);
    ret[2] = vreinterpretq_s8_u8(two);
    ret[3] = vreinterpretq_s8_u8(three);
}

static ALWAYS_INLINE super_words step_q6_k(const uint8_t *words, int step)
{
    const int first = step / 2 * 16 + step % 2 * 4;
    return (super_words){words + first * WORD_BYTES, words + (first + 8) * WORD_BYTES,
                         words + (32 + 4 * step) * WORD_BYTES};
}

static ALWAYS_INLINE void words_q6_k(super_words *words, int step, int8x16_t *ret_a, int8x16_t *ret_b)
{
    uint8x16_t first_a, first_b, second_a, second_b, pairs_a, pairs_b;
    (void)step;
    next_words(&words->first, &first_a, &first_b);
    next_words(&words->second, &second_a, &second_b);
    next_words(&words->bits, &pairs_a, &pairs_b);
    join_pairs(first_a, second_a, pairs_a, ret_a);
    join_pairs(first_b, second_b, pairs_b, ret_b);
}

/* ---- IQ4_XS -------------------------------------------------------------------------------------------- */

/* Scales of six bits less 32: nibbles of word 1, bit pairs of the upper half of word 0. */
static ALWAYS_INLINE void iq4_xs_scales(uint8x16_t first, uint8x16_t second, super_scales *ret)
{
    static const int8_t shifts[4] = {4, 2, 0, -2};
    int32_t all_shifts;
    memcpy(&all_shifts, shifts, sizeof shifts);
    const int8x16_t shift = vreinterpretq_s8_s32(vdupq_n_s32(all_shifts));
    const uint8x16_t even = vandq_u8(second, vdupq_n_u8(15)), odd = vshrq_n_u8(second, 4);
    const uint32x4_t low = vreinterpretq_u32_u8(vzip1q_u8(even, odd));
    const uint32x4_t high = vreinterpretq_u32_u8(vzip2q_u8(even, odd));
    foreach (i, 2) {
        const uint32x4_t byte = {0x02020202, 0x06060606, 0x0a0a0a0a, 0x0e0e0e0e};
        const uint8x16_t place = vaddq_u8(vreinterpretq_u8_u32(byte), vdupq_n_u8((uint8_t)i));
        const uint8x16_t pairs = vandq_u8(vshlq_u8(vqtbl1q_u8(first, place), shift), vdupq_n_u8(0x30));
        const uint8x16_t nibbles =
            vreinterpretq_u8_u32(i == 0 ? vuzp1q_u32(low, high) : vuzp2q_u32(low, high));
        ret->scales[i] = vreinterpretq_s8_u8(vsubq_u8(vorrq_u8(nibbles, pairs), vdupq_n_u8(32)));
    }
}

static ALWAYS_INLINE void words_head_iq4_xs(const uint8_t *words, const uint8_t *halves,
                                            super_words_head *ret_head)
{
    uint8x16_t a[2], b[2];
    float_pair unused;
    (void)halves;
    foreach (i, 2)
        next_words(&words, &a[i], &b[i]);
    iq4_xs_scales(a[0], a[1], &ret_head->a);
    iq4_xs_scales(b[0], b[1], &ret_head->b);
    split_halves(a[0], b[0], &ret_head->d, &unused);
}

static ALWAYS_INLINE super_words step_iq4_xs(const uint8_t *words, int step)
{
    return (super_words){.first = words + (2 + 4 * step) * WORD_BYTES};
}

static ALWAYS_INLINE void words_iq4_xs(super_words *words, int step, int8x16_t *ret_a, int8x16_t *ret_b)
{
    words_q4_k(words, step, ret_a, ret_b);
    foreach (i, 2) {
        ret_a[i] = iq4_level(ret_a[i]);
        ret_b[i] = iq4_level(ret_b[i]);
    }
}

#endif
