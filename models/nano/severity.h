/* The rule that the bundled model learns, on exact decimals: no rounding stands between a reading and its label.
 *
 * NORMAL: no limit is violated. WARNING: one is, by at most 30 %. CRITICAL: two or more, or one by more than 30 %. Percent are
 * of the violated limit's magnitude, of a limit of 0 any violation is more; a reading that equals a limit does not violate it. */
#ifndef NANO_SEVERITY_H
#define NANO_SEVERITY_H

#include <stdbool.h>
#include <stdint.h>

#define NANO_DECIMALS_MAX 4
#define NANO_DECIMAL_TEXT 32
/* Of distances in percent: thousandths of a percent, and how many there are at most. */
#define NANO_PERCENT 1000
#define NANO_FAR INT64_C(1000000000)

/* digits / 10^decimals, of magnitude below 10^6: what is computed with it stays within 64 bits. */
typedef struct nano_decimal {
    int64_t digits;
    int32_t decimals;
} nano_decimal;

typedef struct nano_limits {
    bool has_low, has_high;
    nano_decimal low, high;
} nano_limits;

typedef enum nano_severity { NANO_NORMAL, NANO_WARNING, NANO_CRITICAL, NANO_SEVERITIES } nano_severity;

typedef struct nano_distance {
    int side;      /* -1 below its limit, 1 above it, 0 within */
    bool severe;   /* out by more than 30 % */
    int64_t out;   /* how far out, 0 within; thousandths of a percent, rounded up */
    int64_t apart; /* to the nearest limit, on whichever side; 0 where it is equal; rounded down */
    int64_t edge;  /* to the nearest of what decides between labels: a limit, or 30 % beyond one */
} nano_distance;

/* value * 10^NANO_DECIMALS_MAX */
int64_t nano_decimal_scaled(nano_decimal value);
double nano_decimal_real(nano_decimal value);
/* "94.20", "-3"; returns the length. */
int nano_decimal_text(nano_decimal value, char ret_text[NANO_DECIMAL_TEXT]);

nano_distance nano_distance_of(nano_decimal value, const nano_limits *limits);
nano_severity nano_severity_of(const nano_distance *distances, int32_t count);
const char *nano_severity_name(nano_severity severity);

#endif
