#include "data/template_scan.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "data/dataset_build.h"
#include "data/decimal_text.h"

int32_t smg_scan_place(const smg_template_scan *scan, const char *at)
{
    return (int32_t)smg_dataset_column(scan->line, (size_t)(at - scan->line));
}

static void fault(const smg_template_scan *scan, int32_t line, int32_t column, const char *format,
                  va_list arguments) __attribute__((format(printf, 4, 0)));

static void fault(const smg_template_scan *scan, int32_t line, int32_t column, const char *format,
                  va_list arguments)
{
    char where[sizeof scan->error->where], message[sizeof scan->error->message];
    const char *path = scan->template->path;
    const size_t length = strlen(path), most = sizeof where - 32;
    snprintf(where, sizeof where, "%s:%" PRId32 ":%" PRId32, length > most ? path + (length - most) : path,
             line, column);
    const int size = vsnprintf(message, sizeof message, format, arguments);
    const bool advised = size > 0 && (size_t)size < sizeof message && message[size - 1] == ')';
    smg_error_fill(scan->error, SMIDGE_E_FORMAT, where, "%s%s", message,
                   advised ? "" : " (docs/data.md describes templates)");
}

void smg_scan_fill_fault_at(const smg_template_scan *scan, int32_t line, int32_t column, const char *format,
                            ...)
{
    va_list arguments;
    va_start(arguments, format);
    fault(scan, line, column, format, arguments);
    va_end(arguments);
}

void smg_scan_fill_fault(const smg_template_scan *scan, const char *at, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fault(scan, scan->number, smg_scan_place(scan, at), format, arguments);
    va_end(arguments);
}

smidge_status smg_scan_no_memory(const smg_template_scan *scan)
{
    return smg_error_no_memory(scan->error, scan->template->path, 0);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

void smg_scan_blanks(smg_template_scan *scan)
{
    while (scan->at < scan->end && is_blank(*scan->at))
        scan->at++;
}

bool smg_scan_ended(smg_template_scan *scan)
{
    smg_scan_blanks(scan);
    return scan->at == scan->end;
}

smg_text_view smg_scan_peek(smg_template_scan *scan)
{
    smg_scan_blanks(scan);
    size_t size = 0;
    while (scan->at + size < scan->end && !is_blank(scan->at[size]))
        size++;
    return (smg_text_view){scan->at, size};
}

bool smg_scan_take(smg_template_scan *scan, const char *word)
{
    const smg_text_view next = smg_scan_peek(scan);
    if (next.size != strlen(word) || memcmp(next.data, word, next.size) != 0)
        return false;
    scan->at += next.size;
    return true;
}

const char *smg_scan_copy(const smg_template_scan *scan, const char *text, size_t size)
{
    return smg_text_pool_copy(scan->template->pool, text, size);
}

bool smg_scan_number(const char *text, size_t size, double *ret_value)
{
    return smg_decimal_parse(text, size, '.', ret_value);
}

smidge_status smg_scan_text(smg_template_scan *scan, smg_scan_stops stops, const char *what,
                            const char **ret_text, size_t *ret_size)
{
    smg_scan_blanks(scan);
    const char *begin = scan->at, *last = begin;
    if (begin < scan->end && *begin == '"') {
        const char *close = memchr(begin + 1, '"', (size_t)(scan->end - begin - 1));
        if (close == NULL || close == begin + 1)
            return smg_scan_fault(scan, begin,
                                  close == NULL ? "the quotes are not closed (close them)"
                                                : "there is nothing between the quotes (name it)");
        scan->at = close + 1;
        *ret_text = begin + 1;
        *ret_size = (size_t)(close - begin) - 1;
        return SMIDGE_OK;
    }
    while (!smg_scan_ended(scan)) {
        const smg_text_view word = smg_scan_peek(scan);
        if (stops != NULL && stops(word.data, word.size))
            break;
        scan->at = last = word.data + word.size;
    }
    if (last == begin)
        return smg_scan_fault(scan, begin, "%s is missing (name it)", what);
    *ret_text = begin;
    *ret_size = (size_t)(last - begin);
    return SMIDGE_OK;
}

smidge_status smg_scan_add_column(smg_template_scan *scan, const char *at, const char *name, size_t size,
                                  int32_t *ret_column)
{
    smg_template *template = scan->template;
    for (int32_t i = 0; i < template->column_count; i++) {
        if (strlen(template->columns[i].name) == size && memcmp(template->columns[i].name, name, size) == 0) {
            *ret_column = i;
            return SMIDGE_OK;
        }
    }
    if (template->column_count == SMG_TEMPLATE_COLUMNS_MAX)
        return smg_scan_fault(scan, at, "more than %d columns are named (name fewer)",
                              SMG_TEMPLATE_COLUMNS_MAX);
    const char *copy = smg_scan_copy(scan, name, size);
    if (copy == NULL)
        return smg_scan_no_memory(scan);
    *ret_column = template->column_count++;
    template->columns[*ret_column] =
        (smg_template_column){.name = copy, .line = scan->number, .at = smg_scan_place(scan, at)};
    return SMIDGE_OK;
}

smidge_status smg_scan_cell_column(smg_template_scan *scan, smg_scan_stops stops, int32_t *ret_column)
{
    smg_scan_blanks(scan);
    const char *at = scan->at;
    SMG_TRY(smg_scan_column(scan, stops, ret_column));
    const smg_template_column *column = &scan->template->columns[*ret_column];
    if (column->formula.count > 0)
        return smg_scan_fault(scan, at,
                              "\"%.60s\" is made by a \"let\" (name a column of the recording here)",
                              column->name);
    return SMIDGE_OK;
}

smidge_status smg_scan_column(smg_template_scan *scan, smg_scan_stops stops, int32_t *ret_column)
{
    const char *name;
    size_t size;
    smg_scan_blanks(scan);
    const char *at = scan->at;
    SMG_TRY(smg_scan_text(scan, stops, "the name of a column", &name, &size));
    return smg_scan_add_column(scan, at, name, size, ret_column);
}
