/* Many tokens against rows with blocks of 32. Four rows at a time are unpacked to bytes and transposed into a panel,
 * whose registers hold four bytes of each row; the panel meets all tokens, sixteen at a time, whose bytes were put
 * side by side once for all rows. */
#ifndef SMG_KERNELS_ARM_PANEL_SMALL_DOTPROD_H
#define SMG_KERNELS_ARM_PANEL_SMALL_DOTPROD_H

#include "kernels/arm/small_unpack_arm.h"

enum {
    PANEL_LEAST_TOKENS = 4, /* fewer than that pay more for unpacking than they save */
    PANEL_TOKENS = 64,      /* that a panel meets */
    PANEL_GROUP = 16,       /* that are computed together; what is left in fours */
    PANEL_BLOCKS = 16       /* of a row that are unpacked together */
};

/* A block of four rows: column j has elements 4j to 4j + 3 of each. */
typedef struct panel_weights {
    int8_t column[8][16];
    float d[4];
} panel_weights;

/* A block of four tokens. */
typedef struct panel_acts {
    int8_t qs[4][SMG_QK];
    float d[4];
} panel_acts;

typedef panel_acts panel_tokens[PANEL_BLOCKS][PANEL_TOKENS / 4];

static ALWAYS_INLINE int64_t at_most(int64_t n, int64_t limit)
{
    return n < limit ? n : limit;
}

/* Words i of four registers into register i. */
static ALWAYS_INLINE void transpose_words(int8x16_t a, int8x16_t b, int8x16_t c, int8x16_t d,
                                          int8_t (*ret)[16])
{
    const int32x4_t ac_low = vzip1q_s32(vreinterpretq_s32_s8(a), vreinterpretq_s32_s8(c));
    const int32x4_t ac_high = vzip2q_s32(vreinterpretq_s32_s8(a), vreinterpretq_s32_s8(c));
    const int32x4_t bd_low = vzip1q_s32(vreinterpretq_s32_s8(b), vreinterpretq_s32_s8(d));
    const int32x4_t bd_high = vzip2q_s32(vreinterpretq_s32_s8(b), vreinterpretq_s32_s8(d));
    vst1q_s8(ret[0], vreinterpretq_s8_s32(vzip1q_s32(ac_low, bd_low)));
    vst1q_s8(ret[1], vreinterpretq_s8_s32(vzip2q_s32(ac_low, bd_low)));
    vst1q_s8(ret[2], vreinterpretq_s8_s32(vzip1q_s32(ac_high, bd_high)));
    vst1q_s8(ret[3], vreinterpretq_s8_s32(vzip2q_s32(ac_high, bd_high)));
}

/* Where there are fewer than four rows, the last one stands for those that are missing. */
static ALWAYS_INLINE void panel_fill(small_unpack_fn unpack, size_t w_bytes, int64_t blocks, const uint8_t *w,
                                     size_t w_stride, int64_t rows, panel_weights *panel)
{
    const uint8_t *row[4];
    foreach (r, 4)
        row[r] = w + (size_t)(r < rows ? r : rows - 1) * w_stride;
    for (int64_t b = 0; b < blocks; b++, panel++) {
        quants q[4];
        uint16x4_t scales = vdup_n_u16(load_u16(row[0]));
        scales = vset_lane_u16(load_u16(row[1]), scales, 1);
        scales = vset_lane_u16(load_u16(row[2]), scales, 2);
        scales = vset_lane_u16(load_u16(row[3]), scales, 3);
        vst1q_f32(panel->d, vcvt_f32_f16(vreinterpret_f16_u16(scales)));
        foreach (r, 4) {
            q[r] = unpack(row[r]);
            row[r] += w_bytes;
        }
        transpose_words(q[0].a, q[1].a, q[2].a, q[3].a, panel->column);
        transpose_words(q[0].b, q[1].b, q[2].b, q[3].b, panel->column + 4);
    }
}

/* Likewise the last token, up to a multiple of four. */
static void panel_fill_tokens(int64_t blocks, const uint8_t *x, size_t x_stride, int64_t tokens,
                              panel_tokens ret)
{
    for (int64_t t = 0; t < (tokens + 3) / 4 * 4; t++) {
        const uint8_t *block = x + (size_t)(t < tokens ? t : tokens - 1) * x_stride;
        int8_t *qs = ret[0][t / 4].qs[t % 4];
        float *d = &ret[0][t / 4].d[t % 4];
        for (const uint8_t *end = block + (size_t)blocks * sizeof(smg_block_q8_0); block != end;
             block += sizeof(smg_block_q8_0), qs += sizeof ret[0], d += sizeof ret[0] / (sizeof *d)) {
            *d = load_half(block);
            memcpy(qs, block + offsetof(smg_block_q8_0, qs), SMG_QK);
        }
    }
}

/* A block of four rows times token `t` of four number `i`. It is in one piece because compilers would work on several at once and
 * run out of registers. */
