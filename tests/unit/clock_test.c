#include "base/clock.h"

#include <time.h>

#include "test_support.h"

#define SECOND INT64_C(1000000000)

static void test_the_clock_is_monotonic_nanoseconds(void **state)
{
    (void)state;
    struct timespec before;
    struct timespec after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    int64_t now = smg_clock_now();
    clock_gettime(CLOCK_MONOTONIC, &after);
    assert_true(now >= before.tv_sec * SECOND + before.tv_nsec);
    assert_true(now <= after.tv_sec * SECOND + after.tv_nsec);
    int64_t last = now;
    for (int i = 0; i < 10000; i++) {
        int64_t next = smg_clock_now();
        assert_true(next >= last);
        last = next;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_clock_is_monotonic_nanoseconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
