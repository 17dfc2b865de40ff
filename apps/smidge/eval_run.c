#include "eval_run.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "measure/json_match.h"
#include "process.h"

enum { BATCH = 16, ANSWER_TOKENS = 8 };

typedef struct asking {
    const eval_set *set;
    const eval_how *how;
    eval_run run;
    smidge_model *model;
    smidge_session *session;
    smidge_labels *labels;
    smidge_schema *schema;
    smidge_error error;
} asking;

static void asking_done(asking *with)
{
    smidge_labels_free(with->labels);
    smidge_schema_free(with->schema);
    smidge_session_free(with->session);
    smidge_model_close(with->model);
    eval_run_done(&with->run);
}

void eval_run_done(eval_run *run)
{
    /* one more: an answer that was begun when something failed */
    for (size_t i = 0; i <= run->done && run->answers != NULL; i++)
        free(run->answers[i].text);
    free(run->answers);
    free(run->probabilities);
    *run = (eval_run){0};
}

static bool stopped(const asking *with)
{
    return atomic_load_explicit(with->how->cancel, memory_order_relaxed) != 0;
}

/* ---- Prompts --------------------------------------------------------------------------------------------- */

/* What an example is asked as; the spans live as long as it. */
typedef struct question {
    smidge_chat *chat;
    smidge_span plain;
    const smidge_span *spans;
    size_t count;
} question;

static void question_done(question *of)
{
    smidge_chat_free(of->chat);
    of->chat = NULL;
}

/* A chat example's own messages, behind the system message of the flags where it has none. */
static smidge_status put_messages(const asking *with, const smg_example *example, question *of,
                                  smidge_error *error)
{
    smidge_message messages[SMG_DATASET_MESSAGES_MAX + 1];
    const chat_flags *flags = with->how->chat;
    size_t count = 0;
    if (flags->system != NULL && strcmp(example->messages[0].role, "system") != 0)
        messages[count++] = (smidge_message){"system", flags->system, strlen(flags->system)};
    for (int32_t i = 0; i < example->message_count; i++) {
        const smg_message *one = &example->messages[i];
        messages[count++] = (smidge_message){one->role, one->content, strlen(one->content)};
    }
    smidge_chat_options options;
    smidge_chat_options_init(&options);
    options.template_name = flags->template;
    options.no_thinking = flags->no_thinking;
    return smidge_chat_new(with->model, messages, count, &options, &of->chat, error);
}

static smidge_status question_make(const asking *with, size_t number, question *ret_question,
                                   smidge_error *error)
{
    const smg_example *example = &with->set->data->examples[number];
    smidge_status status = SMIDGE_OK;
    *ret_question = (question){.count = 1};
    if (example->prompt == NULL)
        status = put_messages(with, example, ret_question, error);
    else if (with->how->chat->chat)
        status = chat_new(with->how->chat, with->model, example->prompt, strlen(example->prompt),
                          &ret_question->chat, error);
    else
        ret_question->plain = (smidge_span){example->prompt, strlen(example->prompt), 0};
    ret_question->spans = ret_question->chat != NULL
                              ? smidge_chat_spans(ret_question->chat, &ret_question->count)
                              : &ret_question->plain;
    return status;
}

/* ---- Answers --------------------------------------------------------------------------------------------- */

static void take_label(asking *with, size_t number, const smidge_classify_result *result)
{
    eval_answer *answer = &with->run.answers[number];
    const bool scored = result->answer == SMIDGE_ANSWER_OK;
    answer->label = scored ? result->label : -1;
    answer->confidence = scored ? result->confidence : 0.0;
    answer->right = scored && result->label == with->set->expected[number];
}

static double *probabilities_of(const asking *with, size_t number)
{
    return with->run.probabilities + number * (size_t)with->set->label_count;
}

/* What the whole program cannot go on after; what spoils one example only is that example's missing answer. */
static bool fatal(smidge_status status)
{
    return status == SMIDGE_E_NOMEM || status == SMIDGE_E_IO || status == SMIDGE_E_CANCELLED ||
           status == SMIDGE_E_MODEL;
}

