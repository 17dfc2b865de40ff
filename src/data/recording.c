#include "data/recording.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "data/baselines.h"
#include "data/cell_value.h"
#include "data/csv.h"
#include "data/decimal_text.h"
#include "data/nearest.h"
#include "data/text_set.h"

typedef struct reader {
    smg_dataset_build *build;
    const smg_template *template;
    smg_csv csv;
    smg_decimal_style style;
    int32_t places[SMG_TEMPLATE_COLUMNS_MAX]; /* of the template's columns in the file */
    smg_recording *recording;
} reader;

static void close_csv(reader *in)
{
    smg_csv_close(&in->csv);
}

/* ---- Columns --------------------------------------------------------------------------------------------- */

/* "the columns are: a, b, c" */
static void list_columns(const smg_csv *csv, char *ret_text, size_t room)
{
    size_t size = 0;
    ret_text[0] = '\0';
    for (size_t i = 0; i < csv->columns; i++) {
        const size_t length = strlen(csv->names[i]);
        if (size + length + 8 > room) {
            memcpy(ret_text + size, ", ...", 6);
            return;
        }
        if (i > 0) {
            memcpy(ret_text + size, ", ", 2);
            size += 2;
        }
        memcpy(ret_text + size, csv->names[i], length + 1);
        size += length;
    }
}

static smidge_status no_column(const reader *in, const smg_template_column *column)
{
    char names[300];
    list_columns(&in->csv, names, sizeof names);
    const ptrdiff_t nearest = smg_nearest_name(column->name, in->csv.names, in->csv.columns);
    if (nearest >= 0)
        return smg_error_set(
            in->build->error, SMIDGE_E_FORMAT, in->build->path,
            "has no column \"%.60s\", which %.80s:%d:%d names (is \"%.60s\" meant? The columns are: %s)",
            column->name, in->template->path, (int)column->line, (int)column->at, in->csv.names[nearest],
            names);
    return smg_error_set(in->build->error, SMIDGE_E_FORMAT, in->build->path,
                         "has no column \"%.60s\", which %.80s:%d:%d names (the columns are: %s)",
                         column->name, in->template->path, (int)column->line, (int)column->at, names);
}

static smidge_status find_column(reader *in, int32_t number)
{
    const smg_template_column *column = &in->template->columns[number];
    in->places[number] = -1;
    for (size_t i = 0; i < in->csv.columns; i++) {
        if (strcmp(in->csv.names[i], column->name) != 0)
            continue;
        if (in->places[number] >= 0)
            return smg_error_set(in->build->error, SMIDGE_E_FORMAT, in->build->path,
                                 "has two columns \"%.60s\" (rename one)", column->name);
        in->places[number] = (int32_t)i;
    }
    return in->places[number] >= 0 ? SMIDGE_OK : no_column(in, column);
}

/* ---- Room ------------------------------------------------------------------------------------------------ */

static bool grow_array(void *array, int32_t room, size_t each)
{
    void **block = array;
    void *grown = smg_realloc_array(*block, (size_t)room, each);
    if (grown == NULL)
        return false;
    *block = grown;
    return true;
}

static smidge_status grow(reader *in)
{
    smg_recording *recording = in->recording;
    const smg_template *template = in->template;
    const int32_t room = recording->room == 0 ? 1024 : recording->room * 2;
    bool whole = grow_array(&recording->lines, room, sizeof *recording->lines);
    if (template->time_column >= 0)
        whole = whole && grow_array(&recording->times, room, sizeof *recording->times);
    for (int32_t i = 0; i < recording->column_count && whole; i++) {
        const smg_template_column *column = &template->columns[i];
        if (column->number)
            whole = grow_array(&recording->columns[i].numbers, room, sizeof(double));
        if (whole && (column->text || column->compare))
            whole = grow_array(&recording->columns[i].texts, room, sizeof(char *));
    }
    if (!whole)
        return smg_error_no_memory(in->build->error, in->build->path, (size_t)room * sizeof(double));
    recording->room = room;
    return SMIDGE_OK;
}

/* ---- Rows ------------------------------------------------------------------------------------------------ */

static smidge_status bad_cell(const reader *in, const smg_csv_cell *cell, int32_t column, const char *why)
{
    return smg_dataset_bad(in->build, cell->line, cell->column, "\"%.40s\" in \"%.60s\" %s", cell->text,
                           in->template->columns[column].name, why);
}

