/* Many tokens against super-blocks of 256. One of four rows is unpacked into a panel of columns, which meets all tokens; their
 * scales and sums were put side by side once for all rows. */
#ifndef SMG_KERNELS_ARM_PANEL_SUPER_H
#define SMG_KERNELS_ARM_PANEL_SUPER_H

#include "kernels/arm/panel_small_arm.h"

enum { CHUNKS = 8, SUM_BYTES = SMG_QK_K / 16 * (int)sizeof(int16_t) };

/* A super-block of four rows: column [j][g] has elements 4g to 4g + 3 of chunk j of each, or what panel_weights has for the matrix
 * multiply. */
typedef struct super_panel {
    int8_t column[CHUNKS][8][16];
    int32_t scales[16][4]; /* of the halves of chunks, or the first 8 of chunks */
    int8_t mins[4][16];    /* as in super_scales */
    float d[4], dmin[4];
} super_panel;

/* The sums of a super-block's integers, halved into bytes: those of chunks or of their halves are 128 * high + low. */
typedef struct split_sums {
    int8x16_t low, high;
} split_sums;

static ALWAYS_INLINE split_sums split(const uint8_t *sums, bool wide)
{
    const int16x8_t first = vreinterpretq_s16_u8(vld1q_u8(sums)), mask = vdupq_n_s16(127);
    const int16x8_t second = vreinterpretq_s16_u8(vld1q_u8(sums + 16));
    if (wide) {
        const int16x8_t chunks = vpaddq_s16(first, second);
        const int8x8_t low = vmovn_s16(vandq_s16(chunks, mask)), high = vshrn_n_s16(chunks, 7);
        return (split_sums){vcombine_s8(low, low), vcombine_s8(high, high)};
    }
    return (split_sums){vuzp1q_s8(vreinterpretq_s8_s16(vandq_s16(first, mask)),
                                  vreinterpretq_s8_s16(vandq_s16(second, mask))),
                        vshrn_high_n_s16(vshrn_n_s16(first, 7), second, 7)};
}

/* Sums times what is taken for each of them from four rows: 2 or 4 registers of bytes. */
static ALWAYS_INLINE int32x4_t multiply_sums(const int8x16_t *taken, const split_sums *sums, bool wide,
                                             const int most)
{
    const int count = wide ? 2 : 4;
    const int32x4_t high = quad_dot(vdupq_n_s32(0), taken, &sums->high, count, most);
    return quad_dot(vshlq_n_s32(high, 7), taken, &sums->low, count, most);
}

#if defined(__ARM_FEATURE_MATMUL_INT8)

enum { SUPER_GROUP = 16 };

/* Chunks of some pairs of tokens, as pair_tokens has them. */
typedef int8_t super_pairs[SUPER_GROUP / 2][4][16];

typedef struct super_acts {
    super_pairs chunks[PANEL_TOKENS / SUPER_GROUP][CHUNKS];
} super_acts;

/* Super-blocks of tokens, the first of which are at x. */
static inline void super_fill_acts(const uint8_t *x, size_t x_stride, int64_t tokens, super_acts *ret)
{
    for (int64_t t = 0; t < tokens; t += 4) {
        const uint8_t *row[4];
        token_pointers(x + (size_t)t * x_stride, x_stride, tokens - t, row, 1);
        for (int j = 0; j < CHUNKS; j++) {
            int8_t(*pairs)[4][16] = ret->chunks[t / SUPER_GROUP][j] + t % SUPER_GROUP / 2;
            pair_tokens(row[0], row[1], pairs[0]);
            pair_tokens(row[2], row[3], pairs[1]);
            move_four(row, 32);
        }
    }
}

/* Where some tokens are in a chunk; each step goes on to the next. */
typedef struct super_at {
    const int8_t (*pairs)[4][16];
} super_at;

static ALWAYS_INLINE super_at super_begin(const super_acts *x, int64_t from, int64_t tokens, const int fours)
{
    (void)tokens;
    (void)fours;
    return (super_at){(const int8_t(*)[4][16])x->chunks[from / SUPER_GROUP][0] + from % SUPER_GROUP / 2};
}

