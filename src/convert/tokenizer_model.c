/* tokenizer.model: SentencePiece's ModelProto (sentencepiece_model.proto), as far as GGUF wants it. */
#include <stdio.h>

#include "base/cursor.h"
#include "convert/hf_vocabulary.h"

#define MODEL_BPE 2

typedef struct field {
    uint32_t number, wire;
    uint64_t value; /* varint */
    smg_cursor part;
    uint32_t bits; /* of 4 bytes */
} field;

static uint64_t read_varint(smg_cursor *cursor)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        const uint8_t byte = smg_cursor_u8(cursor);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return value;
    }
    cursor->failed = true;
    return 0;
}

/* False at the end, and where it is damaged: then the cursor has failed. */
static bool next_field(smg_cursor *cursor, field *ret)
{
    if (cursor->failed || smg_cursor_left(cursor) == 0)
        return false;
    const uint64_t tag = read_varint(cursor);
    *ret = (field){.number = (uint32_t)(tag >> 3), .wire = tag & 7};
    uint64_t size;
    const uint8_t *bytes;
    switch (ret->wire) {
    case 0:
        ret->value = read_varint(cursor);
        break;
    case 1:
        (void)smg_cursor_u64(cursor);
        break;
    case 2:
        size = read_varint(cursor);
        bytes = smg_cursor_bytes(cursor, size);
        if (!cursor->failed)
            smg_cursor_init(&ret->part, bytes, (size_t)size);
        break;
    case 5:
        ret->bits = smg_cursor_u32(cursor);
        break;
    default:
        cursor->failed = true;
    }
    return !cursor->failed && tag >> 3 <= UINT32_MAX;
}

static smidge_status damaged(const char *where, smidge_error *error)
{
    return smg_error_set(error, SMIDGE_E_FORMAT, where,
                         "is not SentencePiece's, or damaged (download it again)");
}

static bool read_piece(smg_cursor part, smg_hf_token *token)
{
    field piece;
    *token = (smg_hf_token){.text = "", .type = SMG_HF_NORMAL};
    while (next_field(&part, &piece)) {
        if (piece.number == 1 && piece.wire == 2) {
            token->text = (const char *)piece.part.data;
            token->size = piece.part.size;
        } else if (piece.number == 2 && piece.wire == 5) {
            memcpy(&token->score, &piece.bits, sizeof token->score);
        } else if (piece.number == 3 && piece.wire == 0) {
            if (piece.value < SMG_HF_NORMAL || piece.value > SMG_HF_BYTE)
                return false;
            token->type = (int32_t)piece.value;
        }
    }
    return !part.failed && token->score - token->score == 0.0F;
}

/* A whole number of one of the settings, or what it is without one. */
static uint64_t setting(smg_cursor part, uint32_t number, uint64_t otherwise)
{
    field entry;
    while (next_field(&part, &entry)) {
        if (entry.number == number && entry.wire == 0)
            otherwise = entry.value;
    }
    return otherwise;
}

smidge_status smg_hf_tokenizer_model(smg_hf_vocabulary *vocabulary, const char *where, smidge_error *error)
{
    smg_cursor cursor;
    smg_cursor_init(&cursor, vocabulary->sentencepiece.data, vocabulary->sentencepiece.size);
    uint64_t kind = 1; /* unigram, unless it says so */
    int64_t count = 0;
    field part;
    vocabulary->add_space = true;
    while (next_field(&cursor, &part)) {
        if (part.wire != 2)
            continue;
        if (part.number == 2)
            kind = setting(part.part, 3, kind);
        else if (part.number == 3)
            vocabulary->add_space = setting(part.part, 3, 1) != 0;
        if (part.number != 1)
            continue;
        if (count == vocabulary->count)
            return smg_error_set(
                error, SMIDGE_E_FORMAT, where,
                "has more than the %d tokens that config.json gives as \"vocab_size\" (is it of "
                "the same model?)",
                (int)vocabulary->count);
        if (!read_piece(part.part, &vocabulary->tokens[count]))
            return damaged(where, error);
        count++;
    }
    if (cursor.failed || count == 0)
        return damaged(where, error);
    if (kind != MODEL_BPE)
        return smg_error_set(error, SMIDGE_E_UNSUPPORTED, where,
                             "tokenizer of type %s is not supported (take a model with BPE)",
                             kind == 1 ? "Unigram" : "Word or Char");
    vocabulary->model = "llama";
    vocabulary->pre = "default";
    return SMIDGE_OK;
}
