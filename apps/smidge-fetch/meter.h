/* How far a file is: a line on a terminal, and nothing anywhere else. */
#ifndef SMIDGE_FETCH_METER_H
#define SMIDGE_FETCH_METER_H

#include <stdbool.h>
#include <stdint.h>

typedef struct fetch_meter {
    const char *name;
    bool on;
    int64_t shown_at; /* ns; 0: never */
    int64_t rate_at;
    uint64_t rate_from; /* bytes that were there at rate_at */
    double rate;        /* bytes a second, smoothed; 0: not known yet */
    int width;          /* of the line that stands there */
} fetch_meter;

void fetch_meter_start(fetch_meter *meter, const char *name, bool quiet);
/* `total` 0: not known. */
void fetch_meter_show(fetch_meter *meter, uint64_t done, uint64_t total);
/* Bytes that were there before do not count as speed. */
void fetch_meter_skip(fetch_meter *meter, uint64_t done);
void fetch_meter_end(fetch_meter *meter);

#endif
