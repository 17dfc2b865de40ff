/* Packing and multiplying panels in AVX-512 registers: a register holds a panel's sixteen words of one step, floats or
 * pairs of bfloat16. */
#ifndef SMG_KERNELS_X86_GEMM_V16_H
#define SMG_KERNELS_X86_GEMM_V16_H

#include "kernels/kernels.h"
#include "kernels/x86/v16_x86.h"

_Static_assert(SMG_PANEL == 16, "a register is as wide as a panel");

/* ret[i][j] = x[j][i], in place. */
static ALWAYS_INLINE void transpose_words(__m512 x[16])
{
    __m512 y[16];
    foreach (i, 8) {
        y[2 * i] = _mm512_unpacklo_ps(x[2 * i], x[2 * i + 1]);
        y[2 * i + 1] = _mm512_unpackhi_ps(x[2 * i], x[2 * i + 1]);
    }
    foreach (i, 4)
        foreach (j, 2) {
            const __m512d a = _mm512_castps_pd(y[4 * i + j]), b = _mm512_castps_pd(y[4 * i + 2 + j]);
            x[4 * i + 2 * j] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
            x[4 * i + 2 * j + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
        }
    foreach (i, 2)
        foreach (j, 4) {
            y[8 * i + j] = _mm512_shuffle_f32x4(x[8 * i + j], x[8 * i + 4 + j], 0x88);
            y[8 * i + 4 + j] = _mm512_shuffle_f32x4(x[8 * i + j], x[8 * i + 4 + j], 0xdd);
        }
    foreach (j, 8) {
        x[j] = _mm512_shuffle_f32x4(y[j], y[8 + j], 0x88);
        x[8 + j] = _mm512_shuffle_f32x4(y[j], y[8 + j], 0xdd);
    }
}

static ALWAYS_INLINE __mmask16 first_of(int64_t n)
{
    return n >= 16 ? 0xffff : first_lanes(n < 0 ? 0 : n);
}

/* sum + the products of a word each of a and b. */
typedef __m512 (*words_add_fn)(__m512 sum, __m512 a, __m512 b);

/* `rows` rows of a from where it points to in a panel, with `width` panels of b, which are fetched ahead: more of them stream by
 * than the first cache holds. */
static ALWAYS_INLINE void multiply_words(words_add_fn add_words, int rows, int width, int64_t words,
                                         const float *a, const float *b, size_t b_step, __m512 *ret_sums)
{
    enum { AHEAD = 8 * SMG_PANEL };
    foreach (i, rows)
        foreach (j, width)
            ret_sums[i * width + j] = _mm512_setzero_ps();
    for (int64_t k = 0; k < words; k++, a += SMG_PANEL, b += SMG_PANEL) {
        __m512 right[3];
        foreach (j, width) {
            right[j] = _mm512_load_ps(b + (size_t)j * b_step);
            __builtin_prefetch(b + (size_t)j * b_step + AHEAD);
        }
        foreach (i, rows) {
            const __m512 left = _mm512_set1_ps(a[i]);
            foreach (j, width)
                ret_sums[i * width + j] = add_words(ret_sums[i * width + j], left, right[j]);
        }
    }
}

/* Writes a row of results, where `lanes` say so. */
static ALWAYS_INLINE void store_row(__m512 sum, __m512 scale, bool add, float *out, __mmask16 lanes)
{
    const __m512 result =
        add ? _mm512_fmadd_ps(sum, scale, _mm512_maskz_loadu_ps(lanes, out)) : _mm512_mul_ps(sum, scale);
    _mm512_mask_storeu_ps(out, lanes, result);
}

/* Asks for rows of the output, of `lines` cache lines, which are here when their sums are; rows that are not there do no harm.
 * Apart, for else compilers keep the addresses in registers that the sums need. */
static __attribute__((noinline, unused)) void fetch_rows(const float *out, size_t out_stride, int64_t begin,
                                                         int64_t end, int lines)
{
    for (int64_t i = begin; i < end; i++) {
        const uintptr_t row = (uintptr_t)out + (uintptr_t)i * out_stride * sizeof *out;
        for (int j = 0; j < lines; j++)
            __builtin_prefetch((const void *)(row + (uintptr_t)(64 * j)), 1);
    }
}

static ALWAYS_INLINE void multiply_tile(words_add_fn add_words, int rows, int width, int64_t words,
                                        const float *a, const float *b, int64_t row_count, int64_t columns,
                                        float scale, bool add, float *out, size_t out_stride)
{
    __m512 sums[24];
    fetch_rows(out, out_stride, 0, row_count < rows ? row_count : rows, width);
    multiply_words(add_words, rows, width, words, a, b, (size_t)words * SMG_PANEL, sums);
    const __m512 factor = _mm512_set1_ps(scale);
    foreach (i, rows) {
        if (i >= row_count)
            return;
        foreach (j, width)
            store_row(sums[i * width + j], factor, add, out + (size_t)i * out_stride + SMG_PANEL * j,
                      first_of(columns - SMG_PANEL * j));
    }
}

/* A smg_gemm_fn over panels of `words` words: in tiles of eight rows and three panels of b, at the end two; sixteen rows, where it
 * is one. */
static ALWAYS_INLINE void multiply_panels(words_add_fn add_words, int64_t words, int64_t rows,
                                          int64_t columns, const float *a, const float *b, float scale,
                                          bool add, float *out, size_t out_stride)
{
    const size_t panel = (size_t)words * SMG_PANEL;
    for (int64_t j = 0; j < columns; j += 3 * SMG_PANEL, b += 3 * panel) {
        const float *left = a;
        const int64_t across = columns - j;
        for (int64_t i = 0; i < rows; i += SMG_PANEL, left += panel) {
            float *to = out + (size_t)i * out_stride + j;
            if (across <= SMG_PANEL) {
                multiply_tile(add_words, 16, 1, words, left, b, rows - i, across, scale, add, to, out_stride);
                continue;
            }
            for (int64_t half = 0; half < SMG_PANEL && i + half < rows; half += 8, to += 8 * out_stride) {
                if (across <= 2 * SMG_PANEL)
                    multiply_tile(add_words, 8, 2, words, left + half, b, rows - i - half, across, scale, add,
                                  to, out_stride);
                else
                    multiply_tile(add_words, 8, 3, words, left + half, b, rows - i - half, across, scale, add,
                                  to, out_stride);
            }
        }
    }
}

#endif
