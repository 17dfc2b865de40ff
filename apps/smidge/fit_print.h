/* How smidge fit says what it found. */
#ifndef SMIDGE_FIT_PRINT_H
#define SMIDGE_FIT_PRINT_H

#include "boards.h"
#include "cli.h"
#include "smidge/tools.h"

typedef struct fit_question {
    smidge_fit_options options;
    smidge_machine_speed measured;
    board board;
    bool has_board;
    bool default_context;
    bool json;
    const char *kv;
} fit_question;

typedef struct fit_subject {
    const char *name;
    const char *where; /* the path, or the name in the catalogue */
    const char *type;
    uint64_t parameters;
    const char *licence;       /* NULL: not known */
    const char *smaller_type;  /* what would fit; NULL: none known */
    const char *smaller_model; /* likewise */
    bool catalogued;
} fit_subject;

typedef struct fit_row {
    const char *name;
    const char *type;
    uint64_t parameters;
    smidge_fit_result result;
} fit_row;

/* Whether the predicted speed, if there is one, is less than boards need. */
bool fit_is_slow(const smidge_fit_result *result);

/* Both return the exit status. The second sorts the rows. */
int fit_print_one(const fit_question *question, const fit_subject *subject, const smidge_fit_result *result);
int fit_print_all(const fit_question *question, fit_row *rows, size_t count);

#endif
