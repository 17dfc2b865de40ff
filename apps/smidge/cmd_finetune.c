/* smidge finetune: a model that learns from one's own examples. */
#include "training_flags.h"

static int run(int argc, char **argv, int64_t started)
{
    (void)started;
    training_flags options;
    training_flags_init(&options);
    const cli_flag flags[] = {
        {"-m,--model", CLI_TEXT, &options.options.model, "FILE", "the model, a GGUF file of any type"},
        {"--lora-rank", CLI_INT, &options.options.rank, "R", "of the adapters (default 8)"},
        {"--lora-alpha", CLI_FLOAT, &options.options.alpha, "A", "they count alpha / rank (default 16)"},
        {"--lora-targets", CLI_TEXT, &options.targets, "LIST",
         "q, k, v, o, gate, up, down, attention, ffn, all (default all)"},
        {"--full", CLI_FLAG, &options.options.full, NULL,
         "train all weights, in F32, and write a whole model (try --lr 5e-5)"},
        {"--type", CLI_TEXT, &options.options.type, "TYPE",
         "with --full: of the model that is written, as quantize has them (default f32)"},
        {"--epochs", CLI_DOUBLE, &options.options.epochs, "N", "times through the examples (default 3)"},
        {"--batch-size", CLI_INT, &options.batch_size, "N", "examples of a step (default 16)"},
        {"--lr,--learning-rate", CLI_DOUBLE, &options.options.rate, "R", "at its peak (default 2e-4)"},
        {"--valid-share", CLI_DOUBLE, &options.options.valid_share, "P",
         "share of the examples kept to validate on (default 0.05; 0: none)"},
    };
    int status =
        training_flags_parse(&cli_finetune, &options, flags, sizeof flags / sizeof *flags, argc, argv);
    if (status >= 0)
        return status;
    if (options.options.model == NULL)
        return cli_misuse(&cli_finetune, "-m", "is missing: which model?");
    if (options.options.type != NULL && !options.options.full)
        return cli_misuse(&cli_finetune, "--type", "goes with --full (an adapter is F32)");
    status = training_flags_check(&cli_finetune, &options);
    return status >= 0 ? status : training_run(&cli_finetune, &options);
}

const cli_command cli_finetune = {
    .name = "finetune",
    .usage = "-m MODEL -d DATA.jsonl -o OUT.gguf [flags]",
    .summary = "let a model learn from your own examples: an adapter, or all weights",
    .details =
        "An example is {\"prompt\": …, \"label\": …}, {\"prompt\": …, \"json\": {…}} or {\"messages\": […]}; the prompt is what\n"
        "classify or run is given, word for word. Killed at any moment, the same command goes on where it was. The best weights\n"
        "that a validation saw are written, and the loss is drawn beside them (OUT.svg). The adapter is used with --lora, or\n"
        "put into the model by smidge merge.\n",
    .run = run,
};
