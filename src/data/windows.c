#include "data/windows.h"

#include <math.h>
#include <string.h>

#include "data/decimal_text.h"
#include "data/limits.h"

/* ---- Windows of rows ------------------------------------------------------------------------------------- */

static void count_ends(const smg_windows *windows, int32_t rows)
{
    if (windows->left_out != NULL)
        windows->left_out->ends += (size_t)rows;
}

/* A row step that is longer than the window leaves rows out on purpose: only those behind the last window are counted. */
static bool next_of_rows(smg_windows *windows, const smg_recording_group *group, smg_window *ret_window)
{
    const smg_template *template = windows->template;
    if (!windows->begun)
        windows->at = windows->end = group->begin;
    windows->begun = true;
    if (windows->at > group->end || group->end - windows->at < template->rows) {
        count_ends(windows, group->end - windows->end);
        return false;
    }
    *ret_window = (smg_window){.rows = windows->recording->order + windows->at, .count = template->rows};
    windows->end = windows->at + template->rows;
    windows->at += template->step < group->end - windows->at ? template->step : group->end - windows->at + 1;
    return true;
}

/* ---- Windows of time ------------------------------------------------------------------------------------- */

static double time_at(const smg_windows *windows, const smg_recording_group *group, int32_t at)
{
    const smg_recording *recording = windows->recording;
    return recording->times[recording->order[at]] - recording->times[recording->order[group->begin]];
}

/* Where the group's last window may end: a row stands for the time up to the next one. */
static double end_of(const smg_windows *windows, const smg_recording_group *group)
{
    const int32_t count = group->end - group->begin;
    const double last = time_at(windows, group, group->end - 1);
    if (count == 1)
        return last;
    /* a gap makes one of these long, but hardly both */
    const double step = fmin(last / (count - 1), last - time_at(windows, group, group->end - 2));
    return (last + step) * (1 + 1e-12);
}

static int32_t first_from(const smg_windows *windows, const smg_recording_group *group, int32_t at,
                          double time)
{
    while (at < group->end && time_at(windows, group, at) < time)
        at++;
    return at;
}

static bool next_of_time(smg_windows *windows, const smg_recording_group *group, smg_window *ret_window)
{
    const smg_template *template = windows->template;
    if (!windows->begun) {
        windows->at = windows->end = group->begin;
        windows->start = 0;
    }
    windows->begun = true;
    for (const double last = end_of(windows, group); windows->start + template->seconds <= last;) {
        const double start = windows->start, end = start + template->seconds;
        windows->at = first_from(windows, group, windows->at, start);
        const int32_t behind = first_from(windows, group, windows->at, end);
        if (windows->at == group->end)
            break;
        windows->start += template->step_seconds;
        if (behind == windows->at) {
            /* a gap: on to the first window that has rows again */
            const double steps = floor((time_at(windows, group, behind) - end) / template->step_seconds);
            windows->start += fmax(steps, 0) * template->step_seconds;
            continue;
        }
        if (behind - windows->at < template->least) {
            if (windows->left_out != NULL)
                windows->left_out->few++;
            continue;
        }
        windows->end = behind;
        *ret_window =
            (smg_window){.rows = windows->recording->order + windows->at, .count = behind - windows->at};
        return true;
    }
    count_ends(windows, group->end - windows->end);
    return false;
}

bool smg_windows_next(smg_windows *windows, smg_window *ret_window)
{
    for (; windows->group < windows->recording->group_count; windows->group++) {
        const smg_recording_group *group = &windows->recording->groups[windows->group];
        if (windows->template->rows > 0 ? next_of_rows(windows, group, ret_window)
                                        : next_of_time(windows, group, ret_window)) {
            ret_window->recording = windows->recording;
            ret_window->group = windows->group;
            return true;
        }
        windows->begun = false;
    }
    return false;
}

/* ---- Numbers --------------------------------------------------------------------------------------------- */

/* What sums lose in rounding is kept beside them (A. Neumaier, 1974). */
typedef struct sum {
    double value;
    double lost;
} sum;

