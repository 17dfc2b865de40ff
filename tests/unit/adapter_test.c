/* LoRA adapters that do not fit, are damaged, or say what is not applied: one clear refusal each, and nothing left behind; and
 * what a model with an adapter says of itself. */
#include "engine_support.h"
#include "synthetic_model.h"

#include "base/alloc.h"
#include "smidge/tools.h"

#define SHAPE(...) ((const uint64_t[]){__VA_ARGS__})

enum { WIDTH = 64, KEYS = 32, RANK = 4 };

/* What is different about an adapter for synthetic_small(). */
typedef struct variant {
    const char *architecture, *kind, *type;
    float alpha, temperature; /* 0: no key */
    bool alora;
    const char *matrix;
    smg_type element;
    uint64_t a_rows, a_columns, b_rows, b_columns; /* 0: as they must be */
    const char *a_ending, *b_ending;               /* NULL: the usual ones; "": the tensor is not there */
    const char *stranger;                          /* a tensor besides; NULL: none */
} variant;

static void put_half(gguf_builder *b, const char *matrix, const char *ending, smg_type type, uint64_t columns,
                     uint64_t rows)
{
    char name[128];
    if (ending[0] == '\0')
        return;
    snprintf(name, sizeof name, "%s%s", matrix, ending);
    gguf_add_tensor(b, name, type, 2, SHAPE(columns, rows), NULL,
                    (size_t)(smg_type_row_bytes(type, columns) * rows));
}

static synthetic_file build(const variant *v)
{
    const char *matrix = v->matrix != NULL ? v->matrix : "blk.1.attn_k.weight";
    const smg_type type = v->element;
    gguf_builder b;
    gguf_begin(&b, 3);
    gguf_add_str(&b, "general.architecture", v->architecture != NULL ? v->architecture : "llama");
    gguf_add_str(&b, "general.type", v->kind != NULL ? v->kind : "adapter");
    gguf_add_str(&b, "adapter.type", v->type != NULL ? v->type : "lora");
    if (v->alpha != 0.0F)
        gguf_add_f32(&b, "adapter.lora.alpha", v->alpha);
    if (v->temperature != 0.0F)
        gguf_add_f32(&b, SMG_ADAPTER_TEMPERATURE, v->temperature);
    if (v->alora)
        gguf_add_array_u32(&b, "adapter.alora.invocation_tokens", (const uint32_t[]){5}, 1);
    put_half(&b, matrix, v->a_ending != NULL ? v->a_ending : ".lora_a", type,
             v->a_columns > 0 ? v->a_columns : WIDTH, v->a_rows > 0 ? v->a_rows : RANK);
    put_half(&b, matrix, v->b_ending != NULL ? v->b_ending : ".lora_b", type,
             v->b_columns > 0 ? v->b_columns : RANK, v->b_rows > 0 ? v->b_rows : KEYS);
    if (v->stranger != NULL)
        put_half(&b, v->stranger, ".weight", SMG_TYPE_F32, WIDTH, 1);
    return synthetic_store(&b, "adapter.gguf");
}

static smidge_status open_with(const char *path, const char *lora, float scale, smidge_model **ret_model,
                               smidge_error *error)
{
    smidge_model_options options;
    smidge_model_options_init(&options);
    options.threads = 1;
    options.lora_path = lora;
    options.lora_scale = scale;
    return smidge_model_open(path, &options, ret_model, error);
}

static void refused(const variant *v, smidge_status expected, const char *why)
{
    synthetic_file base = synthetic_small(64), lora = build(v);
    const uint64_t before = smg_alloc_live_blocks();
    smidge_model *model = NULL;
    smidge_error error = {.message = ""};
    const smidge_status status = open_with(base.path, lora.path, 0, &model, &error);
    if (status != expected || strstr(error.message, why) == NULL || strchr(error.message, '(') == NULL)
        fail_msg("%s: %s: %s, and not: %s", smidge_status_name(status), error.where, error.message, why);
    assert_null(model);
    assert_int_equal(smg_alloc_live_blocks(), before);
    synthetic_free(&base);
    synthetic_free(&lora);
}

static void others_adapters_are_refused(void **state)
{
    (void)state;
    refused(&(variant){.kind = "model"}, SMIDGE_E_INVALID, "is not a LoRA adapter");
    refused(&(variant){.type = "control_vector"}, SMIDGE_E_UNSUPPORTED, "of the type \"control_vector\"");
    refused(&(variant){.alora = true}, SMIDGE_E_UNSUPPORTED, "is an activated LoRA");
    refused(&(variant){.architecture = "qwen2"}, SMIDGE_E_INVALID, "of the family \"qwen2\"");
    refused(&(variant){.matrix = "blk.2.attn_k.weight"}, SMIDGE_E_INVALID, "does not have");
    refused(&(variant){.a_columns = 2 * WIDTH}, SMIDGE_E_INVALID,
            "adapts blk.1.attn_k.weight of 128 x 32, which in");
    refused(&(variant){.b_rows = WIDTH}, SMIDGE_E_INVALID, "of 64 x 64, which in");
}

