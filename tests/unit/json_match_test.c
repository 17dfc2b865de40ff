/* When two JSON answers say the same, and how many of their keys do. */
#include "measure/json_match.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "test_support.h"

static smg_json_match match(const char *expected, const char *answer)
{
    smg_json_match result = {.keys = -1};
    smidge_error error = {.message = ""};
    const smidge_status status =
        smg_json_match_texts(expected, strlen(expected), answer, strlen(answer), &result, &error);
    if (status != SMIDGE_OK)
        fail_msg("%s against %s: %s", expected, answer, error.message);
    return result;
}

static void says(const char *expected, const char *answer, bool same, int32_t keys, int32_t keys_same)
{
    const smg_json_match result = match(expected, answer);
    if (result.same != same || result.keys != keys || result.keys_same != keys_same)
        fail_msg("%s against %s: %s, %d of %d keys", expected, answer, result.same ? "same" : "not the same",
                 (int)result.keys_same, (int)result.keys);
}

static void the_order_of_keys_does_not_count(void **state)
{
    (void)state;
    says("{\"a\": 1, \"b\": \"x\"}", "{\"b\":\"x\",\"a\":1}", true, 2, 2);
    says("{\"a\": {\"x\": 1, \"y\": 2}}", " { \"a\" : { \"y\" : 2 , \"x\" : 1 } } ", true, 1, 1);
    says("{}", "{}", true, 0, 0);
}

static void numbers_count_by_their_value(void **state)
{
    (void)state;
    says("{\"n\": 1}", "{\"n\": 1.0}", true, 1, 1);
    says("{\"n\": 1e0}", "{\"n\": 1}", true, 1, 1);
    says("{\"n\": -0.0}", "{\"n\": 0}", true, 1, 1);
    says("{\"n\": 100}", "{\"n\": 1e2}", true, 1, 1);
    says("{\"n\": 1}", "{\"n\": 1.0000001}", false, 1, 0);
    says("{\"n\": 1}", "{\"n\": \"1\"}", false, 1, 0);
    says("{\"n\": 0}", "{\"n\": false}", false, 1, 0);
    says("{\"n\": 1}", "{\"n\": true}", false, 1, 0);
}

static void arrays_count_by_their_order(void **state)
{
    (void)state;
    says("{\"l\": [1, 2, [3]]}", "{\"l\": [1.0, 2, [3]]}", true, 1, 1);
    says("{\"l\": [1, 2]}", "{\"l\": [2, 1]}", false, 1, 0);
    says("{\"l\": [1, 2]}", "{\"l\": [1]}", false, 1, 0);
    says("{\"l\": [1]}", "{\"l\": [1, 1]}", false, 1, 0);
    says("{\"l\": []}", "{\"l\": {}}", false, 1, 0);
    says("[1, {\"a\": null}]", "[1, {\"a\": null}]", true, 0, 0);
}

static void keys_of_either_side_count(void **state)
{
    (void)state;
    says("{\"a\": 1, \"b\": 2}", "{\"a\": 1}", false, 2, 1);
    says("{\"a\": 1}", "{\"a\": 1, \"c\": 3}", false, 2, 1);
    says("{\"a\": 1, \"b\": 2}", "{\"a\": 1, \"c\": 2}", false, 3, 1);
    says("{\"a\": 1}", "{\"A\": 1}", false, 2, 0);
    says("{\"a\": {\"x\": 1}}", "{\"a\": {\"x\": 1, \"y\": 2}}", false, 1, 0);
    says("{\"a\": null}", "{}", false, 1, 0);
}

static void texts_are_compared_whole(void **state)
{
    (void)state;
    says("{\"t\": \"\\u00e9\"}", "{\"t\": \"\xc3\xa9\"}", true, 1, 1);
    says("{\"t\": \"on\"}", "{\"t\": \"On\"}", false, 1, 0);
    says("{\"t\": \"on\"}", "{\"t\": \"on \"}", false, 1, 0);
    says("{\"t\": \"\"}", "{\"t\": null}", false, 1, 0);
    /* what is neither object nor array is no answer */
    says("[true]", "true", false, 0, 0);
    says("{\"a\": 1}", "\"a\"", false, 1, 0);
}

/* An answer that is no JSON is wrong, and no error. */
static void what_is_no_json_matches_nothing(void **state)
{
    (void)state;
    static const char *const answers[] = {"",
                                          "{",
                                          "{\"a\": 1",
                                          "{\"a\": 1}}",
                                          "{\"a\": 1} {\"a\": 1}",
                                          "{'a': 1}",
                                          "{\"a\": 1,}",
                                          "{\"a\": NaN}",
                                          "{\"a\": 1, \"a\": 1}", /* which of them counts, nobody says */
                                          "{\"a\": \"\xff\"}",
                                          "a: 1"};
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++)
        says("{\"a\": 1, \"b\": 2}", answers[i], false, 2, 0);
    smidge_error error = {.message = ""};
    smg_json_match result = {.keys = 7};
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        const smidge_status status =
            smg_json_match_texts(answers[i], strlen(answers[i]), "{}", 2, &result, &error);
        assert_int_equal(status, SMIDGE_E_FORMAT);
        assert_non_null(strstr(error.message, "what is expected is no JSON"));
        assert_int_equal(result.keys, 7);
    }
}

/* Brackets in brackets: what is too deep to be read is no JSON, however deep it is. */
static void what_is_too_deep_is_refused(void **state)
{
    (void)state;
    static const size_t depths[] = {5000, 200000};
    for (size_t i = 0; i < sizeof depths / sizeof *depths; i++) {
        char *text = malloc(2 * depths[i]);
        assert_non_null(text);
        memset(text, '[', depths[i]);
        memset(text + depths[i], ']', depths[i]);
        smg_json_match result = {.keys = 7};
        smidge_error error;
        smidge_status status = smg_json_match_texts("{\"a\": 1}", 8, text, 2 * depths[i], &result, &error);
        assert_int_equal(status, SMIDGE_OK);
        assert_false(result.same);
        assert_int_equal(result.keys, 1);
        status = smg_json_match_texts(text, 2 * depths[i], text, 2 * depths[i], &result, &error);
        assert_int_equal(status, SMIDGE_E_FORMAT);
        free(text);
    }
    says("{\"a\": [[[[[[[[1]]]]]]]]}", "{\"a\": [[[[[[[[1]]]]]]]]}", true, 1, 1);
    says("{\"a\": [[[[[[[[1]]]]]]]]}", "{\"a\": [[[[[[[[2]]]]]]]]}", false, 1, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_order_of_keys_does_not_count), cmocka_unit_test(numbers_count_by_their_value),
        cmocka_unit_test(arrays_count_by_their_order),      cmocka_unit_test(keys_of_either_side_count),
        cmocka_unit_test(texts_are_compared_whole),         cmocka_unit_test(what_is_no_json_matches_nothing),
        cmocka_unit_test(what_is_too_deep_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
