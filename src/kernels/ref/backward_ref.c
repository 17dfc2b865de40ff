/* What training takes back through norm and gated activations. */
#include <math.h>

#include "kernels/kernel_list.h"

float smg_rms_norm_back_f32_f32_ref(const float *x, const float *weight, const float *dy, float eps,
                                    int64_t n, float *dx)
{
    double squares = 0;
    double products = 0;
    for (int64_t i = 0; i < n; i++) {
        squares += (double)x[i] * x[i];
        products += (double)(weight[i] * dy[i] * x[i]);
    }
    const double inverse = 1.0 / sqrt(squares / (double)n + (double)eps);
    const float scale = (float)inverse;
    const float back = (float)(products * inverse * inverse * inverse / (double)n);
    for (int64_t i = 0; i < n; i++)
        dx[i] += scale * weight[i] * dy[i] - back * x[i];
    return scale;
}

void smg_add_product_f32_f32_ref(float *sum, const float *x, const float *y, float factor, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        sum[i] += x[i] * y[i] * factor;
}

void smg_silu_mul_back_f32_f32_ref(const float *gate, const float *up, const float *d, int64_t n,
                                   float *ret_dgate, float *ret_dup)
{
    for (int64_t i = 0; i < n; i++) {
        const float x = gate[i], given = d[i];
        const float sigmoid = 1.0F / (1.0F + expf(-x));
        ret_dgate[i] = given * up[i] * (sigmoid * (1.0F + x * (1.0F - sigmoid)));
        ret_dup[i] = given * (x * sigmoid);
    }
}

/* gelu(x) is x * sigmoid(2 z), as in smg_gelu_mul_f32_f32_ref. */
void smg_gelu_mul_back_f32_f32_ref(const float *gate, const float *up, const float *d, int64_t n,
                                   float *ret_dgate, float *ret_dup)
{
    const float two_root_2_over_pi = 1.5957691216057308F;
    for (int64_t i = 0; i < n; i++) {
        const float x = gate[i], given = d[i];
        const float inner = 0.044715F * x * x;
        const float slope = two_root_2_over_pi * (1.0F + 3.0F * inner);
        const float sigmoid = 1.0F / (1.0F + expf(-two_root_2_over_pi * x * (1.0F + inner)));
        ret_dgate[i] = given * up[i] * (sigmoid * (1.0F + x * slope * (1.0F - sigmoid)));
        ret_dup[i] = given * (x * sigmoid);
    }
}
