#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "token/tokenizer_internal.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "GGUF is read in place, and it is little-endian");

/* A slot holds a text's place, plus one, and above that some bits of its hash, which save most looks at the text. */
#define VALUE_BITS 21
#define VALUE_MASK ((UINT32_C(1) << VALUE_BITS) - 1)
_Static_assert(SMG_GGUF_MAX_ARRAY < VALUE_MASK, "a slot holds any place");

/* Tables are filled this many entries at a time, so that each slot's cache line is on its way before it is needed. */
#define BLOCK 32

/* ---- Hashes: nearly all texts fit two words ------------------------------------------------------------- */

#define SHORT_TEXT 16

typedef struct short_text {
    uint64_t front; /* what does not fit `back` */
    uint64_t back;  /* the last 8 bytes */
} short_text;

static inline uint64_t load_word(const char *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

/* Of 1 to 16 bytes, in front of whose end there are 16 that may be read: no branch and no call depends on the size. */
static inline short_text load_short(const char *text, size_t size)
{
    uint64_t back = load_word(text + size - 8);
    uint64_t front = load_word(text + size - 16);
    return (short_text){
        .front = size > 8 ? front >> (128 - 8 * size) : 0,
        .back = size < 8 ? back >> (64 - 8 * size) : back,
    };
}

static inline uint64_t hash_short(short_text text, size_t size)
{
    uint64_t mixed = text.back * 0x9E3779B97F4A7C15u + size;
    mixed = (mixed ^ mixed >> 32 ^ text.front) * 0xC2B2AE3D27D4EB4Fu;
    mixed = (mixed ^ mixed >> 29) * 0xD6E8FEB86659FD93u;
    return mixed ^ mixed >> 32;
}

static inline bool has_space(short_text text)
{
    const uint64_t ones = 0x0101010101010101u;
    uint64_t front = text.front ^ ones * ' ';
    uint64_t back = text.back ^ ones * ' ';
    return (((front - ones) & ~front) | ((back - ones) & ~back)) & ones * 0x80;
}

static bool is_short(size_t size)
{
    return size >= 1 && size <= SHORT_TEXT;
}

static uint64_t hash_text(const char *text, size_t size)
{
    if (!is_short(size))
        return XXH3_64bits(text, size);
    char room[SHORT_TEXT] = {0};
    memcpy(room + SHORT_TEXT - size, text, size);
    return hash_short(load_short(room + SHORT_TEXT - size, size), size);
}

/* A merge that is not short, "left right", is hashed by its halves: in a text that it may apply to, there is no space
 * between them. */
static uint64_t hash_halves(smg_text left, smg_text right)
{
    uint64_t mixed =
        XXH3_64bits(left.data, left.size) * 0x9E3779B97F4A7C15u + XXH3_64bits(right.data, right.size);
    return mixed ^ mixed >> 32;
}

/* ---- Tables ------------------------------------------------------------------------------------------- */

uint32_t smg_vocabulary_slots(uint64_t entries)
{
    return (uint32_t)(entries + entries / 2 + 8); /* entries are at most 2^20 */
}

static uint32_t first_slot(const smg_text_table *table, uint64_t hash)
{
    return (uint32_t)((hash >> 32) * table->slot_count >> 32);
}

static uint32_t next_slot(const smg_text_table *table, uint32_t slot)
{
    return slot + 1 == table->slot_count ? 0 : slot + 1;
}

static bool may_be(uint32_t slot, uint64_t hash)
{
    return (slot ^ (uint32_t)hash << VALUE_BITS) >> VALUE_BITS == 0;
}

/* What a slot holds; -1 where it is empty. */
static int32_t slot_place(uint32_t slot)
{
    return (int32_t)(slot & VALUE_MASK) - 1;
}

static inline smg_text text_at(const smg_text_table *table, int32_t place)
{
    const char *text = table->texts + table->offsets[place];
    return (smg_text){.data = text, .size = load_word(text - 8)};
}

/* The slot that holds this text, or the empty one where it belongs. */
static uint32_t find_slot(const smg_text_table *table, const char *text, size_t size, uint64_t hash)
{
    uint32_t at = first_slot(table, hash);
    for (; table->slots[at] != 0; at = next_slot(table, at)) {
        if (!may_be(table->slots[at], hash))
            continue;
        smg_text other = text_at(table, slot_place(table->slots[at]));
        if (other.size == size && memcmp(other.data, text, size) == 0)
            break;
    }
    return at;
}

/* Returns the place that has the text of `place` already, or -1 when it was new. */
static inline int32_t add(const smg_text_table *table, int32_t place, uint64_t hash)
{
    uint32_t at = first_slot(table, hash);
    for (; table->slots[at] != 0; at = next_slot(table, at)) {
        if (!may_be(table->slots[at], hash))
            continue;
        int32_t same = slot_place(table->slots[at]);
        smg_text text = text_at(table, place);
        smg_text other = text_at(table, same);
        if (text.size == other.size && memcmp(text.data, other.data, text.size) == 0)
            return same;
    }
    table->slots[at] = (uint32_t)hash << VALUE_BITS | ((uint32_t)place + 1);
    return -1;
}

static void prefetch(const smg_text_table *table, uint64_t hash)
{
    __builtin_prefetch(&table->slots[first_slot(table, hash)], 1);
}

/* ---- Names ---------------------------------------------------------------------------------------------- */

smg_text smg_vocabulary_name(const smg_tokenizer *tokenizer, int32_t id)
{
    return text_at(&tokenizer->names, id);
}

int32_t smg_vocabulary_add_names(const smg_tokenizer *tokenizer, int32_t from, int32_t to, int32_t *ret_same)
{
    const smg_text_table *names = &tokenizer->names;
    uint64_t hashes[BLOCK];
    for (int32_t start = from; start < to; start += BLOCK) {
        int32_t count = to - start < BLOCK ? to - start : BLOCK;
        for (int32_t i = 0; i < count; i++) {
            smg_text name = text_at(names, start + i);
            hashes[i] = is_short(name.size) ? hash_short(load_short(name.data, name.size), name.size)
                                            : XXH3_64bits(name.data, name.size);
            prefetch(names, hashes[i]);
        }
        for (int32_t i = 0; i < count; i++) {
            if (text_at(names, start + i).size == 0)
                continue;
            *ret_same = add(names, start + i, hashes[i]);
            if (*ret_same >= 0)
                return start + i;
        }
    }
    return SMG_TOKEN_NONE;
}

int32_t smg_vocabulary_find(const smg_tokenizer *tokenizer, const char *text, size_t size)
{
    uint32_t at = find_slot(&tokenizer->names, text, size, hash_text(text, size));
    return slot_place(tokenizer->names.slots[at]);
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

/* ---- Merges --------------------------------------------------------------------------------------------- */

smg_text smg_vocabulary_merge(const smg_tokenizer *tokenizer, int32_t rank)
{
    return text_at(&tokenizer->merges, rank);
}

/* False when it has not two halves. Its first character is never the separator, so that a merge of a space could be
 * written. */
static inline bool hash_merge(smg_text merge, uint64_t *ret_hash)
{
    if (merge.size < 3)
        return false;
    if (merge.size <= SHORT_TEXT) {
        *ret_hash = hash_short(load_short(merge.data, merge.size), merge.size);
        return has_space(load_short(merge.data + 1, merge.size - 2));
    }
    const char *space = memchr(merge.data + 1, ' ', merge.size - 2);
    if (space == NULL)
        return false;
    size_t left = (size_t)(space - merge.data);
    *ret_hash = hash_halves((smg_text){.data = merge.data, .size = left},
                            (smg_text){.data = space + 1, .size = merge.size - left - 1});
    return true;
}

int32_t smg_vocabulary_add_merges(const smg_tokenizer *tokenizer, int32_t from, int32_t to)
{
    const smg_text_table *merges = &tokenizer->merges;
    uint64_t hashes[BLOCK];
    for (int32_t start = from; start < to; start += BLOCK) {
        int32_t count = to - start < BLOCK ? to - start : BLOCK;
        for (int32_t i = 0; i < count; i++) {
            if (!hash_merge(text_at(merges, start + i), &hashes[i]))
                return start + i;
            prefetch(merges, hashes[i]);
        }
        for (int32_t i = 0; i < count; i++)
            (void)add(merges, start + i, hashes[i]); /* of two equal merges the first counts */
    }
    return -1;
}

static uint64_t hash_pair(smg_text left, smg_text right)
{
    size_t size = left.size + 1 + right.size;
    if (size > SHORT_TEXT)
        return hash_halves(left, right);
    char room[SHORT_TEXT] = {0};
    char *text = room + SHORT_TEXT - size;
    memcpy(text, left.data, left.size);
    text[left.size] = ' ';
    memcpy(text + left.size + 1, right.data, right.size);
    return hash_short(load_short(text, size), size);
}

bool smg_vocabulary_find_merge(const smg_tokenizer *tokenizer, const char *text, size_t left_size,
                               size_t size, uint32_t *ret_rank)
{
    const smg_text_table *merges = &tokenizer->merges;
    const char *right = text + left_size;
    uint64_t hash = hash_pair((smg_text){.data = text, .size = left_size},
                              (smg_text){.data = right, .size = size - left_size});
    for (uint32_t at = first_slot(merges, hash); merges->slots[at] != 0; at = next_slot(merges, at)) {
        if (!may_be(merges->slots[at], hash))
            continue;
        int32_t rank = slot_place(merges->slots[at]);
        smg_text merge = text_at(merges, rank);
        if (merge.size != size + 1 || memcmp(merge.data, text, left_size) != 0 ||
            merge.data[left_size] != ' ' || memcmp(merge.data + left_size + 1, right, size - left_size) != 0)
            continue;
        *ret_rank = (uint32_t)rank;
        return true;
    }
    return false;
}
