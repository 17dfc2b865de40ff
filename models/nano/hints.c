/* Numbers as one of a few, in their order. */
#include "readings.h"

/* Twenty to a factor of ten, by steps that are the same on every machine: thousandths of 10^(i/20). */
static const int64_t twentieths[] = {1000, 1122, 1259, 1413, 1585, 1778, 1995, 2239, 2512, 2818,
                                     3162, 3548, 3981, 4467, 5012, 5623, 6310, 7079, 7943, 8913};

int32_t nano_hint_of_size(nano_decimal value)
{
    int64_t scaled = nano_decimal_scaled(value);
    scaled = scaled < 0 ? -scaled : scaled;
    /* from 0.01, a hundred times what a decimal is scaled by */
    int64_t power = 100;
    int32_t hint = 0;
    while (hint + 20 < NANO_HINT_SIZES && scaled >= power * 10) {
        power *= 10;
        hint += 20;
    }
    for (int32_t i = 1; i < 20 && scaled * 1000 >= power * twentieths[i]; i++)
        hint++;
    return hint;
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
