/* smidge data: recordings and JSON Lines, looked at before anything learns from them, and split into train and test. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "data/dataset_write.h"
#include "data/split.h"
#include "data_print.h"
#include "smidge/tools.h"

enum { FILES_MAX = 1024, SAMPLES_MAX = 1000 };

typedef struct data_flags {
    const char *files[FILES_MAX];
    size_t file_count;
    const char *template;
    const char *delimiter;
    const char *output, *train, *test;
    const char *split_by;
    const char *baselines, *write_baselines;
    const char *against;
    const char *model;
    double share;
    uint64_t seed;
    int32_t tokens_most;
    int32_t samples;
    bool json;
    bool quiet;
} data_flags;

typedef struct data_state {
    data_flags flags;
    smg_dataset set, other;
    smg_examination found;
    smg_overlap overlap;
    uint8_t *sides;
    bool by_group;
    data_report report;
} data_state;

static void close_state(data_state *state)
{
    smg_dataset_done(&state->set);
    smg_dataset_done(&state->other);
    smg_examination_done(&state->found);
    free(state->sides);
}

static void close_file(smidge_file **file)
{
    smidge_file_close(*file);
}

static void free_lengths(int64_t **lengths)
{
    free(*lengths);
}

static smidge_status no_memory(smidge_error *error)
{
    *error = (smidge_error){.code = SMIDGE_E_NOMEM, .where = "data", .message = CLI_NO_MEMORY};
    return SMIDGE_E_NOMEM;
}

static smidge_status refuse(smidge_error *error, const char *where, const char *why)
{
    *error = (smidge_error){.code = SMIDGE_E_INVALID};
    snprintf(error->where, sizeof error->where, "%s", where);
    snprintf(error->message, sizeof error->message, "%s", why);
    return SMIDGE_E_INVALID;
}

/* ---- Reading --------------------------------------------------------------------------------------------- */

static void tell_problem(void *context, const smidge_error *problem)
{
    (void)context;
    cli_complain(problem->where, "%s", problem->message);
}

static char delimiter_of(const data_flags *flags)
{
    const char *name = flags->delimiter != NULL ? flags->delimiter : "";
    return strcmp(name, "tab") == 0 ? '\t' : name[0];
}

static smidge_status read_set(data_state *state, const uint8_t *learn_from, smidge_error *error)
{
    const data_flags *flags = &state->flags;
    const smg_dataset_options options = {.template_path = flags->template,
                                         .delimiter = delimiter_of(flags),
                                         .baselines_path = flags->baselines,
                                         .learn = flags->baselines == NULL,
                                         .learn_from = learn_from,
                                         .learn_count = state->set.count,
                                         .problem = tell_problem};
    smg_dataset set = {0};
    const smidge_status status = smg_dataset_read(flags->files, flags->file_count, &options, &set, error);
    if (status != SMIDGE_OK)
        return status;
    smg_dataset_done(&state->set);
    state->set = set;
    return SMIDGE_OK;
}

static bool has_groups(const smg_dataset *set)
{
    for (size_t i = 0; i < set->count; i++) {
        if (set->examples[i].group != NULL)
            return true;
    }
    return false;
}

static bool learns(const smg_dataset *set)
{
    for (int32_t i = 0; i < set->baseline_count; i++) {
        if (set->baselines[i].learned)
            return true;
    }
    return false;
}

/* What is normal is learned from the training part alone: the recordings are read again once it is known. */
static smidge_status split(data_state *state, smidge_error *error)
{
    const data_flags *flags = &state->flags;
    state->by_group =
        flags->split_by == NULL ? has_groups(&state->set) : strcmp(flags->split_by, "group") == 0;
    const smg_split how = {.share = flags->share, .by_group = state->by_group, .seed = flags->seed};
    state->sides = malloc(state->set.count);
    uint8_t *training = malloc(state->set.count);
    smidge_status status = state->sides == NULL || training == NULL ? no_memory(error) : SMIDGE_OK;
    if (status == SMIDGE_OK && state->by_group && !has_groups(&state->set))
        status = refuse(
            error, "--split-by",
            "no example has a group (add \"group by COLUMN\" to the template, or \"group\" to the rows)");
    const bool again = flags->baselines == NULL && learns(&state->set);
    for (size_t i = 0; i < flags->file_count && again && status == SMIDGE_OK; i++) {
        if (strcmp(flags->files[i], "-") == 0)
            status = refuse(
                error, "standard input",
                "recordings whose baselines are learned are read twice (save it to a file, or give --baselines)");
    }
    if (status == SMIDGE_OK)
        status = smg_split_make(&state->set, &how, state->sides, error);
    for (size_t i = 0; status == SMIDGE_OK && i < state->set.count; i++)
        training[i] = state->sides[i] == 0;
    if (status == SMIDGE_OK && again)
        status = read_set(state, training, error);
    free(training);
    return status;
}

