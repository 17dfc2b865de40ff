#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "data/dataset_build.h"
#include "data/nearest.h"
#include "data/template_scan.h"

#define BASELINES_MAX 64

/* ---- Tests ----------------------------------------------------------------------------------------------- */

static const struct {
    const char *sign;
    smg_comparison comparison;
} signs[] = {{"=", SMG_IS_EQUAL},       {"==", SMG_IS_EQUAL}, {"!=", SMG_IS_NOT},        {"<>", SMG_IS_NOT},
             {"<=", SMG_IS_LESS_EQUAL}, {"<", SMG_IS_LESS},   {">=", SMG_IS_MORE_EQUAL}, {">", SMG_IS_MORE}};

static bool find_sign(const char *word, size_t size, smg_comparison *ret_comparison)
{
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        if (size == strlen(signs[i].sign) && memcmp(word, signs[i].sign, size) == 0) {
            *ret_comparison = signs[i].comparison;
            return true;
        }
    }
    return false;
}

static bool is_sign(const char *word, size_t size)
{
    smg_comparison comparison;
    return find_sign(word, size, &comparison);
}

static bool is_word(const char *word, size_t size, const char *expected)
{
    return size == strlen(expected) && memcmp(word, expected, size) == 0;
}

static bool is_and(const char *word, size_t size)
{
    return is_word(word, size, "and");
}

static bool is_least(const char *word, size_t size)
{
    return is_word(word, size, "least");
}

static bool is_and_or_least(const char *word, size_t size)
{
    return is_and(word, size) || is_least(word, size);
}

static bool is_arrow(const char *word, size_t size)
{
    return is_word(word, size, "->");
}

/* The value that cells are held against, up to a word. */
static smidge_status take_value(smg_template_scan *scan, smg_scan_stops stops, smg_cell_test *test)
{
    const char *text, *at;
    size_t size;
    smg_scan_blanks(scan);
    at = scan->at;
    const bool quoted = at < scan->end && *at == '"';
    SMG_TRY(smg_scan_text(scan, stops, "the value to compare with", &text, &size));
    test->is_number = !quoted && smg_scan_number(text, size, &test->number);
    test->text = smg_scan_copy(scan, text, size);
    if (test->text == NULL)
        return smg_scan_no_memory(scan);
    if (test->comparison > SMG_IS_NOT && !test->is_number)
        return smg_scan_fault(scan, at, "only numbers are less or more (compare with = or !=)");
    return SMIDGE_OK;
}

/* COLUMN SIGN VALUE {and COLUMN SIGN VALUE} */
static smidge_status take_conditions(smg_template_scan *scan, smg_scan_stops stops,
                                     smg_conditions *ret_conditions)
{
    smg_condition list[SMG_TEMPLATE_TESTS_MAX];
    int32_t count = 0;
    do {
        if (count == SMG_TEMPLATE_TESTS_MAX)
            return smg_scan_fault(scan, scan->at, "there are too many conditions (take fewer)");
        smg_condition *condition = &list[count++];
        SMG_TRY(smg_scan_cell_column(scan, is_sign, &condition->column));
        scan->template->columns[condition->column].compare = true;
        const smg_text_view sign = smg_scan_peek(scan);
        if (!find_sign(sign.data, sign.size, &condition->test.comparison))
            return smg_scan_fault(
                scan, sign.data,
                "a comparison with blanks around it is expected behind the column: = != < <= > or >=");
        scan->at += sign.size;
        SMG_TRY(take_value(scan, stops, &condition->test));
    } while (smg_scan_take(scan, "and"));
    smg_condition *kept = smg_text_pool_take(scan->template->pool, (size_t)count * sizeof *kept);
    if (kept == NULL)
        return smg_scan_no_memory(scan);
    memcpy(kept, list, (size_t)count * sizeof *kept);
    *ret_conditions = (smg_conditions){kept, count};
    return SMIDGE_OK;
}

