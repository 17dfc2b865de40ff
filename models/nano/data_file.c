#include "data_file.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

smidge_status nano_data_open(nano_data_file *file, const char *path, smidge_error *error)
{
    file->used = 0;
    return smg_file_create(path, &file->writer, error);
}

static smidge_status flush(nano_data_file *file, smidge_error *error)
{
    SMG_TRY(smg_file_append(&file->writer, file->buffer, file->used, error));
    file->used = 0;
    return SMIDGE_OK;
}

smidge_status nano_data_add(nano_data_file *file, json_t *row, smidge_error *error)
{
    for (int tries = 0; row != NULL; tries++) {
        const size_t room = sizeof file->buffer - file->used;
        const size_t size = json_dumpb(row, file->buffer + file->used, room, JSON_COMPACT);
        if (size > 0 && size < room) {
            file->used += size;
            file->buffer[file->used++] = '\n';
            json_decref(row);
            return SMIDGE_OK;
        }
        if (size == 0 || tries > 0)
            break;
        const smidge_status status = flush(file, error);
        if (status != SMIDGE_OK) {
            json_decref(row);
            return status;
        }
    }
    json_decref(row);
    return smg_error_no_memory(error, "data", sizeof file->buffer);
}

smidge_status nano_data_finish(nano_data_file *file, smidge_error *error)
{
    SMG_TRY(flush(file, error));
    return smg_file_commit(&file->writer, error);
}

void nano_data_discard(nano_data_file *file)
{
    smg_file_discard(&file->writer);
}
