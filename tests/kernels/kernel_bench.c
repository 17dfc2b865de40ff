/* Times kernels on one thread: products with one token over weights that no cache holds (GB/s of weights,
 * beside plain reading) and with 64 tokens (GMAC/s), the rest by the elements they pass. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cpu/cpu.h"
#include "format/interleave.h"
#include "kernel_check.h"

enum { RUNS = 7, K = 2048, BENCH_TOKENS = 64, BENCH_ROWS = 2048, HEAD = 128, KEYS = 2048, QUERIES = 4 };
enum { GEMM_SIDE = 128, GEMM_DEPTH = 512 };

static const size_t BIG = (size_t)256 << 20;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

typedef struct timing {
    double seconds; /* median of one call */
    double spread;  /* (largest - smallest) / median */
} timing;

typedef void (*work_fn)(const void *job);

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The median of several runs, each long enough for the clock. */
static timing measure(work_fn work, const void *job)
{
    double seconds[RUNS];
    double start = now();
    work(job);
    double once = now() - start;
    int repeats = once < 0.02 ? (int)(0.02 / (once + 1e-8)) + 1 : 1;
    int runs = once > 0.5 ? 3 : RUNS;
    for (int i = 0; i < runs; i++) {
        start = now();
        for (int r = 0; r < repeats; r++)
            work(job);
        seconds[i] = (now() - start) / repeats;
    }
    qsort(seconds, (size_t)runs, sizeof *seconds, compare_doubles);
    timing t = {seconds[runs / 2], (seconds[runs - 1] - seconds[0]) / seconds[runs / 2]};
    return t;
}

static void *need(size_t size)
{
    void *block = malloc(size);
    if (!block) {
        printf("not enough memory for the bench (%zu MiB)\n", size >> 20);
        exit(1);
    }
    return block;
}

/* ---- Products ---- */

typedef struct matmul_job {
    smg_matmul_fn matmul;
    int64_t rows, tokens;
    const uint8_t *w, *x;
    size_t w_stride, x_stride;
    float *out;
} matmul_job;

static void work_matmul(const void *job)
{
    const matmul_job *m = job;
    m->matmul(K, m->rows, m->w, m->w_stride, m->tokens, m->x, m->x_stride, m->out, (size_t)m->rows);
}

/* `rows` rows, of which the first 64 are random and the others copies. */
static uint8_t *make_rows(smg_type type, size_t stride, int64_t rows)
{
    enum { RANDOM_ROWS = 64 };
    const smg_type plain = smg_type_plain(type);
    uint64_t random = 1;
    uint8_t *w = need((size_t)rows * stride);
    for (int64_t r = 0; r < RANDOM_ROWS; r++)
        fill_weights(&random, plain, DATA_RANDOM, w + (size_t)r * stride, K);
    if (plain != type) {
        uint8_t *plain_rows = need(RANDOM_ROWS * stride);
        memcpy(plain_rows, w, RANDOM_ROWS * stride);
        for (int64_t r = 0; r < RANDOM_ROWS; r += SMG_GROUP_ROWS)
            smg_group_interleave(plain, K, plain_rows + (size_t)r * stride, w + (size_t)r * stride);
        free(plain_rows);
    }
    for (int64_t r = RANDOM_ROWS; r < rows; r++)
        memcpy(w + (size_t)r * stride, w + (size_t)(r % RANDOM_ROWS) * stride, stride);
    return w;
}

static uint8_t *make_acts(const smg_kernels *reference, smg_act act, size_t stride)
{
    uint64_t random = 2;
    uint8_t *x = need(BENCH_TOKENS * stride);
    for (int t = 0; t < BENCH_TOKENS; t++) {
        float floats[K];
        fill_floats(&random, DATA_RANDOM, floats, K);
        if (act == SMG_ACT_F32)
            memcpy(x + (size_t)t * stride, floats, sizeof floats);
        else
            reference->quantize[act](floats, x + (size_t)t * stride, K);
    }
    return x;
}

