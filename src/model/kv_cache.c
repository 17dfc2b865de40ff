#include "model/kv_cache.h"

bool smg_kv_cache_allows(const smg_shape *shape, smg_kv kind)
{
    return kind != SMG_KV_Q8_0 || shape->head_size % SMG_QK == 0;
}

void smg_kv_cache_init(smg_kv_cache *ret_cache, const smg_shape *shape, smg_kv kind, int32_t cells,
                       smg_arena *arena)
{
    size_t cell_bytes = smg_kv_bytes(kind, shape->head_size);
    size_t head_bytes = cell_bytes * (size_t)cells;
    size_t layer_bytes = head_bytes * (size_t)shape->kv_heads;
    size_t bytes = layer_bytes * (size_t)shape->layers;
    *ret_cache = (smg_kv_cache){
        .kind = kind,
        .cells = cells,
        .cell_bytes = cell_bytes,
        .head_bytes = head_bytes,
        .layer_bytes = layer_bytes,
        .keys = smg_arena_take(arena, bytes),
        .values = smg_arena_take(arena, bytes),
    };
}
