/* Many tokens against blocks of 32. Some blocks of four rows are unpacked into a panel of columns, which meets all tokens; their
 * scales were put side by side once for all rows. */
#ifndef SMG_KERNELS_ARM_PANEL_SMALL_H
#define SMG_KERNELS_ARM_PANEL_SMALL_H

#include "kernels/arm/quads_arm.h"
#include "kernels/arm/small_starts_arm.h"
#include "kernels/kernels.h"

enum {
    PANEL_LEAST_TOKENS = 4, /* fewer than that pay more for unpacking than they save */
    PANEL_TOKENS = 64,      /* that a panel meets */
#if defined(__ARM_FEATURE_MATMUL_INT8)
    PANEL_BLOCKS = 18 /* as below; fewer, because the tokens' bytes are on the stack, too */
#else
    PANEL_BLOCKS = 24      /* of a row that are unpacked together */
#endif
};

/* A block of four rows: column j has elements 4j to 4j + 3 of each. For the matrix multiply columns 2j and 2j + 1 have elements 8j to 8j + 7,
 * of the first two rows and of the last two. */
typedef struct panel_weights {
    int8_t column[8][16];
    float d[4], m[4];
} panel_weights;

/* Rows of all of 4 * fours tokens; or where that is four, of as many as there are, and the last one for those that are missing. */
static ALWAYS_INLINE void token_pointers(const uint8_t *x, size_t stride, int64_t tokens, const uint8_t **ret,
                                         const int fours)
{
    if (fours == 1) {
        four_pointers(x, stride, at_most(tokens, 4), ret);
        return;
    }
    foreach (t, 4 * fours) {
        ret[t] = x;
        x += stride;
        FORGET(x);
    }
}

#if defined(__ARM_FEATURE_MATMUL_INT8)

enum { PANEL_GROUP = 16 }; /* tokens that are computed together; what is left in fours */

/* A block of two tokens: their bytes as pair_tokens has them, and twice each one's scale. */
typedef struct token_pair {
    int8_t q[4][16];
    float d[4];
} token_pair;

/* What tokens have for some blocks, and sums where there are minimums. */
typedef struct panel_acts {
    token_pair pairs[PANEL_TOKENS / PANEL_GROUP][PANEL_BLOCKS][PANEL_GROUP / 2];
    float s[PANEL_BLOCKS][PANEL_TOKENS];
} panel_acts;

/* Blocks at, at + 1 … of rows of k elements. */
static inline void panel_fill_acts(int64_t k, int64_t at, int64_t blocks, bool has_m, const uint8_t *x,
                                   size_t x_stride, int64_t tokens, panel_acts *ret)
{
    for (int64_t t = 0; t < tokens; t += 4) {
        const uint8_t *row[4];
        size_t q = (size_t)at * SMG_QK, d = smg_act_scales(k) + (size_t)at * sizeof(float);
        size_t s = smg_act_sums(SMG_ACT_Q8_1, k) + (size_t)at * sizeof(float);
        token_pointers(x + (size_t)t * x_stride, x_stride, tokens - t, row, 1);
        for (int64_t b = 0; b < blocks; b++, q += SMG_QK, d += sizeof(float), s += sizeof(float)) {
            token_pair *pair = &ret->pairs[t / PANEL_GROUP][b][t % PANEL_GROUP / 2];
            foreach (i, 4) {
                vst1_f32(pair[i / 2].d + i % 2 * 2, vdup_n_f32(load_f32(row[i] + d)));
                if (has_m)
                    ret->s[b][t + i] = load_f32(row[i] + s);
            }
            pair_tokens(row[0] + q, row[1] + q, pair[0].q);
            pair_tokens(row[2] + q, row[3] + q, pair[1].q);
        }
    }
}

/* Where some tokens are in a block; each step goes on to the next. */
typedef struct panel_at {
    const token_pair *pairs;
    const float *s;
} panel_at;

static ALWAYS_INLINE panel_at panel_begin(const panel_acts *x, int64_t t, int64_t tokens, const int fours)
{
    (void)tokens;
    (void)fours;
    return (panel_at){&x->pairs[t / PANEL_GROUP][0][t % PANEL_GROUP / 2], &x->s[0][t]};
}

static ALWAYS_INLINE void panel_turn(float32x4_t *acc, const int fours)
{
    turn_float_tiles(acc, 4 * fours);
}

