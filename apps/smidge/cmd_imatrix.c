/* smidge imatrix: which columns of a model's matrices matter, measured on a text. */
#include <string.h>

#include "interrupt.h"
#include "measure/imatrix_collect.h"
#include "model_flags.h"

typedef struct imatrix_flags {
    model_flags model;
    const char *text;
    const char *output;
    cli_list merged;
    smg_chunking chunking;
    bool process_output;
    bool quiet;
} imatrix_flags;

static void free_collector(smg_collector **collector)
{
    smg_collector_free(*collector);
}

static void close_model(smidge_model **model)
{
    smidge_model_close(*model);
}

/* cli_show_progress counts bytes, and leaves their last digits out. */
static void show_chunks(void *progress, uint64_t done, uint64_t total)
{
    cli_show_progress(progress, done << 20, total << 20);
}

static smidge_status collect(const imatrix_flags *flags, smg_collector *collector, smidge_error *error)
{
    __attribute__((cleanup(close_model))) smidge_model *model = NULL;
    cli_progress progress = {.what = "imatrix", .quiet = flags->quiet};
    const smg_collect_options options = {.chunking = flags->chunking,
                                         .kv_type = model_kv_type(&flags->model),
                                         .output = flags->process_output,
                                         .cancel = interrupt_flag(),
                                         .progress = show_chunks,
                                         .progress_context = &progress};
    smidge_status status = model_open(&flags->model, 0, &model, error);
    if (status == SMIDGE_OK)
        status = smg_collector_run(collector, model, flags->text, &options, error);
    cli_end_progress(&progress);
    return status;
}

static int make(const imatrix_flags *flags)
{
    __attribute__((cleanup(free_collector))) smg_collector *collector = NULL;
    smidge_error error;
    /* A folder that cannot be written is better known before an hour's work than after it. */
    smidge_status status = smg_collector_check(flags->output, &error);
    if (status == SMIDGE_OK)
        status = smg_collector_new(&collector, &error);
    for (size_t i = 0; i < flags->merged.count && status == SMIDGE_OK; i++)
        status =
            smg_collector_merge(collector, flags->merged.items[i], (uint32_t)flags->chunking.context, &error);
    if (flags->text != NULL && status == SMIDGE_OK)
        status = collect(flags, collector, &error);
    if (status == SMIDGE_OK)
        status = smg_collector_write(collector, flags->output, &error);
    if (status == SMIDGE_E_CANCELLED) {
        cli_complain(flags->output, "was not written: stopped by a signal (start again)");
        return EXIT_FAILED;
    }
    if (status != SMIDGE_OK)
        return cli_fail(&error);
    if (!flags->quiet)
        printf("%s: importance of %zu matrices from %u chunks\n", flags->output,
               smg_collector_count(collector), (unsigned)smg_collector_chunks(collector));
    return cli_close_output(EXIT_OK);
}

static int run(int argc, char **argv, int64_t started)
{
    (void)started;
    imatrix_flags options = {.output = "imatrix.gguf"};
    const cli_flag flags[] = {
        MODEL_FLAGS(options.model),
        {"-f,--file", CLI_TEXT, &options.text, "FILE",
         "a text like those that the model will meet (-: standard input)"},
        {"-o,--output-file,--output", CLI_TEXT, &options.output, "FILE",
         "what to write (default imatrix.gguf)"},
        {"-c,--ctx-size", CLI_INT, &options.chunking.context, "N", "tokens of a chunk (default 512)"},
        {"--chunks", CLI_INT, &options.chunking.most, "N", "chunks at most, 0 for all (default 0)"},
        {"--process-output", CLI_FLAG, &options.process_output, NULL, "the output matrix, too"},
        {"--in-file", CLI_LIST, &options.merged, "FILE",
         "add what is in this file, GGUF or .dat, too; repeatable, and without -f the model is not needed"},
        {"-q,--quiet", CLI_FLAG, &options.quiet, NULL, "say nothing but errors"},
    };
    size_t count;
    int status = cli_parse(&cli_imatrix, flags, sizeof flags / sizeof *flags, argc, argv, NULL, 0, &count);
    if (status >= 0)
        return status;
    if (options.text == NULL && options.merged.count == 0)
        return cli_misuse(&cli_imatrix, "-f", "is missing: measure on which text?");
    if (options.chunking.context < 0)
        return cli_misuse(&cli_imatrix, "-c", "is below 0: give the tokens of a chunk");
    if (options.text != NULL)
        status = model_check(&cli_imatrix, &options.model);
    return status >= 0 ? status : make(&options);
}

const cli_command cli_imatrix = {
    .name = "imatrix",
    .usage = "-m MODEL -f TEXT [-o FILE] [flags]",
    .summary = "measure which weights matter, for smidge quantize --imatrix",
    .details =
        "Runs the text through the model and notes how strongly each column of each matrix is driven. 50 to 200 chunks of\n"
        "text like yours are plenty. The file is the one that llama-imatrix writes, and either program reads the other's.\n",
    .run = run,
};
