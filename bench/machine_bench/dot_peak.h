/* Loops of 8-bit dot products that wait for nothing: what the integer units can do at most. */
#ifndef SMG_BENCH_DOT_PEAK_H
#define SMG_BENCH_DOT_PEAK_H

#include <stdint.h>

typedef struct dot_loop {
    const char *name;      /* of the instruction */
    void (*run)(uint64_t); /* that many rounds */
    double products;       /* multiply-adds a round */
} dot_loop;

/* The widest vector instruction that this processor has. */
const dot_loop *dot_peak_vector(void);
/* That of a matrix unit beside the vector units, or NULL. */
const dot_loop *dot_peak_matrix(void);

#endif
