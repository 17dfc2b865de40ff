/* Sessions: options, memory, context, and that a call that ended early leaves no trace. */
#include "engine_support.h"
#include "synthetic_model.h"
#include "waiting_thread.h"

#define CONTEXT 256

static synthetic_file file;

/* What a session answers: text, and the logits behind it. */
typedef struct answer {
    char text[2048];
    size_t size;
    float logits[TINY_MAX_TOKENS];
} answer;

static int collect(void *user, const char *text, size_t size)
{
    answer *kept = user;
    assert_true(kept->size + size <= sizeof kept->text);
    memcpy(kept->text + kept->size, text, size);
    kept->size += size;
    return 0;
}

static answer ask(smidge_session *session, const char *prompt)
{
    answer kept = {.size = 0};
    smidge_generate_options options;
    smidge_generate_options_init(&options);
    options.max_tokens = 12;
    options.temperature = 0.8F;
    options.seed = 3;
    options.ignore_end = 1;
    options.on_text = collect;
    options.user = &kept;
    smidge_span span = engine_span(prompt);
    smidge_error error;
    engine_ok(smidge_generate(session, &span, 1, &options, NULL, &error), &error);
    memcpy(kept.logits, session->logits,
           (size_t)session->model->model.shape.vocabulary * sizeof *kept.logits);
    return kept;
}

static void answers_like_a_fresh_one(smidge_session *session)
{
    smidge_session *fresh =
        engine_session(session->model, session->options.kv_type, session->options.context, 0);
    answer ours = ask(session, "the pump is warm");
    answer expected = ask(fresh, "the pump is warm");
    assert_int_equal(ours.size, expected.size);
    assert_memory_equal(&ours, &expected, sizeof ours);
    smidge_session_free(fresh);
}

static char *long_text(size_t size)
{
    char *text = malloc(size + 1);
    assert_non_null(text);
    for (size_t i = 0; i < size; i++)
        text[i] = (char)('A' + i * 7 % 26);
    text[size] = '\0';
    return text;
}

/* ---- Options ----------------------------------------------------------------------------------------- */

static smidge_status try_session(smidge_model *model, int32_t context, int32_t kv, int32_t batch)
{
    smidge_session_options options;
    smidge_session_options_init(&options);
    options.context = context;
    options.kv_type = kv;
    options.batch = batch;
    smidge_session *session = NULL;
    smidge_error error = {.code = SMIDGE_OK};
    uint64_t bytes = 0;
    smidge_status status = smidge_session_new(model, &options, &session, &error);
    assert_int_equal(smidge_session_memory(model, &options, &bytes, NULL), status);
    if (status != SMIDGE_OK) {
        assert_null(session);
        assert_int_equal(error.code, status);
        assert_true(error.message[0] != '\0' && error.where[0] != '\0');
    }
    smidge_session_free(session);
    return status;
}

static void session_options_are_checked(void **state)
{
    (void)state;
    smidge_model *model = engine_open(file.path, NULL, 1);
    assert_int_equal(try_session(model, 0, 0, 0), SMIDGE_OK);
    assert_int_equal(try_session(model, 1, SMIDGE_KV_Q8_0, 1), SMIDGE_OK);
    assert_int_equal(try_session(model, CONTEXT, SMIDGE_KV_F32, 512), SMIDGE_OK);
    assert_int_equal(try_session(model, CONTEXT + 1, 0, 0), SMIDGE_E_INVALID);
    assert_int_equal(try_session(model, -1, 0, 0), SMIDGE_E_INVALID);
    assert_int_equal(try_session(model, 0, -1, 0), SMIDGE_E_INVALID);
    assert_int_equal(try_session(model, 0, 3, 0), SMIDGE_E_INVALID);
    assert_int_equal(try_session(model, 0, 0, -1), SMIDGE_E_INVALID);
    assert_int_equal(try_session(model, 0, 0, 513), SMIDGE_E_INVALID);
    smidge_model_close(model);
}

