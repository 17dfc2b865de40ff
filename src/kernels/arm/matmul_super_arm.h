/* Products with super-blocks of 256, eight chunks of 32. Integers are scaled by their sub-block's scale and
 * summed over the whole super-block before anything becomes a float. The including file gives
 *   dot_32(q, act), dot_16(a, b)   products of signed bytes, in four lanes */
#include "format/blocks.h"
#include "kernels/arm/common_arm.h"

enum { SUPER_TOKENS = 4 };

/* Sub-blocks of 32 or of 16 elements; with minimums or centered already. */
typedef enum super_kind { SUPER_32_MINS, SUPER_32, SUPER_16_MINS, SUPER_16 } super_kind;

typedef struct super_head {
    float d, dmin;
    int8_t scales[16]; /* the first 8 where sub-blocks have 32 elements */
    uint8_t mins[16];  /* of each 16 elements */
} super_head;

typedef void (*super_head_fn)(const uint8_t *block, super_head *ret_head);
typedef quants (*super_chunk_fn)(const uint8_t *block, int j);

/* Shifts by a variable amount, so that the compiler needs no constant where it does not unroll. */
static ALWAYS_INLINE uint8x16_t shift_right(uint8x16_t x, int by)
{
    return vshlq_u8(x, vdupq_n_s8((int8_t)-by));
}

/* The 2 bits of 16 elements of chunk j: each 32 bytes hold four chunks. */
static ALWAYS_INLINE uint8x16_t bit_pairs(const uint8_t *p, int j)
{
    return vandq_u8(shift_right(vld1q_u8(p + j / 4 * 32), j % 4 * 2), vdupq_n_u8(3));
}

/* Bit j of 16 bytes, moved to bit `to`. */
static ALWAYS_INLINE uint8x16_t bit_plane(const uint8_t *p, int j, int to)
{
    return vandq_u8(shift_right(vld1q_u8(p), j - to), vdupq_n_u8((uint8_t)(1 << to)));
}

/* The nibbles of 16 elements of chunk j: each 32 bytes hold two chunks. */
static ALWAYS_INLINE uint8x16_t nibble_pairs(const uint8_t *p, int j)
{
    return vandq_u8(shift_right(vld1q_u8(p + j / 2 * 32), j % 2 * 4), vdupq_n_u8(15));
}

static ALWAYS_INLINE quants as_quants(uint8x16_t a, uint8x16_t b)
{
    quants q = {vreinterpretq_s8_u8(a), vreinterpretq_s8_u8(b)};
    return q;
}

static ALWAYS_INLINE void q2_k_head(const uint8_t *block, super_head *ret_head)
{
    uint8x16_t packed = vld1q_u8(block + offsetof(smg_block_q2_k, scales));
    ret_head->d = load_half(block + offsetof(smg_block_q2_k, d));
    ret_head->dmin = load_half(block + offsetof(smg_block_q2_k, dmin));
    vst1q_s8(ret_head->scales, vreinterpretq_s8_u8(vandq_u8(packed, vdupq_n_u8(15))));
    vst1q_u8(ret_head->mins, vshrq_n_u8(packed, 4));
}

static ALWAYS_INLINE quants q2_k_chunk(const uint8_t *block, int j)
{
    const uint8_t *qs = block + offsetof(smg_block_q2_k, qs);
    return as_quants(bit_pairs(qs, j), bit_pairs(qs + 16, j));
}

/* Scales of six bits less 32: low nibbles in the first 8 bytes, bit pairs in the last 4. */
static ALWAYS_INLINE void q3_k_head(const uint8_t *block, super_head *ret_head)
{
    static const int32_t shifts[4] = {0, -2, -4, -6};
    const uint8_t *scales = block + offsetof(smg_block_q3_k, scales);
    uint8x8_t nibbles = vld1_u8(scales);
    uint8x16_t low = vcombine_u8(vand_u8(nibbles, vdup_n_u8(15)), vshr_n_u8(nibbles, 4));
    uint32x4_t pairs = vshlq_u32(vdupq_n_u32(load_u32(scales + 8)), vld1q_s32(shifts));
    uint8x16_t high = vshlq_n_u8(vandq_u8(vreinterpretq_u8_u32(pairs), vdupq_n_u8(3)), 4);
    ret_head->d = load_half(block + offsetof(smg_block_q3_k, d));
    vst1q_s8(ret_head->scales, vsubq_s8(vreinterpretq_s8_u8(vorrq_u8(low, high)), vdupq_n_s8(32)));
}

static ALWAYS_INLINE quants q3_k_chunk(const uint8_t *block, int j)
{
    const uint8_t *qs = block + offsetof(smg_block_q3_k, qs);
    const uint8_t *hmask = block + offsetof(smg_block_q3_k, hmask);
    return subtract(as_quants(vorrq_u8(bit_pairs(qs, j), bit_plane(hmask, j, 2)),
                              vorrq_u8(bit_pairs(qs + 16, j), bit_plane(hmask + 16, j, 2))),
                    4);
}

