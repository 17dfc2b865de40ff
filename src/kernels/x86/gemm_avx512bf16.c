/* Products of packed pairs of bfloat16 in AVX-512. */
#include "kernels/kernel_list.h"
#include "kernels/x86/gemm_bf16_x86.h"

void smg_gemm_pack_bf16_avx512bf16(const float *x, size_t outer_step, size_t depth_step, int64_t outer,
                                   int64_t depth, void *ret_panel)
{
    pack_pairs(false, x, outer_step, depth_step, outer, depth, ret_panel);
}

static ALWAYS_INLINE __m512 add_pairs(__m512 sum, __m512 a, __m512 b)
{
#if SMG_SPELLED_BF16
    __asm__("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
    return sum;
#else
    return _mm512_dpbf16_ps(sum, (__m512bh)_mm512_castps_si512(a), (__m512bh)_mm512_castps_si512(b));
#endif
}

void smg_gemm_bf16_avx512bf16(int64_t depth, int64_t rows, int64_t columns, const void *a, const void *b,
                              float scale, bool add, float *out, size_t out_stride)
{
    const int64_t words = smg_panel_depth(SMG_GEMM_BF16, depth) / 2;
    multiply_panels(add_pairs, words, rows, columns, a, b, scale, add, out, out_stride);
}
