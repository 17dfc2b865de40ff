/* Products of packed float matrices, in the plainest form. */
#include <string.h>

#include "kernels/half.h"
#include "kernels/kernel_list.h"

void smg_gemm_pack_f32_ref(const float *x, size_t outer_step, size_t depth_step, int64_t outer, int64_t depth,
                           void *ret_panel)
{
    float *panel = ret_panel;
    for (int64_t k = 0; k < depth; k++, panel += SMG_PANEL) {
        for (int64_t i = 0; i < SMG_PANEL; i++)
            panel[i] = i < outer ? x[(size_t)i * outer_step + (size_t)k * depth_step] : 0.0F;
    }
}

void smg_gemm_pack_bf16_ref(const float *x, size_t outer_step, size_t depth_step, int64_t outer,
                            int64_t depth, void *ret_panel)
{
    uint16_t *panel = ret_panel;
    const int64_t padded = smg_panel_depth(SMG_GEMM_BF16, depth);
    for (int64_t k = 0; k < padded; k++) {
        uint16_t *pairs = panel + k / 2 * 2 * SMG_PANEL + k % 2;
        for (int64_t i = 0; i < SMG_PANEL; i++)
            pairs[2 * i] = i < outer && k < depth
                               ? smg_bf16_from_float(x[(size_t)i * outer_step + (size_t)k * depth_step])
                               : 0;
    }
}

typedef float tile[SMG_PANEL][SMG_PANEL];

static void tile_f32(int64_t depth, const float *a, const float *b, tile sums)
{
    for (int64_t k = 0; k < depth; k++, a += SMG_PANEL, b += SMG_PANEL) {
        for (int i = 0; i < SMG_PANEL; i++)
            for (int j = 0; j < SMG_PANEL; j++)
                sums[i][j] += a[i] * b[j];
    }
}

static void tile_bf16(int64_t depth, const uint16_t *a, const uint16_t *b, tile sums)
{
    for (int64_t k = 0; k < depth; k += 2, a += 2 * SMG_PANEL, b += 2 * SMG_PANEL) {
        for (int half = 0; half < 2; half++)
            for (int i = 0; i < SMG_PANEL; i++)
                for (int j = 0; j < SMG_PANEL; j++)
                    sums[i][j] += smg_bf16_to_float(a[2 * i + half]) * smg_bf16_to_float(b[2 * j + half]);
    }
}

static void product(smg_gemm_kind kind, int64_t depth, int64_t rows, int64_t columns, const uint8_t *a,
                    const uint8_t *b, float scale, bool add, float *out, size_t out_stride)
{
    const size_t bytes = smg_panel_bytes(kind, depth);
    const int64_t across = (columns + SMG_PANEL - 1) / SMG_PANEL;
    const int64_t tiles = (rows + SMG_PANEL - 1) / SMG_PANEL * across;
    for (int64_t t = 0; t < tiles; t++) {
        const int64_t row = t / across * SMG_PANEL, column = t % across * SMG_PANEL;
        const void *left = a + (size_t)(row / SMG_PANEL) * bytes;
        const void *top = b + (size_t)(column / SMG_PANEL) * bytes;
        tile sums = {{0}};
        if (kind == SMG_GEMM_F32)
            tile_f32(depth, left, top, sums);
        else
            tile_bf16(depth, left, top, sums);
        for (int64_t i = 0; i < SMG_PANEL && row + i < rows; i++) {
            float *to = out + (size_t)(row + i) * out_stride + column;
            for (int64_t j = 0; j < SMG_PANEL && column + j < columns; j++)
                to[j] = (add ? to[j] : 0.0F) + scale * sums[i][j];
        }
    }
}

void smg_gemm_f32_ref(int64_t depth, int64_t rows, int64_t columns, const void *a, const void *b, float scale,
                      bool add, float *out, size_t out_stride)
{
    product(SMG_GEMM_F32, depth, rows, columns, a, b, scale, add, out, out_stride);
}

void smg_gemm_bf16_ref(int64_t depth, int64_t rows, int64_t columns, const void *a, const void *b,
                       float scale, bool add, float *out, size_t out_stride)
{
    product(SMG_GEMM_BF16, depth, rows, columns, a, b, scale, add, out, out_stride);
}
