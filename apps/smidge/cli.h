/* What all commands share: flags, errors, exit statuses. */
#ifndef SMIDGE_CLI_H
#define SMIDGE_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "smidge/smidge.h"

/* Exit statuses, as documented in --help. */
enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_DEADLINE = 3, EXIT_ABSTAINED = 4, EXIT_NO_FIT = 5 };

/* For what the program itself could not allocate. */
#define CLI_NO_MEMORY                                                                                        \
    "not enough memory (close other programs; see docs/troubleshooting.md, \"Out of memory\")"

typedef enum cli_kind {
    CLI_FLAG,    /* bool */
    CLI_INT,     /* int32_t */
    CLI_SEED,    /* uint64_t */
    CLI_FLOAT,   /* float */
    CLI_DOUBLE,  /* double */
    CLI_BYTES,   /* uint64_t, "512M" */
    CLI_TEXT,    /* const char * */
    CLI_LIST,    /* cli_list: each time the flag is given adds one */
    CLI_IGNORED, /* accepted for programs that call llama.cpp, and means nothing */
    CLI_IGNORED_VALUE
} cli_kind;

typedef struct cli_list {
    const char *items[64];
    size_t count;
} cli_list;

typedef struct cli_flag {
    const char *names; /* "-m,--model" */
    cli_kind kind;
    void *target;
    const char *value; /* what to call it in --help; NULL for flags */
    const char *help;  /* with the default; NULL: not listed */
} cli_flag;

typedef struct cli_command {
    const char *name;
    const char *usage;   /* what follows "smidge NAME" */
    const char *summary; /* one line */
    const char *details; /* printed under the flags; may be NULL */
    int (*run)(int argc, char **argv, int64_t started);
} cli_command;

extern const cli_command cli_run, cli_classify, cli_bench, cli_inspect, cli_tokenize, cli_repack,
    cli_quantize, cli_pull, cli_fit, cli_imatrix, cli_perplexity, cli_convert, cli_merge, cli_data,
    cli_finetune, cli_train, cli_eval;

/* Reads flags into their targets; up to `room` other arguments go to `positional`. Returns -1 to go on, or the status to
 * exit with: after --help, or on a usage error, which has been printed. */
int cli_parse(const cli_command *command, const cli_flag *flags, size_t flag_count, int argc, char **argv,
              const char **positional, size_t room, size_t *ret_count);

/* "smidge: WHAT: WHY (what to do)" on stderr. The second returns the exit status that fits the error. */
void cli_complain(const char *what, const char *format, ...) __attribute__((format(printf, 2, 3)));
int cli_fail(const smidge_error *error);
int cli_exit_status(smidge_status status);
/* A usage error; returns EXIT_USAGE. */
int cli_misuse(const cli_command *command, const char *what, const char *why);

/* Flushes stdout; EXIT_FAILED, with a message, if anything written there was lost. */
int cli_close_output(int status);

/* The whole of a file ("-": standard input), released with free. NULL after a message. */
char *cli_read_file(const char *path, size_t *ret_size);

/* Turns \n, \t, \\, \", \', \r and \xHH into what they stand for, in place; returns the new length. */
size_t cli_unescape(char *text, size_t size);

/* How far long work is, on stderr where that is a terminal and not `quiet`. As a smidge_progress_fn and its context: */
typedef struct cli_progress {
    const char *what;
    bool quiet;
    int shown; /* percent + 1 */
} cli_progress;

void cli_show_progress(void *progress, uint64_t done, uint64_t total);
/* Takes away what is shown. */
void cli_end_progress(cli_progress *progress);

/* "12.3 MiB" */
const char *cli_bytes(double bytes, char text[32]);

#endif
