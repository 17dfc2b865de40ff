/* Rows of weights to floats. Products and sums are rounded one by one, as in kernels/unpack.c: the same bits. */
#include "kernels/kernel_list.h"
#include "kernels/x86/small_unpack_x86.h"
#include "kernels/x86/super_unpack_x86.h"
#include "kernels/x86/v8_x86.h"

void smg_dequantize_f16_avx2(const void *row, int64_t n, float *ret_x)
{
    const uint8_t *bytes = row;
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        v8_store(ret_x + i, v8_load_f16(bytes + 2 * i));
    for (; i < n; i++)
        ret_x[i] = load_half(bytes + 2 * i);
}

/* Sixteen bytes, to x = scale * q + offset; `plain`: without an offset. */
static ALWAYS_INLINE void store_16(__m128i q, v8 scale, bool plain, v8 offset, float *x)
{
    foreach (i, 2) {
        const v8 value = v8_mul(scale, _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(q)));
        v8_store(x + 8 * i, plain ? value : v8_add(value, offset));
        q = _mm_srli_si128(q, 8);
    }
}

static ALWAYS_INLINE void small_row(small_unpack_fn unpack, small_kind kind, size_t block_bytes,
                                    const uint8_t *row, int64_t n, float *x)
{
    for (int64_t i = 0; i < n; i += SMG_QK, row += block_bytes, x += SMG_QK) {
        const v8 d = v8_set(load_half(row)), m = v8_set(kind == SMALL_MIN ? load_half(row + 2) : 0.0F);
        __m256i q = unpack(row);
        if (kind > 0)
            q = _mm256_sub_epi8(q, _mm256_set1_epi8((char)kind));
        store_16(_mm256_castsi256_si128(q), d, kind != SMALL_MIN, m, x);
        store_16(_mm256_extracti128_si256(q, 1), d, kind != SMALL_MIN, m, x + 16);
    }
}

/* d times each of sixteen 16-bit integers. */
static ALWAYS_INLINE void store_products(float d, __m256i integers, float *ret_products)
{
    const __m256i low = _mm256_cvtepi16_epi32(_mm256_castsi256_si128(integers));
    const __m256i high = _mm256_cvtepi16_epi32(_mm256_extracti128_si256(integers, 1));
    v8_store(ret_products, v8_mul(v8_set(d), _mm256_cvtepi32_ps(low)));
    v8_store(ret_products + 8, v8_mul(v8_set(d), _mm256_cvtepi32_ps(high)));
}

/* `zero` is taken from each q. */
static ALWAYS_INLINE void super_row(super_head_fn read_head, super_chunk_fn read_chunk, int zero,
                                    bool has_mins, size_t block_bytes, const uint8_t *row, int64_t n,
                                    float *x)
{
    for (int64_t i = 0; i < n; i += SMG_QK_K, row += block_bytes) {
        const super_head head = read_head(row);
        float scales[16], mins[16];
        store_products(head.d, head.scales, scales);
        if (has_mins)
            store_products(-head.dmin, head.mins, mins);
        for (int j = 0; j < 8; j++, x += SMG_QK) {
            const __m256i q = _mm256_sub_epi8(read_chunk(row, j), _mm256_set1_epi8((char)zero));
            store_16(_mm256_castsi256_si128(q), v8_set(scales[j]), !has_mins,
                     v8_set(has_mins ? mins[2 * j] : 0.0F), x);
            store_16(_mm256_extracti128_si256(q, 1), v8_set(scales[8 + j]), !has_mins,
                     v8_set(has_mins ? mins[2 * j + 1] : 0.0F), x + 16);
        }
    }
}

#define DEFINE_SMALL(name, kind)                                                                             \
    void smg_dequantize_##name##_avx2(const void *row, int64_t n, float *ret_x)                              \
    {                                                                                                        \
        small_row(small_##name, kind, sizeof(smg_block_##name), row, n, ret_x);                              \
    }

DEFINE_SMALL(q4_0, SMALL_CENTER_8)
DEFINE_SMALL(q4_1, SMALL_MIN)
DEFINE_SMALL(q5_0, SMALL_CENTER_16)
DEFINE_SMALL(q5_1, SMALL_MIN)
DEFINE_SMALL(q8_0, SMALL_SIGNED)
DEFINE_SMALL(iq4_nl, SMALL_SIGNED)

#define DEFINE_SUPER(name, head, zero, has_mins)                                                             \
    void smg_dequantize_##name##_avx2(const void *row, int64_t n, float *ret_x)                              \
    {                                                                                                        \
        super_row(head, name##_chunk, zero, has_mins, sizeof(smg_block_##name), row, n, ret_x);              \
    }

DEFINE_SUPER(q2_k, q2_k_head, 0, true)
DEFINE_SUPER(q3_k, q3_k_head, 4, false)
DEFINE_SUPER(q4_k, q4_k_head, 0, true)
DEFINE_SUPER(q5_k, q4_k_head, 0, true)
DEFINE_SUPER(q6_k, q6_k_head, 32, false)
DEFINE_SUPER(iq4_xs, iq4_xs_head, 0, false)
