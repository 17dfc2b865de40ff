/* Products of training against triple loops in double: many sizes, all uses, every type of weights, every CPU path. */
#include "train/gemm.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "cpu/cpu.h"
#include "format/interleave.h"
#include "kernels/half.h"
#include "quant/dequantize.h"
#include "quant/quantize.h"
#include "test_support.h"

typedef struct matrix_data {
    float *x; /* [rows][columns] with `stride` floats from row to row */
    int64_t rows, columns;
    size_t stride;
} matrix_data;

static uint64_t state = 1;

static float random_float(void)
{
    return (float)((double)(smg_test_random(&state) >> 40) * 0x1p-23 - 1.0);
}

static int64_t random_between(int64_t low, int64_t high)
{
    return low + (int64_t)(smg_test_random(&state) % (uint64_t)(high - low + 1));
}

static matrix_data new_matrix(int64_t rows, int64_t columns, size_t stride)
{
    matrix_data matrix = {.rows = rows, .columns = columns, .stride = stride};
    const size_t count = (size_t)(rows - 1) * stride + (size_t)columns; /* and not one more */
    matrix.x = smg_alloc_array(count, sizeof *matrix.x);
    assert_non_null(matrix.x);
    for (size_t i = 0; i < count; i++)
        matrix.x[i] = random_float();
    return matrix;
}

/* An (outer x depth) operand over floats; `across`: with outer_step 1. */
static smg_operand new_data(int64_t outer, int64_t depth, bool across, size_t gap, matrix_data *ret_matrix)
{
    const int64_t rows = across ? depth : outer, columns = across ? outer : depth;
    *ret_matrix = new_matrix(rows, columns, (size_t)columns + gap);
    return (smg_operand){.data = ret_matrix->x,
                         .outer_step = across ? 1 : ret_matrix->stride,
                         .depth_step = across ? ret_matrix->stride : 1};
}

/* What an operand is, as floats: [outer][depth]. */
static float *as_floats(const smg_operand *operand, int64_t outer, int64_t depth)
{
    float *x = smg_alloc_array((size_t)(outer * depth), sizeof *x);
    assert_non_null(x);
    if (operand->matrix == NULL) {
        for (int64_t i = 0; i < outer; i++)
            for (int64_t k = 0; k < depth; k++)
                x[i * depth + k] =
                    operand->data[(size_t)i * operand->outer_step + (size_t)k * operand->depth_step];
        return x;
    }
    const smg_matrix *matrix = operand->matrix;
    float *row = smg_alloc_array((size_t)matrix->columns, sizeof *row);
    assert_non_null(row);
    for (int64_t r = 0; r < matrix->rows; r++) {
        smg_dequantize_row_of(matrix->type, matrix->data, r, row, matrix->columns);
        for (int64_t c = 0; c < matrix->columns; c++) {
            const int64_t i = operand->transposed ? c : r, k = operand->transposed ? r : c;
            if (i < outer && k < depth)
                x[i * depth + k] = row[c];
        }
    }
    smg_free(row);
    return x;
}

static double seen(float x, bool bf16)
{
    return bf16 ? (double)smg_bf16_to_float(smg_bf16_from_float(x)) : (double)x;
}

/* Outputs within what f32 sums of k products may be off by: all, or of large products some rows. */
static void check_against_double(const smg_gemm *gemm, const float *before, bool bf16)
{
    float *a = as_floats(&gemm->a, gemm->m, gemm->k), *b = as_floats(&gemm->b, gemm->n, gemm->k);
    for (int64_t i = 0; i < gemm->m; i += gemm->m < 200 ? 1 : 1 + gemm->m / 16)
        for (int64_t j = 0; j < gemm->n; j++) {
            double sum = 0, size = 0;
            for (int64_t k = 0; k < gemm->k; k++) {
                const double product = seen(a[i * gemm->k + k], bf16) * seen(b[j * gemm->k + k], bf16);
                sum += product;
                size += fabs(product);
            }
            const size_t at = (size_t)i * gemm->out_stride + (size_t)j;
            const double was = gemm->accumulate ? (double)before[at] : 0;
            const double expected = was + (double)gemm->scale * sum;
            const double bound =
                (fabs(was) + fabs((double)gemm->scale) * size) * 0x1p-24 * (8 + 3 * sqrt((double)gemm->k)) +
                1e-30;
            if (!(fabs((double)gemm->out[at] - expected) <= bound))
                fail_msg("%lld x %lld x %lld at %lld, %lld: %.9g, not %.9g", (long long)gemm->m,
                         (long long)gemm->n, (long long)gemm->k, (long long)i, (long long)j,
                         (double)gemm->out[at], expected);
        }
    smg_free(a);
    smg_free(b);
}

