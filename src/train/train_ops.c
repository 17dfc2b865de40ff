#include "train/train_ops.h"

#include <math.h>

#include "kernels/exp_constants.h"

float smg_train_norm_backward(const float *x, const float *weight, const float *dy, float epsilon, int64_t n,
                              float *dx)
{
    double squares = 0.0;
    double along = 0.0;
    for (int64_t i = 0; i < n; i++) {
        squares += (double)x[i] * (double)x[i];
        along += (double)(weight[i] * dy[i]) * (double)x[i];
    }
    const double inverse = 1.0 / sqrt(squares / (double)n + (double)epsilon);
    const float r = (float)inverse;
    const float back = (float)(along * inverse * inverse * inverse / (double)n);
    for (int64_t i = 0; i < n; i++)
        dx[i] += r * weight[i] * dy[i] - back * x[i];
    return r;
}

void smg_train_column_sums(const float *dy, const float *x, const float *factor, int64_t rows, int64_t n,
                           int64_t first, int64_t end, float *sum)
{
    for (int64_t r = 0; r < rows; r++) {
        const float *dy_row = dy + r * n;
        if (x == NULL) {
            for (int64_t c = first; c < end; c++)
                sum[c] += dy_row[c];
            continue;
        }
        const float *x_row = x + r * n;
        for (int64_t c = first; c < end; c++)
            sum[c] += dy_row[c] * x_row[c] * factor[r];
    }
}

/* exp(x) for the range that matters, in arithmetic that compilers vectorize. */
static inline float exponential(float x)
{
    x = x < EXP_LOWEST ? EXP_LOWEST : x;
    x = x > EXP_HIGHEST - 2.0F ? EXP_HIGHEST - 2.0F : x;
    const float shift = 12582912.0F; /* 1.5 * 2^23: adding it rounds to an integer */
    union {
        float f;
        uint32_t bits;
    } n = {.f = x * EXP_LOG2_E + shift}, power;
    const float whole = n.f - shift;
    const float r = (x - whole * EXP_LN2_HIGH) - whole * EXP_LN2_LOW;
    float p = EXP_C6;
    p = p * r + EXP_C5;
    p = p * r + EXP_C4;
    p = p * r + EXP_C3;
    p = p * r + EXP_C2;
    p = p * r + EXP_C1;
    p = p * r * r + r + 1.0F;
    /* Half of the exponent at a time: the smallest results are subnormal. */
    const int32_t exponent = (int32_t)(n.bits - 0x4B400000U);
    const int32_t half = exponent / 2;
    power.bits = (uint32_t)(half + 127) << 23;
    p *= power.f;
    power.bits = (uint32_t)(exponent - half + 127) << 23;
    return p * power.f;
}

static void silu_backward(const float *gate, const float *up, const float *d_hidden, int64_t n, float *dgate,
                          float *dup)
{
    for (int64_t i = 0; i < n; i++) {
        const float g = gate[i];
        const float d = d_hidden[i];
        const float sigmoid = 1.0F / (1.0F + exponential(-g));
        dgate[i] = d * up[i] * sigmoid * (1.0F + g * (1.0F - sigmoid));
        dup[i] = d * g * sigmoid;
    }
}

/* 0.5 g (1 + tanh(u)) = g * sigmoid(2 u), 2 u = c (g + 0.044715 g^3). */
static void gelu_backward(const float *gate, const float *up, const float *d_hidden, int64_t n, float *dgate,
                          float *dup)
{
    for (int64_t i = 0; i < n; i++) {
        const float g = gate[i];
        const float d = d_hidden[i];
        const float square = g * g;
        const float sigmoid =
            1.0F / (1.0F + exponential(-GELU_TWO_ROOT_2_OVER_PI * g * (1.0F + GELU_CUBIC * square)));
        const float slope = GELU_TWO_ROOT_2_OVER_PI * (1.0F + 3.0F * GELU_CUBIC * square);
        dgate[i] = d * up[i] * sigmoid * (1.0F + g * (1.0F - sigmoid) * slope);
        dup[i] = d * g * sigmoid;
    }
}

void smg_train_gate_backward(smg_activation activation, const float *gate, const float *up,
                             const float *d_hidden, int64_t n, float *ret_dgate, float *ret_dup)
{
    if (activation == SMG_ACTIVATION_SILU)
        silu_backward(gate, up, d_hidden, n, ret_dgate, ret_dup);
    else
        gelu_backward(gate, up, d_hidden, n, ret_dgate, ret_dup);
}

/* The turn by the opposite angle, with the same magnitude. */
void smg_train_turn_backward(smg_rope_kind kind, const float *angles, int32_t pairs, float *head)
{
    const int32_t step = kind == SMG_ROPE_ADJACENT ? 2 : 1;
    const int32_t partner = kind == SMG_ROPE_ADJACENT ? 1 : pairs;
    for (int32_t i = 0; i < pairs; i++) {
        float *a = head + i * step;
        float *b = a + partner;
        const float cosine = angles[2 * i];
        const float sine = angles[2 * i + 1];
        const float turned = *a * cosine + *b * sine;
        *b = *b * cosine - *a * sine;
        *a = turned;
    }
}
