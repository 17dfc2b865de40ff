/* What the tokenizer's own files share. Everything of a tokenizer but the names lies in one block. */
#ifndef SMG_TOKEN_TOKENIZER_INTERNAL_H
#define SMG_TOKEN_TOKENIZER_INTERNAL_H

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

/* Open addressing with linear probing: where a probe starts comes from one half of a 64-bit hash, the tag is
 * the other half and saves most looks at the text itself. */
typedef struct smg_slot {
    uint32_t tag;
    uint32_t value; /* what is found, plus one; 0 where the slot is empty */
} smg_slot;

typedef struct smg_slots {
    smg_slot *slots;
    uint32_t count;
} smg_slots;

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
    bool words_apart;  /* SPM: no piece reaches past the end of a word, so that each can be merged alone */
    const char *names; /* the tokens array in the mapping */
    const char *merges;
    const uint8_t *scores;  /* SPM: floats in the mapping, of any alignment */
    uint32_t *name_offsets; /* into names; a name's length stands in the 8 bytes before it */
    uint32_t *byte_offsets; /* into bytes, and one more for the end */
    char *bytes;
    uint8_t *flags;
    smg_slots name_slots;
    smg_slots merge_slots; /* values are offsets into merges, which rise with the rank */
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

/* ---- vocabulary.c: names and merges by text ---- */

uint32_t smg_vocabulary_slots(uint64_t entries);
smg_text smg_vocabulary_name(const smg_tokenizer *tokenizer, int32_t id);
/* Adds a token by its name; returns the id that has the name already, or SMG_TOKEN_NONE when it was new. */
int32_t smg_vocabulary_add(smg_tokenizer *tokenizer, int32_t id);
/* The token of this name whatever its type, or SMG_TOKEN_NONE. */
int32_t smg_vocabulary_find(const smg_tokenizer *tokenizer, const char *text, size_t size);
/* The token that plain text of this spelling may become, or SMG_TOKEN_NONE. */
int32_t smg_vocabulary_find_text(const smg_tokenizer *tokenizer, const char *text, size_t size);
float smg_vocabulary_score(const smg_tokenizer *tokenizer, int32_t id);
/* A merge on its way into the table. With hundreds of thousands of them, waiting for each slot's cache line
 * would be most of the start-up time: so a merge is prepared a little before it is added. */
typedef struct smg_pending_merge {
    uint64_t hash;
    uint32_t offset;
    uint32_t left_size;
    uint32_t right_size;
} smg_pending_merge;

/* Takes the merge "left right" at this offset; false when it has not two halves. */
bool smg_merges_prepare(const smg_tokenizer *tokenizer, uint32_t offset, size_t size,
                        smg_pending_merge *ret_merge);
/* Adds it unless it is there already. */
void smg_merges_add(smg_tokenizer *tokenizer, const smg_pending_merge *merge);
/* The rank (lower goes first) of merging the text's first left_size bytes with the rest. */
bool smg_merges_find(const smg_tokenizer *tokenizer, const char *text, size_t left_size, size_t size,
                     uint32_t *ret_rank);

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
