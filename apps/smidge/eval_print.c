#include "eval_print.h"

#include <string.h>

static double percent(double share)
{
    return 100.0 * share;
}

/* ---- For people, in Markdown ------------------------------------------------------------------------------- */

static void print_classes(FILE *to, const eval_result *result)
{
    const eval_set *set = result->set;
    const smg_class_report *report = &result->classes;
    fprintf(to, "\n| label | examples | precision | recall | F1 |\n|---|---:|---:|---:|---:|\n");
    for (int32_t c = 0; c < report->class_count; c++) {
        const smg_class_score *score = &report->classes[c];
        fprintf(to, "| %s | %lld | %.1f %% | %.1f %% | %.3f |\n", set->labels[c], (long long)score->expected,
                percent(score->precision), percent(score->recall), score->f1);
    }
    fprintf(to, "| mean | %lld | %.1f %% | %.1f %% | %.3f |\n", (long long)report->count,
            percent(report->macro_precision), percent(report->macro_recall), report->macro_f1);
}

static void print_confusion(FILE *to, const eval_result *result)
{
    const eval_set *set = result->set;
    const smg_class_report *report = &result->classes;
    const int64_t columns = report->class_count + 1;
    const bool unanswered = report->unanswered > 0;
    fprintf(to, "\n| expected, then answered |");
    for (int32_t c = 0; c < report->class_count; c++)
        fprintf(to, " %s |", set->labels[c]);
    fprintf(to, "%s\n|---|", unanswered ? " nothing |" : "");
    for (int32_t c = 0; c < report->class_count + (unanswered ? 1 : 0); c++)
        fprintf(to, "---:|");
    fputc('\n', to);
    for (int32_t r = 0; r < report->class_count; r++) {
        fprintf(to, "| %s |", set->labels[r]);
        for (int32_t c = 0; c < report->class_count + (unanswered ? 1 : 0); c++)
            fprintf(to, " %lld |", (long long)report->confusion[r * columns + c]);
        fputc('\n', to);
    }
}

static void print_certainty(FILE *to, const eval_result *result)
{
    const smg_abstain_point *wanted = &result->abstain.wanted;
    fprintf(to, "\ncalibration  expected error %.1f %%, mended by a temperature of %.2f\n",
            percent(result->reliability.error), result->temperature);
    if (result->abstain.reached)
        fprintf(to, "abstaining   --min-confidence %.4f answers %.1f %% of all, %.1f %% of them right\n",
                wanted->threshold, percent(wanted->share), percent(wanted->accuracy));
    else
        fprintf(to, "abstaining   at no confidence are 99 %% of the answers right\n");
}

void eval_print_result(FILE *to, const eval_result *result)
{
    const eval_run *run = result->run;
    const eval_set *set = result->set;
    char size[32];
    char peak[32];
    fprintf(to, "model        %s%s%s, %s\n", run->model, run->lora != NULL ? " with " : "",
            run->lora != NULL ? run->lora : "", cli_bytes((double)run->model_bytes, size));
    fprintf(to, "%s %.2f %% of %zu, 95 %% interval %.2f to %.2f\n",
            set->json ? "exact match " : "accuracy    ", percent(result->right.value), run->done,
            percent(result->right.low), percent(result->right.high));
    if (run->done < set->count)
        fprintf(to, "interrupted  after %zu of %zu examples\n", run->done, set->count);
    if (set->json)
        fprintf(to, "keys         %.2f %% of %lld right\n",
                result->keys > 0 ? percent((double)result->keys_same / (double)result->keys) : 0.0,
                (long long)result->keys);
    fprintf(to, "latency      first %.1f ms; %zu more alone: p50 %.1f, p95 %.1f, p99 %.1f, most %.1f ms\n",
            (double)run->first_ns * 1e-6, result->timed, result->ms_50, result->ms_95, result->ms_99,
            result->ms_most);
    fprintf(to, "speed        %.1f answers a second, peak memory %s\n",
            run->asking_ns > 0 ? (double)run->done * 1e9 / (double)run->asking_ns : 0.0,
            cli_bytes((double)run->peak, peak));
    if (set->json)
        return;
    print_certainty(to, result);
    print_classes(to, result);
    print_confusion(to, result);
}

void eval_print_comparison(FILE *to, const eval_result *first, const eval_result *second,
                           const smg_paired *pairs)
{
    const bool shown = pairs->p < 0.05;
    fprintf(to, "\n| | second right | second wrong |\n|---|---:|---:|\n");
    fprintf(to, "| first right | %lld | %lld |\n| first wrong | %lld | %lld |\n\n", (long long)pairs->both,
            (long long)pairs->first, (long long)pairs->second, (long long)pairs->neither);
    fprintf(to, "difference   %+.2f points, 95 %% interval %+.2f to %+.2f\n", percent(pairs->gain.value),
            percent(pairs->gain.low), percent(pairs->gain.high));
    fprintf(to, "verdict      %s (McNemar's exact p = %.3g, mid-p = %.3g)\n",
            !shown                                     ? "no difference is shown"
            : second->right.value > first->right.value ? "the second is better"
                                                       : "the first is better",
            pairs->p, pairs->mid_p);
}

