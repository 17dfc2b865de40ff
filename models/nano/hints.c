/* Numbers as one of a few, in their order. */
#include "readings.h"

/* Eight to a factor of ten, by steps that are the same on every machine: thousandths of 10^(i/8). */
enum { STEPS = 8 };
static const int64_t eighths[STEPS] = {1000, 1334, 1778, 2371, 3162, 4217, 5623, 7499};

int32_t nano_hint_of_size(nano_decimal value)
{
    int64_t scaled = nano_decimal_scaled(value);
    scaled = scaled < 0 ? -scaled : scaled;
    /* from 0.01, a hundred times what a decimal is scaled by */
    int64_t power = 100;
    int32_t hint = 0;
    while (hint + STEPS < NANO_HINT_SIZES && scaled >= power * 10) {
        power *= 10;
        hint += STEPS;
    }
    for (int32_t i = 1; i < STEPS && scaled * 1000 >= power * eighths[i]; i++)
        hint++;
    return hint;
}

char nano_hint_letter(const nano_hint *hint)
{
    static const char distances[NANO_HINT_DISTANCES + 1] = "abcdefghijklmnopqrstuvwxyzA";
    static const char sizes[] = "BCDEFGHIJKLMNOPQRSTUVWXYZ!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
    _Static_assert(sizeof sizes - 1 >= NANO_HINT_SIZES, "a character each");
    return hint->kind == NANO_HINT_DISTANCE ? distances[hint->value] : sizes[hint->value];
}

/* Ends of the classes, in thousandths of a percent; finest where labels change: at the limit and at 30 % beyond it. */
static const int64_t ends[NANO_HINT_DISTANCES - 1] = {-80000, -50000, -30000, -20000, -10000, -5000, -2000,
                                                      -1000,  -1,     0,      1000,   2000,   5000,  10000,
                                                      15000,  20000,  25000,  28000,  30000,  32000, 35000,
                                                      40000,  50000,  70000,  100000, 200000};

int32_t nano_hint_of_distance(const nano_distance *distance)
{
    const int64_t out = distance->side != 0 ? distance->out : -distance->apart;
    int32_t hint = 0;
    while (hint < NANO_HINT_DISTANCES - 1 && out > ends[hint])
        hint++;
    return hint;
}
