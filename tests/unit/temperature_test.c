/* The temperature of labels: what it makes of probabilities, where it may stand, and how it comes into a file. */
#include "engine_support.h"
#include "synthetic_model.h"

#include <fcntl.h>

#include "base/alloc.h"
#include "convert/merge_adapter.h"
#include "convert/store_temperature.h"
#include "smidge/tools.h"

enum { LABELS = 4, READINGS = 5 };

static const char *const names[LABELS] = {"ON", "OFF", "UNKNOWN", "HIGH"};
static const char *const texts[READINGS] = {"The pump is ", "12.5 bar, so ", "x", "ON OFF ON ", "80 C: "};

typedef struct answer {
    int32_t answer, label;
    double confidence, mass, cut;
    double probabilities[LABELS];
} answer;

static char folder[] = "/tmp/temperature_test.XXXXXX";

static const char *in_folder(const char *name, char room[128])
{
    snprintf(room, 128, "%s/%s", folder, name);
    return room;
}

static answer to_answer(const smidge_classify_result *result)
{
    answer copy = {.answer = result->answer,
                   .label = result->label,
                   .confidence = result->confidence,
                   .mass = result->label_mass,
                   .cut = result->cut_share};
    memcpy(copy.probabilities, result->probabilities, sizeof copy.probabilities);
    return copy;
}

/* All readings, alone and together, which is the same. */
static void ask(const char *path, const char *lora, double min_confidence, answer ret_answers[READINGS])
{
    smidge_model *model = engine_open_adapted(path, lora, NULL, 1);
    smidge_session *session = engine_session(model, SMIDGE_KV_F16, 0, 0);
    smidge_labels *labels = NULL;
    smidge_error error;
    engine_ok(smidge_labels_new(model, names, LABELS, &labels, &error), &error);
    smidge_classify_options options;
    smidge_classify_options_init(&options);
    options.min_confidence = min_confidence;
    options.label_mass = 1;
    smidge_span spans[READINGS];
    smidge_prompt prompts[READINGS];
    smidge_classify_result results[READINGS];
    double rows[READINGS][LABELS];
    for (int i = 0; i < READINGS; i++) {
        double row[LABELS];
        smidge_classify_result result = {.size = sizeof result, .probabilities = row};
        spans[i] = engine_span(texts[i]);
        prompts[i] = (smidge_prompt){&spans[i], 1};
        results[i] = (smidge_classify_result){.size = sizeof result, .probabilities = rows[i]};
        engine_ok(smidge_classify(session, labels, &spans[i], 1, &options, &result, &error), &error);
        ret_answers[i] = to_answer(&result);
    }
    engine_ok(smidge_classify_batch(session, labels, prompts, READINGS, &options, results, NULL, &error),
              &error);
    for (int i = 0; i < READINGS; i++) {
        const answer together = to_answer(&results[i]);
        assert_memory_equal(&together, &ret_answers[i], sizeof together);
    }
    smidge_labels_free(labels);
    smidge_session_free(session);
    smidge_model_close(model);
}

static void stored(const char *from, float temperature, const char *to)
{
    smidge_error error;
    engine_ok(smg_store_temperature(from, to, temperature, &error), &error);
}

/* p^(1/T), summing to 1; everything else is as it was. */
static void follows(const answer *plain, const answer *tempered, double temperature)
{
    double sum = 0.0;
    for (int c = 0; c < LABELS; c++)
        sum += pow(plain->probabilities[c], 1.0 / temperature);
    for (int c = 0; c < LABELS; c++) {
        const double wanted = pow(plain->probabilities[c], 1.0 / temperature) / sum;
        assert_true(fabs(tempered->probabilities[c] - wanted) < 1e-12);
    }
    assert_int_equal(tempered->label, plain->label);
    assert_true(tempered->confidence == tempered->probabilities[plain->label]);
    assert_true(tempered->mass == plain->mass && tempered->cut == plain->cut);
}

static void probabilities_follow_the_formula(void **state)
{
    (void)state;
    static const float temperatures[] = {2.0F, 0.5F, 1.0F, 7.25F};
    synthetic_file base = synthetic_small(64);
    char path[128];
    answer plain[READINGS], tempered[READINGS];
    ask(base.path, NULL, 0.0, plain);
    for (size_t t = 0; t < sizeof temperatures / sizeof *temperatures; t++) {
        stored(base.path, temperatures[t], in_folder("model.gguf", path));
        ask(path, NULL, 0.0, tempered);
        for (int i = 0; i < READINGS; i++) {
            follows(&plain[i], &tempered[i], (double)temperatures[t]);
            if (temperatures[t] == 1.0F)
                assert_memory_equal(&tempered[i], &plain[i], sizeof *plain);
        }
    }
    /* what is flat enough is not sure enough, and what is sharp enough is */
    const double between = (plain[0].confidence + tempered[0].confidence) / 2;
    assert_true(tempered[0].confidence < plain[0].confidence);
    ask(base.path, NULL, between, plain);
    ask(path, NULL, between, tempered);
    assert_int_equal(plain[0].answer, SMIDGE_ANSWER_OK);
    assert_int_equal(tempered[0].answer, SMIDGE_ANSWER_ABSTAIN);
    assert_int_equal(tempered[0].label, plain[0].label);
    unlink(path);
    synthetic_free(&base);
}