/* ---- Lengths --------------------------------------------------------------------------------------------- */

static int compare_lengths(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static data_lengths summarize(int64_t *lengths, size_t count)
{
    qsort(lengths, count, sizeof *lengths, compare_lengths);
    return (data_lengths){lengths[0], lengths[(count - 1) / 2], lengths[(count - 1) * 95 / 100],
                          lengths[count - 1]};
}

static int64_t characters_of(const char *text)
{
    int64_t count = 0;
    for (; *text != '\0'; text++)
        count += ((unsigned char)*text & 0xC0) != 0x80;
    return count;
}

static int64_t prompt_characters(const smg_example *example)
{
    int64_t count = example->prompt != NULL ? characters_of(example->prompt) : 0;
    for (int32_t i = 0; i < example->message_count; i++)
        count += characters_of(example->messages[i].content);
    return count;
}

/* Of a text; BOS, which comes in front of a prompt once, is not of it. */
static smidge_status tokens_of(smidge_file *file, const char *text, int64_t *count, smidge_error *error)
{
    const smidge_span span = {.text = text, .size = strlen(text)};
    size_t tokens = 0;
    const smidge_status status = smidge_file_tokenize(file, &span, 1, NULL, 0, &tokens, error);
    *count += (int64_t)tokens;
    return status;
}

static smidge_status count_tokens(smidge_file *file, const smg_example *example, int64_t *ret_prompt,
                                  int64_t *ret_answer, smidge_error *error)
{
    int64_t nothing = 0;
    smidge_status status = tokens_of(file, "", &nothing, error);
    *ret_prompt = 0;
    *ret_answer = -nothing;
    if (status == SMIDGE_OK && example->prompt != NULL)
        status = tokens_of(file, example->prompt, ret_prompt, error);
    for (int32_t i = 0; i < example->message_count && status == SMIDGE_OK; i++)
        status = tokens_of(file, example->messages[i].content, ret_prompt, error);
    return status == SMIDGE_OK ? tokens_of(file, example->answer, ret_answer, error) : status;
}

static smidge_status measure_tokens(data_state *state, int64_t *prompts, int64_t *answers,
                                    smidge_error *error)
{
    __attribute__((cleanup(close_file))) smidge_file *file = NULL;
    data_report *report = &state->report;
    smidge_status status = smidge_file_open(state->flags.model, &file, error);
    for (size_t i = 0; i < state->set.count && status == SMIDGE_OK; i++) {
        status = count_tokens(file, &state->set.examples[i], &prompts[i], &answers[i], error);
        report->too_long += prompts[i] + answers[i] > state->flags.tokens_most;
    }
    if (status != SMIDGE_OK)
        return status;
    report->model = state->flags.model;
    report->prompt_tokens = summarize(prompts, state->set.count);
    report->answer_tokens = summarize(answers, state->set.count);
    return SMIDGE_OK;
}

static smidge_status measure_lengths(data_state *state, smidge_error *error)
{
    const size_t count = state->set.count;
    __attribute__((cleanup(free_lengths))) int64_t *prompts = calloc(count, sizeof *prompts);
    __attribute__((cleanup(free_lengths))) int64_t *answers = calloc(count, sizeof *answers);
    if (prompts == NULL || answers == NULL)
        return no_memory(error);
    for (size_t i = 0; i < count; i++) {
        prompts[i] = prompt_characters(&state->set.examples[i]);
        state->report.too_long +=
            state->flags.model == NULL && prompts[i] > 4 * (int64_t)state->flags.tokens_most;
    }
    state->report.characters = summarize(prompts, count);
    return state->flags.model != NULL ? measure_tokens(state, prompts, answers, error) : SMIDGE_OK;
}

/* ---- What comes of it ------------------------------------------------------------------------------------ */

static smidge_status compare(data_state *state, smidge_error *error)
{
    const data_flags *flags = &state->flags;
    const smg_dataset_part all = {.set = &state->set}, other = {.set = &state->other};
    const smg_dataset_part train = {&state->set, state->sides, 0}, test = {&state->set, state->sides, 1};
    if (flags->against == NULL && state->sides == NULL)
        return SMIDGE_OK;
    state->report.overlap = &state->overlap;
    if (flags->against == NULL)
        return smg_overlap_find(&train, &test, &state->overlap, error);
    const smg_dataset_options options = {.problem = tell_problem};
    state->report.other = &state->other;
    state->report.other_path = flags->against;
    const smidge_status status = smg_dataset_read(&flags->against, 1, &options, &state->other, error);
    return status == SMIDGE_OK ? smg_overlap_find(&all, &other, &state->overlap, error) : status;
}

static smidge_status write_files(const data_state *state, smidge_error *error)
{
    const data_flags *flags = &state->flags;
    const smg_dataset_output wanted[] = {{{&state->set, NULL, 0}, flags->output},
                                         {{&state->set, state->sides, 0}, flags->train},
                                         {{&state->set, state->sides, 1}, flags->test}};
    smg_dataset_output outputs[sizeof wanted / sizeof *wanted];
    size_t count = 0;
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        if (wanted[i].path != NULL)
            outputs[count++] = wanted[i];
    }
    smidge_status status = SMIDGE_OK;
    if (flags->write_baselines != NULL)
        status = smg_dataset_save_baselines(&state->set, flags->write_baselines, error);
    return status == SMIDGE_OK ? smg_dataset_write(outputs, count, error) : status;
}

