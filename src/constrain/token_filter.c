#include "constrain/token_filter.h"

#include <string.h>

#include "base/alloc.h"
#include "constrain/json_shape_internal.h"

#define TOKEN_BYTES_MAX 128
#define LEVELS 8 /* sets are kept for strings with room for 1 to 8 characters, and for more */

/* Tokens in the order of their bytes. */
typedef struct order {
    int32_t *ids;
    uint8_t *shared; /* bytes at the front that are those of the token before */
    int32_t count;
    int32_t first[257]; /* by the first byte */
} order;

struct smg_token_filter {
    const smg_tokenizer *tokenizer;
    size_t words;
    order inner;           /* whole characters that a string may hold */
    order other;           /* all the rest */
    uint64_t *sets;        /* of the inner tokens with at most 1 to LEVELS characters; and of all */
    int32_t *long_ids;     /* inner tokens with more, longest first */
    uint8_t *long_lengths; /* their characters */
    int32_t long_count;
};

/* A token on its way into an order. */
typedef struct entry {
    uint64_t front; /* its first 8 bytes */
    int32_t id;
    int32_t length; /* characters of an inner one, -1 of others */
} entry;

static void order_done(order *tokens)
{
    smg_free(tokens->ids);
    smg_free(tokens->shared);
}

void smg_token_filter_free(smg_token_filter *filter)
{
    if (filter == NULL)
        return;
    order_done(&filter->inner);
    order_done(&filter->other);
    smg_free(filter->sets);
    smg_free(filter->long_ids);
    smg_free(filter->long_lengths);
    smg_free(filter);
}

static void free_filter(smg_token_filter **filter)
{
    smg_token_filter_free(*filter);
}

/* ---- Building ------------------------------------------------------------------------------------------ */

static entry make_entry(int32_t id, smg_text bytes)
{
    entry made = {.id = id, .length = -1};
    for (size_t i = 0; i < 8; i++)
        made.front = made.front << 8 | (i < bytes.size ? (uint8_t)bytes.data[i] : 0);
    if (!smg_json_string_holds(bytes.data, bytes.size, &made.length))
        made.length = -1;
    return made;
}

/* Of entries with the same front: by bytes, then by id. */
static bool goes_before(const smg_tokenizer *tokenizer, const entry *a, const entry *b)
{
    smg_text left = smg_tokenizer_bytes(tokenizer, a->id);
    smg_text right = smg_tokenizer_bytes(tokenizer, b->id);
    int difference = memcmp(left.data, right.data, left.size < right.size ? left.size : right.size);
    if (difference != 0)
        return difference < 0;
    return left.size != right.size ? left.size < right.size : a->id < b->id;
}

/* Merges neighbouring runs of 1, 2, 4 ... between two arrays; returns the one with the result. */
static entry *merge_runs(const smg_tokenizer *tokenizer, entry *from, entry *to, size_t count)
{
    for (size_t run = 1; run < count; run *= 2) {
        for (size_t start = 0; start < count; start += 2 * run) {
            size_t middle = start + run < count ? start + run : count;
            size_t end = middle + run < count ? middle + run : count;
            size_t left = start;
            size_t right = middle;
            for (size_t i = start; i < end; i++) {
                bool second =
                    left == middle || (right < end && goes_before(tokenizer, &from[right], &from[left]));
                to[i] = second ? from[right++] : from[left++];
            }
        }
        entry *swap = from;
        from = to;
        to = swap;
    }
    return from;
}

/* By one byte of the front, and among equals as they were. */
static void distribute(const entry *from, entry *to, size_t count, int shift)
{
    size_t places[257] = {0};
    for (size_t i = 0; i < count; i++)
        places[(from[i].front >> shift & 0xFF) + 1]++;
    for (int byte = 1; byte < 256; byte++)
        places[byte] += places[byte - 1];
    for (size_t i = 0; i < count; i++)
        to[places[from[i].front >> shift & 0xFF]++] = from[i];
}

/* By bytes, then by id; leaves the result in `entries`. Comparing hundreds of thousands of tokens takes longer than most
 * answers: so their first 8 bytes are sorted as a number, a byte at a time. */
static void sort_entries(const smg_tokenizer *tokenizer, entry *entries, entry *spare, size_t count)
{
    for (int shift = 0; shift < 64; shift += 16) {
        distribute(entries, spare, count, shift);
        distribute(spare, entries, count, shift + 8);
    }
    for (size_t start = 0, end; start < count; start = end) {
        for (end = start + 1; end < count && entries[end].front == entries[start].front;)
            end++;
        const entry *sorted = merge_runs(tokenizer, entries + start, spare, end - start);
        if (sorted == spare)
            memcpy(entries + start, spare, (end - start) * sizeof(*spare));
    }
}

