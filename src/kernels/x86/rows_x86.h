/* Vectors that have a weight row in each lane, for the paths with VNNI: 16 rows where there is AVX-512, else 8. */
#ifndef SMG_KERNELS_X86_ROWS_H
#define SMG_KERNELS_X86_ROWS_H

#include "kernels/x86/common_x86.h"

#if defined(__AVX512VNNI__)

enum { ROWS = 16, GROUP_TOKENS = 8 };
typedef __m512i rows_int;
typedef __m512 rows_float;

#define ROWS_OP(name) _mm512_##name
#define rows_zero _mm512_setzero_si512

static ALWAYS_INLINE rows_int rows_load(const void *p)
{
    return _mm512_load_si512(p);
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

#define rows_dot_bytes _mm512_dpbusd_epi32
#define rows_dot_words _mm512_dpwssd_epi32

/* 32 bytes of each row to eight vectors, in which each row has four. */
static ALWAYS_INLINE void rows_interleave(const __m256i *rows, uint8_t (*ret_groups)[4 * ROWS])
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
        _mm512_store_si512(ret_groups[g], _mm512_permutex2var_epi64(fours[0][g], low, fours[1][g]));
        _mm512_store_si512(ret_groups[g + 4], _mm512_permutex2var_epi64(fours[0][g], high, fours[1][g]));
    }
}

#else

enum { ROWS = 8, GROUP_TOKENS = 4 };
typedef __m256i rows_int;
typedef __m256 rows_float;

#define ROWS_OP(name) _mm256_##name
#define rows_zero _mm256_setzero_si256

static ALWAYS_INLINE rows_int rows_load(const void *p)
{
    return _mm256_load_si256((const __m256i *)p);
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

#define rows_dot_bytes _mm256_dpbusd_avx_epi32
#define rows_dot_words _mm256_dpwssd_avx_epi32

static ALWAYS_INLINE void rows_interleave(const __m256i *rows, uint8_t (*ret_groups)[4 * ROWS])
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
        _mm256_store_si256((__m256i *)ret_groups[g],
                           _mm256_permute2x128_si256(fours[0][g], fours[1][g], 0x20));
        _mm256_store_si256((__m256i *)ret_groups[g + 4],
                           _mm256_permute2x128_si256(fours[0][g], fours[1][g], 0x31));
    }
}

#endif

#endif
