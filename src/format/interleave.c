#include "format/interleave.h"

#include <string.h>

static const smg_group_layout layouts[SMG_TYPE_R16] = {
    [SMG_TYPE_Q4_0] = {4, 2, offsetof(smg_block_q4_0, d), -1},
    [SMG_TYPE_Q4_1] = {5, 0, -1, -1},
    [SMG_TYPE_Q5_0] = {5, 2, offsetof(smg_block_q5_0, d), 0},
    [SMG_TYPE_Q5_1] = {6, 0, -1, 1},
    [SMG_TYPE_Q8_0] = {8, 2, offsetof(smg_block_q8_0, d), -1},
    [SMG_TYPE_Q2_K] = {21, 0, -1, -1},
    [SMG_TYPE_Q3_K] = {27, 0, offsetof(smg_block_q3_k, d), -1},
    [SMG_TYPE_Q4_K] = {36, 0, -1, -1},
    [SMG_TYPE_Q5_K] = {44, 0, -1, -1},
    [SMG_TYPE_Q6_K] = {52, 0, offsetof(smg_block_q6_k, d), -1},
    [SMG_TYPE_IQ4_NL] = {4, 2, offsetof(smg_block_iq4_nl, d), -1},
    [SMG_TYPE_IQ4_XS] = {34, 0, -1, -1},
};

const smg_group_layout *smg_group_layout_of(smg_type plain)
{
    return plain < SMG_TYPE_R16 && layouts[plain].words > 0 ? &layouts[plain] : NULL;
}

bool smg_group_fits(smg_type plain, uint64_t columns, uint64_t rows)
{
    return smg_group_layout_of(plain) != NULL && rows % SMG_GROUP_ROWS == 0 &&
           smg_type_row_bytes(plain, columns) != 0;
}

/* Bit 8i + g for bit 4g + i. */
static void spread_fifths(uint8_t *word)
{
    uint8_t spread[4] = {0};
    for (int g = 0; g < 8; g++)
        for (int i = 0; i < 4; i++)
            spread[i] = (uint8_t)(spread[i] | (word[g / 2] >> (4 * (g % 2) + i) & 1) << g);
    memcpy(word, spread, sizeof spread);
}

static void gather_fifths(uint8_t *word)
{
    uint8_t gathered[4] = {0};
    for (int g = 0; g < 8; g++)
        for (int i = 0; i < 4; i++)
            gathered[g / 2] = (uint8_t)(gathered[g / 2] | (word[i] >> g & 1) << (4 * (g % 2) + i));
    memcpy(word, gathered, sizeof gathered);
}

/* Where word `word` of a block and row stands in its group, and where the lone half does. */
static size_t word_place(const smg_group_layout *layout, int row, int64_t block, int word)
{
    return (((size_t)block * layout->words + (size_t)word) * SMG_GROUP_ROWS + (size_t)row) * 4;
}

static size_t half_place(const smg_group_layout *layout, int64_t blocks, int row, int64_t block)
{
    return word_place(layout, 0, blocks, 0) +
           ((size_t)block * SMG_GROUP_ROWS + (size_t)row) * sizeof(smg_half);
}

static int64_t blocks_of(smg_type plain, int64_t columns)
{
    return columns / smg_type_describe(plain)->block_elements;
}

void smg_group_interleave(smg_type plain, int64_t columns, const void *rows, void *ret_group)
{
    const smg_group_layout *layout = smg_group_layout_of(plain);
    const size_t block_bytes = smg_type_describe(plain)->block_bytes;
    const int64_t blocks = blocks_of(plain, columns);
    const uint8_t *from = rows;
    uint8_t *to = ret_group;
    for (int row = 0; row < SMG_GROUP_ROWS; row++) {
        for (int64_t block = 0; block < blocks; block++, from += block_bytes) {
            for (int word = 0; word < layout->words; word++) {
                uint8_t *place = to + word_place(layout, row, block, word);
                memcpy(place, from + layout->first + 4 * word, 4);
                if (word == layout->fifths)
                    spread_fifths(place);
            }
            if (layout->half >= 0)
                memcpy(to + half_place(layout, blocks, row, block), from + layout->half, sizeof(smg_half));
        }
    }
}

void smg_group_block(smg_type plain, int64_t columns, const void *group, int row, int64_t block,
                     void *ret_block)
{
    const smg_group_layout *layout = smg_group_layout_of(plain);
    const uint8_t *from = group;
    uint8_t *to = ret_block;
    for (int word = 0; word < layout->words; word++) {
        uint8_t *place = to + layout->first + 4 * word;
        memcpy(place, from + word_place(layout, row, block, word), 4);
        if (word == layout->fifths)
            gather_fifths(place);
    }
    if (layout->half >= 0)
        memcpy(to + layout->half, from + half_place(layout, blocks_of(plain, columns), row, block),
               sizeof(smg_half));
}
