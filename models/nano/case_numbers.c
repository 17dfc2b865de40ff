/* Limits and readings, drawn so that the case gets the severity that is wanted: all in whole numbers. */
#include <string.h>

#include "readings.h"

/* Where a reading is to be. */
typedef enum place { INSIDE, CLOSE_INSIDE, CLOSE_OUTSIDE, MILD, SEVERE } place;

#define CLOSE (2 * NANO_PERCENT)
#define SEVERE_FROM (30 * NANO_PERCENT)

static const int64_t powers[] = {1, 10, 100, 1000, 10000};

/* One to four digits, many of them round, as people write limits. */
static nano_decimal draw_limit(nano_random *random)
{
    static const int digits_of[] = {1, 2, 2, 2, 2, 3, 3, 3, 3, 4};
    static const int decimals_of[] = {0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 3};
    const int digits = digits_of[nano_random_below(random, 10)];
    nano_decimal limit = {.decimals = decimals_of[nano_random_below(random, 12)]};
    limit.digits = nano_random_between(random, powers[digits - 1], powers[digits] - 1);
    if (digits > 1 && nano_random_chance(random, 50)) {
        const int64_t step = nano_random_chance(random, 50) ? 5 : powers[digits - 1];
        limit.digits = (limit.digits + step - 1) / step * step;
    }
    if (nano_random_chance(random, 8))
        limit.digits = -limit.digits;
    return limit;
}

static nano_limits draw_limits(nano_random *random)
{
    nano_limits limits = {.low = draw_limit(random)};
    const int64_t kind = nano_random_below(random, 20);
    limits.has_low = kind < 13;
    limits.has_high = kind >= 6;
    limits.high = limits.low;
    if (!limits.has_low || !limits.has_high)
        return limits;
    if (nano_random_chance(random, 5))
        limits.low.digits = 0;
    const int64_t size = limits.high.digits < 0 ? -limits.high.digits : limits.high.digits;
    int64_t width = size * nano_random_between(random, 50, 1500) / 1000 + 1;
    if (width > 20 && nano_random_chance(random, 60))
        width -= width % (width > 200 ? 50 : 5);
    limits.high.digits = limits.low.digits + width;
    return limits;
}

/* `scaled` as a decimal, rounded to the nearest. */
static nano_decimal rounded(int64_t scaled, int decimals)
{
    const int64_t step = powers[NANO_DECIMALS_MAX - decimals];
    const int64_t half = scaled < 0 ? -(step / 2) : step / 2;
    return (nano_decimal){(scaled + half) / step, decimals};
}

/* From 60 % of a limit to thirty times it, every factor of two as often: other signs, other numbers of digits. */
static int64_t draw_gross(nano_random *random)
{
    const int64_t power = nano_random_below(random, 6);
    return nano_random_between(random, 2 * SEVERE_FROM << power, 2 * SEVERE_FROM << (power + 1));
}

static int64_t share_of(int64_t scaled, int64_t percent)
{
    return (scaled < 0 ? -scaled : scaled) * percent / (100 * NANO_PERCENT);
}

static int64_t draw_inside(nano_random *random, const nano_limits *limits, bool gross)
{
    const int64_t low = nano_decimal_scaled(limits->low);
    const int64_t high = nano_decimal_scaled(limits->high);
    if (limits->has_low && limits->has_high)
        return nano_random_between(random, low, high);
    if (gross) {
        const int64_t far = draw_gross(random);
        return limits->has_high ? high - share_of(high, far) : low + share_of(low, far);
    }
    /* mostly not far from the limit: far ones can be told by their number of digits */
    const int64_t most = nano_random_chance(random, 70) ? 40 : 90;
    const int64_t percent = nano_random_between(random, 2, most) * NANO_PERCENT;
    return limits->has_high ? high - share_of(high, percent) : low + share_of(low, percent);
}

static int64_t draw_percent(nano_random *random, place where, bool gross)
{
    if (where == SEVERE && gross)
        return draw_gross(random);
    if (where == CLOSE_INSIDE && nano_random_chance(random, 30))
        return 0;
    if (where == CLOSE_INSIDE || where == CLOSE_OUTSIDE)
        return nano_random_between(random, 1, CLOSE);
    if (where == MILD)
        return nano_random_between(random, CLOSE, SEVERE_FROM);
    switch (nano_random_below(random, 4)) {
    case 0:
    case 1:
        return nano_random_between(random, SEVERE_FROM, 2 * SEVERE_FROM);
    case 2:
        return nano_random_between(random, 2 * SEVERE_FROM, 5 * SEVERE_FROM);
    default:
        return nano_random_between(random, 5 * SEVERE_FROM, 12 * SEVERE_FROM);
    }
}

static int64_t draw_value(nano_random *random, const nano_limits *limits, place where, bool gross)
{
    if (where == INSIDE)
        return draw_inside(random, limits, gross);
    const bool above = limits->has_high && (!limits->has_low || nano_random_chance(random, 55));
    const int64_t limit = nano_decimal_scaled(above ? limits->high : limits->low);
    int64_t percent = draw_percent(random, where, gross);
    /* below a positive limit hardly anything real goes under zero */
    if (!above && limit > 0 && percent > 95 * NANO_PERCENT && !nano_random_chance(random, gross ? 40 : 10))
        percent = nano_random_between(random, SEVERE_FROM, 95 * NANO_PERCENT);
    const int64_t by = share_of(limit, percent) * (where == CLOSE_INSIDE ? -1 : 1);
    return above ? limit + by : limit - by;
}

