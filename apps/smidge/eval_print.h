/* What smidge eval says of a run, and of two. */
#ifndef SMIDGE_EVAL_PRINT_H
#define SMIDGE_EVAL_PRINT_H

#include <jansson.h>

#include "eval_run.h"
#include "measure/calibration.h"

/* A temperature that was put into a file. */
typedef struct eval_calibrated {
    const char *path; /* NULL: none was */
    double temperature;
    double before, after; /* expected calibration errors */
    bool at_end;          /* the fitted one is the least or the most there is: these examples cannot tell */
} eval_calibrated;

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

/* That the abstain curve looks for. */
#define EVAL_WANTED_ACCURACY 0.99

/* SMIDGE_E_NOMEM. */
smidge_status eval_result_make(const eval_set *set, const eval_run *run, eval_result *ret_result,
                               smidge_error *error);
/* The expected calibration error that the same answers would have with their probabilities at a temperature. SMIDGE_E_NOMEM. */
smidge_status eval_result_tempered(const eval_result *result, double temperature, double *ret_calibration,
                                   smidge_error *error);
/* Takes a zeroed one. */
void eval_result_done(eval_result *result);

void eval_print_result(FILE *to, const eval_result *result);
void eval_print_comparison(FILE *to, const eval_result *first, const eval_result *second,
                           const smg_paired *pairs);
void eval_print_calibrated(FILE *to, const eval_calibrated *calibrated);
/* New references. */
json_t *eval_calibrated_json(const eval_calibrated *calibrated);
json_t *eval_result_json(const eval_result *result);
json_t *eval_comparison_json(const smg_paired *pairs);

#endif
