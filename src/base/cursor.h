/* A bounded cursor over untrusted little-endian bytes. The first read past the end makes it fail for good:
 * every later read returns zero or NULL, so that a parser may read a whole record and check once. */
#ifndef SMG_BASE_CURSOR_H
#define SMG_BASE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct smg_cursor {
    const uint8_t *data;
    size_t size;
    size_t position;
    bool failed;
} smg_cursor;

void smg_cursor_init(smg_cursor *cursor, const void *data, size_t size);
size_t smg_cursor_left(const smg_cursor *cursor);

uint8_t smg_cursor_u8(smg_cursor *cursor);
uint16_t smg_cursor_u16(smg_cursor *cursor);
uint32_t smg_cursor_u32(smg_cursor *cursor);
uint64_t smg_cursor_u64(smg_cursor *cursor);
/* A pointer to the next `count` bytes, which it passes over; NULL past the end. */
const uint8_t *smg_cursor_bytes(smg_cursor *cursor, uint64_t count);
/* Passes over up to `count` texts, each behind its length in 8 bytes, and stops in front of one that is longer than
 * `limit` or not there as a whole. Returns how many it passed. */
uint64_t smg_cursor_pass_texts(smg_cursor *cursor, uint64_t count, uint64_t limit);

#endif
