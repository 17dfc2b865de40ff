#include <math.h>

#include "kernels/half.h"
#include "kernels/kernel_list.h"

void smg_round_f16_f32_ref(float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = smg_half_to_float(smg_half_from_float(x[i]));
}

void smg_rms_norm_f32_f32_ref(const float *x, const float *weight, float eps, int64_t n, float *out)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)x[i] * x[i];
    const float scale = (float)(1.0 / sqrt(sum / (double)n + eps));
    for (int64_t i = 0; i < n; i++)
        out[i] = weight ? x[i] * scale * weight[i] : x[i] * scale;
}

void smg_add_f32_f32_ref(float *x, const float *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        x[i] += y[i];
}

void smg_soft_cap_f32_f32_ref(float *x, int64_t n, float cap)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = cap * tanhf(x[i] / cap);
}

void smg_softmax_f32_f32_ref(float *x, int64_t n)
{
    float max = x[0];
    double sum = 0;
    for (int64_t i = 1; i < n; i++)
        max = x[i] > max ? x[i] : max;
    /* a NaN that was passed over here makes the sum NaN, and with it every result */
    for (int64_t i = 0; i < n; i++) {
        x[i] = expf(x[i] - max);
        sum += x[i];
    }
    const float inverse = (float)(1.0 / sum);
    for (int64_t i = 0; i < n; i++)
        x[i] *= inverse;
}

void smg_silu_mul_f32_f32_ref(const float *gate, const float *up, int64_t n, float *out)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = gate[i] / (1.0F + expf(-gate[i])) * up[i];
}

/* x/2 (1 + tanh z) is x / (1 + exp(-2z)), which does not cancel where tanh nears -1. */
void smg_gelu_mul_f32_f32_ref(const float *gate, const float *up, int64_t n, float *out)
{
    const float two_root_2_over_pi = 1.5957691216057308F;
    for (int64_t i = 0; i < n; i++) {
        float x = gate[i];
        float twice_z = two_root_2_over_pi * x * (1.0F + 0.044715F * x * x);
        out[i] = x / (1.0F + expf(-twice_z)) * up[i];
    }
}
