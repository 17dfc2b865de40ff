/* Placeholders: {column}, {mean column:1}, {slope column:2 per minute}, {zscore column:1}, {limit column 60..80},
 * {word column ..60:low 60..80:normal else high}. */
#include <math.h>
#include <string.h>

#include "data/nearest.h"
#include "data/template_scan.h"

static const char *const reductions[] = {
    [SMG_REDUCE_LAST] = "last",     [SMG_REDUCE_FIRST] = "first", [SMG_REDUCE_MEAN] = "mean",
    [SMG_REDUCE_MIN] = "min",       [SMG_REDUCE_MAX] = "max",     [SMG_REDUCE_RANGE] = "range",
    [SMG_REDUCE_CHANGE] = "change", [SMG_REDUCE_STD] = "std",     [SMG_REDUCE_SLOPE] = "slope",
};
#define REDUCTIONS ((int)(sizeof reductions / sizeof *reductions))

/* Names of units that a slope can be per, and their seconds. */
static const struct {
    const char *name;
    double seconds;
} units[] = {{"row", 0}, {"second", 1}, {"minute", 60}, {"hour", 3600}, {"day", 86400}};

/* ---- Parts ----------------------------------------------------------------------------------------------- */

/* Takes a function's name, if a column follows it: a column may be named like a function. */
static bool take_function(smg_template_scan *scan, const char *name)
{
    smg_template_scan ahead = *scan;
    if (!smg_scan_take(&ahead, name) || smg_scan_ended(&ahead))
        return false;
    scan->at = ahead.at;
    return true;
}

static bool take_reduction(smg_template_scan *scan, smg_quantity *quantity)
{
    for (int i = 0; i < REDUCTIONS; i++) {
        if (take_function(scan, reductions[i])) {
            quantity->reduction = (smg_reduction)i;
            return true;
        }
    }
    return false;
}

static smidge_status take_unit(smg_template_scan *scan, smg_quantity *quantity)
{
    const smg_text_view word = smg_scan_peek(scan);
    const char *colon = memchr(word.data, ':', word.size);
    const size_t size = colon != NULL ? (size_t)(colon - word.data) : word.size;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (size == strlen(units[i].name) && memcmp(word.data, units[i].name, size) == 0) {
            quantity->per = units[i].seconds;
            scan->at += size;
            return SMIDGE_OK;
        }
    }
    return smg_scan_fault(scan, word.data, "\"per\" what? (per row, second, minute, hour or day)");
}

static bool is_per(const char *word, size_t size)
{
    return size == 3 && memcmp(word, "per", 3) == 0;
}

/* Up to the colon in front of a format; a name with one in it stands in quotes. */
static smidge_status take_plain_column(smg_template_scan *scan, smg_scan_stops stops, int32_t *ret_column)
{
    smg_scan_blanks(scan);
    if (scan->at < scan->end && *scan->at == '"')
        return smg_scan_column(scan, NULL, ret_column);
    const char *colon = memchr(scan->at, ':', (size_t)(scan->end - scan->at)), *end = scan->end;
    scan->end = colon != NULL ? colon : end;
    const smidge_status status = smg_scan_column(scan, stops, ret_column);
    scan->end = end;
    return status;
}

/* :1  :+2  :2 per minute  :per minute */
static smidge_status take_format(smg_template_scan *scan, smg_field *field)
{
    if (smg_scan_ended(scan))
        return SMIDGE_OK;
    if (*scan->at != ':')
        return smg_scan_fault(scan, scan->at,
                              "a colon and a number of decimals are expected, as in {mean x:1}");
    scan->at++;
    smg_text_view word = smg_scan_peek(scan);
    field->plus = word.size > 0 && word.data[0] == '+';
    if (field->plus || (word.size > 0 && word.data[0] >= '0' && word.data[0] <= '9')) {
        const char *digit = word.data + field->plus;
        if (word.size != (size_t)field->plus + 1 || *digit < '0' || *digit > '9')
            return smg_scan_fault(scan, word.data, "the number of decimals is not 0 to 9 (as in {mean x:1})");
        field->decimals = *digit - '0';
        scan->at += word.size;
    }
    if (smg_scan_take(scan, "per")) {
        if (field->quantity.reduction != SMG_REDUCE_SLOPE)
            return smg_scan_fault(scan, scan->at - 3,
                                  "only a slope is \"per\" something ({slope x:2 per minute})");
        SMG_TRY(take_unit(scan, &field->quantity));
    }
    word = smg_scan_peek(scan);
    if (word.size > 0)
        return smg_scan_fault(
            scan, word.data,
            "a number of decimals is expected behind the colon, as in {mean x:1} (a name with a colon in it stands in quotes)");
    return SMIDGE_OK;
}

