/* Whether a model takes the memory that it is said to need: the prediction, and the most that a `smidge run` with a
 * full context had in RAM (VmHWM, as wait4 reports it).
 *
 *     memory_need SMIDGE MODEL [POSITIONS] [THREADS] [KV]      256 positions, two threads, f16
 *
 * Prints one row of a markdown table, in MiB. Fails if the run had more than was predicted, or less by more than 5 %
 * and 8 MiB.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/engine.h"

#define MIB 1048576.0
#define MARGIN_SHARE 0.05
#define MARGIN_MIB 8.0

enum { ANSWER = 4, PROMPT_ROOM = 65536 };

static int fail(const smidge_error *error)
{
    fprintf(stderr, "memory_need: %s: %s\n", error->where, error->message);
    return 2;
}

/* A text of at least `wanted` tokens, or as many as there is room for; returns how many. */
static size_t make_prompt(const smidge_model *model, size_t wanted, char text[PROMPT_ROOM])
{
    static const char *const words[] = {"pump ", "level 41 ", "is above its limit; ", "valve ", "closed, "};
    size_t count = 0;
    size_t size = 0;
    for (size_t i = 0; count < wanted && size + 32 < PROMPT_ROOM; i++) {
        size += (size_t)snprintf(text + size, PROMPT_ROOM - size, "%s", words[i * i % 5]);
        const smidge_span span = {text, size, 0};
        if (smidge_tokenize(model, &span, 1, NULL, 0, &count, NULL) != SMIDGE_OK)
            return 0;
    }
    return count;
}

/* What is needed for a context, and a prompt that fills it but for the answer. */
static smidge_status predict(const char *path, size_t positions, int32_t threads, int32_t kv_type,
                             char prompt[PROMPT_ROOM], size_t *ret_positions, smg_memory_need *ret_need,
                             smidge_error *error)
{
    smidge_model_options options;
    smidge_session_options session;
    smidge_model *model = NULL;
    smidge_model_options_init(&options);
    smidge_session_options_init(&session);
    options.threads = threads;
    options.force = 1;
    SMG_TRY(smidge_model_open(path, &options, &model, error));
    *ret_positions = make_prompt(model, positions - ANSWER, prompt) + ANSWER;
    session.context = (int32_t)*ret_positions;
    session.kv_type = kv_type;
    smidge_status status = smg_session_need(model, &session, ret_need, error);
    smidge_model_close(model);
    return status;
}

/* The most that the run had resident, in MiB; negative if it failed. */
static double measure(const char *program, const char *model, const char *prompt, const char *threads,
                      const char *kv)
{
    char answer[16];
    snprintf(answer, sizeof answer, "%d", ANSWER);
    pid_t child = fork();
    if (child == 0) {
        int nowhere = open("/dev/null", O_WRONLY);
        dup2(nowhere, STDOUT_FILENO);
        execl(program, program, "run", "-m", model, "-p", prompt, "-n", answer, "-t", threads, "--kv", kv,
              "--force", (char *)NULL);
        _exit(127);
    }
    int status = 0;
    struct rusage usage;
    if (child < 0 || wait4(child, &status, 0, &usage) != child || !WIFEXITED(status) ||
        WEXITSTATUS(status) != 0)
        return -1.0;
    return (double)usage.ru_maxrss / 1024.0;
}

int main(int argc, char **argv)
{
    static char prompt[PROMPT_ROOM];
    size_t positions = argc > 3 ? (size_t)atoi(argv[3]) : 256;
    const char *threads = argc > 4 ? argv[4] : "2";
    const char *kv = argc > 5 ? argv[5] : "f16";
    const int32_t kv_type = strcmp(kv, "q8_0") == 0  ? SMIDGE_KV_Q8_0
                            : strcmp(kv, "f32") == 0 ? SMIDGE_KV_F32
                                                     : SMIDGE_KV_F16;
    smg_memory_need need;
    smidge_error error;
    if (argc < 3 || positions <= ANSWER) {
        fprintf(stderr, "usage: memory_need SMIDGE MODEL [POSITIONS] [THREADS] [KV]\n");
        return 2;
    }
    if (predict(argv[2], positions, atoi(threads), kv_type, prompt, &positions, &need, &error) != SMIDGE_OK)
        return fail(&error);
    double measured = measure(argv[1], argv[2], prompt, threads, kv);
    if (measured < 0.0) {
        fprintf(stderr, "memory_need: %s run did not end well\n", argv[1]);
        return 2;
    }
    double predicted = (double)smg_memory_total(&need) / MIB;
    double over = predicted - measured;
    double allowed = MARGIN_SHARE * measured > MARGIN_MIB ? MARGIN_SHARE * measured : MARGIN_MIB;
    const char *verdict = over < 0.0       ? "FAIL: too little predicted"
                          : over > allowed ? "FAIL: too much"
                                           : "pass";
    const char *name = strrchr(argv[2], '/');
    printf("| %s | %zu | %s | %.1f | %.1f | %.1f | %.1f | %.1f | %.1f | %.1f | %+.1f (%+.1f %%) | %s |\n",
           name != NULL ? name + 1 : argv[2], positions, kv, (double)need.weights / MIB,
           (double)need.vocabulary / MIB, (double)need.kv / MIB, (double)need.scratch / MIB,
           (double)need.program / MIB, predicted, measured, over, 100.0 * over / measured, verdict);
    return strcmp(verdict, "pass") != 0;
}
