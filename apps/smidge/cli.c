#include "cli.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- Messages ----------------------------------------------------------------------------------------- */

void cli_complain(const char *what, const char *format, ...)
{
    /* In one write, so that lines of several processes do not mix; control characters could fake other lines. */
    char line[1024];
    int used = snprintf(line, sizeof line - 1, "smidge: %s: ", what);
    size_t room = sizeof line - 1;
    size_t at = (size_t)used < room ? (size_t)used : room - 1;
    va_list arguments;
    va_start(arguments, format);
    int more = vsnprintf(line + at, room - at, format, arguments);
    va_end(arguments);
    at = more < 0 ? at : (size_t)more < room - at ? at + (size_t)more : room - 1;
    for (size_t i = 0; i < at; i++) {
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = '?';
    }
    line[at] = '\n';
    fwrite(line, 1, at + 1, stderr);
}

int cli_exit_status(smidge_status status)
{
    switch (status) {
    case SMIDGE_OK:
        return EXIT_OK;
    case SMIDGE_E_DEADLINE:
        return EXIT_DEADLINE;
    case SMIDGE_E_NO_FIT:
        return EXIT_NO_FIT;
    default:
        return EXIT_FAILED;
    }
}

int cli_fail(const smidge_error *error)
{
    cli_complain(error->where, "%s", error->message);
    return cli_exit_status(error->code);
}

int cli_misuse(const cli_command *command, const char *what, const char *why)
{
    cli_complain(what, "%s (smidge %s --help lists the flags)", why, command->name);
    return EXIT_USAGE;
}

int cli_close_output(int status)
{
    if (fflush(stdout) == 0 && ferror(stdout) == 0)
        return status;
    cli_complain("standard output", "%s (what was printed is not complete)", strerror(errno));
    return status == EXIT_OK ? EXIT_FAILED : status;
}

/* ---- Flags -------------------------------------------------------------------------------------------- */

static bool name_matches(const char *names, const char *argument, size_t length)
{
    for (const char *name = names; name != NULL;) {
        const char *end = strchr(name, ',');
        size_t size = end == NULL ? strlen(name) : (size_t)(end - name);
        if (size == length && memcmp(name, argument, length) == 0)
            return true;
        name = end == NULL ? NULL : end + 1;
    }
    return false;
}

static bool parse_bytes(const char *text, uint64_t *ret)
{
    char *end = NULL;
    errno = 0;
    double value = strtod(text, &end);
    double unit = 1.0;
    if (*end == 'K' || *end == 'k')
        unit = 1024.0;
    else if (*end == 'M' || *end == 'm')
        unit = 1024.0 * 1024.0;
    else if (*end == 'G' || *end == 'g')
        unit = 1024.0 * 1024.0 * 1024.0;
    end += unit > 1.0 ? 1 : 0;
    if (end == text || *end != '\0' || errno != 0 || !(value > 0.0) || value * unit > 1e18)
        return false;
    *ret = (uint64_t)(value * unit);
    return true;
}

static bool parse_number(const cli_flag *flag, const char *text)
{
    char *end = NULL;
    errno = 0;
    if (flag->kind == CLI_INT) {
        long long value = strtoll(text, &end, 10);
        if (end == text || *end != '\0' || errno != 0 || value < INT32_MIN || value > INT32_MAX)
            return false;
        *(int32_t *)flag->target = (int32_t)value;
        return true;
    }
    if (flag->kind == CLI_SEED) { /* -1 is how llama.cpp asks for any: all ones is as good as another */
        unsigned long long value = strtoull(text, &end, 10);
        *(uint64_t *)flag->target = value;
        return end != text && *end == '\0' && errno == 0;
    }
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || errno != 0 || !isfinite(value))
        return false;
    if (flag->kind == CLI_FLOAT)
        *(float *)flag->target = (float)value;
    else
        *(double *)flag->target = value;
    return true;
}

static bool add_item(cli_list *list, const char *text)
{
    if (list->count == sizeof list->items / sizeof *list->items)
        return false;
    list->items[list->count++] = text;
    return true;
}

static bool set_value(const cli_flag *flag, const char *text)
{
    switch (flag->kind) {
    case CLI_LIST:
        return add_item(flag->target, text);
    case CLI_TEXT:
        *(const char **)flag->target = text;
        return true;
    case CLI_BYTES:
        return parse_bytes(text, flag->target);
    case CLI_IGNORED_VALUE:
        return true;
    default:
        return parse_number(flag, text);
    }
}

static bool takes_value(const cli_flag *flag)
{
    return flag->kind != CLI_FLAG && flag->kind != CLI_IGNORED;
}

static void print_help(const cli_command *command, const cli_flag *flags, size_t flag_count)
{
    printf("smidge %s %s\n\n%s\n\n", command->name, command->usage, command->summary);
    for (size_t i = 0; i < flag_count; i++) {
        if (flags[i].help == NULL)
            continue;
        char left[64];
        snprintf(left, sizeof left, "%s%s%s", flags[i].names, flags[i].value == NULL ? "" : " ",
                 flags[i].value == NULL ? "" : flags[i].value);
        printf("  %-26s %s\n", left, flags[i].help);
    }
    printf("  %-26s %s\n", "-h,--help", "this text");
    if (command->details != NULL)
        printf("\n%s", command->details);
    printf("\nExit status: 0 ok, 1 failed, 2 usage, 3 deadline, 4 abstained, 5 does not fit in memory.\n");
}