static void want_number(smg_template_scan *scan, int32_t column)
{
    scan->template->columns[column].number = true;
}

/* ---- {limit …} ------------------------------------------------------------------------------------------- */

static bool is_bound(const char *word, size_t size)
{
    return word[0] == '<' || word[0] == '>' || word[0] == '"' || is_per(word, size) ||
           memmem(word, size, "..", 2) != NULL;
}

static smidge_status take_bound(smg_template_scan *scan, const char *text, size_t size, smg_bound *ret_bound)
{
    ret_bound->column = -1;
    if (smg_scan_number(text, size, &ret_bound->number))
        return SMIDGE_OK;
    if (size >= 2 && text[0] == '"' && text[size - 1] == '"') {
        text++;
        size -= 2;
    }
    if (size == 0)
        return smg_scan_fault(
            scan, text, "a limit is missing (as in {limit x 60..80}, {limit x <80} or {limit x low..high})");
    SMG_TRY(smg_scan_add_column(scan, text, text, size, &ret_bound->column));
    want_number(scan, ret_bound->column);
    return SMIDGE_OK;
}

static smidge_status take_limit(smg_template_scan *scan, smg_field *field)
{
    smg_scan_blanks(scan);
    const char *text = scan->at, *end = scan->end;
    while (end > text && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    const char *dots = memmem(text, (size_t)(end - text), "..", 2);
    field->low = (smg_bound){.column = -1, .number = -INFINITY};
    field->high = (smg_bound){.column = -1, .number = INFINITY};
    scan->at = scan->end;
    if (text == end)
        return smg_scan_fault(
            scan, text, "the limits are missing (as in {limit x 60..80}, {limit x <80} or {limit x >60})");
    if (*text == '<' || *text == '>') {
        const char *bound = text + 1;
        while (bound < end && *bound == ' ')
            bound++;
        return take_bound(scan, bound, (size_t)(end - bound), *text == '<' ? &field->high : &field->low);
    }
    if (dots == NULL)
        return smg_scan_fault(scan, text, "limits are expected here, as in 60..80, <80 or >60");
    SMG_TRY(take_bound(scan, text, (size_t)(dots - text), &field->low));
    SMG_TRY(take_bound(scan, dots + 2, (size_t)(end - dots - 2), &field->high));
    if (field->low.column < 0 && field->high.column < 0 && field->low.number > field->high.number)
        return smg_scan_fault(scan, text, "the lower limit is above the upper one (put the lower first)");
    return SMIDGE_OK;
}

/* ---- {word …} -------------------------------------------------------------------------------------------- */

/* Up to the next range, or "else"; blanks at the end do not count. */
static bool ends_word(const char *word, size_t size)
{
    return (size == 4 && memcmp(word, "else", 4) == 0) || is_bound(word, size);
}

/* a..b:word */
static smidge_status take_case(smg_template_scan *scan, smg_word_case *ret_case)
{
    const smg_text_view word = smg_scan_peek(scan);
    const char *dots = memmem(word.data, word.size, "..", 2);
    const char *colon = memchr(word.data, ':', word.size);
    *ret_case = (smg_word_case){.low = -INFINITY, .high = INFINITY};
    if (dots == NULL || colon == NULL || colon < dots)
        return smg_scan_fault(scan, word.data, "a range and its word are expected, as in 60..80:normal");
    if ((dots > word.data && !smg_scan_number(word.data, (size_t)(dots - word.data), &ret_case->low)) ||
        (colon > dots + 2 && !smg_scan_number(dots + 2, (size_t)(colon - dots - 2), &ret_case->high)))
        return smg_scan_fault(scan, word.data,
                              "the ends of a range are numbers (as in 60..80:normal, ..60:low)");
    if (!(ret_case->low < ret_case->high))
        return smg_scan_fault(scan, word.data, "the range is empty (its first number is the smaller one)");
    const char *text;
    size_t size;
    scan->at = colon + 1;
    SMG_TRY(smg_scan_text(scan, ends_word, "the word of the range", &text, &size));
    ret_case->word = smg_scan_copy(scan, text, size);
    return ret_case->word != NULL ? SMIDGE_OK : smg_scan_no_memory(scan);
}

static smidge_status take_words(smg_template_scan *scan, smg_field *field)
{
    smg_word_case cases[SMG_TEMPLATE_TESTS_MAX];
    int32_t count = 0;
    bool otherwise = false;
    while (!smg_scan_ended(scan) && !(otherwise = smg_scan_take(scan, "else"))) {
        if (count == SMG_TEMPLATE_TESTS_MAX)
            return smg_scan_fault(scan, scan->at, "there are more than %d words (take fewer)",
                                  SMG_TEMPLATE_TESTS_MAX);
        SMG_TRY(take_case(scan, &cases[count++]));
        if (count > 1 && cases[count - 1].low < cases[count - 2].high)
            return smg_scan_fault(scan, scan->at,
                                  "this range begins before the one in front of it ends (put them in order)");
    }
    const char *begin = scan->at;
    if (otherwise) {
        SMG_TRY(smg_scan_text(scan, NULL, "the word behind \"else\"", &field->text, &field->size));
        field->text = smg_scan_copy(scan, field->text, field->size);
    }
    if (count == 0)
        return smg_scan_fault(scan, begin,
                              "words are missing (as in {word x ..60:low 60..80:normal else high})");
    smg_word_case *kept = smg_text_pool_take(scan->template->pool, (size_t)count * sizeof *kept);
    if (kept == NULL || (field->size > 0 && field->text == NULL))
        return smg_scan_no_memory(scan);
    memcpy(kept, cases, (size_t)count * sizeof *kept);
    field->cases = kept;
    field->case_count = count;
    return SMIDGE_OK;
}

/* ---- Placeholders ---------------------------------------------------------------------------------------- */

/* [reduction] column [per unit], up to bounds. */
static smidge_status take_judged(smg_template_scan *scan, smg_field *field)
{
    (void)take_reduction(scan, &field->quantity);
    SMG_TRY(smg_scan_column(scan, is_bound, &field->quantity.column));
    if (smg_scan_take(scan, "per"))
        SMG_TRY(take_unit(scan, &field->quantity));
    want_number(scan, field->quantity.column);
    return field->kind == SMG_FIELD_LIMIT ? take_limit(scan, field) : take_words(scan, field);
}

/* A word that is no function, but nearly. */
static smidge_status check_misspelt(smg_template_scan *scan)
{
    const char *const functions[] = {"last",   "first", "mean",  "min",    "max",   "range",
                                     "change", "std",   "slope", "zscore", "limit", "word"};
    const smg_text_view word = smg_scan_peek(scan);
    char name[16];
    if (word.size < 3 || word.size >= sizeof name || word.data + word.size == scan->end ||
        !(word.data[0] >= 'a' && word.data[0] <= 'z'))
        return SMIDGE_OK;
    memcpy(name, word.data, word.size);
    name[word.size] = '\0';
    const ptrdiff_t nearest = smg_nearest_name(name, functions, sizeof functions / sizeof *functions);
    if (nearest < 0 || strlen(functions[nearest]) > word.size + 1)
        return SMIDGE_OK;
    return smg_scan_fault(scan, word.data,
                          "\"%s\" is no function (is \"%s\" meant? A column of this name stands in quotes)",
                          name, functions[nearest]);
}

smidge_status smg_scan_field(smg_template_scan *scan, smg_field *ret_field)
{
    smg_field field = {.kind = SMG_FIELD_NUMBER, .decimals = -1, .line = scan->number};
    smg_scan_blanks(scan);
    field.at = smg_scan_place(scan, scan->at);
    const bool limit = take_function(scan, "limit");
    if (limit || take_function(scan, "word")) {
        field.kind = limit ? SMG_FIELD_LIMIT : SMG_FIELD_WORD;
        SMG_TRY(take_judged(scan, &field));
    } else {
        const bool zscore = take_function(scan, "zscore");
        const bool reduced = take_reduction(scan, &field.quantity);
        if (!zscore && !reduced)
            SMG_TRY(check_misspelt(scan));
        const bool slope = field.quantity.reduction == SMG_REDUCE_SLOPE;
        SMG_TRY(take_plain_column(scan, slope ? is_per : NULL, &field.quantity.column));
        if (slope && smg_scan_take(scan, "per"))
            SMG_TRY(take_unit(scan, &field.quantity));
        SMG_TRY(take_format(scan, &field));
        if (zscore)
            field.kind = SMG_FIELD_ZSCORE;
        else if (field.quantity.reduction <= SMG_REDUCE_FIRST && field.decimals < 0 &&
                 scan->template->columns[field.quantity.column].formula.count == 0)
            field.kind = SMG_FIELD_CELL;
        if (field.kind == SMG_FIELD_CELL)
            scan->template->columns[field.quantity.column].text = true;
        else
            want_number(scan, field.quantity.column);
    }
    if (!smg_scan_ended(scan))
        return smg_scan_fault(scan, scan->at, "this is not expected here (take it out)");
    *ret_field = field;
    return SMIDGE_OK;
}