static smidge_status ask_label(asking *with, size_t number)
{
    question of;
    smidge_status status = question_make(with, number, &of, &with->error);
    smidge_classify_options options;
    smidge_classify_options_init(&options);
    smidge_classify_result result = {.size = sizeof result,
                                     .label = -1,
                                     .probabilities = probabilities_of(with, number)};
    const int64_t started = smidge_now_ns();
    if (status == SMIDGE_OK)
        status =
            smidge_classify(with->session, with->labels, of.spans, of.count, &options, &result, &with->error);
    with->run.answers[number].duration_ns = smidge_now_ns() - started;
    question_done(&of);
    if (fatal(status))
        return status;
    take_label(with, number, &result);
    return SMIDGE_OK;
}

static smidge_status ask_labels(asking *with, size_t first, size_t count)
{
    question questions[BATCH];
    smidge_prompt prompts[BATCH];
    smidge_classify_result results[BATCH];
    smidge_error errors[BATCH];
    size_t made = 0;
    smidge_status status = SMIDGE_OK;
    for (; made < count && status == SMIDGE_OK; made++) {
        status = question_make(with, first + made, &questions[made], &with->error);
        prompts[made] = (smidge_prompt){questions[made].spans, questions[made].count};
        results[made] = (smidge_classify_result){.size = sizeof *results,
                                                 .label = -1,
                                                 .probabilities = probabilities_of(with, first + made)};
    }
    smidge_classify_options options;
    smidge_classify_options_init(&options);
    if (status == SMIDGE_OK)
        status = smidge_classify_batch(with->session, with->labels, prompts, count, &options, results, errors,
                                       &with->error);
    for (size_t i = 0; i < made; i++)
        question_done(&questions[i]);
    for (size_t i = 0; i < count && status == SMIDGE_OK; i++) {
        if (results[i].answer == SMIDGE_ANSWER_NONE || !fatal(errors[i].code))
            take_label(with, first + i, &results[i]);
        else
            status = errors[i].code;
        if (status != SMIDGE_OK)
            with->error = errors[i];
    }
    return status;
}

static int keep_text(void *user, const char *text, size_t size)
{
    char **kept = user;
    free(*kept);
    *kept = strndup(text, size);
    return *kept == NULL;
}

static smidge_status ask_json(asking *with, size_t number)
{
    const char *expected = with->set->data->examples[number].answer;
    eval_answer *answer = &with->run.answers[number];
    question of;
    smidge_status status = question_make(with, number, &of, &with->error);
    smidge_generate_options options;
    smidge_generate_options_init(&options);
    options.temperature = 0.0F;
    options.schema = with->schema;
    options.on_text = keep_text;
    options.user = &answer->text;
    smidge_generate_result result = {.size = sizeof result};
    const int64_t started = smidge_now_ns();
    if (status == SMIDGE_OK)
        status = smidge_generate(with->session, of.spans, of.count, &options, &result, &with->error);
    answer->duration_ns = smidge_now_ns() - started;
    question_done(&of);
    if (fatal(status))
        return status;
    smg_json_match match = {0};
    const char *said = status == SMIDGE_OK && answer->text != NULL ? answer->text : "";
    answer->label = said[0] != '\0' ? 0 : -1;
    status = smg_json_match_texts(expected, strlen(expected), said, strlen(said), &match, &with->error);
    answer->right = match.same;
    answer->keys = match.keys;
    answer->keys_same = match.keys_same;
    return status;
}

/* ---- The whole set --------------------------------------------------------------------------------------- */