static bool conditions_hold(const reader *in, const smg_conditions *conditions)
{
    for (int32_t i = 0; i < conditions->count; i++) {
        const smg_condition *condition = &conditions->list[i];
        if (!smg_cell_test_holds(&condition->test, in->csv.cells[in->places[condition->column]].text))
            return false;
    }
    return true;
}

static const char *why_no_number(const reader *in, const char *cell)
{
    if (in->style.point == ',')
        return "is no number with a decimal comma (correct it; the template may say: decimal point)";
    return strchr(cell, ',') != NULL ? "is no number (correct it; the template may say: decimal comma)"
                                     : "is no number (correct it, or take it out of the recording)";
}

/* The cell of a column as what it is wanted as, behind the last row. */
static smidge_status take_cell(reader *in, int32_t number)
{
    const smg_template_column *column = &in->template->columns[number];
    const smg_csv_cell *cell = &in->csv.cells[in->places[number]];
    smg_recording_column *into = &in->recording->columns[number];
    const int32_t row = in->recording->count;
    const bool missing = smg_cell_missing(cell->text, cell->size);
    if (missing && (column->number || column->text) && in->template->missing == SMG_MISSING_BAD)
        return smg_dataset_bad(
            in->build, cell->line, cell->column,
            "there is no value of \"%.60s\" (add it; or say what to do, in the template: missing skip, or "
            "missing last)",
            column->name);
    if (column->number) {
        into->numbers[row] = NAN;
        if (!missing && !smg_cell_number(&in->style, cell->text, cell->size, &into->numbers[row]))
            return bad_cell(in, cell, number, why_no_number(in, cell->text));
    }
    if (into->texts == NULL)
        return SMIDGE_OK;
    if (missing && column->text) {
        into->texts[row] = NULL;
        return SMIDGE_OK;
    }
    /* most columns of texts change seldom */
    if (row > 0 && into->texts[row - 1] != NULL && strcmp(into->texts[row - 1], cell->text) == 0) {
        into->texts[row] = into->texts[row - 1];
        return SMIDGE_OK;
    }
    return smg_dataset_copy(in->build, cell->text, cell->size, &into->texts[row]);
}

/* The value of a column that the template makes of those before it. */
static smidge_status make_cell(const reader *in, int32_t number, int32_t row)
{
    const smg_formula *formula = &in->template->columns[number].formula;
    double sum = 0, product = 0;
    bool missing = false;
    for (int32_t i = 0; i < formula->count; i++) {
        const smg_formula_step *step = &formula->steps[i];
        const double value =
            step->column < 0 ? step->number : in->recording->columns[step->column].numbers[row];
        missing |= isnan(value);
        if (step->sign == '*') {
            product *= value;
        } else if (step->sign == '/') {
            product /= value;
        } else {
            sum += product;
            product = step->sign == '-' ? -value : value;
        }
    }
    in->recording->columns[number].numbers[row] = missing ? NAN : sum + product;
    if (missing || isfinite(sum + product))
        return SMIDGE_OK;
    return smg_dataset_bad(
        in->build, in->recording->lines[row], 1,
        "\"%.60s\" comes to no number (does it divide by 0? Correct the row, or the template's \"let\")",
        in->template->columns[number].name);
}

static smidge_status take_time(reader *in)
{
    const smg_csv_cell *cell = &in->csv.cells[in->places[in->template->time_column]];
    if (!smg_cell_time(cell->text, cell->size, &in->recording->times[in->recording->count]))
        return bad_cell(in, cell, in->template->time_column,
                        "is no time (2020-03-09 10:14:33, 09.03.2020 10:14:33, or seconds)");
    return SMIDGE_OK;
}

static smidge_status take_row(reader *in)
{
    smg_recording *recording = in->recording;
    if (recording->count == (int32_t)SMG_DATASET_ROWS_MAX)
        return smg_error_set(in->build->error, SMIDGE_E_INVALID, in->build->path,
                             "has more than %zu rows (cut it)", SMG_DATASET_ROWS_MAX);
    if (!conditions_hold(in, &in->template->rows_where)) {
        in->build->set->left_out.filtered++;
        return SMIDGE_OK;
    }
    if (recording->count == recording->room)
        SMG_TRY(grow(in));
    recording->lines[recording->count] = in->csv.cells[0].line;
    if (in->template->time_column >= 0)
        SMG_TRY(take_time(in));
    for (int32_t i = 0; i < recording->column_count; i++)
        SMG_TRY(in->template->columns[i].formula.count == 0 ? take_cell(in, i)
                                                            : make_cell(in, i, recording->count));
    recording->count++;
    return SMIDGE_OK;
}

