/* Many tokens against blocks of 32. Some blocks of four rows are unpacked into a panel of columns, which meets all tokens; their
 * bytes were put side by side once for all rows. */
#ifndef SMG_KERNELS_ARM_PANEL_SMALL_H
#define SMG_KERNELS_ARM_PANEL_SMALL_H

#include "kernels/arm/quads_arm.h"
#include "kernels/kernels.h"

enum {
    PANEL_LEAST_TOKENS = 4, /* fewer than that pay more for unpacking than they save */
    PANEL_TOKENS = 64,      /* that a panel meets */
    PANEL_BLOCKS = 16       /* of a row that are unpacked together */
};

/* A block of four rows: column j has elements 4j to 4j + 3 of each. */
typedef struct panel_weights {
    int8_t column[8][16];
    float d[4], m[4];
} panel_weights;

/* A block of four tokens. */
typedef struct panel_acts {
    int8_t qs[4][SMG_QK];
    float d[4], s[4];
} panel_acts;

typedef panel_acts panel_tokens[PANEL_BLOCKS][PANEL_TOKENS / 4];

/* Blocks at, at + 1 … of rows of k elements. Where the last four are not all there, the last token stands for the others. */
static inline void panel_fill_tokens(int64_t k, int64_t at, int64_t blocks, bool has_m, const uint8_t *x,
                                     size_t x_stride, int64_t tokens, panel_tokens ret)
{
    for (int64_t t = 0; t < (tokens + 3) / 4 * 4; t++) {
        const uint8_t *row = x + (size_t)(t < tokens ? t : tokens - 1) * x_stride;
        const uint8_t *q = row + (size_t)at * SMG_QK;
        const uint8_t *d = row + smg_act_scales(k) + (size_t)at * sizeof(float);
        const uint8_t *s = row + smg_act_sums(SMG_ACT_Q8_1, k) + (size_t)at * sizeof(float);
        for (int64_t b = 0; b < blocks; b++, q += SMG_QK, d += sizeof(float), s += sizeof(float)) {
            panel_acts *acts = &ret[b][t / 4];
            memcpy(acts->qs[t % 4], q, SMG_QK);
            acts->d[t % 4] = load_f32(d);
            if (has_m)
                acts->s[t % 4] = load_f32(s);
        }
    }
}

/* The columns of a panel's block, in registers. */
typedef struct panel_block {
    byte_pair columns[4];
    float32x4_t d, m;
} panel_block;

#if defined(__ARM_FEATURE_DOTPROD)

enum { PANEL_GROUP = 16 }; /* tokens that are computed together; what is left in fours */

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
                : "w"(w->columns[0].first), "w"(w->columns[0].second), "w"(w->columns[1].first),             \
                  "w"(w->columns[1].second), "w"(w->columns[2].first), "w"(w->columns[2].second),            \
                  "w"(w->columns[3].first), "w"(w->columns[3].second), "w"(w->d), "r"(x),                    \
                  "i"((i) * sizeof(panel_acts) + (t)*SMG_QK), "w"(d_x), "i"(t)                               \
                : "memory");                                                                                 \
    } while (0)

#define PANEL_FOUR(i)                                                                                        \
    do {                                                                                                     \
        const float32x4_t d_x = vld1q_f32(x[i].d);                                                           \
        if (has_m) {                                                                                         \
            const float32x4_t s_x = vld1q_f32(x[i].s);                                                       \
            acc[4 * (i)] = vfmaq_laneq_f32(acc[4 * (i)], w->m, s_x, 0);                                      \
            acc[4 * (i) + 1] = vfmaq_laneq_f32(acc[4 * (i) + 1], w->m, s_x, 1);                              \
            acc[4 * (i) + 2] = vfmaq_laneq_f32(acc[4 * (i) + 2], w->m, s_x, 2);                              \
            acc[4 * (i) + 3] = vfmaq_laneq_f32(acc[4 * (i) + 3], w->m, s_x, 3);                              \
        }                                                                                                    \
        PANEL_STEP(i, 0);                                                                                    \
        PANEL_STEP(i, 1);                                                                                    \
        PANEL_STEP(i, 2);                                                                                    \
        PANEL_STEP(i, 3);                                                                                    \
    } while (0)

