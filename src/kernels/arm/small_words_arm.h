/* Blocks of 32 of interleaved rows as eight columns, for a pair of quads. `words` is the block's first word of the pair's first
 * row. */
#ifndef SMG_KERNELS_ARM_SMALL_WORDS_H
#define SMG_KERNELS_ARM_SMALL_WORDS_H

#include "kernels/arm/quads_arm.h"

typedef void (*small_words_fn)(const uint8_t *words, int8x16_t *ret_a, int8x16_t *ret_b);

static ALWAYS_INLINE void split_nibbles(uint8x16_t both, int8x16_t *ret_low, int8x16_t *ret_high)
{
    *ret_low = vreinterpretq_s8_u8(vandq_u8(both, vdupq_n_u8(15)));
    *ret_high = vreinterpretq_s8_u8(vshrq_n_u8(both, 4));
}

static ALWAYS_INLINE void words_nibbles(const uint8_t *words, int8x16_t *ret_a, int8x16_t *ret_b)
{
    foreach (g, 4) {
        uint8x16_t a, b;
        load_words(words, g, &a, &b);
        split_nibbles(a, ret_a + g, ret_a + g + 4);
        split_nibbles(b, ret_b + g, ret_b + g + 4);
    }
}

static ALWAYS_INLINE void words_q4_0(const uint8_t *words, int8x16_t *ret_a, int8x16_t *ret_b)
{
    words_nibbles(words, ret_a, ret_b);
}

static ALWAYS_INLINE void words_q4_1(const uint8_t *words, int8x16_t *ret_a, int8x16_t *ret_b)
{
    words_nibbles(words + WORD_BYTES, ret_a, ret_b);
}

/* The nibbles of `both` below what `low` and `high` say of bits 4 to 7: all set, or none. */
static ALWAYS_INLINE void join_nibbles(uint8x16_t both, uint8x16_t low, uint8x16_t high, int8x16_t *ret_low,
                                       int8x16_t *ret_high)
{
    *ret_low = vreinterpretq_s8_u8(vsliq_n_u8(both, low, 4));
    *ret_high = vreinterpretq_s8_u8(vsriq_n_u8(high, both, 4));
}

/* Bit g of each byte of `bits` is the fifth bit of an element of column g. Inverted: one that is not set makes four ones above its
 * nibble, which take 16. */
static ALWAYS_INLINE uint8x16_t spread_bit(uint8x16_t bits, int g)
{
    return vtstq_u8(bits, vdupq_n_u8((uint8_t)(1 << g)));
}

static ALWAYS_INLINE void words_q5_0(const uint8_t *words, int8x16_t *ret_a, int8x16_t *ret_b)
{
    uint8x16_t bits_a, bits_b;
    load_words(words, 0, &bits_a, &bits_b);
    bits_a = vmvnq_u8(bits_a);
    bits_b = vmvnq_u8(bits_b);
    foreach (g, 4) {
        uint8x16_t a, b;
        load_words(words, 1 + g, &a, &b);
        join_nibbles(a, spread_bit(bits_a, g), spread_bit(bits_a, g + 4), ret_a + g, ret_a + g + 4);
        join_nibbles(b, spread_bit(bits_b, g), spread_bit(bits_b, g + 4), ret_b + g, ret_b + g + 4);
    }
}

/* Not centered: its bits add 16. */
static ALWAYS_INLINE void words_q5_1(const uint8_t *words, int8x16_t *ret_a, int8x16_t *ret_b)
{
    const uint8x16_t one = vdupq_n_u8(0x11);
    uint8x16_t bits_a, bits_b;
    load_words(words, 1, &bits_a, &bits_b);
    foreach (g, 4) {
        uint8x16_t a, b;
        load_words(words, 2 + g, &a, &b);
        join_nibbles(a, vandq_u8(spread_bit(bits_a, g), one), vandq_u8(spread_bit(bits_a, g + 4), one),
                     ret_a + g, ret_a + g + 4);
        join_nibbles(b, vandq_u8(spread_bit(bits_b, g), one), vandq_u8(spread_bit(bits_b, g + 4), one),
                     ret_b + g, ret_b + g + 4);
    }
}

static ALWAYS_INLINE void words_q8_0(const uint8_t *words, int8x16_t *ret_a, int8x16_t *ret_b)
{
    foreach (g, 8) {
        const byte_pair pair = load_byte_pair(words + g * WORD_BYTES);
        ret_a[g] = pair.first;
        ret_b[g] = pair.second;
    }
}

static ALWAYS_INLINE void words_iq4_nl(const uint8_t *words, int8x16_t *ret_a, int8x16_t *ret_b)
{
    words_nibbles(words, ret_a, ret_b);
    foreach (g, 8) {
        ret_a[g] = iq4_level(ret_a[g]);
        ret_b[g] = iq4_level(ret_b[g]);
    }
}

#endif
