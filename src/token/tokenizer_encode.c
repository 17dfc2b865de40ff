#include <string.h>

#include "base/alloc.h"
#include "token/tokenizer_internal.h"

smidge_status smg_encoder_push(smg_encoder *encoder, int32_t id)
{
    if (encoder->id_count == encoder->id_room) {
        size_t room = encoder->id_room + encoder->id_room / 2 + 32;
        int32_t *grown = smg_realloc_array(encoder->ids, room, sizeof(*grown));
        if (grown == NULL)
            return smg_error_no_memory(encoder->error, "tokenizing", room * sizeof(*grown));
        encoder->ids = grown;
        encoder->id_room = room;
    }
    encoder->ids[encoder->id_count++] = id;
    return SMIDGE_OK;
}

smidge_status smg_encoder_reserve(smg_encoder *encoder, size_t size)
{
    size_t needed = encoder->buffer_size + size;
    if (needed <= encoder->buffer_room)
        return SMIDGE_OK;
    size_t room = needed + needed / 2 + 64;
    char *grown = smg_realloc_array(encoder->buffer, room, 1);
    if (grown == NULL)
        return smg_error_no_memory(encoder->error, "tokenizing", room);
    encoder->buffer = grown;
    encoder->buffer_room = room;
    return SMIDGE_OK;
}

static void encoder_done(smg_encoder *encoder)
{
    smg_free(encoder->ids);
    smg_free(encoder->buffer);
    smg_free(encoder->symbols);
    smg_free(encoder->heap);
}

/* Walks the spans alongside the text. Trusted spans that touch count as one. */
typedef struct trust {
    const smg_span *spans;
    size_t count;
    size_t index; /* the next span */
    size_t end;   /* where the current run ends */
    bool trusted;
} trust;

/* Where the trusted run that `at` lies in ends; 0 when it lies in none. `at` never goes back. */
static size_t trusted_end(trust *walk, size_t at)
{
    while (at >= walk->end && walk->index < walk->count) {
        walk->trusted = walk->spans[walk->index].trusted;
        do {
            walk->end += walk->spans[walk->index++].size;
        } while (walk->index < walk->count && walk->spans[walk->index].trusted == walk->trusted);
    }
    return walk->trusted && at < walk->end ? walk->end : 0;
}

static bool is_ascii_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static smidge_status encode_plain(smg_encoder *encoder, const char *text, size_t size)
{
    if (size == 0)
        return SMIDGE_OK;
    if (encoder->tokenizer->kind == SMG_TOKENIZER_BPE)
        return smg_bpe_encode(encoder, text, size);
    return smg_spm_encode(encoder, text, size);
}

/* Cuts the special tokens out and encodes what lies between them. */
static smidge_status encode_text(smg_encoder *encoder, const char *text, size_t size, trust *walk)
{
    const smg_tokenizer *tokenizer = encoder->tokenizer;
    size_t start = 0;
    for (size_t at = 0; at < size;) {
        int32_t id;
        size_t length = smg_special_match(tokenizer, text, size, at, trusted_end(walk, at), &id);
        if (length == 0) {
            at++;
            continue;
        }
        SMG_TRY(encode_plain(encoder, text + start, at - start));
        SMG_TRY(smg_encoder_push(encoder, id));
        at += length;
        while ((tokenizer->flags[id] & SMG_TOKEN_STRIPS) && at < size && is_ascii_space(text[at]))
            at++;
        start = at;
    }
    return encode_plain(encoder, text + start, size - start);
}

static smidge_status join_spans(const smg_span *spans, size_t span_count, char **ret_joined, size_t *ret_size,
                                smidge_error *error)
{
    size_t size = 0;
    for (size_t i = 0; i < span_count; i++) {
        if (spans[i].size > SMG_ENCODE_MAX_TEXT - size)
            return smg_error_set(error, SMIDGE_E_INVALID, "tokenizing",
                                 "the text is longer than %zu MiB (split it into shorter texts)",
                                 SMG_ENCODE_MAX_TEXT >> 20);
        size += spans[i].size;
    }
    *ret_size = size;
    if (span_count < 2)
        return SMIDGE_OK;
    *ret_joined = smg_alloc(size);
    if (*ret_joined == NULL)
        return smg_error_no_memory(error, "tokenizing", size);
    size_t at = 0;
    for (size_t i = 0; i < span_count; i++) {
        if (spans[i].size > 0)
            memcpy(*ret_joined + at, spans[i].text, spans[i].size);
        at += spans[i].size;
    }
    return SMIDGE_OK;
}

