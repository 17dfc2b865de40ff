/* Q4_K, Q5_K and Q6_K with the dot product instruction. The integer sums over a super-block are exact; every output is
 * one chain of fused multiply-adds over its super-blocks, in one lane. */
#if !defined(__ARM_FEATURE_DOTPROD)
#error "this file is compiled with -march=armv8.2-a+dotprod"
#endif

#include "format/blocks.h"
#include "kernels/arm/common_arm.h"
#include "kernels/kernel_list.h"

#define ISA dotprod

enum { TILE = 4, CHUNKS = 8 };

typedef enum super_type { SUPER_Q4_K, SUPER_Q5_K, SUPER_Q6_K } super_type;

/* What is known of a row's super-block before its quants. The products of one sub-block after another are summed
 * without beginning anew; the sum after sub-block j is taken times scale j less scale j + 1, which comes to the same
 * and saves clearing a register for each. */
typedef struct super_head {
    int32_t steps[16]; /* the first 8 where sub-blocks have 32 elements */
    int16x8_t minimums;
} super_head;

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

static ALWAYS_INLINE void q4_k_head(const uint8_t *block, super_head *ret_head)
{
    const uint8x16_t scales = q4_k_scales(block);
    store_steps(vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(scales))), vdupq_n_s16(0), ret_head->steps);
    ret_head->minimums = vreinterpretq_s16_u16(vmovl_high_u8(scales));
}

/* In the order in which q6_k_pair unpacks. */
static ALWAYS_INLINE void q6_k_head(const uint8_t *block, super_head *ret_head)
{
    static const uint8_t places[16] = {0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15};
    const int8x16_t scales = vqtbl1q_s8(load_i8(block + offsetof(smg_block_q6_k, scales)), vld1q_u8(places));
    const int16x8_t first = vmovl_s8(vget_low_s8(scales)), second = vmovl_high_s8(scales);
    store_steps(first, second, ret_head->steps);
    store_steps(second, vdupq_n_s16(0), ret_head->steps + 8);
}

static ALWAYS_INLINE int32x4_t multiply_sums(int16x8_t a, int16x8_t sums)
{
    return vmlal_high_s16(vmull_s16(vget_low_s16(a), vget_low_s16(sums)), a, sums);
}

/* What has to be taken from the products of a row with a token: minimums, or for Q6_K its zero, 32. */
static ALWAYS_INLINE int32x4_t super_zeros(super_type type, const uint8_t *block, const super_head *head,
                                           const uint8_t *x)
{
    const uint8_t *bsums = x + offsetof(smg_block_q8_k, bsums);
    const int16x8_t first = vreinterpretq_s16_u8(vld1q_u8(bsums));
    const int16x8_t second = vreinterpretq_s16_u8(vld1q_u8(bsums + 16));
    if (type != SUPER_Q6_K)
        return multiply_sums(head->minimums, vpaddq_s16(first, second));
    const int8x16_t scales = load_i8(block + offsetof(smg_block_q6_k, scales));
    return vaddq_s32(multiply_sums(vmovl_s8(vget_low_s8(scales)), first),
                     multiply_sums(vmovl_high_s8(scales), second));
}

/* ---- Quants --------------------------------------------------------------------------------------------- */

static ALWAYS_INLINE quants as_quants(uint8x16_t a, uint8x16_t b)
{
    return (quants){vreinterpretq_s8_u8(a), vreinterpretq_s8_u8(b)};
}

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

/* ---- Tiles ---------------------------------------------------------------------------------------------- */

static ALWAYS_INLINE void super_pair(super_type type, const uint8_t *block, int pair, quants *ret)
{
    if (type == SUPER_Q4_K)
        q4_k_pair(block, pair, ret);
    else if (type == SUPER_Q5_K)
        q5_k_pair(block, pair, ret);
    else
        q6_k_pair(block, pair, ret);
}

/* Activations of what super_pair unpacks. */
static ALWAYS_INLINE void super_act(super_type type, const uint8_t *x, int pair, quants *ret)
{
    const int first = type == SUPER_Q6_K ? pair / 2 * 4 + pair % 2 : 2 * pair;
    foreach (i, 2) {
        const int chunk = first + i * (type == SUPER_Q6_K ? 2 : 1);
        const byte_pair qs = load_byte_pair(x + offsetof(smg_block_q8_k, qs) + 32 * chunk);
        ret[i] = (quants){qs.first, qs.second};
    }
}

