/* smidge run: a prompt goes in, its continuation comes out. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "chat_flags.h"
#include "model_flags.h"
#include "schema_flags.h"

typedef struct run_options {
    model_flags model;
    const char *prompt;
    const char *file;
    int32_t context;
    int32_t deadline_ms;
    bool no_display_prompt;
    bool escape;
    bool special;
    bool json;
    chat_flags chat;
    schema_flags schema;
    smidge_generate_options generate;
} run_options;

typedef struct run_state {
    run_options options;
    char *text;
    size_t size;
    int64_t deadline_ns;
    smidge_model *model;
    smidge_session *session;
    smidge_chat *chat;     /* NULL without --chat: then the prompt is the text as it is */
    smidge_schema *schema; /* NULL without --json-schema */
    double *confidences;   /* of its keys */
    char *answer;          /* collected for --json */
    size_t answer_size;
    char last; /* character printed */
} run_state;

static void state_done(run_state *state)
{
    smidge_session_free(state->session);
    smidge_chat_free(state->chat);
    smidge_schema_free(state->schema);
    smidge_model_close(state->model);
    free(state->confidences);
    free(state->answer);
    free(state->text);
}

static int parse(run_options *options, int argc, char **argv)
{
    smidge_generate_options *generate = &options->generate;
    const cli_flag flags[] = {
        MODEL_FLAGS(options->model),
        {"-p,--prompt", CLI_TEXT, &options->prompt, "TEXT", "the prompt"},
        {"-f,--file", CLI_TEXT, &options->file, "FILE", "the prompt from a file (-: standard input)"},
        {"-n,--predict,--n-predict", CLI_INT, &generate->max_tokens, "N",
         "tokens to generate at most (default 128)"},
        {"-c,--ctx-size", CLI_INT, &options->context, "N",
         "context in tokens (default: what prompt and answer need)"},
        {"--deadline", CLI_INT, &options->deadline_ms, "MS", "give up this long after the program started"},
        {"--temp", CLI_FLOAT, &generate->temperature, "T",
         "temperature, 0 for always the likeliest (default 0.1)"},
        {"--top-k", CLI_INT, &generate->top_k, "K", "choose among the K likeliest, 0 for all (default 40)"},
        {"--top-p", CLI_FLOAT, &generate->top_p, "P", "… that together have probability P (default 0.95)"},
        {"--min-p", CLI_FLOAT, &generate->min_p, "P", "… each at least P times the likeliest (default 0.05)"},
        {"--repeat-penalty", CLI_FLOAT, &generate->repeat_penalty, "R",
         "against repetition, 1 for none (default 1.1)"},
        {"--repeat-last-n", CLI_INT, &generate->repeat_window, "N",
         "tokens that the penalty looks back (default 64)"},
        {"-s,--seed", CLI_SEED, &generate->seed, "S", "the same seed gives the same text (default 0)"},
        {"--no-display-prompt", CLI_FLAG, &options->no_display_prompt, NULL, "print the answer only"},
        {"-e,--escape", CLI_FLAG, &options->escape, NULL, "\\n, \\t and the like in the prompt are escapes"},
        {"--special", CLI_FLAG, &options->special, NULL, "special tokens in the prompt are special"},
        CHAT_FLAGS(options->chat),
        SCHEMA_FLAGS(options->schema),
        {"--json", CLI_FLAG, &options->json, NULL, "print one JSON object"},
        {"--no-conversation,-no-cnv,--single-turn,-st,--simple-io,--log-disable", CLI_IGNORED, NULL, NULL,
         NULL},
        {"--gpu-layers,--n-gpu-layers,-ngl", CLI_IGNORED_VALUE, NULL, NULL, NULL},
    };
    size_t count;
    return cli_parse(&cli_run, flags, sizeof flags / sizeof *flags, argc, argv, NULL, 0, &count);
}

