#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "token/tokenizer_internal.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "GGUF is read in place, and it is little-endian");

static uint64_t hash_text(const char *text, size_t size)
{
    return XXH3_64bits(text, size);
}

/* Halves are hashed apart so that a pair in the text, which has no space between, finds its merge. */
static uint64_t hash_pair(const char *left, size_t left_size, const char *right, size_t right_size)
{
    uint64_t mixed = hash_text(left, left_size) * 0x9E3779B97F4A7C15u + hash_text(right, right_size);
    mixed ^= mixed >> 32;
    return mixed * 0xD6E8FEB86659FD93u;
}

uint32_t smg_vocabulary_slots(uint64_t entries)
{
    return (uint32_t)(entries + entries / 2 + 8); /* entries are at most 2^20 */
}

static uint32_t first_slot(const smg_slots *slots, uint64_t hash)
{
    return (uint32_t)((hash >> 32) * slots->count >> 32);
}

static uint32_t next_slot(const smg_slots *slots, uint32_t slot)
{
    return slot + 1 == slots->count ? 0 : slot + 1;
}

static uint64_t load_length(const char *text)
{
    uint64_t length;
    memcpy(&length, text - sizeof(length), sizeof(length));
    return length;
}

smg_text smg_vocabulary_name(const smg_tokenizer *tokenizer, int32_t id)
{
    const char *name = tokenizer->names + tokenizer->name_offsets[id];
    return (smg_text){.data = name, .size = load_length(name)};
}

/* The slot that holds this name, or the empty one where it belongs. */
static uint32_t name_slot(const smg_tokenizer *tokenizer, const char *text, size_t size, uint64_t hash)
{
    const smg_slots *slots = &tokenizer->name_slots;
    uint32_t at = first_slot(slots, hash);
    for (; slots->slots[at].value != 0; at = next_slot(slots, at)) {
        if (slots->slots[at].tag != (uint32_t)hash)
            continue;
        smg_text name = smg_vocabulary_name(tokenizer, (int32_t)(slots->slots[at].value - 1));
        if (name.size == size && memcmp(name.data, text, size) == 0)
            break;
    }
    return at;
}

int32_t smg_vocabulary_add(smg_tokenizer *tokenizer, int32_t id)
{
    smg_text name = smg_vocabulary_name(tokenizer, id);
    uint64_t hash = hash_text(name.data, name.size);
    smg_slot *slot = &tokenizer->name_slots.slots[name_slot(tokenizer, name.data, name.size, hash)];
    if (slot->value != 0)
        return (int32_t)(slot->value - 1);
    *slot = (smg_slot){.tag = (uint32_t)hash, .value = (uint32_t)id + 1};
    return SMG_TOKEN_NONE;
}

int32_t smg_vocabulary_find(const smg_tokenizer *tokenizer, const char *text, size_t size)
{
    uint32_t at = name_slot(tokenizer, text, size, hash_text(text, size));
    return (int32_t)tokenizer->name_slots.slots[at].value - 1;
}

int32_t smg_vocabulary_find_text(const smg_tokenizer *tokenizer, const char *text, size_t size)
{
    int32_t id = smg_vocabulary_find(tokenizer, text, size);
    return id != SMG_TOKEN_NONE && (tokenizer->flags[id] & SMG_TOKEN_TEXT) ? id : SMG_TOKEN_NONE;
}

float smg_vocabulary_score(const smg_tokenizer *tokenizer, int32_t id)
{
    float score;
    memcpy(&score, tokenizer->scores + sizeof(score) * (size_t)id, sizeof(score));
    return score;
}

static uint32_t merge_slot(const smg_tokenizer *tokenizer, smg_text left, smg_text right, uint64_t hash)
{
    const smg_slots *slots = &tokenizer->merge_slots;
    uint32_t at = first_slot(slots, hash);
    for (; slots->slots[at].value != 0; at = next_slot(slots, at)) {
        if (slots->slots[at].tag != (uint32_t)hash)
            continue;
        const char *merge = tokenizer->merges + (slots->slots[at].value - 1);
        if (load_length(merge) == left.size + 1 + right.size && memcmp(merge, left.data, left.size) == 0 &&
            merge[left.size] == ' ' && memcmp(merge + left.size + 1, right.data, right.size) == 0)
            break;
    }
    return at;
}

bool smg_merges_prepare(const smg_tokenizer *tokenizer, uint32_t offset, size_t size,
                        smg_pending_merge *ret_merge)
{
    const char *merge = tokenizer->merges + offset;
    /* The first character is never the separator, so that a merge of a space could be written. */
    const char *space = size > 2 ? memchr(merge + 1, ' ', size - 2) : NULL;
    if (space == NULL)
        return false;
    size_t left_size = (size_t)(space - merge);
    uint64_t hash = hash_pair(merge, left_size, space + 1, size - left_size - 1);
    __builtin_prefetch(&tokenizer->merge_slots.slots[first_slot(&tokenizer->merge_slots, hash)], 1);
    *ret_merge = (smg_pending_merge){
        .hash = hash,
        .offset = offset,
        .left_size = (uint32_t)left_size,
        .right_size = (uint32_t)(size - left_size - 1),
    };
    return true;
}

void smg_merges_add(smg_tokenizer *tokenizer, const smg_pending_merge *merge)
{
    const char *text = tokenizer->merges + merge->offset;
    smg_text left = {.data = text, .size = merge->left_size};
    smg_text right = {.data = text + merge->left_size + 1, .size = merge->right_size};
    smg_slot *slot = &tokenizer->merge_slots.slots[merge_slot(tokenizer, left, right, merge->hash)];
    if (slot->value == 0) /* of two equal merges the first counts */
        *slot = (smg_slot){.tag = (uint32_t)merge->hash, .value = merge->offset + 1};
}

bool smg_merges_find(const smg_tokenizer *tokenizer, const char *text, size_t left_size, size_t size,
                     uint32_t *ret_rank)
{
    smg_text left = {.data = text, .size = left_size};
    smg_text right = {.data = text + left_size, .size = size - left_size};
    uint64_t hash = hash_pair(left.data, left.size, right.data, right.size);
    uint32_t value = tokenizer->merge_slots.slots[merge_slot(tokenizer, left, right, hash)].value;
    *ret_rank = value;
    return value != 0;
}
