/* A JSON answer on its way: which tokens must follow, which may, and what each choice was worth.
 *
 * Where the schema leaves only one text, its tokens are not asked for: they are appended as the vocabulary spells that text,
 * and go through the model in one pass with the token before them. The last of them is left to the model if a longer token
 * could stand in its place, so that what follows is spelled as the model learned to spell it. */
#ifndef SMG_ENGINE_JSON_ANSWER_H
#define SMG_ENGINE_JSON_ANSWER_H

#include "engine/engine.h"
#include "engine/sampler.h"

typedef struct smg_json_answer {
    const smidge_schema *schema;
    smg_json_state state;
    smg_encoder *encoder;
    uint64_t *allowed;   /* what may come next; not valid when the answer is complete */
    int32_t *tokens;     /* so far */
    char *text;          /* and what they spell */
    double *confidences; /* [keys] the caller's, or NULL */
    int32_t count;
    int32_t size;
    int32_t forced;
} smg_json_answer;

/* Takes all the memory that the answer can need, and puts down what must be at its front. `confidences` may be NULL. */
smidge_status smg_json_answer_init(smg_json_answer *answer, const smidge_schema *schema, double *confidences,
                                   smidge_error *error) SMG_MUST_CHECK;
void smg_json_answer_done(smg_json_answer *answer);

bool smg_json_answer_complete(const smg_json_answer *answer);
/* Lets the model choose from `logits` [vocabulary], then appends what must follow. False when they hold no number. */
bool smg_json_answer_step(smg_json_answer *answer, smg_sampler *sampler, float *logits,
                          smg_candidate *candidates);

#endif
