#include "pair_merges.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/alloc.h"
#include "token/splitter.h"

#define FIRST_SLOTS 4096u

typedef struct word {
    int32_t *symbols; /* at first its bytes */
    int32_t size;
    uint32_t count;
    uint32_t spaced; /* of them, so many behind a space */
    bool apart;
} word;

/* Words in a hash table of places, open addressing. */
struct nano_corpus {
    word *words;
    size_t count;
    size_t room;
    uint32_t *slots; /* place + 1 */
    size_t slot_count;
};

smidge_status nano_corpus_new(nano_corpus **ret_corpus, smidge_error *error)
{
    nano_corpus *corpus = smg_alloc(sizeof *corpus);
    if (corpus == NULL)
        return smg_error_no_memory(error, "corpus", sizeof *corpus);
    corpus->slots = smg_alloc_array(FIRST_SLOTS, sizeof *corpus->slots);
    if (corpus->slots == NULL) {
        smg_free(corpus);
        return smg_error_no_memory(error, "corpus", FIRST_SLOTS * sizeof *corpus->slots);
    }
    corpus->slot_count = FIRST_SLOTS;
    *ret_corpus = corpus;
    return SMIDGE_OK;
}

void nano_corpus_free(nano_corpus *corpus)
{
    if (corpus == NULL)
        return;
    for (size_t i = 0; i < corpus->count; i++)
        smg_free(corpus->words[i].symbols);
    smg_free(corpus->words);
    smg_free(corpus->slots);
    smg_free(corpus);
}

static bool is_word(const word *w, const char *text, size_t size)
{
    if ((size_t)w->size != size)
        return false;
    for (size_t i = 0; i < size; i++) {
        if (w->symbols[i] != (uint8_t)text[i])
            return false;
    }
    return true;
}

static size_t slot_of(const nano_corpus *corpus, const char *text, size_t size)
{
    size_t slot = XXH3_64bits(text, size) & (corpus->slot_count - 1);
    while (corpus->slots[slot] != 0 && !is_word(&corpus->words[corpus->slots[slot] - 1], text, size))
        slot = (slot + 1) & (corpus->slot_count - 1);
    return slot;
}

/* Room for one word more, in the table and in the list. */
static smidge_status grow(nano_corpus *corpus, smidge_error *error)
{
    if (corpus->count == corpus->room) {
        const size_t room = corpus->room * 2 + 1024;
        word *words = smg_realloc_array(corpus->words, room, sizeof *words);
        if (words == NULL)
            return smg_error_no_memory(error, "corpus", room * sizeof *words);
        corpus->words = words;
        corpus->room = room;
    }
    if (corpus->count * 2 < corpus->slot_count)
        return SMIDGE_OK;
    const size_t before = corpus->slot_count;
    uint32_t *slots = smg_alloc_array(before * 2, sizeof *slots);
    SMG_CLEANUP(smg_free_ptr) char *text = smg_alloc(NANO_WORD_MAX);
    if (slots == NULL || text == NULL) {
        smg_free(slots);
        return smg_error_no_memory(error, "corpus", before * 2 * sizeof *slots);
    }
    smg_free(corpus->slots);
    corpus->slots = slots;
    corpus->slot_count = before * 2;
    for (size_t i = 0; i < corpus->count; i++) {
        const word *w = &corpus->words[i];
        for (int32_t j = 0; j < w->size; j++)
            text[j] = (char)w->symbols[j];
        corpus->slots[slot_of(corpus, text, (size_t)w->size)] = (uint32_t)i + 1;
    }
    return SMIDGE_OK;
}

/* The word's entry, made where there is none. */
static smidge_status find_word(nano_corpus *corpus, const char *text, size_t size, word **ret_word,
                               smidge_error *error)
{
    SMG_TRY(grow(corpus, error));
    const size_t slot = slot_of(corpus, text, size);
    if (corpus->slots[slot] == 0) {
        word w = {.symbols = smg_alloc_array(size, sizeof *w.symbols), .size = (int32_t)size};
        if (w.symbols == NULL)
            return smg_error_no_memory(error, "corpus", size * sizeof *w.symbols);
        for (size_t i = 0; i < size; i++)
            w.symbols[i] = (uint8_t)text[i];
        corpus->words[corpus->count++] = w;
        corpus->slots[slot] = (uint32_t)corpus->count;
    }
    *ret_word = &corpus->words[corpus->slots[slot] - 1];
    return SMIDGE_OK;
}

