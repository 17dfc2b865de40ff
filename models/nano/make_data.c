/* Makes the data that the bundled model is trained and tested on.
 *   make_data readings --words FOLDER --count N [--seed S] [--sensors 1-6] [--near 20] [--raw 1] [--worked 1] [--explained 0] [--terse 0]
 *                      [--together] [--hints distances|recall|owners|all] -o OUT.jsonl
 *   make_data commands --words FOLDER --data hwu-home.jsonl --split train|dev [--seed S] [--count N] -o OUT.jsonl
 * The same arguments make the same bytes on every machine. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "data_file.h"
#include "readings.h"

#define MOST 100000000
#define TOLD_MAX 16

typedef struct arguments {
    const char *words, *data, *split, *out;
    uint64_t seed;
    int64_t count;
    uint32_t hints, severities; /* bits 1 << nano_hint_kind */
    nano_mix mix;
} arguments;

static const char usage[] =
    "usage: make_data readings --words FOLDER --count N [--seed S] [--sensors LEAST-MOST] [--near PERCENT]\n"
    "                          [--raw SHARE] [--worked SHARE] [--explained SHARE] [--terse PERCENT] [--plain PERCENT] [--varied PERCENT] [--noise PERCENT]\n"
    "                          [--together] [--severities] [--hints distances|recall|owners|all] -o OUT.jsonl\n"
    "       make_data commands --words FOLDER --data hwu-home.jsonl --split train|dev [--count N] [--seed S] -o OUT.jsonl\n"
    "Shares are whole numbers; without --count every command comes once, as it is in the data.\n";

/* Of those at one place that are asked for, the last one. */
static bool is_last(const nano_case *c, int32_t which, uint32_t kinds)
{
    for (int32_t i = which + 1; i < c->hint_count && c->hints[i].at == c->hints[which].at; i++) {
        if ((kinds >> c->hints[i].kind & 1U) != 0)
            return false;
    }
    return true;
}

static const char *told(const nano_case *c, const nano_hint *hint, char room[TOLD_MAX])
{
    switch (hint->kind) {
    case NANO_HINT_OWNER:
        return c->sensors[hint->value].name;
    case NANO_HINT_SEVERITY: /* as the label will be said: behind a space */
        snprintf(room, TOLD_MAX, " %s", nano_severity_name((nano_severity)hint->value));
        return room;
    default:
        snprintf(room, TOLD_MAX, "%c", nano_hint_letter(hint));
        return room;
    }
}

/* [[CHARACTER, "TOKEN"], ...] */
static json_t *hints_of(const nano_case *c, uint32_t kinds)
{
    json_t *list = json_array();
    size_t byte = 0;
    json_int_t character = 0;
    char room[TOLD_MAX];
    for (int32_t i = 0; i < c->hint_count; i++) {
        const nano_hint *hint = &c->hints[i];
        for (; byte < hint->at; byte++)
            character += ((unsigned char)c->prompt[byte + 1] & 0xC0) != 0x80;
        if ((kinds >> hint->kind & 1U) == 0 || !is_last(c, i, kinds))
            continue;
        json_array_append_new(list, json_pack("[I, s]", character, told(c, hint, room)));
    }
    return list;
}

static json_t *reading_row(const nano_case *c, int64_t number, const arguments *given)
{
    static const char *const forms[] = {"raw", "worked", "explained"};
    char id[160];
    snprintf(id, sizeof id, "%s-%d-apart%" PRId64 "-edge%" PRId64 "-%" PRId64, forms[c->form], (int)c->count,
             c->apart, c->edge, number);
    json_t *row = json_pack("{s:s#, s:s, s:s}", "prompt", c->prompt, (int)c->size, "label",
                            nano_severity_name(c->severity), "id", id);
    if ((given->hints | given->severities) != 0)
        json_object_set_new(row, "hints", hints_of(c, given->hints | given->severities));
    return row;
}

static smidge_status make_readings(const arguments *given, const nano_words *words, nano_data_file *file,
                                   smidge_error *error)
{
    nano_random random = {given->seed};
    for (int64_t i = 0; i < given->count; i++) {
        nano_case c;
        nano_case_make(&random, words, &given->mix, (uint64_t)i, &c);
        SMG_TRY(nano_data_add(file, reading_row(&c, i, given), error));
    }
    return SMIDGE_OK;
}

static smidge_status make_commands(const arguments *given, const nano_words *words, nano_data_file *file,
                                   smidge_error *error)
{
    SMG_CLEANUP(nano_commands_done) nano_commands commands = {0};
    nano_random random = {given->seed};
    SMG_TRY(nano_commands_read(given->data, given->split, &commands, error));
    const int64_t count = given->count > 0 ? given->count : (int64_t)commands.count;
    for (int64_t i = 0; i < count; i++) {
        json_t *row = given->count > 0 ? nano_command_vary(&commands, words, &random)
                                       : nano_command_row(&commands, words, &random, (size_t)i);
        SMG_TRY(nano_data_add(file, row, error));
    }
    return SMIDGE_OK;
}

static smidge_status make(const char *what, const arguments *given, smidge_error *error)
{
    SMG_CLEANUP(nano_words_done) nano_words words = {0};
    SMG_CLEANUP(nano_data_discard) nano_data_file file = {.writer.fd = -1};
    SMG_TRY(nano_words_read(given->words, &words, error));
    SMG_TRY(nano_data_open(&file, given->out, error));
    if (strcmp(what, "readings") == 0)
        SMG_TRY(make_readings(given, &words, &file, error));
    else
        SMG_TRY(make_commands(given, &words, &file, error));
    return nano_data_finish(&file, error);
}

