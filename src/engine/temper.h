/* The temperature of a set of labels: what the logarithms of their probabilities are divided by, so that a confidence of 0.8 is right
 * eight times of ten. The order of the labels stays. Guo and others, "On Calibration of Modern Neural Networks", arXiv 1706.04599. */
#ifndef SMG_ENGINE_TEMPER_H
#define SMG_ENGINE_TEMPER_H

#include <math.h>

/* The weight of a score whose largest fellow is `most`, which is above 0. The probability of a label is its weight by their sum. At a
 * temperature of 1 a weight is its score, so that nothing is rounded then. */
static inline double smg_temper(double score, double most, double temperature)
{
    if (temperature == 1.0)
        return score;
    return score > 0.0 ? exp(log(score / most) / temperature) : 0.0;
}

#endif
