/* stories260K against its fixture, which was computed in float64: tokens, logits, greedy text, perplexity. */
#include "engine_support.h"
#include "measure/perplexity.h"

#include <jansson.h>
#include <unistd.h>

#define MODEL "models/stories260K/stories260K.gguf"
#define EXPECTED "models/stories260K/expected.json"
/* Of the largest logit. The file gives six decimals of numbers around 10, so its own rounding is 5e-8; the
 * rest is float32 against float64. */
#define LOGIT_LIMIT 1e-5
#define PERPLEXITY_LIMIT 1e-3
#define MOST_IDS 256

static const char *model_path;
static json_t *expected;

typedef struct text_buffer {
    char text[4096];
    size_t size;
} text_buffer;

static int collect(void *user, const char *text, size_t size)
{
    text_buffer *buffer = user;
    assert_true(buffer->size + size < sizeof buffer->text);
    memcpy(buffer->text + buffer->size, text, size);
    buffer->size += size;
    buffer->text[buffer->size] = '\0';
    return 0;
}

/* A member of the fixture that must be there. */
static json_t *member(const json_t *object, const char *name)
{
    json_t *value = json_object_get(object, name);
    if (value == NULL)
        fail_msg("%s has no %s", EXPECTED, name);
    return value;
}

static int32_t read_ids(const json_t *list, int32_t *ret_ids)
{
    size_t count = json_array_size(list);
    assert_in_range(count, 1, MOST_IDS);
    for (size_t i = 0; i < count; i++)
        ret_ids[i] = (int32_t)json_integer_value(json_array_get(list, i));
    return (int32_t)count;
}

static void check_ids(const smidge_model *model, const char *text, const json_t *list)
{
    int32_t wanted[MOST_IDS];
    int32_t ids[MOST_IDS];
    size_t count = 0;
    int32_t wanted_count = read_ids(list, wanted);
    smidge_span span = engine_span(text);
    smidge_error error;
    engine_ok(smidge_tokenize(model, &span, 1, ids, MOST_IDS, &count, &error), &error);
    assert_int_equal(count, wanted_count);
    assert_memory_equal(ids, wanted, count * sizeof *ids);
}

static void check_tokens(const smidge_model *model, const json_t *item, smidge_session *session)
{
    (void)session;
    check_ids(model, json_string_value(member(item, "prompt")), member(item, "prompt_ids"));
}

static void check_logits(const smidge_model *model, const json_t *item, smidge_session *session)
{
    int32_t ids[MOST_IDS];
    int32_t count = read_ids(member(item, "prompt_ids"), ids);
    const json_t *list = member(item, "logits_after_prompt");
    int32_t vocabulary = model->model.shape.vocabulary;
    assert_int_equal(json_array_size(list), vocabulary);
    float *wanted = engine_logits_new(model, 1);
    for (int32_t i = 0; i < vocabulary; i++)
        wanted[i] = (float)json_number_value(json_array_get(list, (size_t)i));
    int32_t cached = 0;
    assert_int_equal(smg_session_prefill(session, ids, count, &(smg_output){.logits = session->logits}, NULL,
                                         &cached),
                     SMIDGE_OK);
    double error = engine_relative_error(session->logits, wanted, vocabulary);
    printf("\"%s\": logits differ by %.1e (limit %.0e)\n", json_string_value(member(item, "prompt")), error,
           LOGIT_LIMIT);
    assert_true(error <= LOGIT_LIMIT);
    free(wanted);
}

/* The session holds prompt and answer but for the last token, which its text tells. */
static void check_greedy(const smidge_model *model, const json_t *item, smidge_session *session)
{
    (void)model;
    int32_t wanted[MOST_IDS];
    int32_t wanted_count = read_ids(member(item, "greedy_ids"), wanted);
    smidge_generate_options options;
    smidge_generate_options_init(&options);
    text_buffer text = {.size = 0};
    options.max_tokens = wanted_count;
    options.temperature = 0.0F;
    options.repeat_penalty = 1.0F;
    options.on_text = collect;
    options.user = &text;
    smidge_span span = engine_span(json_string_value(member(item, "prompt")));
    smidge_generate_result result = {.size = sizeof result};
    smidge_error error;
    engine_ok(smidge_generate(session, &span, 1, &options, &result, &error), &error);
    assert_int_equal(result.tokens, wanted_count);
    assert_int_equal(result.finish, SMIDGE_FINISH_LENGTH);
    assert_int_equal(session->count, result.prompt_tokens + wanted_count - 1);
    assert_memory_equal(session->ids + result.prompt_tokens, wanted,
                        (size_t)(wanted_count - 1) * sizeof *wanted);
    assert_string_equal(text.text, json_string_value(member(item, "greedy_text")));
}