static void bench_matmul(const kernel_entry *entry, const smg_kernels *reference, const char *name)
{
    const smg_type type = (smg_type)((entry->slot - offsetof(smg_kernels, matmul)) / sizeof(smg_matmul_fn));
    matmul_job job = {.matmul = (smg_matmul_fn)entry->function};
    job.w_stride = smg_type_row_bytes(type, K);
    job.x_stride = smg_act_row_bytes(smg_act_for(type), K);
    const int64_t big_rows = (int64_t)(BIG / job.w_stride) / SMG_GROUP_ROWS * SMG_GROUP_ROWS;
    uint8_t *w = make_rows(type, job.w_stride, big_rows > BENCH_ROWS ? big_rows : BENCH_ROWS);
    uint8_t *x = make_acts(reference, smg_act_for(type), job.x_stride);
    job.w = w;
    job.x = x;
    job.out = need((size_t)(big_rows > BENCH_ROWS * BENCH_TOKENS ? big_rows : BENCH_ROWS * BENCH_TOKENS) *
                   sizeof(float));
    const bool slow = entry->path == SMG_CPU_REF;
    job.tokens = 1;
    job.rows = slow ? big_rows / 16 / SMG_GROUP_ROWS * SMG_GROUP_ROWS : big_rows;
    timing one = measure(work_matmul, &job);
    double bytes = (double)job.rows * (double)job.w_stride;
    job.tokens = BENCH_TOKENS;
    job.rows = slow ? BENCH_ROWS / 16 : BENCH_ROWS;
    timing many = measure(work_matmul, &job);
    double macs = (double)job.rows * K * BENCH_TOKENS;
    job.matmul = reference->matmul[type];
    job.rows = BENCH_ROWS / 16;
    timing plain = measure(work_matmul, &job);
    double speed_up = (macs / many.seconds) / ((double)job.rows * K * BENCH_TOKENS / plain.seconds);
    printf("%-36s %8.2f GB/s +-%4.1f%%  %8.2f GMAC/s +-%4.1f%%  %6.1fx\n", name, bytes / one.seconds * 1e-9,
           one.spread * 50, macs / many.seconds * 1e-9, many.spread * 50, speed_up);
    free(w);
    free(x);
    free(job.out);
}

/* ---- Everything else ---- */

typedef struct vector_job {
    const kernel_entry *entry;
    smg_kernels table; /* with the kernel in its slot */
    float *a, *b, *out;
    uint8_t *cells;
    int kv;
} vector_job;

static void work_quantize(const void *job)
{
    const vector_job *v = job;
    v->table.quantize[v->kv](v->a, v->cells, K);
}

static void work_store(const void *job)
{
    const vector_job *v = job;
    v->table.kv_store[v->kv](v->a, v->cells, K);
}

static smg_cells work_cells(const vector_job *v)
{
    return (
        smg_cells){.rows = v->cells, .stride = smg_kv_bytes((smg_kv)v->kv, HEAD), .count = KEYS, .n = HEAD};
}

static void work_scores(const void *job)
{
    const vector_job *v = job;
    const smg_cells keys = work_cells(v);
    v->table.attention_scores[v->kv](v->a, HEAD, QUERIES, &keys, 0.1F, v->out, KEYS);
}

static void work_mix(const void *job)
{
    const vector_job *v = job;
    const smg_cells values = work_cells(v);
    v->table.attention_mix[v->kv](v->a, KEYS, QUERIES, &values, v->out, HEAD);
}

static void work_round(const void *job)
{
    const vector_job *v = job;
    v->table.round_f16(v->a, K);
}

static void work_norm(const void *job)
{
    const vector_job *v = job;
    v->table.rms_norm(v->a, v->b, 1e-5F, K, v->out);
}

static void work_add(const void *job)
{
    const vector_job *v = job;
    v->table.add(v->a, v->b, K);
}