static void what_is_not_applied_is_named(void **state)
{
    (void)state;
    refused(&(variant){.matrix = "token_embd.weight"}, SMIDGE_E_UNSUPPORTED, "adapts the embedding");
    refused(&(variant){.matrix = "output_norm.weight"}, SMIDGE_E_UNSUPPORTED,
            "output_norm.weight, which is no matrix");
    refused(&(variant){.stranger = "blk.0.attn_norm"}, SMIDGE_E_UNSUPPORTED,
            "tensor blk.0.attn_norm.weight is none of a LoRA pair");
    refused(&(variant){.element = SMG_TYPE_Q4_0, .b_columns = 32, .a_rows = 32}, SMIDGE_E_UNSUPPORTED,
            "is Q4_0 (an adapter is");
    refused(&(variant){.a_rows = 1025, .b_columns = 1025}, SMIDGE_E_UNSUPPORTED, "and 1024 is the most");
}

static void damage_is_told(void **state)
{
    (void)state;
    refused(&(variant){.b_ending = ""}, SMIDGE_E_FORMAT, "has no tensor blk.1.attn_k.weight.lora_b");
    refused(&(variant){.a_ending = ""}, SMIDGE_E_UNSUPPORTED, "attn_k.weight.lora_b is none of a LoRA pair");
    refused(&(variant){.a_ending = "", .b_ending = ""}, SMIDGE_E_FORMAT, "adapts nothing");
    refused(&(variant){.b_columns = RANK + 1}, SMIDGE_E_FORMAT, "has rank 4 in");
    refused(&(variant){.alpha = -1}, SMIDGE_E_FORMAT, "has an alpha of -1");
    refused(&(variant){.alpha = INFINITY}, SMIDGE_E_FORMAT, "is not a finite number");
    refused(&(variant){.temperature = -0.5F}, SMIDGE_E_FORMAT, "has a temperature of -0.5");
}

/* Every length that is too short, and each byte of header changed: refused or sound, and nothing left behind. */
static void any_bytes(void **state)
{
    (void)state;
    synthetic_file base = synthetic_small(64), lora = build(&(variant){.alpha = 8});
    smg_gguf model, whole;
    assert_int_equal(smg_gguf_open(base.path, &model, NULL), SMIDGE_OK);
    assert_int_equal(smg_gguf_open(lora.path, &whole, NULL), SMIDGE_OK);
    const size_t size = (size_t)whole.file.size, header = (size_t)whole.data_offset;
    uint8_t *bytes = malloc(size);
    assert_non_null(bytes);
    const uint64_t before = smg_alloc_live_blocks();
    uint64_t random = 3;
    for (size_t i = 0; i < 2 * header; i++) {
        smg_gguf file;
        smg_adapter adapter;
        memcpy(bytes, whole.file.data, size);
        if (i >= header)
            bytes[i - header] ^= (uint8_t)(1 + smg_test_random(&random) % 255);
        if (smg_gguf_parse(bytes, i < header ? i : size, "lora", &file, NULL) != SMIDGE_OK)
            continue;
        if (smg_adapter_read(&file, &model, 1.0F, &adapter, NULL) == SMIDGE_OK)
            smg_adapter_done(&adapter);
        smg_gguf_close(&file);
        assert_int_equal(smg_alloc_live_blocks(), before);
    }
    free(bytes);
    smg_gguf_close(&whole);
    smg_gguf_close(&model);
    synthetic_free(&base);
    synthetic_free(&lora);
}

static void id_of(const char *path, const char *lora, float scale, char ret_id[17])
{
    smidge_model *model = NULL;
    smidge_error error;
    engine_ok(open_with(path, lora, scale, &model, &error), &error);
    smidge_model_id(model, ret_id);
    smidge_model_close(model);
}

/* Without, with one, with another, with more of it; a scale of 0 is 1. */
static void ids_tell_adapters_apart(void **state)
{
    (void)state;
    synthetic_file base = synthetic_small(64), one = build(&(variant){.alpha = 8}),
                   other = build(&(variant){.alpha = 9});
    char ids[5][17], again[17];
    id_of(base.path, NULL, 0, ids[0]);
    id_of(base.path, one.path, 0, ids[1]);
    id_of(base.path, other.path, 0, ids[2]);
    id_of(base.path, one.path, 0.5F, ids[3]);
    id_of(base.path, one.path, -1.0F, ids[4]);
    id_of(base.path, one.path, 1.0F, again);
    assert_string_equal(again, ids[1]);
    for (int i = 0; i < 5; i++) {
        for (int j = 0; j < i; j++)
            assert_string_not_equal(ids[i], ids[j]);
    }
    synthetic_free(&base);
    synthetic_free(&one);
    synthetic_free(&other);
}

