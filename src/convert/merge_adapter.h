/* A LoRA adapter put into its base for good: W + scale * alpha / rank * B A for each matrix that it adapts. */
#ifndef SMG_CONVERT_MERGE_ADAPTER_H
#define SMG_CONVERT_MERGE_ADAPTER_H

#include "base/error.h"

typedef struct smg_merge {
    const char *base;    /* a GGUF file whose rows are not interleaved */
    const char *adapter; /* a GGUF file, as model/adapter.h says */
    float scale;         /* of the adapter; 0: 1 */
    /* A mix for all matrices, as smidge quantize has them. NULL: each tensor keeps its type. */
    const char *type;
    int threads; /* 0: all physical cores */
    /* In bytes of tensors read; NULL: nobody asks. */
    void (*progress)(void *context, uint64_t done, uint64_t total);
    void *progress_context;
} smg_merge;

/* Writes the merged model to `path`, where it appears only when it is whole. Sums are of floats, in the same order on every machine;
 * tensors that are not adapted are copied byte for byte, unless `type` makes others of them. Keys are the base's; general.name says what
 * went into it, and a temperature of the adapter goes along. Tensor goes after tensor: a few megabytes a thread are held, and the
 * floats of one A. Errors: those of smg_gguf_open, smg_adapter_read and smg_quantize_write; SMIDGE_E_INVALID (no such type). */
smidge_status smg_merge_adapter(const char *path, const smg_merge *options, smidge_error *error)
    SMG_MUST_CHECK;

#endif
