#include "quant/dequantize.h"

#include <string.h>

#include "format/interleave.h"
#include "kernels/half.h"
#include "kernels/unpack.h"

typedef uint16_t halves8 __attribute__((vector_size(16)));
typedef int32_t bits8 __attribute__((vector_size(32)));
typedef float floats8 __attribute__((vector_size(32)));

/* Eight at once: smg_half_to_float in vectors that every compiler has. */
static void eight_halves(const uint8_t *from, float *ret_x)
{
    halves8 halves;
    memcpy(&halves, from, sizeof halves);
    const bits8 bits = __builtin_convertvector(halves, bits8);
    const bits8 sign = (bits & 0x8000) << 16, magnitude = (bits & 0x7fff) << 13;
    const bits8 finite = (bits8)((floats8)magnitude * 0x1p112F), other = magnitude | 0x70000000;
    const bits8 beyond = magnitude >= 0x0f800000;
    const bits8 value = sign | (beyond & other) | (~beyond & finite);
    memcpy(ret_x, &value, sizeof value);
}

static void eight_bf16s(const uint8_t *from, float *ret_x)
{
    halves8 halves;
    memcpy(&halves, from, sizeof halves);
    const bits8 value = __builtin_convertvector(halves, bits8) << 16;
    memcpy(ret_x, &value, sizeof value);
}

static void floats(smg_type type, const uint8_t *row, float *x, int64_t n)
{
    if (type == SMG_TYPE_F32) {
        memcpy(x, row, (size_t)n * sizeof *x);
        return;
    }
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        if (type == SMG_TYPE_F16)
            eight_halves(row + 2 * i, x + i);
        else
            eight_bf16s(row + 2 * i, x + i);
    }
    for (; i < n; i++) {
        uint16_t bits;
        memcpy(&bits, row + 2 * i, sizeof bits);
        x[i] = type == SMG_TYPE_F16 ? smg_half_to_float(bits) : smg_bf16_to_float(bits);
    }
}

void smg_dequantize_row(smg_type type, const void *row, float *ret_x, int64_t n)
{
    const smg_type_info *info = smg_type_describe(type);
    const uint8_t *bytes = row;
    if (!info || !info->weights)
        return;
    if (info->block_elements == 1) {
        floats(type, bytes, ret_x, n);
        return;
    }
    for (int64_t i = 0; i < n; i += info->block_elements, bytes += info->block_bytes)
        smg_unpack_floats(type, bytes, ret_x + i);
}

void smg_dequantize_row_of(smg_type type, const void *matrix, int64_t number, float *ret_x, int64_t n)
{
    const smg_type plain = smg_type_plain(type);
    const size_t row_bytes = (size_t)smg_type_row_bytes(plain, (uint64_t)n);
    const uint8_t *bytes = matrix;
    if (plain == type) {
        smg_dequantize_row(type, bytes + (size_t)number * row_bytes, ret_x, n);
        return;
    }
    const int64_t elements = smg_type_describe(plain)->block_elements;
    const int row = (int)(number % SMG_GROUP_ROWS);
    bytes += (size_t)(number - row) * row_bytes;
    for (int64_t i = 0; i < n / elements; i++) {
        uint8_t one[sizeof(smg_block_q6_k)]; /* the largest */
        smg_group_block(plain, n, bytes, row, i, one);
        smg_unpack_floats(plain, one, ret_x + i * elements);
    }
}
