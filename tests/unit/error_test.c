#include "base/error.h"

#include <stdio.h>
#include <string.h>

#include "test_support.h"

static void test_an_error_says_where_and_why(void **state)
{
    (void)state;
    smidge_error error;
    memset(&error, 0x7F, sizeof error);
    smidge_status status = smg_error_set(&error, SMIDGE_E_FORMAT, "a/model.gguf", "has %d of %s", 3, "them");
    assert_int_equal(status, SMIDGE_E_FORMAT);
    assert_int_equal(error.code, SMIDGE_E_FORMAT);
    assert_string_equal(error.where, "a/model.gguf");
    assert_string_equal(error.message, "has 3 of them");
}

static void test_nobody_has_to_listen(void **state)
{
    (void)state;
    assert_int_equal(smg_error_set(NULL, SMIDGE_E_IO, "x", "%s", "y"), SMIDGE_E_IO);
    assert_int_equal(smg_error_no_memory(NULL, "x", 1), SMIDGE_E_NOMEM);
}

static void test_a_long_path_keeps_its_file_name(void **state)
{
    (void)state;
    smidge_error error;
    char path[400];
    for (size_t length = sizeof error.where - 2; length <= sizeof error.where + 2; length++) {
        memset(path, 'd', sizeof path);
        memcpy(path + length - 10, "/name.gguf", 11);
        (void)smg_error_set(&error, SMIDGE_E_IO, path, "x");
        if (length < sizeof error.where) {
            assert_string_equal(error.where, path);
        } else {
            assert_int_equal(strlen(error.where), sizeof error.where - 1);
            assert_memory_equal(error.where, "...ddd", 6);
            assert_string_equal(error.where + sizeof error.where - 11, "/name.gguf");
        }
    }
}

static void test_a_long_message_is_cut(void **state)
{
    (void)state;
    smidge_error error;
    char text[2000];
    memset(text, 'm', sizeof text);
    text[sizeof text - 1] = '\0';
    (void)smg_error_set(&error, SMIDGE_E_IO, "x", "%s", text);
    assert_int_equal(strlen(error.message), sizeof error.message - 1);
}

static void test_some_codes_name_their_section(void **state)
{
    (void)state;
    static const struct {
        smidge_status code;
        const char *section;
    } cases[] = {
        {SMIDGE_E_NOMEM, SMG_SECTION_MEMORY},      {SMIDGE_E_NO_FIT, SMG_SECTION_MEMORY},
        {SMIDGE_E_CONTEXT, SMG_SECTION_CONTEXT},   {SMIDGE_E_MODEL, SMG_SECTION_GARBLED},
        {SMIDGE_E_DEADLINE, SMG_SECTION_TIMEOUTS},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        smidge_error error;
        char expected[200];
        snprintf(expected, sizeof expected, "why (do this; see docs/troubleshooting.md, \"%s\")",
                 cases[i].section);
        (void)smg_error_set(&error, cases[i].code, "x", "%s", "why (do this)");
        assert_string_equal(error.message, expected);
        snprintf(expected, sizeof expected, "why (see docs/troubleshooting.md, \"%s\")", cases[i].section);
        (void)smg_error_set(&error, cases[i].code, "x", "why");
        assert_string_equal(error.message, expected);
        smg_error_see(&error, SMG_SECTION_FILES); /* the first one stays */
        assert_string_equal(error.message, expected);
    }
}

static void test_other_codes_are_told_their_section(void **state)
{
    (void)state;
    smidge_error error;
    (void)smg_error_set(&error, SMIDGE_E_FORMAT, "x", "why (do this)");
    assert_string_equal(error.message, "why (do this)");
    smg_error_see(&error, SMG_SECTION_FILES);
    assert_string_equal(error.message,
                        "why (do this; see docs/troubleshooting.md, \"Model files that do not open\")");
    smg_error_see(NULL, SMG_SECTION_FILES);
}

/* However long the rest, the section is whole, and no character before it is cut in two. */
static void test_a_section_is_never_cut(void **state)
{
    (void)state;
    static const char see[] = "see docs/troubleshooting.md, \"Garbled or repeated output\")";
    smidge_error error;
    char text[600];
    for (size_t length = 380; length < sizeof text - 2; length++) {
        for (size_t i = 0; i < length; i++)
            text[i] = (length - i) % 2 == 0 ? '\xC3' : '\xA4';
        text[length] = '\0';
        (void)smg_error_set(&error, SMIDGE_E_MODEL, "x", "%s (%s)", text, "do this");
        size_t size = strlen(error.message);
        assert_true(size < sizeof error.message && size > sizeof see);
        const char *at = error.message + size - (sizeof see - 1);
        assert_string_equal(at, see);
        at -= 2; /* of "; " or " (" */
        while (at > error.message && (unsigned char)at[-1] < 0x80)
            at--;
        assert_int_equal((unsigned char)at[-1], 0xA4);
    }
}

/* What a file or a sensor calls itself must not end the line or talk to the terminal. */
static void test_a_message_is_one_line_of_plain_text(void **state)
{
    (void)state;
    smidge_error error;
    (void)smg_error_set(&error, SMIDGE_E_IO, "a\nb\033[2Jc", "tensor %s", "x\r\ny\033]0;z\a\x7f t\tu Ärger");
    for (const char *at = error.message; *at != '\0'; at++)
        assert_true((unsigned char)*at >= 0x20 && *at != 0x7F);
    for (const char *at = error.where; *at != '\0'; at++)
        assert_true((unsigned char)*at >= 0x20 && *at != 0x7F);
    assert_non_null(strstr(error.message, "Ärger"));
    assert_string_equal(error.where, "a?b?[2Jc");
}

static void test_statuses_have_names_of_their_own(void **state)
{
    (void)state;
    assert_string_equal(smidge_status_name(SMIDGE_OK), "ok");
    assert_string_equal(smidge_status_name(SMIDGE_E_DEADLINE), "deadline");
    for (int i = 0; i <= 10; i++) {
        assert_string_not_equal(smidge_status_name((smidge_status)-i), "unknown");
        for (int j = 0; j < i; j++)
            assert_string_not_equal(smidge_status_name((smidge_status)-i),
                                    smidge_status_name((smidge_status)-j));
    }
    assert_string_equal(smidge_status_name((smidge_status)-11), "unknown");
    assert_string_equal(smidge_status_name((smidge_status)1), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_error_says_where_and_why),
        cmocka_unit_test(test_nobody_has_to_listen),
        cmocka_unit_test(test_a_long_path_keeps_its_file_name),
        cmocka_unit_test(test_a_long_message_is_cut),
        cmocka_unit_test(test_some_codes_name_their_section),
        cmocka_unit_test(test_other_codes_are_told_their_section),
        cmocka_unit_test(test_a_section_is_never_cut),
        cmocka_unit_test(test_a_message_is_one_line_of_plain_text),
        cmocka_unit_test(test_statuses_have_names_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
