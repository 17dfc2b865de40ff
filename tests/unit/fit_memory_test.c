/* What a machine has, read from made-up /proc and /sys trees, and the decision whether a model fits. */
#include "fit/memory.h"

#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test_support.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)
#define UNKNOWN SMG_MEMORY_UNKNOWN

/* ---- A tree of files ----------------------------------------------------------------------------------- */

static char root[64];

static int make_tree(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/fit_memory.XXXXXX");
    return mkdtemp(root) == NULL ? -1 : 0;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info;
    (void)kind;
    (void)where;
    return remove(path);
}

static int remove_tree(void **state)
{
    (void)state;
    return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void put(const char *name, const char *text)
{
    char path[512];
    snprintf(path, sizeof path, "%s%s", root, name);
    for (char *slash = path + strlen(root); (slash = strchr(slash + 1, '/')) != NULL; *slash = '/') {
        *slash = '\0';
        assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
    }
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

static void put_number(const char *folder, const char *name, uint64_t value)
{
    char path[256];
    char text[32];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    snprintf(text, sizeof text, "%" PRIu64 "\n", value);
    put(path, text);
}

static void put_group_2(const char *folder, uint64_t limit, uint64_t use)
{
    put_number(folder, "memory.max", limit);
    put_number(folder, "memory.current", use);
}

static smg_memory_limits read_limits(void)
{
    smg_memory_limits limits;
    memset(&limits, 0x55, sizeof limits);
    smg_memory_read(root, &limits);
    assert_true(limits.own == UNKNOWN); /* only the caller knows */
    return limits;
}

static void expect_cgroup(uint64_t expected)
{
    uint64_t got = read_limits().cgroup;
    if (got != expected)
        print_error("%" PRIu64 " instead of %" PRIu64 "\n", got, expected);
    assert_true(got == expected);
}

/* ---- Reading ------------------------------------------------------------------------------------------- */

static void test_nothing_there_is_nothing_known(void **state)
{
    (void)state;
    smg_memory_limits limits = read_limits();
    assert_true(limits.ram == UNKNOWN);
    assert_true(limits.available == UNKNOWN);
    assert_true(limits.cgroup == UNKNOWN);
    assert_int_equal(limits.resident, 0);
}

static void test_meminfo(void **state)
{
    (void)state;
    put("/proc/meminfo", "MemTotal:        3884440 kB\nMemFree:          102400 kB\n"
                         "MemAvailable:    2097152 kB\nSwapTotal:       9999999 kB\n");
    smg_memory_limits limits = read_limits();
    assert_int_equal(limits.ram, UINT64_C(3884440) * 1024);
    assert_int_equal(limits.available, 2 * GIB);
    put("/proc/meminfo", "MemFree: 5 kB\nNotMemTotal: 7 kB\nMemAvailable:        0 kB");
    limits = read_limits();
    assert_true(limits.ram == UNKNOWN);
    assert_int_equal(limits.available, 0);
    put("/proc/meminfo", "");
    assert_true(read_limits().ram == UNKNOWN);
}

static void test_absurd_numbers_are_unknown(void **state)
{
    (void)state;
    static const char *const numbers[] = {"", "none", "-4096", "99999999999999999999999",
                                          "18014398509481984"};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        char text[128];
        snprintf(text, sizeof text, "MemTotal: %s kB\nMemAvailable: %s kB\n", numbers[i], numbers[i]);
        put("/proc/meminfo", text);
        smg_memory_limits limits = read_limits();
        assert_true(limits.ram == UNKNOWN);
        assert_true(limits.available == UNKNOWN);
    }
}

static void test_group_of_version_2(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "0::/system.slice/pump.service\n");
    expect_cgroup(UNKNOWN);
    put_group_2("/sys/fs/cgroup/system.slice/pump.service", 512 * MIB, 100 * MIB);
    expect_cgroup(412 * MIB);
    /* The cache of files goes before anything is killed. */
    put("/sys/fs/cgroup/system.slice/pump.service/memory.stat",
        "anon 1\nfile 2\ninactive_anon 77777777\nactive_anon 88888888\n"
        "inactive_file 20971520\nactive_file 10485760\n");
    expect_cgroup(442 * MIB);
    put("/sys/fs/cgroup/system.slice/pump.service/memory.stat", "inactive_file 999999999999\n");
    expect_cgroup(512 * MIB);
    put("/sys/fs/cgroup/system.slice/pump.service/memory.stat", "");
    put("/sys/fs/cgroup/system.slice/pump.service/memory.max", "max\n");
    expect_cgroup(UNKNOWN);
    put_group_2("/sys/fs/cgroup/system.slice/pump.service", 100 * MIB, 101 * MIB);
    expect_cgroup(0);
    put_group_2("/sys/fs/cgroup/system.slice/pump.service", 0, 0);
    expect_cgroup(0);
}

