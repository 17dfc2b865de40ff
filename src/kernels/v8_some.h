/* The ends of rows: fewer than eight elements, without touching what lies beyond. After a header that gives
 * v8. */
#ifndef SMG_KERNELS_V8_SOME_H
#define SMG_KERNELS_V8_SOME_H

#include <string.h>

#include "kernels/tile.h"

typedef v8 (*v8_load_fn)(const uint8_t *p);

/* n elements, then zeros. */
static ALWAYS_INLINE v8 v8_load_some(v8_load_fn load, const uint8_t *p, size_t element_bytes, int64_t n)
{
    uint8_t bytes[8 * sizeof(float)] = {0};
    memcpy(bytes, p, (size_t)n * element_bytes);
    return load(bytes);
}

static ALWAYS_INLINE void v8_store_some(float *p, v8 x, int64_t n)
{
    float lanes[8];
    v8_store(lanes, x);
    memcpy(p, lanes, (size_t)n * sizeof *p);
}

#endif
