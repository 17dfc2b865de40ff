/* Rows of weights to floats, block by block. */
#include <string.h>

#include "kernels/half.h"
#include "kernels/kernel_list.h"
#include "kernels/unpack.h"

void smg_dequantize_f16_ref(const void *row, int64_t n, float *ret_x)
{
    const uint8_t *bytes = row;
    for (int64_t i = 0; i < n; i++) {
        uint16_t half;
        memcpy(&half, bytes + 2 * i, sizeof half);
        ret_x[i] = smg_half_to_float(half);
    }
}

static void blocks(smg_type type, const uint8_t *row, int64_t n, float *x)
{
    const smg_type_info *info = smg_type_describe(type);
    for (int64_t i = 0; i < n; i += info->block_elements, row += info->block_bytes)
        smg_unpack_floats(type, row, x + i);
}

#define DEFINE_DEQUANTIZE(name, type)                                                                        \
    void smg_dequantize_##name##_ref(const void *row, int64_t n, float *ret_x)                               \
    {                                                                                                        \
        blocks(type, row, n, ret_x);                                                                         \
    }

DEFINE_DEQUANTIZE(q4_0, SMG_TYPE_Q4_0)
DEFINE_DEQUANTIZE(q4_1, SMG_TYPE_Q4_1)
DEFINE_DEQUANTIZE(q5_0, SMG_TYPE_Q5_0)
DEFINE_DEQUANTIZE(q5_1, SMG_TYPE_Q5_1)
DEFINE_DEQUANTIZE(q8_0, SMG_TYPE_Q8_0)
DEFINE_DEQUANTIZE(iq4_nl, SMG_TYPE_IQ4_NL)
DEFINE_DEQUANTIZE(q2_k, SMG_TYPE_Q2_K)
DEFINE_DEQUANTIZE(q3_k, SMG_TYPE_Q3_K)
DEFINE_DEQUANTIZE(q4_k, SMG_TYPE_Q4_K)
DEFINE_DEQUANTIZE(q5_k, SMG_TYPE_Q5_K)
DEFINE_DEQUANTIZE(q6_k, SMG_TYPE_Q6_K)
DEFINE_DEQUANTIZE(iq4_xs, SMG_TYPE_IQ4_XS)
