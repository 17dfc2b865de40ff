#include "base/cursor.h"

#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "lengths are read in place, and they are little-endian");

void smg_cursor_init(smg_cursor *cursor, const void *data, size_t size)
{
    *cursor = (smg_cursor){.data = data, .size = size};
}

size_t smg_cursor_left(const smg_cursor *cursor)
{
    return cursor->failed ? 0 : cursor->size - cursor->position;
}

const uint8_t *smg_cursor_bytes(smg_cursor *cursor, uint64_t count)
{
    if (cursor->failed || count > cursor->size - cursor->position) {
        cursor->failed = true;
        return NULL;
    }
    const uint8_t *bytes = cursor->data + cursor->position;
    cursor->position += count;
    return bytes;
}

static uint64_t little_endian(smg_cursor *cursor, int width)
{
    const uint8_t *bytes = smg_cursor_bytes(cursor, (uint64_t)width);
    if (bytes == NULL)
        return 0;
    uint64_t value = 0;
    for (int i = width - 1; i >= 0; i--)
        value = value << 8 | bytes[i];
    return value;
}

uint8_t smg_cursor_u8(smg_cursor *cursor)
{
    return (uint8_t)little_endian(cursor, 1);
}

uint16_t smg_cursor_u16(smg_cursor *cursor)
{
    return (uint16_t)little_endian(cursor, 2);
}

uint32_t smg_cursor_u32(smg_cursor *cursor)
{
    return (uint32_t)little_endian(cursor, 4);
}

uint64_t smg_cursor_u64(smg_cursor *cursor)
{
    return little_endian(cursor, 8);
}

uint64_t smg_cursor_pass_texts(smg_cursor *cursor, uint64_t count, uint64_t limit)
{
    size_t position = cursor->position;
    uint64_t passed = 0;
    for (; passed < count && !cursor->failed; passed++) {
        uint64_t size;
        if (cursor->size - position < sizeof size)
            break;
        memcpy(&size, cursor->data + position, sizeof size);
        if (size > limit || size > cursor->size - position - sizeof size)
            break;
        position += sizeof size + size;
    }
    cursor->position = position;
    return passed;
}
