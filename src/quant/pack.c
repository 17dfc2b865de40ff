#include "quant/pack.h"

#include <string.h>

#include "kernels/half.h"

/* ---- Blocks of 32 ------------------------------------------------------------------------------------- */

static void put_half(uint8_t **at, float value)
{
    const smg_half bits = smg_half_from_float(value);
    memcpy(*at, &bits, sizeof bits);
    *at += sizeof bits;
}

/* Eight codes at once, a byte each. Adding `zero`, a power of two or 0, to a code that is as much below 0 at most turns over that bit
 * and leaves the ones below it: none above it is asked for. */
#define EVERY(byte) (UINT64_C(0x0101010101010101) * (uint64_t)(byte))

static uint64_t eight_codes(const int8_t *q, int zero)
{
    uint64_t codes;
    memcpy(&codes, q, sizeof codes);
    return codes ^ EVERY(zero);
}

static void put_eight(uint8_t *to, uint64_t bytes)
{
    memcpy(to, &bytes, sizeof bytes);
}

/* The four low bits of two codes in each of `count` bytes; the second code stands `count` behind the first. */
static void put_nibbles(uint8_t *to, const int8_t *q, int count, int zero)
{
    for (int i = 0; i < count; i += 8)
        put_eight(to + i, (eight_codes(q + i, zero) & EVERY(15)) |
                              (eight_codes(q + i + count, zero) & EVERY(15)) << 4);
}

/* Bit 4 of each of 32, one after the other: a product brings those of eight bytes together in its highest one. */
static void put_fifth_bits(uint8_t *to, const int8_t *q, int zero)
{
    for (int i = 0; i < SMG_QK / 8; i++)
        to[i] =
            (uint8_t)((eight_codes(q + 8 * i, zero) >> 4 & EVERY(1)) * UINT64_C(0x0102040810204080) >> 56);
}

void smg_pack_small(smg_type type, const smg_small_block *block, void *ret_bytes)
{
    uint8_t *at = ret_bytes;
    const bool fifth = type == SMG_TYPE_Q5_0 || type == SMG_TYPE_Q5_1;
    const int zero = type == SMG_TYPE_Q4_0 ? 8 : type == SMG_TYPE_Q5_0 ? 16 : 0;
    put_half(&at, block->d);
    if (block->has_m)
        put_half(&at, block->m);
    if (type == SMG_TYPE_Q8_0) {
        memcpy(at, block->q, SMG_QK);
        return;
    }
    if (fifth) {
        put_fifth_bits(at, block->q, zero);
        at += 4;
    }
    put_nibbles(at, block->q, SMG_QK / 2, zero);
}

/* ---- Super-blocks of 256 ------------------------------------------------------------------------------- */

/* Two bits of each element, from `bit` on: each 32 bytes hold 128 elements, 32 to a bit pair. */
static void put_bit_pairs(uint8_t *to, const int8_t *q, int zero, int bit)
{
    for (int at = 0; at < SMG_QK_K / 4; at += 8) {
        const int8_t *from = q + at / 32 * 128 + at % 32;
        uint64_t pairs = 0;
        for (int i = 0; i < 4; i++)
            pairs |= (eight_codes(from + 32 * i, zero) >> bit & EVERY(3)) << (2 * i);
        put_eight(to + at, pairs);
    }
}

/* Bit `bit` of each element: byte i % 32 has those of 32 chunks' worth of elements, chunk after chunk. */
static void put_bit_plane(uint8_t *plane, const int8_t *q, int zero, int bit)
{
    for (int at = 0; at < SMG_QK_K / 8; at += 8) {
        uint64_t bits = 0;
        for (int chunk = 0; chunk < 8; chunk++)
            bits |= (eight_codes(q + chunk * 32 + at, zero) >> bit & EVERY(1)) << chunk;
        put_eight(plane + at, bits);
    }
}

/* The four low bits: each 32 bytes hold 64 elements, low nibbles first. */
static void put_nibble_pairs(uint8_t *qs, const int8_t *q)
{
    for (int chunk = 0; chunk < 4; chunk++)
        put_nibbles(qs + chunk * 32, q + chunk * 64, 32, 0);
}

