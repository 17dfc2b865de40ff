/* Columns made of others: let power = torque * speed / 9549 */
#include <string.h>

#include "data/template_scan.h"

#define STEPS_MAX 32

static bool is_equals(const char *word, size_t size)
{
    return size == 1 && word[0] == '=';
}

static bool is_operator(const char *word, size_t size)
{
    return size == 1 && strchr("+-*/", word[0]) != NULL;
}

/* A number, or the name of a column up to an operator with blanks around it: names have signs in them, too. */
static smidge_status take_operand(smg_template_scan *scan, smg_formula_step *step)
{
    const smg_text_view word = smg_scan_peek(scan);
    step->column = -1;
    if (smg_scan_number(word.data, word.size, &step->number)) {
        scan->at += word.size;
        return SMIDGE_OK;
    }
    SMG_TRY(smg_scan_column(scan, is_operator, &step->column));
    scan->template->columns[step->column].number = true;
    return SMIDGE_OK;
}

static smidge_status take_steps(smg_template_scan *scan, smg_formula *ret_formula)
{
    smg_formula_step steps[STEPS_MAX];
    int32_t count = 0;
    do {
        if (count == STEPS_MAX)
            return smg_scan_fault(scan, scan->at, "the formula has more than %d steps (make it in two)",
                                  STEPS_MAX);
        smg_formula_step *step = &steps[count++];
        const smg_text_view word = smg_scan_peek(scan);
        const bool sign = word.size == 1 && is_operator(word.data, 1) && (count > 1 || *word.data == '-');
        if (!sign && count > 1)
            return smg_scan_fault(scan, word.data, "+ - * or / with blanks around it is expected here");
        step->sign = '+';
        if (sign) {
            step->sign = *word.data;
            scan->at++;
        }
        SMG_TRY(take_operand(scan, step));
    } while (!smg_scan_ended(scan));
    smg_formula_step *kept = smg_text_pool_take(scan->template->pool, (size_t)count * sizeof *kept);
    if (kept == NULL)
        return smg_scan_no_memory(scan);
    memcpy(kept, steps, (size_t)count * sizeof *kept);
    *ret_formula = (smg_formula){kept, count};
    return SMIDGE_OK;
}

smidge_status smg_scan_formula(smg_template_scan *scan)
{
    const char *name;
    size_t size;
    int32_t column = 0;
    smg_formula formula;
    smg_scan_blanks(scan);
    const char *at = scan->at;
    SMG_TRY(smg_scan_text(scan, is_equals, "the name of the new column", &name, &size));
    if (!smg_scan_take(scan, "="))
        return smg_scan_fault(scan, scan->at,
                              "= and a formula is expected, as in: let power = torque * speed / 9549");
    SMG_TRY(take_steps(scan, &formula));
    const int32_t before = scan->template->column_count;
    SMG_TRY(smg_scan_add_column(scan, at, name, size, &column));
    if (column < before)
        return smg_scan_fault(scan, at,
                              "\"%.*s\" is used above already (take another name, or put this line in front)",
                              (int)(size < 60 ? size : 60), name);
    scan->template->columns[column].formula = formula;
    scan->template->columns[column].number = true;
    return SMIDGE_OK;
}
