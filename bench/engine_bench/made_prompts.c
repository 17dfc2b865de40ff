#include "made_prompts.h"

#include <stdlib.h>

#include "base/error.h"

enum { PIECE_ROOM = 8, MOST_TRIES = 100 };

size_t made_prompts_spans(const char *text, const char *more, smidge_span ret_spans[2])
{
    ret_spans[0] = (smidge_span){.text = text, .size = strlen(text)};
    if (more == NULL)
        return 1;
    ret_spans[1] = (smidge_span){.text = more, .size = strlen(more)};
    return 2;
}

/* A space and one to three letters, of which the first is given. */
static size_t write_piece(char first, uint64_t *seed, char *ret_piece)
{
    int32_t letters[3];
    plan_tokens(letters, 3, *seed, 26 * 3);
    *seed += UINT64_C(0x9E3779B97F4A7C15);
    int more = letters[0] % 3;
    ret_piece[0] = ' ';
    ret_piece[1] = first;
    for (int i = 0; i < more; i++)
        ret_piece[2 + i] = (char)('a' + letters[1 + i] % 26);
    ret_piece[2 + more] = '\0';
    return 2 + (size_t)more;
}

/* Fills `text` with words until it has `wanted` tokens behind `before` (which may be NULL and has `there` of them). */
static smidge_status grow(const smidge_model *model, const char *before, size_t there, size_t wanted,
                          int number, char text[PROMPT_ROOM], smidge_error *error)
{
    uint64_t seed = (uint64_t)number;
    size_t size = 0;
    size_t count = 0;
    text[0] = '\0';
    for (int word = number, tries = 0; count < there + wanted && tries < MOST_TRIES; tries++) {
        smidge_span spans[2];
        if (size + PIECE_ROOM > PROMPT_ROOM)
            break;
        size_t piece = write_piece((char)('a' + word % 26), &seed, text + size);
        size_t spans_count =
            made_prompts_spans(before == NULL ? text : before, before == NULL ? NULL : text, spans);
        size_t now;
        SMG_TRY(smidge_tokenize(model, spans, spans_count, NULL, 0, &now, error));
        if (now > there + wanted) {
            text[size] = '\0';
            continue;
        }
        count = now;
        size += piece;
        word += 7;
        tries = 0;
    }
    if (count == there + wanted)
        return SMIDGE_OK;
    return smg_error_set(error, SMIDGE_E_INVALID, "prompts",
                         "no text of %zu tokens was found for this vocabulary (take another model)", wanted);
}

smidge_status made_prompts_write(const smidge_model *model, made_prompts *ret, smidge_error *error)
{
    SMG_TRY(grow(model, NULL, 0, PLAN_PREFIX, 1, ret->prefix, error));
    for (int i = 0; i < PLAN_READINGS; i++)
        SMG_TRY(grow(model, ret->prefix, PLAN_PREFIX, PLAN_FRESH, i + 2, ret->readings[i], error));
    return grow(model, NULL, 0, PLAN_COLD, PLAN_READINGS + 2, ret->cold, error);
}

static smidge_status save_tokens(const smidge_model *model, const char *text, const char *more, size_t skip,
                                 FILE *file, smidge_error *error)
{
    int32_t ids[PLAN_PREFIX + PLAN_COLD];
    smidge_span spans[2];
    size_t count;
    SMG_TRY(smidge_tokenize(model, spans, made_prompts_spans(text, more, spans), ids,
                            sizeof ids / sizeof *ids, &count, error));
    for (size_t i = skip; i < count; i++)
        fprintf(file, "%d\n", ids[i]);
    return SMIDGE_OK;
}

smidge_status made_prompts_save(const smidge_model *model, const made_prompts *prompts, const char *path,
                                smidge_error *error)
{
    FILE *file = fopen(path, "w");
    if (file == NULL)
        return smg_error_set(error, SMIDGE_E_IO, path, "cannot be written (choose another folder)");
    smidge_status status = save_tokens(model, prompts->prefix, NULL, 0, file, error);
    for (int i = 0; i < PLAN_READINGS && status == SMIDGE_OK; i++)
        status = save_tokens(model, prompts->prefix, prompts->readings[i], PLAN_PREFIX, file, error);
    if (status == SMIDGE_OK)
        status = save_tokens(model, prompts->cold, NULL, 0, file, error);
    if (fclose(file) != 0 && status == SMIDGE_OK)
        status = smg_error_set(error, SMIDGE_E_IO, path, "cannot be written (disk full?)");
    return status;
}
