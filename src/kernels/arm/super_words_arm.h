/* Super-blocks of interleaved rows as columns, for a pair of quads: those of 16 elements, half of chunk j, at a time; and what scales
 * them. `words` is the super-block's first word of the pair's first row, `halves` its first lone half. */
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

typedef void (*super_words_head_fn)(const uint8_t *words, const uint8_t *halves, super_words_head *ret_head);
typedef void (*super_words_fn)(const uint8_t *words, int j, int half, int8x16_t *ret_a, int8x16_t *ret_b);

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
    split_nibbles(both, &ret->scales[i], &ret->mins[i]);
}

static ALWAYS_INLINE void words_head_q2_k(const uint8_t *words, const uint8_t *halves,
                                          super_words_head *ret_head)
{
    (void)halves;
    foreach (i, 4) {
        uint8x16_t a, b;
        load_words(words, i, &a, &b);
        split_scales(a, &ret_head->a, i);
        split_scales(b, &ret_head->b, i);
    }
    load_two_halves(words, 20, &ret_head->d, &ret_head->dmin);
}

/* Each 8 words hold four chunks. */
static ALWAYS_INLINE int8x16_t bit_pair(uint8x16_t pairs, const int field)
{
    const uint8x16_t moved = shift_pairs(pairs, field);
    return vreinterpretq_s8_u8(field == 3 ? moved : vandq_u8(moved, vdupq_n_u8(3)));
}

