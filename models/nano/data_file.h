/* JSON Lines, as `smidge train` and `smidge eval` read them. */
#ifndef NANO_DATA_FILE_H
#define NANO_DATA_FILE_H

#include <jansson.h>

#include "base/file.h"

#define NANO_BUFFER (1u << 16)

typedef struct nano_data_file {
    smg_file_writer writer;
    size_t used;
    char buffer[NANO_BUFFER];
} nano_data_file;

/* The file appears under its name when it is finished. SMIDGE_E_IO; add also SMIDGE_E_NOMEM. */
smidge_status nano_data_open(nano_data_file *file, const char *path, smidge_error *error) SMG_MUST_CHECK;
/* One line; takes the object over, NULL being one that could not be made. */
smidge_status nano_data_add(nano_data_file *file, json_t *row, smidge_error *error) SMG_MUST_CHECK;
smidge_status nano_data_finish(nano_data_file *file, smidge_error *error) SMG_MUST_CHECK;
/* For SMG_CLEANUP: what was not finished is gone. */
void nano_data_discard(nano_data_file *file);

#endif
