#include "base/error.h"

#include <stdarg.h>
#include <stdbool.h>
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

#define GUIDE "docs/troubleshooting.md"

void smg_error_see(smidge_error *error, const char *section)
{
    if (error == NULL || strstr(error->message, GUIDE) != NULL)
        return;
    size_t at = strlen(error->message);
    bool advised = at > 0 && error->message[at - 1] == ')';
    char see[96];
    snprintf(see, sizeof see, "%ssee " GUIDE ", \"%s\")", advised ? "; " : " (", section);
    at -= advised ? 1 : 0;
    size_t most = sizeof error->message - 1 - strlen(see);
    if (at > most) {
        /* A long name from a file leaves no room: less of the rest, but no half of a character. */
        for (at = most; at > 0 && ((unsigned char)error->message[at] & 0xC0) == 0x80;)
            at--;
    }
    memcpy(error->message + at, see, strlen(see) + 1);
}

/* For codes that always mean the same section; NULL for the others. */
static const char *section_of(smidge_status code)
{
    switch (code) {
    case SMIDGE_E_NOMEM:
    case SMIDGE_E_NO_FIT:
        return SMG_SECTION_MEMORY;
    case SMIDGE_E_CONTEXT:
        return SMG_SECTION_CONTEXT;
    case SMIDGE_E_DEADLINE:
        return SMG_SECTION_TIMEOUTS;
    case SMIDGE_E_MODEL:
        return SMG_SECTION_GARBLED;
    default:
        return NULL;
    }
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
    const char *section = section_of(code);
    if (section != NULL)
        smg_error_see(error, section);
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
