/* Generating text: seeds, ends, the callback, options, and what the result says. */
#include "engine_support.h"
#include "synthetic_model.h"

#include <utf8proc.h>

#define CONTEXT 1024

static synthetic_file file;
static smidge_model *model;

typedef struct heard {
    char text[32768];
    size_t size;
    int calls;
    int stop_after; /* calls; 0: never */
} heard;

static int listen(void *user, const char *text, size_t size)
{
    heard *kept = user;
    assert_true(size > 0 && kept->size + size <= sizeof kept->text);
    /* Whole characters each time. */
    for (size_t at = 0; at < size;) {
        utf8proc_int32_t character;
        utf8proc_ssize_t step =
            utf8proc_iterate((const utf8proc_uint8_t *)text + at, (utf8proc_ssize_t)(size - at), &character);
        assert_true(step > 0);
        at += (size_t)step;
    }
    memcpy(kept->text + kept->size, text, size);
    kept->size += size;
    kept->calls++;
    return kept->calls == kept->stop_after;
}

static smidge_generate_options usual(heard *kept)
{
    smidge_generate_options options;
    smidge_generate_options_init(&options);
    options.max_tokens = 60;
    options.temperature = 1.0F;
    options.top_k = 0;
    options.top_p = 1.0F;
    options.min_p = 0.0F;
    options.ignore_end = 1;
    options.on_text = listen;
    options.user = kept;
    return options;
}

static smidge_generate_result run(smidge_session *session, const char *prompt,
                                  const smidge_generate_options *options)
{
    smidge_span span = engine_span(prompt);
    smidge_generate_result result = {.size = sizeof result};
    smidge_error error;
    engine_ok(smidge_generate(session, &span, 1, options, &result, &error), &error);
    return result;
}

static void hear(const char *cpu, int32_t threads, const smidge_generate_options *wanted, heard *ret_heard)
{
    smidge_model *own = engine_open(file.path, cpu, threads);
    smidge_session *session = engine_session(own, SMIDGE_KV_F16, CONTEXT, 0);
    smidge_generate_options options = *wanted;
    *ret_heard = (heard){.size = 0};
    options.user = ret_heard;
    run(session, "hello world", &options);
    smidge_session_free(session);
    smidge_model_close(own);
}

static void the_same_seed_gives_the_same_text_at_any_thread_count(void **state)
{
    (void)state;
    static heard first;
    static heard again;
    smidge_generate_options options = usual(NULL);
    for (uint64_t seed = 0; seed < 4; seed++) {
        options.seed = seed;
        hear(NULL, 1, &options, &first);
        for (int32_t threads = 1; threads <= 3; threads++) {
            hear(NULL, threads, &options, &again);
            assert_int_equal(again.size, first.size);
            assert_memory_equal(again.text, first.text, first.size);
        }
        options.seed = seed + 100;
        hear(NULL, 1, &options, &again);
        assert_true(again.size != first.size || memcmp(again.text, first.text, first.size) != 0);
    }
}

static void greedy_takes_no_notice_of_the_seed(void **state)
{
    (void)state;
    static heard texts[3];
    smidge_generate_options options = usual(NULL);
    options.temperature = 0.0F;
    hear(NULL, 1, &options, &texts[0]);
    options.seed = 99;
    hear(NULL, 1, &options, &texts[1]);
    options.temperature = 1.0F;
    options.top_k = 1;
    hear(NULL, 1, &options, &texts[2]);
    assert_memory_equal(texts[0].text, texts[1].text, texts[0].size);
    assert_memory_equal(texts[0].text, texts[2].text, texts[0].size);
    /* and the penalty is felt */
    options.repeat_penalty = 3.0F;
    hear(NULL, 1, &options, &texts[1]);
    assert_true(memcmp(texts[0].text, texts[1].text, texts[0].size) != 0);
}

static void the_callback_stops_it(void **state)
{
    (void)state;
    static heard kept;
    smidge_session *session = engine_session(model, SMIDGE_KV_F16, CONTEXT, 0);
    for (int calls = 1; calls < 5; calls++) {
        kept = (heard){.stop_after = calls};
        smidge_generate_options options = usual(&kept);
        smidge_generate_result result = run(session, "hello", &options);
        assert_int_equal(result.finish, SMIDGE_FINISH_STOPPED);
        assert_int_equal(kept.calls, calls);
        assert_true(result.tokens >= calls && result.tokens < 60);
    }
    smidge_session_free(session);
}

/* With random weights each token is an end one time in two hundred or so. */
static void an_end_token_ends_it(void **state)
{
    (void)state;
    static heard ended;
    static heard ignored;
    smidge_session *session = engine_session(model, SMIDGE_KV_F16, CONTEXT, 0);
    int ends = 0;
    for (uint64_t seed = 0; seed < 8; seed++) {
        ended = ignored = (heard){.size = 0};
        smidge_generate_options options = usual(&ended);
        options.max_tokens = 200;
        options.seed = seed;
        options.ignore_end = 0;
        smidge_generate_result result = run(session, "hello", &options);
        options.ignore_end = 1;
        options.user = &ignored;
        smidge_generate_result whole = run(session, "hello", &options);
        assert_int_equal(whole.finish, SMIDGE_FINISH_LENGTH);
        assert_int_equal(whole.tokens, 200);
        if (result.finish == SMIDGE_FINISH_LENGTH)
            continue;
        ends++;
        assert_int_equal(result.finish, SMIDGE_FINISH_END);
        assert_true(result.tokens < 200);
        assert_true(ended.size < ignored.size);
        /* the same text up to there, but for a character that was cut in two */
        size_t whole_characters = ended.size > 12 ? ended.size - 12 : 0;
        assert_memory_equal(ended.text, ignored.text, whole_characters);
        int32_t last = session->ids[result.prompt_tokens + result.tokens];
        assert_true(smg_tokenizer_is_end(model->tokenizer, last));
    }
    printf("%d of 8 seeds met an end token\n", ends);
    assert_true(ends > 0);
    smidge_session_free(session);
}

