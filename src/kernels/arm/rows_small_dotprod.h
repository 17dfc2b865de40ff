/* One token against rows of Q4_0, Q5_0 or Q8_0, as the file stores them. Rows lie in the lanes: two rows share a
 * register, eight bytes each, so that a block's products of four rows end in four lanes after a single pairwise
 * addition. It is written in assembly because what counts here is that each row's pointer moves with its loads and
 * that structure loads need no copies; compilers manage neither. */
#ifndef SMG_KERNELS_ARM_ROWS_SMALL_DOTPROD_H
#define SMG_KERNELS_ARM_ROWS_SMALL_DOTPROD_H

#include "kernels/arm/quads_arm.h"
#include "kernels/arm/small_starts_arm.h"
#include "kernels/kernels.h"

typedef enum row_type { ROW_Q4_0, ROW_Q5_0, ROW_Q8_0 } row_type;

/* What a block of activations gives to all rows: its eights of bytes, each twice, and its scale. */
typedef struct act_block {
    int8x16_t x[4];
    float d;
} act_block;

static ALWAYS_INLINE act_block next_act_block(const uint8_t **x, const uint8_t *scale)
{
    register int8x16_t first __asm__("v24");
    register int8x16_t second __asm__("v25");
    register int8x16_t third __asm__("v26");
    register int8x16_t fourth __asm__("v27");
    const uint8_t *qs = *x;
    __asm__("ld4r {v24.2d, v25.2d, v26.2d, v27.2d}, [%4], #32"
            : "=w"(first), "=w"(second), "=w"(third), "=w"(fourth), "+r"(qs)
            :
            : "memory");
    *x = qs;
    return (act_block){{first, second, third, fourth}, load_f32(scale)};
}

/* The scales of four rows, which stand at their pointers. */
static ALWAYS_INLINE float32x4_t next_scales(const uint8_t **w)
{
    float16x4_t halves;
    __asm__("ldr %h0, [%1], #2\n\t"
            "ld1 {%0.h}[1], [%2], #2\n\t"
            "ld1 {%0.h}[2], [%3], #2\n\t"
            "ld1 {%0.h}[3], [%4], #2"
            : "=&w"(halves), "+r"(w[0]), "+r"(w[1]), "+r"(w[2]), "+r"(w[3])
            :
            : "memory");
    return vcvt_f32_f16(halves);
}

/* A block of two rows: their sums in two lanes each, starting from `*start`. */
static ALWAYS_INLINE int32x4_t next_q4_0(const uint8_t **w, const act_block *act, const int64_t *start)
{
    int32x4_t sum;
    __asm__("ldr %q0, [%3]\n\t"
            "ldp d16, d17, [%1], #16\n\t"
            "ld2 {v16.d, v17.d}[1], [%2], #16\n\t"
            "and v18.16b, v16.16b, %8.16b\n\t"
            "and v19.16b, v17.16b, %8.16b\n\t"
            "ushr v16.16b, v16.16b, #4\n\t"
            "ushr v17.16b, v17.16b, #4\n\t"
            "sdot %0.4s, v18.16b, %4.16b\n\t"
            "sdot %0.4s, v19.16b, %5.16b\n\t"
            "sdot %0.4s, v16.16b, %6.16b\n\t"
            "sdot %0.4s, v17.16b, %7.16b"
            : "=&w"(sum), "+r"(w[0]), "+r"(w[1])
            : "r"(start), "w"(act->x[0]), "w"(act->x[1]), "w"(act->x[2]), "w"(act->x[3]), "w"(vdupq_n_u8(15))
            : "memory", "v16", "v17", "v18", "v19");
    return sum;
}

static ALWAYS_INLINE int32x4_t next_q8_0(const uint8_t **w, const act_block *act)
{
    int32x4_t sum;
    __asm__("movi %0.4s, #0\n\t"
            "ld4r {v16.2d, v17.2d, v18.2d, v19.2d}, [%1], #32\n\t"
            "ld4 {v16.d, v17.d, v18.d, v19.d}[1], [%2], #32\n\t"
            "sdot %0.4s, v16.16b, %3.16b\n\t"
            "sdot %0.4s, v17.16b, %4.16b\n\t"
            "sdot %0.4s, v18.16b, %5.16b\n\t"
            "sdot %0.4s, v19.16b, %6.16b"
            : "=&w"(sum), "+r"(w[0]), "+r"(w[1])
            : "w"(act->x[0]), "w"(act->x[1]), "w"(act->x[2]), "w"(act->x[3])
            : "memory", "v16", "v17", "v18", "v19");
    return sum;
}

