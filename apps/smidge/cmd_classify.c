/* smidge classify: readings go in, labels come out. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "line_reader.h"
#include "model_flags.h"
#include "prefix_cache.h"
#include "reading_prompt.h"

#define MAX_LABELS 256
#define MAX_BATCH 64
#define DEFAULT_BATCH 16

typedef struct classify_options {
    model_flags model;
    chat_flags chat;
    const char *labels;
    const char *prefix_file;
    const char *suffix_file;
    const char *prefix_cache;
    const char *prompt;
    const char *file;
    int32_t context;
    int32_t deadline_ms;
    int32_t batch;
    double min_confidence;
    bool special;
    bool json;
} classify_options;

typedef struct text {
    char *data;
    size_t size;
} text;

typedef struct classify_state {
    classify_options options;
    char *label_text;               /* the labels, cut apart */
    const char *labels[MAX_LABELS]; /* into label_text */
    size_t label_count;
    text prefix;
    text reading;
    text suffix;
    prompt_frame frame; /* of prefix and suffix */
    smidge_model *model;
    smidge_session *session;
    smidge_labels *set;
    prefix_cache cache;
    char model_id[17];
    double room[MAX_LABELS];
    const double *probabilities; /* of the answer to print */
} classify_state;

static void state_done(classify_state *state)
{
    prefix_cache_done(&state->cache);
    smidge_labels_free(state->set);
    smidge_session_free(state->session);
    smidge_model_close(state->model);
    free(state->label_text);
    free(state->prefix.data);
    free(state->reading.data);
    free(state->suffix.data);
}

/* ---- Arguments ------------------------------------------------------------------------------------------ */

static int parse(classify_options *options, int argc, char **argv)
{
    const cli_flag flags[] = {
        MODEL_FLAGS(options->model),
        {"--labels", CLI_TEXT, &options->labels, "A,B,C", "the answers to choose from"},
        {"--prefix-file", CLI_TEXT, &options->prefix_file, "FILE", "text before each reading, computed once"},
        {"--suffix-file", CLI_TEXT, &options->suffix_file, "FILE", "text after each reading"},
        {"--prefix-cache", CLI_TEXT, &options->prefix_cache, "FILE",
         "keep what stands before each reading computed there, for the next start"},
        CHAT_FLAGS(options->chat),
        {"-p,--prompt", CLI_TEXT, &options->prompt, "TEXT", "one reading"},
        {"-f,--file", CLI_TEXT, &options->file, "FILE",
         "one reading from a file; without -p and -f, a reading a line"},
        {"--min-confidence", CLI_DOUBLE, &options->min_confidence, "P",
         "abstain below this (default 0: never)"},
        {"--deadline", CLI_INT, &options->deadline_ms, "MS",
         "from the program's start, or from reading the line"},
        {"-c,--ctx-size", CLI_INT, &options->context, "N",
         "context in tokens (default 1024, or what one reading needs)"},
        {"--batch", CLI_INT, &options->batch, "N",
         "lines to take together when they are there (default 16; 1 with --deadline)"},
        {"--special", CLI_FLAG, &options->special, NULL,
         "special tokens in prefix and suffix (never in readings)"},
        {"--json", CLI_FLAG, &options->json, NULL, "print one JSON object a reading"},
    };
    size_t count;
    return cli_parse(&cli_classify, flags, sizeof flags / sizeof *flags, argc, argv, NULL, 0, &count);
}

static int split_labels(classify_state *state)
{
    if (state->options.labels == NULL)
        return cli_misuse(&cli_classify, "--labels", "is missing: which answers are there to choose from?");
    state->label_text = strdup(state->options.labels);
    if (state->label_text == NULL)
        return EXIT_FAILED;
    for (char *label = state->label_text; label != NULL;) {
        char *comma = strchr(label, ',');
        if (comma != NULL)
            *comma = '\0';
        if (state->label_count == MAX_LABELS)
            return cli_misuse(&cli_classify, "--labels", "are more than 256");
        state->labels[state->label_count++] = label;
        label = comma == NULL ? NULL : comma + 1;
    }
    return -1;
}