/* One pool for each number of threads, and packing space for the largest, which is left as it was found. */
enum { THREADS = 3 };
static smg_pool *pools[THREADS + 1];
static void *space;

static int set_up(void **unused)
{
    (void)unused;
    smg_kernels kernels;
    smg_kernels_init(&kernels, smg_cpu_mask());
    space = smg_alloc(THREADS * smg_gemm_space(&kernels, true));
    bool made = space != NULL;
    for (int threads = 1; threads <= THREADS; threads++)
        made = made && smg_pool_new(threads, &pools[threads], NULL) == SMIDGE_OK;
    return made ? 0 : -1;
}

static int tear_down(void **unused)
{
    (void)unused;
    for (int threads = 1; threads <= THREADS; threads++)
        smg_pool_free(pools[threads]);
    smg_free(space);
    return 0;
}

static void run_with(const smg_kernels *kernels, int threads, bool bf16, const smg_gemm *list, int count)
{
    smg_pool *pool = pools[threads];
    assert_int_equal(smg_pool_acquire(pool, NULL), SMIDGE_OK);
    assert_int_equal(smg_gemm_run(kernels, pool, space, bf16, list, count, NULL), SMIDGE_OK);
    smg_pool_release(pool);
}

/* Runs one product alone and with 1 to 3 threads: all the same bits, right, and nothing between the rows of `out` touched. */
static void check_product(const smg_kernels *kernels, bool bf16, const smg_gemm *wanted, size_t gap)
{
    smg_gemm gemm = *wanted;
    gemm.out_stride = (size_t)gemm.n + gap;
    const size_t count = (size_t)(gemm.m - 1) * gemm.out_stride + (size_t)gemm.n;
    matrix_data before = new_matrix(1, (int64_t)count, count), first = new_matrix(1, (int64_t)count, count);
    gemm.out = smg_alloc_array(count, sizeof *gemm.out);
    assert_non_null(gemm.out);
    for (int threads = 0; threads <= 3; threads++) {
        memcpy(gemm.out, before.x, count * sizeof *gemm.out);
        if (threads == 0) {
            smg_gemm_alone(kernels, space, bf16, &gemm);
            memcpy(first.x, gemm.out, count * sizeof *gemm.out);
            check_against_double(&gemm, before.x, bf16 && smg_gemm_has_bf16(kernels));
        } else {
            run_with(kernels, threads, bf16, &gemm, 1);
        }
        assert_memory_equal(gemm.out, first.x, count * sizeof *gemm.out);
    }
    for (int64_t i = 0; i + 1 < gemm.m; i++) {
        const size_t at = (size_t)i * gemm.out_stride + (size_t)gemm.n;
        assert_memory_equal(gemm.out + at, before.x + at, gap * sizeof *gemm.out);
    }
    smg_free(gemm.out);
    smg_free(before.x);
    smg_free(first.x);
}