/* The scales of four rows, and their fifth bits, inverted: a bit that is not set makes four ones above its nibble, which
 * take 16. Two rows are in each register: eight bytes that begin with scale and bits. */
static ALWAYS_INLINE float32x4_t next_q5_0_heads(const uint8_t **w, uint8x16_t *ret_bits)
{
    const uint8x8_t scale_places = vcreate_u8(0x1918111009080100);
    const int64_t step = offsetof(smg_block_q5_0, qs);
    uint8x8_t halves;
    __asm__("ldr d16, [%3], #6\n\t"
            "ldr d17, [%5], #6\n\t"
            "ld1 {v16.d}[1], [%4], %8\n\t"
            "ld1 {v17.d}[1], [%6], %8\n\t"
            "tbl %0.8b, {v16.16b, v17.16b}, %7.8b\n\t"
            "mvn %1.16b, v16.16b\n\t"
            "mvn %2.16b, v17.16b"
            : "=&w"(halves), "=&w"(ret_bits[0]), "=&w"(ret_bits[1]), "+r"(w[0]), "+r"(w[1]), "+r"(w[2]),
              "+r"(w[3])
            : "w"(scale_places), "r"(step)
            : "memory", "v16", "v17");
    return vcvt_f32_f16(vreinterpret_f16_u8(halves));
}

/* `fifth`: bytes 2 to 5 are those of the first row, 10 to 13 of the second. */
static ALWAYS_INLINE int32x4_t next_q5_0(const uint8_t **w, const act_block *act, uint8x16_t fifth,
                                         const uint8x16_t *places)
{
    int32x4_t sum;
    __asm__("movi %0.4s, #0\n\t"
            "ldp d16, d17, [%1], #16\n\t"
            "ld2 {v16.d, v17.d}[1], [%2], #16\n\t"
            "tbl v18.16b, {%7.16b}, %8.16b\n\t"
            "tbl v19.16b, {%7.16b}, %9.16b\n\t"
            "tbl v20.16b, {%7.16b}, %10.16b\n\t"
            "tbl v21.16b, {%7.16b}, %11.16b\n\t"
            "cmtst v18.16b, v18.16b, %12.16b\n\t"
            "cmtst v19.16b, v19.16b, %12.16b\n\t"
            "cmtst v20.16b, v20.16b, %12.16b\n\t"
            "cmtst v21.16b, v21.16b, %12.16b\n\t"
            "bit v18.16b, v16.16b, %13.16b\n\t"
            "bit v19.16b, v17.16b, %13.16b\n\t"
            "sri v20.16b, v16.16b, #4\n\t"
            "sri v21.16b, v17.16b, #4\n\t"
            "sdot %0.4s, v18.16b, %3.16b\n\t"
            "sdot %0.4s, v19.16b, %4.16b\n\t"
            "sdot %0.4s, v20.16b, %5.16b\n\t"
            "sdot %0.4s, v21.16b, %6.16b"
            : "=&w"(sum), "+r"(w[0]), "+r"(w[1])
            : "w"(act->x[0]), "w"(act->x[1]), "w"(act->x[2]), "w"(act->x[3]), "w"(fifth), "w"(places[0]),
              "w"(places[1]), "w"(places[2]), "w"(places[3]),
              "w"(vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201))), "w"(vdupq_n_u8(15))
            : "memory", "v16", "v17", "v18", "v19", "v20", "v21");
    return sum;
}

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
static ALWAYS_INLINE void next_four(row_type type, const act_block *act, const int64_t *start,
                                    const uint8x16_t *places, four *rows)
{
    uint8x16_t fifth[2];
    const float32x4_t scale = type == ROW_Q5_0 ? next_q5_0_heads(rows->w, fifth) : next_scales(rows->w);
    float32x4_t sum;
    if (type == ROW_Q4_0) {
        const int32x4_t low = next_q4_0(rows->w, act, start), high = next_q4_0(rows->w + 2, act, start);
        sum = vsubq_f32(vreinterpretq_f32_s32(vpaddq_s32(low, high)), vdupq_n_f32(MAGIC));
    } else if (type == ROW_Q5_0) {
        const int32x4_t low = next_q5_0(rows->w, act, fifth[0], places);
        sum = vcvtq_f32_s32(vpaddq_s32(low, next_q5_0(rows->w + 2, act, fifth[1], places)));
    } else {
        const int32x4_t low = next_q8_0(rows->w, act);
        sum = vcvtq_f32_s32(vpaddq_s32(low, next_q8_0(rows->w + 2, act)));
    }
    rows->acc = vfmaq_f32(rows->acc, sum, vmulq_n_f32(scale, act->d));
}

