/* Byte-level BPE spells bytes as printable characters: those that print in Latin-1 as themselves, the other
 * 68 as U+0100 and up, in order (OpenAI's GPT-2, encoder.py, bytes_to_unicode). */
#include "token/tokenizer_internal.h"

#define FIRST_STAND_IN 0x100u
#define BELOW_PRINTABLE 0x21u                             /* 0x00 to 0x20 */
#define DELETE_TO_NBSP (0xA1u - 0x7Fu)                    /* 0x7F to 0xA0 */
#define STAND_INS (BELOW_PRINTABLE + DELETE_TO_NBSP + 1u) /* and 0xAD, the soft hyphen */

uint32_t smg_byte_alphabet_letter(uint8_t byte)
{
    if (byte < 0x21)
        return FIRST_STAND_IN + byte;
    if (byte >= 0x7F && byte <= 0xA0)
        return FIRST_STAND_IN + BELOW_PRINTABLE + (byte - 0x7Fu);
    if (byte == 0xAD)
        return FIRST_STAND_IN + STAND_INS - 1;
    return byte;
}

int smg_byte_alphabet_byte(uint32_t codepoint)
{
    if (codepoint < FIRST_STAND_IN)
        return smg_byte_alphabet_letter((uint8_t)codepoint) == codepoint ? (int)codepoint : -1;
    uint32_t place = codepoint - FIRST_STAND_IN;
    if (place < BELOW_PRINTABLE)
        return (int)place;
    if (place < BELOW_PRINTABLE + DELETE_TO_NBSP)
        return (int)(place - BELOW_PRINTABLE + 0x7F);
    return place == STAND_INS - 1 ? 0xAD : -1;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

int smg_byte_name_parse(smg_text name)
{
    if (name.size != 6 || name.data[0] != '<' || name.data[1] != '0' || name.data[2] != 'x' ||
        name.data[5] != '>')
        return -1;
    int high = hex_digit(name.data[3]);
    int low = hex_digit(name.data[4]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}
