#include "data/text_pool.h"

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"

#define BLOCK_BYTES ((size_t)256 << 10)

typedef struct block {
    struct block *next;
    size_t size;
    size_t used;
    alignas(max_align_t) char data[];
} block;

struct smg_text_pool {
    block *blocks; /* the first is the one that is being filled */
};

smg_text_pool *smg_text_pool_new(void)
{
    return smg_alloc(sizeof(smg_text_pool));
}

void smg_text_pool_free(smg_text_pool *pool)
{
    if (pool == NULL)
        return;
    for (block *each = pool->blocks, *next; each != NULL; each = next) {
        next = each->next;
        smg_free(each);
    }
    smg_free(pool);
}

static block *add_block(smg_text_pool *pool, size_t bytes)
{
    /* What is large has a block of its own, behind the first: the rest of that is not lost. */
    const bool own = bytes > BLOCK_BYTES / 4 && pool->blocks != NULL;
    const size_t size = bytes > BLOCK_BYTES / 4 ? bytes : BLOCK_BYTES;
    if (size > SIZE_MAX - sizeof(block))
        return NULL;
    block *fresh = smg_alloc(sizeof(block) + size);
    if (fresh == NULL)
        return NULL;
    fresh->size = size;
    if (own) {
        fresh->next = pool->blocks->next;
        pool->blocks->next = fresh;
    } else {
        fresh->next = pool->blocks;
        pool->blocks = fresh;
    }
    return fresh;
}

void *smg_text_pool_take(smg_text_pool *pool, size_t bytes)
{
    const size_t step = alignof(max_align_t);
    if (bytes > SIZE_MAX - step)
        return NULL;
    bytes = (bytes + step - 1) / step * step;
    block *from = pool->blocks;
    if (from == NULL || from->size - from->used < bytes)
        from = add_block(pool, bytes);
    if (from == NULL)
        return NULL;
    void *taken = from->data + from->used;
    from->used += bytes;
    return taken;
}

char *smg_text_pool_copy(smg_text_pool *pool, const char *text, size_t size)
{
    char *copy = size == SIZE_MAX ? NULL : smg_text_pool_take(pool, size + 1);
    if (copy != NULL && size > 0)
        memcpy(copy, text, size);
    return copy;
}
