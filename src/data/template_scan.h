/* Reading lines of a template: words, names, numbers, and errors that say where. Between template_parse.c, which knows the
 * statements, and template_field.c, which knows the placeholders. */
#ifndef SMG_DATA_TEMPLATE_SCAN_H
#define SMG_DATA_TEMPLATE_SCAN_H

#include "data/template.h"

typedef struct smg_text_view {
    const char *data;
    size_t size;
} smg_text_view;

typedef struct smg_template_scan {
    smg_template *template;
    const char *line; /* that is read */
    const char *at;
    const char *end;
    int32_t number; /* of the line */
    smidge_error *error;
} smg_template_scan;

/* SMIDGE_E_FORMAT at a place of the line; and at one that was noted, line and column from 1. */
#define smg_scan_fault(scan, at, ...) (smg_scan_fill_fault(scan, at, __VA_ARGS__), SMIDGE_E_FORMAT)
#define smg_scan_fault_at(scan, line, column, ...)                                                           \
    (smg_scan_fill_fault_at(scan, line, column, __VA_ARGS__), SMIDGE_E_FORMAT)
void smg_scan_fill_fault(const smg_template_scan *scan, const char *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void smg_scan_fill_fault_at(const smg_template_scan *scan, int32_t line, int32_t column, const char *format,
                            ...) __attribute__((format(printf, 4, 5)));
smidge_status smg_scan_no_memory(const smg_template_scan *scan);

void smg_scan_blanks(smg_template_scan *scan);
/* True at the end, blanks aside. */
bool smg_scan_ended(smg_template_scan *scan);
/* What follows up to the next blank, without taking it. */
smg_text_view smg_scan_peek(smg_template_scan *scan);
/* Takes a word, if it is the next one. */
bool smg_scan_take(smg_template_scan *scan, const char *word);

typedef bool (*smg_scan_stops)(const char *word, size_t size);

/* The name of a column, in quotes or up to a word that stops it, noted among the template's. */
smidge_status smg_scan_column(smg_template_scan *scan, smg_scan_stops stops, int32_t *ret_column);
/* A text in quotes, or up to a word that stops it; never empty. `what` is for messages. */
smidge_status smg_scan_text(smg_template_scan *scan, smg_scan_stops stops, const char *what,
                            const char **ret_text, size_t *ret_size);
/* The column of the line. */
int32_t smg_scan_place(const smg_template_scan *scan, const char *at);
/* The place of a column of this name in the template's, which it is added to. */
smidge_status smg_scan_add_column(smg_template_scan *scan, const char *at, const char *name, size_t size,
                                  int32_t *ret_column);

/* The same for texts of cells, which a column that is made does not have. */
smidge_status smg_scan_cell_column(smg_template_scan *scan, smg_scan_stops stops, int32_t *ret_column);

/* The number in all of a text; false where it is none. */
bool smg_scan_number(const char *text, size_t size, double *ret_value);

/* A copy in the template's memory; NULL without memory. */
const char *smg_scan_copy(const smg_template_scan *scan, const char *text, size_t size);

/* NAME = FORMULA */
smidge_status smg_scan_formula(smg_template_scan *scan);
/* The placeholder between `scan->at` and `scan->end`, braces taken off. */
smidge_status smg_scan_field(smg_template_scan *scan, smg_field *ret_field);

#endif
