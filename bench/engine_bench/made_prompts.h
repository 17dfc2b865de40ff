/* Prompts of a known number of tokens for any vocabulary, the same ones every time: one prefix, readings that go on
 * from it and differ from their first token on, and one prompt for a whole process. */
#ifndef SMG_BENCH_MADE_PROMPTS_H
#define SMG_BENCH_MADE_PROMPTS_H

#include "../bench_plan.h"
#include "smidge/smidge.h"

enum { PROMPT_ROOM = 2048 };

typedef struct made_prompts {
    char prefix[PROMPT_ROOM];
    char readings[PLAN_READINGS][PROMPT_ROOM];
    char cold[PROMPT_ROOM];
} made_prompts;

/* INVALID where the vocabulary does not allow it. */
smidge_status made_prompts_write(const smidge_model *model, made_prompts *ret, smidge_error *error)
    SMIDGE_MUST_CHECK;

/* A prefix and its continuation as spans; `more` may be NULL. Returns how many. */
size_t made_prompts_spans(const char *text, const char *more, smidge_span ret_spans[2]);

/* The tokens of all of them for the peer, a number a line: prefix, readings without it, cold. */
smidge_status made_prompts_save(const smidge_model *model, const made_prompts *prompts, const char *path,
                                smidge_error *error) SMIDGE_MUST_CHECK;

#endif
