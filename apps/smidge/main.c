#include <signal.h>
#include <string.h>
#include <time.h>

#include "cli.h"
#include "process.h"

/* As one meets them on the way from a model's name to an answer. */
static const cli_command *const commands[] = {&cli_fit,      &cli_pull,       &cli_convert, &cli_quantize,
                                              &cli_imatrix,  &cli_perplexity, &cli_inspect, &cli_run,
                                              &cli_classify, &cli_bench,      &cli_data,    &cli_finetune,
                                              &cli_train,    &cli_eval,       &cli_merge,   &cli_tokenize,
                                              &cli_repack};

static int print_overview(void)
{
    printf(
        "smidge runs small language models inside IoT applications: a reading goes in, a label comes out.\n\n");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        printf("  smidge %-10s %s\n", commands[i]->name, commands[i]->summary);
    printf("\n  smidge COMMAND --help     the flags of a command\n  smidge --version\n");
    return cli_close_output(EXIT_OK);
}

static int print_version(void)
{
    const char *commit = smidge_commit();
    printf("smidge %s%s%s%s\n", smidge_version(), commit[0] != '\0' ? " (" : "", commit,
           commit[0] != '\0' ? ")" : "");
    return cli_close_output(EXIT_OK);
}

int main(int argc, char **argv)
{
    int64_t started = process_start();
    signal(SIGPIPE, SIG_IGN); /* a reader that left shows as an error of the write */
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "--version") == 0)
        return print_version();
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0)
        return print_overview();
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(name, commands[i]->name) == 0)
            return commands[i]->run(argc - 2, argv + 2, started);
    }
    if (name[0] == '\0')
        cli_complain("command", "is missing (smidge --help lists them)");
    else
        cli_complain(name, "is not a command (smidge --help lists them)");
    return EXIT_USAGE;
}