/* acc += blocks of 4 * `fours` rows times one token. */
static ALWAYS_INLINE void four_times(row_type type, int64_t blocks, const uint8_t *x, const uint8_t *scales,
                                     const int64_t (*starts)[2], four *rows, const int fours)
{
    uint8x16_t places[4];
    foreach (i, 4)
        places[i] = vcombine_u8(vdup_n_u8((uint8_t)(2 + i)), vdup_n_u8((uint8_t)(10 + i)));
    const uint8_t *end = x + (size_t)blocks * SMG_QK;
    while (x != end) {
        const act_block act = next_act_block(&x, scales);
        foreach (g, fours)
            next_four(type, &act, type == ROW_Q4_0 ? *starts : NULL, places, &rows[g]);
        starts++;
        scales += sizeof(float);
    }
}

/* Sixteen rows, or up to four, where the last one stands for those that are missing. */
static ALWAYS_INLINE void sixteen_rows(row_type type, bool first, int64_t blocks, const uint8_t *w,
                                       size_t w_stride, const uint8_t *x, const uint8_t *scales,
                                       const int64_t (*starts)[2], float *out)
{
    four rows[4];
    foreach (r, 16) {
        rows[r / 4].w[r % 4] = w;
        w += w_stride;
        __asm__("" : "+r"(w)); /* or all multiples of the stride are kept, in memory */
    }
    foreach (g, 4)
        rows[g].acc = first ? vdupq_n_f32(0) : vld1q_f32(out + 4 * g);
    four_times(type, blocks, x, scales, starts, rows, 4);
    foreach (g, 4)
        vst1q_f32(out + 4 * g, rows[g].acc);
}

static ALWAYS_INLINE void four_rows(row_type type, bool first, int64_t blocks, const uint8_t *w,
                                    size_t w_stride, const uint8_t *x, const uint8_t *scales,
                                    const int64_t (*starts)[2], float *out, int64_t count)
{
    four rows;
    float results[4] = {0};
    foreach (r, 4)
        rows.w[r] = w + (size_t)(r < count ? r : count - 1) * w_stride;
    if (!first)
        memcpy(results, out, (size_t)count * sizeof *out);
    rows.acc = vld1q_f32(results);
    four_times(type, blocks, x, scales, starts, &rows, 1);
    vst1q_f32(results, rows.acc);
    memcpy(out, results, (size_t)count * sizeof *out);
}

static ALWAYS_INLINE void row_token(row_type type, size_t w_bytes, int64_t k, int64_t rows, const uint8_t *w,
                                    size_t w_stride, const uint8_t *x, float *out)
{
    int64_t starts[SEGMENT_BLOCKS][2];
    const int64_t all = k / SMG_QK;
    const uint8_t *scales = x + smg_act_scales(k), *sums = x + smg_act_sums(SMG_ACT_Q8_0, k);
    for (int64_t at = 0; at < all; at += SEGMENT_BLOCKS) {
        const int64_t blocks = at_most(all - at, SEGMENT_BLOCKS);
        const uint8_t *x_at = x + (size_t)at * SMG_QK, *d_at = scales + (size_t)at * sizeof(float);
        const uint8_t *w_r = w + (size_t)at * w_bytes;
        int64_t r = 0;
        if (type == ROW_Q4_0)
            q4_0_starts(sums + (size_t)at * sizeof(int16_t), blocks, starts);
        for (; rows - r >= 16; r += 16, w_r += 16 * w_stride)
            sixteen_rows(type, at == 0, blocks, w_r, w_stride, x_at, d_at, starts, out + r);
        for (; r < rows; r += 4, w_r += 4 * w_stride)
            four_rows(type, at == 0, blocks, w_r, w_stride, x_at, d_at, starts, out + r,
                      at_most(rows - r, 4));
    }
}

#define DEFINE_ROW_TOKEN(weights, type)                                                                      \
    static __attribute__((noinline)) void PASTE(small_token_##weights##_,                                    \
                                                ISA)(int64_t k, int64_t rows, const uint8_t *w,              \
                                                     size_t w_stride, const uint8_t *x, float *out)          \
    {                                                                                                        \
        row_token(type, sizeof(smg_block_##weights), k, rows, w, w_stride, x, out);                          \
    }

DEFINE_ROW_TOKEN(q4_0, ROW_Q4_0)
DEFINE_ROW_TOKEN(q5_0, ROW_Q5_0)
DEFINE_ROW_TOKEN(q8_0, ROW_Q8_0)

#endif
