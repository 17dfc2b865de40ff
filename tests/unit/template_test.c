/* Templates: what is read from them, and what is said of those that are wrong, and where. */
#include "data/template.h"

#include <math.h>

#include "data_files.h"

#define PROMPT "prompt\n{t}\nend\n"

static void parse(const char *text, smg_template *ret)
{
    smidge_error error;
    if (smg_template_parse(text, strlen(text), "t", ret, &error) != SMIDGE_OK)
        fail_msg("%s\n%s: %s", text, error.where, error.message);
}

static void expect(const char *marked, const char *words)
{
    int line, column;
    char *text = data_unmark(marked, &line, &column);
    smidge_error error;
    smg_template template = {0};
    if (smg_template_parse(text, strlen(text), "some.template", &template, &error) == SMIDGE_OK)
        fail_msg("%s\n  is taken, not \"%s\"", marked, words);
    assert_null(template.fields);
    data_expect_error(&error, "some.template", line, column, words, marked);
    assert_int_equal(smg_alloc_live_blocks(), 0);
    free(text);
}

static const smg_template_column *column(const smg_template *template, int32_t number)
{
    assert_in_range(number, 0, template->column_count - 1);
    return &template->columns[number];
}

/* ---- What is read ---------------------------------------------------------------------------------------- */

static void statements(void **state)
{
    (void)state;
    smg_template t;
    parse(
        "\xEF\xBB\xBF# a comment\r\n\r\n  window 60 step 30 by date time\r\ngroup by \"unit no: 1\"\r\ndelimiter tab\n"
        "decimal comma\nmissing skip\nrows where mode = on and speed >= 5\n"
        "let power = torque * 2 / \"a - b\" - 1\n"
        "baseline t 71.2 +- 1.9\nbaseline \"tool 2 wear\" -3e1 \xC2\xB1 2\nbaseline p from rows where mode != off least 0.5\n"
        "baseline q from first 400 rows\nlabel anomaly any > 0.5 -> CRITICAL, odd -> \"a, b\" else not so bad\n" PROMPT,
        &t);
    assert_int_equal(t.rows, 60);
    assert_int_equal(t.step, 30);
    assert_string_equal(column(&t, t.time_column)->name, "date time");
    assert_string_equal(column(&t, t.group_column)->name, "unit no: 1");
    assert_int_equal(t.delimiter, '\t');
    assert_int_equal(t.point, ',');
    assert_int_equal(t.missing, SMG_MISSING_SKIP);
    assert_int_equal(t.rows_where.count, 2);
    assert_string_equal(t.rows_where.list[0].test.text, "on");
    assert_int_equal(t.rows_where.list[1].test.comparison, SMG_IS_MORE_EQUAL);
    assert_true(t.rows_where.list[1].test.number == 5);
    assert_int_equal(t.baseline_count, 4);
    assert_true(t.baselines[0].known && t.baselines[0].mean == 71.2 && t.baselines[0].deviation == 1.9);
    assert_string_equal(column(&t, t.baselines[1].column)->name, "tool 2 wear");
    assert_true(t.baselines[1].mean == -30 && t.baselines[1].deviation == 2);
    assert_true(t.baselines[2].learned && !t.baselines[2].known && t.baselines[2].least == 0.5);
    assert_int_equal(t.baselines[2].conditions.count, 1);
    assert_int_equal(t.baselines[3].first_rows, 400);
    assert_true(smg_template_learns(&t));
    assert_int_equal(t.label.reduction, SMG_LABEL_ANY);
    assert_int_equal(t.label.case_count, 2);
    assert_int_equal(t.label.cases[0].test.comparison, SMG_IS_MORE);
    assert_string_equal(t.label.cases[0].label, "CRITICAL");
    assert_string_equal(t.label.cases[1].test.text, "odd");
    assert_string_equal(t.label.cases[1].label, "a, b");
    assert_string_equal(t.label.otherwise, "not so bad");
    smg_template_done(&t);
    smg_template_done(&t);
    assert_int_equal(smg_alloc_live_blocks(), 0);
}

