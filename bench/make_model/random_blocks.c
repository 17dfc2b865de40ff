#include "random_blocks.h"

#include <math.h>
#include <string.h>

#include "kernels/half.h"

/* splitmix64 (Steele, Lea, Flood 2014) */
#define GOLDEN 0x9e3779b97f4a7c15

static uint64_t finish(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

uint64_t random_mix(uint64_t seed, uint64_t number)
{
    return finish(seed + GOLDEN * (number + 1));
}

static uint64_t next(uint64_t *state)
{
    return finish(*state += GOLDEN);
}

static void fill_bytes(uint64_t *state, void *ret_bytes, size_t size)
{
    uint8_t *at = ret_bytes;
    for (; size >= 8; at += 8, size -= 8) {
        uint64_t bits = next(state);
        memcpy(at, &bits, 8);
    }
    if (size > 0) {
        uint64_t bits = next(state);
        memcpy(at, &bits, size);
    }
}

/* The deviation of 0 .. 2^bits - 1, all equally likely. */
static float spread(int bits)
{
    float levels = (float)(1 << bits);
    return sqrtf((levels * levels - 1.0F) / 12.0F);
}

/* 0.75 to 1.25 times `scale`, since no two blocks of a real model have the same. */
static float vary(uint64_t bits, float scale)
{
    return scale * (0.75F + 0.5F * (float)(bits >> 40) * 0x1p-24F);
}

/* The same, with either sign: where a block's numbers are not centred, the blocks are. */
static smg_half vary_sign(uint64_t bits, float scale)
{
    float value = vary(bits, scale);
    return smg_half_from_float((bits & 1) != 0 ? -value : value);
}

/* ---- Blocks of 32 --------------------------------------------------------------------------------------- */

static void fill_q4_0(uint64_t *state, float deviation, smg_block_q4_0 *ret_block)
{
    ret_block->d = vary_sign(next(state), deviation / spread(4));
    fill_bytes(state, ret_block->qs, sizeof ret_block->qs);
}

static void fill_q5_0(uint64_t *state, float deviation, smg_block_q5_0 *ret_block)
{
    ret_block->d = vary_sign(next(state), deviation / spread(5));
    fill_bytes(state, ret_block->qh, sizeof ret_block->qh);
    fill_bytes(state, ret_block->qs, sizeof ret_block->qs);
}

static void fill_q5_1(uint64_t *state, float deviation, smg_block_q5_1 *ret_block)
{
    float d = vary(next(state), deviation / spread(5));
    ret_block->d = smg_half_from_float(d);
    ret_block->m = smg_half_from_float(-15.5F * d);
    fill_bytes(state, ret_block->qh, sizeof ret_block->qh);
    fill_bytes(state, ret_block->qs, sizeof ret_block->qs);
}

static void fill_q8_0(uint64_t *state, float deviation, smg_block_q8_0 *ret_block)
{
    ret_block->d = vary_sign(next(state), deviation / spread(8));
    fill_bytes(state, ret_block->qs, sizeof ret_block->qs);
    for (size_t i = 0; i < sizeof ret_block->qs; i++) /* -128 is a number that no quantizer writes */
        ret_block->qs[i] = ret_block->qs[i] == -128 ? 0 : ret_block->qs[i];
}

/* ---- Super-blocks --------------------------------------------------------------------------------------- */

/* 24 to 55: a mean square of 1650, as if all were 40.6. */
#define SCALE_LOW 24U
#define SCALE_LEVEL 40.6F

/* Eight six-bit scales and, with the same numbers, the minimums that centre what they scale. */
static void fill_scales(uint64_t bits, uint8_t ret_scales[12])
{
    uint8_t scales[8];
    for (int i = 0; i < 8; i++)
        scales[i] = (uint8_t)(SCALE_LOW + (bits >> (8 * i) & 31));
    for (int i = 0; i < 4; i++) {
        uint8_t high = (uint8_t)(scales[i + 4] >> 4 << 6);
        ret_scales[i] = scales[i] | high;
        ret_scales[i + 4] = scales[i] | high;
        ret_scales[i + 8] = (uint8_t)((scales[i + 4] & 15) | (scales[i + 4] & 15) << 4);
    }
}

static void fill_q4_k(uint64_t *state, float deviation, smg_block_q4_k *ret_block)
{
    float d = vary(next(state), deviation / (spread(4) * SCALE_LEVEL));
    ret_block->d = smg_half_from_float(d);
    ret_block->dmin = smg_half_from_float(7.5F * d);
    fill_scales(next(state), ret_block->scales);
    fill_bytes(state, ret_block->qs, sizeof ret_block->qs);
}

static void fill_q5_k(uint64_t *state, float deviation, smg_block_q5_k *ret_block)
{
    float d = vary(next(state), deviation / (spread(5) * SCALE_LEVEL));
    ret_block->d = smg_half_from_float(d);
    ret_block->dmin = smg_half_from_float(15.5F * d);
    fill_scales(next(state), ret_block->scales);
    fill_bytes(state, ret_block->qh, sizeof ret_block->qh);
    fill_bytes(state, ret_block->qs, sizeof ret_block->qs);
}

/* Scales of 64 to 127, of either sign: a mean square of 9460, as if all were 97.3. */
static void fill_q6_k(uint64_t *state, float deviation, smg_block_q6_k *ret_block)
{
    ret_block->d = smg_half_from_float(vary(next(state), deviation / (spread(6) * 97.3F)));
    fill_bytes(state, ret_block->scales, sizeof ret_block->scales);
    for (size_t i = 0; i < sizeof ret_block->scales; i++) {
        int level = 64 + (ret_block->scales[i] & 63);
        ret_block->scales[i] = (int8_t)(ret_block->scales[i] < 0 ? -level : level);
    }
    fill_bytes(state, ret_block->ql, sizeof ret_block->ql);
    fill_bytes(state, ret_block->qh, sizeof ret_block->qh);
}

/* ---- Tensors -------------------------------------------------------------------------------------------- */

#define FILL_ALL(fill, block)                                                                                \
    for (uint64_t i = 0; i < count; i++) {                                                                   \
        uint64_t state = random_mix(seed, first + i);                                                        \
        fill(&state, deviation, (block *)ret_blocks + i);                                                    \
    }                                                                                                        \
    return true

bool random_blocks_fill(smg_type type, uint64_t seed, uint64_t first, uint64_t count, float deviation,
                        void *ret_blocks)
{
    switch (type) {
    case SMG_TYPE_Q4_0:
        FILL_ALL(fill_q4_0, smg_block_q4_0);
    case SMG_TYPE_Q5_0:
        FILL_ALL(fill_q5_0, smg_block_q5_0);
    case SMG_TYPE_Q5_1:
        FILL_ALL(fill_q5_1, smg_block_q5_1);
    case SMG_TYPE_Q8_0:
        FILL_ALL(fill_q8_0, smg_block_q8_0);
    case SMG_TYPE_Q4_K:
        FILL_ALL(fill_q4_k, smg_block_q4_k);
    case SMG_TYPE_Q5_K:
        FILL_ALL(fill_q5_k, smg_block_q5_k);
    case SMG_TYPE_Q6_K:
        FILL_ALL(fill_q6_k, smg_block_q6_k);
    default:
        return false;
    }
}

void random_norms_fill(uint64_t seed, uint64_t count, float mean, float *ret_values)
{
    for (uint64_t i = 0; i < count; i++)
        ret_values[i] = mean * (0.9F + 0.2F * (float)(random_mix(seed, i) >> 40) * 0x1p-24F);
}