static int read_prompt(run_state *state)
{
    const run_options *options = &state->options;
    if ((options->prompt != NULL) == (options->file != NULL))
        return cli_misuse(&cli_run, "prompt",
                          options->file == NULL ? "is missing (give -p or -f)"
                                                : "is given twice (give -p or -f)");
    if (options->file != NULL) {
        state->text = cli_read_file(options->file, &state->size);
    } else {
        state->text = strdup(options->prompt);
        state->size = strlen(options->prompt);
    }
    if (state->text == NULL)
        return EXIT_FAILED;
    if (options->escape)
        state->size = cli_unescape(state->text, state->size);
    return -1;
}

/* In front of the first text that comes, so that nothing is printed where nothing is generated. */
static void print_prompt(run_state *state)
{
    if (state->options.no_display_prompt || state->size == 0)
        return;
    fwrite(state->text, 1, state->size, stdout);
    state->last = state->text[state->size - 1];
    state->options.no_display_prompt = true;
}

static int on_text(void *user, const char *text, size_t size)
{
    run_state *state = user;
    if (state->options.json) {
        char *grown = realloc(state->answer, state->answer_size + size);
        if (grown == NULL)
            return 1;
        memcpy(grown + state->answer_size, text, size);
        state->answer = grown;
        state->answer_size += size;
        return 0;
    }
    print_prompt(state);
    state->last = text[size - 1];
    fwrite(text, 1, size, stdout);
    return fflush(stdout) != 0; /* the reader left */
}

static double tokens_per_second(int32_t tokens, int64_t nanoseconds)
{
    return nanoseconds > 0 ? tokens * 1e9 / (double)nanoseconds : 0.0;
}

static void print_json(const run_state *state, const smidge_generate_result *result, smidge_status status)
{
    static const char *const finishes[] = {"none", "end", "length", "stopped"};
    char id[17] = "";
    if (state->model != NULL)
        smidge_model_id(state->model, id);
    json_t *text = json_stringn(state->answer == NULL ? "" : state->answer, state->answer_size);
    json_t *object =
        json_pack("{s:s, s:o, s:s, s:i, s:i, s:i, s:f, s:f, s:f, s:s}", "status", smidge_status_name(status),
                  "text", text, "finish", finishes[result->finish], "prompt_tokens",
                  (int)result->prompt_tokens, "cached_tokens", (int)result->cached_tokens, "tokens",
                  (int)result->tokens, "prefill_ms", (double)result->prefill_ns / 1e6, "decode_ms",
                  (double)result->decode_ns / 1e6, "tokens_per_second",
                  tokens_per_second(result->tokens - 1, result->decode_ns), "model", id);
    if (schema_wanted(&state->options.schema))
        schema_report(object, state->schema, state->answer, state->answer_size, state->confidences);
    json_dumpf(object, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));
    fputc('\n', stdout);
    json_decref(object);
}

/* The prompt: the text as it is, or the chat around it. */
static const smidge_span *prompt_spans(const run_state *state, smidge_span *plain, size_t *ret_count)
{
    if (state->chat != NULL)
        return smidge_chat_spans(state->chat, ret_count);
    *plain = (smidge_span){state->text, state->size, state->options.special};
    *ret_count = 1;
    return plain;
}

/* The schema, and room for what is said of its keys. Returns -1, or the exit status after a message. */
static int open_schema(run_state *state)
{
    int status = schema_open(&state->options.schema, state->model, &state->schema);
    if (status >= 0)
        return status;
    state->confidences = calloc((size_t)smidge_schema_keys(state->schema) + 1, sizeof *state->confidences);
    if (state->confidences == NULL) {
        cli_complain("schema", "%s", CLI_NO_MEMORY);
        return EXIT_FAILED;
    }
    state->options.generate.schema = state->schema;
    return -1;
}