/* As synthetic_small() has them. */
static const synthetic_shape small = {.type = SMG_TYPE_F32,
                                      .layers = 2,
                                      .width = 64,
                                      .heads = 4,
                                      .kv_heads = 2,
                                      .head_size = 16,
                                      .feed_forward = 128,
                                      .context = 64,
                                      .seed = 1};

static float in_use(const char *path, const char *lora)
{
    smidge_model *model = engine_open_adapted(path, lora, NULL, 1);
    smidge_model_info info = {.size = sizeof info};
    smidge_model_describe(model, &info);
    smidge_model_close(model);
    return info.temperature;
}

/* The adapter's own, or without one the model's; merged, it goes along. */
static void whose_it_is(void **state)
{
    (void)state;
    synthetic_file base = synthetic_make(&small), lora = synthetic_adapter(&small, SMG_TYPE_F32, 4, 3);
    char warm[128], own[128], merged[128];
    stored(base.path, 3.0F, in_folder("warm.gguf", warm));
    stored(lora.path, 0.5F, in_folder("own.gguf", own));
    assert_true(in_use(base.path, NULL) == 1.0F && in_use(base.path, lora.path) == 1.0F);
    assert_true(in_use(warm, NULL) == 3.0F && in_use(warm, lora.path) == 3.0F);
    assert_true(in_use(base.path, own) == 0.5F && in_use(warm, own) == 0.5F);
    smidge_error error;
    smg_merge merge = {.base = warm, .adapter = own, .threads = 1};
    engine_ok(smg_merge_adapter(in_folder("merged.gguf", merged), &merge, &error), &error);
    assert_true(in_use(merged, NULL) == 0.5F);
    merge.adapter = lora.path;
    engine_ok(smg_merge_adapter(merged, &merge, &error), &error);
    assert_true(in_use(merged, NULL) == 3.0F);
    merge.base = base.path;
    engine_ok(smg_merge_adapter(merged, &merge, &error), &error);
    smg_gguf file;
    engine_ok(smg_gguf_open(merged, &file, &error), &error);
    assert_null(smg_gguf_find(&file, SMG_ADAPTER_TEMPERATURE));
    smg_gguf_close(&file);
    unlink(warm);
    unlink(own);
    unlink(merged);
    synthetic_free(&base);
    synthetic_free(&lora);
}

/* Puts another number where a file has its temperature. */
static void damage(const char *path, float value)
{
    smg_gguf gguf;
    smidge_error error;
    engine_ok(smg_gguf_open(path, &gguf, &error), &error);
    const smg_gguf_key *key = smg_gguf_find(&gguf, SMG_ADAPTER_TEMPERATURE);
    assert_non_null(key);
    const off_t at = (off_t)(key->value - gguf.file.data);
    smg_gguf_close(&gguf);
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, &value, sizeof value, at), sizeof value);
    close(fd);
}

/* A model whose own temperature is none is refused as an adapter is, and none is ever stored. */
static void what_is_none_is_refused(void **state)
{
    (void)state;
    static const float bad[] = {0.0F, -1.0F, NAN, INFINITY};
    synthetic_file base = synthetic_small(64);
    char path[128], fresh[128];
    stored(base.path, 2.0F, in_folder("model.gguf", path));
    const uint64_t before = smg_alloc_live_blocks();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        smidge_error error = {.message = ""};
        smidge_model *model = NULL;
        smidge_file *file = NULL;
        damage(path, bad[i]);
        smidge_status status = smidge_model_open(path, NULL, &model, &error);
        assert_int_equal(status, SMIDGE_E_FORMAT);
        assert_non_null(strstr(error.message, isfinite(bad[i]) ? "must be above 0" : "not a finite number"));
        assert_null(model);
        engine_ok(smidge_file_open(path, &file, &error), &error);
        assert_int_equal(smidge_file_check(file, &error), SMIDGE_E_FORMAT);
        smidge_file_close(file);
        assert_int_equal(smg_alloc_live_blocks(), before);
        status = smg_store_temperature(base.path, in_folder("none.gguf", fresh), bad[i], &error);
        assert_int_equal(status, SMIDGE_E_INVALID);
        assert_int_equal(access(fresh, F_OK), -1);
    }
    unlink(path);
    synthetic_free(&base);
}

/* ---- The file ------------------------------------------------------------------------------------------- */