static smidge_status work(data_state *state, smidge_error *error)
{
    data_flags *flags = &state->flags;
    smidge_status status = read_set(state, NULL, error);
    if (status == SMIDGE_OK && flags->train != NULL)
        status = split(state, error);
    if (status == SMIDGE_OK)
        status = smg_examine(&state->set, &state->found, error);
    if (status == SMIDGE_OK)
        status = measure_lengths(state, error);
    if (status == SMIDGE_OK)
        status = compare(state, error);
    return status == SMIDGE_OK ? write_files(state, error) : status;
}

static int show(data_state *state)
{
    data_report *report = &state->report;
    const data_flags *flags = &state->flags;
    report->set = &state->set;
    report->files = flags->files;
    report->file_count = flags->file_count;
    report->found = &state->found;
    report->sides = state->sides;
    report->by_group = state->by_group;
    report->tokens_most = flags->tokens_most;
    report->samples = (size_t)flags->samples < state->set.count ? flags->samples : (int32_t)state->set.count;
    if (flags->json)
        data_print_json(report);
    else if (!flags->quiet)
        data_print_text(report);
    return cli_close_output(EXIT_OK);
}

/* ---- The command ----------------------------------------------------------------------------------------- */

static int misuse(const char *what, const char *why)
{
    return cli_misuse(&cli_data, what, why);
}

static int check_delimiter(const data_flags *flags)
{
    static const char *const names[] = {",", ";", "|", "tab"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (flags->delimiter == NULL || strcmp(flags->delimiter, names[i]) == 0)
            return -1;
    }
    return misuse("--delimiter", "is not , ; | or tab");
}