static void defaults(void **state)
{
    (void)state;
    smg_template t;
    parse(PROMPT, &t);
    assert_true(t.rows == 1 && t.step == 1 && t.delimiter == 0 && t.point == 0);
    assert_true(t.time_column == -1 && t.group_column == -1 && t.label.column == -1 && !t.whole_files);
    assert_int_equal(t.missing, SMG_MISSING_BAD);
    assert_false(smg_template_learns(&t));
    smg_template_done(&t);
    parse("window 90s step 1.5min by when least 20 rows\ngroup by file\n" PROMPT, &t);
    assert_true(t.rows == 0 && t.step == 0 && t.seconds == 90 && t.step_seconds == 90 && t.least == 20);
    assert_true(t.whole_files);
    smg_template_done(&t);
    parse("window 10\n" PROMPT, &t);
    assert_true(t.rows == 10 && t.step == 10);
    smg_template_done(&t);
}

static void placeholders(void **state)
{
    (void)state;
    smg_template t;
    parse(
        "time s\nwindow 5\nbaseline t 1 +- 1\nlet made = t * 2\nprompt\n"
        "a {{b}} {Type}|{last Air temp [K]:1}|{mean \"x:y\":+2}|{slope t per minute:2}|{zscore mean t:1}\n"
        "{limit t 60..80}{limit mean t < 80}{limit max Tool wear \"low end\"..high}{limit t >-5}"
        "{word slope t per hour ..-0.5:\"going down\" -0.5..0.5:as it was else rising}{made}{first t}{last}\nend\n",
        &t);
    const smg_field *f = t.fields;
    assert_int_equal(f[0].kind, SMG_FIELD_TEXT);
    assert_memory_equal(f[0].text, "a {", 3);
    assert_int_equal(f[3].kind, SMG_FIELD_CELL);
    assert_string_equal(column(&t, f[3].quantity.column)->name, "Type");
    assert_true(column(&t, f[3].quantity.column)->text && !column(&t, f[3].quantity.column)->number);
    assert_int_equal(f[5].kind, SMG_FIELD_NUMBER);
    assert_string_equal(column(&t, f[5].quantity.column)->name, "Air temp [K]");
    assert_int_equal(f[5].decimals, 1);
    assert_string_equal(column(&t, f[7].quantity.column)->name, "x:y");
    assert_true(f[7].plus && f[7].decimals == 2 && f[7].quantity.reduction == SMG_REDUCE_MEAN);
    assert_true(f[9].quantity.reduction == SMG_REDUCE_SLOPE && f[9].quantity.per == 60 && f[9].decimals == 2);
    assert_true(f[11].kind == SMG_FIELD_ZSCORE && f[11].quantity.reduction == SMG_REDUCE_MEAN);
    assert_memory_equal(f[12].text, "\n", 1);
    assert_true(f[13].kind == SMG_FIELD_LIMIT && f[13].low.number == 60 && f[13].high.number == 80);
    assert_true(isinf(f[14].low.number) && f[14].high.number == 80 &&
                f[14].quantity.reduction == SMG_REDUCE_MEAN);
    assert_string_equal(column(&t, f[15].low.column)->name, "low end");
    assert_string_equal(column(&t, f[15].high.column)->name, "high");
    assert_string_equal(column(&t, f[15].quantity.column)->name, "Tool wear");
    assert_true(f[16].low.number == -5 && isinf(f[16].high.number));
    assert_true(f[17].kind == SMG_FIELD_WORD && f[17].case_count == 2 && f[17].quantity.per == 3600);
    assert_string_equal(f[17].cases[0].word, "going down");
    assert_string_equal(f[17].cases[1].word, "as it was");
    assert_string_equal(f[17].text, "rising");
    assert_int_equal(f[18].kind, SMG_FIELD_NUMBER); /* what is made has no cell */
    assert_true(f[19].kind == SMG_FIELD_CELL && f[19].quantity.reduction == SMG_REDUCE_FIRST);
    assert_string_equal(column(&t, f[20].quantity.column)->name,
                        "last"); /* a column may be named like a function */
    smg_template_done(&t);
}

/* ---- What is refused ------------------------------------------------------------------------------------- */

