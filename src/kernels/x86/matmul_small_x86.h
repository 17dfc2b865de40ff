/* Products with blocks of 32, a 256-bit register each. The including file gives the integer dot products:
 *   unsigned_dot                                   start + products of unsigned weights, in 8 lanes
 *   signed_weights_ready, signed_act, signed_dot   products of signed weights
 * and TILE_ROWS, TILE_TOKENS. */
#include "format/blocks.h"
#include "kernels/x86/common_x86.h"

enum { MAX_TILE = 4 };

typedef __m256i (*small_unpack_fn)(const uint8_t *block);

/* How the weights' integers come: as they are; or unsigned, where the zero point (8 or 16) times the sum of
 * the activations is taken off once for all rows; or unsigned with a minimum, that m and s account for. */
typedef enum small_kind {
    SMALL_SIGNED = 0,
    SMALL_CENTER_8 = 8,
    SMALL_CENTER_16 = 16,
    SMALL_MIN = -1
} small_kind;

static ALWAYS_INLINE __m256i small_q4_0(const uint8_t *block)
{
    return unpack_nibbles(block + offsetof(smg_block_q4_0, qs));
}

static ALWAYS_INLINE __m256i small_q4_1(const uint8_t *block)
{
    return unpack_nibbles(block + offsetof(smg_block_q4_1, qs));
}

static ALWAYS_INLINE __m256i small_iq4_nl(const uint8_t *block)
{
    return iq4_levels(unpack_nibbles(block + offsetof(smg_block_iq4_nl, qs)));
}

