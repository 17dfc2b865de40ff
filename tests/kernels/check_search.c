/* The searches of quantization give the same bits on every path, and find what they are for. */
#include <math.h>
#include <string.h>

#include "kernel_check.h"

enum { LANES = SMG_SEARCH_LANES, CASES = 40 };

static const smg_codes kinds[] = {{-8, 7, NULL}, {-16, 15, NULL}, {-4, 3, NULL}, {-32, 31, NULL},
                                  {0, 3, NULL},  {0, 15, NULL},   {0, 31, NULL}, {-127, 113, smg_iq4_values}};

static void fill_search(check *c, int which, smg_search *search)
{
    uint64_t *random = &c->random;
    float x[SMG_SEARCH_MOST * LANES], weights[SMG_SEARCH_MOST * LANES];
    const bool weighted = which % 4 == 1;
    *search = (smg_search){.count = which % 2 ? 16 : 32,
                           .codes = kinds[random_bits(random) % (sizeof kinds / sizeof *kinds)],
                           .tries = (int)(random_bits(random) % 11)};
    for (int lane = 0; lane < LANES; lane++) {
        const float scale = ldexpf(1.0F, (int)(random_bits(random) % 40) - 30);
        const float shift = which % 3 == 0 ? scale * random_float(random) : 0;
        const bool flat = random_bits(random) % 8 == 0;
        for (int i = 0; i < search->count; i++) {
            const float value = random_float(random);
            x[lane * search->count + i] = flat ? shift : scale * value * value * value + shift;
            weights[lane * search->count + i] = weighted ? random_float(random) + 1.0F : 1.0F;
        }
    }
    c->table->search_load(search, x, weighted ? weights : NULL);
    for (int lane = 0; lane < LANES; lane++) {
        for (int i = 0; i < search->count; i++) {
            if (search->x[i][lane] != x[lane * search->count + i] ||
                (weighted && search->weight[i][lane] != weights[lane * search->count + i]))
                check_fail(c, "element %d of group %d is not where it belongs", i, lane);
        }
    }
}

static float weight_of(const smg_search *search, int i, int lane)
{
    return search->weighted ? search->weight[i][lane] : 1.0F;
}

/* What the codes and the error must be to each other. */
static void check_error(check *c, const smg_search *search, const float *scale, const float *min,
                        const float *error, const int8_t *q)
{
    for (int lane = 0; lane < LANES; lane++) {
        double expected = 0, size = 0;
        for (int i = 0; i < search->count; i++) {
            const double x = search->x[i][lane], w = weight_of(search, i, lane);
            const int code = q[lane * search->count + i];
            const int value = search->codes.levels != NULL ? search->codes.levels[code & 15] : code;
            const double off = x - ((double)scale[lane] * value - min[lane]);
            expected += w * off * off;
            size += w * (x * x + (double)min[lane] * min[lane]);
            if (search->codes.levels != NULL ? code < 0 || code > 15
                                             : code < search->codes.low || code > search->codes.high)
                check_fail(c, "code %d is out of its range", code);
        }
        if (!check_near(c, error[lane], expected, 1e-5 * size + 1e-37))
            check_fail(c, "lane %d: error %g, expected %g", lane, (double)error[lane], expected);
    }
}

static void check_sums(check *c, const smg_search *search, const smg_search_sums *sums, const int8_t *q)
{
    for (int lane = 0; lane < LANES; lane++) {
        double expected[5] = {0}, sizes[5] = {0};
        const float got[] = {sums->w[lane], sums->wq[lane], sums->wqq[lane], sums->wx[lane], sums->wxq[lane]};
        for (int i = 0; i < search->count; i++) {
            const double x = search->x[i][lane], w = weight_of(search, i, lane);
            const int code = q[lane * search->count + i];
            const double value = search->codes.levels != NULL ? search->codes.levels[code & 15] : code;
            const double parts[] = {w, w * value, w * value * value, w * x, w * x * value};
            for (int k = 0; k < 5; k++) {
                expected[k] += parts[k];
                sizes[k] += fabs(parts[k]);
            }
        }
        for (int k = 0; k < 5; k++)
            if (!check_near(c, got[k], expected[k], 1e-5 * sizes[k] + 1e-37))
                check_fail(c, "lane %d: sum %d is %g, expected %g", lane, k, (double)got[k], expected[k]);
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
        smg_search_sums sums[2];
        float scale[2][LANES], min[2][LANES] = {{0}}, error[2][LANES], plain[LANES], plain_error[LANES],
                               size[LANES];
        int8_t q[2][SMG_SEARCH_MOST * LANES] = {{0}};
        fill_search(c, which, &search);
        const bool from_zero = search.codes.low == 0;
        for (int side = 0; side < 2; side++) {
            const smg_kernels *table = side == 0 ? c->reference : c->table;
            if (from_zero)
                table->search_min(&search, which % 5 != 0, scale[side], min[side]);
            else
                table->search_scale(&search, scale[side]);
            table->search_error(&search, scale[side], min[side], error[side], q[side]);
            table->search_sums(&search, scale[side], min[side], &sums[side]);
        }
        compare(c, "a scale", scale[0], scale[1], sizeof scale[0]);
        compare(c, "a minimum", min[0], min[1], sizeof min[0]);
        compare(c, "an error", error[0], error[1], sizeof error[0]);
        compare(c, "a code", q[0], q[1], sizeof q[0]);
        compare(c, "a sum", &sums[0], &sums[1], sizeof sums[0]);
        check_sums(c, &search, &sums[1], q[1]);
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
                size[lane] += weight_of(&search, i, lane) * search.x[i][lane] * search.x[i][lane];
        }
        c->table->search_error(&search, plain, min[1], plain_error, NULL);
        for (int lane = 0; lane < LANES; lane++)
            if (!(error[1][lane] <= plain_error[lane] * 1.0001F + 1e-6F * size[lane] + 1e-37F))
                check_fail(c, "lane %d: error %g, without a search %g", lane, (double)error[1][lane],
                           (double)plain_error[lane]);
    }
}
