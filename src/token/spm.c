/* SentencePiece BPE: spaces written as U+2581, the best-scored pair merged first, bytes for what has no
 * piece. */
#include <string.h>

#include "token/tokenizer_internal.h"
#include "token/unicode.h"

static smidge_status push_bytes(smg_encoder *encoder, const char *text, size_t size)
{
    const smg_tokenizer *tokenizer = encoder->tokenizer;
    for (size_t i = 0; i < size; i++) {
        int32_t id = tokenizer->byte_ids[(uint8_t)text[i]];
        if (id != SMG_TOKEN_NONE) {
            SMG_TRY(smg_encoder_push(encoder, id));
            continue;
        }
        /* A vocabulary without bytes: one unknown token for the whole character, and never one that would
         * end the text. */
        int32_t unknown = tokenizer->unknown;
        if (unknown == SMG_TOKEN_NONE || (tokenizer->flags[unknown] & SMG_TOKEN_END))
            return SMIDGE_OK;
        return smg_encoder_push(encoder, unknown);
    }
    return SMIDGE_OK;
}

/* Merges what is in the buffer and empties it. */
static smidge_status encode_buffer(smg_encoder *encoder)
{
    if (encoder->buffer_size == 0)
        return SMIDGE_OK;
    SMG_TRY(smg_merge_run(encoder));
    for (uint32_t i = 0; i != SMG_SYMBOL_NONE; i = encoder->symbols[i].next) {
        const smg_symbol *symbol = &encoder->symbols[i];
        const char *text = encoder->buffer + symbol->start;
        int32_t id = symbol->id;
        if (id == SMG_TOKEN_NONE)
            id = smg_vocabulary_find_text(encoder->tokenizer, text, symbol->size);
        if (id != SMG_TOKEN_NONE)
            SMG_TRY(smg_encoder_push(encoder, id));
        else
            SMG_TRY(push_bytes(encoder, text, symbol->size));
    }
    encoder->buffer_size = 0;
    return SMIDGE_OK;
}

static smidge_status append(smg_encoder *encoder, const char *text, size_t size)
{
    SMG_TRY(smg_encoder_reserve(encoder, size));
    memcpy(encoder->buffer + encoder->buffer_size, text, size);
    encoder->buffer_size += size;
    return SMIDGE_OK;
}

smidge_status smg_spm_encode(smg_encoder *encoder, const char *text, size_t size)
{
    const smg_tokenizer *tokenizer = encoder->tokenizer;
    encoder->buffer_size = 0;
    bool in_spaces = false;
    if (tokenizer->add_space && !encoder->continues) {
        SMG_TRY(append(encoder, SMG_SPM_SPACE, SMG_SPM_SPACE_SIZE));
        in_spaces = true;
    }
    for (size_t at = 0; at < size;) {
        uint32_t codepoint;
        size_t length = smg_utf8_decode(text + at, size - at, &codepoint);
        bool is_space = codepoint == ' ' || codepoint == 0x2581;
        /* No merge crosses the border in front of a word's space, so each word can be done by itself. */
        if (is_space && !in_spaces && tokenizer->words_apart)
            SMG_TRY(encode_buffer(encoder));
        if (is_space)
            SMG_TRY(append(encoder, SMG_SPM_SPACE, SMG_SPM_SPACE_SIZE));
        else
            SMG_TRY(append(encoder, text + at, length));
        in_spaces = is_space;
        at += length;
    }
    return encode_buffer(encoder);
}
