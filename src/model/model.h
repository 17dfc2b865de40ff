/* A model ready to run: the file, its dimensions, its weights, and the kernels chosen for this processor.
 * Immutable once loaded; shared by any number of forward passes. */
#ifndef SMG_MODEL_MODEL_H
#define SMG_MODEL_MODEL_H

#include "kernels/kernels.h"
#include "model/shape.h"
#include "model/weights.h"

/* Which layers, and which contexts, turn how fast. The tables are one block; SMG_ROPE_WINDOW is NULL where those layers do
 * not differ. */
typedef enum smg_rope_table {
    SMG_ROPE_SHORT,  /* layers without a window, contexts up to rope_original */
    SMG_ROPE_LONG,   /* … and longer ones */
    SMG_ROPE_WINDOW, /* layers with a window */
    SMG_ROPE_TABLES
} smg_rope_table;

typedef struct smg_model {
    const smg_gguf *gguf; /* kept open by the caller for as long as the model lives */
    smg_shape shape;
    smg_weights weights;
    smg_kernels kernels;
    float *frequencies[SMG_ROPE_TABLES]; /* [rope_size / 2] radians a position */
} smg_model;

/* `cpu_mask` is a subset of smg_cpu_mask(). Reads keys and tensor shapes, not the weights themselves.
 * SMIDGE_E_FORMAT, SMIDGE_E_UNSUPPORTED, SMIDGE_E_NOMEM. */
smidge_status smg_model_load(const smg_gguf *gguf, uint32_t cpu_mask, smg_model *ret_model,
                             smidge_error *error) SMG_MUST_CHECK;
void smg_model_done(smg_model *model);

/* xxHash of the header (all bytes before the tensors), the file's size and the first 64 KiB of each tensor. */
uint64_t smg_model_id(const smg_gguf *gguf);

#endif
