/* A table as a picture: a bar for each engine, as long as it is better than llama.cpp. */
#ifndef SMG_BENCH_PLOT_H
#define SMG_BENCH_PLOT_H

#include <stdio.h>

#include "rows.h"

/* Rows that llama.cpp has no value for are left out. Writes an SVG document. */
void plot_write(const rows *table, const char *title, FILE *file);

#endif