/* 8 scales and 8 minimums of six bits to 12 bytes. */
static void put_six_bit_pairs(uint8_t *packed, const smg_super_block *block)
{
    for (int i = 0; i < 4; i++) {
        const uint8_t low_scale = (uint8_t)block->scales[2 * i],
                      high_scale = (uint8_t)block->scales[2 * i + 8];
        const int low_min = block->mins[2 * i], high_min = block->mins[2 * i + 8];
        packed[i] = (uint8_t)(low_scale | high_scale >> 4 << 6);
        packed[i + 4] = (uint8_t)(low_min | high_min >> 4 << 6);
        packed[i + 8] = (uint8_t)((high_scale & 15) | (high_min & 15) << 4);
    }
}

static void pack_q2_k(const smg_super_block *block, void *ret_bytes)
{
    smg_block_q2_k b = {.d = smg_half_from_float(block->d), .dmin = smg_half_from_float(block->dmin)};
    for (int i = 0; i < 16; i++)
        b.scales[i] = (uint8_t)(block->scales[i] | block->mins[i] << 4);
    put_bit_pairs(b.qs, block->q, 0, 0);
    memcpy(ret_bytes, &b, sizeof b);
}

static void pack_q3_k(const smg_super_block *block, void *ret_bytes)
{
    smg_block_q3_k b = {.d = smg_half_from_float(block->d)};
    for (int i = 0; i < 16; i++) {
        const int scale = block->scales[i] + 32;
        b.scales[i % 8] = (uint8_t)(b.scales[i % 8] | (scale & 15) << (i / 8 * 4));
        b.scales[8 + i % 4] = (uint8_t)(b.scales[8 + i % 4] | scale >> 4 << (i / 4 * 2));
    }
    put_bit_pairs(b.qs, block->q, 4, 0);
    put_bit_plane(b.hmask, block->q, 4, 2);
    memcpy(ret_bytes, &b, sizeof b);
}

static void pack_q4_k(const smg_super_block *block, void *ret_bytes)
{
    smg_block_q4_k b = {.d = smg_half_from_float(block->d), .dmin = smg_half_from_float(block->dmin)};
    put_six_bit_pairs(b.scales, block);
    put_nibble_pairs(b.qs, block->q);
    memcpy(ret_bytes, &b, sizeof b);
}

static void pack_q5_k(const smg_super_block *block, void *ret_bytes)
{
    smg_block_q5_k b = {.d = smg_half_from_float(block->d), .dmin = smg_half_from_float(block->dmin)};
    put_six_bit_pairs(b.scales, block);
    put_nibble_pairs(b.qs, block->q);
    put_bit_plane(b.qh, block->q, 0, 4);
    memcpy(ret_bytes, &b, sizeof b);
}

/* Each 64 bytes of ql hold 128 elements, as two runs of 32 low nibbles and then two of high ones. */
static void pack_q6_k(const smg_super_block *block, void *ret_bytes)
{
    smg_block_q6_k b = {.d = smg_half_from_float(block->d)};
    memcpy(b.scales, block->scales, sizeof b.scales);
    for (int half = 0; half < 2; half++)
        put_nibbles(b.ql + half * 64, block->q + half * 128, 64, 32);
    put_bit_pairs(b.qh, block->q, 32, 4);
    memcpy(ret_bytes, &b, sizeof b);
}

static void pack_iq4_xs(const smg_super_block *block, void *ret_bytes)
{
    smg_block_iq4_xs b = {.d = smg_half_from_float(block->d)};
    for (int i = 0; i < 8; i++) {
        const int scale = block->scales[2 * i] + 32;
        b.scales_l[i / 2] = (uint8_t)(b.scales_l[i / 2] | (scale & 15) << (i % 2 * 4));
        b.scales_h = (uint16_t)(b.scales_h | scale >> 4 << (2 * i));
        put_nibbles(b.qs + 16 * i, block->q + 32 * i, SMG_QK / 2, 0);
    }
    memcpy(ret_bytes, &b, sizeof b);
}

void smg_pack_super(smg_type type, const smg_super_block *block, void *ret_bytes)
{
    switch (type) {
    case SMG_TYPE_Q2_K:
        pack_q2_k(block, ret_bytes);
        break;
    case SMG_TYPE_Q3_K:
        pack_q3_k(block, ret_bytes);
        break;
    case SMG_TYPE_Q4_K:
        pack_q4_k(block, ret_bytes);
        break;
    case SMG_TYPE_Q5_K:
        pack_q5_k(block, ret_bytes);
        break;
    case SMG_TYPE_Q6_K:
        pack_q6_k(block, ret_bytes);
        break;
    default:
        pack_iq4_xs(block, ret_bytes);
        break;
    }
}
