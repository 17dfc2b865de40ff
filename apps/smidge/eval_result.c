#include <stdlib.h>
#include <string.h>

#include "eval_print.h"

static int compare_numbers(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The value that a share of all is not above. */
static double percentile(const double *sorted, size_t count, double share)
{
    if (count == 0)
        return 0.0;
    const double at = share * (double)(count - 1);
    const size_t low = (size_t)at;
    const size_t high = low + 1 < count ? low + 1 : low;
    return sorted[low] + (at - (double)low) * (sorted[high] - sorted[low]);
}

static smidge_status no_memory(smidge_error *error)
{
    *error = (smidge_error){.code = SMIDGE_E_NOMEM, .where = "eval", .message = CLI_NO_MEMORY};
    return SMIDGE_E_NOMEM;
}

/* The first answer also computes what all prompts begin with. */
static smidge_status time_answers(const eval_run *run, eval_result *result, smidge_error *error)
{
    double *ms = malloc((run->done + 1) * sizeof *ms);
    if (ms == NULL)
        return no_memory(error);
    for (size_t i = 1; i < run->done; i++)
        if (run->answers[i].duration_ns > 0)
            ms[result->timed++] = (double)run->answers[i].duration_ns * 1e-6;
    qsort(ms, result->timed, sizeof *ms, compare_numbers);
    result->ms_50 = percentile(ms, result->timed, 0.5);
    result->ms_95 = percentile(ms, result->timed, 0.95);
    result->ms_99 = percentile(ms, result->timed, 0.99);
    result->ms_most = percentile(ms, result->timed, 1.0);
    free(ms);
    return SMIDGE_OK;
}

/* The temperature is fitted on examples that have an answer. */
static smidge_status fit(const eval_set *set, const eval_run *run, eval_result *result, smidge_error *error)
{
    const size_t classes = (size_t)set->label_count;
    double *rows = malloc((run->done * classes + 1) * sizeof *rows);
    int32_t *expected = malloc((run->done + 1) * sizeof *expected);
    size_t count = 0;
    for (size_t i = 0; rows != NULL && expected != NULL && i < run->done; i++) {
        if (run->answers[i].label < 0)
            continue;
        memcpy(rows + count * classes, run->probabilities + i * classes, classes * sizeof *rows);
        expected[count++] = set->expected[i];
    }
    const bool room = rows != NULL && expected != NULL;
    if (room)
        result->temperature = smg_temperature_fit(rows, expected, count, set->label_count);
    free(rows);
    free(expected);
    return room ? SMIDGE_OK : no_memory(error);
}

static smidge_status judge(const eval_set *set, const eval_run *run, eval_result *result, smidge_error *error)
{
    smg_judged *list = malloc((run->done + 1) * sizeof *list);
    if (list == NULL)
        return no_memory(error);
    for (size_t i = 0; i < run->done; i++)
        list[i] = (smg_judged){.expected = set->expected[i],
                               .answered = run->answers[i].label,
                               .confidence = run->answers[i].confidence};
    smidge_status status = smg_class_report_make(list, run->done, set->label_count, &result->classes, error);
    if (status == SMIDGE_OK)
        status = smg_abstain_curve_make(list, run->done, EVAL_WANTED_ACCURACY, &result->abstain, error);
    result->reliability = smg_reliability_of(list, run->done);
    free(list);
    return status == SMIDGE_OK ? fit(set, run, result, error) : status;
}

smidge_status eval_result_tempered(const eval_result *result, double temperature, double *ret_calibration,
                                   smidge_error *error)
{
    const eval_set *set = result->set;
    const eval_run *run = result->run;
    smg_judged *list = malloc((run->done + 1) * sizeof *list);
    if (list == NULL)
        return no_memory(error);
    for (size_t i = 0; i < run->done; i++) {
        const int32_t answered = run->answers[i].label;
        const double *row = run->probabilities + i * (size_t)set->label_count;
        list[i] = (smg_judged){.expected = set->expected[i], .answered = answered};
        if (answered >= 0)
            list[i].confidence = smg_temperature_confidence(row, set->label_count, answered, temperature);
    }
    *ret_calibration = smg_reliability_of(list, run->done).error;
    free(list);
    return SMIDGE_OK;
}

smidge_status eval_result_make(const eval_set *set, const eval_run *run, eval_result *ret_result,
                               smidge_error *error)
{
    eval_result result = {.set = set, .run = run, .temperature = 1.0};
    int64_t right = 0;
    for (size_t i = 0; i < run->done; i++) {
        right += run->answers[i].right ? 1 : 0;
        result.keys += run->answers[i].keys;
        result.keys_same += run->answers[i].keys_same;
    }
    result.right = smg_interval_of_share(right, (int64_t)run->done);
    smidge_status status = time_answers(run, &result, error);
    if (status == SMIDGE_OK && !set->json)
        status = judge(set, run, &result, error);
    if (status != SMIDGE_OK) {
        eval_result_done(&result);
        return status;
    }
    *ret_result = result;
    return SMIDGE_OK;
}

void eval_result_done(eval_result *result)
{
    smg_class_report_done(&result->classes);
    *result = (eval_result){0};
}
