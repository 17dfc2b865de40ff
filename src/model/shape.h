/* A model's dimensions and constants, read from its keys and checked against hard limits. */
#ifndef SMG_MODEL_SHAPE_H
#define SMG_MODEL_SHAPE_H

#include "format/gguf.h"
#include "model/architectures.h"

#define SMG_MAX_LAYERS 512
#define SMG_MAX_HEADS 1024
#define SMG_MAX_HEAD_SIZE 1024
#define SMG_MAX_WIDTH (1 << 17)
#define SMG_MAX_VOCABULARY (1 << 20)
#define SMG_MAX_CONTEXT (1 << 20)

typedef struct smg_shape {
    const smg_architecture *architecture;
    int32_t layers;
    int32_t width;        /* of the residual stream */
    int32_t feed_forward; /* of the hidden layer */
    int32_t heads;
    int32_t kv_heads;
    int32_t head_size; /* of keys, queries and values alike */
    int32_t rope_size; /* elements of a head that turn; even */
    int32_t vocabulary;
    int32_t context; /* what the model was trained for */
    int32_t window;  /* positions a query sees, itself included, in layers that have one; 0: all */
    bool windowed[SMG_MAX_LAYERS];
    float norm_epsilon;
    float query_scale; /* of a query before it is rounded; 1 where its scores are scaled instead */
    float score_scale;
    float score_cap; /* 0: none */
    float logit_cap; /* 0: none */
    float rope_base;
    float window_rope_base; /* of layers with a window; equal to rope_base in most families */
    float rope_factor; /* linear scaling of layers without a window: positions are divided by it; 1: none */
    float rope_magnitude;  /* of the turned elements; 1 for most */
    int32_t rope_original; /* a longer context takes the long factors, if the model has them */
} smg_shape;

/* SMIDGE_E_UNSUPPORTED (unknown family or scaling, named), SMIDGE_E_FORMAT (missing or absurd values). */
smidge_status smg_shape_read(const smg_gguf *gguf, smg_shape *ret_shape, smidge_error *error) SMG_MUST_CHECK;

#endif
