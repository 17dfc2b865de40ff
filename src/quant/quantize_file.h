/* A model file quantized as a whole: each tensor to the type that a mix gives it. */
#ifndef SMG_QUANT_QUANTIZE_FILE_H
#define SMG_QUANT_QUANTIZE_FILE_H

#include "format/gguf.h"
#include "quant/mix.h"

typedef struct smg_quantize {
    const smg_mix *mix;
    int threads;
    bool requantize; /* tensors that are quantized already, too */
    void (*progress)(void *context, uint64_t done,
                     uint64_t total); /* in bytes of tensors read; NULL: nobody asks */
    void *context;
} smg_quantize;

/* Writes the model of `gguf`, whose rows are not interleaved, to `path`, where it appears only when it is whole. Keys stay, but for
 * the two that name the quantization; tensors that the mix has no say in stay as they are. Holds a few megabytes a thread. Errors:
 * SMIDGE_E_INVALID (quantized already, interleaved), SMIDGE_E_FORMAT (a weight that is no number: which), SMIDGE_E_IO,
 * SMIDGE_E_NOMEM. */
smidge_status smg_quantize_write(const smg_gguf *gguf, const char *path, const smg_quantize *options,
                                 smidge_error *error) SMG_MUST_CHECK;

#endif
