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

/* To be called before the flags are read. */
void training_flags_init(training_flags *flags);
/* Reads a command's own flags, which come first in --help, and those that both have; -1 to go on, or the status to exit with. */
int training_flags_parse(const cli_command *command, training_flags *flags, const cli_flag *own,
                         size_t own_count, int argc, char **argv);
/* Brings what was read to the options; -1 to go on, or the exit status after a usage error. */
int training_flags_check(const cli_command *command, training_flags *flags);
/* Trains; returns the exit status. */
int training_run(const cli_command *command, training_flags *flags);

#endif
