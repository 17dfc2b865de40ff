/* Whether answers are as often right as they say: reliability, the temperature that mends it, and what abstaining buys. */
#ifndef SMG_MEASURE_CALIBRATION_H
#define SMG_MEASURE_CALIBRATION_H

#include <stdbool.h>

#include "measure/evaluation.h"

enum { SMG_RELIABILITY_BINS = 15, SMG_ABSTAIN_POINTS = 20 };

typedef struct smg_reliability_bin {
    int64_t count;
    double confidence; /* mean */
    double accuracy;
} smg_reliability_bin;

/* Bins of equal width, bin i from above i / 15 up to (i + 1) / 15; 0 goes to the first. Answers alone count. */
typedef struct smg_reliability {
    int64_t count;
    double
        error; /* expected calibration error: mean distance of confidence and accuracy over the bins, by their counts. Guo and
                     others, "On Calibration of Modern Neural Networks", arXiv 1706.04599 */
    smg_reliability_bin bins[SMG_RELIABILITY_BINS];
} smg_reliability;

smg_reliability smg_reliability_of(const smg_judged *list, size_t count);

/* What is left and how much of it is right when answers below a confidence are held back. */
typedef struct smg_abstain_point {
    double threshold; /* the least confidence that is answered */
    double share;     /* of all that is answered */
    double accuracy;  /* of what is answered */
} smg_abstain_point;

typedef struct smg_abstain_curve {
    smg_abstain_point points[SMG_ABSTAIN_POINTS]; /* shares from 1/20 to all, as near as the answers allow */
    int32_t point_count;                          /* 0: there are no answers */
    bool reached;             /* answers can be held back so that the rest is as accurate as asked */
    smg_abstain_point wanted; /* the one that answers most */
} smg_abstain_curve;

/* SMIDGE_E_NOMEM. */
smidge_status smg_abstain_curve_make(const smg_judged *list, size_t count, double wanted_accuracy,
                                     smg_abstain_curve *ret_curve, smidge_error *error) SMG_MUST_CHECK;

#define SMG_TEMPERATURE_LEAST 0.05
#define SMG_TEMPERATURE_MOST 20.0

/* Probabilities of `classes` classes for each of `count` answers. The temperature, from the least to the most, by which their logarithms are
 * divided so that the right ones become likeliest: the least mean -ln p(right), found by golden section. 1 where count is 0.
 * Probabilities of 0 count as 1e-12. */
double smg_temperature_fit(const double *probabilities, const int32_t *expected, size_t count,
                           int32_t classes);
/* What is left of the probability of class `answered` at a temperature. */
double smg_temperature_confidence(const double *probabilities, int32_t classes, int32_t answered,
                                  double temperature);
/* Mean -ln p(right) at a temperature. */
double smg_temperature_loss(const double *probabilities, const int32_t *expected, size_t count,
                            int32_t classes, double temperature);

#endif
