#include "base/alloc.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "test_support.h"

static bool all_zero(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != 0)
            return false;
    }
    return true;
}

static void test_blocks_are_zeroed_and_aligned(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 63, 64, 65, 4095, 4097, 100000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (int round = 0; round < 4; round++) { /* what is given again was dirtied before */
            uint8_t *block = smg_alloc(sizes[i]);
            assert_non_null(block);
            assert_int_equal((uintptr_t)block % SMG_ALIGNMENT, 0);
            assert_true(all_zero(block, sizes[i]));
            memset(block, 0xA5, sizes[i]);
            smg_free(block);
        }
    }
}

static void test_sizes_that_overflow_are_refused(void **state)
{
    (void)state;
    uint64_t live = smg_alloc_live_blocks();
    assert_null(smg_alloc(SIZE_MAX));
    assert_null(smg_alloc(SIZE_MAX - SMG_ALIGNMENT + 1));
    assert_null(smg_alloc((size_t)PTRDIFF_MAX + 1));
    assert_null(smg_alloc_array(SIZE_MAX / 2 + 1, 2));
    assert_null(smg_alloc_array((size_t)1 << 32, (size_t)1 << 32));
    assert_null(smg_realloc_array(NULL, SIZE_MAX / 2 + 1, 2));
    assert_null(smg_realloc_array(NULL, (size_t)PTRDIFF_MAX + 1, 1));
    assert_int_equal(smg_alloc_live_blocks(), live);
}

static void test_growing_keeps_what_was_there(void **state)
{
    (void)state;
    uint64_t live = smg_alloc_live_blocks();
    uint32_t *numbers = NULL;
    for (uint32_t count = 1; count <= 4096; count *= 2) {
        numbers = smg_realloc_array(numbers, count, sizeof *numbers);
        assert_non_null(numbers);
        for (uint32_t i = count / 2; i < count; i++)
            numbers[i] = i;
    }
    assert_int_equal(smg_alloc_live_blocks(), live + 1);
    smg_alloc_fail_at(1);
    assert_null(smg_realloc_array(numbers, 8192, sizeof *numbers));
    assert_null(smg_realloc_array(numbers, SIZE_MAX, sizeof *numbers));
    smg_alloc_fail_at(0);
    for (uint32_t i = 0; i < 4096; i++)
        assert_int_equal(numbers[i], i);
    smg_free(numbers);
    assert_int_equal(smg_alloc_live_blocks(), live);
}

/* One of each kind of call; true if it was refused. */
static bool refused(int kind, int fd)
{
    void *block = NULL;
    switch (kind) {
    case 0:
        block = smg_alloc(10);
        break;
    case 1:
        block = smg_alloc_array(3, 5);
        break;
    case 2:
        block = smg_realloc_array(NULL, 3, 5);
        break;
    case 3:
        block = smg_map_anonymous(4096);
        break;
    default:
        block = smg_map_file(fd, 4096);
        break;
    }
    if (kind < 3)
        smg_free(block);
    else
        smg_unmap(block, 4096);
    return block == NULL;
}

static void test_the_nth_call_fails_and_only_that_one(void **state)
{
    (void)state;
    int fd = memfd_create("alloc_test", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, 4096), 0);
    uint64_t live = smg_alloc_live_blocks();
    for (uint64_t n = 1; n <= 10; n++) {
        smg_alloc_fail_at(n);
        for (uint64_t call = 1; call <= 10; call++) {
            assert_int_equal(refused((int)((call - 1) % 5), fd), call == n);
            assert_int_equal(smg_alloc_calls(), call);
        }
    }
    smg_alloc_fail_at(0);
    assert_int_equal(smg_alloc_calls(), 0);
    for (int kind = 0; kind < 5; kind++)
        assert_false(refused(kind, fd));
    assert_int_equal(smg_alloc_live_blocks(), live);
    close(fd);
}