/* ---- Windows --------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    double seconds;
} units[] = {{"ms", 0.001}, {"s", 1}, {"min", 60}, {"h", 3600}, {"d", 86400}};

/* A whole number of rows, or a time: exactly one of them is set. */
static smidge_status take_length(smg_template_scan *scan, int32_t *ret_rows, double *ret_seconds)
{
    const smg_text_view word = smg_scan_peek(scan);
    size_t digits = 0;
    double number = 0;
    while (digits < word.size && (strchr("0123456789.", word.data[digits]) != NULL))
        digits++;
    if (!smg_scan_number(word.data, digits, &number) || !(number > 0))
        return smg_scan_fault(scan, word.data, "a number of rows, or a time such as 60s, is expected");
    scan->at += word.size;
    for (size_t i = 0; digits < word.size && i < sizeof units / sizeof *units; i++) {
        if (is_word(word.data + digits, word.size - digits, units[i].name)) {
            *ret_seconds = number * units[i].seconds;
            return SMIDGE_OK;
        }
    }
    if (digits < word.size)
        return smg_scan_fault(scan, word.data + digits, "the unit is not ms, s, min, h or d (60s, 5min)");
    if (number > SMG_WINDOW_ROWS_MAX || number != floor(number))
        return smg_scan_fault(scan, word.data, "a whole number of rows up to %d is expected",
                              SMG_WINDOW_ROWS_MAX);
    *ret_rows = (int32_t)number;
    (void)smg_scan_take(scan, "rows");
    return SMIDGE_OK;
}

/* window LENGTH [step LENGTH] [by COLUMN] [least ROWS] */
static smidge_status window_line(smg_template_scan *scan)
{
    smg_template *template = scan->template;
    const char *begin = scan->at;
    template->rows = template->step = 0;
    SMG_TRY(take_length(scan, &template->rows, &template->seconds));
    template->step = template->rows;
    template->step_seconds = template->seconds;
    if (smg_scan_take(scan, "step")) {
        template->step = 0;
        template->step_seconds = 0;
        begin = smg_scan_peek(scan).data;
        SMG_TRY(take_length(scan, &template->step, &template->step_seconds));
    }
    if ((template->rows > 0) != (template->step > 0))
        return smg_scan_fault(scan, begin, "window and step are both rows or both times");
    if (template->seconds > template->step_seconds * SMG_WINDOW_ROWS_MAX)
        return smg_scan_fault(scan, begin, "the step is too small for the window (at least a %dth of it)",
                              SMG_WINDOW_ROWS_MAX);
    if (smg_scan_take(scan, "by"))
        SMG_TRY(smg_scan_cell_column(scan, is_least, &template->time_column));
    if (smg_scan_take(scan, "least")) {
        double none = 0;
        const char *at = smg_scan_peek(scan).data;
        SMG_TRY(take_length(scan, &template->least, &none));
        if (none > 0 || template->rows > 0)
            return smg_scan_fault(scan, at,
                                  none > 0 ? "a number of rows is expected"
                                           : "a window of rows has all of them (take \"least\" out)");
    }
    return SMIDGE_OK;
}

static smidge_status group_line(smg_template_scan *scan)
{
    if (!smg_scan_take(scan, "by"))
        return smg_scan_fault(scan, scan->at, "\"by\" and a column, or \"by file\", is expected");
    smg_template_scan ahead = *scan;
    if (smg_scan_take(&ahead, "file") && smg_scan_ended(&ahead)) {
        *scan = ahead;
        scan->template->whole_files = true;
        return SMIDGE_OK;
    }
    SMG_TRY(smg_scan_cell_column(scan, NULL, &scan->template->group_column));
    scan->template->columns[scan->template->group_column].compare = true;
    return SMIDGE_OK;
}

static smidge_status time_line(smg_template_scan *scan)
{
    return smg_scan_cell_column(scan, NULL, &scan->template->time_column);
}

static smidge_status rows_line(smg_template_scan *scan)
{
    if (!smg_scan_take(scan, "where"))
        return smg_scan_fault(scan, scan->at,
                              "\"where\" and a condition is expected, as in: rows where state = on");
    return take_conditions(scan, is_and, &scan->template->rows_where);
}

/* ---- How cells are read ---------------------------------------------------------------------------------- */

