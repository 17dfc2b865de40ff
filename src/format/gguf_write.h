/* Writing GGUF v3: first the keys, then the list of tensors, then their data in the same order.
 *
 * The file grows beside its place and appears there only when it is whole and our own reader accepts it; until
 * then, and after any failure, nothing is left of it. Nothing but a small buffer and a number for each tensor is held
 * in memory, so a model may be larger than that.
 * Source: the GGUF specification (ggml docs/gguf.md). */
#ifndef SMG_FORMAT_GGUF_WRITE_H
#define SMG_FORMAT_GGUF_WRITE_H

#include "format/gguf.h"

typedef struct smg_gguf_writer smg_gguf_writer;

/* Starts a file at `path`. SMIDGE_E_IO (the folder cannot be written), SMIDGE_E_NOMEM. */
smidge_status smg_gguf_write_open(const char *path, smg_gguf_writer **ret_writer, smidge_error *error)
    SMG_MUST_CHECK;
/* Closes the writer and removes what was not finished. Takes NULL. */
void smg_gguf_write_close(smg_gguf_writer *writer);

/* All below: SMIDGE_E_IO (disk full and the like), SMIDGE_E_INVALID (something that no reader would take: the message
 * says what; or a call out of turn). After a failure only smg_gguf_write_close is left to call. Names are C strings
 * of at most 1023 bytes. */

/* `value` points to one value of `type`, which is neither a string nor an array; a BOOL is one byte, 0 or 1. */
smidge_status smg_gguf_write_scalar(smg_gguf_writer *writer, const char *name, smg_gguf_type type,
                                    const void *value, smidge_error *error) SMG_MUST_CHECK;
smidge_status smg_gguf_write_u32(smg_gguf_writer *writer, const char *name, uint32_t value,
                                 smidge_error *error) SMG_MUST_CHECK;
smidge_status smg_gguf_write_f32(smg_gguf_writer *writer, const char *name, float value, smidge_error *error)
    SMG_MUST_CHECK;
smidge_status smg_gguf_write_bool(smg_gguf_writer *writer, const char *name, bool value, smidge_error *error)
    SMG_MUST_CHECK;
smidge_status smg_gguf_write_text(smg_gguf_writer *writer, const char *name, smg_text text,
                                  smidge_error *error) SMG_MUST_CHECK;
/* `count` elements of a scalar type. */
smidge_status smg_gguf_write_array(smg_gguf_writer *writer, const char *name, smg_gguf_type element_type,
                                   const void *elements, uint64_t count, smidge_error *error) SMG_MUST_CHECK;
/* An array of `count` strings, which are then given one by one before anything else. */
smidge_status smg_gguf_write_texts(smg_gguf_writer *writer, const char *name, uint64_t count,
                                   smidge_error *error) SMG_MUST_CHECK;
smidge_status smg_gguf_write_next_text(smg_gguf_writer *writer, smg_text text, smidge_error *error)
    SMG_MUST_CHECK;
/* Where tensors may begin: at multiples of this power of two, from 32 (the usual, without this call) to 4096. */
smidge_status smg_gguf_write_alignment(smg_gguf_writer *writer, uint32_t alignment, smidge_error *error)
    SMG_MUST_CHECK;
/* The key of another file, as it is there; but for general.alignment, which is left out. */
smidge_status smg_gguf_write_key(smg_gguf_writer *writer, const smg_gguf_key *key, smidge_error *error)
    SMG_MUST_CHECK;

/* `shape` has `dims` numbers, the row length first; rows are whole blocks of `type`. */
smidge_status smg_gguf_write_tensor(smg_gguf_writer *writer, const char *name, smg_type type, uint32_t dims,
                                    const uint64_t *shape, smidge_error *error) SMG_MUST_CHECK;
/* The next bytes of the tensors' data, in pieces of any size: the pieces follow each other, and so do the tensors.
 * The padding between these is put in here. */
smidge_status smg_gguf_write_data(smg_gguf_writer *writer, const void *data, size_t size, smidge_error *error)
    SMG_MUST_CHECK;
/* Proves the file, brings it to the disk and puts it in place; also SMIDGE_E_FORMAT (a name that occurs twice) and
 * SMIDGE_E_NOMEM. The writer still wants closing. */
smidge_status smg_gguf_write_finish(smg_gguf_writer *writer, smidge_error *error) SMG_MUST_CHECK;

#endif