static bool same_file(const char *a, const char *b)
{
    struct stat x, y;
    if (strcmp(a, b) == 0)
        return true;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* What is read is not written over, and no file is written twice. */
static int check_outputs(const data_flags *flags)
{
    const char *const names[] = {"--output",          "--train",    "--test",
                                 "--write-baselines", "--template", "--against"};
    const char *const paths[] = {flags->output,          flags->train,    flags->test,
                                 flags->write_baselines, flags->template, flags->against};
    for (size_t i = 0; i < 4; i++) {
        for (size_t j = i + 1; j < 6 && paths[i] != NULL; j++) {
            if (paths[j] != NULL && same_file(paths[i], paths[j]))
                return misuse(names[i], "is the same file as that of another flag");
        }
        for (size_t j = 0; j < flags->file_count && paths[i] != NULL; j++) {
            if (same_file(paths[i], flags->files[j]))
                return misuse(names[i], "is one of the files that are read");
        }
    }
    return -1;
}

static int check_flags(const data_flags *flags)
{
    if (flags->file_count == 0)
        return misuse("FILE", "is missing: which examples?");
    if ((flags->train == NULL) != (flags->test == NULL))
        return misuse(flags->train == NULL ? "--train" : "--test", "is missing: a split needs both");
    if (flags->split_by != NULL && strcmp(flags->split_by, "group") != 0 &&
        strcmp(flags->split_by, "row") != 0)
        return misuse("--split-by", "is neither group nor row");
    if (!(flags->share > 0 && flags->share < 1))
        return misuse("--split", "is not between 0 and 1 (0.2 puts a fifth aside)");
    if (flags->samples < 0 || flags->samples > SAMPLES_MAX)
        return misuse("--samples", "is not 0 to 1000");
    if (flags->tokens_most < 1 || flags->tokens_most > 1 << 20)
        return misuse("--max-tokens", "is not 1 to 1048576");
    if (flags->template == NULL &&
        (flags->delimiter != NULL || flags->baselines != NULL || flags->write_baselines != NULL))
        return misuse("--template", "is missing: delimiters and baselines are of recordings");
    if (flags->baselines != NULL && flags->write_baselines != NULL)
        return misuse("--write-baselines",
                      "writes what was learned, and --baselines learns nothing: leave one out");
    if (flags->against != NULL && flags->train != NULL)
        return misuse("--against", "compares all examples: leave --train and --test out");
    const int status = check_outputs(flags);
    return status < 0 ? check_delimiter(flags) : status;
}

static int run(int argc, char **argv, int64_t started)
{
    (void)started;
    __attribute__((cleanup(close_state)))
    data_state state = {.flags = {.share = 0.2, .seed = 1, .samples = 10, .tokens_most = 1024}};
    data_flags *options = &state.flags;
    const cli_flag flags[] = {
        {"--template", CLI_TEXT, &options->template, "FILE",
         "the files are CSV, and this says what to make of them"},
        {"--delimiter", CLI_TEXT, &options->delimiter, "C",
         "between cells of CSV: , ; | or tab (default: found out)"},
        {"-o,--output", CLI_TEXT, &options->output, "OUT.jsonl", "write all examples"},
        {"--train", CLI_TEXT, &options->train, "OUT.jsonl", "write those to train with"},
        {"--test", CLI_TEXT, &options->test, "OUT.jsonl", "write those to test with, which are put aside"},
        {"--split", CLI_DOUBLE, &options->share, "SHARE", "of the examples is for testing (default 0.2)"},
        {"--split-by", CLI_TEXT, &options->split_by, "group|row",
         "whole groups go to one side, or rows by themselves (default: group where there are any)"},
        {"--seed", CLI_SEED, &options->seed, "N", "of the split (default 1)"},
        {"--write-baselines", CLI_TEXT, &options->write_baselines, "OUT.json",
         "write the means and deviations that were learned, for recordings to come"},
        {"--baselines", CLI_TEXT, &options->baselines, "FILE.json",
         "take them from there instead of learning them"},
        {"--against", CLI_TEXT, &options->against, "FILE.jsonl", "say how much of this file is here too"},
        {"-m,--model", CLI_TEXT, &options->model, "FILE", "count this model's tokens, too"},
        {"--max-tokens", CLI_INT, &options->tokens_most, "N",
         "what is longer is called too long (default 1024)"},
        {"--samples", CLI_INT, &options->samples, "N", "examples to show (default 10)"},
        {"--json", CLI_FLAG, &options->json, NULL, "print one JSON object"},
        {"-q,--quiet", CLI_FLAG, &options->quiet, NULL, "say nothing but errors"},
    };
    int status = cli_parse(&cli_data, flags, sizeof flags / sizeof *flags, argc, argv, options->files,
                           FILES_MAX, &options->file_count);
    if (status < 0)
        status = check_flags(options);
    if (status >= 0)
        return status;
    smidge_error error;
    return work(&state, &error) == SMIDGE_OK ? show(&state) : cli_fail(&error);
}

const cli_command cli_data = {
    .name = "data",
    .usage = "FILE... [--template T] [--train OUT.jsonl --test OUT.jsonl] [flags]",
    .summary = "look at examples, make them from recordings, and split them into train and test",
    .details =
        "Files are JSON Lines: {\"prompt\", \"label\"}, {\"prompt\", \"json\"} or {\"messages\"}; with --template, CSV. Shows counts, lengths,\n"
        "duplicates, conflicts, what train and test have in common, and samples. A bad row fails, with its line and column: nothing\n"
        "is dropped unsaid. docs/data.md has the template language.\n",
    .run = run,
};
