/* Hash tables over the names of a GGUF file's keys and tensors. */
#ifndef SMG_FORMAT_GGUF_INDEX_H
#define SMG_FORMAT_GGUF_INDEX_H

#include "format/gguf.h"

#define SMG_GGUF_ABSENT UINT32_MAX

/* Builds an index over `count` items, `stride` bytes apart, each beginning with its smg_text name. A name
 * that occurs twice is put into *ret_twice, and the index is then incomplete. False when memory is refused;
 * the index is released with smg_free. */
bool smg_gguf_index_new(const void *items, size_t stride, uint64_t count, uint32_t **ret_index,
                        smg_text *ret_twice) SMG_MUST_CHECK;

/* The item's place, or SMG_GGUF_ABSENT. */
uint32_t smg_gguf_index_find(const uint32_t *index, uint64_t count, const void *items, size_t stride,
                             smg_text name);

#endif
