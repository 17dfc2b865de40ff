/* Random numbers that are the same for the same seed on every machine. */
#ifndef NANO_RANDOM_H
#define NANO_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

typedef struct nano_random {
    uint64_t state;
} nano_random;

/* SplitMix64 (Steele, Lea, Flood, OOPSLA 2014). */
static inline uint64_t nano_random_next(nano_random *random)
{
    uint64_t z = random->state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

/* From 0 to count - 1; `count` is at least 1. The bias of the remainder is below 2^-40 for all that is asked here. */
static inline int64_t nano_random_below(nano_random *random, int64_t count)
{
    return (int64_t)(nano_random_next(random) % (uint64_t)count);
}

static inline int64_t nano_random_between(nano_random *random, int64_t least, int64_t most)
{
    return least + nano_random_below(random, most - least + 1);
}

/* True `percent` times of a hundred. */
static inline bool nano_random_chance(nano_random *random, int percent)
{
    return nano_random_below(random, 100) < percent;
}

#endif
