/* Cancelling from another thread, and deadlines that pass, in every phase of a call: the call ends with that
 * status, the pool is free for others, and the session answers like a fresh one afterwards. */
#include "engine_support.h"
#include "synthetic_model.h"
#include "waiting_thread.h"

#include <semaphore.h>

#define CONTEXT 32768
#define LONG_PROMPT 30000 /* takes much longer than any of these tests lets it */

static synthetic_file file;
static smidge_model *model;
static smidge_labels *labels;
static char long_prompt[LONG_PROMPT + 1];

enum { GENERATE, CLASSIFY, PREFIX, CALLS };

/* A call in a thread of its own. */
typedef struct caller {
    waiting_thread base;
    smidge_session *session;
    int kind;
    const char *prompt;
    int32_t max_tokens;
    int64_t deadline_ns;
    sem_t *decoding; /* posted with the first text; NULL: not */
    smidge_status status;
    smidge_error error;
} caller;

static int post_once(void *user, const char *text, size_t size)
{
    caller *self = user;
    (void)text;
    (void)size;
    if (self->decoding != NULL)
        sem_post(self->decoding);
    self->decoding = NULL;
    return 0;
}

static void *make_call(void *user)
{
    caller *self = user;
    smidge_span span = engine_span(self->prompt);
    waiting_thread_announce(&self->base);
    if (self->kind == GENERATE) {
        smidge_generate_options options;
        smidge_generate_options_init(&options);
        options.max_tokens = self->max_tokens;
        options.ignore_end = 1;
        options.deadline_ns = self->deadline_ns;
        options.on_text = post_once;
        options.user = self;
        self->status = smidge_generate(self->session, &span, 1, &options, NULL, &self->error);
    } else if (self->kind == CLASSIFY) {
        smidge_classify_options options = {.size = sizeof options, .deadline_ns = self->deadline_ns};
        self->status = smidge_classify(self->session, labels, &span, 1, &options, NULL, &self->error);
    } else {
        smidge_prefix *prefix = NULL;
        self->status = smidge_prefix_new(self->session, &span, 1, self->deadline_ns, &prefix, &self->error);
        smidge_prefix_free(prefix);
    }
    return NULL;
}

static void start(caller *self)
{
    assert_int_equal(pthread_create(&self->base.thread, NULL, make_call, self), 0);
}

static void ends_with(caller *self, smidge_status status)
{
    pthread_join(self->base.thread, NULL);
    assert_int_equal(self->status, status);
    assert_int_equal(self->error.code, status);
    /* Nobody holds the pool: it can be taken at once. */
    const smg_stop now = {.deadline = smidge_now_ns() + 1000000000};
    assert_int_equal(smg_pool_acquire(model->pool, &now), SMIDGE_OK);
    smg_pool_release(model->pool);
}

/* A few tokens of the prompt and all logits behind it. */
static void compute_answer(smidge_session *session, float *ret_logits)
{
    smidge_generate_options options;
    smidge_generate_options_init(&options);
    options.max_tokens = 6;
    options.ignore_end = 1;
    smidge_span span = {.text = long_prompt, .size = 100};
    smidge_error error;
    engine_ok(smidge_generate(session, &span, 1, &options, NULL, &error), &error);
    memcpy(ret_logits, session->logits, (size_t)model->model.shape.vocabulary * sizeof *ret_logits);
}

static void answers_like_a_fresh_one(smidge_session *session)
{
    float ours[TINY_MAX_TOKENS];
    float expected[TINY_MAX_TOKENS];
    smidge_session *fresh = engine_session(model, SMIDGE_KV_F16, 0, 0);
    compute_answer(session, ours);
    compute_answer(fresh, expected);
    assert_memory_equal(ours, expected, (size_t)model->model.shape.vocabulary * sizeof *ours);
    smidge_session_free(fresh);
}

static void cancel_during_prefill(void **state)
{
    (void)state;
    smidge_session *session = engine_session(model, SMIDGE_KV_F16, CONTEXT, 0);
    uint64_t random = 5;
    for (int i = smg_test_repeats(12); i > 0; i--) {
        for (int kind = GENERATE; kind < CALLS; kind++) {
            caller one = {.session = session, .kind = kind, .prompt = long_prompt, .max_tokens = 1};
            start(&one);
            usleep((useconds_t)(smg_test_random(&random) % 20000));
            smidge_session_cancel(session);
            ends_with(&one, SMIDGE_E_CANCELLED);
            answers_like_a_fresh_one(session);
        }
    }
    smidge_session_free(session);
}

static void cancel_while_decoding(void **state)
{
    (void)state;
    smidge_session *session = engine_session(model, SMIDGE_KV_F16, CONTEXT, 0);
    for (int i = smg_test_repeats(20); i > 0; i--) {
        sem_t decoding;
        sem_init(&decoding, 0, 0);
        caller one = {.session = session,
                      .prompt = "go on",
                      .max_tokens = CONTEXT - 100,
                      .decoding = &decoding};
        start(&one);
        sem_wait(&decoding);
        smidge_session_cancel(session);
        ends_with(&one, SMIDGE_E_CANCELLED);
        sem_destroy(&decoding);
        answers_like_a_fresh_one(session);
    }
    smidge_session_free(session);
}

/* Somebody else holds the pool for as long as it takes. */
static void cancel_while_waiting_for_the_pool(void **state)
{
    (void)state;
    smidge_session *session = engine_session(model, SMIDGE_KV_F16, 256, 0);
    for (int kind = GENERATE; kind < CALLS; kind++) {
        assert_int_equal(smg_pool_acquire(model->pool, NULL), SMIDGE_OK);
        caller one = {.session = session, .kind = kind, .prompt = "wait", .max_tokens = 1};
        start(&one);
        waiting_thread_until_asleep(&one.base);
        smidge_session_cancel(session);
        pthread_join(one.base.thread, NULL);
        assert_int_equal(one.status, SMIDGE_E_CANCELLED);
        smg_pool_release(model->pool);
        answers_like_a_fresh_one(session);
    }
    smidge_session_free(session);
}

