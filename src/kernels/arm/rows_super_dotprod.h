/* One token against rows of Q4_K, Q5_K or Q6_K, as the file stores them. */
#ifndef SMG_KERNELS_ARM_ROWS_SUPER_DOTPROD_H
#define SMG_KERNELS_ARM_ROWS_SUPER_DOTPROD_H

#include "kernels/arm/panel_super_arm.h"
#include "kernels/arm/super_unpack_arm.h"

typedef enum row_super { ROW_Q4_K, ROW_Q5_K, ROW_Q6_K } row_super;

/* What is known of a row's super-block before its quants. The products of one sub-block after another are summed
 * without beginning anew; the sum after sub-block j is taken times scale j less scale j + 1, which comes to the same
 * and saves clearing a register for each. */
typedef struct row_head {
    int32_t steps[16]; /* the first 8 where sub-blocks have 32 elements */
    int16x8_t minimums;
} row_head;

/* ---- Heads ---------------------------------------------------------------------------------------------- */

/* Eight scales and eight minimums of six bits: the first four of each are the low bits of bytes 0-3 and 4-7; the last
 * four are nibbles of bytes 8-11 and the first ones' spare upper bits. All in the block's first 16 bytes. */
static ALWAYS_INLINE uint8x16_t q4_k_scales(const uint8_t *block)
{
    static const uint8_t low_places[16] = {4, 5, 6, 7, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15};
    static const uint8_t high_places[16] = {255, 255, 255, 255, 4, 5, 6, 7, 255, 255, 255, 255, 8, 9, 10, 11};
    const uint64x2_t low_mask = vdupq_n_u64(0x0f0f0f0f3f3f3f3f), high_mask = vdupq_n_u64(0x3030303000000000);
    const int8x16_t shifts = vreinterpretq_s8_u32(vsetq_lane_u32(0xfcfcfcfc, vdupq_n_u32(0), 3));
    const uint8x16_t head = vld1q_u8(block);
    const uint8x16_t low =
        vandq_u8(vshlq_u8(vqtbl1q_u8(head, vld1q_u8(low_places)), shifts), vreinterpretq_u8_u64(low_mask));
    const uint8x16_t high = vshrq_n_u8(vqtbl1q_u8(head, vld1q_u8(high_places)), 2);
    return vbslq_u8(vreinterpretq_u8_u64(high_mask), high, low);
}

static ALWAYS_INLINE void store_steps(int16x8_t scales, int16x8_t next, int32_t *ret_steps)
{
    const int16x8_t steps = vsubq_s16(scales, vextq_s16(scales, next, 1));
    vst1q_s32(ret_steps, vmovl_s16(vget_low_s16(steps)));
    vst1q_s32(ret_steps + 4, vmovl_high_s16(steps));
}

static ALWAYS_INLINE void q4_k_row_head(const uint8_t *block, row_head *ret_head)
{
    const uint8x16_t scales = q4_k_scales(block);
    store_steps(vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(scales))), vdupq_n_s16(0), ret_head->steps);
    ret_head->minimums = vreinterpretq_s16_u16(vmovl_high_u8(scales));
}

/* In the order in which q6_k_pair unpacks. */
static ALWAYS_INLINE void q6_k_row_head(const uint8_t *block, row_head *ret_head)
{
    static const uint8_t places[16] = {0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15};
    const int8x16_t scales = vqtbl1q_s8(load_i8(block + offsetof(smg_block_q6_k, scales)), vld1q_u8(places));
    const int16x8_t first = vmovl_s8(vget_low_s8(scales)), second = vmovl_high_s8(scales);
    store_steps(first, second, ret_head->steps);
    store_steps(second, vdupq_n_s16(0), ret_head->steps + 8);
}

static ALWAYS_INLINE int32x4_t multiply_halves(int16x8_t a, int16x8_t sums)
{
    return vmlal_high_s16(vmull_s16(vget_low_s16(a), vget_low_s16(sums)), a, sums);
}

/* What has to be taken from the products of a row: minimums, or for Q6_K its zero, 32. */
static ALWAYS_INLINE int32x4_t row_zeros(row_super type, const uint8_t *block, const row_head *head,
                                         const uint8_t *sums)
{
    const int16x8_t first = vreinterpretq_s16_u8(vld1q_u8(sums));
    const int16x8_t second = vreinterpretq_s16_u8(vld1q_u8(sums + 16));
    if (type != ROW_Q6_K)
        return multiply_halves(head->minimums, vpaddq_s16(first, second));
    const int8x16_t scales = load_i8(block + offsetof(smg_block_q6_k, scales));
    return vaddq_s32(multiply_halves(vmovl_s8(vget_low_s8(scales)), first),
                     multiply_halves(vmovl_high_s8(scales), second));
}

/* ---- Quants --------------------------------------------------------------------------------------------- */

typedef struct super_bytes {
    uint8x16_t a, b;
} super_bytes;