static void bad_statements(void **state)
{
    (void)state;
    expect("^widnow 60\n" PROMPT, "\"widnow\" is no statement (is \"window\" meant?)");
    expect("label a last\n^zzz\n" PROMPT, "is no statement (there are");
    expect("window 60\n^window 60\n" PROMPT, "already");
    expect("window ^x\n" PROMPT, "a number of rows, or a time");
    expect("window ^0\n" PROMPT, "a number of rows, or a time");
    expect("window ^1.5\n" PROMPT, "a whole number of rows");
    expect("window 9^m\n" PROMPT, "the unit is not");
    expect("window 60s step ^30 by t\n" PROMPT, "both rows or both times");
    expect("^window 60s\n" PROMPT, "which column is the time?");
    expect("window 10 least ^5\n" PROMPT, "has all of them");
    expect("window 10 ^x\n" PROMPT, "not expected here");
    expect("window 100000s step ^1ms by t\n" PROMPT, "too small");
    expect("group ^unit\n" PROMPT, "\"by\" and a column");
    expect("group by^\n" PROMPT, "the name of a column is missing");
    expect("group by ^\"unit\n" PROMPT, "not closed");
    expect("group by ^\"\"\n" PROMPT, "nothing between the quotes");
    expect("rows ^if a = 1\n" PROMPT, "\"where\"");
    expect("rows where a^\n" PROMPT, "a comparison with blanks");
    expect("rows where a =^\n" PROMPT, "the value to compare with is missing");
    expect("rows where a < ^on\n" PROMPT, "only numbers are less");
    expect("delimiter ^:\n" PROMPT, "is not , ; | or tab");
    expect("decimal ^dot\n" PROMPT, "\"point\" or \"comma\"");
    expect("missing ^zero\n" PROMPT, "\"error\", \"skip\" or \"last\"");
    expect("baseline ^from rows\n" PROMPT, "the name of a column is missing");
    expect("baseline t 5 ^1\n" PROMPT, "mean +- deviation");
    expect("baseline t^\n" PROMPT, "mean +- deviation");
    expect("baseline t 5 +- ^0\n" PROMPT, "above 0");
    expect("baseline t 5 +- 1\nbaseline ^t from rows\n" PROMPT, "already");
    expect("baseline t from ^row\n" PROMPT, "\"rows\" is expected");
    expect("baseline t from first ^1\n" PROMPT, "from 2 on");
    expect("baseline t from rows least ^-1\n" PROMPT, "above 0");
    expect("let ^= a\n" PROMPT, "the name of the new column is missing");
    expect("let x^\n" PROMPT, "= and a formula");
    expect("let x =^\n" PROMPT, "the name of a column is missing");
    expect("let x = a *^\n" PROMPT, "the name of a column is missing");
    expect("group by x\nlet ^x = a\n" PROMPT, "used above already");
    expect("let x = a + b\ngroup by ^x\n" PROMPT, "made by a \"let\"");
}

static void bad_labels(void **state)
{
    (void)state;
    expect("label ^any 1 -> A\n" PROMPT, "the name of a column is missing");
    expect("label a^\n" PROMPT, "which row's?");
    expect("label a some 1 -> A^\n" PROMPT, "which row's?");
    expect("label a ^any\n" PROMPT, "a value and its label are expected");
    expect("label a ^last else B\n" PROMPT, "a value and its label are expected");
    expect("label a any 1^\n" PROMPT, "\"->\" and a label");
    expect("label a any 1 ->^\n" PROMPT, "a label is missing");
    expect("label a any 1 -> A,^\n" PROMPT, "the value to compare with is missing");
    expect("label a any >^x -> A\n" PROMPT, "only numbers");
}

