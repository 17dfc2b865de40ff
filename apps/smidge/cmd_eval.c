/* smidge eval: how often a model is right on examples whose answers are known, how sure that is, and whether another one is better. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "convert/store_temperature.h"
#include "eval_print.h"
#include "interrupt.h"
#include "measure/eval_picture.h"

enum { ALONE_DEFAULT = 50 };

typedef struct eval_flags {
    model_flags model;
    chat_flags chat;
    schema_flags schema;
    cli_list data;
    const char *labels;
    const char *compare, *compare_lora;
    const char *report, *predictions, *calibrate, *svg;
    int32_t limit, alone, context;
    bool json, quiet;
} eval_flags;

typedef struct eval_state {
    eval_flags flags;
    smg_dataset data;
    eval_set set;
    char *label_text;
    eval_run runs[2];
    eval_result results[2];
    smg_paired pairs;
    eval_calibrated calibrated;
    bool compared;
} eval_state;

static void close_state(eval_state *state)
{
    for (int i = 0; i < 2; i++) {
        eval_result_done(&state->results[i]);
        eval_run_done(&state->runs[i]);
    }
    free(state->set.expected);
    free(state->label_text);
    smg_dataset_done(&state->data);
}

/* ---- The set --------------------------------------------------------------------------------------------- */

static void tell_problem(void *context, const smidge_error *problem)
{
    (void)context;
    cli_complain(problem->where, "%s", problem->message);
}

static int refuse_example(const smg_example *example, const char *why)
{
    char where[512];
    snprintf(where, sizeof where, "%s:%lld", example->file, (long long)example->line);
    cli_complain(where, "%s", why);
    return EXIT_FAILED;
}

/* The labels of the data, or those of --labels, which every answer must then be among. */
static int take_labels(eval_state *state)
{
    eval_set *set = &state->set;
    if (state->flags.labels == NULL) {
        for (int32_t i = 0; i < state->data.label_count; i++)
            set->labels[set->label_count++] = state->data.labels[i];
        return -1;
    }
    state->label_text = strdup(state->flags.labels);
    for (char *label = state->label_text; label != NULL;) {
        char *comma = strchr(label, ',');
        if (comma != NULL)
            *comma = '\0';
        if (set->label_count == EVAL_LABELS_MAX)
            return cli_misuse(&cli_eval, "--labels", "are more than 256");
        set->labels[set->label_count++] = label;
        label = comma != NULL ? comma + 1 : NULL;
    }
    return state->label_text != NULL ? -1 : EXIT_FAILED;
}

static int32_t place_of(const eval_set *set, const char *label)
{
    for (int32_t i = 0; i < set->label_count; i++)
        if (strcmp(set->labels[i], label) == 0)
            return i;
    return -1;
}

/* Places the answers; all of one kind, and every label known. */
static int check_examples(eval_state *state)
{
    eval_set *set = &state->set;
    set->expected = calloc(set->count, sizeof *set->expected);
    if (set->expected == NULL)
        return EXIT_FAILED;
    for (size_t i = 0; i < set->count; i++) {
        const smg_example *example = &state->data.examples[i];
        if (example->kind == SMG_EXAMPLE_TEXT)
            return refuse_example(
                example, "is a chat with a free answer, which nothing here can judge (give rows with "
                         "\"label\" or \"json\")");
        if ((example->kind == SMG_EXAMPLE_JSON) != set->json)
            return refuse_example(example,
                                  "has another kind of answer than the first row (put labels and JSON into "
                                  "files of their own)");
        set->expected[i] = set->json ? 0 : place_of(set, example->answer);
        if (set->expected[i] < 0)
            return refuse_example(example, "has a label that is not in --labels (add it there)");
    }
    return -1;
}