/* Q4_K and Q5_K begin alike. Eight scales and eight minimums of six bits: the first four of each are the low
 * bits of bytes 0-3 and 4-7; the last four are nibbles of bytes 8-11 and the first ones' spare upper bits. */
static ALWAYS_INLINE void q4_k_head(const uint8_t *block, super_head *ret_head)
{
    const uint8_t *packed = block + offsetof(smg_block_q4_k, scales);
    uint32_t a = load_u32(packed), b = load_u32(packed + 4), c = load_u32(packed + 8);
    uint64_t scales = (a & 0x3f3f3f3f) | (uint64_t)((c & 0x0f0f0f0f) | (a >> 2 & 0x30303030)) << 32;
    uint64_t mins = (b & 0x3f3f3f3f) | (uint64_t)((c >> 4 & 0x0f0f0f0f) | (b >> 2 & 0x30303030)) << 32;
    uint8x8_t min_bytes = vcreate_u8(mins);
    ret_head->d = load_half(block + offsetof(smg_block_q4_k, d));
    ret_head->dmin = load_half(block + offsetof(smg_block_q4_k, dmin));
    memcpy(ret_head->scales, &scales, sizeof scales);
    vst1q_u8(ret_head->mins, vcombine_u8(vzip1_u8(min_bytes, min_bytes), vzip2_u8(min_bytes, min_bytes)));
}

static ALWAYS_INLINE quants q4_k_chunk(const uint8_t *block, int j)
{
    const uint8_t *qs = block + offsetof(smg_block_q4_k, qs);
    return as_quants(nibble_pairs(qs, j), nibble_pairs(qs + 16, j));
}

static ALWAYS_INLINE quants q5_k_chunk(const uint8_t *block, int j)
{
    const uint8_t *qs = block + offsetof(smg_block_q5_k, qs), *qh = block + offsetof(smg_block_q5_k, qh);
    return as_quants(vorrq_u8(nibble_pairs(qs, j), bit_plane(qh, j, 4)),
                     vorrq_u8(nibble_pairs(qs + 16, j), bit_plane(qh + 16, j, 4)));
}

static ALWAYS_INLINE void q6_k_head(const uint8_t *block, super_head *ret_head)
{
    ret_head->d = load_half(block + offsetof(smg_block_q6_k, d));
    memcpy(ret_head->scales, block + offsetof(smg_block_q6_k, scales), sizeof ret_head->scales);
}

/* Each 64 bytes of ql hold four chunks: the low nibbles of two, then the high nibbles of two. */
static ALWAYS_INLINE uint8x16_t q6_k_half(const uint8_t *ql, const uint8_t *qh, int j)
{
    uint8x16_t low = shift_right(vld1q_u8(ql + j / 4 * 64 + j % 2 * 32), j % 4 / 2 * 4);
    return vorrq_u8(vandq_u8(low, vdupq_n_u8(15)), vshlq_n_u8(bit_pairs(qh, j), 4));
}

static ALWAYS_INLINE quants q6_k_chunk(const uint8_t *block, int j)
{
    const uint8_t *ql = block + offsetof(smg_block_q6_k, ql), *qh = block + offsetof(smg_block_q6_k, qh);
    return subtract(as_quants(q6_k_half(ql, qh, j), q6_k_half(ql + 16, qh + 16, j)), 32);
}

static ALWAYS_INLINE void iq4_xs_head(const uint8_t *block, super_head *ret_head)
{
    const uint32_t low = load_u32(block + offsetof(smg_block_iq4_xs, scales_l));
    const uint32_t high = load_u16(block + offsetof(smg_block_iq4_xs, scales_h));
    ret_head->d = load_half(block + offsetof(smg_block_iq4_xs, d));
    foreach (j, 8)
        ret_head->scales[j] = (int8_t)((int)((low >> (4 * j) & 15) | (high >> (2 * j) & 3) << 4) - 32);
}

static ALWAYS_INLINE quants iq4_xs_chunk(const uint8_t *block, int j)
{
    return iq4_levels(unpack_nibbles(block + offsetof(smg_block_iq4_xs, qs) + 16 * j));
}

/* Integer sums of one super-block, in four lanes. */
static ALWAYS_INLINE void super_dot(super_chunk_fn chunk, super_kind kind, const uint8_t *block,
                                    const super_head *head, const uint8_t *x, size_t x_stride, int32x4_t *sum,
                                    const int tokens)
{
    const bool wide = kind == SUPER_32 || kind == SUPER_32_MINS;
    foreach (j, 8) {
        const quants q = chunk(block, j);
        foreach (t, tokens) {
            const uint8_t *qs = x + (size_t)t * x_stride + offsetof(smg_block_q8_k, qs) + 32 * j;
            const quants act = {load_i8(qs), load_i8(qs + 16)};
            if (wide) {
                sum[t] = vmlaq_n_s32(sum[t], dot_32(q, act), head->scales[j]);
            } else {
                sum[t] = vmlaq_n_s32(sum[t], dot_16(q.a, act.a), head->scales[2 * j]);
                sum[t] = vmlaq_n_s32(sum[t], dot_16(q.b, act.b), head->scales[2 * j + 1]);
            }
        }
    }
}

