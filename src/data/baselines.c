#include "data/baselines.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "format/json_text.h"

#define FILE_BYTES_MAX ((size_t)1 << 20)

int32_t smg_template_baseline(const smg_template *template, int32_t column)
{
    for (int32_t i = 0; i < template->baseline_count; i++) {
        if (template->baselines[i].column == column)
            return i;
    }
    return -1;
}

bool smg_template_learns(const smg_template *template)
{
    for (int32_t i = 0; i < template->baseline_count; i++) {
        if (!template->baselines[i].known)
            return true;
    }
    return false;
}

/* ---- Learning -------------------------------------------------------------------------------------------- */

/* Mean and squares in one pass (B. Welford, 1962). */
typedef struct spread {
    int64_t count;
    double mean;
    double squares;
} spread;

static void add(spread *to, double value)
{
    const double away = value - to->mean;
    to->count++;
    to->mean += away / (double)to->count;
    to->squares += away * (value - to->mean);
}

static double deviation_of(const spread *of, const smg_baseline *baseline)
{
    return of->count > 1 ? fmax(sqrt(of->squares / (double)of->count), baseline->least) : 0;
}

smidge_status smg_baselines_of_groups(const smg_template *template, smg_recording *recording,
                                      smidge_error *error)
{
    bool wanted = false;
    for (int32_t i = 0; i < template->baseline_count; i++)
        wanted |= template->baselines[i].first_rows > 0;
    if (!wanted || recording->group_count == 0)
        return SMIDGE_OK;
    const size_t count = (size_t)recording->group_count * (size_t) template->baseline_count;
    recording->baselines = smg_alloc_array(count, sizeof *recording->baselines);
    if (recording->baselines == NULL)
        return smg_error_no_memory(error, recording->path, count * sizeof *recording->baselines);
    for (size_t i = 0; i < count; i++) {
        const smg_baseline *baseline = &template->baselines[i % (size_t) template->baseline_count];
        const smg_recording_group *group = &recording->groups[i / (size_t) template->baseline_count];
        spread all = {0};
        for (int32_t j = group->begin; j < group->end && j - group->begin < baseline->first_rows; j++) {
            const double value = recording->columns[baseline->column].numbers[recording->order[j]];
            if (!isnan(value))
                add(&all, value);
        }
        recording->baselines[i] = (smg_recording_baseline){all.mean, deviation_of(&all, baseline)};
    }
    return SMIDGE_OK;
}

static bool conditions_hold(const smg_recording *recording, const smg_conditions *conditions, int32_t row)
{
    for (int32_t i = 0; i < conditions->count; i++) {
        const smg_condition *condition = &conditions->list[i];
        if (!smg_cell_test_holds(&condition->test, recording->columns[condition->column].texts[row]))
            return false;
    }
    return true;
}

static void add_recording(const smg_baseline *baseline, const smg_recording *recording, const uint8_t *wanted,
                          spread *to)
{
    for (int32_t row = 0; row < recording->count; row++) {
        const double value = recording->columns[baseline->column].numbers[row];
        if ((wanted == NULL || wanted[row] != 0) && !isnan(value) &&
            conditions_hold(recording, &baseline->conditions, row))
            add(to, value);
    }
}

smidge_status smg_baselines_learn(smg_template *template, const smg_recording *recordings, size_t count,
                                  uint8_t *const *wanted, smidge_error *error)
{
    for (int32_t i = 0; i < template->baseline_count; i++) {
        smg_baseline *baseline = &template->baselines[i];
        const char *name = template->columns[baseline->column].name;
        spread all = {0};
        if (baseline->known)
            continue;
        for (size_t j = 0; j < count; j++)
            add_recording(baseline, &recordings[j], wanted != NULL ? wanted[j] : NULL, &all);
        const double deviation = deviation_of(&all, baseline);
        if (all.count < 2)
            return smg_error_set(
                error, SMIDGE_E_INVALID, template->path,
                "there are no rows to learn the baseline of \"%.60s\" from (line %d: change its condition)",
                name, (int)baseline->line);
        if (!(deviation > 0) || !isfinite(deviation))
            return smg_error_set(
                error, SMIDGE_E_INVALID, template->path,
                "\"%.60s\" is the same in all rows that its baseline is learned from (line %d: state it: "
                "baseline %.60s MEAN +- DEVIATION)",
                name, (int)baseline->line, name);
        baseline->mean = all.mean;
        baseline->deviation = deviation;
        baseline->known = true;
    }
    return SMIDGE_OK;
}

/* ---- Files ----------------------------------------------------------------------------------------------- */

smidge_status smg_baselines_load(smg_template *template, const char *path, smidge_error *error)
{
    SMG_CLEANUP(smg_json_release) json_t *json = NULL;
    SMG_CLEANUP(smg_free_ptr) char *text = NULL;
    size_t size = 0;
    smg_json_fault fault;
    SMG_TRY(smg_file_read(path, FILE_BYTES_MAX, &text, &size, error));
    const smidge_status status = smg_json_parse_strict(text, size, &json, &fault);
    if (status == SMIDGE_E_NOMEM)
        return smg_error_no_memory(error, path, size);
    if (status != SMIDGE_OK)
        return smg_error_set(
            error, SMIDGE_E_FORMAT, path,
            "is not JSON: line %d, column %d: %.120s (smidge data --write-baselines writes one)", fault.line,
            fault.column, fault.text);
    for (int32_t i = 0; i < template->baseline_count; i++) {
        smg_baseline *baseline = &template->baselines[i];
        const char *name = template->columns[baseline->column].name;
        const json_t *entry = json_object_get(json, name);
        const json_t *mean = json_object_get(entry, "mean"), *deviation = json_object_get(entry, "deviation");
        if (!baseline->learned)
            continue;
        if (!json_is_number(mean) || !json_is_number(deviation) || !(json_number_value(deviation) > 0))
            return smg_error_set(
                error, SMIDGE_E_FORMAT, path,
                "has no {\"mean\": M, \"deviation\": D} with D above 0 for \"%.60s\" (smidge data --write-baselines writes it)",
                name);
        baseline->mean = json_number_value(mean);
        baseline->deviation = json_number_value(deviation);
        baseline->known = true;
    }
    return SMIDGE_OK;
}

smidge_status smg_dataset_save_baselines(const smg_dataset *set, const char *path, smidge_error *error)
{
    SMG_CLEANUP(smg_text_builder_done) smg_text_builder text = {0};
    smg_text_put(&text, "{", 1);
    for (int32_t i = 0; i < set->baseline_count; i++) {
        const smg_baseline_value *value = &set->baselines[i];
        smg_text_print(&text, "%s\n  ", i == 0 ? "" : ",");
        smg_text_put_json(&text, value->column);
        /* all digits: what is read back is what prompts were made with */
        smg_text_print(&text, ": {\"mean\": %.17g, \"deviation\": %.17g}", value->mean, value->deviation);
    }
    smg_text_put(&text, "\n}\n", 3);
    if (text.failed)
        return smg_error_no_memory(error, path, text.size);
    const smg_file_part part = {text.data, text.size};
    return smg_file_replace(path, &part, 1, error);
}