/* acc += a block of four rows times four or sixteen tokens. Sums begin and become floats as small_float has it: conversions are slow on the
 * processors that have this instruction. */
static ALWAYS_INLINE void panel_step(const panel_weights *w, panel_at *at, bool has_m, int most,
                                     float32x4_t *acc, const int fours)
{
    int32x4_t start = vdupq_n_s32(MAGIC_BITS);
    byte_pair columns[4];
    (void)most;
    if (has_m) {
        const float_tiles m = load_float_tiles(w->m);
        foreach (i, fours) {
            const float32x4_t s = vld1q_f32(at->s + 4 * i);
            const float32x4_t both[2] = {vzip1q_f32(s, s), vzip2q_f32(s, s)};
            foreach (p, 2) {
                acc[4 * i + 2 * p] = vfmaq_f32(acc[4 * i + 2 * p], m.low, both[p]);
                acc[4 * i + 2 * p + 1] = vfmaq_f32(acc[4 * i + 2 * p + 1], m.high, both[p]);
            }
        }
        at->s += PANEL_TOKENS;
    }
    /* one register serves as both, if the compiler does not know what is in it */
    __asm__("" : "+w"(start));
    const float32x4_t magic = vreinterpretq_f32_s32(start);
    const float_tiles d = load_float_tiles(w->d);
    foreach (g, 4)
        columns[g] = load_byte_pair(w->column[2 * g]);
    foreach (p, 2 * fours) {
        const token_pair *pair = at->pairs + p;
        int_tiles sums = {start, start};
        add_products(&sums, pair->q, columns);
        add_products(&sums, pair->q + 2, columns + 2);
        const float32x4_t d_x = load_floats_here(pair->d);
        const float32x4_t low = vsubq_f32(vreinterpretq_f32_s32(sums.low), magic);
        const float32x4_t high = vsubq_f32(vreinterpretq_f32_s32(sums.high), magic);
        acc[2 * p] = vfmaq_f32(acc[2 * p], low, vmulq_f32(d.low, d_x));
        acc[2 * p + 1] = vfmaq_f32(acc[2 * p + 1], high, vmulq_f32(d.high, d_x));
        SETTLE(acc[2 * p], acc[2 * p + 1]);
    }
    at->pairs += PANEL_GROUP / 2;
}

#else

#if defined(__ARM_FEATURE_DOTPROD)
enum { PANEL_GROUP = 16 }; /* tokens that are computed together; what is left in fours */
#else
enum { PANEL_GROUP = 8 };
#endif

/* What tokens have for some blocks: their bytes, where they are, and scales, and sums where there are minimums. */
typedef struct panel_acts {
    const uint8_t *q; /* of the first token and block */
    size_t stride;
    float d[PANEL_BLOCKS][PANEL_TOKENS], s[PANEL_BLOCKS][PANEL_TOKENS];
} panel_acts;

/* Blocks at, at + 1 … of rows of k elements. */
static inline void panel_fill_acts(int64_t k, int64_t at, int64_t blocks, bool has_m, const uint8_t *x,
                                   size_t x_stride, int64_t tokens, panel_acts *ret)
{
    ret->q = x + (size_t)at * SMG_QK;
    ret->stride = x_stride;
    for (int64_t t = 0; t < tokens; t += 4) {
        const uint8_t *row[4];
        size_t d = smg_act_scales(k) + (size_t)at * sizeof(float);
        size_t s = smg_act_sums(SMG_ACT_Q8_1, k) + (size_t)at * sizeof(float);
        token_pointers(x + (size_t)t * x_stride, x_stride, tokens - t, row, 1);
        for (int64_t b = 0; b < blocks; b++, d += sizeof(float), s += sizeof(float)) {
            foreach (i, 4) {
                ret->d[b][t + i] = load_f32(row[i] + d);
                if (has_m)
                    ret->s[b][t + i] = load_f32(row[i] + s);
            }
        }
    }
}

/* Where some tokens are in a block; each step goes on to the next. */
typedef struct panel_at {
    const uint8_t *q[PANEL_GROUP];
    const float *d, *s;
} panel_at;

static ALWAYS_INLINE panel_at panel_begin(const panel_acts *x, int64_t t, int64_t tokens, const int fours)
{
    panel_at at = {.d = &x->d[0][t], .s = &x->s[0][t]};
    token_pointers(x->q + (size_t)t * x->stride, x->stride, tokens - t, at.q, fours);
    return at;
}

