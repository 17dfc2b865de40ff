#include "format/gguf_index.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/alloc.h"

/* Slots for `count` names: a power of two, at most half full. */
static uint32_t slots_for(uint64_t count)
{
    uint32_t slots = 8;
    while (slots < 2 * count)
        slots *= 2;
    return slots;
}

static const smg_text *name_at(const void *items, size_t stride, uint32_t place)
{
    return (const smg_text *)(const void *)((const uint8_t *)items + stride * place);
}

/* The slot that holds `name`, or the free one where it belongs. Entries are place + 1; 0 is free. */
static uint32_t find_slot(const uint32_t *index, uint64_t count, const void *items, size_t stride,
                          smg_text name)
{
    uint32_t mask = slots_for(count) - 1;
    uint32_t slot = (uint32_t)XXH3_64bits(name.data, name.size) & mask;
    while (index[slot] != 0) {
        const smg_text *other = name_at(items, stride, index[slot] - 1);
        if (other->size == name.size && memcmp(other->data, name.data, name.size) == 0)
            break;
        slot = (slot + 1) & mask;
    }
    return slot;
}

bool smg_gguf_index_new(const void *items, size_t stride, uint64_t count, uint32_t **ret_index,
                        smg_text *ret_twice)
{
    uint32_t *index = smg_alloc_array(slots_for(count), sizeof *index);
    if (index == NULL)
        return false;
    *ret_index = index;
    for (uint32_t i = 0; i < count; i++) {
        smg_text name = *name_at(items, stride, i);
        uint32_t slot = find_slot(index, count, items, stride, name);
        if (index[slot] != 0) {
            *ret_twice = name;
            return true;
        }
        index[slot] = i + 1;
    }
    return true;
}

uint32_t smg_gguf_index_find(const uint32_t *index, uint64_t count, const void *items, size_t stride,
                             smg_text name)
{
    return index[find_slot(index, count, items, stride, name)] - 1; /* a free slot's 0 becomes ABSENT */
}
