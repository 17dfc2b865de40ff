/* Products of packed floats in AVX2. */
#include "kernels/kernel_list.h"
#include "kernels/x86/v8_x86.h"

static ALWAYS_INLINE void v8_transpose(v8 x[8])
{
    v8 y[8];
    foreach (i, 4) {
        y[2 * i] = _mm256_unpacklo_ps(x[2 * i], x[2 * i + 1]);
        y[2 * i + 1] = _mm256_unpackhi_ps(x[2 * i], x[2 * i + 1]);
    }
    foreach (i, 2)
        foreach (j, 2) {
            const v8 a = y[4 * i + j], b = y[4 * i + 2 + j];
            x[4 * i + 2 * j] = _mm256_shuffle_ps(a, b, _MM_SHUFFLE(1, 0, 1, 0));
            x[4 * i + 2 * j + 1] = _mm256_shuffle_ps(a, b, _MM_SHUFFLE(3, 2, 3, 2));
        }
    foreach (j, 4) {
        const v8 a = x[j], b = x[4 + j];
        x[j] = _mm256_permute2f128_ps(a, b, 0x20);
        x[4 + j] = _mm256_permute2f128_ps(a, b, 0x31);
    }
}

#define SMG_GEMM_PACK_NAME smg_gemm_pack_f32_avx2
#define SMG_GEMM_NAME smg_gemm_f32_avx2
#define SMG_GEMM_TILES SMG_GEMM_TILE(0, 6) SMG_GEMM_TILE(6, 5) SMG_GEMM_TILE(11, 5)
#include "kernels/gemm_v8.inc"
