#include "samples.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void die(const char *path, const char *why)
{
    fprintf(stderr, "bench_report: %s: %s\n", path, why);
    exit(1);
}

samples samples_read(const char *path)
{
    char line[256];
    samples list = {.all = calloc(MOST_SAMPLES, sizeof *list.all)};
    FILE *file = fopen(path, "r");
    if (file == NULL || list.all == NULL)
        die(path, "cannot be read");
    while (fgets(line, sizeof line, file) != NULL && list.count < MOST_SAMPLES) {
        sample *one = &list.all[list.count];
        if (strncmp(line, "round,", 6) == 0)
            continue;
        if (sscanf(line, "%*[^,],%31[^,],%31[^,],%d,%lf", one->engine, one->test, &one->threads,
                   &one->value) != 4)
            die(path, "has a line that is no sample");
        list.count++;
    }
    fclose(file);
    return list;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Between two values where it falls between them. */
static double quantile(const double *sorted, size_t count, double share)
{
    double place = share * (double)(count - 1);
    size_t below = (size_t)place;
    size_t above = below + 1 < count ? below + 1 : below;
    return sorted[below] + (place - (double)below) * (sorted[above] - sorted[below]);
}

summary samples_summary(const samples *from, const char *engine, const char *test, int threads)
{
    static double values[MOST_SAMPLES];
    summary ret = {0};
    for (size_t i = 0; i < from->count; i++) {
        const sample *one = &from->all[i];
        if (one->threads == threads && strcmp(one->engine, engine) == 0 && strcmp(one->test, test) == 0)
            values[ret.count++] = one->value;
    }
    if (ret.count == 0)
        return ret;
    qsort(values, ret.count, sizeof *values, compare);
    ret.median = quantile(values, ret.count, 0.5);
    ret.largest = values[ret.count - 1];
    ret.spread = ret.median == 0.0 ? 0.0
                                   : (quantile(values, ret.count, 0.75) - quantile(values, ret.count, 0.25)) /
                                         2.0 / ret.median;
    return ret;
}

int samples_next_threads(const samples *from, int after)
{
    int next = 0;
    for (size_t i = 0; i < from->count; i++) {
        int threads = from->all[i].threads;
        if (strcmp(from->all[i].engine, "smidge") == 0 && threads > after && (next == 0 || threads < next))
            next = threads;
    }
    return next;
}
