/* CSV against Python's csv module, cell by cell, and prompts against numbers that numpy computed (make_csv.py). */
#include "test_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "base/alloc.h"
#include "data/csv.h"
#include "data/dataset.h"

static json_t *golden;

static void compare_row(const json_t *expected, const smg_csv *csv, const char *text)
{
    assert_int_equal(csv->count, json_array_size(expected));
    for (size_t i = 0; i < csv->count; i++) {
        const char *cell = json_string_value(json_array_get(expected, i));
        if (strcmp(csv->cells[i].text, cell) != 0 || csv->cells[i].size != strlen(cell))
            fail_msg("%s\ncell %zu is \"%s\", not \"%s\"", text, i, csv->cells[i].text, cell);
    }
}

static void read_table(const json_t *table, char delimiter)
{
    const char *source = json_string_value(json_object_get(table, "text"));
    const json_t *rows = json_object_get(table, "rows");
    smg_csv csv;
    smg_csv_fault fault;
    smidge_status status;
    char *text = strdup(source);
    assert_non_null(text);
    if (smg_csv_open(&csv, text, strlen(text), delimiter, &fault) != SMIDGE_OK)
        fail_msg("%s\n%d: %s", source, (int)fault.line, fault.text);
    assert_int_equal(csv.columns, json_array_size(json_array_get(rows, 0)));
    size_t count = 1;
    for (; smg_csv_next(&csv, &status, &fault); count++) {
        if (status != SMIDGE_OK)
            fail_msg("%s\n%d:%zu: %s", source, (int)fault.line, fault.column, fault.text);
        compare_row(json_array_get(rows, count), &csv, source);
    }
    assert_int_equal(count, json_array_size(rows));
    smg_csv_close(&csv);
    free(text);
    assert_int_equal(smg_alloc_live_blocks(), 0);
}

static void tables(void **state)
{
    (void)state;
    const json_t *all = json_object_get(golden, "tables");
    assert_true(json_array_size(all) > 200);
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *table = json_array_get(all, i);
        const char delimiter = *json_string_value(json_object_get(table, "delimiter"));
        read_table(table, delimiter);
        /* with one column there is nothing to find it out from */
        if (json_array_size(json_array_get(json_object_get(table, "rows"), 0)) > 1)
            read_table(table, 0);
    }
}

static void write_file(const char *path, const json_t *text)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_true(fputs(json_string_value(text), file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void compare_prompts(const json_t *each, const smg_dataset *set)
{
    const json_t *prompts = json_object_get(each, "prompts"), *labels = json_object_get(each, "labels");
    assert_int_equal(set->count, json_array_size(prompts));
    for (size_t i = 0; i < set->count; i++) {
        const char *prompt = json_string_value(json_array_get(prompts, i));
        if (strcmp(set->examples[i].prompt, prompt) != 0)
            fail_msg("prompt %zu is\n%s\nnot\n%s", i, set->examples[i].prompt, prompt);
        assert_string_equal(set->examples[i].answer, json_string_value(json_array_get(labels, i)));
    }
}

static void prompts(void **state)
{
    (void)state;
    const json_t *all = json_object_get(golden, "prompts");
    char folder[] = "/tmp/csv_golden_test.XXXXXX", table[64], template[64];
    assert_non_null(mkdtemp(folder));
    snprintf(table, sizeof table, "%s/recording.csv", folder);
    snprintf(template, sizeof template, "%s/template", folder);
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *each = json_array_get(all, i);
        const char *const paths[] = {table};
        const smg_dataset_options options = {.template_path = template};
        smg_dataset set;
        smidge_error error;
        write_file(table, json_object_get(each, "text"));
        write_file(template, json_object_get(each, "template"));
        if (smg_dataset_read(paths, 1, &options, &set, &error) != SMIDGE_OK)
            fail_msg("%s: %s", error.where, error.message);
        compare_prompts(each, &set);
        smg_dataset_done(&set);
    }
    unlink(table);
    unlink(template);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables),
        cmocka_unit_test(prompts),
    };
    json_error_t error;
    golden = json_load_file(smg_test_source("tests/golden/csv.json"), 0, &error);
    if (golden == NULL)
        return 1;
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    json_decref(golden);
    return failed;
}
