/* Examples to learn from and to be measured on: what goes in, and the answer that should come out.
 *
 * JSON Lines, UTF-8, one object a line, in three forms that one file may mix:
 *   {"prompt": TEXT, "label": TEXT}            a choice; numbers and booleans are labels too, as they are written
 *   {"prompt": TEXT, "json": {…}}              an object or array, or a text that holds one
 *   {"messages": [{"role": …, "content": …}…]} a chat that ends with the assistant's answer
 * and in all of them "id" and "group", texts or whole numbers. A prompt may have "hints": [[AT, TEXT]…], what can be known as soon as
 * its character AT (from 0, ascending) was read: training may ask for that token there, too, and learns sooner what the answer stands
 * on. Other members are not used, and listed.
 * `prompt` is exactly what `smidge classify -p` is given; the label follows it as classify spells it.
 *
 * CSV recordings, where a template is given (data/template.h). */
#ifndef SMG_DATA_DATASET_H
#define SMG_DATA_DATASET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define SMG_DATASET_FILE_MAX (UINT64_C(1) << 30) /* bytes of one file */
#define SMG_DATASET_LINE_MAX ((size_t)1 << 20)   /* bytes of a line */
#define SMG_DATASET_ROWS_MAX ((size_t)1 << 24)   /* in all files */
#define SMG_DATASET_LABELS_MAX 256               /* as classify takes them */
#define SMG_DATASET_LABEL_BYTES_MAX 256
#define SMG_DATASET_MESSAGES_MAX 256
#define SMG_DATASET_HINTS_MAX 1024 /* of a prompt */
#define SMG_DATASET_SHOWN_MAX 10   /* bad rows that are told one by one */
#define SMG_DATASET_UNUSED_MAX 16  /* names of members that are listed */

typedef enum smg_example_kind { SMG_EXAMPLE_LABEL, SMG_EXAMPLE_JSON, SMG_EXAMPLE_TEXT } smg_example_kind;

/* UTF-8, owned by the set, like all texts here. */
typedef struct smg_message {
    const char *role; /* system (only the first), user, assistant */
    const char *content;
} smg_message;

/* Once the token with byte `at` of the prompt was read, `text` can be known. */
typedef struct smg_hint {
    size_t at;
    const char *text;
} smg_hint;

typedef struct smg_example {
    smg_example_kind kind;
    const char *prompt;          /* NULL where there are messages */
    const smg_message *messages; /* without the answer; at least one, the last is the user's */
    int32_t message_count;
    /* The label; the JSON in one line, without white space, escaped only where JSON demands it and its numbers as they
     * were written; the last message. */
    const char *answer;
    const smg_hint *hints; /* of the prompt, ascending */
    int32_t hint_count;
    int32_t label;    /* its place in the set's labels, or -1 */
    const char *file; /* as it was given */
    int64_t line;     /* from 1; of CSV, the last of its rows */
    const char *id;   /* NULL: none */
    const char
        *group; /* what must not be torn apart, such as an experiment; NULL: each example stands alone */
} smg_example;

/* What of recordings became no example, and why. */
typedef struct smg_left_out {
    size_t filtered; /* rows that "rows where" does not want */
    size_t ends;     /* rows behind the last whole window of their group */
    size_t few;      /* windows of time with fewer rows than "least" */
    size_t missing;  /* windows with missing values, where the template skips those */
} smg_left_out;

/* Of a column: what is normal for it. */
typedef struct smg_baseline_value {
    const char *column;
    double mean;
    double deviation;
    bool learned; /* from the files that were read */
} smg_baseline_value;

struct smg_text_pool;

typedef struct smg_dataset {
    smg_example *examples;
    size_t count;
    const char **labels; /* in the order of their first appearance */
    int32_t label_count;
    /* Members of JSONL rows that mean nothing here, the first that were seen. */
    const char *unused[SMG_DATASET_UNUSED_MAX];
    int32_t unused_count;
    smg_left_out left_out;
    const smg_baseline_value *baselines; /* of the template */
    int32_t baseline_count;
    /* private */
    size_t room;
    struct smg_text_pool *pool;
} smg_dataset;

/* Zeros for the defaults. */
typedef struct smg_dataset_options {
    const char *template_path; /* the files are CSV, and this says what to make of them */
    char delimiter;            /* of CSV: ',' ';' or '\t'; 0: found out */
    /* Where the template learns baselines: from a file that smg_dataset_save_baselines wrote; or, if `learn` is set, from the rows
     * of those examples that `learn_from` has a 1 for, or of all where that is NULL. Neither is an error: what is learned from
     * data that a model is tested with, it is not tested on. */
    const char *baselines_path;
    bool learn;
    const uint8_t *learn_from; /* [learn_count], in the order of the examples */
    size_t learn_count;
    /* Is told the first SMG_DATASET_SHOWN_MAX bad rows where there is more than one; may be NULL. */
    void (*problem)(void *context, const smidge_error *problem);
    void *context;
} smg_dataset_options;

/* Reads the files one behind the other ("-" is standard input). `options` may be NULL. All rows are looked at before it
 * fails for bad ones: with one of them `error` is about it (its `where` is FILE:LINE:COLUMN, lines in the file and
 * columns in characters, from 1); with more it says how many, behind the first if nobody was told.
 * SMIDGE_E_IO, SMIDGE_E_INVALID (no file, no example, a limit), SMIDGE_E_FORMAT (bad rows), SMIDGE_E_NOMEM. */
smidge_status smg_dataset_read(const char *const *paths, size_t count, const smg_dataset_options *options,
                               smg_dataset *ret, smidge_error *error) SMG_MUST_CHECK;
/* Writes the set's baselines: {"column": {"mean": 71.2, "deviation": 1.9}, ...}. Whole or not at all. SMIDGE_E_IO, SMIDGE_E_NOMEM. */
smidge_status smg_dataset_save_baselines(const smg_dataset *set, const char *path, smidge_error *error)
    SMG_MUST_CHECK;
/* Takes zeroed ones. */
void smg_dataset_done(smg_dataset *set);

#endif
