/* CSV as instruments, spreadsheets and databases write it (RFC 4180): quoted cells, with doubled quotes and line ends in them; LF or
 * CRLF; a byte order mark; Excel's line "sep=;"; parted by comma, semicolon or tab. The first line names the columns. */
#ifndef SMG_DATA_CSV_H
#define SMG_DATA_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define SMG_CSV_COLUMNS_MAX 1024
#define SMG_CSV_ROW_MAX ((size_t)1 << 20) /* bytes */

typedef struct smg_csv_cell {
    const char *text; /* without its quotes, a zero byte behind it */
    size_t size;
    int64_t line; /* where it begins, from 1 */
    size_t column;
} smg_csv_cell;

typedef struct smg_csv {
    smg_csv_cell *cells; /* of the row that was read last */
    size_t count;        /* of them */
    const char **names;  /* of the columns, white space around them taken off */
    size_t columns;
    char delimiter;
    /* private */
    char *text;
    size_t size;
    size_t at;
    int64_t line;
    size_t known; /* a place, and its column */
    size_t column;
} smg_csv;

/* What is wrong with a row: it is left out, and reading goes on behind it. */
typedef struct smg_csv_fault {
    int64_t line;
    size_t column;
    char text[160]; /* "why (what to do)" */
} smg_csv_fault;

/* Reads the line of names. `text` is `size` bytes with a zero byte behind them; it is written to, and must outlive `ret`, which
 * is released whatever comes of it. `delimiter` 0: found out. SMIDGE_E_FORMAT with ret_fault, SMIDGE_E_NOMEM. */
smidge_status smg_csv_open(smg_csv *ret, char *text, size_t size, char delimiter, smg_csv_fault *ret_fault)
    SMG_MUST_CHECK;
/* Takes zeroed ones. */
void smg_csv_close(smg_csv *csv);

/* The next row, of as many cells as there are columns; empty lines are none. False at the end. */
bool smg_csv_next(smg_csv *csv, smidge_status *ret_status, smg_csv_fault *ret_fault);

#endif
