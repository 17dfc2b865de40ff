/* The report of smidge bench that a board's owner sends: the machine, what was measured, what was predicted. */
#ifndef SMIDGE_BENCH_FILE_H
#define SMIDGE_BENCH_FILE_H

#include "bench_measure.h"

/* What changes while a benchmark runs: read before it and behind it. */
typedef struct bench_state {
    char temperature[32]; /* degrees Celsius; "": not to be had */
    char throttled[32];   /* as the Raspberry Pi's firmware says it: "0x0" is good */
    char frequency[32];   /* kHz of the first processor */
} bench_state;

void bench_state_read(bench_state *ret_state);

/* Measures the bandwidth for each number of threads of the report and writes everything to `path`, or to BOARD-MODEL.json in this
 * folder if that is NULL. The file appears when it is whole. Nothing in it says who or where. -1, or the exit status after
 * a message. */
int bench_file_write(const char *path, const bench_options *options, const bench_report *report,
                     const bench_state *before);

#endif
