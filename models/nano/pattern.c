#include "pattern.h"

#include <string.h>

nano_text nano_text_over(char *data, size_t room)
{
    data[0] = '\0';
    return (nano_text){.data = data, .room = room};
}

void nano_text_add(nano_text *text, const char *more, size_t size)
{
    if (text->full || size >= text->room - text->size) {
        text->full = true;
        return;
    }
    memmove(text->data + text->size, more, size);
    text->size += size;
    text->data[text->size] = '\0';
}

/* The field with the longest name that `at` begins with. */
static const nano_field *field_at(const char *at, const nano_field *fields)
{
    const nano_field *best = NULL;
    for (const nano_field *field = fields; field->name != NULL; field++) {
        const size_t size = strlen(field->name);
        if (strncmp(at, field->name, size) == 0 && (best == NULL || size > strlen(best->name)))
            best = field;
    }
    return best;
}

static bool is_mark(const char *at, char c)
{
    return at[0] == c && at[1] == c;
}

void nano_text_expand(nano_text *text, const char *pattern, const nano_field *fields)
{
    size_t section = text->size;
    bool lacks = false;
    while (*pattern != '\0') {
        const nano_field *field = *pattern == '$' ? field_at(pattern + 1, fields) : NULL;
        if (field != NULL) {
            pattern += 1 + strlen(field->name);
            lacks = lacks || field->value == NULL;
            nano_text_add(text, field->value == NULL ? "" : field->value,
                          field->value == NULL ? 0 : strlen(field->value));
        } else if (is_mark(pattern, '[')) {
            section = text->size;
            lacks = false;
            pattern += 2;
        } else if (is_mark(pattern, ']')) {
            if (lacks)
                text->data[text->size = section] = '\0';
            lacks = false;
            pattern += 2;
        } else {
            nano_text_add(text, pattern++, 1);
        }
    }
}