static void test_the_tightest_of_nested_groups(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "0::/a/b/c\n");
    put_group_2("/sys/fs/cgroup/a/b/c", 900 * MIB, 0);
    put_group_2("/sys/fs/cgroup/a/b", 300 * MIB, 100 * MIB);
    put_group_2("/sys/fs/cgroup/a", 250 * MIB, 20 * MIB);
    expect_cgroup(200 * MIB);
    put_group_2("/sys/fs/cgroup/a", 150 * MIB, 20 * MIB);
    expect_cgroup(130 * MIB);
    put("/sys/fs/cgroup/a/memory.max", "max");
    put("/sys/fs/cgroup/a/b/memory.max", "max");
    expect_cgroup(900 * MIB);
    put_group_2("/sys/fs/cgroup", 50 * MIB, 0); /* what a container sees as its top */
    expect_cgroup(50 * MIB);
    put_group_2("/sys/fs", 1, 0); /* above all groups: not one */
    expect_cgroup(50 * MIB);
}

static void test_the_top_group(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "0::/\n");
    put_group_2("/sys/fs/cgroup", 64 * MIB, 4 * MIB);
    expect_cgroup(60 * MIB);
}

static void test_group_of_version_1(void **state)
{
    (void)state;
    put("/proc/self/cgroup",
        "12:cpu,cpuacct:/other\n5:hugetlb,memory,rdma:/docker/f00d\n1:name=systemd:/x\n");
    put_number("/sys/fs/cgroup/memory/docker/f00d", "memory.limit_in_bytes", 256 * MIB);
    put_number("/sys/fs/cgroup/memory/docker/f00d", "memory.usage_in_bytes", 56 * MIB);
    expect_cgroup(200 * MIB);
    put("/sys/fs/cgroup/memory/docker/f00d/memory.stat",
        "cache 5\ninactive_file 999999999\ntotal_inactive_file 10485760\ntotal_active_file 1048576\n");
    expect_cgroup(211 * MIB);
    put_number("/sys/fs/cgroup/memory/docker/f00d", "memory.limit_in_bytes", UINT64_C(9223372036854771712));
    expect_cgroup(UNKNOWN); /* how version 1 says "no limit" */
    /* A container that sees its own group as the top, under a path it cannot see. */
    put_number("/sys/fs/cgroup/memory", "memory.limit_in_bytes", 128 * MIB);
    put_number("/sys/fs/cgroup/memory", "memory.usage_in_bytes", 28 * MIB);
    put("/proc/self/cgroup", "5:memory:/not/seen/here\n");
    expect_cgroup(100 * MIB);
}

static void test_both_versions_at_once(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "5:memory:/a\n0::/b\n");
    put_number("/sys/fs/cgroup/memory/a", "memory.limit_in_bytes", 300 * MIB);
    put_number("/sys/fs/cgroup/memory/a", "memory.usage_in_bytes", 0);
    put_group_2("/sys/fs/cgroup/b", 200 * MIB, 0);
    expect_cgroup(200 * MIB);
    put_group_2("/sys/fs/cgroup/b", 400 * MIB, 0);
    expect_cgroup(300 * MIB);
}

/* Above memory.high nothing is killed, but hardly anything runs. */
static void test_the_soft_limit_of_version_2(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "0::/g\n");
    put_group_2("/sys/fs/cgroup/g", 500 * MIB, 100 * MIB);
    put_number("/sys/fs/cgroup/g", "memory.high", 300 * MIB);
    expect_cgroup(200 * MIB);
    put_number("/sys/fs/cgroup/g", "memory.high", 900 * MIB);
    expect_cgroup(400 * MIB);
    put("/sys/fs/cgroup/g/memory.high", "max\n");
    expect_cgroup(400 * MIB);
    put("/sys/fs/cgroup/g/memory.max", "max\n");
    expect_cgroup(UNKNOWN);
    put_number("/sys/fs/cgroup/g", "memory.high", 150 * MIB);
    expect_cgroup(50 * MIB);
}

