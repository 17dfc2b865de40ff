/* What readers of examples share: adding to a set, and telling of rows that are bad. */
#ifndef SMG_DATA_DATASET_BUILD_H
#define SMG_DATA_DATASET_BUILD_H

#include <stdbool.h>

#include "data/dataset.h"
#include "data/text_pool.h"

typedef struct smg_dataset_build {
    smg_dataset *set;
    const smg_dataset_options *options;
    smidge_error *error;
    const char *path; /* of the file that is read, in the set's memory */
    size_t rows;      /* in all files, so far */
    size_t bad;       /* of them */
    smidge_error problems[SMG_DATASET_SHOWN_MAX];
} smg_dataset_build;

/* An empty set, with room for labels. SMIDGE_E_NOMEM; smg_dataset_done releases it whatever comes of it. */
smidge_status smg_dataset_prepare(smg_dataset *set, smidge_error *error);

/* Notes a bad row, and is SMIDGE_E_FORMAT, which lets a reader go on with the next one; where all are bad for one
 * reason, it returns it. The message reads "why (what to do)". */
#define smg_dataset_bad(build, line, column, ...)                                                            \
    (smg_dataset_note_bad(build, line, column, __VA_ARGS__), SMIDGE_E_FORMAT)
void smg_dataset_note_bad(smg_dataset_build *build, int64_t line, size_t column, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Fills build->error with what the bad rows were, and is OK where there were none. */
smidge_status smg_dataset_judge(smg_dataset_build *build);

/* These are SMIDGE_E_NOMEM, and smg_dataset_add SMIDGE_E_INVALID behind the last row there may be. */
smidge_status smg_dataset_copy(smg_dataset_build *build, const char *text, size_t size,
                               const char **ret_text);
smidge_status smg_dataset_add(smg_dataset_build *build, const smg_example *example);

/* Makes the text the example's label: those of a set are equal by their bytes. Bad ones are noted. */
smidge_status smg_dataset_label(smg_dataset_build *build, const char *text, size_t size, int64_t line,
                                size_t column, smg_example *example);

/* The offset of the first byte that is no text: a zero, or not UTF-8; `size` where there is none. */
size_t smg_dataset_text_end(const char *text, size_t size);
/* Where a byte of a line stands, in characters from 1. */
size_t smg_dataset_column(const char *line, size_t offset);

/* Lines of a file, their ends (LF or CRLF) taken off. */
typedef struct smg_lines {
    const char *text;
    size_t size;
    size_t at;
    int64_t number; /* of the line that was given last */
} smg_lines;

/* Skips a byte order mark. SMIDGE_E_FORMAT where the file is UTF-16. */
smidge_status smg_lines_begin(smg_lines *lines, const char *text, size_t size, const char *path,
                              smidge_error *error) SMG_MUST_CHECK;
bool smg_lines_next(smg_lines *lines, const char **ret_line, size_t *ret_size);

/* Adds the rows of a file that is in memory. Bad rows are noted; what else fails, fails. */
smidge_status smg_dataset_read_jsonl(smg_dataset_build *build, const char *text, size_t size);

/* Adds the examples that a template makes of CSV files. */
smidge_status smg_dataset_read_csv(smg_dataset_build *build, const char *const *paths, size_t count);

#endif
