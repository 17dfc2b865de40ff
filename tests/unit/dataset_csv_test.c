/* Examples from recordings: windows, groups, missing values, baselines, labels; and rows that are bad. */
#include "data_files.h"

#include <math.h>

#include "data/cell_value.h"
#include "data/csv.h"

#define LABEL "label y last\n"
#define PROMPT LABEL "prompt\n{t}\nend\n"

static void expect_prompts(const char *csv, const char *template, const char *joined)
{
    smg_dataset set;
    char all[4096] = "";
    data_read_good(csv, template, &set);
    for (size_t i = 0; i < set.count; i++)
        snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", i == 0 ? "" : "/",
                 set.examples[i].prompt);
    if (strcmp(all, joined) != 0)
        fail_msg("%s%s\ngives %s\nnot %s", csv, template, all, joined);
    smg_dataset_done(&set);
    assert_int_equal(smg_alloc_live_blocks(), 0);
}

/* One bad row, at the ^ of the recording. */
static void expect_bad(const char *marked, const char *template, const char *words)
{
    int line, column;
    char *csv = data_unmark(marked, &line, &column);
    smidge_error error;
    smg_dataset set;
    const smidge_status status = data_read(csv, template, (smg_dataset_options){.learn = true}, &set, &error);
    if (status != SMIDGE_E_FORMAT)
        fail_msg("%s gives %s: %s", marked, smidge_status_name(status), error.message);
    data_expect_error(&error, data_csv, line, column, words, marked);
    if (strchr(error.message, '(') == NULL)
        fail_msg("no advice: %s", error.message);
    free(csv);
}

/* The file as a whole. */
static void expect_refused(const char *csv, const char *template, const char *where, const char *words)
{
    smidge_error error;
    smg_dataset set;
    if (data_read(csv, template, (smg_dataset_options){0}, &set, &error) == SMIDGE_OK)
        fail_msg("%s is taken", csv);
    if (strncmp(error.where, where, strlen(where)) != 0 || strstr(error.message, words) == NULL)
        fail_msg("%s: %s, not %s: \"%s\"", error.where, error.message, where, words);
}

/* ---- Windows --------------------------------------------------------------------------------------------- */

#define SEVEN "t,y\n1,a\n2,a\n3,b\n4,b\n5,b\n6,a\n7,a\n"

static void windows_of_rows(void **state)
{
    (void)state;
    smg_dataset set;
    expect_prompts(SEVEN, PROMPT, "1/2/3/4/5/6/7");
    expect_prompts(SEVEN, "window 3\n" LABEL "prompt\n{first t}{last t}{min t}{max t}\nend\n", "1313/4646");
    expect_prompts(SEVEN, "window 3 step 2\n" LABEL "prompt\n{first t}\nend\n", "1/3/5");
    expect_prompts(SEVEN, "window 2 step 4\n" LABEL "prompt\n{first t}{last t}\nend\n", "12/56");
    expect_prompts(SEVEN, "window 7\n" LABEL "prompt\n{mean t}\nend\n", "4");
    data_read_good(SEVEN, "window 3\n" PROMPT, &set);
    assert_int_equal(set.left_out.ends, 1);
    assert_int_equal(set.examples[1].line, 7);
    assert_string_equal(set.examples[0].group, data_csv);
    smg_dataset_done(&set);
    data_read_good(SEVEN, PROMPT, &set);
    assert_null(set.examples[0].group);
    smg_dataset_done(&set);
    expect_refused(SEVEN, "window 8\n" PROMPT, data_csv, "gives no example");
}

