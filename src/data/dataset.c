#include "data/dataset.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "data/dataset_build.h"
#include "token/unicode.h"

/* ---- Bad rows -------------------------------------------------------------------------------------------- */

void smg_dataset_note_bad(smg_dataset_build *build, int64_t line, size_t column, const char *format, ...)
{
    build->bad++;
    if (build->bad > SMG_DATASET_SHOWN_MAX)
        return;
    char where[sizeof build->problems->where + 64], message[sizeof build->problems->message];
    const char *path = build->path;
    const size_t length = strlen(path), most = sizeof build->problems->where - 32;
    snprintf(where, sizeof where, "%s:%" PRId64 ":%zu", length > most ? path + (length - most) : path, line,
             column);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    smg_error_fill(&build->problems[build->bad - 1], SMIDGE_E_FORMAT, where, "%s", message);
}

smidge_status smg_dataset_judge(smg_dataset_build *build)
{
    const smg_dataset_options *options = build->options;
    const size_t shown = build->bad < SMG_DATASET_SHOWN_MAX ? build->bad : SMG_DATASET_SHOWN_MAX;
    if (build->bad == 0)
        return SMIDGE_OK;
    if (build->bad == 1) {
        if (build->error != NULL)
            *build->error = build->problems[0];
        return SMIDGE_E_FORMAT;
    }
    if (options->problem == NULL)
        return smg_error_set(build->error, SMIDGE_E_FORMAT, build->problems[0].where,
                             "%.400s; and %zu more bad rows", build->problems[0].message, build->bad - 1);
    for (size_t i = 0; i < shown; i++)
        options->problem(options->context, &build->problems[i]);
    return smg_error_set(build->error, SMIDGE_E_FORMAT, build->path,
                         "%zu of %zu rows are bad%s (correct them, or take them out)", build->bad,
                         build->rows, build->bad > shown ? ", of which these are the first 10" : "");
}

/* ---- Adding ---------------------------------------------------------------------------------------------- */

smidge_status smg_dataset_copy(smg_dataset_build *build, const char *text, size_t size, const char **ret_text)
{
    const char *copy = smg_text_pool_copy(build->set->pool, text, size);
    if (copy == NULL)
        return smg_error_no_memory(build->error, build->path, size);
    *ret_text = copy;
    return SMIDGE_OK;
}

smidge_status smg_dataset_add(smg_dataset_build *build, const smg_example *example)
{
    smg_dataset *set = build->set;
    if (set->count == SMG_DATASET_ROWS_MAX)
        return smg_error_set(build->error, SMIDGE_E_INVALID, build->path,
                             "there are more than %zu examples (take fewer)", SMG_DATASET_ROWS_MAX);
    if (set->count == set->room) {
        const size_t room = set->room == 0 ? 256 : set->room * 2;
        smg_example *grown = smg_realloc_array(set->examples, room, sizeof *grown);
        if (grown == NULL)
            return smg_error_no_memory(build->error, build->path, room * sizeof *grown);
        set->examples = grown;
        set->room = room;
    }
    set->examples[set->count++] = *example;
    return SMIDGE_OK;
}

static bool is_control(uint32_t character)
{
    return character < 0x20 || (character >= 0x7F && character < 0xA0);
}

/* What classify would refuse; NULL: nothing. */
static const char *label_fault(const char *text, size_t size)
{
    uint32_t character = 0;
    if (size == 0)
        return "is empty (give it a name)";
    if (size > SMG_DATASET_LABEL_BYTES_MAX)
        return "is longer than 256 bytes (shorten it: a label is one of a few answers)";
    for (size_t at = 0; at < size;) {
        const size_t step = smg_utf8_decode(text + at, size - at, &character);
        if (character == SMG_UTF8_INVALID)
            return "is not UTF-8 (save it as UTF-8)";
        if (is_control(character))
            return "holds a control character (take it out)";
        if ((at == 0 || at + step == size) && (smg_char_class(character) & SMG_CHAR_SPACE))
            return "begins or ends with white space (take it out)";
        at += step;
    }
    return NULL;
}

smidge_status smg_dataset_label(smg_dataset_build *build, const char *text, size_t size, int64_t line,
                                size_t column, smg_example *example)
{
    smg_dataset *set = build->set;
    const char *fault = label_fault(text, size);
    if (fault != NULL)
        return smg_dataset_bad(build, line, column, "the label \"%.*s\" %s", (int)(size < 60 ? size : 60),
                               text, fault);
    example->kind = SMG_EXAMPLE_LABEL;
    for (int32_t i = 0; i < set->label_count; i++) {
        if (strncmp(set->labels[i], text, size) == 0 && set->labels[i][size] == '\0') {
            example->label = i;
            example->answer = set->labels[i];
            return SMIDGE_OK;
        }
    }
    if (set->label_count == SMG_DATASET_LABELS_MAX)
        return smg_dataset_bad(
            build, line, column,
            "\"%.*s\" would be the %dth label (a label is one of a few answers; what is free "
            "text goes into \"messages\", what has fields into \"json\")",
            (int)(size < 60 ? size : 60), text, SMG_DATASET_LABELS_MAX + 1);
    SMG_TRY(smg_dataset_copy(build, text, size, &set->labels[set->label_count]));
    example->label = set->label_count;
    example->answer = set->labels[set->label_count++];
    return SMIDGE_OK;
}

