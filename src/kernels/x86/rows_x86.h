/* Vectors that have a weight row in each lane, 16 rows where there is AVX-512 and else 8, and the integer dot products of each
 * path. `most` is the largest of unsigned weights, and 0 where they are signed. */
#ifndef SMG_KERNELS_X86_ROWS_H
#define SMG_KERNELS_X86_ROWS_H

#include "format/blocks.h"
#include "kernels/x86/common_x86.h"

/* A word of all rows of a group, and a half of them. */
enum { WORD_BYTES = 4 * SMG_GROUP_ROWS, HALF_BYTES = (int)sizeof(smg_half) * SMG_GROUP_ROWS };

#if defined(__AVX512VNNI__)

/* Many tokens: PANEL_VECTORS vectors of rows and GROUP_TOKENS tokens meet in registers, so that what is loaded is used often enough for
 * loads not to be what takes longest. */
enum { ROWS = 16, PANEL_VECTORS = 2, GROUP_TOKENS = 6, GROUP_TOKENS_FEW = 2 };
typedef __m512i rows_int;
typedef __m512 rows_float;

#define ROWS_OP(name) _mm512_##name
#define rows_zero _mm512_setzero_si512

static ALWAYS_INLINE rows_int rows_load(const void *p)
{
    return _mm512_loadu_si512(p);
}

/* Four bytes, or two halves, for all rows. */
static ALWAYS_INLINE rows_int rows_set_4(const uint8_t *p)
{
    return _mm512_set1_epi32((int)load_u32(p));
}

static ALWAYS_INLINE rows_float rows_float_of(rows_int v)
{
    return _mm512_cvtepi32_ps(v);
}

static ALWAYS_INLINE void rows_store(float *p, rows_float v, int count)
{
    _mm512_mask_storeu_ps(p, (__mmask16)((1U << count) - 1), v);
}

/* A half of each row, one behind the other. */
static ALWAYS_INLINE rows_float rows_halves(const uint8_t *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i_u *)p));
}

/* The lower halves of each row's four bytes, and the upper ones. */
static ALWAYS_INLINE rows_float rows_low_halves(rows_int v)
{
    return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(v));
}

static ALWAYS_INLINE rows_float rows_high_halves(rows_int v)
{
    return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(_mm512_srli_epi32(v, 16)));
}

/* The same 16 bytes in each quarter. */
static ALWAYS_INLINE rows_int rows_repeat(__m128i v)
{
    return _mm512_broadcast_i32x4(v);
}

static ALWAYS_INLINE rows_int rows_and(rows_int a, rows_int b)
{
    return _mm512_and_si512(a, b);
}

static ALWAYS_INLINE rows_int rows_or(rows_int a, rows_int b)
{
    return _mm512_or_si512(a, b);
}

/* a | (b & c) */
static ALWAYS_INLINE rows_int rows_or_and(rows_int a, rows_int b, rows_int c)
{
    return _mm512_ternarylogic_epi32(a, b, c, 0xf8);
}

static ALWAYS_INLINE rows_int rows_flip_signs(rows_int v)
{
    return _mm512_xor_si512(v, _mm512_set1_epi8((char)128));
}

/* 32 bytes of each row to eight vectors, in which each row has four. */
static ALWAYS_INLINE void rows_interleave(const __m256i *rows, rows_int *ret_groups)
{
    const __m512i low = _mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13);
    const __m512i high = _mm512_setr_epi64(2, 3, 10, 11, 6, 7, 14, 15);
    __m512i fours[2][4]; /* fours[h][g]: of rows 4h .. 4h+3, then of 8+4h ..: groups g and g+4 */
    foreach (h, 2) {
        __m512i z[4];
        foreach (i, 4)
            z[i] = _mm512_inserti64x4(_mm512_castsi256_si512(rows[4 * h + i]), rows[8 + 4 * h + i], 1);
        __m512i a = _mm512_unpacklo_epi32(z[0], z[1]), b = _mm512_unpacklo_epi32(z[2], z[3]);
        __m512i c = _mm512_unpackhi_epi32(z[0], z[1]), d = _mm512_unpackhi_epi32(z[2], z[3]);
        fours[h][0] = _mm512_unpacklo_epi64(a, b);
        fours[h][1] = _mm512_unpackhi_epi64(a, b);
        fours[h][2] = _mm512_unpacklo_epi64(c, d);
        fours[h][3] = _mm512_unpackhi_epi64(c, d);
    }
    foreach (g, 4) {
        ret_groups[g] = _mm512_permutex2var_epi64(fours[0][g], low, fours[1][g]);
        ret_groups[g + 4] = _mm512_permutex2var_epi64(fours[0][g], high, fours[1][g]);
    }
}

#else

enum { ROWS = 8, PANEL_VECTORS = 1, GROUP_TOKENS = 4, GROUP_TOKENS_FEW = 2 };
typedef __m256i rows_int;
typedef __m256 rows_float;

