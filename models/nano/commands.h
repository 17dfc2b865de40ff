/* Spoken commands and what they ask for, from NLU-Evaluation-Data (X. Liu and others, IWSDS 2019; CC BY 4.0). */
#ifndef NANO_COMMANDS_H
#define NANO_COMMANDS_H

#include <jansson.h>

#include "word_lists.h"

#define NANO_SLOTS_MAX 8

/* A part of a text that fills a slot: bytes from `start` to `end`. */
typedef struct nano_slot {
    const char *name;
    size_t start, end;
} nano_slot;

typedef struct nano_command {
    const char *id;
    const char *text;
    const char *intent; /* "none": nothing that a home does */
    int32_t slot_count;
    nano_slot slots[NANO_SLOTS_MAX]; /* in the order of the text */
} nano_command;

typedef struct nano_commands {
    json_t *rows; /* owns the texts */
    nano_command *list;
    size_t count;
    size_t *orders; /* places in `list` of commands for the home, and those behind them of all others */
    size_t order_count;
} nano_commands;

/* What is read: hwu-home.jsonl, rows of this split. SMIDGE_E_IO, SMIDGE_E_FORMAT (a row that is not as expected, with its
 * line), SMIDGE_E_INVALID (no rows), SMIDGE_E_NOMEM. */
smidge_status nano_commands_read(const char *path, const char *split, nano_commands *ret_commands,
                                 smidge_error *error) SMG_MUST_CHECK;
void nano_commands_done(nano_commands *commands);

/* {"prompt", "json", "id"}: the command as it is. NULL without memory, from both. */
json_t *nano_command_row(const nano_commands *commands, const nano_words *words, nano_random *random,
                         size_t at);
/* One of them by chance, two of three for the home, two of three of these with other values of slots: from other commands, from the
 * list `slots`, or made-up words. */
json_t *nano_command_vary(const nano_commands *commands, const nano_words *words, nano_random *random);

#endif
