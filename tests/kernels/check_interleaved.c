/* Products with interleaved rows: equal, bit for bit, to those of the same path with the same rows one by one. The reference, which
 * is what the plain kernels are held against, is held against itself in the same way. */
#include <stdlib.h>
#include <string.h>

#include "format/interleave.h"
#include "kernel_check.h"
#include "kernels/half.h"

enum { GROUPS = 3, ALL_ROWS = GROUPS * SMG_GROUP_ROWS, TOKENS = 70, STRIDE = ALL_ROWS + 5 };

typedef struct pair {
    smg_type plain, type;
    int64_t k;
    size_t w_bytes, x_stride;
    uint8_t *rows, *groups, *x; /* the groups begin where they must: after a multiple of 32 bytes */
} pair;

static void make_pair(check *c, smg_type type, int64_t k, data_kind kind, int tokens, pair *p)
{
    const smg_type plain = smg_type_plain(type);
    const smg_act act = smg_act_for(type);
    p->plain = plain;
    p->type = type;
    p->k = k;
    p->w_bytes = smg_type_row_bytes(plain, (uint64_t)k);
    p->x_stride = (smg_act_row_bytes(act, k) + 5) | 1;
    p->rows = guarded_new(ALL_ROWS * p->w_bytes);
    p->groups = guarded_new(ALL_ROWS * p->w_bytes);
    p->x = guarded_new((size_t)tokens * p->x_stride);
    float *floats = guarded_new((size_t)k * sizeof *floats);
    for (int r = 0; r < ALL_ROWS; r++)
        fill_weights(&c->random, plain, kind, p->rows + (size_t)r * p->w_bytes, k);
    for (int g = 0; g < GROUPS; g++)
        smg_group_interleave(plain, k, p->rows + (size_t)g * SMG_GROUP_ROWS * p->w_bytes,
                             p->groups + (size_t)g * SMG_GROUP_ROWS * p->w_bytes);
    for (int t = 0; t < tokens; t++) {
        fill_floats(&c->random, kind, floats, k);
        c->reference->quantize[act](floats, p->x + (size_t)t * p->x_stride, k);
    }
}

/* Blocks come out of a group as they went in. */
static void check_blocks(check *c, const pair *p)
{
    const smg_type_info *info = smg_type_describe(p->plain);
    uint8_t block[256];
    for (int r = 0; r < ALL_ROWS; r++) {
        const uint8_t *row = p->rows + (size_t)r * p->w_bytes;
        const uint8_t *group = p->groups + (size_t)(r / SMG_GROUP_ROWS) * SMG_GROUP_ROWS * p->w_bytes;
        for (int64_t b = 0; b < p->k / info->block_elements; b++) {
            smg_group_block(p->plain, p->k, group, r % SMG_GROUP_ROWS, b, block);
            if (memcmp(block, row + (size_t)b * info->block_bytes, info->block_bytes) != 0)
                check_fail(c, "k %d: block %d of row %d changed in its group", (int)p->k, (int)b, r);
        }
    }
}

static void check_pair(check *c, const pair *p, int first_group, int groups, int tokens)
{
    const size_t size = (size_t)tokens * STRIDE * sizeof(float);
    const size_t from = (size_t)first_group * SMG_GROUP_ROWS * p->w_bytes;
    const int rows = groups * SMG_GROUP_ROWS;
    float *expected = malloc(size), *got = malloc(size);
    memset(expected, 0xff, size);
    memset(got, 0xff, size);
    c->table->matmul[p->plain](p->k, rows, p->rows + from, p->w_bytes, tokens, p->x, p->x_stride, expected,
                               STRIDE);
    c->table->matmul[p->type](p->k, rows, p->groups + from, p->w_bytes, tokens, p->x, p->x_stride, got,
                              STRIDE);
    for (size_t i = 0; i < size / sizeof(float); i++) {
        if (smg_float_bits(expected[i]) == smg_float_bits(got[i]))
            continue;
        check_fail(c, "k %d, %d groups, %d tokens: output [%d][%d] is %a, in plain rows %a", (int)p->k,
                   groups, tokens, (int)(i / STRIDE), (int)(i % STRIDE), (double)got[i], (double)expected[i]);
        break;
    }
    free(expected);
    free(got);
}

void check_interleaved(check *c, smg_type type)
{
    static const int64_t small[] = {32, 64, 288, 576, 1056, 2048};
    static const int64_t super[] = {256, 512, 768, 1280, 2048};
    const bool is_super = smg_type_describe(type)->block_elements == SMG_QK_K;
    const int64_t *ks = is_super ? super : small;
    const size_t count = is_super ? sizeof super / sizeof *super : sizeof small / sizeof *small;
    for (size_t i = 0; i < count; i++) {
        for (data_kind kind = 0; kind < DATA_KINDS; kind++) {
            pair p;
            make_pair(c, type, ks[i], kind, TOKENS, &p);
            check_blocks(c, &p);
            for (int tokens = 1; tokens <= 13; tokens++)
                check_pair(c, &p, (tokens + (int)i) % 2, 1 + tokens % 2, tokens);
            if (kind == DATA_RANDOM && c->table->matmul[type] != c->reference->matmul[type])
                check_pair(c, &p, 0, GROUPS, TOKENS);
            guarded_free_all();
        }
    }
}
