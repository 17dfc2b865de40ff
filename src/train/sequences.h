/* Examples as tokens: the prompt exactly as `smidge classify` and `smidge run` tokenize it, then the answer as the constrained
 * decoder spells it, then, where something must say that the answer is over, the token that ends it.
 *
 * - A prompt is tokenized alone, with BOS where the model wants one; in a chat, through the model's template.
 * - A label follows behind a space, unless the prompt ends with white space. Labels end where only one is left; a label that another
 *   one begins with needs the end token, and gets it.
 * - JSON begins right behind the prompt, compact, and is followed by the end token; so is a chat's last message.
 * - The end token of a chat is what the template closes the assistant's message with, else the vocabulary's EOS. */
#ifndef SMG_TRAIN_SEQUENCES_H
#define SMG_TRAIN_SEQUENCES_H

#include "data/dataset.h"
#include "engine/engine.h"

typedef struct smg_sequence {
    size_t first;   /* in the tokens of all */
    int32_t length; /* at least 2 */
    int32_t answer; /* the first token that has a loss; from 1 */
    size_t first_hint;
    int32_t hint_count;
} smg_sequence;

/* What a prompt's token is asked for besides: data/dataset.h. */
typedef struct smg_token_hint {
    int32_t at;    /* in the sequence, before its answer */
    int32_t token; /* the first of the hint's text */
} smg_token_hint;

/* Zeros are an empty set. */
typedef struct smg_sequences {
    int32_t *tokens;
    size_t token_count, token_room;
    smg_sequence *list;
    size_t count, room;
    smg_token_hint *hints;
    size_t hint_count, hint_room;
    int32_t longest; /* tokens that go through the model: one less than those of the sequence */
} smg_sequences;

typedef struct smg_encoding {
    int32_t longest; /* tokens that may go through the model at once */
    bool skip_long;  /* leave out what is longer, instead of refusing it */
    bool all;        /* a loss on every token, not on the answer's alone */
    bool hints;      /* also on the tokens of prompts that the examples have hints for; not in chats */
    bool chat;       /* a prompt is a message of the user's; chat examples always are */
    const char *system;
    const char *template_name, *template_file; /* as smidge_chat_options has them */
    bool no_thinking;
} smg_encoding;

/* Adds the examples with `chosen[i] == wanted`, in their order; `chosen` NULL: all. *ret_skipped counts what was too long.
 * SMIDGE_E_INVALID (too long: `where` is FILE:LINE; an answer that the vocabulary cannot spell), the chat's errors, SMIDGE_E_NOMEM;
 * what was added before stays. */
smidge_status smg_sequences_add(smg_sequences *sequences, const smidge_model *model, const smg_dataset *set,
                                const bool *chosen, bool wanted, const smg_encoding *encoding,
                                size_t *ret_skipped, smidge_error *error) SMG_MUST_CHECK;
void smg_sequences_done(smg_sequences *sequences);

/* Of all tokens, hints, and where answers begin, on top of `hash`. */
uint64_t smg_sequences_hash(const smg_sequences *sequences, uint64_t hash);

/* Marks a share of the examples, at least one and never all, drawn by the seed; those of one group stay together.
 * SMIDGE_E_INVALID (fewer than two examples or groups), SMIDGE_E_NOMEM. */
smidge_status smg_dataset_split(const smg_dataset *set, double share, uint64_t seed, bool *ret_marked,
                                smidge_error *error) SMG_MUST_CHECK;

#endif
