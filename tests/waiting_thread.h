/* Knowing that another thread has gone to sleep, without asking what it waits for: a thread says that it is
 * about to make a call that will block, and the test waits until the kernel says that it sleeps. */
#ifndef SMG_TESTS_WAITING_THREAD_H
#define SMG_TESTS_WAITING_THREAD_H

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test_support.h"

typedef struct waiting_thread {
    pthread_t thread;
    atomic_int id; /* the kernel's; 0 until it is about to block */
} waiting_thread;

static inline void waiting_thread_announce(waiting_thread *self)
{
    atomic_store(&self->id, (int)syscall(SYS_gettid));
}

static inline char waiting_thread_state(int id)
{
    char path[64];
    char line[512] = "";
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", id);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return '?';
    const char *read = fgets(line, sizeof line, file);
    fclose(file);
    const char *name_end = read == NULL ? NULL : strrchr(line, ')');
    return name_end == NULL || name_end[1] == '\0' ? '?' : name_end[2];
}

/* Returns when the thread sleeps, and has slept at each of several looks. */
static inline void waiting_thread_until_asleep(waiting_thread *other)
{
    for (int asleep = 0; asleep < 5;) {
        int id = atomic_load(&other->id);
        asleep = id != 0 && waiting_thread_state(id) == 'S' ? asleep + 1 : 0;
        usleep(1000);
    }
}

#endif
