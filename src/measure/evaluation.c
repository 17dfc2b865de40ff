#include "measure/evaluation.h"

#include <math.h>

#include "base/alloc.h"

/* Two-sided 95 % of the normal distribution. */
static const double z = 1.959963984540054;

smg_interval smg_interval_of_share(int64_t right, int64_t count)
{
    if (count <= 0)
        return (smg_interval){.high = 1.0};
    const double n = (double)count;
    const double share = (double)right / n;
    const double middle = (share + z * z / (2.0 * n)) / (1.0 + z * z / n);
    const double half = z / (1.0 + z * z / n) * sqrt(share * (1.0 - share) / n + z * z / (4.0 * n * n));
    return (smg_interval){share, right == 0 ? 0.0 : middle - half, right == count ? 1.0 : middle + half};
}

/* ---- Classes --------------------------------------------------------------------------------------------- */

static double ratio(int64_t part, int64_t whole)
{
    return whole > 0 ? (double)part / (double)whole : 0.0;
}

static void score_classes(smg_class_report *report)
{
    int64_t seen = 0;
    for (int32_t c = 0; c < report->class_count; c++) {
        smg_class_score *score = &report->classes[c];
        score->precision = ratio(score->right, score->answered);
        score->recall = ratio(score->right, score->expected);
        score->f1 = ratio(2 * score->right, score->expected + score->answered);
        if (score->expected + score->answered == 0)
            continue;
        seen++;
        report->macro_precision += score->precision;
        report->macro_recall += score->recall;
        report->macro_f1 += score->f1;
    }
    if (seen == 0)
        return;
    report->macro_precision /= (double)seen;
    report->macro_recall /= (double)seen;
    report->macro_f1 /= (double)seen;
}

static void count_answer(smg_class_report *report, const smg_judged *one)
{
    const int64_t columns = report->class_count + 1;
    const int32_t column = one->answered < 0 ? report->class_count : one->answered;
    report->confusion[one->expected * columns + column]++;
    report->classes[one->expected].expected++;
    if (one->answered < 0) {
        report->unanswered++;
        return;
    }
    report->classes[one->answered].answered++;
    if (one->answered == one->expected) {
        report->classes[one->expected].right++;
        report->right++;
    }
}

smidge_status smg_class_report_make(const smg_judged *list, size_t count, int32_t classes,
                                    smg_class_report *ret_report, smidge_error *error)
{
    if (classes < 1)
        return smg_error_set(error, SMIDGE_E_INVALID, "evaluation", "there is no class to judge by");
    SMG_CLEANUP(smg_class_report_done) smg_class_report report = {.class_count = classes};
    report.classes = smg_alloc_array((size_t)classes, sizeof *report.classes);
    report.confusion = smg_alloc_array((size_t)classes * ((size_t)classes + 1), sizeof *report.confusion);
    if (report.classes == NULL || report.confusion == NULL)
        return smg_error_no_memory(error, "evaluation", (size_t)classes * sizeof *report.classes);
    for (size_t i = 0; i < count; i++)
        count_answer(&report, &list[i]);
    report.count = (int64_t)count;
    report.accuracy = smg_interval_of_share(report.right, report.count);
    score_classes(&report);
    *ret_report = report;
    report = (smg_class_report){.count = 0};
    return SMIDGE_OK;
}

void smg_class_report_done(smg_class_report *report)
{
    smg_free(report->classes);
    smg_free(report->confusion);
    *report = (smg_class_report){.count = 0};
}

/* ---- Pairs ------------------------------------------------------------------------------------------------ */

/* ln of the binomial probability of k of n at one half. */
static double log_chance(int64_t k, int64_t n)
{
    return lgamma((double)n + 1.0) - lgamma((double)k + 1.0) - lgamma((double)(n - k) + 1.0) -
           (double)n * log(2.0);
}

static void test_pairs(smg_paired *pairs)
{
    const int64_t n = pairs->first + pairs->second;
    const int64_t fewer = pairs->first < pairs->second ? pairs->first : pairs->second;
    double tail = 0.0;
    for (int64_t k = 0; k <= fewer; k++)
        tail += exp(log_chance(k, n));
    const double here = exp(log_chance(fewer, n));
    pairs->p = 2.0 * tail < 1.0 ? 2.0 * tail : 1.0;
    pairs->mid_p = 2.0 * tail - here;
    if (pairs->first == pairs->second)
        pairs->p = pairs->mid_p = 1.0;
}

smg_paired smg_paired_compare(const uint8_t *first_right, const uint8_t *second_right, size_t count)
{
    smg_paired pairs = {.both = 0};
    for (size_t i = 0; i < count; i++) {
        if (first_right[i] != 0 && second_right[i] != 0)
            pairs.both++;
        else if (first_right[i] != 0)
            pairs.first++;
        else if (second_right[i] != 0)
            pairs.second++;
        else
            pairs.neither++;
    }
    test_pairs(&pairs);
    const double n = (double)count + 2.0;
    const double worse = ((double)pairs.first + 1.0) / n;
    const double better = ((double)pairs.second + 1.0) / n;
    const double half = z * sqrt((worse + better - (better - worse) * (better - worse)) / n);
    const double value = count > 0 ? (double)(pairs.second - pairs.first) / (double)count : 0.0;
    pairs.gain = (smg_interval){value, fmax(-1.0, better - worse - half), fmin(1.0, better - worse + half)};
    return pairs;
}
