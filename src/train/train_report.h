/* What a training tells on paper: its log as CSV, and the loss as a picture. */
#ifndef SMG_TRAIN_TRAIN_REPORT_H
#define SMG_TRAIN_TRAIN_REPORT_H

#include "train/checkpoint.h"

/* step,tokens,seconds,loss,valid_loss,learning_rate,gradient_norm: a line a step, empty where there is no number. Whole or not at all.
 * SMIDGE_E_IO. */
smidge_status smg_train_write_log(const char *path, const smg_train_point *points, size_t count,
                                  smidge_error *error) SMG_MUST_CHECK;

/* An SVG: the loss of the steps, smoothed and as it was, and that of the validations. `title` is one line of text. SMIDGE_E_IO. */
smidge_status smg_train_write_curve(const char *path, const char *title, const smg_train_point *points,
                                    size_t count, smidge_error *error) SMG_MUST_CHECK;

#endif
