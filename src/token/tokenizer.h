/* Tokenizers: text to ids and back, for the vocabularies that GGUF carries.
 *
 * Two models: byte-level BPE (`gpt2`) with hand-coded pre-tokenizers, and SentencePiece's best-score merges
 * with byte fallback (`llama`). A tokenizer is immutable after smg_tokenizer_new and may be used by many
 * threads.
 *
 * Trust: the text of special tokens ("<|im_end|>") is recognised only inside spans that the caller marks as
 * trusted; everywhere else it is plain text, whatever it spells. */
#ifndef SMG_TOKEN_TOKENIZER_H
#define SMG_TOKEN_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/thread.h"
#include "format/gguf.h"

#define SMG_TOKEN_NONE (-1)

typedef struct smg_tokenizer smg_tokenizer;

/* Builds from a file's tokenizer.* keys; the tokenizer may point into the mapping, which must outlive it.
 * SMIDGE_E_FORMAT (missing or wrongly typed keys, lengths that differ, bad byte tokens), SMIDGE_E_UNSUPPORTED
 * (another model or pre-tokenizer, named), SMIDGE_E_NOMEM, or why `stop`, which may be NULL, stopped it. */
smidge_status smg_tokenizer_new(const smg_gguf *gguf, const smg_stop *stop, smg_tokenizer **ret_tokenizer,
                                smidge_error *error) SMG_MUST_CHECK;
void smg_tokenizer_free(smg_tokenizer *tokenizer);
/* Upper bound of the memory that smg_tokenizer_new will take for this file, from its keys alone; 0 without
 * keys. */
uint64_t smg_tokenizer_memory(const smg_gguf *gguf);
/* The same for a vocabulary of which only this is known: `token_bytes` as in a file, eight more than its text a token. */
uint64_t smg_tokenizer_memory_of(uint64_t tokens, uint64_t token_bytes, uint64_t merges);

typedef struct smg_span {
    const char *text;
    size_t size;
    bool trusted; /* special tokens inside are parsed */
} smg_span;

typedef struct smg_ids {
    int32_t *ids; /* released with smg_free */
    size_t count;
} smg_ids;

/* Tokenizes the spans as one text (plain text on both sides of a span boundary merges as if there were none).
 * add_bos: put BOS in front where the model wants one (and EOS behind where it wants one).
 * Invalid UTF-8 is accepted byte by byte. O(n log n) in the text's size.
 * SMIDGE_E_INVALID (more than 16 MiB of text), SMIDGE_E_NOMEM. */
smidge_status smg_tokenizer_encode(const smg_tokenizer *tokenizer, const smg_span *spans, size_t span_count,
                                   bool add_bos, smg_ids *ret_ids, smidge_error *error) SMG_MUST_CHECK;

/* Encodes short texts that go on from a text before them, one after another, without allocating once it exists. */
typedef struct smg_encoder smg_encoder;

/* For texts of up to `most` bytes. The tokenizer must outlive it; it belongs to one thread at a time. */
smidge_status smg_encoder_new(const smg_tokenizer *tokenizer, size_t most, smg_encoder **ret_encoder,
                              smidge_error *error) SMG_MUST_CHECK;
void smg_encoder_free(smg_encoder *encoder);
/* Plain text, at most `most` bytes of it, without BOS or a space in front: special tokens are not looked for. Writes at
 * most as many ids as bytes, and returns how many; 0 where the vocabulary cannot spell the text. */
size_t smg_encoder_continue(smg_encoder *encoder, const char *text, size_t size, int32_t *ret_ids);

int32_t smg_tokenizer_size(const smg_tokenizer *tokenizer);

/* The bytes a token adds to the text: "" for control tokens, the byte for byte tokens, a leading space where
 * the piece has one. The pointer lives as long as the tokenizer. Ids out of range give "". The first call spells all
 * tokens. */
smg_text smg_tokenizer_bytes(const smg_tokenizer *tokenizer, int32_t id);
/* The same, of one token, without the memory and the time that all take: writes up to `room` bytes and returns how many. */
size_t smg_tokenizer_spell(const smg_tokenizer *tokenizer, int32_t id, char *ret_bytes, size_t room);

/* Goes through the tokens, in order, that end a generation or whose bytes begin with one of `first` and, where that is a
 * space, go on with one of `behind_space` or end there. Some others come, too: it saves looking at most. */
typedef struct smg_token_search {
    const smg_tokenizer *tokenizer;
    int32_t at;
    bool space;
    bool first[256]; /* bytes of names */
    bool behind_space[256];
} smg_token_search;

void smg_token_search_init(smg_token_search *search, const smg_tokenizer *tokenizer, const bool first[256],
                           const bool behind_space[256]);
/* SMG_TOKEN_NONE behind the last. */
int32_t smg_token_search_next(smg_token_search *search);

/* The token as the vocabulary spells it ("<|im_end|>", "Ġthe"), for display. */
smg_text smg_tokenizer_name(const smg_tokenizer *tokenizer, int32_t id);
bool smg_tokenizer_is_control(const smg_tokenizer *tokenizer, int32_t id);
/* Ends a generation: EOS, EOT and the end tokens of the known families. */
bool smg_tokenizer_is_end(const smg_tokenizer *tokenizer, int32_t id);
int32_t smg_tokenizer_bos(const smg_tokenizer *tokenizer);
int32_t smg_tokenizer_eos(const smg_tokenizer *tokenizer);
/* True where smg_tokenizer_encode's add_bos puts one. */
bool smg_tokenizer_adds_bos(const smg_tokenizer *tokenizer);
/* True where text gets a space in front before tokenizing (SPM), which detokenizing takes away again. */
bool smg_tokenizer_adds_space(const smg_tokenizer *tokenizer);
/* "llama", "gpt2"; and the pre-tokenizer's key, "" for SPM. */
const char *smg_tokenizer_model(const smg_tokenizer *tokenizer);
const char *smg_tokenizer_pre(const smg_tokenizer *tokenizer);

/* Whole text of a sequence of ids, the inverse of encode for text that was valid UTF-8: control tokens are
 * left out, and the SPM leading space is removed. Released with smg_free; a zero byte follows. */
smidge_status smg_tokenizer_decode(const smg_tokenizer *tokenizer, const int32_t *ids, size_t count,
                                   char **ret_text, size_t *ret_size, smidge_error *error) SMG_MUST_CHECK;

/* Gives out whole UTF-8 characters only: bytes of an unfinished one wait for the next token; bytes that can
 * never become valid become U+FFFD. */
typedef struct smg_utf8_stream {
    uint8_t pending[4];
    int pending_count;
} smg_utf8_stream;

/* Feeds `size` bytes; writes what is complete to ret_text, at most SMG_UTF8_STREAM_ROOM(size) bytes; returns
 * how many. `finish` gives out what waits as U+FFFD (at most 12 bytes). */
#define SMG_UTF8_STREAM_ROOM(size) (((size) + 3) * 3)
size_t smg_utf8_stream_feed(smg_utf8_stream *stream, const char *bytes, size_t size, char *ret_text);
size_t smg_utf8_stream_finish(smg_utf8_stream *stream, char *ret_text);

#endif
