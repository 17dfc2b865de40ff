/* Option structs that may come from a program built against an older or newer header. */
#ifndef SMG_ENGINE_OPTIONS_H
#define SMG_ENGINE_OPTIONS_H

#include <string.h>

#include "base/error.h"

/* Copies what the caller's struct has over the defaults in `options` (of `size` bytes). NULL: the defaults. A struct
 * larger than ours comes from a newer header: fields that we do not know must be zero. */
static inline smidge_status smg_options_read(void *options, size_t size, const void *given, const char *where,
                                             smidge_error *error)
{
    if (given == NULL)
        return SMIDGE_OK;
    size_t theirs;
    memcpy(&theirs, given, sizeof theirs);
    if (theirs < sizeof theirs || theirs > 65536)
        return smg_error_set(error, SMIDGE_E_INVALID, where,
                             "has no valid size (set size, or use the _init function)");
    const unsigned char *bytes = given;
    for (size_t i = size; i < theirs; i++) {
        if (bytes[i] != 0)
            return smg_error_set(error, SMIDGE_E_INVALID, where,
                                 "uses an option that this version does not have (update the library)");
    }
    memcpy(options, given, theirs < size ? theirs : size);
    memcpy(options, &size, sizeof size);
    return SMIDGE_OK;
}

/* Copies a finished result into the caller's struct, as much as that has room for. */
static inline void smg_result_write(void *ret_result, const void *result, size_t size)
{
    if (ret_result == NULL)
        return;
    size_t theirs;
    memcpy(&theirs, ret_result, sizeof theirs);
    if (theirs < sizeof theirs)
        return;
    memcpy((char *)ret_result + sizeof theirs, (const char *)result + sizeof theirs,
           (theirs < size ? theirs : size) - sizeof theirs);
}

#endif
