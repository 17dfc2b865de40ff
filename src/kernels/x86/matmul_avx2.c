/* Integer products with AVX2 alone: 8-bit products are summed in pairs in 16 bits, those in pairs in 32. */
#include "kernels/x86/common_x86.h"

#include "kernels/kernel_list.h"

#define ISA avx2
#define TILE_ROWS 2
#define TILE_TOKENS 4

static ALWAYS_INLINE __m256i unsigned_dot(__m256i start, __m256i q, __m256i act)
{
    return _mm256_add_epi32(start, _mm256_madd_epi16(_mm256_maddubs_epi16(q, act), _mm256_set1_epi16(1)));
}

/* The instruction wants one unsigned operand: the weights' signs go over to the activations. |-128| is 128
 * as unsigned, and 2 * 128 * 127 still fits 16 bits. */
static ALWAYS_INLINE __m256i signed_weights_ready(__m256i q)
{
    return _mm256_abs_epi8(q);
}

static ALWAYS_INLINE __m256i signed_act(__m256i act)
{
    return act;
}

static ALWAYS_INLINE __m256i signed_dot(__m256i q, __m256i magnitude, __m256i act)
{
    return unsigned_dot(_mm256_setzero_si256(), magnitude, _mm256_sign_epi8(act, q));
}

static ALWAYS_INLINE __m256i add_pairs(__m256i acc, __m256i a, __m256i b)
{
    return _mm256_add_epi32(acc, _mm256_madd_epi16(a, b));
}

#include "kernels/x86/matmul_small_x86.inc"
#include "kernels/x86/matmul_super_x86.inc"
