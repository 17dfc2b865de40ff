/* Super-blocks in their file's layout: the scales of one, and its chunks of 32 elements as signed bytes in their order. */
#ifndef SMG_KERNELS_ARM_SUPER_UNPACK_H
#define SMG_KERNELS_ARM_SUPER_UNPACK_H

#include "format/blocks.h"
#include "kernels/arm/common_arm.h"

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

#endif
