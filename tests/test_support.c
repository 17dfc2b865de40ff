#include "test_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PATHS 8
#define PATH_BYTES 1024

static const char *path_join(const char *folder, const char *name)
{
    static _Thread_local char paths[PATHS][PATH_BYTES];
    static _Thread_local unsigned turn;
    char *path = paths[turn++ % PATHS];
    int length = snprintf(path, PATH_BYTES, "%s/%s", folder, name);
    if (length < 0 || length >= PATH_BYTES) {
        fprintf(stderr, "path too long: %s/%s\n", folder, name);
        exit(1);
    }
    return path;
}

static const char *existing(const char *path)
{
    return access(path, R_OK) == 0 ? path : NULL;
}

const char *smg_test_fixture(const char *name)
{
    const char *folder = getenv("SMIDGE_FIXTURES");
    if (!folder || !*folder)
        folder = SMIDGE_SOURCE_DIR "/../shared/fixtures";
    return existing(path_join(folder, name));
}

const char *smg_test_need_fixture(const char *name)
{
    const char *path = smg_test_fixture(name);
    if (!path)
        smg_test_skip("no fixture %s (set SMIDGE_FIXTURES to the folder that has it)", name);
    return path;
}

const char *smg_test_model(const char *name)
{
    const char *cache = getenv("XDG_CACHE_HOME");
    if (!cache || !*cache) {
        const char *home = getenv("HOME");
        if (!home || !*home)
            return NULL;
        cache = path_join(home, ".cache");
    }
    return existing(path_join(path_join(cache, "smidge/models"), name));
}

const char *smg_test_source(const char *name)
{
    return path_join(SMIDGE_SOURCE_DIR, name);
}

_Noreturn void smg_test_skip(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    printf("skipped: ");
    vprintf(format, arguments);
    printf("\n");
    va_end(arguments);
    exit(SMG_TEST_SKIPPED);
}

int smg_test_repeats(int count)
{
    const char *quick = getenv("SMIDGE_TEST_QUICK");
    if (!quick || !*quick)
        return count;
    return count < 20 ? 1 : count / 20;
}

uint64_t smg_test_random(uint64_t *state)
{
    /* splitmix64 (Steele, Lea, Flood 2014) */
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}
