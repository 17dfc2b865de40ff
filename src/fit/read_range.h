/* Reading memory in order, as fast as one thread can: what a machine's bandwidth is measured with. */
#ifndef SMG_FIT_READ_RANGE_H
#define SMG_FIT_READ_RANGE_H

#include <stddef.h>
#include <stdint.h>

/* 32 bytes wide on every machine, which the compiler cuts into what there is. */
typedef uint64_t smg_read_lanes __attribute__((vector_size(32), may_alias));

/* `data` is aligned to 32 bytes; what does not fill 256 at the end is left. */
static void __attribute__((noinline)) smg_read_range(const void *data, size_t bytes)
{
    smg_read_lanes sums[4] = {0};
    const smg_read_lanes *from = data;
    for (size_t i = 0; i + 8 <= bytes / sizeof *from; i += 8) {
        for (size_t k = 0; k < 8; k++)
            sums[k % 4] |= from[i + k];
    }
    const smg_read_lanes all = sums[0] | sums[1] | sums[2] | sums[3];
    const uint64_t word = all[0] | all[1] | all[2] | all[3];
    __asm__ volatile("" : : "r"(word)); /* or else nothing of it would have to be done */
}

#endif