/* One flag at argv[*at], with its value behind it or after "=". */
static int parse_flag(const cli_command *command, const cli_flag *flags, size_t flag_count, int argc,
                      char **argv, int *at)
{
    const char *argument = argv[*at];
    const char *equals = strncmp(argument, "--", 2) == 0 ? strchr(argument, '=') : NULL;
    size_t length = equals == NULL ? strlen(argument) : (size_t)(equals - argument);
    const cli_flag *flag = NULL;
    for (size_t i = 0; i < flag_count && flag == NULL; i++)
        flag = name_matches(flags[i].names, argument, length) ? &flags[i] : NULL;
    if (flag == NULL)
        return cli_misuse(command, argument, "is not a flag of this command");
    if (!takes_value(flag)) {
        if (equals != NULL)
            return cli_misuse(command, argument, "takes no value");
        if (flag->kind == CLI_FLAG)
            *(bool *)flag->target = true;
        return -1;
    }
    if (equals == NULL && *at + 1 >= argc)
        return cli_misuse(command, argument, "needs a value");
    const char *text = equals == NULL ? argv[++*at] : equals + 1;
    if (!set_value(flag, text))
        return cli_misuse(command, argument,
                          flag->kind == CLI_BYTES  ? "needs a size such as 512M or 2G"
                          : flag->kind == CLI_LIST ? "is given too often"
                                                   : "needs a number");
    return -1;
}

int cli_parse(const cli_command *command, const cli_flag *flags, size_t flag_count, int argc, char **argv,
              const char **positional, size_t room, size_t *ret_count)
{
    size_t count = 0;
    bool only_positional = false;
    for (int i = 0; i < argc; i++) {
        const char *argument = argv[i];
        if (!only_positional && strcmp(argument, "--") == 0) {
            only_positional = true;
        } else if (!only_positional && argument[0] == '-' && argument[1] != '\0') {
            if (strcmp(argument, "-h") == 0 || strcmp(argument, "--help") == 0) {
                print_help(command, flags, flag_count);
                return cli_close_output(EXIT_OK);
            }
            int status = parse_flag(command, flags, flag_count, argc, argv, &i);
            if (status >= 0)
                return status;
        } else if (count < room) {
            positional[count++] = argument;
        } else {
            return cli_misuse(command, argument, "is one argument too many");
        }
    }
    *ret_count = count;
    return -1;
}

/* ---- Texts -------------------------------------------------------------------------------------------- */

char *cli_read_file(const char *path, size_t *ret_size)
{
    enum { LIMIT = 16 << 20 };
    bool standard = strcmp(path, "-") == 0;
    FILE *file = standard ? stdin : fopen(path, "rbe");
    if (file == NULL) {
        cli_complain(path, "%s (check the path and its permissions)", strerror(errno));
        return NULL;
    }
    char *text = NULL;
    size_t size = 0;
    size_t room = 0;
    const char *why = NULL;
    for (;;) {
        if (room - size < 4096) {
            room = room == 0 ? 65536 : room * 2;
            char *grown = realloc(text, room);
            if (grown == NULL) {
                why = CLI_NO_MEMORY;
                break;
            }
            text = grown;
        }
        size_t count = fread(text + size, 1, room - size - 1, file);
        size += count;
        if (count == 0 || size > LIMIT)
            break;
    }
    if (why == NULL && ferror(file))
        why = "cannot be read (check that it is a file)";
    else if (why == NULL && size > LIMIT)
        why = "is longer than 16 MiB (shorten it)";
    if (!standard)
        fclose(file);
    if (why != NULL) {
        cli_complain(path, "%s", why);
        free(text);
        return NULL;
    }
    text[size] = '\0';
    *ret_size = size;
    return text;
}

static int hex_digit(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    return digit >= 'A' && digit <= 'F' ? digit - 'A' + 10 : -1;
}

size_t cli_unescape(char *text, size_t size)
{
    static const char from[] = "nrt'\"\\";
    static const char to[] = "\n\r\t'\"\\";
    size_t out = 0;
    for (size_t i = 0; i < size; i++) {
        char next = i + 1 < size ? text[i + 1] : '\0';
        const char *known = next == '\0' ? NULL : strchr(from, next);
        if (text[i] == '\\' && known != NULL) {
            text[out++] = to[known - from];
            i++;
        } else if (text[i] == '\\' && next == 'x' && i + 3 < size && hex_digit(text[i + 2]) >= 0 &&
                   hex_digit(text[i + 3]) >= 0) {
            text[out++] = (char)(hex_digit(text[i + 2]) * 16 + hex_digit(text[i + 3]));
            i += 3;
        } else {
            text[out++] = text[i];
        }
    }
    return out;
}

void cli_show_progress(void *progress, uint64_t done, uint64_t total)
{
    cli_progress *own = progress;
    const int percent = total > 0 ? (int)(100 * (done / 1024) / (total / 1024 + 1)) : 0;
    if (own->quiet || percent + 1 == own->shown || !isatty(STDERR_FILENO))
        return;
    own->shown = percent + 1;
    fprintf(stderr, "\r%s: %d %%", own->what, percent);
}

void cli_end_progress(cli_progress *progress)
{
    if (progress->shown != 0)
        fprintf(stderr, "\r%*s\r", (int)strlen(progress->what) + 8, "");
    progress->shown = 0;
}

const char *cli_bytes(double bytes, char text[32])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;
    for (; bytes >= 1024.0 && unit + 1 < sizeof units / sizeof *units; unit++)
        bytes /= 1024.0;
    snprintf(text, 32, unit == 0 ? "%.0f %s" : "%.2f %s", bytes, units[unit]);
    return text;
}
