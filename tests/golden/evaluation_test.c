/* Metrics against scikit-learn, scipy and statsmodels (make_evaluation.py), and at their ends. */
#include "test_support.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "measure/calibration.h"

typedef struct sample {
    const json_t *json;
    size_t count;
    int32_t classes;
    smg_judged *judged;
    double *probabilities;
    int32_t *expected;
    uint8_t *first, *second;
} sample;

static double number(const json_t *json, const char *name, size_t at)
{
    return json_number_value(json_array_get(json_object_get(json, name), at));
}

static sample take(const json_t *json)
{
    sample s = {.json = json, .count = json_array_size(json_object_get(json, "expected"))};
    s.classes = (int32_t)json_integer_value(json_object_get(json, "classes"));
    const size_t classes = (size_t)s.classes;
    s.judged = calloc(s.count, sizeof *s.judged);
    s.probabilities = calloc(s.count * classes, sizeof *s.probabilities);
    s.expected = calloc(s.count, sizeof *s.expected);
    s.first = calloc(s.count, 1);
    s.second = calloc(s.count, 1);
    assert_true(s.judged && s.probabilities && s.expected && s.first && s.second);
    for (size_t i = 0; i < s.count; i++) {
        s.expected[i] = (int32_t)number(json, "expected", i);
        s.judged[i] = (smg_judged){.expected = s.expected[i],
                                   .answered = (int32_t)number(json, "answered", i),
                                   .confidence = number(json, "confidence", i)};
        s.first[i] = s.judged[i].answered == s.judged[i].expected;
        s.second[i] = (int32_t)number(json, "second", i) == s.expected[i];
    }
    for (size_t i = 0; i < s.count * classes; i++)
        s.probabilities[i] = number(json, "probabilities", i);
    return s;
}

static void drop(sample *s)
{
    free(s->judged);
    free(s->probabilities);
    free(s->expected);
    free(s->first);
    free(s->second);
}

static void near(double got, double expected, double bound)
{
    if (!(fabs(got - expected) <= bound))
        fail_msg("%.12g, expected %.12g", got, expected);
}

static void check_classes(const sample *s)
{
    smg_class_report report;
    smidge_error error;
    assert_int_equal(smg_class_report_make(s->judged, s->count, s->classes, &report, &error), SMIDGE_OK);
    near(report.accuracy.value, number(s->json, "accuracy", 0), 1e-12);
    near(report.accuracy.low, number(s->json, "accuracy", 1), 1e-12);
    near(report.accuracy.high, number(s->json, "accuracy", 2), 1e-12);
    near(report.macro_precision, number(s->json, "macro", 0), 1e-12);
    near(report.macro_recall, number(s->json, "macro", 1), 1e-12);
    near(report.macro_f1, number(s->json, "macro", 2), 1e-12);
    for (int32_t c = 0; c < s->classes; c++) {
        near(report.classes[c].precision, number(s->json, "precision", (size_t)c), 1e-12);
        near(report.classes[c].recall, number(s->json, "recall", (size_t)c), 1e-12);
        near(report.classes[c].f1, number(s->json, "f1", (size_t)c), 1e-12);
    }
    for (size_t i = 0; i < (size_t)s->classes * ((size_t)s->classes + 1); i++)
        assert_int_equal(report.confusion[i], (int64_t)number(s->json, "confusion", i));
    smg_class_report_done(&report);
}

static void check_pairs(const sample *s)
{
    const smg_paired pairs = smg_paired_compare(s->first, s->second, s->count);
    assert_int_equal(pairs.both, (int64_t)number(s->json, "pairs", 0));
    assert_int_equal(pairs.first, (int64_t)number(s->json, "pairs", 1));
    assert_int_equal(pairs.second, (int64_t)number(s->json, "pairs", 2));
    assert_int_equal(pairs.neither, (int64_t)number(s->json, "pairs", 3));
    near(pairs.p, number(s->json, "p", 0), 1e-10);
    near(pairs.mid_p, number(s->json, "p", 1), 1e-10);
    assert_true(pairs.gain.low <= pairs.gain.value && pairs.gain.value <= pairs.gain.high);
}

static void check_calibration(const sample *s)
{
    const smg_reliability reliability = smg_reliability_of(s->judged, s->count);
    near(reliability.error, json_number_value(json_object_get(s->json, "calibration_error")), 1e-12);
    const double expected = json_number_value(json_object_get(s->json, "temperature"));
    const double got = smg_temperature_fit(s->probabilities, s->expected, s->count, s->classes);
    const double loss = smg_temperature_loss(s->probabilities, s->expected, s->count, s->classes, got);
    const double least = smg_temperature_loss(s->probabilities, s->expected, s->count, s->classes, expected);
    assert_true(loss <= least + 1e-9);
    /* A valley's bottom is known to the root of what a double keeps; where all are right there is none, only lower ground. */
    if (least > 1e-6)
        near(got, expected, 1e-5 * expected);
}

