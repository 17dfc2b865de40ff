/* Where a forward pass keeps its intermediate results; private to src/model. */
#ifndef SMG_MODEL_SCRATCH_H
#define SMG_MODEL_SCRATCH_H

#include "model/forward.h"

#define SMG_TILE_ROWS 64    /* most rows of a matrix that a worker takes at once */
#define SMG_QUERIES_MOST 16 /* most query heads that a worker attends with at once */

/* Rows of activations in each form that a product may want. */
typedef struct smg_inputs {
    void *rows[SMG_ACT_COUNT];
    size_t stride[SMG_ACT_COUNT]; /* bytes */
} smg_inputs;

/* What each worker has for itself. */
typedef struct smg_worker_scratch {
    float *scores;     /* [SMG_QUERIES_MOST][score_stride], a part of the scratch's */
    float *queries;    /* [SMG_QUERIES_MOST][head_size] … */
    float *mixes;      /* … and what comes out for them */
    float *tile;       /* [rows][SMG_TILE_ROWS] of a product */
    float *norm;       /* [width] of a single token … */
    smg_inputs single; /* … and its forms: one row each */
    float *lora;       /* [lora_ranks], likewise */
} smg_worker_scratch;

struct smg_scratch {
    int32_t rows;
    float *x;             /* [rows][width], the residual stream */
    float *norm;          /* [rows][width] */
    float *q;             /* [rows][heads * head_size] */
    float *k, *v;         /* [rows][kv_heads * head_size] */
    float *attention;     /* [rows][heads * head_size] */
    float *scores;        /* [at least heads][score_stride]: of a token that all workers attend to */
    size_t score_stride;  /* floats: what a token may see */
    float *hidden;        /* [rows][feed_forward] */
    float *projection;    /* [rows][width], a block's result before its post norm; NULL: the model has none */
    float *angles;        /* [rows][rope_size]: cosine and sine of each pair */
    float *window_angles; /* likewise for layers with a window; the same where they do not differ */
    const float *frequencies; /* of layers without a window, by the length of the context */
    int32_t *wanted;          /* [rows] which rows' logits are asked for */
    int32_t *live;            /* [rows] which rows go on behind the last layer's keys and values … */
    smg_row *asking;          /* [rows] … and those rows */
    smg_inputs batch;         /* [rows] each */
    float *lora;              /* [rows][lora_ranks]: what an adapter's A makes of the inputs; NULL: none */
    const smg_observer *observer; /* NULL: nobody looks */
    smg_worker_scratch workers[SMG_THREADS_MAX];
};

#endif
