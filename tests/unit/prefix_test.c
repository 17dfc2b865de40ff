/* Prefixes: shared without a copy, alive as long as anybody uses them, and never felt in an answer. */
#include "engine_support.h"
#include "synthetic_model.h"

#include <pthread.h>

#define CONTEXT 512

static const char prefix_text[] = "THE PUMP REPORTS ITS READING AND ITS USUAL VALUE.\nREADING:";

static synthetic_file file;
static smidge_model *model;
static smidge_labels *labels;

static smidge_prefix *make_prefix(smidge_model *of, int32_t kv, const char *text)
{
    smidge_session *session = engine_session(of, kv, CONTEXT, 0);
    smidge_span span = engine_span(text);
    smidge_prefix *prefix = NULL;
    smidge_error error;
    engine_ok(smidge_prefix_new(session, &span, 1, 0, &prefix, &error), &error);
    smidge_session_free(session);
    return prefix;
}

static void use_prefix(smidge_session *session, smidge_prefix *prefix)
{
    smidge_error error;
    engine_ok(smidge_session_set_prefix(session, prefix, &error), &error);
}

typedef struct answer {
    double probabilities[3];
    double confidence;
    double mass;
    int32_t label;
    int32_t cached;
} answer;

/* The prompt is the prefix, whole or its first `part` bytes, and the reading. */
static answer classify(smidge_session *session, size_t part, const char *reading)
{
    answer got = {.cached = 0};
    const smidge_span spans[] = {{.text = prefix_text, .size = part, .trusted = 1}, engine_span(reading)};
    smidge_classify_result result = {.size = sizeof result, .probabilities = got.probabilities};
    const smidge_classify_options options = {.size = sizeof options, .label_mass = 1};
    smidge_error error;
    engine_ok(smidge_classify(session, labels, spans, 2, &options, &result, &error), &error);
    got.confidence = result.confidence;
    got.mass = result.label_mass;
    got.label = result.label;
    got.cached = result.cached_tokens;
    return got;
}

static bool same_answer(answer a, answer b)
{
    return memcmp(a.probabilities, b.probabilities, sizeof a.probabilities) == 0 &&
           a.confidence == b.confidence && a.mass == b.mass && a.label == b.label;
}

static void a_warm_answer_equals_a_cold_one(void **state)
{
    (void)state;
    /* Up and down: after a longer part the session goes back into what it shares. */
    static const size_t parts[] = {0,  7,  20, 41, sizeof prefix_text - 1, 35,
                                   34, 50, 3,  0,  sizeof prefix_text - 1};
    for (int32_t kv = SMIDGE_KV_F16; kv <= SMIDGE_KV_Q8_0; kv++) {
        smidge_prefix *prefix = make_prefix(model, kv, prefix_text);
        smidge_session *warm = engine_session(model, kv, CONTEXT, 0);
        use_prefix(warm, prefix);
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
            smidge_session *cold = engine_session(model, kv, CONTEXT, 0);
            answer expected = classify(cold, parts[i], " 3.1 BAR");
            answer ours = classify(warm, parts[i], " 3.1 BAR");
            assert_true(same_answer(ours, expected));
            assert_int_equal(expected.cached, 0);
            assert_true(ours.cached >= (int32_t)parts[i]);
            smidge_session_free(cold);
        }
        smidge_session_free(warm);
        smidge_prefix_free(prefix);
    }
}

