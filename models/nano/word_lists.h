/* The words that cases are made of: a folder of small text files, one entry a line, so that which words train and which
 * test a model can be read, and compared, by anybody. */
#ifndef NANO_WORD_LISTS_H
#define NANO_WORD_LISTS_H

#include "base/error.h"

#include "nano_random.h"

#define NANO_LINE_MAX 512
#define NANO_LINES_MAX 4096

/* One file: lines without '#' lines and empty ones; "\n" and "\s" stand for a line break and a space. */
typedef struct nano_list {
    char *text;
    const char **lines;
    int32_t count; /* at least 1 */
} nano_list;

/* A file NAME.txt a member. */
#define NANO_LISTS(X)                                                                                        \
    X(names)                                                                                                 \
    X(syllables)                                                                                             \
    X(units)                                                                                                 \
    X(devices)                                                                                               \
    X(limits_low)                                                                                            \
    X(limits_high)                                                                                           \
    X(limits_range)                                                                                          \
    X(readings)                                                                                              \
    X(limit_items)                                                                                           \
    X(items)                                                                                                 \
    X(readings_json)                                                                                         \
    X(limit_items_json)                                                                                      \
    X(items_json)                                                                                            \
    X(verdicts)                                                                                              \
    X(worked)                                                                                                \
    X(separators)                                                                                            \
    X(frames_lists)                                                                                          \
    X(frames_items)                                                                                          \
    X(frames_lists_json)                                                                                     \
    X(frames_items_json)                                                                                     \
    X(frames_terse)                                                                                          \
    X(frames_worked)                                                                                         \
    X(instructions)                                                                                          \
    X(orders)                                                                                                \
    X(asks)                                                                                                  \
    X(commands)                                                                                              \
    X(slots)

#define NANO_LIST_MEMBER(name) nano_list name;

typedef struct nano_words {
    NANO_LISTS(NANO_LIST_MEMBER)
} nano_words;

/* SMIDGE_E_IO (a file cannot be read), SMIDGE_E_INVALID (no entries, a line too long), SMIDGE_E_NOMEM. */
smidge_status nano_words_read(const char *folder, nano_words *ret_words, smidge_error *error) SMG_MUST_CHECK;
void nano_words_done(nano_words *words);

static inline const char *nano_list_pick(const nano_list *list, nano_random *random)
{
    return list->lines[nano_random_below(random, list->count)];
}

#endif
