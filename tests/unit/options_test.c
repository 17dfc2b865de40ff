/* Structs that come from programs built against another version of the header. */
#include "engine/options.h"

#include <stdlib.h>

#include "test_support.h"

typedef struct options {
    size_t size;
    int32_t first;
    int32_t second;
    double third;
} options;

typedef struct newer {
    options ours;
    int64_t fourth;
    uint8_t fifth[40];
} newer;

static const options defaults = {.size = sizeof(options), .first = 1, .second = 2, .third = 3.0};

/* Reads from a block that ends where the struct says, so that a sanitizer sees a read behind it. */
static smidge_status read_exact(const void *given, size_t size, options *ret, smidge_error *error)
{
    void *copy = malloc(size);
    assert_non_null(copy);
    memcpy(copy, given, size);
    *ret = defaults;
    memset(error, 0, sizeof *error);
    smidge_status status = smg_options_read(ret, sizeof *ret, copy, "session options", error);
    free(copy);
    return status;
}

static void test_none_are_the_defaults(void **state)
{
    (void)state;
    options ours = defaults;
    assert_int_equal(smg_options_read(&ours, sizeof ours, NULL, "x", NULL), SMIDGE_OK);
    assert_memory_equal(&ours, &defaults, sizeof ours);
}

static void test_the_same_version(void **state)
{
    (void)state;
    const options given = {.size = sizeof given, .first = 10, .second = 20, .third = 30.0};
    options ours;
    smidge_error error;
    assert_int_equal(read_exact(&given, sizeof given, &ours, &error), SMIDGE_OK);
    assert_memory_equal(&ours, &given, sizeof ours);
}

static void test_an_older_struct_leaves_the_rest_at_the_defaults(void **state)
{
    (void)state;
    options given = {.first = 10, .second = 20, .third = 30.0};
    options ours;
    smidge_error error;
    given.size = offsetof(options, third);
    assert_int_equal(read_exact(&given, given.size, &ours, &error), SMIDGE_OK);
    assert_int_equal(ours.first, 10);
    assert_int_equal(ours.second, 20);
    assert_true(ours.third == 3.0);
    assert_int_equal(ours.size, sizeof ours); /* what the rest of the library sees is whole */
    given.size = sizeof given.size;
    assert_int_equal(read_exact(&given, given.size, &ours, &error), SMIDGE_OK);
    assert_memory_equal(&ours, &defaults, sizeof ours);
}

static void test_a_newer_struct_may_not_want_what_is_new(void **state)
{
    (void)state;
    newer given;
    options ours;
    smidge_error error;
    memset(&given, 0, sizeof given);
    given.ours = (options){.size = sizeof given, .first = 10, .second = 20, .third = 30.0};
    assert_int_equal(read_exact(&given, sizeof given, &ours, &error), SMIDGE_OK);
    assert_int_equal(ours.first, 10);
    assert_true(ours.third == 30.0);
    assert_int_equal(ours.size, sizeof ours);
    unsigned char *tail = (unsigned char *)&given;
    for (size_t i = sizeof ours; i < sizeof given; i++) {
        tail[i] = i % 2 == 0 ? 1 : 0x80;
        assert_int_equal(read_exact(&given, sizeof given, &ours, &error), SMIDGE_E_INVALID);
        assert_string_equal(error.where, "session options");
        assert_non_null(strstr(error.message, "update the library"));
        assert_memory_equal(&ours, &defaults, sizeof ours);
        tail[i] = 0;
    }
}

static void test_sizes_without_sense(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, sizeof(size_t) - 1, 65537, SIZE_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        options given = {.size = sizes[i], .first = 10};
        options ours;
        smidge_error error;
        assert_int_equal(read_exact(&given, sizeof given, &ours, &error), SMIDGE_E_INVALID);
        assert_non_null(strstr(error.message, "no valid size"));
        assert_memory_equal(&ours, &defaults, sizeof ours);
    }
}

static void test_results_fill_what_there_is_room_for(void **state)
{
    (void)state;
    const options result = {.size = sizeof result, .first = 10, .second = 20, .third = 30.0};
    for (size_t size = 0; size <= sizeof(newer); size++) {
        newer theirs;
        memset(&theirs, 0x55, sizeof theirs);
        newer before = theirs;
        theirs.ours.size = size;
        smg_result_write(&theirs, &result, sizeof result);
        assert_int_equal(theirs.ours.size, size); /* theirs stays theirs */
        size_t filled = size < sizeof result ? size : sizeof result;
        if (filled < sizeof size)
            filled = sizeof size;
        const size_t skip_size = sizeof size;
        assert_memory_equal((char *)&theirs + skip_size, (const char *)&result + skip_size,
                            filled - skip_size);
        if (filled < sizeof theirs)
            assert_memory_equal((char *)&theirs + filled, (char *)&before + filled, sizeof theirs - filled);
    }
    smg_result_write(NULL, &result, sizeof result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_none_are_the_defaults),
        cmocka_unit_test(test_the_same_version),
        cmocka_unit_test(test_an_older_struct_leaves_the_rest_at_the_defaults),
        cmocka_unit_test(test_a_newer_struct_may_not_want_what_is_new),
        cmocka_unit_test(test_sizes_without_sense),
        cmocka_unit_test(test_results_fill_what_there_is_room_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
