/* A text as a model's tokens, cut into chunks that are measured one after the other: what perplexity and importance matrices
 * have in common. */
#ifndef SMG_MEASURE_TEXT_CHUNKS_H
#define SMG_MEASURE_TEXT_CHUNKS_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define SMG_CHUNK_TOKENS 512

/* What of a text is measured, and how; zeros for the defaults. */
typedef struct smg_chunking {
    int32_t context; /* tokens of a chunk; 0: SMG_CHUNK_TOKENS */
    int32_t stride;  /* from one chunk to the next (the whole of it); smaller ones overlap */
    int32_t most;    /* chunks (all that are whole) */
} smg_chunking;

typedef struct smg_text_chunks {
    int32_t *ids;
    size_t id_count;
    int32_t size; /* tokens of a chunk */
    int32_t step; /* tokens from one chunk's begin to the next's */
    int32_t
        counts; /* the first token of a chunk whose probability counts: those before it are what it follows on */
    int32_t count; /* chunks */
    int32_t bos;   /* stands in the place of each chunk's first token; SMG_TOKEN_NONE: nothing does */
} smg_text_chunks;

/* Reads and tokenizes a file ("-": standard input) of up to 16 MiB, special tokens in it as plain text. SMIDGE_E_INVALID (options
 * out of range, no whole chunk), SMIDGE_E_IO, SMIDGE_E_NOMEM. */
smidge_status smg_text_chunks_read(const smidge_model *model, const char *path, const smg_chunking *chunking,
                                   smg_text_chunks *ret_chunks, smidge_error *error) SMG_MUST_CHECK;
/* Takes zeroed ones. */
void smg_text_chunks_done(smg_text_chunks *chunks);
/* The chunk's tokens, BOS included where the model wants one: ret_ids[size]. */
void smg_text_chunks_copy(const smg_text_chunks *chunks, int32_t number, int32_t *ret_ids);

#endif