/* ---- The command line ---- */

static bool take_number(const char *text, int64_t least, int64_t most, char end, int64_t *ret,
                        const char **ret_rest)
{
    char *rest;
    errno = 0;
    const long long value = strtoll(text, &rest, 10);
    if (errno != 0 || rest == text || (*rest != end && *rest != '\0') || value < least || value > most)
        return false;
    *ret = value;
    *ret_rest = *rest == '\0' ? NULL : rest + 1;
    return true;
}

static bool take_small(const char *text, int64_t most, int32_t *ret)
{
    int64_t value;
    const char *rest;
    if (!take_number(text, 0, most, '\0', &value, &rest))
        return false;
    *ret = (int32_t)value;
    return true;
}

static bool take_sensors(const char *text, nano_mix *mix)
{
    int64_t least;
    int64_t most;
    const char *rest;
    if (!take_number(text, 1, NANO_SENSORS_MAX, '-', &least, &rest))
        return false;
    most = least;
    if (rest != NULL && !take_number(rest, least, NANO_SENSORS_MAX, '\0', &most, &rest))
        return false;
    mix->least = (int32_t)least;
    mix->most = (int32_t)most;
    return true;
}

static bool take_option(int option, arguments *given)
{
    const char *rest;
    int64_t seed;
    switch (option) {
    case 'w':
        given->words = optarg;
        return true;
    case 'd':
        given->data = optarg;
        return true;
    case 'p':
        given->split = optarg;
        return strcmp(optarg, "train") == 0 || strcmp(optarg, "dev") == 0;
    case 'v':
        given->severities = 1U << NANO_HINT_SEVERITY;
        return true;
    case 'y':
        return take_small(optarg, 100, &given->mix.plain_percent);
    case 'i':
        return take_small(optarg, 100, &given->mix.noise_percent);
    case 'x':
        return take_small(optarg, 100, &given->mix.varied_percent);
    case 'g':
        given->mix.together = true;
        return true;
    case 'z':
        return take_small(optarg, 100, &given->mix.terse_percent);
    case 't':
        given->hints = 1U << NANO_HINT_DISTANCE;
        if (strcmp(optarg, "distances") == 0)
            return true;
        given->hints |= 1U << NANO_HINT_RECALL;
        if (strcmp(optarg, "recall") == 0)
            return true;
        if (strcmp(optarg, "owners") == 0) {
            given->hints |= 1U << NANO_HINT_OWNER;
            return true;
        }
        given->hints |= 1U << NANO_HINT_SIZE;
        return strcmp(optarg, "all") == 0;
    case 'o':
        given->out = optarg;
        return true;
    case 's':
        if (!take_number(optarg, 0, INT64_MAX, '\0', &seed, &rest))
            return false;
        given->seed = (uint64_t)seed;
        return true;
    case 'c':
        return take_number(optarg, 1, MOST, '\0', &given->count, &rest);
    case 'n':
        return take_sensors(optarg, &given->mix);
    case 'l':
        return take_small(optarg, 100, &given->mix.near_percent);
    case 'r':
        return take_small(optarg, 1000, &given->mix.shares[NANO_RAW]);
    case 'k':
        return take_small(optarg, 1000, &given->mix.shares[NANO_WORKED]);
    case 'e':
        return take_small(optarg, 1000, &given->mix.shares[NANO_EXPLAINED]);
    default:
        return false;
    }
}

static bool take_arguments(int argc, char **argv, arguments *given)
{
    static const struct option options[] = {
        {"words", required_argument, NULL, 'w'},
        {"data", required_argument, NULL, 'd'},
        {"split", required_argument, NULL, 'p'},
        {"seed", required_argument, NULL, 's'},
        {"count", required_argument, NULL, 'c'},
        {"sensors", required_argument, NULL, 'n'},
        {"near", required_argument, NULL, 'l'},
        {"raw", required_argument, NULL, 'r'},
        {"worked", required_argument, NULL, 'k'},
        {"explained", required_argument, NULL, 'e'},
        {"output", required_argument, NULL, 'o'},
        {"terse", required_argument, NULL, 'z'},
        {"hints", required_argument, NULL, 't'},
        {"together", no_argument, NULL, 'g'},
        {"plain", required_argument, NULL, 'y'},
        {"severities", no_argument, NULL, 'v'},
        {"varied", required_argument, NULL, 'x'},
        {"noise", required_argument, NULL, 'i'},
        {0},
    };
    for (int option; (option = getopt_long(argc - 1, argv + 1, "o:", options, NULL)) != -1;) {
        if (!take_option(option, given))
            return false;
    }
    const int64_t shares = given->mix.shares[0] + given->mix.shares[1] + given->mix.shares[2];
    const bool readings = strcmp(argv[1], "readings") == 0;
    return optind == argc - 1 && given->words != NULL && given->out != NULL &&
           (readings ? given->count > 0 && shares > 0
                     : strcmp(argv[1], "commands") == 0 && given->data != NULL && given->split != NULL);
}

int main(int argc, char **argv)
{
    arguments given = {
        .mix = {.least = 1, .most = NANO_SENSORS_MAX, .near_percent = 20, .shares = {1, 1, 0}}};
    smidge_error error = {0};
    if (argc < 2 || !take_arguments(argc, argv, &given)) {
        fputs(usage, stderr);
        return 2;
    }
    if (make(argv[1], &given, &error) != SMIDGE_OK) {
        fprintf(stderr, "make_data: %s: %s\n", error.where, error.message);
        return 1;
    }
    return 0;
}
