/* smidge quantize: a model file made smaller. */
#include "cli.h"
#include "smidge/tools.h"

typedef struct quantize_flags {
    const char *files[3]; /* and the type */
    int32_t threads;
    bool requantize;
    bool quiet;
    const char *imatrix;
    cli_list tensor_types;
} quantize_flags;

static void close_file(smidge_file **file)
{
    smidge_file_close(*file);
}

static int quantize(const quantize_flags *flags)
{
    __attribute__((cleanup(close_file))) smidge_file *file = NULL;
    smidge_error error;
    cli_progress progress = {.what = "quantize", .quiet = flags->quiet};
    const smidge_quantize_options options = {.size = sizeof options,
                                             .type = flags->files[2],
                                             .threads = flags->threads,
                                             .requantize = flags->requantize,
                                             .imatrix = flags->imatrix,
                                             .tensor_types = flags->tensor_types.items,
                                             .tensor_type_count = flags->tensor_types.count,
                                             .progress = cli_show_progress,
                                             .progress_context = &progress};
    if (smidge_file_open(flags->files[0], &file, &error) != SMIDGE_OK)
        return cli_fail(&error);
    smidge_file_info before = {.size = sizeof before}, after = {.size = sizeof after};
    smidge_file_describe(file, &before);
    smidge_status status = smidge_file_quantize(file, flags->files[1], &options, &error);
    cli_end_progress(&progress);
    if (status != SMIDGE_OK)
        return cli_fail(&error);
    smidge_file_close(file);
    file = NULL;
    if (flags->quiet)
        return EXIT_OK;
    if (smidge_file_open(flags->files[1], &file, &error) != SMIDGE_OK)
        return cli_fail(&error);
    smidge_file_describe(file, &after);
    char from[32], to[32];
    printf("%s: %s, %s (from %s, %s)\n", flags->files[1], after.type, cli_bytes((double)after.file_bytes, to),
           before.type, cli_bytes((double)before.file_bytes, from));
    return cli_close_output(EXIT_OK);
}

static int run(int argc, char **argv, int64_t started)
{
    (void)started;
    quantize_flags options = {0};
    const cli_flag flags[] = {
        {"-t,--threads", CLI_INT, &options.threads, "N", "threads (default: physical cores)"},
        {"--imatrix", CLI_TEXT, &options.imatrix, "F",
         "which errors matter: made by smidge imatrix, or llama.cpp's"},
        {"--tensor-type", CLI_LIST, &options.tensor_types, "NAME=TYPE",
         "another type for the tensors whose names hold NAME, or match it ('blk.0.*'); repeatable"},
        {"--allow-requantize", CLI_FLAG, &options.requantize, NULL,
         "also tensors that are quantized already"},
        {"-q,--quiet", CLI_FLAG, &options.quiet, NULL, "say nothing but errors"},
    };
    size_t count = 0;
    int status =
        cli_parse(&cli_quantize, flags, sizeof flags / sizeof *flags, argc, argv, options.files, 3, &count);
    if (status >= 0)
        return status;
    if (count < 2)
        return cli_misuse(&cli_quantize, count == 0 ? "IN" : "OUT", "is missing: which files?");
    return quantize(&options);
}

const cli_command cli_quantize = {
    .name = "quantize",
    .usage = "IN.gguf OUT.gguf [TYPE] [flags]",
    .summary = "make a model file smaller: fewer bits a weight",
    .details =
        "TYPE is q4_k_m unless given: a good middle. q8_0 where numbers matter, q2_k where memory is short; also q3_k_s,\n"
        "q3_k_m, q3_k_l, q4_0, q4_1, q4_k_s, q5_0, q5_1, q5_k_s, q5_k_m, q6_k, iq4_nl, iq4_xs, f16, bf16, f32. IN is a model in\n"
        "F16, BF16 or F32. Types of single tensors are those that llama.cpp chooses, and the same bytes come out on every machine.\n",
    .run = run,
};
