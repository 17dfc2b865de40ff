/* Files: read-only mappings for models, bounded reads for everything else. */
#ifndef SMG_BASE_FILE_H
#define SMG_BASE_FILE_H

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

#endif
