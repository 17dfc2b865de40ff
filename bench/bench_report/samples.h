/* The samples of one model, as bench/run.sh writes them: lines `round,engine,test,threads,value,unit`. */
#ifndef SMG_BENCH_SAMPLES_H
#define SMG_BENCH_SAMPLES_H

#include <stdbool.h>
#include <stddef.h>

enum { NAME_ROOM = 32, MOST_SAMPLES = 65536 };

typedef struct sample {
    char engine[NAME_ROOM];
    char test[NAME_ROOM];
    int threads;
    double value;
} sample;

typedef struct samples {
    sample *all;
    size_t count;
} samples;

typedef struct summary {
    size_t count; /* 0: there are none */
    double median;
    double largest;
    double spread; /* half the distance between the quartiles, as a share of the median */
} summary;

/* Ends the program with a message where the file is not as it should be. */
samples samples_read(const char *path);
summary samples_summary(const samples *from, const char *engine, const char *test, int threads);
/* The next larger number of threads than `after` that our own engine was measured with, or 0. */
int samples_next_threads(const samples *from, int after);

#endif