/* The minimums times the sums of the activations they go with. */
static ALWAYS_INLINE int32x4_t super_mins(const super_head *head, const uint8_t *bsums)
{
    uint8x16_t mins = vld1q_u8(head->mins);
    int16x8_t low = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(mins)));
    int16x8_t high = vreinterpretq_s16_u16(vmovl_high_u8(mins));
    int16x8_t first = vreinterpretq_s16_u8(vld1q_u8(bsums));
    int16x8_t second = vreinterpretq_s16_u8(vld1q_u8(bsums + 16));
    int32x4_t sum = vmull_s16(vget_low_s16(low), vget_low_s16(first));
    sum = vmlal_high_s16(sum, low, first);
    sum = vmlal_s16(sum, vget_low_s16(high), vget_low_s16(second));
    return vmlal_high_s16(sum, high, second);
}

static ALWAYS_INLINE void super_tile(super_head_fn get_head, super_chunk_fn chunk, super_kind kind,
                                     size_t w_bytes, int64_t k, const uint8_t *w, const uint8_t *x,
                                     size_t x_stride, float *out, size_t out_stride, const int tokens)
{
    const bool has_mins = kind == SUPER_32_MINS || kind == SUPER_16_MINS;
    float32x4_t acc[SUPER_TOKENS];
    foreach (t, tokens)
        acc[t] = vdupq_n_f32(0);
    for (int64_t left = k / SMG_QK_K; left > 0; left--) {
        super_head head;
        int32x4_t sum[SUPER_TOKENS];
        get_head(w, &head);
        if (tokens == 1)
            prefetch(w + PREFETCH_AHEAD, w_bytes);
        foreach (t, tokens)
            sum[t] = vdupq_n_s32(0);
        super_dot(chunk, kind, w, &head, x, x_stride, sum, tokens);
        foreach (t, tokens) {
            const uint8_t *x_t = x + (size_t)t * x_stride;
            const float d = load_f32(x_t);
            if (has_mins) {
                int32x4_t mins = super_mins(&head, x_t + offsetof(smg_block_q8_k, bsums));
                acc[t] = vfmsq_n_f32(acc[t], vcvtq_f32_s32(mins), head.dmin * d);
            }
            acc[t] = vfmaq_n_f32(acc[t], vcvtq_f32_s32(sum[t]), head.d * d);
        }
        w += w_bytes;
        x += sizeof(smg_block_q8_k);
    }
    foreach (t, tokens)
        out[(size_t)t * out_stride] = vaddvq_f32(acc[t]);
}

/* One row at a time: the work of unpacking is shared by tokens, not by rows. */
#define SUPER_BODY(head, chunk, kind, block, tokens)                                                         \
    super_tile(head, chunk, kind, sizeof(block), k, w, x, x_stride, out, out_stride, tokens)
#define Q2_K_BODY(tokens) SUPER_BODY(q2_k_head, q2_k_chunk, SUPER_16_MINS, smg_block_q2_k, tokens)
#define Q3_K_BODY(tokens) SUPER_BODY(q3_k_head, q3_k_chunk, SUPER_16, smg_block_q3_k, tokens)
#define Q4_K_BODY(tokens) SUPER_BODY(q4_k_head, q4_k_chunk, SUPER_32_MINS, smg_block_q4_k, tokens)
#define Q5_K_BODY(tokens) SUPER_BODY(q4_k_head, q5_k_chunk, SUPER_32_MINS, smg_block_q5_k, tokens)
#define Q6_K_BODY(tokens) SUPER_BODY(q6_k_head, q6_k_chunk, SUPER_16, smg_block_q6_k, tokens)
#define IQ4_XS_BODY(tokens) SUPER_BODY(iq4_xs_head, iq4_xs_chunk, SUPER_32, smg_block_iq4_xs, tokens)

DEFINE_MATMUL_ROW(q2_k_q8_k, ISA, SUPER_TOKENS, Q2_K_BODY)
DEFINE_MATMUL_ROW(q3_k_q8_k, ISA, SUPER_TOKENS, Q3_K_BODY)
DEFINE_MATMUL_ROW(q4_k_q8_k, ISA, SUPER_TOKENS, Q4_K_BODY)
DEFINE_MATMUL_ROW(q5_k_q8_k, ISA, SUPER_TOKENS, Q5_K_BODY)
DEFINE_MATMUL_ROW(q6_k_q8_k, ISA, SUPER_TOKENS, Q6_K_BODY)
DEFINE_MATMUL_ROW(iq4_xs_q8_k, ISA, SUPER_TOKENS, IQ4_XS_BODY)