static smidge_status delimiter_line(smg_template_scan *scan)
{
    static const struct {
        const char *name;
        char sign;
    } names[] = {{",", ','}, {";", ';'}, {"|", '|'}, {"tab", '\t'}, {"comma", ','}, {"semicolon", ';'}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (smg_scan_take(scan, names[i].name)) {
            scan->template->delimiter = names[i].sign;
            return SMIDGE_OK;
        }
    }
    return smg_scan_fault(scan, scan->at, "the delimiter is not , ; | or tab");
}

static smidge_status decimal_line(smg_template_scan *scan)
{
    const bool comma = smg_scan_take(scan, "comma");
    if (!comma && !smg_scan_take(scan, "point"))
        return smg_scan_fault(scan, scan->at, "\"point\" or \"comma\" is expected");
    scan->template->point = comma ? ',' : '.';
    return SMIDGE_OK;
}

static smidge_status missing_line(smg_template_scan *scan)
{
    if (smg_scan_take(scan, "skip"))
        scan->template->missing = SMG_MISSING_SKIP;
    else if (smg_scan_take(scan, "last"))
        scan->template->missing = SMG_MISSING_LAST;
    else if (!smg_scan_take(scan, "error"))
        return smg_scan_fault(scan, scan->at, "\"error\", \"skip\" or \"last\" is expected");
    return SMIDGE_OK;
}

/* ---- Baselines ------------------------------------------------------------------------------------------- */

/* A name with a number as a word of it stands in quotes. */
static bool ends_baseline(const char *word, size_t size)
{
    double number;
    return is_word(word, size, "from") || smg_scan_number(word, size, &number);
}

static smidge_status baseline_numbers(smg_template_scan *scan, smg_baseline *baseline)
{
    const smg_text_view mean = smg_scan_peek(scan);
    const bool is_mean = smg_scan_number(mean.data, mean.size, &baseline->mean);
    if (is_mean)
        scan->at += mean.size;
    if (!is_mean || (!smg_scan_take(scan, "+-") && !smg_scan_take(scan, "\xC2\xB1")))
        return smg_scan_fault(
            scan, smg_scan_peek(scan).data,
            "mean +- deviation, or \"from rows\", is expected (as in: baseline x 71.2 +- 1.9)");
    const smg_text_view deviation = smg_scan_peek(scan);
    if (!smg_scan_number(deviation.data, deviation.size, &baseline->deviation) || !(baseline->deviation > 0))
        return smg_scan_fault(scan, deviation.data, "the deviation is not a number above 0");
    scan->at += deviation.size;
    baseline->known = true;
    return SMIDGE_OK;
}

/* (rows [where CONDITIONS] | first COUNT rows) [least DEVIATION] */
static smidge_status baseline_rows(smg_template_scan *scan, smg_baseline *baseline)
{
    scan->template->columns[baseline->column].number = true;
    if (smg_scan_take(scan, "first")) {
        double none = 0;
        const char *at = smg_scan_peek(scan).data;
        SMG_TRY(take_length(scan, &baseline->first_rows, &none));
        if (none > 0 || baseline->first_rows < 2)
            return smg_scan_fault(scan, at,
                                  "a number of rows from 2 on is expected, as in: from first 400 rows");
        baseline->known = true;
    } else {
        baseline->learned = true;
        if (!smg_scan_take(scan, "rows"))
            return smg_scan_fault(
                scan, scan->at,
                "\"rows\" is expected, as in: from rows where anomaly = 0, or: from first 400 rows");
        if (smg_scan_take(scan, "where"))
            SMG_TRY(take_conditions(scan, is_and_or_least, &baseline->conditions));
    }
    if (!smg_scan_take(scan, "least"))
        return SMIDGE_OK;
    const smg_text_view least = smg_scan_peek(scan);
    if (!smg_scan_number(least.data, least.size, &baseline->least) || !(baseline->least > 0))
        return smg_scan_fault(scan, least.data, "the least deviation is not a number above 0");
    scan->at += least.size;
    return SMIDGE_OK;
}

