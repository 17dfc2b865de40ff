/* Flags of the commands that can put their text into a chat template, and doing it. */
#ifndef SMIDGE_CHAT_FLAGS_H
#define SMIDGE_CHAT_FLAGS_H

#include "cli.h"

typedef struct chat_flags {
    bool chat;
    bool no_thinking;
    const char *system;
    const char *template;
} chat_flags;

#define CHAT_FLAGS(flags)                                                                                    \
    {"--chat", CLI_FLAG, &(flags).chat, NULL, "the text is a message, put into the model's chat template"},  \
        {"-sys,--system-prompt", CLI_TEXT, &(flags).system, "TEXT", "with --chat: the system message"},      \
        {"--template", CLI_TEXT, &(flags).template, "NAME",                                                  \
         "with --chat: a template by name, or from a file"},                                                 \
    {                                                                                                        \
        "--no-thinking", CLI_FLAG, &(flags).no_thinking, NULL,                                               \
            "with --chat: ask models that think first not to"                                                \
    }

/* -1 to go on, or the exit status after a usage error. `special`: --special was given, too. */
int chat_check(const cli_command *command, const chat_flags *flags, bool special);
/* The user's message, behind the system message if there is one. The text need not outlive the call; the chat is
 * released with smidge_chat_free. */
smidge_status chat_new(const chat_flags *flags, const smidge_model *model, const char *text, size_t size,
                       smidge_chat **ret_chat, smidge_error *error);

#endif
