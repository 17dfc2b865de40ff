#include "training_flags.h"

#include <string.h>
#include <unistd.h>

#include "interrupt.h"
#include "train/trainee.h"
#include "training_print.h"

void training_flags_init(training_flags *flags)
{
    *flags = (training_flags){.patience = 6};
    smg_training_defaults(&flags->options);
}

/* ---- Targets --------------------------------------------------------------------------------------------- */

static int read_targets(const cli_command *command, const char *text, uint32_t *ret_targets)
{
    static const struct {
        const char *name;
        uint32_t bits;
    } names[] = {
        {"all", SMG_TARGET_ALL},
        {"q", SMG_TARGET_Q},
        {"k", SMG_TARGET_K},
        {"v", SMG_TARGET_V},
        {"o", SMG_TARGET_O},
        {"gate", SMG_TARGET_GATE},
        {"up", SMG_TARGET_UP},
        {"down", SMG_TARGET_DOWN},
        {"attention", SMG_TARGET_Q | SMG_TARGET_K | SMG_TARGET_V | SMG_TARGET_O},
        {"ffn", SMG_TARGET_GATE | SMG_TARGET_UP | SMG_TARGET_DOWN},
        {"q_proj", SMG_TARGET_Q},
        {"k_proj", SMG_TARGET_K},
        {"v_proj", SMG_TARGET_V},
        {"o_proj", SMG_TARGET_O},
        {"gate_proj", SMG_TARGET_GATE},
        {"up_proj", SMG_TARGET_UP},
        {"down_proj", SMG_TARGET_DOWN},
    };
    uint32_t targets = 0;
    for (const char *at = text; *at != '\0';) {
        const size_t size = strcspn(at, ",");
        uint32_t bits = 0;
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            if (strlen(names[i].name) == size && memcmp(names[i].name, at, size) == 0)
                bits = names[i].bits;
        }
        if (bits == 0)
            return cli_misuse(
                command, text,
                "is no list of q, k, v, o, gate, up, down, attention, ffn and all (--lora-targets)");
        targets |= bits;
        at += size + (at[size] == ',');
    }
    if (targets == 0)
        return cli_misuse(command, "--lora-targets", "names nothing (all is usual)");
    *ret_targets = targets;
    return -1;
}

/* ---- Reading ---------------------------------------------------------------------------------------------- */

int training_flags_parse(const cli_command *command, training_flags *flags, const cli_flag *own,
                         size_t own_count, int argc, char **argv)
{
    const cli_flag common[] = {
        {"-d,--data", CLI_LIST, &flags->data, "FILE",
         "examples to learn from, JSON Lines; repeatable (-: standard input)"},
        {"-o,--output", CLI_TEXT, &flags->options.output, "OUT.gguf", "what to write"},
        {"--valid", CLI_TEXT, &flags->options.valid, "FILE", "examples to validate on"},
        {"--valid-every", CLI_INT, &flags->valid_every, "N",
         "validate every N steps (default: 20 times in all)"},
        {"--patience", CLI_INT, &flags->patience, "N",
         flags->patience > 0 ? "stop after N validations without a better one; 0: never (default 6)"
                             : "stop after N validations without a better one (default 0: never)"},
        {"--batch-tokens", CLI_INT, &flags->batch_tokens, "N", "tokens of a step, instead of --batch-size"},
        {"--sequence", CLI_INT, &flags->options.sequence, "N",
         "most tokens of an example (default: as the data need, within the model's context)"},
        {"--skip-long", CLI_FLAG, &flags->options.skip_long, NULL,
         "leave out examples that are longer, and say how many"},
        {"--loss", CLI_TEXT, &flags->loss, "answer|all",
         "what is learned (default answer: the prompt is not)"},
        {"--hints", CLI_DOUBLE, &flags->options.hints, "W",
         "weight of the examples' hints beside the answer's 1; 0: leave them out (default 0.3)"},
        {"--prompt-loss", CLI_DOUBLE, &flags->options.prompt_loss, "W",
         "weight of the prompt's own tokens beside the answer's 1 (default 0)"},
        {"--warmup", CLI_DOUBLE, &flags->options.warmup, "P",
         "share of the steps in which the learning rate rises (default 0.05)"},
        {"--lr-hold", CLI_DOUBLE, &flags->options.hold, "P",
         "share of the others in which it stays at its peak (default 0)"},
        {"--lr-floor", CLI_DOUBLE, &flags->options.floor, "P",
         "what of it is left in the end, behind a cosine (default 0.1)"},
        {"--weight-decay", CLI_DOUBLE, &flags->options.decay, "D", "of matrices, decoupled (default 0)"},
        {"--beta2", CLI_DOUBLE, &flags->options.beta2, "B", "of AdamW (default 0.999)"},
        {"--clip", CLI_DOUBLE, &flags->options.clip, "N", "longest gradient, 0: any (default 1)"},
        {"-s,--seed", CLI_SEED, &flags->options.seed, "S",
         "of adapters, order and split (default 1); the same one gives the same result"},
        {"--bf16", CLI_FLAG, &flags->options.bf16, NULL,
         "products in bfloat16 where this processor has them: faster, and rounder"},
        {"-t,--threads", CLI_INT, &flags->options.threads, "N", "threads (default: physical cores)"},
        {"--mem", CLI_BYTES, &flags->options.memory, "SIZE",
         "take no more than this in all, e.g. 2G, and compute more instead"},
        {"--force", CLI_FLAG, &flags->options.force, NULL, "use more than 70 % of RAM, if it is there"},
        {"--checkpoint-every", CLI_DOUBLE, &flags->options.checkpoint_every, "S",
         "seconds between checkpoints, OUT.gguf.checkpoint (default 60)"},
        {"--restart", CLI_FLAG, &flags->options.restart, NULL, "begin anew, whatever checkpoint is there"},
        {"--log", CLI_TEXT, &flags->options.log, "FILE.csv", "a line a step, written with each checkpoint"},
        {"--cpu", CLI_TEXT, &flags->options.cpu, "PATH",
         "kernels to use (default auto; smidge inspect --cpu lists them)"},
        {"-q,--quiet", CLI_FLAG, &flags->quiet, NULL, "say nothing but errors"},
        CHAT_FLAGS(flags->chat),
    };
    cli_flag all[64];
    const size_t common_count = sizeof common / sizeof *common;
    size_t count;
    memcpy(all, own, own_count * sizeof *own);
    memcpy(all + own_count, common, sizeof common);
    return cli_parse(command, all, own_count + common_count, argc, argv, NULL, 0, &count);
}