static smidge_status take_rows(reader *in)
{
    smg_csv_fault fault;
    smidge_status status;
    while (smg_csv_next(&in->csv, &status, &fault)) {
        const size_t bad = in->build->bad;
        in->build->rows++;
        if (status == SMIDGE_OK)
            status = take_row(in);
        else if (status == SMIDGE_E_FORMAT)
            (void)smg_dataset_bad(in->build, fault.line, fault.column, "%s", fault.text);
        if (status != SMIDGE_OK && in->build->bad == bad)
            return status;
    }
    return SMIDGE_OK;
}

/* ---- Groups ---------------------------------------------------------------------------------------------- */

/* Which group each row is of, in the order in which groups appear. */
static smidge_status number_groups(const reader *in, smg_text_set *names, int32_t *ret_groups)
{
    const smg_recording *recording = in->recording;
    const int32_t column = in->template->group_column;
    for (int32_t i = 0; i < recording->count; i++) {
        const char *name = column < 0 ? in->build->path : recording->columns[column].texts[i];
        const int64_t number = smg_text_set_add(names, name != NULL ? name : "");
        if (number < 0)
            return smg_error_no_memory(in->build->error, in->build->path, (size_t)recording->count);
        ret_groups[i] = (int32_t)number;
    }
    return SMIDGE_OK;
}

static smidge_status make_groups(reader *in)
{
    smg_recording *recording = in->recording;
    SMG_CLEANUP(smg_text_set_done) smg_text_set names = {0};
    SMG_CLEANUP(smg_free_ptr) int32_t *numbers = smg_alloc_array((size_t)recording->count, sizeof *numbers);
    recording->order = smg_alloc_array((size_t)recording->count, sizeof *recording->order);
    if (numbers == NULL || recording->order == NULL)
        return smg_error_no_memory(in->build->error, in->build->path, (size_t)recording->count);
    SMG_TRY(number_groups(in, &names, numbers));
    recording->groups = smg_alloc_array(names.count, sizeof *recording->groups);
    if (recording->groups == NULL)
        return smg_error_no_memory(in->build->error, in->build->path, names.count);
    recording->group_count = (int32_t)names.count;
    for (int32_t i = 0; i < recording->count; i++)
        recording->groups[numbers[i]].end++;
    for (int32_t i = 0, begin = 0; i < recording->group_count; i++) {
        smg_recording_group *group = &recording->groups[i];
        const int32_t count = group->end;
        *group = (smg_recording_group){.name = names.entries[i].text, .begin = begin, .end = begin};
        begin += count;
    }
    for (int32_t i = 0; i < recording->count; i++)
        recording->order[recording->groups[numbers[i]].end++] = i;
    return SMIDGE_OK;
}

/* What is made of values that were missing, and are there now. */
static void make_missing(const reader *in)
{
    for (int32_t c = 0; c < in->recording->column_count; c++) {
        const double *numbers = in->recording->columns[c].numbers;
        for (int32_t row = 0; in->template->columns[c].formula.count > 0 && row < in->recording->count;
             row++) {
            if (isnan(numbers[row]))
                (void)make_cell(in, c, row);
        }
    }
}

/* Values that are missing are those of the row before, in their group. */
static void fill_missing(const reader *in)
{
    const smg_recording *recording = in->recording;
    for (int32_t g = 0; g < recording->group_count; g++) {
        for (int32_t i = recording->groups[g].begin + 1; i < recording->groups[g].end; i++) {
            const int32_t row = recording->order[i], before = recording->order[i - 1];
            for (int32_t c = 0; c < recording->column_count; c++) {
                const smg_recording_column *column = &recording->columns[c];
                if (column->numbers != NULL && isnan(column->numbers[row]) &&
                    in->template->columns[c].formula.count == 0)
                    column->numbers[row] = column->numbers[before];
                if (column->texts != NULL && column->texts[row] == NULL)
                    column->texts[row] = column->texts[before];
            }
        }
    }
}

