/* Whole characters only, whatever the pieces; what can never become one is replaced once. */
#include "test_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "token/tokenizer.h"
#include "token/unicode.h"

static size_t stream_all(const char *text, size_t size, size_t step, char *ret_text)
{
    smg_utf8_stream stream = {.pending_count = 0};
    size_t written = 0;
    for (size_t at = 0; at < size; at += step) {
        size_t part = size - at < step ? size - at : step;
        size_t out = smg_utf8_stream_feed(&stream, text + at, part, ret_text + written);
        assert_true(out <= SMG_UTF8_STREAM_ROOM(part));
        /* Nothing unfinished was given out. */
        for (size_t i = 0; i < out;) {
            uint32_t codepoint;
            i += smg_utf8_decode(ret_text + written + i, out - i, &codepoint);
            assert_int_not_equal(codepoint, SMG_UTF8_INVALID);
        }
        written += out;
    }
    size_t out = smg_utf8_stream_finish(&stream, ret_text + written);
    assert_true(out <= 12);
    assert_int_equal(smg_utf8_stream_finish(&stream, ret_text), 0);
    return written + out;
}

static void check(const char *text, size_t size, const char *expected)
{
    char out[256];
    for (size_t step = 1; step <= size; step++) {
        size_t written = stream_all(text, size, step, out);
        assert_int_equal(written, strlen(expected));
        assert_memory_equal(out, expected, written);
    }
}

#define R "\xEF\xBF\xBD"

static void whole_characters(void **state)
{
    (void)state;
    check("plain", 5, "plain");
    check("é世🙂!", strlen("é世🙂!"), "é世🙂!");
    check("a\0b", 1, "a");
    smg_utf8_stream stream = {.pending_count = 0};
    char out[64];
    assert_int_equal(smg_utf8_stream_feed(&stream, "\xF0\x9F\x99", 3, out), 0);
    assert_int_equal(smg_utf8_stream_feed(&stream, "\x82x", 2, out), 5);
    assert_memory_equal(out, "🙂x", 5);
    assert_int_equal(smg_utf8_stream_finish(&stream, out), 0);
}

/* As in the Unicode standard, chapter 3, "U+FFFD substitution of maximal subparts". */
static void replacements(void **state)
{
    (void)state;
    check("\x80", 1, R);
    check("a\xFF"
          "b",
          3, "a" R "b");
    check("\xE2\x82", 2, R);
    check("\xE2\x82"
          "a",
          3, R "a");
    check("\xC0\xAF", 2, R R);
    check("\xED\xA0\x80", 3, R R R);
    check("\xF4\x90\x80\x80", 4, R R R R);
    check("\xF0\x9F\xE4\xB8\x96", 5, R "世");
    check("\x61\xF1\x80\x80\xE1\x80\xC2\x62\x80\x63\x80\xBF\x64", 13, "a" R R R "b" R "c" R R "d");
}

static void random_bytes(void **state)
{
    (void)state;
    uint64_t random = 7;
    char text[64];
    char whole[512];
    char parts[512];
    for (int round = 0; round < 20000; round++) {
        size_t size = smg_test_random(&random) % sizeof(text);
        for (size_t i = 0; i < size; i++) {
            uint64_t r = smg_test_random(&random);
            text[i] = (char)(r & 1 ? 0x80 | (r >> 8 & 0x7F) : r >> 8);
        }
        size_t a = stream_all(text, size, 64, whole);
        size_t b = stream_all(text, size, 1 + smg_test_random(&random) % 5, parts);
        assert_int_equal(a, b);
        assert_memory_equal(whole, parts, a);
    }
}

static void every_code_point(void **state)
{
    (void)state;
    for (uint32_t c = 0; c <= 0x10FFFF; c++) {
        char text[4];
        size_t size = smg_utf8_encode(c, text);
        uint32_t back;
        size_t read = smg_utf8_decode(text, size, &back);
        bool surrogate = c >= 0xD800 && c <= 0xDFFF;
        if ((surrogate ? SMG_UTF8_INVALID : c) != back || read != (surrogate ? 1 : size))
            fail_msg("U+%04X reads as U+%04X in %zu bytes", (unsigned)c, (unsigned)back, read);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_characters),
        cmocka_unit_test(replacements),
        cmocka_unit_test(random_bytes),
        cmocka_unit_test(every_code_point),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
