/* Choosing the next token from logits: the usual chain of repeat penalty, top-k, top-p, min-p and temperature, in the order
 * that llama.cpp applies them. */
#ifndef SMG_ENGINE_SAMPLER_H
#define SMG_ENGINE_SAMPLER_H

#include <stdint.h>

#include "smidge/smidge.h"

typedef struct smg_candidate {
    float logit;
    int32_t id;
} smg_candidate;

typedef struct smg_sampler {
    const smidge_generate_options *options;
    const uint64_t *
        allowed; /* the tokens that may be chosen, at least one: token t is bit t % 64 of word t / 64; NULL: all */
    uint64_t random; /* state of the generator */
} smg_sampler;

void smg_sampler_init(smg_sampler *sampler, const smidge_generate_options *options);

/* The chosen id, or -1 when the logits hold no number. `logits` of `count` are changed by the penalty; `past` are the
 * tokens so far, the last of which the penalty looks at; `candidates` is room for `count`. */
int32_t smg_sampler_choose(smg_sampler *sampler, float *logits, int32_t count, const int32_t *past,
                           int32_t past_count, smg_candidate *candidates);

#endif
