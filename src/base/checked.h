/* Arithmetic on sizes that came from outside: false on overflow, and then *ret is untouched. */
#ifndef SMG_BASE_CHECKED_H
#define SMG_BASE_CHECKED_H

#include <stdbool.h>
#include <stdint.h>

static inline bool smg_checked_add(uint64_t a, uint64_t b, uint64_t *ret)
{
    uint64_t sum;
    if (__builtin_add_overflow(a, b, &sum))
        return false;
    *ret = sum;
    return true;
}

static inline bool smg_checked_mul(uint64_t a, uint64_t b, uint64_t *ret)
{
    uint64_t product;
    if (__builtin_mul_overflow(a, b, &product))
        return false;
    *ret = product;
    return true;
}

/* Rounds up to a multiple of `alignment`, a power of two. */
static inline bool smg_checked_align(uint64_t a, uint64_t alignment, uint64_t *ret)
{
    uint64_t sum;
    if (__builtin_add_overflow(a, alignment - 1, &sum))
        return false;
    *ret = sum & ~(alignment - 1);
    return true;
}

#endif
