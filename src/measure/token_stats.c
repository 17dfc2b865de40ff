#include "measure/token_stats.h"

#include <math.h>
#include <stdlib.h>

static int32_t largest(const float *values, int32_t count)
{
    int32_t best = 0;
    for (int32_t i = 1; i < count; i++)
        best = values[i] > values[best] ? i : best;
    return best;
}

void smg_token_stat_compute(const float *logits, const float *reference, int32_t vocabulary, int32_t right,
                            smg_token_stat *ret_stat)
{
    smg_token_stat stat = {.top = largest(logits, vocabulary)};
    const double top = (double)logits[stat.top];
    double sum = 0;
    if (reference == NULL) {
        for (int32_t i = 0; i < vocabulary; i++)
            sum += exp((double)logits[i] - top);
        stat.surprise = log(sum) + top - (double)logits[right];
        *ret_stat = stat;
        return;
    }
    stat.reference_top = largest(reference, vocabulary);
    const double reference_top = (double)reference[stat.reference_top];
    double reference_sum = 0;
    double gap = 0;
    for (int32_t i = 0; i < vocabulary; i++) {
        const double x = (double)logits[i] - top;
        const double y = (double)reference[i] - reference_top;
        const double weight = exp(y);
        sum += exp(x);
        reference_sum += weight;
        gap += weight * (y - x);
    }
    stat.surprise = log(sum) + top - (double)logits[right];
    stat.reference_surprise = log(reference_sum) + reference_top - (double)reference[right];
    /* ln p = x - ln sum, so the sums come out of the sum over the vocabulary. */
    stat.divergence = gap / reference_sum + log(sum) - log(reference_sum);
    *ret_stat = stat;
}

void smg_moments_add(smg_moments *moments, double value)
{
    moments->count++;
    moments->sum += value;
    moments->squares += value * value;
}

smg_estimate smg_moments_mean(const smg_moments *moments)
{
    const double count = (double)moments->count;
    if (moments->count == 0)
        return (smg_estimate){0};
    smg_estimate mean = {.value = moments->sum / count};
    const double variance = moments->squares / count - mean.value * mean.value;
    if (moments->count > 1 && variance > 0)
        mean.error = sqrt(variance / (count - 1));
    return mean;
}

static int compare(const void *a, const void *b)
{
    const float x = *(const float *)a;
    const float y = *(const float *)b;
    return (x > y) - (x < y);
}

void smg_sort_floats(float *values, size_t count)
{
    qsort(values, count, sizeof *values, compare);
}

double smg_sorted_percentile(const float *sorted, size_t count, double share)
{
    if (count == 0)
        return 0;
    const double place = share * (double)(count - 1);
    const size_t below = (size_t)place;
    if (below + 1 >= count)
        return (double)sorted[count - 1];
    const double part = place - (double)below;
    return (1 - part) * (double)sorted[below] + part * (double)sorted[below + 1];
}
