/* Norm, softmax and gated activations, in eights. The including file gives v8 and ISA. */
#include <math.h>

#include "kernels/exp_constants.h"
#include "kernels/kernel_list.h"
#include "kernels/tile.h"
#include "kernels/v8_some.h"

/* exp within about one unit in the last place; NaN stays NaN. */
static ALWAYS_INLINE v8 v8_exp(v8 x)
{
    x = v8_min(v8_set(EXP_HIGHEST), v8_max(v8_set(EXP_LOWEST), x));
    v8 n = v8_round(v8_mul(x, v8_set(EXP_LOG2_E)));
    v8 r = v8_fnma(n, v8_set(EXP_LN2_HIGH), x);
    r = v8_fnma(n, v8_set(EXP_LN2_LOW), r);
    v8 y = v8_fma(v8_set(EXP_C6), r, v8_set(EXP_C5));
    y = v8_fma(y, r, v8_set(EXP_C4));
    y = v8_fma(y, r, v8_set(EXP_C3));
    y = v8_fma(y, r, v8_set(EXP_C2));
    y = v8_fma(y, r, v8_set(EXP_C1));
    y = v8_fma(v8_mul(y, r), r, v8_add(r, v8_set(1)));
    return v8_scale(y, n);
}

static ALWAYS_INLINE v8 some_floats(const float *p, int64_t n)
{
    return v8_load_some(v8_load_f32, (const uint8_t *)p, sizeof *p, n);
}

void PASTE(smg_round_f16_f32_, ISA)(float *x, int64_t n)
{
    for (; n >= 8; n -= 8, x += 8)
        v8_store(x, v8_round_f16(v8_load(x)));
    if (n > 0)
        v8_store_some(x, v8_round_f16(some_floats(x, n)), n);
}

void PASTE(smg_rms_norm_f32_f32_, ISA)(const float *x, const float *weight, float eps, int64_t n, float *out)
{
    const int64_t whole = n - n % 8;
    wide sums = wide_zero();
    for (int64_t i = 0; i < whole; i += 8)
        sums = wide_add_squares(sums, v8_load(x + i));
    sums = wide_add_squares(sums, some_floats(x + whole, n % 8));

    const float scale = (float)(1.0 / sqrt(wide_sum(sums) / (double)n + eps));
    for (int64_t i = 0; i < whole; i += 8) {
        v8 y = v8_mul(v8_load(x + i), v8_set(scale));
        v8_store(out + i, weight ? v8_mul(y, v8_load(weight + i)) : y);
    }
    for (int64_t i = whole; i < n; i++)
        out[i] = weight ? x[i] * scale * weight[i] : x[i] * scale;
}

/* tanh z is 1 - 2 / (1 + exp(2z)): near 0 that keeps only the absolute precision, which is what scores and logits
 * need. */
static ALWAYS_INLINE v8 soft_cap(v8 x, v8 cap)
{
    v8 e = v8_exp(v8_div(v8_add(x, x), cap));
    return v8_mul(cap, v8_sub(v8_set(1), v8_div(v8_set(2), v8_add(v8_set(1), e))));
}

void PASTE(smg_soft_cap_f32_f32_, ISA)(float *x, int64_t n, float cap)
{
    for (; n >= 8; n -= 8, x += 8)
        v8_store(x, soft_cap(v8_load(x), v8_set(cap)));
    if (n > 0)
        v8_store_some(x, soft_cap(some_floats(x, n), v8_set(cap)), n);
}

void PASTE(smg_softmax_f32_f32_, ISA)(float *x, int64_t n)
{
    const int64_t whole = n - n % 8;
    v8 largest = v8_set(x[0]);
    for (int64_t i = 0; i < whole; i += 8)
        largest = v8_max(v8_load(x + i), largest);
    float lanes[8], max = x[0];
    v8_store(lanes, largest);
    for (int i = 0; i < 8; i++)
        max = lanes[i] > max ? lanes[i] : max;
    for (int64_t i = whole; i < n; i++)
        max = x[i] > max ? x[i] : max;

    /* a NaN that was passed over above makes the sum NaN, and with it every result */
    wide sums = wide_zero();
    for (int64_t i = 0; i < whole; i += 8) {
        v8 y = v8_exp(v8_sub(v8_load(x + i), v8_set(max)));
        v8_store(x + i, y);
        sums = wide_add(sums, y);
    }
    double sum = wide_sum(sums);
    if (whole < n)
        v8_store_some(x + whole, v8_exp(v8_sub(some_floats(x + whole, n - whole), v8_set(max))), n - whole);
    for (int64_t i = whole; i < n; i++)
        sum += x[i];

    const float inverse = (float)(1.0 / sum);
    for (int64_t i = 0; i < whole; i += 8)
        v8_store(x + i, v8_mul(v8_load(x + i), v8_set(inverse)));
    for (int64_t i = whole; i < n; i++)
        x[i] *= inverse;
}

static ALWAYS_INLINE v8 silu(v8 x)
{
    v8 e = v8_exp(v8_sub(v8_set(0), x));
    return v8_div(x, v8_add(v8_set(1), e));
}

/* x/2 (1 + tanh z) is x / (1 + exp(-2z)), which does not cancel where tanh nears -1. */
static ALWAYS_INLINE v8 gelu(v8 x)
{
    v8 inner = v8_mul(v8_mul(v8_set(GELU_CUBIC), x), x);
    v8 twice_z = v8_mul(v8_mul(v8_set(GELU_TWO_ROOT_2_OVER_PI), x), v8_add(v8_set(1), inner));
    v8 e = v8_exp(v8_sub(v8_set(0), twice_z));
    return v8_div(x, v8_add(v8_set(1), e));
}

typedef v8 (*activation_fn)(v8 x);

static ALWAYS_INLINE void gate(activation_fn activation, const float *x, const float *up, int64_t n,
                               float *out)
{
    for (; n >= 8; n -= 8, x += 8, up += 8, out += 8)
        v8_store(out, v8_mul(activation(v8_load(x)), v8_load(up)));
    if (n > 0)
        v8_store_some(out, v8_mul(activation(some_floats(x, n)), some_floats(up, n)), n);
}

void PASTE(smg_silu_mul_f32_f32_, ISA)(const float *gate_x, const float *up, int64_t n, float *out)
{
    gate(silu, gate_x, up, n, out);
}

void PASTE(smg_gelu_mul_f32_f32_, ISA)(const float *gate_x, const float *up, int64_t n, float *out)
{
    gate(gelu, gate_x, up, n, out);
}
