/* Readings classified together: each answer equals the one given alone, bit for bit, and what is wrong with one is its own. */
#include "engine_support.h"

#include "synthetic_model.h"

enum { READINGS = 9, LABELS = 4 };

static synthetic_file file;

static const char *const label_names[LABELS] = {"ON", "ON_FIRE", "OFF", "UNKNOWN"};
static const char task[] = "The pump is watched. Its reading: ";
static const char tail[] = " so it is ";
static const char *const texts[READINGS] = {
    "12.5",
    "warm and wet",
    "13",
    "",
    "a much longer reading that goes on for some time and then ends",
    "12.5",
    "ON ON ON",
    "x",
    "14.75 bar, 80 C",
};

typedef struct answer {
    int32_t answer;
    int32_t label;
    double confidence;
    double probabilities[LABELS];
} answer;

static void fill_prompt(const char *text, smidge_span ret_spans[3])
{
    ret_spans[0] = (smidge_span){task, sizeof task - 1, 0};
    ret_spans[1] = (smidge_span){text, strlen(text), 0};
    ret_spans[2] = (smidge_span){tail, sizeof tail - 1, 0};
}

static smidge_labels *make_labels(smidge_model *model)
{
    smidge_labels *labels = NULL;
    smidge_error error;
    engine_ok(smidge_labels_new(model, label_names, LABELS, &labels, &error), &error);
    return labels;
}

static answer to_answer(const smidge_classify_result *result)
{
    answer copy = {.answer = result->answer, .label = result->label, .confidence = result->confidence};
    memcpy(copy.probabilities, result->probabilities, sizeof copy.probabilities);
    return copy;
}

static answer ask_alone(smidge_model *model, const smidge_labels *labels, const char *text)
{
    smidge_session *session = engine_session(model, SMIDGE_KV_F16, 0, 0);
    double probabilities[LABELS] = {0};
    smidge_classify_result result = {.size = sizeof result, .probabilities = probabilities};
    smidge_span spans[3];
    smidge_error error;
    fill_prompt(text, spans);
    engine_ok(smidge_classify(session, labels, spans, 3, NULL, &result, &error), &error);
    smidge_session_free(session);
    return to_answer(&result);
}

typedef struct together {
    smidge_span spans[READINGS][3];
    smidge_prompt prompts[READINGS];
    double probabilities[READINGS][LABELS];
    smidge_classify_result results[READINGS];
    smidge_error errors[READINGS];
} together;

static void prepare(together *all)
{
    memset(all, 0, sizeof *all);
    for (int i = 0; i < READINGS; i++) {
        fill_prompt(texts[i], all->spans[i]);
        all->prompts[i] = (smidge_prompt){.spans = all->spans[i], .span_count = 3};
        all->results[i].size = sizeof all->results[i];
        all->results[i].probabilities = all->probabilities[i];
    }
}

static void ask_all_alone(smidge_model *model, const smidge_labels *labels, answer ret_answers[READINGS])
{
    for (int i = 0; i < READINGS; i++)
        ret_answers[i] = ask_alone(model, labels, texts[i]);
}

static void same_as(const answer expected[READINGS], const smidge_labels *labels, smidge_session *session,
                    int count)
{
    together all;
    smidge_error error;
    prepare(&all);
    engine_ok(smidge_classify_batch(session, labels, all.prompts, (size_t)count, NULL, all.results,
                                    all.errors, &error),
              &error);
    for (int i = 0; i < count; i++) {
        answer got = to_answer(&all.results[i]);
        assert_memory_equal(&got, &expected[i], sizeof got);
        assert_int_equal(all.errors[i].code, SMIDGE_OK);
    }
}

/* Batches of all sizes, chunks that cut readings anywhere, contexts that hold few of them at a time. */
static void answers_equal_those_given_alone(void **state)
{
    (void)state;
    static const int32_t chunks[] = {1, 3, 7, 64};
    static const int32_t contexts[] = {140, 200, 512};
    for (int32_t threads = 1; threads <= 3; threads++) {
        smidge_model *model = engine_open(file.path, NULL, threads);
        smidge_labels *labels = make_labels(model);
        answer expected[READINGS];
        ask_all_alone(model, labels, expected);
        for (size_t c = 0; c < sizeof chunks / sizeof *chunks; c++) {
            smidge_session *session = engine_session(model, SMIDGE_KV_F16, contexts[c % 3], chunks[c]);
            same_as(expected, labels, session, READINGS);
            same_as(expected, labels, session, 2); /* warm now */
            same_as(expected, labels, session, 1);
            same_as(expected, labels, session, READINGS);
            smidge_session_free(session);
        }
        smidge_labels_free(labels);
        smidge_model_close(model);
    }
}