static smidge_status ask_all(asking *with)
{
    const eval_set *set = with->set;
    cli_progress progress = {.what = "eval", .quiet = with->how->quiet};
    smidge_status status = SMIDGE_OK;
    const int64_t started = smidge_now_ns();
    while (with->run.done < set->count && status == SMIDGE_OK && !stopped(with)) {
        const size_t left = set->count - with->run.done;
        size_t count = 1;
        if (set->json) {
            status = ask_json(with, with->run.done);
        } else if (with->run.done < with->how->alone) {
            status = ask_label(with, with->run.done);
        } else {
            count = left < BATCH ? left : BATCH;
            status = ask_labels(with, with->run.done, count);
        }
        if (status == SMIDGE_OK)
            with->run.done += count;
        cli_show_progress(&progress, (uint64_t)with->run.done << 20, (uint64_t)set->count << 20);
    }
    cli_end_progress(&progress);
    with->run.asking_ns = smidge_now_ns() - started;
    with->run.first_ns = with->run.done > 0 ? with->run.answers[0].duration_ns : 0;
    with->run.peak = process_peak_memory();
    return status == SMIDGE_E_CANCELLED ? SMIDGE_OK : status;
}

/* The context that the longest example needs, with its answer. */
static smidge_status choose_context(asking *with, int32_t *ret_context)
{
    size_t most = 0;
    smidge_status status = SMIDGE_OK;
    *ret_context = with->how->context;
    if (*ret_context != 0)
        return SMIDGE_OK;
    for (size_t i = 0; i < with->set->count && status == SMIDGE_OK; i++) {
        question of;
        size_t count = 0;
        status = question_make(with, i, &of, &with->error);
        if (status == SMIDGE_OK)
            status = smidge_tokenize(with->model, of.spans, of.count, NULL, 0, &count, &with->error);
        question_done(&of);
        most = count > most ? count : most;
    }
    size_t answer = ANSWER_TOKENS;
    for (int32_t i = 0; i < with->set->label_count; i++)
        answer = strlen(with->set->labels[i]) + 1 > answer ? strlen(with->set->labels[i]) + 1 : answer;
    if (with->schema != NULL)
        answer = (size_t)smidge_schema_max_tokens(with->schema);
    smidge_model_info info = {.size = sizeof info};
    smidge_model_describe(with->model, &info);
    /* What is too long even for the model is refused where it is asked. */
    *ret_context = most + answer < (size_t)info.context ? (int32_t)(most + answer) : info.context;
    return status;
}

static smidge_status open_model(asking *with)
{
    const eval_set *set = with->set;
    smidge_status status = model_open(with->how->model, 0, &with->model, &with->error);
    if (status == SMIDGE_OK && !set->json)
        status = smidge_labels_new(with->model, set->labels, (size_t)set->label_count, &with->labels,
                                   &with->error);
    if (status == SMIDGE_OK) {
        smidge_model_info info = {.size = sizeof info};
        smidge_model_describe(with->model, &info);
        with->run.temperature = (double)info.temperature;
    }
    return status;
}

static uint64_t size_of(const char *path)
{
    struct stat found;
    return path != NULL && stat(path, &found) == 0 ? (uint64_t)found.st_size : 0;
}

static int make_room(asking *with)
{
    const eval_set *set = with->set;
    with->run.model = with->how->model->path;
    with->run.lora = with->how->model->lora;
    with->run.model_bytes = size_of(with->run.model) + size_of(with->run.lora);
    with->run.answers = calloc(set->count + 1, sizeof *with->run.answers);
    with->run.probabilities =
        calloc(set->count * (size_t)set->label_count + 1, sizeof *with->run.probabilities);
    if (with->run.answers != NULL && with->run.probabilities != NULL)
        return -1;
    cli_complain("eval", "%s", CLI_NO_MEMORY);
    return EXIT_FAILED;
}

int eval_run_make(const eval_set *set, const eval_how *how, eval_run *ret_run)
{
    __attribute__((cleanup(asking_done))) asking with = {.set = set, .how = how};
    int status = make_room(&with);
    if (status >= 0)
        return status;
    if (open_model(&with) != SMIDGE_OK)
        return cli_fail(&with.error);
    if (set->json && (status = schema_open(how->schema, with.model, &with.schema)) >= 0)
        return status;
    int32_t context = 0;
    if (choose_context(&with, &context) != SMIDGE_OK ||
        model_session(how->model, with.model, context, &with.session, &with.error) != SMIDGE_OK ||
        ask_all(&with) != SMIDGE_OK)
        return cli_fail(&with.error);
    *ret_run = with.run;
    with.run = (eval_run){0};
    return -1;
}