#define ROWS_OP(name) _mm256_##name
#define rows_zero _mm256_setzero_si256

static ALWAYS_INLINE rows_int rows_load(const void *p)
{
    return _mm256_loadu_si256((const __m256i_u *)p);
}

static ALWAYS_INLINE rows_int rows_set_4(const uint8_t *p)
{
    return _mm256_set1_epi32((int)load_u32(p));
}

static ALWAYS_INLINE rows_float rows_float_of(rows_int v)
{
    return _mm256_cvtepi32_ps(v);
}

static ALWAYS_INLINE void rows_store(float *p, rows_float v, int count)
{
    const __m256i mask =
        _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    _mm256_maskstore_ps(p, mask, v);
}

static ALWAYS_INLINE rows_float rows_halves(const uint8_t *p)
{
    return _mm256_cvtph_ps(load_128(p));
}

static ALWAYS_INLINE rows_float rows_low_halves(rows_int v)
{
    const __m256i low = _mm256_and_si256(v, _mm256_set1_epi32(0xffff));
    return _mm256_cvtph_ps(_mm_packus_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1)));
}

static ALWAYS_INLINE rows_float rows_high_halves(rows_int v)
{
    return rows_low_halves(_mm256_srli_epi32(v, 16));
}

static ALWAYS_INLINE rows_int rows_repeat(__m128i v)
{
    return _mm256_broadcastsi128_si256(v);
}

static ALWAYS_INLINE rows_int rows_and(rows_int a, rows_int b)
{
    return _mm256_and_si256(a, b);
}

static ALWAYS_INLINE rows_int rows_or(rows_int a, rows_int b)
{
    return _mm256_or_si256(a, b);
}

static ALWAYS_INLINE rows_int rows_or_and(rows_int a, rows_int b, rows_int c)
{
    return _mm256_or_si256(a, _mm256_and_si256(b, c));
}

static ALWAYS_INLINE rows_int rows_flip_signs(rows_int v)
{
    return _mm256_xor_si256(v, _mm256_set1_epi8((char)128));
}

static ALWAYS_INLINE void rows_interleave(const __m256i *rows, rows_int *ret_groups)
{
    __m256i fours[2][4];
    foreach (h, 2) {
        const __m256i *z = rows + 4 * h;
        __m256i a = _mm256_unpacklo_epi32(z[0], z[1]), b = _mm256_unpacklo_epi32(z[2], z[3]);
        __m256i c = _mm256_unpackhi_epi32(z[0], z[1]), d = _mm256_unpackhi_epi32(z[2], z[3]);
        fours[h][0] = _mm256_unpacklo_epi64(a, b);
        fours[h][1] = _mm256_unpackhi_epi64(a, b);
        fours[h][2] = _mm256_unpacklo_epi64(c, d);
        fours[h][3] = _mm256_unpackhi_epi64(c, d);
    }
    foreach (g, 4) {
        ret_groups[g] = _mm256_permute2x128_si256(fours[0][g], fours[1][g], 0x20);
        ret_groups[g + 4] = _mm256_permute2x128_si256(fours[0][g], fours[1][g], 0x31);
    }
}

#endif

/* Word `word` of a block of interleaved rows. */
static ALWAYS_INLINE rows_int rows_word(const uint8_t *words, int word)
{
    return rows_load(words + word * WORD_BYTES);
}

static ALWAYS_INLINE rows_int rows_iq4_levels(rows_int nibbles)
{
    return ROWS_OP(shuffle_epi8)(rows_repeat(iq4_level_table()), nibbles);
}

/* ---- Where rows come from ----------------------------------------------------------------------------- */

enum { PANEL_ROWS = PANEL_VECTORS * ROWS };

/* At most PANEL_ROWS rows of a plain matrix, or of groups of interleaved rows. */
typedef struct rows_source {
    const uint8_t *w; /* the first row, or its group */
    size_t stride;
    int first; /* in its group */
    int rows;
    bool grouped;
} rows_source;

/* What vector v of a source is made of. */
typedef struct rows_part {
    const uint8_t *w; /* its first row, or the group */
    int first;        /* in the group */
    int rows;
} rows_part;

static ALWAYS_INLINE rows_source rows_source_of(const uint8_t *w, size_t stride, int64_t rows, bool grouped,
                                                int64_t first)
{
    const int in_group = grouped ? (int)(first % SMG_GROUP_ROWS) : 0;
    return (rows_source){w + (size_t)(first - in_group) * stride, stride, in_group,
                         rows - first < PANEL_ROWS ? (int)(rows - first) : PANEL_ROWS, grouped};
}