/* 32 bits to 32 bytes: 0xff where the bit is set. */
static ALWAYS_INLINE __m256i spread_bits(const uint8_t *p)
{
    const __m256i byte_of =
        _mm256_setr_epi64x(0x0000000000000000, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
    const __m256i bit_of = _mm256_set1_epi64x((long long)0x8040201008040201);
    __m256i bytes = _mm256_shuffle_epi8(_mm256_set1_epi32((int)load_u32(p)), byte_of);
    return _mm256_cmpeq_epi8(_mm256_and_si256(bytes, bit_of), bit_of);
}

static ALWAYS_INLINE __m256i fifth_bits(__m256i nibbles, const uint8_t *qh)
{
    return _mm256_or_si256(nibbles, _mm256_and_si256(spread_bits(qh), _mm256_set1_epi8(16)));
}

static ALWAYS_INLINE __m256i small_q5_0(const uint8_t *block)
{
    return fifth_bits(unpack_nibbles(block + offsetof(smg_block_q5_0, qs)),
                      block + offsetof(smg_block_q5_0, qh));
}

static ALWAYS_INLINE __m256i small_q5_1(const uint8_t *block)
{
    return fifth_bits(unpack_nibbles(block + offsetof(smg_block_q5_1, qs)),
                      block + offsetof(smg_block_q5_1, qh));
}

static ALWAYS_INLINE __m256i small_q8_0(const uint8_t *block)
{
    return load_256(block + offsetof(smg_block_q8_0, qs));
}

/* What the sum of a block's products starts at, so that unsigned weights count from their zero point. */
static ALWAYS_INLINE __m256i center(small_kind kind, __m256i act)
{
    const __m256i zero = _mm256_setzero_si256();
    if (kind <= 0)
        return zero;
    return _mm256_sub_epi32(zero, unsigned_dot(zero, _mm256_set1_epi8((char)kind), act));
}

/* One block of each row and token: acc += scale[b] * dot. */
static ALWAYS_INLINE void small_block(small_unpack_fn unpack, small_kind kind, const uint8_t *w,
                                      size_t w_stride, const uint8_t *x, size_t x_stride,
                                      float (*scale)[MAX_TILE][8], int b, __m256 (*acc)[MAX_TILE],
                                      const int rows, const int tokens)
{
    __m256i q[MAX_TILE], ready[MAX_TILE];
    foreach (r, rows) {
        q[r] = unpack(w + (size_t)r * w_stride);
        if (kind == SMALL_SIGNED)
            ready[r] = signed_weights_ready(q[r]);
    }
    foreach (t, tokens) {
        __m256i act = load_256(x + (size_t)t * x_stride);
        const __m256i start = center(kind, act);
        if (kind == SMALL_SIGNED)
            act = signed_act(act);
        foreach (r, rows) {
            __m256i dot =
                kind == SMALL_SIGNED ? signed_dot(q[r], ready[r], act) : unsigned_dot(start, q[r], act);
            acc[r][t] =
                _mm256_fmadd_ps(_mm256_broadcast_ss(&scale[r][t][b]), _mm256_cvtepi32_ps(dot), acc[r][t]);
        }
    }
}

/* Eight blocks at a time, so that eight pairs of scales are widened and multiplied at once. In the types with
 * a minimum, d is followed by m in the weights and by s in the activations. */
static ALWAYS_INLINE void small_tile(small_unpack_fn unpack, size_t w_bytes, small_kind kind, int64_t k,
                                     const uint8_t *w, size_t w_stride, const uint8_t *x, size_t x_stride,
                                     float *out, size_t out_stride, const int rows, const int tokens)
{
    const bool has_m = kind == SMALL_MIN;
    const size_t x_bytes = has_m ? sizeof(smg_block_q8_1) : sizeof(smg_block_q8_0);
    const size_t x_qs = has_m ? offsetof(smg_block_q8_1, qs) : offsetof(smg_block_q8_0, qs);
    __m256 acc[MAX_TILE][MAX_TILE];
    foreach (r, rows)
        foreach (t, tokens)
            acc[r][t] = _mm256_setzero_ps();

    for (int64_t left = k / SMG_QK; left > 0; left -= 8) {
        const int n = left < 8 ? (int)left : 8;
        float scale[MAX_TILE][MAX_TILE][8];
        if (tokens == 1) {
            /* the same blocks of the next tile */
            foreach (r, rows)
                prefetch(w + (size_t)(rows + r) * w_stride, 8 * w_bytes);
        }
        foreach (t, tokens) {
            const uint8_t *x_t = x + (size_t)t * x_stride;
            __m256 d = gather_halves(x_t, x_bytes, n);
            foreach (r, rows) {
                const uint8_t *w_r = w + (size_t)r * w_stride;
                _mm256_storeu_ps(scale[r][t], _mm256_mul_ps(gather_halves(w_r, w_bytes, n), d));
                if (has_m)
                    acc[r][t] = _mm256_fmadd_ps(gather_halves(w_r + sizeof(smg_half), w_bytes, n),
                                                gather_halves(x_t + sizeof(smg_half), x_bytes, n), acc[r][t]);
            }
        }
        for (int b = 0; b < n; b++) {
            small_block(unpack, kind, w, w_stride, x + x_qs, x_stride, scale, b, acc, rows, tokens);
            w += w_bytes;
            x += x_bytes;
        }
    }
    foreach (r, rows)
        foreach (t, tokens)
            out[(size_t)t * out_stride + (size_t)r] = sum_lanes(acc[r][t]);
}

#define SMALL_BODY(unpack, block, kind, rows, tokens)                                                        \
    small_tile(unpack, sizeof(block), kind, k, w, w_stride, x, x_stride, out, out_stride, rows, tokens)
#define Q4_0_BODY(rows, tokens) SMALL_BODY(small_q4_0, smg_block_q4_0, SMALL_CENTER_8, rows, tokens)
#define Q4_1_BODY(rows, tokens) SMALL_BODY(small_q4_1, smg_block_q4_1, SMALL_MIN, rows, tokens)
#define Q5_0_BODY(rows, tokens) SMALL_BODY(small_q5_0, smg_block_q5_0, SMALL_CENTER_16, rows, tokens)
#define Q5_1_BODY(rows, tokens) SMALL_BODY(small_q5_1, smg_block_q5_1, SMALL_MIN, rows, tokens)
#define Q8_0_BODY(rows, tokens) SMALL_BODY(small_q8_0, smg_block_q8_0, SMALL_SIGNED, rows, tokens)
#define IQ4_NL_BODY(rows, tokens) SMALL_BODY(small_iq4_nl, smg_block_iq4_nl, SMALL_SIGNED, rows, tokens)

#define DEFINE_SMALL(types, body) DEFINE_MATMUL(types, ISA, TILE_ROWS, TILE_TOKENS, MAX_TILE, body)

DEFINE_SMALL(q4_0_q8_0, Q4_0_BODY)
DEFINE_SMALL(q4_1_q8_1, Q4_1_BODY)
DEFINE_SMALL(q5_0_q8_0, Q5_0_BODY)
DEFINE_SMALL(q5_1_q8_1, Q5_1_BODY)
DEFINE_SMALL(q8_0_q8_0, Q8_0_BODY)
DEFINE_SMALL(iq4_nl_q8_0, IQ4_NL_BODY)
