/* Measures llama.cpp as engine_bench measures ours: the same tests, tokens and lines.
 *
 *     peer_bench --libs DIR best                                       the variant that llama.cpp would choose here
 *     peer_bench --libs DIR --variant NAME MODEL THREADS IDS TEST...   tests: speed deep warm batch memory cold
 *
 * IDS is what `engine_bench MODEL prompts` wrote. A thread pool is attached as llama-bench does; flash attention is auto,
 * KV f16, n_batch 2048, n_ubatch 512.
 */
#define _GNU_SOURCE
#include <stdlib.h>

#include "../bench_plan.h"
#include "peer_library.h"

enum {
    MOST_SEQUENCES = PLAN_READINGS + 1,
    LEAST_STREAM = 256 /* cells of a sequence: llama.cpp takes no fewer */
};

struct prompts {
    int32_t prefix[PLAN_PREFIX];
    int32_t readings[PLAN_READINGS][PLAN_FRESH];
    int32_t cold[PLAN_COLD];
};

struct bench {
    struct peer_library library;
    struct llama_model *model;
    struct llama_context *context;
    void *pool;
    struct peer_batch batch;
    int threads, vocabulary;
    struct prompts prompts;
};

/* ---- Contexts ------------------------------------------------------------------------------------------- */

/* Several sequences have cells of their own each (llama.cpp's default), which it is faster with than with shared ones. */
static void open_context(struct bench *bench, int tokens, int sequences)
{
    const struct peer_api *api = &bench->library.api;
    struct peer_context_params params = api->llama_context_default_params();
    params.n_ctx = (uint32_t)(tokens * sequences);
    params.n_seq_max = (uint32_t)sequences;
    params.n_threads = params.n_threads_batch = bench->threads;
    bench->context = api->llama_init_from_model(bench->model, params);
    if (!bench->context)
        peer_die("context", "llama.cpp makes none (--verbose says why)");
    struct peer_threadpool_params pool = api->ggml_threadpool_params_default(bench->threads);
    bench->pool = api->ggml_threadpool_new(&pool);
    if (!bench->pool)
        peer_die("thread pool", "llama.cpp makes none");
    api->llama_attach_threadpool(bench->context, bench->pool, NULL);
}

static void close_context(struct bench *bench)
{
    bench->library.api.llama_free(bench->context);
    bench->library.api.ggml_threadpool_free(bench->pool);
}

static void *memory_of(const struct bench *bench)
{
    return bench->library.api.llama_get_memory(bench->context);
}

/* ---- Passes --------------------------------------------------------------------------------------------- */

static void run_batch(struct bench *bench)
{
    if (bench->library.api.llama_decode(bench->context, bench->batch) != 0)
        peer_die("llama_decode", "failed (--verbose says why)");
    bench->library.api.llama_synchronize(bench->context);
    bench->batch.n_tokens = 0;
}

/* Tokens of sequence 0 from position `first` on, as one batch; logits of the last where wanted. */
static void prefill(struct bench *bench, const int32_t *ids, int first, int count, bool wanted)
{
    for (int i = 0; i < count; i++)
        peer_batch_add(&bench->batch, ids[i], first + i, 0, wanted && i == count - 1);
    run_batch(bench);
}

static void decode(struct bench *bench, const int32_t *ids, int first, int count)
{
    for (int i = 0; i < count; i++)
        prefill(bench, ids + i, first + i, 1, true);
}

/* The likeliest token by the logits of the batch's token `at`. */
static int32_t choose(const struct bench *bench, int at)
{
    const float *logits = bench->library.api.llama_get_logits_ith(bench->context, at);
    int32_t best = 0;
    if (!logits)
        peer_die("llama_get_logits_ith", "no logits at this position");
    for (int32_t i = 1; i < bench->vocabulary; i++)
        best = logits[i] > logits[best] ? i : best;
    return best;
}

static void forget(struct bench *bench)
{
    bench->library.api.llama_memory_clear(memory_of(bench), false);
}

/* ---- Tests ---------------------------------------------------------------------------------------------- */

static void time_prefill(struct bench *bench, const char *name, const int32_t *ids, int count)
{
    forget(bench);
    double started = plan_now();
    prefill(bench, ids, 0, count, true);
    plan_sample(name, bench->threads, count / (plan_now() - started), "t/s");
}