static ALWAYS_INLINE void words_q2_k(const uint8_t *words, int j, int half, int8x16_t *ret_a,
                                     int8x16_t *ret_b)
{
    foreach (g, 4) {
        uint8x16_t a, b;
        load_words(words, 4 + j / 4 * 8 + half * 4 + g, &a, &b);
        ret_a[g] = bit_pair(a, j % 4);
        ret_b[g] = bit_pair(b, j % 4);
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
    uint8x16_t a[3], b[3];
    foreach (i, 3)
        load_words(words, 24 + i, &a[i], &b[i]);
    q3_k_scales(a, a[2], &ret_head->a);
    q3_k_scales(b, b[2], &ret_head->b);
    ret_head->d = load_halves(halves);
}

/* A third bit that is not set makes six ones above its pair, which take 4. */
static ALWAYS_INLINE int8x16_t join_third(uint8x16_t pairs, uint8x16_t bits, int j)
{
    const uint8x16_t upper = spread_bit(vmvnq_u8(bits), j);
    if (j % 4 == 3)
        return vreinterpretq_s8_u8(vsriq_n_u8(upper, pairs, 6));
    return vreinterpretq_s8_u8(vbslq_u8(vdupq_n_u8(3), shift_pairs(pairs, j % 4), upper));
}

static ALWAYS_INLINE void words_q3_k(const uint8_t *words, int j, int half, int8x16_t *ret_a,
                                     int8x16_t *ret_b)
{
    foreach (g, 4) {
        uint8x16_t a, b, bits_a, bits_b;
        load_words(words, 8 + j / 4 * 8 + half * 4 + g, &a, &b);
        load_words(words, half * 4 + g, &bits_a, &bits_b);
        ret_a[g] = join_third(a, bits_a, j);
        ret_b[g] = join_third(b, bits_b, j);
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
    uint8x16_t a[3], b[3];
    (void)halves;
    foreach (i, 3)
        load_words(words, 1 + i, &a[i], &b[i]);
    q4_k_words_scales(a[0], a[1], a[2], &ret_head->a);
    q4_k_words_scales(b[0], b[1], b[2], &ret_head->b);
    load_two_halves(words, 0, &ret_head->d, &ret_head->dmin);
}

/* Each 8 words hold two chunks. */
static ALWAYS_INLINE int8x16_t nibble(uint8x16_t both, const int upper)
{
    return vreinterpretq_s8_u8(upper ? vshrq_n_u8(both, 4) : vandq_u8(both, vdupq_n_u8(15)));
}

static ALWAYS_INLINE void words_q4_k(const uint8_t *words, int j, int half, int8x16_t *ret_a,
                                     int8x16_t *ret_b)
{
    foreach (g, 4) {
        uint8x16_t a, b;
        load_words(words, 4 + j / 2 * 8 + half * 4 + g, &a, &b);
        ret_a[g] = nibble(a, j % 2);
        ret_b[g] = nibble(b, j % 2);
    }
}

/* As in Q5_0, a fifth bit that is not set takes 16. */
static ALWAYS_INLINE int8x16_t join_fifth(uint8x16_t both, uint8x16_t bits, int j)
{
    const uint8x16_t upper = spread_bit(vmvnq_u8(bits), j);
    return vreinterpretq_s8_u8(j % 2 ? vsriq_n_u8(upper, both, 4) : vsliq_n_u8(both, upper, 4));
}

static ALWAYS_INLINE void words_q5_k(const uint8_t *words, int j, int half, int8x16_t *ret_a,
                                     int8x16_t *ret_b)
{
    foreach (g, 4) {
        uint8x16_t a, b, bits_a, bits_b;
        load_words(words, 12 + j / 2 * 8 + half * 4 + g, &a, &b);
        load_words(words, 4 + half * 4 + g, &bits_a, &bits_b);
        ret_a[g] = join_fifth(a, bits_a, j);
        ret_b[g] = join_fifth(b, bits_b, j);
    }
}

/* ---- Q6_K ---------------------------------------------------------------------------------------------- */

static ALWAYS_INLINE void words_head_q6_k(const uint8_t *words, const uint8_t *halves,
                                          super_words_head *ret_head)
{
    foreach (i, 4) {
        const byte_pair pair = load_byte_pair(words + (48 + i) * WORD_BYTES);
        ret_head->a.scales[i] = pair.first;
        ret_head->b.scales[i] = pair.second;
    }
    ret_head->d = load_halves(halves);
}

/* Each 16 words of low bits hold four chunks: the low nibbles of two, then the high nibbles of two. The pair of upper bits is shifted
 * to stand above the nibble, or the nibble below it; what comes along beyond them goes. */
static ALWAYS_INLINE int8x16_t join_pair(uint8x16_t both, uint8x16_t pairs, const int field)
{
    const uint8x16_t six = vdupq_n_u8(0x3f);
    const uint8x16_t moved = vshrq_n_u8(pairs, 2);
    switch (field) {
    case 0:
        return vreinterpretq_s8_u8(vandq_u8(vsliq_n_u8(both, pairs, 4), six));
    case 1:
        return vreinterpretq_s8_u8(vandq_u8(vsliq_n_u8(both, moved, 4), six));
    case 2:
        return vreinterpretq_s8_u8(vsriq_n_u8(vandq_u8(pairs, vdupq_n_u8(0x30)), both, 4));
    default:
        return vreinterpretq_s8_u8(vsriq_n_u8(moved, both, 4));
    }
}

static ALWAYS_INLINE void words_q6_k(const uint8_t *words, int j, int half, int8x16_t *ret_a,
                                     int8x16_t *ret_b)
{
    foreach (g, 4) {
        uint8x16_t a, b, pairs_a, pairs_b;
        load_words(words, j / 4 * 16 + j % 2 * 8 + half * 4 + g, &a, &b);
        load_words(words, 32 + j / 4 * 8 + half * 4 + g, &pairs_a, &pairs_b);
        ret_a[g] = join_pair(a, pairs_a, j % 4);
        ret_b[g] = join_pair(b, pairs_b, j % 4);
    }
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
        load_words(words, i, &a[i], &b[i]);
    iq4_xs_scales(a[0], a[1], &ret_head->a);
    iq4_xs_scales(b[0], b[1], &ret_head->b);
    load_two_halves(words, 0, &ret_head->d, &unused);
}

/* The low nibbles of a chunk's words are its first half. */
static ALWAYS_INLINE void words_iq4_xs(const uint8_t *words, int j, int half, int8x16_t *ret_a,
                                       int8x16_t *ret_b)
{
    foreach (g, 4) {
        uint8x16_t a, b;
        load_words(words, 2 + 4 * j + g, &a, &b);
        ret_a[g] = iq4_level(nibble(a, half));
        ret_b[g] = iq4_level(nibble(b, half));
    }
}

#endif