static int read_text(const char *path, text *ret_text)
{
    if (path == NULL)
        return -1;
    ret_text->data = cli_read_file(path, &ret_text->size);
    return ret_text->data == NULL ? EXIT_FAILED : -1;
}

static int read_texts(classify_state *state)
{
    const classify_options *options = &state->options;
    if (options->prompt != NULL && options->file != NULL)
        return cli_misuse(&cli_classify, "prompt", "is given twice (give -p or -f)");
    if (options->deadline_ms < 0)
        return cli_misuse(&cli_classify, "--deadline", "must be above 0");
    if (options->batch < 1 || options->batch > MAX_BATCH)
        return cli_misuse(&cli_classify, "--batch", "must be from 1 to 64");
    if (options->prefix_cache != NULL && options->prefix_file == NULL && !options->chat.chat)
        return cli_misuse(&cli_classify, "--prefix-cache", "goes with --prefix-file or --chat");
    int status = read_text(options->prefix_file, &state->prefix);
    if (status < 0)
        status = read_text(options->suffix_file, &state->suffix);
    if (status < 0)
        status = read_text(options->file, &state->reading);
    if (status < 0 && options->prompt != NULL) {
        state->reading.data = strdup(options->prompt);
        state->reading.size = strlen(options->prompt);
        status = state->reading.data == NULL ? EXIT_FAILED : -1;
    }
    return status;
}

/* ---- Answers -------------------------------------------------------------------------------------------- */

/* `error`: why there is no label; NULL where there is one. */
static void print_json(const classify_state *state, const smidge_classify_result *result,
                       const smidge_error *error)
{
    bool ok = result->answer == SMIDGE_ANSWER_OK;
    bool scored = ok || result->answer == SMIDGE_ANSWER_ABSTAIN;
    json_t *probabilities = scored ? json_object() : json_null();
    for (size_t i = 0; scored && i < state->label_count; i++)
        json_object_set_new(probabilities, state->labels[i], json_real(state->probabilities[i]));
    json_t *object =
        json_pack("{s:s, s:o, s:o, s:o, s:f, s:i, s:i, s:s}", "status",
                  smidge_answer_name((smidge_answer)result->answer), "label",
                  ok ? json_string(state->labels[result->label]) : json_null(), "confidence",
                  scored ? json_real(result->confidence) : json_null(), "probabilities", probabilities, "ms",
                  (double)result->duration_ns / 1e6, "tokens", (int)result->prompt_tokens, "cached_tokens",
                  (int)result->cached_tokens, "model", state->model_id);
    if (error != NULL)
        json_object_set_new(object, "error", json_string(error->message));
    json_dumpf(object, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));
    fputc('\n', stdout);
    json_decref(object);
}

/* The answer to a reading that never got to the model. */
static void refuse(smidge_status status, smidge_classify_result *ret_result)
{
    *ret_result = (smidge_classify_result){.size = sizeof *ret_result,
                                           .label = -1,
                                           .answer = smidge_answer_for(status)};
}

static smidge_status answer(classify_state *state, const char *reading, size_t size, int64_t deadline_ns,
                            smidge_classify_result *result, smidge_error *error)
{
    smidge_classify_options options;
    smidge_classify_options_init(&options);
    options.min_confidence = state->options.min_confidence;
    options.deadline_ns = deadline_ns;
    *result = (smidge_classify_result){.size = sizeof *result, .probabilities = state->room};
    state->probabilities = state->room;
    reading_prompt prompt;
    smidge_status status = reading_prompt_init(&prompt, &state->frame, state->model, reading, size, error);
    if (status == SMIDGE_OK)
        status =
            smidge_classify(state->session, state->set, prompt.spans, prompt.count, &options, result, error);
    else
        refuse(status, result);
    reading_prompt_done(&prompt);
    return status;
}

