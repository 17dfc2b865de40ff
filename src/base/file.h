/* Files: read-only mappings for models, bounded reads for everything else. */
#ifndef SMG_BASE_FILE_H
#define SMG_BASE_FILE_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef struct smg_file {
    const uint8_t *data;
    size_t size;
} smg_file;

/* Maps a regular file read-only. An empty file gives data NULL and size 0.
 * Errors: SMIDGE_E_IO (cannot open, not a regular file), SMIDGE_E_NOMEM. */
smidge_status smg_file_open(const char *path, smg_file *ret_file, smidge_error *error) SMG_MUST_CHECK;
void smg_file_close(smg_file *file);
/* Part of a mapping that has been read need not stay in memory: whoever goes through a large file from front to back
 * stays small with it. What is read again comes from the file again. For mappings alone: other memory would be lost. */
void smg_file_forget(const void *data, size_t size);

/* Reads all of a file or pipe ("-" is standard input), at most `limit` bytes, into a block the caller
 * releases with smg_free; a zero byte follows the text. Errors: SMIDGE_E_IO, SMIDGE_E_INVALID (longer than
 * the limit), SMIDGE_E_NOMEM. */
smidge_status smg_file_read(const char *path, size_t limit, char **ret_text, size_t *ret_size,
                            smidge_error *error) SMG_MUST_CHECK;

typedef struct smg_file_part {
    const void *data;
    size_t size;
} smg_file_part;

/* Puts the parts, one behind the other, under `path`: whole or not at all, and on the disk when it returns. Written
 * beside it first, then renamed; what was there before stays until then. SMIDGE_E_IO (and nothing is left behind). */
smidge_status smg_file_replace(const char *path, const smg_file_part *parts, size_t count,
                               smidge_error *error) SMG_MUST_CHECK;

/* The same for a file that is too large to have in memory: created beside its place, written piece by piece, put in
 * place by smg_file_commit. */
typedef struct smg_file_writer {
    int fd; /* -1: closed */
    char path[PATH_MAX];
    char fresh[PATH_MAX]; /* where it is until then */
} smg_file_writer;

/* SMIDGE_E_IO from all of these. */
smidge_status smg_file_create(const char *path, smg_file_writer *ret_writer, smidge_error *error)
    SMG_MUST_CHECK;
smidge_status smg_file_append(smg_file_writer *writer, const void *data, size_t size, smidge_error *error)
    SMG_MUST_CHECK;
/* Writes over bytes that are there already, and leaves the end where it is. */
smidge_status smg_file_patch(smg_file_writer *writer, uint64_t offset, const void *data, size_t size,
                             smidge_error *error) SMG_MUST_CHECK;
/* Brings it to the disk and under its name. Whatever comes of it, the writer is closed then. */
smidge_status smg_file_commit(smg_file_writer *writer, smidge_error *error) SMG_MUST_CHECK;
/* Closes the writer and removes what was not committed. Takes NULL and closed ones. */
void smg_file_discard(smg_file_writer *writer);

#endif
