/* How well a model foretells a text, and how far it departs from a reference model on it.
 *
 * Perplexity is exp of the mean of -ln p(token | those before it in its chunk). As llama.cpp's llama-perplexity counts it: chunks of
 * `context` tokens, each beginning with BOS where the model wants one, and only the second half of each counts.
 * KL divergence is the mean over tokens of sum_v p_ref(v) ln(p_ref(v) / p(v)): what was lost against the reference, whatever
 * the text says. Sums are in double, and the numbers are the same with any number of threads. */
#ifndef SMG_MEASURE_PERPLEXITY_H
#define SMG_MEASURE_PERPLEXITY_H

#include "base/thread.h"
#include "measure/text_chunks.h"

/* A mean, and the standard error of it. */
typedef struct smg_estimate {
    double value;
    double error;
} smg_estimate;

typedef struct smg_perplexity_options {
    smg_chunking chunking;
    int32_t kv_type;    /* smidge_kv_type */
    atomic_int *cancel; /* may be set at any time, by a signal handler too; NULL: nobody does */
    /* After each chunk: how many of how many, and the perplexity until there. NULL: nobody asks. */
    void (*progress)(void *context, int32_t done, int32_t total, double perplexity);
    void *progress_context;
} smg_perplexity_options;

enum { SMG_WORST_PLACES = 10, SMG_PLACE_TEXT = 120, SMG_PLACE_TOKEN = 40 };

/* Where the model gives much less to the right token than the reference does. Texts are whole UTF-8. */
typedef struct smg_place {
    int64_t token;                   /* its place in the text, in tokens */
    double probability;              /* of the right token */
    double reference_probability;    /* … by the reference */
    char before[SMG_PLACE_TEXT];     /* what it follows on */
    char right[SMG_PLACE_TOKEN];     /* the token that the text has … */
    char preferred[SMG_PLACE_TOKEN]; /* … and the one that the model thinks likeliest */
} smg_place;

/* What comes of comparing; probabilities and shares are from 0 to 1. */
typedef struct smg_comparison {
    smg_estimate reference;  /* its perplexity */
    smg_estimate ratio;      /* perplexity over the reference's */
    smg_estimate divergence; /* mean KL divergence in nats */
    double divergence_median, divergence_90, divergence_99, divergence_999, divergence_most;
    smg_estimate same_top;     /* share of tokens where both think the same token likeliest */
    smg_estimate change;       /* of the right token's probability, in the mean … */
    smg_estimate change_size;  /* … and the root of its mean square */
    double change_1, change_5; /* one in a hundred, and one in twenty, drops by as much (negative) or more */
    int32_t place_count;
    smg_place places[SMG_WORST_PLACES]; /* the largest drop first */
} smg_comparison;

typedef struct smg_perplexity {
    int32_t chunks;
    int64_t tokens; /* that count */
    smg_estimate perplexity;
    smg_comparison comparison; /* zeros without a reference */
} smg_perplexity;

/* Measures a model on the text file at `path`; against `reference`, where that is not NULL, which must have the same vocabulary.
 * Holds the text's tokens, 16 MiB of logits a model and, to compare, 8 bytes a token. SMIDGE_E_INVALID (options out of range, too
 * short a text, vocabularies that differ), SMIDGE_E_MODEL (logits that are no numbers), SMIDGE_E_CANCELLED, SMIDGE_E_NO_FIT,
 * SMIDGE_E_IO, SMIDGE_E_NOMEM. */
smidge_status smg_perplexity_measure(smidge_model *model, smidge_model *reference, const char *path,
                                     const smg_perplexity_options *options, smg_perplexity *ret_result,
                                     smidge_error *error) SMG_MUST_CHECK;

#endif
