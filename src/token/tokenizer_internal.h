/* What the tokenizer's own files share. Everything of a tokenizer but names and merges lies in one block. */
#ifndef SMG_TOKEN_TOKENIZER_INTERNAL_H
#define SMG_TOKEN_TOKENIZER_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/alloc.h"
#include "token/splitter.h"
#include "token/tokenizer.h"

#define SMG_ENCODE_MAX_TEXT ((size_t)16 << 20)

/* SentencePiece writes a space as U+2581. */
#define SMG_SPM_SPACE "\xE2\x96\x81"
#define SMG_SPM_SPACE_SIZE 3

typedef enum smg_tokenizer_kind { SMG_TOKENIZER_BPE, SMG_TOKENIZER_SPM } smg_tokenizer_kind;

/* Token types as GGUF's tokenizer.ggml.token_type numbers them. */
enum {
    SMG_TOKEN_UNDEFINED = 0,
    SMG_TOKEN_NORMAL = 1,
    SMG_TOKEN_UNKNOWN = 2,
    SMG_TOKEN_CONTROL = 3,
    SMG_TOKEN_USER_DEFINED = 4,
    SMG_TOKEN_UNUSED = 5,
    SMG_TOKEN_BYTE = 6
};

enum {
    SMG_TOKEN_SILENT = 1,   /* adds nothing to the text */
    SMG_TOKEN_END = 2,      /* ends a generation */
    SMG_TOKEN_SPECIAL = 4,  /* cut out of trusted text where it stands as spelled */
    SMG_TOKEN_ANYWHERE = 8, /* special, and cut out of untrusted text too */
    SMG_TOKEN_TEXT = 16,    /* plain text may turn into it */
    SMG_TOKEN_IS_BYTE = 32, /* one byte, spelled <0xXX> */
    SMG_TOKEN_STRIPS = 64,  /* swallows the white space behind it */
    SMG_TOKEN_LITERAL = 128 /* BPE: spelled in plain text, not in the alphabet of bytes */
};

/* Texts of an array in the mapping, and where to find each: open addressing with linear probing. */
typedef struct smg_text_table {
    const char *texts; /* the array */
    uint32_t *offsets; /* into texts; a text's length stands in the 8 bytes before it */
    uint32_t *slots;
    uint32_t slot_count;
} smg_text_table;

/* What each token adds to a text, made when it is first asked for all of them. */
typedef struct smg_token_bytes {
    pthread_mutex_t lock;
    atomic_bool made;
    uint32_t *offsets; /* into text, and one more for the end */
    char *text;
} smg_token_bytes;

/* Special tokens longer than this are never cut out (the longest known are runs of 31 newlines). */
#define SMG_SPECIAL_MAX 511

/* For each first byte, the lengths that special tokens have: a bit each. */
typedef struct smg_special_lengths {
    uint64_t bits[256][(SMG_SPECIAL_MAX + 1) / 64];
} smg_special_lengths;

typedef struct smg_pre_rule {
    const char *name;
    smg_split split;
    bool ignore_merges; /* a piece that is a token is taken as it is */
    bool add_bos;       /* the default */
} smg_pre_rule;

struct smg_tokenizer {
    smg_arena arena; /* holds this struct, too */
    smg_tokenizer_kind kind;
    const smg_pre_rule *pre; /* BPE only */
    int32_t size;
    int32_t bos;
    int32_t eos;
    int32_t unknown;
    bool add_bos;
    bool add_eos;
    bool add_space;
    bool words_apart; /* SPM: no piece reaches past the end of a word, so that each can be merged alone */
    smg_text_table names;
    smg_text_table merges; /* BPE only; the place of a merge is its rank */
    const uint8_t *scores; /* SPM: floats in the mapping, of any alignment */
    uint8_t *flags;
    smg_token_bytes *bytes;
    smg_special_lengths *trusted_lengths;
    smg_special_lengths *untrusted_lengths;
    bool any_untrusted;
    int32_t byte_ids[256];
};

/* ---- tokenizer_load.c ---- */

/* What the arrays of a file hold, which all sizes follow from. */
typedef struct smg_vocabulary_counts {
    uint64_t tokens;
    uint64_t token_bytes; /* all names with their lengths */
    uint64_t merges;
} smg_vocabulary_counts;

/* Takes a tokenizer and its tables out of the arena; with an arena that only counts, returns NULL. */
smg_tokenizer *smg_vocabulary_take(smg_arena *arena, smg_vocabulary_counts counts);

/* ---- token_bytes.c ---- */

smg_token_bytes *smg_token_bytes_take(smg_arena *arena, smg_vocabulary_counts counts);

/* ---- vocabulary.c: names and merges by text ---- */