/* Swap is no memory to run a model in. */
static void test_swap_is_not_counted(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "0::/g\n");
    put_group_2("/sys/fs/cgroup/g", 300 * MIB, 100 * MIB);
    put_number("/sys/fs/cgroup/g", "memory.swap.max", 4096 * MIB);
    put_number("/sys/fs/cgroup/g", "memory.swap.current", 50 * MIB);
    expect_cgroup(200 * MIB);
    put("/proc/self/cgroup", "3:memory:/h\n");
    put_number("/sys/fs/cgroup/memory/h", "memory.limit_in_bytes", 300 * MIB);
    put_number("/sys/fs/cgroup/memory/h", "memory.usage_in_bytes", 150 * MIB);
    put_number("/sys/fs/cgroup/memory/h", "memory.memsw.limit_in_bytes", 9000 * MIB);
    expect_cgroup(150 * MIB);
}

/* A limit above that a container cannot see as a folder. */
static void test_the_hierarchical_limit_of_version_1(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "9:memory:/\n");
    put_number("/sys/fs/cgroup/memory", "memory.limit_in_bytes", UINT64_C(9223372036854771712));
    put_number("/sys/fs/cgroup/memory", "memory.usage_in_bytes", 40 * MIB);
    put("/sys/fs/cgroup/memory/memory.stat", "hierarchical_memory_limit 268435456\n"
                                             "hierarchical_memsw_limit 999999999999\n"
                                             "total_inactive_file 10485760\n");
    expect_cgroup(226 * MIB);
    put("/sys/fs/cgroup/memory/memory.stat", "hierarchical_memory_limit 9223372036854771712\n");
    expect_cgroup(UNKNOWN);
}

/* A process that was moved out of its namespace sees its own path as "/../other". */
static void test_groups_outside_of_the_namespace(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "0::/../../elsewhere\n");
    put_group_2("/sys/fs/cgroup", 64 * MIB, 4 * MIB);
    put_group_2("/sys/elsewhere", 1, 0);
    expect_cgroup(60 * MIB);
}

/* systemd's hybrid layout: version 2 is mounted beside version 1 and counts no memory. */
static void test_the_hybrid_layout(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "7:memory:/user.slice\n1:name=systemd:/user.slice\n0::/user.slice\n");
    put("/sys/fs/cgroup/unified/user.slice/cgroup.procs", "1\n");
    put_number("/sys/fs/cgroup/memory/user.slice", "memory.limit_in_bytes", 256 * MIB);
    put_number("/sys/fs/cgroup/memory/user.slice", "memory.usage_in_bytes", 56 * MIB);
    expect_cgroup(200 * MIB);
}

static void test_odd_group_files(void **state)
{
    (void)state;
    static const char *const lists[] = {"",     "\n\n",   "0",         "0:",       "0::",
                                        "::::", "memory", "0::nopath", "x:memory:"};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        put("/proc/self/cgroup", lists[i]);
        expect_cgroup(UNKNOWN);
    }
    static const char *const limits[] = {"", "max", "-1", "99999999999999999999999999",
                                         "18446744073709551615"};
    put("/proc/self/cgroup", "0::/g\n");
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        put_group_2("/sys/fs/cgroup/g", 1, 1);
        put("/sys/fs/cgroup/g/memory.max", limits[i]);
        expect_cgroup(UNKNOWN);
    }
    put_group_2("/sys/fs/cgroup/g", 10, 5);
    put("/sys/fs/cgroup/g/memory.current", "");
    expect_cgroup(UNKNOWN);
    char text[3000]; /* a path that is longer than any */
    memset(text, 'p', sizeof text);
    memcpy(text, "0::/", 4);
    text[sizeof text - 1] = '\0';
    put("/proc/self/cgroup", text);
    expect_cgroup(UNKNOWN);
}

static void test_resident_memory(void **state)
{
    (void)state;
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    put("/proc/self/statm", "5000 1200 200 10 0 900 0\n");
    assert_int_equal(read_limits().resident, 1000 * page);
    put("/proc/self/statm", "5000 200 1200 10 0 900 0\n");
    assert_int_equal(read_limits().resident, 0);
    put("/proc/self/statm", "5000 200\n");
    assert_int_equal(read_limits().resident, 0);
    put("/proc/self/statm", "many more\n");
    assert_int_equal(read_limits().resident, 0);
    put("/proc/self/statm", "1 18446744073709551615 1\n");
    assert_int_equal(read_limits().resident, 0);
}

static void test_this_machine(void **state)
{
    (void)state;
    smg_memory_limits limits;
    smg_memory_read("", &limits);
    assert_true(limits.ram != UNKNOWN && limits.ram > MIB);
    assert_true(limits.available <= limits.ram);
    assert_true(limits.resident > 0 && limits.resident < limits.ram);
}

/* ---- Deciding ------------------------------------------------------------------------------------------ */

