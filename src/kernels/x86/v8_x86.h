/* Eight floats in one AVX2 register: what the templates *_v8.inc are written in. */
#ifndef SMG_KERNELS_X86_V8_H
#define SMG_KERNELS_X86_V8_H

#include "kernels/x86/common_x86.h"

typedef __m256 v8;

static ALWAYS_INLINE v8 v8_set(float x)
{
    return _mm256_set1_ps(x);
}

static ALWAYS_INLINE v8 v8_load(const float *p)
{
    return _mm256_loadu_ps(p);
}

static ALWAYS_INLINE void v8_store(float *p, v8 x)
{
    _mm256_storeu_ps(p, x);
}

/* Eight elements at any address as floats, by type. */
static ALWAYS_INLINE v8 v8_load_f32(const uint8_t *p)
{
    return _mm256_castsi256_ps(load_256(p));
}

static ALWAYS_INLINE v8 v8_load_f16(const uint8_t *p)
{
    return _mm256_cvtph_ps(load_128(p));
}

static ALWAYS_INLINE v8 v8_load_bf16(const uint8_t *p)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(load_128(p)), 16));
}

static ALWAYS_INLINE v8 v8_load_i8(const uint8_t *p)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(load_64(p)));
}

static ALWAYS_INLINE v8 v8_round_f16(v8 x)
{
    return _mm256_cvtph_ps(_mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

static ALWAYS_INLINE v8 v8_add(v8 a, v8 b)
{
    return _mm256_add_ps(a, b);
}

static ALWAYS_INLINE v8 v8_sub(v8 a, v8 b)
{
    return _mm256_sub_ps(a, b);
}

static ALWAYS_INLINE v8 v8_mul(v8 a, v8 b)
{
    return _mm256_mul_ps(a, b);
}

static ALWAYS_INLINE v8 v8_div(v8 a, v8 b)
{
    return _mm256_div_ps(a, b);
}

/* Of a NaN in b, the NaN. */
static ALWAYS_INLINE v8 v8_max(v8 a, v8 b)
{
    return _mm256_max_ps(a, b);
}

static ALWAYS_INLINE v8 v8_min(v8 a, v8 b)
{
    return _mm256_min_ps(a, b);
}

/* a * b + c, rounded once */
static ALWAYS_INLINE v8 v8_fma(v8 a, v8 b, v8 c)
{
    return _mm256_fmadd_ps(a, b, c);
}

/* c - a * b, rounded once */
static ALWAYS_INLINE v8 v8_fnma(v8 a, v8 b, v8 c)
{
    return _mm256_fnmadd_ps(a, b, c);
}

/* To the nearest integer, ties to even. */
static ALWAYS_INLINE v8 v8_round(v8 x)
{
    return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

/* x * 2^n for integers n within +-252, by two factors: results below the smallest normal number and above the
 * largest come out as they should. */
static ALWAYS_INLINE v8 v8_scale(v8 x, v8 n)
{
    const __m256i bias = _mm256_set1_epi32(127);
    __m256i whole = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(whole, 1);
    __m256i rest = _mm256_sub_epi32(whole, half);
    __m256 first = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(half, bias), 23));
    __m256 second = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(rest, bias), 23));
    return _mm256_mul_ps(_mm256_mul_ps(x, first), second);
}

/* The sum of the lanes, always in the same order. */
static ALWAYS_INLINE float v8_sum(v8 x)
{
    return sum_lanes(x);
}

/* The sums of eight vectors' lanes, each one's in the order of v8_sum. */
static ALWAYS_INLINE v8 v8_sum_each(const v8 x[8])
{
    v8 fours[4], pairs[2];
    foreach (i, 4)
        fours[i] = v8_add(_mm256_permute2f128_ps(x[i], x[i + 4], 0x20),
                          _mm256_permute2f128_ps(x[i], x[i + 4], 0x31));
    foreach (i, 2)
        pairs[i] = v8_add(_mm256_shuffle_ps(fours[2 * i], fours[2 * i + 1], _MM_SHUFFLE(1, 0, 1, 0)),
                          _mm256_shuffle_ps(fours[2 * i], fours[2 * i + 1], _MM_SHUFFLE(3, 2, 3, 2)));
    return v8_add(_mm256_shuffle_ps(pairs[0], pairs[1], _MM_SHUFFLE(2, 0, 2, 0)),
                  _mm256_shuffle_ps(pairs[0], pairs[1], _MM_SHUFFLE(3, 1, 3, 1)));
}

/* Sums in double. */
typedef __m256d wide;

static ALWAYS_INLINE wide wide_zero(void)
{
    return _mm256_setzero_pd();
}

static ALWAYS_INLINE wide wide_add(wide sum, v8 x)
{
    sum = _mm256_add_pd(sum, _mm256_cvtps_pd(_mm256_castps256_ps128(x)));
    return _mm256_add_pd(sum, _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1)));
}

static ALWAYS_INLINE wide wide_add_squares(wide sum, v8 x)
{
    wide low = _mm256_cvtps_pd(_mm256_castps256_ps128(x));
    wide high = _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1));
    return _mm256_fmadd_pd(high, high, _mm256_fmadd_pd(low, low, sum));
}

static ALWAYS_INLINE double wide_sum(wide x)
{
    __m128d s = _mm_add_pd(_mm256_castpd256_pd128(x), _mm256_extractf128_pd(x, 1));
    return _mm_cvtsd_f64(_mm_add_sd(s, _mm_unpackhi_pd(s, s)));
}

#endif
