/* Digests of files, computed while these arrive. */
#ifndef SMIDGE_FETCH_DIGEST_H
#define SMIDGE_FETCH_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fetch/response.h"

typedef struct fetch_digest fetch_digest;

/* For a file of `length` bytes, which only SMG_DIGEST_GIT needs to know. NULL when there is no memory. */
fetch_digest *fetch_digest_new(smg_digest_kind kind, uint64_t length);
void fetch_digest_free(fetch_digest *digest);
bool fetch_digest_add(fetch_digest *digest, const void *data, size_t size);
/* Goes on with the first `size` bytes of an open file; false with errno where these cannot be read, or where the
 * program is to stop. */
bool fetch_digest_add_file(fetch_digest *digest, int fd, uint64_t size);
/* The result; nothing can be added after it. */
bool fetch_digest_finish(fetch_digest *digest, smg_digest *ret_digest);

#endif
