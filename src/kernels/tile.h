/* What kernels of all architectures share, and how a product's rows and tokens are cut into tiles. A tile
 * computes each of its outputs in an order that its size does not change, so cutting changes no result. */
#ifndef SMG_KERNELS_TILE_H
#define SMG_KERNELS_TILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ALWAYS_INLINE inline __attribute__((always_inline))

/* A loop over a tile: its bound is a constant once everything is inlined, and it is unrolled, for else the
 * tile's accumulators would live in memory. Not for clang's sanitizers, whose checks of what is unrolled take minutes and gigabytes. */
#if !defined(__clang__)
#define foreach(i, n) _Pragma("GCC unroll 16") for (int i = 0; i < (n); i++)
#elif __has_feature(address_sanitizer)
#define foreach(i, n) for (int i = 0; i < (n); i++)
#else
#define foreach(i, n) _Pragma("clang loop unroll(full)") for (int i = 0; i < (n); i++)
#endif

#define PASTE_AGAIN(a, b) a##b
#define PASTE(a, b) PASTE_AGAIN(a, b)

/* Compilers no longer know how the value came about. Left alone they keep an address for each load of an unrolled loop, on the
 * stack, instead of a few bases. */
#define FORGET(value) __asm__("" : "+r"(value))

/* Asks for `size` bytes at p, which need not exist. With a single token the weights pass by once: what the
 * processor fetches ahead by itself ends at each page, and there everything waits for the memory. */
static ALWAYS_INLINE void prefetch(const uint8_t *p, size_t size)
{
    foreach (i, (int)((size + 63) / 64))
        __builtin_prefetch((const void *)((uintptr_t)p + (size_t)i * 64));
}

/* The same, part j of eight. */
static ALWAYS_INLINE void prefetch_eighth(const uint8_t *p, size_t size, int j)
{
    const int lines = (int)((size + 63) / 64), first = lines * j / 8, end = lines * (j + 1) / 8;
    foreach (i, (lines + 7) / 8)
        if (first + i < end)
            prefetch(p + (size_t)(first + i) * 64, 64);
}

/* Groups of rows that a single token meets side by side: what a processor fetches ahead by itself it fetches for each stream of
 * addresses, and one stream alone does not fill the memory's bandwidth. */
enum { STREAMS = 4 };

/* How far to fetch ahead, `at` bytes behind the beginning of streams: `ahead`, and beyond their ends in those that come
 * next. */
static ALWAYS_INLINE size_t streams_ahead(size_t at, size_t ahead, size_t stride, int streams)
{
    return at + ahead < stride ? ahead : ahead + (size_t)(streams - 1) * stride;
}

typedef void (*tile_fn)(int64_t k, const uint8_t *w, size_t w_stride, const uint8_t *x, size_t x_stride,
                        float *out, size_t out_stride);

typedef struct tile_set {
    int rows, tokens;    /* of the many-token tile; rows divides chunk */
    int chunk;           /* rows taken together when a single token is left */
    tile_fn many;        /* rows x tokens */
    tile_fn many_of_one; /* 1 x tokens */
    tile_fn one;         /* chunk x 1 */
    tile_fn one_of_one;  /* 1 x 1 */
} tile_set;

/* Rows outermost: a chunk of weights comes from memory once and is met again in the cache by all tokens. */
static inline void walk(const tile_set *tiles, int64_t k, int64_t rows, const uint8_t *w, size_t w_stride,
                        int64_t tokens, const uint8_t *x, size_t x_stride, float *out, size_t out_stride)
{
    for (int64_t r = 0, height; r < rows; r += height) {
        height = rows - r >= tiles->chunk ? tiles->chunk : 1;
        const bool chunk = height == tiles->chunk;
        const uint8_t *w_r = w + (size_t)r * w_stride;
        for (int64_t t = 0, width; t < tokens; t += width) {
            const bool many = tokens - t >= tiles->tokens;
            width = many ? tiles->tokens : 1;
            const uint8_t *x_t = x + (size_t)t * x_stride;
            float *out_t = out + (size_t)t * out_stride + (size_t)r;
            if (!many) {
                const tile_fn one_row = chunk ? tiles->one : tiles->one_of_one;
                one_row(k, w_r, w_stride, x_t, x_stride, out_t, out_stride);
                continue;
            }
            const int step = chunk ? tiles->rows : 1;
            const tile_fn many_rows = chunk ? tiles->many : tiles->many_of_one;
            for (int64_t i = 0; i < height; i += step)
                many_rows(k, w_r + (size_t)i * w_stride, w_stride, x_t, x_stride, out_t + i, out_stride);
        }
    }
}

#define DEFINE_TILE(name, body)                                                                              \
    static void name(int64_t k, const uint8_t *w, size_t w_stride, const uint8_t *x, size_t x_stride,        \
                     float *out, size_t out_stride)                                                          \
    {                                                                                                        \
        (void)w_stride;                                                                                      \
        body;                                                                                                \
    }

#define DEFINE_WALK(name, ...)                                                                               \
    void name(int64_t k, int64_t rows, const void *w, size_t w_stride, int64_t tokens, const void *x,        \
              size_t x_stride, float *out, size_t out_stride)                                                \
    {                                                                                                        \
        static const tile_set tiles = {__VA_ARGS__};                                                         \
        walk(&tiles, k, rows, w, w_stride, tokens, x, x_stride, out, out_stride);                            \
    }

/* Defines smg_matmul_<types>_<isa> and its four tiles. body(rows, tokens) calls an inline template with the
 * tile's parameters, which are in scope. */
#define DEFINE_MATMUL(types, isa, rows_, tokens_, chunk_, body)                                              \
    DEFINE_TILE(PASTE(types##_many_, isa), body(rows_, tokens_))                                             \
    DEFINE_TILE(PASTE(types##_many_of_one_, isa), body(1, tokens_))                                          \
    DEFINE_TILE(PASTE(types##_one_, isa), body(chunk_, 1))                                                   \
    DEFINE_TILE(PASTE(types##_one_of_one_, isa), body(1, 1))                                                 \
    DEFINE_WALK(PASTE(smg_matmul_##types##_, isa), .rows = (rows_), .tokens = (tokens_), .chunk = (chunk_),  \
                .many = PASTE(types##_many_, isa), .many_of_one = PASTE(types##_many_of_one_, isa),          \
                .one = PASTE(types##_one_, isa), .one_of_one = PASTE(types##_one_of_one_, isa))

/* The same with tiles of one row, where only sharing a row's work among tokens pays: body(tokens). */
#define DEFINE_MATMUL_ROW(types, isa, tokens_, body)                                                         \
    DEFINE_TILE(PASTE(types##_many_, isa), body(tokens_))                                                    \
    DEFINE_TILE(PASTE(types##_one_, isa), body(1))                                                           \
    DEFINE_WALK(PASTE(smg_matmul_##types##_, isa), .rows = 1, .tokens = (tokens_), .chunk = 1,               \
                .many = PASTE(types##_many_, isa), .many_of_one = PASTE(types##_many_, isa),                 \
                .one = PASTE(types##_one_, isa), .one_of_one = PASTE(types##_one_, isa))

#endif
