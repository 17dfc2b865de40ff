/* The kernel table: every inner loop of the forward pass, as function pointers filled once from a CPU mask.
 *
 * Kernels neither allocate nor start threads, and never read outside the rows they are given; rows given as
 * `void *` have any alignment, floats their own. Each has a C reference in ref/; one line in kernels.inc
 * declares, registers, tests and benches one. Names: smg_<op>_<weights>[_r16]_<activations>_<isa>.
 *
 * Batch invariance: what a kernel computes for one row and one token must not depend on how many rows or
 * tokens are in the call, on their place in it, or on alignment: each output is one reduction over k in a
 * fixed order that depends on k, the weight type and the CPU path alone. */
#ifndef SMG_KERNELS_KERNELS_H
#define SMG_KERNELS_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "format/blocks.h"
#include "kernels/scale_search.h"

/* How a row of activations is stored for a product with quantized weights. The three forms of 8 bits are those of ggml, taken
 * apart: all integers of the row, then a float for the scale of each block, then what is said of its sums. */
typedef enum smg_act {
    SMG_ACT_F32,  /* as it is: weights F32, F16, BF16 */
    SMG_ACT_Q8_0, /* blocks of 32; int16_t, the sum of the block's integers: Q4_0, Q5_0, Q8_0, IQ4_NL */
    SMG_ACT_Q8_1, /* blocks of 32; float, that sum times the scale: Q4_1, Q5_1 */
    SMG_ACT_Q8_K, /* blocks of 256; int16_t, the sums of each 16 integers: the super-block types */
    SMG_ACT_COUNT
} smg_act;

/* The form of activations that weights of `type` are multiplied with. */
smg_act smg_act_for(smg_type type);
/* Bytes of an activation row of `k` elements, but for F32 a multiple of 64. `k` fits the form's block. */
size_t smg_act_row_bytes(smg_act act, int64_t k);

/* Where the scales of a row of `k` elements stand in it, and the sums. */
static inline size_t smg_act_scales(int64_t k)
{
    return (size_t)k;
}

static inline size_t smg_act_sums(smg_act act, int64_t k)
{
    return (size_t)k + (size_t)(k / (act == SMG_ACT_Q8_K ? SMG_QK_K : SMG_QK)) * sizeof(float);
}

/* Forms of the KV cache. */
typedef enum smg_kv { SMG_KV_F16, SMG_KV_F32, SMG_KV_Q8_0, SMG_KV_COUNT } smg_kv;
/* Bytes of `n` cached elements (a head's key or value); q8_0 wants n to be a multiple of 32. */
size_t smg_kv_bytes(smg_kv kv, int64_t n);

/* out[t * out_stride + r] = sum over k of w[r][k] * x[t][k], for r < rows and t < tokens.
 * w: rows of weights, w_stride bytes apart; of interleaved types whole groups, with w_stride what a row would take. x: rows of activations, x_stride bytes apart.
 * out_stride in floats. k: elements of a row. */
typedef void (*smg_matmul_fn)(int64_t k, int64_t rows, const void *w, size_t w_stride, int64_t tokens,
                              const void *x, size_t x_stride, float *out, size_t out_stride);

/* x: k floats -> one activation row. The scale of a block is amax/127 (Q8_K: -max/127 kept signed as in
 * ggml), rounded to binary16 for Q8_0 and Q8_1, as are the latter's sums; elements are rounded to nearest, ties to even. All
 * paths give the same bytes; those that pad the row are left as they are. A block with a NaN or an infinity gets a NaN scale, and with it every product of its token
 * is NaN. */
typedef void (*smg_quantize_fn)(const float *x, void *ret_row, int64_t k);

/* n floats -> cached elements (rounded to nearest even). */
typedef void (*smg_kv_store_fn)(const float *x, void *ret_cells, int64_t n);

/* Cached keys or values of one head: `count` rows of `n` elements, `stride` bytes apart. */
typedef struct smg_cells {
    const void *rows;
    size_t stride;
    int64_t count;
    int64_t n; /* at most SMG_CELL_MAX */
} smg_cells;

#define SMG_CELL_MAX 1024

/* ret_scores[j * score_stride + i] = scale * dot(q + j * q_stride, key i) for each of `queries` queries; strides in
 * floats. Queries that meet the same keys share what it takes to make floats of them. */
typedef void (*smg_attention_scores_fn)(const float *q, size_t q_stride, int64_t queries,
                                        const smg_cells *keys, float scale, float *ret_scores,
                                        size_t score_stride);
/* acc[j * acc_stride + e] += sum over i of p[j * p_stride + i] * value i's element e, added in the order of i, one
 * fused multiply-add each, so that a call with count = a + b equals one with a followed by one with b, and all
 * paths give the same bits. */
typedef void (*smg_attention_mix_fn)(const float *p, size_t p_stride, int64_t queries,
                                     const smg_cells *values, float *acc, size_t acc_stride);

/* ---- Products of float matrices, for training ----
 * Both operands of out[i][j] = sum over k of a(i, k) * b(j, k) are packed first: into panels of SMG_PANEL rows (of a) or
 * columns (of b), which hold all of a stretch of k, its depth. Rows that are not there are zeros. */
#define SMG_PANEL 16

