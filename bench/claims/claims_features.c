/* The numbers behind generated threshold cases, for methods that read numbers: the same seed and counts as make_data's make the
 * same cases, and each is a line here, in make_data's order.
 *
 *     claims_features WORDS COUNT SEED RAW WORKED        shares of the forms, as make_data has them
 *
 * ID, label, and six columns tab-separated: of each sensor how far it is out of its limits, as a share of the limit that is
 * violated, or, with a minus, how far within them; the largest first. -1 stands for "well within", and where there is no sensor.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "readings.h"

/* A whole number from 0 to `most`, or -1. */
static int64_t number(const char *text, int64_t most)
{
    char *rest;
    errno = 0;
    const long long value = strtoll(text, &rest, 10);
    return errno == 0 && rest != text && *rest == '\0' && value >= 0 && value <= most ? value : -1;
}

static double out_of(const nano_distance *distance)
{
    const double share = 1.0 / (100.0 * NANO_PERCENT);
    const double value =
        distance->side != 0 ? (double)distance->out * share : -(double)distance->apart * share;
    return value < -1 ? -1 : value;
}

static int falling(const void *a, const void *b)
{
    const double first = *(const double *)a;
    const double second = *(const double *)b;
    return first < second ? 1 : first > second ? -1 : 0;
}

static void print_case(const nano_case *c, int64_t number_of_it)
{
    static const char *const forms[] = {"raw", "worked", "explained"};
    double out[NANO_SENSORS_MAX];
    for (int32_t i = 0; i < NANO_SENSORS_MAX; i++)
        out[i] = i < c->count ? out_of(&c->sensors[i].distance) : -1;
    qsort(out, NANO_SENSORS_MAX, sizeof *out, falling);
    printf("%s-%d-apart%lld-edge%lld-%lld\t%s", forms[c->form], (int)c->count, (long long)c->apart,
           (long long)c->edge, (long long)number_of_it, nano_severity_name(c->severity));
    for (int32_t i = 0; i < NANO_SENSORS_MAX; i++)
        printf("\t%.5f", out[i]);
    putchar('\n');
}

int main(int argc, char **argv)
{
    SMG_CLEANUP(nano_words_done) nano_words words = {0};
    nano_mix mix = {.least = 1, .most = NANO_SENSORS_MAX, .near_percent = 20};
    smidge_error error = {0};
    const int64_t count = argc == 6 ? number(argv[2], 100000000) : -1;
    const int64_t seed = argc == 6 ? number(argv[3], INT32_MAX) : -1;
    mix.shares[NANO_RAW] = argc == 6 ? (int32_t)number(argv[4], 1000) : -1;
    mix.shares[NANO_WORKED] = argc == 6 ? (int32_t)number(argv[5], 1000) : -1;
    if (count < 0 || seed < 0 || mix.shares[NANO_RAW] < 0 || mix.shares[NANO_WORKED] < 0 ||
        mix.shares[NANO_RAW] + mix.shares[NANO_WORKED] == 0) {
        fputs("usage: claims_features WORDS COUNT SEED RAW WORKED\n", stderr);
        return 2;
    }
    if (nano_words_read(argv[1], &words, &error) != SMIDGE_OK) {
        fprintf(stderr, "claims_features: %s: %s\n", error.where, error.message);
        return 1;
    }
    nano_random random = {(uint64_t)seed};
    for (int64_t i = 0; i < count; i++) {
        nano_case c;
        nano_case_make(&random, &words, &mix, (uint64_t)i, &c);
        print_case(&c, i);
    }
    return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
}
