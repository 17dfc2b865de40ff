/* Super-blocks of interleaved rows: chunks of 32 elements as eight vectors, each with four elements of each row, and what scales
 * them. `words` is the super-block's first word of the vector's first row. */
#ifndef SMG_KERNELS_X86_SUPER_WORDS_H
#define SMG_KERNELS_X86_SUPER_WORDS_H

#include "kernels/x86/rows_x86.h"

/* The scales of all rows: bytes, four in a vector, or whatever a type's scale function makes of them. */
typedef struct super_words_head {
    rows_int scales[4];
    rows_int mins[4];
    rows_float d, dmin;
} super_words_head;

typedef super_words_head (*super_words_head_fn)(const uint8_t *words, const uint8_t *halves);
typedef void (*super_words_fn)(const uint8_t *words, int j, rows_int *ret_q);
/* Scale i as 32 bits; of chunk i where the type has one for a chunk, else of 16 elements. */
typedef rows_int (*super_words_scale_fn)(const super_words_head *head, int i);
/* What is taken from chunk j by way of the activations' sums: 16 bits for each half. */
typedef rows_int (*super_words_taken_fn)(const super_words_head *head, int j);

enum { LEFT_OUT = 0x80 }; /* a place of a byte shuffle that becomes 0 */

/* Bytes a, b, c and d of each row. */
static ALWAYS_INLINE rows_int words_shuffle(rows_int v, int a, int b, int c, int d)
{
    const unsigned places = (unsigned)a | (unsigned)b << 8 | (unsigned)c << 16 | (unsigned)d << 24;
    return ROWS_OP(
        shuffle_epi8)(v, rows_repeat(_mm_add_epi8(_mm_set1_epi32((int)places),
                                                  _mm_setr_epi32(0, 0x04040404, 0x08080808, 0x0c0c0c0c))));
}

static ALWAYS_INLINE rows_int words_scale_unsigned(const super_words_head *head, int i)
{
    return words_shuffle(head->scales[i / 4], i % 4, LEFT_OUT, LEFT_OUT, LEFT_OUT);
}

static ALWAYS_INLINE rows_int words_scale_signed(const super_words_head *head, int i)
{
    return ROWS_OP(srai_epi32)(ROWS_OP(slli_epi32)(head->scales[i / 4], 24 - 8 * (i % 4)), 24);
}

/* A minimum for a chunk. */
static ALWAYS_INLINE rows_int words_min_of_chunk(const super_words_head *head, int j)
{
    return words_shuffle(head->mins[j / 4], j % 4, LEFT_OUT, j % 4, LEFT_OUT);
}

static ALWAYS_INLINE rows_int words_mins_of_halves(const super_words_head *head, int j)
{
    return words_shuffle(head->mins[j / 2], 2 * j % 4, LEFT_OUT, 2 * j % 4 + 1, LEFT_OUT);
}

/* The signed scales of both halves times 2^8, and from there down. */
static ALWAYS_INLINE rows_int words_scales_high(const super_words_head *head, int j)
{
    return words_shuffle(head->scales[j / 2], LEFT_OUT, 2 * j % 4, LEFT_OUT, 2 * j % 4 + 1);
}

static ALWAYS_INLINE rows_int words_taken_4(const super_words_head *head, int j)
{
    return ROWS_OP(srai_epi16)(words_scales_high(head, j), 6);
}

static ALWAYS_INLINE rows_int words_taken_32(const super_words_head *head, int j)
{
    return ROWS_OP(srai_epi16)(words_scales_high(head, j), 3);
}

/* ---- Q2_K, Q3_K ---------------------------------------------------------------------------------------- */

/* The 2 bits of chunk j: each 8 words hold four chunks. */
static ALWAYS_INLINE void words_bit_pairs(const uint8_t *words, int j, rows_int *ret_q)
{
    foreach (g, 8)
        ret_q[g] =
            rows_and(ROWS_OP(srli_epi16)(rows_word(words, j / 4 * 8 + g), j % 4 * 2), ROWS_OP(set1_epi8)(3));
}