static void against_others(void **state)
{
    (void)state;
    json_error_t fault;
    json_t *cases = json_load_file(smg_test_source("tests/golden/evaluation.json"), 0, &fault);
    assert_non_null(cases);
    assert_true(json_array_size(cases) >= 6);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        sample s = take(json_array_get(cases, i));
        check_classes(&s);
        check_pairs(&s);
        check_calibration(&s);
        drop(&s);
    }
    json_decref(cases);
}

static void ends(void **state)
{
    (void)state;
    const smg_interval none = smg_interval_of_share(0, 0);
    assert_true(none.low == 0.0 && none.high == 1.0);
    const smg_interval all = smg_interval_of_share(50, 50);
    assert_true(all.value == 1.0 && all.high == 1.0);
    near(all.low, 0.928652, 1e-5);
    smg_class_report report;
    smidge_error error;
    assert_int_equal(smg_class_report_make(NULL, 0, 0, &report, &error), SMIDGE_E_INVALID);
    assert_int_equal(smg_class_report_make(NULL, 0, 2, &report, &error), SMIDGE_OK);
    assert_true(report.macro_f1 == 0.0 && report.count == 0);
    smg_class_report_done(&report);
    const smg_paired same = smg_paired_compare(NULL, NULL, 0);
    assert_true(same.p == 1.0 && same.mid_p == 1.0 && same.gain.value == 0.0);
    /* Thousands of examples, far from even: small, and a number. */
    static uint8_t ones[5000], zeros[5000];
    memset(ones, 1, sizeof ones);
    const smg_paired far = smg_paired_compare(zeros, ones, sizeof ones);
    assert_true(far.p >= 0.0 && far.p < 1e-300 && far.gain.value == 1.0 && far.gain.high <= 1.0);
    assert_true(smg_temperature_fit(NULL, NULL, 0, 2) == 1.0);
}

/* Brute force over every threshold. */
static void abstaining(void **state)
{
    (void)state;
    uint64_t random = 5;
    for (int round = 0; round < smg_test_repeats(60); round++) {
        enum { MOST = 120 };
        smg_judged list[MOST];
        const size_t count = 1 + smg_test_random(&random) % MOST;
        for (size_t i = 0; i < count; i++) {
            const double confidence = (double)(smg_test_random(&random) % 30) / 30.0;
            const bool right = (double)(smg_test_random(&random) % 1000) < 1000.0 * sqrt(confidence);
            const bool held = smg_test_random(&random) % 12 == 0;
            list[i] = (smg_judged){.expected = 1, .answered = held ? -1 : right, .confidence = confidence};
        }
        smg_abstain_curve curve;
        smidge_error error;
        assert_int_equal(smg_abstain_curve_make(list, count, 0.9, &curve, &error), SMIDGE_OK);
        double best = 0.0;
        for (int step = 0; step < 30; step++) {
            double answers = 0.0;
            double right = 0.0;
            for (size_t i = 0; i < count; i++) {
                if (list[i].answered < 0 || list[i].confidence < step / 30.0)
                    continue;
                answers += 1.0;
                right += list[i].answered == 1 ? 1.0 : 0.0;
            }
            if (answers > 0.0 && right / answers >= 0.9)
                best = fmax(best, answers / (double)count);
            for (int32_t p = 0; p < curve.point_count; p++)
                if (curve.points[p].threshold == step / 30.0) {
                    near(curve.points[p].share, answers / (double)count, 1e-12);
                    near(curve.points[p].accuracy, right / answers, 1e-12);
                }
        }
        assert_int_equal(curve.reached, best > 0.0);
        near(curve.reached ? curve.wanted.share : 0.0, best, 1e-12);
        for (int32_t p = 1; p < curve.point_count; p++)
            assert_true(curve.points[p].share >= curve.points[p - 1].share);
    }
}

static void failing_allocations(void **state)
{
    (void)state;
    const smg_judged list[] = {{0, 1, 0.5}, {1, 1, 0.7}};
    smidge_error error;
    smg_class_report report;
    smg_abstain_curve curve;
    for (uint64_t n = 1; n <= 2; n++) {
        smg_alloc_fail_at(n);
        assert_int_equal(smg_class_report_make(list, 2, 2, &report, &error), SMIDGE_E_NOMEM);
        smg_alloc_fail_at(0);
        assert_int_equal(smg_alloc_live_blocks(), 0);
    }
    smg_alloc_fail_at(1);
    assert_int_equal(smg_abstain_curve_make(list, 2, 0.9, &curve, &error), SMIDGE_E_NOMEM);
    smg_alloc_fail_at(0);
    assert_int_equal(smg_alloc_live_blocks(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(against_others),
        cmocka_unit_test(ends),
        cmocka_unit_test(abstaining),
        cmocka_unit_test(failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
