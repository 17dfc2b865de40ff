/* What stands in a cell of a recording: a number, a time, or nothing. */
#ifndef SMG_DATA_CELL_VALUE_H
#define SMG_DATA_CELL_VALUE_H

#include <stdbool.h>
#include <stddef.h>

/* Empty, or what programs write for that: nan, na, n/a, null, none, -, ? in any case. */
bool smg_cell_missing(const char *text, size_t size);

/* Which sign stands before decimals; found out from the first number that has one, unless it is known. */
typedef struct smg_decimal_style {
    char point;    /* '.' or ','; 0: not known yet */
    bool may_find; /* ',' may be it: it does not part cells */
} smg_decimal_style;

/* False where it is no number, or one with the other sign. White space around it is allowed. */
bool smg_cell_number(smg_decimal_style *style, const char *text, size_t size, double *ret_value);

/* Seconds, of local time or of UTC as the cell has it: 2020-03-09 10:14:33[.25][Z|+01:00], with T or a blank, / or - in the date, the
 * seconds or all of the time left out; 09.03.2020 10:14:33; or a number: seconds (of which epoch ever), milliseconds
 * from 1e11 on. Dates such as 03/09/2020 mean two days and are refused. */
bool smg_cell_time(const char *text, size_t size, double *ret_seconds);

#endif