/* The context holds the prompt and the answer, and not more than the user asks for. */
static smidge_status open_session(run_state *state, smidge_error *error)
{
    smidge_status status = SMIDGE_OK;
    int32_t context = state->options.context;
    if (state->options.chat.chat)
        status = chat_new(&state->options.chat, state->model, state->text, state->size, &state->chat, error);
    if (status == SMIDGE_OK && context == 0) {
        smidge_span plain;
        size_t span_count = 1;
        const smidge_span *spans = prompt_spans(state, &plain, &span_count);
        size_t count = 0;
        status = smidge_tokenize(state->model, spans, span_count, NULL, 0, &count, error);
        int64_t answer = state->schema != NULL ? smidge_schema_max_tokens(state->schema)
                                               : state->options.generate.max_tokens;
        int64_t needed = (int64_t)count + answer;
        context = needed > INT32_MAX ? INT32_MAX : (int32_t)needed;
    }
    if (status == SMIDGE_OK)
        status = model_session(&state->options.model, state->model, context, &state->session, error);
    return status;
}

static int generate(run_state *state)
{
    run_options *options = &state->options;
    options->generate.deadline_ns = state->deadline_ns;
    options->generate.on_text = on_text;
    options->generate.user = state;
    smidge_span plain;
    size_t span_count = 1;
    const smidge_span *spans = prompt_spans(state, &plain, &span_count);
    smidge_generate_result result = {.size = sizeof result, .key_confidences = state->confidences};
    smidge_error error;
    smidge_status status =
        smidge_generate(state->session, spans, span_count, &options->generate, &result, &error);
    if (status == SMIDGE_OK && !options->json)
        print_prompt(state);
    if (options->json)
        print_json(state, &result, status);
    else if (state->last != '\0' && state->last != '\n')
        fputc('\n', stdout);
    return cli_close_output(status == SMIDGE_OK ? EXIT_OK : cli_fail(&error));
}

/* A deadline covers loading too, and a program that reads objects gets one then. */
static int fail_early(const run_state *state, smidge_status status, const smidge_error *error)
{
    const smidge_generate_result nothing = {.size = sizeof nothing};
    if (state->options.json && status == SMIDGE_E_DEADLINE)
        print_json(state, &nothing, status);
    return cli_close_output(cli_fail(error));
}

/* What parsing alone does not see. Returns -1, or the exit status after a usage error. */
static int check(run_options *options)
{
    int status = model_check(&cli_run, &options->model);
    if (status < 0)
        status = chat_check(&cli_run, &options->chat, options->special);
    if (status < 0)
        status = schema_check(&cli_run, &options->schema);
    if (status < 0 && options->deadline_ms < 0)
        status = cli_misuse(&cli_run, "--deadline", "must be above 0");
    if (status < 0 && options->generate.max_tokens < 1)
        status = cli_misuse(&cli_run, "-n", "must be at least 1: answers are never without a bound here");
    /* What was asked stands in the template, or would be in the way of the object. */
    if (options->chat.chat || schema_wanted(&options->schema))
        options->no_display_prompt = true;
    return status;
}

static int run(int argc, char **argv, int64_t started)
{
    __attribute__((cleanup(state_done))) run_state state = {0};
    smidge_generate_options_init(&state.options.generate);
    int status = parse(&state.options, argc, argv);
    if (status < 0)
        status = check(&state.options);
    if (status < 0)
        status = read_prompt(&state);
    if (status >= 0)
        return status;
    state.deadline_ns =
        state.options.deadline_ms == 0 ? 0 : started + state.options.deadline_ms * INT64_C(1000000);
    smidge_error error;
    smidge_status opened = model_open(&state.options.model, state.deadline_ns, &state.model, &error);
    if (opened != SMIDGE_OK)
        return fail_early(&state, opened, &error);
    status = schema_wanted(&state.options.schema) ? open_schema(&state) : -1;
    if (status >= 0)
        return status;
    opened = open_session(&state, &error);
    return opened == SMIDGE_OK ? generate(&state) : fail_early(&state, opened, &error);
}

const cli_command cli_run = {
    .name = "run",
    .usage = "-m MODEL (-p TEXT | -f FILE) [flags]",
    .summary = "continue a prompt",
    .details =
        "Takes the flags of llama.cpp's completion program, so a program that calls it changes only the name:\n"
        "-no-cnv, -st, --simple-io, --log-disable and -ngl N are accepted and mean nothing here.\n"
        "The prompt is raw text, or a message with --chat; only text goes to standard output, errors go to standard error.\n",
    .run = run,
};
