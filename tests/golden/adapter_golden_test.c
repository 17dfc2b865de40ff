/* Models with a LoRA adapter against Hugging Face transformers and PEFT: every tiny family, 24 positions each
 * (tests/golden/make_adapters.py), at every CPU path and with 1 to 3 threads; and merged ones against those. */
#include "engine_support.h"

#include <inttypes.h>
#include <unistd.h>

#include "base/alloc.h"
#include "convert/convert.h"
#include "convert/merge_adapter.h"
#include "quant/dequantize.h"
#include "synthetic_model.h"

/* As in families_test, and for the same reasons. */
static const double limits[] = {[SMIDGE_KV_F32] = 2e-5, [SMIDGE_KV_F16] = 1e-2};

/* Merged weights are rounded to F32 once more than what is added while a model runs. Measured: 6e-6. */
#define MERGED_LIMIT 1e-5

/* Of each; phi3-longrope's logits are those of the long factors, which it takes in contexts above 64. */
#define CONTEXT 96

static char merged_path[] = "/tmp/smidge-merged-XXXXXX";

static const char *const models[] = {
    "llama-plain",  "llama-rope3",   "llama-window", "qwen2",  "qwen3",  "phi3",
    "phi3-partial", "phi3-longrope", "gemma",        "gemma2", "gemma3", "gemma3-linear",
};

typedef struct golden {
    int32_t positions;
    int32_t vocabulary;
    int32_t tokens[CONTEXT];
    float *logits;
} golden;

static golden read_golden(const char *name)
{
    char path[64];
    golden read = {0};
    snprintf(path, sizeof path, "tests/golden/%s.lora.logits", name);
    FILE *file = fopen(smg_test_source(path), "rb");
    assert_non_null(file);
    assert_int_equal(fread(&read.positions, sizeof(int32_t), 1, file), 1);
    assert_int_equal(fread(&read.vocabulary, sizeof(int32_t), 1, file), 1);
    assert_in_range(read.positions, 20, CONTEXT);
    assert_in_range(read.vocabulary, 1, 1 << 20);
    const size_t positions = (size_t)read.positions, numbers = positions * (size_t)read.vocabulary;
    read.logits = calloc(numbers, sizeof *read.logits);
    assert_int_equal(fread(read.tokens, sizeof *read.tokens, positions, file), positions);
    assert_int_equal(fread(read.logits, sizeof *read.logits, numbers, file), numbers);
    assert_int_equal(fgetc(file), EOF);
    fclose(file);
    return read;
}

/* The worst position's error relative to its largest logit. */
static double worst_error(smidge_model *model, int32_t kv, const golden *expected)
{
    smidge_session *session = engine_session(model, kv, CONTEXT, expected->positions);
    float *logits = engine_logits_new(model, expected->positions);
    double worst = 0.0;
    assert_int_equal(model->model.shape.vocabulary, expected->vocabulary);
    engine_run_rows(session, expected->tokens, expected->positions, logits);
    for (int32_t i = 0; i < expected->positions; i++) {
        const size_t row = (size_t)i * (size_t)expected->vocabulary;
        worst =
            fmax(worst, engine_relative_error(logits + row, expected->logits + row, expected->vocabulary));
    }
    free(logits);
    smidge_session_free(session);
    return worst;
}

static void check_model(const char *name, int32_t kv)
{
    char path[64], lora[64];
    const char *cpus[ENGINE_STEPS];
    const int steps = engine_cpu_names(cpus);
    golden expected = read_golden(name);
    snprintf(path, sizeof path, "tests/golden/%s.gguf", name);
    snprintf(lora, sizeof lora, "tests/golden/%s.lora.gguf", name);
    for (int i = 0; i < steps; i++) {
        double worst = 0.0;
        for (int32_t threads = 1; threads <= 3; threads++) {
            smidge_model *model =
                engine_open_adapted(smg_test_source(path), smg_test_source(lora), cpus[i], threads);
            worst = fmax(worst, worst_error(model, kv, &expected));
            smidge_model_close(model);
        }
        printf("%s with its adapter, %s KV, %s: worst of %" PRId32 " positions %.1e (limit %.0e)\n", name,
               engine_kv_names[kv], cpus[i], expected.positions, worst, limits[kv]);
        assert_true(worst <= limits[kv]);
    }
    free(expected.logits);
}

