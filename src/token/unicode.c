#include "token/unicode.h"

#include <stdbool.h>

/* Tables of a library would be 300 KB for what takes 7, and another version of it would cut other tokens. */
static const uint32_t class_runs[] = {
#include "token/char_classes.inc"
};

static int lead_length(uint8_t lead)
{
    if (lead < 0x80)
        return 1;
    if (lead < 0xC2)
        return 0; /* a continuation byte, or the start of an overlong pair */
    if (lead < 0xE0)
        return 2;
    if (lead < 0xF0)
        return 3;
    return lead < 0xF5 ? 4 : 0;
}

/* The second byte alone tells overlong forms, surrogates and too large code points (RFC 3629, section 4). */
static bool second_byte_fits(uint8_t lead, uint8_t second)
{
    switch (lead) {
    case 0xE0:
        return second >= 0xA0 && second <= 0xBF;
    case 0xED:
        return second >= 0x80 && second <= 0x9F;
    case 0xF0:
        return second >= 0x90 && second <= 0xBF;
    case 0xF4:
        return second >= 0x80 && second <= 0x8F;
    default:
        return second >= 0x80 && second <= 0xBF;
    }
}

int smg_utf8_prefix(const uint8_t *bytes, size_t count)
{
    if (count == 0)
        return 0;
    int length = lead_length(bytes[0]);
    if (length < 2 || count < 2)
        return length;
    if (!second_byte_fits(bytes[0], bytes[1]))
        return 0;
    for (size_t i = 2; i < count && i < (size_t)length; i++) {
        if ((bytes[i] & 0xC0) != 0x80)
            return 0;
    }
    return length;
}

size_t smg_utf8_decode(const char *text, size_t size, uint32_t *ret_codepoint)
{
    const uint8_t *bytes = (const uint8_t *)text;
    if (bytes[0] < 0x80) {
        *ret_codepoint = bytes[0];
        return 1;
    }
    int length = smg_utf8_prefix(bytes, size);
    if (length == 0 || (size_t)length > size) {
        *ret_codepoint = SMG_UTF8_INVALID;
        return 1;
    }
    uint32_t codepoint = bytes[0] & (0x7Fu >> length);
    for (int i = 1; i < length; i++)
        codepoint = codepoint << 6 | (bytes[i] & 0x3Fu);
    *ret_codepoint = codepoint;
    return (size_t)length;
}

size_t smg_utf8_encode(uint32_t codepoint, char *ret_text)
{
    if (codepoint < 0x80) {
        ret_text[0] = (char)codepoint;
        return 1;
    }
    size_t length = codepoint < 0x800 ? 2 : codepoint < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--) {
        ret_text[i] = (char)(0x80 | (codepoint & 0x3F));
        codepoint >>= 6;
    }
    ret_text[0] = (char)((0xF00u >> length & 0xF0u) | codepoint);
    return length;
}

static unsigned ascii_class(uint32_t c)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
        return SMG_CHAR_LETTER;
    if (c >= '0' && c <= '9')
        return SMG_CHAR_NUMBER;
    if (c == ' ' || (c >= '\t' && c <= '\r'))
        return SMG_CHAR_SPACE;
    if (c < ' ' || c == 0x7F || c == '$' || c == '+' || (c >= '<' && c <= '>') || c == '^' || c == '`' ||
        c == '|' || c == '~')
        return 0;
    return SMG_CHAR_PUNCT;
}

unsigned smg_char_class(uint32_t codepoint)
{
    if (codepoint < 0x80)
        return ascii_class(codepoint);
    if (codepoint > 0x10FFFF)
        return 0;
    /* The last run that begins at or before the character. */
    size_t low = 0, high = sizeof class_runs / sizeof *class_runs;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (class_runs[middle] >> 4 <= codepoint)
            low = middle;
        else
            high = middle;
    }
    return class_runs[low] & 15u;
}
