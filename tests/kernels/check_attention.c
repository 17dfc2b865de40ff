/* Scores: near the reference, and each key's the same whatever keys are beside it. Mixes: equal to the
 * reference bit for bit, in one call or in two. */
#include <math.h>
#include <string.h>

#include "kernel_check.h"
#include "kernels/half.h"

enum { MAX_COUNT = 137, MAX_QUERIES = 7 };

typedef struct cache {
    int64_t n, count;
    uint8_t *cells; /* rows of cells */
    float *x;       /* what they were made from */
    size_t stride;
} cache;

static void make_cache(check *c, smg_kv kv, int64_t n, int64_t count, data_kind kind, cache *ret_cache)
{
    const size_t bytes = smg_kv_bytes(kv, n);
    cache made = {.n = n, .count = count, .stride = (bytes + 3) | 1};
    made.cells = guarded_new((size_t)(count - 1) * made.stride + bytes);
    made.x = guarded_new((size_t)(n * count) * sizeof(float));
    uint8_t *row = guarded_new(bytes);
    for (int64_t i = 0; i < count; i++) {
        fill_floats(&c->random, kind, made.x + i * n, n);
        c->reference->kv_store[kv](made.x + i * n, row, n);
        memcpy(made.cells + (size_t)i * made.stride, row, bytes);
    }
    *ret_cache = made;
}

/* Lengths of a head, and numbers of keys. */
static int64_t next_n(smg_kv kv, int64_t n)
{
    static const int64_t any[] = {1, 7, 8, 20, 32, 64, 80, 100, 128, 256};
    if (kv == SMG_KV_Q8_0)
        return n == 0 ? 32 : n == 32 ? 64 : n == 64 ? 96 : n == 96 ? 128 : n == 128 ? 256 : 0;
    for (size_t i = 0; i < sizeof any / sizeof *any; i++)
        if (any[i] > n)
            return any[i];
    return 0;
}

static int64_t next_count(int64_t count)
{
    return count < 9 ? count + 1 : count == 9 ? MAX_COUNT : 0;
}

static smg_cells cells_of(const cache *made)
{
    return (smg_cells){.rows = made->cells, .stride = made->stride, .count = made->count, .n = made->n};
}

/* One query's scores against the reference's, against the floats that the cells were made from, and each alone. */
static void check_query(check *c, smg_kv kv, const cache *keys, const float *q, float scale,
                        const float *expected, const float *got)
{
    for (int64_t i = 0; i < keys->count; i++) {
        double size = 0, exact = 0;
        for (int64_t e = 0; e < keys->n; e++) {
            size += fabs((double)q[e] * keys->x[i * keys->n + e]);
            exact += (double)q[e] * keys->x[i * keys->n + e];
        }
        size *= scale;
        if (!check_near(c, got[i], expected[i], size * ((double)keys->n / 8 + 10) * 0x1p-24))
            check_fail(c, "n %d: score %d of %d is %.9g, expected %.9g", (int)keys->n, (int)i,
                       (int)keys->count, (double)got[i], (double)expected[i]);
        /* the cells' own rounding: half a step of 127, or of 11 bits */
        if (fabs(got[i] - exact * scale) > (kv == SMG_KV_Q8_0 ? 0.5 : 1e-3) * size + 1e-6)
            check_fail(c, "n %d: score %d of cells, %.9g of floats", (int)keys->n, (int)i, exact * scale);
        float alone;
        const smg_cells one = {keys->cells + (size_t)i * keys->stride, keys->stride, 1, keys->n};
        c->table->attention_scores[kv](q, (size_t)keys->n, 1, &one, scale, &alone, 1);
        if (memcmp(&alone, &got[i], sizeof alone) != 0)
            check_fail(c, "n %d: score %d of %d differs from the one alone", (int)keys->n, (int)i,
                       (int)keys->count);
    }
}

/* Strides of queries and results, so that what lies between must stay as it was. */
static size_t apart(int64_t n)
{
    return (size_t)n + 3;
}

