/* A model that knows nothing yet: a llama of any dimensions over the vocabulary of another file, its weights drawn by a seed. */
#ifndef SMG_TRAIN_START_MODEL_H
#define SMG_TRAIN_START_MODEL_H

#include <stdint.h>

#include "base/error.h"

/* The shape is a JSON object: "layers", "width", "heads" and "feed_forward" must be there; "kv_heads" (as many as heads), "head_size"
 * (width / heads), "context" (1024), "rope_base" (10000), "norm_epsilon" (1e-5), "tied" (true: the embedding is the output, too) and
 * "name" ("smidge") may. The vocabulary is a GGUF whose tokenizer.* keys are taken.
 *
 * Matrices are normal with a deviation of 0.02, those that write to the residual stream 0.02 / sqrt(2 layers) (GPT-2's); norms are 1. All in F32;
 * the same seed gives the same weights. SMIDGE_E_FORMAT and SMIDGE_E_INVALID (what is wrong with the shape or
 * the vocabulary), SMIDGE_E_IO, SMIDGE_E_NOMEM. */
smidge_status smg_start_model_write(const char *shape_path, const char *vocabulary_path, uint64_t seed,
                                    const char *path, smidge_error *error) SMG_MUST_CHECK;

#endif
