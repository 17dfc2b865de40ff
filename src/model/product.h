/* Products of weights with a batch of activations, shared out over the workers; private to src/model. */
#ifndef SMG_MODEL_PRODUCT_H
#define SMG_MODEL_PRODUCT_H

#include "model/scratch.h"

/* The rows that a product is taken with. */
typedef struct smg_source {
    const float *x;
    size_t stride;         /* floats from row to row */
    const int32_t *select; /* which rows of x; NULL: the first ones. Only together with a norm */
    int32_t rows;
    int32_t columns;
    const float *norm; /* weights of an RMS norm to apply first; NULL: none */
    uint32_t forms;    /* bits 1 << smg_act that the products want */
} smg_source;

typedef enum smg_product_kind {
    SMG_PRODUCT_SET,     /* out = w x + bias */
    SMG_PRODUCT_ADD,     /* out += w x + bias */
    SMG_PRODUCT_ACTIVATE /* out = activation(w x) * (pair x) */
} smg_product_kind;

typedef struct smg_product {
    smg_product_kind kind;
    const smg_matrix *matrix;
    const int32_t *groups; /* SET and alone: only these groups of SMG_OUTPUT_GROUP rows; NULL: all rows */
    int32_t group_count;
    const smg_matrix *pair; /* ACTIVATE only; of the same shape */
    const float *bias;      /* SET and ADD; NULL: none */
    float cap;              /* SET without a bias: cap * tanh(out / cap); 0: none */
    float *out;
    size_t stride;         /* floats from one token's results to the next's */
    const int32_t *select; /* ADD: which of them; NULL: the first ones */
} smg_product;

/* Brings the source into the forms that the products want and computes all of them. One row is prepared by each
 * worker for itself, which costs less than waiting for each other; more are shared out. True when the run was stopped. */
bool smg_product_run(const smg_model *model, smg_scratch *scratch, smg_worker *worker,
                     const smg_source *source, const smg_product *products, int count) SMG_MUST_CHECK;

#endif
