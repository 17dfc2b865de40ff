/* What the parts of a trainee share; private to src/train. */
#ifndef SMG_TRAIN_TRAIN_STATE_H
#define SMG_TRAIN_TRAIN_STATE_H

#include "base/alloc.h"
#include "train/gemm.h"
#include "train/trainee.h"

/* Query rows of one head that a worker takes through the scores at once. */
#define SMG_TRAIN_ROWS 64

/* A matrix on its way through training: a base that stays, with or without an adapter, or weights that learn. */
typedef struct smg_linear {
    const smg_matrix *base; /* NULL: `weight` */
    const float *weight;    /* [rows][columns] */
    float *gradient;
    const float *bias; /* [rows]; NULL: none */
    float *bias_gradient;
    const float *a, *b; /* [rank][columns] and [rows][rank]; NULL: no adapter */
    float *a_gradient, *b_gradient;
    int32_t rows, columns;
} smg_linear;

typedef struct smg_train_vector {
    const float *value; /* NULL: the model has none */
    float *gradient;    /* NULL: it does not learn */
} smg_train_vector;

typedef struct smg_train_layer {
    smg_linear q, k, v, o, gate, up, down;
    smg_train_vector attention_norm, q_norm, k_norm, attention_post_norm;
    smg_train_vector feed_forward_norm, feed_forward_post_norm;
} smg_train_layer;

/* What a layer's forward pass leaves for its backward pass, a row for each token. */
typedef struct smg_layer_state {
    float *x;             /* [width] what came in */
    float *q, *k, *v;     /* turned, ready for the scores */
    float *q_raw, *k_raw; /* before their norms; NULL: the model has none */
    float *attention;     /* [heads * head_size] */
    float *projected;     /* [width] before the post norm; NULL: the model has none */
    float *middle;        /* [width] between the two blocks */
    float *gate, *up;     /* [feed_forward] */
    float *result;        /* [width] before the post norm; NULL: the model has none */
} smg_layer_state;

/* Rows of intermediate results and gradients that all layers share. */
typedef struct smg_train_shared {
    float *normed, *d_normed; /* [width] */
    float *dx;                /* [width] of the residual stream */
    float *d_block;           /* [width] of what a block adds to it, before a post norm */
    float *hidden;            /* [feed_forward] and then its gradient, which becomes that of `up` */
    float *d_gate;            /* [feed_forward] */
    float *dq, *dk, *dv;
    float *d_attention; /* [heads * head_size] */
    float *factors;     /* [most heads] of norms */
    float *low[3];      /* [rank] A x of up to three adapters side by side … */
    float *d_low[3];    /* … and their gradients */
} smg_train_shared;

/* What each worker has for itself. */
typedef struct smg_train_worker {
    float *scores;   /* [SMG_TRAIN_ROWS][sequence] probabilities */
    float *d_scores; /* [SMG_TRAIN_ROWS][sequence] */
    float *capped;   /* [SMG_TRAIN_ROWS][sequence] or one row of logits; NULL: the model has no caps */
} smg_train_worker;

struct smg_trainee {
    const smg_model *model;
    smg_pool *pool;
    smg_train_options options;
    int threads;
    smg_arena arena;
    smg_parameter *parameters;
    size_t parameter_count;
    smg_train_layer *layers;
    smg_linear output;
    smg_train_vector output_norm;
    const float *embedding;    /* where it learns; NULL: the model's */
    float *embedding_gradient; /* may be that of `output` */
    smg_layer_state *states;   /* [layers]; with `recompute` they differ in x alone */
    float *x;                  /* [tokens][width] what comes out of the last layer */
    smg_train_shared shared;
    float *angles, *window_angles; /* [sequence][rope_size] */
    int32_t *positions;            /* [tokens] */
    int32_t *wanted;               /* [tokens] rows that have a target */
    double *losses;                /* [tokens] of those */
    int32_t logit_rows;            /* taken through the output at once */
    float *logits;                 /* [logit_rows][vocabulary] */
    void *gemm_space;              /* smg_gemm_space() for each worker */
    size_t gemm_bytes;
    smg_train_worker *workers;
};

/* One run. */
typedef struct smg_train_run {
    smg_trainee *trainee;
    const smg_train_batch *batch;
    const smg_stop *stop;
    float gradient_scale;
    int32_t wanted; /* rows in trainee->wanted */
} smg_train_run;

static inline float *smg_train_rows(float *rows, int64_t first, int64_t width)
{
    return rows + first * width;
}

/* Statuses: SMIDGE_OK, SMIDGE_E_DEADLINE, SMIDGE_E_CANCELLED. */

/* ---- train_layer.c */

/* From states[number].x through the layer to `out`; with out NULL only what the backward pass needs is filled in. */
smidge_status smg_train_layer_forward(smg_train_run *run, int number, float *out) SMG_MUST_CHECK;
/* Takes shared.dx from behind the layer to before it, adding gradients on the way. */
smidge_status smg_train_layer_backward(smg_train_run *run, int number) SMG_MUST_CHECK;

/* ---- train_linear.c */

typedef struct smg_flow {
    const smg_linear *linear;
    const float *x; /* [count][columns] */
    float *y;       /* [count][rows]: what comes out, or its gradient */
    float *dx;      /* [count][columns]: backward's result; NULL: nobody asks */
    bool add;       /* it comes on top of what is there */
} smg_flow;

/* At most three flows at once, which may share x and dx. */
smidge_status smg_train_linear_forward(const smg_train_run *run, const smg_flow *flows, int flow_count,
                                       int64_t count) SMG_MUST_CHECK;
smidge_status smg_train_linear_backward(const smg_train_run *run, const smg_flow *flows, int flow_count,
                                        int64_t count) SMG_MUST_CHECK;

/* ---- train_rows.c */

/* out[t] = norm(x[t]) for `rows` rows of n; x may be out. */
smidge_status smg_train_norm(const smg_train_run *run, const float *x, const float *weight, int64_t rows,
                             int64_t n, float *out) SMG_MUST_CHECK;
/* dx[t] += the gradient that dy[t] brings, and that of the weights if they learn. */
smidge_status smg_train_norm_back(const smg_train_run *run, const float *x, const smg_train_vector *weight,
                                  const float *dy, int64_t rows, int64_t n, float *dx) SMG_MUST_CHECK;
/* sum[c] += the sum of dy's column c. */
smidge_status smg_train_bias_back(const smg_train_run *run, const float *dy, int64_t rows, int64_t n,
                                  float *sum) SMG_MUST_CHECK;
/* out[t] = x[t] + y[t], or + y[0] for all t; x may be out. */
smidge_status smg_train_add(const smg_train_run *run, const float *x, const float *y, bool same, int64_t rows,
                            int64_t n, float *out) SMG_MUST_CHECK;

/* ---- train_attention.c */

smidge_status smg_train_attention_forward(const smg_train_run *run, int number) SMG_MUST_CHECK;
/* From shared.d_attention to the gradients of turned queries and keys, and of values, in shared.dq, dk, dv. */
smidge_status smg_train_attention_backward(const smg_train_run *run, int number) SMG_MUST_CHECK;

/* ---- train_loss.c */

/* From trainee->x to the loss; `backward` sets shared.dx and adds the gradients of output and norm. */
smidge_status smg_train_output(smg_train_run *run, bool backward, double *ret_loss, double *ret_weight)
    SMG_MUST_CHECK;

#endif