/* Every case of the fixture, at every CPU path and with 1 to 3 threads, with an f32 cache. */
static void for_every_case(void (*check)(const smidge_model *, const json_t *, smidge_session *))
{
    const json_t *cases = member(expected, "cases");
    assert_int_equal(json_array_size(cases), 5);
    const char *cpus[ENGINE_STEPS];
    int steps = engine_cpu_names(cpus);
    for (int step = 0; step < steps; step++) {
        for (int32_t threads = 1; threads <= 3; threads++) {
            smidge_model *model = engine_open(model_path, cpus[step], threads);
            smidge_session *session = engine_session(model, SMIDGE_KV_F32, 512, 0);
            for (size_t i = 0; i < json_array_size(cases); i++) {
                smidge_session_reset(session);
                check(model, json_array_get(cases, i), session);
            }
            smidge_session_free(session);
            smidge_model_close(model);
        }
    }
}

static void prompts_give_the_same_tokens(void **state)
{
    (void)state;
    for_every_case(check_tokens);
}

static void prompts_give_the_same_logits(void **state)
{
    (void)state;
    for_every_case(check_logits);
}

static void greedy_text_is_the_same(void **state)
{
    (void)state;
    for_every_case(check_greedy);
}

static double perplexity(smidge_session *session, const int32_t *ids, int32_t count)
{
    int32_t vocabulary = session->model->model.shape.vocabulary;
    float *logits = engine_logits_new(session->model, count);
    engine_run_rows(session, ids, count, logits);
    double total = 0.0;
    for (int32_t i = 0; i + 1 < count; i++) {
        const float *row = logits + (size_t)i * (size_t)vocabulary;
        double sum = 0.0;
        for (int32_t v = 0; v < vocabulary; v++)
            sum += exp((double)row[v]);
        total += log(sum) - (double)row[ids[i + 1]];
    }
    free(logits);
    return exp(total / (count - 1));
}

static void perplexity_is_the_same(void **state)
{
    (void)state;
    const json_t *item = member(expected, "perplexity");
    double wanted = json_number_value(member(item, "perplexity"));
    const char *cpus[ENGINE_STEPS];
    int steps = engine_cpu_names(cpus);
    int32_t ids[MOST_IDS];
    int32_t count = read_ids(member(item, "ids"), ids);
    for (int step = 0; step < steps; step++) {
        for (int32_t kv = SMIDGE_KV_F16; kv <= SMIDGE_KV_F32; kv++) {
            smidge_model *model = engine_open(model_path, cpus[step], 2);
            check_ids(model, json_string_value(member(item, "text")), member(item, "ids"));
            smidge_session *session = engine_session(model, kv, 512, 0);
            double ours = perplexity(session, ids, count);
            printf("perplexity, %s KV, %s: %.6f, expected %.6f\n", engine_kv_names[kv], cpus[step], ours,
                   wanted);
            assert_true(fabs(ours - wanted) <= PERPLEXITY_LIMIT * wanted);
            smidge_session_free(session);
            smidge_model_close(model);
        }
    }
}

/* With a chunk as long as the text and a stride of all but one token, every token counts, as in the fixture. */
static void perplexity_is_measured_the_same(void **state)
{
    (void)state;
    const json_t *item = member(expected, "perplexity");
    const double wanted = json_number_value(member(item, "perplexity"));
    const char *text = json_string_value(member(item, "text"));
    const int32_t count = (int32_t)json_array_size(member(item, "ids"));
    char path[] = "/tmp/smidge-stories-XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    smidge_model *model = engine_open(model_path, NULL, 2);
    const smg_perplexity_options options = {.chunking = {.context = count, .stride = count - 1},
                                            .kv_type = SMIDGE_KV_F32};
    smg_perplexity result = {0};
    smidge_error error;
    const smidge_status status = smg_perplexity_measure(model, NULL, path, &options, &result, &error);
    close(fd);
    unlink(path);
    engine_ok(status, &error);
    assert_int_equal(result.tokens, count - 1);
    assert_true(fabs(result.perplexity.value - wanted) <= PERPLEXITY_LIMIT * wanted);
    smidge_model_close(model);
}

int main(void)
{
    model_path = smg_test_need_fixture(MODEL);
    json_error_t problem;
    expected = json_load_file(smg_test_need_fixture(EXPECTED), 0, &problem);
    if (expected == NULL) {
        fprintf(stderr, "%s: %s\n", EXPECTED, problem.text);
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prompts_give_the_same_tokens),    cmocka_unit_test(prompts_give_the_same_logits),
        cmocka_unit_test(greedy_text_is_the_same),         cmocka_unit_test(perplexity_is_the_same),
        cmocka_unit_test(perplexity_is_measured_the_same),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    json_decref(expected);
    return failed;
}