/* Sums are added up as they are stored. */
static ALWAYS_INLINE void panel_turn(float32x4_t *acc, const int fours)
{
    (void)acc;
    (void)fours;
}

/* The columns of a panel's block, in registers. */
typedef struct panel_block {
    byte_pair columns[4];
    float32x4_t d, m;
} panel_block;

#if defined(__ARM_FEATURE_DOTPROD)

/* A block of four rows times token t, whose place moves on. It is in one piece because compilers would work on several at once and run
 * out of registers. */
#define PANEL_STEP(t)                                                                                        \
    do {                                                                                                     \
        int8x16_t low_, high_;                                                                               \
        int32x4_t sum_;                                                                                      \
        __asm__("ldp %q1, %q2, [%4], #32\n\t"                                                                \
                "movi %3.4s, #0\n\t"                                                                         \
                "sdot %3.4s, %5.16b, %1.4b[0]\n\t"                                                           \
                "sdot %3.4s, %6.16b, %1.4b[1]\n\t"                                                           \
                "sdot %3.4s, %7.16b, %1.4b[2]\n\t"                                                           \
                "sdot %3.4s, %8.16b, %1.4b[3]\n\t"                                                           \
                "sdot %3.4s, %9.16b, %2.4b[0]\n\t"                                                           \
                "sdot %3.4s, %10.16b, %2.4b[1]\n\t"                                                          \
                "sdot %3.4s, %11.16b, %2.4b[2]\n\t"                                                          \
                "sdot %3.4s, %12.16b, %2.4b[3]\n\t"                                                          \
                "fmul %1.4s, %13.4s, %14.s[%15]\n\t"                                                         \
                "scvtf %3.4s, %3.4s\n\t"                                                                     \
                "fmla %0.4s, %3.4s, %1.4s"                                                                   \
                : "+w"(acc[t]), "=&w"(low_), "=&w"(high_), "=&w"(sum_), "+r"(q[t])                           \
                : "w"(w->columns[0].first), "w"(w->columns[0].second), "w"(w->columns[1].first),             \
                  "w"(w->columns[1].second), "w"(w->columns[2].first), "w"(w->columns[2].second),            \
                  "w"(w->columns[3].first), "w"(w->columns[3].second), "w"(w->d), "w"(d_x), "i"((t) % 4)     \
                : "memory");                                                                                 \
    } while (0)

#define PANEL_FOUR(i)                                                                                        \
    do {                                                                                                     \
        const float32x4_t d_x = vld1q_f32(d + 4 * (i));                                                      \
        if (has_m) {                                                                                         \
            const float32x4_t s_x = vld1q_f32(s + 4 * (i));                                                  \
            acc[4 * (i)] = vfmaq_laneq_f32(acc[4 * (i)], w->m, s_x, 0);                                      \
            acc[4 * (i) + 1] = vfmaq_laneq_f32(acc[4 * (i) + 1], w->m, s_x, 1);                              \
            acc[4 * (i) + 2] = vfmaq_laneq_f32(acc[4 * (i) + 2], w->m, s_x, 2);                              \
            acc[4 * (i) + 3] = vfmaq_laneq_f32(acc[4 * (i) + 3], w->m, s_x, 3);                              \
        }                                                                                                    \
        PANEL_STEP(4 * (i));                                                                                 \
        PANEL_STEP(4 * (i) + 1);                                                                             \
        PANEL_STEP(4 * (i) + 2);                                                                             \
        PANEL_STEP(4 * (i) + 3);                                                                             \
    } while (0)

/* acc[t] += a block of four rows times tokens t, four or sixteen of them */
static ALWAYS_INLINE void panel_add(const panel_block *w, const uint8_t **q, const float *d, const float *s,
                                    bool has_m, int most, float32x4_t *acc, const int fours)
{
    (void)s;
    (void)most;
    PANEL_FOUR(0);
    if (fours == 1)
        return;
    PANEL_FOUR(1);
    PANEL_FOUR(2);
    PANEL_FOUR(3);
}

#else

