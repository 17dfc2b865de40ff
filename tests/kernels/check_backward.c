/* What training takes back through norm and gated activations, near the same in double. */
#include <math.h>
#include <string.h>

#include "kernel_check.h"

static int64_t next_length(int64_t n)
{
    return n < 33 ? n + 1 : n == 33 ? 576 : n == 576 ? 2049 : 0;
}

static float *random_floats(check *c, int64_t n, float width)
{
    float *x = guarded_new((size_t)n * sizeof *x);
    for (int64_t i = 0; i < n; i++)
        x[i] = random_float(&c->random) * width;
    return x;
}

static void check_norm_of(check *c, int64_t n)
{
    const float eps = 1e-5F;
    float *x = random_floats(c, n, 3.0F), *weight = random_floats(c, n, 2.0F);
    float *dy = random_floats(c, n, 1.0F), *dx = random_floats(c, n, 1.0F);
    float *before = guarded_new((size_t)n * sizeof *before);
    memcpy(before, dx, (size_t)n * sizeof *dx);
    double squares = 0, products = 0, sizes = 0;
    for (int64_t i = 0; i < n; i++) {
        squares += (double)x[i] * x[i];
        products += (double)weight[i] * dy[i] * x[i];
        sizes += fabs((double)weight[i] * dy[i] * x[i]);
    }
    const double r = 1 / sqrt(squares / (double)n + eps);
    const float got = c->table->rms_norm_back(x, weight, dy, eps, n, dx);
    if (!check_near(c, got, r, r * 0x1p-22))
        check_fail(c, "n %d: scale %.9g, expected %.9g", (int)n, (double)got, r);
    for (int64_t i = 0; i < n; i++) {
        const double direct = r * weight[i] * dy[i];
        const double back = r * r * r / (double)n * products * x[i];
        const double most = r * r * r / (double)n * sizes * fabs((double)x[i]);
        const double bound = (fabs((double)before[i]) + fabs(direct) + most) * 0x1p-21;
        if (!check_near(c, dx[i], before[i] + direct - back, bound))
            check_fail(c, "n %d: %.9g, expected %.9g", (int)n, (double)dx[i], before[i] + direct - back);
    }
    dy[n / 2] = NAN;
    c->table->rms_norm_back(x, weight, dy, eps, n, dx);
    if (!isnan(dx[0]))
        check_fail(c, "n %d: a NaN is lost", (int)n);
}

void check_rms_norm_back(check *c)
{
    for (int64_t n = 1; n; n = next_length(n)) {
        check_norm_of(c, n);
        guarded_free_all();
    }
}

void check_add_product(check *c)
{
    for (int64_t n = 1; n; n = next_length(n)) {
        float *sum = random_floats(c, n, 1.0F), *x = random_floats(c, n, 2.0F),
              *y = random_floats(c, n, 5.0F);
        float *before = guarded_new((size_t)n * sizeof *before);
        memcpy(before, sum, (size_t)n * sizeof *sum);
        c->table->add_product(sum, x, y, 0.7F, n);
        for (int64_t i = 0; i < n; i++) {
            const double term = (double)x[i] * y[i] * 0.7F;
            const double bound = (fabs((double)before[i]) + fabs(term)) * 0x1p-22;
            if (!check_near(c, sum[i], before[i] + term, bound))
                check_fail(c, "n %d: %.9g, expected %.9g", (int)n, (double)sum[i], before[i] + term);
        }
        guarded_free_all();
    }
}

/* Value and slope of an activation. */
static void bend(bool gelu, double x, double *ret_value, double *ret_slope)
{
    const double c = 2 * sqrt(2 / acos(-1));
    const double z = gelu ? c * (x + 0.044715 * x * x * x) : x;
    const double inner = gelu ? c * (1 + 3 * 0.044715 * x * x) : 1;
    const double sigmoid = 1 / (1 + exp(-z));
    *ret_value = x * sigmoid;
    /* 1 - sigmoid without its cancellation */
    *ret_slope = sigmoid + x * inner * sigmoid / (1 + exp(z));
}

static void check_gate_of(check *c, bool gelu, int64_t n, float width)
{
    void (*back)(const float *, const float *, const float *, int64_t, float *, float *) =
        gelu ? c->table->gelu_mul_back : c->table->silu_mul_back;
    float *x = random_floats(c, n, width), *up = random_floats(c, n, 1.0F), *d = random_floats(c, n, 2.0F);
    float *dx = guarded_new((size_t)n * sizeof *dx), *dup = guarded_new((size_t)n * sizeof *dup);
    back(x, up, d, n, dx, dup);
    for (int64_t i = 0; i < n; i++) {
        double value, slope;
        bend(gelu, x[i], &value, &slope);
        /* 1 - sigmoid is rounded at 1, and the exponent before exp. */
        const double exponent = gelu ? 1.6 * fabs((double)x[i]) * (1 + 0.05 * x[i] * x[i]) : 1;
        const double steep = gelu ? fabs(x[i] * 1.6 * (1 + 0.14 * x[i] * x[i])) : fabs((double)x[i]);
        const double relative = (8 + 5 * fmin(exponent, 110)) * 0x1p-24;
        const double slope_bound = relative * (fabs(slope) + fmin(steep, 200));
        if (!check_near(c, dx[i], (double)d[i] * up[i] * slope,
                        fabs((double)d[i] * up[i]) * slope_bound + 1e-36))
            check_fail(c, "n %d: at %.9g is %.9g, expected %.9g", (int)n, (double)x[i], (double)dx[i],
                       (double)d[i] * up[i] * slope);
        if (!check_near(c, dup[i], d[i] * value, fabs(d[i] * value) * relative + 1e-36))
            check_fail(c, "n %d: up at %.9g is %.9g, expected %.9g", (int)n, (double)x[i], (double)dup[i],
                       d[i] * value);
    }
    float *in_place = guarded_new((size_t)n * sizeof *in_place);
    memcpy(in_place, d, (size_t)n * sizeof *d);
    back(x, up, in_place, n, in_place, dup);
    if (memcmp(in_place, dx, (size_t)n * sizeof *dx) != 0)
        check_fail(c, "n %d: in place differs", (int)n);
    x[n - 1] = NAN;
    back(x, up, d, n, dx, dup);
    if (!isnan(dx[n - 1]) || !isnan(dup[n - 1]) || (n > 1 && isnan(dx[0])))
        check_fail(c, "n %d: a NaN is lost or spreads", (int)n);
}

void check_gate_back(check *c, bool gelu)
{
    for (int64_t n = 1; n; n = next_length(n))
        for (int power = -6; power <= 8; power++) {
            check_gate_of(c, gelu, n, ldexpf(1.0F, power));
            guarded_free_all();
        }
}
