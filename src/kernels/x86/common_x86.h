/* What all x86 kernels share. Everything here needs AVX2, FMA and F16C. */
#ifndef SMG_KERNELS_X86_COMMON_H
#define SMG_KERNELS_X86_COMMON_H

#if !defined(__AVX2__) || !defined(__FMA__) || !defined(__F16C__)
#error "this file is compiled with -mavx2 -mfma -mf16c"
#endif

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kernels/tile.h"

static ALWAYS_INLINE uint16_t load_u16(const uint8_t *p)
{
    uint16_t value;
    memcpy(&value, p, sizeof value);
    return value;
}

static ALWAYS_INLINE uint32_t load_u32(const uint8_t *p)
{
    uint32_t value;
    memcpy(&value, p, sizeof value);
    return value;
}

static ALWAYS_INLINE float load_f32(const uint8_t *p)
{
    float value;
    memcpy(&value, p, sizeof value);
    return value;
}

static ALWAYS_INLINE float load_half(const uint8_t *p)
{
    return _cvtsh_ss(load_u16(p));
}

static ALWAYS_INLINE __m256i load_256(const uint8_t *p)
{
    return _mm256_loadu_si256((const __m256i_u *)p);
}

static ALWAYS_INLINE __m128i load_128(const uint8_t *p)
{
    return _mm_loadu_si128((const __m128i_u *)p);
}

static ALWAYS_INLINE __m128i load_64(const uint8_t *p)
{
    return _mm_loadl_epi64((const __m128i_u *)p);
}

/* The sum of the lanes, always in the same order. */
static ALWAYS_INLINE float sum_lanes(__m256 v)
{
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    s = _mm_add_ss(s, _mm_movehdup_ps(s));
    return _mm_cvtss_f32(s);
}

/* Eight halves at p, p + stride … as floats. */
static ALWAYS_INLINE __m256 gather_halves(const uint8_t *p, size_t stride)
{
    return _mm256_cvtph_ps(_mm_setr_epi16((short)load_u16(p), (short)load_u16(p + stride),
                                          (short)load_u16(p + 2 * stride), (short)load_u16(p + 3 * stride),
                                          (short)load_u16(p + 4 * stride), (short)load_u16(p + 5 * stride),
                                          (short)load_u16(p + 6 * stride), (short)load_u16(p + 7 * stride)));
}

/* 16 bytes of nibbles to 32 bytes, low nibbles first. */
static ALWAYS_INLINE __m256i unpack_nibbles(const uint8_t *p)
{
    __m128i packed = load_128(p);
    __m256i both = _mm256_inserti128_si256(_mm256_castsi128_si256(packed), _mm_srli_epi16(packed, 4), 1);
    return _mm256_and_si256(both, _mm256_set1_epi8(15));
}

static ALWAYS_INLINE __m128i iq4_level_table(void)
{
    return _mm_setr_epi8(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113);
}

static ALWAYS_INLINE __m256i iq4_levels(__m256i nibbles)
{
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(iq4_level_table()), nibbles);
}

#endif
