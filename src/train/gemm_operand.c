#include "train/gemm_operand.h"

#include "format/interleave.h"
#include "quant/dequantize.h"

/* Rows of a transposed matrix are unpacked so many at a time, and so many of their elements. */
enum { STRIP = 32, ACROSS = 256 };

_Static_assert(STRIP *ACROSS <= SMG_GEMM_FLOATS, "strips fit the space");

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Where a matrix is floats already, its operand as data; else the operand itself. */
static smg_operand as_data(const smg_operand *operand)
{
    if (operand->matrix == NULL || operand->matrix->type != SMG_TYPE_F32)
        return *operand;
    const size_t step = operand->matrix->stride / sizeof(float);
    return (smg_operand){.data = (const float *)(const void *)operand->matrix->data,
                         .outer_step = operand->transposed ? 1 : step,
                         .depth_step = operand->transposed ? step : 1};
}

int64_t smg_operand_grain(const smg_operand *operand)
{
    if (operand->matrix == NULL || !operand->transposed)
        return SMG_PANEL;
    const int64_t block = smg_type_describe(smg_type_plain(operand->matrix->type))->block_elements;
    return block < SMG_PANEL ? SMG_PANEL : block;
}

/* Elements begin .. end-1 of a row, whole blocks of it. */
static void unpack_row(const smg_matrix *matrix, int64_t row, int64_t begin, int64_t end, float *ret_x)
{
    const smg_type plain = smg_type_plain(matrix->type);
    const smg_type_info *info = smg_type_describe(plain);
    const int64_t block = info->block_elements;
    if (plain == matrix->type) {
        const uint8_t *from = matrix->data + (size_t)row * matrix->stride;
        smg_dequantize_row(plain, from + (size_t)(begin / block) * info->block_bytes, ret_x, end - begin);
        return;
    }
    const int place = (int)(row % SMG_GROUP_ROWS);
    const uint8_t *group = matrix->data + (size_t)(row - place) * matrix->stride;
    for (int64_t i = begin; i < end; i += block) {
        uint8_t bytes[sizeof(smg_block_q6_k)]; /* the largest */
        smg_group_block(plain, matrix->columns, group, place, i / block, bytes);
        smg_dequantize_row(plain, bytes, ret_x + (i - begin), block);
    }
}

static void pack_rows(const smg_matrix *matrix, smg_gemm_pack_fn pack, size_t panel_bytes, int64_t begin,
                      int64_t end, int64_t k_begin, int64_t k_end, uint8_t *ret_panels, float *floats)
{
    const int64_t depth = k_end - k_begin;
    for (int64_t i = begin; i < end; i += SMG_PANEL, ret_panels += panel_bytes) {
        const int64_t count = least(SMG_PANEL, end - i);
        for (int64_t r = 0; r < count; r++)
            unpack_row(matrix, i + r, k_begin, k_end, floats + r * depth);
        pack(floats, (size_t)depth, 1, count, depth, ret_panels);
    }
}

/* In strips of rows of the matrix, which are as many steps in k. */
static void pack_columns(const smg_matrix *matrix, smg_gemm_kind kind, smg_gemm_pack_fn pack,
                         size_t panel_bytes, int64_t begin, int64_t end, int64_t k_begin, int64_t k_end,
                         uint8_t *ret_panels, float *floats)
{
    const int64_t block = smg_operand_grain(&(smg_operand){.matrix = matrix, .transposed = true});
    for (int64_t i = begin; i < end; i += ACROSS, ret_panels += ACROSS / SMG_PANEL * panel_bytes) {
        const int64_t count = least(ACROSS, end - i);
        const int64_t unpacked = least((count + block - 1) / block * block, matrix->columns - i);
        for (int64_t k = k_begin; k < k_end; k += STRIP) {
            const int64_t steps = least(STRIP, k_end - k);
            for (int64_t s = 0; s < steps; s++)
                unpack_row(matrix, k + s, i, i + unpacked, floats + s * ACROSS);
            uint8_t *to = ret_panels + smg_panel_bytes(kind, k - k_begin);
            for (int64_t p = 0; p < count; p += SMG_PANEL, to += panel_bytes)
                pack(floats + p, 1, ACROSS, least(SMG_PANEL, count - p), steps, to);
        }
    }
}

static void pack_data(const smg_operand *operand, smg_gemm_pack_fn pack, size_t panel_bytes, int64_t begin,
                      int64_t end, int64_t k_begin, int64_t k_end, uint8_t *ret_panels)
{
    for (int64_t i = begin; i < end; i += SMG_PANEL, ret_panels += panel_bytes) {
        const float *from =
            operand->data + (size_t)i * operand->outer_step + (size_t)k_begin * operand->depth_step;
        pack(from, operand->outer_step, operand->depth_step, least(SMG_PANEL, end - i), k_end - k_begin,
             ret_panels);
    }
}

void smg_operand_pack(const smg_operand *operand, smg_gemm_kind kind, smg_gemm_pack_fn pack, int64_t begin,
                      int64_t end, int64_t k_begin, int64_t k_end, uint8_t *ret_panels, float *floats)
{
    const smg_operand plain = as_data(operand);
    const size_t panel_bytes = smg_panel_bytes(kind, k_end - k_begin);
    if (plain.matrix == NULL)
        pack_data(&plain, pack, panel_bytes, begin, end, k_begin, k_end, ret_panels);
    else if (plain.transposed)
        pack_columns(plain.matrix, kind, pack, panel_bytes, begin, end, k_begin, k_end, ret_panels, floats);
    else
        pack_rows(plain.matrix, pack, panel_bytes, begin, end, k_begin, k_end, ret_panels, floats);
}
