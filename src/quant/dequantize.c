#include "quant/dequantize.h"

#include <string.h>

#include "format/interleave.h"
#include "kernels/half.h"
#include "kernels/unpack.h"

typedef uint16_t halves8 __attribute__((vector_size(16)));
typedef int32_t bits4 __attribute__((vector_size(16)));
typedef float floats4 __attribute__((vector_size(16)));

/* Each half becomes 32 bits: with zeros behind it, or before it. Vectors of 16 bytes are what every machine has; wider ones some
 * compilers take apart, element by element. */
#ifdef __clang__
#define HALVES_PICK(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define HALVES_PICK(a, b, ...) __builtin_shuffle(a, b, (halves8){__VA_ARGS__})
#endif
#define FIRST_FOUR(a, b) ((bits4)HALVES_PICK(a, b, 0, 8, 1, 9, 2, 10, 3, 11))
#define LAST_FOUR(a, b) ((bits4)HALVES_PICK(a, b, 4, 12, 5, 13, 6, 14, 7, 15))

/* smg_half_to_float for four. */
static bits4 four_halves(bits4 bits)
{
    const bits4 sign = (bits & 0x8000) << 16, magnitude = (bits & 0x7fff) << 13;
    const bits4 finite = (bits4)((floats4)magnitude * 0x1p112F), other = magnitude | 0x70000000;
    const bits4 beyond = magnitude > 0x0f7fffff;
    return sign | (beyond & other) | (~beyond & finite);
}

static void eight_halves(const uint8_t *from, float *ret_x)
{
    halves8 halves, zeros = {0};
    memcpy(&halves, from, sizeof halves);
    const bits4 first = four_halves(FIRST_FOUR(halves, zeros)), last = four_halves(LAST_FOUR(halves, zeros));
    memcpy(ret_x, &first, sizeof first);
    memcpy(ret_x + 4, &last, sizeof last);
}

static void eight_bf16s(const uint8_t *from, float *ret_x)
{
    halves8 halves, zeros = {0};
    memcpy(&halves, from, sizeof halves);
    const bits4 first = FIRST_FOUR(zeros, halves), last = LAST_FOUR(zeros, halves);
    memcpy(ret_x, &first, sizeof first);
    memcpy(ret_x + 4, &last, sizeof last);
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
