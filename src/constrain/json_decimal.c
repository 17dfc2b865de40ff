#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "constrain/json_shape_internal.h"

#define DIGITS_MAX 18

static void strip_zeros(smg_json_decimal *decimal)
{
    while (decimal->mantissa != 0 && decimal->mantissa % 10 == 0) {
        decimal->mantissa /= 10;
        decimal->exponent++;
    }
    if (decimal->mantissa == 0)
        *decimal = (smg_json_decimal){0};
}

void smg_json_decimal_integer(int64_t value, smg_json_decimal *ret_decimal)
{
    *ret_decimal = (smg_json_decimal){.negative = value < 0,
                                      .mantissa = value < 0 ? 0 - (uint64_t)value : (uint64_t)value};
    strip_zeros(ret_decimal);
}

/* Printed and read by the same locale, whatever its decimal point is: only digits are looked at. */
void smg_json_decimal_real(double value, smg_json_decimal *ret_decimal)
{
    char text[64];
    for (int places = 0; places <= 16; places++) {
        snprintf(text, sizeof(text), "%.*e", places, value);
        if (strtod(text, NULL) == value)
            break;
    }
    smg_json_decimal decimal = {.negative = text[0] == '-'};
    const char *exponent = strchr(text, 'e');
    int digits = 0;
    for (const char *at = text; at != exponent && *at != '\0'; at++) {
        if (*at >= '0' && *at <= '9') {
            decimal.mantissa = decimal.mantissa * 10 + (uint64_t)(*at - '0');
            digits++;
        }
    }
    decimal.exponent = (exponent != NULL ? (int)strtol(exponent + 1, NULL, 10) : 0) - (digits - 1);
    strip_zeros(&decimal);
    *ret_decimal = decimal;
}

bool smg_json_decimal_scale(const smg_json_decimal *decimal, int decimals, bool up, int64_t *ret_units)
{
    uint64_t limit = (uint64_t)SMG_JSON_NUMBER_LIMIT;
    uint64_t units = decimal->mantissa;
    int exponent = decimal->exponent + decimals;
    bool rest = false;
    for (; exponent > 0 && units != 0; exponent--) {
        if (units > limit / 10)
            return false;
        units *= 10;
    }
    for (; exponent < 0 && units != 0; exponent++) {
        rest = rest || units % 10 != 0;
        units /= 10;
    }
    if (rest && up != decimal->negative)
        units++;
    if (units > limit)
        return false;
    *ret_units = decimal->negative ? -(int64_t)units : (int64_t)units;
    return true;
}

bool smg_json_decimal_spell(const smg_json_decimal *decimal, char ret_text[SMG_JSON_DECIMAL_ROOM])
{
    char digits[24];
    int count = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)decimal->mantissa);
    int behind = decimal->exponent < 0 ? -decimal->exponent : 0;
    int ahead = count + decimal->exponent > 1 ? count + decimal->exponent : 1;
    if (decimal->exponent > DIGITS_MAX || behind > DIGITS_MAX || ahead + behind > DIGITS_MAX + 1)
        return false;
    char *out = ret_text;
    if (decimal->negative)
        *out++ = '-';
    for (int place = ahead - 1; place >= -behind; place--) {
        if (place == -1)
            *out++ = '.';
        int at = count - 1 + decimal->exponent - place;
        *out++ = at >= 0 && at < count ? digits[at] : '0';
    }
    *out = '\0';
    return true;
}
