/* Numbers that look random and are the same everywhere for the same seed: splitmix64 (Steele, Lea, Flood, "Fast splittable
 * pseudorandom number generators", OOPSLA 2014). */
#ifndef SMG_TRAIN_RANDOM_H
#define SMG_TRAIN_RANDOM_H

#include <stdint.h>

static inline uint64_t smg_random_next(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15U;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9U;
    z = (z ^ z >> 27) * 0x94D049BB133111EBU;
    return z ^ z >> 31;
}

/* In [0, 1), 24 bits. */
static inline float smg_random_unit(uint64_t *state)
{
    return (float)(smg_random_next(state) >> 40) * 0x1p-24F;
}

#endif
