/* Pictures: any bytes in, well-formed text out, whole or not at all; and evaluations with no answers, or with 256 labels. */
#include "measure/eval_picture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "format/svg.h"
#include "test_support.h"

enum { MANY = 256, ANSWERS = 1000 };

static char folder[] = "/tmp/eval_picture_test.XXXXXX";
static char path[128];

/* The file's text, to be released with smg_free. */
static char *written(void)
{
    char *text = NULL;
    size_t size = 0;
    smidge_error error;
    assert_int_equal(smg_file_read(path, 64U << 20, &text, &size, &error), SMIDGE_OK);
    assert_int_equal(strlen(text), size);
    unlink(path);
    return text;
}

static void escaped_as(const char *text, const char *expected)
{
    SMG_CLEANUP(smg_text_file_discard) smg_text_file out = SMG_TEXT_FILE_CLOSED;
    smidge_error error;
    assert_int_equal(smg_text_file_create(path, &out, &error), SMIDGE_OK);
    smg_svg_escape(&out, text);
    assert_int_equal(smg_text_file_finish(&out, &error), SMIDGE_OK);
    char *found = written();
    assert_string_equal(found, expected);
    smg_free(found);
}

static void any_bytes_become_text(void **state)
{
    (void)state;
    escaped_as("a < b & c > d", "a &lt; b &amp; c &gt; d");
    escaped_as("\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80", "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80");
    escaped_as("a\tb\nc\x01", "a b c ");
    /* cut short, overlong, a surrogate, beyond the last, a lone tail */
    escaped_as("\xc3", "?");
    escaped_as("\xe2\x82", "??");
    escaped_as("\xc0\xaf\xe0\x80\xaf", "?????");
    escaped_as("\xed\xa0\x80", "???");
    escaped_as("\xf4\x90\x80\x80<", "????&lt;");
    escaped_as("\x80x", "?x");
}

static void what_is_not_finished_is_not_there(void **state)
{
    (void)state;
    smidge_error error;
    {
        SMG_CLEANUP(smg_text_file_discard) smg_text_file out = SMG_TEXT_FILE_CLOSED;
        assert_int_equal(smg_text_file_create(path, &out, &error), SMIDGE_OK);
        for (int i = 0; i < 10000; i++)
            smg_text_file_put(&out, "%d ", i);
    }
    assert_int_equal(access(path, F_OK), -1);
}

typedef struct answers {
    smg_class_report classes;
    smg_reliability reliability;
    smg_abstain_curve abstain;
} answers;

static answers judge(const smg_judged *list, size_t count, int32_t classes)
{
    answers all;
    smidge_error error;
    assert_int_equal(smg_class_report_make(list, count, classes, &all.classes, &error), SMIDGE_OK);
    assert_int_equal(smg_abstain_curve_make(list, count, 0.99, &all.abstain, &error), SMIDGE_OK);
    all.reliability = smg_reliability_of(list, count);
    return all;
}

static int count_of(const char *text, const char *part)
{
    int count = 0;
    for (const char *at = strstr(text, part); at != NULL; at = strstr(at + 1, part))
        count++;
    return count;
}

/* Nothing that is no number, and nothing behind the end. */
static char *drawn(const smg_eval_picture *picture)
{
    smidge_error error;
    assert_int_equal(smg_eval_draw(path, picture, &error), SMIDGE_OK);
    char *text = written();
    assert_null(strstr(text, "nan"));
    assert_null(strstr(text, "inf\""));
    assert_int_equal(strcmp(text + strlen(text) - 7, "</svg>\n"), 0);
    assert_int_equal(count_of(text, "<text "), count_of(text, "</text>"));
    assert_int_equal(count_of(text, "<g>"), count_of(text, "</g>"));
    return text;
}

static void as_many_labels_as_there_may_be(void **state)
{
    (void)state;
    static char names[MANY][24];
    const char *labels[MANY];
    smg_judged list[ANSWERS];
    uint64_t random = 5;
    for (int i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof names[i], "label <%d>", i);
        labels[i] = names[i];
    }
    for (int i = 0; i < ANSWERS; i++)
        list[i] = (smg_judged){.expected = (int32_t)(smg_test_random(&random) % MANY),
                               .answered = (int32_t)(smg_test_random(&random) % MANY),
                               .confidence = (double)(smg_test_random(&random) % 1000) / 999.0};
    answers all = judge(list, ANSWERS, MANY);
    const smg_eval_side side = {"model & more", &all.classes, &all.reliability, &all.abstain};
    char *text = drawn(&(smg_eval_picture){.labels = labels,
                                           .wanted_accuracy = 0.99,
                                           .sides = {side, side},
                                           .compared = true});
    for (int i = 0; i < MANY; i++) {
        char wanted[48];
        snprintf(wanted, sizeof wanted, ">label &lt;%d&gt;</text>", i);
        assert_int_equal(count_of(text, wanted), 2);
    }
    assert_int_equal(count_of(text, "model &amp; more: accuracy"), 2);
    assert_int_equal(count_of(text, "<polyline"), 3);
    smg_free(text);
    smg_class_report_done(&all.classes);
}

static void no_answer_has_a_column(void **state)
{
    (void)state;
    const char *const labels[] = {"a", "a label that is much longer than there is room \xc3\xa4"};
    smg_judged list[] = {{0, -1, 0.0}, {1, -1, 0.0}, {1, -1, 0.0}};
    answers all = judge(list, 3, 2);
    smg_eval_picture picture = {.labels = labels,
                                .wanted_accuracy = 0.99,
                                .sides = {{"m", &all.classes, &all.reliability, &all.abstain}}};
    char *text = drawn(&picture);
    assert_int_equal(count_of(text, ">no answer</text>"), 1);
    assert_int_equal(count_of(text, "at no confidence"), 1);
    assert_int_equal(count_of(text, "a label that is much</text>"), 0);
    assert_int_equal(count_of(text, "a label that is much\xe2\x80\xa6</text>"), 2);
    assert_int_equal(count_of(text, "longer than there is room \xc3\xa4, answered no answer: 2, 100.0 %"), 1);
    smg_free(text);
    smg_class_report_done(&all.classes);
    smidge_error error;
    list[0] = list[1] = list[2] = (smg_judged){.expected = 0, .answered = 0, .confidence = 1.0};
    all = judge(list, 3, 2);
    text = drawn(&picture);
    assert_int_equal(count_of(text, ">no answer</text>"), 0);
    assert_int_equal(count_of(text, "accuracy 100.00 % of 3"), 1);
    smg_free(text);
    assert_int_equal(smg_eval_draw("/nowhere/x.svg", &picture, &error), SMIDGE_E_IO);
    smg_class_report_done(&all.classes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_bytes_become_text),
        cmocka_unit_test(what_is_not_finished_is_not_there),
        cmocka_unit_test(as_many_labels_as_there_may_be),
        cmocka_unit_test(no_answer_has_a_column),
    };
    if (mkdtemp(folder) == NULL)
        return 1;
    snprintf(path, sizeof path, "%s/picture.svg", folder);
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return rmdir(folder) != 0 ? 1 : failed; /* fails when something was left behind */
}