static void windows_of_time(void **state)
{
    (void)state;
    static const char csv[] =
        "when,t,y\n2020-01-01 00:00:00,0,a\n2020-01-01 00:00:10,1,a\n2020-01-01 00:00:20,2,a\n"
        "2020-01-01 00:00:30,3,a\n2020-01-01T00:10:30Z,4,a\n01.01.2020 00:10:35,5,a\n";
    smg_dataset set;
    expect_prompts(csv, "window 20s by when\n" LABEL "prompt\n{first t}{last t}\nend\n", "01/23/45");
    expect_prompts(csv, "window 20s step 10s by when\n" LABEL "prompt\n{first t}{last t}\nend\n",
                   "01/12/23/33/45");
    data_read_good(csv, "window 20s step 10s by when least 2\nlabel y last\nprompt\n{first t}{last t}\nend\n",
                   &set);
    assert_int_equal(set.count, 4);
    assert_int_equal(set.left_out.few, 1);
    smg_dataset_done(&set);
    expect_bad("when,t,y\n5,1,a\n^4,2,a\n", "window 2s by when\n" PROMPT, "the time goes back");
    expect_bad("when,t,y\n^x,1,a\n5,1,a\n", "window 2s by when\n" PROMPT, "is no time");
    expect_bad("when,t,y\n5,1,a\n^5,2,a\n",
               "window 2\ntime when\n" LABEL "prompt\n{slope t per second}\nend\n",
               "a slope needs rows at two times");
}

/* Years between two rows cost no windows in between. */
static void long_gaps(void **state)
{
    (void)state;
    smg_dataset set;
    data_read_good("when,t,y\n0,0,a\n0.5,1,a\n1e10,2,a\n1.00000000005e10,3,a\n",
                   "window 1s step 10ms by when least 2\nlabel y last\nprompt\n{first t}{last t}\nend\n",
                   &set);
    assert_in_range(set.count, 50, 52);
    assert_string_equal(set.examples[0].prompt, "01");
    for (size_t i = 1; i < set.count; i++)
        assert_string_equal(set.examples[i].prompt, "23");
    assert_in_range(set.left_out.few, 50, 200);
    smg_dataset_done(&set);
}

static void groups(void **state)
{
    (void)state;
    static const char csv[] = "unit,t,y\nA,1,a\nB,10,a\nA,2,a\nB,20,a\nB,30,a\nA,3,a\n";
    smg_dataset set;
    expect_prompts(csv, "window 2 step 1\ngroup by unit\n" LABEL "prompt\n{first t}-{last t}\nend\n",
                   "1-2/2-3/10-20/20-30");
    data_read_good(csv, "group by unit\n" PROMPT, &set);
    assert_string_equal(set.examples[0].group, "A");
    assert_string_equal(set.examples[5].group, "B");
    smg_dataset_done(&set);
    /* windows end where files do, whatever the group */
    const char *const paths[] = {data_csv, data_csv2};
    const smg_dataset_options options = {.template_path = data_template};
    smidge_error error;
    data_write(data_csv, "unit,t,y\nA,1,a\n");
    data_write(data_csv2, "y,unit,t\nb,A,2\nb,A,3\n");
    data_write(data_template, "window 2\ngroup by unit\n" PROMPT);
    assert_int_equal(smg_dataset_read(paths, 2, &options, &set, &error), SMIDGE_OK);
    assert_int_equal(set.count, 1);
    assert_string_equal(set.examples[0].prompt, "3");
    assert_string_equal(set.examples[0].file, data_csv2);
    assert_int_equal(set.left_out.ends, 1);
    smg_dataset_done(&set);
}

static void rows_and_labels(void **state)
{
    (void)state;
    smg_dataset set;
    expect_prompts("t,y,on\n1,a,1.0\n2,a,0\n3,a,yes\n", "rows where on = 1\n" PROMPT, "1");
    expect_prompts("t,y,on\n1,a,1.0\n2,a,0\n3,a,yes\n", "rows where on != 1\n" PROMPT, "2/3");
    expect_prompts("t,y,on\n1,a,5\n2,a,0\n3,a,yes\n", "rows where on > 0 and t <= 1\n" PROMPT, "1");
    data_read_good("t,y\n1,0.0\n2,1.0\n3,2\n4,x\n",
                   "label y last 0 -> zero, < 2 -> one, x -> cross else more\nprompt\n{t}\nend\n", &set);
    assert_string_equal(set.examples[0].answer, "zero");
    assert_string_equal(set.examples[1].answer, "one");
    assert_string_equal(set.examples[2].answer, "more");
    assert_string_equal(set.examples[3].answer, "cross");
    assert_int_equal(set.left_out.filtered, 0);
    smg_dataset_done(&set);
    expect_bad("t,y\n1,0\n^2,1\n", "label y last 0 -> zero\nprompt\n{t}\nend\n",
               "\"1\" in \"y\" has no label (add");
    expect_bad("t,y\n1,0\n^2,\n", PROMPT, "the label \"\" is empty");
    expect_refused(SEVEN, "prompt\n{t}\nend\n", data_template, "says of no column that it is the label");
}