static ALWAYS_INLINE void super_turn(int32x4_t *sum, const int fours)
{
    turn_tiles(sum, 4 * fours);
}

/* sum += chunk j of four rows times four or sixteen tokens */
static ALWAYS_INLINE void super_step(const super_panel *w, int j, super_at *at, bool wide, int most,
                                     int32x4_t *sum, const int fours)
{
    (void)most;
    byte_pair columns[4];
    const int parts = wide ? 1 : 2;
    foreach (h, parts) {
        const int_tiles scale = load_int_tiles(w->scales[parts * j + h]);
        foreach (g, 4 / parts)
            columns[g] = load_byte_pair(w->column[j][4 * h + 2 * g]);
        foreach (p, 2 * fours) {
            int_tiles dot = {vdupq_n_s32(0), vdupq_n_s32(0)};
            add_products(&dot, at->pairs[p] + 2 * h, columns);
            if (wide)
                add_products(&dot, at->pairs[p] + 2, columns + 2);
            sum[2 * p] = vmlaq_s32(sum[2 * p], dot.low, scale.low);
            sum[2 * p + 1] = vmlaq_s32(sum[2 * p + 1], dot.high, scale.high);
            SETTLE(sum[2 * p], sum[2 * p + 1]);
        }
    }
    at->pairs += SUPER_GROUP / 2;
}

#else

#if defined(__ARM_FEATURE_DOTPROD)
enum { SUPER_GROUP = 16 };
#else
enum { SUPER_GROUP = 8 };
#endif

typedef struct super_acts {
    const uint8_t *q; /* of the first token */
    size_t stride;
} super_acts;

static inline void super_fill_acts(const uint8_t *x, size_t x_stride, int64_t tokens, super_acts *ret)
{
    (void)tokens;
    ret->q = x;
    ret->stride = x_stride;
}

/* Where some tokens are in a chunk; each step goes on to the next. */
typedef struct super_at {
    const uint8_t *q[SUPER_GROUP];
} super_at;

static ALWAYS_INLINE super_at super_begin(const super_acts *x, int64_t from, int64_t tokens, const int fours)
{
    super_at at;
    token_pointers(x->q + (size_t)from * x->stride, x->stride, tokens - from, at.q, fours);
    return at;
}

static ALWAYS_INLINE void super_turn(int32x4_t *sum, const int fours)
{
    (void)sum;
    (void)fours;
}

#if defined(__ARM_FEATURE_DOTPROD)

/* A chunk of four rows times token t, whose place moves on, in one piece as PANEL_STEP is. */
#define SUPER_STEP(t, scale_first, scale_second, ...)                                                        \
    do {                                                                                                     \
        int8x16_t low_, high_;                                                                               \
        int32x4_t dot_;                                                                                      \
        __asm__("ldp %q1, %q2, [%4], #32\n\t"                                                                \
                "movi %3.4s, #0\n\t"                                                                         \
                "sdot %3.4s, %5.16b, %1.4b[0]\n\t"                                                           \
                "sdot %3.4s, %6.16b, %1.4b[1]\n\t"                                                           \
                "sdot %3.4s, %7.16b, %1.4b[2]\n\t"                                                           \
                "sdot %3.4s, %8.16b, %1.4b[3]\n\t" __VA_ARGS__ "sdot %3.4s, %9.16b, %2.4b[0]\n\t"            \
                "sdot %3.4s, %10.16b, %2.4b[1]\n\t"                                                          \
                "sdot %3.4s, %11.16b, %2.4b[2]\n\t"                                                          \
                "sdot %3.4s, %12.16b, %2.4b[3]\n\t"                                                          \
                "mla %0.4s, %3.4s, %14.4s"                                                                   \
                : "+w"(sum[t]), "=&w"(low_), "=&w"(high_), "=&w"(dot_), "+r"(at->q[t])                       \
                : "w"(columns[0].first), "w"(columns[0].second), "w"(columns[1].first),                      \
                  "w"(columns[1].second), "w"(columns[2].first), "w"(columns[2].second),                     \
                  "w"(columns[3].first), "w"(columns[3].second), "w"(scale_first), "w"(scale_second)         \
                : "memory");                                                                                 \
    } while (0)

