#include "kernels/unpack.h"

#include <string.h>

#include "kernels/half.h"

/* ---- Blocks of 32 ---- */

static uint32_t load_u32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

/* Low nibbles are the first half of the elements, high nibbles the second. */
static void nibbles(const uint8_t *qs, int8_t *q)
{
    for (int i = 0; i < 16; i++) {
        q[i] = qs[i] & 15;
        q[i + 16] = (int8_t)(qs[i] >> 4);
    }
}

static void fifth_bits(const uint8_t *qh, int8_t *q)
{
    uint32_t bits = load_u32(qh);
    for (int i = 0; i < SMG_QK; i++)
        q[i] = (int8_t)(q[i] | (bits >> i & 1) << 4);
}

static void shift_down(int8_t *q, int n, int by)
{
    for (int i = 0; i < n; i++)
        q[i] = (int8_t)(q[i] - by);
}

static void look_up(int8_t *q, int n)
{
    for (int i = 0; i < n; i++)
        q[i] = smg_iq4_values[q[i]];
}

static void unpack_q4_1(const void *bytes, smg_small_block *out)
{
    smg_block_q4_1 b;
    memcpy(&b, bytes, sizeof b);
    out->d = smg_half_to_float(b.d);
    out->m = smg_half_to_float(b.m);
    out->has_m = true;
    nibbles(b.qs, out->q);
}

static void unpack_q5_0(const void *bytes, smg_small_block *out)
{
    smg_block_q5_0 b;
    memcpy(&b, bytes, sizeof b);
    out->d = smg_half_to_float(b.d);
    nibbles(b.qs, out->q);
    fifth_bits(b.qh, out->q);
    shift_down(out->q, SMG_QK, 16);
}

static void unpack_q5_1(const void *bytes, smg_small_block *out)
{
    smg_block_q5_1 b;
    memcpy(&b, bytes, sizeof b);
    out->d = smg_half_to_float(b.d);
    out->m = smg_half_to_float(b.m);
    out->has_m = true;
    nibbles(b.qs, out->q);
    fifth_bits(b.qh, out->q);
}

static void unpack_q8_0(const void *bytes, smg_small_block *out)
{
    smg_block_q8_0 b;
    memcpy(&b, bytes, sizeof b);
    out->d = smg_half_to_float(b.d);
    memcpy(out->q, b.qs, sizeof b.qs);
}

/* Q4_0 and IQ4_NL share a layout. */
static void unpack_q4_0(smg_type type, const void *bytes, smg_small_block *out)
{
    smg_block_q4_0 b;
    memcpy(&b, bytes, sizeof b);
    out->d = smg_half_to_float(b.d);
    nibbles(b.qs, out->q);
    if (type == SMG_TYPE_IQ4_NL)
        look_up(out->q, SMG_QK);
    else
        shift_down(out->q, SMG_QK, 8);
}

void smg_unpack_small(smg_type type, const void *bytes, smg_small_block *ret_block)
{
    ret_block->m = 0;
    ret_block->has_m = false;
    switch (type) {
    case SMG_TYPE_Q4_1:
        unpack_q4_1(bytes, ret_block);
        break;
    case SMG_TYPE_Q5_0:
        unpack_q5_0(bytes, ret_block);
        break;
    case SMG_TYPE_Q5_1:
        unpack_q5_1(bytes, ret_block);
        break;
    case SMG_TYPE_Q8_0:
        unpack_q8_0(bytes, ret_block);
        break;
    default:
        unpack_q4_0(type, bytes, ret_block);
        break;
    }
}

/* ---- Super-blocks of 256 ---- */

