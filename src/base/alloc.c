#include "base/alloc.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/checked.h"

/* The only mutable state of the library: counters for tests, which no result depends on. */
static atomic_uint_fast64_t calls;
static atomic_uint_fast64_t fail_at;
static atomic_uint_fast64_t live_blocks;

static bool must_fail(void)
{
    uint64_t call = atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed) + 1;
    return call == atomic_load_explicit(&fail_at, memory_order_relaxed);
}

static void count_block(void *block)
{
    if (block != NULL)
        atomic_fetch_add_explicit(&live_blocks, 1, memory_order_relaxed);
}

void smg_alloc_fail_at(uint64_t n)
{
    atomic_store(&calls, 0);
    atomic_store(&fail_at, n);
}

uint64_t smg_alloc_calls(void)
{
    return atomic_load(&calls);
}

uint64_t smg_alloc_live_blocks(void)
{
    return atomic_load(&live_blocks);
}

void *smg_alloc(size_t bytes)
{
    if (must_fail())
        return NULL;
    uint64_t rounded;
    if (!smg_checked_align(bytes == 0 ? 1 : bytes, SMG_ALIGNMENT, &rounded) || rounded > PTRDIFF_MAX)
        return NULL;
    void *block = aligned_alloc(SMG_ALIGNMENT, rounded);
    if (block == NULL)
        return NULL;
    memset(block, 0, rounded);
    count_block(block);
    return block;
}

void *smg_alloc_array(size_t count, size_t bytes_each)
{
    uint64_t bytes;
    if (!smg_checked_mul(count, bytes_each, &bytes))
        return NULL;
    return smg_alloc(bytes);
}

void *smg_realloc_array(void *block, size_t count, size_t bytes_each)
{
    if (must_fail())
        return NULL;
    uint64_t bytes;
    if (!smg_checked_mul(count, bytes_each, &bytes) || bytes > PTRDIFF_MAX)
        return NULL;
    /* Growing arrays hold plain values, for which malloc's own alignment is enough. */
    void *grown = realloc(block, bytes == 0 ? 1 : bytes);
    if (block == NULL)
        count_block(grown);
    return grown;
}

void smg_free(void *block)
{
    if (block == NULL)
        return;
    atomic_fetch_sub_explicit(&live_blocks, 1, memory_order_relaxed);
    free(block);
}

void smg_free_ptr(void *block)
{
    void *pointer;
    memcpy(&pointer, block, sizeof pointer);
    smg_free(pointer);
}

static void *map(int fd, size_t bytes, int protection, int flags)
{
    if (must_fail()) {
        errno = ENOMEM;
        return NULL;
    }
    void *data = mmap(NULL, bytes, protection, flags, fd, 0);
    if (data == MAP_FAILED)
        return NULL;
    count_block(data);
    return data;
}

void *smg_map_file(int fd, size_t bytes)
{
    return map(fd, bytes, PROT_READ, MAP_PRIVATE);
}

void *smg_map_anonymous(size_t bytes)
{
    return map(-1, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
}

void smg_unmap(void *data, size_t bytes)
{
    if (data == NULL)
        return;
    atomic_fetch_sub_explicit(&live_blocks, 1, memory_order_relaxed);
    munmap(data, bytes);
}

smidge_status smg_arena_init(smg_arena *arena, size_t size, const char *where, smidge_error *error)
{
    *arena = (smg_arena){0};
    /* A mapping, not the heap: pages that are never touched are never paid for. */
    void *base = smg_map_anonymous(size == 0 ? 1 : size);
    if (base == NULL)
        return smg_error_no_memory(error, where, size);
    *arena = (smg_arena){.base = base, .size = size};
    return SMIDGE_OK;
}

void smg_arena_done(smg_arena *arena)
{
    smg_unmap(arena->base, arena->size == 0 ? 1 : arena->size);
    *arena = (smg_arena){0};
}

void *smg_arena_take(smg_arena *arena, size_t bytes)
{
    uint64_t rounded;
    uint64_t used;
    if (!smg_checked_align(bytes, SMG_ALIGNMENT, &rounded) || !smg_checked_add(arena->used, rounded, &used)) {
        arena->used = SIZE_MAX; /* a count that no arena satisfies */
        return NULL;
    }
    size_t start = arena->used;
    if (arena->base == NULL) {
        arena->used = used;
        return NULL;
    }
    if (used > arena->size)
        return NULL;
    arena->used = used;
    return arena->base + start;
}
