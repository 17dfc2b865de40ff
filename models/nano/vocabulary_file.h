/* A vocabulary-only GGUF: byte-level BPE for pre-tokenizer qwen2, in which a digit is always a token of its own. */
#ifndef NANO_VOCABULARY_FILE_H
#define NANO_VOCABULARY_FILE_H

#include "pair_merges.h"

/* Ids 0 to 3: <|endoftext|> (ends a text, and pads), <|startoftext|> (before every text), <|im_start|> and <|im_end|> (for
 * chats); then the 256 bytes; then what merges make, in their order. */
enum { NANO_SPECIALS = 4 };

/* SMIDGE_E_IO, SMIDGE_E_NOMEM; whole or not at all. */
smidge_status nano_vocabulary_write(const char *path, const nano_merge *merges, int32_t count,
                                    smidge_error *error) SMG_MUST_CHECK;

#endif
