/* Flags that finetune and train share, and running what they ask for. */
#ifndef SMIDGE_TRAINING_FLAGS_H
#define SMIDGE_TRAINING_FLAGS_H

#include "chat_flags.h"
#include "cli.h"
#include "train/training.h"

typedef struct training_flags {
    smg_training_options options;
    cli_list data; /* -d */
    const char *targets;
    const char *loss;
    const char *optimizer;
    chat_flags chat;
    int32_t batch_size, batch_tokens, patience, valid_every;
    bool quiet;
} training_flags;

#define TRAINING_FLAGS(flags)                                                                                \
    {"-d,--data", CLI_LIST, &(flags).data, "FILE",                                                           \
     "examples to learn from, JSON Lines; repeatable (-: standard input)"},                                  \
        {"--template-csv", CLI_TEXT, &(flags).options.template_path, "FILE",                                 \
         "the examples are CSV, and this makes texts of them (smidge data)"},                                \
        {"-o,--output", CLI_TEXT, &(flags).options.output, "OUT.gguf", "what to write"},                     \
        {"--valid", CLI_TEXT, &(flags).options.valid, "FILE", "examples to validate on"},                    \
        {"--valid-every", CLI_INT, &(flags).valid_every, "N",                                                \
         "validate every N steps (default: 20 times in all)"},                                               \
        {"--patience", CLI_INT, &(flags).patience, "N",                                                      \
         "stop after N validations without a better one; 0: never (default 6)"},                             \
        {"--batch-tokens", CLI_INT, &(flags).batch_tokens, "N",                                              \
         "tokens of a step, instead of --batch-size"},                                                       \
        {"--sequence", CLI_INT, &(flags).options.sequence, "N",                                              \
         "most tokens of an example (default: as the data need, within the model's context)"},               \
        {"--skip-long", CLI_FLAG, &(flags).options.skip_long, NULL,                                          \
         "leave out examples that are longer, and say how many"},                                            \
        {"--loss", CLI_TEXT, &(flags).loss, "answer|all",                                                    \
         "what is learned (default answer: the prompt is not)"},                                             \
        {"--warmup", CLI_DOUBLE, &(flags).options.warmup, "P",                                               \
         "share of the steps in which the learning rate rises (default 0.05)"},                              \
        {"--lr-floor", CLI_DOUBLE, &(flags).options.floor, "P",                                              \
         "what of it is left in the end, behind a cosine (default 0.1)"},                                    \
        {"--weight-decay", CLI_DOUBLE, &(flags).options.decay, "D", "of matrices, decoupled (default 0)"},   \
        {"--beta2", CLI_DOUBLE, &(flags).options.beta2, "B", "of AdamW (default 0.999)"},                    \
        {"--clip", CLI_DOUBLE, &(flags).options.clip, "N", "longest gradient, 0: any (default 1)"},          \
        {"-s,--seed", CLI_SEED, &(flags).options.seed, "S",                                                  \
         "of adapters, order and split (default 1); the same one gives the same result"},                    \
        {"--bf16", CLI_FLAG, &(flags).options.bf16, NULL,                                                    \
         "products in bfloat16 where this processor has them: faster, and rounder"},                         \
        {"-t,--threads", CLI_INT, &(flags).options.threads, "N", "threads (default: physical cores)"},       \
        {"--mem", CLI_BYTES, &(flags).options.memory, "SIZE",                                                \
         "take no more than this in all, e.g. 2G, and compute more instead"},                                \
        {"--force", CLI_FLAG, &(flags).options.force, NULL, "use more than 70 % of RAM, if it is there"},    \
        {"--checkpoint-every", CLI_DOUBLE, &(flags).options.checkpoint_every, "S",                           \
         "seconds between checkpoints, OUT.gguf.checkpoint (default 60)"},                                   \
        {"--restart", CLI_FLAG, &(flags).options.restart, NULL, "begin anew, whatever checkpoint is there"}, \
        {"--log", CLI_TEXT, &(flags).options.log, "FILE.csv",                                                \
         "a line a step, written with each checkpoint"},                                                     \
        {"--cpu", CLI_TEXT, &(flags).options.cpu, "PATH",                                                    \
         "kernels to use (default auto; smidge inspect --cpu lists them)"},                                  \
    {                                                                                                        \
        "-q,--quiet", CLI_FLAG, &(flags).quiet, NULL, "say nothing but errors"                               \
    }

/* To be called before the flags are read. */
void training_flags_init(training_flags *flags);
/* "q,k,ffn" and so on; -1 to go on, or the exit status after a usage error. */
int training_targets(const cli_command *command, const char *text, uint32_t *ret_targets);
/* Brings what was read to the options; -1 to go on, or the exit status after a usage error. */
int training_flags_check(const cli_command *command, training_flags *flags);
/* Trains; returns the exit status. */
int training_run(const cli_command *command, training_flags *flags);

#endif
