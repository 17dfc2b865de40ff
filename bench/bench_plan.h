/* What ./dev bench measures, alike for ours and for the peer: sizes, tokens, clocks, and how a sample is printed. */
#ifndef SMG_BENCH_PLAN_H
#define SMG_BENCH_PLAN_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum {
    PLAN_SHORT = 64, /* tokens of the two prefill tests */
    PLAN_LONG = 512,
    PLAN_DECODE = 32,
    PLAN_DEEP = 2048, /* tokens there before the decode at depth */
    PLAN_PREFIX = 64, /* tokens that all readings begin with … */
    PLAN_FRESH = 32,  /* … and tokens that differ */
    PLAN_READINGS = 64,
    PLAN_COLD = 90, /* tokens of the prompt of the whole process */
    PLAN_MEMORY_CONTEXT = 1024,
    PLAN_SPARE = 64,  /* positions beyond what a test counts on, for answers */
    PLAN_REPEATS = 3, /* of the short tests in one process */
    PLAN_WARM_REPEATS = 8
};

/* Any ids do, as long as they differ: speed does not depend on which. */
static inline void plan_tokens(int32_t *ret_ids, int32_t count, uint64_t seed, int32_t vocabulary)
{
    for (int32_t i = 0; i < count; i++) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        ret_ids[i] = (int32_t)((seed >> 33) % (uint64_t)vocabulary);
    }
}

static inline double plan_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Seconds of processor time that all threads of this process took so far. */
static inline double plan_cpu_time(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* The most that this process had resident (VmHWM), in MiB; 0 if the kernel does not say. */
static inline double plan_peak_mib(void)
{
    char line[256];
    double kib = 0.0;
    FILE *status = fopen("/proc/self/status", "r");
    while (status != NULL && fgets(line, sizeof line, status) != NULL)
        (void)!sscanf(line, "VmHWM: %lf", &kib);
    if (status != NULL)
        fclose(status);
    return kib / 1024.0;
}

static inline void plan_sample(const char *test, int threads, double value, const char *unit)
{
    printf("%s %d %.6g %s\n", test, threads, value, unit);
    fflush(stdout);
}

#endif