static void nothing_is_copied(void **state)
{
    (void)state;
    uint64_t before = model->session_bytes;
    smidge_prefix *prefix = make_prefix(model, SMIDGE_KV_F16, prefix_text);
    uint64_t with_prefix = model->session_bytes;
    assert_true(with_prefix > before);
    smidge_session *session = engine_session(model, SMIDGE_KV_F16, CONTEXT, 0);
    uint64_t with_session = model->session_bytes;
    uint64_t blocks = smg_alloc_live_blocks();
    use_prefix(session, prefix);
    answer got = classify(session, strlen(prefix_text), " 1");
    assert_true(got.cached >= prefix->count - 1);
    assert_int_equal(session->shared, got.cached);
    assert_int_equal(model->session_bytes, with_session);
    assert_int_equal(smg_alloc_live_blocks(), blocks);
    smidge_session_free(session);
    assert_int_equal(model->session_bytes, with_prefix);
    smidge_prefix_free(prefix);
    assert_int_equal(model->session_bytes, before);
}

static void a_session_keeps_its_prefix_alive(void **state)
{
    (void)state;
    uint64_t blocks = smg_alloc_live_blocks();
    smidge_prefix *prefix = make_prefix(model, SMIDGE_KV_F16, prefix_text);
    smidge_session *session = engine_session(model, SMIDGE_KV_F16, CONTEXT, 0);
    use_prefix(session, prefix);
    answer first = classify(session, strlen(prefix_text), " 2");
    smidge_prefix_free(prefix);
    assert_true(same_answer(classify(session, strlen(prefix_text), " 2"), first));
    use_prefix(session, NULL); /* and now it is gone */
    assert_int_equal(session->count, 0);
    answer cold = classify(session, strlen(prefix_text), " 2");
    assert_true(same_answer(cold, first));
    assert_int_equal(cold.cached, 0);
    smidge_session_free(session);
    assert_int_equal(smg_alloc_live_blocks(), blocks);
}

static void changing_the_prefix_changes_no_answer(void **state)
{
    (void)state;
    smidge_prefix *first = make_prefix(model, SMIDGE_KV_F16, prefix_text);
    smidge_prefix *second = make_prefix(model, SMIDGE_KV_F16, "THE PUMP SAYS NOTHING AT ALL AND NEVER DID");
    smidge_session *session = engine_session(model, SMIDGE_KV_F16, CONTEXT, 0);
    smidge_session *cold = engine_session(model, SMIDGE_KV_F16, CONTEXT, 0);
    answer expected = classify(cold, strlen(prefix_text), " 4");
    for (int i = 0; i < 4; i++) {
        use_prefix(session, i % 2 == 0 ? first : second);
        assert_true(same_answer(classify(session, strlen(prefix_text), " 4"), expected));
        /* A prefix made on a session that has one itself is its own. */
        const smidge_span span = engine_span("THE PUMP REPORTS");
        smidge_prefix *third = NULL;
        assert_int_equal(smidge_prefix_new(session, &span, 1, 0, &third, NULL), SMIDGE_OK);
        use_prefix(cold, third);
        smidge_prefix_free(third);
        answer warm = classify(cold, strlen(prefix_text), " 4");
        assert_true(same_answer(warm, expected));
        assert_true(warm.cached >= 16);
        assert_true(same_answer(classify(session, strlen(prefix_text), " 4"), expected));
    }
    smidge_session_free(cold);
    smidge_session_free(session);
    smidge_prefix_free(second);
    smidge_prefix_free(first);
}

static void wrong_prefixes_are_refused(void **state)
{
    (void)state;
    smidge_model *other = engine_open(file.path, NULL, 1);
    smidge_prefix *foreign = make_prefix(other, SMIDGE_KV_F16, prefix_text);
    smidge_prefix *wide = make_prefix(model, SMIDGE_KV_F32, prefix_text);
    smidge_prefix *good = make_prefix(model, SMIDGE_KV_F16, prefix_text);
    smidge_session *session = engine_session(model, SMIDGE_KV_F16, CONTEXT, 0);
    use_prefix(session, good);
    smidge_error error;
    assert_int_equal(smidge_session_set_prefix(session, foreign, &error), SMIDGE_E_INVALID);
    assert_int_equal(smidge_session_set_prefix(session, wide, &error), SMIDGE_E_INVALID);
    assert_ptr_equal(session->prefix, good);
    smidge_session_free(session);
    smidge_prefix_free(good);
    smidge_prefix_free(wide);
    smidge_prefix_free(foreign);
    smidge_model_close(other);
}

