/* The integer dot products of matmul_small_x86.h and matmul_super_x86.h where VNNI is there, in either of its
 * two encodings. */
#include "kernels/x86/common_x86.h"

#if defined(__AVX512VNNI__) && defined(__AVX512VL__)
#define DOT_BYTES _mm256_dpbusd_epi32
#define DOT_WORDS _mm256_dpwssd_epi32
#else
#define DOT_BYTES _mm256_dpbusd_avx_epi32
#define DOT_WORDS _mm256_dpwssd_avx_epi32
#endif

static ALWAYS_INLINE __m256i unsigned_dot(__m256i start, __m256i q, __m256i act)
{
    return DOT_BYTES(start, q, act);
}

/* The instruction wants one unsigned operand: activations are made so by adding 128 (flipping their top bit),
 * and the sum starts at what that adds, negated. This is ready once for all tokens. */
static ALWAYS_INLINE __m256i signed_weights_ready(__m256i q)
{
    __m256i excess = DOT_BYTES(_mm256_setzero_si256(), _mm256_set1_epi8((char)0x80), q);
    return _mm256_sub_epi32(_mm256_setzero_si256(), excess);
}

static ALWAYS_INLINE __m256i signed_act(__m256i act)
{
    return _mm256_xor_si256(act, _mm256_set1_epi8((char)0x80));
}

static ALWAYS_INLINE __m256i signed_dot(__m256i q, __m256i start, __m256i act)
{
    return DOT_BYTES(start, act, q);
}

static ALWAYS_INLINE __m256i add_pairs(__m256i acc, __m256i a, __m256i b)
{
    return DOT_WORDS(acc, a, b);
}
