/* Pre-tokenizers: cutting a text into the pieces that BPE works on, by hand-coded equivalents of the
 * published regular expressions. Several rules apply one after the other, each to every piece that the one
 * before it left (as in a `Sequence` of isolated splits). */
#ifndef SMG_TOKEN_SPLITTER_H
#define SMG_TOKEN_SPLITTER_H

#include <stdbool.h>
#include <stddef.h>

#include "format/gguf.h"

#define SMG_SPLIT_STAGES_MAX 5

typedef enum smg_split {
    SMG_SPLIT_DEFAULT,
    SMG_SPLIT_GPT2,
    SMG_SPLIT_DIGITS_GPT2, /* every number character alone, then GPT-2's rule */
    SMG_SPLIT_LLAMA3,
    SMG_SPLIT_QWEN2,
    SMG_SPLIT_DEEPSEEK_CODER,
    SMG_SPLIT_COUNT
} smg_split;

typedef struct smg_splitter {
    const char *text;
    size_t size;
    size_t position;
    smg_split split;
    size_t ends[SMG_SPLIT_STAGES_MAX]; /* where the current piece of each rule ends */
} smg_splitter;

void smg_splitter_init(smg_splitter *splitter, smg_split split, const char *text, size_t size);
/* The next piece, never empty; false at the end. The pieces together are the text. */
bool smg_splitter_next(smg_splitter *splitter, smg_text *ret_piece);

#endif