#define PANEL_STEP(i, t)                                                                                     \
    do {                                                                                                     \
        int8x16_t low_, high_;                                                                               \
        int32x4_t sum_;                                                                                      \
        __asm__("ldp %q1, %q2, [%13, %14]\n\t"                                                               \
                "movi %3.4s, #0\n\t"                                                                         \
                "sdot %3.4s, %4.16b, %1.4b[0]\n\t"                                                           \
                "sdot %3.4s, %5.16b, %1.4b[1]\n\t"                                                           \
                "sdot %3.4s, %6.16b, %1.4b[2]\n\t"                                                           \
                "sdot %3.4s, %7.16b, %1.4b[3]\n\t"                                                           \
                "sdot %3.4s, %8.16b, %2.4b[0]\n\t"                                                           \
                "sdot %3.4s, %9.16b, %2.4b[1]\n\t"                                                           \
                "sdot %3.4s, %10.16b, %2.4b[2]\n\t"                                                          \
                "sdot %3.4s, %11.16b, %2.4b[3]\n\t"                                                          \
                "fmul %1.4s, %12.4s, %15.s[%16]\n\t"                                                         \
                "scvtf %3.4s, %3.4s\n\t"                                                                     \
                "fmla %0.4s, %3.4s, %1.4s"                                                                   \
                : "+w"(acc[4 * (i) + (t)]), "=&w"(low_), "=&w"(high_), "=&w"(sum_)                           \
                : "w"(a.first), "w"(a.second), "w"(b.first), "w"(b.second), "w"(c.first), "w"(c.second),     \
                  "w"(d.first), "w"(d.second), "w"(d_w), "r"(x), "i"((i) * sizeof(panel_acts) + (t)*SMG_QK), \
                  "w"(d_x), "i"(t)                                                                           \
                : "memory");                                                                                 \
    } while (0)

#define PANEL_FOUR(i)                                                                                        \
    do {                                                                                                     \
        const float32x4_t d_x = vld1q_f32(x[i].d);                                                           \
        PANEL_STEP(i, 0);                                                                                    \
        PANEL_STEP(i, 1);                                                                                    \
        PANEL_STEP(i, 2);                                                                                    \
        PANEL_STEP(i, 3);                                                                                    \
    } while (0)

/* acc[t] += four rows times tokens t, four or sixteen of them */
static ALWAYS_INLINE void panel_tile(int64_t blocks, const panel_weights *w, const panel_acts *x,
                                     float32x4_t *acc, const int fours)
{
    for (const panel_weights *end = w + blocks; w != end; w++, x += PANEL_TOKENS / 4) {
        const float32x4_t d_w = vld1q_f32(w->d);
        const byte_pair a = load_byte_pair(w->column[0]), b = load_byte_pair(w->column[2]);
        const byte_pair c = load_byte_pair(w->column[4]), d = load_byte_pair(w->column[6]);
        PANEL_FOUR(0);
        if (fours == 1)
            continue;
        PANEL_FOUR(1);
        PANEL_FOUR(2);
        PANEL_FOUR(3);
    }
}

/* Four rows and all of 4 * fours tokens. */
static ALWAYS_INLINE void panel_run(bool first, int64_t blocks, const panel_weights *w, const panel_acts *x,
                                    float *out, size_t out_stride, const int fours)
{
    float32x4_t acc[PANEL_GROUP];
    foreach (t, 4 * fours)
        acc[t] = first ? vdupq_n_f32(0) : vld1q_f32(out + (size_t)t * out_stride);
    panel_tile(blocks, w, x, acc, fours);
    foreach (t, 4 * fours)
        vst1q_f32(out + (size_t)t * out_stride, acc[t]);
}

/* At most four rows and four tokens. */
static ALWAYS_INLINE void panel_run_rest(bool first, int64_t blocks, const panel_weights *w, int64_t rows,
                                         const panel_acts *x, int64_t tokens, float *out, size_t out_stride)
{
    float results[4][4] = {{0}};
    for (int64_t t = 0; !first && t < tokens; t++)
        memcpy(results[t], out + (size_t)t * out_stride, (size_t)rows * sizeof *out);
    panel_run(false, blocks, w, x, results[0], 4, 1);
    for (int64_t t = 0; t < tokens; t++)
        memcpy(out + (size_t)t * out_stride, results[t], (size_t)rows * sizeof *out);
}

/* A panel and all tokens. */
static ALWAYS_INLINE void panel_meet(bool first, int64_t blocks, const panel_weights *w, int64_t rows,
                                     const panel_acts *x, int64_t tokens, float *out, size_t out_stride)
{
    int64_t t = 0;
    for (; rows == 4 && tokens - t >= PANEL_GROUP; t += PANEL_GROUP)
        panel_run(first, blocks, w, x + t / 4, out + (size_t)t * out_stride, out_stride, PANEL_GROUP / 4);
    for (; t < tokens; t += 4)
        panel_run_rest(first, blocks, w, rows, x + t / 4, at_most(tokens - t, 4),
                       out + (size_t)t * out_stride, out_stride);
}

static ALWAYS_INLINE void panel_small(small_unpack_fn unpack, size_t w_bytes, int64_t k, int64_t rows,
                                      const uint8_t *w, size_t w_stride, int64_t tokens, const uint8_t *x,
                                      size_t x_stride, float *out, size_t out_stride)
{
    panel_weights panel[PANEL_BLOCKS];
    panel_tokens acts;
    const int64_t all = k / SMG_QK;
    for (int64_t from = 0; from < tokens; from += PANEL_TOKENS) {
        const int64_t batch = at_most(tokens - from, PANEL_TOKENS);
        for (int64_t at = 0; at < all; at += PANEL_BLOCKS) {
            const int64_t blocks = at_most(all - at, PANEL_BLOCKS);
            panel_fill_tokens(blocks, x + (size_t)from * x_stride + (size_t)at * sizeof(smg_block_q8_0),
                              x_stride, batch, acts);
            for (int64_t r = 0; r < rows; r += 4) {
                const int64_t height = at_most(rows - r, 4);
                panel_fill(unpack, w_bytes, blocks, w + (size_t)r * w_stride + (size_t)at * w_bytes, w_stride,
                           height, panel);
                panel_meet(at == 0, blocks, panel, height, acts[0], batch,
                           out + (size_t)from * out_stride + (size_t)r, out_stride);
            }
        }
    }
}

#endif