static void bad_prompts(void **state)
{
    (void)state;
    expect("^label a last", "there is no prompt");
    expect("^prompt\nx\n", "does not end");
    expect("prompt\n^end\n", "the prompt is empty");
    expect("^prompt now\nx\nend\n", "begins on the next line");
    expect("prompt\nx\nend\n^prompt\ny\nend\n", "a prompt already");
    expect("prompt\nab ^}\nend\n", "was not opened");
    expect("prompt\nab ^{mean t\nend\n", "not closed on its line");
    expect("prompt\n{^}\nend\n", "the name of a column is missing");
    expect("prompt\n{mean t:^x}\nend\n", "decimals is expected");
    expect("prompt\n{mean t:^10}\nend\n", "not 0 to 9");
    expect("prompt\n{mean t:1 ^x}\nend\n", "decimals is expected");
    expect("prompt\n{mean t:1 ^per minute}\nend\n", "only a slope");
    expect("window 5\nprompt\n{slope t:1 per ^week}\nend\n", "\"per\" what?");
    expect("window 5\nprompt\n\xC3\xA9{^slope t:1 per hour}\nend\n", "which column is the time?");
    expect("prompt\n{^slope t:1}\nend\n", "one row has no slope");
    expect("prompt\n\n{^zscore t}\nend\nlabel a last\n", "there is no baseline of \"t\"");
    expect("prompt\n{^maen t}\nend\n", "\"maen\" is no function (is \"mean\" meant?");
    expect("prompt\n{limit t^}\nend\n", "the limits are missing");
    expect("prompt\n{limit t ^80..60}\nend\n", "above the upper one");
    expect("prompt\n{limit t <^}\nend\n", "a limit is missing");
    expect("prompt\n{word t^}\nend\n", "words are missing");
    expect("prompt\n{word t ^..x:low}\nend\n", "the ends of a range are numbers");
    expect("prompt\n{word t ^..5}\nend\n", "a range and its word");
    expect("prompt\n{word t ^5..5:low}\nend\n", "the range is empty");
    expect("prompt\n{word t ..5:^}\nend\n", "the word of the range is missing");
    expect("prompt\n{word t ..5:low 3..9:high^}\nend\n", "put them in order");
    expect("prompt\n{word t ..5:low else^}\nend\n", "the word behind \"else\" is missing");
    expect("prompt\na^\xFFz\nend\n", "UTF-8");
    expect("# ^\xC3(\n" PROMPT, "UTF-8");
}

/* Each of the fixed numbers has its own message. */
static void too_many(void **state)
{
    (void)state;
    enum { SIZE = 1 << 16 };
    static char text[SIZE];
    smidge_error error;
    smg_template template = {0};
    size_t size = (size_t)sprintf(text, "prompt\n");
    for (int i = 0; i < 257; i++)
        size += (size_t)sprintf(text + size, "{c%d}", i);
    strcpy(text + size, "\nend\n");
    assert_int_equal(smg_template_parse(text, strlen(text), "t", &template, &error), SMIDGE_E_FORMAT);
    assert_non_null(strstr(error.message, "more than 256 columns"));
    size = (size_t)sprintf(text, "prompt\n");
    for (int i = 0; i < 1025; i++)
        size += (size_t)sprintf(text + size, "{c}");
    strcpy(text + size, "\nend\n");
    assert_int_equal(smg_template_parse(text, strlen(text), "t", &template, &error), SMIDGE_E_FORMAT);
    assert_non_null(strstr(error.message, "too many placeholders"));
    size = 0;
    for (int i = 0; i < 65; i++)
        size += (size_t)sprintf(text + size, "baseline c%d 1 +- 1\n", i);
    strcpy(text + size, PROMPT);
    assert_int_equal(smg_template_parse(text, strlen(text), "t", &template, &error), SMIDGE_E_FORMAT);
    assert_non_null(strstr(error.message, "more than 64 baselines"));
    size = (size_t)sprintf(text, "label a any 1 -> A");
    for (int i = 0; i < 256; i++)
        size += (size_t)sprintf(text + size, ", 1 -> A");
    strcpy(text + size, "\n" PROMPT);
    assert_int_equal(smg_template_parse(text, strlen(text), "t", &template, &error), SMIDGE_E_FORMAT);
    assert_non_null(strstr(error.message, "too many labels"));
    assert_int_equal(smg_alloc_live_blocks(), 0);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    static const char text[] =
        "window 5 by s\nlet m = t * 2\nrows where a = 1\nlabel a any 1 -> A else B\nprompt\n"
        "x {word t ..5:low else high} {limit t a..b}\nend\n";
    smidge_error error;
    uint64_t n = 1;
    for (smidge_status status = SMIDGE_E_NOMEM; status != SMIDGE_OK; n++) {
        smg_template template = {0};
        smg_alloc_fail_at(n);
        status = smg_template_parse(text, sizeof text - 1, "t", &template, &error);
        smg_alloc_fail_at(0);
        assert_true(status == SMIDGE_OK || status == SMIDGE_E_NOMEM);
        smg_template_done(&template);
        assert_int_equal(smg_alloc_live_blocks(), 0);
    }
    assert_true(n > 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statements),   cmocka_unit_test(defaults),
        cmocka_unit_test(placeholders), cmocka_unit_test(bad_statements),
        cmocka_unit_test(bad_labels),   cmocka_unit_test(bad_prompts),
        cmocka_unit_test(too_many),     cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