static uint8_t count_shared(smg_text a, smg_text b)
{
    size_t count = 0;
    while (count < a.size && count < b.size && a.data[count] == b.data[count])
        count++;
    return (uint8_t)count;
}

/* Takes the inner entries, or the others. */
static bool fill_order(order *tokens, const smg_tokenizer *tokenizer, const entry *entries, size_t count,
                       bool inner)
{
    for (size_t i = 0; i < count; i++)
        tokens->count += (entries[i].length >= 0) == inner;
    tokens->ids = smg_alloc_array((size_t)tokens->count, sizeof(*tokens->ids));
    tokens->shared = smg_alloc((size_t)tokens->count);
    if (tokens->ids == NULL || tokens->shared == NULL)
        return false;
    int32_t at = 0;
    smg_text before = {.data = "", .size = 0};
    for (size_t i = 0; i < count; i++) {
        if ((entries[i].length >= 0) != inner)
            continue;
        smg_text bytes = smg_tokenizer_bytes(tokenizer, entries[i].id);
        tokens->ids[at] = entries[i].id;
        tokens->shared[at++] = count_shared(before, bytes);
        tokens->first[(uint8_t)bytes.data[0] + 1] = at;
        before = bytes;
    }
    for (int byte = 0; byte < 256; byte++) {
        if (tokens->first[byte + 1] == 0)
            tokens->first[byte + 1] = tokens->first[byte];
    }
    return true;
}

static bool fill_sets(smg_token_filter *filter, const entry *entries, size_t count)
{
    int32_t starts[TOKEN_BYTES_MAX + 2] = {0}; /* of those with n characters, behind all that have more */
    filter->sets = smg_alloc_array(filter->words * (LEVELS + 1), sizeof(*filter->sets));
    if (filter->sets == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        int32_t length = entries[i].length;
        if (length < 0)
            continue;
        uint64_t *word = filter->sets + entries[i].id / 64;
        for (int level = length <= LEVELS ? length - 1 : LEVELS; level <= LEVELS; level++)
            word[filter->words * (size_t)level] |= (uint64_t)1 << entries[i].id % 64;
        if (length > LEVELS) {
            starts[length - 1]++;
            filter->long_count++;
        }
    }
    filter->long_ids = smg_alloc_array((size_t)filter->long_count, sizeof(*filter->long_ids));
    filter->long_lengths = smg_alloc((size_t)filter->long_count);
    if (filter->long_ids == NULL || filter->long_lengths == NULL)
        return false;
    for (int length = TOKEN_BYTES_MAX; length > 0; length--)
        starts[length - 1] += starts[length];
    for (size_t i = 0; i < count; i++) {
        if (entries[i].length <= LEVELS)
            continue;
        int32_t at = starts[entries[i].length]++;
        filter->long_ids[at] = entries[i].id;
        filter->long_lengths[at] = (uint8_t)entries[i].length;
    }
    return true;
}

/* Each byte that an answer may need must be a token by itself: then no token leads to where none can go
 * on. */
static smidge_status check_bytes(const bool *single, smidge_error *error)
{
    for (int byte = 0x20; byte <= 0xF4; byte++) {
        bool needed = byte != 0x7F && byte != 0xC0 && byte != 0xC1 && !smg_json_is_vacant((uint8_t)byte);
        if (needed && !single[byte])
            return smg_error_set(
                error, SMIDGE_E_UNSUPPORTED, "vocabulary",
                "it has no token for the byte 0x%02X alone, which JSON answers need (use another "
                "model, or labels)",
                byte);
    }
    return SMIDGE_OK;
}

static size_t collect(const smg_tokenizer *tokenizer, entry *entries, bool *single)
{
    size_t count = 0;
    for (int32_t id = 0; id < smg_tokenizer_size(tokenizer); id++) {
        smg_text bytes = smg_tokenizer_bytes(tokenizer, id);
        if (bytes.size == 0 || bytes.size > TOKEN_BYTES_MAX || smg_tokenizer_is_control(tokenizer, id) ||
            smg_tokenizer_is_end(tokenizer, id))
            continue;
        entries[count++] = make_entry(id, bytes);
        if (bytes.size == 1)
            single[(uint8_t)bytes.data[0]] = true;
    }
    return count;
}