static void test_speed(struct bench *bench)
{
    static int32_t ids[PLAN_LONG];
    open_context(bench, PLAN_LONG + PLAN_SPARE, 1);
    plan_tokens(ids, PLAN_LONG, 1, bench->vocabulary);
    prefill(bench, ids, 0, PLAN_SHORT, true); /* brings the weights into memory */
    decode(bench, ids, PLAN_SHORT, 1);
    for (int i = 0; i < PLAN_REPEATS; i++) {
        time_prefill(bench, "pp64", ids, PLAN_SHORT);
        forget(bench);
        double started = plan_now();
        double cpu = plan_cpu_time();
        decode(bench, ids, 0, PLAN_DECODE);
        cpu = plan_cpu_time() - cpu;
        plan_sample("tg32", bench->threads, PLAN_DECODE / (plan_now() - started), "t/s");
        plan_sample("cpu", bench->threads, cpu / PLAN_DECODE * 1e3, "ms");
    }
    time_prefill(bench, "pp512", ids, PLAN_LONG);
    close_context(bench);
}

static void test_deep(struct bench *bench)
{
    static int32_t ids[PLAN_DEEP + PLAN_DECODE];
    open_context(bench, PLAN_DEEP + PLAN_SPARE, 1);
    plan_tokens(ids, PLAN_DEEP + PLAN_DECODE, 2, bench->vocabulary);
    prefill(bench, ids, 0, PLAN_DEEP, true);
    for (int i = 0; i < PLAN_REPEATS; i++) {
        bench->library.api.llama_memory_seq_rm(memory_of(bench), 0, PLAN_DEEP, -1);
        double started = plan_now();
        decode(bench, ids + PLAN_DEEP, PLAN_DEEP, PLAN_DECODE);
        plan_sample("tg32@2048", bench->threads, PLAN_DECODE / (plan_now() - started), "t/s");
    }
    close_context(bench);
}

/* The prefix stays; what the reading before had is removed. `warm-first` ends with the first token's choice, `warm` with
 * that token's own pass, which a label of two tokens needs. */
static void test_warm(struct bench *bench)
{
    open_context(bench, PLAN_PREFIX + PLAN_FRESH + PLAN_SPARE, 1);
    prefill(bench, bench->prompts.prefix, 0, PLAN_PREFIX, true);
    for (int i = 0; i <= PLAN_WARM_REPEATS; i++) {
        double started = plan_now();
        bench->library.api.llama_memory_seq_rm(memory_of(bench), 0, PLAN_PREFIX, -1);
        prefill(bench, bench->prompts.readings[i], PLAN_PREFIX, PLAN_FRESH, true);
        int32_t token = choose(bench, -1);
        double first = plan_now();
        decode(bench, &token, PLAN_PREFIX + PLAN_FRESH, 1);
        (void)choose(bench, -1);
        double second = plan_now();
        if (i == 0)
            continue;
        plan_sample("warm-first", bench->threads, (first - started) * 1e3, "ms");
        plan_sample("warm", bench->threads, (second - started) * 1e3, "ms");
    }
    close_context(bench);
}

/* Once, from nothing: the prefix, its copies, all readings as one batch, then one token of each. */
static void classify_all(struct bench *bench, double *ret_first, double *ret_second)
{
    int32_t tokens[PLAN_READINGS];
    forget(bench);
    double started = plan_now();
    prefill(bench, bench->prompts.prefix, 0, PLAN_PREFIX, false);
    for (int i = 1; i <= PLAN_READINGS; i++)
        bench->library.api.llama_memory_seq_cp(memory_of(bench), 0, i, -1, -1);
    for (int i = 0; i < PLAN_READINGS; i++)
        for (int k = 0; k < PLAN_FRESH; k++)
            peer_batch_add(&bench->batch, bench->prompts.readings[i][k], PLAN_PREFIX + k, i + 1,
                           k == PLAN_FRESH - 1);
    run_batch(bench);
    for (int i = 0; i < PLAN_READINGS; i++)
        tokens[i] = choose(bench, i * PLAN_FRESH + PLAN_FRESH - 1);
    *ret_first = plan_now() - started;
    for (int i = 0; i < PLAN_READINGS; i++)
        peer_batch_add(&bench->batch, tokens[i], PLAN_PREFIX + PLAN_FRESH, i + 1, true);
    run_batch(bench);
    for (int i = 0; i < PLAN_READINGS; i++)
        (void)choose(bench, i);
    *ret_second = plan_now() - started;
}