typedef struct super_sums {
    int32x4_t running, scaled;
} super_sums;

/* The sum so far, times step `lane` of `steps`. */
#define SUPER_SCALE(sums, multiply, steps, lane)                                                             \
    do {                                                                                                     \
        (sums)->scaled = multiply((sums)->scaled, (sums)->running, steps, lane);                             \
        SETTLE((sums)->running, (sums)->scaled);                                                             \
    } while (0)

static ALWAYS_INLINE void super_add(super_type type, const super_head *head, int pair, const quants *q,
                                    const quants *act, super_sums *sums)
{
    if (type == SUPER_Q6_K) {
        const int32x4_t steps = vld1q_s32(head->steps + 4 * pair);
        sums->running = vdotq_s32(sums->running, q[0].a, act[0].a);
        SUPER_SCALE(sums, vmlaq_laneq_s32, steps, 0);
        sums->running = vdotq_s32(sums->running, q[0].b, act[0].b);
        SUPER_SCALE(sums, vmlaq_laneq_s32, steps, 1);
        sums->running = vdotq_s32(sums->running, q[1].a, act[1].a);
        SUPER_SCALE(sums, vmlaq_laneq_s32, steps, 2);
        sums->running = vdotq_s32(sums->running, q[1].b, act[1].b);
        SUPER_SCALE(sums, vmlaq_laneq_s32, steps, 3);
        return;
    }
    const int32x2_t steps = vld1_s32(head->steps + 2 * pair);
    sums->running = vdotq_s32(vdotq_s32(sums->running, q[0].a, act[0].a), q[0].b, act[0].b);
    SUPER_SCALE(sums, vmlaq_lane_s32, steps, 0);
    sums->running = vdotq_s32(vdotq_s32(sums->running, q[1].a, act[1].a), q[1].b, act[1].b);
    SUPER_SCALE(sums, vmlaq_lane_s32, steps, 1);
}

/* Lane i: the sum of the lanes of x[i]; with one x, in all of them. */
static ALWAYS_INLINE int32x4_t sums_of_lanes(const int32x4_t *x, const int n)
{
    const int last = n - 1;
    return vpaddq_s32(vpaddq_s32(x[0], x[1 < n ? 1 : last]),
                      vpaddq_s32(x[2 < n ? 2 : last], x[3 < n ? 3 : last]));
}

/* The halves at an offset from four pointers, or from one. */
static ALWAYS_INLINE float32x4_t halves_at(const uint8_t **p, size_t offset, const int n)
{
    if (n == 1)
        return vdupq_n_f32(load_half(p[0] + offset));
    uint16x4_t halves = vdup_n_u16(load_u16(p[0] + offset));
    halves = vset_lane_u16(load_u16(p[1] + offset), halves, 1);
    halves = vset_lane_u16(load_u16(p[2] + offset), halves, 2);
    halves = vset_lane_u16(load_u16(p[3] + offset), halves, 3);
    return vcvt_f32_f16(vreinterpret_f16_u16(halves));
}

static ALWAYS_INLINE float32x4_t floats_at(const uint8_t **p, const int n)
{
    if (n == 1)
        return vdupq_n_f32(load_f32(p[0]));
    float32x4_t floats = vdupq_n_f32(load_f32(p[0]));
    floats = vsetq_lane_f32(load_f32(p[1]), floats, 1);
    floats = vsetq_lane_f32(load_f32(p[2]), floats, 2);
    return vsetq_lane_f32(load_f32(p[3]), floats, 3);
}

