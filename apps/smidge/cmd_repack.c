/* smidge repack: a model file in the layout that this program reads fastest, and back. */
#include "cli.h"
#include "smidge/tools.h"

typedef struct repack_flags {
    const char *model;
    const char *output;
    bool plain;
    bool quiet;
} repack_flags;

static void close_file(smidge_file **file)
{
    smidge_file_close(*file);
}

static int repack(const repack_flags *flags)
{
    __attribute__((cleanup(close_file))) smidge_file *file = NULL;
    smidge_error error;
    cli_progress progress = {.what = "repack", .quiet = flags->quiet};
    const smidge_repack_options options = {.size = sizeof options,
                                           .plain = flags->plain,
                                           .progress = cli_show_progress,
                                           .progress_context = &progress};
    if (smidge_file_open(flags->model, &file, &error) != SMIDGE_OK)
        return cli_fail(&error);
    smidge_status status = smidge_file_repack(file, flags->output, &options, &error);
    cli_end_progress(&progress);
    if (status != SMIDGE_OK)
        return cli_fail(&error);
    if (!flags->quiet)
        printf("%s: %s\n", flags->output,
               flags->plain ? "rows one by one, for any program" : "interleaved rows, for smidge alone");
    return cli_close_output(EXIT_OK);
}

static int run(int argc, char **argv, int64_t started)
{
    (void)started;
    repack_flags options = {0};
    const cli_flag flags[] = {
        {"-m,--model", CLI_TEXT, &options.model, "FILE", "the model"},
        {"-o,--output", CLI_TEXT, &options.output, "FILE", "where the repacked one goes"},
        {"--plain", CLI_FLAG, &options.plain, NULL, "back to the layout that other programs read"},
        {"-q,--quiet", CLI_FLAG, &options.quiet, NULL, "say nothing but errors"},
    };
    size_t count = 0;
    int status = cli_parse(&cli_repack, flags, sizeof flags / sizeof *flags, argc, argv, NULL, 0, &count);
    if (status >= 0)
        return status;
    if (options.model == NULL)
        return cli_misuse(&cli_repack, "-m", "is missing: which model?");
    if (options.output == NULL)
        return cli_misuse(&cli_repack, "-o", "is missing: where to?");
    return repack(&options);
}

const cli_command cli_repack = {
    .name = "repack",
    .usage = "-m MODEL -o FILE [flags]",
    .summary = "lay a model file out as this program reads it fastest, or back",
    .details =
        "Interleaves the rows of every quantized matrix in groups of 16. The file keeps its size, the answers stay the\n"
        "same to the last bit, and one serves every processor; only smidge reads it. Where it is worth it: everywhere\n"
        "that memory is not slower than the processor, that is for small models most.\n",
    .run = run,
};