static smg_memory_limits roomy(void)
{
    return (smg_memory_limits){.ram = UNKNOWN, .available = UNKNOWN, .cgroup = UNKNOWN, .own = UNKNOWN};
}

static smidge_status check(uint64_t bytes, uint64_t held, const smg_memory_limits *limits, bool force,
                           smidge_error *error)
{
    const smg_memory_need need = {.weights = bytes};
    memset(error, 0, sizeof *error);
    smidge_status status =
        smg_memory_check(&need, held, limits, force, "model.gguf", "take a smaller one", error);
    if (status == SMIDGE_OK) {
        assert_string_equal(error->message, "");
        return status;
    }
    assert_int_equal(status, SMIDGE_E_NO_FIT);
    assert_int_equal(error->code, SMIDGE_E_NO_FIT);
    assert_string_equal(error->where, "model.gguf");
    assert_non_null(
        strstr(error->message, "(take a smaller one; see docs/troubleshooting.md, \"Out of memory\")"));
    return status;
}

/* `bytes` fit exactly, one more does not, and the message says whose fault it is. */
static void expect_limit(uint64_t bytes, uint64_t held, const smg_memory_limits *limits, bool force,
                         const char *words)
{
    smidge_error error;
    assert_true(smg_memory_allowed(limits, held, force) == bytes);
    assert_int_equal(check(bytes, held, limits, force, &error), SMIDGE_OK);
    assert_int_equal(check(bytes + 1, held, limits, force, &error), SMIDGE_E_NO_FIT);
    assert_non_null(strstr(error.message, words));
}

static void test_seventy_percent_of_ram(void **state)
{
    (void)state;
    smg_memory_limits limits = roomy();
    limits.ram = 1000 * MIB;
    expect_limit(700 * MIB, 0, &limits, false, "70 % of RAM is 700.0 MiB");
    assert_true(smg_memory_allowed(&limits, 0, true) == UNKNOWN);
    smidge_error error;
    assert_int_equal(check(990 * MIB, 0, &limits, true, &error), SMIDGE_OK);
}

static void test_force_skips_only_that(void **state)
{
    (void)state;
    smg_memory_limits limits = roomy();
    limits.ram = 1000 * MIB;
    limits.available = 900 * MIB;
    expect_limit(700 * MIB, 0, &limits, false, "70 % of RAM");
    expect_limit(900 * MIB, 0, &limits, true, "available now is 900.0 MiB");
    limits.cgroup = 800 * MIB;
    expect_limit(800 * MIB, 0, &limits, true, "control group leaves is 800.0 MiB");
    limits.own = 600 * MIB;
    expect_limit(600 * MIB, 0, &limits, false, "limit given is 600.0 MiB");
    expect_limit(600 * MIB, 0, &limits, true, "limit given is 600.0 MiB");
}

static void test_each_limit_binds(void **state)
{
    (void)state;
    const smg_memory_limits all = {.ram = 1000 * MIB,
                                   .available = 699 * MIB,
                                   .cgroup = 699 * MIB,
                                   .own = 699 * MIB};
    smg_memory_limits limits = all;
    limits.available = 100 * MIB;
    expect_limit(100 * MIB, 0, &limits, false, "available now is 100.0 MiB");
    limits = all;
    limits.cgroup = 0;
    expect_limit(0, 0, &limits, false, "control group leaves is 0.0 MiB");
    limits = all;
    limits.own = 1;
    expect_limit(1, 0, &limits, false, "limit given");
}

/* What is allocated already is missing from what is free: it must not be counted twice. */
static void test_what_is_held_counts_once(void **state)
{
    (void)state;
    smg_memory_limits limits = roomy();
    limits.available = 100 * MIB;
    limits.cgroup = 150 * MIB;
    limits.resident = 80 * MIB;
    expect_limit(100 * MIB, 0, &limits, false, "available");
    expect_limit(150 * MIB, 50 * MIB, &limits, false, "available");
    /* Held but never touched: the system has not given it away yet. */
    expect_limit(180 * MIB, 500 * MIB, &limits, false, "available");
    limits.available = UNKNOWN;
    expect_limit(230 * MIB, 500 * MIB, &limits, false, "control group");
    limits.own = 120 * MIB;
    expect_limit(120 * MIB, 500 * MIB, &limits, false, "limit given"); /* on everything together */
    limits.ram = 100 * MIB;
    expect_limit(70 * MIB, 500 * MIB, &limits, false, "70 % of RAM");
    limits = roomy();
    limits.available = UNKNOWN - 10; /* no wrapping around */
    limits.resident = 100;
    assert_true(smg_memory_allowed(&limits, 100, false) == UNKNOWN);
}