static void a_shared_prefix_changes_nothing(void **state)
{
    (void)state;
    smidge_model *model = engine_open(file.path, NULL, 2);
    smidge_labels *labels = make_labels(model);
    answer expected[READINGS];
    ask_all_alone(model, labels, expected);
    smidge_session *session = engine_session(model, SMIDGE_KV_F16, 300, 16);
    smidge_prefix *prefix = NULL;
    smidge_error error;
    const smidge_span span = {task, sizeof task - 1, 0};
    engine_ok(smidge_prefix_new(session, &span, 1, 0, &prefix, &error), &error);
    smidge_session_reset(session);
    engine_ok(smidge_session_set_prefix(session, prefix, &error), &error);
    smidge_prefix_free(prefix);
    same_as(expected, labels, session, READINGS);
    same_as(expected, labels, session, 3);
    smidge_session_free(session);
    smidge_labels_free(labels);
    smidge_model_close(model);
}

/* One that is too long and one that has no text at all are refused alone. */
static void a_bad_reading_spoils_only_its_own(void **state)
{
    (void)state;
    smidge_model *model = engine_open(file.path, NULL, 1);
    smidge_labels *labels = make_labels(model);
    smidge_session *session = engine_session(model, SMIDGE_KV_F16, 200, 0);
    static char endless[4000];
    memset(endless, 'x', sizeof endless);
    together all;
    smidge_error error;
    prepare(&all);
    all.spans[2][1] = (smidge_span){endless, sizeof endless, 0};
    all.spans[5][1] = (smidge_span){NULL, 5, 0};
    engine_ok(smidge_classify_batch(session, labels, all.prompts, READINGS, NULL, all.results, all.errors,
                                    &error),
              &error);
    for (int i = 0; i < READINGS; i++) {
        if (i == 2 || i == 5) {
            assert_int_equal(all.results[i].answer, SMIDGE_ANSWER_INVALID_INPUT);
            assert_int_equal(all.results[i].label, -1);
            assert_int_equal(all.errors[i].code, i == 2 ? SMIDGE_E_CONTEXT : SMIDGE_E_INVALID);
            continue;
        }
        answer expected = ask_alone(model, labels, texts[i]);
        answer got = to_answer(&all.results[i]);
        assert_memory_equal(&got, &expected, sizeof got);
    }
    smidge_session_free(session);
    smidge_labels_free(labels);
    smidge_model_close(model);
}

static void a_deadline_that_passed_and_a_cancellation(void **state)
{
    (void)state;
    smidge_model *model = engine_open(file.path, NULL, 2);
    smidge_labels *labels = make_labels(model);
    answer expected[READINGS];
    ask_all_alone(model, labels, expected);
    smidge_session *session = engine_session(model, SMIDGE_KV_F16, 300, 0);
    together all;
    smidge_error error;
    smidge_classify_options options;
    smidge_classify_options_init(&options);
    prepare(&all);
    options.deadline_ns = smidge_now_ns() - 1;
    engine_ok(smidge_classify_batch(session, labels, all.prompts, READINGS, &options, all.results, all.errors,
                                    &error),
              &error);
    for (int i = 0; i < READINGS; i++) {
        assert_int_equal(all.results[i].answer, SMIDGE_ANSWER_DEADLINE);
        assert_int_equal(all.errors[i].code, SMIDGE_E_DEADLINE);
    }
    smidge_session_cancel(session);
    engine_ok(smidge_classify_batch(session, labels, all.prompts, READINGS, NULL, all.results, all.errors,
                                    &error),
              &error);
    for (int i = 0; i < READINGS; i++)
        assert_int_equal(all.errors[i].code, SMIDGE_E_CANCELLED);
    same_as(expected, labels, session, READINGS); /* the cancellation has been answered */
    smidge_session_free(session);
    smidge_labels_free(labels);
    smidge_model_close(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_equal_those_given_alone),
        cmocka_unit_test(a_shared_prefix_changes_nothing),
        cmocka_unit_test(a_bad_reading_spoils_only_its_own),
        cmocka_unit_test(a_deadline_that_passed_and_a_cancellation),
    };
    file = synthetic_small(1024);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    synthetic_free(&file);
    return failed;
}