/* Whenever it comes, also just as the call begins to wait, it is not lost. */
static void cancel_while_beginning_to_wait(void **state)
{
    (void)state;
    smidge_session *session = engine_session(model, SMIDGE_KV_F16, 256, 0);
    assert_int_equal(smg_pool_acquire(model->pool, NULL), SMIDGE_OK);
    uint64_t random = 9;
    for (int i = smg_test_repeats(2000); i > 0; i--) {
        caller one = {.session = session, .kind = CLASSIFY, .prompt = "wait"};
        start(&one);
        while (atomic_load(&one.base.id) == 0)
            sched_yield();
        for (volatile uint64_t spin = smg_test_random(&random) % 20000; spin > 0; spin--)
            ;
        smidge_session_cancel(session);
        pthread_join(one.base.thread, NULL);
        assert_int_equal(one.status, SMIDGE_E_CANCELLED);
    }
    smg_pool_release(model->pool);
    answers_like_a_fresh_one(session);
    smidge_session_free(session);
}

static void cancel_before_the_call_ends_the_next_one_only(void **state)
{
    (void)state;
    smidge_session *session = engine_session(model, SMIDGE_KV_F16, 0, 0);
    for (int kind = GENERATE; kind < CALLS; kind++) {
        caller one = {.session = session, .kind = kind, .prompt = "early", .max_tokens = 1};
        smidge_session_cancel(session);
        make_call(&one);
        assert_int_equal(one.status, SMIDGE_E_CANCELLED);
        answers_like_a_fresh_one(session);
        smidge_session_cancel(session);
        smidge_session_reset(session);
        answers_like_a_fresh_one(session);
    }
    smidge_session_free(session);
}

static void deadline_during_prefill(void **state)
{
    (void)state;
    smidge_session *session = engine_session(model, SMIDGE_KV_F16, CONTEXT, 0);
    for (int kind = GENERATE; kind < CALLS; kind++) {
        caller one = {.session = session, .kind = kind, .prompt = long_prompt, .max_tokens = 1};
        one.deadline_ns = smidge_now_ns() + 15000000;
        start(&one);
        ends_with(&one, SMIDGE_E_DEADLINE);
        assert_true(smidge_now_ns() >= one.deadline_ns);
        answers_like_a_fresh_one(session);
    }
    smidge_session_free(session);
}

static void deadline_while_waiting_for_the_pool(void **state)
{
    (void)state;
    smidge_session *session = engine_session(model, SMIDGE_KV_F16, 0, 0);
    assert_int_equal(smg_pool_acquire(model->pool, NULL), SMIDGE_OK);
    for (int kind = GENERATE; kind < CALLS; kind++) {
        caller one = {.session = session, .kind = kind, .prompt = "wait", .max_tokens = 1};
        one.deadline_ns = smidge_now_ns() + 15000000;
        start(&one);
        pthread_join(one.base.thread, NULL);
        assert_int_equal(one.status, SMIDGE_E_DEADLINE);
        assert_true(smidge_now_ns() >= one.deadline_ns);
    }
    smg_pool_release(model->pool);
    answers_like_a_fresh_one(session);
    smidge_session_free(session);
}

/* Cancelling one session ends that one's call, and the other's goes on to its right end. */
static void others_are_not_disturbed(void **state)
{
    (void)state;
    smidge_session *cancelled = engine_session(model, SMIDGE_KV_F16, CONTEXT, 0);
    smidge_session *other = engine_session(model, SMIDGE_KV_F16, 0, 0);
    size_t bytes = (size_t)model->model.shape.vocabulary * sizeof(float);
    float expected[TINY_MAX_TOKENS];
    float ours[TINY_MAX_TOKENS];
    compute_answer(other, expected);
    for (int i = smg_test_repeats(12); i > 0; i--) {
        caller one = {.session = cancelled, .kind = GENERATE, .prompt = long_prompt, .max_tokens = 1};
        start(&one);
        smidge_session_reset(other);
        compute_answer(other, ours);
        assert_memory_equal(ours, expected, bytes);
        smidge_session_cancel(cancelled);
        smidge_session_reset(other);
        compute_answer(other, ours);
        assert_memory_equal(ours, expected, bytes);
        ends_with(&one, SMIDGE_E_CANCELLED);
    }
    smidge_session_free(other);
    smidge_session_free(cancelled);
}

int main(void)
{
    file = synthetic_small(CONTEXT);
    model = engine_open(file.path, NULL, 2);
    smidge_error error;
    if (smidge_labels_new(model, (const char *const[]){"NORMAL", "NOISY", "HOT"}, 3, &labels, &error) !=
        SMIDGE_OK)
        return 1;
    for (int i = 0; i < LONG_PROMPT; i++)
        long_prompt[i] = (char)('A' + i * 7 % 26);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cancel_during_prefill),
        cmocka_unit_test(cancel_while_decoding),
        cmocka_unit_test(cancel_while_waiting_for_the_pool),
        cmocka_unit_test(cancel_while_beginning_to_wait),
        cmocka_unit_test(cancel_before_the_call_ends_the_next_one_only),
        cmocka_unit_test(deadline_during_prefill),
        cmocka_unit_test(deadline_while_waiting_for_the_pool),
        cmocka_unit_test(others_are_not_disturbed),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    smidge_labels_free(labels);
    smidge_model_close(model);
    synthetic_free(&file);
    return failed;
}
