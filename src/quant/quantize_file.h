/* A model file quantized as a whole: each tensor to the type that a mix gives it. */
#ifndef SMG_QUANT_QUANTIZE_FILE_H
#define SMG_QUANT_QUANTIZE_FILE_H

#include "format/gguf.h"
#include "quant/imatrix.h"
#include "quant/mix.h"

/* A type of one's own for the tensors that a pattern names: a part of the name ("ffn_down"), or with `*` in it, for any
 * text, the whole name ("blk.0.*"). */
typedef struct smg_type_choice {
    char pattern[128];
    smg_type type;
} smg_type_choice;

/* From "PATTERN=TYPE". SMIDGE_E_INVALID (what is wrong with it). */
smidge_status smg_type_choice_parse(const char *text, smg_type_choice *ret_choice, smidge_error *error)
    SMG_MUST_CHECK;

/* Weights that become others on the way, as an adapter's base does. */
typedef struct smg_weight_change {
    bool (*changes)(const void *context, const smg_gguf_tensor *tensor);
    /* Before the rows of a tensor that changes; from one thread. */
    void (*begin)(void *context, const smg_gguf_tensor *tensor);
    /* One row of it, in place; from several threads at once. */
    void (*change)(const void *context, int64_t row, float *x);
    void *context;
    const char *name; /* for general.name */
    /* A number for the file, in place of what the model has under this key. NULL: none. */
    const char *key;
    float value;
} smg_weight_change;

typedef struct smg_quantize {
    const smg_mix *mix; /* NULL: each tensor keeps its type, and the keys of the quantization stay, too */
    int threads;
    bool requantize;                /* tensors that are quantized already, too */
    const smg_imatrix *imatrix;     /* NULL: all columns matter alike */
    const char *imatrix_name;       /* for the record and for messages */
    const smg_type_choice *choices; /* the first that applies counts, and goes before the mix */
    size_t choice_count;
    const smg_weight_change *change; /* NULL: none */
    void (*progress)(void *context, uint64_t done,
                     uint64_t total); /* in bytes of tensors read; NULL: nobody asks */
    void *context;
} smg_quantize;

/* Writes the model of `gguf`, whose rows are not interleaved, to `path`, where it appears only when it is whole. Keys stay, but for
 * the two that name the quantization; tensors that the mix has no say in stay as they are. Holds a few megabytes a thread. Errors:
 * SMIDGE_E_INVALID (quantized already, interleaved; a choice that no tensor is for or whose blocks its rows are not made of; an
 * importance matrix of another model), SMIDGE_E_FORMAT (a weight that is no number: which), SMIDGE_E_IO, SMIDGE_E_NOMEM. */
smidge_status smg_quantize_write(const smg_gguf *gguf, const char *path, const smg_quantize *options,
                                 smidge_error *error) SMG_MUST_CHECK;

#endif
