/* The one allocator. Every heap allocation and mapping of the library goes through here, so that tests can
 * make the n-th one fail, and so that what a model takes can be counted. */
#ifndef SMG_BASE_ALLOC_H
#define SMG_BASE_ALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define SMG_ALIGNMENT 64 /* a cache line, and the widest vector */

/* All return NULL on failure and for sizes that overflow; memory is zeroed and aligned to SMG_ALIGNMENT.
 * A request of zero bytes gives a valid pointer. Release with smg_free, which takes NULL. */
void *smg_alloc(size_t bytes);
void *smg_alloc_array(size_t count, size_t bytes_each);
/* Grows (or shrinks) a block; what is new is not zeroed. On failure the old block is untouched. */
void *smg_realloc_array(void *block, size_t count, size_t bytes_each);
void smg_free(void *block);

/* Read-only or anonymous mappings, counted and made to fail like the rest. NULL on failure (errno set). */
void *smg_map_file(int fd, size_t bytes);
void *smg_map_anonymous(size_t bytes);
void smg_unmap(void *data, size_t bytes);

/* For __attribute__((cleanup)): frees the pointer that `block` points at. */
void smg_free_ptr(void *block);

/* Test hooks. The n-th call from now (1 = the next) fails, and only that one; 0 switches it off.
 * smg_alloc_calls counts calls since the last smg_alloc_fail_at. */
void smg_alloc_fail_at(uint64_t n);
uint64_t smg_alloc_calls(void);
/* Blocks and bytes currently held (mappings included), for leak checks. */
uint64_t smg_alloc_live_blocks(void);

/* A bump allocator over one block. Everything in it is released at once. */
typedef struct smg_arena {
    uint8_t *base;
    size_t size;
    size_t used;
} smg_arena;

smidge_status smg_arena_init(smg_arena *arena, size_t size, const char *where, smidge_error *error)
    SMG_MUST_CHECK;
void smg_arena_done(smg_arena *arena);
/* Takes `bytes`, aligned to SMG_ALIGNMENT; with base NULL it only counts, which is how a size is asked for
 * before anything exists. NULL when the arena is full or only counting. */
void *smg_arena_take(smg_arena *arena, size_t bytes);

#endif
