#include "measure/text_chunks.h"

#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "engine/engine.h"

#define TEXT_LIMIT ((size_t)16 << 20) /* what the tokenizer takes */
#define LEAST_CONTEXT 4

static smidge_status check_chunking(const smidge_model *model, const smg_chunking *chunking,
                                    smidge_error *error)
{
    const int32_t context = chunking->context != 0 ? chunking->context : SMG_CHUNK_TOKENS;
    const int32_t trained = model->model.shape.context;
    if (context > trained)
        return smg_error_set(error, SMIDGE_E_INVALID, "context",
                             "chunks of %" PRId32 " tokens are more than the %" PRId32
                             " that the model was trained for (give -c %" PRId32 " or less)",
                             context, trained, trained);
    if (context < LEAST_CONTEXT)
        return smg_error_set(error, SMIDGE_E_INVALID, "context",
                             "chunks of %" PRId32 " tokens are too short (give at least -c %d)", context,
                             LEAST_CONTEXT);
    if (chunking->stride < 0 || chunking->stride > context - 1)
        return smg_error_set(error, SMIDGE_E_INVALID, "stride",
                             "%" PRId32 " is not between 1 and %" PRId32 ", a chunk's tokens less one",
                             chunking->stride, context - 1);
    if (chunking->most < 0)
        return smg_error_set(error, SMIDGE_E_INVALID, "chunks", "%" PRId32 " of them cannot be measured",
                             chunking->most);
    return SMIDGE_OK;
}

static smidge_status tokenize(const smidge_model *model, const char *path, smg_text_chunks *chunks,
                              smidge_error *error)
{
    SMG_CLEANUP(smg_free_ptr) char *text = NULL;
    smg_span span = {0};
    smg_ids ids;
    SMG_TRY(smg_file_read(path, TEXT_LIMIT, &text, &span.size, error));
    span.text = text;
    SMG_TRY(smg_tokenizer_encode(model->tokenizer, &span, 1, true, &ids, error));
    chunks->ids = ids.ids;
    chunks->id_count = ids.count;
    return SMIDGE_OK;
}

smidge_status smg_text_chunks_read(const smidge_model *model, const char *path, const smg_chunking *chunking,
                                   smg_text_chunks *ret_chunks, smidge_error *error)
{
    SMG_TRY(check_chunking(model, chunking, error));
    SMG_CLEANUP(smg_text_chunks_done)
    smg_text_chunks chunks = {.size = chunking->context != 0 ? chunking->context : SMG_CHUNK_TOKENS,
                              .bos = SMG_TOKEN_NONE};
    if (smg_tokenizer_adds_bos(model->tokenizer))
        chunks.bos = smg_tokenizer_bos(model->tokenizer);
    chunks.step = chunking->stride != 0 ? chunking->stride : chunks.size;
    /* With a stride each token of the text counts once, with as much in front of it as there can be. */
    chunks.counts = chunking->stride != 0 ? chunks.size - chunking->stride : chunks.size / 2 + 1;
    SMG_TRY(tokenize(model, path, &chunks, error));
    if (chunks.id_count < (size_t)chunks.size)
        return smg_error_set(error, SMIDGE_E_INVALID, path,
                             "has %zu tokens, and a chunk wants %" PRId32
                             " (give a longer text, or shorter chunks with -c)",
                             chunks.id_count, chunks.size);
    const size_t whole = (chunks.id_count - (size_t)chunks.size) / (size_t)chunks.step + 1;
    chunks.count = whole < INT32_MAX ? (int32_t)whole : INT32_MAX;
    if (chunking->most > 0 && chunking->most < chunks.count)
        chunks.count = chunking->most;
    *ret_chunks = chunks;
    chunks = (smg_text_chunks){0};
    return SMIDGE_OK;
}

void smg_text_chunks_done(smg_text_chunks *chunks)
{
    smg_free(chunks->ids);
    *chunks = (smg_text_chunks){0};
}

void smg_text_chunks_copy(const smg_text_chunks *chunks, int32_t number, int32_t *ret_ids)
{
    const size_t first = (size_t)number * (size_t)chunks->step;
    memcpy(ret_ids, chunks->ids + first, (size_t)chunks->size * sizeof *ret_ids);
    if (chunks->bos != SMG_TOKEN_NONE)
        ret_ids[0] = chunks->bos;
}
