/* The prompt around a reading: a text in front and one behind, as they are or as one message in a chat template. */
#ifndef SMIDGE_READING_PROMPT_H
#define SMIDGE_READING_PROMPT_H

#include "chat_flags.h"

typedef struct prompt_frame {
    const chat_flags *chat;
    smidge_span prefix;
    smidge_span suffix;
} prompt_frame;

/* Stays where it is: the spans may point into it. */
typedef struct reading_prompt {
    const smidge_span *spans;
    size_t count;
    smidge_span plain[3];
    smidge_chat *chat; /* which the spans belong to; NULL: to `plain` */
} reading_prompt;

/* The reading and the frame's texts must outlive the prompt, which reading_prompt_done releases. */
smidge_status reading_prompt_init(reading_prompt *prompt, const prompt_frame *frame,
                                  const smidge_model *model, const char *reading, size_t size,
                                  smidge_error *error);
/* Takes one that was zeroed. */
void reading_prompt_done(reading_prompt *prompt);

/* What all prompts of a frame begin with: the template's text up to the reading, the system message, the prefix. */
typedef struct prompt_beginning {
    smidge_span *spans;
    size_t count;
    reading_prompt of; /* which the texts belong to */
} prompt_beginning;

smidge_status prompt_beginning_init(prompt_beginning *beginning, const prompt_frame *frame,
                                    const smidge_model *model, smidge_error *error);
/* Takes one that was zeroed. */
void prompt_beginning_done(prompt_beginning *beginning);

#endif
