/* Interleaved rows: 16 rows of a quantized matrix stored together, so that a vector register is filled with the same element
 * of many rows by one load, and no product is ever summed across a register.
 *
 * A group takes the bytes of its 16 rows. Of each block, which is some 4-byte words and at most one lone binary16, the words come
 * first: word 0 of all 16 rows, word 1 of all 16 rows, and so on, block after block. Behind the last block stand the lone
 * halves: those of block 0 for all 16 rows, those of block 1, and so on. One word is changed on the way: the fifth bits of Q5_0 and
 * Q5_1 are put in the order in which registers want them, bit 8i + g for element 4g + i instead of bit 4g + i. */
#ifndef SMG_FORMAT_INTERLEAVE_H
#define SMG_FORMAT_INTERLEAVE_H

#include "format/blocks.h"

/* How the block of a quantized type is taken apart: 4 * words bytes from `first`, and the lone half. */
typedef struct smg_group_layout {
    uint8_t words;
    uint8_t first;
    int16_t half;  /* its offset; negative: there is none */
    int8_t fifths; /* which word has fifth bits; negative: none */
} smg_group_layout;

/* NULL for types without blocks. */
const smg_group_layout *smg_group_layout_of(smg_type plain);

/* Whether a matrix of this plain type can be interleaved: it has blocks, and its rows are whole groups. */
bool smg_group_fits(smg_type plain, uint64_t columns, uint64_t rows);

/* Sixteen rows of `columns` elements, one behind the other, to a group. */
void smg_group_interleave(smg_type plain, int64_t columns, const void *rows, void *ret_group);

/* Block `block` of row `row`, below 16, of a group, as it stands in a plain row. */
void smg_group_block(smg_type plain, int64_t columns, const void *group, int row, int64_t block,
                     void *ret_block);

#endif