/* ---- One reading ---------------------------------------------------------------------------------------- */

/* Even where there is no answer, --json prints an object: a program that reads it need not look anywhere else. */
static int refuse_one(const classify_state *state, const smidge_error *error)
{
    if (state->options.json) {
        smidge_classify_result result;
        refuse(error->code, &result);
        print_json(state, &result, error);
    }
    return cli_close_output(cli_fail(error));
}

static int classify_one(classify_state *state, int64_t deadline_ns)
{
    smidge_classify_result result;
    smidge_error error;
    smidge_status status =
        answer(state, state->reading.data, state->reading.size, deadline_ns, &result, &error);
    bool abstained = status == SMIDGE_OK && result.answer == SMIDGE_ANSWER_ABSTAIN;
    if (state->options.json)
        print_json(state, &result, status == SMIDGE_OK ? NULL : &error);
    else if (status == SMIDGE_OK && !abstained)
        printf("%s\t%.4f\n", state->labels[result.label], result.confidence);
    if (status != SMIDGE_OK)
        return cli_close_output(cli_fail(&error));
    if (abstained)
        cli_complain(
            "classify",
            "abstained: %s has %.4f, below %.4f (--min-confidence; see docs/troubleshooting.md, \"Answers that are wrong\")",
            state->labels[result.label], result.confidence, state->options.min_confidence);
    return cli_close_output(abstained ? EXIT_ABSTAINED : EXIT_OK);
}

/* ---- A reading a line ----------------------------------------------------------------------------------- */

/* Lines that were there together, and their answers. */
typedef struct batch {
    line lines[MAX_BATCH];
    size_t count;
    int64_t deadline_ns;
    reading_prompt prompts[MAX_BATCH];
    double probabilities[MAX_BATCH][MAX_LABELS];
    smidge_classify_result results[MAX_BATCH];
    smidge_error errors[MAX_BATCH];
} batch;

static bool print_line(const classify_state *state, const smidge_classify_result *result,
                       const smidge_error *error)
{
    if (state->options.json)
        print_json(state, result, error);
    else if (result->answer == SMIDGE_ANSWER_OK)
        printf("%s\t%.4f\n", state->labels[result->label], result->confidence);
    else
        printf("-\t%s\n", smidge_answer_name((smidge_answer)result->answer));
    return fflush(stdout) == 0;
}

/* Waits for a line, and takes more that are there already; false at the end of input. */
static bool read_batch(const classify_state *state, line_reader *reader, batch *lines)
{
    lines->count = 0;
    while (lines->count < (size_t)state->options.batch &&
           line_reader_next(reader, lines->count == 0, &lines->lines[lines->count])) {
        if (lines->count == 0 && state->options.deadline_ms > 0)
            lines->deadline_ns = smidge_now_ns() + state->options.deadline_ms * INT64_C(1000000);
        lines->count++;
    }
    return lines->count > 0;
}

/* Makes the prompt of a line, or says why there is none. */
static smidge_status make_prompt(const classify_state *state, batch *lines, size_t i)
{
    const line *from = &lines->lines[i];
    smidge_error *error = &lines->errors[i];
    *error = (smidge_error){0};
    if (from->text == NULL)
        *error = (smidge_error){
            .code = SMIDGE_E_INVALID,
            .message =
                "the line is longer than 1 MiB (shorten it; see docs/troubleshooting.md, \"Prompts that do not fit\")"};
    else
        error->code = reading_prompt_init(&lines->prompts[i], &state->frame, state->model, from->text,
                                          from->size, error);
    if (error->code != SMIDGE_OK)
        refuse(error->code, &lines->results[i]);
    return error->code;
}

