#include "train/muon.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"

/* Elements that a worker takes at once; also what sums are cut into, so that they do not depend on threads. */
#define CHUNK INT64_C(16384)
#define NORM_EPSILON 1e-7

/* The polynomial's coefficients, chosen by its authors to be steep at 0. */
static const float a_factor = 3.4445F, b_factor = -4.7750F, c_factor = 2.0315F;

bool smg_muon_takes(const smg_parameter *parameter)
{
    return parameter->matrix && strncmp(parameter->name, "blk.", 4) == 0;
}

/* ---- Room ------------------------------------------------------------------------------------------------ */

typedef struct muon_sizes {
    size_t elements; /* of the largest matrix */
    size_t side;     /* the largest shorter one */
    size_t space;
} muon_sizes;

static muon_sizes measure(const smg_parameter *parameters, size_t count, const smg_kernels *kernels,
                          bool bf16, int threads)
{
    muon_sizes sizes = {.space = smg_gemm_space(kernels, bf16) * (size_t)threads};
    for (size_t i = 0; i < count; i++) {
        const smg_parameter *one = &parameters[i];
        if (!smg_muon_takes(one))
            continue;
        const size_t elements = (size_t)one->rows * (size_t)one->columns;
        const size_t side = (size_t)(one->rows < one->columns ? one->rows : one->columns);
        sizes.elements = elements > sizes.elements ? elements : sizes.elements;
        sizes.side = side > sizes.side ? side : sizes.side;
    }
    return sizes;
}

static size_t chunks_of(size_t elements)
{
    return (elements + CHUNK - 1) / CHUNK;
}

uint64_t smg_muon_need(const smg_parameter *parameters, size_t count, const smg_kernels *kernels, bool bf16,
                       int threads)
{
    const muon_sizes sizes = measure(parameters, count, kernels, bf16, threads);
    return (uint64_t)(2 * sizes.elements + 2 * sizes.side * sizes.side) * sizeof(float) +
           chunks_of(sizes.elements) * sizeof(double) + sizes.space;
}

smidge_status smg_muon_init(smg_muon *muon, const smg_parameter *parameters, size_t count,
                            const smg_kernels *kernels, bool bf16, smg_pool *pool, smidge_error *error)
{
    const muon_sizes sizes = measure(parameters, count, kernels, bf16, smg_pool_threads(pool));
    *muon = (smg_muon){.kernels = kernels, .pool = pool, .bf16 = bf16};
    muon->x = smg_alloc_array(sizes.elements, sizeof(float));
    muon->y = smg_alloc_array(sizes.elements, sizeof(float));
    muon->gram = smg_alloc_array(sizes.side * sizes.side, sizeof(float));
    muon->square = smg_alloc_array(sizes.side * sizes.side, sizeof(float));
    muon->sums = smg_alloc_array(chunks_of(sizes.elements), sizeof(double));
    muon->space = smg_alloc(sizes.space);
    if (muon->x == NULL || muon->y == NULL || muon->gram == NULL || muon->square == NULL ||
        muon->sums == NULL || muon->space == NULL)
        return smg_error_no_memory(error, "optimizer", sizes.elements * 2 * sizeof(float));
    return SMIDGE_OK;
}

void smg_muon_done(smg_muon *muon)
{
    smg_free(muon->x);
    smg_free(muon->y);
    smg_free(muon->gram);
    smg_free(muon->square);
    smg_free(muon->sums);
    smg_free(muon->space);
    *muon = (smg_muon){.kernels = NULL};
}

/* ---- Element by element ---------------------------------------------------------------------------------- */

typedef struct muon_work {
    smg_muon *muon;
    const smg_parameter *parameter;
    const smg_muon_step *step;
    float *momentum;
    int64_t count;
    const float *from; /* of `scale_into` */
    float *to;
    float factor;
} muon_work;

/* The momentum, and what Nesterov's look ahead makes of it. */
static void gather(void *context, smg_worker *worker)
{
    const muon_work *work = context;
    const float beta = (float)work->step->beta;
    const float scale = (float)work->step->scale;
    int64_t begin, end;
    while (smg_worker_next(worker, work->count, CHUNK, &begin, &end)) {
        double sum = 0.0;
        for (int64_t i = begin; i < end; i++) {
            const float g = work->parameter->gradient[i] * scale;
            const float m = work->momentum[i] + (1.0F - beta) * (g - work->momentum[i]);
            const float u = g + beta * (m - g);
            work->momentum[i] = m;
            work->muon->x[i] = u;
            sum += (double)u * (double)u;
        }
        work->muon->sums[begin / CHUNK] = sum;
    }
}

