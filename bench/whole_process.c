/* Time and memory of a whole process, from outside: from its start to its end, and the most that it had resident.
 *
 *     whole_process NAME THREADS PROGRAM [ARGUMENT...]
 *
 * Prints `NAME THREADS MS ms` and `NAME-memory THREADS MIB MiB`; what the program prints is dropped. Fails if it does.
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench_plan.h"

int main(int argc, char **argv)
{
    extern char **environ;
    if (argc < 4) {
        fputs("usage: whole_process NAME THREADS PROGRAM [ARGUMENT...]\n", stderr);
        return 2;
    }
    char name[64];
    snprintf(name, sizeof name, "%s-memory", argv[1]);
    posix_spawn_file_actions_t actions;
    if (posix_spawn_file_actions_init(&actions) != 0 ||
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0) != 0)
        return 1;
    pid_t child;
    int status = 0;
    struct rusage usage;
    double started = plan_now();
    if (posix_spawn(&child, argv[3], &actions, NULL, argv + 3, environ) != 0 ||
        wait4(child, &status, 0, &usage) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fprintf(stderr, "whole_process: %s did not end well\n", argv[3]);
        return 1;
    }
    double took = plan_now() - started;
    posix_spawn_file_actions_destroy(&actions);
    plan_sample(argv[1], atoi(argv[2]), took * 1e3, "ms");
    plan_sample(name, atoi(argv[2]), (double)usage.ru_maxrss / 1024.0, "MiB");
    return 0;
}
