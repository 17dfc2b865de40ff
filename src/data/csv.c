#include "data/csv.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "data/dataset_build.h"

static smidge_status fault_at(smg_csv_fault *ret_fault, int64_t line, size_t column, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static smidge_status fault_at(smg_csv_fault *ret_fault, int64_t line, size_t column, const char *format, ...)
{
    va_list arguments;
    ret_fault->line = line;
    ret_fault->column = column;
    va_start(arguments, format);
    vsnprintf(ret_fault->text, sizeof ret_fault->text, format, arguments);
    va_end(arguments);
    return SMIDGE_E_FORMAT;
}

/* ---- Cells ----------------------------------------------------------------------------------------------- */

/* The column of a place behind all that were asked for in its line. */
static size_t column_at(smg_csv *csv, size_t at)
{
    csv->column += smg_dataset_column(csv->text + csv->known, at - csv->known) - 1;
    csv->known = at;
    return csv->column;
}

static void begin_line(smg_csv *csv, size_t at)
{
    csv->line++;
    csv->column = 1;
    csv->known = at;
}

static bool ends_line(const smg_csv *csv, size_t at)
{
    return at >= csv->size || csv->text[at] == '\n' ||
           (csv->text[at] == '\r' && (at + 1 >= csv->size || csv->text[at + 1] == '\n'));
}

/* Moves behind the end of the line that csv->at is at. */
static void pass_line_end(smg_csv *csv)
{
    if (csv->at < csv->size && csv->text[csv->at] == '\r')
        csv->at++;
    if (csv->at < csv->size && csv->text[csv->at] == '\n')
        csv->at++;
    begin_line(csv, csv->at);
}

/* Where the quotes that open at csv->at are closed; SIZE_MAX: nowhere near. */
static size_t find_close(const smg_csv *csv)
{
    const size_t limit = csv->size - csv->at > SMG_CSV_ROW_MAX ? csv->at + SMG_CSV_ROW_MAX : csv->size;
    for (size_t at = csv->at + 1; at < limit; at++) {
        if (csv->text[at] != '"')
            continue;
        if (at + 1 >= limit || csv->text[at + 1] != '"')
            return at;
        at++;
    }
    return SIZE_MAX;
}

/* A quoted cell. Its text is moved over its quotes once it is known to be sound. */
static smidge_status take_quoted(smg_csv *csv, smg_csv_cell *ret_cell, smg_csv_fault *ret_fault)
{
    const size_t begin = csv->at, close = find_close(csv);
    size_t to = begin;
    if (close == SIZE_MAX)
        return fault_at(ret_fault, ret_cell->line, ret_cell->column,
                        "the quotes that open here are never closed (close them, or double what is a quote)");
    for (size_t from = begin + 1; from < close; from++) {
        if (csv->text[from] == '\n')
            begin_line(csv, from + 1);
    }
    csv->at = close + 1;
    const size_t column = column_at(csv, csv->at); /* while the text is as it was */
    if (!ends_line(csv, csv->at) && csv->text[csv->at] != csv->delimiter)
        return fault_at(ret_fault, csv->line, column,
                        "text follows closing quotes (double the quotes that belong to the cell)");
    for (size_t from = begin + 1; from < close; from++) {
        csv->text[to++] = csv->text[from];
        from += csv->text[from] == '"';
    }
    ret_cell->text = csv->text + begin;
    ret_cell->size = to - begin;
    return SMIDGE_OK;
}

static smidge_status take_cell(smg_csv *csv, smg_csv_cell *ret_cell, smg_csv_fault *ret_fault)
{
    *ret_cell =
        (smg_csv_cell){.text = csv->text + csv->at, .line = csv->line, .column = column_at(csv, csv->at)};
    if (csv->at < csv->size && csv->text[csv->at] == '"')
        return take_quoted(csv, ret_cell, ret_fault);
    while (!ends_line(csv, csv->at) && csv->text[csv->at] != csv->delimiter)
        csv->at++;
    ret_cell->size = (size_t)(csv->text + csv->at - ret_cell->text);
    return SMIDGE_OK;
}

/* ---- Rows ------------------------------------------------------------------------------------------------ */

/* Cells are looked at as they were read: what is no text in them is found where it stands. */
static smidge_status check_text(smg_csv *csv, size_t begin, smg_csv_fault *ret_fault)
{
    size_t end = begin;
    while (end < csv->size && csv->text[end] != '\n' && end - begin <= SMG_CSV_ROW_MAX)
        end++;
    const size_t bad = begin + smg_dataset_text_end(csv->text + begin, end - begin);
    if (bad == end)
        return SMIDGE_OK;
    return fault_at(ret_fault, csv->line, column_at(csv, bad),
                    csv->text[bad] == '\0'
                        ? "there is a zero byte (the file is damaged, or UTF-16: save it as UTF-8)"
                        : "this is not UTF-8 (save it as UTF-8: iconv -f WINDOWS-1252 -t UTF-8 FILE)");
}

/* Reads one row of at most `room` cells. What is wrong ends the line, not the file. */
static smidge_status take_row(smg_csv *csv, size_t room, smg_csv_fault *ret_fault)
{
    const size_t begin = csv->at;
    const int64_t line = csv->line;
    csv->count = 0;
    SMG_TRY(check_text(csv, begin, ret_fault));
    for (;;) {
        smg_csv_cell cell;
        SMG_TRY(take_cell(csv, &cell, ret_fault));
        /* lines behind those that end inside quotes were not looked at yet */
        if (csv->line != line && smg_dataset_text_end(cell.text, cell.size) < cell.size)
            return fault_at(ret_fault, cell.line, cell.column,
                            "the cell is not UTF-8 (save the file as UTF-8)");
        if (csv->count < room)
            csv->cells[csv->count] = cell;
        csv->count++;
        if (csv->at - begin > SMG_CSV_ROW_MAX)
            return fault_at(ret_fault, csv->line, 1, "the row is longer than %zu bytes (is it CSV?)",
                            SMG_CSV_ROW_MAX);
        if (ends_line(csv, csv->at))
            break;
        csv->at++;
    }
    pass_line_end(csv);
    for (size_t i = 0; i < csv->count && i < room; i++)
        csv->text[csv->cells[i].text - csv->text + (ptrdiff_t)csv->cells[i].size] = '\0';
    return SMIDGE_OK;
}

/* To behind the line in which something was found. */
static void recover(smg_csv *csv)
{
    while (!ends_line(csv, csv->at))
        csv->at++;
    pass_line_end(csv);
}

bool smg_csv_next(smg_csv *csv, smidge_status *ret_status, smg_csv_fault *ret_fault)
{
    while (csv->at < csv->size && ends_line(csv, csv->at))
        pass_line_end(csv);
    if (csv->at >= csv->size)
        return false;
    const int64_t line = csv->line;
    *ret_status = take_row(csv, csv->columns, ret_fault);
    if (*ret_status != SMIDGE_OK)
        recover(csv);
    else if (csv->count != csv->columns)
        *ret_status =
            fault_at(ret_fault, line, 1,
                     "the row has %zu cells, the line of names %zu (is a cell with a '%c' in it without "
                     "quotes?)",
                     csv->count, csv->columns, csv->delimiter == '\t' ? ' ' : csv->delimiter);
    return true;
}

/* ---- The line of names ----------------------------------------------------------------------------------- */

/* The one that there is most of outside quotes. */
static char find_delimiter(const smg_csv *csv)
{
    static const char candidates[] = {',', ';', '\t'};
    size_t counts[3] = {0};
    bool inside = false;
    for (size_t i = csv->at; i < csv->size && (inside || !ends_line(csv, i)); i++) {
        inside ^= csv->text[i] == '"';
        for (size_t j = 0; j < 3; j++)
            counts[j] += !inside && csv->text[i] == candidates[j];
    }
    size_t best = 0;
    for (size_t j = 1; j < 3; j++)
        best = counts[j] > counts[best] ? j : best;
    return candidates[best];
}

static void read_marks(smg_csv *csv, char delimiter)
{
    if (csv->size >= 3 && memcmp(csv->text, "\xEF\xBB\xBF", 3) == 0)
        csv->at = csv->known = 3;
    const char *sep = csv->text + csv->at;
    if (csv->size - csv->at >= 5 && memcmp(sep, "sep=", 4) == 0 && ends_line(csv, csv->at + 5)) {
        csv->delimiter = delimiter != 0 ? delimiter : sep[4];
        csv->at += 5;
        pass_line_end(csv);
    }
    while (csv->at < csv->size && ends_line(csv, csv->at))
        pass_line_end(csv);
    if (csv->delimiter == 0)
        csv->delimiter = delimiter != 0 ? delimiter : find_delimiter(csv);
}

static smidge_status take_names(smg_csv *csv, smg_csv_fault *ret_fault)
{
    SMG_TRY(take_row(csv, SMG_CSV_COLUMNS_MAX, ret_fault));
    if (csv->count > SMG_CSV_COLUMNS_MAX)
        return fault_at(ret_fault, 1, 1, "there are %zu columns, more than %d (leave some out)", csv->count,
                        SMG_CSV_COLUMNS_MAX);
    csv->names = smg_alloc_array(csv->count, sizeof *csv->names);
    if (csv->names == NULL)
        return SMIDGE_E_NOMEM;
    csv->columns = csv->count;
    for (size_t i = 0; i < csv->count; i++) {
        char *name = csv->text + (csv->cells[i].text - csv->text);
        size_t size = csv->cells[i].size;
        while (size > 0 && name[size - 1] == ' ')
            name[--size] = '\0';
        csv->names[i] = name + strspn(name, " ");
    }
    return SMIDGE_OK;
}

smidge_status smg_csv_open(smg_csv *ret, char *text, size_t size, char delimiter, smg_csv_fault *ret_fault)
{
    SMG_CLEANUP(smg_csv_close)
    smg_csv csv = {.text = text, .size = size, .line = 1, .column = 1};
    *ret_fault = (smg_csv_fault){.line = 1, .column = 1};
    *ret = (smg_csv){0};
    if (size >= 2 && (memcmp(text, "\xFF\xFE", 2) == 0 || memcmp(text, "\xFE\xFF", 2) == 0))
        return fault_at(ret_fault, 1, 1, "the file is UTF-16 (save it as UTF-8)");
    csv.cells = smg_alloc_array(SMG_CSV_COLUMNS_MAX, sizeof *csv.cells);
    if (csv.cells == NULL)
        return SMIDGE_E_NOMEM;
    read_marks(&csv, delimiter);
    if (csv.at >= csv.size)
        return fault_at(ret_fault, 1, 1, "the file is empty (a line of column names, then rows)");
    SMG_TRY(take_names(&csv, ret_fault));
    *ret = csv;
    csv = (smg_csv){0};
    return SMIDGE_OK;
}

void smg_csv_close(smg_csv *csv)
{
    smg_free(csv->cells);
    smg_free(csv->names);
    *csv = (smg_csv){0};
}