/* Each word of the text, without the space before it. What is so long that it is no word is nothing to learn from. */
static smidge_status add_words(nano_corpus *corpus, const char *text, size_t size, bool apart,
                               smidge_error *error)
{
    smg_splitter splitter;
    smg_text piece;
    smg_splitter_init(&splitter, SMG_SPLIT_QWEN2, text, size);
    while (smg_splitter_next(&splitter, &piece)) {
        const bool spaced = piece.size > 1 && piece.data[0] == ' ';
        const size_t skipped = spaced ? 1 : 0;
        word *found;
        if (piece.size > NANO_WORD_MAX)
            continue;
        SMG_TRY(find_word(corpus, piece.data + skipped, piece.size - skipped, &found, error));
        found->count += !apart;
        found->spaced += !apart && spaced;
        found->apart = found->apart || apart;
    }
    return SMIDGE_OK;
}

smidge_status nano_corpus_add(nano_corpus *corpus, const char *text, size_t size, smidge_error *error)
{
    return add_words(corpus, text, size, false, error);
}

smidge_status nano_corpus_keep_apart(nano_corpus *corpus, const char *text, size_t size, smidge_error *error)
{
    return add_words(corpus, text, size, true, error);
}

/* counts[left * NANO_SYMBOLS_MAX + right] */
static void count_pairs(const word *w, int64_t sign, int64_t *counts)
{
    for (int32_t i = 0; i + 1 < w->size; i++)
        counts[(size_t)w->symbols[i] * NANO_SYMBOLS_MAX + (size_t)w->symbols[i + 1]] += sign * w->count;
}

static bool has_pair(const word *w, nano_merge pair)
{
    for (int32_t i = 0; i + 1 < w->size; i++) {
        if (w->symbols[i] == pair.left && w->symbols[i + 1] == pair.right)
            return true;
    }
    return false;
}

static void merge_pair(word *w, nano_merge pair, int32_t merged)
{
    int32_t to = 0;
    for (int32_t from = 0; from < w->size; from++) {
        const bool here =
            from + 1 < w->size && w->symbols[from] == pair.left && w->symbols[from + 1] == pair.right;
        w->symbols[to++] = here ? merged : w->symbols[from];
        from += here;
    }
    w->size = to;
}

static int64_t best_pair(const int64_t *counts, int32_t symbols, nano_merge *ret)
{
    int64_t best = 0;
    for (int32_t left = 0; left < symbols; left++) {
        const int64_t *row = counts + (size_t)left * NANO_SYMBOLS_MAX;
        for (int32_t right = 0; right < symbols; right++) {
            if (row[right] > best) {
                best = row[right];
                *ret = (nano_merge){left, right};
            }
        }
    }
    return best;
}

/* Merges inside words. */
static smidge_status merge_words(nano_corpus *corpus, int32_t most, nano_merge *ret_merges,
                                 int32_t *ret_count, smidge_error *error)
{
    const size_t pairs = (size_t)NANO_SYMBOLS_MAX * NANO_SYMBOLS_MAX;
    SMG_CLEANUP(smg_free_ptr) int64_t *counts = smg_alloc_array(pairs, sizeof *counts);
    if (counts == NULL)
        return smg_error_no_memory(error, "merges", pairs * sizeof *counts);
    for (size_t i = 0; i < corpus->count; i++)
        count_pairs(&corpus->words[i], 1, counts);
    int32_t count = 0;
    for (; count < most; count++) {
        const int32_t symbols = NANO_BYTES + count;
        nano_merge pair;
        if (best_pair(counts, symbols, &pair) < 2)
            break;
        ret_merges[count] = pair;
        for (size_t i = 0; i < corpus->count; i++) {
            word *w = &corpus->words[i];
            if (!has_pair(w, pair))
                continue;
            count_pairs(w, -1, counts);
            merge_pair(w, pair, symbols);
            count_pairs(w, 1, counts);
        }
    }
    *ret_count = count;
    return SMIDGE_OK;
}

/* The whole word that stands most often behind a space, and then no more. */
static word *next_to_join(nano_corpus *corpus)
{
    word *best = NULL;
    for (size_t i = 0; i < corpus->count; i++) {
        word *w = &corpus->words[i];
        if (w->size != 1 || w->apart || w->spaced < 2)
            continue;
        if (best == NULL || w->spaced > best->spaced ||
            (w->spaced == best->spaced && w->symbols[0] < best->symbols[0]))
            best = w;
    }
    return best;
}

smidge_status nano_corpus_merges(nano_corpus *corpus, int32_t most, int32_t joined, nano_merge *ret_merges,
                                 int32_t *ret_count, smidge_error *error)
{
    int32_t count;
    most = most < NANO_SYMBOLS_MAX - NANO_BYTES ? most : NANO_SYMBOLS_MAX - NANO_BYTES;
    joined = joined < most ? joined : most;
    SMG_TRY(merge_words(corpus, most - joined, ret_merges, &count, error));
    for (word *w; joined > 0 && (w = next_to_join(corpus)) != NULL; joined--) {
        ret_merges[count++] = (nano_merge){' ', w->symbols[0]};
        w->spaced = 0;
    }
    *ret_count = count;
    return SMIDGE_OK;
}
