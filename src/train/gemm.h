/* Products of matrices for training: f32, or rows of any tensor type, multiplied in f32 or bf16 with f32 sums.
 *
 *   forward    Y[T, N]  = X[T, K] W[N, K]^T     a = X, b = W, depth_step 1 in both
 *   backward   dX[T, K] = dY[T, N] W[N, K]      a = dY, b = W transposed
 *   gradient   dW[N, K] += dY^T X               a = dY and b = X with outer_step 1, accumulate
 *
 * Both sides are cut into blocks that the caches hold, and packed into panels (kernels/kernels.h). The side with fewer rows is
 * packed once for all workers, the other one by whoever multiplies it. Products that stand behind each other
 * in a list and have the same operand on their larger side (q, k and v; gate and up; and so do the gradients of all three, in
 * their b) share its packing: put them in one list.
 *
 * Results are the same bits in every run and at any number of threads: each output is summed in one order, that depends
 * on k and the CPU path alone. Different CPU paths round differently.
 *
 * bf16 is a permission: where the processor has no instructions for it (all but AVX512-BF16 and AMX-BF16), the products are
 * those of f32. With it, both sides are rounded to bfloat16, to nearest even. A NaN or an infinity on either side
 * goes where it belongs. */
#ifndef SMG_TRAIN_GEMM_H
#define SMG_TRAIN_GEMM_H

#include "base/thread.h"
#include "kernels/kernels.h"
#include "model/weights.h"

/* An (outer x depth) operand. */
typedef struct smg_operand {
    const float *data;             /* element (i, k) is data[i * outer_step + k * depth_step] */
    size_t outer_step, depth_step; /* one of them is 1 */
    const smg_matrix *matrix;      /* instead of data: element (i, k) is its row i, column k … */
    bool transposed; /* … or its row k, column i. Any type that holds weights, interleaved or not */
} smg_operand;

/* out[i * out_stride + j] = (accumulate ? that : 0) + scale * sum over k of a(i, k) * b(j, k), i < m, j < n */
typedef struct smg_gemm {
    smg_operand a, b; /* (m x k), (n x k) */
    int64_t m, n, k;  /* from 1 up */
    float scale;
    bool accumulate;
    float *out; /* apart from the operands and from what other products of the list write */
    size_t out_stride;
} smg_gemm;

/* Whether bf16 is more than a permission on this path. */
bool smg_gemm_has_bf16(const smg_kernels *kernels);

/* Bytes of packing space that one thread needs, whatever the products; to be aligned to SMG_ALIGNMENT. */
size_t smg_gemm_space(const smg_kernels *kernels, bool bf16);

/* All products of a list, on a pool that the caller holds; `space` is its threads times smg_gemm_space. SMIDGE_OK, or
 * SMIDGE_E_DEADLINE or SMIDGE_E_CANCELLED as `stop` says; then outputs are unfinished. */
smidge_status smg_gemm_run(const smg_kernels *kernels, smg_pool *pool, void *space, bool bf16,
                           const smg_gemm *list, int count, const smg_stop *stop) SMG_MUST_CHECK;

/* One product on the calling thread, with one thread's space: for small ones inside a worker. The same bits. */
void smg_gemm_alone(const smg_kernels *kernels, void *space, bool bf16, const smg_gemm *gemm);

#endif
