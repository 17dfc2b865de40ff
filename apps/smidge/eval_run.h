/* Asking a model every example of a set, as an application would. */
#ifndef SMIDGE_EVAL_RUN_H
#define SMIDGE_EVAL_RUN_H

#include <stdatomic.h>

#include "chat_flags.h"
#include "data/dataset.h"
#include "model_flags.h"
#include "schema_flags.h"

enum { EVAL_LABELS_MAX = SMG_DATASET_LABELS_MAX };

typedef struct eval_set {
    const smg_dataset *data;
    size_t count; /* examples to ask, the first ones */
    bool json;    /* answers are objects, not labels */
    const char *labels[EVAL_LABELS_MAX];
    int32_t label_count;
    int32_t *expected; /* [count] places in labels; of JSON all 0 */
} eval_set;

typedef struct eval_answer {
    int32_t label; /* its place; of JSON 0 where there is an answer; -1: none */
    bool right;
    int32_t keys, keys_same; /* of JSON */
    double confidence;
    int64_t duration_ns; /* 0 where it was asked together with others */
    char *text;          /* of JSON: the answer */
} eval_answer;

typedef struct eval_run {
    const char *model, *lora;
    double temperature; /* in use: the adapter's, or the model's */
    uint64_t model_bytes;
    size_t done; /* fewer than the set where it was interrupted */
    eval_answer *answers;
    double *probabilities; /* [done][label_count] of labels */
    int64_t first_ns;      /* the first answer: the prefix was not computed yet */
    int64_t asking_ns;     /* all of it */
    uint64_t peak;         /* of the process until then */
} eval_run;

typedef struct eval_how {
    const model_flags *model;
    const chat_flags *chat;
    const schema_flags *schema;
    int32_t context; /* 0: what the longest example needs */
    size_t alone;    /* so many are asked one by one, for their latency */
    atomic_int *cancel;
    bool quiet;
} eval_how;

/* Returns -1 and a run to be released with eval_run_done, or the exit status after a message. An interrupted one is shorter. */
int eval_run_make(const eval_set *set, const eval_how *how, eval_run *ret_run);
/* Takes a zeroed one. */
void eval_run_done(eval_run *run);

#endif