static void logits_with_f32_cache(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof models / sizeof *models; i++)
        check_model(models[i], SMIDGE_KV_F32);
}

static void logits_with_f16_cache(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof models / sizeof *models; i++)
        check_model(models[i], SMIDGE_KV_F16);
}

/* ---- What PEFT saves ----------------------------------------------------------------------------------- */

/* Converted, its folders give the very tensors of the adapters above, whose values their types hold. */
static void folders_of_peft(void **state)
{
    (void)state;
    static const struct {
        const char *name, *type;
    } folders[] = {{"llama-plain", "f32"}, {"phi3", "bf16"}};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        char name[64], folder[1024], base[1024];
        smg_gguf made, expected;
        smidge_error error;
        snprintf(name, sizeof name, "tests/golden/peft/%s", folders[i].name);
        snprintf(folder, sizeof folder, "%s", smg_test_source(name));
        snprintf(name, sizeof name, "tests/golden/%s.gguf", folders[i].name);
        snprintf(base, sizeof base, "%s", smg_test_source(name));
        const smg_convert options = {.mix = smg_mix_find(folders[i].type), .threads = 2, .base = base};
        engine_ok(smg_convert_adapter(folder, merged_path, &options, &error), &error);
        snprintf(name, sizeof name, "tests/golden/%s.lora.gguf", folders[i].name);
        engine_ok(smg_gguf_open(merged_path, &made, &error), &error);
        engine_ok(smg_gguf_open(smg_test_source(name), &expected, &error), &error);
        assert_int_equal(made.tensor_count, expected.tensor_count);
        for (uint64_t t = 0; t < expected.tensor_count; t++) {
            const smg_gguf_tensor *tensor = &expected.tensors[t];
            snprintf(name, sizeof name, "%.*s", (int)tensor->name.size, tensor->name.data);
            const smg_gguf_tensor *ours = smg_gguf_find_tensor(&made, name);
            assert_non_null(ours);
            assert_int_equal(ours->bytes, tensor->bytes);
            assert_memory_equal(ours->shape, tensor->shape, sizeof tensor->shape);
            assert_memory_equal(ours->data, tensor->data, (size_t)tensor->bytes);
        }
        float alpha = 0.0F;
        engine_ok(smg_gguf_get_f32(&made, "adapter.lora.alpha", &alpha, NULL, &error), &error);
        assert_true(alpha == 6.0F);
        smg_gguf_close(&made);
        smg_gguf_close(&expected);
    }
}

/* ---- Merging ------------------------------------------------------------------------------------------- */

static int make_place(void **state)
{
    (void)state;
    const int fd = mkstemp(merged_path);
    return fd < 0 ? 1 : close(fd);
}

static int remove_place(void **state)
{
    (void)state;
    return unlink(merged_path);
}

static void merge(const char *base, const char *lora, float scale, const char *type)
{
    smidge_error error;
    const smg_merge options = {.base = base, .adapter = lora, .scale = scale, .type = type, .threads = 2};
    engine_ok(smg_merge_adapter(merged_path, &options, &error), &error);
}

static float *run_all(smidge_model *model, const golden *text)
{
    smidge_session *session = engine_session(model, SMIDGE_KV_F32, CONTEXT, text->positions);
    float *logits = engine_logits_new(model, text->positions);
    engine_run_rows(session, text->tokens, text->positions, logits);
    smidge_session_free(session);
    smidge_model_close(model);
    return logits;
}

