/* Patterns of the word lists: "$name" stands for a text, "[[ … ]]" goes where something in it has none. */
#ifndef NANO_PATTERN_H
#define NANO_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

typedef struct nano_text {
    char *data; /* ends with a zero byte */
    size_t size;
    size_t room; /* with the zero byte */
    bool full;   /* something did not fit */
} nano_text;

typedef struct nano_field {
    const char *name;
    const char *value; /* NULL: there is none */
} nano_field;

nano_text nano_text_over(char *data, size_t room);
void nano_text_add(nano_text *text, const char *more, size_t size);
/* The list ends with a name of NULL. A "$" that begins no name stands for itself. */
void nano_text_expand(nano_text *text, const char *pattern, const nano_field *fields);

#endif
