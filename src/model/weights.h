/* A model's weights: pointers into the mapping, with their shapes proven. */
#ifndef SMG_MODEL_WEIGHTS_H
#define SMG_MODEL_WEIGHTS_H

#include "kernels/kernels.h"
#include "model/shape.h"

/* What an adapter adds to the products of a matrix: scale * B (A x). */
typedef struct smg_lora {
    const uint8_t *a; /* [rank][columns] */
    smg_type a_type;  /* one whose products take floats */
    size_t a_stride;  /* bytes of a row */
    const uint8_t *b; /* [rank][rows]: B's columns, one after the other */
    smg_kv b_kind;    /* F16 or F32 */
    size_t b_stride;  /* bytes of a column */
    int32_t rank;
    float scale;
    int32_t place; /* where A x stands in a row of those of all matrices with this input … */
    bool again;    /* … and whether the matrix before has the same, both being parts of one */
} smg_lora;

/* A matrix of `rows` rows of `columns` elements, multiplied with vectors of `columns`. */
typedef struct smg_matrix {
    const uint8_t *data; /* NULL: the model has none */
    smg_type type;
    smg_act act; /* the form of activations it wants */
    int32_t rows;
    int32_t columns;
    size_t stride;        /* bytes of a row */
    const smg_lora *lora; /* NULL: none */
} smg_matrix;

typedef struct smg_layer {
    const float *attention_norm; /* [width] */
    smg_matrix q, k, v, o;
    const float *q_bias, *k_bias, *v_bias, *o_bias; /* [rows] of the matrix; NULL: none */
    const float *q_norm, *k_norm;                   /* [head_size]; NULL: none */
    const float *attention_post_norm;               /* [width]; NULL: none */
    const float *feed_forward_norm;                 /* [width] */
    const float *feed_forward_post_norm;            /* [width]; NULL: none */
    smg_matrix gate, up, down;
} smg_layer;

typedef struct smg_weights {
    smg_matrix embedding;       /* [vocabulary][width] */
    smg_matrix output;          /* [vocabulary][width]; the embedding where they are tied */
    const float *output_norm;   /* [width] */
    const float *rope_divisors; /* [rope_size / 2], Llama 3's or Phi-3's for short contexts; NULL: all ones */
    const float *rope_divisors_long; /* likewise, for contexts above rope_original; NULL: the same */
    smg_layer *layers;
    uint32_t acts;       /* bit 1 << smg_act for every form that some product wants */
    uint64_t bytes;      /* of all tensors */
    uint64_t parameters; /* of all tensors */
    int32_t lora_ranks;  /* of all matrices with one input together, at most; 0: there is no adapter */
} smg_weights;

/* SMIDGE_E_FORMAT (a tensor is missing or has another shape), SMIDGE_E_NOMEM. */
smidge_status smg_weights_load(const smg_gguf *gguf, const smg_shape *shape, smg_weights *ret_weights,
                               smidge_error *error) SMG_MUST_CHECK;
void smg_weights_done(smg_weights *weights);

#endif
