/* Products, the plain way: the integers of a block are multiplied and summed exactly, then scaled. Sums over
 * blocks are kept in double, so that this is also the yardstick for the kernels that cannot afford it. */
#include <string.h>

#include "format/interleave.h"
#include "kernels/half.h"
#include "kernels/kernel_list.h"
#include "kernels/unpack.h"

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

static float load_float(const uint8_t *p)
{
    float value;
    memcpy(&value, p, sizeof value);
    return value;
}

/* Block `i` of a row of `k` elements with that of a row of activations. */
static double dot_small(smg_type type, const uint8_t *w, const uint8_t *x, int64_t k, int64_t i)
{
    smg_small_block block;
    smg_unpack_small(type, w, &block);
    const double scale = (double)block.d * load_float(x + smg_act_scales(k) + 4 * i);
    double sum = scale * dot_integers(block.q, (const int8_t *)x + i * SMG_QK, SMG_QK);
    if (block.has_m)
        sum += (double)block.m * load_float(x + smg_act_sums(SMG_ACT_Q8_1, k) + 4 * i);
    return sum;
}

static double dot_super(smg_type type, const uint8_t *w, const uint8_t *x, int64_t k, int64_t i)
{
    smg_super_block block;
    int16_t act_sums[SMG_QK_K / 16];
    int32_t products = 0, minimums = 0;
    smg_unpack_super(type, w, &block);
    memcpy(act_sums, x + smg_act_sums(SMG_ACT_Q8_K, k) + i * (int64_t)sizeof act_sums, sizeof act_sums);
    for (int j = 0; j < SMG_QK_K / 16; j++) {
        const int8_t *q = (const int8_t *)x + i * SMG_QK_K + 16 * j;
        products += block.scales[j] * dot_integers(block.q + 16 * j, q, 16);
        minimums += block.mins[j] * act_sums[j];
    }
    const float scale = load_float(x + smg_act_scales(k) + 4 * i);
    double sum = (double)block.d * scale * products;
    if (block.has_mins)
        sum -= (double)block.dmin * scale * minimums;
    return sum;
}

/* `w` is where the row begins, or for interleaved types its group. */
static double dot_blocks(smg_type type, int64_t k, const uint8_t *w, int64_t row, const uint8_t *x)
{
    const smg_type plain = smg_type_plain(type);
    const smg_type_info *info = smg_type_describe(plain);
    double sum = 0;
    for (int64_t i = 0; i < k / info->block_elements; i++) {
        uint8_t one[sizeof(smg_block_q6_k)]; /* the largest */
        if (plain == type)
            memcpy(one, w + (size_t)i * info->block_bytes, info->block_bytes);
        else
            smg_group_block(plain, k, w, (int)row, i, one);
        sum +=
            info->block_elements == SMG_QK ? dot_small(plain, one, x, k, i) : dot_super(plain, one, x, k, i);
    }
    return sum;
}

static double dot(smg_type type, int64_t k, const uint8_t *w, size_t w_stride, int64_t row, const uint8_t *x)
{
    if (smg_type_describe(type)->block_elements == 1)
        return dot_floats(type, k, w + (size_t)row * w_stride, x);
    const int64_t in_group = smg_type_is_interleaved(type) ? row % SMG_GROUP_ROWS : 0;
    return dot_blocks(type, k, w + (size_t)(row - in_group) * w_stride, in_group, x);
}

static void matmul(smg_type type, int64_t k, int64_t rows, const uint8_t *w, size_t w_stride, int64_t tokens,
                   const uint8_t *x, size_t x_stride, float *out, size_t out_stride)
{
    for (int64_t t = 0; t < tokens; t++)
        for (int64_t r = 0; r < rows; r++)
            out[(size_t)t * out_stride + (size_t)r] =
                (float)dot(type, k, w, w_stride, r, x + (size_t)t * x_stride);
}

#define MATMUL(type, name)                                                                                   \
    void name(int64_t k, int64_t rows, const void *w, size_t w_stride, int64_t tokens, const void *x,        \
              size_t x_stride, float *out, size_t out_stride)                                                \
    {                                                                                                        \
        matmul(type, k, rows, w, w_stride, tokens, x, x_stride, out, out_stride);                            \
    }

MATMUL(SMG_TYPE_F32, smg_matmul_f32_f32_ref)
MATMUL(SMG_TYPE_F16, smg_matmul_f16_f32_ref)
MATMUL(SMG_TYPE_BF16, smg_matmul_bf16_f32_ref)
MATMUL(SMG_TYPE_Q4_0, smg_matmul_q4_0_q8_0_ref)
MATMUL(SMG_TYPE_Q4_1, smg_matmul_q4_1_q8_1_ref)
MATMUL(SMG_TYPE_Q5_0, smg_matmul_q5_0_q8_0_ref)
MATMUL(SMG_TYPE_Q5_1, smg_matmul_q5_1_q8_1_ref)
MATMUL(SMG_TYPE_Q8_0, smg_matmul_q8_0_q8_0_ref)
MATMUL(SMG_TYPE_IQ4_NL, smg_matmul_iq4_nl_q8_0_ref)
MATMUL(SMG_TYPE_Q2_K, smg_matmul_q2_k_q8_k_ref)
MATMUL(SMG_TYPE_Q3_K, smg_matmul_q3_k_q8_k_ref)
MATMUL(SMG_TYPE_Q4_K, smg_matmul_q4_k_q8_k_ref)
MATMUL(SMG_TYPE_Q5_K, smg_matmul_q5_k_q8_k_ref)
MATMUL(SMG_TYPE_Q6_K, smg_matmul_q6_k_q8_k_ref)
MATMUL(SMG_TYPE_IQ4_XS, smg_matmul_iq4_xs_q8_k_ref)

MATMUL(SMG_TYPE_Q4_0_R16, smg_matmul_q4_0_r16_q8_0_ref)
MATMUL(SMG_TYPE_Q4_1_R16, smg_matmul_q4_1_r16_q8_1_ref)
MATMUL(SMG_TYPE_Q5_0_R16, smg_matmul_q5_0_r16_q8_0_ref)
MATMUL(SMG_TYPE_Q5_1_R16, smg_matmul_q5_1_r16_q8_1_ref)
MATMUL(SMG_TYPE_Q8_0_R16, smg_matmul_q8_0_r16_q8_0_ref)
MATMUL(SMG_TYPE_IQ4_NL_R16, smg_matmul_iq4_nl_r16_q8_0_ref)
MATMUL(SMG_TYPE_Q2_K_R16, smg_matmul_q2_k_r16_q8_k_ref)
MATMUL(SMG_TYPE_Q3_K_R16, smg_matmul_q3_k_r16_q8_k_ref)
MATMUL(SMG_TYPE_Q4_K_R16, smg_matmul_q4_k_r16_q8_k_ref)
MATMUL(SMG_TYPE_Q5_K_R16, smg_matmul_q5_k_r16_q8_k_ref)
MATMUL(SMG_TYPE_Q6_K_R16, smg_matmul_q6_k_r16_q8_k_ref)
MATMUL(SMG_TYPE_IQ4_XS_R16, smg_matmul_iq4_xs_r16_q8_k_ref)
