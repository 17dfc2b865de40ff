#include "data/json_raw.h"

#include <stdint.h>
#include <string.h>

#include "token/unicode.h"

static size_t skip_space(const char *text, size_t at, size_t end)
{
    while (at < end && (text[at] == ' ' || text[at] == '\t' || text[at] == '\n' || text[at] == '\r'))
        at++;
    return at;
}

/* Behind the string that begins at `at`. */
static size_t skip_string(const char *text, size_t at, size_t end)
{
    for (at++; at < end && text[at] != '"'; at++)
        at += text[at] == '\\' && at + 1 < end;
    return at < end ? at + 1 : end;
}

/* Behind the value that begins at `at`. */
static size_t skip_value(const char *text, size_t at, size_t end)
{
    size_t depth = 0;
    if (at < end && text[at] == '"')
        return skip_string(text, at, end);
    while (at < end) {
        const char c = text[at];
        if (c == '"') {
            at = skip_string(text, at, end);
            continue;
        }
        if (c == '{' || c == '[') {
            depth++;
        } else if (c == '}' || c == ']') {
            if (depth == 0)
                return at;
            if (--depth == 0)
                return at + 1;
        } else if (depth == 0 && (c == ',' || c == ':' || skip_space(text, at, at + 1) != at)) {
            return at;
        }
        at++;
    }
    return end;
}

smg_json_place smg_json_whole(const char *text, size_t size)
{
    const size_t begin = skip_space(text, 0, size);
    return (smg_json_place){begin, skip_value(text, begin, size)};
}

/* ---- Strings --------------------------------------------------------------------------------------------- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The number behind \u at `at`; false where there is none. */
static bool read_hex(const char *text, size_t at, size_t end, uint32_t *ret_unit)
{
    uint32_t unit = 0;
    if (end - at < 4)
        return false;
    for (size_t i = 0; i < 4; i++) {
        const int digit = hex_digit(text[at + i]);
        if (digit < 0)
            return false;
        unit = unit << 4 | (uint32_t)digit;
    }
    *ret_unit = unit;
    return true;
}

/* The character at `at`, which is moved behind it: its code point, escaped or not. */
static uint32_t next_character(const char *text, size_t *at, size_t end)
{
    uint32_t character = 0, low = 0;
    if (text[*at] != '\\' || end - *at < 2) {
        *at += smg_utf8_decode(text + *at, end - *at, &character);
        return character;
    }
    const char kind = text[*at + 1];
    *at += 2;
    switch (kind) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'u':
        break;
    default:
        return (unsigned char)kind;
    }
    if (!read_hex(text, *at, end, &character))
        return SMG_UTF8_INVALID;
    *at += 4;
    if (character >= 0xD800 && character < 0xDC00 && end - *at >= 6 && text[*at] == '\\' &&
        text[*at + 1] == 'u' && read_hex(text, *at + 2, end, &low) && low >= 0xDC00 && low < 0xE000) {
        *at += 6;
        return 0x10000 + ((character - 0xD800) << 10 | (low - 0xDC00));
    }
    return character >= 0xD800 && character < 0xE000 ? SMG_UTF8_INVALID : character;
}

/* Whether the string at `at` says `name`. */
static bool string_is(const char *text, size_t at, size_t end, const char *name)
{
    const size_t size = strlen(name);
    size_t matched = 0;
    for (at++; at < end && text[at] != '"';) {
        char bytes[4];
        const uint32_t character = next_character(text, &at, end);
        if (character == SMG_UTF8_INVALID)
            return false;
        const size_t width = smg_utf8_encode(character, bytes);
        if (width > size - matched || memcmp(bytes, name + matched, width) != 0)
            return false;
        matched += width;
    }
    return matched == size;
}

/* ---- Places ---------------------------------------------------------------------------------------------- */

bool smg_json_find_member(const char *text, smg_json_place object, const char *name,
                          smg_json_place *ret_place)
{
    size_t at = object.begin;
    if (at >= object.end || text[at] != '{')
        return false;
    for (at = skip_space(text, at + 1, object.end); at < object.end && text[at] == '"';) {
        const size_t key = at;
        at = skip_space(text, skip_string(text, at, object.end), object.end);
        if (at >= object.end || text[at] != ':')
            return false;
        at = skip_space(text, at + 1, object.end);
        const smg_json_place value = {at, skip_value(text, at, object.end)};
        if (string_is(text, key, object.end, name)) {
            *ret_place = value;
            return true;
        }
        at = skip_space(text, value.end, object.end);
        if (at >= object.end || text[at] != ',')
            return false;
        at = skip_space(text, at + 1, object.end);
    }
    return false;
}

bool smg_json_find_element(const char *text, smg_json_place array, size_t number, smg_json_place *ret_place)
{
    size_t at = array.begin;
    if (at >= array.end || text[at] != '[')
        return false;
    for (at = skip_space(text, at + 1, array.end); at < array.end && text[at] != ']'; number--) {
        const smg_json_place value = {at, skip_value(text, at, array.end)};
        if (number == 0) {
            *ret_place = value;
            return true;
        }
        at = skip_space(text, value.end, array.end);
        if (at >= array.end || text[at] != ',')
            return false;
        at = skip_space(text, at + 1, array.end);
    }
    return false;
}

/* ---- In one line ----------------------------------------------------------------------------------------- */

typedef struct output {
    char *text; /* NULL: only counted */
    size_t size;
} output;

static void put(output *out, const char *bytes, size_t count)
{
    if (out->text != NULL)
        memcpy(out->text + out->size, bytes, count);
    out->size += count;
}

static void put_character(output *out, uint32_t character)
{
    static const char short_forms[] = "btnvfr", digits[] = "0123456789abcdef";
    char bytes[6] = {'\\', (char)character};
    if (character == '"' || character == '\\') {
        put(out, bytes, 2);
    } else if (character >= '\b' && character <= '\r' && character != '\v') {
        bytes[1] = short_forms[character - '\b'];
        put(out, bytes, 2);
    } else if (character < 0x20 || character == 0x7F) {
        memcpy(bytes, "\\u00", 4);
        bytes[4] = digits[character >> 4];
        bytes[5] = digits[character & 15];
        put(out, bytes, 6);
    } else {
        put(out, bytes, smg_utf8_encode(character == SMG_UTF8_INVALID ? 0xFFFD : character, bytes));
    }
}

size_t smg_json_compact(const char *text, smg_json_place value, char *ret_text)
{
    output out = {.text = ret_text};
    for (size_t at = value.begin; at < value.end;) {
        if (skip_space(text, at, at + 1) != at) {
            at++;
        } else if (text[at] != '"') {
            put(&out, text + at++, 1);
        } else {
            const size_t end = skip_string(text, at, value.end);
            put(&out, "\"", 1);
            for (at++; at < end && text[at] != '"';)
                put_character(&out, next_character(text, &at, end));
            put(&out, "\"", 1);
            at = end;
        }
    }
    return out.size;
}
