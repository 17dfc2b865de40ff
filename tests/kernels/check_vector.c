/* Norm, softmax and gated activations, near the same in double. */
#include <math.h>
#include <string.h>

#include "kernel_check.h"

static int64_t next_length(int64_t n)
{
    return n < 33 ? n + 1 : n == 33 ? 576 : n == 576 ? 2049 : 0;
}

static void check_norm(check *c, int64_t n, data_kind kind, bool weighted)
{
    const float eps = 1e-5F;
    float *x = guarded_new((size_t)n * sizeof *x), *weight = guarded_new((size_t)n * sizeof *weight);
    float *out = guarded_new((size_t)n * sizeof *out);
    double sum = 0;
    fill_floats(&c->random, kind, x, n);
    fill_floats(&c->random, DATA_RANDOM, weight, n);
    for (int64_t i = 0; i < n; i++)
        sum += (double)x[i] * x[i];
    const double scale = 1 / sqrt(sum / (double)n + eps);
    c->table->rms_norm(x, weighted ? weight : NULL, eps, n, out);
    for (int64_t i = 0; i < n; i++) {
        double expected = x[i] * scale * (weighted ? weight[i] : 1);
        if (!check_near(c, out[i], expected, fabs(expected) * 0x1p-22 + 1e-38))
            check_fail(c, "n %d: %.9g, expected %.9g", (int)n, (double)out[i], expected);
    }
    c->table->rms_norm(x, weighted ? weight : NULL, eps, n, x);
    if (memcmp(x, out, (size_t)n * sizeof *x) != 0)
        check_fail(c, "n %d: in place differs", (int)n);
    x[n / 2] = NAN;
    c->table->rms_norm(x, weighted ? weight : NULL, eps, n, out);
    if (!isnan(out[0]))
        check_fail(c, "n %d: a NaN is lost", (int)n);
}

void check_rms_norm(check *c)
{
    for (int64_t n = 1; n; n = next_length(n))
        for (data_kind kind = 0; kind < DATA_KINDS; kind++)
            for (int weighted = 0; weighted < 2; weighted++) {
                check_norm(c, n, kind, weighted);
                guarded_free_all();
            }
}

/* `width`: how far the scores are apart. */
static void check_softmax_of(check *c, int64_t n, float width)
{
    float *x = guarded_new((size_t)n * sizeof *x), *got = guarded_new((size_t)n * sizeof *got);
    double max = -INFINITY, sum = 0;
    for (int64_t i = 0; i < n; i++) {
        x[i] = got[i] = i % 11 == 3 && i != n - 1 ? -INFINITY : random_float(&c->random) * width;
        max = fmax(max, x[i]);
    }
    for (int64_t i = 0; i < n; i++)
        sum += exp((float)(x[i] - (float)max));
    c->table->softmax(got, n);
    for (int64_t i = 0; i < n; i++) {
        /* the subtraction is part of the definition: it is rounded, and so is exp, the sum and the product */
        double expected = exp((float)(x[i] - (float)max)) / sum;
        if (!check_near(c, got[i], expected, expected * 0x1p-21 + 1e-44))
            check_fail(c, "n %d: %.9g, expected %.9g", (int)n, (double)got[i], expected);
    }
    x[n / 2] = NAN;
    c->table->softmax(x, n);
    if (!isnan(x[0]) || !isnan(x[n - 1]))
        check_fail(c, "n %d: a NaN is lost", (int)n);
}

void check_softmax(check *c)
{
    for (int64_t n = 1; n; n = next_length(n))
        for (int power = -3; power <= 8; power++) {
            check_softmax_of(c, n, ldexpf(1.0F, power));
            guarded_free_all();
        }
}