static void add(sum *to, double value)
{
    const double next = to->value + value;
    to->lost += fabs(to->value) >= fabs(value) ? to->value - next + value : value - next + to->value;
    to->value = next;
}

static double total(const sum *of)
{
    return of->value + of->lost;
}

static double mean_of(const smg_window *window, const double *numbers)
{
    sum all = {0};
    for (int32_t i = 0; i < window->count; i++)
        add(&all, numbers[window->rows[i]]);
    return total(&all) / window->count;
}

static double spread_of(const smg_window *window, const double *numbers)
{
    const double mean = mean_of(window, numbers);
    sum squares = {0};
    for (int32_t i = 0; i < window->count; i++)
        add(&squares, (numbers[window->rows[i]] - mean) * (numbers[window->rows[i]] - mean));
    return sqrt(total(&squares) / window->count);
}

/* Times and rows count from the window's first: what is small stays exact. */
static double place_of(const smg_window *window, int32_t i, double per)
{
    const double *times = window->recording->times;
    return per > 0 ? (times[window->rows[i]] - times[window->rows[0]]) / per : i;
}

static bool slope_of(const smg_window *window, const double *numbers, double per, double *ret_slope)
{
    const double mean = mean_of(window, numbers);
    sum places = {0}, squares = {0}, products = {0};
    for (int32_t i = 0; i < window->count; i++)
        add(&places, place_of(window, i, per));
    const double middle = total(&places) / window->count;
    for (int32_t i = 0; i < window->count; i++) {
        const double away = place_of(window, i, per) - middle;
        add(&squares, away * away);
        add(&products, away * (numbers[window->rows[i]] - mean));
    }
    if (!(total(&squares) > 0))
        return false;
    *ret_slope = total(&products) / total(&squares);
    return true;
}

static bool lacks(const smg_window *window, const double *numbers)
{
    for (int32_t i = 0; i < window->count; i++) {
        if (isnan(numbers[window->rows[i]]))
            return true;
    }
    return false;
}

bool smg_window_value(const smg_window *window, const smg_quantity *quantity, double *ret_value)
{
    const double *numbers = window->recording->columns[quantity->column].numbers;
    const double first = numbers[window->rows[0]], last = numbers[window->rows[window->count - 1]];
    double least = first, most = first;
    *ret_value = NAN;
    if (quantity->reduction == SMG_REDUCE_LAST || quantity->reduction == SMG_REDUCE_FIRST) {
        *ret_value = quantity->reduction == SMG_REDUCE_LAST ? last : first;
        return true;
    }
    if (lacks(window, numbers))
        return true;
    for (int32_t i = 1; i < window->count; i++) {
        least = fmin(least, numbers[window->rows[i]]);
        most = fmax(most, numbers[window->rows[i]]);
    }
    switch (quantity->reduction) {
    case SMG_REDUCE_MIN:
        *ret_value = least;
        break;
    case SMG_REDUCE_MAX:
        *ret_value = most;
        break;
    case SMG_REDUCE_RANGE:
        *ret_value = most - least;
        break;
    case SMG_REDUCE_CHANGE:
        *ret_value = last - first;
        break;
    case SMG_REDUCE_STD:
        *ret_value = spread_of(window, numbers);
        break;
    case SMG_REDUCE_SLOPE:
        return slope_of(window, numbers, quantity->per, ret_value);
    default:
        *ret_value = mean_of(window, numbers);
    }
    return true;
}

/* ---- Missing values -------------------------------------------------------------------------------------- */

static bool bound_lacks(const smg_window *window, const smg_bound *bound)
{
    double value = 0;
    const smg_quantity last = {.column = bound->column};
    return bound->column >= 0 && smg_window_value(window, &last, &value) && isnan(value);
}