smidge_status smg_tokenizer_encode(const smg_tokenizer *tokenizer, const smg_span *spans, size_t span_count,
                                   bool add_bos, smg_ids *ret_ids, smidge_error *error)
{
    SMG_CLEANUP(smg_free_ptr) char *joined = NULL;
    size_t size = 0;
    SMG_TRY(join_spans(spans, span_count, &joined, &size, error));

    SMG_CLEANUP(encoder_done) smg_encoder encoder = {.tokenizer = tokenizer, .error = error};
    trust walk = {.spans = spans, .count = span_count};
    if (add_bos && tokenizer->add_bos)
        SMG_TRY(smg_encoder_push(&encoder, tokenizer->bos));
    if (size > 0)
        SMG_TRY(encode_text(&encoder, joined != NULL ? joined : spans[0].text, size, &walk));
    if (add_bos && tokenizer->add_eos)
        SMG_TRY(smg_encoder_push(&encoder, tokenizer->eos));

    *ret_ids = (smg_ids){.ids = encoder.ids, .count = encoder.id_count};
    encoder.ids = NULL;
    return SMIDGE_OK;
}

/* ---- Short texts without allocating --------------------------------------------------------------------- */

smidge_status smg_encoder_new(const smg_tokenizer *tokenizer, size_t most, smg_encoder **ret_encoder,
                              smidge_error *error)
{
    smg_encoder *encoder = smg_alloc(sizeof(*encoder));
    if (encoder == NULL)
        return smg_error_no_memory(error, "tokenizing", sizeof(*encoder));
    /* A byte is one symbol at most, and is spelled in three at most (SPM's space). */
    *encoder = (smg_encoder){
        .tokenizer = tokenizer,
        .continues = true,
        .id_room = most,
        .buffer_room = SMG_SPM_SPACE_SIZE * most,
        .symbol_room = most,
        .heap_room = SMG_CANDIDATES_A_SYMBOL * most,
    };
    encoder->ids = smg_alloc_array(encoder->id_room, sizeof(*encoder->ids));
    encoder->buffer = smg_alloc(encoder->buffer_room);
    encoder->symbols = smg_alloc_array(encoder->symbol_room, sizeof(*encoder->symbols));
    encoder->heap = smg_alloc_array(encoder->heap_room, sizeof(*encoder->heap));
    if (encoder->ids == NULL || encoder->buffer == NULL || encoder->symbols == NULL ||
        encoder->heap == NULL) {
        smg_encoder_free(encoder);
        return smg_error_no_memory(error, "tokenizing", most * sizeof(*encoder->symbols));
    }
    *ret_encoder = encoder;
    return SMIDGE_OK;
}

void smg_encoder_free(smg_encoder *encoder)
{
    if (encoder == NULL)
        return;
    encoder_done(encoder);
    smg_free(encoder);
}

size_t smg_encoder_continue(smg_encoder *encoder, const char *text, size_t size, int32_t *ret_ids)
{
    encoder->id_count = 0;
    if (encode_plain(encoder, text, size) != SMIDGE_OK)
        return 0;
    size_t spelled = 0;
    for (size_t i = 0; i < encoder->id_count; i++) {
        smg_text bytes = smg_tokenizer_bytes(encoder->tokenizer, encoder->ids[i]);
        if (bytes.size > size - spelled || memcmp(text + spelled, bytes.data, bytes.size) != 0)
            return 0;
        spelled += bytes.size;
        ret_ids[i] = encoder->ids[i];
    }
    return spelled == size ? encoder->id_count : 0;
}
