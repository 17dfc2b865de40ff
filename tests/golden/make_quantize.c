/* Makes quantize.txt: what llama.cpp's own quantizers leave of the rows of quantize_rows.h, as root mean squared errors.
 *
 *   cc -O2 -o make_quantize tests/golden/make_quantize.c -ldl -lm
 *   libs=$(bench/peers/libs.sh) && LD_LIBRARY_PATH=$libs ./make_quantize $libs/libggml-base.so > tests/golden/quantize.txt
 *
 * A line is: type, rows, "plain" or "weighted", error. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "quantize_rows.h"

typedef size_t (*quantize_fn)(int type, const float *x, void *out, int64_t start, int64_t rows,
                              int64_t columns, const float *importance);
typedef void (*init_fn)(int type);
typedef void (*to_float_fn)(const void *row, float *x, int64_t n);

/* The front of ggml's ggml_type_traits. */
typedef struct type_traits {
    const char *name;
    int64_t block_elements, interleaved;
    size_t block_bytes;
    _Bool quantized;
    to_float_fn to_float;
} type_traits;

static void *need(void *library, const char *name)
{
    void *symbol = dlsym(library, name);
    if (symbol == NULL) {
        fprintf(stderr, "make_quantize: the library has no %s\n", name);
        exit(1);
    }
    return symbol;
}

int main(int argc, char **argv)
{
    static const int types[] = {2, 3, 6, 7, 8, 10, 11, 12, 13, 14, 20, 23};
    static float x[QUANTIZE_ROWS * QUANTIZE_COLUMNS], y[QUANTIZE_ROWS * QUANTIZE_COLUMNS];
    static float importance[QUANTIZE_COLUMNS];
    static unsigned char bytes[sizeof x];
    void *library = argc > 1 ? dlopen(argv[1], RTLD_NOW | RTLD_GLOBAL) : NULL;
    if (library == NULL) {
        fprintf(stderr, "make_quantize: %s\n", argc > 1 ? dlerror() : "which libggml-base.so?");
        return 1;
    }
    const quantize_fn quantize = (quantize_fn)need(library, "ggml_quantize_chunk");
    const init_fn init = (init_fn)need(library, "ggml_quantize_init");
    const type_traits *(*traits)(int) = (const type_traits *(*)(int))need(library, "ggml_get_type_traits");
    quantize_importance(importance);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        const type_traits *type = traits(types[i]);
        init(types[i]);
        for (int kind = 0; kind < QUANTIZE_KINDS; kind++) {
            quantize_fill(kind, x);
            for (int weighted = 0; weighted < 2; weighted++) {
                quantize(types[i], x, bytes, 0, QUANTIZE_ROWS, QUANTIZE_COLUMNS,
                         weighted ? importance : NULL);
                type->to_float(bytes, y, QUANTIZE_ROWS * QUANTIZE_COLUMNS);
                printf("%d %s %s %.9g\n", types[i], quantize_kinds[kind], weighted ? "weighted" : "plain",
                       quantize_rmse(x, y, weighted ? importance : NULL));
            }
        }
    }
    return 0;
}