static bool field_lacks(const smg_window *window, const smg_field *field)
{
    double value = 0;
    if (field->kind == SMG_FIELD_TEXT)
        return false;
    if (field->kind == SMG_FIELD_CELL) {
        const int32_t row =
            window->rows[field->quantity.reduction == SMG_REDUCE_FIRST ? 0 : window->count - 1];
        return window->recording->columns[field->quantity.column].texts[row] == NULL;
    }
    if (smg_window_value(window, &field->quantity, &value) && isnan(value))
        return true;
    return field->kind == SMG_FIELD_LIMIT &&
           (bound_lacks(window, &field->low) || bound_lacks(window, &field->high));
}

bool smg_window_lacks(const smg_template *template, const smg_window *window)
{
    if (template->missing == SMG_MISSING_BAD)
        return false; /* none has come this far */
    for (int32_t i = 0; i < template->field_count; i++) {
        if (field_lacks(window, &template->fields[i]))
            return true;
    }
    return false;
}

/* ---- Labels ---------------------------------------------------------------------------------------------- */

static const char *cell_of(const smg_template *template, const smg_window *window, int32_t row)
{
    const char *text = window->recording->columns[template->label.column].texts[row];
    return text != NULL ? text : "";
}

/* What one row is by itself. */
static const char *label_of_row(const smg_template *template, const smg_window *window, int32_t row)
{
    const smg_label_rule *rule = &template->label;
    const char *cell = cell_of(template, window, row);
    if (rule->case_count == 0)
        return cell;
    for (int32_t i = 0; i < rule->case_count; i++) {
        if (smg_cell_test_holds(&rule->cases[i].test, cell))
            return rule->cases[i].label;
    }
    return rule->otherwise;
}

static const char *label_of_any(const smg_template *template, const smg_window *window)
{
    const smg_label_rule *rule = &template->label;
    const bool all = rule->reduction == SMG_LABEL_ALL;
    for (int32_t i = 0; i < rule->case_count; i++) {
        int32_t holds = 0;
        for (int32_t j = 0; j < window->count; j++)
            holds += smg_cell_test_holds(&rule->cases[i].test, cell_of(template, window, window->rows[j]));
        if (all ? holds == window->count : holds > 0)
            return rule->cases[i].label;
    }
    return rule->otherwise;
}

/* M. Boyer's and J. Moore's vote would do for more than a half; here the most frequent one counts. */
static const char *label_of_most(const smg_template *template, const smg_window *window, int32_t *ret_row)
{
    enum { DIFFERENT_MAX = SMG_DATASET_LABELS_MAX };
    const char *labels[DIFFERENT_MAX] = {NULL};
    int32_t counts[DIFFERENT_MAX] = {0}, lasts[DIFFERENT_MAX] = {0}, different = 0, best = 0;
    for (int32_t j = 0; j < window->count; j++) {
        const char *label = label_of_row(template, window, window->rows[j]);
        int32_t at = 0;
        *ret_row = window->rows[j];
        while (label != NULL && at < different && strcmp(labels[at], label) != 0)
            at++;
        if (label == NULL || at == DIFFERENT_MAX)
            return NULL;
        different += at == different;
        labels[at] = label;
        counts[at]++;
        lasts[at] = j;
    }
    for (int32_t i = 1; i < different; i++) {
        if (counts[i] > counts[best] || (counts[i] == counts[best] && lasts[i] > lasts[best]))
            best = i;
    }
    return labels[best];
}

const char *smg_window_label(const smg_template *template, const smg_window *window, int32_t *ret_row)
{
    *ret_row = window->rows[window->count - 1];
    switch (template->label.reduction) {
    case SMG_LABEL_ANY:
    case SMG_LABEL_ALL:
        return label_of_any(template, window);
    case SMG_LABEL_MAJORITY:
        return label_of_most(template, window, ret_row);
    case SMG_LABEL_FIRST:
        *ret_row = window->rows[0];
        break;
    case SMG_LABEL_LAST:
        break;
    }
    return label_of_row(template, window, *ret_row);
}

/* ---- Prompts --------------------------------------------------------------------------------------------- */

