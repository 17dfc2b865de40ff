/* The loop that BPE and SentencePiece share: of all neighbours that may merge, take the best pair, leftmost
 * first among equals, until none is left. A heap holds the candidates; those that an earlier merge has made
 * stale are dropped when they come up. Each merge adds at most two, so the heap never sees more than three
 * candidates a character. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "token/tokenizer_internal.h"
#include "token/unicode.h"

static bool goes_first(const smg_candidate *a, const smg_candidate *b)
{
    return a->order != b->order ? a->order < b->order : a->left < b->left;
}

static smidge_status heap_push(smg_encoder *encoder, smg_candidate candidate)
{
    if (encoder->heap_count == encoder->heap_room) {
        size_t room = encoder->heap_room * 2 + 64;
        smg_candidate *grown = smg_realloc_array(encoder->heap, room, sizeof(*grown));
        if (grown == NULL)
            return smg_error_no_memory(encoder->error, "tokenizing", room * sizeof(*grown));
        encoder->heap = grown;
        encoder->heap_room = room;
    }
    size_t at = encoder->heap_count++;
    while (at > 0 && goes_first(&candidate, &encoder->heap[(at - 1) / 2])) {
        encoder->heap[at] = encoder->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    encoder->heap[at] = candidate;
    return SMIDGE_OK;
}

static smg_candidate heap_pop(smg_encoder *encoder)
{
    smg_candidate *heap = encoder->heap;
    smg_candidate best = heap[0];
    smg_candidate last = heap[--encoder->heap_count];
    size_t count = encoder->heap_count;
    size_t at = 0;
    for (size_t child = 1; child < count; child = 2 * at + 1) {
        if (child + 1 < count && goes_first(&heap[child + 1], &heap[child]))
            child++;
        if (!goes_first(&heap[child], &last))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = last;
    return best;
}

/* Higher scores first, as an unsigned number that sorts the other way round; NaN goes last. */
static uint32_t score_order(float score)
{
    if (isnan(score))
        return UINT32_MAX;
    score += 0.0f; /* one zero only */
    uint32_t bits;
    memcpy(&bits, &score, sizeof(bits));
    return bits >> 31 ? bits : 0x7FFFFFFFu - bits;
}

static bool find_merge(const smg_tokenizer *tokenizer, const char *text, size_t left_size, size_t size,
                       uint32_t *ret_order, int32_t *ret_id)
{
    uint32_t rank = 0;
    if (tokenizer->kind == SMG_TOKENIZER_BPE &&
        !smg_vocabulary_find_merge(tokenizer, text, left_size, size, &rank))
        return false;
    *ret_id = smg_vocabulary_find_text(tokenizer, text, size);
    if (*ret_id == SMG_TOKEN_NONE)
        return false;
    if (tokenizer->kind == SMG_TOKENIZER_SPM)
        rank = score_order(smg_vocabulary_score(tokenizer, *ret_id));
    *ret_order = rank;
    return true;
}

static smidge_status consider(smg_encoder *encoder, uint32_t left)
{
    const smg_symbol *a = &encoder->symbols[left];
    if (a->next == SMG_SYMBOL_NONE)
        return SMIDGE_OK;
    smg_candidate found = {.left = left, .size = a->size + encoder->symbols[a->next].size};
    if (!find_merge(encoder->tokenizer, encoder->buffer + a->start, a->size, found.size, &found.order,
                    &found.id))
        return SMIDGE_OK;
    return heap_push(encoder, found);
}

static smidge_status cut_characters(smg_encoder *encoder)
{
    encoder->symbol_count = 0;
    for (size_t at = 0; at < encoder->buffer_size;) {
        if (encoder->symbol_count == encoder->symbol_room) {
            size_t room = encoder->symbol_room * 2 + 64;
            smg_symbol *grown = smg_realloc_array(encoder->symbols, room, sizeof(*grown));
            if (grown == NULL)
                return smg_error_no_memory(encoder->error, "tokenizing", room * sizeof(*grown));
            encoder->symbols = grown;
            encoder->symbol_room = room;
        }
        uint32_t codepoint;
        size_t length = smg_utf8_decode(encoder->buffer + at, encoder->buffer_size - at, &codepoint);
        uint32_t index = (uint32_t)encoder->symbol_count++;
        encoder->symbols[index] = (smg_symbol){
            .start = (uint32_t)at,
            .size = (uint32_t)length,
            .previous = index == 0 ? SMG_SYMBOL_NONE : index - 1,
            .next = at + length == encoder->buffer_size ? SMG_SYMBOL_NONE : index + 1,
            .id = SMG_TOKEN_NONE,
        };
        at += length;
    }
    return SMIDGE_OK;
}

smidge_status smg_merge_run(smg_encoder *encoder)
{
    SMG_TRY(cut_characters(encoder));
    encoder->heap_count = 0;
    for (size_t i = 0; i + 1 < encoder->symbol_count; i++)
        SMG_TRY(consider(encoder, (uint32_t)i));
    smg_symbol *symbols = encoder->symbols;
    while (encoder->heap_count > 0) {
        smg_candidate best = heap_pop(encoder);
        smg_symbol *left = &symbols[best.left];
        /* Borders between symbols only ever vanish, so the pair is the same one as long as its left half is
         * there and both halves together are as long as they were. */
        if (left->size == 0 || left->next == SMG_SYMBOL_NONE ||
            left->size + symbols[left->next].size != best.size)
            continue;
        smg_symbol *right = &symbols[left->next];
        left->size = best.size;
        left->id = best.id;
        right->size = 0;
        left->next = right->next;
        if (left->next != SMG_SYMBOL_NONE)
            symbols[left->next].previous = best.left;
        if (left->previous != SMG_SYMBOL_NONE)
            SMG_TRY(consider(encoder, left->previous));
        SMG_TRY(consider(encoder, best.left));
    }
    return SMIDGE_OK;
}
