/* What tests of src/data share: files in a folder of their own, and reading them. */
#ifndef SMG_TESTS_DATA_FILES_H
#define SMG_TESTS_DATA_FILES_H

#include "test_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "data/dataset.h"

static char data_folder[] = "/tmp/smidge_data_test.XXXXXX";
static char data_csv[64], data_csv2[64], data_template[64], data_side[64];

static inline int data_files_open(void **state)
{
    (void)state;
    if (mkdtemp(data_folder) == NULL)
        return -1;
    snprintf(data_csv, sizeof data_csv, "%s/a.csv", data_folder);
    snprintf(data_csv2, sizeof data_csv2, "%s/b.csv", data_folder);
    snprintf(data_template, sizeof data_template, "%s/t", data_folder);
    snprintf(data_side, sizeof data_side, "%s/side", data_folder);
    return 0;
}

static inline int data_files_close(void **state)
{
    (void)state;
    unlink(data_csv);
    unlink(data_csv2);
    unlink(data_template);
    unlink(data_side);
    return rmdir(data_folder);
}

static inline void data_write(const char *path, const char *text)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

__attribute__((unused)) static inline smidge_status data_read(const char *csv, const char *template,
                                                              smg_dataset_options options,
                                                              smg_dataset *ret_set, smidge_error *error)
{
    const char *const paths[] = {data_csv};
    options.template_path = data_template;
    data_write(data_csv, csv);
    data_write(data_template, template);
    *error = (smidge_error){0};
    *ret_set = (smg_dataset){0};
    const smidge_status status = smg_dataset_read(paths, 1, &options, ret_set, error);
    if (status != SMIDGE_OK) {
        assert_null(ret_set->examples);
        assert_true(error->message[0] != '\0');
        assert_int_equal(smg_alloc_live_blocks(), 0);
    }
    return status;
}

static inline void data_read_good(const char *csv, const char *template, smg_dataset *ret_set)
{
    smidge_error error;
    if (data_read(csv, template, (smg_dataset_options){.learn = true}, ret_set, &error) != SMIDGE_OK)
        fail_msg("%s: %s", error.where, error.message);
}

/* The text without its first ^, which stands in front of what a message must point at, and the place: lines and columns from 1. */
static inline char *data_unmark(const char *marked, int *ret_line, int *ret_column)
{
    const char *mark = strchr(marked, '^');
    assert_non_null(mark);
    *ret_line = *ret_column = 1;
    for (const char *c = marked; c < mark; c++) {
        *ret_column = *c == '\n' ? 1 : *ret_column + (((unsigned char)*c & 0xC0) != 0x80);
        *ret_line += *c == '\n';
    }
    char *text = malloc(strlen(marked));
    assert_non_null(text);
    memcpy(text, marked, (size_t)(mark - marked));
    strcpy(text + (mark - marked), mark + 1);
    return text;
}

/* The error is about this place of the file, says the words, and what to do. */
static inline void data_expect_error(const smidge_error *error, const char *path, int line, int column,
                                     const char *words, const char *about)
{
    char where[128];
    snprintf(where, sizeof where, "%s:%d:%d", path, line, column);
    if (strcmp(error->where, where) != 0 || strstr(error->message, words) == NULL)
        fail_msg("%s\n  gives %s: %s\n  not %s, \"%s\"", about, error->where, error->message, where, words);
}

#endif
