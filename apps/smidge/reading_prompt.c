#include "reading_prompt.h"

#include <stdlib.h>
#include <string.h>

static smidge_status no_memory(smidge_error *error)
{
    *error = (smidge_error){.code = SMIDGE_E_NOMEM, .where = "prompt", .message = CLI_NO_MEMORY};
    return SMIDGE_E_NOMEM;
}

/* Prefix, reading and suffix are one message: a template trims messages at their ends only. */
static smidge_status put_into_chat(reading_prompt *prompt, const prompt_frame *frame,
                                   const smidge_model *model, smidge_error *error)
{
    size_t size = 0;
    for (size_t i = 0; i < 3; i++)
        size += prompt->plain[i].size;
    char *text = malloc(size + 1);
    if (text == NULL)
        return no_memory(error);
    size_t at = 0;
    for (size_t i = 0; i < 3; i++) {
        if (prompt->plain[i].size > 0)
            memcpy(text + at, prompt->plain[i].text, prompt->plain[i].size);
        at += prompt->plain[i].size;
    }
    smidge_status status = chat_new(frame->chat, model, text, size, &prompt->chat, error);
    free(text);
    if (status == SMIDGE_OK)
        prompt->spans = smidge_chat_spans(prompt->chat, &prompt->count);
    return status;
}

smidge_status reading_prompt_init(reading_prompt *prompt, const prompt_frame *frame,
                                  const smidge_model *model, const char *reading, size_t size,
                                  smidge_error *error)
{
    *prompt = (reading_prompt){.plain = {frame->prefix, {reading, size, 0}, frame->suffix}, .count = 3};
    prompt->spans = prompt->plain;
    return frame->chat->chat ? put_into_chat(prompt, frame, model, error) : SMIDGE_OK;
}

void reading_prompt_done(reading_prompt *prompt)
{
    smidge_chat_free(prompt->chat);
}

/* ---- What all prompts begin with ------------------------------------------------------------------------ */

/* The next byte of a list of spans; false at its end. */
static bool next_byte(const reading_prompt *prompt, size_t *span, size_t *at, char *ret_byte,
                      bool *ret_trusted)
{
    while (*span < prompt->count && *at == prompt->spans[*span].size) {
        (*span)++;
        *at = 0;
    }
    if (*span == prompt->count)
        return false;
    *ret_byte = prompt->spans[*span].text[(*at)++];
    *ret_trusted = prompt->spans[*span].trusted != 0;
    return true;
}

static size_t common_bytes(const reading_prompt *a, const reading_prompt *b)
{
    size_t spans[2] = {0};
    size_t at[2] = {0};
    char bytes[2];
    bool trusted[2];
    size_t same = 0;
    while (next_byte(a, &spans[0], &at[0], &bytes[0], &trusted[0]) &&
           next_byte(b, &spans[1], &at[1], &bytes[1], &trusted[1]) && bytes[0] == bytes[1] &&
           trusted[0] == trusted[1])
        same++;
    return same;
}

/* Two readings that differ in their first character show where the reading begins, whatever a template does with the
 * text in front of it. */
smidge_status prompt_beginning_init(prompt_beginning *beginning, const prompt_frame *frame,
                                    const smidge_model *model, smidge_error *error)
{
    *beginning = (prompt_beginning){0};
    reading_prompt other = {0};
    smidge_status status = reading_prompt_init(&beginning->of, frame, model, "A", 1, error);
    if (status == SMIDGE_OK)
        status = reading_prompt_init(&other, frame, model, "B", 1, error);
    if (status == SMIDGE_OK) {
        beginning->spans = malloc(beginning->of.count * sizeof *beginning->spans);
        status = beginning->spans == NULL ? no_memory(error) : SMIDGE_OK;
    }
    size_t left = status == SMIDGE_OK ? common_bytes(&beginning->of, &other) : 0;
    for (size_t i = 0; left > 0; i++) {
        smidge_span span = beginning->of.spans[i];
        span.size = span.size < left ? span.size : left;
        left -= span.size;
        beginning->spans[beginning->count++] = span;
    }
    reading_prompt_done(&other);
    return status;
}

void prompt_beginning_done(prompt_beginning *beginning)
{
    reading_prompt_done(&beginning->of);
    free(beginning->spans);
}
