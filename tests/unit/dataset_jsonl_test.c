/* Examples in JSON Lines: what is read from the three forms, and what is said of rows that are bad. */
#include "data/dataset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "data/json_raw.h"
#include "data/nearest.h"
#include "test_support.h"

static char path[] = "/tmp/dataset_jsonl_test.XXXXXX";

static void write_bytes(const char *text, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

/* What was told of single rows. */
typedef struct told {
    smidge_error problems[SMG_DATASET_SHOWN_MAX + 1];
    size_t count;
} told;

static void tell(void *context, const smidge_error *problem)
{
    told *all = context;
    assert_true(all->count < SMG_DATASET_SHOWN_MAX);
    all->problems[all->count++] = *problem;
}

static smidge_status read_bytes(const char *text, size_t size, told *told_of, smg_dataset *ret_set,
                                smidge_error *error)
{
    const char *paths[] = {path};
    const smg_dataset_options options = {.problem = told_of != NULL ? tell : NULL, .context = told_of};
    write_bytes(text, size);
    *error = (smidge_error){0};
    *ret_set = (smg_dataset){0};
    const smidge_status status = smg_dataset_read(paths, 1, &options, ret_set, error);
    if (status != SMIDGE_OK) {
        assert_null(ret_set->examples);
        assert_true(error->message[0] != '\0');
        assert_int_equal(smg_alloc_live_blocks(), 0);
    }
    return status;
}

static void read_good(const char *text, smg_dataset *ret_set)
{
    smidge_error error;
    if (read_bytes(text, strlen(text), NULL, ret_set, &error) != SMIDGE_OK)
        fail_msg("%s: %s: %s", text, error.where, error.message);
}

/* One bad row. `marked` has a ^ where the message must point, in front of the text itself; words of the message. */
static void expect_bytes(const char *marked, size_t size, const char *words)
{
    char *text = malloc(size), where[sizeof path + 32];
    const char *mark = memchr(marked, '^', size);
    smidge_error error;
    smg_dataset set;
    int line = 1, column = 1;
    assert_non_null(text);
    assert_non_null(mark);
    for (const char *c = marked; c < mark; c++) {
        column = *c == '\n' ? 1 : column + (((unsigned char)*c & 0xC0) != 0x80);
        line += *c == '\n';
    }
    memcpy(text, marked, (size_t)(mark - marked));
    memcpy(text + (mark - marked), mark + 1, size - (size_t)(mark - marked) - 1);
    snprintf(where, sizeof where, "%s:%d:%d", path, line, column);
    const smidge_status status = read_bytes(text, size - 1, NULL, &set, &error);
    free(text);
    if (status != SMIDGE_E_FORMAT || strcmp(error.where, where) != 0 || strstr(error.message, words) == NULL)
        fail_msg("%s\n  gives %s: %s: %s\n  not %s, \"%s\"", marked, smidge_status_name(status), error.where,
                 error.message, where, words);
    if (strchr(error.message, '(') == NULL)
        fail_msg("no advice: %s", error.message);
}

static void expect(const char *marked, const char *words)
{
    expect_bytes(marked, strlen(marked), words);
}

/* ---- Good rows ------------------------------------------------------------------------------------------- */

static void labels(void **state)
{
    (void)state;
    smg_dataset set;
    read_good(
        "{\"prompt\": \"Temperature 71 C. Status:\", \"label\": \"NORMAL\", \"id\": 7, \"group\": \"pump 1\"}\n"
        "{\"label\": \"HIGH\", \"prompt\": \"Temperature 92 \\u00b0C\", \"id\": \"x\"}\n"
        "{\"prompt\": \"\", \"label\": \"NORMAL\", \"note\": 3, \"more\": []}\n"
        "{\"prompt\": \"a\", \"label\": 1.50}\n"
        "{\"prompt\": \"b\", \"label\":true , \"note\": \"\"}",
        &set);
    assert_int_equal(set.count, 5);
    assert_int_equal(set.label_count, 4);
    const char *const names[] = {"NORMAL", "HIGH", "1.50", "true"};
    for (int i = 0; i < 4; i++)
        assert_string_equal(set.labels[i], names[i]);
    const int expected[] = {0, 1, 0, 2, 3};
    for (int i = 0; i < 5; i++) {
        assert_int_equal(set.examples[i].kind, SMG_EXAMPLE_LABEL);
        assert_int_equal(set.examples[i].label, expected[i]);
        assert_string_equal(set.examples[i].answer, names[expected[i]]);
        assert_int_equal(set.examples[i].line, i + 1);
        assert_string_equal(set.examples[i].file, path);
        assert_null(set.examples[i].messages);
    }
    assert_string_equal(set.examples[0].prompt, "Temperature 71 C. Status:");
    assert_string_equal(set.examples[0].id, "7");
    assert_string_equal(set.examples[0].group, "pump 1");
    assert_string_equal(set.examples[1].prompt, "Temperature 92 \xC2\xB0"
                                                "C");
    assert_string_equal(set.examples[1].id, "x");
    assert_null(set.examples[1].group);
    assert_int_equal(set.unused_count, 2);
    assert_string_equal(set.unused[0], "note");
    assert_string_equal(set.unused[1], "more");
    smg_dataset_done(&set);
    smg_dataset_done(&set);
    assert_int_equal(smg_alloc_live_blocks(), 0);
}

static void answers(void **state)
{
    (void)state;
    smg_dataset set;
    read_good(
        "{\"prompt\": \"p\", \"json\": { \"b\" : 21.50, \"a\":[1 , -0.0 ,1e5, true, null],\t\"\\u00e9\\/\": \" x "
        "\\\"\\n\\u001f \\ud83d\\ude00\" }}\n"
        "{\"prompt\": \"p\", \"json\": \"{\\\"on\\\": true, \\\"t\\\": \\\"a\\\\\\\\b\\\"}\"}\n"
        "{\"messages\": [{\"role\": \"system\", \"content\": \"Be brief.\"}, {\"content\": \"Hi\", \"role\": "
        "\"user\"}, {\"role\": \"assistant\", \"content\": \"Hello\"}]}\n"
        "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"assistant\", \"content\": \"b\"}, "
        "{\"role\": \"user\", \"content\": \"c\"}, {\"role\": \"assistant\", \"content\": \"\"}]}\n",
        &set);
    assert_int_equal(set.count, 4);
    assert_int_equal(set.label_count, 0);
    assert_int_equal(set.examples[0].kind, SMG_EXAMPLE_JSON);
    assert_int_equal(set.examples[0].label, -1);
    assert_string_equal(
        set.examples[0].answer,
        "{\"b\":21.50,\"a\":[1,-0.0,1e5,true,null],\"\xC3\xA9/\":\" x \\\"\\n\\u001f \xF0\x9F\x98\x80\"}");
    assert_string_equal(set.examples[1].answer, "{\"on\":true,\"t\":\"a\\\\b\"}");
    const smg_example *chat = &set.examples[2];
    assert_int_equal(chat->kind, SMG_EXAMPLE_TEXT);
    assert_null(chat->prompt);
    assert_int_equal(chat->message_count, 2);
    assert_string_equal(chat->messages[0].role, "system");
    assert_string_equal(chat->messages[0].content, "Be brief.");
    assert_string_equal(chat->messages[1].role, "user");
    assert_string_equal(chat->messages[1].content, "Hi");
    assert_string_equal(chat->answer, "Hello");
    assert_int_equal(set.examples[3].message_count, 3);
    assert_string_equal(set.examples[3].answer, "");
    smg_dataset_done(&set);
}

/* Byte order mark, CRLF, blank lines and no line end at the end. */
static void ends_of_lines(void **state)
{
    (void)state;
    smg_dataset set;
    read_good(
        "\xEF\xBB\xBF{\"prompt\": \"a\", \"label\": \"x\"}\r\n\r\n{\"prompt\": \"b\", \"label\": \"y\"}\r\n \t\n\n",
        &set);
    assert_int_equal(set.count, 2);
    assert_int_equal(set.examples[1].line, 3);
    assert_string_equal(set.examples[1].prompt, "b");
    smg_dataset_done(&set);
    read_good("{\"prompt\": \"a\", \"label\": \"x\"}", &set);
    assert_int_equal(set.count, 1);
    smg_dataset_done(&set);
}

static void many_rows_and_files(void **state)
{
    (void)state;
    char *text = malloc(1 << 20);
    size_t size = 0;
    assert_non_null(text);
    for (int i = 0; i < 3000; i++)
        size += (size_t)sprintf(text + size, "{\"prompt\": \"reading %d %.*s\", \"label\": %d}\n", i, i % 60,
                                "------------------------------------------------------------", i % 256);
    write_bytes(text, size);
    const char *paths[] = {path, path};
    smg_dataset set = {0};
    smidge_error error;
    assert_int_equal(smg_dataset_read(paths, 2, NULL, &set, &error), SMIDGE_OK);
    assert_int_equal(set.count, 6000);
    assert_int_equal(set.label_count, 256);
    for (int i = 0; i < 6000; i++) {
        char prompt[128];
        const int row = i % 3000;
        snprintf(prompt, sizeof prompt, "reading %d %.*s", row, row % 60,
                 "------------------------------------------------------------");
        assert_string_equal(set.examples[i].prompt, prompt);
        assert_int_equal(set.examples[i].label, row % 256);
        assert_int_equal(set.examples[i].line, row + 1);
    }
    smg_dataset_done(&set);
    free(text);
}

/* ---- Bad rows -------------------------------------------------------------------------------------------- */

#define GOOD "{\"prompt\": \"a\", \"label\": \"x\"}\n"

static void not_json(void **state)
{
    (void)state;
    expect(GOOD "{\"prompt\": \"b\", \"label\": ^NaN}", "invalid token");
    expect("{\"prompt\": \"\xC3\xA9\xC3\xA9\", \"label\": ^Infinity}", "invalid token");
    expect(GOOD GOOD "{\"prompt\": \"b\", ^\"prompt\": \"c\"}", "\"prompt\" is there twice");
    expect("{\"prompt\": \"b\", \"json\": {\"a\": {\"b\": 1, ^\"b\": 1}}}", "is there twice");
    expect("{\"prompt\": \"b\", \"label\": ^1e999}", "too large");
    expect("{\"prompt\": ^\"a\\u0000b\", \"label\": \"x\"}", "zero byte");
    expect("{\"prompt\": \"a\", \"label\": \"x^\"", "must end on its line");
    expect("{\"prompt\": \"a\", \"label\": \"x\"} ^{}", "end of file expected");
    expect("{\"prompt\": ^\"a\tb\", \"label\": \"x\"}", "control character");
    expect("  ^[{\"prompt\": \"a\", \"label\": \"x\"}]", "jq -c '.[]'");
    expect("^prompt,label", "--template");
    expect("^'prompt'", "this is not JSON");
    expect("{\"prompt\": \"a\", \"label\": \"^\xFF\"}", "not UTF-8");
    expect("{\"prompt\": \"a^\xC3\", \"label\": \"x\"}", "not UTF-8");
    expect("{\"prompt\": \"a^\xED\xA0\x80\", \"label\": \"x\"}", "not UTF-8");
    static const char zero[] = GOOD "{\"prompt\": \"a^\0\", \"label\": \"x\"}";
    expect_bytes(zero, sizeof zero - 1, "zero byte");
    char deep[400] = "^{\"prompt\": \"a\", \"json\": ";
    memset(deep + strlen(deep), '[', 70);
    expect(deep, "nested deeper than 64");
}

static void not_an_example(void **state)
{
    (void)state;
    expect("^{}", "there is no \"prompt\"");
    expect("{\"promt\": ^\"a\", \"label\": \"x\"}", "there is no \"prompt\", but \"promt\"");
    expect(" ^{\"text\": \"a\", \"label\": \"x\"}", "there is no \"prompt\" (a row is");
    expect("{\"prompt\": \"a\", \"Label\": ^\"x\"}", "there is no \"label\", but \"Label\"");
    expect("{\"prompt\": ^5, \"label\": \"x\"}", "\"prompt\" is not a text");
    expect("{\"prompt\": ^null, \"label\": \"x\"}", "\"prompt\" is not a text");
    expect("{\"prompt\": \"a\", \"label\": ^[]}", "\"label\" is neither");
    expect("{\"prompt\": \"a\", \"label\": ^null}", "\"label\" is neither");
    expect("{\"prompt\": \"a\", \"label\": ^\"\"}", "is empty");
    expect("{\"prompt\": \"a\", \"label\": ^\" x\"}", "white space");
    expect("{\"prompt\": \"a\", \"label\": ^\"x\xC2\xA0\"}", "white space");
    expect("{\"prompt\": \"a\", \"label\": ^\"x\\ny\"}", "control character");
    expect("{\"prompt\": \"a\", \"json\": ^5}", "\"json\" is no object");
    expect("{\"prompt\": \"a\", \"json\": ^\"{'a': 1}\"}", "is not JSON: character 2");
    expect("{\"prompt\": \"a\", \"json\": ^\"on\"}", "is not JSON");
    expect("{\"prompt\": \"a\", \"json\": ^{}, \"label\": 1}", "both \"label\" and \"json\"");
    expect("{\"prompt\": ^\"a\", \"messages\": []}", "both \"messages\" and \"prompt\"");
    expect("{\"prompt\": \"a\", \"label\": 1, \"id\": ^1.5}", "\"id\" is neither");
    expect("{\"prompt\": \"a\", \"label\": 1, \"group\": ^[]}", "\"group\" is neither");
    char text[700];
    snprintf(text, sizeof text, "{\"prompt\": \"a\", \"label\": ^\"%0300d\"}", 1);
    expect(text, "longer than 256 bytes");
}

#define USER "{\"role\": \"user\", \"content\": \"u\"}"
#define ASSISTANT "{\"role\": \"assistant\", \"content\": \"a\"}"
#define SYSTEM "{\"role\": \"system\", \"content\": \"s\"}"
#define USER_HERE "{\"role\": ^\"user\", \"content\": \"u\"}"
#define ASSISTANT_HERE "{\"role\": ^\"assistant\", \"content\": \"a\"}"
#define SYSTEM_HERE "{\"role\": ^\"system\", \"content\": \"s\"}"

static void bad_chats(void **state)
{
    (void)state;
    expect("{\"messages\": ^{}}", "no array of at least two");
    expect("{\"messages\": ^[" ASSISTANT "]}", "no array of at least two");
    expect("{\"messages\": [" ASSISTANT_HERE "," USER "]}", "message 1 is the assistant's where");
    expect("{\"messages\": [" USER "," USER_HERE "]}", "message 2 is the user's where");
    expect("{\"messages\": [" USER "," ASSISTANT "," USER_HERE "]}", "message 3 is the last");
    expect("{\"messages\": [" SYSTEM "," USER_HERE "]}", "message 2 is the last");
    expect("{\"messages\": [" USER "," SYSTEM_HERE "]}", "message 2 is the system's");
    expect("{\"messages\": [" SYSTEM "," ASSISTANT_HERE "]}", "message 2 is the assistant's");
    expect("{\"messages\": [{\"role\": ^\"tool\", \"content\": \"u\"}," ASSISTANT "]}",
           "message 1 has a role");
    expect("{\"messages\": [{\"role\": ^1, \"content\": \"u\"}," ASSISTANT "]}", "no \"role\"");
    expect("{\"messages\": [{\"role\": \"user\", \"content\": ^[\"u\"]}," ASSISTANT "]}", "no \"content\"");
    expect("{\"messages\": [^{\"role\": \"user\"}," ASSISTANT "]}", "no \"content\"");
    expect("{\"messages\": [" USER ", ^5]}", "message 2 is no object");
}

/* At characters, not bytes. */
static void hints(void **state)
{
    (void)state;
    smg_dataset set;
    read_good(
        "{\"prompt\": \"\xC3\xA9 9.5 \xE2\x82\xAC\", \"label\": \"x\", \"hints\": [[0, \"a\"], [5, \"b\"], [6, \"\"]]}\n"
        "{\"hints\": [], \"prompt\": \"p\", \"json\": {}}\n",
        &set);
    assert_int_equal(set.examples[0].hint_count, 3);
    assert_int_equal(set.examples[0].hints[0].at, 0);
    assert_string_equal(set.examples[0].hints[0].text, "a");
    assert_int_equal(set.examples[0].hints[1].at, 6);
    assert_string_equal(set.examples[0].hints[1].text, "b");
    assert_int_equal(set.examples[0].hints[2].at, 7);
    assert_string_equal(set.examples[0].hints[2].text, "");
    assert_int_equal(set.examples[1].hint_count, 0);
    smg_dataset_done(&set);
    expect("{\"prompt\": \"abc\", \"label\": 1, \"hints\": ^{}}", "\"hints\" is no array");
    expect("{\"prompt\": \"abc\", \"label\": 1, \"hints\": [^1]}", "hint 1 is no pair");
    expect("{\"prompt\": \"abc\", \"label\": 1, \"hints\": [[1, \"x\"], ^[\"2\", \"y\"]]}",
           "hint 2 is no pair");
    expect("{\"prompt\": \"abc\", \"label\": 1, \"hints\": [[1, \"x\"], ^[1, \"y\"]]}",
           "hint 2 is not behind");
    expect("{\"prompt\": \"abc\", \"label\": 1, \"hints\": [^[-1, \"y\"]]}", "hint 1 is not behind");
    expect("{\"prompt\": \"abc\", \"label\": 1, \"hints\": [[2, \"x\"], ^[3, \"y\"]]}",
           "hint 2 is behind the end");
    expect("{\"prompt\": \"abc\", \"label\": 1, \"hints\": [^[9223372036854775807, \"y\"]]}",
           "hint 1 is behind");
    expect("{\"messages\": [], \"hints\": ^[]}", "both \"messages\" and \"hints\"");
}

/* All bad rows are told of, up to ten, and a file with any gives nothing. */
static void several_bad_rows(void **state)
{
    (void)state;
    char text[4096];
    size_t size = 0;
    for (int i = 0; i < 26; i++)
        size += (size_t)sprintf(text + size, i % 2 == 0 ? GOOD : "{\"prompt\": \"a\", \"label\": %d, }\n", i);
    smg_dataset set;
    smidge_error error;
    told told_of = {.count = 0};
    assert_int_equal(read_bytes(text, size, &told_of, &set, &error), SMIDGE_E_FORMAT);
    assert_int_equal(told_of.count, SMG_DATASET_SHOWN_MAX);
    for (int i = 0; i < SMG_DATASET_SHOWN_MAX; i++) {
        char where[64];
        snprintf(where, sizeof where, "%s:%d:%d", path, 2 * i + 2, i < 5 ? 29 : 30);
        assert_string_equal(told_of.problems[i].where, where);
    }
    assert_non_null(strstr(error.message, "13 of 26 rows are bad, of which these are the first 10"));
    assert_int_equal(read_bytes(text, size, NULL, &set, &error), SMIDGE_E_FORMAT);
    assert_non_null(strstr(error.where, ":2:29"));
    assert_non_null(strstr(error.message, "and 12 more bad rows"));
}

static void limits(void **state)
{
    (void)state;
    char *text = malloc(2 * SMG_DATASET_LINE_MAX);
    smidge_error error;
    smg_dataset set;
    assert_non_null(text);
    memset(text, 'x', SMG_DATASET_LINE_MAX + 2);
    text[0] = '^';
    expect_bytes(text, SMG_DATASET_LINE_MAX + 2, "longer than 1048576 bytes");
    size_t size = 0;
    for (int i = 0; i < 257; i++)
        size +=
            (size_t)sprintf(text + size, "{\"prompt\": \"a\", \"label\": %s%d.5}\n", i == 256 ? "^" : "", i);
    expect_bytes(text, size, "would be the 257th label");
    free(text);
    assert_int_equal(read_bytes("", 0, NULL, &set, &error), SMIDGE_E_INVALID);
    assert_non_null(strstr(error.message, "holds no example"));
    assert_int_equal(read_bytes("\n\n", 2, NULL, &set, &error), SMIDGE_E_INVALID);
    assert_int_equal(read_bytes("\xFF\xFE{\0", 4, NULL, &set, &error), SMIDGE_E_FORMAT);
    assert_non_null(strstr(error.message, "UTF-16"));
    const char *nowhere[] = {"/nowhere/x.jsonl"};
    assert_int_equal(smg_dataset_read(nowhere, 1, NULL, &set, &error), SMIDGE_E_IO);
    assert_int_equal(smg_dataset_read(nowhere, 0, NULL, &set, &error), SMIDGE_E_INVALID);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    static const char text[] =
        "{\"prompt\": \"a\", \"label\": \"x\", \"id\": \"i\", \"group\": 2, \"other\": 1}\n"
        "{\"prompt\": \"a\", \"json\": {\"a\": 1}}\n"
        "{\"messages\": [" USER "," ASSISTANT "]}\n";
    const char *paths[] = {path};
    smidge_error error;
    write_bytes(text, sizeof text - 1);
    uint64_t n = 1;
    for (smidge_status status = SMIDGE_E_NOMEM; status != SMIDGE_OK; n++) {
        smg_dataset set = {0};
        smg_alloc_fail_at(n);
        status = smg_dataset_read(paths, 1, NULL, &set, &error);
        smg_alloc_fail_at(0);
        assert_true(status == SMIDGE_OK || status == SMIDGE_E_NOMEM);
        smg_dataset_done(&set);
        assert_int_equal(smg_alloc_live_blocks(), 0);
    }
    assert_true(n > 6);
}

static void near_names(void **state)
{
    (void)state;
    static const char *const names[] = {"Temperature", "Pressure", "Volume Flow RateRMS", "t"};
    assert_int_equal(smg_nearest_name("temprature", names, 4), 0);
    assert_int_equal(smg_nearest_name("presure", names, 4), 1);
    assert_int_equal(smg_nearest_name("volume_flow_raterms", names, 4), 2);
    assert_int_equal(smg_nearest_name("flow", names, 4), 2);
    assert_int_equal(smg_nearest_name("Voltage", names, 4), -1);
    assert_int_equal(smg_nearest_name("", names, 4), -1);
    assert_int_equal(smg_nearest_name("x", names, 0), -1);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels),
        cmocka_unit_test(answers),
        cmocka_unit_test(ends_of_lines),
        cmocka_unit_test(many_rows_and_files),
        cmocka_unit_test(not_json),
        cmocka_unit_test(not_an_example),
        cmocka_unit_test(bad_chats),
        cmocka_unit_test(hints),
        cmocka_unit_test(several_bad_rows),
        cmocka_unit_test(limits),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(near_names),
    };
    const int file = mkstemp(path);
    if (file < 0)
        return 1;
    close(file);
    return cmocka_run_group_tests(tests, NULL, remove_file);
}