/* One product of floats, each side either way, on each CPU path, in both precisions. */
static void check_floats(int64_t m, int64_t n, int64_t k)
{
    const bool a_across = random_between(0, 1) == 1, b_across = random_between(0, 1) == 1;
    matrix_data a, b;
    smg_gemm gemm = {.m = m, .n = n, .k = k};
    gemm.a = new_data(m, k, a_across, (size_t)random_between(0, 3), &a);
    gemm.b = new_data(n, k, b_across, (size_t)random_between(0, 3), &b);
    gemm.scale = random_between(0, 1) == 1 ? 1.0F : random_float();
    gemm.accumulate = random_between(0, 1) == 1;
    uint32_t masks[8];
    const int steps = smg_cpu_steps(masks);
    for (int i = 0; i < steps; i++) {
        smg_kernels kernels;
        smg_kernels_init(&kernels, masks[i]);
        check_product(&kernels, false, &gemm, 3);
        check_product(&kernels, true, &gemm, 3);
    }
    smg_free(a.x);
    smg_free(b.x);
}

static void test_sizes(void **unused)
{
    (void)unused;
    for (int64_t m = 1; m <= 5; m++)
        for (int64_t n = 1; n <= 5; n += 2)
            check_floats(m, n, m + n);
    static const int64_t edges[] = {1, 8, 15, 16, 17, 31, 32, 33, 47, 63, 65, 100};
    enum { EDGES = sizeof edges / sizeof *edges };
    const int repeats = smg_test_repeats(60);
    for (int i = 0; i < repeats; i++)
        check_floats(edges[random_between(0, EDGES - 1)], edges[random_between(0, EDGES - 1)],
                     edges[random_between(0, EDGES - 1)]);
}

/* Deeper than one stretch, wider than one slab. */
static void test_large_sizes(void **unused)
{
    (void)unused;
    check_floats(300, 40, 70);
    check_floats(33, 290, 100);
    check_floats(20, 18, 769);
    if (smg_test_repeats(20) > 1) {
        check_floats(70, 50, 1600);
        check_floats(515, 530, 300);
        check_floats(9, 8, 2048);
        check_floats(257, 8, 576);
    }
}

/* More than the shared memory holds: several rounds, by depth and by rows. */
static void test_rounds(void **unused)
{
    (void)unused;
    if (smg_test_repeats(20) == 1)
        return;
    uint32_t masks[8];
    const int steps = smg_cpu_steps(masks);
    smg_kernels kernels;
    smg_kernels_init(&kernels, masks[steps - 1]);
    matrix_data a, b;
    smg_gemm deep = {.m = 130, .n = 260, .k = 13000, .scale = 1.0F, .accumulate = true};
    deep.a = new_data(deep.m, deep.k, true, 0, &a);
    deep.b = new_data(deep.n, deep.k, true, 1, &b);
    check_product(&kernels, false, &deep, 0);
    smg_free(a.x);
    smg_free(b.x);
    smg_gemm wide = {.m = 1700, .n = 1800, .k = 640, .scale = 0.5F};
    wide.a = new_data(wide.m, wide.k, false, 0, &a);
    wide.b = new_data(wide.n, wide.k, false, 0, &b);
    check_product(&kernels, false, &wide, 1);
    smg_free(a.x);
    smg_free(b.x);
}

/* ---- Weights of other types -------------------------------------------------------------------------------- */

static smg_matrix new_weights(const smg_kernels *kernels, smg_type type, int32_t rows, int32_t columns)
{
    const smg_type plain = smg_type_plain(type);
    smg_matrix matrix = {.type = type,
                         .rows = rows,
                         .columns = columns,
                         .stride = (size_t)smg_type_row_bytes(plain, (uint64_t)columns)};
    const size_t bytes = (size_t)rows * matrix.stride;
    uint8_t *data = smg_alloc(bytes), *group = smg_alloc(bytes);
    assert_non_null(data);
    assert_non_null(group);
    float *x = smg_alloc_array((size_t)columns, sizeof *x);
    assert_non_null(x);
    for (int32_t r = 0; r < rows; r++) {
        for (int32_t c = 0; c < columns; c++)
            x[c] = random_float();
        smg_quantize_row(kernels, plain, x, NULL, columns, data + (size_t)r * matrix.stride);
    }
    if (plain != type) {
        memcpy(group, data, bytes);
        for (int32_t r = 0; r < rows; r += SMG_GROUP_ROWS)
            smg_group_interleave(plain, columns, group + (size_t)r * matrix.stride,
                                 data + (size_t)r * matrix.stride);
    }
    smg_free(group);
    smg_free(x);
    matrix.data = data;
    return matrix;
}

