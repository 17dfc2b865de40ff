/* Activations to 8 bits; equal to the reference byte for byte. */
#include "kernels/x86/common_x86.h"

#include "kernels/act_scale.h"
#include "kernels/kernel_list.h"

/* Magnitudes are compared as integers, which orders NaN above infinity above numbers. */
static ALWAYS_INLINE __m256i magnitude_bits(const float *x)
{
    return _mm256_and_si256(load_256((const uint8_t *)x), _mm256_set1_epi32(0x7fffffff));
}

static ALWAYS_INLINE uint32_t largest_lane(__m256i v)
{
    __m128i m = _mm_max_epu32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    m = _mm_max_epu32(m, _mm_unpackhi_epi64(m, m));
    m = _mm_max_epu32(m, _mm_srli_epi64(m, 32));
    return (uint32_t)_mm_cvtsi128_si32(m);
}

/* 32 floats, scaled and rounded to nearest even, to 32 bytes. */
static ALWAYS_INLINE __m256i round_32(const float *x, float inverse)
{
    const __m256 scale = _mm256_set1_ps(inverse);
    __m256i a = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x), scale));
    __m256i b = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + 8), scale));
    __m256i c = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + 16), scale));
    __m256i d = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + 24), scale));
    /* packing works within halves: put the groups of four back in order */
    __m256i packed = _mm256_packs_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
    return _mm256_permutevar8x32_epi32(packed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

/* The quants of 32 floats; returns their scale. */
static ALWAYS_INLINE float quantize_small(const float *x, __m256i *ret_q)
{
    __m256i low = _mm256_max_epu32(magnitude_bits(x), magnitude_bits(x + 8));
    __m256i high = _mm256_max_epu32(magnitude_bits(x + 16), magnitude_bits(x + 24));
    uint32_t bits = largest_lane(_mm256_max_epu32(low, high));
    if (!smg_act_is_finite(bits)) {
        *ret_q = _mm256_setzero_si256();
        return smg_act_nan();
    }
    float amax = smg_float_from_bits(bits);
    *ret_q = round_32(x, smg_act_inverse(amax));
    return amax / 127.0F;
}

/* Sums of each four bytes. */
static ALWAYS_INLINE __m256i sum_fours(__m256i q)
{
    const __m256i one = _mm256_set1_epi16(1);
    return _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_set1_epi8(1), q), one);
}

static ALWAYS_INLINE void store_half(uint8_t *p, float value)
{
    smg_half half = smg_half_from_float(value);
    memcpy(p, &half, sizeof half);
}

static ALWAYS_INLINE int sum_all(__m256i q)
{
    __m256i fours = sum_fours(q);
    __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(fours), _mm256_extracti128_si256(fours, 1));
    sum = _mm_add_epi32(sum, _mm_unpackhi_epi64(sum, sum));
    sum = _mm_add_epi32(sum, _mm_srli_epi64(sum, 32));
    return _mm_cvtsi128_si32(sum);
}

static ALWAYS_INLINE void store_f32(uint8_t *p, float value)
{
    memcpy(p, &value, sizeof value);
}

void smg_quantize_f32_q8_0_avx2(const float *x, void *ret_row, int64_t k)
{
    uint8_t *row = ret_row, *scales = row + smg_act_scales(k), *sums = row + smg_act_sums(SMG_ACT_Q8_0, k);
    for (int64_t b = 0; b < k / SMG_QK; b++) {
        __m256i q;
        store_f32(scales + 4 * b, smg_round_half(quantize_small(x + b * SMG_QK, &q)));
        _mm256_storeu_si256((__m256i_u *)(row + b * SMG_QK), q);
        int16_t sum = (int16_t)sum_all(q);
        memcpy(sums + 2 * b, &sum, sizeof sum);
    }
}

void smg_quantize_f32_q8_1_avx2(const float *x, void *ret_row, int64_t k)
{
    uint8_t *row = ret_row, *scales = row + smg_act_scales(k), *sums = row + smg_act_sums(SMG_ACT_Q8_1, k);
    for (int64_t b = 0; b < k / SMG_QK; b++) {
        __m256i q;
        float d = quantize_small(x + b * SMG_QK, &q);
        store_f32(scales + 4 * b, smg_round_half(d));
        store_f32(sums + 4 * b, smg_round_half(d * (float)sum_all(q)));
        _mm256_storeu_si256((__m256i_u *)(row + b * SMG_QK), q);
    }
}