/* Bit j of 8 words joins ret_q as bit `to`. */
static ALWAYS_INLINE void words_bit_plane(const uint8_t *words, int j, int to, rows_int *ret_q)
{
    foreach (g, 8) {
        const rows_int bits = rows_word(words, g);
        const rows_int moved = j < to ? ROWS_OP(slli_epi16)(bits, to - j) : ROWS_OP(srli_epi16)(bits, j - to);
        ret_q[g] = rows_or_and(ret_q[g], moved, ROWS_OP(set1_epi8)((char)(1 << to)));
    }
}

static ALWAYS_INLINE super_words_head words_head_q2_k(const uint8_t *words, const uint8_t *halves)
{
    super_words_head head = {0};
    const rows_int low = ROWS_OP(set1_epi8)(15), d = rows_word(words, 20);
    (void)halves;
    foreach (i, 4) {
        const rows_int both = rows_word(words, i);
        head.scales[i] = rows_and(both, low);
        head.mins[i] = rows_and(ROWS_OP(srli_epi16)(both, 4), low);
    }
    head.d = rows_low_halves(d);
    head.dmin = rows_high_halves(d);
    return head;
}

static ALWAYS_INLINE void words_q2_k(const uint8_t *words, int j, rows_int *ret_q)
{
    words_bit_pairs(words + 4 * WORD_BYTES, j, ret_q);
}

/* Scales of six bits less 32: low nibbles of two words, high nibbles of them, bit pairs of the third. */
static ALWAYS_INLINE super_words_head words_head_q3_k(const uint8_t *words, const uint8_t *halves)
{
    super_words_head head = {0};
    const rows_int high = rows_word(words, 26);
    foreach (i, 4) {
        const rows_int low =
            rows_and(ROWS_OP(srli_epi16)(rows_word(words, 24 + i % 2), i / 2 * 4), ROWS_OP(set1_epi8)(15));
        const rows_int pair =
            i < 2 ? ROWS_OP(slli_epi16)(high, 4 - 2 * i) : ROWS_OP(srli_epi16)(high, 2 * i - 4);
        head.scales[i] =
            ROWS_OP(sub_epi8)(rows_or_and(low, pair, ROWS_OP(set1_epi8)(0x30)), ROWS_OP(set1_epi8)(32));
    }
    head.d = rows_halves(halves);
    return head;
}

static ALWAYS_INLINE void words_q3_k(const uint8_t *words, int j, rows_int *ret_q)
{
    words_bit_pairs(words + 8 * WORD_BYTES, j, ret_q);
    words_bit_plane(words, j, 2, ret_q);
}

/* ---- Q4_K, Q5_K ---------------------------------------------------------------------------------------- */

/* Six bits each: the first four scales and minimums are the low bits of words 1 and 2; the last four are nibbles of
 * word 3 and the first ones' spare upper bits. */
static ALWAYS_INLINE super_words_head words_head_q4_k(const uint8_t *words, const uint8_t *halves)
{
    super_words_head head = {0};
    const rows_int six = ROWS_OP(set1_epi8)(0x3f), low = ROWS_OP(set1_epi8)(15);
    const rows_int upper = ROWS_OP(set1_epi8)(0x30);
    const rows_int d = rows_word(words, 0), a = rows_word(words, 1), b = rows_word(words, 2);
    const rows_int c = rows_word(words, 3);
    (void)halves;
    head.scales[0] = rows_and(a, six);
    head.scales[1] = rows_or_and(rows_and(c, low), ROWS_OP(srli_epi16)(a, 2), upper);
    head.mins[0] = rows_and(b, six);
    head.mins[1] = rows_or_and(rows_and(ROWS_OP(srli_epi16)(c, 4), low), ROWS_OP(srli_epi16)(b, 2), upper);
    head.d = rows_low_halves(d);
    head.dmin = rows_high_halves(d);
    return head;
}

/* Each 8 words hold two chunks. */
static ALWAYS_INLINE void words_nibble_pairs(const uint8_t *words, int j, rows_int *ret_q)
{
    foreach (g, 8)
        ret_q[g] =
            rows_and(ROWS_OP(srli_epi16)(rows_word(words, j / 2 * 8 + g), j % 2 * 4), ROWS_OP(set1_epi8)(15));
}

