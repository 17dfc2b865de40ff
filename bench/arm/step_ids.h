/* The tokens that are counted: any will do, as long as both engines have the same. */
#ifndef SMIDGE_BENCH_STEP_IDS_H
#define SMIDGE_BENCH_STEP_IDS_H

#include <stdint.h>

#define STEPS_MOST 512

static inline void fill_step_ids(int32_t *ids, int32_t count)
{
    for (int32_t i = 0; i < count; i++)
        ids[i] = 300 + i * 37 % 1000;
}

#endif
