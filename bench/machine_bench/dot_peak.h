/* Loops of 8-bit dot products that wait for nothing: what the integer units can do at most. */
#ifndef SMG_BENCH_DOT_PEAK_H
#define SMG_BENCH_DOT_PEAK_H

#include <stdint.h>

typedef struct dot_loop {
    const char *name;      /* of the instruction */
    void (*run)(uint64_t); /* that many rounds */
    double products;       /* multiply-adds a round */
} dot_loop;

/* As many sums as hide the latency: 5 cycles, two units. */
#define DOT_SUMS 12

/* Defines a dot_loop's run: each sum becomes `step` of itself, `left` and `right`, in registers of KEEP's constraint. The
 * compiler may neither drop a sum nor move anything out of the loop. */
#define DOT_KEEP(constraint, value) __asm__ volatile("" : "+" constraint(value))
#define DOT_LOOP(name, features, constraint, sum_type, type, fill, step)                                     \
    __attribute__((target(features))) static void name(uint64_t rounds)                                      \
    {                                                                                                        \
        sum_type sums[DOT_SUMS] = {0};                                                                       \
        type left = fill(3);                                                                                 \
        type right = fill(5);                                                                                \
        for (uint64_t round = 0; round < rounds; round++) {                                                  \
            _Pragma("GCC unroll 12") for (int i = 0; i < DOT_SUMS; i++)                                      \
            {                                                                                                \
                DOT_KEEP(constraint, left);                                                                  \
                sums[i] = step(sums[i], left, right);                                                        \
                DOT_KEEP(constraint, sums[i]);                                                               \
            }                                                                                                \
        }                                                                                                    \
    }

/* The widest vector instruction that this processor has. */
const dot_loop *dot_peak_vector(void);
/* That of a matrix unit beside the vector units, or NULL. */
const dot_loop *dot_peak_matrix(void);

#endif
