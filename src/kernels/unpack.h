/* Blocks to their integers: the one place where every weight type's bit layout is spelled out in plain C.
 * Dequantization and the reference kernels stand on it; the ISA kernels do the same in registers. */
#ifndef SMG_KERNELS_UNPACK_H
#define SMG_KERNELS_UNPACK_H

#include "format/blocks.h"

/* x[i] = d * q[i] + m */
typedef struct smg_small_block {
    float d;
    float m; /* 0 for the types without a minimum */
    bool has_m;
    int8_t q[SMG_QK];
} smg_small_block;

/* x[i] = d * scales[i / 16] * q[i] - dmin * mins[i / 16] */
typedef struct smg_super_block {
    float d;
    float dmin; /* 0 for the types without minimums */
    bool has_mins;
    int8_t scales[SMG_QK_K / 16];
    uint8_t mins[SMG_QK_K / 16];
    int8_t q[SMG_QK_K];
} smg_super_block;

/* `bytes` need no alignment. `type` is a weight type with blocks of SMG_QK, or of SMG_QK_K, elements. */
void smg_unpack_small(smg_type type, const void *bytes, smg_small_block *ret_block);
void smg_unpack_super(smg_type type, const void *bytes, smg_super_block *ret_block);
/* A block of either kind, as floats. */
void smg_unpack_floats(smg_type type, const void *bytes, float *ret_x);

#endif
