/* Blocks of 32 of interleaved rows as columns, two at a time. `*words` is the next word of the block, and then of the next block. */
#ifndef SMG_KERNELS_ARM_SMALL_WORDS_H
#define SMG_KERNELS_ARM_SMALL_WORDS_H

#include "kernels/arm/quads_arm.h"

/* What comes before a block's quants: fifth bits of each quad. */
typedef void (*small_bits_fn)(const uint8_t **words, uint8x16_t *ret_bits);
/* Step g of four gives each quad columns g and g + 4, but in Q8_0 columns 2g and 2g + 1. */
typedef void (*small_words_fn)(const uint8_t **words, const uint8x16_t *bits, int g, int8x16_t *ret_first,
                               int8x16_t *ret_second);

static ALWAYS_INLINE void bits_none(const uint8_t **words, uint8x16_t *ret_bits)
{
    (void)words;
    (void)ret_bits;
}

static ALWAYS_INLINE int8x16_t nibble(uint8x16_t both, const bool upper)
{
    return vreinterpretq_s8_u8(upper ? vshrq_n_u8(both, 4) : vandq_u8(both, vdupq_n_u8(15)));
}

static ALWAYS_INLINE void words_q4_0(const uint8_t **words, const uint8x16_t *bits, int g,
                                     int8x16_t *ret_first, int8x16_t *ret_second)
{
    uint8x16_t all[QUADS];
    (void)bits;
    (void)g;
    next_all_words(words, all);
    foreach (i, QUADS) {
        ret_first[i] = nibble(all[i], false);
        ret_second[i] = nibble(all[i], true);
    }
}

/* All ones where bit g is set. In assembly, for else GCC takes it apart. */
static ALWAYS_INLINE uint8x16_t spread_bit(uint8x16_t bits, int g)
{
    uint8x16_t ones;
    __asm__("cmtst %0.16b, %1.16b, %2.16b" : "=w"(ones) : "w"(bits), "w"(vdupq_n_u8((uint8_t)(1 << g))));
    return ones;
}

/* A nibble of each byte of `both` below what `above` has in its bits 4 to 7. */
static ALWAYS_INLINE int8x16_t join_nibble(uint8x16_t both, const bool upper, uint8x16_t above)
{
    return vreinterpretq_s8_u8(upper ? vsriq_n_u8(above, both, 4) : vbslq_u8(vdupq_n_u8(15), both, above));
}

/* Bit g of each byte is the fifth bit of an element of column g. Inverted: one that is not set makes four ones above its nibble, which
 * take 16. */
static ALWAYS_INLINE void bits_q5_0(const uint8_t **words, uint8x16_t *ret_bits)
{
    next_all_words(words, ret_bits);
    foreach (i, QUADS)
        ret_bits[i] = vmvnq_u8(ret_bits[i]);
}

static ALWAYS_INLINE void words_q5_0(const uint8_t **words, const uint8x16_t *bits, int g,
                                     int8x16_t *ret_first, int8x16_t *ret_second)
{
    uint8x16_t all[QUADS];
    next_all_words(words, all);
    foreach (i, QUADS) {
        ret_first[i] = join_nibble(all[i], false, spread_bit(bits[i], g));
        ret_second[i] = join_nibble(all[i], true, spread_bit(bits[i], g + 4));
    }
}

/* Not centered: bits add 16. */
static ALWAYS_INLINE void bits_q5_1(const uint8_t **words, uint8x16_t *ret_bits)
{
    next_all_words(words, ret_bits);
}

static ALWAYS_INLINE void words_q5_1(const uint8_t **words, const uint8x16_t *bits, int g,
                                     int8x16_t *ret_first, int8x16_t *ret_second)
{
    const uint8x16_t fifth = vdupq_n_u8(16);
    uint8x16_t all[QUADS];
    next_all_words(words, all);
    foreach (i, QUADS) {
        ret_first[i] = join_nibble(all[i], false, vandq_u8(spread_bit(bits[i], g), fifth));
        ret_second[i] = join_nibble(all[i], true, vandq_u8(spread_bit(bits[i], g + 4), fifth));
    }
}

static ALWAYS_INLINE void words_q8_0(const uint8_t **words, const uint8x16_t *bits, int g,
                                     int8x16_t *ret_first, int8x16_t *ret_second)
{
    uint8x16_t first[QUADS], second[QUADS];
    (void)bits;
    (void)g;
    next_all_words(words, first);
    next_all_words(words, second);
    foreach (i, QUADS) {
        ret_first[i] = vreinterpretq_s8_u8(first[i]);
        ret_second[i] = vreinterpretq_s8_u8(second[i]);
    }
}

static ALWAYS_INLINE void words_iq4_nl(const uint8_t **words, const uint8x16_t *bits, int g,
                                       int8x16_t *ret_first, int8x16_t *ret_second)
{
    words_q4_0(words, bits, g, ret_first, ret_second);
    foreach (i, QUADS) {
        ret_first[i] = iq4_level(ret_first[i]);
        ret_second[i] = iq4_level(ret_second[i]);
    }
}

#endif
