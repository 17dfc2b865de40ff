/* Examples from recordings: files are read, baselines learned where that is wanted, then prompts made. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "data/baselines.h"
#include "data/dataset_build.h"

typedef struct maker {
    smg_dataset_build *build;
    smg_template template;
    smg_recording *recordings;
    size_t count;
    uint8_t **wanted; /* rows to learn from, of each recording */
} maker;

static void close_maker(maker *make)
{
    for (size_t i = 0; i < make->count; i++) {
        smg_recording_done(&make->recordings[i]);
        if (make->wanted != NULL)
            smg_free(make->wanted[i]);
    }
    smg_free(make->recordings);
    smg_free(make->wanted);
    smg_template_done(&make->template);
}

static smidge_status read_files(maker *make, const char *const *paths, size_t count)
{
    smg_dataset_build *build = make->build;
    make->recordings = smg_alloc_array(count, sizeof *make->recordings);
    if (make->recordings == NULL)
        return smg_error_no_memory(build->error, "examples", count);
    for (; make->count < count; make->count++) {
        SMG_CLEANUP(smg_free_ptr) char *text = NULL;
        size_t size = 0;
        build->path = paths[make->count];
        SMG_TRY(smg_file_read(build->path, SMG_DATASET_FILE_MAX, &text, &size, build->error));
        SMG_TRY(smg_dataset_copy(build, build->path, strlen(build->path), &build->path));
        SMG_TRY(smg_recording_read(build, &make->template, text, size, &make->recordings[make->count]));
    }
    return SMIDGE_OK;
}

/* ---- Baselines ------------------------------------------------------------------------------------------- */

/* Marks the rows of those examples that are to be learned from. */
static smidge_status mark_rows(maker *make)
{
    const smg_dataset_options *options = make->build->options;
    size_t number = 0;
    make->wanted = smg_alloc_array(make->count, sizeof *make->wanted);
    for (size_t i = 0; i < make->count && make->wanted != NULL; i++) {
        smg_windows windows = {.template = &make->template, .recording = &make->recordings[i]};
        smg_window window;
        make->wanted[i] = smg_alloc((size_t)make->recordings[i].count);
        if (make->wanted[i] == NULL)
            return smg_error_no_memory(make->build->error, "examples", (size_t)make->recordings[i].count);
        while (smg_windows_next(&windows, &window)) {
            if (smg_window_lacks(&make->template, &window))
                continue;
            for (int32_t j = 0;
                 number < options->learn_count && options->learn_from[number] != 0 && j < window.count; j++)
                make->wanted[i][window.rows[j]] = 1;
            number++;
        }
    }
    return make->wanted != NULL ? SMIDGE_OK
                                : smg_error_no_memory(make->build->error, "examples", make->count);
}

static smidge_status find_baselines(maker *make)
{
    const smg_dataset_options *options = make->build->options;
    if (options->baselines_path != NULL)
        SMG_TRY(smg_baselines_load(&make->template, options->baselines_path, make->build->error));
    if (!smg_template_learns(&make->template))
        return SMIDGE_OK;
    if (!options->learn)
        return smg_error_set(
            make->build->error, SMIDGE_E_INVALID, make->template.path,
            "has baselines to be learned, and from which rows is not said (smidge data learns them: give "
            "what its --write-baselines wrote, or JSONL that it made)");
    if (options->learn_from != NULL)
        SMG_TRY(mark_rows(make));
    return smg_baselines_learn(&make->template, make->recordings, make->count, make->wanted,
                               make->build->error);
}

static smidge_status keep_baselines(maker *make)
{
    const smg_template *template = &make->template;
    smg_dataset *set = make->build->set;
    smg_baseline_value *values =
        smg_text_pool_take(set->pool, (size_t) template->baseline_count * sizeof *values);
    if (values == NULL)
        return smg_error_no_memory(make->build->error, template->path, (size_t) template->baseline_count);
    set->baselines = values;
    for (int32_t i = 0; i < template->baseline_count; i++) {
        const smg_baseline *baseline = &template->baselines[i];
        const char *name = template->columns[baseline->column].name;
        values[i] = (smg_baseline_value){.mean = baseline->mean,
                                         .deviation = baseline->deviation,
                                         .learned = baseline->learned};
        SMG_TRY(smg_dataset_copy(make->build, name, strlen(name), &values[i].column));
        set->baseline_count = i + 1;
    }
    return SMIDGE_OK;
}