/* Everything but the one key is the same, in the same order. */
static void same_but_for_it(const char *before, const char *after, float temperature)
{
    smg_gguf a, b;
    smidge_error error;
    engine_ok(smg_gguf_open(before, &a, &error), &error);
    engine_ok(smg_gguf_open(after, &b, &error), &error);
    float found = 0.0F;
    engine_ok(smg_gguf_get_f32(&b, SMG_ADAPTER_TEMPERATURE, &found, NULL, &error), &error);
    assert_true(found == temperature);
    const smg_gguf_key *old = smg_gguf_find(&a, SMG_ADAPTER_TEMPERATURE);
    assert_int_equal(b.key_count, a.key_count + (old == NULL));
    for (uint64_t i = 0; i < a.key_count; i++) {
        const smg_gguf_key *x = &a.keys[i], *y = &b.keys[i];
        assert_int_equal(x->name.size, y->name.size);
        assert_memory_equal(x->name.data, y->name.data, x->name.size);
        if (x == old)
            continue;
        assert_int_equal(x->type, y->type);
        assert_int_equal(x->element_type, y->element_type);
        assert_int_equal(x->value_bytes, y->value_bytes);
        assert_memory_equal(x->value, y->value, x->value_bytes);
    }
    assert_int_equal(a.alignment, b.alignment);
    assert_int_equal(a.tensor_count, b.tensor_count);
    for (uint64_t i = 0; i < a.tensor_count; i++) {
        const smg_gguf_tensor *x = &a.tensors[i], *y = &b.tensors[i];
        assert_memory_equal(x->name.data, y->name.data, x->name.size);
        assert_int_equal(x->type, y->type);
        assert_int_equal(x->dims, y->dims);
        assert_memory_equal(x->shape, y->shape, sizeof x->shape);
        assert_memory_equal(x->data, y->data, x->bytes);
    }
    smg_gguf_close(&a);
    smg_gguf_close(&b);
}

static void all_else_is_copied(void **state)
{
    (void)state;
    gguf_builder b;
    uint8_t values[3 * 64];
    char once[128], twice[128];
    for (size_t i = 0; i < sizeof values; i++)
        values[i] = (uint8_t)(7 * i);
    gguf_begin(&b, 3);
    gguf_add_str(&b, "general.architecture", "llama");
    gguf_add_u32(&b, "general.alignment", 64);
    b.alignment = 64;
    gguf_add_f32(&b, SMG_ADAPTER_TEMPERATURE, 4.0F);
    gguf_add_array_str(&b, "words", (const char *const[]){"a", "", "\xff"}, 3);
    gguf_add_array_u32(&b, "numbers", (const uint32_t[]){5, 0}, 2);
    gguf_add_tensor(&b, "one", SMG_TYPE_F32, 1, (const uint64_t[]){3}, values, 12);
    gguf_add_tensor(&b, "two", SMG_TYPE_F16, 2, (const uint64_t[]){3, 5}, values + 12, 30);
    synthetic_file file = synthetic_store(&b, "odd.gguf");
    synthetic_file model = synthetic_small(64);
    stored(file.path, 1.5F, in_folder("once.gguf", once));
    same_but_for_it(file.path, once, 1.5F);
    stored(once, 2.5F, once); /* onto itself */
    same_but_for_it(file.path, once, 2.5F);
    stored(model.path, 0.75F, in_folder("twice.gguf", twice));
    same_but_for_it(model.path, twice, 0.75F);
    smidge_error error;
    const smidge_status status = smg_store_temperature(once, "/nowhere/x.gguf", 1.0F, &error);
    assert_int_equal(status, SMIDGE_E_IO);
    unlink(once);
    unlink(twice);
    synthetic_free(&file);
    synthetic_free(&model);
}

/* Whichever allocation fails: nothing is left behind, and what was there stays. */
static void memory_fails(void **state)
{
    (void)state;
    synthetic_file model = synthetic_small(64);
    char path[128];
    smidge_error error;
    stored(model.path, 3.0F, in_folder("kept.gguf", path));
    const uint64_t before = smg_alloc_live_blocks();
    smidge_status status = SMIDGE_E_NOMEM;
    int failures = 0;
    for (uint64_t n = 1; status != SMIDGE_OK && n < 1000; n++) {
        smg_alloc_fail_at(n);
        status = smg_store_temperature(path, path, 2.0F, &error);
        smg_alloc_fail_at(0);
        assert_int_equal(smg_alloc_live_blocks(), before);
        if (status == SMIDGE_OK)
            break;
        assert_int_equal(status, SMIDGE_E_NOMEM);
        assert_true(in_use(path, NULL) == 3.0F);
        failures++;
    }
    assert_true(failures > 2 && in_use(path, NULL) == 2.0F);
    unlink(path);
    synthetic_free(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(probabilities_follow_the_formula),
        cmocka_unit_test(whose_it_is),
        cmocka_unit_test(what_is_none_is_refused),
        cmocka_unit_test(all_else_is_copied),
        cmocka_unit_test(memory_fails),
    };
    if (mkdtemp(folder) == NULL)
        return 1;
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return rmdir(folder) != 0 ? 1 : failed; /* fails when something was left behind */
}