/* The model may take what two small sessions need and a little more, which no prefix fits into. */
static void a_prefix_counts_as_memory(void **state)
{
    (void)state;
    smidge_session_options small = {.size = sizeof small, .context = 256, .batch = 8};
    uint64_t bytes = 0;
    assert_int_equal(smidge_session_memory(model, &small, &bytes, NULL), SMIDGE_OK);
    smidge_model_options options;
    smidge_model_options_init(&options);
    smg_memory_need need;
    smg_engine_need(model, 0, bytes, &need);
    options.memory_limit = smg_memory_total(&need) + 4096;
    options.threads = model->threads;
    smidge_model *tight = NULL;
    smidge_error error;
    engine_ok(smidge_model_open(file.path, &options, &tight, &error), &error);
    smidge_session *session = NULL;
    engine_ok(smidge_session_new(tight, &small, &session, &error), &error);
    const smidge_span span = engine_span(prefix_text);
    smidge_prefix *prefix = NULL;
    assert_int_equal(smidge_prefix_new(session, &span, 1, 0, &prefix, &error), SMIDGE_E_NO_FIT);
    assert_null(prefix);
    assert_int_equal(tight->session_bytes, bytes);
    smidge_session_free(session);
    smidge_model_close(tight);
}

/* ---- Many threads, one prefix ------------------------------------------------------------------------ */

typedef struct reader {
    pthread_t thread;
    smidge_session *session;
    answer expected[2];
} reader;

static void *read_repeatedly(void *user)
{
    reader *self = user;
    for (int i = smg_test_repeats(60); i > 0; i--) {
        if (!same_answer(classify(self->session, strlen(prefix_text), i % 2 == 0 ? " 5" : " 77 BAR"),
                         self->expected[i % 2]))
            return self;
    }
    return NULL;
}

static void four_threads_share_one(void **state)
{
    (void)state;
    smidge_prefix *prefix = make_prefix(model, SMIDGE_KV_F16, prefix_text);
    smidge_session *cold = engine_session(model, SMIDGE_KV_F16, CONTEXT, 0);
    reader readers[4];
    for (int i = 0; i < 4; i++) {
        readers[i].session = engine_session(model, SMIDGE_KV_F16, CONTEXT, 0);
        use_prefix(readers[i].session, prefix);
        readers[i].expected[0] = classify(cold, strlen(prefix_text), " 5");
        readers[i].expected[1] = classify(cold, strlen(prefix_text), " 77 BAR");
    }
    smidge_prefix_free(prefix);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&readers[i].thread, NULL, read_repeatedly, &readers[i]), 0);
    for (int i = 0; i < 4; i++) {
        void *wrong = NULL;
        pthread_join(readers[i].thread, &wrong);
        assert_null(wrong);
        smidge_session_free(readers[i].session);
    }
    smidge_session_free(cold);
}

int main(void)
{
    file = synthetic_small(CONTEXT);
    model = engine_open(file.path, NULL, 2);
    smidge_error error;
    if (smidge_labels_new(model, (const char *const[]){"NORMAL", "NOISY", "HOT"}, 3, &labels, &error) !=
        SMIDGE_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_warm_answer_equals_a_cold_one),
        cmocka_unit_test(nothing_is_copied),
        cmocka_unit_test(a_session_keeps_its_prefix_alive),
        cmocka_unit_test(changing_the_prefix_changes_no_answer),
        cmocka_unit_test(wrong_prefixes_are_refused),
        cmocka_unit_test(a_prefix_counts_as_memory),
        cmocka_unit_test(four_threads_share_one),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    smidge_labels_free(labels);
    smidge_model_close(model);
    synthetic_free(&file);
    return failed;
}
