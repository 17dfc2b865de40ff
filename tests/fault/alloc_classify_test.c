/* Fails the n-th allocation, for every n up to the last, in everything from opening a model to its answers:
 * each time a clean SMIDGE_E_NOMEM, and nothing is left behind. */
#include "engine_support.h"
#include "synthetic_model.h"

/* What a run has open; released in the order a program would. */
typedef struct holdings {
    smidge_model *model;
    smidge_session *session;
    smidge_prefix *prefix;
    smidge_labels *labels;
    smidge_schema *schema;
} holdings;

static void release(holdings *all)
{
    smidge_schema_free(all->schema);
    smidge_labels_free(all->labels);
    smidge_prefix_free(all->prefix);
    smidge_session_free(all->session);
    smidge_model_close(all->model);
}

static smidge_status answer_twice(holdings *all, smidge_error *error)
{
    const smidge_span spans[] = {engine_span("THE PUMP IS"), engine_span(" 3.1 BAR, WORLD")};
    smidge_classify_result result = {.size = sizeof result};
    SMG_TRY(smidge_classify(all->session, all->labels, spans, 2, NULL, &result, error));
    smidge_generate_options options;
    smidge_generate_options_init(&options);
    options.max_tokens = 4;
    size_t count = 0;
    int32_t ids[64];
    SMG_TRY(smidge_tokenize(all->model, spans, 2, ids, 64, &count, error));
    SMG_TRY(smidge_generate(all->session, spans, 2, &options, NULL, error));
    options.schema = all->schema;
    return smidge_generate(all->session, spans, 2, &options, NULL, error);
}

static smidge_status run(const char *path, const char *lora, holdings *all, smidge_error *error)
{
    static const char *const names[] = {"NORMAL", "NOISY", "HOT", "HOTTER"};
    static const char schema[] = "{\"type\":\"object\",\"properties\":{\"on\":{\"type\":\"boolean\"}}}";
    const smidge_span prefix_span = engine_span("THE PUMP IS");
    smidge_model_options options;
    smidge_model_options_init(&options);
    options.threads = 2;
    options.lora_path = lora;
    smidge_session_options sizes = {.size = sizeof sizes, .context = 128, .batch = 16};
    smidge_model_info info = {.size = sizeof info};
    SMG_TRY(smidge_model_open(path, &options, &all->model, error));
    smidge_model_describe(all->model, &info);
    SMG_TRY(smidge_session_new(all->model, &sizes, &all->session, error));
    SMG_TRY(smidge_prefix_new(all->session, &prefix_span, 1, 0, &all->prefix, error));
    SMG_TRY(smidge_session_set_prefix(all->session, all->prefix, error));
    SMG_TRY(smidge_labels_new(all->model, names, 4, &all->labels, error));
    SMG_TRY(smidge_schema_new(all->model, schema, sizeof schema - 1, &all->schema, error));
    return answer_twice(all, error);
}

static uint64_t fail_everywhere(const char *path, const char *lora)
{
    uint64_t before = smg_alloc_live_blocks();
    for (uint64_t n = 1;; n++) {
        holdings all = {NULL};
        smidge_error error = {.code = SMIDGE_OK};
        smg_alloc_fail_at(n);
        smidge_status status = run(path, lora, &all, &error);
        bool reached = smg_alloc_calls() >= n;
        smg_alloc_fail_at(0);
        if (status == SMIDGE_OK && reached)
            fail_msg("allocation %llu failed and nobody noticed", (unsigned long long)n);
        if (status != SMIDGE_OK &&
            (status != SMIDGE_E_NOMEM || error.code != status || error.message[0] == '\0'))
            fail_msg("allocation %llu failed and gave %s: %s: %s", (unsigned long long)n,
                     smidge_status_name(status), error.where, error.message);
        /* What a failed call leaves is still usable, where there is enough for it. */
        if (all.schema != NULL && status != SMIDGE_OK)
            engine_ok(answer_twice(&all, &error), &error);
        release(&all);
        assert_int_equal(smg_alloc_live_blocks(), before);
        if (!reached)
            return n - 1;
    }
}

static void check_vocabulary(bool bpe, bool adapted)
{
    synthetic_shape shape = {.type = SMG_TYPE_Q4_0,
                             .layers = 1,
                             .width = 64,
                             .heads = 2,
                             .kv_heads = 1,
                             .head_size = 32,
                             .feed_forward = 64,
                             .context = 128,
                             .bpe = bpe,
                             .seed = 2};
    synthetic_file file = synthetic_make(&shape);
    synthetic_file lora = synthetic_adapter(&shape, SMG_TYPE_BF16, 4, 3);
    uint64_t points = fail_everywhere(file.path, adapted ? lora.path : NULL);
    printf("%s%s: %llu allocations were made to fail\n", bpe ? "byte-level BPE" : "SentencePiece",
           adapted ? ", an adapter" : "", (unsigned long long)points);
    assert_true(points >= 20);
    synthetic_free(&lora);
    synthetic_free(&file);
}

static void with_a_sentencepiece_vocabulary(void **state)
{
    (void)state;
    check_vocabulary(false, false);
}

static void with_a_bpe_vocabulary(void **state)
{
    (void)state;
    check_vocabulary(true, false);
}

static void with_an_adapter(void **state)
{
    (void)state;
    check_vocabulary(true, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_a_sentencepiece_vocabulary),
        cmocka_unit_test(with_a_bpe_vocabulary),
        cmocka_unit_test(with_an_adapter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
