/* What smidge bench measures. */
#ifndef SMIDGE_BENCH_MEASURE_H
#define SMIDGE_BENCH_MEASURE_H

#include "model_flags.h"

#define BENCH_MAX_RUNS 64

typedef struct bench_options {
    model_flags model;
    int32_t prompt_tokens;
    int32_t tokens;
    int32_t repetitions;
    int32_t readings;
    const char *output;
    bool report;
    const char *report_path; /* NULL: named after board and model */
} bench_options;

typedef struct bench_speed {
    int32_t tokens; /* 0: not measured */
    double mean;    /* tokens a second */
    double deviation;
} bench_speed;

typedef struct bench_latency {
    int32_t count;        /* 0: not measured */
    double p50, p95, p99; /* milliseconds */
} bench_latency;

/* All of one number of threads. */
typedef struct bench_threads {
    int32_t threads;
    bench_speed prefill;
    bench_speed decode;
    bench_latency cold;
    bench_latency warm;
} bench_threads;

typedef struct bench_report {
    smidge_model_info model;
    int32_t first_threads;
    size_t count;
    bench_threads runs[BENCH_MAX_RUNS];
    uint64_t peak_bytes;
} bench_report;

/* Measures with this many threads and adds it to the report; -1, or the exit status after a message. */
int bench_run(const bench_options *options, int32_t threads, bench_report *report);

#endif