static void test_batch(struct bench *bench)
{
    double first;
    double second;
    open_context(bench, LEAST_STREAM, MOST_SEQUENCES);
    prefill(bench, bench->prompts.prefix, 0, PLAN_PREFIX, true);
    classify_all(bench, &first, &second);
    plan_sample("batch-first", bench->threads, PLAN_READINGS / first, "labels/s");
    plan_sample("batch", bench->threads, PLAN_READINGS / second, "labels/s");
    close_context(bench);
}

static void test_memory(struct bench *bench)
{
    static int32_t ids[PLAN_LONG + PLAN_DECODE];
    open_context(bench, PLAN_MEMORY_CONTEXT, 1);
    plan_tokens(ids, PLAN_LONG + PLAN_DECODE, 3, bench->vocabulary);
    prefill(bench, ids, 0, PLAN_LONG, true);
    decode(bench, ids + PLAN_LONG, PLAN_LONG, PLAN_DECODE);
    plan_sample("memory", bench->threads, plan_peak_mib(), "MiB");
    close_context(bench);
}

/* What a program does that is started for one reading; it is timed from outside. */
static void test_cold(struct bench *bench)
{
    open_context(bench, 256, 1);
    prefill(bench, bench->prompts.cold, 0, PLAN_COLD, true);
    int32_t token = choose(bench, -1);
    decode(bench, &token, PLAN_COLD, 1);
    (void)choose(bench, -1);
    close_context(bench);
}

/* ---- The program ---------------------------------------------------------------------------------------- */

static void read_ids(const char *path, struct prompts *ret)
{
    FILE *file = fopen(path, "r");
    int32_t *all = (int32_t *)ret;
    size_t count = sizeof *ret / sizeof *all;
    for (size_t i = 0; i < count; i++)
        if (!file || fscanf(file, "%d", &all[i]) != 1)
            peer_die(path, "is not what engine_bench wrote");
    fclose(file);
}

static const struct {
    const char *name;
    void (*run)(struct bench *bench);
} tests[] = {{"speed", test_speed}, {"deep", test_deep},     {"warm", test_warm},
             {"batch", test_batch}, {"memory", test_memory}, {"cold", test_cold}};

static void run_test(struct bench *bench, const char *name)
{
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        if (strcmp(tests[i].name, name) == 0) {
            tests[i].run(bench);
            return;
        }
    peer_die(name, "there is no such test");
}

static int usage(void)
{
    fputs("usage: peer_bench --libs DIR best\n"
          "       peer_bench --libs DIR --variant NAME [--verbose] MODEL THREADS IDS TEST...\n",
          stderr);
    return 2;
}

int main(int argc, char **argv)
{
    static struct bench bench;
    const char *libs = NULL;
    const char *variant = NULL;
    bool verbose = false;
    int at = 1;
    for (; at + 1 < argc && argv[at][0] == '-'; at++) {
        if (strcmp(argv[at], "--libs") == 0)
            libs = argv[++at];
        else if (strcmp(argv[at], "--variant") == 0)
            variant = argv[++at];
        else if (strcmp(argv[at], "--verbose") == 0)
            verbose = true;
        else
            return usage();
    }
    if (libs && at + 1 == argc && strcmp(argv[at], "best") == 0) {
        char name[64];
        peer_library_best(libs, name, sizeof name);
        puts(name);
        return 0;
    }
    if (!libs || !variant || argc - at < 4)
        return usage();
    bench.threads = atoi(argv[at + 1]);
    read_ids(argv[at + 2], &bench.prompts);
    peer_library_open(&bench.library, libs, variant, verbose);
    const struct peer_api *api = &bench.library.api;
    bench.model = peer_model_load(&bench.library, argv[at]);
    bench.vocabulary = api->llama_vocab_n_tokens(api->llama_model_get_vocab(bench.model));
    bench.batch = api->llama_batch_init(PLAN_DEEP, 0, 1);
    bench.batch.n_tokens = 0;
    for (int i = at + 3; i < argc; i++)
        run_test(&bench, argv[i]);
    api->llama_batch_free(bench.batch);
    api->llama_model_free(bench.model);
    return 0;
}