static void work_cap(const void *job)
{
    const vector_job *v = job;
    v->table.soft_cap(v->a, K, 30.0F);
}

static void work_softmax(const void *job)
{
    const vector_job *v = job;
    memcpy(v->out, v->a, K * sizeof(float));
    v->table.softmax(v->out, K);
}

static void work_silu(const void *job)
{
    const vector_job *v = job;
    v->table.silu_mul(v->a, v->b, K, v->out);
}

static void work_gelu(const void *job)
{
    const vector_job *v = job;
    v->table.gelu_mul(v->a, v->b, K, v->out);
}

static void work_norm_back(const void *job)
{
    const vector_job *v = job;
    v->table.rms_norm_back(v->a, v->b, v->a, 1e-5F, K, v->out);
}

static void work_add_product(const void *job)
{
    const vector_job *v = job;
    v->table.add_product(v->out, v->a, v->b, 0.5F, K);
}

static void work_silu_back(const void *job)
{
    const vector_job *v = job;
    v->table.silu_mul_back(v->a, v->b, v->a, K, v->out, v->out + K);
}

static void work_gelu_back(const void *job)
{
    const vector_job *v = job;
    v->table.gelu_mul_back(v->a, v->b, v->a, K, v->out, v->out + K);
}

static void work_dequantize(const void *job)
{
    const vector_job *v = job;
    const smg_type type = (smg_type)v->kv;
    v->table.dequantize[type](v->cells, K, v->out);
}

static void *gemm_panels(const vector_job *v, bool of_b)
{
    uint8_t *aligned = v->cells + (64 - (uintptr_t)v->cells % 64);
    return aligned + (of_b ? sizeof(float) * GEMM_SIDE * GEMM_DEPTH : 0);
}

static void work_pack_a(const void *job)
{
    const vector_job *v = job;
    v->table.gemm_pack_a[v->kv](v->a, GEMM_DEPTH, 1, SMG_PANEL, GEMM_DEPTH, gemm_panels(v, false));
}

static void work_pack_b(const void *job)
{
    const vector_job *v = job;
    v->table.gemm_pack_b[v->kv](v->a, GEMM_DEPTH, 1, SMG_PANEL, GEMM_DEPTH, gemm_panels(v, true));
}

/* What the panels hold does not matter to its speed, nor whose form it is: zeros. */
static void work_gemm(const void *job)
{
    const vector_job *v = job;
    v->table.gemm[v->kv](GEMM_DEPTH, GEMM_SIDE, GEMM_SIDE, gemm_panels(v, false), gemm_panels(v, true), 1.0F,
                         true, v->out, GEMM_SIDE);
}

static const struct {
    size_t slot, size;
    work_fn work;
    double elements;
} works[] = {
#define WORK(field, work, elements)                                                                          \
    {                                                                                                        \
        offsetof(smg_kernels, field), sizeof((smg_kernels *)0)->field, work, elements                        \
    }
    WORK(quantize, work_quantize, K),
    WORK(kv_store, work_store, K),
    WORK(attention_scores, work_scores, (double)KEYS *HEAD *QUERIES),
    WORK(attention_mix, work_mix, (double)KEYS *HEAD *QUERIES),
    WORK(round_f16, work_round, K),
    WORK(rms_norm, work_norm, K),
    WORK(add, work_add, K),
    WORK(soft_cap, work_cap, K),
    WORK(softmax, work_softmax, K),
    WORK(silu_mul, work_silu, K),
    WORK(gelu_mul, work_gelu, K),
    WORK(rms_norm_back, work_norm_back, K),
    WORK(add_product, work_add_product, K),
    WORK(silu_mul_back, work_silu_back, K),
    WORK(gelu_mul_back, work_gelu_back, K),
    WORK(dequantize, work_dequantize, K),
    WORK(gemm_pack_a, work_pack_a, (double)SMG_PANEL *GEMM_DEPTH),
    WORK(gemm_pack_b, work_pack_b, (double)SMG_PANEL *GEMM_DEPTH),
    WORK(gemm, work_gemm, (double)GEMM_SIDE *GEMM_SIDE *GEMM_DEPTH),
};

