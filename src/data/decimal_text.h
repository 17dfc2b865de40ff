/* Numbers as people write them, whatever the locale of the program around it. */
#ifndef SMG_DATA_DECIMAL_TEXT_H
#define SMG_DATA_DECIMAL_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#define SMG_DECIMAL_TEXT_MAX 352 /* any double, with up to SMG_DECIMALS_MAX decimals */
#define SMG_DECIMALS_MAX 9

/* With so many decimals, no exponent, and never "-0"; `value` is finite. Returns the length. */
int smg_decimal_text(double value, int decimals, char ret_text[SMG_DECIMAL_TEXT_MAX]);
/* The fewest digits, at most `digits`, that are this value rounded to `digits` significant ones. */
int smg_decimal_short(double value, int digits, char ret_text[SMG_DECIMAL_TEXT_MAX]);

/* Reads all of the text as a decimal number, correctly rounded: [+-]digits[.digits][e[+-]digits], `point` being '.' or ','. No
 * white space, no hex, no nan, no infinity; false also for what a double cannot hold. */
bool smg_decimal_parse(const char *text, size_t size, char point, double *ret_value);

#endif
