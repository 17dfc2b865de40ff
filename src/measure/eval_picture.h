/* An evaluation as a picture: which label is taken for which, whether confidences are what they say, and what abstaining buys. */
#ifndef SMG_MEASURE_EVAL_PICTURE_H
#define SMG_MEASURE_EVAL_PICTURE_H

#include "measure/calibration.h"

/* What is drawn of a model. */
typedef struct smg_eval_side {
    const char *name; /* one line */
    const smg_class_report *classes;
    const smg_reliability *reliability;
    const smg_abstain_curve *abstain;
} smg_eval_side;

typedef struct smg_eval_picture {
    const char *const *labels; /* [class_count] UTF-8 */
    double wanted_accuracy;    /* that the abstain curves were made with */
    smg_eval_side sides[2];    /* the confusion is that of the first */
    bool compared;             /* there is a second one */
} smg_eval_picture;

/* Writes an SVG, whole or not at all. Labels that are long are cut in the margins and whole in the cells' titles. SMIDGE_E_IO. */
smidge_status smg_eval_draw(const char *path, const smg_eval_picture *picture, smidge_error *error)
    SMG_MUST_CHECK;

#endif