static void check_type(const smg_kernels *kernels, smg_type type, int32_t rows, int32_t columns,
                       bool transposed, bool bf16)
{
    const smg_matrix matrix = new_weights(kernels, type, rows, columns);
    matrix_data other;
    smg_gemm gemm = {.scale = 1.0F};
    const smg_operand weights = {.matrix = &matrix, .transposed = transposed};
    const int64_t outer = transposed ? columns : rows, depth = transposed ? rows : columns, batch = 37;
    const smg_operand data = new_data(batch, depth, false, 0, &other);
    const bool first = random_between(0, 1) == 1;
    gemm.a = first ? weights : data;
    gemm.b = first ? data : weights;
    gemm.m = first ? outer : batch;
    gemm.n = first ? batch : outer;
    gemm.k = depth;
    check_product(kernels, bf16, &gemm, 0);
    smg_free((void *)(uintptr_t)matrix.data);
    smg_free(other.x);
}

static void test_every_type_of_weights(void **unused)
{
    (void)unused;
    uint32_t masks[8];
    const int steps = smg_cpu_steps(masks);
    for (int step = 0; step < steps; step++) {
        smg_kernels kernels;
        smg_kernels_init(&kernels, masks[step]);
        for (uint32_t type = 0; type < SMG_TYPE_COUNT; type++) {
            const smg_type_info *info = smg_type_describe(type);
            if (info == NULL || !info->weights)
                continue;
            const bool whole = smg_type_is_interleaved(type);
            const int32_t block = smg_type_describe(smg_type_plain((smg_type)type))->block_elements;
            const int32_t columns = block > 1 ? 3 * block : 50, rows = whole ? 48 : 45;
            check_type(&kernels, (smg_type)type, rows, columns, false, step % 2 == 0);
            check_type(&kernels, (smg_type)type, rows, columns, true, step % 2 == 0);
        }
    }
}

/* Deep enough for two stretches, both ways. */
static void test_deep_weights(void **unused)
{
    (void)unused;
    uint32_t masks[8];
    smg_kernels kernels;
    smg_kernels_init(&kernels, masks[smg_cpu_steps(masks) - 1]);
    check_type(&kernels, SMG_TYPE_Q4_K, 20, 1024, false, true);
    check_type(&kernels, SMG_TYPE_Q4_K, 800, 256, true, true);
    check_type(&kernels, SMG_TYPE_Q4_1_R16, 16, 800, false, false);
    check_type(&kernels, SMG_TYPE_Q8_0_R16, 784, 64, true, false);
}

/* ---- Lists -------------------------------------------------------------------------------------------------- */

/* q, k and v of one input, and gradients of theirs, and something of another shape between: the bits that each gives alone. */
static void test_lists(void **unused)
{
    (void)unused;
    enum { COUNT = 20, MOST = 90 };
    matrix_data x, y, w[COUNT];
    const smg_operand input = new_data(MOST, 70, false, 2, &x), across = new_data(MOST, 70, true, 2, &y);
    smg_gemm list[COUNT];
    float *out = smg_alloc_array((size_t)COUNT * MOST * MOST, sizeof *out);
    float *alone = smg_alloc_array((size_t)MOST * MOST, sizeof *alone);
    assert_non_null(out);
    assert_non_null(alone);
    for (int i = 0; i < COUNT; i++) {
        smg_gemm *gemm = &list[i];
        const int64_t outer = random_between(1, MOST);
        *gemm = (smg_gemm){.m = MOST, .n = outer, .k = 70, .scale = 1.0F};
        gemm->a = i % 7 == 3 ? across : input;
        gemm->b = new_data(outer, 70, i % 2 == 0, 0, &w[i]);
        if (i >= COUNT / 2)
            *gemm = (smg_gemm){.m = outer, .n = MOST, .k = 70, .scale = 1.0F, .a = gemm->b, .b = gemm->a};
        gemm->out = out + (size_t)i * MOST * MOST;
        gemm->out_stride = MOST;
    }
    uint32_t masks[8];
    const int steps = smg_cpu_steps(masks);
    for (int step = 0; step < steps; step++) {
        smg_kernels kernels;
        smg_kernels_init(&kernels, masks[step]);
        for (int threads = 1; threads <= 3; threads++) {
            memset(out, 0xff, (size_t)COUNT * MOST * MOST * sizeof *out);
            run_with(&kernels, threads, step % 2 == 1, list, COUNT);
            for (int i = 0; i < COUNT; i++) {
                smg_gemm one = list[i];
                one.out = alone;
                smg_gemm_alone(&kernels, space, step % 2 == 1, &one);
                for (int64_t row = 0; row < one.m; row++)
                    assert_memory_equal(list[i].out + row * MOST, alone + row * MOST,
                                        (size_t)one.n * sizeof *alone);
            }
        }
    }
    for (int i = 0; i < COUNT; i++)
        smg_free(w[i].x);
    smg_free(x.x);
    smg_free(y.x);
    smg_free(out);
    smg_free(alone);
}

