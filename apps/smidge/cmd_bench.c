/* smidge bench: tokens a second in llama-bench's columns, time to label, memory, and what to make of it. */
#include <stdlib.h>
#include <string.h>

#include "bench_file.h"
#include "bench_measure.h"
#include "bench_print.h"
#include "smidge/tools.h"

static int parse(bench_options *options, int argc, char **argv)
{
    const cli_flag flags[] = {
        MODEL_FLAGS(options->model),
        {"-p,--n-prompt", CLI_INT, &options->prompt_tokens, "N",
         "tokens of the prefill test, 0 for none (default 64)"},
        {"-n,--n-gen", CLI_INT, &options->tokens, "N", "tokens of the decode test, 0 for none (default 32)"},
        {"-r,--repetitions", CLI_INT, &options->repetitions, "N", "times each test is run (default 5)"},
        {"--readings", CLI_INT, &options->readings, "N",
         "readings of the time-to-label test, 0 for none (default 40)"},
        {"-o,--output", CLI_TEXT, &options->output, "FORMAT", "md, json or csv (default md)"},
        {"--report", CLI_FLAG, &options->report, NULL,
         "also write BOARD-MODEL.json: this machine and its speed, for bench/boards"},
        {"--report-file", CLI_TEXT, &options->report_path, "FILE", "the same, to this file"},
    };
    size_t count;
    int status = cli_parse(&cli_bench, flags, sizeof flags / sizeof *flags, argc, argv, NULL, 0, &count);
    if (status >= 0)
        return status;
    if (options->prompt_tokens < 0 || options->tokens < 0 || options->readings < 0 ||
        options->repetitions < 1)
        return cli_misuse(&cli_bench, "-p, -n, -r, --readings", "must not be negative, and -r at least 1");
    return model_check(&cli_bench, &options->model);
}

static int run(int argc, char **argv, int64_t started)
{
    (void)started;
    bench_options options = {.prompt_tokens = 64,
                             .tokens = 32,
                             .repetitions = 5,
                             .readings = 40,
                             .output = "md"};
    int status = parse(&options, argc, argv);
    if (status >= 0)
        return status;
    bench_format format;
    if (!bench_format_parse(options.output, &format))
        return cli_misuse(&cli_bench, options.output, "is not md, json or csv");
    smidge_cpu_info cpu = {.size = sizeof cpu};
    smidge_cpu_describe(&cpu);
    int32_t first = options.model.threads > 0 ? options.model.threads : 1;
    int32_t last = options.model.threads > 0 ? options.model.threads : cpu.cores;
    bench_report report = {.first_threads = first};
    bench_state before;
    bench_state_read(&before);
    for (int32_t threads = first; threads <= last && report.count < BENCH_MAX_RUNS && status < 0; threads++)
        status = bench_run(&options, threads, &report);
    if (status >= 0)
        return status;
    bench_print(&report, format);
    if (options.report || options.report_path != NULL) {
        fflush(stdout);
        status = bench_file_write(options.report_path, &options, &report, &before);
        if (status >= 0)
            return cli_close_output(status);
    }
    return cli_close_output(EXIT_OK);
}

const cli_command cli_bench = {
    .name = "bench",
    .usage = "-m MODEL [flags]",
    .summary = "measure tokens a second, time to label and memory on this machine",
    .details =
        "Without -t every number of threads is measured and one recommended. ppN is prefill of N tokens, tgN is\n"
        "decode of N; \"label-cold\" computes the whole prompt of a reading, \"label-warm\" keeps the part before the\n"
        "first value, and no two readings are alike.\n",
    .run = run,
};
