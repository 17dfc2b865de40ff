/* Q4_0, Q5_0 and Q8_0 with the dot product instruction. Every output is one chain of fused multiply-adds over its
 * blocks, acc = acc + (d_w d_x) * sum, in one lane; the integer sums are exact, so that neither the way of a single
 * token (rows as the file has them) nor that of many (rows unpacked and transposed once, for all of them) changes a
 * bit. */
#if !defined(__ARM_FEATURE_DOTPROD)
#error "this file is compiled with -march=armv8.2-a+dotprod"
#endif

#include "kernels/arm/panel_small_dotprod.h"
#include "kernels/arm/rows_small_dotprod.h"
#include "kernels/kernel_list.h"

typedef enum small_type { SMALL_Q4_0, SMALL_Q5_0, SMALL_Q8_0 } small_type;

/* ---- One token ------------------------------------------------------------------------------------------ */

enum { SEGMENT_BLOCKS = 128 };

/* Where sums of a block begin, for each: the type's zero lies at 8, which no row has to subtract. */
static void q4_0_starts(const uint8_t *sums, int64_t blocks, int64_t (*ret_starts)[2])
{
    for (int64_t i = 0; i < blocks; i++, sums += sizeof(int16_t)) {
        const uint32_t start = MAGIC_BITS - 8U * (uint32_t)(int16_t)load_u16(sums);
        ret_starts[i][0] = ret_starts[i][1] = start;
    }
}

typedef struct four {
    const uint8_t *w[4];
    float32x4_t acc;
} four;

/* A block of four rows, whose pointers move to the next one. */
static ALWAYS_INLINE void next_four(small_type type, const act_block *act, const int64_t *start,
                                    const uint8x16_t *places, four *rows)
{
    uint8x16_t fifth[2];
    const float32x4_t scale = type == SMALL_Q5_0 ? next_q5_0_heads(rows->w, fifth) : next_scales(rows->w);
    float32x4_t sum;
    if (type == SMALL_Q4_0) {
        const int32x4_t low = next_q4_0(rows->w, act, start), high = next_q4_0(rows->w + 2, act, start);
        sum = vsubq_f32(vreinterpretq_f32_s32(vpaddq_s32(low, high)), vdupq_n_f32(MAGIC));
    } else if (type == SMALL_Q5_0) {
        const int32x4_t low = next_q5_0(rows->w, act, fifth[0], places);
        sum = vcvtq_f32_s32(vpaddq_s32(low, next_q5_0(rows->w + 2, act, fifth[1], places)));
    } else {
        const int32x4_t low = next_q8_0(rows->w, act);
        sum = vcvtq_f32_s32(vpaddq_s32(low, next_q8_0(rows->w + 2, act)));
    }
    rows->acc = vfmaq_f32(rows->acc, sum, vmulq_n_f32(scale, act->d));
}

/* acc += blocks of 4 * `fours` rows times one token. */
static ALWAYS_INLINE void small_rows(small_type type, int64_t blocks, const uint8_t *x,
                                     const int64_t (*starts)[2], four *rows, const int fours)
{
    uint8x16_t places[4];
    foreach (i, 4)
        places[i] = vcombine_u8(vdup_n_u8((uint8_t)(2 + i)), vdup_n_u8((uint8_t)(10 + i)));
    const uint8_t *end = x + (size_t)blocks * sizeof(smg_block_q8_0);
    while (x != end) {
        const act_block act = next_act_block(&x);
        foreach (g, fours)
            next_four(type, &act, type == SMALL_Q4_0 ? *starts : NULL, places, &rows[g]);
        starts++;
    }
}

/* Sixteen rows, or up to four, where the last one stands for those that are missing. */
static ALWAYS_INLINE void sixteen_rows(small_type type, bool first, int64_t blocks, const uint8_t *w,
                                       size_t w_stride, const uint8_t *x, const int64_t (*starts)[2],
                                       float *out)
{
    four rows[4];
    foreach (r, 16) {
        rows[r / 4].w[r % 4] = w;
        w += w_stride;
        __asm__("" : "+r"(w)); /* or all multiples of the stride are kept, in memory */
    }
    foreach (g, 4)
        rows[g].acc = first ? vdupq_n_f32(0) : vld1q_f32(out + 4 * g);
    small_rows(type, blocks, x, starts, rows, 4);
    foreach (g, 4)
        vst1q_f32(out + 4 * g, rows[g].acc);
}

static ALWAYS_INLINE void four_rows(small_type type, bool first, int64_t blocks, const uint8_t *w,
                                    size_t w_stride, const uint8_t *x, const int64_t (*starts)[2], float *out,
                                    int64_t count)
{
    four rows;
    float results[4] = {0};
    foreach (r, 4)
        rows.w[r] = w + (size_t)(r < count ? r : count - 1) * w_stride;
    if (!first)
        memcpy(results, out, (size_t)count * sizeof *out);
    rows.acc = vld1q_f32(results);
    small_rows(type, blocks, x, starts, &rows, 1);
    vst1q_f32(results, rows.acc);
    memcpy(out, results, (size_t)count * sizeof *out);
}

static ALWAYS_INLINE void small_token(small_type type, size_t w_bytes, int64_t k, int64_t rows,
                                      const uint8_t *w, size_t w_stride, const uint8_t *x, float *out)
{
    int64_t starts[SEGMENT_BLOCKS][2];
    const int64_t all = k / SMG_QK;
    const uint8_t *sums = x + (size_t)all * sizeof(smg_block_q8_0);
    for (int64_t at = 0; at < all; at += SEGMENT_BLOCKS) {
        const int64_t blocks = at_most(all - at, SEGMENT_BLOCKS);
        const uint8_t *x_at = x + (size_t)at * sizeof(smg_block_q8_0);
        const uint8_t *w_r = w + (size_t)at * w_bytes;
        int64_t r = 0;
        if (type == SMALL_Q4_0)
            q4_0_starts(sums + (size_t)at * sizeof(int16_t), blocks, starts);
        for (; rows - r >= 16; r += 16, w_r += 16 * w_stride)
            sixteen_rows(type, at == 0, blocks, w_r, w_stride, x_at, starts, out + r);
        for (; r < rows; r += 4, w_r += 4 * w_stride)
            four_rows(type, at == 0, blocks, w_r, w_stride, x_at, starts, out + r, at_most(rows - r, 4));
    }
}

/* ---- All ------------------------------------------------------------------------------------------------ */

#define DEFINE_SMALL(types, type, block, unpack)                                                             \
    void smg_matmul_##types##_dotprod(int64_t k, int64_t rows, const void *w, size_t w_stride,               \
                                      int64_t tokens, const void *x, size_t x_stride, float *out,            \
                                      size_t out_stride)                                                     \
    {                                                                                                        \
        if (tokens >= PANEL_LEAST_TOKENS) {                                                                  \
            panel_small(unpack, sizeof(block), k, rows, w, w_stride, tokens, x, x_stride, out, out_stride);  \
            return;                                                                                          \
        }                                                                                                    \
        for (int64_t t = 0; t < tokens; t++)                                                                 \
            small_token(type, sizeof(block), k, rows, w, w_stride,                                           \
                        (const uint8_t *)x + (size_t)t * x_stride, out + (size_t)t * out_stride);            \
    }

DEFINE_SMALL(q4_0_q8_0, SMALL_Q4_0, smg_block_q4_0, small_q4_0)
DEFINE_SMALL(q5_0_q8_0, SMALL_Q5_0, smg_block_q5_0, small_q5_0)
DEFINE_SMALL(q8_0_q8_0, SMALL_Q8_0, smg_block_q8_0, small_q8_0)