/* Windows of time want times that go on. */
static void check_times(const reader *in)
{
    const smg_recording *recording = in->recording;
    for (int32_t g = 0; g < recording->group_count; g++) {
        for (int32_t i = recording->groups[g].begin + 1; i < recording->groups[g].end; i++) {
            const int32_t row = recording->order[i], before = recording->order[i - 1];
            if (recording->times[row] < recording->times[before])
                (void)smg_dataset_bad(in->build, recording->lines[row], 1,
                                      "the time goes back (sort the file by it, or use windows of rows)");
        }
    }
}

/* ---- Files ----------------------------------------------------------------------------------------------- */

static smidge_status open_csv(reader *in, char *text, size_t size)
{
    smg_csv_fault fault;
    const char delimiter =
        in->build->options->delimiter != 0 ? in->build->options->delimiter : in->template->delimiter;
    const smidge_status status = smg_csv_open(&in->csv, text, size, delimiter, &fault);
    if (status == SMIDGE_E_NOMEM)
        return smg_error_no_memory(in->build->error, in->build->path, size);
    if (status != SMIDGE_OK)
        return smg_dataset_bad(in->build, fault.line, fault.column, "%s", fault.text);
    in->style = (smg_decimal_style){.point = in->template->point, .may_find = in->csv.delimiter != ','};
    if (in->style.point == 0 && !in->style.may_find)
        in->style.point = '.';
    return SMIDGE_OK;
}

smidge_status smg_recording_read(smg_dataset_build *build, const smg_template *template, char *text,
                                 size_t size, smg_recording *ret)
{
    SMG_CLEANUP(smg_recording_done)
    smg_recording recording = {.path = build->path, .column_count = template->column_count};
    SMG_CLEANUP(close_csv) reader in = {.build = build, .template = template, .recording = &recording};
    const size_t bad = build->bad;
    recording.columns = smg_alloc_array((size_t) template->column_count + 1, sizeof *recording.columns);
    if (recording.columns == NULL)
        return smg_error_no_memory(build->error, build->path, sizeof *recording.columns);
    const smidge_status opened = open_csv(&in, text, size);
    if (opened != SMIDGE_OK)
        return build->bad > bad ? SMIDGE_OK : opened; /* a bad first line is a bad row */
    for (int32_t i = 0; i < template->column_count; i++)
        if (template->columns[i].formula.count == 0)
            SMG_TRY(find_column(&in, i));
    SMG_TRY(take_rows(&in));
    if (recording.count > 0)
        SMG_TRY(make_groups(&in));
    if (template->missing == SMG_MISSING_LAST)
        fill_missing(&in);
    if (template->missing == SMG_MISSING_LAST)
        make_missing(&in);
    if (template->rows == 0)
        check_times(&in);
    SMG_TRY(smg_baselines_of_groups(template, &recording, build->error));
    *ret = recording;
    recording = (smg_recording){0};
    return SMIDGE_OK;
}

void smg_recording_done(smg_recording *recording)
{
    for (int32_t i = 0; recording->columns != NULL && i < recording->column_count; i++) {
        smg_free(recording->columns[i].numbers);
        smg_free(recording->columns[i].texts);
    }
    smg_free(recording->columns);
    smg_free(recording->times);
    smg_free(recording->lines);
    smg_free(recording->order);
    smg_free(recording->groups);
    smg_free(recording->baselines);
    *recording = (smg_recording){0};
}

/* ---- Tests of cells -------------------------------------------------------------------------------------- */

static bool compare(const smg_cell_test *test, double number)
{
    switch (test->comparison) {
    case SMG_IS_EQUAL:
        return number == test->number;
    case SMG_IS_NOT:
        return number != test->number;
    case SMG_IS_LESS:
        return number < test->number;
    case SMG_IS_LESS_EQUAL:
        return number <= test->number;
    case SMG_IS_MORE:
        return number > test->number;
    case SMG_IS_MORE_EQUAL:
        return number >= test->number;
    }
    return false;
}

bool smg_cell_test_holds(const smg_cell_test *test, const char *cell)
{
    const char *text = cell != NULL ? cell : "";
    const size_t size = strlen(text);
    double number;
    if (test->is_number &&
        (smg_decimal_parse(text, size, '.', &number) || smg_decimal_parse(text, size, ',', &number)))
        return compare(test, number);
    const bool same = strcmp(text, test->text) == 0;
    return test->comparison == SMG_IS_EQUAL ? same : test->comparison == SMG_IS_NOT && !same;
}
