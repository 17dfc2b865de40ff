/* The flags of `smidge pull`, which `smidge-fetch` takes as they are. */
#ifndef SMIDGE_PULL_FLAGS_H
#define SMIDGE_PULL_FLAGS_H

#include "cli.h"

typedef struct pull_flags {
    const char *source;
    const char *folder; /* NULL: the cache */
    const char *type;   /* NULL: not said */
    int32_t tries;
    int32_t stall;    /* seconds */
    int32_t back_off; /* milliseconds */
    bool quiet;
    bool list;
} pull_flags;

/* As cli_parse: -1 to go on, or the status to exit with. */
int pull_flags_parse(const cli_command *command, int argc, char **argv, pull_flags *ret_flags);

extern const char pull_usage[], pull_summary[], pull_details[];

#endif
