/* Products with float weights and float activations, in eights. The including file gives v8 and ISA. */
#include "kernels/kernel_list.h"
#include "kernels/tile.h"
#include "kernels/v8_some.h"

enum { MAX_ROWS = 4, MAX_TOKENS = 4 };

/* One accumulator of eight lanes for an output: element i is always added to lane i % 8. */
static ALWAYS_INLINE void step(v8_load_fn load, size_t bytes, int64_t n, const uint8_t *w, size_t w_stride,
                               const uint8_t *x, size_t x_stride, v8 (*acc)[MAX_TOKENS], const int rows,
                               const int tokens)
{
    v8 weight[MAX_ROWS];
    foreach (r, rows) {
        const uint8_t *w_r = w + (size_t)r * w_stride;
        weight[r] = n == 8 ? load(w_r) : v8_load_some(load, w_r, bytes, n);
    }
    foreach (t, tokens) {
        const uint8_t *x_t = x + (size_t)t * x_stride;
        v8 act = n == 8 ? v8_load_f32(x_t) : v8_load_some(v8_load_f32, x_t, sizeof(float), n);
        foreach (r, rows)
            acc[r][t] = v8_fma(weight[r], act, acc[r][t]);
    }
}

static ALWAYS_INLINE void float_tile(v8_load_fn load, size_t bytes, int64_t k, const uint8_t *w,
                                     size_t w_stride, const uint8_t *x, size_t x_stride, float *out,
                                     size_t out_stride, const int rows, const int tokens)
{
    v8 acc[MAX_ROWS][MAX_TOKENS];
    foreach (r, rows)
        foreach (t, tokens)
            acc[r][t] = v8_set(0);
    for (; k >= 8; k -= 8, w += 8 * bytes, x += 8 * sizeof(float))
        step(load, bytes, 8, w, w_stride, x, x_stride, acc, rows, tokens);
    if (k > 0)
        step(load, bytes, k, w, w_stride, x, x_stride, acc, rows, tokens);
    foreach (r, rows)
        foreach (t, tokens)
            out[(size_t)t * out_stride + (size_t)r] = v8_sum(acc[r][t]);
}

#define FLOAT_BODY(load, bytes, rows, tokens)                                                                \
    float_tile(load, bytes, k, w, w_stride, x, x_stride, out, out_stride, rows, tokens)
#define F32_BODY(rows, tokens) FLOAT_BODY(v8_load_f32, 4, rows, tokens)
#define F16_BODY(rows, tokens) FLOAT_BODY(v8_load_f16, 2, rows, tokens)
#define BF16_BODY(rows, tokens) FLOAT_BODY(v8_load_bf16, 2, rows, tokens)

DEFINE_MATMUL(f32_f32, ISA, 2, MAX_TOKENS, MAX_ROWS, F32_BODY)
DEFINE_MATMUL(f16_f32, ISA, 2, MAX_TOKENS, MAX_ROWS, F16_BODY)
DEFINE_MATMUL(bf16_f32, ISA, 2, MAX_TOKENS, MAX_ROWS, BF16_BODY)