static ALWAYS_INLINE super_bytes load_32(const uint8_t *p)
{
    const byte_pair pair = load_byte_pair(p);
    return (super_bytes){vreinterpretq_u8_s8(pair.first), vreinterpretq_u8_s8(pair.second)};
}

/* Each 32 bytes hold the nibbles of two chunks. */
static ALWAYS_INLINE void q4_k_pair(const uint8_t *block, int pair, quants *ret)
{
    const super_bytes qs = load_32(block + offsetof(smg_block_q4_k, qs) + 32 * pair);
    const uint8x16_t mask = vdupq_n_u8(15);
    ret[0] = as_quants(vandq_u8(qs.a, mask), vandq_u8(qs.b, mask));
    ret[1] = as_quants(vshrq_n_u8(qs.a, 4), vshrq_n_u8(qs.b, 4));
}

/* Bit `bit` of each byte, moved to bit 4. */
static ALWAYS_INLINE uint8x16_t fifth_bit(uint8x16_t x, int bit)
{
    const uint8x16_t moved = bit == 4 ? x : vshlq_u8(x, vdupq_n_s8((int8_t)(4 - bit)));
    return vandq_u8(moved, vdupq_n_u8(16));
}

static ALWAYS_INLINE void q5_k_pair(const uint8_t *block, int pair, quants *ret)
{
    const super_bytes qs = load_32(block + offsetof(smg_block_q5_k, qs) + 32 * pair);
    const super_bytes qh = load_32(block + offsetof(smg_block_q5_k, qh));
    const uint8x16_t mask = vdupq_n_u8(15);
    ret[0] = as_quants(vbslq_u8(mask, qs.a, fifth_bit(qh.a, 2 * pair)),
                       vbslq_u8(mask, qs.b, fifth_bit(qh.b, 2 * pair)));
    ret[1] = as_quants(vsriq_n_u8(fifth_bit(qh.a, 2 * pair + 1), qs.a, 4),
                       vsriq_n_u8(fifth_bit(qh.b, 2 * pair + 1), qs.b, 4));
}

/* The 2 bits of a field of qh, moved to bits 4 and 5. */
static ALWAYS_INLINE uint8x16_t q6_k_high(uint8x16_t x, int field)
{
    const uint8x16_t moved = field == 0   ? vshlq_n_u8(x, 4)
                             : field == 1 ? vshlq_n_u8(x, 2)
                             : field == 2 ? x
                                          : vshrq_n_u8(x, 2);
    return vandq_u8(moved, vdupq_n_u8(0x30));
}

/* Each 64 bytes of ql hold four chunks: the low nibbles of two, then the high nibbles of two. So a pair here is two
 * chunks that lie two apart. */
static ALWAYS_INLINE void q6_k_pair(const uint8_t *block, int pair, quants *ret)
{
    const super_bytes ql = load_32(block + offsetof(smg_block_q6_k, ql) + 32 * pair);
    const super_bytes qh = load_32(block + offsetof(smg_block_q6_k, qh) + pair / 2 * 32);
    const uint8x16_t mask = vdupq_n_u8(15);
    ret[0] = as_quants(vbslq_u8(mask, ql.a, q6_k_high(qh.a, pair % 2)),
                       vbslq_u8(mask, ql.b, q6_k_high(qh.b, pair % 2)));
    ret[1] = as_quants(vsriq_n_u8(q6_k_high(qh.a, pair % 2 + 2), ql.a, 4),
                       vsriq_n_u8(q6_k_high(qh.b, pair % 2 + 2), ql.b, 4));
}

/* ---- Rows ----------------------------------------------------------------------------------------------- */

static ALWAYS_INLINE void row_pair(row_super type, const uint8_t *block, int pair, quants *ret)
{
    if (type == ROW_Q4_K)
        q4_k_pair(block, pair, ret);
    else if (type == ROW_Q5_K)
        q5_k_pair(block, pair, ret);
    else
        q6_k_pair(block, pair, ret);
}

/* Activations of what row_pair unpacks. */
static ALWAYS_INLINE void row_act(row_super type, const uint8_t *x, int pair, quants *ret)
{
    const int first = type == ROW_Q6_K ? pair / 2 * 4 + pair % 2 : 2 * pair;
    foreach (i, 2) {
        const int chunk = first + i * (type == ROW_Q6_K ? 2 : 1);
        const byte_pair qs = load_byte_pair(x + 32 * chunk);
        ret[i] = (quants){qs.first, qs.second};
    }
}

typedef struct row_sums {
    int32x4_t running, scaled;
} row_sums;

/* The sum so far, times step `lane` of `steps`. */
#define ROW_SCALE(sums, multiply, steps, lane)                                                               \
    do {                                                                                                     \
        (sums)->scaled = multiply((sums)->scaled, (sums)->running, steps, lane);                             \
        SETTLE((sums)->running, (sums)->scaled);                                                             \
    } while (0)

