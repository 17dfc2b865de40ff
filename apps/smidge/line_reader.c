#include "line_reader.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { READ_SIZE = 65536 };

void line_reader_done(line_reader *reader)
{
    free(reader->data);
}

/* Room for another read behind what is kept. */
static bool make_room(line_reader *reader)
{
    if (reader->data != NULL)
        memmove(reader->data, reader->data + reader->begin, reader->end - reader->begin);
    reader->end -= reader->begin;
    reader->begin = 0;
    if (reader->room - reader->end >= READ_SIZE)
        return true;
    size_t room = reader->room * 2 + READ_SIZE;
    char *grown = realloc(reader->data, room);
    if (grown == NULL)
        return false;
    reader->data = grown;
    reader->room = room;
    return true;
}

static bool is_ready(void)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    return poll(&input, 1, 0) > 0;
}

/* Reads some more; false when nothing came. */
static bool read_more(line_reader *reader, bool wait)
{
    if (reader->ended || (!wait && !is_ready()))
        return false;
    if (reader->data == NULL || reader->room - reader->end < READ_SIZE) {
        if (!make_room(reader)) {
            reader->failure = ENOMEM;
            reader->ended = true;
            return false;
        }
    }
    ssize_t count;
    do
        count = read(STDIN_FILENO, reader->data + reader->end, READ_SIZE);
    while (count < 0 && errno == EINTR);
    if (count <= 0) {
        reader->failure = count < 0 ? errno : 0;
        reader->ended = true;
        return false;
    }
    reader->end += (size_t)count;
    return true;
}

/* Gives out `size` bytes, of which the last `end` are the line's end. */
static bool take(line_reader *reader, size_t size, size_t end, line *ret_line)
{
    const char *text = reader->data + reader->begin;
    reader->begin += size;
    size -= end;
    if (size > 0 && text[size - 1] == '\r')
        size--;
    *ret_line = (line){.size = size};
    bool too_long = reader->skipping || size > LINE_MAX_BYTES;
    reader->skipping = false;
    if (too_long)
        return true;
    ret_line->text = malloc(size + 1);
    if (ret_line->text == NULL) {
        reader->failure = ENOMEM;
        reader->ended = true;
        return false;
    }
    memcpy(ret_line->text, text, size);
    ret_line->text[size] = '\0';
    return true;
}

bool line_reader_next(line_reader *reader, bool wait, line *ret_line)
{
    for (size_t seen = 0;;) {
        size_t kept = reader->end - reader->begin;
        const char *start = kept == 0 ? NULL : reader->data + reader->begin;
        const char *end = start == NULL ? NULL : memchr(start + seen, '\n', kept - seen);
        if (end != NULL)
            return take(reader, (size_t)(end - start) + 1, 1, ret_line);
        seen = kept;
        if (kept > LINE_MAX_BYTES) { /* nobody will read it: forget what came so far */
            reader->skipping = true;
            reader->begin = reader->end;
            seen = 0;
        }
        if (!read_more(reader, wait))
            break;
    }
    /* Input that ends without a line end still ends a line. */
    if (!reader->ended || reader->failure != 0 || reader->data == NULL ||
        (reader->end == reader->begin && !reader->skipping))
        return false;
    return take(reader, reader->end - reader->begin, 0, ret_line);
}