static ALWAYS_INLINE void panel_add(const panel_block *w, const uint8_t **q, const float *d, const float *s,
                                    bool has_m, const int most, float32x4_t *acc, const int fours)
{
    int8x16_t columns[8];
    foreach (g, 4) {
        columns[2 * g] = w->columns[g].first;
        columns[2 * g + 1] = w->columns[g].second;
    }
    foreach (t, 4 * fours) {
        const byte_pair pair = next_byte_pair((const void **)&q[t]);
        const int8x16_t x[2] = {pair.first, pair.second};
        const int32x4_t sum = quad_dot(vdupq_n_s32(0), columns, x, 8, most);
        if (has_m)
            acc[t] = vfmaq_n_f32(acc[t], w->m, s[t]);
        acc[t] = vfmaq_f32(acc[t], vcvtq_f32_s32(sum), vmulq_n_f32(w->d, d[t]));
        SETTLE(acc[t], acc[t]);
    }
}

#endif

static ALWAYS_INLINE void panel_step(const panel_weights *w, panel_at *at, bool has_m, const int most,
                                     float32x4_t *acc, const int fours)
{
    panel_block block;
    foreach (g, 4)
        block.columns[g] = load_byte_pair(w->column[2 * g]);
    block.d = vld1q_f32(w->d);
    if (has_m)
        block.m = vld1q_f32(w->m);
    panel_add(&block, at->q, at->d, at->s, has_m, most, acc, fours);
    at->d += PANEL_TOKENS;
    at->s += PANEL_TOKENS;
}

#endif

/* Four rows and tokens t .. t + 4 * fours - 1 of `tokens`. */
static ALWAYS_INLINE void panel_run(bool first, int64_t blocks, const panel_weights *w, const panel_acts *x,
                                    int64_t t, int64_t tokens, bool has_m, const int most, float *out,
                                    size_t out_stride, const int fours)
{
    float32x4_t acc[PANEL_GROUP];
    panel_at at = panel_begin(x, t, tokens, fours);
    foreach (i, 4 * fours)
        acc[i] = first ? vdupq_n_f32(0) : vld1q_f32(out + (size_t)i * out_stride);
    if (!first)
        panel_turn(acc, fours);
    for (const panel_weights *end = w + blocks; w != end; w++)
        panel_step(w, &at, has_m, most, acc, fours);
    panel_turn(acc, fours);
    foreach (i, 4 * fours)
        vst1q_f32(out + (size_t)i * out_stride, acc[i]);
}

/* At most four rows and four tokens, from token t on. */
static ALWAYS_INLINE void panel_run_rest(bool first, int64_t blocks, const panel_weights *w, int64_t rows,
                                         const panel_acts *x, int64_t t, int64_t tokens, bool has_m,
                                         const int most, float *out, size_t out_stride)
{
    float results[4][4] = {{0}};
    const int64_t count = at_most(tokens - t, 4);
    for (int64_t i = 0; !first && i < count; i++)
        memcpy(results[i], out + (size_t)i * out_stride, (size_t)rows * sizeof *out);
    panel_run(false, blocks, w, x, t, tokens, has_m, most, results[0], 4, 1);
    for (int64_t i = 0; i < count; i++)
        memcpy(out + (size_t)i * out_stride, results[i], (size_t)rows * sizeof *out);
}

/* The panels of a group. */
typedef panel_weights panel_group[4][PANEL_BLOCKS];

/* Some panels and all tokens. Few tokens at a time meet all panels, so that both stay in the first cache. `rows` are those of the only
 * panel, or four. */
static ALWAYS_INLINE void panel_meet(bool first, int64_t blocks, const panel_weights (*panels)[PANEL_BLOCKS],
                                     int64_t count, int64_t rows, const panel_acts *x, int64_t tokens,
                                     bool has_m, const int most, float *out, size_t out_stride)
{
    int64_t t = 0;
    for (; rows == 4 && tokens - t >= PANEL_GROUP; t += PANEL_GROUP)
        for (int64_t i = 0; i < count; i++)
            panel_run(first, blocks, panels[i], x, t, tokens, has_m, most,
                      out + (size_t)t * out_stride + 4 * i, out_stride, PANEL_GROUP / 4);
    for (; t < tokens; t += 4)
        for (int64_t i = 0; i < count; i++)
            panel_run_rest(first, blocks, panels[i], rows, x, t, tokens, has_m, most,
                           out + (size_t)t * out_stride + 4 * i, out_stride);
}

#endif