/* 2 bits an element: each 32 bytes hold 128 elements, 32 to a bit pair. */
static void bit_pairs(const uint8_t *qs, int8_t *q)
{
    for (int i = 0; i < SMG_QK_K; i++)
        q[i] = qs[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
}

/* 4 bits an element: each 32 bytes hold 64 elements, low nibbles first. */
static void nibble_pairs(const uint8_t *qs, int8_t *q)
{
    for (int i = 0; i < SMG_QK_K; i++)
        q[i] = qs[i / 64 * 32 + i % 32] >> (i % 64 / 32 * 4) & 15;
}

/* 8 scales and 8 minimums of six bits in 12 bytes, each spread over its two 16s. */
static void six_bit_pairs(const uint8_t *packed, smg_super_block *out)
{
    for (int i = 0; i < 8; i++) {
        int scale, min;
        if (i < 4) {
            scale = packed[i] & 63;
            min = packed[i + 4] & 63;
        } else {
            scale = (packed[i + 4] & 15) | (packed[i - 4] >> 6) << 4;
            min = (packed[i + 4] >> 4) | (packed[i] >> 6) << 4;
        }
        out->scales[2 * i] = out->scales[2 * i + 1] = (int8_t)scale;
        out->mins[2 * i] = out->mins[2 * i + 1] = (uint8_t)min;
    }
}

static void unpack_q2_k(const void *bytes, smg_super_block *out)
{
    smg_block_q2_k b;
    memcpy(&b, bytes, sizeof b);
    out->d = smg_half_to_float(b.d);
    out->dmin = smg_half_to_float(b.dmin);
    out->has_mins = true;
    for (int i = 0; i < 16; i++) {
        out->scales[i] = b.scales[i] & 15;
        out->mins[i] = b.scales[i] >> 4;
    }
    bit_pairs(b.qs, out->q);
}

static void unpack_q3_k(const void *bytes, smg_super_block *out)
{
    smg_block_q3_k b;
    memcpy(&b, bytes, sizeof b);
    out->d = smg_half_to_float(b.d);
    for (int i = 0; i < 16; i++) {
        int low = b.scales[i % 8] >> (i / 8 * 4) & 15;
        int high = b.scales[8 + i % 4] >> (i / 4 * 2) & 3;
        out->scales[i] = (int8_t)((low | high << 4) - 32);
    }
    bit_pairs(b.qs, out->q);
    for (int i = 0; i < SMG_QK_K; i++)
        out->q[i] = (int8_t)(out->q[i] + (b.hmask[i % 32] >> (i / 32) & 1) * 4 - 4);
}

static void unpack_q4_k(const void *bytes, smg_super_block *out)
{
    smg_block_q4_k b;
    memcpy(&b, bytes, sizeof b);
    out->d = smg_half_to_float(b.d);
    out->dmin = smg_half_to_float(b.dmin);
    out->has_mins = true;
    six_bit_pairs(b.scales, out);
    nibble_pairs(b.qs, out->q);
}

static void unpack_q5_k(const void *bytes, smg_super_block *out)
{
    smg_block_q5_k b;
    memcpy(&b, bytes, sizeof b);
    out->d = smg_half_to_float(b.d);
    out->dmin = smg_half_to_float(b.dmin);
    out->has_mins = true;
    six_bit_pairs(b.scales, out);
    nibble_pairs(b.qs, out->q);
    for (int i = 0; i < SMG_QK_K; i++)
        out->q[i] = (int8_t)(out->q[i] | (b.qh[i % 32] >> (i / 32) & 1) << 4);
}

/* Each 64 bytes of ql hold 128 elements, as two runs of 32 low nibbles and then two of high ones. */
static void unpack_q6_k(const void *bytes, smg_super_block *out)
{
    smg_block_q6_k b;
    memcpy(&b, bytes, sizeof b);
    out->d = smg_half_to_float(b.d);
    memcpy(out->scales, b.scales, sizeof b.scales);
    for (int i = 0; i < SMG_QK_K; i++) {
        int half = i / 128, part = i % 128;
        int low = b.ql[half * 64 + part % 64] >> (part / 64 * 4) & 15;
        int high = b.qh[half * 32 + part % 32] >> (part / 32 * 2) & 3;
        out->q[i] = (int8_t)((low | high << 4) - 32);
    }
}

static void unpack_iq4_xs(const void *bytes, smg_super_block *out)
{
    smg_block_iq4_xs b;
    memcpy(&b, bytes, sizeof b);
    out->d = smg_half_to_float(b.d);
    for (int i = 0; i < 8; i++) {
        int low = b.scales_l[i / 2] >> (i % 2 * 4) & 15;
        int high = b.scales_h >> (2 * i) & 3;
        out->scales[2 * i] = out->scales[2 * i + 1] = (int8_t)((low | high << 4) - 32);
        nibbles(b.qs + 16 * i, out->q + 32 * i);
    }
    look_up(out->q, SMG_QK_K);
}

void smg_unpack_super(smg_type type, const void *bytes, smg_super_block *ret_block)
{
    ret_block->dmin = 0;
    ret_block->has_mins = false;
    switch (type) {
    case SMG_TYPE_Q2_K:
        unpack_q2_k(bytes, ret_block);
        break;
    case SMG_TYPE_Q3_K:
        unpack_q3_k(bytes, ret_block);
        break;
    case SMG_TYPE_Q4_K:
        unpack_q4_k(bytes, ret_block);
        break;
    case SMG_TYPE_Q5_K:
        unpack_q5_k(bytes, ret_block);
        break;
    case SMG_TYPE_Q6_K:
        unpack_q6_k(bytes, ret_block);
        break;
    default:
        unpack_iq4_xs(bytes, ret_block);
        break;
    }
}

/* ---- Floats ----
 * Each product and sum is rounded to float in the order that the format's own reader uses, so that results are equal bit for
 * bit. The build switches contraction off, which this relies on. */

static void small_floats(smg_type type, const void *bytes, float *x)
{
    smg_small_block block;
    smg_unpack_small(type, bytes, &block);
    for (int i = 0; i < SMG_QK; i++)
        x[i] = block.has_m ? block.d * (float)block.q[i] + block.m : block.d * (float)block.q[i];
}

static void super_floats(smg_type type, const void *bytes, float *x)
{
    smg_super_block block;
    smg_unpack_super(type, bytes, &block);
    for (int i = 0; i < SMG_QK_K; i++) {
        float scaled = block.d * (float)block.scales[i / 16] * (float)block.q[i];
        x[i] = block.has_mins ? scaled - block.dmin * (float)block.mins[i / 16] : scaled;
    }
}

void smg_unpack_floats(smg_type type, const void *bytes, float *ret_x)
{
    if (smg_type_describe(type)->block_elements == SMG_QK)
        small_floats(type, bytes, ret_x);
    else
        super_floats(type, bytes, ret_x);
}
