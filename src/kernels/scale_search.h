/* Which scale, or scale and minimum, makes integers of floats with the least squared error: what quantizing a model's weights
 * spends its time on. Eight groups of elements side by side, each in its lane, so that all paths do the same sums in the
 * same order and a model becomes the same bytes on every machine. */
#ifndef SMG_KERNELS_SCALE_SEARCH_H
#define SMG_KERNELS_SCALE_SEARCH_H

#include <stdbool.h>
#include <stdint.h>

enum { SMG_SEARCH_LANES = 8, SMG_SEARCH_MOST = 32 };

/* What an element may become. */
typedef struct smg_codes {
    float low, high; /* an integer from low to high … */
    const int8_t *
        levels; /* … or, if not NULL, one of these 16, in ascending order; low and high are then the outermost */
} smg_codes;

/* Eight groups of `count` elements, which is 16 or 32. weight says how much an error in an element matters; all the same, and not
 * there, unless `weighted`. */
typedef struct smg_search {
    _Alignas(32) float x[SMG_SEARCH_MOST][SMG_SEARCH_LANES];
    _Alignas(32) float weight[SMG_SEARCH_MOST][SMG_SEARCH_LANES];
    bool weighted;
    int count;
    smg_codes codes;
    int tries; /* scales tried on each side of the one that takes the largest element to the end of the codes; more is better */
} smg_search;

/* Fills x, and weight and `weighted`, from eight groups one behind the other; `weight` may be NULL. */
typedef void (*smg_search_load_fn)(smg_search *search, const float *x, const float *weight);
/* x ~ scale * q; 0 where that is best. */
typedef void (*smg_search_scale_fn)(const smg_search *search, float *ret_scale);
/* x ~ scale * q - min, with codes from 0 and scale >= 0; min >= 0 where `positive`. */
typedef void (*smg_search_min_fn)(const smg_search *search, int positive, float *ret_scale, float *ret_min);
/* The weighted sum of squared errors of each group with these scales and minimums. Where not NULL, ret_q gets the codes of
 * eight groups, one behind the other: the integers, or the numbers of levels. */
typedef void (*smg_search_error_fn)(const smg_search *search, const float *scale, const float *min,
                                    float *ret_error, int8_t *ret_q);

/* Sums over each group's elements, of their weights w times what the names say: x, and q for the value of the code. */
typedef struct smg_search_sums {
    float w[SMG_SEARCH_LANES], wq[SMG_SEARCH_LANES], wqq[SMG_SEARCH_LANES], wx[SMG_SEARCH_LANES],
        wxq[SMG_SEARCH_LANES];
} smg_search_sums;

/* Of the codes that these scales and minimums give. */
typedef void (*smg_search_sums_fn)(const smg_search *search, const float *scale, const float *min,
                                   smg_search_sums *ret_sums);

#endif