static int read_set(eval_state *state)
{
    const smg_dataset_options options = {.problem = tell_problem};
    eval_set *set = &state->set;
    smidge_error error;
    if (smg_dataset_read(state->flags.data.items, state->flags.data.count, &options, &state->data, &error) !=
        SMIDGE_OK)
        return cli_fail(&error);
    set->data = &state->data;
    set->count = state->data.count;
    if (state->flags.limit > 0 && set->count > (size_t)state->flags.limit)
        set->count = (size_t)state->flags.limit;
    set->json = state->data.examples[0].kind == SMG_EXAMPLE_JSON;
    if (set->json && !schema_wanted(&state->flags.schema))
        return cli_misuse(&cli_eval, "-j", "is missing: which schema have the answers?");
    if (set->json && state->flags.calibrate != NULL)
        return cli_misuse(&cli_eval, "--calibrate", "is for labels: JSON answers have no confidence");
    if (set->json && state->flags.svg != NULL)
        return cli_misuse(&cli_eval, "--svg", "is for labels: of JSON answers there is nothing to draw");
    int status = set->json ? -1 : take_labels(state);
    if (status < 0 && !set->json && set->label_count < 2)
        status =
            cli_misuse(&cli_eval, "--labels", "are fewer than two: which others are there to choose from?");
    return status < 0 ? check_examples(state) : status;
}

/* ---- Asking ---------------------------------------------------------------------------------------------- */

static int ask(eval_state *state, int which, const char *model, const char *lora)
{
    model_flags flags = state->flags.model;
    flags.path = model;
    flags.lora = lora;
    const eval_how how = {.model = &flags,
                          .chat = &state->flags.chat,
                          .schema = &state->flags.schema,
                          .context = state->flags.context,
                          .alone = (size_t)state->flags.alone,
                          .cancel = interrupt_flag(),
                          .quiet = state->flags.quiet || state->flags.json};
    smidge_error error;
    int status = eval_run_make(&state->set, &how, &state->runs[which]);
    if (status >= 0)
        return status;
    if (state->runs[which].done == 0) {
        cli_complain("eval", "was interrupted before the first answer");
        return EXIT_FAILED;
    }
    return eval_result_make(&state->set, &state->runs[which], &state->results[which], &error) == SMIDGE_OK
               ? -1
               : cli_fail(&error);
}

/* On the examples that both were asked. */
static int compare(eval_state *state)
{
    const size_t count =
        state->runs[0].done < state->runs[1].done ? state->runs[0].done : state->runs[1].done;
    uint8_t *right = malloc(2 * count);
    if (right == NULL) {
        cli_complain("eval", "%s", CLI_NO_MEMORY);
        return EXIT_FAILED;
    }
    for (size_t i = 0; i < count; i++) {
        right[i] = state->runs[0].answers[i].right;
        right[count + i] = state->runs[1].answers[i].right;
    }
    state->pairs = smg_paired_compare(right, right + count, count);
    state->compared = true;
    free(right);
    return -1;
}

/* ---- Calibrating ----------------------------------------------------------------------------------------- */

/* Into a copy of the adapter, or of the model where there is none. */
static int calibrate(eval_state *state)
{
    const eval_run *run = &state->runs[0];
    const eval_result *result = &state->results[0];
    const char *path = state->flags.calibrate;
    eval_calibrated done = {.path = path,
                            .temperature = run->temperature * result->temperature,
                            .before = result->reliability.error,
                            .at_end = result->temperature < 1.001 * SMG_TEMPERATURE_LEAST ||
                                      result->temperature > 0.999 * SMG_TEMPERATURE_MOST};
    smidge_error error;
    if (run->done < state->set.count) {
        cli_complain(path, "was not written: the examples were interrupted (let all of them be asked)");
        return EXIT_FAILED;
    }
    if (result->reliability.count == 0) {
        cli_complain(path, "was not written: there are no answers to calibrate by");
        return EXIT_FAILED;
    }
    if (eval_result_tempered(result, result->temperature, &done.after, &error) != SMIDGE_OK ||
        smg_store_temperature(run->lora != NULL ? run->lora : run->model, path, (float)done.temperature,
                              &error) != SMIDGE_OK)
        return cli_fail(&error);
    state->calibrated = done;
    return -1;
}

/* ---- Telling --------------------------------------------------------------------------------------------- */

static void print_report(FILE *to, const eval_state *state)
{
    eval_print_result(to, &state->results[0]);
    if (state->compared) {
        fputc('\n', to);
        eval_print_result(to, &state->results[1]);
        eval_print_comparison(to, &state->results[0], &state->results[1], &state->pairs);
    }
    if (state->calibrated.path != NULL)
        eval_print_calibrated(to, &state->calibrated);
}