/* ---- Cells ----------------------------------------------------------------------------------------------- */

#define NUMBERS LABEL "prompt\n{t:2}\nend\n"

static void decimals(void **state)
{
    (void)state;
    expect_prompts("t;y\n1,5;a\n-2,25;a\n3;a\n", NUMBERS, "1.50/-2.25/3.00");
    expect_prompts("t\ty\n1,5\ta\n", NUMBERS, "1.50");
    expect_prompts("t,y\n\"1,5\",a\n", "decimal comma\n" NUMBERS, "1.50");
    expect_bad("t,y\n^\"1,5\",a\n", NUMBERS, "is no number");
    expect_bad("t;y\n1,5;a\n^2.5;a\n", NUMBERS, "is no number with a decimal comma");
    expect_bad("t;y\n1.5;a\n^2,5;a\n", NUMBERS, "is no number");
    expect_bad("t;y\n^1.234,5;a\n", NUMBERS, "is no number");
    expect_bad("t,y\n^warm,a\n", NUMBERS, "\"warm\" in \"t\" is no number");
    expect_bad("t,y\n^1e999,a\n", NUMBERS, "is no number");
    expect_bad("t,y\n1, a\n^0x10,a\n", NUMBERS, "is no number");
}

static void missing_values(void **state)
{
    (void)state;
    static const char csv[] = "t,y\n1,a\n,a\n3,a\nNaN,a\nn/a,a\n6,a\n";
    smg_dataset set;
    expect_bad("t,y\n1,a\n^,a\n", NUMBERS, "there is no value of \"t\" (add it");
    expect_bad("t,y\n1,a\n^null,a\n", PROMPT, "there is no value of \"t\"");
    expect_prompts(csv, "missing skip\n" NUMBERS, "1.00/3.00/6.00");
    expect_prompts(csv, "missing skip\n" PROMPT, "1/3/6");
    expect_prompts(csv, "missing last\n" NUMBERS, "1.00/1.00/3.00/3.00/3.00/6.00");
    expect_prompts(csv, "missing last\n" PROMPT, "1/1/3/3/3/6");
    expect_prompts(csv, "missing skip\nwindow 2 step 1\n" LABEL "prompt\n{last t:0}\nend\n", "3/6");
    expect_prompts("t,u,y\n,1,a\n2,,a\n4,5,a\n", "missing last\nlet s = t + u\n" LABEL "prompt\n{s}\nend\n",
                   "3/9");
    expect_refused(csv, "missing skip\nwindow 2 step 1\n" LABEL "prompt\n{mean t:0}\nend\n", data_csv,
                   "gives no example");
    data_read_good(csv, "missing skip\n" NUMBERS, &set);
    assert_int_equal(set.left_out.missing, 3);
    smg_dataset_done(&set);
}

static void formulas(void **state)
{
    (void)state;
    expect_prompts("a,b-c,y\n6,3,a\n1,4,a\n",
                   "let p = a * 2 / \"b-c\" - 1\nlet q = - p + 10 * 2\n" LABEL
                   "prompt\n{p} {q:1} {mean p}\nend\n",
                   "3 17.0 3/-0.5 20.5 -0.5");
    expect_bad("a,b,y\n1,1,a\n^1,0,a\n", "let p = a / b\n" LABEL "prompt\n{p}\nend\n",
               "\"p\" comes to no number");
}

static void words_and_limits(void **state)
{
    (void)state;
    static const char template[] =
        "label y last\nprompt\n{limit t low..80} {word t ..10:cold 10..20:mild}\nend\n";
    expect_prompts("t,low,y\n5,5,a\n10,20,a\n", template, "normal cold/below its limit by 50 % mild");
    expect_bad("t,low,y\n1,0,a\n^20,0,a\n", template, "no range has this value");
    expect_bad("t,low,y\n1,0,a\n^2,81,a\n", template, "the lower limit is above the upper one");
}