/* Programs built against an older or a newer header. */
static void sizes_of_options_are_respected(void **state)
{
    (void)state;
    smidge_model *model = engine_open(file.path, NULL, 1);
    struct {
        smidge_session_options known;
        int64_t later;
    } newer = {.known = {.size = sizeof newer, .context = 32}};
    uint64_t bytes = 0;
    uint64_t expected = 0;
    smidge_session_options plain = {.size = sizeof plain, .context = 32};
    assert_int_equal(smidge_session_memory(model, &plain, &expected, NULL), SMIDGE_OK);
    assert_int_equal(smidge_session_memory(model, &newer.known, &bytes, NULL), SMIDGE_OK);
    assert_int_equal(bytes, expected);
    newer.later = 1;
    assert_int_equal(smidge_session_memory(model, &newer.known, &bytes, NULL), SMIDGE_E_INVALID);
    plain.batch = 512; /* beyond what this size says is there */
    plain.size = offsetof(smidge_session_options, kv_type);
    assert_int_equal(smidge_session_memory(model, &plain, &bytes, NULL), SMIDGE_OK);
    assert_int_equal(bytes, expected);
    plain.size = 0;
    assert_int_equal(smidge_session_memory(model, &plain, &bytes, NULL), SMIDGE_E_INVALID);
    smidge_model_close(model);
}

static smidge_status try_model(const char *path, const smidge_model_options *options)
{
    smidge_model *model = NULL;
    smidge_error error = {.code = SMIDGE_OK};
    smidge_status status = smidge_model_open(path, options, &model, &error);
    assert_int_equal(error.code, status);
    assert_true((model == NULL) == (status != SMIDGE_OK));
    smidge_model_close(model);
    return status;
}

static void model_options_are_checked(void **state)
{
    (void)state;
    smidge_model_options options;
    smidge_model_options_init(&options);
    assert_int_equal(try_model(file.path, NULL), SMIDGE_OK);
    assert_int_equal(try_model("/nowhere/model.gguf", NULL), SMIDGE_E_IO);
    options.threads = 65;
    assert_int_equal(try_model(file.path, &options), SMIDGE_E_INVALID);
    options.threads = -1;
    assert_int_equal(try_model(file.path, &options), SMIDGE_E_INVALID);
    options.threads = 0;
    options.cpu = "abacus";
    assert_int_equal(try_model(file.path, &options), SMIDGE_E_INVALID);
    options.cpu = "ref";
    assert_int_equal(try_model(file.path, &options), SMIDGE_OK);
    options.deadline_ns = smidge_now_ns() - 1;
    assert_int_equal(try_model(file.path, &options), SMIDGE_E_DEADLINE);
}

static void tokenize_counts_and_fills(void **state)
{
    (void)state;
    smidge_model *model = engine_open(file.path, NULL, 1);
    smidge_span spans[2] = {engine_span("AB</s>"), engine_span("CD")};
    int32_t ids[32];
    size_t count = 0;
    smidge_error error;
    engine_ok(smidge_tokenize(model, spans, 2, NULL, 0, &count, &error), &error);
    size_t plain = count;
    assert_int_equal(smidge_tokenize(model, spans, 2, ids, plain - 1, &count, &error), SMIDGE_E_INVALID);
    assert_int_equal(count, plain);
    engine_ok(smidge_tokenize(model, spans, 2, ids, 32, &count, &error), &error);
    assert_int_equal(count, plain);
    assert_int_equal(ids[0], TINY_BOS);
    for (size_t i = 1; i < count; i++)
        assert_int_not_equal(ids[i], TINY_EOS);
    spans[0].trusted = 1;
    engine_ok(smidge_tokenize(model, spans, 2, ids, 32, &count, &error), &error);
    int found = 0;
    for (size_t i = 1; i < count; i++)
        found += ids[i] == TINY_EOS;
    assert_int_equal(found, 1);
    spans[1] = (smidge_span){.text = NULL, .size = 3};
    assert_int_equal(smidge_tokenize(model, spans, 2, ids, 32, &count, &error), SMIDGE_E_INVALID);
    smidge_model_close(model);
}

/* ---- Memory ------------------------------------------------------------------------------------------ */

