#include "data/decimal_text.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS_MAX 300 /* of a number that is read */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Puts a point where the locale has its own; takes the sign from what rounding made a zero. */
static int make_plain(char *text)
{
    size_t at = 0, size = 0;
    bool zero = true;
    for (; text[at] != '\0'; at++) {
        if (is_digit(text[at]) || (at == 0 && text[at] == '-'))
            text[size++] = text[at];
        else if (size > 0 && text[size - 1] != '.')
            text[size++] = '.';
        zero = zero && !(text[at] >= '1' && text[at] <= '9');
    }
    text[size] = '\0';
    if (zero && text[0] == '-')
        memmove(text, text + 1, size--);
    return (int)size;
}

int smg_decimal_text(double value, int decimals, char ret_text[SMG_DECIMAL_TEXT_MAX])
{
    const int most = decimals < SMG_DECIMALS_MAX ? decimals : SMG_DECIMALS_MAX;
    snprintf(ret_text, SMG_DECIMAL_TEXT_MAX, "%.*f", most, value);
    return make_plain(ret_text);
}

int smg_decimal_short(double value, int digits, char ret_text[SMG_DECIMAL_TEXT_MAX])
{
    char rounded[64];
    snprintf(rounded, sizeof rounded, "%.*e", digits - 1, value);
    const char *exponent = strchr(rounded, 'e');
    int decimals = digits - 1 - (exponent == NULL ? 0 : atoi(exponent + 1));
    decimals = decimals < 0 ? 0 : decimals > SMG_DECIMALS_MAX ? SMG_DECIMALS_MAX : decimals;
    int size = smg_decimal_text(value, decimals, ret_text);
    if (strchr(ret_text, '.') == NULL)
        return size;
    while (ret_text[size - 1] == '0')
        size--;
    size -= ret_text[size - 1] == '.';
    ret_text[size] = '\0';
    return size;
}

/* ---- Reading --------------------------------------------------------------------------------------------- */

static size_t digits_at(const char *text, size_t at, size_t size)
{
    size_t count = 0;
    while (at + count < size && is_digit(text[at + count]))
        count++;
    return count;
}

/* Whether it is a number, and where its point is (`size`: it has none). */
static bool check_number(const char *text, size_t size, char point, size_t *ret_point)
{
    size_t at = size > 0 && (text[0] == '-' || text[0] == '+') ? 1 : 0;
    size_t digits = digits_at(text, at, size);
    at += digits;
    *ret_point = size;
    if (at < size && text[at] == point) {
        const size_t decimals = digits_at(text, at + 1, size);
        *ret_point = at;
        at += 1 + decimals;
        digits += decimals;
    }
    if (digits == 0)
        return false;
    if (at < size && (text[at] == 'e' || text[at] == 'E')) {
        at += at + 1 < size && (text[at + 1] == '-' || text[at + 1] == '+') ? 2 : 1;
        digits = digits_at(text, at, size);
        at += digits;
    }
    return digits > 0 && at == size;
}

bool smg_decimal_parse(const char *text, size_t size, char point, double *ret_value)
{
    char number[DIGITS_MAX + 32];
    const struct lconv *locale = localeconv();
    const size_t width = strlen(locale->decimal_point);
    size_t at;
    if (size > DIGITS_MAX || width > 16 || !check_number(text, size, point, &at))
        return false;
    memcpy(number, text, at);
    size_t length = at;
    if (at < size) {
        memcpy(number + at, locale->decimal_point, width);
        memcpy(number + at + width, text + at + 1, size - at - 1);
        length = size - 1 + width;
    }
    number[length] = '\0';
    const double value = strtod(number, NULL);
    if (!isfinite(value))
        return false;
    *ret_value = value;
    return true;
}
