/* What tokens add to a text: their names, spelled out. Of a program that answers with labels hardly any is ever asked
 * for, so they are spelled one by one until somebody wants them all. */
#include <string.h>

#include "token/tokenizer_internal.h"
#include "token/unicode.h"

/* BPE's letter for a space is U+0120. */
#define BPE_SPACE "\xC4\xA0"
#define BPE_SPACE_SIZE 2

static size_t copy(char *ret_bytes, size_t room, const char *from, size_t size)
{
    size = size < room ? size : room;
    memcpy(ret_bytes, from, size);
    return size;
}

static size_t spell_bpe(smg_text name, char *ret_bytes, size_t room)
{
    size_t count = 0;
    for (size_t at = 0; at < name.size && count < room;) {
        if (name.data[at] > ' ' && name.data[at] < 0x7F) { /* most of all letters */
            ret_bytes[count++] = name.data[at++];
            continue;
        }
        uint32_t letter;
        size_t length = smg_utf8_decode(name.data + at, name.size - at, &letter);
        int byte = smg_byte_alphabet_byte(letter);
        if (byte >= 0)
            ret_bytes[count++] = (char)byte;
        else /* not of the alphabet: no text leads to this token, but it may be shown */
            count += copy(ret_bytes + count, room - count, name.data + at, length);
        at += length;
    }
    return count;
}

static size_t spell_spm(smg_text name, char *ret_bytes, size_t room)
{
    size_t count = 0;
    for (size_t at = 0; at < name.size && count < room;) {
        bool space = name.data[at] == SMG_SPM_SPACE[0] && name.size - at >= SMG_SPM_SPACE_SIZE &&
                     memcmp(name.data + at, SMG_SPM_SPACE, SMG_SPM_SPACE_SIZE) == 0;
        ret_bytes[count++] = space ? ' ' : name.data[at];
        at += space ? SMG_SPM_SPACE_SIZE : 1;
    }
    return count;
}

static size_t spell(const smg_tokenizer *tokenizer, int32_t id, char *ret_bytes, size_t room)
{
    smg_text name = smg_vocabulary_name(tokenizer, id);
    uint8_t flags = tokenizer->flags[id];
    if (flags & SMG_TOKEN_SILENT)
        return 0;
    if (flags & SMG_TOKEN_IS_BYTE) {
        char byte = (char)smg_byte_name_parse(name);
        return copy(ret_bytes, room, &byte, 1);
    }
    if (tokenizer->kind == SMG_TOKENIZER_SPM)
        return spell_spm(name, ret_bytes, room);
    if (flags & SMG_TOKEN_LITERAL)
        return copy(ret_bytes, room, name.data, name.size);
    return spell_bpe(name, ret_bytes, room);
}

size_t smg_tokenizer_spell(const smg_tokenizer *tokenizer, int32_t id, char *ret_bytes, size_t room)
{
    return id >= 0 && id < tokenizer->size ? spell(tokenizer, id, ret_bytes, room) : 0;
}

/* ---- All of them ---------------------------------------------------------------------------------------- */

smg_token_bytes *smg_token_bytes_take(smg_arena *arena, smg_vocabulary_counts counts)
{
    smg_token_bytes made = {0};
    smg_token_bytes *bytes = smg_arena_take(arena, sizeof(made));
    made.offsets = smg_arena_take(arena, (counts.tokens + 1) * sizeof(uint32_t));
    /* No token adds more bytes to a text than its name has. */
    made.text = smg_arena_take(arena, counts.token_bytes - 8 * counts.tokens);
    if (bytes != NULL) {
        *bytes = made;
        pthread_mutex_init(&bytes->lock, NULL);
    }
    return bytes;
}

static void spell_all(const smg_tokenizer *tokenizer, smg_token_bytes *bytes)
{
    size_t used = 0;
    for (int32_t id = 0; id < tokenizer->size; id++) {
        bytes->offsets[id] = (uint32_t)used;
        used += spell(tokenizer, id, bytes->text + used, smg_vocabulary_name(tokenizer, id).size);
    }
    bytes->offsets[tokenizer->size] = (uint32_t)used;
}

smg_text smg_tokenizer_bytes(const smg_tokenizer *tokenizer, int32_t id)
{
    if (id < 0 || id >= tokenizer->size)
        return (smg_text){.data = "", .size = 0};
    smg_token_bytes *bytes = tokenizer->bytes;
    if (!atomic_load_explicit(&bytes->made, memory_order_acquire)) {
        pthread_mutex_lock(&bytes->lock);
        if (!atomic_load_explicit(&bytes->made, memory_order_relaxed))
            spell_all(tokenizer, bytes);
        atomic_store_explicit(&bytes->made, true, memory_order_release);
        pthread_mutex_unlock(&bytes->lock);
    }
    uint32_t start = bytes->offsets[id];
    return (smg_text){.data = bytes->text + start, .size = bytes->offsets[id + 1] - start};
}

/* ---- Looking for few ------------------------------------------------------------------------------------ */

/* The bytes that names begin with where what they spell begins with one of `bytes`, and few others. */
static void find_leads(const smg_tokenizer *tokenizer, const bool bytes[256], bool ret_leads[256])
{
    bool spm = tokenizer->kind == SMG_TOKENIZER_SPM;
    memcpy(ret_leads, bytes, 256 * sizeof *bytes);
    for (int byte = 0; byte < 256; byte++) {
        char letter[4] = {(char)byte};
        if (spm && byte == ' ')
            letter[0] = SMG_SPM_SPACE[0];
        else if (!spm)
            smg_utf8_encode(smg_byte_alphabet_letter((uint8_t)byte), letter);
        if (bytes[byte])
            ret_leads[(uint8_t)letter[0]] = true;
    }
}

void smg_token_search_init(smg_token_search *search, const smg_tokenizer *tokenizer, const bool first[256],
                           const bool behind_space[256])
{
    *search = (smg_token_search){.tokenizer = tokenizer};
    find_leads(tokenizer, first, search->first);
    find_leads(tokenizer, behind_space, search->behind_space);
    search->space = first[' '];
}

int32_t smg_token_search_next(smg_token_search *search)
{
    const smg_tokenizer *tokenizer = search->tokenizer;
    bool spm = tokenizer->kind == SMG_TOKENIZER_SPM;
    const char *space = spm ? SMG_SPM_SPACE : BPE_SPACE;
    size_t space_size = spm ? SMG_SPM_SPACE_SIZE : BPE_SPACE_SIZE;
    uint8_t always = SMG_TOKEN_END | SMG_TOKEN_IS_BYTE | (spm ? 0 : SMG_TOKEN_LITERAL);
    while (search->at < tokenizer->size) {
        int32_t id = search->at++;
        uint8_t flags = tokenizer->flags[id];
        if (flags & always)
            return id;
        if (flags & SMG_TOKEN_SILENT)
            continue;
        smg_text name = smg_vocabulary_name(tokenizer, id);
        bool spaced = name.size >= space_size && memcmp(name.data, space, space_size) == 0;
        if (spaced && name.size > space_size
                ? search->space && search->behind_space[(uint8_t)name.data[space_size]]
            : spaced ? search->space
                     : search->first[(uint8_t)name.data[0]])
            return id;
    }
    return SMG_TOKEN_NONE;
}
