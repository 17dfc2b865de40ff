/* Floats to pairs of bfloat16. Numbers below the smallest normal one count as zeros, in these instructions as in those that
 * multiply them. */
#ifndef SMG_KERNELS_X86_GEMM_BF16_H
#define SMG_KERNELS_X86_GEMM_BF16_H

#if !defined(__AVX512BF16__)
#error "this file is compiled with -mavx512bf16"
#endif

#include "kernels/x86/gemm_v16_x86.h"

/* Clang before 18 crashes on vectors of bfloat16: there the instructions are spelled out. */
#if defined(__clang__) && __clang_major__ < 18
#define SMG_SPELLED_BF16 1
#else
#define SMG_SPELLED_BF16 0
#endif

/* Lower halves: `even` in bfloat16; upper halves: `odd`. */
static ALWAYS_INLINE __m512 round_halves(__m512 odd, __m512 even)
{
#if SMG_SPELLED_BF16
    __m512 halves;
    __asm__("vcvtne2ps2bf16 %2, %1, %0" : "=v"(halves) : "v"(odd), "v"(even));
    return halves;
#else
    return _mm512_castsi512_ps((__m512i)_mm512_cvtne2ps_pbh(odd, even));
#endif
}

/* Steps k .. k+31 of rows that lie along k, of which `left` are there: the pairs of each row. */
static ALWAYS_INLINE void load_pairs_along(const float *x, size_t step, int64_t outer, int64_t left,
                                           __m512 ret_words[16])
{
    const __mmask16 low = first_of(left), high = first_of(left - 16);
    foreach (i, 16) {
        ret_words[i] = _mm512_setzero_ps();
        if (i < outer) {
            const float *row = x + (size_t)i * step;
            ret_words[i] =
                round_halves(_mm512_maskz_loadu_ps(high, row + 16), _mm512_maskz_loadu_ps(low, row));
        }
    }
}

/* The same of rows that lie across: the pairs of each two steps. */
static ALWAYS_INLINE void load_pairs_across(const float *x, size_t step, int64_t outer, int64_t left,
                                            __m512 ret_words[16])
{
    const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23,
                                           7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    const __mmask16 lanes = first_of(outer);
    foreach (i, 16) {
        const __mmask16 first = 2 * i < left ? lanes : 0, second = 2 * i + 1 < left ? lanes : 0;
        const float *row = x + (size_t)(2 * i) * step;
        const __m512 halves =
            round_halves(_mm512_maskz_loadu_ps(second, row + step), _mm512_maskz_loadu_ps(first, row));
        ret_words[i] = _mm512_castsi512_ps(_mm512_permutexvar_epi16(order, _mm512_castps_si512(halves)));
    }
}

/* A smg_gemm_pack_fn. by_row: sixteen pairs of a row side by side, as a matrix unit wants its left side; else the pairs of all
 * rows for two steps. */
static ALWAYS_INLINE void pack_pairs(bool by_row, const float *x, size_t outer_step, size_t depth_step,
                                     int64_t outer, int64_t depth, float *panel)
{
    for (int64_t k = 0; k < depth; k += 32, panel += (size_t)SMG_PANEL * SMG_PANEL) {
        __m512 words[16];
        const bool along = depth_step == 1;
        if (along)
            load_pairs_along(x + k, outer_step, outer, depth - k, words);
        else
            load_pairs_across(x + (size_t)k * depth_step, depth_step, outer, depth - k, words);
        if (along != by_row)
            transpose_words(words);
        foreach (i, 16)
            _mm512_store_ps(panel + (size_t)i * SMG_PANEL, words[i]);
    }
}

#endif
