/* Lines of standard input, taken as they come: one is waited for, more are taken only if they are there already. */
#ifndef SMIDGE_LINE_READER_H
#define SMIDGE_LINE_READER_H

#include <stdbool.h>
#include <stddef.h>

#define LINE_MAX_BYTES ((size_t)1 << 20)

typedef struct line_reader {
    char *data;
    size_t begin; /* what has not been given out yet */
    size_t end;
    size_t room;
    bool ended;
    bool skipping; /* the rest of a line that was too long */
    int failure;   /* errno of a read that failed; 0: none */
} line_reader;

typedef struct line {
    char *text; /* released with free; NULL where the line was too long */
    size_t size;
} line;

void line_reader_done(line_reader *reader);

/* The next line without its end. `wait`: until there is one. False when there is none (yet, or any more). */
bool line_reader_next(line_reader *reader, bool wait, line *ret_line);

#endif
