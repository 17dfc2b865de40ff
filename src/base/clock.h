/* One clock for deadlines: CLOCK_MONOTONIC in nanoseconds. */
#ifndef SMG_BASE_CLOCK_H
#define SMG_BASE_CLOCK_H

#include <stdint.h>

#define SMG_NEVER INT64_MAX

int64_t smg_clock_now(void);

#endif