static void memory_is_what_was_said(void **state)
{
    (void)state;
    smidge_model *model = engine_open(file.path, NULL, 3);
    for (int32_t kv = SMIDGE_KV_F16; kv <= SMIDGE_KV_Q8_0; kv++) {
        for (int32_t batch = 1; batch <= 256; batch *= 16) {
            smidge_session_options options = {.size = sizeof options,
                                              .context = 100,
                                              .kv_type = kv,
                                              .batch = batch};
            uint64_t bytes = 0;
            assert_int_equal(smidge_session_memory(model, &options, &bytes, NULL), SMIDGE_OK);
            uint64_t blocks = smg_alloc_live_blocks();
            smidge_session *session = NULL;
            smidge_error error;
            engine_ok(smidge_session_new(model, &options, &session, &error), &error);
            assert_int_equal(session->arena.size, bytes);
            assert_int_equal(session->arena.used, bytes);
            assert_int_equal(model->session_bytes, bytes);
            assert_int_equal(smg_alloc_live_blocks(), blocks + 2); /* the arena and the handle */
            uint64_t calls = smg_alloc_calls();
            assert_int_equal(smg_session_decode(session, &(int32_t){1}, 1, NULL), SMIDGE_OK);
            assert_int_equal(smg_alloc_calls(), calls); /* decoding takes nothing more */
            smidge_session_free(session);
            assert_int_equal(model->session_bytes, 0);
            assert_int_equal(smg_alloc_live_blocks(), blocks);
        }
    }
    smidge_model_close(model);
}

static void memory_limit_refuses_with_numbers(void **state)
{
    (void)state;
    smidge_model *unlimited = engine_open(file.path, NULL, 1);
    smidge_session_options small = {.size = sizeof small, .context = 32, .batch = 4};
    smidge_session_options large = {.size = sizeof large, .context = CONTEXT, .batch = 256};
    uint64_t small_bytes = 0;
    uint64_t large_bytes = 0;
    assert_int_equal(smidge_session_memory(unlimited, &small, &small_bytes, NULL), SMIDGE_OK);
    assert_int_equal(smidge_session_memory(unlimited, &large, &large_bytes, NULL), SMIDGE_OK);
    assert_true(large_bytes > 2 * small_bytes);
    smidge_model_options options;
    smidge_model_options_init(&options);
    smg_memory_need need;
    smg_engine_need(unlimited, 0, 0, &need);
    const uint64_t own = smg_memory_total(&need); /* with one thread */
    smidge_model_close(unlimited);

    options.threads = 1;
    options.memory_limit = own - 1;
    assert_int_equal(try_model(file.path, &options), SMIDGE_E_NO_FIT);
    options.memory_limit = own + 2 * small_bytes;
    smidge_model *model = NULL;
    smidge_error error;
    engine_ok(smidge_model_open(file.path, &options, &model, &error), &error);
    smidge_session *sessions[3] = {NULL};
    assert_int_equal(smidge_session_new(model, &large, &sessions[2], &error), SMIDGE_E_NO_FIT);
    assert_non_null(strstr(error.message, "MiB"));
    engine_ok(smidge_session_new(model, &small, &sessions[0], &error), &error);
    engine_ok(smidge_session_new(model, &small, &sessions[1], &error), &error);
    assert_int_equal(smidge_session_new(model, &small, &sessions[2], &error), SMIDGE_E_NO_FIT);
    assert_null(sessions[2]);
    smidge_session_free(sessions[0]);
    engine_ok(smidge_session_new(model, &small, &sessions[2], &error), &error);
    smidge_session_free(sessions[1]);
    smidge_session_free(sessions[2]);
    smidge_model_close(model);
}

/* ---- Context and deadline ---------------------------------------------------------------------------- */

typedef struct call {
    smidge_session *session;
    smidge_labels *labels;
    const char *prompt;
    int32_t max_tokens;
    int64_t deadline_ns;
    smidge_text_fn on_text;
    void *user;
} call;

enum { GENERATE, CLASSIFY, PREFIX, CALLS };