static void test_live_blocks_count_blocks_and_mappings(void **state)
{
    (void)state;
    uint64_t live = smg_alloc_live_blocks();
    void *block = smg_alloc(1);
    void *data = smg_map_anonymous(1);
    assert_non_null(block);
    assert_non_null(data);
    assert_int_equal(smg_alloc_live_blocks(), live + 2);
    assert_null(smg_map_anonymous(0)); /* refused by the system, and so not counted */
    assert_int_equal(smg_alloc_live_blocks(), live + 2);
    smg_free(NULL);
    smg_unmap(NULL, 1);
    assert_int_equal(smg_alloc_live_blocks(), live + 2);
    smg_free_ptr(&block);
    smg_unmap(data, 1);
    assert_int_equal(smg_alloc_live_blocks(), live);
}

static void test_an_arena_counts_first_and_then_gives_the_same(void **state)
{
    (void)state;
    static const size_t takes[] = {1, 64, 65, 0, 4096, 3};
    smg_arena count = {0};
    for (size_t i = 0; i < sizeof takes / sizeof *takes; i++)
        assert_null(smg_arena_take(&count, takes[i]));
    assert_int_equal(count.used, 64 + 64 + 128 + 0 + 4096 + 64);
    uint64_t live = smg_alloc_live_blocks();
    smg_arena arena;
    assert_int_equal(smg_arena_init(&arena, count.used, "test", NULL), SMIDGE_OK);
    uint8_t *end = arena.base;
    for (size_t i = 0; i < sizeof takes / sizeof *takes; i++) {
        uint8_t *block = smg_arena_take(&arena, takes[i]);
        assert_non_null(block);
        assert_int_equal((uintptr_t)block % SMG_ALIGNMENT, 0);
        assert_true(block >= end);
        assert_true(all_zero(block, takes[i]));
        memset(block, 0xFF, takes[i]);
        end = block + takes[i];
    }
    assert_true(end <= arena.base + arena.size);
    assert_int_equal(arena.used, arena.size);
    assert_null(smg_arena_take(&arena, 1));
    assert_int_equal(arena.used, arena.size);
    smg_arena_done(&arena);
    assert_null(arena.base);
    assert_int_equal(smg_alloc_live_blocks(), live);
    smg_arena_done(&arena);
    assert_int_equal(smg_alloc_live_blocks(), live);
}

static void test_an_arena_of_overflowing_size_is_never_satisfied(void **state)
{
    (void)state;
    smg_arena count = {0};
    assert_null(smg_arena_take(&count, SIZE_MAX - 100));
    assert_null(smg_arena_take(&count, 1000));
    assert_int_equal(count.used, SIZE_MAX);
    assert_null(smg_arena_take(&count, 1)); /* and stays so */
    assert_int_equal(count.used, SIZE_MAX);
    smidge_error error = {0};
    smg_arena arena;
    assert_int_equal(smg_arena_init(&arena, count.used, "session", &error), SMIDGE_E_NOMEM);
    assert_int_equal(error.code, SMIDGE_E_NOMEM);
    assert_string_equal(error.where, "session");
    assert_null(arena.base);
}

static void test_an_arena_says_when_memory_is_refused(void **state)
{
    (void)state;
    smidge_error error = {0};
    smg_arena arena;
    smg_alloc_fail_at(1);
    smidge_status status = smg_arena_init(&arena, 12345, "session", &error);
    smg_alloc_fail_at(0);
    assert_int_equal(status, SMIDGE_E_NOMEM);
    assert_non_null(strstr(error.message, "12345 bytes"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks_are_zeroed_and_aligned),
        cmocka_unit_test(test_sizes_that_overflow_are_refused),
        cmocka_unit_test(test_growing_keeps_what_was_there),
        cmocka_unit_test(test_the_nth_call_fails_and_only_that_one),
        cmocka_unit_test(test_live_blocks_count_blocks_and_mappings),
        cmocka_unit_test(test_an_arena_counts_first_and_then_gives_the_same),
        cmocka_unit_test(test_an_arena_of_overflowing_size_is_never_satisfied),
        cmocka_unit_test(test_an_arena_says_when_memory_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
