#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Names from files and text from sensors end up in messages: none of them may end the line or steer a terminal. */
static void make_plain(char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7F)
            *text = '?';
    }
}

static void copy_where(char *ret_where, size_t room, const char *where)
{
    size_t length = strlen(where);
    if (length < room) {
        memcpy(ret_where, where, length + 1);
        return;
    }
    /* Keep the end: of a long path, the file's name says more than its root. */
    memcpy(ret_where, "...", 3);
    memcpy(ret_where + 3, where + length - (room - 4), room - 3);
}

void smg_error_fill(smidge_error *error, smidge_status code, const char *where, const char *format, ...)
{
    if (error == NULL)
        return;
    error->code = code;
    copy_where(error->where, sizeof error->where, where);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
    make_plain(error->where);
    make_plain(error->message);
}

void smg_error_fill_no_memory(smidge_error *error, const char *where, size_t bytes)
{
    smg_error_fill(error, SMIDGE_E_NOMEM, where,
                   "the system refused %zu bytes of memory (close other programs or take a smaller model)",
                   bytes);
}

const char *smidge_status_name(smidge_status status)
{
    switch (status) {
    case SMIDGE_OK:
        return "ok";
    case SMIDGE_E_NOMEM:
        return "no_memory";
    case SMIDGE_E_INVALID:
        return "invalid";
    case SMIDGE_E_IO:
        return "io";
    case SMIDGE_E_FORMAT:
        return "format";
    case SMIDGE_E_UNSUPPORTED:
        return "unsupported";
    case SMIDGE_E_NO_FIT:
        return "no_fit";
    case SMIDGE_E_CONTEXT:
        return "context";
    case SMIDGE_E_DEADLINE:
        return "deadline";
    case SMIDGE_E_CANCELLED:
        return "cancelled";
    case SMIDGE_E_MODEL:
        return "model";
    }
    return "unknown";
}
