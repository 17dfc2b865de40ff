/* Products of training at the shapes of small models: GFLOP/s of each use, in f32 and bf16.
 *
 *     gemm_bench [--threads N] [--tokens M] [--path CPU] [FILTER]
 *
 * A line a shape, type of weights and use: y = x w^T (forward), dx = dy w (back), dw += dy^T x (weights). FILTER: only
 * lines that contain it. Each number is the best of all runs within 0.3 seconds. Without --threads: 1 and all cores. */
#include <stdbool.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "bench_plan.h"
#include "cpu/cpu.h"
#include "quant/quantize.h"
#include "train/gemm.h"

#define TRY_SECONDS 0.3

enum { TRIES = 7, RANDOM_ROWS = 64 };

typedef struct gemm_shape {
    const char *model;
    int32_t n, k;   /* rows and columns of the weights */
    int32_t tokens; /* 0: as asked for */
    smg_type type;
} gemm_shape;

static const gemm_shape shapes[] = {
    {"nano", 256, 256, 0, SMG_TYPE_F32},      {"nano", 768, 256, 0, SMG_TYPE_F32},
    {"nano", 256, 768, 0, SMG_TYPE_F32},      {"nano", 2048, 256, 0, SMG_TYPE_F32},
    {"135m", 576, 576, 0, SMG_TYPE_F32},      {"135m", 192, 576, 0, SMG_TYPE_F32},
    {"135m", 1536, 576, 0, SMG_TYPE_F32},     {"135m", 576, 1536, 0, SMG_TYPE_F32},
    {"135m", 49152, 576, 512, SMG_TYPE_F32},  {"135m", 576, 576, 0, SMG_TYPE_Q4_1},
    {"135m", 1536, 576, 0, SMG_TYPE_Q4_1},    {"135m", 576, 1536, 0, SMG_TYPE_Q4_1},
    {"135m", 49152, 576, 512, SMG_TYPE_Q4_1}, {"1b", 2048, 2048, 0, SMG_TYPE_Q4_K},
    {"lora", 8, 576, 0, SMG_TYPE_F32},        {"lora", 576, 8, 0, SMG_TYPE_F32},
    {"lora", 1536, 8, 0, SMG_TYPE_F32},       {"heads", 128, 64, 128, SMG_TYPE_F32},
};

static const char *const uses[] = {"forward", "back", "weights"};

typedef struct gemm_bench {
    smg_kernels kernels;
    smg_pool *pool;
    void *space;
    bool bf16;
    smg_gemm gemm;
} gemm_bench;

static double run_once(const gemm_bench *bench)
{
    const double began = plan_now();
    if (smg_gemm_run(&bench->kernels, bench->pool, bench->space, bench->bf16, &bench->gemm, 1, NULL) !=
        SMIDGE_OK)
        abort();
    return plan_now() - began;
}

/* Of single runs, each shorter than what other programs on the machine leave alone. */
static double best_gflops(const gemm_bench *bench)
{
    (void)run_once(bench);
    double best = run_once(bench);
    const double until = plan_now() + TRY_SECONDS;
    for (int i = 0; i < TRIES || plan_now() < until; i++) {
        const double took = run_once(bench);
        best = took < best ? took : best;
    }
    const smg_gemm *gemm = &bench->gemm;
    return 2.0 * (double)gemm->m * (double)gemm->n * (double)gemm->k / best / 1e9;
}

static void *need(size_t bytes)
{
    void *block = smg_alloc(bytes);
    if (block == NULL) {
        fprintf(stderr, "gemm_bench: no memory for %zu bytes (take fewer tokens)\n", bytes);
        exit(1);
    }
    return block;
}

static float *new_floats(int64_t count)
{
    float *x = need((size_t)count * sizeof *x);
    uint32_t seed = 1;
    for (int64_t i = 0; i < count; i++) {
        seed = seed * 1664525U + 1013904223U;
        x[i] = (float)(seed >> 8) * 0x1p-23F - 1.0F;
    }
    return x;
}

static smg_matrix new_weights(const smg_kernels *kernels, const gemm_shape *shape)
{
    const size_t stride = (size_t)smg_type_row_bytes(shape->type, (uint64_t)shape->k);
    uint8_t *data = need((size_t)shape->n * stride);
    float *x = new_floats((int64_t)RANDOM_ROWS * shape->k);
    for (int32_t r = 0; r < shape->n; r++) {
        if (r < RANDOM_ROWS)
            smg_quantize_row(kernels, shape->type, x + (int64_t)r * shape->k, NULL, shape->k,
                             data + (size_t)r * stride);
        else
            memcpy(data + (size_t)r * stride, data + (size_t)(r % RANDOM_ROWS) * stride, stride);
    }
    smg_free(x);
    return (smg_matrix){.data = data,
                        .type = shape->type,
                        .rows = shape->n,
                        .columns = shape->k,
                        .stride = stride};
}

