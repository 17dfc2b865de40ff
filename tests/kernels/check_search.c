/* The searches of quantization give the same bits on every path, and find what they are for. */
#include <math.h>
#include <string.h>

#include "kernel_check.h"

enum { LANES = SMG_SEARCH_LANES, CASES = 40 };

static const smg_codes kinds[] = {{-8, 7, NULL}, {-16, 15, NULL}, {-4, 3, NULL}, {-32, 31, NULL},
                                  {0, 3, NULL},  {0, 15, NULL},   {0, 31, NULL}, {-127, 113, smg_iq4_values}};

static void fill_search(uint64_t *random, int which, smg_search *search)
{
    *search = (smg_search){.count = which % 2 ? 16 : 32,
                           .codes = kinds[random_bits(random) % (sizeof kinds / sizeof *kinds)],
                           .tries = (int)(random_bits(random) % 11)};
    for (int lane = 0; lane < LANES; lane++) {
        const float scale = ldexpf(1.0F, (int)(random_bits(random) % 40) - 30);
        const float shift = which % 3 == 0 ? scale * random_float(random) : 0;
        const bool flat = random_bits(random) % 8 == 0, weighted = which % 4 == 1;
        for (int i = 0; i < search->count; i++) {
            const float x = random_float(random);
            search->x[i][lane] = flat ? shift : scale * x * x * x + shift;
            search->weight[i][lane] = weighted ? random_float(random) + 1.0F : 1.0F;
        }
    }
}

/* What the codes and the error must be to each other. */
static void check_error(check *c, const smg_search *search, const float *scale, const float *min,
                        const float *error, const int8_t *q)
{
    for (int lane = 0; lane < LANES; lane++) {
        double expected = 0, size = 0;
        for (int i = 0; i < search->count; i++) {
            const double x = search->x[i][lane], w = search->weight[i][lane];
            const double off = x - ((double)scale[lane] * q[i * LANES + lane] - min[lane]);
            expected += w * off * off;
            size += w * (x * x + (double)min[lane] * min[lane]);
            if (search->codes.levels == NULL &&
                (q[i * LANES + lane] < search->codes.low || q[i * LANES + lane] > search->codes.high))
                check_fail(c, "code %d is out of its range", q[i * LANES + lane]);
        }
        if (!check_near(c, error[lane], expected, 1e-5 * size + 1e-37))
            check_fail(c, "lane %d: error %g, expected %g", lane, (double)error[lane], expected);
    }
}

static void compare(check *c, const char *what, const void *expected, const void *got, size_t bytes)
{
    if (memcmp(expected, got, bytes) != 0)
        check_fail(c, "%s differs from the reference's", what);
}

void check_search(check *c)
{
    for (int which = 0; which < CASES; which++) {
        smg_search search;
        float scale[2][LANES], min[2][LANES] = {{0}}, error[2][LANES], plain[LANES], plain_error[LANES],
                               size[LANES];
        int8_t q[2][SMG_SEARCH_MOST * LANES] = {{0}};
        fill_search(&c->random, which, &search);
        const bool from_zero = search.codes.low == 0;
        for (int side = 0; side < 2; side++) {
            const smg_kernels *table = side == 0 ? c->reference : c->table;
            if (from_zero)
                table->search_min(&search, which % 5 != 0, scale[side], min[side]);
            else
                table->search_scale(&search, scale[side]);
            table->search_error(&search, scale[side], min[side], error[side], q[side]);
        }
        compare(c, "a scale", scale[0], scale[1], sizeof scale[0]);
        compare(c, "a minimum", min[0], min[1], sizeof min[0]);
        compare(c, "an error", error[0], error[1], sizeof error[0]);
        compare(c, "a code", q[0], q[1], sizeof q[0]);
        check_error(c, &search, scale[1], min[1], error[1], q[1]);
        if (from_zero)
            continue;
        /* no worse than the scale that takes the largest element to the end of the codes */
        for (int lane = 0; lane < LANES; lane++) {
            plain[lane] = 0;
            size[lane] = 0;
            for (int i = 0; i < search.count; i++)
                if (fabsf(search.x[i][lane]) > fabsf(plain[lane] * search.codes.low))
                    plain[lane] = search.x[i][lane] / search.codes.low;
            for (int i = 0; i < search.count; i++)
                size[lane] += search.weight[i][lane] * search.x[i][lane] * search.x[i][lane];
        }
        c->table->search_error(&search, plain, min[1], plain_error, NULL);
        for (int lane = 0; lane < LANES; lane++)
            if (!(error[1][lane] <= plain_error[lane] * 1.0001F + 1e-6F * size[lane] + 1e-37F))
                check_fail(c, "lane %d: error %g, without a search %g", lane, (double)error[1][lane],
                           (double)plain_error[lane]);
    }
}
