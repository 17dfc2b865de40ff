/* Blocks of 32 of interleaved rows: eight vectors of integers, each with four elements of each row. `words` is the block's first
 * word of the vector's first row. */
#ifndef SMG_KERNELS_X86_SMALL_WORDS_H
#define SMG_KERNELS_X86_SMALL_WORDS_H

#include "kernels/x86/rows_x86.h"

typedef void (*small_words_fn)(const uint8_t *words, rows_int *ret_q);

static ALWAYS_INLINE void words_nibbles(const uint8_t *words, rows_int *ret_q)
{
    const rows_int low = ROWS_OP(set1_epi8)(15);
    foreach (g, 4) {
        const rows_int both = rows_word(words, g);
        ret_q[g] = rows_and(both, low);
        ret_q[g + 4] = rows_and(ROWS_OP(srli_epi16)(both, 4), low);
    }
}

/* Bit g of each byte is the fifth bit of an element of ret_q[g]. */
static ALWAYS_INLINE void words_fifth_bits(rows_int bits, rows_int *ret_q)
{
    const rows_int fifth = ROWS_OP(set1_epi8)(16);
    foreach (g, 8) {
        const rows_int moved = g < 4 ? ROWS_OP(slli_epi16)(bits, 4 - g) : ROWS_OP(srli_epi16)(bits, g - 4);
        ret_q[g] = rows_or_and(ret_q[g], moved, fifth);
    }
}

static ALWAYS_INLINE void words_q4_0(const uint8_t *words, rows_int *ret_q)
{
    words_nibbles(words, ret_q);
}

static ALWAYS_INLINE void words_q4_1(const uint8_t *words, rows_int *ret_q)
{
    words_nibbles(words + WORD_BYTES, ret_q);
}

static ALWAYS_INLINE void words_q5_0(const uint8_t *words, rows_int *ret_q)
{
    words_nibbles(words + WORD_BYTES, ret_q);
    words_fifth_bits(rows_word(words, 0), ret_q);
}

static ALWAYS_INLINE void words_q5_1(const uint8_t *words, rows_int *ret_q)
{
    words_nibbles(words + 2 * WORD_BYTES, ret_q);
    words_fifth_bits(rows_word(words, 1), ret_q);
}

static ALWAYS_INLINE void words_q8_0(const uint8_t *words, rows_int *ret_q)
{
    foreach (g, 8)
        ret_q[g] = rows_prepare_signed(rows_word(words, g));
}

static ALWAYS_INLINE void words_iq4_nl(const uint8_t *words, rows_int *ret_q)
{
    words_nibbles(words, ret_q);
    foreach (g, 8)
        ret_q[g] = rows_prepare_signed(rows_iq4_levels(ret_q[g]));
}

#endif