static void check_scores(check *c, smg_kv kv, const cache *keys, int64_t queries, data_kind kind)
{
    const float scale = 0.125F;
    const smg_cells cells = cells_of(keys);
    const size_t q_stride = apart(keys->n), stride = apart(keys->count);
    const size_t q_floats = (size_t)(queries - 1) * q_stride + (size_t)keys->n;
    const size_t floats = (size_t)(queries - 1) * stride + (size_t)keys->count;
    float *q = guarded_new(q_floats * sizeof *q);
    float *expected = guarded_new(floats * sizeof *expected);
    float *got = guarded_new(floats * sizeof *got);
    fill_floats(&c->random, kind, q, (int64_t)q_floats);
    c->reference->attention_scores[kv](q, q_stride, queries, &cells, scale, expected, stride);
    c->table->attention_scores[kv](q, q_stride, queries, &cells, scale, got, stride);
    for (int64_t j = 0; j < queries; j++)
        check_query(c, kv, keys, q + (size_t)j * q_stride, scale, expected + (size_t)j * stride,
                    got + (size_t)j * stride);
    for (int64_t j = 1; j < queries; j++)
        if (memcmp(got + (size_t)j * stride - 3, expected + (size_t)j * stride - 3, 3 * sizeof *got) != 0)
            check_fail(c, "n %d, %d keys: written behind the scores of query %d", (int)keys->n,
                       (int)keys->count, (int)j - 1);
}

static void check_mix(check *c, smg_kv kv, const cache *values, int64_t queries)
{
    const smg_cells cells = cells_of(values);
    const size_t p_stride = apart(values->count), stride = apart(values->n);
    const size_t p_floats = (size_t)(queries - 1) * p_stride + (size_t)values->count;
    const size_t floats = (size_t)(queries - 1) * stride + (size_t)values->n;
    const size_t bytes = floats * sizeof(float);
    float *p = guarded_new(p_floats * sizeof *p);
    float *expected = guarded_new(bytes), *got = guarded_new(bytes), *halves = guarded_new(bytes);
    fill_floats(&c->random, DATA_RANDOM, p, (int64_t)p_floats);
    fill_floats(&c->random, DATA_RANDOM, expected, (int64_t)floats);
    memcpy(got, expected, bytes);
    memcpy(halves, expected, bytes);
    c->reference->attention_mix[kv](p, p_stride, queries, &cells, expected, stride);
    c->table->attention_mix[kv](p, p_stride, queries, &cells, got, stride);
    smg_cells first = cells, second = cells;
    first.count = cells.count / 3;
    second.count = cells.count - first.count;
    second.rows = values->cells + (size_t)first.count * values->stride;
    c->table->attention_mix[kv](p, p_stride, queries, &first, halves, stride);
    c->table->attention_mix[kv](p + first.count, p_stride, queries, &second, halves, stride);
    if (memcmp(got, expected, bytes) != 0)
        check_fail(c, "n %d, %d values, %d queries: differs from the reference", (int)values->n,
                   (int)values->count, (int)queries);
    if (memcmp(halves, got, bytes) != 0)
        check_fail(c, "n %d, %d values, %d queries: two calls differ from one", (int)values->n,
                   (int)values->count, (int)queries);
}

static void check_attention(check *c, smg_kv kv, bool scores)
{
    for (int64_t n = next_n(kv, 0); n; n = next_n(kv, n))
        for (int64_t count = 1; count; count = next_count(count))
            for (data_kind kind = 0; kind < DATA_KINDS; kind++) {
                cache made;
                make_cache(c, kv, n, count, kind, &made);
                int64_t queries = 1 + (n + count + (int64_t)kind) % MAX_QUERIES;
                if (scores)
                    check_scores(c, kv, &made, queries, kind);
                else
                    check_mix(c, kv, &made, queries);
                guarded_free_all();
            }
}

void check_attention_scores(check *c, smg_kv kv)
{
    check_attention(c, kv, true);
}

void check_attention_mix(check *c, smg_kv kv)
{
    check_attention(c, kv, false);
}
