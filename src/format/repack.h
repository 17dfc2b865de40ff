/* A model file with its rows interleaved, or with interleaved rows one by one again. */
#ifndef SMG_FORMAT_REPACK_H
#define SMG_FORMAT_REPACK_H

#include "format/gguf.h"

typedef struct smg_repack {
    bool plain; /* back to rows one by one */
    void (*progress)(void *context, uint64_t done,
                     uint64_t total); /* in bytes of tensors; NULL: nobody asks */
    void *context;
} smg_repack;

/* Writes the model of `gguf` to `path`, where it appears only when it is whole. Keys and tensors stay as they are and in
 * their order; every matrix that can be is interleaved. Holds 16 rows in memory. Errors: SMIDGE_E_INVALID (nothing to do),
 * SMIDGE_E_IO, SMIDGE_E_NOMEM. */
smidge_status smg_repack_write(const smg_gguf *gguf, const char *path, const smg_repack *options,
                               smidge_error *error) SMG_MUST_CHECK;

#endif
