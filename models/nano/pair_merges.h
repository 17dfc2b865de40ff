/* Which pairs of symbols a byte-level BPE merges, found as in Sennrich and others (2016): time and again the pair that is
 * most frequent in the words of a corpus.
 *
 * The space before a word is no part of it until the end: then the most frequent whole words get it, but for those that are to stay
 * apart. A sensor's name is cut in the same way wherever it stands, so that it is found again, and common words are one token. */
#ifndef NANO_PAIR_MERGES_H
#define NANO_PAIR_MERGES_H

#include "base/error.h"

#define NANO_SYMBOLS_MAX 4096
#define NANO_BYTES 256
#define NANO_WORD_MAX ((size_t)256) /* bytes of a word that counts */

typedef struct nano_corpus nano_corpus;

/* SMIDGE_E_NOMEM from both. */
smidge_status nano_corpus_new(nano_corpus **ret_corpus, smidge_error *error) SMG_MUST_CHECK;
/* Cuts the text into words as pre-tokenizer qwen2 does, and counts them. */
smidge_status nano_corpus_add(nano_corpus *corpus, const char *text, size_t size, smidge_error *error)
    SMG_MUST_CHECK;
/* The words of the text, which never get a space. SMIDGE_E_NOMEM. */
smidge_status nano_corpus_keep_apart(nano_corpus *corpus, const char *text, size_t size, smidge_error *error)
    SMG_MUST_CHECK;
void nano_corpus_free(nano_corpus *corpus);

typedef struct nano_merge {
    int32_t left, right; /* symbols: bytes, then NANO_BYTES + the place of a merge before */
} nano_merge;

/* At most `most` merges, up to `joined` of them of a space and a word, fewer where no pair is left that occurs twice; of pairs that
 * are equally frequent the one of the lower symbols. The corpus is used up. SMIDGE_E_NOMEM. */
smidge_status nano_corpus_merges(nano_corpus *corpus, int32_t most, int32_t joined, nano_merge *ret_merges,
                                 int32_t *ret_count, smidge_error *error) SMG_MUST_CHECK;

#endif
