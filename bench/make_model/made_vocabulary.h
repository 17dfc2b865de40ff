/* A vocabulary of the true size and kind, made out of nothing: the special tokens have their true names and ids, the
 * pieces are words of random letters. Every merge is of two tokens and gives a third. */
#ifndef SMG_BENCH_MADE_VOCABULARY_H
#define SMG_BENCH_MADE_VOCABULARY_H

#include "format/gguf_write.h"
#include "model_shapes_table.h"

/* Writes all keys that begin with "tokenizer.ggml.". Errors as the writer's. */
smidge_status made_vocabulary_write(const model_vocabulary *vocabulary, smg_gguf_writer *writer,
                                    smidge_error *error) SMG_MUST_CHECK;

#endif
