/* Byte-level BPE: pieces of the pre-tokenizer, spelled in the byte alphabet, merged by rank. */
#include "token/tokenizer_internal.h"
#include "token/unicode.h"

static smidge_status spell(smg_encoder *encoder, smg_text piece)
{
    encoder->buffer_size = 0;
    SMG_TRY(smg_encoder_reserve(encoder, 2 * piece.size));
    for (size_t i = 0; i < piece.size; i++) {
        uint32_t letter = smg_byte_alphabet_letter((uint8_t)piece.data[i]);
        encoder->buffer_size += smg_utf8_encode(letter, encoder->buffer + encoder->buffer_size);
    }
    return SMIDGE_OK;
}

/* Some vocabularies lack bytes that are rare in text, or in no valid text. They have no token to stand for
 * "unknown" that is not a control token, so such a byte is left out, as elsewhere. */
static smidge_status push_letter(smg_encoder *encoder, const smg_symbol *symbol)
{
    const smg_tokenizer *tokenizer = encoder->tokenizer;
    const char *text = encoder->buffer + symbol->start;
    int32_t id = smg_vocabulary_find_text(tokenizer, text, symbol->size);
    if (id == SMG_TOKEN_NONE) {
        uint32_t letter;
        smg_utf8_decode(text, symbol->size, &letter);
        int byte = smg_byte_alphabet_byte(letter);
        id = byte < 0 ? SMG_TOKEN_NONE : tokenizer->byte_ids[byte];
    }
    return id == SMG_TOKEN_NONE ? SMIDGE_OK : smg_encoder_push(encoder, id);
}

static smidge_status encode_piece(smg_encoder *encoder, smg_text piece)
{
    SMG_TRY(spell(encoder, piece));
    if (encoder->tokenizer->pre->ignore_merges) {
        int32_t whole = smg_vocabulary_find_text(encoder->tokenizer, encoder->buffer, encoder->buffer_size);
        if (whole != SMG_TOKEN_NONE)
            return smg_encoder_push(encoder, whole);
    }
    SMG_TRY(smg_merge_run(encoder));
    for (uint32_t i = 0; i != SMG_SYMBOL_NONE; i = encoder->symbols[i].next) {
        const smg_symbol *symbol = &encoder->symbols[i];
        if (symbol->id != SMG_TOKEN_NONE)
            SMG_TRY(smg_encoder_push(encoder, symbol->id));
        else
            SMG_TRY(push_letter(encoder, symbol));
    }
    return SMIDGE_OK;
}

smidge_status smg_bpe_encode(smg_encoder *encoder, const char *text, size_t size)
{
    smg_splitter splitter;
    smg_splitter_init(&splitter, encoder->tokenizer->pre->split, text, size);
    smg_text piece;
    while (smg_splitter_next(&splitter, &piece))
        SMG_TRY(encode_piece(encoder, piece));
    return SMIDGE_OK;
}
