/* What smidge eval says of a run, and of two. */
#ifndef SMIDGE_EVAL_PRINT_H
#define SMIDGE_EVAL_PRINT_H

#include <jansson.h>

#include "eval_run.h"
#include "measure/calibration.h"

/* All that is counted of a run. */
typedef struct eval_result {
    const eval_set *set;
    const eval_run *run;
    smg_interval right; /* of labels: the accuracy; of JSON: exact matches */
    smg_class_report classes;
    smg_reliability reliability;
    double temperature;
    smg_abstain_curve abstain;
    int64_t keys, keys_same;             /* of JSON */
    double ms_50, ms_95, ms_99, ms_most; /* of answers asked one by one, the first one apart */
    size_t timed;
} eval_result;

/* SMIDGE_E_NOMEM. */
smidge_status eval_result_make(const eval_set *set, const eval_run *run, eval_result *ret_result,
                               smidge_error *error);
/* Takes a zeroed one. */
void eval_result_done(eval_result *result);

void eval_print_result(FILE *to, const eval_result *result);
void eval_print_comparison(FILE *to, const eval_result *first, const eval_result *second,
                           const smg_paired *pairs);
/* New references. */
json_t *eval_result_json(const eval_result *result);
json_t *eval_comparison_json(const smg_paired *pairs);

#endif