void smg_kv_store_f32_q8_0_avx2(const float *x, void *ret_cells, int64_t n)
{
    uint8_t *cells = ret_cells;
    for (; n > 0; n -= SMG_QK, x += SMG_QK, cells += sizeof(smg_block_q8_0)) {
        __m256i q;
        store_half(cells, quantize_small(x, &q));
        _mm256_storeu_si256((__m256i_u *)(cells + offsetof(smg_block_q8_0, qs)), q);
    }
}

/* The first of 256 floats whose magnitude has these bits. */
static float first_with(const float *x, uint32_t bits)
{
    const __m256i wanted = _mm256_set1_epi32((int)bits);
    for (int i = 0; i < SMG_QK_K; i += 8) {
        __m256i equal = _mm256_cmpeq_epi32(magnitude_bits(x + i), wanted);
        int found = _mm256_movemask_ps(_mm256_castsi256_ps(equal));
        if (found)
            return x[i + __builtin_ctz((unsigned)found)];
    }
    return 0;
}

/* Sums of each 16 of 128 quants, from the sums of fours of their four 32s. */
static ALWAYS_INLINE __m128i sum_sixteens(const __m256i *fours)
{
    __m256i sums =
        _mm256_hadd_epi32(_mm256_hadd_epi32(fours[0], fours[1]), _mm256_hadd_epi32(fours[2], fours[3]));
    __m128i packed = _mm_packs_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
    return _mm_unpacklo_epi16(packed, _mm_unpackhi_epi64(packed, packed));
}

/* Returns the scale of 256 elements. */
static float quantize_super(const float *x, uint8_t *ret_q, uint8_t *ret_sums)
{
    __m256i largest = _mm256_setzero_si256();
    for (int i = 0; i < SMG_QK_K; i += 8)
        largest = _mm256_max_epu32(largest, magnitude_bits(x + i));
    uint32_t bits = largest_lane(largest);
    float d = 0, inverse = 0;
    if (!smg_act_is_finite(bits)) {
        d = smg_act_nan();
    } else if (smg_float_from_bits(bits) >= SMG_ACT_TINY) {
        inverse = -127.0F / first_with(x, bits);
        d = 1.0F / inverse;
    }
    if (inverse == 0) {
        memset(ret_q, 0, SMG_QK_K);
        memset(ret_sums, 0, SMG_QK_K / 16 * sizeof(int16_t));
        return d;
    }
    __m256i fours[8];
    for (int j = 0; j < 8; j++) {
        __m256i q = round_32(x + 32 * j, inverse);
        fours[j] = sum_fours(q);
        _mm256_storeu_si256((__m256i_u *)(ret_q + 32 * j), q);
    }
    _mm_storeu_si128((__m128i_u *)ret_sums, sum_sixteens(fours));
    _mm_storeu_si128((__m128i_u *)(ret_sums + 16), sum_sixteens(fours + 4));
    return d;
}

void smg_quantize_f32_q8_k_avx2(const float *x, void *ret_row, int64_t k)
{
    uint8_t *row = ret_row, *scales = row + smg_act_scales(k), *sums = row + smg_act_sums(SMG_ACT_Q8_K, k);
    for (int64_t b = 0; b < k / SMG_QK_K; b++)
        store_f32(scales + 4 * b, quantize_super(x + b * SMG_QK_K, row + b * SMG_QK_K, sums + 32 * b));
}

void smg_kv_store_f32_f16_avx2(const float *x, void *ret_cells, int64_t n)
{
    uint8_t *cells = ret_cells;
    for (; n >= 8; n -= 8, x += 8, cells += 16)
        _mm_storeu_si128((__m128i_u *)cells,
                         _mm256_cvtps_ph(_mm256_loadu_ps(x), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
    for (; n > 0; n--, x++, cells += 2)
        store_half(cells, *x);
}
