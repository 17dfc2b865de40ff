/* What many answers come to: how many are right, for each class and in all, how sure one can be of that, and whether one model is
 * better than another. Plain numbers in, plain numbers out; nothing here asks a model. */
#ifndef SMG_MEASURE_EVALUATION_H
#define SMG_MEASURE_EVALUATION_H

#include <stddef.h>

#include "base/error.h"

/* A share or a difference, with the ends of its 95 % interval. */
typedef struct smg_interval {
    double value;
    double low, high;
} smg_interval;

/* `right` of `count` (0: the whole range). Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", 1927. */
smg_interval smg_interval_of_share(int64_t right, int64_t count);

/* One answer. */
typedef struct smg_judged {
    int32_t expected;  /* class, from 0 */
    int32_t answered;  /* class; -1: there was none */
    double confidence; /* from 0 to 1 */
} smg_judged;

typedef struct smg_class_score {
    int64_t expected, answered, right;
    double precision, recall, f1; /* 0 where there is nothing to divide by */
} smg_class_score;

typedef struct smg_class_report {
    int64_t count, right, unanswered;
    smg_interval accuracy;
    /* Means over the classes that were expected or answered at all. */
    double macro_precision, macro_recall, macro_f1;
    int32_t class_count;
    smg_class_score *classes; /* [class_count] */
    int64_t *
        confusion; /* [class_count][class_count + 1]: rows expected, columns answered, the last one nothing */
} smg_class_report;

/* Classes of the list are below `classes`. SMIDGE_E_INVALID (no class), SMIDGE_E_NOMEM. */
smidge_status smg_class_report_make(const smg_judged *list, size_t count, int32_t classes,
                                    smg_class_report *ret_report, smidge_error *error) SMG_MUST_CHECK;
/* Takes a zeroed one. */
void smg_class_report_done(smg_class_report *report);

/* Two models on the same examples. */
typedef struct smg_paired {
    int64_t both, first, second,
        neither; /* examples that both, only the first, only the second, none got right */
    /* The share that the second gets right, less that of the first. Bonett and Price, "Adjusted Wald Confidence Interval for a
     * Difference of Binomial Proportions Based on Paired Data", 2012. */
    smg_interval gain;
    /* How likely so uneven a split of `first` and `second` is, or a more uneven one, if neither model is better: McNemar's test by
     * the binomial distribution, two-sided; and its mid-p value, which is less cautious. Fagerland, Lydersen, Laake, 2013. */
    double p, mid_p;
} smg_paired;

/* right: [count], 1 where the model was right. */
smg_paired smg_paired_compare(const uint8_t *first_right, const uint8_t *second_right, size_t count);

#endif