static void scale_into(void *context, smg_worker *worker)
{
    const muon_work *work = context;
    int64_t begin, end;
    while (smg_worker_next(worker, work->count, CHUNK, &begin, &end)) {
        for (int64_t i = begin; i < end; i++)
            work->to[i] = work->from[i] * work->factor;
    }
}

static void apply(void *context, smg_worker *worker)
{
    const muon_work *work = context;
    const float keep = (float)(1.0 - work->step->rate * work->step->decay);
    int64_t begin, end;
    while (smg_worker_next(worker, work->count, CHUNK, &begin, &end)) {
        for (int64_t i = begin; i < end; i++)
            work->parameter->value[i] = work->parameter->value[i] * keep - work->muon->x[i] * work->factor;
    }
}

/* Without a stop a run ends in no other way than well. */
static void share_out(const smg_muon *muon, smg_pool_fn fn, muon_work *work)
{
    (void)!smg_pool_run(muon->pool, fn, work, NULL);
}

static void scale_all(smg_muon *muon, const float *from, float factor, int64_t count, float *to)
{
    muon_work work = {.muon = muon, .from = from, .factor = factor, .count = count, .to = to};
    share_out(muon, scale_into, &work);
}

/* ---- Newton-Schulz --------------------------------------------------------------------------------------- */

static void multiply(const smg_muon *muon, const smg_gemm *gemm)
{
    (void)!smg_gemm_run(muon->kernels, muon->pool, muon->space, muon->bf16, gemm, 1, NULL);
}

/* One step; the Gram matrix is that of the shorter side, so tall matrices are multiplied from the right. */
static void iterate(smg_muon *muon, int64_t rows, int64_t columns)
{
    const size_t stride = (size_t)columns;
    const bool tall = rows > columns;
    const int64_t side = tall ? columns : rows;
    const smg_operand by_rows = {.data = muon->x, .outer_step = stride, .depth_step = 1};
    const smg_operand by_columns = {.data = muon->x, .outer_step = 1, .depth_step = stride};
    const smg_operand gram = {.data = muon->gram, .outer_step = (size_t)side, .depth_step = 1};
    const smg_operand square = {.data = muon->square, .outer_step = (size_t)side, .depth_step = 1};
    multiply(muon, &(smg_gemm){.a = tall ? by_columns : by_rows,
                               .b = tall ? by_columns : by_rows,
                               .m = side,
                               .n = side,
                               .k = tall ? rows : columns,
                               .scale = 1.0F,
                               .out = muon->gram,
                               .out_stride = (size_t)side});
    /* The Gram matrix and its square are symmetric: which side is transposed does not matter. */
    scale_all(muon, muon->gram, b_factor, side * side, muon->square);
    multiply(muon, &(smg_gemm){.a = gram,
                               .b = gram,
                               .m = side,
                               .n = side,
                               .k = side,
                               .scale = c_factor,
                               .accumulate = true,
                               .out = muon->square,
                               .out_stride = (size_t)side});
    scale_all(muon, muon->x, a_factor, rows * columns, muon->y);
    multiply(muon, &(smg_gemm){.a = tall ? by_rows : square,
                               .b = tall ? square : by_columns,
                               .m = rows,
                               .n = columns,
                               .k = side,
                               .scale = 1.0F,
                               .accumulate = true,
                               .out = muon->y,
                               .out_stride = stride});
    float *swap = muon->x;
    muon->x = muon->y;
    muon->y = swap;
}

void smg_muon_update(smg_muon *muon, const smg_parameter *parameter, float *momentum,
                     const smg_muon_step *step)
{
    const int64_t rows = parameter->rows, columns = parameter->columns;
    muon_work work = {.muon = muon,
                      .parameter = parameter,
                      .step = step,
                      .momentum = momentum,
                      .count = rows * columns};
    share_out(muon, gather, &work);
    double sum = 0.0;
    for (size_t i = 0; i < chunks_of((size_t)work.count); i++)
        sum += muon->sums[i];
    scale_all(muon, muon->x, (float)(1.0 / (sqrt(sum) + NORM_EPSILON)), work.count, muon->x);
    for (int i = 0; i < SMG_MUON_STEPS; i++)
        iterate(muon, rows, columns);
    const double shape = rows > columns ? sqrt((double)rows / (double)columns) : 1.0;
    work.factor = (float)(step->rate * shape);
    share_out(muon, apply, &work);
}
