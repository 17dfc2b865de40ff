#include "base/cursor.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "test_support.h"

static const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xFF};

static void test_numbers_are_little_endian(void **state)
{
    (void)state;
    smg_cursor cursor;
    smg_cursor_init(&cursor, bytes, sizeof bytes);
    assert_int_equal(smg_cursor_u8(&cursor), 0x01);
    assert_int_equal(smg_cursor_u16(&cursor), 0x0302);
    assert_int_equal(smg_cursor_u32(&cursor), 0x07060504);
    assert_int_equal(smg_cursor_left(&cursor), 8);
    assert_true(smg_cursor_u64(&cursor) == UINT64_C(0xFF0E0D0C0B0A0908));
    assert_false(cursor.failed);
    assert_int_equal(smg_cursor_left(&cursor), 0);
}

static void test_the_first_read_past_the_end_fails_for_good(void **state)
{
    (void)state;
    smg_cursor cursor;
    smg_cursor_init(&cursor, bytes, 6);
    assert_int_equal(smg_cursor_u32(&cursor), 0x04030201);
    assert_int_equal(smg_cursor_u32(&cursor), 0); /* two bytes are left */
    assert_true(cursor.failed);
    assert_int_equal(cursor.position, 4);
    assert_int_equal(smg_cursor_u8(&cursor), 0); /* though one would be there */
    assert_null(smg_cursor_bytes(&cursor, 0));
    assert_int_equal(smg_cursor_left(&cursor), 0);
}

static void test_counts_near_the_largest_do_not_wrap(void **state)
{
    (void)state;
    static const uint64_t counts[] = {7, UINT32_MAX, UINT64_C(1) << 63, UINT64_MAX - 1, UINT64_MAX};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        smg_cursor cursor;
        smg_cursor_init(&cursor, bytes, 8);
        (void)smg_cursor_u16(&cursor);
        assert_null(smg_cursor_bytes(&cursor, counts[i]));
        assert_true(cursor.failed);
    }
}

static void test_an_empty_input_has_nothing_but_no_bytes(void **state)
{
    (void)state;
    smg_cursor cursor;
    smg_cursor_init(&cursor, bytes, 0);
    assert_ptr_equal(smg_cursor_bytes(&cursor, 0), bytes);
    assert_false(cursor.failed);
    assert_null(smg_cursor_bytes(&cursor, 1));
    assert_true(cursor.failed);
}

/* Any sequence of reads stays inside and agrees with counting by hand. */
static void test_random_reads_agree_with_counting(void **state)
{
    (void)state;
    uint64_t random = 1;
    for (int round = 0; round < 2000; round++) {
        size_t size = smg_test_random(&random) % (sizeof bytes + 1);
        size_t at = 0;
        bool failed = false;
        smg_cursor cursor;
        smg_cursor_init(&cursor, bytes, size);
        for (int i = 0; i < 8; i++) {
            uint64_t count = smg_test_random(&random) % 6;
            const uint8_t *read = smg_cursor_bytes(&cursor, count);
            failed = failed || at + count > size;
            assert_ptr_equal(read, failed ? NULL : bytes + at);
            at += failed ? 0 : count;
            assert_int_equal(cursor.failed, failed);
            assert_int_equal(smg_cursor_left(&cursor), failed ? 0 : size - at);
        }
    }
}

static void test_texts_are_passed_up_to_the_first_that_is_wrong(void **state)
{
    (void)state;
    const uint8_t texts[] = {1, 0, 0, 0, 0, 0, 0, 0, 'a', 0, 0, 0,   0,   0,
                             0, 0, 0, 3, 0, 0, 0, 0, 0,   0, 0, 'b', 'c', 'd'};
    const size_t ends[] = {0, 9, 17, 28};
    for (size_t size = 0; size <= sizeof texts; size++) {
        uint8_t *exact = malloc(size == 0 ? 1 : size);
        memcpy(exact, texts, size);
        for (uint64_t count = 0; count < 5; count++) {
            smg_cursor cursor;
            smg_cursor_init(&cursor, exact, size);
            size_t whole = 0;
            while (whole < 3 && whole < count && ends[whole + 1] <= size)
                whole++;
            assert_int_equal(smg_cursor_pass_texts(&cursor, count, 3), whole);
            assert_int_equal(cursor.position, ends[whole]);
            assert_false(cursor.failed);
        }
        free(exact);
    }
    smg_cursor cursor;
    smg_cursor_init(&cursor, texts, sizeof texts);
    assert_int_equal(smg_cursor_pass_texts(&cursor, 3, 2), 2); /* the third is longer than that */
    assert_null(smg_cursor_bytes(&cursor, 100));
    assert_int_equal(smg_cursor_pass_texts(&cursor, 1, 3), 0); /* failed for good */

    uint8_t huge[16];
    memset(huge, 0xFF, sizeof huge);
    smg_cursor_init(&cursor, huge, sizeof huge);
    assert_int_equal(smg_cursor_pass_texts(&cursor, 1, UINT64_MAX), 0);
}

static void test_checked_arithmetic_refuses_overflow(void **state)
{
    (void)state;
    const uint64_t half = UINT64_C(1) << 63;
    uint64_t value = 77;
    assert_false(smg_checked_add(UINT64_MAX, 1, &value));
    assert_false(smg_checked_add(half, half, &value));
    assert_false(smg_checked_mul(half, 2, &value));
    assert_false(smg_checked_mul(UINT64_C(1) << 32, UINT64_C(1) << 32, &value));
    assert_false(smg_checked_align(UINT64_MAX, 8, &value));
    assert_false(smg_checked_align(UINT64_MAX - 6, 8, &value));
    assert_int_equal(value, 77); /* untouched */
    assert_true(smg_checked_add(UINT64_MAX - 1, 1, &value));
    assert_true(value == UINT64_MAX);
    assert_true(smg_checked_mul(UINT32_MAX, UINT32_MAX, &value));
    assert_true(value == UINT64_C(0xFFFFFFFE00000001));
    assert_true(smg_checked_align(UINT64_MAX - 7, 8, &value));
    assert_true(value == UINT64_MAX - 7);
    for (uint64_t i = 0; i <= 64; i++) {
        assert_true(smg_checked_align(i, 32, &value));
        assert_int_equal(value, (i + 31) / 32 * 32);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_are_little_endian),
        cmocka_unit_test(test_the_first_read_past_the_end_fails_for_good),
        cmocka_unit_test(test_counts_near_the_largest_do_not_wrap),
        cmocka_unit_test(test_an_empty_input_has_nothing_but_no_bytes),
        cmocka_unit_test(test_random_reads_agree_with_counting),
        cmocka_unit_test(test_texts_are_passed_up_to_the_first_that_is_wrong),
        cmocka_unit_test(test_checked_arithmetic_refuses_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
