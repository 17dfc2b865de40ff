/* What the logits of one token say about the next, and what many of these come to; private to src/measure. */
#ifndef SMG_MEASURE_TOKEN_STATS_H
#define SMG_MEASURE_TOKEN_STATS_H

#include "measure/perplexity.h"

typedef struct smg_token_stat {
    double surprise;           /* -ln p of the right token */
    double reference_surprise; /* what follows is 0 without a reference */
    double divergence;         /* KL, in nats */
    int32_t top;               /* the likeliest token */
    int32_t reference_top;
} smg_token_stat;

/* `reference` may be NULL. Logits that are no numbers make surprise or divergence none. */
void smg_token_stat_compute(const float *logits, const float *reference, int32_t vocabulary, int32_t right,
                            smg_token_stat *ret_stat);

/* Numbers whose mean is asked for. */
typedef struct smg_moments {
    int64_t count;
    double sum;
    double squares;
} smg_moments;

void smg_moments_add(smg_moments *moments, double value);
smg_estimate smg_moments_mean(const smg_moments *moments);

/* Puts the values in order. */
void smg_sort_floats(float *values, size_t count);
/* The value that this share of all is not above, between neighbours where it lies between; 0 of none. */
double smg_sorted_percentile(const float *sorted, size_t count, double share);

#endif
