/* Blocks of 32 as signed bytes, type by type. */
#ifndef SMG_KERNELS_ARM_SMALL_UNPACK_H
#define SMG_KERNELS_ARM_SMALL_UNPACK_H

#include "format/blocks.h"
#include "kernels/arm/common_arm.h"

typedef quants (*small_unpack_fn)(const uint8_t *block);

static ALWAYS_INLINE quants small_q4_0(const uint8_t *block)
{
    return subtract(unpack_nibbles(block + offsetof(smg_block_q4_0, qs)), 8);
}

static ALWAYS_INLINE quants small_q4_1(const uint8_t *block)
{
    return unpack_nibbles(block + offsetof(smg_block_q4_1, qs));
}

static ALWAYS_INLINE quants small_iq4_nl(const uint8_t *block)
{
    return iq4_levels(unpack_nibbles(block + offsetof(smg_block_iq4_nl, qs)));
}

/* 16 bits to bit 4 of 16 bytes. */
static ALWAYS_INLINE int8x16_t spread_bits(const uint8_t *p)
{
    static const uint8_t bit_values[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    uint8x16_t bytes = vcombine_u8(vdup_n_u8(p[0]), vdup_n_u8(p[1]));
    return vreinterpretq_s8_u8(vandq_u8(vtstq_u8(bytes, vld1q_u8(bit_values)), vdupq_n_u8(16)));
}

static ALWAYS_INLINE quants fifth_bits(quants q, const uint8_t *qh)
{
    q.a = vorrq_s8(q.a, spread_bits(qh));
    q.b = vorrq_s8(q.b, spread_bits(qh + 2));
    return q;
}

static ALWAYS_INLINE quants small_q5_0(const uint8_t *block)
{
    quants q = unpack_nibbles(block + offsetof(smg_block_q5_0, qs));
    return subtract(fifth_bits(q, block + offsetof(smg_block_q5_0, qh)), 16);
}

static ALWAYS_INLINE quants small_q5_1(const uint8_t *block)
{
    quants q = unpack_nibbles(block + offsetof(smg_block_q5_1, qs));
    return fifth_bits(q, block + offsetof(smg_block_q5_1, qh));
}

static ALWAYS_INLINE quants small_q8_0(const uint8_t *block)
{
    const uint8_t *qs = block + offsetof(smg_block_q8_0, qs);
    quants q = {load_i8(qs), load_i8(qs + 16)};
    return q;
}

#endif
