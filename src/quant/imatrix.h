/* Importance matrices: how strongly each column of a model's matrices is driven by real text, measured once (`smidge imatrix`,
 * llama.cpp's llama-imatrix) and asked by quantizing, where it says which errors matter.
 * Sources: llama.cpp's tools/imatrix/imatrix.cpp, whose files these are: GGUF today, before that .dat. */
#ifndef SMG_QUANT_IMATRIX_H
#define SMG_QUANT_IMATRIX_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef struct smg_imatrix smg_imatrix;

/* A GGUF file or a .dat: its first bytes say which. SMIDGE_E_IO, SMIDGE_E_FORMAT (damaged, something that is no number, or not an
 * importance matrix), SMIDGE_E_NOMEM. */
smidge_status smg_imatrix_open(const char *path, smg_imatrix **ret_imatrix, smidge_error *error)
    SMG_MUST_CHECK;
/* The same from bytes, which need not stay; `name` is for messages. */
smidge_status smg_imatrix_parse(const void *data, size_t size, const char *name, smg_imatrix **ret_imatrix,
                                smidge_error *error) SMG_MUST_CHECK;
/* Takes NULL. */
void smg_imatrix_close(smg_imatrix *imatrix);

/* One number for each column of the tensor: finite, above 0, 1 on the average; columns that nothing drove have a millionth.
 * NULL where it says nothing about the tensor. *ret_columns says how many there are. */
const float *smg_imatrix_find(const smg_imatrix *imatrix, const char *tensor, int64_t *ret_columns);
/* How many tensors it knows, and what it was made from: chunks of text (0: it does not say) and the text's name (""). */
size_t smg_imatrix_count(const smg_imatrix *imatrix);
uint32_t smg_imatrix_chunks(const smg_imatrix *imatrix);
const char *smg_imatrix_dataset(const smg_imatrix *imatrix);

#endif
