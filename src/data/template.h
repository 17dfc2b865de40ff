/* Templates: what becomes of the rows of a recording. A text file of lines; docs/data.md describes the language.
 *
 *   window 60 step 30                      rows of a window and from one to the next; or "window 60s step 30s by datetime"
 *   let power = torque * speed / 9549      a column made of others
 *   group by experiment                    windows never cross groups, nor files
 *   baseline temperature 71.2 +- 1.9       or "from rows where anomaly = 0", or "from first 400 rows"
 *   label anomaly any 1 -> CRITICAL else NORMAL
 *   prompt
 *   Temperature {last temperature:1} C, {zscore temperature:1} deviations off, {limit temperature 60..80}.
 *   end
 *
 * A template is immutable once read but for its baselines, and may be shared by threads that only render. */
#ifndef SMG_DATA_TEMPLATE_H
#define SMG_DATA_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "data/text_pool.h"

#define SMG_TEMPLATE_BYTES_MAX ((size_t)256 << 10)
#define SMG_TEMPLATE_COLUMNS_MAX 256 /* that it names */
#define SMG_TEMPLATE_FIELDS_MAX 1024 /* placeholders, and texts between them */
#define SMG_TEMPLATE_TESTS_MAX 256   /* conditions; also words of one placeholder, cases of the label */
#define SMG_WINDOW_ROWS_MAX (1 << 20)

typedef enum smg_reduction {
    SMG_REDUCE_LAST,
    SMG_REDUCE_FIRST,
    SMG_REDUCE_MEAN,
    SMG_REDUCE_MIN,
    SMG_REDUCE_MAX,
    SMG_REDUCE_RANGE,  /* max - min */
    SMG_REDUCE_CHANGE, /* last - first */
    SMG_REDUCE_STD,    /* of the population: divided by n */
    SMG_REDUCE_SLOPE   /* of the line of least squares */
} smg_reduction;

/* What of a window is meant. */
typedef struct smg_quantity {
    int32_t column; /* of the template's */
    smg_reduction reduction;
    double per; /* slope: so many seconds; 0: a row */
} smg_quantity;

typedef enum smg_field_kind {
    SMG_FIELD_TEXT, /* between placeholders */
    SMG_FIELD_CELL, /* as it stands in the recording */
    SMG_FIELD_NUMBER,
    SMG_FIELD_ZSCORE,
    SMG_FIELD_LIMIT,
    SMG_FIELD_WORD
} smg_field_kind;

/* A number, or the window's last one of a column. */
typedef struct smg_bound {
    int32_t column; /* -1: `number` */
    double number;
} smg_bound;

typedef struct smg_word_case {
    double low; /* inclusive */
    double high;
    const char *word;
} smg_word_case;

typedef struct smg_field {
    smg_field_kind kind;
    smg_quantity quantity;
    const char *text; /* TEXT; WORD: where no case fits, or NULL */
    size_t size;
    int32_t decimals; /* -1: as many as six digits need */
    bool plus;        /* in front of what is positive */
    smg_bound low, high;
    const smg_word_case *cases;
    int32_t case_count;
    int32_t line; /* in the template, for messages */
    int32_t at;
} smg_field;

typedef enum smg_comparison {
    SMG_IS_EQUAL,
    SMG_IS_NOT,
    SMG_IS_LESS,
    SMG_IS_LESS_EQUAL,
    SMG_IS_MORE,
    SMG_IS_MORE_EQUAL
} smg_comparison;

/* Numbers are compared as numbers; what is none is equal by its text, and neither less nor more. */
typedef struct smg_cell_test {
    smg_comparison comparison;
    const char *text;
    bool is_number;
    double number;
} smg_cell_test;

typedef struct smg_condition {
    int32_t column;
    smg_cell_test test;
} smg_condition;

/* All of them hold. */
typedef struct smg_conditions {
    const smg_condition *list;
    int32_t count;
} smg_conditions;

typedef struct smg_baseline {
    int32_t column;
    bool learned;       /* from the rows where the conditions hold */
    int32_t first_rows; /* of each group, which it is found from; 0: it is learned, or stated */
    double least;       /* the deviation is at least this */
    bool known;         /* for first_rows, nothing is known here: each group of a recording has its own */
    double mean;
    double deviation; /* of the population */
    smg_conditions conditions;
    int32_t line, at;
} smg_baseline;

typedef enum smg_label_reduction {
    SMG_LABEL_LAST,
    SMG_LABEL_FIRST,
    SMG_LABEL_ANY,     /* the first case that one row meets */
    SMG_LABEL_ALL,     /* the first case that all rows meet */
    SMG_LABEL_MAJORITY /* what most rows are, each by itself; of equals, the one that comes last */
} smg_label_reduction;

typedef struct smg_label_case {
    smg_cell_test test;
    const char *label;
} smg_label_case;

typedef struct smg_label_rule {
    int32_t column; /* -1: there is no label */
    smg_label_reduction reduction;
    const smg_label_case *cases; /* none: the cell is the label */
    int32_t case_count;
    const char *otherwise; /* NULL: what meets no case is bad */
} smg_label_rule;

typedef enum smg_missing { SMG_MISSING_BAD, SMG_MISSING_SKIP, SMG_MISSING_LAST } smg_missing;

/* + - * / and what they are done with; products before sums. */
typedef struct smg_formula_step {
    char sign;      /* the first has '+', or '-' */
    int32_t column; /* -1: `number` */
    double number;
} smg_formula_step;

/* A column that the template makes of others: let NAME = FORMULA. */
typedef struct smg_formula {
    const smg_formula_step *steps;
    int32_t count;
} smg_formula;

/* A column that the template names, and what it is wanted as. */
typedef struct smg_template_column {
    const char *name;
    bool number;
    bool text;           /* of prompts: missing cells count */
    bool compare;        /* of conditions, labels and groups: they do not */
    smg_formula formula; /* it is made, not read; no steps: it is read */
    int32_t line, at;
} smg_template_column;

typedef struct smg_template {
    const char *path;
    char delimiter; /* 0: found out */
    char point;     /* 0: found out */
    smg_missing missing;
    int32_t rows, step; /* of a window; 0: it is one of time */
    double seconds, step_seconds;
    int32_t least;                     /* rows in a window of time */
    int32_t time_column, group_column; /* -1: none */
    bool whole_files;                  /* group by file */
    smg_conditions rows_where;
    smg_label_rule label;
    smg_baseline *baselines;
    int32_t baseline_count;
    smg_field *fields;
    int32_t field_count;
    smg_template_column *columns;
    int32_t column_count;
    smg_text_pool *pool;
} smg_template;

/* Reads a template file. What is wrong is told with FILE:LINE:COLUMN. SMIDGE_E_FORMAT, SMIDGE_E_IO, SMIDGE_E_NOMEM. */
smidge_status smg_template_read(const char *path, smg_template *ret, smidge_error *error) SMG_MUST_CHECK;
/* The same of a text; `path` is for messages. */
smidge_status smg_template_parse(const char *text, size_t size, const char *path, smg_template *ret,
                                 smidge_error *error) SMG_MUST_CHECK;
/* Takes zeroed ones. */
void smg_template_done(smg_template *template);

/* The place of a column's baseline; -1: it has none. */
int32_t smg_template_baseline(const smg_template *template, int32_t column);
/* Whether there are baselines that have to be learned, or given, before a prompt can be rendered. */
bool smg_template_learns(const smg_template *template);

/* `cell` may be NULL, which is empty. */
bool smg_cell_test_holds(const smg_cell_test *test, const char *cell);

#endif
