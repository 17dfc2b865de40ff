/* Blocks from their numbers: the inverse of kernels/unpack.h. */
#ifndef SMG_QUANT_PACK_H
#define SMG_QUANT_PACK_H

#include "kernels/unpack.h"

/* `block` as unpacking gives it, its d, m and dmin such that binary16 holds them, its integers within the type's range; of IQ4
 * types q are numbers of levels, not the levels. Where a type has eight scales and minimums, each stands twice. */
void smg_pack_small(smg_type type, const smg_small_block *block, void *ret_bytes);
void smg_pack_super(smg_type type, const smg_super_block *block, void *ret_bytes);

#endif