#define SUPER_FOUR(i)                                                                                        \
    do {                                                                                                     \
        if (wide) {                                                                                          \
            SUPER_STEP(4 * (i), first, first, "");                                                           \
            SUPER_STEP(4 * (i) + 1, first, first, "");                                                       \
            SUPER_STEP(4 * (i) + 2, first, first, "");                                                       \
            SUPER_STEP(4 * (i) + 3, first, first, "");                                                       \
        } else {                                                                                             \
            SUPER_STEP(4 * (i), first, second, NEXT_HALF);                                                   \
            SUPER_STEP(4 * (i) + 1, first, second, NEXT_HALF);                                               \
            SUPER_STEP(4 * (i) + 2, first, second, NEXT_HALF);                                               \
            SUPER_STEP(4 * (i) + 3, first, second, NEXT_HALF);                                               \
        }                                                                                                    \
    } while (0)
#define NEXT_HALF                                                                                            \
    "mla %0.4s, %3.4s, %13.4s\n\t"                                                                           \
    "movi %3.4s, #0\n\t"

/* sum[t] += chunk j of four rows times token t, four or sixteen of them */
static ALWAYS_INLINE void super_step(const super_panel *w, int j, super_at *at, bool wide, int most,
                                     int32x4_t *sum, const int fours)
{
    (void)most;
    byte_pair columns[4];
    foreach (g, 4)
        columns[g] = load_byte_pair(w->column[j][2 * g]);
    const int32x4_t first = vld1q_s32(w->scales[wide ? j : 2 * j]);
    const int32x4_t second = wide ? first : vld1q_s32(w->scales[2 * j + 1]);
    SUPER_FOUR(0);
    if (fours == 1)
        return;
    SUPER_FOUR(1);
    SUPER_FOUR(2);
    SUPER_FOUR(3);
}

#else

static ALWAYS_INLINE void super_step(const super_panel *w, int j, super_at *at, bool wide, const int most,
                                     int32x4_t *sum, const int fours)
{
    int8x16_t columns[8];
    foreach (g, 8)
        columns[g] = vld1q_s8(w->column[j][g]);
    const int32x4_t first = vld1q_s32(w->scales[wide ? j : 2 * j]);
    const int32x4_t second = wide ? first : vld1q_s32(w->scales[2 * j + 1]);
    foreach (t, 4 * fours) {
        const byte_pair pair = next_byte_pair((const void **)&at->q[t]);
        const int8x16_t x[2] = {pair.first, pair.second};
        if (wide) {
            sum[t] = vmlaq_s32(sum[t], quad_dot(vdupq_n_s32(0), columns, x, 8, most), first);
        } else {
            sum[t] = vmlaq_s32(sum[t], quad_dot(vdupq_n_s32(0), columns, x, 4, most), first);
            sum[t] = vmlaq_s32(sum[t], quad_dot(vdupq_n_s32(0), columns + 4, x + 1, 4, most), second);
        }
        SETTLE(sum[t], sum[t]);
    }
}

#endif

#endif

/* A super-block of all tokens: their bytes, and scales and sums. */
typedef struct super_tokens {
    super_acts acts;
    int8_t sums[PANEL_TOKENS][2][16];
    float d[PANEL_TOKENS];
} super_tokens;