/* Makes one of the three calls that compute; a refusal must say so everywhere. */
static smidge_status make_call(const call *of, int kind)
{
    smidge_span span = engine_span(of->prompt);
    smidge_error error = {.code = SMIDGE_OK};
    smidge_status status = SMIDGE_OK;
    if (kind == GENERATE) {
        smidge_generate_options options;
        smidge_generate_options_init(&options);
        options.max_tokens = of->max_tokens;
        options.ignore_end = 1;
        options.deadline_ns = of->deadline_ns;
        options.on_text = of->on_text;
        options.user = of->user;
        smidge_generate_result result = {.size = sizeof result};
        status = smidge_generate(of->session, &span, 1, &options, &result, &error);
        assert_true((result.finish == SMIDGE_FINISH_NONE) == (status != SMIDGE_OK));
    } else if (kind == CLASSIFY) {
        smidge_classify_options options = {.size = sizeof options, .deadline_ns = of->deadline_ns};
        smidge_classify_result result = {.size = sizeof result};
        status = smidge_classify(of->session, of->labels, &span, 1, &options, &result, &error);
        bool stopped = status == SMIDGE_E_DEADLINE || status == SMIDGE_E_CANCELLED;
        assert_int_equal(result.answer, status == SMIDGE_OK ? SMIDGE_ANSWER_OK
                                        : stopped           ? SMIDGE_ANSWER_DEADLINE
                                                            : SMIDGE_ANSWER_INVALID_INPUT);
        assert_true((result.label >= 0) == (status == SMIDGE_OK));
    } else {
        smidge_prefix *prefix = NULL;
        status = smidge_prefix_new(of->session, &span, 1, of->deadline_ns, &prefix, &error);
        assert_true((prefix == NULL) == (status != SMIDGE_OK));
        smidge_prefix_free(prefix);
    }
    assert_int_equal(error.code, status);
    return status;
}

static smidge_labels *make_labels(smidge_model *model)
{
    smidge_labels *labels = NULL;
    smidge_error error;
    engine_ok(smidge_labels_new(model, (const char *const[]){"NORMAL", "NOISY", "HOT"}, 3, &labels, &error),
              &error);
    return labels;
}

static void context_overflow_is_an_error(void **state)
{
    (void)state;
    smidge_model *model = engine_open(file.path, NULL, 2);
    smidge_session *session = engine_session(model, SMIDGE_KV_F16, 64, 0);
    char *text = long_text(300);
    call of = {.session = session, .labels = make_labels(model), .prompt = text, .max_tokens = 1};
    for (int kind = GENERATE; kind < CALLS; kind++) {
        answers_like_a_fresh_one(session);
        assert_int_equal(make_call(&of, kind), SMIDGE_E_CONTEXT);
        answers_like_a_fresh_one(session);
    }
    /* To the token: BOS, the space in front and 40 letters leave 22. */
    text[40] = '\0';
    size_t count = 0;
    smidge_span span = engine_span(text);
    assert_int_equal(smidge_tokenize(model, &span, 1, NULL, 0, &count, NULL), SMIDGE_OK);
    of.max_tokens = 64 - (int32_t)count;
    assert_int_equal(make_call(&of, GENERATE), SMIDGE_OK);
    of.max_tokens++;
    assert_int_equal(make_call(&of, GENERATE), SMIDGE_E_CONTEXT);
    answers_like_a_fresh_one(session);
    free(text);
    smidge_labels_free(of.labels);
    smidge_session_free(session);
    smidge_model_close(model);
}

static void a_deadline_that_passed_ends_every_call(void **state)
{
    (void)state;
    smidge_model *model = engine_open(file.path, NULL, 2);
    smidge_session *session = engine_session(model, SMIDGE_KV_F16, 0, 0);
    call of = {.session = session, .labels = make_labels(model), .prompt = "reading", .max_tokens = 4};
    for (int kind = GENERATE; kind < CALLS; kind++) {
        of.deadline_ns = smidge_now_ns() - 1;
        assert_int_equal(make_call(&of, kind), SMIDGE_E_DEADLINE);
        answers_like_a_fresh_one(session);
        of.deadline_ns = 0;
        assert_int_equal(make_call(&of, kind), SMIDGE_OK);
    }
    smidge_labels_free(of.labels);
    smidge_session_free(session);
    smidge_model_close(model);
}

