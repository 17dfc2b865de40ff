/* Products of packed floats in AVX-512. */
#include "kernels/kernel_list.h"
#include "kernels/x86/gemm_v16_x86.h"

/* Rows lie along k: sixteen steps of all of them are turned at once. */
static void pack_along(const float *x, size_t step, int64_t outer, int64_t depth, float *panel)
{
    for (int64_t k = 0; k < depth; k += SMG_PANEL, panel += (size_t)SMG_PANEL * SMG_PANEL) {
        const __mmask16 lanes = first_of(depth - k);
        __m512 words[16];
        foreach (i, 16)
            words[i] =
                i < outer ? _mm512_maskz_loadu_ps(lanes, x + (size_t)i * step + k) : _mm512_setzero_ps();
        transpose_words(words);
        foreach (i, 16)
            if (k + i < depth)
                _mm512_store_ps(panel + (size_t)i * SMG_PANEL, words[i]);
    }
}

void smg_gemm_pack_f32_avx512vnni(const float *x, size_t outer_step, size_t depth_step, int64_t outer,
                                  int64_t depth, void *ret_panel)
{
    float *panel = ret_panel;
    if (depth_step == 1) {
        pack_along(x, outer_step, outer, depth, panel);
        return;
    }
    const __mmask16 lanes = first_of(outer);
    for (int64_t k = 0; k < depth; k++)
        _mm512_store_ps(panel + k * SMG_PANEL, _mm512_maskz_loadu_ps(lanes, x + (size_t)k * depth_step));
}

static ALWAYS_INLINE __m512 add_product(__m512 sum, __m512 a, __m512 b)
{
    return _mm512_fmadd_ps(a, b, sum);
}

void smg_gemm_f32_avx512vnni(int64_t depth, int64_t rows, int64_t columns, const void *a, const void *b,
                             float scale, bool add, float *out, size_t out_stride)
{
    multiply_panels(add_product, depth, rows, columns, a, b, scale, add, out, out_stride);
}
