/* smidge merge: a LoRA adapter put into its base for good. */
#include <math.h>

#include "cli.h"
#include "convert/merge_adapter.h"
#include "smidge/tools.h"

typedef struct merge_flags {
    const char *base;
    const char *lora;
    const char *out;
    const char *type;
    float scale;
    int32_t threads;
    bool quiet;
} merge_flags;

static void close_file(smidge_file **file)
{
    smidge_file_close(*file);
}

static int merge(const merge_flags *flags)
{
    __attribute__((cleanup(close_file))) smidge_file *file = NULL;
    smidge_error error;
    cli_progress progress = {.what = "merge", .quiet = flags->quiet};
    const smg_merge options = {.base = flags->base,
                               .adapter = flags->lora,
                               .scale = flags->scale,
                               .type = flags->type,
                               .threads = flags->threads,
                               .progress = cli_show_progress,
                               .progress_context = &progress};
    const smidge_status status = smg_merge_adapter(flags->out, &options, &error);
    cli_end_progress(&progress);
    if (status != SMIDGE_OK)
        return cli_fail(&error);
    if (flags->quiet)
        return EXIT_OK;
    if (smidge_file_open(flags->out, &file, &error) != SMIDGE_OK)
        return cli_fail(&error);
    smidge_file_info info = {.size = sizeof info};
    smidge_file_describe(file, &info);
    char bytes[32];
    printf("%s: %s, %s, %s\n", flags->out, info.name, info.type, cli_bytes((double)info.file_bytes, bytes));
    return cli_close_output(EXIT_OK);
}

static int run(int argc, char **argv, int64_t started)
{
    (void)started;
    merge_flags options = {.scale = 1.0F};
    const cli_flag flags[] = {
        {"-m,--model", CLI_TEXT, &options.base, "FILE",
         "the base: the model that the adapter was trained on"},
        {"--lora", CLI_TEXT, &options.lora, "FILE", "the adapter, a GGUF file"},
        {"-o,--outfile", CLI_TEXT, &options.out, "OUT.gguf", "the file to make"},
        {"--type,--outtype", CLI_TEXT, &options.type, "TYPE",
         "of the weights, as in smidge quantize (default: each tensor keeps the base's)"},
        {"--lora-scale", CLI_FLOAT, &options.scale, "S", "how much of the adapter (default 1)"},
        {"-t,--threads", CLI_INT, &options.threads, "N", "threads (default: physical cores)"},
        {"-q,--quiet", CLI_FLAG, &options.quiet, NULL, "say nothing but errors"},
    };
    size_t count = 0;
    int status = cli_parse(&cli_merge, flags, sizeof flags / sizeof *flags, argc, argv, NULL, 0, &count);
    if (status >= 0)
        return status;
    if (options.base == NULL)
        return cli_misuse(&cli_merge, "-m", "is missing: which base?");
    if (options.lora == NULL)
        return cli_misuse(&cli_merge, "--lora", "is missing: which adapter?");
    if (options.out == NULL)
        return cli_misuse(&cli_merge, "-o", "is missing: which file to make?");
    if (options.scale == 0.0F || !isfinite(options.scale))
        return cli_misuse(&cli_merge, "--lora-scale", "is no number other than 0");
    return merge(&options);
}

const cli_command cli_merge = {
    .name = "merge",
    .usage = "-m BASE.gguf --lora ADAPTER.gguf -o OUT.gguf [flags]",
    .summary = "put a LoRA adapter into its model for good",
    .details =
        "Matrices that are adapted are quantized again, to the types that they have in the base unless TYPE is given; all others are\n"
        "copied. From a base in F16 or F32 with --type q4_k_m less is lost than from one that is quantized already. See docs/adapters.md.\n",
    .run = run,
};