static void put_number(smg_text_builder *builder, const smg_field *field, double value)
{
    char text[SMG_DECIMAL_TEXT_MAX];
    const int size = field->decimals < 0 ? smg_decimal_short(value, 6, text)
                                         : smg_decimal_text(value, field->decimals, text);
    if (field->plus && text[0] != '-')
        smg_text_put(builder, "+", 1);
    smg_text_put(builder, text, (size_t)size);
}

static double bound_of(const smg_window *window, const smg_bound *bound)
{
    double value = bound->number;
    const smg_quantity last = {.column = bound->column};
    if (bound->column >= 0)
        (void)smg_window_value(window, &last, &value);
    return value;
}

static bool put_limit(const smg_window *window, smg_text_builder *builder, const smg_field *field,
                      double value, const char **ret_why)
{
    char text[SMG_LIMIT_TEXT_MAX];
    const double low = bound_of(window, &field->low), high = bound_of(window, &field->high);
    *ret_why = "the lower limit is above the upper one";
    if (low > high)
        return false;
    smg_text_put(builder, text, (size_t)smg_limit_text(value, low, high, text));
    return true;
}

static bool put_word(smg_text_builder *builder, const smg_field *field, double value, const char **ret_why)
{
    const char *word = field->text;
    for (int32_t i = 0; i < field->case_count; i++) {
        if (value >= field->cases[i].low && value < field->cases[i].high)
            word = field->cases[i].word;
    }
    *ret_why = "no range has this value, and there is no \"else\"";
    if (word == NULL)
        return false;
    smg_text_put(builder, word, strlen(word));
    return true;
}

static bool put_zscore(const smg_template *template, const smg_window *window, smg_text_builder *builder,
                       const smg_field *field, double value, const char **ret_why)
{
    const int32_t number = smg_template_baseline(template, field->quantity.column);
    const smg_baseline *baseline = &template->baselines[number];
    double mean = baseline->mean, deviation = baseline->deviation;
    if (baseline->first_rows > 0) {
        const smg_recording_baseline *own =
            &window->recording
                 ->baselines[(size_t)window->group * (size_t) template->baseline_count + (size_t)number];
        mean = own->mean;
        deviation = own->deviation;
    }
    *ret_why = "the group's first rows do not vary (in the template: from first N rows least DEVIATION)";
    if (!(deviation > 0))
        return false;
    put_number(builder, field, (value - mean) / deviation);
    return true;
}

static bool put_field(const smg_template *template, const smg_window *window, smg_text_builder *builder,
                      const smg_field *field, const char **ret_why)
{
    double value = 0;
    if (field->kind == SMG_FIELD_TEXT) {
        smg_text_put(builder, field->text, field->size);
        return true;
    }
    if (field->kind == SMG_FIELD_CELL) {
        const int32_t row =
            window->rows[field->quantity.reduction == SMG_REDUCE_FIRST ? 0 : window->count - 1];
        const char *text = window->recording->columns[field->quantity.column].texts[row];
        smg_text_put(builder, text, strlen(text));
        return true;
    }
    *ret_why = "a slope needs rows at two times (in the template: window ... least 2)";
    if (!smg_window_value(window, &field->quantity, &value))
        return false;
    *ret_why = "the value is too large for arithmetic";
    if (!isfinite(value))
        return false;
    switch (field->kind) {
    case SMG_FIELD_ZSCORE:
        return put_zscore(template, window, builder, field, value, ret_why);
    case SMG_FIELD_LIMIT:
        return put_limit(window, builder, field, value, ret_why);
    case SMG_FIELD_WORD:
        return put_word(builder, field, value, ret_why);
    default:
        put_number(builder, field, value);
        return true;
    }
}

bool smg_window_prompt(const smg_template *template, const smg_window *window, smg_text_builder *builder,
                       const smg_field **ret_field, const char **ret_why)
{
    for (int32_t i = 0; i < template->field_count; i++) {
        *ret_field = &template->fields[i];
        if (!put_field(template, window, builder, *ret_field, ret_why))
            return false;
    }
    return true;
}
