/* smidge tokenize: how a vocabulary cuts a text. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "smidge/tools.h"

typedef struct tokenize_options {
    const char *prompt;
    const char *file;
    bool special;
    bool ids;
} tokenize_options;

static void close_file(smidge_file **file)
{
    smidge_file_close(*file);
}

static void free_text(char **text)
{
    free(*text);
}

static void print_tokens(smidge_file *file, const int32_t *ids, size_t count, bool only_ids)
{
    for (size_t i = 0; i < count; i++) {
        size_t size = 0;
        const char *name = smidge_file_token(file, ids[i], &size);
        if (only_ids)
            printf("%d\n", (int)ids[i]);
        else
            printf("%d\t%.*s\n", (int)ids[i], (int)size, name);
    }
}

static int tokenize(const char *path, const char *text, size_t size, const tokenize_options *options)
{
    __attribute__((cleanup(close_file))) smidge_file *file = NULL;
    smidge_error error;
    if (smidge_file_open(path, &file, &error) != SMIDGE_OK)
        return cli_fail(&error);
    const smidge_span span = {text, size, options->special};
    size_t count = 0;
    if (size == 0)
        return EXIT_OK; /* nothing is cut into nothing, whatever the model puts in front of a prompt */
    if (smidge_file_tokenize(file, &span, 1, NULL, 0, &count, &error) != SMIDGE_OK)
        return cli_fail(&error);
    int32_t *ids = calloc(count, sizeof *ids);
    if (ids == NULL) {
        cli_complain("tokenize", "%s", CLI_NO_MEMORY);
        return EXIT_FAILED;
    }
    smidge_status status = smidge_file_tokenize(file, &span, 1, ids, count, &count, &error);
    if (status == SMIDGE_OK)
        print_tokens(file, ids, count, options->ids);
    free(ids);
    return cli_close_output(status == SMIDGE_OK ? EXIT_OK : cli_fail(&error));
}

static int run(int argc, char **argv, int64_t started)
{
    (void)started;
    tokenize_options options = {0};
    const cli_flag flags[] = {
        {"-p,--prompt", CLI_TEXT, &options.prompt, "TEXT", "the text"},
        {"-f,--file", CLI_TEXT, &options.file, "FILE", "the text from a file (-: standard input)"},
        {"--special", CLI_FLAG, &options.special, NULL, "special tokens in the text are special"},
        {"--ids", CLI_FLAG, &options.ids, NULL, "print the ids only"},
    };
    const char *path = NULL;
    size_t count = 0;
    int status = cli_parse(&cli_tokenize, flags, sizeof flags / sizeof *flags, argc, argv, &path, 1, &count);
    if (status >= 0)
        return status;
    if (count == 0)
        return cli_misuse(&cli_tokenize, "MODEL", "is missing: whose vocabulary?");
    if ((options.prompt != NULL) == (options.file != NULL))
        return cli_misuse(&cli_tokenize, "text",
                          options.file == NULL ? "is missing (give -p or -f)"
                                               : "is given twice (give -p or -f)");
    size_t size = options.prompt != NULL ? strlen(options.prompt) : 0;
    __attribute__((cleanup(free_text))) char *text =
        options.prompt != NULL ? strdup(options.prompt) : cli_read_file(options.file, &size);
    return text == NULL ? EXIT_FAILED : tokenize(path, text, size, &options);
}

const cli_command cli_tokenize = {
    .name = "tokenize",
    .usage = "MODEL (-p TEXT | -f FILE) [flags]",
    .summary = "show how a model's vocabulary cuts a text into tokens",
    .details =
        "Prints an id a line, with the token's spelling. A file that holds only a vocabulary is enough. BOS comes\n"
        "first where the model wants one.\n",
    .run = run,
};