/* acc[t] += a block of four rows times tokens t, four or sixteen of them */
static ALWAYS_INLINE void panel_step(const panel_block *w, const panel_acts *x, bool has_m, int most,
                                     float32x4_t *acc, const int fours)
{
    (void)most;
    PANEL_FOUR(0);
    if (fours == 1)
        return;
    PANEL_FOUR(1);
    PANEL_FOUR(2);
    PANEL_FOUR(3);
}

#else

enum { PANEL_GROUP = 8 };

static ALWAYS_INLINE void panel_step(const panel_block *w, const panel_acts *x, bool has_m, const int most,
                                     float32x4_t *acc, const int fours)
{
    int8x16_t columns[8];
    foreach (g, 4) {
        columns[2 * g] = w->columns[g].first;
        columns[2 * g + 1] = w->columns[g].second;
    }
    foreach (t, 4 * fours) {
        const panel_acts *acts = x + t / 4;
        const int8x16_t q[2] = {vld1q_s8(acts->qs[t % 4]), vld1q_s8(acts->qs[t % 4] + 16)};
        const int32x4_t sum = quad_dot(vdupq_n_s32(0), columns, q, 8, most);
        if (has_m)
            acc[t] = vfmaq_n_f32(acc[t], w->m, acts->s[t % 4]);
        acc[t] = vfmaq_f32(acc[t], vcvtq_f32_s32(sum), vmulq_n_f32(w->d, acts->d[t % 4]));
        SETTLE(acc[t], acc[t]);
    }
}

#endif

/* Four rows and all of 4 * fours tokens. */
static ALWAYS_INLINE void panel_run(bool first, int64_t blocks, const panel_weights *w, const panel_acts *x,
                                    bool has_m, const int most, float *out, size_t out_stride,
                                    const int fours)
{
    float32x4_t acc[PANEL_GROUP];
    foreach (t, 4 * fours)
        acc[t] = first ? vdupq_n_f32(0) : vld1q_f32(out + (size_t)t * out_stride);
    for (const panel_weights *end = w + blocks; w != end; w++, x += PANEL_TOKENS / 4) {
        panel_block block;
        foreach (g, 4)
            block.columns[g] = load_byte_pair(w->column[2 * g]);
        block.d = vld1q_f32(w->d);
        if (has_m)
            block.m = vld1q_f32(w->m);
        panel_step(&block, x, has_m, most, acc, fours);
    }
    foreach (t, 4 * fours)
        vst1q_f32(out + (size_t)t * out_stride, acc[t]);
}

/* At most four rows and four tokens. */
static ALWAYS_INLINE void panel_run_rest(bool first, int64_t blocks, const panel_weights *w, int64_t rows,
                                         const panel_acts *x, int64_t tokens, bool has_m, const int most,
                                         float *out, size_t out_stride)
{
    float results[4][4] = {{0}};
    for (int64_t t = 0; !first && t < tokens; t++)
        memcpy(results[t], out + (size_t)t * out_stride, (size_t)rows * sizeof *out);
    panel_run(false, blocks, w, x, has_m, most, results[0], 4, 1);
    for (int64_t t = 0; t < tokens; t++)
        memcpy(out + (size_t)t * out_stride, results[t], (size_t)rows * sizeof *out);
}

/* A panel and all tokens. */
static ALWAYS_INLINE void panel_meet(bool first, int64_t blocks, const panel_weights *w, int64_t rows,
                                     const panel_acts *x, int64_t tokens, bool has_m, const int most,
                                     float *out, size_t out_stride)
{
    int64_t t = 0;
    for (; rows == 4 && tokens - t >= PANEL_GROUP; t += PANEL_GROUP)
        panel_run(first, blocks, w, x + t / 4, has_m, most, out + (size_t)t * out_stride, out_stride,
                  PANEL_GROUP / 4);
    for (; t < tokens; t += 4)
        panel_run_rest(first, blocks, w, rows, x + t / 4, at_most(tokens - t, 4), has_m, most,
                       out + (size_t)t * out_stride, out_stride);
}

#endif