/* One super-block: rows x 1 or 1 x tokens, four or one of them in the lanes of acc. */
static ALWAYS_INLINE float32x4_t super_block(super_type type, const uint8_t **w, const uint8_t **x,
                                             float32x4_t acc, const int rows, const int tokens)
{
    const int n = rows * tokens;
    super_head head[TILE];
    super_sums sums[TILE];
    int32x4_t scaled[TILE], zeros[TILE];
    foreach (r, rows) {
        if (type == SUPER_Q6_K)
            q6_k_head(w[r], &head[r]);
        else
            q4_k_head(w[r], &head[r]);
    }
    foreach (i, n)
        sums[i] = (super_sums){vdupq_n_s32(0), vdupq_n_s32(0)};
    foreach (pair, CHUNKS / 2) {
        quants q[2], act[2];
        if (rows == 1)
            super_pair(type, w[0], pair, q);
        else
            super_act(type, x[0], pair, act);
        foreach (i, n) {
            if (rows == 1)
                super_act(type, x[i], pair, act);
            else
                super_pair(type, w[i], pair, q);
            super_add(type, &head[rows == 1 ? 0 : i], pair, q, act, &sums[i]);
        }
    }
    foreach (i, n) {
        const int r = rows == 1 ? 0 : i, t = rows == 1 ? i : 0;
        scaled[i] = sums[i].scaled;
        zeros[i] = super_zeros(type, w[r], &head[r], x[t]);
        if (type == SUPER_Q6_K)
            scaled[i] = vsubq_s32(scaled[i], vshlq_n_s32(zeros[i], 5));
    }
    const float32x4_t d_x = floats_at(x, tokens);
    if (type != SUPER_Q6_K) {
        const float32x4_t dmin = vmulq_f32(halves_at(w, offsetof(smg_block_q4_k, dmin), rows), d_x);
        acc = vfmsq_f32(acc, vcvtq_f32_s32(sums_of_lanes(zeros, n)), dmin);
    }
    const size_t d_at = type == SUPER_Q6_K ? offsetof(smg_block_q6_k, d) : offsetof(smg_block_q4_k, d);
    return vfmaq_f32(acc, vcvtq_f32_s32(sums_of_lanes(scaled, n)), vmulq_f32(halves_at(w, d_at, rows), d_x));
}

/* `n` pointers, each in a register of its own that moves: or offsets are added to all, again and again. */
static ALWAYS_INLINE void pointers(const uint8_t *p, size_t stride, const uint8_t **ret, const int n)
{
    foreach (i, n) {
        ret[i] = p;
        p += stride;
        __asm__("" : "+r"(p));
    }
}

static ALWAYS_INLINE void move(const uint8_t **p, size_t by, const int n)
{
    foreach (i, n) {
        p[i] += by;
        __asm__("" : "+r"(p[i]));
    }
}

static ALWAYS_INLINE void super_tile(super_type type, size_t w_bytes, int64_t k, const uint8_t *w,
                                     size_t w_stride, const uint8_t *x, size_t x_stride, float *out,
                                     size_t out_stride, const int rows, const int tokens)
{
    const uint8_t *w_at[TILE], *x_at[TILE];
    float32x4_t acc = vdupq_n_f32(0);
    pointers(w, w_stride, w_at, rows);
    pointers(x, x_stride, x_at, tokens);
    for (int64_t left = k / SMG_QK_K; left > 0; left--) {
        acc = super_block(type, w_at, x_at, acc, rows, tokens);
        move(w_at, w_bytes, rows);
        move(x_at, sizeof(smg_block_q8_k), tokens);
    }
    float results[TILE];
    vst1q_f32(results, acc);
    foreach (i, rows * tokens)
        out[rows == 1 ? (size_t)i * out_stride : (size_t)i] = results[i];
}

#define SUPER_BODY(type, block, rows, tokens)                                                                \
    super_tile(type, sizeof(block), k, w, w_stride, x, x_stride, out, out_stride, rows, tokens)
#define Q4_K_BODY(rows, tokens) SUPER_BODY(SUPER_Q4_K, smg_block_q4_k, rows, tokens)
#define Q5_K_BODY(rows, tokens) SUPER_BODY(SUPER_Q5_K, smg_block_q5_k, rows, tokens)
#define Q6_K_BODY(rows, tokens) SUPER_BODY(SUPER_Q6_K, smg_block_q6_k, rows, tokens)

DEFINE_MATMUL(q4_k_q8_k, ISA, 1, TILE, TILE, Q4_K_BODY)
DEFINE_MATMUL(q5_k_q8_k, ISA, 1, TILE, TILE, Q5_K_BODY)
DEFINE_MATMUL(q6_k_q8_k, ISA, 1, TILE, TILE, Q6_K_BODY)