/* ---- Lines ----------------------------------------------------------------------------------------------- */

size_t smg_dataset_text_end(const char *text, size_t size)
{
    size_t at = 0;
    while (at < size) {
        uint32_t character = 0;
        const size_t step = smg_utf8_decode(text + at, size - at, &character);
        if (character == SMG_UTF8_INVALID || character == 0)
            return at;
        at += step;
    }
    return size;
}

size_t smg_dataset_column(const char *line, size_t offset)
{
    size_t column = 1;
    for (size_t i = 0; i < offset; i++)
        column += ((unsigned char)line[i] & 0xC0) != 0x80;
    return column;
}

smidge_status smg_lines_begin(smg_lines *lines, const char *text, size_t size, const char *path,
                              smidge_error *error)
{
    *lines = (smg_lines){.text = text, .size = size};
    if (size >= 2 && (memcmp(text, "\xFF\xFE", 2) == 0 || memcmp(text, "\xFE\xFF", 2) == 0))
        return smg_error_set(error, SMIDGE_E_FORMAT, path, "is UTF-16 (save it as UTF-8)");
    if (size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
        lines->at = 3;
    return SMIDGE_OK;
}

bool smg_lines_next(smg_lines *lines, const char **ret_line, size_t *ret_size)
{
    if (lines->at >= lines->size)
        return false;
    const char *line = lines->text + lines->at;
    const char *end = memchr(line, '\n', lines->size - lines->at);
    size_t size = end == NULL ? lines->size - lines->at : (size_t)(end - line);
    lines->at += size + 1;
    lines->number++;
    if (size > 0 && line[size - 1] == '\r')
        size--;
    *ret_line = line;
    *ret_size = size;
    return true;
}

/* ---- Reading --------------------------------------------------------------------------------------------- */

static smidge_status read_one(smg_dataset_build *build, const char *path)
{
    SMG_CLEANUP(smg_free_ptr) char *text = NULL;
    size_t size = 0;
    SMG_TRY(smg_file_read(path, SMG_DATASET_FILE_MAX, &text, &size, build->error));
    build->path = path; /* until it has a place of its own */
    const size_t before = build->set->count, bad = build->bad;
    SMG_TRY(smg_dataset_copy(build, path, strlen(path), &build->path));
    SMG_TRY(smg_dataset_read_jsonl(build, text, size));
    if (build->set->count == before && build->bad == bad)
        return smg_error_set(build->error, SMIDGE_E_INVALID, path,
                             "holds no example (put one JSON object on each line: docs/data.md)");
    return SMIDGE_OK;
}

smidge_status smg_dataset_prepare(smg_dataset *set, smidge_error *error)
{
    const size_t bytes = SMG_DATASET_LABELS_MAX * sizeof *set->labels;
    set->pool = smg_text_pool_new();
    set->labels = smg_alloc(bytes);
    return set->pool != NULL && set->labels != NULL ? SMIDGE_OK
                                                    : smg_error_no_memory(error, "examples", bytes);
}

smidge_status smg_dataset_read(const char *const *paths, size_t count, const smg_dataset_options *options,
                               smg_dataset *ret, smidge_error *error)
{
    static const smg_dataset_options plain = {0};
    SMG_CLEANUP(smg_dataset_done) smg_dataset set = {0};
    smg_dataset_build build = {.set = &set, .options = options != NULL ? options : &plain, .error = error};
    if (count == 0)
        return smg_error_set(error, SMIDGE_E_INVALID, "examples", "no file is given (which ones?)");
    SMG_TRY(smg_dataset_prepare(&set, error));
    if (build.options->template_path != NULL)
        SMG_TRY(smg_dataset_read_csv(&build, paths, count));
    for (size_t i = 0; i < count && build.options->template_path == NULL; i++)
        SMG_TRY(read_one(&build, paths[i]));
    SMG_TRY(smg_dataset_judge(&build));
    *ret = set;
    set = (smg_dataset){0};
    return SMIDGE_OK;
}

void smg_dataset_done(smg_dataset *set)
{
    if (set == NULL)
        return;
    smg_free(set->examples);
    smg_free(set->labels);
    smg_text_pool_free(set->pool);
    *set = (smg_dataset){0};
}
