/* Rows of weights to floats. Products and sums are rounded one by one, as in kernels/unpack.c: the same bits. */
#include "kernels/arm/small_unpack_arm.h"
#include "kernels/arm/super_unpack_arm.h"
#include "kernels/arm/v8_arm.h"
#include "kernels/kernel_list.h"

void smg_dequantize_f16_neon(const void *row, int64_t n, float *ret_x)
{
    const uint8_t *bytes = row;
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        v8_store(ret_x + i, v8_load_f16(bytes + 2 * i));
    for (; i < n; i++)
        ret_x[i] = load_half(bytes + 2 * i);
}

/* Sixteen bytes, to x = scale * q + offset; `plain`: without an offset. */
static ALWAYS_INLINE void store_16(int8x16_t q, float scale, bool plain, float offset, float *x)
{
    const int16x8_t halves[2] = {vmovl_s8(vget_low_s8(q)), vmovl_s8(vget_high_s8(q))};
    foreach (i, 2) {
        const v8 integers = V8(vcvtq_f32_s32(vmovl_s16(vget_low_s16(halves[i]))),
                               vcvtq_f32_s32(vmovl_s16(vget_high_s16(halves[i]))));
        const v8 value = v8_mul(v8_set(scale), integers);
        v8_store(x + 8 * i, plain ? value : v8_add(value, v8_set(offset)));
    }
}

static ALWAYS_INLINE void small_row(small_unpack_fn unpack, bool has_m, size_t block_bytes,
                                    const uint8_t *row, int64_t n, float *x)
{
    for (int64_t i = 0; i < n; i += SMG_QK, row += block_bytes, x += SMG_QK) {
        const float d = load_half(row), m = has_m ? load_half(row + 2) : 0.0F;
        const quants q = unpack(row);
        store_16(q.a, d, !has_m, m, x);
        store_16(q.b, d, !has_m, m, x + 16);
    }
}

/* whole: a scale is for 32 elements, not for 16 */
static ALWAYS_INLINE void super_row(super_head_fn read_head, super_chunk_fn read_chunk, bool whole,
                                    bool has_mins, size_t block_bytes, const uint8_t *row, int64_t n,
                                    float *x)
{
    for (int64_t i = 0; i < n; i += SMG_QK_K, row += block_bytes) {
        super_head head;
        read_head(row, &head);
        for (int j = 0; j < 8; j++, x += SMG_QK) {
            const quants q = read_chunk(row, j);
            const float first = head.d * (float)head.scales[whole ? j : 2 * j];
            const float second = whole ? first : head.d * (float)head.scales[2 * j + 1];
            store_16(q.a, first, !has_mins, has_mins ? -head.dmin * (float)head.mins[2 * j] : 0.0F, x);
            store_16(q.b, second, !has_mins, has_mins ? -head.dmin * (float)head.mins[2 * j + 1] : 0.0F,
                     x + 16);
        }
    }
}

#define DEFINE_SMALL(name, has_m)                                                                            \
    void smg_dequantize_##name##_neon(const void *row, int64_t n, float *ret_x)                              \
    {                                                                                                        \
        small_row(small_##name, has_m, sizeof(smg_block_##name), row, n, ret_x);                             \
    }

DEFINE_SMALL(q4_0, false)
DEFINE_SMALL(q4_1, true)
DEFINE_SMALL(q5_0, false)
DEFINE_SMALL(q5_1, true)
DEFINE_SMALL(q8_0, false)
DEFINE_SMALL(iq4_nl, false)

#define DEFINE_SUPER(name, head, whole, has_mins)                                                            \
    void smg_dequantize_##name##_neon(const void *row, int64_t n, float *ret_x)                              \
    {                                                                                                        \
        super_row(head, name##_chunk, whole, has_mins, sizeof(smg_block_##name), row, n, ret_x);             \
    }

DEFINE_SUPER(q2_k, q2_k_head, false, true)
DEFINE_SUPER(q3_k, q3_k_head, false, false)
DEFINE_SUPER(q4_k, q4_k_head, true, true)
DEFINE_SUPER(q5_k, q4_k_head, true, true)
DEFINE_SUPER(q6_k, q6_k_head, false, false)
DEFINE_SUPER(iq4_xs, iq4_xs_head, true, false)
