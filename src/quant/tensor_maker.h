/* Tensors of any type from rows of floats, wherever these come from: batch by batch, all workers sharing a batch. */
#ifndef SMG_QUANT_TENSOR_MAKER_H
#define SMG_QUANT_TENSOR_MAKER_H

#include "format/gguf_write.h"

typedef struct smg_tensor_maker smg_tensor_maker;

/* For rows of at most `longest` elements; holds a few megabytes and one row a thread. Errors: SMIDGE_E_INVALID (number of threads),
 * SMIDGE_E_NOMEM. */
smidge_status smg_tensor_maker_new(int threads, int64_t longest, smg_tensor_maker **ret_maker,
                                   smidge_error *error) SMG_MUST_CHECK;
/* Takes NULL. */
void smg_tensor_maker_free(smg_tensor_maker *maker);

typedef struct smg_tensor_rows {
    const char *file; /* that they come from, and the tensor's name: for messages */
    const char *name;
    smg_type type; /* to become; its blocks divide `columns` */
    int64_t columns, rows;
    const float *importance; /* as smg_quantize_row's, one for all rows; may be NULL */
    /* One row as floats; called from several threads at once. */
    void (*read)(const void *context, int64_t row, float *ret_row);
    /* Rows `first` to `first + count - 1` are written and will not be read again; called from one thread. */
    void (*done)(void *context, int64_t first, int64_t count);
    void *context;
} smg_tensor_rows;

/* Appends them to the writer's data. The same bytes with any number of threads. Errors: SMIDGE_E_FORMAT (an element that is not finite,
 * or that the type cannot hold), and the writer's. */
smidge_status smg_tensor_make(smg_tensor_maker *maker, const smg_tensor_rows *rows, smg_gguf_writer *writer,
                              smidge_error *error) SMG_MUST_CHECK;

#endif