static void print_json(const eval_state *state)
{
    json_t *object = eval_result_json(&state->results[0]);
    if (state->compared) {
        json_object_set_new(object, "second", eval_result_json(&state->results[1]));
        json_object_set_new(object, "comparison", eval_comparison_json(&state->pairs));
    }
    if (state->calibrated.path != NULL)
        json_object_set_new(object, "calibrated", eval_calibrated_json(&state->calibrated));
    json_dumpf(object, stdout, JSON_COMPACT | JSON_REAL_PRECISION(8));
    fputc('\n', stdout);
    json_decref(object);
}

static json_t *prediction(const eval_state *state, size_t number)
{
    const eval_set *set = &state->set;
    const eval_answer *answer = &state->runs[0].answers[number];
    const smg_example *example = &state->data.examples[number];
    json_t *row = json_pack("{s:s?, s:s, s:b}", "prompt", example->prompt, "expected", example->answer,
                            "right", answer->right ? 1 : 0);
    if (answer->duration_ns > 0)
        json_object_set_new(row, "ms", json_real((double)answer->duration_ns * 1e-6));
    if (set->json) {
        json_object_set_new(row, "answered", answer->text != NULL ? json_string(answer->text) : json_null());
        return row;
    }
    json_object_set_new(row, "answered",
                        answer->label >= 0 ? json_string(set->labels[answer->label]) : json_null());
    json_object_set_new(row, "confidence", json_real(answer->confidence));
    json_t *probabilities = json_object();
    for (int32_t c = 0; c < set->label_count; c++)
        json_object_set_new(probabilities, set->labels[c],
                            json_real(
                                state->runs[0].probabilities[number * (size_t)set->label_count + (size_t)c]));
    json_object_set_new(row, "probabilities", probabilities);
    return row;
}

static void write_predictions(FILE *to, const eval_state *state)
{
    for (size_t i = 0; i < state->runs[0].done; i++) {
        json_t *row = prediction(state, i);
        json_dumpf(row, to, JSON_COMPACT | JSON_REAL_PRECISION(8));
        fputc('\n', to);
        json_decref(row);
    }
}

/* Written beside its place, and put there when it is whole. */
static int write_file(const char *path, void (*write)(FILE *to, const eval_state *state),
                      const eval_state *state)
{
    char part[4096];
    if (path == NULL)
        return -1;
    const int length = snprintf(part, sizeof part, "%s.part", path);
    FILE *file = length > 0 && (size_t)length < sizeof part ? fopen(part, "we") : NULL;
    bool good = file != NULL;
    if (good) {
        write(file, state);
        good = ferror(file) == 0;
        good = fclose(file) == 0 && good && rename(part, path) == 0;
    }
    if (good)
        return -1;
    cli_complain(path, "cannot be written: %s", strerror(errno));
    if (file != NULL)
        remove(part);
    return EXIT_FAILED;
}

/* The file's name, and the adapter's. */
static void name_of(const eval_run *run, char *ret_name, size_t room)
{
    const char *paths[2] = {run->model, run->lora};
    for (int i = 0; i < 2; i++) {
        const char *slash = paths[i] != NULL ? strrchr(paths[i], '/') : NULL;
        paths[i] = slash != NULL ? slash + 1 : paths[i];
    }
    snprintf(ret_name, room, "%s%s%s", paths[0], paths[1] != NULL ? " with " : "",
             paths[1] != NULL ? paths[1] : "");
}

static int draw(const eval_state *state)
{
    char names[2][300];
    smidge_error error;
    if (state->flags.svg == NULL)
        return -1;
    smg_eval_picture picture = {.labels = state->set.labels,
                                .wanted_accuracy = EVAL_WANTED_ACCURACY,
                                .compared = state->compared};
    for (int i = 0; i < (state->compared ? 2 : 1); i++) {
        const eval_result *result = &state->results[i];
        name_of(&state->runs[i], names[i], sizeof names[i]);
        picture.sides[i] =
            (smg_eval_side){names[i], &result->classes, &result->reliability, &result->abstain};
    }
    return smg_eval_draw(state->flags.svg, &picture, &error) == SMIDGE_OK ? -1 : cli_fail(&error);
}

