#include "severity.h"

#include <inttypes.h>
#include <stdio.h>

#define SEVERE_PERCENT 30

static const int64_t powers[] = {1, 10, 100, 1000, 10000};

int64_t nano_decimal_scaled(nano_decimal value)
{
    return value.digits * powers[NANO_DECIMALS_MAX - value.decimals];
}

double nano_decimal_real(nano_decimal value)
{
    return (double)value.digits / (double)powers[value.decimals];
}

int nano_decimal_text(nano_decimal value, char ret_text[NANO_DECIMAL_TEXT])
{
    const uint64_t size = value.digits < 0 ? -(uint64_t)value.digits : (uint64_t)value.digits;
    const char *sign = value.digits < 0 ? "-" : "";
    const uint64_t power = (uint64_t)powers[value.decimals];
    if (value.decimals == 0)
        return snprintf(ret_text, NANO_DECIMAL_TEXT, "%s%" PRIu64, sign, size);
    return snprintf(ret_text, NANO_DECIMAL_TEXT, "%s%" PRIu64 ".%0*" PRIu64, sign, size / power,
                    (int)value.decimals, size % power);
}

static int64_t magnitude(int64_t value)
{
    return value < 0 ? -value : value;
}

/* Of `limit`, in thousandths of a percent. */
static int64_t percent_of(int64_t amount, int64_t limit, bool up)
{
    if (amount == 0)
        return 0;
    if (limit == 0)
        return NANO_FAR;
    const int64_t whole = magnitude(limit);
    const int64_t percent = (amount * 100 * NANO_PERCENT + (up ? whole - 1 : 0)) / whole;
    return percent < NANO_FAR ? percent : NANO_FAR;
}

static void look_at(nano_distance *distance, int64_t value, int64_t limit, int side)
{
    const int64_t beyond = (value - limit) * side;
    const int64_t apart = percent_of(magnitude(beyond), limit, false);
    int64_t edge =
        percent_of(magnitude(beyond * 100 - magnitude(limit) * SEVERE_PERCENT), limit * 100, false);
    if (limit == 0)
        edge = apart;
    if (beyond > 0) {
        distance->side = side;
        distance->severe = beyond * 100 > magnitude(limit) * SEVERE_PERCENT;
        distance->out = percent_of(beyond, limit, true);
    }
    if (apart < distance->apart)
        distance->apart = apart;
    if (edge > apart)
        edge = apart;
    if (edge < distance->edge)
        distance->edge = edge;
}

nano_distance nano_distance_of(nano_decimal value, const nano_limits *limits)
{
    nano_distance distance = {.apart = NANO_FAR, .edge = NANO_FAR};
    const int64_t scaled = nano_decimal_scaled(value);
    if (limits->has_low)
        look_at(&distance, scaled, nano_decimal_scaled(limits->low), -1);
    if (limits->has_high)
        look_at(&distance, scaled, nano_decimal_scaled(limits->high), 1);
    return distance;
}

nano_severity nano_severity_of(const nano_distance *distances, int32_t count)
{
    int32_t violated = 0;
    bool severe = false;
    for (int32_t i = 0; i < count; i++) {
        violated += distances[i].side != 0;
        severe = severe || distances[i].severe;
    }
    if (violated == 0)
        return NANO_NORMAL;
    return severe || violated > 1 ? NANO_CRITICAL : NANO_WARNING;
}

const char *nano_severity_name(nano_severity severity)
{
    static const char *const names[] = {"NORMAL", "WARNING", "CRITICAL"};
    return names[severity];
}