/* Answers those that can be read; a line that is too long never gets to the model. */
static smidge_status answer_batch(classify_state *state, batch *lines, smidge_error *error)
{
    smidge_prompt prompts[MAX_BATCH];
    smidge_classify_result results[MAX_BATCH];
    smidge_error errors[MAX_BATCH];
    size_t places[MAX_BATCH];
    size_t count = 0;
    for (size_t i = 0; i < lines->count; i++) {
        lines->prompts[i] = (reading_prompt){0};
        if (make_prompt(state, lines, i) != SMIDGE_OK)
            continue;
        prompts[count] = (smidge_prompt){lines->prompts[i].spans, lines->prompts[i].count};
        results[count] =
            (smidge_classify_result){.size = sizeof *results, .probabilities = lines->probabilities[i]};
        places[count++] = i;
    }
    smidge_classify_options options;
    smidge_classify_options_init(&options);
    options.min_confidence = state->options.min_confidence;
    options.deadline_ns = lines->deadline_ns;
    smidge_status status =
        smidge_classify_batch(state->session, state->set, prompts, count, &options, results, errors, error);
    for (size_t i = 0; i < lines->count; i++)
        reading_prompt_done(&lines->prompts[i]);
    for (size_t i = 0; i < count && status == SMIDGE_OK; i++) {
        lines->results[places[i]] = results[i];
        lines->errors[places[i]] = errors[i];
    }
    return status;
}

static bool print_batch(classify_state *state, const batch *lines, size_t first_number)
{
    bool written = true;
    for (size_t i = 0; i < lines->count && written; i++) {
        const smidge_error *error = lines->errors[i].code == SMIDGE_OK ? NULL : &lines->errors[i];
        if (error != NULL)
            cli_complain("standard input", "line %zu: %s", first_number + i, error->message);
        state->probabilities = lines->probabilities[i];
        written = print_line(state, &lines->results[i], error);
    }
    return written;
}

static int classify_lines(classify_state *state)
{
    batch *lines = calloc(1, sizeof *lines);
    line_reader reader = {0};
    smidge_error error = {.code = SMIDGE_E_NOMEM, .where = "classify", .message = CLI_NO_MEMORY};
    smidge_status status = lines == NULL ? SMIDGE_E_NOMEM : SMIDGE_OK;
    bool written = true;
    for (size_t number = 1; status == SMIDGE_OK && written && read_batch(state, &reader, lines);
         number += lines->count) {
        status = answer_batch(state, lines, &error);
        if (status == SMIDGE_OK)
            written = print_batch(state, lines, number);
        for (size_t i = 0; i < lines->count; i++)
            free(lines->lines[i].text);
    }
    free(lines);
    line_reader_done(&reader);
    if (reader.failure != 0)
        cli_complain("standard input", "%s", strerror(reader.failure));
    if (status != SMIDGE_OK)
        return cli_close_output(cli_fail(&error));
    return cli_close_output(reader.failure != 0 ? EXIT_FAILED : EXIT_OK);
}

/* ---- The command ---------------------------------------------------------------------------------------- */

/* No path to a label has more tokens than the label has bytes, and a space in front. */
static size_t longest_label(const classify_state *state)
{
    size_t longest = 0;
    for (size_t i = 0; i < state->label_count; i++) {
        size_t size = strlen(state->labels[i]);
        longest = size > longest ? size : longest;
    }
    return longest;
}

/* One reading gets the context it needs; lines get the default, or what the user gives. */
static smidge_status choose_context(const classify_state *state, int32_t *ret_context, smidge_error *error)
{
    *ret_context = state->options.context;
    if (state->options.context != 0 || state->reading.data == NULL)
        return SMIDGE_OK;
    reading_prompt prompt;
    smidge_status status = reading_prompt_init(&prompt, &state->frame, state->model, state->reading.data,
                                               state->reading.size, error);
    size_t count = 0;
    if (status == SMIDGE_OK)
        status = smidge_tokenize(state->model, prompt.spans, prompt.count, NULL, 0, &count, error);
    reading_prompt_done(&prompt);
    smidge_model_info info = {.size = sizeof info};
    smidge_model_describe(state->model, &info);
    /* A reading that is too long for the model is refused when it is classified. */
    size_t context = count + longest_label(state) + 1;
    *ret_context = context > (size_t)info.context ? info.context : (int32_t)context;
    return status;
}

