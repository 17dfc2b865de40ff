/* Characters and their classes, held against utf8proc: every code point, and every sequence of bytes that matters. */
#include "test_support.h"

#include <stdio.h>
#include <string.h>
#include <utf8proc.h>

#include "token/unicode.h"

#define UNICODE_VERSION "15.0.0" /* of src/token/char_classes.inc */

static unsigned expected_class(utf8proc_int32_t character)
{
    if (character == 0x85 || (character >= '\t' && character <= '\r'))
        return SMG_CHAR_SPACE;
    switch (utf8proc_category_string(character)[0]) {
    case 'L':
        return SMG_CHAR_LETTER;
    case 'N':
        return SMG_CHAR_NUMBER;
    case 'Z':
        return SMG_CHAR_SPACE;
    case 'P':
        return SMG_CHAR_PUNCT;
    default:
        return 0;
    }
}

/* Another version knows other characters, but may not differ about those that both know. */
static void every_class_is_utf8procs(void **state)
{
    (void)state;
    bool same_version = strcmp(utf8proc_unicode_version(), UNICODE_VERSION) == 0;
    unsigned different = 0;
    for (utf8proc_int32_t c = 0; c <= 0x10FFFF; c++) {
        unsigned ours = smg_char_class((uint32_t)c), theirs = expected_class(c);
        if (ours == theirs)
            continue;
        if (same_version || (ours != 0 && theirs != 0))
            fail_msg("U+%04X is of class %u, not %u", (unsigned)c, ours, theirs);
        different++;
    }
    printf("utf8proc knows Unicode %s: %u code points differ\n", utf8proc_unicode_version(), different);
    assert_true(different < 10000);
    assert_int_equal(smg_char_class(0x110000), 0);
    assert_int_equal(smg_char_class(SMG_UTF8_INVALID), 0);
}

static void check_bytes(const char *bytes, size_t size)
{
    utf8proc_int32_t theirs;
    uint32_t ours;
    utf8proc_ssize_t step =
        utf8proc_iterate((const utf8proc_uint8_t *)bytes, (utf8proc_ssize_t)size, &theirs);
    size_t took = smg_utf8_decode(bytes, size, &ours);
    if (step <= 0) {
        assert_int_equal(ours, SMG_UTF8_INVALID);
        assert_int_equal(took, 1);
    } else {
        assert_int_equal(ours, theirs);
        assert_int_equal(took, step);
    }
}

static void bytes_decode_as_utf8proc_says(void **state)
{
    (void)state;
    static const unsigned char edges[] = {0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F,
                                          0xA0, 0xBF, 0xC0, 0xC2, 0xED, 0xF4, 0xFF};
    const size_t count = sizeof edges;
    for (unsigned lead = 0; lead < 256; lead++) {
        for (unsigned second = 0; second < 256; second++) {
            for (size_t rest = 0; rest < count * count; rest++) {
                const char bytes[] = {(char)lead, (char)second, (char)edges[rest / count],
                                      (char)edges[rest % count]};
                for (size_t size = rest == 0 ? 1 : 4; size <= 4; size++)
                    check_bytes(bytes, size);
            }
        }
    }
    for (uint32_t c = 0; c <= 0x10FFFF; c++) {
        if (c >= 0xD800 && c <= 0xDFFF)
            continue;
        char text[4];
        check_bytes(text, smg_utf8_encode(c, text));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_class_is_utf8procs),
                                       cmocka_unit_test(bytes_decode_as_utf8proc_says)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
