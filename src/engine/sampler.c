#include "engine/sampler.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

void smg_sampler_init(smg_sampler *sampler, const smidge_generate_options *options)
{
    *sampler = (smg_sampler){.options = options, .random = options->seed};
}

/* SplitMix64 (Steele, Lea, Flood, 2014): one multiply-xor chain, good from any seed. In [0, 1). */
static double next_random(smg_sampler *sampler)
{
    uint64_t z = sampler->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    z ^= z >> 31;
    return (double)(z >> 11) * 0x1p-53;
}

/* Keskar et al., "CTRL", arXiv 1909.05858: what was said is made less likely, once however often it was said. */
static void penalize(const smidge_generate_options *options, float *logits, const int32_t *past,
                     int32_t past_count)
{
    float penalty = options->repeat_penalty;
    if (penalty == 1.0F || options->repeat_window <= 0)
        return;
    int32_t from = past_count > options->repeat_window ? past_count - options->repeat_window : 0;
    for (int32_t i = from; i < past_count; i++) {
        bool seen = false;
        for (int32_t j = from; j < i && !seen; j++)
            seen = past[j] == past[i];
        if (seen)
            continue;
        float *logit = &logits[past[i]];
        *logit = *logit > 0.0F ? *logit / penalty : *logit * penalty;
    }
}

static bool allows(const smg_sampler *sampler, int32_t id)
{
    return sampler->allowed == NULL || (sampler->allowed[id / 64] >> id % 64 & 1) != 0;
}

static int32_t likeliest(const smg_sampler *sampler, const float *logits, int32_t count)
{
    int32_t best = -1;
    for (int32_t i = 0; i < count; i++) {
        if (isnan(logits[i]))
            return -1;
        if (!allows(sampler, i))
            continue;
        if (best < 0 || logits[i] > logits[best])
            best = i;
    }
    return best >= 0 && isfinite(logits[best]) ? best : -1;
}

/* ---- A heap of candidates, the likeliest on top; equals by id, so that the order is one ------------------ */

static bool before(smg_candidate a, smg_candidate b)
{
    return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
}

static void sift_down(smg_candidate *heap, int32_t count, int32_t at)
{
    smg_candidate moved = heap[at];
    for (;;) {
        int32_t child = 2 * at + 1;
        if (child >= count)
            break;
        if (child + 1 < count && before(heap[child + 1], heap[child]))
            child++;
        if (!before(heap[child], moved))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moved;
}

/* Moves the likeliest `wanted` to the end of the array, in order from the end; all if wanted is more. */
static int32_t take_best(smg_candidate *heap, int32_t count, int32_t wanted)
{
    for (int32_t i = count / 2 - 1; i >= 0; i--)
        sift_down(heap, count, i);
    int32_t taken = 0;
    while (taken < wanted && taken < count) {
        smg_candidate best = heap[0];
        int32_t last = count - 1 - taken;
        heap[0] = heap[last];
        heap[last] = best;
        taken++;
        sift_down(heap, last, 0);
    }
    return taken;
}

/* ---- The chain ----------------------------------------------------------------------------------------- */

/* How many of `count` candidates, likeliest first at best[0], best[-1] …, top-p and min-p leave. */
static int32_t cut(const smidge_generate_options *options, const smg_candidate *best, int32_t count)
{
    double total = 0.0;
    for (int32_t i = 0; i < count; i++)
        total += exp((double)best[-i].logit - (double)best->logit);
    int32_t kept = count;
    if (options->top_p < 1.0F) {
        double sum = 0.0;
        for (kept = 0; kept < count && (kept == 0 || sum < (double)options->top_p * total); kept++)
            sum += exp((double)best[-kept].logit - (double)best->logit);
    }
    if (options->min_p > 0.0F) {
        double least = (double)best->logit + log((double)options->min_p);
        while (kept > 1 && (double)best[1 - kept].logit < least)
            kept--;
    }
    return kept;
}

static int32_t draw(smg_sampler *sampler, const smg_candidate *best, int32_t count)
{
    double temperature = (double)sampler->options->temperature;
    double total = 0.0;
    for (int32_t i = 0; i < count; i++)
        total += exp(((double)best[-i].logit - (double)best->logit) / temperature);
    double point = next_random(sampler) * total;
    for (int32_t i = 0; i < count; i++) {
        point -= exp(((double)best[-i].logit - (double)best->logit) / temperature);
        if (point < 0.0)
            return best[-i].id;
    }
    return best->id; /* rounding left a sliver */
}

int32_t smg_sampler_choose(smg_sampler *sampler, float *logits, int32_t count, const int32_t *past,
                           int32_t past_count, smg_candidate *candidates)
{
    const smidge_generate_options *options = sampler->options;
    penalize(options, logits, past, past_count);
    int32_t greedy = likeliest(sampler, logits, count);
    if (greedy < 0 || options->temperature <= 0.0F || options->top_k == 1)
        return greedy;
    int32_t open = 0;
    for (int32_t i = 0; i < count; i++) {
        if (allows(sampler, i))
            candidates[open++] = (smg_candidate){.logit = logits[i], .id = i};
    }
    int32_t wanted = options->top_k > 0 ? options->top_k : open;
    int32_t taken = take_best(candidates, open, wanted);
    const smg_candidate *best = &candidates[open - 1];
    return draw(sampler, best, cut(options, best, taken));
}
