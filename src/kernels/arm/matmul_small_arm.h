/* Products with blocks of 32, two registers each. The including file gives
 *   dot_32(q, act)   products of two times 32 signed bytes, in four lanes */
#include "format/blocks.h"
#include "kernels/arm/common_arm.h"

enum { MAX_TILE = 4, SMALL_ROWS = 2, SMALL_TOKENS = 4 };

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

/* One block of each row and token: acc += scale[b] * dot. */
static ALWAYS_INLINE void small_block(small_unpack_fn unpack, const uint8_t *w, size_t w_stride,
                                      const uint8_t *x, size_t x_stride, float (*scale)[MAX_TILE][4], int b,
                                      float32x4_t (*acc)[MAX_TILE], const int rows, const int tokens)
{
    quants q[MAX_TILE];
    foreach (r, rows)
        q[r] = unpack(w + (size_t)r * w_stride);
    foreach (t, tokens) {
        const uint8_t *qs = x + (size_t)t * x_stride;
        const quants act = {load_i8(qs), load_i8(qs + 16)};
        foreach (r, rows)
            acc[r][t] = vfmaq_n_f32(acc[r][t], vcvtq_f32_s32(dot_32(q[r], act)), scale[r][t][b]);
    }
}

/* Four blocks at a time, so that four pairs of scales are widened and multiplied at once. In the types with a
 * minimum, d is followed by m in the weights and by s in the activations. */
static ALWAYS_INLINE void small_tile(small_unpack_fn unpack, size_t w_bytes, bool has_m, int64_t k,
                                     const uint8_t *w, size_t w_stride, const uint8_t *x, size_t x_stride,
                                     float *out, size_t out_stride, const int rows, const int tokens)
{
    const size_t x_bytes = has_m ? sizeof(smg_block_q8_1) : sizeof(smg_block_q8_0);
    const size_t x_qs = has_m ? offsetof(smg_block_q8_1, qs) : offsetof(smg_block_q8_0, qs);
    float32x4_t acc[MAX_TILE][MAX_TILE];
    foreach (r, rows)
        foreach (t, tokens)
            acc[r][t] = vdupq_n_f32(0);

    for (int64_t left = k / SMG_QK; left > 0; left -= 4) {
        const int n = left < 4 ? (int)left : 4;
        float scale[MAX_TILE][MAX_TILE][4];
        if (tokens == 1) {
            /* the same blocks of the next tile */
            foreach (r, rows)
                prefetch(w + (size_t)(rows + r) * w_stride, 4 * w_bytes);
        }
        foreach (t, tokens) {
            const uint8_t *x_t = x + (size_t)t * x_stride;
            float32x4_t d = gather_halves(x_t, x_bytes, n);
            foreach (r, rows) {
                const uint8_t *w_r = w + (size_t)r * w_stride;
                vst1q_f32(scale[r][t], vmulq_f32(gather_halves(w_r, w_bytes, n), d));
                if (has_m)
                    acc[r][t] = vfmaq_f32(acc[r][t], gather_halves(w_r + sizeof(smg_half), w_bytes, n),
                                          gather_halves(x_t + sizeof(smg_half), x_bytes, n));
            }
        }
        for (int b = 0; b < n; b++) {
            small_block(unpack, w, w_stride, x + x_qs, x_stride, scale, b, acc, rows, tokens);
            w += w_bytes;
            x += x_bytes;
        }
    }
    foreach (r, rows)
        foreach (t, tokens)
            out[(size_t)t * out_stride + (size_t)r] = vaddvq_f32(acc[r][t]);
}

#define SMALL_BODY(unpack, block, has_m, rows, tokens)                                                       \
    small_tile(unpack, sizeof(block), has_m, k, w, w_stride, x, x_stride, out, out_stride, rows, tokens)
#define Q4_0_BODY(rows, tokens) SMALL_BODY(small_q4_0, smg_block_q4_0, false, rows, tokens)
#define Q4_1_BODY(rows, tokens) SMALL_BODY(small_q4_1, smg_block_q4_1, true, rows, tokens)
#define Q5_0_BODY(rows, tokens) SMALL_BODY(small_q5_0, smg_block_q5_0, false, rows, tokens)
#define Q5_1_BODY(rows, tokens) SMALL_BODY(small_q5_1, smg_block_q5_1, true, rows, tokens)
#define Q8_0_BODY(rows, tokens) SMALL_BODY(small_q8_0, smg_block_q8_0, false, rows, tokens)
#define IQ4_NL_BODY(rows, tokens) SMALL_BODY(small_iq4_nl, smg_block_iq4_nl, false, rows, tokens)

#define DEFINE_SMALL(types, body) DEFINE_MATMUL(types, ISA, SMALL_ROWS, SMALL_TOKENS, MAX_TILE, body)

DEFINE_SMALL(q4_0_q8_0, Q4_0_BODY)
DEFINE_SMALL(q4_1_q8_1, Q4_1_BODY)
DEFINE_SMALL(q5_0_q8_0, Q5_0_BODY)
DEFINE_SMALL(q5_1_q8_1, Q5_1_BODY)
DEFINE_SMALL(q8_0_q8_0, Q8_0_BODY)
DEFINE_SMALL(iq4_nl_q8_0, IQ4_NL_BODY)