/* ---- What is not a number, and stopping --------------------------------------------------------------------- */

static void test_what_is_not_finite_goes_where_it_belongs(void **unused)
{
    (void)unused;
    enum { M = 37, N = 41, K = 50 };
    uint32_t masks[8];
    const int steps = smg_cpu_steps(masks);
    matrix_data a, b;
    float out[M * N];
    smg_gemm gemm = {.m = M, .n = N, .k = K, .scale = 1.0F, .out = out, .out_stride = N};
    gemm.a = new_data(M, K, false, 0, &a);
    gemm.b = new_data(N, K, true, 0, &b);
    a.x[35 * K + 49] = NAN;
    b.x[7 * N + 40] = INFINITY;
    for (int step = 0; step < steps; step++) {
        smg_kernels kernels;
        smg_kernels_init(&kernels, masks[step]);
        for (int bf16 = 0; bf16 <= 1; bf16++) {
            smg_gemm_alone(&kernels, space, bf16 != 0, &gemm);
            for (int i = 0; i < M; i++)
                for (int j = 0; j < N; j++) {
                    const float got = out[i * N + j];
                    if (i == 35)
                        assert_true(isnan(got));
                    else if (j == 40)
                        assert_true(isinf(got));
                    else
                        assert_true(isfinite(got));
                }
        }
    }
    smg_free(a.x);
    smg_free(b.x);
}

static void test_stopping(void **unused)
{
    (void)unused;
    smg_kernels kernels;
    smg_kernels_init(&kernels, smg_cpu_mask());
    smg_pool *pool = pools[2];
    assert_int_equal(smg_pool_acquire(pool, NULL), SMIDGE_OK);
    float a[4] = {1, 2, 3, 4}, b[4] = {1, 1, 1, 1}, out[1] = {0};
    const smg_gemm gemm = {.a = {.data = a, .outer_step = 4, .depth_step = 1},
                           .b = {.data = b, .outer_step = 4, .depth_step = 1},
                           .m = 1,
                           .n = 1,
                           .k = 4,
                           .scale = 1.0F,
                           .out = out,
                           .out_stride = 1};
    atomic_int cancel = 1;
    const smg_stop stop = {.deadline = SMG_NEVER, .cancel = &cancel};
    assert_int_equal(smg_gemm_run(&kernels, pool, space, false, &gemm, 1, &stop), SMIDGE_E_CANCELLED);
    assert_true(out[0] == 0.0F);
    atomic_store(&cancel, 0);
    assert_int_equal(smg_gemm_run(&kernels, pool, space, false, &gemm, 1, &stop), SMIDGE_OK);
    assert_true(out[0] == 10.0F);
    smg_pool_release(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_large_sizes),
        cmocka_unit_test(test_rounds),
        cmocka_unit_test(test_every_type_of_weights),
        cmocka_unit_test(test_deep_weights),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_what_is_not_finite_goes_where_it_belongs),
        cmocka_unit_test(test_stopping),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
