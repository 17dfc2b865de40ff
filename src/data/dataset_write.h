/* Examples as JSON Lines, in the forms that dataset.h reads. */
#ifndef SMG_DATA_DATASET_WRITE_H
#define SMG_DATA_DATASET_WRITE_H

#include "data/examine.h"

/* Writes the examples of a part, in their order; whole or not at all. SMIDGE_E_IO, SMIDGE_E_NOMEM. */
smidge_status smg_dataset_write(const smg_dataset_part *part, const char *path, smidge_error *error)
    SMG_MUST_CHECK;
/* One example, and a line end. */
void smg_example_put(const smg_example *example, smg_text_builder *builder);

#endif