/* baseline COLUMN (MEAN +- DEVIATION | from ROWS) */
static smidge_status baseline_line(smg_template_scan *scan)
{
    smg_template *template = scan->template;
    smg_baseline baseline = {.line = scan->number};
    if (template->baseline_count == BASELINES_MAX)
        return smg_scan_fault(scan, scan->at, "there are more than %d baselines (take fewer)", BASELINES_MAX);
    smg_scan_blanks(scan);
    const char *at = scan->at;
    SMG_TRY(smg_scan_column(scan, ends_baseline, &baseline.column));
    baseline.at = smg_scan_place(scan, at);
    for (int32_t i = 0; i < template->baseline_count; i++) {
        if (template->baselines[i].column == baseline.column)
            return smg_scan_fault(scan, at, "there is a baseline of \"%s\" already (take one out)",
                                  template->columns[baseline.column].name);
    }
    const bool rows = smg_scan_take(scan, "from");
    SMG_TRY(rows ? baseline_rows(scan, &baseline) : baseline_numbers(scan, &baseline));
    template->baselines[template->baseline_count++] = baseline;
    return SMIDGE_OK;
}

/* ---- The label ------------------------------------------------------------------------------------------- */

static const char *const label_reductions[] = {[SMG_LABEL_LAST] = "last",
                                               [SMG_LABEL_FIRST] = "first",
                                               [SMG_LABEL_ANY] = "any",
                                               [SMG_LABEL_ALL] = "all",
                                               [SMG_LABEL_MAJORITY] = "majority"};
#define LABEL_REDUCTIONS ((int)(sizeof label_reductions / sizeof *label_reductions))

static bool is_label_reduction(const char *word, size_t size)
{
    for (int i = 0; i < LABEL_REDUCTIONS; i++) {
        if (is_word(word, size, label_reductions[i]))
            return true;
    }
    return false;
}

static bool ends_case(const char *word, size_t size)
{
    return is_word(word, size, "else") || is_word(word, size, ",");
}

/* A label: in quotes, or up to "else" or a comma, which may stand at a word's end. */
static smidge_status take_label(smg_template_scan *scan, bool *ret_more, const char **ret_label)
{
    const char *text;
    size_t size;
    smg_scan_blanks(scan);
    const bool quoted = scan->at < scan->end && *scan->at == '"';
    const char *comma = quoted ? NULL : memchr(scan->at, ',', (size_t)(scan->end - scan->at)),
               *end = scan->end;
    scan->end = comma != NULL ? comma : end;
    SMG_TRY(smg_scan_text(scan, ends_case, "a label", &text, &size));
    scan->end = end;
    *ret_more = smg_scan_peek(scan).size > 0 && *scan->at == ',';
    scan->at += *ret_more;
    *ret_label = smg_scan_copy(scan, text, size);
    return *ret_label != NULL ? SMIDGE_OK : smg_scan_no_memory(scan);
}

/* How long the sign is that stands in front of a value, with or without a blank; 0: there is none. */
static size_t sign_before(smg_text_view word, smg_comparison *ret_comparison)
{
    for (size_t size = word.size < 2 ? word.size : 2; size > 0; size--) {
        if (find_sign(word.data, size, ret_comparison) && !is_arrow(word.data, word.size))
            return size;
    }
    return 0;
}

/* [SIGN] VALUE -> LABEL {, [SIGN] VALUE -> LABEL} */
static smidge_status take_label_cases(smg_template_scan *scan, smg_label_rule *rule)
{
    smg_label_case cases[SMG_TEMPLATE_TESTS_MAX];
    int32_t count = 0;
    for (bool more = true; more;) {
        if (count == SMG_TEMPLATE_TESTS_MAX)
            return smg_scan_fault(scan, scan->at, "there are too many labels (take fewer)");
        smg_label_case *each = &cases[count++];
        const smg_text_view sign = smg_scan_peek(scan);
        *each = (smg_label_case){0};
        scan->at += sign_before(sign, &each->test.comparison);
        SMG_TRY(take_value(scan, is_arrow, &each->test));
        if (!smg_scan_take(scan, "->"))
            return smg_scan_fault(scan, scan->at,
                                  "\"->\" and a label is expected behind a value, as in: 1 -> CRITICAL");
        SMG_TRY(take_label(scan, &more, &each->label));
    }
    smg_label_case *kept = smg_text_pool_take(scan->template->pool, (size_t)count * sizeof *kept);
    if (kept == NULL)
        return smg_scan_no_memory(scan);
    memcpy(kept, cases, (size_t)count * sizeof *kept);
    rule->cases = kept;
    rule->case_count = count;
    return SMIDGE_OK;
}

