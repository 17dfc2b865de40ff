/* How smidge bench prints what it measured. */
#ifndef SMIDGE_BENCH_PRINT_H
#define SMIDGE_BENCH_PRINT_H

#include <jansson.h>

#include "bench_measure.h"

typedef enum bench_format { BENCH_MARKDOWN, BENCH_JSON, BENCH_CSV } bench_format;

/* False for an unknown name. */
bool bench_format_parse(const char *name, bench_format *ret_format);
/* The rows of -o json, as a new array. */
json_t *bench_json(const bench_report *report);
void bench_print(const bench_report *report, bench_format format);

#endif
