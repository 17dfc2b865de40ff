/* Which scale, or scale and minimum, makes integers of floats with the least squared error: what quantizing a model's weights
 * spends its time on. Eight groups of elements side by side, each in its lane, so that all paths do the same sums in the
 * same order and a model becomes the same bytes on every machine. */
#ifndef SMG_KERNELS_SCALE_SEARCH_H
#define SMG_KERNELS_SCALE_SEARCH_H

#include <stdint.h>

enum { SMG_SEARCH_LANES = 8, SMG_SEARCH_MOST = 32 };

/* What an element may become. */
typedef struct smg_codes {
    float low, high; /* an integer from low to high … */
    const int8_t *
        levels; /* … or, if not NULL, one of these 16, in ascending order; low and high are then the outermost */
} smg_codes;

/* Eight groups of `count` elements. weight says how much an error in an element matters. */
typedef struct smg_search {
    _Alignas(32) float x[SMG_SEARCH_MOST][SMG_SEARCH_LANES];
    _Alignas(32) float weight[SMG_SEARCH_MOST][SMG_SEARCH_LANES];
    int count;
    smg_codes codes;
    int tries; /* scales tried on each side of the one that takes the largest element to the end of the codes; more is better */
} smg_search;

/* x ~ scale * q; 0 where that is best. */
typedef void (*smg_search_scale_fn)(const smg_search *search, float *ret_scale);
/* x ~ scale * q - min, with codes from 0 and scale >= 0; min >= 0 where `positive`. */
typedef void (*smg_search_min_fn)(const smg_search *search, int positive, float *ret_scale, float *ret_min);
/* The weighted sum of squared errors of each group with these scales and minimums. Where not NULL, ret_q[i * 8 + lane] is the code
 * of element i: the integer, or the level. */
typedef void (*smg_search_error_fn)(const smg_search *search, const float *scale, const float *min,
                                    float *ret_error, int8_t *ret_q);

#endif