/* ---- Baselines ------------------------------------------------------------------------------------------- */

static void baselines(void **state)
{
    (void)state;
    static const char csv[] = "t,y\n1,ok\n3,ok\n100,bad\n5,ok\n7,ok\n";
    static const char template[] =
        "baseline t from rows where y = ok\nlabel y last\nprompt\n{zscore t:3}\nend\n";
    const uint8_t some[] = {1, 1, 1, 0, 0};
    smidge_error error;
    smg_dataset set;
    expect_prompts(csv, template, "-1.342/-0.447/42.933/0.447/1.342");
    expect_refused(csv, template, data_template, "has baselines to be learned");
    const smg_dataset_options part = {.learn = true, .learn_from = some, .learn_count = 5};
    assert_int_equal(data_read(csv, template, part, &set, &error), SMIDGE_OK);
    assert_string_equal(set.examples[4].prompt, "5.000"); /* of 1 and 3 alone */
    assert_int_equal(set.baseline_count, 1);
    assert_true(set.baselines[0].mean == 2 && set.baselines[0].deviation == 1 && set.baselines[0].learned);
    assert_int_equal(smg_dataset_save_baselines(&set, data_side, &error), SMIDGE_OK);
    smg_dataset_done(&set);
    assert_int_equal(data_read("t,y\n7,new\n", template, (smg_dataset_options){.baselines_path = data_side},
                               &set, &error),
                     SMIDGE_OK);
    assert_string_equal(set.examples[0].prompt, "5.000");
    smg_dataset_done(&set);
    static const char *const bad_files[] =
        {"{", "{}", "{\"t\": 5}", "{\"t\": {\"mean\": 1}}", "{\"t\": {\"mean\": 1, \"deviation\": 0}}", "[]"};
    for (size_t i = 0; i < sizeof bad_files / sizeof *bad_files; i++) {
        data_write(data_side, bad_files[i]);
        assert_int_equal(data_read(csv, template, (smg_dataset_options){.baselines_path = data_side}, &set,
                                   &error),
                         SMIDGE_E_FORMAT);
        assert_string_equal(error.where, data_side);
    }
    const smg_dataset_options learn = {.learn = true};
    assert_int_equal(data_read("t,y\n1,x\n2,x\n", template, learn, &set, &error), SMIDGE_E_INVALID);
    assert_non_null(strstr(error.message, "no rows to learn"));
    assert_int_equal(data_read("t,y\n1,ok\n1,ok\n", template, learn, &set, &error), SMIDGE_E_INVALID);
    assert_non_null(strstr(error.message, "is the same in all rows"));
    expect_prompts("t,y\n1,ok\n1,ok\n5,x\n",
                   "baseline t from rows where y = ok least 2\nlabel y last\nprompt\n{zscore t:0}\nend\n",
                   "0/0/2");
    expect_bad(
        "t,y\n^1,ok\n2,ok\n",
        "group by y\nbaseline t from first 3 rows\nlabel y last\nprompt\n{zscore t:0}{y}\nend\nrows where t < 2\n",
        "first rows do not vary");
}

/* ---- Files ----------------------------------------------------------------------------------------------- */

static void bad_rows(void **state)
{
    (void)state;
    expect_bad("t,y\n1,a\n^2\n", PROMPT, "the row has 1 cells, the line of names 2");
    expect_bad("t,y\n1,a\n^2,a,b\n", PROMPT, "the row has 3 cells");
    expect_bad("t,y\n1,\"a\"^b\n2,a\n", PROMPT, "text follows closing quotes");
    expect_bad("t,y\n1,^\"a\n2,a\n", PROMPT, "never closed");
    expect_bad("t,y\n1,\xC3\xA9^\xE9\n", PROMPT, "not UTF-8");
    expect_bad("t,y\n\"x\ny\",^\"\n", PROMPT, "never closed");
    expect_bad("^\xFF\xFEt", PROMPT, "UTF-16");
    expect_bad("^", PROMPT, "the file is empty");
    smidge_error error;
    smg_dataset set;
    assert_int_equal(data_read("t,y\n1\n2,\"x\"y\nz,a\n3,a\n", NUMBERS, (smg_dataset_options){0}, &set,
                               &error),
                     SMIDGE_E_FORMAT);
    assert_non_null(strstr(error.message, "and 2 more bad rows"));
}