/* ---- Several sessions -------------------------------------------------------------------------------- */

typedef struct asker {
    pthread_t thread;
    smidge_session *session;
    const char *prompt;
    answer expected;
} asker;

static void *ask_repeatedly(void *user)
{
    asker *self = user;
    for (int i = smg_test_repeats(60); i > 0; i--) {
        answer ours = ask(self->session, self->prompt);
        if (memcmp(&ours, &self->expected, sizeof ours) != 0)
            return self;
        smidge_session_reset(self->session);
    }
    return NULL;
}

static void sessions_in_several_threads_do_not_mix(void **state)
{
    (void)state;
    static const char *const prompts[] = {"the first pump", "another line of text that is longer"};
    smidge_model *model = engine_open(file.path, NULL, 2);
    asker askers[2];
    for (int i = 0; i < 2; i++) {
        askers[i].session = engine_session(model, i, 0, 0);
        askers[i].prompt = prompts[i];
        askers[i].expected = ask(askers[i].session, prompts[i]);
    }
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&askers[i].thread, NULL, ask_repeatedly, &askers[i]), 0);
    for (int i = 0; i < 2; i++) {
        void *wrong = NULL;
        pthread_join(askers[i].thread, &wrong);
        assert_null(wrong);
        smidge_session_free(askers[i].session);
    }
    smidge_model_close(model);
}

typedef struct queued {
    waiting_thread base;
    smg_pool *pool;
    int64_t deadline;
    int number;
    atomic_int *next_place;
    int place;
} queued;

static void *wait_for_pool(void *user)
{
    queued *self = user;
    const smg_stop stop = {.deadline = self->deadline};
    waiting_thread_announce(&self->base);
    if (smg_pool_acquire(self->pool, &stop) == SMIDGE_OK) {
        self->place = atomic_fetch_add(self->next_place, 1);
        smg_pool_release(self->pool);
    }
    return NULL;
}

/* Whoever waits gets the pool by deadline, not by arrival. */
static void the_earliest_deadline_goes_first(void **state)
{
    (void)state;
    static const int order[] = {2, 0, 3, 1};
    smidge_model *model = engine_open(file.path, NULL, 1);
    atomic_int next_place = 0;
    queued all[4] = {0};
    assert_int_equal(smg_pool_acquire(model->pool, NULL), SMIDGE_OK);
    int64_t now = smidge_now_ns();
    for (int i = 0; i < 4; i++) {
        queued *one = &all[order[i]];
        one->pool = model->pool;
        one->place = -1;
        one->next_place = &next_place;
        one->deadline = order[i] == 3 ? INT64_MAX : now + INT64_C(1000000000) * (600 + order[i]);
        assert_int_equal(pthread_create(&one->base.thread, NULL, wait_for_pool, one), 0);
        waiting_thread_until_asleep(&one->base);
    }
    smg_pool_release(model->pool);
    for (int i = 0; i < 4; i++) {
        pthread_join(all[i].base.thread, NULL);
        assert_int_equal(all[i].place, i);
    }
    smidge_model_close(model);
}

int main(void)
{
    file = synthetic_small(CONTEXT);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(session_options_are_checked),
        cmocka_unit_test(sizes_of_options_are_respected),
        cmocka_unit_test(model_options_are_checked),
        cmocka_unit_test(tokenize_counts_and_fills),
        cmocka_unit_test(memory_is_what_was_said),
        cmocka_unit_test(memory_limit_refuses_with_numbers),
        cmocka_unit_test(context_overflow_is_an_error),
        cmocka_unit_test(a_deadline_that_passed_ends_every_call),
        cmocka_unit_test(sessions_in_several_threads_do_not_mix),
        cmocka_unit_test(the_earliest_deadline_goes_first),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    synthetic_free(&file);
    return failed;
}