static void the_result_counts(void **state)
{
    (void)state;
    static heard kept;
    smidge_session *session = engine_session(model, SMIDGE_KV_F16, CONTEXT, 0);
    smidge_generate_options options = usual(&kept);
    size_t count = 0;
    smidge_span span = engine_span("hello world");
    assert_int_equal(smidge_tokenize(model, &span, 1, NULL, 0, &count, NULL), SMIDGE_OK);
    smidge_generate_result cold = run(session, "hello world", &options);
    assert_int_equal(cold.prompt_tokens, count);
    assert_int_equal(cold.cached_tokens, 0);
    assert_int_equal(cold.tokens, 60);
    assert_true(cold.prefill_ns > 0 && cold.decode_ns > 0);
    smidge_generate_result warm = run(session, "hello world", &options);
    assert_int_equal(warm.cached_tokens, count - 1);
    smidge_session_reset(session);
    assert_int_equal(run(session, "hello world", &options).cached_tokens, 0);
    /* an older program's smaller struct is not written beyond its size */
    smidge_generate_result small = {.size = offsetof(smidge_generate_result, tokens), .tokens = -7};
    smidge_error error;
    engine_ok(smidge_generate(session, &span, 1, &options, &small, &error), &error);
    assert_int_equal(small.prompt_tokens, count);
    assert_int_equal(small.tokens, -7);
    smidge_session_free(session);
}

static void options_out_of_range_are_refused(void **state)
{
    (void)state;
    smidge_session *session = engine_session(model, SMIDGE_KV_F16, CONTEXT, 0);
    smidge_generate_options good = usual(NULL);
    good.on_text = NULL;
    smidge_generate_options bad[14];
    for (size_t i = 0; i < 14; i++)
        bad[i] = good;
    bad[0].max_tokens = 0;
    bad[1].max_tokens = -5;
    bad[2].temperature = -0.1F;
    bad[3].temperature = NAN;
    bad[4].temperature = INFINITY;
    bad[5].top_k = -1;
    bad[6].top_p = 0.0F;
    bad[7].top_p = 1.1F;
    bad[8].min_p = -0.1F;
    bad[9].min_p = NAN;
    bad[10].repeat_penalty = 0.0F;
    bad[11].repeat_penalty = NAN;
    bad[12].repeat_window = -1;
    bad[13].size = 3;
    smidge_span span = engine_span("hello");
    for (size_t i = 0; i < 14; i++) {
        smidge_error error = {.code = SMIDGE_OK};
        assert_int_equal(smidge_generate(session, &span, 1, &bad[i], NULL, &error), SMIDGE_E_INVALID);
        assert_int_equal(error.code, SMIDGE_E_INVALID);
        assert_true(error.message[0] != '\0');
    }
    assert_int_equal(session->count, 0); /* nothing was computed */
    assert_int_equal(smidge_generate(session, &span, 1, &good, NULL, NULL), SMIDGE_OK);
    smidge_session_free(session);
}

/* The last tensor of the file is a norm: all bits set make it not a number. */
static void what_is_not_a_number_is_a_model_error(void **state)
{
    (void)state;
    synthetic_file broken = synthetic_small(CONTEXT);
    float poison[64];
    memset(poison, 0xff, sizeof poison);
    off_t end = lseek(broken.fd, 0, SEEK_END);
    assert_int_equal(pwrite(broken.fd, poison, sizeof poison, end - (off_t)sizeof poison), sizeof poison);
    smidge_model *own = engine_open(broken.path, NULL, 1);
    smidge_session *session = engine_session(own, SMIDGE_KV_F16, CONTEXT, 0);
    smidge_span span = engine_span("hello");
    smidge_generate_options options;
    smidge_error error;
    for (int greedy = 0; greedy < 2; greedy++) {
        smidge_generate_options_init(&options);
        options.temperature = greedy ? 0.0F : 0.7F;
        assert_int_equal(smidge_generate(session, &span, 1, &options, NULL, &error), SMIDGE_E_MODEL);
    }
    smidge_labels *labels = NULL;
    engine_ok(smidge_labels_new(own, (const char *const[]){"YES", "NO"}, 2, &labels, &error), &error);
    smidge_classify_result result = {.size = sizeof result, .label = 1};
    assert_int_equal(smidge_classify(session, labels, &span, 1, NULL, &result, &error), SMIDGE_E_MODEL);
    assert_int_equal(result.answer, SMIDGE_ANSWER_MODEL_ERROR);
    assert_int_equal(result.label, -1);
    smidge_labels_free(labels);
    smidge_session_free(session);
    smidge_model_close(own);
    synthetic_free(&broken);
}

int main(void)
{
    file = synthetic_small(CONTEXT);
    model = engine_open(file.path, NULL, 2);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_seed_gives_the_same_text_at_any_thread_count),
        cmocka_unit_test(greedy_takes_no_notice_of_the_seed),
        cmocka_unit_test(the_callback_stops_it),
        cmocka_unit_test(an_end_token_ends_it),
        cmocka_unit_test(the_result_counts),
        cmocka_unit_test(options_out_of_range_are_refused),
        cmocka_unit_test(what_is_not_a_number_is_a_model_error),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    smidge_model_close(model);
    synthetic_free(&file);
    return failed;
}