static void merged_equals_running(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        char name[64], path[1024], lora[1024];
        golden text = read_golden(models[i]);
        snprintf(name, sizeof name, "tests/golden/%s.gguf", models[i]);
        snprintf(path, sizeof path, "%s", smg_test_source(name));
        snprintf(name, sizeof name, "tests/golden/%s.lora.gguf", models[i]);
        snprintf(lora, sizeof lora, "%s", smg_test_source(name));
        merge(path, lora, 0, NULL);
        float *running = run_all(engine_open_adapted(path, lora, NULL, 2), &text);
        float *merged = run_all(engine_open(merged_path, NULL, 2), &text);
        double worst = 0.0;
        for (int32_t p = 0; p < text.positions; p++) {
            const size_t row = (size_t)p * (size_t)text.vocabulary;
            worst = fmax(worst, engine_relative_error(merged + row, running + row, text.vocabulary));
        }
        printf("%s merged: worst of %" PRId32 " positions %.1e (limit %.0e)\n", models[i], text.positions,
               worst, MERGED_LIMIT);
        assert_true(worst <= MERGED_LIMIT);
        free(running);
        free(merged);
        free(text.logits);
    }
}

/* W + scale * B A in double, of a pair that may be missing. */
static void sum_row(const smg_gguf *lora, const smg_gguf_tensor *w, int64_t row, double scale,
                    double *ret_row)
{
    char name[128];
    float x[512], a[512], b[512];
    const int64_t columns = (int64_t)w->shape[0];
    smg_dequantize_row_of(w->type, w->data, row, x, columns);
    for (int64_t c = 0; c < columns; c++)
        ret_row[c] = (double)x[c];
    snprintf(name, sizeof name, "%.*s.lora_a", (int)w->name.size, w->name.data);
    const smg_gguf_tensor *half = smg_gguf_find_tensor(lora, name);
    name[strlen(name) - 1] = 'b';
    const smg_gguf_tensor *other = smg_gguf_find_tensor(lora, name);
    if (half == NULL)
        return;
    smg_dequantize_row_of(other->type, other->data, row, b, (int64_t)other->shape[0]);
    for (int64_t r = 0; r < (int64_t)half->shape[1]; r++) {
        smg_dequantize_row_of(half->type, half->data, r, a, columns);
        for (int64_t c = 0; c < columns; c++)
            ret_row[c] += scale * (double)b[r] * (double)a[c];
    }
}

/* No element is farther from its sum than half a step of its block, and what is not adapted stays as it is. */
static void check_tensor(const smg_gguf *lora, const smg_gguf_tensor *w, const smg_gguf_tensor *made,
                         double scale)
{
    char name[128];
    snprintf(name, sizeof name, "%.*s.lora_a", (int)w->name.size, w->name.data);
    assert_int_equal(made->type, w->type);
    if (smg_gguf_find_tensor(lora, name) == NULL) {
        assert_memory_equal(made->data, w->data, (size_t)w->bytes);
        return;
    }
    assert_memory_not_equal(made->data, w->data, (size_t)w->bytes);
    for (int64_t row = 0; row < (int64_t)w->shape[1]; row++) {
        double expected[512];
        float got[512];
        sum_row(lora, w, row, scale, expected);
        smg_dequantize_row_of(made->type, made->data, row, got, (int64_t)w->shape[0]);
        for (int64_t c = 0; c < (int64_t)w->shape[0]; c += SMG_QK) {
            double largest = 0.0;
            for (int i = 0; i < SMG_QK; i++)
                largest = fmax(largest, fabs(expected[c + i]));
            /* half a step of the integers, and the step's own rounding to 11 bits, 127 steps away */
            const double limit = largest / 127.0 * (0.5 + 127.0 / 2048.0) + 1e-7;
            for (int i = 0; i < SMG_QK; i++)
                assert_true(fabs((double)got[c + i] - expected[c + i]) <= limit);
        }
    }
}