static void bench_vector(const kernel_entry *entry, const smg_kernels *reference, const char *name)
{
    uint64_t random = 3;
    const int64_t floats = (int64_t)KEYS * HEAD;
    vector_job job = {.entry = entry, .table = *reference};
    job.a = need((size_t)floats * sizeof(float));
    job.b = need((size_t)floats * sizeof(float));
    job.out = need((size_t)floats * sizeof(float));
    job.cells = need((size_t)floats * sizeof(float));
    memset(job.cells, 0, (size_t)floats * sizeof(float));
    fill_floats(&random, DATA_RANDOM, job.a, floats);
    fill_floats(&random, DATA_RANDOM, job.b, floats);
    memset(job.out, 0, (size_t)floats * sizeof(float));
    for (size_t i = 0; i < sizeof works / sizeof *works; i++) {
        if (entry->slot < works[i].slot || entry->slot >= works[i].slot + works[i].size)
            continue;
        job.kv = (int)((entry->slot - works[i].slot) / sizeof(void (*)(void)));
        if (works[i].work == work_scores || works[i].work == work_mix)
            reference->kv_store[job.kv](job.b, job.cells, floats);
        timing plain = measure(works[i].work, &job);
        memcpy((char *)&job.table + entry->slot, &entry->function, sizeof entry->function);
        timing t = measure(works[i].work, &job);
        printf("%-36s %8.2f G elements/s +-%4.1f%% %30.1fx\n", name, works[i].elements / t.seconds * 1e-9,
               t.spread * 50, plain.seconds / t.seconds);
    }
    free(job.a);
    free(job.b);
    free(job.out);
    free(job.cells);
}

/* ---- Plain reading, what the first column is to be held against ---- */

typedef uint64_t words __attribute__((vector_size(64), aligned(64), may_alias));

static void work_read(const void *job)
{
    /* four streams side by side: one alone does not fill the memory's queue */
    const words *p = *(const words *const *)job;
    const size_t part = BIG / sizeof *p / 4;
    words sum[4] = {{0}};
    for (size_t i = 0; i < part; i++)
        for (size_t s = 0; s < 4; s++)
            sum[s] ^= p[s * part + i];
    volatile uint64_t sink = (sum[0] ^ sum[1] ^ sum[2] ^ sum[3])[0];
    (void)sink;
}

static void bench_reading(void)
{
    void *block = aligned_alloc(64, BIG);
    if (!block)
        return;
    memset(block, 1, BIG);
    timing t = measure(work_read, &block);
    printf("%-36s %8.2f GB/s +-%4.1f%%\n", "plain reading", (double)BIG / t.seconds * 1e-9, t.spread * 50);
    free(block);
}

int kernel_bench(const char *filter)
{
    smg_kernels reference;
    smg_kernels_init(&reference, 0);
    printf(
        "one thread, k %d: 1 token over %zu MiB of weights, %d tokens by %d rows, and times the reference\n",
        K, BIG >> 20, BENCH_TOKENS, BENCH_ROWS);
    bench_reading();
    const uint32_t all = smg_cpu_mask();
    for (size_t i = 0; i < kernel_entry_count; i++) {
        const kernel_entry *entry = &kernel_entries[i];
        if ((entry->path != SMG_CPU_REF && !(all & entry->path)) || !strstr(entry->name, filter))
            continue;
        const char *name = entry->name + strlen("smg_");
        if (entry->slot < offsetof(smg_kernels, matmul) + sizeof reference.matmul)
            bench_matmul(entry, &reference, name);
        else
            bench_vector(entry, &reference, name);
        fflush(stdout);
    }
    return 0;
}
