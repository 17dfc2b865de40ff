/* Examples as JSON Lines, in the forms that dataset.h reads. */
#ifndef SMG_DATA_DATASET_WRITE_H
#define SMG_DATA_DATASET_WRITE_H

#include "data/examine.h"

#define SMG_DATASET_OUTPUTS_MAX 3

typedef struct smg_dataset_output {
    smg_dataset_part part;
    const char *path;
} smg_dataset_output;

/* Writes the examples of each part, in their order. All files are written before the first takes its place: a full disk leaves
 * none of them, and what was there before stays. SMIDGE_E_IO, SMIDGE_E_NOMEM. */
smidge_status smg_dataset_write(const smg_dataset_output *outputs, size_t count, smidge_error *error)
    SMG_MUST_CHECK;
/* One example, and a line end. */
void smg_example_put(const smg_example *example, smg_text_builder *builder);

#endif