static void check_soft_cap_of(check *c, int64_t n, float width)
{
    const float cap = 30.0F;
    float *x = guarded_new((size_t)n * sizeof *x), *got = guarded_new((size_t)n * sizeof *got);
    for (int64_t i = 0; i < n; i++)
        x[i] = got[i] = random_float(&c->random) * width;
    c->table->soft_cap(got, n, cap);
    for (int64_t i = 0; i < n; i++) {
        double expected = cap * tanh((double)x[i] / cap);
        if (!check_near(c, got[i], expected, cap * 0x1p-21))
            check_fail(c, "n %d: of %.9g is %.9g, expected %.9g", (int)n, (double)x[i], (double)got[i],
                       expected);
    }
    x[n - 1] = NAN;
    c->table->soft_cap(x, n, cap);
    if (!isnan(x[n - 1]) || (n > 1 && isnan(x[0])))
        check_fail(c, "n %d: a NaN is lost or spreads", (int)n);
}

void check_soft_cap(check *c)
{
    for (int64_t n = 1; n; n = next_length(n))
        for (int power = -6; power <= 14; power++) {
            check_soft_cap_of(c, n, ldexpf(1.0F, power));
            guarded_free_all();
        }
}

void check_add(check *c)
{
    for (int64_t n = 1; n; n = next_length(n)) {
        const size_t size = (size_t)n * sizeof(float);
        float *x = guarded_new(size), *y = guarded_new(size), *expected = guarded_new(size);
        for (int64_t i = 0; i < n; i++) {
            x[i] = random_float(&c->random);
            y[i] = i % 7 == 3 ? -x[i] : random_float(&c->random) * 1e4F;
            expected[i] = x[i] + y[i];
        }
        c->table->add(x, y, n);
        if (memcmp(x, expected, size) != 0)
            check_fail(c, "n %d: sums differ", (int)n);
        guarded_free_all();
    }
}

static double gated(bool gelu, double x)
{
    if (!gelu)
        return x / (1 + exp(-x));
    return x / (1 + exp(-2 * sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x)));
}

static void check_gate_of(check *c, bool gelu, int64_t n, float width)
{
    void (*gate)(const float *, const float *, int64_t, float *) =
        gelu ? c->table->gelu_mul : c->table->silu_mul;
    float *x = guarded_new((size_t)n * sizeof *x), *up = guarded_new((size_t)n * sizeof *up);
    float *out = guarded_new((size_t)n * sizeof *out);
    for (int64_t i = 0; i < n; i++) {
        x[i] = random_float(&c->random) * width;
        up[i] = random_float(&c->random);
    }
    gate(x, up, n, out);
    for (int64_t i = 0; i < n; i++) {
        double expected = gated(gelu, x[i]) * up[i];
        /* gelu's exponent is rounded before exp, whose relative error is then the exponent's absolute one */
        double exponent = gelu ? 1.6 * fabs(x[i]) * (1 + 0.05 * x[i] * x[i]) : 1;
        double bound = fabs(expected) * (4 + 5 * fmin(exponent, 110)) * 0x1p-24 + 1e-36;
        if (!check_near(c, out[i], expected, bound))
            check_fail(c, "n %d: of %.9g is %.9g, expected %.9g", (int)n, (double)x[i], (double)out[i],
                       expected);
    }
    float *in_place = guarded_new((size_t)n * sizeof *in_place);
    memcpy(in_place, x, (size_t)n * sizeof *x);
    gate(in_place, up, n, in_place);
    if (memcmp(in_place, out, (size_t)n * sizeof *out) != 0)
        check_fail(c, "n %d: in place differs", (int)n);
    x[n - 1] = NAN;
    gate(x, up, n, out);
    if (!isnan(out[n - 1]) || (n > 1 && isnan(out[0])))
        check_fail(c, "n %d: a NaN is lost or spreads", (int)n);
}

void check_gate(check *c, bool gelu)
{
    for (int64_t n = 1; n; n = next_length(n))
        for (int power = -6; power <= 8; power++) {
            check_gate_of(c, gelu, n, ldexpf(1.0F, power));
            guarded_free_all();
        }
}
