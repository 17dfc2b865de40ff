/* The KV cache: keys and values of every position a sequence has seen, layer by layer. */
#ifndef SMG_MODEL_KV_CACHE_H
#define SMG_MODEL_KV_CACHE_H

#include "base/alloc.h"
#include "kernels/kernels.h"
#include "model/shape.h"

/* Layout of each of the two: [layer][kv head][cell][element of the head]: whoever attends for a head reads straight on. */
typedef struct smg_kv_cache {
    smg_kv kind;
    int32_t cells;
    size_t cell_bytes;
    size_t head_bytes; /* of all its cells */
    size_t layer_bytes;
    uint8_t *keys;
    uint8_t *values;
} smg_kv_cache;

/* Whether heads of this size can be kept in this form. */
bool smg_kv_cache_allows(const smg_shape *shape, smg_kv kind);
/* Takes `cells` cells from the arena (which may only be counting). */
void smg_kv_cache_init(smg_kv_cache *ret_cache, const smg_shape *shape, smg_kv kind, int32_t cells,
                       smg_arena *arena);

/* Part of what a token attends to: the cells first_cell, first_cell + 1 ... hold positions `position` and up. A
 * sequence is a list of these in the order of positions, from 0 without a gap: a shared prefix, then its own. */
typedef struct smg_segment {
    const smg_kv_cache *cache;
    int32_t first_cell;
    int32_t position;
    int32_t count; /* INT32_MAX: up to the token itself */
} smg_segment;

#endif