/* label COLUMN REDUCTION [CASES] [else LABEL] */
static smidge_status label_line(smg_template_scan *scan)
{
    smg_label_rule *rule = &scan->template->label;
    SMG_TRY(smg_scan_cell_column(scan, is_label_reduction, &rule->column));
    scan->template->columns[rule->column].compare = true;
    const char *at = smg_scan_peek(scan).data;
    int found = -1;
    for (int i = 0; i < LABEL_REDUCTIONS && found < 0; i++)
        found = smg_scan_take(scan, label_reductions[i]) ? i : -1;
    if (found < 0)
        return smg_scan_fault(scan, at, "which row's? (last, first, any, all or majority behind the column)");
    rule->reduction = (smg_label_reduction)found;
    smg_template_scan ahead = *scan;
    if (!smg_scan_ended(scan) && !smg_scan_take(&ahead, "else"))
        SMG_TRY(take_label_cases(scan, rule));
    bool more = false;
    if (smg_scan_take(scan, "else"))
        SMG_TRY(take_label(scan, &more, &rule->otherwise));
    if (rule->case_count == 0 &&
        (rule->otherwise != NULL || found == SMG_LABEL_ANY || found == SMG_LABEL_ALL))
        return smg_scan_fault(
            scan, at,
            "a value and its label are expected, as in: label anomaly any 1 -> CRITICAL else NORMAL");
    return SMIDGE_OK;
}

/* ---- The prompt ------------------------------------------------------------------------------------------ */

static smidge_status add_field(smg_template_scan *scan, const smg_field *field)
{
    if (scan->template->field_count == SMG_TEMPLATE_FIELDS_MAX)
        return smg_scan_fault(scan, scan->at, "there are too many placeholders (take fewer)");
    scan->template->fields[scan->template->field_count++] = *field;
    return SMIDGE_OK;
}

static smidge_status add_text(smg_template_scan *scan, const char *text, size_t size)
{
    if (size == 0)
        return SMIDGE_OK;
    const char *copy = smg_scan_copy(scan, text, size);
    if (copy == NULL)
        return smg_scan_no_memory(scan);
    return add_field(scan, &(smg_field){.kind = SMG_FIELD_TEXT, .text = copy, .size = size});
}

/* The brace that closes the one in front of `at`, those in quotes aside. */
static const char *find_brace(const char *at, const char *end)
{
    bool quoted = false;
    for (; at < end; at++) {
        quoted ^= *at == '"';
        if (*at == '}' && !quoted)
            return at;
    }
    return NULL;
}

/* A line of the prompt; {{ and }} are single braces. */
static smidge_status prompt_line(smg_template_scan *scan)
{
    for (const char *text = scan->at, *at = text;;) {
        if (at == scan->end)
            return add_text(scan, text, (size_t)(at - text));
        if (*at != '{' && *at != '}') {
            at++;
            continue;
        }
        const bool doubled = at + 1 < scan->end && at[1] == *at;
        if (!doubled && *at == '}')
            return smg_scan_fault(scan, at, "a brace is closed that was not opened (write }} for a brace)");
        SMG_TRY(add_text(scan, text, (size_t)(at - text) + doubled));
        if (doubled) {
            text = at += 2;
            continue;
        }
        const char *close = find_brace(at + 1, scan->end);
        if (close == NULL)
            return smg_scan_fault(
                scan, at, "the placeholder is not closed on its line (close it; write {{ for a brace)");
        smg_template_scan inner = *scan;
        smg_field field;
        inner.at = at + 1;
        inner.end = close;
        SMG_TRY(smg_scan_field(&inner, &field));
        SMG_TRY(add_field(scan, &field));
        text = at = close + 1;
    }
}

/* ---- The file -------------------------------------------------------------------------------------------- */

typedef struct statement {
    const char *name;
    smidge_status (*take)(smg_template_scan *scan);
    bool repeats;
} statement;

