/* A part of the examples put aside for testing. */
#ifndef SMG_DATA_SPLIT_H
#define SMG_DATA_SPLIT_H

#include "data/dataset.h"

typedef struct smg_split {
    double share; /* of the examples that is for testing: above 0, below 1 */
    /* Whole groups go to one side: examples of a group are alike, and a test with what was trained on says nothing. Else examples go
     * by themselves, those that ask the same together, and each label, or kind of answer, is split by itself. */
    bool by_group;
    uint64_t seed; /* the same one splits the same set the same way, on every machine */
} smg_split;

/* ret_test[set->count]: 1 for testing, 0 for training. At least one group, or question, goes to each side. SMIDGE_E_INVALID (share, too
 * few to split), SMIDGE_E_NOMEM. */
smidge_status smg_split_make(const smg_dataset *set, const smg_split *split, uint8_t *ret_test,
                             smidge_error *error) SMG_MUST_CHECK;

#endif