void eval_print_calibrated(FILE *to, const eval_calibrated *calibrated)
{
    fprintf(to, "\ncalibrated   %s has a temperature of %.4g: expected error %.2f %% before, %.2f %% now%s\n",
            calibrated->path, calibrated->temperature, percent(calibrated->before),
            percent(calibrated->after),
            calibrated->at_end ? " (the end of what is tried: too few are right, or wrong, to tell)" : "");
}

/* ---- For programs ------------------------------------------------------------------------------------------ */

static json_t *interval_json(const smg_interval *interval)
{
    return json_pack("{s:f, s:f, s:f}", "value", interval->value, "low", interval->low, "high",
                     interval->high);
}

static json_t *classes_json(const eval_result *result)
{
    json_t *list = json_array();
    for (int32_t c = 0; c < result->classes.class_count; c++) {
        const smg_class_score *score = &result->classes.classes[c];
        json_array_append_new(list, json_pack("{s:s, s:I, s:I, s:I, s:f, s:f, s:f}", "label",
                                              result->set->labels[c], "expected", (json_int_t)score->expected,
                                              "answered", (json_int_t)score->answered, "right",
                                              (json_int_t)score->right, "precision", score->precision,
                                              "recall", score->recall, "f1", score->f1));
    }
    return list;
}

static json_t *confusion_json(const smg_class_report *report)
{
    json_t *rows = json_array();
    for (int32_t r = 0; r < report->class_count; r++) {
        json_t *row = json_array();
        for (int32_t c = 0; c <= report->class_count; c++)
            json_array_append_new(row, json_integer(report->confusion[r * (report->class_count + 1) + c]));
        json_array_append_new(rows, row);
    }
    return rows;
}

static json_t *abstain_json(const smg_abstain_curve *curve)
{
    json_t *points = json_array();
    for (int32_t i = 0; i < curve->point_count; i++)
        json_array_append_new(points,
                              json_pack("{s:f, s:f, s:f}", "threshold", curve->points[i].threshold, "share",
                                        curve->points[i].share, "accuracy", curve->points[i].accuracy));
    return points;
}

static json_t *reliability_json(const smg_reliability *reliability)
{
    json_t *bins = json_array();
    for (int i = 0; i < SMG_RELIABILITY_BINS; i++)
        json_array_append_new(bins,
                              json_pack("{s:I, s:f, s:f}", "count", (json_int_t)reliability->bins[i].count,
                                        "confidence", reliability->bins[i].confidence, "accuracy",
                                        reliability->bins[i].accuracy));
    return bins;
}

json_t *eval_result_json(const eval_result *result)
{
    const eval_run *run = result->run;
    json_t *object =
        json_pack("{s:s, s:s?, s:I, s:I, s:I, s:o, s:{s:f, s:f, s:f, s:f, s:f}, s:f, s:I}", "model",
                  run->model, "lora", run->lora, "bytes", (json_int_t)run->model_bytes, "examples",
                  (json_int_t)result->set->count, "answered", (json_int_t)run->done,
                  result->set->json ? "exact_match" : "accuracy", interval_json(&result->right), "latency_ms",
                  "first", (double)run->first_ns * 1e-6, "p50", result->ms_50, "p95", result->ms_95, "p99",
                  result->ms_99, "max", result->ms_most, "answers_per_second",
                  run->asking_ns > 0 ? (double)run->done * 1e9 / (double)run->asking_ns : 0.0, "peak_bytes",
                  (json_int_t)run->peak);
    if (result->set->json) {
        json_object_set_new(object, "keys",
                            json_pack("{s:I, s:I}", "count", (json_int_t)result->keys, "right",
                                      (json_int_t)result->keys_same));
        return object;
    }
    json_object_set_new(object, "macro_f1", json_real(result->classes.macro_f1));
    json_object_set_new(object, "classes", classes_json(result));
    json_object_set_new(object, "confusion", confusion_json(&result->classes));
    json_object_set_new(object, "calibration_error", json_real(result->reliability.error));
    json_object_set_new(object, "temperature", json_real(result->temperature));
    json_object_set_new(object, "reliability", reliability_json(&result->reliability));
    json_object_set_new(object, "abstain", abstain_json(&result->abstain));
    return object;
}

json_t *eval_calibrated_json(const eval_calibrated *calibrated)
{
    return json_pack("{s:s, s:f, s:f, s:f}", "file", calibrated->path, "temperature", calibrated->temperature,
                     "error_before", calibrated->before, "error_after", calibrated->after);
}

json_t *eval_comparison_json(const smg_paired *pairs)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:o, s:f, s:f}", "both", (json_int_t)pairs->both, "first",
                     (json_int_t)pairs->first, "second", (json_int_t)pairs->second, "neither",
                     (json_int_t)pairs->neither, "gain", interval_json(&pairs->gain), "p", pairs->p, "mid_p",
                     pairs->mid_p);
}