static const statement statements[] = {
    {"window", window_line, false},   {"group", group_line, false},         {"time", time_line, false},
    {"rows", rows_line, false},       {"delimiter", delimiter_line, false}, {"decimal", decimal_line, false},
    {"missing", missing_line, false}, {"baseline", baseline_line, true},    {"label", label_line, false},
    {"let", smg_scan_formula, true},
};
#define STATEMENTS (sizeof statements / sizeof *statements)

static smidge_status unknown_statement(smg_template_scan *scan)
{
    const smg_text_view word = smg_scan_peek(scan);
    const char *names[STATEMENTS + 1];
    char name[32];
    for (size_t i = 0; i < STATEMENTS; i++)
        names[i] = statements[i].name;
    names[STATEMENTS] = "prompt";
    snprintf(name, sizeof name, "%.*s", (int)(word.size < 31 ? word.size : 31), word.data);
    const ptrdiff_t nearest = smg_nearest_name(name, names, STATEMENTS + 1);
    if (nearest >= 0)
        return smg_scan_fault(scan, word.data, "\"%s\" is no statement (is \"%s\" meant?)", name,
                              names[nearest]);
    return smg_scan_fault(
        scan, word.data,
        "\"%s\" is no statement (there are window, group, time, rows, delimiter, decimal, missing, let, baseline, label, prompt)",
        name);
}

static smidge_status take_statement(smg_template_scan *scan, bool seen[STATEMENTS])
{
    const char *at = smg_scan_peek(scan).data;
    for (size_t i = 0; i < STATEMENTS; i++) {
        if (!smg_scan_take(scan, statements[i].name))
            continue;
        if (seen[i] && !statements[i].repeats)
            return smg_scan_fault(scan, at, "there is a line \"%s\" already (take one out)",
                                  statements[i].name);
        seen[i] = true;
        SMG_TRY(statements[i].take(scan));
        if (!smg_scan_ended(scan))
            return smg_scan_fault(scan, scan->at, "this is not expected here (take it out)");
        return SMIDGE_OK;
    }
    return unknown_statement(scan);
}

/* False at the end, and where something is wrong. */
static bool next_line(smg_template_scan *scan, smg_lines *lines, smidge_status *ret_status)
{
    size_t size;
    *ret_status = SMIDGE_OK;
    if (!smg_lines_next(lines, &scan->line, &size))
        return false;
    scan->number = (int32_t)lines->number;
    scan->at = scan->line;
    scan->end = scan->line + size;
    const size_t text = smg_dataset_text_end(scan->line, size);
    if (text < size)
        *ret_status =
            smg_scan_fault(scan, scan->line + text, "this is no text in UTF-8 (save the file as UTF-8)");
    return *ret_status == SMIDGE_OK;
}

/* From "prompt" to "end". */
static smidge_status take_prompt(smg_template_scan *scan, smg_lines *lines)
{
    const smg_template_scan begin = *scan;
    smidge_status status;
    for (bool first = true; next_line(scan, lines, &status); first = false) {
        smg_template_scan whole = *scan;
        if (smg_scan_take(&whole, "end") && smg_scan_ended(&whole)) {
            scan->at = scan->end;
            if (first)
                return smg_scan_fault(scan, scan->line,
                                      "the prompt is empty (write what the model is to read)");
            return SMIDGE_OK;
        }
        if (!first)
            SMG_TRY(add_text(scan, "\n", 1));
        SMG_TRY(prompt_line(scan));
    }
    SMG_TRY(status);
    return smg_scan_fault(&begin, begin.line, "the prompt does not end (put a line \"end\" behind it)");
}

static smidge_status check_field(const smg_template_scan *scan, const smg_field *field)
{
    const smg_template *template = scan->template;
    const char *name = template->columns[field->quantity.column].name;
    if (field->kind == SMG_FIELD_ZSCORE && smg_template_baseline(template, field->quantity.column) < 0)
        return smg_scan_fault_at(scan, field->line, field->at,
                                 "there is no baseline of \"%s\" (add a line: baseline %s from rows)", name,
                                 name);
    if (field->quantity.per > 0 && template->time_column < 0)
        return smg_scan_fault_at(scan, field->line, field->at,
                                 "which column is the time? (add a line: time COLUMN)");
    if (field->quantity.reduction == SMG_REDUCE_SLOPE && template->rows == 1)
        return smg_scan_fault_at(scan, field->line, field->at,
                                 "one row has no slope (add a line: window ROWS step ROWS)");
    return SMIDGE_OK;
}

