/* Twice eight floats in one AVX-512 register, for attention.inc. */
#ifndef SMG_KERNELS_X86_V16_H
#define SMG_KERNELS_X86_V16_H

#if !defined(__AVX512F__) || !defined(__AVX512DQ__)
#error "this file is compiled with -mavx512f -mavx512dq"
#endif

#include "kernels/x86/v8_x86.h"

typedef __m512 vec;
enum { VEC_EIGHTS = 2, MIX_SUMS = 16, MIX_COLUMNS = 4 };

static ALWAYS_INLINE vec vec_set(float x)
{
    return _mm512_set1_ps(x);
}

static ALWAYS_INLINE vec vec_load(const float *p)
{
    return _mm512_loadu_ps(p);
}

static ALWAYS_INLINE void vec_store(float *p, vec x)
{
    _mm512_storeu_ps(p, x);
}

static ALWAYS_INLINE __mmask16 first_lanes(int64_t n)
{
    return (__mmask16)((1U << n) - 1);
}

/* n < 16 elements, then zeros. */
static ALWAYS_INLINE vec vec_load_some(const float *p, int64_t n)
{
    return _mm512_maskz_loadu_ps(first_lanes(n), p);
}

static ALWAYS_INLINE void vec_store_some(float *p, vec x, int64_t n)
{
    _mm512_mask_storeu_ps(p, first_lanes(n), x);
}

static ALWAYS_INLINE vec vec_mul(vec a, vec b)
{
    return _mm512_mul_ps(a, b);
}

/* a * b + c, rounded once */
static ALWAYS_INLINE vec vec_fma(vec a, vec b, vec c)
{
    return _mm512_fmadd_ps(a, b, c);
}

/* The same eight lanes twice. */
static ALWAYS_INLINE vec vec_repeat(v8 x)
{
    return _mm512_broadcast_f32x8(x);
}

/* The sums of sixteen times eight lanes, each one's in the order of v8_sum: of the first eights of x[0] .. x[3], of their
 * second eights, then likewise of x[4] .. x[7]. */
static ALWAYS_INLINE vec vec_sum_each(const vec x[8])
{
    vec fours[4], pairs[2];
    foreach (i, 4)
        fours[i] = _mm512_add_ps(_mm512_shuffle_f32x4(x[i], x[i + 4], _MM_SHUFFLE(2, 0, 2, 0)),
                                 _mm512_shuffle_f32x4(x[i], x[i + 4], _MM_SHUFFLE(3, 1, 3, 1)));
    foreach (i, 2)
        pairs[i] = _mm512_add_ps(_mm512_shuffle_ps(fours[2 * i], fours[2 * i + 1], _MM_SHUFFLE(1, 0, 1, 0)),
                                 _mm512_shuffle_ps(fours[2 * i], fours[2 * i + 1], _MM_SHUFFLE(3, 2, 3, 2)));
    return _mm512_add_ps(_mm512_shuffle_ps(pairs[0], pairs[1], _MM_SHUFFLE(2, 0, 2, 0)),
                         _mm512_shuffle_ps(pairs[0], pairs[1], _MM_SHUFFLE(3, 1, 3, 1)));
}

#endif
