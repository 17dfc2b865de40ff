#include "data/text_set.h"

#include <stdbool.h>
#include <string.h>

#include "base/alloc.h"

#define COUNT_MAX (UINT32_C(1) << 30)

/* FNV-1a, and a last mixing, since slots are taken by its low bits. */
static uint64_t hash_of(const char *text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (; *text != '\0'; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    return hash ^ hash >> 29;
}

/* The slot that holds the text, or the empty one where it belongs. */
static uint32_t *find_slot(const smg_text_set *set, uint64_t hash, const char *text)
{
    const uint32_t mask = 2 * set->room - 1;
    for (uint32_t at = (uint32_t)hash & mask;; at = (at + 1) & mask) {
        uint32_t *slot = &set->slots[at];
        if (*slot == 0)
            return slot;
        const smg_text_set_entry *entry = &set->entries[*slot - 1];
        if (entry->hash == hash && strcmp(entry->text, text) == 0)
            return slot;
    }
}

static bool grow(smg_text_set *set)
{
    const uint32_t room = set->room == 0 ? 64 : set->room * 2;
    uint32_t *slots = set->count >= COUNT_MAX ? NULL : smg_alloc_array(2 * (size_t)room, sizeof *slots);
    if (slots == NULL)
        return false;
    smg_text_set_entry *entries = smg_realloc_array(set->entries, room, sizeof *entries);
    if (entries == NULL) {
        smg_free(slots);
        return false;
    }
    smg_free(set->slots);
    *set = (smg_text_set){.entries = entries, .count = set->count, .room = room, .slots = slots};
    for (uint32_t i = 0; i < set->count; i++)
        *find_slot(set, entries[i].hash, entries[i].text) = i + 1;
    return true;
}

int64_t smg_text_set_add(smg_text_set *set, const char *text)
{
    const uint64_t hash = hash_of(text);
    if (set->count == set->room && !grow(set))
        return -1;
    uint32_t *slot = find_slot(set, hash, text);
    if (*slot == 0) {
        set->entries[set->count++] = (smg_text_set_entry){hash, text};
        *slot = set->count;
    }
    return *slot - 1;
}

int64_t smg_text_set_find(const smg_text_set *set, const char *text)
{
    return set->count == 0 ? -1 : (int64_t)*find_slot(set, hash_of(text), text) - 1;
}

void smg_text_set_done(smg_text_set *set)
{
    smg_free(set->entries);
    smg_free(set->slots);
    *set = (smg_text_set){0};
}