/* A prefix that was saved without the adapter, or with another, is not taken; one that was saved with it is. */
static void saved_prefixes_belong_to_an_adapter(void **state)
{
    (void)state;
    char path[] = "/tmp/smidge-adapter-XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    synthetic_file base = synthetic_small(64);
    synthetic_file lora = build(&(variant){.alpha = 8}), other = build(&(variant){.alpha = 9});
    const char *const loras[] = {lora.path, NULL, other.path};
    const smidge_span span = engine_span("THE PUMP IS");
    smidge_error error;
    for (int i = 0; i < 4; i++) {
        smidge_model *model = engine_open_adapted(base.path, loras[i % 3], NULL, 1);
        smidge_prefix *prefix = NULL;
        if (i == 0) {
            smidge_session *session = engine_session(model, SMIDGE_KV_F16, 32, 8);
            engine_ok(smidge_prefix_new(session, &span, 1, 0, &prefix, &error), &error);
            engine_ok(smidge_prefix_save(prefix, path, &error), &error);
            smidge_session_free(session);
        } else {
            const smidge_status status = smidge_prefix_load(model, path, &prefix, &error);
            assert_int_equal(status, i == 3 ? SMIDGE_OK : SMIDGE_E_INVALID);
            assert_true(status == SMIDGE_OK || strstr(error.message, "was saved") != NULL);
        }
        smidge_prefix_free(prefix);
        smidge_model_close(model);
    }
    unlink(path);
    synthetic_free(&base);
    synthetic_free(&lora);
    synthetic_free(&other);
}

static uint64_t need_of(const char *path, const char *lora)
{
    smidge_model *model = engine_open_adapted(path, lora, NULL, 1);
    smg_memory_need need;
    smidge_error error;
    engine_ok(smg_session_need(model, NULL, &need, &error), &error);
    const uint64_t bytes = need.weights;
    smidge_model_close(model);
    return bytes;
}

/* The file and the turned copy of B are counted, and refused where they do not fit. */
static void its_bytes_are_counted(void **state)
{
    (void)state;
    synthetic_file base = synthetic_small(64), lora = build(&(variant){.alpha = 8});
    smg_gguf file;
    assert_int_equal(smg_gguf_open(lora.path, &file, NULL), SMIDGE_OK);
    const uint64_t more = need_of(base.path, lora.path) - need_of(base.path, NULL);
    assert_true(more >= file.file.size + sizeof(float) * RANK * KEYS);
    assert_true(more < file.file.size + sizeof(float) * RANK * KEYS + 4096);
    smg_gguf_close(&file);
    synthetic_free(&base);
    synthetic_free(&lora);
}

/* Without alpha the caller's scale alone counts. */
static void scales(void **state)
{
    (void)state;
    synthetic_file base = synthetic_small(64);
    const variant wanted[] = {{.alpha = 8}, {.alpha = 0}, {.alpha = 8, .element = SMG_TYPE_F16}};
    const float scales[] = {8.0F / RANK, 1.0F, 8.0F / RANK};
    for (int i = 0; i < 3; i++) {
        synthetic_file lora = build(&wanted[i]);
        smidge_model *model = engine_open_adapted(base.path, lora.path, NULL, 1);
        assert_int_equal(model->adapter.count, 1);
        assert_true(model->adapter.pairs[0].scale == scales[i]);
        assert_true(model->adapter.temperature == 0.0F && model->temperature == 1.0F);
        assert_int_equal(model->model.weights.lora_ranks, RANK);
        assert_non_null(model->model.weights.layers[1].k.lora);
        assert_null(model->model.weights.layers[0].k.lora);
        assert_null(model->model.weights.layers[1].q.lora);
        smidge_model_close(model);
        synthetic_free(&lora);
    }
    synthetic_file lora = build(&(variant){.temperature = 1.75F});
    smidge_model *model = engine_open_adapted(base.path, lora.path, NULL, 1);
    assert_true(model->adapter.temperature == 1.75F && model->temperature == 1.75F);
    smidge_model_close(model);
    smidge_error error;
    smidge_status status = open_with(base.path, lora.path, NAN, &model, &error);
    assert_int_equal(status, SMIDGE_E_INVALID);
    status = open_with(base.path, "/nowhere/lora.gguf", 0, &model, &error);
    assert_int_equal(status, SMIDGE_E_IO);
    synthetic_free(&lora);
    synthetic_free(&base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(others_adapters_are_refused),
        cmocka_unit_test(what_is_not_applied_is_named),
        cmocka_unit_test(damage_is_told),
        cmocka_unit_test(any_bytes),
        cmocka_unit_test(ids_tell_adapters_apart),
        cmocka_unit_test(saved_prefixes_belong_to_an_adapter),
        cmocka_unit_test(its_bytes_are_counted),
        cmocka_unit_test(scales),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
