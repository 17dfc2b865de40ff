/* Prompts as the public calls give them, into tokens. */
#ifndef SMG_ENGINE_PROMPT_H
#define SMG_ENGINE_PROMPT_H

#include "token/tokenizer.h"

/* Tokenizes into a list that the caller releases with smg_free; a prompt without a single token is SMIDGE_E_INVALID. */
smidge_status smg_prompt_tokenize(const smg_tokenizer *tokenizer, const smidge_span *spans, size_t span_count,
                                  smg_ids *ret_ids, smidge_error *error) SMG_MUST_CHECK;
/* The same into the caller's array, as smidge_tokenize. */
smidge_status smg_prompt_fill(const smg_tokenizer *tokenizer, const smidge_span *spans, size_t span_count,
                              int32_t *ret_ids, size_t room, size_t *ret_count, smidge_error *error)
    SMG_MUST_CHECK;

#endif
