/* Products, the plain way: the integers of a block are multiplied and summed exactly, then scaled. Sums over
 * blocks are kept in double, so that this is also the yardstick for the kernels that cannot afford it. */
#include <string.h>

#include "kernels/half.h"
#include "kernels/kernel_list.h"
#include "kernels/unpack.h"

typedef double (*dot_fn)(smg_type type, int64_t k, const uint8_t *w, const uint8_t *x);

static void matmul(smg_type type, dot_fn dot, int64_t k, int64_t rows, const uint8_t *w, size_t w_stride,
                   int64_t tokens, const uint8_t *x, size_t x_stride, float *out, size_t out_stride)
{
    for (int64_t t = 0; t < tokens; t++) {
        for (int64_t r = 0; r < rows; r++) {
            double sum = dot(type, k, w + (size_t)r * w_stride, x + (size_t)t * x_stride);
            out[(size_t)t * out_stride + (size_t)r] = (float)sum;
        }
    }
}

static float load_weight(smg_type type, const uint8_t *w, int64_t i)
{
    float value;
    uint16_t bits;
    if (type == SMG_TYPE_F32) {
        memcpy(&value, w + 4 * i, sizeof value);
        return value;
    }
    memcpy(&bits, w + 2 * i, sizeof bits);
    return type == SMG_TYPE_F16 ? smg_half_to_float(bits) : smg_bf16_to_float(bits);
}

static double dot_floats(smg_type type, int64_t k, const uint8_t *w, const uint8_t *x)
{
    double sum = 0;
    for (int64_t i = 0; i < k; i++) {
        float xi;
        memcpy(&xi, x + 4 * i, sizeof xi);
        sum += (double)load_weight(type, w, i) * xi;
    }
    return sum;
}

static int32_t dot_integers(const int8_t *a, const int8_t *b, int n)
{
    int32_t sum = 0;
    for (int i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

/* Q8_0 rows, and Q8_1 rows, whose blocks have one half more. */
static double dot_small(smg_type type, int64_t k, const uint8_t *w, const uint8_t *x)
{
    const size_t w_bytes = smg_type_describe(type)->block_bytes;
    double sum = 0;
    for (int64_t i = 0; i < k; i += SMG_QK, w += w_bytes) {
        smg_small_block block;
        smg_block_q8_1 act = {0};
        smg_unpack_small(type, w, &block);
        if (block.has_m) {
            memcpy(&act, x, sizeof act);
            x += sizeof act;
        } else {
            smg_block_q8_0 plain;
            memcpy(&plain, x, sizeof plain);
            act.d = plain.d;
            memcpy(act.qs, plain.qs, sizeof act.qs);
            x += sizeof plain;
        }
        double scale = (double)block.d * smg_half_to_float(act.d);
        sum += scale * dot_integers(block.q, act.qs, SMG_QK);
        if (block.has_m)
            sum += (double)block.m * smg_half_to_float(act.s);
    }
    return sum;
}

static double dot_super(smg_type type, int64_t k, const uint8_t *w, const uint8_t *x)
{
    const size_t w_bytes = smg_type_describe(type)->block_bytes;
    double sum = 0;
    for (int64_t i = 0; i < k; i += SMG_QK_K, w += w_bytes, x += sizeof(smg_block_q8_k)) {
        smg_super_block block;
        smg_block_q8_k act;
        int32_t products = 0, minimums = 0;
        smg_unpack_super(type, w, &block);
        memcpy(&act, x, sizeof act);
        for (int j = 0; j < 16; j++) {
            products += block.scales[j] * dot_integers(block.q + 16 * j, act.qs + 16 * j, 16);
            minimums += block.mins[j] * act.bsums[j];
        }
        sum += (double)block.d * act.d * products;
        if (block.has_mins)
            sum -= (double)block.dmin * act.d * minimums;
    }
    return sum;
}

#define MATMUL(type, dot, name)                                                                              \
    void name(int64_t k, int64_t rows, const void *w, size_t w_stride, int64_t tokens, const void *x,        \
              size_t x_stride, float *out, size_t out_stride)                                                \
    {                                                                                                        \
        matmul(type, dot, k, rows, w, w_stride, tokens, x, x_stride, out, out_stride);                       \
    }

MATMUL(SMG_TYPE_F32, dot_floats, smg_matmul_f32_f32_ref)
MATMUL(SMG_TYPE_F16, dot_floats, smg_matmul_f16_f32_ref)
MATMUL(SMG_TYPE_BF16, dot_floats, smg_matmul_bf16_f32_ref)
MATMUL(SMG_TYPE_Q4_0, dot_small, smg_matmul_q4_0_q8_0_ref)
MATMUL(SMG_TYPE_Q4_1, dot_small, smg_matmul_q4_1_q8_1_ref)
MATMUL(SMG_TYPE_Q5_0, dot_small, smg_matmul_q5_0_q8_0_ref)
MATMUL(SMG_TYPE_Q5_1, dot_small, smg_matmul_q5_1_q8_1_ref)
MATMUL(SMG_TYPE_Q8_0, dot_small, smg_matmul_q8_0_q8_0_ref)
MATMUL(SMG_TYPE_IQ4_NL, dot_small, smg_matmul_iq4_nl_q8_0_ref)
MATMUL(SMG_TYPE_Q2_K, dot_super, smg_matmul_q2_k_q8_k_ref)
MATMUL(SMG_TYPE_Q3_K, dot_super, smg_matmul_q3_k_q8_k_ref)
MATMUL(SMG_TYPE_Q4_K, dot_super, smg_matmul_q4_k_q8_k_ref)
MATMUL(SMG_TYPE_Q5_K, dot_super, smg_matmul_q5_k_q8_k_ref)
MATMUL(SMG_TYPE_Q6_K, dot_super, smg_matmul_q6_k_q8_k_ref)
MATMUL(SMG_TYPE_IQ4_XS, dot_super, smg_matmul_iq4_xs_q8_k_ref)