/* ---- Checking -------------------------------------------------------------------------------------------- */

static int check_words(const cli_command *command, training_flags *flags)
{
    if (flags->loss != NULL) {
        flags->options.loss_all = strcmp(flags->loss, "all") == 0;
        if (!flags->options.loss_all && strcmp(flags->loss, "answer") != 0)
            return cli_misuse(command, flags->loss, "is not answer or all (--loss)");
    }
    if (flags->optimizer != NULL) {
        flags->options.muon = strcmp(flags->optimizer, "muon") == 0;
        if (!flags->options.muon && strcmp(flags->optimizer, "adamw") != 0)
            return cli_misuse(command, flags->optimizer, "is not adamw or muon (--optimizer)");
    }
    return flags->targets != NULL ? read_targets(command, flags->targets, &flags->options.targets) : -1;
}

static int check_batch(const cli_command *command, training_flags *flags)
{
    smg_training_options *options = &flags->options;
    if (flags->batch_size != 0 && flags->batch_tokens != 0)
        return cli_misuse(command, "--batch-size", "and --batch-tokens exclude each other (take one)");
    if (flags->batch_size < 0 || flags->batch_tokens < 0)
        return cli_misuse(command, flags->batch_size < 0 ? "--batch-size" : "--batch-tokens",
                          "must be above 0");
    if (flags->batch_size > 0)
        options->batch_size = flags->batch_size;
    if (flags->batch_tokens > 0) {
        options->batch_tokens = flags->batch_tokens;
        options->batch_size = 0;
    }
    return -1;
}

static void use_chat(training_flags *flags)
{
    smg_training_options *options = &flags->options;
    const chat_flags *chat = &flags->chat;
    options->chat = chat->chat;
    options->no_thinking = chat->no_thinking;
    options->system = chat->system;
    /* as chat_new decides: a name has neither a slash nor a dot */
    if (chat->template != NULL && strpbrk(chat->template, "/.") != NULL && access(chat->template, R_OK) == 0)
        options->template_file = chat->template;
    else
        options->template_name = chat->template;
}

int training_flags_check(const cli_command *command, training_flags *flags)
{
    smg_training_options *options = &flags->options;
    if (options->output == NULL)
        return cli_misuse(command, "-o", "is missing: where to?");
    if (flags->data.count == 0 && options->stage_count == 0)
        return cli_misuse(command, "-d", "is missing: which examples?");
    if (flags->data.count > 0 && options->stage_count > 0)
        return cli_misuse(command, "-d", "and --stage exclude each other (a stage names its data)");
    if (options->threads < 0)
        return cli_misuse(command, "-t", "must be from 1 to 64");
    int status = check_words(command, flags);
    if (status < 0)
        status = check_batch(command, flags);
    if (status < 0)
        status = chat_check(command, &flags->chat, false);
    if (status >= 0)
        return status;
    use_chat(flags);
    options->patience = flags->patience;
    options->valid_every = flags->valid_every;
    if (flags->data.count > 0) {
        smg_training_stage *stage = &options->stages[0];
        options->stage_count = 1;
        stage->path_count = flags->data.count;
        memcpy(stage->paths, flags->data.items, sizeof stage->paths);
    }
    return -1;
}

/* ---- Running --------------------------------------------------------------------------------------------- */

static void tell_problem(void *context, const smidge_error *problem)
{
    (void)context;
    cli_complain(problem->where, "%s", problem->message);
}

int training_run(const cli_command *command, training_flags *flags)
{
    training_printer printer;
    smg_training_result result;
    smidge_error error;
    training_printer_init(&printer, command->name, &flags->options, flags->quiet);
    flags->options.cancel = interrupt_flag();
    flags->options.problem = tell_problem;
    flags->options.planned = training_print_plan;
    flags->options.progress = training_print_progress;
    flags->options.context = &printer;
    const smidge_status status = smg_training_run(&flags->options, &result, &error);
    training_print_end(&printer);
    if (status != SMIDGE_OK)
        return cli_close_output(cli_fail(&error));
    if (!flags->quiet)
        training_print_result(&printer, &result);
    return cli_close_output(EXIT_OK);
}