/* A base in Q8_0 stays one; the sum is taken from its own floats. */
static void merged_in_the_base_s_types(void **state)
{
    (void)state;
    const synthetic_shape shape = {.type = SMG_TYPE_Q8_0,
                                   .layers = 1,
                                   .width = 64,
                                   .heads = 2,
                                   .kv_heads = 1,
                                   .head_size = 32,
                                   .feed_forward = 96,
                                   .context = 64,
                                   .seed = 3};
    synthetic_file base = synthetic_make(&shape);
    synthetic_file lora = synthetic_adapter(&shape, SMG_TYPE_F16, 4, 5);
    smg_gguf files[3];
    smidge_error error;
    merge(base.path, lora.path, 0.75F, NULL);
    const char *const paths[] = {base.path, lora.path, merged_path};
    for (int i = 0; i < 3; i++)
        engine_ok(smg_gguf_open(paths[i], &files[i], &error), &error);
    assert_int_equal(files[2].tensor_count, files[0].tensor_count);
    assert_int_equal(files[2].key_count, files[0].key_count);
    for (uint64_t i = 0; i < files[0].tensor_count; i++)
        check_tensor(&files[1], &files[0].tensors[i], &files[2].tensors[i], 0.75 * 2.0);
    smg_text name = {.data = "", .size = 0};
    assert_int_equal(smg_gguf_get_text(&files[2], "general.name", &name, NULL, &error), SMIDGE_OK);
    assert_memory_equal(name.data, "synthetic + ", 12);
    for (int i = 0; i < 3; i++)
        smg_gguf_close(&files[i]);
    synthetic_free(&base);
    synthetic_free(&lora);
}

/* Another scale gives another file; a type gives its types; the base itself is never touched. */
static void merged_into_a_mix(void **state)
{
    (void)state;
    smg_gguf gguf;
    smidge_error error;
    char path[1024], lora[1024];
    snprintf(path, sizeof path, "%s", smg_test_source("tests/golden/qwen2.gguf"));
    snprintf(lora, sizeof lora, "%s", smg_test_source("tests/golden/qwen2.lora.gguf"));
    merge(path, lora, 0, "q8_0");
    engine_ok(smg_gguf_open(merged_path, &gguf, &error), &error);
    assert_string_equal(smg_gguf_file_type(&gguf), "Q8_0");
    assert_int_equal(smg_gguf_find_tensor(&gguf, "blk.0.attn_q.weight")->type, SMG_TYPE_Q8_0);
    assert_int_equal(smg_gguf_find_tensor(&gguf, "blk.0.attn_norm.weight")->type, SMG_TYPE_F32);
    smg_gguf_close(&gguf);
    const smg_merge unknown = {.base = path, .adapter = lora, .type = "q9_9"};
    assert_int_equal(smg_merge_adapter(merged_path, &unknown, &error), SMIDGE_E_INVALID);
    assert_non_null(strstr(error.message, "is not a type"));
}

/* Each allocation fails in turn: a clean refusal, nothing left behind, and what stood at the place stands there still. */
static void merging_without_memory(void **state)
{
    (void)state;
    smidge_error error;
    char path[1024], lora[1024];
    snprintf(path, sizeof path, "%s", smg_test_source("tests/golden/phi3-partial.gguf"));
    snprintf(lora, sizeof lora, "%s", smg_test_source("tests/golden/phi3-partial.lora.gguf"));
    const smg_merge options = {.base = path, .adapter = lora, .threads = 2};
    const uint64_t before = smg_alloc_live_blocks();
    merge(path, lora, 0, NULL);
    uint64_t points = 0;
    for (uint64_t n = 1;; n++) {
        smg_alloc_fail_at(n);
        const smidge_status status = smg_merge_adapter(merged_path, &options, &error);
        const bool reached = smg_alloc_calls() >= n;
        smg_alloc_fail_at(0);
        assert_int_equal(smg_alloc_live_blocks(), before);
        smg_gguf whole;
        engine_ok(smg_gguf_open(merged_path, &whole, &error), &error);
        smg_gguf_close(&whole);
        if (!reached) {
            assert_int_equal(status, SMIDGE_OK);
            break;
        }
        assert_int_equal(status, SMIDGE_E_NOMEM);
        points++;
    }
    assert_true(points >= 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logits_with_f32_cache),
        cmocka_unit_test(logits_with_f16_cache),
        cmocka_unit_test(folders_of_peft),
        cmocka_unit_test(merged_equals_running),
        cmocka_unit_test(merged_in_the_base_s_types),
        cmocka_unit_test(merged_into_a_mix),
        cmocka_unit_test(merging_without_memory),
    };
    return cmocka_run_group_tests(tests, make_place, remove_place);
}
