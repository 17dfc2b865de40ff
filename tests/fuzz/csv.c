/* CSV of any bytes: every cell lies in the file, ends with a zero byte, and is text. */
#include "data/csv.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "data/cell_value.h"
#include "data/dataset_build.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        __builtin_trap();
}

static void check_cell(const smg_csv_cell *cell, const char *text, size_t size)
{
    smg_decimal_style style = {.may_find = true};
    double value = 0;
    must(cell->text >= text && cell->text + cell->size <= text + size);
    must(strlen(cell->text) == cell->size);
    must(smg_dataset_text_end(cell->text, cell->size) == cell->size);
    must(cell->line >= 1 && cell->column >= 1);
    (void)smg_cell_number(&style, cell->text, cell->size, &value);
    (void)smg_cell_time(cell->text, cell->size, &value);
    (void)smg_cell_missing(cell->text, cell->size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint64_t live = smg_alloc_live_blocks();
    smg_csv csv;
    smg_csv_fault fault;
    smidge_status status;
    int64_t line = 0;
    char *text = malloc(size + 1);
    must(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    if (smg_csv_open(&csv, text, size, 0, &fault) == SMIDGE_OK) {
        while (smg_csv_next(&csv, &status, &fault)) {
            must(status == SMIDGE_OK ||
                 (status == SMIDGE_E_FORMAT && fault.text[0] != '\0' && fault.column >= 1));
            for (size_t i = 0; status == SMIDGE_OK && i < csv.count; i++)
                check_cell(&csv.cells[i], text, size);
            if (status != SMIDGE_OK)
                continue;
            must(csv.count == csv.columns && csv.cells[0].line > line);
            line = csv.cells[0].line;
        }
    }
    smg_csv_close(&csv);
    free(text);
    must(smg_alloc_live_blocks() == live);
    return 0;
}
