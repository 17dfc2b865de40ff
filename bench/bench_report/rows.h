/* The rows of a model's table: each test at each number of threads, ours beside the peers', and the limit. */
#ifndef SMG_BENCH_ROWS_H
#define SMG_BENCH_ROWS_H

#include "samples.h"

enum {
    MOST_ROWS = 128,
    ENGINES = 3,
    ROW_BEST = 0 /* instead of a number of threads: each engine at its best one */
};

typedef enum engine { ENGINE_OURS, ENGINE_LLAMA, ENGINE_IK } engine;

typedef struct row {
    const char *title;
    const char *unit;
    int threads;
    bool higher_is_better;
    summary values[ENGINES];
    double limit; /* 0: none is known */
} row;

typedef struct rows {
    row all[MOST_ROWS];
    size_t count;
    bool engines[ENGINES]; /* which there are */
} rows;

/* Rows that ours has samples for. */
void rows_collect(const samples *from, rows *ret);

/* How many times better ours is than an engine: above 1 always means that ours is faster, or takes less. 0 where one of them
 * is missing. */
double row_ratio(const row *one, engine other);
/* What an engine reaches of the limit; for what should be low, how many times the limit it takes. 0: not known. */
double row_share(const row *one, engine of);

extern const char *const engine_titles[ENGINES];

#endif
