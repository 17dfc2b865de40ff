/* smidge train: a small model from scratch. */
#include <stdlib.h>
#include <string.h>

#include "training_flags.h"

/* FILE[,FILE…]:STEPS. What it points to lives in `text`. */
static bool read_stage(char *text, smg_training_stage *ret_stage)
{
    char *colon = strrchr(text, ':');
    char *end = NULL;
    if (colon == NULL || colon == text)
        return false;
    *ret_stage = (smg_training_stage){.steps = strtoll(colon + 1, &end, 10)};
    if (end == colon + 1 || *end != '\0' || ret_stage->steps < 1 || ret_stage->steps > 1 << 24)
        return false;
    *colon = '\0';
    for (char *state = NULL, *path = strtok_r(text, ",", &state); path != NULL;
         path = strtok_r(NULL, ",", &state)) {
        if (ret_stage->path_count == SMG_TRAINING_FILES_MAX)
            return false;
        ret_stage->paths[ret_stage->path_count++] = path;
    }
    return ret_stage->path_count > 0;
}

typedef struct stage_texts {
    char *texts[SMG_TRAINING_STAGES_MAX];
} stage_texts;

static void free_texts(stage_texts *texts)
{
    for (size_t i = 0; i < SMG_TRAINING_STAGES_MAX; i++)
        free(texts->texts[i]);
}

static int read_stages(const cli_list *list, stage_texts *texts, smg_training_options *options)
{
    if (list->count > SMG_TRAINING_STAGES_MAX)
        return cli_misuse(&cli_train, "--stage", "was given more than 32 times (put some together)");
    for (size_t i = 0; i < list->count; i++) {
        texts->texts[i] = strdup(list->items[i]);
        if (texts->texts[i] == NULL) {
            cli_complain("train", CLI_NO_MEMORY);
            return EXIT_FAILED;
        }
        if (!read_stage(texts->texts[i], &options->stages[i]))
            return cli_misuse(&cli_train, list->items[i], "is not FILE[,FILE...]:STEPS (--stage)");
    }
    options->stage_count = list->count;
    return -1;
}

static int run(int argc, char **argv, int64_t started)
{
    (void)started;
    __attribute__((cleanup(free_texts))) stage_texts texts = {{NULL}};
    training_flags options;
    cli_list stages = {.count = 0};
    training_flags_init(&options);
    options.patience = 0; /* what is hard is learned late */
    options.options.full = true;
    options.options.muon = true;
    options.options.rate = 3e-3;
    options.options.batch_size = 0;
    options.options.batch_tokens = 4096;
    options.options.epochs = 1.0;
    options.options.valid_share = 0.0;
    const cli_flag flags[] = {
        {"--shape", CLI_TEXT, &options.options.shape, "FILE.json",
         "its dimensions: layers, width, heads, kv_heads, feed_forward, context …"},
        {"--vocab", CLI_TEXT, &options.options.vocabulary, "FILE.gguf", "whose tokenizer it gets"},
        {"-m,--model", CLI_TEXT, &options.options.model, "FILE",
         "go on with this model, instead of --shape and --vocab"},
        {"--stage", CLI_LIST, &stages, "DATA:STEPS",
         "a curriculum instead of -d: each stage has its files (A.jsonl,B.jsonl) and steps; repeatable"},
        {"--epochs", CLI_DOUBLE, &options.options.epochs, "N",
         "times through the examples of -d (default 1)"},
        {"--batch-size", CLI_INT, &options.batch_size, "N", "examples of a step, instead of 4096 tokens"},
        {"--optimizer", CLI_TEXT, &options.optimizer, "muon|adamw",
         "muon (the default) is for hidden matrices, and AdamW for the rest"},
        {"--lr,--learning-rate", CLI_DOUBLE, &options.options.rate, "R",
         "of AdamW at its peak (default 3e-3)"},
        {"--muon-lr", CLI_DOUBLE, &options.options.muon_rate, "R", "of Muon at its peak (default 0.02)"},
        {"--valid-share", CLI_DOUBLE, &options.options.valid_share, "P",
         "share of the first examples kept to validate on (default 0)"},
        {"--type", CLI_TEXT, &options.options.type, "TYPE",
         "of the model that is written, as quantize has them (default f32)"},
    };
    int status = training_flags_parse(&cli_train, &options, flags, sizeof flags / sizeof *flags, argc, argv);
    if (status < 0)
        status = read_stages(&stages, &texts, &options.options);
    if (status >= 0)
        return status;
    const bool made = options.options.shape != NULL && options.options.vocabulary != NULL;
    const bool part = options.options.shape != NULL || options.options.vocabulary != NULL;
    if (!made && options.options.model == NULL)
        return cli_misuse(&cli_train, options.options.shape == NULL ? "--shape" : "--vocab", "is missing");
    if (part && options.options.model != NULL)
        return cli_misuse(&cli_train, "-m", "goes without --shape and --vocab");
    status = training_flags_check(&cli_train, &options);
    return status >= 0 ? status : training_run(&cli_train, &options);
}

const cli_command cli_train = {
    .name = "train",
    .usage =
        "--shape SHAPE.json --vocab VOCAB.gguf (-d DATA.jsonl | --stage DATA:STEPS ...) -o OUT.gguf [flags]",
    .summary = "train a small model from scratch",
    .details =
        "SHAPE.json: {\"layers\": 4, \"width\": 256, \"heads\": 8, \"kv_heads\": 4, \"feed_forward\": 768, \"context\": 512}. Examples are those of\n"
        "smidge finetune. Killed at any moment, the same command goes on where it was.\n",
    .run = run,
};
