#include "engine/prompt.h"

#include <string.h>

#include "base/alloc.h"

smidge_status smg_prompt_tokenize(const smg_tokenizer *tokenizer, const smidge_span *spans, size_t span_count,
                                  smg_ids *ret_ids, smidge_error *error)
{
    SMG_CLEANUP(smg_free_ptr) smg_span *parts = smg_alloc_array(span_count, sizeof *parts);
    if (parts == NULL)
        return smg_error_no_memory(error, "prompt", span_count * sizeof *parts);
    for (size_t i = 0; i < span_count; i++) {
        if (spans[i].text == NULL && spans[i].size > 0)
            return smg_error_set(error, SMIDGE_E_INVALID, "prompt", "span %zu has a size but no text", i + 1);
        parts[i] = (smg_span){.text = spans[i].text, .size = spans[i].size, .trusted = spans[i].trusted != 0};
    }
    smg_ids ids = {0};
    SMG_TRY(smg_tokenizer_encode(tokenizer, parts, span_count, true, &ids, error));
    if (ids.count == 0) {
        smg_free(ids.ids);
        return smg_error_set(error, SMIDGE_E_INVALID, "prompt", "is empty (give some text)");
    }
    *ret_ids = ids;
    return SMIDGE_OK;
}

smidge_status smg_prompt_fill(const smg_tokenizer *tokenizer, const smidge_span *spans, size_t span_count,
                              int32_t *ret_ids, size_t room, size_t *ret_count, smidge_error *error)
{
    smg_ids list = {0};
    SMG_TRY(smg_prompt_tokenize(tokenizer, spans, span_count, &list, error));
    SMG_CLEANUP(smg_free_ptr) int32_t *ids = list.ids;
    *ret_count = list.count;
    if (ret_ids == NULL)
        return SMIDGE_OK;
    if (list.count > room)
        return smg_error_set(error, SMIDGE_E_INVALID, "tokenize",
                             "%zu tokens do not fit room for %zu (give more room)", list.count, room);
    memcpy(ret_ids, ids, list.count * sizeof *ids);
    return SMIDGE_OK;
}
