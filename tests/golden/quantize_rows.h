/* The rows that quantizers are compared on, made alike by make_quantize.c and quantize_test.c. */
#ifndef QUANTIZE_ROWS_H
#define QUANTIZE_ROWS_H

#include <math.h>
#include <stdint.h>

enum { QUANTIZE_COLUMNS = 2048, QUANTIZE_ROWS = 32, QUANTIZE_KINDS = 3 };

static const char *const quantize_kinds[QUANTIZE_KINDS] = {"gaussian", "heavy-tailed", "outlier-columns"};

static inline double quantize_uniform(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return ((double)(*state >> 11) + 0.5) * 0x1p-53;
}

/* The sum of twelve, so that no library's logarithm is asked. */
static inline double quantize_gauss(uint64_t *state)
{
    double sum = -6;
    for (int i = 0; i < 12; i++)
        sum += quantize_uniform(state);
    return sum;
}

static inline void quantize_fill(int kind, float *x)
{
    uint64_t state = 88172645463325252U + (uint64_t)kind;
    for (int i = 0; i < QUANTIZE_ROWS * QUANTIZE_COLUMNS; i++) {
        double value = quantize_gauss(&state);
        if (kind == 1) /* Student's t with three degrees of freedom */
        {
            double chi = 0;
            for (int j = 0; j < 3; j++) {
                const double g = quantize_gauss(&state);
                chi += g * g;
            }
            value /= sqrt(chi / 3);
        }
        if (kind == 2 && i % QUANTIZE_COLUMNS % 97 == 0)
            value *= 8;
        x[i] = (float)(0.02 * value);
    }
}

/* How much each column matters: from a tenth to ten times, few of them much. */
static inline void quantize_importance(float *importance)
{
    uint64_t state = 2463534242U;
    for (int i = 0; i < QUANTIZE_COLUMNS; i++) {
        const double u = quantize_uniform(&state);
        importance[i] = (float)(0.1 + 9.9 * u * u * u * u);
    }
}

/* The root of the mean squared error, weighted where importance is not NULL. */
static inline double quantize_rmse(const float *x, const float *y, const float *importance)
{
    double sum = 0, weights = 0;
    for (int i = 0; i < QUANTIZE_ROWS * QUANTIZE_COLUMNS; i++) {
        const double off = (double)x[i] - y[i], w = importance != NULL ? importance[i % QUANTIZE_COLUMNS] : 1;
        sum += w * off * off;
        weights += w;
    }
    return sqrt(sum / weights);
}

#endif