static void columns(void **state)
{
    (void)state;
    expect_refused("Temp,y\n1,a\n", LABEL "prompt\n{temp:1}\nend\n", data_csv,
                   "has no column \"temp\", which");
    expect_refused("Temp,y\n1,a\n", LABEL "prompt\n{temp:1}\nend\n", data_csv,
                   "(is \"Temp\" meant? The columns are: Temp, y)");
    expect_refused("a,b\n1,a\n", PROMPT, data_csv, "(the columns are: a, b)");
    expect_refused("t,y,t\n1,a,2\n", PROMPT, data_csv, "two columns \"t\"");
    expect_prompts(" t , y ,,\n1,a,,\n", PROMPT, "1"); /* columns without a name do no harm */
}

static void times(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double seconds;
    } good[] = {{"1970-01-01", 0},
                {"1970-01-02 00:00", 86400},
                {"2020-03-09 10:14:33", 1583748873},
                {"2020/03/09T10:14:33.25", 1583748873.25},
                {"09.03.2020 10:14:33", 1583748873},
                {"2020-03-09 10:14:33Z", 1583748873},
                {"2020-03-09T11:14:33+01:00", 1583748873},
                {"2020-03-09T05:44:33-0430", 1583748873},
                {"1583748873", 1583748873},
                {"1583748873500", 1583748873.5},
                {"12.5", 12.5},
                {" 2000-02-29 ", 951782400}};
    static const char *const bad[] = {"",
                                      "x",
                                      "03/09/2020",
                                      "2020-13-01",
                                      "2020-02-30",
                                      "1900-02-29",
                                      "2020-3-9",
                                      "2020-03-09 24:00",
                                      "2020-03-09 10:60",
                                      "2020-03-09 10:14:33 x",
                                      "2020-03-09 10:14:33+",
                                      "2020-03-09x",
                                      "2020-03-09 10:14:33."};
    double seconds = 0;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        if (!smg_cell_time(good[i].text, strlen(good[i].text), &seconds) ||
            fabs(seconds - good[i].seconds) > 1e-6)
            fail_msg("%s is %.3f", good[i].text, seconds);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (smg_cell_time(bad[i], strlen(bad[i]), &seconds))
            fail_msg("%s is %.3f", bad[i], seconds);
    }
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    const char *const paths[] = {data_csv};
    const uint8_t all[] = {1, 1};
    const smg_dataset_options options = {.template_path = data_template,
                                         .learn = true,
                                         .learn_from = all,
                                         .learn_count = 2};
    smidge_error error;
    data_write(data_csv, "when,unit,t,y\n0,A,1,a\n1,B,2,b\n2,A,3,a\n3,B,5,b\n");
    data_write(
        data_template,
        "window 2\ntime when\ngroup by unit\nbaseline t from rows\nlet u = t + 1\nbaseline u from first 2 rows\n"
        "label y last\nprompt\n{zscore t} {zscore u} {unit}\nend\n");
    uint64_t n = 1;
    for (smidge_status status = SMIDGE_E_NOMEM; status != SMIDGE_OK; n++) {
        smg_dataset set = {0};
        smg_alloc_fail_at(n);
        status = smg_dataset_read(paths, 1, &options, &set, &error);
        smg_alloc_fail_at(0);
        if (status != SMIDGE_OK && status != SMIDGE_E_NOMEM)
            fail_msg("%s: %s", error.where, error.message);
        smg_dataset_done(&set);
        assert_int_equal(smg_alloc_live_blocks(), 0);
    }
    assert_true(n > 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_of_rows),
        cmocka_unit_test(windows_of_time),
        cmocka_unit_test(long_gaps),
        cmocka_unit_test(groups),
        cmocka_unit_test(rows_and_labels),
        cmocka_unit_test(decimals),
        cmocka_unit_test(missing_values),
        cmocka_unit_test(formulas),
        cmocka_unit_test(words_and_limits),
        cmocka_unit_test(baselines),
        cmocka_unit_test(bad_rows),
        cmocka_unit_test(columns),
        cmocka_unit_test(times),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, data_files_open, data_files_close);
}