/* A vector that is not there is the first one again, and is not stored. */
static ALWAYS_INLINE rows_part rows_part_of(const rows_source *from, int v)
{
    const int skip = v * ROWS < from->rows ? v * ROWS : 0;
    const int left = from->rows - skip;
    const int place = from->first + skip;
    const int in_group = from->grouped ? place % SMG_GROUP_ROWS : 0;
    return (rows_part){from->w + (size_t)(place - in_group) * from->stride, in_group,
                       left < ROWS ? left : ROWS};
}

/* ---- Dot products ------------------------------------------------------------------------------------- */

#if defined(__AVX512VNNI__) || defined(__AVXVNNI__)

#if defined(__AVX512VNNI__)
#define rows_dot_bytes _mm512_dpbusd_epi32
#define rows_dot_words _mm512_dpwssd_epi32
#define add_products _mm256_dpbusd_epi32
#define add_pairs _mm256_dpwssd_epi32
#else
#define rows_dot_bytes _mm256_dpbusd_avx_epi32
#define rows_dot_words _mm256_dpwssd_avx_epi32
#define add_products _mm256_dpbusd_avx_epi32
#define add_pairs _mm256_dpwssd_avx_epi32
#endif

/* The instruction wants one unsigned operand: signed weights become that by adding 128 (flipping their top bit). */
enum { SIGNED_ZERO = 128 };

static ALWAYS_INLINE __m256i prepare_signed(__m256i q)
{
    return _mm256_xor_si256(q, _mm256_set1_epi8((char)SIGNED_ZERO));
}

static ALWAYS_INLINE rows_int rows_prepare_signed(rows_int q)
{
    return rows_flip_signs(q);
}

/* start + the products of 32 prepared weights, in 8 lanes. */
static ALWAYS_INLINE __m256i add_dot(__m256i start, __m256i q, __m256i act, int most)
{
    (void)most;
    return add_products(start, q, act);
}

/* dot[t][v] += four products of each row, from `count` vectors of prepared weights, [count] behind each other for vector v at
 * q + v * q_stride, and what stands at `place` in each token's activations. */
static ALWAYS_INLINE void rows_dot(rows_int (*dot)[PANEL_VECTORS], const rows_int *q, const size_t q_stride,
                                   const int vectors, const int count, const uint8_t *const *x, size_t place,
                                   const int tokens, int most)
{
    (void)most;
    foreach (g, count)
        foreach (t, tokens) {
            const rows_int act = rows_set_4(x[t] + place + 4 * g);
            foreach (v, vectors)
                dot[t][v] = rows_dot_bytes(dot[t][v], q[(size_t)v * q_stride + (size_t)g], act);
        }
}

#else

/* 8-bit products are summed in pairs in 16 bits, those in pairs in 32. One operand is unsigned: the signs of signed weights
 * go over to the activations. |-128| is 128 as unsigned, and 2 * 128 * 127 still fits 16 bits. */
enum { SIGNED_ZERO = 0 };

static ALWAYS_INLINE __m256i prepare_signed(__m256i q)
{
    return q;
}

static ALWAYS_INLINE rows_int rows_prepare_signed(rows_int q)
{
    return q;
}

static ALWAYS_INLINE __m256i add_pairs(__m256i acc, __m256i a, __m256i b)
{
    return _mm256_add_epi32(acc, _mm256_madd_epi16(a, b));
}

#define rows_dot_words add_pairs

static ALWAYS_INLINE __m256i add_dot(__m256i start, __m256i q, __m256i act, int most)
{
    const __m256i one = _mm256_set1_epi16(1);
    if (most == 0)
        return add_pairs(start, _mm256_maddubs_epi16(_mm256_abs_epi8(q), _mm256_sign_epi8(act, q)), one);
    return add_pairs(start, _mm256_maddubs_epi16(q, act), one);
}

static ALWAYS_INLINE void rows_dot(rows_int (*dot)[PANEL_VECTORS], const rows_int *q, const size_t q_stride,
                                   const int vectors, const int count, const uint8_t *const *x, size_t place,
                                   const int tokens, const int most)
{
    /* as many groups as cannot leave 16 bits */
    const int fit = most == 0 ? 1 : INT16_MAX / (2 * 127 * most);
    const int run = fit < count ? fit : count;
    (void)q_stride;
    (void)vectors;
    for (int first = 0; first < count; first += run) {
        rows_int pairs[GROUP_TOKENS];
        foreach (t, tokens)
            pairs[t] = rows_zero();
        foreach (g, run) {
            const rows_int magnitude = most == 0 ? _mm256_abs_epi8(q[first + g]) : q[first + g];
            foreach (t, tokens) {
                rows_int act = rows_set_4(x[t] + place + 4 * (first + g));
                if (most == 0)
                    act = _mm256_sign_epi8(act, q[first + g]);
                pairs[t] = _mm256_add_epi16(pairs[t], _mm256_maddubs_epi16(magnitude, act));
            }
        }
        foreach (t, tokens)
            dot[t][0] = add_pairs(dot[t][0], pairs[t], _mm256_set1_epi16(1));
    }
}

#endif

#endif