static int tell(const eval_state *state)
{
    int status = write_file(state->flags.predictions, write_predictions, state);
    if (status < 0)
        status = write_file(state->flags.report, print_report, state);
    if (status < 0)
        status = draw(state);
    if (status >= 0)
        return status;
    if (state->flags.json)
        print_json(state);
    else
        print_report(stdout, state);
    return cli_close_output(EXIT_OK);
}

/* ---- The command ----------------------------------------------------------------------------------------- */

static int parse(eval_flags *options, int argc, char **argv)
{
    const cli_flag flags[] = {
        {"-d,--data", CLI_LIST, &options->data, "FILE",
         "examples with their answers, JSON Lines; repeatable"},
        MODEL_FLAGS(options->model),
        {"--labels", CLI_TEXT, &options->labels, "A,B,C",
         "the answers to choose from (default: those of the data)"},
        {"--compare", CLI_TEXT, &options->compare, "FILE", "a second model: is it better?"},
        {"--compare-lora", CLI_TEXT, &options->compare_lora, "FILE",
         "its adapter; without --compare, of the same model"},
        {"-c,--ctx-size", CLI_INT, &options->context, "N",
         "context in tokens (default: what the longest example needs)"},
        {"--limit", CLI_INT, &options->limit, "N", "the first N examples alone"},
        {"--latency", CLI_INT, &options->alone, "N",
         "ask so many one by one, to see how long it takes (default 50); the rest go together"},
        {"-o,--output", CLI_TEXT, &options->report, "FILE.md", "write the report there, too"},
        {"--predictions", CLI_TEXT, &options->predictions, "FILE.jsonl", "write every answer there"},
        {"--svg", CLI_TEXT, &options->svg, "FILE.svg",
         "draw confusion, reliability and what abstaining buys there"},
        {"--calibrate", CLI_TEXT, &options->calibrate, "OUT.gguf",
         "write the adapter (without --lora the model) there, with the temperature that fits these labels"},
        SCHEMA_FLAGS(options->schema),
        CHAT_FLAGS(options->chat),
        {"--json", CLI_FLAG, &options->json, NULL, "print one JSON object"},
        {"-q,--quiet", CLI_FLAG, &options->quiet, NULL, "no progress"},
    };
    size_t count;
    int status = cli_parse(&cli_eval, flags, sizeof flags / sizeof *flags, argc, argv, NULL, 0, &count);
    if (status < 0)
        status = model_check(&cli_eval, &options->model);
    if (status < 0)
        status = chat_check(&cli_eval, &options->chat, false);
    if (status < 0)
        status = schema_check(&cli_eval, &options->schema);
    if (status < 0 && options->data.count == 0)
        status = cli_misuse(&cli_eval, "-d", "is missing: which examples?");
    if (status < 0 && (options->alone < 1 || options->limit < 0))
        status = cli_misuse(&cli_eval, options->limit < 0 ? "--limit" : "--latency", "must be at least 1");
    return status;
}

static int run(int argc, char **argv, int64_t started)
{
    (void)started;
    __attribute__((cleanup(close_state))) eval_state state = {.flags = {.alone = ALONE_DEFAULT}};
    const eval_flags *flags = &state.flags;
    int status = parse(&state.flags, argc, argv);
    if (status < 0)
        status = read_set(&state);
    if (status < 0)
        status = ask(&state, 0, flags->model.path, flags->model.lora);
    const bool second = flags->compare != NULL || flags->compare_lora != NULL;
    if (status < 0 && second)
        status =
            ask(&state, 1, flags->compare != NULL ? flags->compare : flags->model.path, flags->compare_lora);
    if (status < 0 && second)
        status = compare(&state);
    if (status >= 0)
        return status;
    /* What was asked is told even where it could not be stored. */
    if (flags->calibrate != NULL)
        status = calibrate(&state);
    const int told = tell(&state);
    return status < 0 ? told : status;
}

const cli_command cli_eval = {
    .name = "eval",
    .usage = "-m MODEL -d DATA.jsonl [--compare MODEL2] [flags]",
    .summary = "measure how often a model is right, and whether another one is better",
    .details =
        "Asks every example as an application would, with classify or with run --json-schema. Labels: accuracy with a 95 %\n"
        "interval, precision, recall and F1 of each, confusion, calibration, what abstaining buys, latency. JSON: exact matches.\n"
        "With --compare or --compare-lora the same for the second one, and McNemar's test on the examples that only one gets right.\n",
    .run = run,
};
