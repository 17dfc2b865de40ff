#include "chat_flags.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

int chat_check(const cli_command *command, const chat_flags *flags, bool special)
{
    if (flags->chat)
        return special ? cli_misuse(command, "--special",
                                    "does not go with --chat: only the template writes special tokens")
                       : -1;
    const char *alone = flags->system != NULL     ? "-sys"
                        : flags->template != NULL ? "--template"
                        : flags->no_thinking      ? "--no-thinking"
                                                  : NULL;
    return alone == NULL ? -1 : cli_misuse(command, alone, "goes with --chat");
}

smidge_status chat_new(const chat_flags *flags, const smidge_model *model, const char *text, size_t size,
                       smidge_chat **ret_chat, smidge_error *error)
{
    smidge_message messages[2];
    size_t count = 0;
    if (flags->system != NULL)
        messages[count++] = (smidge_message){"system", flags->system, strlen(flags->system)};
    messages[count++] = (smidge_message){"user", text, size};
    char today[32];
    time_t now = time(NULL);
    struct tm parts;
    smidge_chat_options options;
    smidge_chat_options_init(&options);
    options.no_thinking = flags->no_thinking;
    if (localtime_r(&now, &parts) != NULL && strftime(today, sizeof today, "%d %b %Y", &parts) > 0)
        options.date = today;
    /* A name has neither a slash nor a dot. */
    if (flags->template != NULL && strpbrk(flags->template, "/.") != NULL &&
        access(flags->template, R_OK) == 0)
        options.template_file = flags->template;
    else
        options.template_name = flags->template;
    return smidge_chat_new(model, messages, count, &options, ret_chat, error);
}
