/* How late the program is: smidge run started with deadlines that fall into every phase of its life, seen from outside, from
 * fork to exit.
 *
 *     deadline_program SMIDGE MODEL [TRIES]
 *
 * Each try is a whole process with a long prompt; deadlines step through loading, prefill and decode. A process that ends
 * by its deadline must exit with 3. Fails if one is more than 40 ms late.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LATEST_MS 40.0

enum { PROMPT_ROOM = 6000 };

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* Runs one process; its exit status, and how long it took from outside. */
static int run(const char *program, const char *model, const char *prompt, const char *tokens,
               int deadline_ms, double *ret_ms)
{
    char deadline[16];
    snprintf(deadline, sizeof deadline, "%d", deadline_ms);
    double started = now_ms();
    pid_t child = fork();
    if (child == 0) {
        int nowhere = open("/dev/null", O_WRONLY);
        dup2(nowhere, STDOUT_FILENO);
        dup2(nowhere, STDERR_FILENO);
        execl(program, program, "run", "-m", model, "-p", prompt, "-n", tokens, "--deadline", deadline, "-t",
              "2", (char *)NULL);
        _exit(127);
    }
    int status = 0;
    waitpid(child, &status, 0);
    *ret_ms = now_ms() - started;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* `tries` deadlines from `first` ms on, `step` ms apart; false if one was missed by too much or ended otherwise. */
static int phase(const char *name, const char *program, const char *model, const char *prompt,
                 const char *tokens, double first, double step, int tries)
{
    double *late = calloc((size_t)tries, sizeof *late);
    int wrong = 0;
    if (late == NULL)
        return 1;
    for (int i = 0; i < tries; i++) {
        int deadline = (int)(first + step * i);
        double took = 0.0;
        int status = run(program, model, prompt, tokens, deadline < 1 ? 1 : deadline, &took);
        late[i] = took - (deadline < 1 ? 1 : deadline);
        wrong += status != 3;
    }
    qsort(late, (size_t)tries, sizeof *late, compare);
    int failed = wrong > 0 || late[tries - 1] > LATEST_MS;
    printf("| %-8s | %5d | %6.0f to %-6.0f | %8.2f | %8.2f | %5d | %s |\n", name, tries, first,
           first + step * (tries - 1), late[tries / 2], late[tries - 1], wrong, failed ? "FAIL" : "ok");
    fflush(stdout);
    free(late);
    return failed;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: deadline_program SMIDGE MODEL [TRIES]\n");
        return 2;
    }
    int tries = argc > 3 ? atoi(argv[3]) : 100;
    char prompt[PROMPT_ROOM];
    memset(prompt, 0, sizeof prompt);
    for (size_t at = 0; at + 40 < sizeof prompt;)
        at += (size_t)snprintf(prompt + at, sizeof prompt - at, "pump %zu reads %zu bar, ", at, at % 97);
    double load = 0.0;
    int status = run(argv[1], argv[2], "x", "1", 60000, &load); /* the page cache is warm from here on */
    status = status == 0 ? run(argv[1], argv[2], "x", "1", 60000, &load) : status;
    if (status != 0 || tries < 1) {
        fprintf(stderr, "deadline_program: %s run ended with %d\n", argv[1], status);
        return 2;
    }
    printf("| phase    | tries | deadlines, ms    | median late, ms | worst late, ms | not 3 |  |\n");
    printf("|---|---|---|---|---|---|---|\n");
    /* A process with almost nothing to do takes `load`; half of that falls into loading. */
    int failed = phase("load", argv[1], argv[2], prompt, "64", 1.0, load / 2.0 / tries, tries);
    failed |= phase("prefill", argv[1], argv[2], prompt, "64", load * 1.5, 4.0, tries);
    failed |= phase("decode", argv[1], argv[2], "A pump", "4000", load * 2.0, 3.0, tries);
    return failed;
}