static ALWAYS_INLINE void words_q4_k(const uint8_t *words, int j, rows_int *ret_q)
{
    words_nibble_pairs(words + 4 * WORD_BYTES, j, ret_q);
}

static ALWAYS_INLINE void words_q5_k(const uint8_t *words, int j, rows_int *ret_q)
{
    words_nibble_pairs(words + 12 * WORD_BYTES, j, ret_q);
    words_bit_plane(words + 4 * WORD_BYTES, j, 4, ret_q);
}

/* ---- Q6_K ---------------------------------------------------------------------------------------------- */

static ALWAYS_INLINE super_words_head words_head_q6_k(const uint8_t *words, const uint8_t *halves)
{
    super_words_head head = {0};
    foreach (i, 4)
        head.scales[i] = rows_word(words, 48 + i);
    head.d = rows_halves(halves);
    return head;
}

/* Each 16 words of low bits hold four chunks: the low nibbles of two, then the high nibbles of two. */
static ALWAYS_INLINE void words_q6_k(const uint8_t *words, int j, rows_int *ret_q)
{
    foreach (g, 8) {
        const rows_int both = rows_word(words, j / 4 * 16 + j % 2 * 8 + g);
        const rows_int pairs = rows_word(words, 32 + j / 4 * 8 + g);
        const rows_int low = rows_and(ROWS_OP(srli_epi16)(both, j % 4 / 2 * 4), ROWS_OP(set1_epi8)(15));
        const int shift = j % 4 * 2 - 4;
        const rows_int high =
            shift < 0 ? ROWS_OP(slli_epi16)(pairs, -shift) : ROWS_OP(srli_epi16)(pairs, shift);
        ret_q[g] = rows_or_and(low, high, ROWS_OP(set1_epi8)(0x30));
    }
}

/* ---- IQ4_XS -------------------------------------------------------------------------------------------- */

/* Scales of six bits less 32: nibbles of word 1, bit pairs of the upper half of word 0. */
static ALWAYS_INLINE super_words_head words_head_iq4_xs(const uint8_t *words, const uint8_t *halves)
{
    super_words_head head = {0};
    (void)halves;
    head.scales[0] = rows_word(words, 0);
    head.scales[1] = rows_word(words, 1);
    head.d = rows_low_halves(head.scales[0]);
    return head;
}

static ALWAYS_INLINE rows_int words_scale_iq4_xs(const super_words_head *head, int i)
{
    const rows_int low = rows_and(ROWS_OP(srli_epi32)(head->scales[1], 4 * i), ROWS_OP(set1_epi32)(15));
    const rows_int high = ROWS_OP(srli_epi32)(head->scales[0], 12 + 2 * i);
    return ROWS_OP(sub_epi32)(rows_or_and(low, high, ROWS_OP(set1_epi32)(0x30)), ROWS_OP(set1_epi32)(32));
}

/* What the signed levels' zero takes away. */
static ALWAYS_INLINE rows_int words_taken_iq4_xs(const super_words_head *head, int j)
{
    const rows_int scale = ROWS_OP(slli_epi32)(words_scale_iq4_xs(head, j), 16);
    return ROWS_OP(mullo_epi16)(rows_or(scale, ROWS_OP(srli_epi32)(scale, 16)),
                                ROWS_OP(set1_epi16)(SIGNED_ZERO));
}

static ALWAYS_INLINE void words_iq4_xs(const uint8_t *words, int j, rows_int *ret_q)
{
    foreach (g, 4) {
        const rows_int both = rows_word(words, 2 + 4 * j + g), low = ROWS_OP(set1_epi8)(15);
        ret_q[g] = rows_prepare_signed(rows_iq4_levels(rows_and(both, low)));
        ret_q[g + 4] = rows_prepare_signed(rows_iq4_levels(rows_and(ROWS_OP(srli_epi16)(both, 4), low)));
    }
}

#endif
