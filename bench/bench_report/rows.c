#include "rows.h"

#include <string.h>

#include "../bench_plan.h"

const char *const engine_titles[ENGINES] = {"smidge", "llama.cpp", "ik_llama.cpp"};

typedef enum limit { LIMIT_NONE, LIMIT_DOT, LIMIT_READ, LIMIT_READ_DEEP, LIMIT_MEMORY } limit;

typedef struct test {
    const char *name;
    const char *title;
    const char *unit;
    bool higher_is_better;
    bool best; /* a row for the better number of threads, too */
    limit limit;
} test;

static const test tests[] = {
    {"pp64", "prefill 64", "t/s", true, false, LIMIT_DOT},
    {"pp512", "prefill 512", "t/s", true, false, LIMIT_DOT},
    {"tg32", "decode 32", "t/s", true, true, LIMIT_READ},
    {"tg32@2048", "decode 32 at 2048", "t/s", true, false, LIMIT_READ_DEEP},
    {"cpu", "processor time a token", "ms", false, false, LIMIT_NONE},
    {"warm", "label, warm prefix", "ms", false, true, LIMIT_NONE},
    {"warm-first", "the same, peer's first token", "ms", false, false, LIMIT_NONE},
    {"batch", "64 labels, one prefix", "labels/s", true, false, LIMIT_NONE},
    {"batch-first", "the same, peer's first token", "labels/s", true, false, LIMIT_NONE},
    {"cold", "cold start to label", "ms", false, false, LIMIT_NONE},
    {"cold-memory", "its peak memory", "MiB", false, false, LIMIT_NONE},
    {"memory", "peak memory, context 1024", "MiB", false, false, LIMIT_MEMORY},
};

static double fact(const samples *from, const char *name)
{
    return samples_summary(from, "smidge", name, 0).median;
}

/* The best of all rounds, since it is what the machine can do at most; other programs only make it less. */
static double machine(const samples *from, const char *name, int threads)
{
    return samples_summary(from, "machine", name, threads).largest;
}

/* In the unit of the test; 0 where a part of it is not known. */
static double compute_limit(const samples *from, limit kind, int threads)
{
    double weights = fact(from, "weight-bytes");
    double kv = fact(from, "kv-token-bytes");
    double products = fact(from, "token-products");
    double read = machine(from, "read-weights", threads) * 1e9;
    switch (kind) {
    case LIMIT_DOT:
        return products > 0.0 ? machine(from, "dot", threads) * 1e9 / (2.0 * products) : 0.0;
    case LIMIT_READ:
        return weights > 0.0 ? read / (weights + kv * PLAN_DECODE / 2) : 0.0;
    case LIMIT_READ_DEEP:
        return weights > 0.0 ? read / (weights + kv * (PLAN_DEEP + PLAN_DECODE / 2)) : 0.0;
    case LIMIT_MEMORY:
        return (fact(from, "file-bytes") + kv * PLAN_MEMORY_CONTEXT) / 1048576.0;
    case LIMIT_NONE:
        break;
    }
    return 0.0;
}

static bool better(const summary *one, const summary *than, bool higher)
{
    if (one->count == 0 || than->count == 0)
        return one->count > 0;
    return (one->median > than->median) == higher;
}

static void keep_better(summary *value, summary other, bool higher)
{
    if (better(&other, value, higher))
        *value = other;
}

static row make_row(const samples *from, const test *of, int threads)
{
    row one = {.title = of->title,
               .unit = of->unit,
               .threads = threads,
               .higher_is_better = of->higher_is_better};
    one.values[ENGINE_OURS] = samples_summary(from, "smidge", of->name, threads);
    one.values[ENGINE_LLAMA] = samples_summary(from, "llama.cpp", of->name, threads);
    one.values[ENGINE_IK] = samples_summary(from, "ik", of->name, threads);
    keep_better(&one.values[ENGINE_IK], samples_summary(from, "ik-rtr", of->name, threads),
                of->higher_is_better);
    one.limit = compute_limit(from, of->limit, threads);
    return one;
}

static void add_row(rows *list, const row *one)
{
    if (list->count == MOST_ROWS || one->values[ENGINE_OURS].count == 0)
        return;
    for (int i = 0; i < ENGINES; i++)
        list->engines[i] = list->engines[i] || one->values[i].count > 0;
    list->all[list->count++] = *one;
}

void rows_collect(const samples *from, rows *ret)
{
    *ret = (rows){0};
    for (size_t t = 0; t < sizeof tests / sizeof *tests; t++) {
        row best = {.title = tests[t].title,
                    .unit = tests[t].unit,
                    .threads = ROW_BEST,
                    .higher_is_better = tests[t].higher_is_better};
        int counts = 0;
        for (int threads = 0; (threads = samples_next_threads(from, threads)) > 0; counts++) {
            row one = make_row(from, &tests[t], threads);
            for (int i = 0; i < ENGINES; i++)
                keep_better(&best.values[i], one.values[i], one.higher_is_better);
            add_row(ret, &one);
        }
        if (tests[t].best && counts > 1)
            add_row(ret, &best);
    }
}

double row_ratio(const row *one, engine other)
{
    const summary *ours = &one->values[ENGINE_OURS];
    const summary *theirs = &one->values[other];
    if (ours->count == 0 || theirs->count == 0)
        return 0.0;
    return one->higher_is_better ? ours->median / theirs->median : theirs->median / ours->median;
}

double row_share(const row *one, engine of)
{
    return one->limit > 0.0 ? one->values[of].median / one->limit : 0.0;
}
