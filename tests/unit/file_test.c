#include "base/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "test_support.h"

static char folder[64];
static char path[128];

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/file_test.XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/file", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static void write_file(const void *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static int open_descriptors(void)
{
    int count = 0;
    DIR *list = opendir("/proc/self/fd");
    assert_non_null(list);
    while (readdir(list) != NULL)
        count++;
    closedir(list);
    return count;
}

static void test_a_file_is_mapped(void **state)
{
    (void)state;
    char text[10000];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)(i * 7);
    write_file(text, sizeof text);
    int descriptors = open_descriptors();
    uint64_t live = smg_alloc_live_blocks();
    smg_file file;
    assert_int_equal(smg_file_open(path, &file, NULL), SMIDGE_OK);
    assert_int_equal(file.size, sizeof text);
    assert_memory_equal(file.data, text, sizeof text);
    assert_int_equal(open_descriptors(), descriptors);
    smg_file_close(&file);
    assert_null(file.data);
    assert_int_equal(file.size, 0);
    smg_file_close(&file);
    assert_int_equal(smg_alloc_live_blocks(), live);
}

static void test_an_empty_file_is_no_error(void **state)
{
    (void)state;
    write_file("", 0);
    smg_file file = {.data = (const uint8_t *)path, .size = 5};
    assert_int_equal(smg_file_open(path, &file, NULL), SMIDGE_OK);
    assert_null(file.data);
    assert_int_equal(file.size, 0);
    smg_file_close(&file);
    char *text = NULL;
    size_t size = 5;
    assert_int_equal(smg_file_read(path, 100, &text, &size, NULL), SMIDGE_OK);
    assert_int_equal(size, 0);
    assert_string_equal(text, "");
    smg_free(text);
}

static void test_what_is_not_there_is_named(void **state)
{
    (void)state;
    unlink(path);
    smidge_error error = {0};
    smg_file file = {0};
    assert_int_equal(smg_file_open(path, &file, &error), SMIDGE_E_IO);
    assert_string_equal(error.where, path);
    assert_non_null(strstr(error.message, "No such file"));
    char *text = NULL;
    size_t size = 0;
    assert_int_equal(smg_file_read(path, 100, &text, &size, &error), SMIDGE_E_IO);
    assert_null(text);
}

static void test_a_folder_is_not_a_file(void **state)
{
    (void)state;
    int descriptors = open_descriptors();
    smidge_error error = {0};
    smg_file file = {0};
    assert_int_equal(smg_file_open(folder, &file, &error), SMIDGE_E_IO);
    assert_non_null(strstr(error.message, "not a regular file"));
    char *text = NULL;
    size_t size = 0;
    assert_int_equal(smg_file_read(folder, 100, &text, &size, &error), SMIDGE_E_IO);
    assert_non_null(strstr(error.message, "directory"));
    assert_int_equal(open_descriptors(), descriptors);
}

/* Opening a pipe that nobody writes to would wait for ever. */
static void test_a_pipe_is_refused_at_once(void **state)
{
    (void)state;
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    smidge_error error = {0};
    smg_file file = {0};
    alarm(60);
    assert_int_equal(smg_file_open(path, &file, &error), SMIDGE_E_IO);
    alarm(0);
    assert_non_null(strstr(error.message, "not a regular file"));
    unlink(path);
}

static void test_reading_is_bounded(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 4094, 4095, 4096, 4097, 8191, 8192, 100000};
    char *data = malloc(100000);
    assert_non_null(data);
    for (size_t i = 0; i < 100000; i++)
        data[i] = (char)(i % 251); /* zeros among them */
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        write_file(data, sizes[i]);
        char *text = NULL;
        size_t size = 0;
        assert_int_equal(smg_file_read(path, sizes[i], &text, &size, NULL), SMIDGE_OK);
        assert_int_equal(size, sizes[i]);
        assert_memory_equal(text, data, size);
        assert_int_equal(text[size], 0);
        smg_free(text);
        text = NULL;
        smidge_error error = {0};
        assert_int_equal(smg_file_read(path, sizes[i] - 1, &text, &size, &error), SMIDGE_E_INVALID);
        assert_non_null(strstr(error.message, "longer than"));
        assert_null(text);
    }
    free(data);
}

static void test_a_dash_reads_standard_input(void **state)
{
    (void)state;
    int ends[2];
    int kept = dup(STDIN_FILENO);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "21.5 C\n", 7), 7);
    close(ends[1]);
    assert_int_equal(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
    close(ends[0]);
    char *text = NULL;
    size_t size = 0;
    smidge_status status = smg_file_read("-", 100, &text, &size, NULL);
    bool still_open = fcntl(STDIN_FILENO, F_GETFD) >= 0;
    if (kept >= 0) {
        dup2(kept, STDIN_FILENO);
        close(kept);
    }
    assert_int_equal(status, SMIDGE_OK);
    assert_true(still_open);
    assert_int_equal(size, 7);
    assert_string_equal(text, "21.5 C\n");
    smg_free(text);
}

static void test_refused_memory_leaves_nothing_behind(void **state)
{
    (void)state;
    char data[10000];
    memset(data, 'x', sizeof data);
    write_file(data, sizeof data);
    int descriptors = open_descriptors();
    uint64_t live = smg_alloc_live_blocks();
    smidge_error error = {0};
    smg_file file = {0};
    smg_alloc_fail_at(1);
    assert_int_equal(smg_file_open(path, &file, &error), SMIDGE_E_NOMEM);
    assert_null(file.data);
    int failures = 0;
    for (uint64_t n = 1;; n++) {
        char *text = NULL;
        size_t size = 0;
        smg_alloc_fail_at(n);
        if (smg_file_read(path, sizeof data, &text, &size, &error) == SMIDGE_OK) {
            smg_free(text);
            break;
        }
        assert_int_equal(error.code, SMIDGE_E_NOMEM);
        assert_null(text);
        failures++;
    }
    smg_alloc_fail_at(0);
    assert_true(failures >= 2);
    assert_int_equal(smg_alloc_live_blocks(), live);
    assert_int_equal(open_descriptors(), descriptors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_file_is_mapped),
        cmocka_unit_test(test_an_empty_file_is_no_error),
        cmocka_unit_test(test_what_is_not_there_is_named),
        cmocka_unit_test(test_a_folder_is_not_a_file),
        cmocka_unit_test(test_a_pipe_is_refused_at_once),
        cmocka_unit_test(test_reading_is_bounded),
        cmocka_unit_test(test_a_dash_reads_standard_input),
        cmocka_unit_test(test_refused_memory_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
