#include "data/cell_value.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "data/decimal_text.h"

static void trim(const char **text, size_t *size)
{
    while (*size > 0 && (**text == ' ' || **text == '\t')) {
        (*text)++;
        (*size)--;
    }
    while (*size > 0 && ((*text)[*size - 1] == ' ' || (*text)[*size - 1] == '\t'))
        (*size)--;
}

bool smg_cell_missing(const char *text, size_t size)
{
    static const char *const words[] = {"", "nan", "na", "n/a", "null", "none", "-", "?"};
    trim(&text, &size);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (size == strlen(words[i]) && strncasecmp(text, words[i], size) == 0)
            return true;
    }
    return false;
}

bool smg_cell_number(smg_decimal_style *style, const char *text, size_t size, double *ret_value)
{
    trim(&text, &size);
    if (style->point != 0)
        return smg_decimal_parse(text, size, style->point, ret_value);
    const bool comma = style->may_find && memchr(text, ',', size) != NULL;
    if (!smg_decimal_parse(text, size, comma ? ',' : '.', ret_value))
        return false;
    if (comma || memchr(text, '.', size) != NULL)
        style->point = comma ? ',' : '.';
    return true;
}

/* ---- Times ----------------------------------------------------------------------------------------------- */

typedef struct scan {
    const char *at;
    const char *end;
} scan;

/* Exactly so many digits; -1 where they are not there. */
static int take_digits(scan *in, int count)
{
    int value = 0;
    for (int i = 0; i < count; i++) {
        if (in->at == in->end || *in->at < '0' || *in->at > '9')
            return -1;
        value = value * 10 + (*in->at++ - '0');
    }
    return value;
}

static bool take(scan *in, char c)
{
    if (in->at == in->end || *in->at != c)
        return false;
    in->at++;
    return true;
}

/* Days since 1970-01-01 (H. Hinnant, chrono-compatible low-level date algorithms). */
static int64_t days_of(int year, int month, int day)
{
    const int64_t y = year - (month <= 2);
    const int64_t era = y / 400, in_era = y - era * 400;
    const int64_t in_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + in_era * 365 + in_era / 4 - in_era / 100 + in_year - 719468;
}

static bool is_day(int year, int month, int day)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return year >= 0 && month >= 1 && month <= 12 && day >= 1 &&
           day <= lengths[month - 1] + (month == 2 && leap);
}

static bool take_date(scan *in, int64_t *ret_days)
{
    int year, month, day;
    if (in->end - in->at >= 10 && in->at[2] == '.') {
        day = take_digits(in, 2);
        month = take(in, '.') ? take_digits(in, 2) : -1;
        year = take(in, '.') ? take_digits(in, 4) : -1;
    } else {
        year = take_digits(in, 4);
        const char between = in->at < in->end && *in->at == '/' ? '/' : '-';
        month = take(in, between) ? take_digits(in, 2) : -1;
        day = take(in, between) ? take_digits(in, 2) : -1;
    }
    if (!is_day(year, month, day))
        return false;
    *ret_days = days_of(year, month, day);
    return true;
}

/* hh:mm[:ss[.fraction]] */
static bool take_clock(scan *in, double *ret_seconds)
{
    const int hour = take_digits(in, 2), minute = take(in, ':') ? take_digits(in, 2) : -1;
    if (hour < 0 || hour > 23 || minute < 0 || minute > 59)
        return false;
    *ret_seconds = hour * 3600 + minute * 60;
    if (!take(in, ':'))
        return true;
    const int second = take_digits(in, 2);
    if (second < 0 || second > 60)
        return false;
    *ret_seconds += second;
    if (!take(in, '.') && !take(in, ','))
        return true;
    const char *first = in->at;
    double unit = 0.1;
    for (; in->at < in->end && *in->at >= '0' && *in->at <= '9'; in->at++, unit /= 10)
        *ret_seconds += (*in->at - '0') * unit;
    return in->at > first;
}

static bool take_zone(scan *in, double *seconds)
{
    if (in->at == in->end || take(in, 'Z'))
        return true;
    const int sign = take(in, '+') ? 1 : take(in, '-') ? -1 : 0;
    const int hours = sign == 0 ? -1 : take_digits(in, 2);
    (void)take(in, ':');
    const int minutes = in->at == in->end ? 0 : take_digits(in, 2);
    if (hours < 0 || hours > 15 || minutes < 0 || minutes > 59)
        return false;
    *seconds -= sign * (hours * 3600 + minutes * 60);
    return true;
}

bool smg_cell_time(const char *text, size_t size, double *ret_seconds)
{
    smg_decimal_style style = {.point = '.'};
    double seconds = 0;
    int64_t days = 0;
    trim(&text, &size);
    if (smg_cell_number(&style, text, size, &seconds)) {
        *ret_seconds = seconds >= 1e11 ? seconds / 1000 : seconds;
        return true;
    }
    scan in = {text, text + size};
    if (!take_date(&in, &days))
        return false;
    if (in.at < in.end) {
        if ((!take(&in, ' ') && !take(&in, 'T')) || !take_clock(&in, &seconds) || !take_zone(&in, &seconds))
            return false;
    }
    if (in.at != in.end)
        return false;
    *ret_seconds = (double)days * 86400 + seconds;
    return true;
}
