/* Walking UTF-8, and the character classes that pre-tokenizers ask about. */
#ifndef SMG_TOKEN_UNICODE_H
#define SMG_TOKEN_UNICODE_H

#include <stddef.h>
#include <stdint.h>

#define SMG_UTF8_INVALID UINT32_MAX

enum {
    SMG_CHAR_LETTER = 1, /* general category L */
    SMG_CHAR_NUMBER = 2, /* N */
    SMG_CHAR_SPACE = 4,  /* the White_Space property */
    SMG_CHAR_PUNCT = 8   /* P */
};

/* How long the character is that these bytes begin (1 to 4), or 0 when no character begins like this. At most
 * the first four bytes count. Overlong forms, surrogates and what lies beyond U+10FFFF are not characters. */
int smg_utf8_prefix(const uint8_t *bytes, size_t count);

/* Reads the character at the front of a text of at least one byte; returns its length. A byte that begins
 * no whole character counts as one character of its own, SMG_UTF8_INVALID. */
size_t smg_utf8_decode(const char *text, size_t size, uint32_t *ret_codepoint);

/* Writes a code point of at most U+10FFFF to 4 bytes of room; returns how many it took. */
size_t smg_utf8_encode(uint32_t codepoint, char *ret_text);

/* SMG_CHAR_ bits; 0 for everything else, SMG_UTF8_INVALID and unassigned code points included. */
unsigned smg_char_class(uint32_t codepoint);

#endif