typedef enum smg_gemm_kind {
    SMG_GEMM_F32,
    SMG_GEMM_BF16, /* both sides rounded to bfloat16, to nearest even; products and sums in f32 */
    SMG_GEMM_COUNT
} smg_gemm_kind;

/* What a panel's depth is filled up to, with zeros: BF16 comes in steps of 32. */
static inline int64_t smg_panel_depth(smg_gemm_kind kind, int64_t depth)
{
    return kind == SMG_GEMM_F32 ? depth : (depth + 31) / 32 * 32;
}

static inline size_t smg_panel_bytes(smg_gemm_kind kind, int64_t depth)
{
    return (size_t)smg_panel_depth(kind, depth) * SMG_PANEL * (kind == SMG_GEMM_F32 ? 4 : 2);
}

/* Element (i, k) of x at x[i * outer_step + k * depth_step], for i < outer <= SMG_PANEL and k < depth; one of the steps
 * is 1. ret_panel is aligned to 64 bytes. In it, F32 has SMG_PANEL floats for each k, BF16 SMG_PANEL pairs of
 * neighbours in k for each even k; a path may have another form of its own for panels of a. */
typedef void (*smg_gemm_pack_fn)(const float *x, size_t outer_step, size_t depth_step, int64_t outer,
                                 int64_t depth, void *ret_panel);
/* out[i * out_stride + j] = (add ? that : 0) + scale * sum over k of a(i, k) * b(j, k), for i < rows and j < columns.
 * a, b: panels of this depth, one behind the other. What is computed for an element depends on the depth, on scale and
 * on add alone. */
typedef void (*smg_gemm_fn)(int64_t depth, int64_t rows, int64_t columns, const void *a, const void *b,
                            float scale, bool add, float *out, size_t out_stride);

/* n elements of a row of weights, whole blocks, to floats: the bits of smg_dequantize_row. */
typedef void (*smg_dequantize_fn)(const void *row, int64_t n, float *ret_x);

typedef struct smg_kernels {
    uint32_t cpu_mask;
    smg_matmul_fn matmul[SMG_TYPE_COUNT];    /* NULL where the type holds no weights */
    smg_quantize_fn quantize[SMG_ACT_COUNT]; /* NULL for F32 */
    /* of these three all paths give the same bits */
    smg_search_load_fn search_load;
    smg_search_scale_fn search_scale;
    smg_search_min_fn search_min;
    smg_search_error_fn search_error;
    smg_search_sums_fn search_sums;
    smg_kv_store_fn kv_store[SMG_KV_COUNT];
    smg_attention_scores_fn attention_scores[SMG_KV_COUNT];
    smg_attention_mix_fn attention_mix[SMG_KV_COUNT];
    /* x := what binary16 keeps of it, to nearest even, in place; all paths give the same bits. Queries and
     * probabilities meet an F16 cache in its own precision, as in llama.cpp. */
    void (*round_f16)(float *x, int64_t n);
    /* out[i] = x[i] / sqrt(mean(x^2) + eps) * weight[i]; out may be x; weight may be NULL (all ones) */
    void (*rms_norm)(const float *x, const float *weight, float eps, int64_t n, float *out);
    /* x[i] += y[i], rounded once; all paths give the same bits */
    void (*add)(float *x, const float *y, int64_t n);
    /* x := cap * tanh(x / cap), in place */
    void (*soft_cap)(float *x, int64_t n, float cap);
    /* x := exp(x - max) / sum, in place; n >= 1; -INFINITY gives 0; one NaN makes all NaN */
    void (*softmax)(float *x, int64_t n);
    /* out[i] = silu(gate[i]) * up[i]; out may be gate */
    void (*silu_mul)(const float *gate, const float *up, int64_t n, float *out);
    /* out[i] = gelu(gate[i]) * up[i], the tanh form; out may be gate */
    void (*gelu_mul)(const float *gate, const float *up, int64_t n, float *out);
    /* For training. dx[i] += the gradient that dy brings back through rms_norm; returns its 1 / sqrt(mean(x^2) + eps). weight
     * is there */
    float (*rms_norm_back)(const float *x, const float *weight, const float *dy, float eps, int64_t n,
                           float *dx);
    /* sum[i] += x[i] * y[i] * factor */
    void (*add_product)(float *sum, const float *x, const float *y, float factor, int64_t n);
    /* From the gradient of silu(gate) * up to those of gate and up; either may take the place of d */
    void (*silu_mul_back)(const float *gate, const float *up, const float *d, int64_t n, float *ret_dgate,
                          float *ret_dup);
    /* From that of gelu(gate) * up */
    void (*gelu_mul_back)(const float *gate, const float *up, const float *d, int64_t n, float *ret_dgate,
                          float *ret_dup);
    smg_dequantize_fn dequantize[SMG_TYPE_COUNT]; /* NULL for F32, BF16 and the interleaved types */
    smg_gemm_pack_fn gemm_pack_a[SMG_GEMM_COUNT];
    smg_gemm_pack_fn gemm_pack_b[SMG_GEMM_COUNT];
    smg_gemm_fn gemm[SMG_GEMM_COUNT];
} smg_kernels;

/* Fills the table with the best kernel of each kind that `cpu_mask` (a subset of smg_cpu_mask()) allows. */
void smg_kernels_init(smg_kernels *table, uint32_t cpu_mask);

#endif
