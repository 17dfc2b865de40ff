#include "measure/calibration.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "engine/temper.h"

#define LEAST_PROBABILITY 1e-12
/* Of the temperature's logarithm. */
#define TEMPERATURE_STEP 1e-7

smg_reliability smg_reliability_of(const smg_judged *list, size_t count)
{
    smg_reliability result = {.count = 0};
    for (size_t i = 0; i < count; i++) {
        if (list[i].answered < 0)
            continue;
        int bin = (int)ceil(list[i].confidence * SMG_RELIABILITY_BINS) - 1;
        bin = bin < 0 ? 0 : bin;
        bin = bin >= SMG_RELIABILITY_BINS ? SMG_RELIABILITY_BINS - 1 : bin;
        result.bins[bin].count++;
        result.bins[bin].confidence += list[i].confidence;
        result.bins[bin].accuracy += list[i].answered == list[i].expected ? 1.0 : 0.0;
        result.count++;
    }
    for (int b = 0; b < SMG_RELIABILITY_BINS; b++) {
        smg_reliability_bin *bin = &result.bins[b];
        if (bin->count == 0)
            continue;
        bin->confidence /= (double)bin->count;
        bin->accuracy /= (double)bin->count;
        result.error += fabs(bin->confidence - bin->accuracy) * (double)bin->count / (double)result.count;
    }
    return result;
}

/* ---- Abstaining -------------------------------------------------------------------------------------------- */

static int by_confidence(const void *a, const void *b)
{
    const double x = ((const smg_judged *)a)->confidence;
    const double y = ((const smg_judged *)b)->confidence;
    return (x < y) - (x > y);
}

/* Answers of one confidence are given together or not at all. */
static void walk(const smg_judged *sorted, size_t answers, size_t count, double wanted,
                 smg_abstain_curve *curve)
{
    int64_t right = 0;
    for (size_t i = 0; i < answers; i++) {
        right += sorted[i].answered == sorted[i].expected ? 1 : 0;
        if (i + 1 < answers && sorted[i + 1].confidence == sorted[i].confidence)
            continue;
        const smg_abstain_point point = {.threshold = sorted[i].confidence,
                                         .share = (double)(i + 1) / (double)count,
                                         .accuracy = (double)right / (double)(i + 1)};
        if (point.accuracy >= wanted) {
            curve->reached = true;
            curve->wanted = point;
        }
        const double next = (double)(curve->point_count + 1) / SMG_ABSTAIN_POINTS;
        if (curve->point_count < SMG_ABSTAIN_POINTS && (point.share >= next || i + 1 == answers)) {
            curve->points[curve->point_count++] = point;
            while (curve->point_count < SMG_ABSTAIN_POINTS &&
                   (double)(curve->point_count + 1) / SMG_ABSTAIN_POINTS <= point.share)
                curve->points[curve->point_count++] = point;
        }
    }
}

smidge_status smg_abstain_curve_make(const smg_judged *list, size_t count, double wanted_accuracy,
                                     smg_abstain_curve *ret_curve, smidge_error *error)
{
    SMG_CLEANUP(smg_free_ptr) smg_judged *sorted = smg_alloc_array(count, sizeof *sorted);
    if (sorted == NULL)
        return smg_error_no_memory(error, "evaluation", count * sizeof *sorted);
    size_t answers = 0;
    for (size_t i = 0; i < count; i++)
        if (list[i].answered >= 0)
            sorted[answers++] = list[i];
    qsort(sorted, answers, sizeof *sorted, by_confidence);
    smg_abstain_curve curve = {.point_count = 0};
    walk(sorted, answers, count, wanted_accuracy, &curve);
    *ret_curve = curve;
    return SMIDGE_OK;
}

/* ---- Temperature ------------------------------------------------------------------------------------------- */

double smg_temperature_loss(const double *probabilities, const int32_t *expected, size_t count,
                            int32_t classes, double temperature)
{
    double sum = 0.0;
    for (size_t i = 0; i < count; i++) {
        const double *row = probabilities + i * (size_t)classes;
        double most = 0.0;
        for (int32_t c = 0; c < classes; c++)
            most = fmax(most, fmax(row[c], LEAST_PROBABILITY));
        double total = 0.0;
        for (int32_t c = 0; c < classes; c++)
            total += exp((log(fmax(row[c], LEAST_PROBABILITY)) - log(most)) / temperature);
        sum += log(total) - (log(fmax(row[expected[i]], LEAST_PROBABILITY)) - log(most)) / temperature;
    }
    return count > 0 ? sum / (double)count : 0.0;
}

double smg_temperature_confidence(const double *probabilities, int32_t classes, int32_t answered,
                                  double temperature)
{
    double most = 0.0;
    double total = 0.0;
    for (int32_t c = 0; c < classes; c++)
        most = fmax(most, probabilities[c]);
    for (int32_t c = 0; c < classes; c++)
        total += smg_temper(probabilities[c], most, temperature);
    return total > 0.0 ? smg_temper(probabilities[answered], most, temperature) / total : 0.0;
}

/* The loss has one valley along the temperature's logarithm. */
double smg_temperature_fit(const double *probabilities, const int32_t *expected, size_t count,
                           int32_t classes)
{
    const double golden = (sqrt(5.0) - 1.0) / 2.0;
    double low = log(SMG_TEMPERATURE_LEAST);
    double high = log(SMG_TEMPERATURE_MOST);
    if (count == 0)
        return 1.0;
    double left = high - golden * (high - low);
    double right = low + golden * (high - low);
    double left_loss = smg_temperature_loss(probabilities, expected, count, classes, exp(left));
    double right_loss = smg_temperature_loss(probabilities, expected, count, classes, exp(right));
    while (high - low > TEMPERATURE_STEP) {
        if (left_loss <= right_loss) {
            high = right;
            right = left;
            right_loss = left_loss;
            left = high - golden * (high - low);
            left_loss = smg_temperature_loss(probabilities, expected, count, classes, exp(left));
        } else {
            low = left;
            left = right;
            left_loss = right_loss;
            right = low + golden * (high - low);
            right_loss = smg_temperature_loss(probabilities, expected, count, classes, exp(right));
        }
    }
    return exp((low + high) / 2.0);
}
