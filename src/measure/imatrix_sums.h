/* The sums of an importance matrix by the names of tensors; private to src/measure. */
#ifndef SMG_MEASURE_IMATRIX_SUMS_H
#define SMG_MEASURE_IMATRIX_SUMS_H

#include "format/gguf.h"
#include "measure/imatrix_collect.h"

#define SMG_SUMS_NAME 256 /* bytes, the zero included */
#define SMG_SUMS_DATASETS 64

typedef struct smg_sums {
    char name[SMG_SUMS_NAME];
    int32_t columns;
    double rows;  /* that were summed */
    double *sums; /* [columns] */
} smg_sums;

struct smg_collector {
    smg_sums *entries;
    size_t count, room;
    uint32_t chunk_size; /* tokens; 0: nothing yet */
    char *datasets[SMG_SUMS_DATASETS];
    size_t dataset_count;
};

/* The entry of this tensor, a new one of zeros where there is none; pointers hold until the next call. SMIDGE_E_INVALID (it has
 * another number of columns there), SMIDGE_E_NOMEM. `where` is for messages. */
smidge_status smg_sums_find(smg_collector *collector, smg_text name, int32_t columns, const char *where,
                            smg_sums **ret_entry, smidge_error *error) SMG_MUST_CHECK;
/* Notes where sums come from; more than SMG_SUMS_DATASETS are not kept. */
smidge_status smg_sums_add_dataset(smg_collector *collector, smg_text name, smidge_error *error)
    SMG_MUST_CHECK;

#endif
