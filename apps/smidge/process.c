#include "process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL

static int64_t read_clock(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * SECOND + now.tv_nsec;
}

/* Field 22 of /proc/self/stat: clock ticks from boot to this process's start; -1 when unreadable. */
static int64_t start_ticks(void)
{
    char text[1024];
    FILE *file = fopen("/proc/self/stat", "re");
    if (file == NULL)
        return -1;
    size_t size = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[size] = '\0';
    /* The second field is the program's name in parentheses and may itself hold spaces and parentheses. */
    char *field = strrchr(text, ')');
    for (int i = 2; i < 22 && field != NULL; i++)
        field = strchr(field + 1, ' ');
    return field == NULL ? -1 : strtoll(field + 1, NULL, 10);
}

int64_t process_start(void)
{
    int64_t now = read_clock(CLOCK_MONOTONIC);
    int64_t by_cpu = now - read_clock(CLOCK_PROCESS_CPUTIME_ID);
    int64_t ticks = start_ticks();
    long per_second = sysconf(_SC_CLK_TCK);
    if (ticks < 0 || per_second <= 0)
        return by_cpu;
    /* The kernel cuts to whole ticks: the end of that tick is certainly not before the start. */
    int64_t started = (ticks + 1) * (SECOND / per_second);
    int64_t by_tick = now - (read_clock(CLOCK_BOOTTIME) - started);
    return by_tick < by_cpu ? by_tick : by_cpu;
}

uint64_t process_peak_memory(void)
{
    FILE *file = fopen("/proc/self/status", "re");
    if (file == NULL)
        return 0;
    char line[256];
    unsigned long long kilobytes = 0;
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "VmHWM:", 6) == 0)
            kilobytes = strtoull(line + 6, NULL, 10);
    }
    fclose(file);
    return (uint64_t)kilobytes * 1024;
}