/* What only the whole shows. */
static smidge_status check_whole(const smg_template_scan *scan)
{
    const smg_template *template = scan->template;
    for (int32_t i = 0; i < template->field_count; i++) {
        if (template->fields[i].kind != SMG_FIELD_TEXT)
            SMG_TRY(check_field(scan, &template->fields[i]));
    }
    if (template->rows == 0 && template->time_column < 0)
        return smg_scan_fault_at(scan, 1, 1, "which column is the time? (write: window ... by COLUMN)");
    return SMIDGE_OK;
}

static smidge_status take_lines(smg_template_scan *scan, smg_lines *lines)
{
    bool seen[STATEMENTS] = {false}, prompt = false;
    smidge_status status;
    while (next_line(scan, lines, &status)) {
        if (smg_scan_ended(scan) || *scan->at == '#')
            continue;
        if (!smg_scan_take(scan, "prompt")) {
            SMG_TRY(take_statement(scan, seen));
            continue;
        }
        if (prompt || !smg_scan_ended(scan))
            return smg_scan_fault(scan, scan->line,
                                  prompt ? "there is a prompt already (take one out)"
                                         : "the prompt begins on the next line");
        prompt = true;
        SMG_TRY(take_prompt(scan, lines));
    }
    SMG_TRY(status);
    if (!prompt)
        return smg_scan_fault(scan, scan->line,
                              "there is no prompt (add lines: prompt, what the model is to read, end)");
    return check_whole(scan);
}

static smidge_status prepare(smg_template *template, const char *path, smidge_error *error)
{
    *template = (smg_template){.path = path,
                               .rows = 1,
                               .step = 1,
                               .least = 1,
                               .time_column = -1,
                               .group_column = -1,
                               .label = {.column = -1}};
    template->pool = smg_text_pool_new();
    template->baselines = smg_alloc_array(BASELINES_MAX, sizeof *template->baselines);
    template->fields = smg_alloc_array(SMG_TEMPLATE_FIELDS_MAX, sizeof *template->fields);
    template->columns = smg_alloc_array(SMG_TEMPLATE_COLUMNS_MAX, sizeof *template->columns);
    const char *copy = template->pool == NULL ? NULL : smg_text_pool_copy(template->pool, path, strlen(path));
    if (copy == NULL || template->baselines == NULL || template->fields == NULL || template->columns == NULL)
        return smg_error_no_memory(error, path, SMG_TEMPLATE_FIELDS_MAX * sizeof *template->fields);
    template->path = copy;
    return SMIDGE_OK;
}

smidge_status smg_template_parse(const char *text, size_t size, const char *path, smg_template *ret,
                                 smidge_error *error)
{
    smg_lines lines;
    smidge_error unused;
    SMG_CLEANUP(smg_template_done) smg_template template = {0};
    SMG_TRY(prepare(&template, path, error));
    SMG_TRY(smg_lines_begin(&lines, text, size, path, error));
    smg_template_scan scan = {.template = &template,
                              .line = text,
                              .at = text,
                              .end = text,
                              .number = 1,
                              .error = error != NULL ? error : &unused};
    SMG_TRY(take_lines(&scan, &lines));
    *ret = template;
    template = (smg_template){0};
    return SMIDGE_OK;
}

smidge_status smg_template_read(const char *path, smg_template *ret, smidge_error *error)
{
    SMG_CLEANUP(smg_free_ptr) char *text = NULL;
    size_t size = 0;
    SMG_TRY(smg_file_read(path, SMG_TEMPLATE_BYTES_MAX, &text, &size, error));
    return smg_template_parse(text, size, path, ret, error);
}

void smg_template_done(smg_template *template)
{
    if (template == NULL)
        return;
    smg_free(template->baselines);
    smg_free(template->fields);
    smg_free(template->columns);
    smg_text_pool_free(template->pool);
    *template = (smg_template){0};
}
