/* A vocabulary on its way from a Hugging Face folder to the keys of a GGUF file. */
#ifndef SMG_CONVERT_HF_VOCABULARY_H
#define SMG_CONVERT_HF_VOCABULARY_H

#include "convert/hf_config.h"

#define SMG_HF_MERGE_BYTES 4096

/* What tokenizer.ggml.token_type says; the numbers are SentencePiece's. */
typedef enum smg_hf_token_type {
    SMG_HF_NORMAL = 1,
    SMG_HF_UNKNOWN = 2,
    SMG_HF_CONTROL = 3,
    SMG_HF_USER_DEFINED = 4,
    SMG_HF_UNUSED = 5,
    SMG_HF_BYTE = 6
} smg_hf_token_type;

typedef enum smg_hf_special {
    SMG_HF_BOS,
    SMG_HF_EOS,
    SMG_HF_UNK,
    SMG_HF_SEP,
    SMG_HF_PAD,
    SMG_HF_CLS,
    SMG_HF_MASK,
    SMG_HF_SPECIALS
} smg_hf_special;

typedef struct smg_hf_token {
    const char *text; /* in the source's JSON or mapping; NULL: none, a padded row */
    size_t size;
    float score;
    int32_t type;
} smg_hf_token;

typedef struct smg_hf_vocabulary {
    const char *model; /* "gpt2" or "llama" */
    const char *pre;   /* the name of the pre-tokenizer */
    smg_hf_token *tokens;
    int64_t count; /* rows of the embedding */
    /* In the JSON; gpt2 only: strings "a b", or arrays of two. */
    const json_t *merges;
    int64_t specials[SMG_HF_SPECIALS]; /* -1: none */
    bool add_bos, add_eos, add_space;
    bool numbered;          /* scores although there are merges: see write_numbers */
    smg_text chat_template; /* size 0: none */
    /* What the above points into. */
    json_t *tokenizer, *settings, *added, *specials_map;
    smg_file sentencepiece;
    char *jinja;
    json_t *own; /* texts that are spelled otherwise than in the source */
} smg_hf_vocabulary;

/* Reads tokenizer.model or tokenizer.json and the settings beside it. Errors: SMIDGE_E_UNSUPPORTED (a tokenizer that the engine does
 * not have, by name), SMIDGE_E_FORMAT, SMIDGE_E_IO (there is none), SMIDGE_E_NOMEM. */
smidge_status smg_hf_vocabulary_read(const char *folder, const smg_hf_config *config,
                                     smg_hf_vocabulary *ret_vocabulary, smidge_error *error) SMG_MUST_CHECK;
/* Takes one that is all zeros. */
void smg_hf_vocabulary_free(smg_hf_vocabulary *vocabulary);
smidge_status smg_hf_vocabulary_write(const smg_hf_vocabulary *vocabulary, smg_gguf_writer *writer,
                                      smidge_error *error) SMG_MUST_CHECK;

/* Of the two sources; both fill tokens that smg_hf_vocabulary_begin made. */
smidge_status smg_hf_vocabulary_begin(smg_hf_vocabulary *vocabulary, int64_t count, const char *where,
                                      smidge_error *error) SMG_MUST_CHECK;
/* Of vocabulary->tokenizer: the object in tokenizer.json. */
smidge_status smg_hf_tokenizer_json(smg_hf_vocabulary *vocabulary, const char *where, smidge_error *error)
    SMG_MUST_CHECK;
/* Of vocabulary->sentencepiece: the bytes of tokenizer.model. */
smidge_status smg_hf_tokenizer_model(smg_hf_vocabulary *vocabulary, const char *where, smidge_error *error)
    SMG_MUST_CHECK;

/* One of the merges as GGUF has it: "a b", at most `room` bytes; false where it is no merge. */
bool smg_hf_merge_text(const json_t *merge, char *room_for, size_t room, smg_text *ret_text);

/* Marks tokens that are not made by merging. `special`: never part of a text. */
smidge_status smg_hf_vocabulary_add(smg_hf_vocabulary *vocabulary, int64_t id, smg_text text, bool special,
                                    smidge_error *error) SMG_MUST_CHECK;

#endif