static ALWAYS_INLINE void row_add(row_super type, const row_head *head, int pair, const quants *q,
                                  const quants *act, row_sums *sums)
{
    if (type == ROW_Q6_K) {
        const int32x4_t steps = vld1q_s32(head->steps + 4 * pair);
        sums->running = vdotq_s32(sums->running, q[0].a, act[0].a);
        ROW_SCALE(sums, vmlaq_laneq_s32, steps, 0);
        sums->running = vdotq_s32(sums->running, q[0].b, act[0].b);
        ROW_SCALE(sums, vmlaq_laneq_s32, steps, 1);
        sums->running = vdotq_s32(sums->running, q[1].a, act[1].a);
        ROW_SCALE(sums, vmlaq_laneq_s32, steps, 2);
        sums->running = vdotq_s32(sums->running, q[1].b, act[1].b);
        ROW_SCALE(sums, vmlaq_laneq_s32, steps, 3);
        return;
    }
    const int32x2_t steps = vld1_s32(head->steps + 2 * pair);
    sums->running = vdotq_s32(vdotq_s32(sums->running, q[0].a, act[0].a), q[0].b, act[0].b);
    ROW_SCALE(sums, vmlaq_lane_s32, steps, 0);
    sums->running = vdotq_s32(vdotq_s32(sums->running, q[1].a, act[1].a), q[1].b, act[1].b);
    ROW_SCALE(sums, vmlaq_lane_s32, steps, 1);
}

/* One super-block of four rows. */
static ALWAYS_INLINE float32x4_t row_block(row_super type, const uint8_t *const *w, const uint8_t *x,
                                           const uint8_t *sums, float d_x, float32x4_t acc)
{
    row_head head[4];
    row_sums row[4];
    int32x4_t scaled[4], zeros[4];
    foreach (r, 4) {
        if (type == ROW_Q6_K)
            q6_k_row_head(w[r], &head[r]);
        else
            q4_k_row_head(w[r], &head[r]);
        row[r] = (row_sums){vdupq_n_s32(0), vdupq_n_s32(0)};
    }
    foreach (pair, CHUNKS / 2) {
        quants q[2], act[2];
        row_act(type, x, pair, act);
        foreach (r, 4) {
            row_pair(type, w[r], pair, q);
            row_add(type, &head[r], pair, q, act, &row[r]);
        }
    }
    foreach (r, 4) {
        scaled[r] = row[r].scaled;
        zeros[r] = row_zeros(type, w[r], &head[r], sums);
        if (type == ROW_Q6_K)
            scaled[r] = vsubq_s32(scaled[r], vshlq_n_s32(zeros[r], 5));
    }
    if (type != ROW_Q6_K) {
        const float32x4_t dmin = vmulq_n_f32(halves_at(w, offsetof(smg_block_q4_k, dmin)), d_x);
        acc = vfmsq_f32(acc, vcvtq_f32_s32(sums_of_four(zeros)), dmin);
    }
    const size_t d_at = type == ROW_Q6_K ? offsetof(smg_block_q6_k, d) : offsetof(smg_block_q4_k, d);
    return vfmaq_f32(acc, vcvtq_f32_s32(sums_of_four(scaled)), vmulq_n_f32(halves_at(w, d_at), d_x));
}

static ALWAYS_INLINE void four_super_rows(row_super type, size_t bytes, int64_t k, const uint8_t *w,
                                          size_t w_stride, int64_t rows, const uint8_t *x, float *out)
{
    const uint8_t *row[4], *scales = x + smg_act_scales(k), *sums = x + smg_act_sums(SMG_ACT_Q8_K, k);
    float results[4];
    float32x4_t acc = vdupq_n_f32(0);
    four_pointers(w, w_stride, rows, row);
    for (const uint8_t *end = x + k; x != end; x += SMG_QK_K, sums += SUM_BYTES, scales += sizeof(float)) {
        acc = row_block(type, row, x, sums, load_f32(scales), acc);
        move_four(row, bytes);
    }
    vst1q_f32(results, acc);
    memcpy(out, results, (size_t)rows * sizeof *out);
}

#define DEFINE_SUPER_ROWS(weights, type)                                                                     \
    static __attribute__((noinline)) void PASTE(super_token_##weights##_,                                    \
                                                ISA)(int64_t k, int64_t rows, const uint8_t *w,              \
                                                     size_t w_stride, const uint8_t *x, float *out)          \
    {                                                                                                        \
        for (int64_t r = 0; r < rows; r += 4)                                                                \
            four_super_rows(type, sizeof(smg_block_##weights), k, w + (size_t)r * w_stride, w_stride,        \
                            at_most(rows - r, 4), x, out + r);                                               \
    }

DEFINE_SUPER_ROWS(q4_k, ROW_Q4_K)
DEFINE_SUPER_ROWS(q5_k, ROW_Q5_K)
DEFINE_SUPER_ROWS(q6_k, ROW_Q6_K)

#endif
