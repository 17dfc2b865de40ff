/* What is normal for columns: learned from rows, or taken from a file. */
#ifndef SMG_DATA_BASELINES_H
#define SMG_DATA_BASELINES_H

#include "data/windows.h"

/* From the rows of the recordings that `wanted` has a 1 for (one array a recording; NULL: from all). SMIDGE_E_INVALID where there are
 * no such rows, or they do not vary. */
smidge_status smg_baselines_learn(smg_template *template, const smg_recording *recordings, size_t count,
                                  uint8_t *const *wanted, smidge_error *error) SMG_MUST_CHECK;
/* Finds those that each group of a recording has by its first rows. SMIDGE_E_NOMEM. */
smidge_status smg_baselines_of_groups(const smg_template *template, smg_recording *recording,
                                      smidge_error *error) SMG_MUST_CHECK;
/* From a file of smg_dataset_save_baselines; columns of which this template has no baseline are left aside. SMIDGE_E_FORMAT,
 * SMIDGE_E_IO, SMIDGE_E_NOMEM. */
smidge_status smg_baselines_load(smg_template *template, const char *path, smidge_error *error)
    SMG_MUST_CHECK;

#endif