/* Super-block `at` of rows of k elements. Where the last four are not all there, the last token stands for the others. */
static inline void super_fill_tokens(int64_t k, int64_t at, bool wide, const uint8_t *x, size_t x_stride,
                                     int64_t tokens, super_tokens *ret)
{
    super_fill_acts(x + (size_t)at * SMG_QK_K, x_stride, tokens, &ret->acts);
    for (int64_t t = 0; t < (tokens + 3) / 4 * 4; t++) {
        const uint8_t *row = x + (size_t)(t < tokens ? t : tokens - 1) * x_stride;
        const split_sums sums = split(row + smg_act_sums(SMG_ACT_Q8_K, k) + (size_t)at * SUM_BYTES, wide);
        vst1q_s8(ret->sums[t][0], sums.low);
        vst1q_s8(ret->sums[t][1], sums.high);
        ret->d[t] = load_f32(row + smg_act_scales(k) + (size_t)at * sizeof(float));
    }
}

/* A panel and tokens from .. from + 4 * fours - 1 of `tokens`. */
static ALWAYS_INLINE void super_run(bool begins, const super_panel *w, const super_tokens *x, int64_t from,
                                    int64_t tokens, bool wide, bool has_mins, const int most, float *out,
                                    size_t out_stride, const int fours)
{
    int32x4_t sum[SUPER_GROUP];
    super_at at = super_begin(&x->acts, from, tokens, fours);
    foreach (t, 4 * fours)
        sum[t] = vdupq_n_s32(0);
    for (int j = 0; j < CHUNKS; j++)
        super_step(w, j, &at, wide, most, sum, fours);
    super_turn(sum, fours);
    const float32x4_t d = vld1q_f32(w->d), dmin = vld1q_f32(w->dmin);
    int8x16_t mins[4];
    foreach (i, 4)
        mins[i] = vld1q_s8(w->mins[i]);
    foreach (t, 4 * fours) {
        float *result = out + (size_t)t * out_stride;
        float32x4_t acc = begins ? vdupq_n_f32(0) : vld1q_f32(result);
        const float d_x = x->d[from + t];
        if (has_mins) {
            const byte_pair pair = load_byte_pair(x->sums[from + t]);
            const split_sums sums = {pair.first, pair.second};
            const int32x4_t away = multiply_sums(mins, &sums, wide, 63);
            acc = vfmsq_f32(acc, vcvtq_f32_s32(away), vmulq_n_f32(dmin, d_x));
        }
        vst1q_f32(result, vfmaq_f32(acc, vcvtq_f32_s32(sum[t]), vmulq_n_f32(d, d_x)));
    }
}

/* At most four rows and four tokens, from token `from` on. */
static ALWAYS_INLINE void super_run_rest(bool begins, const super_panel *w, int64_t rows,
                                         const super_tokens *x, int64_t from, int64_t tokens, bool wide,
                                         bool has_mins, const int most, float *out, size_t out_stride)
{
    float results[4][4] = {{0}};
    const int64_t count = at_most(tokens - from, 4);
    for (int64_t t = 0; !begins && t < count; t++)
        memcpy(results[t], out + (size_t)t * out_stride, (size_t)rows * sizeof *out);
    super_run(false, w, x, from, tokens, wide, has_mins, most, results[0], 4, 1);
    for (int64_t t = 0; t < count; t++)
        memcpy(out + (size_t)t * out_stride, results[t], (size_t)rows * sizeof *out);
}

/* Some panels and all tokens, as in panel_meet. */
static ALWAYS_INLINE void super_panel_meet(bool begins, const super_panel *panels, int64_t count,
                                           int64_t rows, const super_tokens *x, int64_t tokens, bool wide,
                                           bool has_mins, const int most, float *out, size_t out_stride)
{
    int64_t t = 0;
    for (; rows == 4 && tokens - t >= SUPER_GROUP; t += SUPER_GROUP)
        for (int64_t i = 0; i < count; i++)
            super_run(begins, panels + i, x, t, tokens, wide, has_mins, most,
                      out + (size_t)t * out_stride + 4 * i, out_stride, SUPER_GROUP / 4);
    for (; t < tokens; t += 4)
        for (int64_t i = 0; i < count; i++)
            super_run_rest(begins, panels + i, rows, x, t, tokens, wide, has_mins, most,
                           out + (size_t)t * out_stride + 4 * i, out_stride);
}

#endif