static smg_operand rows_of(const float *x, int32_t columns)
{
    return (smg_operand){.data = x, .outer_step = (size_t)columns, .depth_step = 1};
}

static smg_operand columns_of(const float *x, int32_t columns)
{
    return (smg_operand){.data = x, .outer_step = 1, .depth_step = (size_t)columns};
}

static smg_gemm product(int use, const gemm_shape *shape, int32_t tokens, const float *x, const float *dy,
                        const smg_matrix *weights)
{
    smg_gemm gemm = {.scale = 1.0F};
    if (use == 0) {
        gemm.a = rows_of(x, shape->k);
        gemm.b = (smg_operand){.matrix = weights};
        gemm.m = tokens, gemm.n = shape->n, gemm.k = shape->k;
    } else if (use == 1) {
        gemm.a = rows_of(dy, shape->n);
        gemm.b = (smg_operand){.matrix = weights, .transposed = true};
        gemm.m = tokens, gemm.n = shape->k, gemm.k = shape->n;
    } else {
        gemm.a = columns_of(dy, shape->n);
        gemm.b = columns_of(x, shape->k);
        gemm.m = shape->n, gemm.n = shape->k, gemm.k = tokens;
        gemm.accumulate = true;
    }
    gemm.out_stride = (size_t)gemm.n;
    return gemm;
}

static void bench_shape(gemm_bench *bench, const gemm_shape *shape, int32_t asked, int threads,
                        const char *filter)
{
    const int32_t tokens = shape->tokens != 0 ? shape->tokens : asked;
    const smg_matrix weights = new_weights(&bench->kernels, shape);
    float *x = new_floats((int64_t)tokens * shape->k), *dy = new_floats((int64_t)tokens * shape->n);
    for (int use = 0; use < (shape->type == SMG_TYPE_F32 ? 3 : 2); use++) {
        char line[128];
        snprintf(line, sizeof line, "%-6s %5d x %5d, %4d tokens, %-4s %-8s %d", shape->model, shape->n,
                 shape->k, tokens, smg_type_describe(shape->type)->name, uses[use], threads);
        if (strstr(line, filter) == NULL)
            continue;
        bench->gemm = product(use, shape, tokens, x, dy, &weights);
        bench->gemm.out = need((size_t)(bench->gemm.m * bench->gemm.n) * sizeof(float));
        printf("%s", line);
        for (int bf16 = 0; bf16 < 2; bf16++) {
            bench->bf16 = bf16 != 0;
            printf("  %8.1f", best_gflops(bench));
        }
        printf("\n");
        fflush(stdout);
        smg_free(bench->gemm.out);
    }
    smg_free((void *)(uintptr_t)weights.data);
    smg_free(x);
    smg_free(dy);
}

static void bench_threads(gemm_bench *bench, int threads, int32_t tokens, const char *filter)
{
    if (smg_pool_new(threads, &bench->pool, NULL) != SMIDGE_OK ||
        smg_pool_acquire(bench->pool, NULL) != SMIDGE_OK) {
        fprintf(stderr, "gemm_bench: could not start %d threads\n", threads);
        exit(1);
    }
    bench->space = need((size_t)threads * smg_gemm_space(&bench->kernels, true));
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        bench_shape(bench, &shapes[i], tokens, threads, filter);
    smg_free(bench->space);
    smg_pool_release(bench->pool);
    smg_pool_free(bench->pool);
}

int main(int argc, char **argv)
{
    int threads = 0;
    int32_t tokens = 2048;
    uint32_t mask = smg_cpu_mask();
    const char *filter = "";
    for (int i = 1; i < argc; i++) {
        const bool more = i + 1 < argc;
        if (more && strcmp(argv[i], "--threads") == 0) {
            threads = atoi(argv[++i]);
        } else if (more && strcmp(argv[i], "--tokens") == 0) {
            tokens = atoi(argv[++i]);
        } else if (more && strcmp(argv[i], "--path") == 0) {
            if (!smg_cpu_path_parse(argv[++i], &mask)) {
                fprintf(stderr, "gemm_bench: this processor has no path %s\n", argv[i]);
                return 2;
            }
        } else {
            filter = argv[i];
        }
    }
    if (tokens < 1 || threads < 0 || threads > SMG_THREADS_MAX) {
        fprintf(stderr, "usage: gemm_bench [--threads N] [--tokens M] [--path CPU] [FILTER]\n");
        return 2;
    }
    gemm_bench bench = {0};
    smg_kernels_init(&bench.kernels, mask);
    printf("path %s; GFLOP/s in f32 and in %s\n", smg_cpu_path_name(mask),
           smg_gemm_has_bf16(&bench.kernels) ? "bf16" : "f32 again: it has no bf16");
    const int cores = smg_thread_cores();
    for (int t = threads > 0 ? threads : 1;; t = cores) {
        bench_threads(&bench, t, tokens, filter);
        if (threads > 0 || t >= cores)
            return 0;
    }
}
