/* A stretch of an operand of smg_gemm to panels; private to src/train/gemm.c. */
#ifndef SMG_TRAIN_GEMM_OPERAND_H
#define SMG_TRAIN_GEMM_OPERAND_H

#include "train/gemm.h"

/* The deepest stretch, and what packing it needs of memory for the floats of quantized rows. */
#define SMG_GEMM_DEPTH 640
#define SMG_GEMM_FLOATS (SMG_PANEL * SMG_GEMM_DEPTH)

/* Of what number the first row of a stretch must be a multiple: of a block where blocks lie across. At most 256. */
int64_t smg_operand_grain(const smg_operand *operand);

/* How and where to: */
typedef struct smg_packing {
    const smg_kernels *kernels;
    smg_gemm_kind kind;
    smg_gemm_pack_fn pack;
    float *floats; /* SMG_GEMM_FLOATS of its own */
} smg_packing;

/* Rows begin .. end-1 of k_begin .. k_end-1 to panels, one behind the other. k_end - k_begin is
 * at most SMG_GEMM_DEPTH, k_begin where a block begins. */
void smg_operand_pack(const smg_operand *operand, const smg_packing *packing, int64_t begin, int64_t end,
                      int64_t k_begin, int64_t k_end, uint8_t *ret_panels);

#endif