static void test_the_message_carries_the_numbers(void **state)
{
    (void)state;
    const smg_memory_need need = {.weights = 300 * MIB,
                                  .kv = 20 * MIB,
                                  .scratch = 5 * MIB + MIB / 2,
                                  .vocabulary = 3 * MIB,
                                  .program = 2 * MIB};
    assert_true(smg_memory_total(&need) == 330 * MIB + MIB / 2);
    smg_memory_limits limits = roomy();
    limits.ram = 400 * MIB;
    smidge_error error = {0};
    smidge_status status = smg_memory_check(&need, 0, &limits, false, "m", "-c 128 would fit", &error);
    assert_int_equal(status, SMIDGE_E_NO_FIT);
    static const char *const words[] = {"needs 330.5 MiB",   "weights 300.0",  "KV cache 20.0",
                                        "scratch 5.5",       "vocabulary 3.0", "280.0 MiB",
                                        "(-c 128 would fit;"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        assert_non_null(strstr(error.message, words[i]));
}

/* Nothing of it is lost even with the largest numbers and the longest advice that a session gives. */
static void test_the_longest_message_is_whole(void **state)
{
    (void)state;
    const smg_memory_need need = {.weights = UINT64_MAX,
                                  .kv = UINT64_MAX,
                                  .scratch = UINT64_MAX,
                                  .vocabulary = UINT64_MAX};
    smg_memory_limits limits = roomy();
    limits.cgroup = UINT64_MAX - 1;
    static const char advice[] = "take a context below 2147483647, kv type q8_0, or a smaller model or type";
    smidge_error error;
    assert_int_equal(smg_memory_check(&need, 0, &limits, false, "m", advice, &error), SMIDGE_E_NO_FIT);
    assert_non_null(
        strstr(error.message, "what the control group leaves is 17592186044416.0 MiB (take a context"));
    assert_non_null(
        strstr(error.message, "smaller model or type; see docs/troubleshooting.md, \"Out of memory\")"));
}

/* This test is a program that brings the library: its code is a part, and a few hundred MiB of nothing are not. */
static void test_the_program_is_counted(void **state)
{
    (void)state;
    uint64_t bytes = smg_memory_program();
    assert_in_range(bytes, 64 << 10, 200 * MIB);
    assert_int_equal(bytes % 4096, 0);
    assert_true(bytes == smg_memory_program());
}

static void test_a_need_beyond_all_numbers_does_not_fit(void **state)
{
    (void)state;
    const smg_memory_need need = {.weights = UINT64_MAX - 5,
                                  .kv = 10,
                                  .scratch = UINT64_MAX,
                                  .vocabulary = 1};
    assert_true(smg_memory_total(&need) == UINT64_MAX);
    smg_memory_limits limits = roomy();
    limits.ram = 8 * GIB;
    assert_int_equal(smg_memory_check(&need, 0, &limits, false, "m", "x", NULL), SMIDGE_E_NO_FIT);
}

#define WITH_TREE(test) cmocka_unit_test_setup_teardown(test, make_tree, remove_tree)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_TREE(test_nothing_there_is_nothing_known),
        WITH_TREE(test_meminfo),
        WITH_TREE(test_absurd_numbers_are_unknown),
        WITH_TREE(test_group_of_version_2),
        WITH_TREE(test_the_tightest_of_nested_groups),
        WITH_TREE(test_the_top_group),
        WITH_TREE(test_group_of_version_1),
        WITH_TREE(test_both_versions_at_once),
        WITH_TREE(test_the_soft_limit_of_version_2),
        WITH_TREE(test_swap_is_not_counted),
        WITH_TREE(test_the_hierarchical_limit_of_version_1),
        WITH_TREE(test_groups_outside_of_the_namespace),
        WITH_TREE(test_the_hybrid_layout),
        WITH_TREE(test_odd_group_files),
        WITH_TREE(test_resident_memory),
        cmocka_unit_test(test_this_machine),
        cmocka_unit_test(test_seventy_percent_of_ram),
        cmocka_unit_test(test_force_skips_only_that),
        cmocka_unit_test(test_each_limit_binds),
        cmocka_unit_test(test_what_is_held_counts_once),
        cmocka_unit_test(test_the_message_carries_the_numbers),
        cmocka_unit_test(test_the_longest_message_is_whole),
        cmocka_unit_test(test_the_program_is_counted),
        cmocka_unit_test(test_a_need_beyond_all_numbers_does_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