/* A template that is refused is refused here, once, and not for every line. */
static smidge_status open_beginning(classify_state *state, int64_t deadline_ns, smidge_error *error)
{
    prompt_beginning beginning;
    smidge_status status = prompt_beginning_init(&beginning, &state->frame, state->model, error);
    state->cache.path = state->options.prefix_cache;
    if (status == SMIDGE_OK && state->cache.path != NULL)
        prefix_cache_open(&state->cache, state->model, state->session, beginning.spans, beginning.count,
                          deadline_ns);
    prompt_beginning_done(&beginning);
    return status;
}

static smidge_status open_all(classify_state *state, int64_t deadline_ns, smidge_error *error)
{
    int32_t trusted = state->options.special;
    state->frame = (prompt_frame){.chat = &state->options.chat,
                                  .prefix = {state->prefix.data, state->prefix.size, trusted},
                                  .suffix = {state->suffix.data, state->suffix.size, trusted}};
    int32_t context = 0;
    smidge_status status = model_open(&state->options.model, deadline_ns, &state->model, error);
    if (status == SMIDGE_OK && state->options.json)
        smidge_model_id(state->model, state->model_id);
    if (status == SMIDGE_OK)
        status = smidge_labels_new(state->model, state->labels, state->label_count, &state->set, error);
    if (status == SMIDGE_OK)
        status = choose_context(state, &context, error);
    if (status == SMIDGE_OK)
        status = model_session(&state->options.model, state->model, context, &state->session, error);
    if (status == SMIDGE_OK)
        status = open_beginning(state, deadline_ns, error);
    return status;
}

static int run(int argc, char **argv, int64_t started)
{
    __attribute__((cleanup(state_done))) classify_state state = {0};
    int status = parse(&state.options, argc, argv);
    if (status < 0)
        status = model_check(&cli_classify, &state.options.model);
    if (status < 0)
        status = chat_check(&cli_classify, &state.options.chat, state.options.special);
    if (status < 0 && state.options.batch == 0)
        state.options.batch = state.options.deadline_ms > 0 ? 1 : DEFAULT_BATCH;
    if (status < 0)
        status = split_labels(&state);
    if (status < 0)
        status = read_texts(&state);
    if (status >= 0)
        return status;
    bool one = state.reading.data != NULL;
    int64_t deadline_ns =
        one && state.options.deadline_ms > 0 ? started + state.options.deadline_ms * INT64_C(1000000) : 0;
    smidge_error error;
    if (open_all(&state, deadline_ns, &error) != SMIDGE_OK)
        return one ? refuse_one(&state, &error) : cli_fail(&error);
    if (!one) {
        prefix_cache_save(&state.cache);
        return classify_lines(&state);
    }
    status = classify_one(&state, deadline_ns);
    prefix_cache_save(&state.cache); /* the answer is out: its deadline does not wait for the disk */
    return status;
}

const cli_command cli_classify = {
    .name = "classify",
    .usage =
        "-m MODEL --labels A,B,C [--prefix-file FILE] (-p TEXT | -f FILE | lines on standard input) [flags]",
    .summary = "choose one of a set of labels for a reading, before a deadline",
    .details =
        "Prints the label, a tab and its confidence; for lines, one line each in their order, and \"-\", a tab and\n"
        "the status (abstain, deadline, invalid_input, model_error) where there is no label. With --json:\n"
        "{status, label, confidence, probabilities, ms, tokens, cached_tokens, model}, and error if one occurred.\n"
        "With lines, the exit status is 0 if every line got its answer, whatever that was.\n"
        "With --chat, prefix, reading and suffix together are the user's message.\n"
        "--prefix-cache is for programs that start once a reading: the file is made where it is missing, and made\n"
        "anew where it is stale (another model, prompt, build or processor); answers are the same bit for bit.\n",
    .run = run,
};