uint32_t smg_vocabulary_slots(uint64_t entries);
smg_text smg_vocabulary_name(const smg_tokenizer *tokenizer, int32_t id);
smg_text smg_vocabulary_merge(const smg_tokenizer *tokenizer, int32_t rank);
/* Adds the names of tokens `from` to `to` - 1, whose offsets are there. Where one stands twice, returns the second token
 * that has it and puts the first into *ret_same; else SMG_TOKEN_NONE. */
int32_t smg_vocabulary_add_names(const smg_tokenizer *tokenizer, int32_t from, int32_t to, int32_t *ret_same);
/* The token of this name whatever its type, or SMG_TOKEN_NONE. */
int32_t smg_vocabulary_find(const smg_tokenizer *tokenizer, const char *text, size_t size);
/* The token that plain text of this spelling may become, or SMG_TOKEN_NONE. */
int32_t smg_vocabulary_find_text(const smg_tokenizer *tokenizer, const char *text, size_t size);
float smg_vocabulary_score(const smg_tokenizer *tokenizer, int32_t id);
/* Adds merges `from` to `to` - 1, whose offsets are there. Returns one that has not two halves, or -1. */
int32_t smg_vocabulary_add_merges(const smg_tokenizer *tokenizer, int32_t from, int32_t to);
/* The rank (lower goes first) of merging the text's first left_size bytes with the rest. */
bool smg_vocabulary_find_merge(const smg_tokenizer *tokenizer, const char *text, size_t left_size,
                               size_t size, uint32_t *ret_rank);

/* ---- byte_alphabet.c: the printable alphabet of byte-level BPE ---- */

uint32_t smg_byte_alphabet_letter(uint8_t byte);
/* The byte that a letter stands for, or -1. */
int smg_byte_alphabet_byte(uint32_t codepoint);
/* The byte that a name like <0x0A> stands for, or -1. */
int smg_byte_name_parse(smg_text name);

/* ---- special_tokens.c ---- */

/* Finds the ends of generation by name and makes them control tokens; marks phi-3's tokens that swallow
 * space; then notes the lengths of all special tokens. */
void smg_special_prepare(smg_tokenizer *tokenizer, const smg_gguf *gguf);
/* The flags of a token of this type. */
uint8_t smg_special_flags(smg_tokenizer_kind kind, int32_t type, smg_text name);
/* The longest special token at `at`: inside text[at..trusted_end) any, and inside the whole text those that
 * are cut out anywhere. Returns its length, 0 for none. */
size_t smg_special_match(const smg_tokenizer *tokenizer, const char *text, size_t size, size_t at,
                         size_t trusted_end, int32_t *ret_id);

/* ---- encoding ---- */

typedef struct smg_symbol {
    uint32_t start;
    uint32_t size; /* 0 once it was merged into the one before it */
    uint32_t previous;
    uint32_t next;
    int32_t id; /* SMG_TOKEN_NONE where nothing was merged yet */
} smg_symbol;

#define SMG_SYMBOL_NONE UINT32_MAX

typedef struct smg_candidate {
    uint32_t order; /* lowest first, then leftmost */
    uint32_t left;
    uint32_t size; /* of both halves, which tells whether the candidate still stands */
    int32_t id;
} smg_candidate;

/* The heap of candidates never has more for each symbol: one from the start, and two from each merge. */
#define SMG_CANDIDATES_A_SYMBOL 3

/* What encoding one text needs, kept between its pieces. */
struct smg_encoder {
    const smg_tokenizer *tokenizer;
    smidge_error *error;
    bool continues; /* other text is in front: SPM's space is not */
    int32_t *ids;
    size_t id_count;
    size_t id_room;
    char *buffer; /* the current piece as the vocabulary spells it */
    size_t buffer_size;
    size_t buffer_room;
    smg_symbol *symbols;
    size_t symbol_count;
    size_t symbol_room;
    smg_candidate *heap;
    size_t heap_count;
    size_t heap_room;
};

smidge_status smg_encoder_push(smg_encoder *encoder, int32_t id) SMG_MUST_CHECK;
/* Makes room for `size` more bytes in the buffer. */
smidge_status smg_encoder_reserve(smg_encoder *encoder, size_t size) SMG_MUST_CHECK;
/* Cuts the buffer into characters and merges them, best pair first, in O(n log n). */
smidge_status smg_merge_run(smg_encoder *encoder) SMG_MUST_CHECK;
smidge_status smg_bpe_encode(smg_encoder *encoder, const char *text, size_t size) SMG_MUST_CHECK;
/* Plain text always begins at the front or behind a special token, where a space may have to go. */
smidge_status smg_spm_encode(smg_encoder *encoder, const char *text, size_t size) SMG_MUST_CHECK;

#endif
