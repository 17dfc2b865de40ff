/* Which tokens of a vocabulary may come next.
 *
 * Tokens are kept in the order of their bytes, each with the number of bytes that it shares with the one
 * before, so that a walk with an automaton looks at each common beginning once and leaves out all that
 * begins with what cannot be. Tokens that inside a string change nothing but its length are known in
 * advance as sets.
 *
 * Immutable once built, for many threads. */
#ifndef SMG_CONSTRAIN_TOKEN_FILTER_H
#define SMG_CONSTRAIN_TOKEN_FILTER_H

#include "constrain/json_shape.h"
#include "token/tokenizer.h"

typedef struct smg_token_filter smg_token_filter;

/* Takes all tokens but control tokens and ends of generation; those of more than 128 bytes are never
 * offered. The tokenizer must outlive it. SMIDGE_E_UNSUPPORTED when a byte that an answer may need has no
 * token of its own (so that an answer could begin and not be finished), SMIDGE_E_NOMEM. */
smidge_status smg_token_filter_new(const smg_tokenizer *tokenizer, smg_token_filter **ret_filter,
                                   smidge_error *error) SMG_MUST_CHECK;
void smg_token_filter_free(smg_token_filter *filter);

/* Words of 64 bits in a set of tokens: token t is bit t % 64 of word t / 64. */
size_t smg_token_filter_words(const smg_token_filter *filter);
/* The tokens whose bytes lead from this state along the shape, ending anywhere inside it but never behind
 * the object's end; none when it is complete, at least one before. Overwrites smg_token_filter_words
 * words; returns how many tokens they hold. Allocates nothing. */
size_t smg_token_filter_json(const smg_token_filter *filter, const smg_json_shape *shape,
                             const smg_json_state *state, uint64_t *ret_tokens);

#endif
