#include "word_lists.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"

#define FILE_MAX (1u << 20)

/* In place; escapes only shorten. */
static void unescape(char *line)
{
    char *to = line;
    for (const char *from = line; *from != '\0'; from++) {
        if (from[0] == '\\' && (from[1] == 'n' || from[1] == 's'))
            *to++ = *++from == 'n' ? '\n' : ' ';
        else
            *to++ = *from;
    }
    *to = '\0';
}

static smidge_status take_lines(nano_list *list, const char *path, smidge_error *error)
{
    for (char *line = list->text, *next; line != NULL; line = next) {
        next = strchr(line, '\n');
        if (next != NULL)
            *next++ = '\0';
        if (line[0] == '#' || line[0] == '\0')
            continue;
        if (strlen(line) > NANO_LINE_MAX || list->count == NANO_LINES_MAX)
            return smg_error_set(error, SMIDGE_E_INVALID, path,
                                 "a line of over %d bytes, or more than %d lines (shorten the list)",
                                 NANO_LINE_MAX, NANO_LINES_MAX);
        unescape(line);
        list->lines[list->count++] = line;
    }
    if (list->count == 0)
        return smg_error_set(error, SMIDGE_E_INVALID, path, "has no entries (write one a line)");
    return SMIDGE_OK;
}

static smidge_status read_list(const char *folder, const char *name, nano_list *ret_list, smidge_error *error)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s.txt", folder, name) >= (int)sizeof path)
        return smg_error_set(error, SMIDGE_E_INVALID, folder, "the path is too long (use a shorter one)");
    size_t size;
    SMG_TRY(smg_file_read(path, FILE_MAX, &ret_list->text, &size, error));
    ret_list->lines = smg_alloc_array(NANO_LINES_MAX, sizeof *ret_list->lines);
    if (ret_list->lines == NULL)
        return smg_error_no_memory(error, path, NANO_LINES_MAX * sizeof *ret_list->lines);
    return take_lines(ret_list, path, error);
}

static smidge_status read_all(const char *folder, nano_words *words, smidge_error *error)
{
#define READ(name) SMG_TRY(read_list(folder, #name, &words->name, error));
    NANO_LISTS(READ)
#undef READ
    return SMIDGE_OK;
}

smidge_status nano_words_read(const char *folder, nano_words *ret_words, smidge_error *error)
{
    nano_words words;
    memset(&words, 0, sizeof words);
    const smidge_status status = read_all(folder, &words, error);
    if (status != SMIDGE_OK)
        nano_words_done(&words);
    else
        *ret_words = words;
    return status;
}

void nano_words_done(nano_words *words)
{
#define DONE(name)                                                                                           \
    smg_free(words->name.text);                                                                              \
    smg_free(words->name.lines);
    NANO_LISTS(DONE)
#undef DONE
    memset(words, 0, sizeof *words);
}
