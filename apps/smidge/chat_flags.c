#include "chat_flags.h"

#include <stdio.h>
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

/* "26 Jul 2024", of UTC. The C library's own way brings time zones, and with them 70 kB, into a static program. Days become years from
 * March on, so that the odd day is a year's last: Hinnant, "chrono-Compatible Low-Level Date Algorithms". */
static void write_date(int64_t seconds, char *ret_text, size_t room)
{
    static const char months[][4] = {"Mar", "Apr", "May", "Jun", "Jul", "Aug",
                                     "Sep", "Oct", "Nov", "Dec", "Jan", "Feb"};
    const int64_t days = seconds / 86400 + 719468; /* since 1 March 0000 */
    const int64_t era = days / 146097, of_era = days % 146097;
    const int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    const int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    const int64_t month = (5 * of_year + 2) / 153;
    snprintf(ret_text, room, "%02d %s %d", (int)(of_year - (153 * month + 2) / 5 + 1), months[month],
             (int)(era * 400 + year + (month >= 10)));
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
    smidge_chat_options options;
    smidge_chat_options_init(&options);
    options.no_thinking = flags->no_thinking;
    write_date((int64_t)time(NULL), today, sizeof today);
    options.date = today;
    /* A name has neither a slash nor a dot. */
    if (flags->template != NULL && strpbrk(flags->template, "/.") != NULL &&
        access(flags->template, R_OK) == 0)
        options.template_file = flags->template;
    else
        options.template_name = flags->template;
    return smidge_chat_new(model, messages, count, &options, ret_chat, error);
}