smidge_status smg_token_filter_new(const smg_tokenizer *tokenizer, smg_token_filter **ret_filter,
                                   smidge_error *error)
{
    size_t size = (size_t)smg_tokenizer_size(tokenizer);
    SMG_CLEANUP(smg_free_ptr) entry *entries = smg_alloc_array(size, sizeof(*entries));
    SMG_CLEANUP(smg_free_ptr) entry *spare = smg_alloc_array(size, sizeof(*spare));
    SMG_CLEANUP(free_filter) smg_token_filter *filter = smg_alloc(sizeof(*filter));
    if (entries == NULL || spare == NULL || filter == NULL)
        return smg_error_no_memory(error, "vocabulary", 2 * size * sizeof(*entries));
    filter->tokenizer = tokenizer;
    filter->words = (size + 63) / 64;
    bool single[256] = {false};
    size_t count = collect(tokenizer, entries, single);
    SMG_TRY(check_bytes(single, error));
    sort_entries(tokenizer, entries, spare, count);
    if (!fill_order(&filter->inner, tokenizer, entries, count, true) ||
        !fill_order(&filter->other, tokenizer, entries, count, false) || !fill_sets(filter, entries, count))
        return smg_error_no_memory(error, "vocabulary", size * sizeof(int32_t));
    *ret_filter = filter;
    filter = NULL;
    return SMIDGE_OK;
}

size_t smg_token_filter_words(const smg_token_filter *filter)
{
    return filter->words;
}

/* ---- Asking ----------------------------------------------------------------------------------------- */

typedef struct walk {
    const smg_tokenizer *tokenizer;
    const smg_json_shape *shape;
    uint64_t *tokens;
    smg_json_state states[TOKEN_BYTES_MAX + 1]; /* behind so many bytes */
} walk;

/* The tokens that begin with the byte that led to states[1]. */
static void walk_bucket(walk *at, const order *tokens, uint8_t byte)
{
    size_t good = 1; /* bytes of the last token looked at that the automaton took */
    for (int32_t i = tokens->first[byte]; i < tokens->first[byte + 1]; i++) {
        size_t depth = i == tokens->first[byte] ? 1 : tokens->shared[i];
        if (depth > good)
            continue; /* shares the byte that was not taken */
        smg_text bytes = smg_tokenizer_bytes(at->tokenizer, tokens->ids[i]);
        for (; depth < bytes.size; depth++) {
            at->states[depth + 1] = at->states[depth];
            if (!smg_json_step(at->shape, &at->states[depth + 1], (uint8_t)bytes.data[depth]))
                break;
        }
        good = depth;
        if (depth == bytes.size)
            at->tokens[tokens->ids[i] / 64] |= (uint64_t)1 << tokens->ids[i] % 64;
    }
}

static void walk_order(walk *at, const order *tokens)
{
    for (int byte = 0; byte < 256; byte++) {
        if (tokens->first[byte] == tokens->first[byte + 1])
            continue;
        at->states[1] = at->states[0];
        if (smg_json_step(at->shape, &at->states[1], (uint8_t)byte))
            walk_bucket(at, tokens, (uint8_t)byte);
    }
}

/* Inside a string with room for so many characters. */
static void take_inner(const smg_token_filter *filter, int32_t room, uint64_t *ret_tokens)
{
    size_t level = room > LEVELS ? LEVELS : (size_t)room - 1;
    memcpy(ret_tokens, filter->sets + filter->words * level, filter->words * sizeof(*ret_tokens));
    for (int32_t i = 0; room > LEVELS && i < filter->long_count && filter->long_lengths[i] > room; i++)
        ret_tokens[filter->long_ids[i] / 64] &= ~((uint64_t)1 << filter->long_ids[i] % 64);
}

size_t smg_token_filter_json(const smg_token_filter *filter, const smg_json_shape *shape,
                             const smg_json_state *state, uint64_t *ret_tokens)
{
    walk at; /* cleared only as far as it is used */
    at.tokenizer = filter->tokenizer;
    at.shape = shape;
    at.tokens = ret_tokens;
    int32_t room = smg_json_string_room(shape, state);
    at.states[0] = *state;
    if (room > 0)
        take_inner(filter, room, ret_tokens);
    else
        memset(ret_tokens, 0, filter->words * sizeof(*ret_tokens));
    if (room < 0)
        walk_order(&at, &filter->inner);
    walk_order(&at, &filter->other);
    size_t count = 0;
    for (size_t i = 0; i < filter->words; i++)
        count += (size_t)__builtin_popcountll(ret_tokens[i]);
    return count;
}
