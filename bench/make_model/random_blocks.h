/* Random weights, made as the blocks that files have: no float is ever quantized, so it is as fast as the disk. */
#ifndef SMG_BENCH_RANDOM_BLOCKS_H
#define SMG_BENCH_RANDOM_BLOCKS_H

#include <stdbool.h>
#include <stdint.h>

#include "format/blocks.h"

/* Mixes a number and a seed; a name's letters one after the other give the name's number. */
uint64_t random_mix(uint64_t seed, uint64_t number);

/* Fills `count` blocks, the first of which is number `first` of its tensor, with weights around zero of standard
 * deviation `deviation`. The same seed and number give the same block, whoever asks for it and in what order. False
 * for a type that is not made here. */
bool random_blocks_fill(smg_type type, uint64_t seed, uint64_t first, uint64_t count, float deviation,
                        void *ret_blocks);

/* The same for F32 vectors of norms: `count` numbers within a tenth of `mean`. */
void random_norms_fill(uint64_t seed, uint64_t count, float mean, float *ret_values);

#endif