/* ---- Examples -------------------------------------------------------------------------------------------- */

static smidge_status take_label(maker *make, const smg_window *window, smg_example *example)
{
    const smg_template *template = &make->template;
    int32_t row = 0;
    const char *label = smg_window_label(template, window, &row);
    const int64_t line = window->recording->lines[row];
    if (label == NULL) {
        const char *cell = window->recording->columns[template->label.column].texts[row];
        return smg_dataset_bad(
            make->build, line, 1,
            "\"%.40s\" in \"%.60s\" has no label (add \"%.40s -> LABEL\", or \"else LABEL\", to the template)",
            cell != NULL ? cell : "", template->columns[template->label.column].name,
            cell != NULL ? cell : "");
    }
    return smg_dataset_label(make->build, label, strlen(label), line, 1, example);
}

static smidge_status add_window(maker *make, const smg_window *window, smg_text_builder *builder)
{
    const smg_template *template = &make->template;
    const smg_recording *recording = window->recording;
    const bool grouped = template->group_column >= 0 || template->whole_files || template->rows != 1;
    smg_example example = {.label = -1,
                           .file = recording->path,
                           .line = recording->lines[window->rows[window->count - 1]]};
    const smg_field *field = NULL;
    const char *why = NULL;
    if (smg_window_lacks(template, window)) {
        make->build->set->left_out.missing++;
        return SMIDGE_OK;
    }
    SMG_TRY(take_label(make, window, &example));
    builder->size = 0;
    if (!smg_window_prompt(template, window, builder, &field, &why))
        return smg_dataset_bad(make->build, example.line, 1,
                               "%s, for %.80s:%d:%d (correct the row, or the template)", why, template->path,
                               (int)field->line, (int)field->at);
    if (builder->failed)
        return smg_error_no_memory(make->build->error, recording->path, builder->size);
    SMG_TRY(smg_dataset_copy(make->build, builder->data, builder->size, &example.prompt));
    if (grouped)
        example.group = template->whole_files ? recording->path : recording->groups[window->group].name;
    return smg_dataset_add(make->build, &example);
}

static smidge_status add_recording(maker *make, const smg_recording *recording)
{
    SMG_CLEANUP(smg_text_builder_done) smg_text_builder builder = {0};
    smg_windows windows = {.template = &make->template,
                           .recording = recording,
                           .left_out = &make->build->set->left_out};
    smg_window window;
    make->build->path = recording->path;
    while (smg_windows_next(&windows, &window)) {
        const size_t bad = make->build->bad;
        const smidge_status status = add_window(make, &window, &builder);
        if (status != SMIDGE_OK && make->build->bad == bad)
            return status;
    }
    return SMIDGE_OK;
}

smidge_status smg_dataset_read_csv(smg_dataset_build *build, const char *const *paths, size_t count)
{
    SMG_CLEANUP(close_maker) maker make = {.build = build};
    SMG_TRY(smg_template_read(build->options->template_path, &make.template, build->error));
    if (make.template.label.column < 0)
        return smg_error_set(build->error, SMIDGE_E_INVALID, make.template.path,
                             "says of no column that it is the label (add a line: label COLUMN last)");
    SMG_TRY(read_files(&make, paths, count));
    if (build->bad > 0)
        return SMIDGE_OK;
    SMG_TRY(find_baselines(&make));
    SMG_TRY(keep_baselines(&make));
    for (size_t i = 0; i < count; i++)
        SMG_TRY(add_recording(&make, &make.recordings[i]));
    if (build->set->count == 0 && build->bad == 0)
        return smg_error_set(
            build->error, SMIDGE_E_INVALID, paths[0],
            "gives no example (is the window longer than the recording, or a condition too narrow?)");
    return SMIDGE_OK;
}