static bool is_at(const nano_distance *distance, place where)
{
    if (where == INSIDE || where == CLOSE_INSIDE)
        return distance->side == 0 && (distance->apart <= CLOSE) == (where == CLOSE_INSIDE);
    /* of a limit of 0 there is no percent that a template could tell */
    if (distance->side == 0 || distance->out == NANO_FAR)
        return false;
    if (where == CLOSE_OUTSIDE)
        return distance->apart <= CLOSE && !distance->severe;
    return distance->apart > CLOSE && distance->severe == (where == SEVERE);
}

static void draw_sensor(nano_random *random, place where, bool gross, nano_sensor *sensor)
{
    do {
        sensor->limits = draw_limits(random);
        const int64_t kind = nano_random_below(random, 10);
        int decimals = sensor->limits.low.decimals + (kind < 6 ? 0 : kind < 9 ? 1 : -1);
        decimals = decimals < 0 ? 0 : decimals > 3 ? 3 : decimals;
        sensor->value = rounded(draw_value(random, &sensor->limits, where, gross), decimals);
        sensor->distance = nano_distance_of(sensor->value, &sensor->limits);
    } while (!is_at(&sensor->distance, where));
}

/* One sensor decides, or for CRITICAL two or more may; `places` begins with all INSIDE. */
static void draw_places(nano_random *random, nano_severity severity, const nano_case *c, place *places)
{
    if (severity == NANO_NORMAL) {
        places[0] = c->near ? CLOSE_INSIDE : INSIDE;
        return;
    }
    if (severity == NANO_WARNING) {
        places[0] = c->near ? CLOSE_OUTSIDE : MILD;
        return;
    }
    const bool alone = c->count == 1 || (!c->near && nano_random_chance(random, 50));
    if (alone) {
        places[0] = SEVERE;
        return;
    }
    /* two, seldom more: what is hard is to tell two from one */
    int32_t violated = 2;
    while (violated < c->count && nano_random_chance(random, 25))
        violated++;
    for (int32_t i = 0; i < violated; i++)
        places[i] = nano_random_chance(random, 70) ? MILD : SEVERE;
    if (c->near)
        places[0] = CLOSE_OUTSIDE;
    if (c->near && violated == 2)
        places[1] = MILD; /* else the one that is close would not matter */
}

/* Each by itself, whatever that makes of the case: where one sensor decides, most others are inside. */
static void draw_varied(nano_random *random, int32_t count, place *places)
{
    static const place kinds[] = {INSIDE, INSIDE, CLOSE_INSIDE, CLOSE_OUTSIDE, MILD, MILD, SEVERE, SEVERE};
    for (int32_t i = 0; i < count; i++)
        places[i] = kinds[nano_random_below(random, 8)];
}

void nano_case_numbers(nano_random *random, const nano_mix *mix, nano_severity severity, nano_case *ret_case)
{
    nano_case *c = ret_case;
    memset(c, 0, sizeof *c);
    c->near = nano_random_chance(random, mix->near_percent);
    c->count = (int32_t)nano_random_between(random, mix->least, mix->most);
    if (c->near && severity == NANO_CRITICAL && c->count == 1) {
        c->count = mix->most < 2 ? 1 : (int32_t)nano_random_between(random, 2, mix->most);
        c->near = c->count > 1;
    }
    place places[NANO_SENSORS_MAX] = {INSIDE};
    const bool varied = mix->varied_percent > 0 && nano_random_chance(random, mix->varied_percent);
    if (varied)
        draw_varied(random, c->count, places);
    else
        draw_places(random, severity, c, places);
    for (int32_t i = c->count - 1; i > 0; i--) {
        const int64_t other = nano_random_below(random, i + 1);
        const place kept = places[i];
        places[i] = places[other];
        places[other] = kept;
    }
    nano_distance distances[NANO_SENSORS_MAX] = {{0}};
    c->apart = c->edge = NANO_FAR;
    for (int32_t i = 0; i < c->count; i++) {
        draw_sensor(random, places[i], varied && nano_random_chance(random, 50), &c->sensors[i]);
        distances[i] = c->sensors[i].distance;
        c->apart = distances[i].apart < c->apart ? distances[i].apart : c->apart;
        c->edge = distances[i].edge < c->edge ? distances[i].edge : c->edge;
    }
    c->severity = nano_severity_of(distances, c->count);
    c->near = c->apart <= CLOSE;
}

void nano_case_make(nano_random *random, const nano_words *words, const nano_mix *mix, uint64_t number,
                    nano_case *ret_case)
{
    int64_t pick = nano_random_below(random, mix->shares[0] + mix->shares[1] + mix->shares[2]);
    int form = 0;
    while (pick >= mix->shares[form])
        pick -= mix->shares[form++];
    do {
        nano_case_numbers(random, mix, (nano_severity)(number % NANO_SEVERITIES), ret_case);
        ret_case->form = (nano_form)form;
        ret_case->together = mix->together;
        ret_case->noisy = mix->noise_percent > 0 && nano_random_chance(random, mix->noise_percent);
        ret_case->terse = form != NANO_WORKED && nano_random_chance(random, mix->terse_percent);
        ret_case->plain = ret_case->terse || (form != NANO_WORKED && mix->plain_percent > 0 &&
                                              nano_random_chance(random, mix->plain_percent));
    } while (!nano_case_text(random, words, ret_case));
}
