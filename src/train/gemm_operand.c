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
static void unpack_row(const smg_kernels *kernels, const smg_matrix *matrix, int64_t row, int64_t begin,
                       int64_t end, float *ret_x)
{
    const smg_type plain = smg_type_plain(matrix->type);
    const smg_type_info *info = smg_type_describe(plain);
    const int64_t block = info->block_elements;
    const smg_dequantize_fn dequantize = kernels->dequantize[plain];
    if (plain == matrix->type) {
        const uint8_t *from =
            matrix->data + (size_t)row * matrix->stride + (size_t)(begin / block) * info->block_bytes;
        if (dequantize != NULL)
            dequantize(from, end - begin, ret_x);
        else
            smg_dequantize_row(plain, from, ret_x, end - begin);
        return;
    }
    const int place = (int)(row % SMG_GROUP_ROWS);
    const uint8_t *group = matrix->data + (size_t)(row - place) * matrix->stride;
    for (int64_t i = begin; i < end; i += block) {
        uint8_t bytes[sizeof(smg_block_q6_k)]; /* the largest */
        smg_group_block(plain, matrix->columns, group, place, i / block, bytes);
        dequantize(bytes, block, ret_x + (i - begin));
    }
}

/* What is packed: rows of the operand and steps of k. */
typedef struct stretch {
    int64_t begin, end;
    int64_t k_begin, k_end;
    size_t panel_bytes;
} stretch;

static void pack_rows(const smg_matrix *matrix, const smg_packing *packing, const stretch *part,
                      uint8_t *panels)
{
    const int64_t depth = part->k_end - part->k_begin;
    for (int64_t i = part->begin; i < part->end; i += SMG_PANEL, panels += part->panel_bytes) {
        const int64_t count = least(SMG_PANEL, part->end - i);
        for (int64_t r = 0; r < count; r++)
            unpack_row(packing->kernels, matrix, i + r, part->k_begin, part->k_end,
                       packing->floats + r * depth);
        packing->pack(packing->floats, (size_t)depth, 1, count, depth, panels);
    }
}

/* `steps` steps of k from k on, of `count` rows side by side: into panels that begin elsewhere in k. */
static void pack_strip(const smg_packing *packing, const stretch *part, const float *x, size_t step,
                       int64_t k, int64_t steps, int64_t count, uint8_t *panels)
{
    panels += smg_panel_bytes(packing->kind, k - part->k_begin);
    for (int64_t p = 0; p < count; p += SMG_PANEL, panels += part->panel_bytes)
        packing->pack(x + p, 1, step, least(SMG_PANEL, count - p), steps, panels);
}

static void pack_columns(const smg_matrix *matrix, const smg_packing *packing, const stretch *part,
                         uint8_t *panels)
{
    const int64_t block = smg_operand_grain(&(smg_operand){.matrix = matrix, .transposed = true});
    for (int64_t i = part->begin; i < part->end; i += ACROSS) {
        const int64_t count = least(ACROSS, part->end - i);
        const int64_t unpacked = least((count + block - 1) / block * block, matrix->columns - i);
        for (int64_t k = part->k_begin; k < part->k_end; k += STRIP) {
            const int64_t steps = least(STRIP, part->k_end - k);
            for (int64_t s = 0; s < steps; s++)
                unpack_row(packing->kernels, matrix, k + s, i, i + unpacked, packing->floats + s * ACROSS);
            pack_strip(packing, part, packing->floats, ACROSS, k, steps, count, panels);
        }
        panels += ACROSS / SMG_PANEL * part->panel_bytes;
    }
}

/* Rows along k one panel at a time; across it in strips, so that what lies side by side is read together. */
static void pack_data(const smg_operand *operand, const smg_packing *packing, const stretch *part,
                      uint8_t *panels)
{
    const float *x = operand->data + (size_t)part->begin * operand->outer_step;
    const size_t step = operand->depth_step;
    if (step != 1) {
        for (int64_t k = part->k_begin; k < part->k_end; k += STRIP)
            pack_strip(packing, part, x + (size_t)k * step, step, k, least(STRIP, part->k_end - k),
                       part->end - part->begin, panels);
        return;
    }
    x += part->k_begin;
    for (int64_t i = part->begin; i < part->end; i += SMG_PANEL, panels += part->panel_bytes) {
        packing->pack(x, operand->outer_step, 1, least(SMG_PANEL, part->end - i), part->k_end - part->k_begin,
                      panels);
        x += SMG_PANEL * operand->outer_step;
    }
}

void smg_operand_pack(const smg_operand *operand, const smg_packing *packing, int64_t begin, int64_t end,
                      int64_t k_begin, int64_t k_end, uint8_t *ret_panels)
{
    const smg_operand plain = as_data(operand);
    const stretch part = {begin, end, k_begin, k_end, smg_panel_bytes(packing->kind, k_end - k_begin)};
    if (plain.matrix == NULL)
        pack_data(&plain, packing, &part, ret_panels);
    else if (plain.transposed)
        pack_columns(plain.matrix, packing, &part, ret_panels);
    else
        pack_rows(plain.matrix, packing, &part, ret_panels);
}
