/* smidge convert against the golden models. Their tensors came from transformers under the gguf package's names; here they go
 * back into Hugging Face's names and order, beside the config.json that transformers saved (make_hf_folders.py, which also does
 * the same with transformers' own folders), and what convert makes of that is the golden file again. A folder of each model in
 * each type would take megabytes in the tree, and would hold nothing that is not in the golden files. */
#include "engine_support.h"

#include "format/gguf.h"
#include "hf_builder.h"
#include "kernels/half.h"
#include "quant/dequantize.h"
#include "smidge/tools.h"

#define MAX_TENSORS 128

static const char *const models[] = {"llama-plain", "llama-rope3", "llama-window", "qwen2",
                                     "qwen3",       "phi3",        "phi3-partial", "phi3-longrope",
                                     "gemma",       "gemma2",      "gemma3",       "gemma3-linear"};

typedef struct source {
    smg_gguf gguf;
    char architecture[16];
    hf_tensor tensors[MAX_TENSORS];
    size_t count;
    char folder[64];
} source;

/* ---- The way back ------------------------------------------------------------------------------------- */

static void hf_name(const source *s, const char *name, char ret[128])
{
    static const char *const names[][2] = {
        {"attn_norm", "input_layernorm"},
        {"attn_q", "self_attn.q_proj"},
        {"attn_k", "self_attn.k_proj"},
        {"attn_v", "self_attn.v_proj"},
        {"attn_output", "self_attn.o_proj"},
        {"attn_qkv", "self_attn.qkv_proj"},
        {"attn_q_norm", "self_attn.q_norm"},
        {"attn_k_norm", "self_attn.k_norm"},
        {"ffn_gate", "mlp.gate_proj"},
        {"ffn_down", "mlp.down_proj"},
        {"post_attention_norm", "post_attention_layernorm"},
        {"post_ffw_norm", "post_feedforward_layernorm"},
    };
    const bool deep = strcmp(s->architecture, "gemma2") == 0 || strcmp(s->architecture, "gemma3") == 0;
    const bool phi = strcmp(s->architecture, "phi3") == 0;
    int layer = 0;
    char middle[64], ending[16];
    if (strcmp(name, "token_embd.weight") == 0) {
        snprintf(ret, 128, "model.embed_tokens.weight");
    } else if (strcmp(name, "output_norm.weight") == 0) {
        snprintf(ret, 128, "model.norm.weight");
    } else if (strcmp(name, "output.weight") == 0) {
        snprintf(ret, 128, "lm_head.weight");
    } else {
        assert_int_equal(sscanf(name, "blk.%d.%63[^.].%15s", &layer, middle, ending), 3);
        const char *found = NULL;
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            if (strcmp(middle, names[i][0]) == 0)
                found = names[i][1];
        }
        if (strcmp(middle, "ffn_norm") == 0)
            found = deep ? "pre_feedforward_layernorm" : "post_attention_layernorm";
        if (strcmp(middle, "ffn_up") == 0)
            found = phi ? "mlp.gate_up_proj" : "mlp.up_proj";
        assert_non_null(found);
        snprintf(ret, 128, "model.layers.%d.%s.%s", layer, found, ending);
    }
}

static uint32_t number(const source *s, const char *ending)
{
    char name[64];
    uint32_t value = 0;
    snprintf(name, sizeof name, "%s.%s", s->architecture, ending);
    assert_int_equal(smg_gguf_get_u32(&s->gguf, name, &value, NULL, NULL), SMIDGE_OK);
    return value;
}

/* Neighbours in a head become its two halves again: what Llama's rows were before. */
static void rotate_back(float *values, uint64_t rows, uint64_t columns, uint64_t heads)
{
    const uint64_t head = rows / heads;
    float *copy = malloc(rows * columns * sizeof *copy);
    for (uint64_t row = 0; row < rows; row++) {
        const uint64_t inside = row % head;
        const uint64_t to = row - inside + inside % 2 * (head / 2) + inside / 2;
        memcpy(copy + to * columns, values + row * columns, columns * sizeof *copy);
    }
    memcpy(values, copy, rows * columns * sizeof *copy);
    free(copy);
}

static void store(hf_tensor *t, float *values, size_t count, const char *dtype)
{
    t->dtype = dtype;
    t->data = values;
    t->bytes = count * sizeof *values;
    if (strcmp(dtype, "F32") == 0)
        return;
    uint16_t *halves = malloc(count * sizeof *halves);
    for (size_t i = 0; i < count; i++) {
        const uint32_t bits = smg_float_bits(values[i]);
        /* to the nearest, ties to even, as torch rounds */
        halves[i] = strcmp(dtype, "F16") == 0 ? smg_half_from_float(values[i])
                                              : (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
    }
    free(values);
    t->data = halves;
    t->bytes = count * sizeof *halves;
}

static void add_tensor(source *s, const smg_gguf_tensor *from, const char *dtype)
{
    char name[128];
    snprintf(name, sizeof name, "%.*s", (int)from->name.size, from->name.data);
    if (strncmp(name, "rope_f", 6) == 0)
        return; /* those are numbers in config.json */
    hf_tensor *t = &s->tensors[s->count++];
    const size_t count = (size_t)(from->bytes / sizeof(float));
    float *values = malloc(from->bytes);
    memcpy(values, from->data, from->bytes);
    hf_name(s, name, t->name);
    const bool llama = strcmp(s->architecture, "llama") == 0;
    if (llama && strstr(name, "attn_q.") != NULL)
        rotate_back(values, from->shape[1], from->shape[0], number(s, "attention.head_count"));
    if (llama && strstr(name, "attn_k.") != NULL)
        rotate_back(values, from->shape[1], from->shape[0], number(s, "attention.head_count_kv"));
    if (strncmp(s->architecture, "gemma", 5) == 0 && strstr(name, "norm.weight") != NULL) {
        for (size_t i = 0; i < count; i++)
            values[i] -= 1.0F;
    }
    t->dims = (int)from->dims;
    t->shape[0] = from->dims == 2 ? from->shape[1] : from->shape[0];
    t->shape[1] = from->shape[0];
    store(t, values, count, dtype);
}

/* The golden vocabulary as BPE of letters that falls back to bytes. */
static void write_tokenizer(const source *s)
{
    const smg_gguf_key *tokens = smg_gguf_find(&s->gguf, "tokenizer.ggml.tokens");
    char *json = NULL;
    size_t size;
    FILE *text = open_memstream(&json, &size);
    uint64_t position = 0;
    smg_text token;
    fprintf(
        text,
        "{\"model\":{\"type\":\"BPE\",\"byte_fallback\":true,\"unk_token\":\"<unk>\",\"merges\":[],\"vocab\":{");
    for (int i = 0; smg_gguf_next_text(tokens, &position, &token); i++)
        fprintf(text, "%s\"%.*s\":%d", i > 0 ? "," : "", (int)token.size, token.data, i);
    fprintf(text, "}}}");
    fclose(text);
    hf_write(s->folder, "tokenizer.json", json, size);
    free(json);
}

static void write_shards(const source *s)
{
    char name[64], *json = NULL;
    size_t size;
    FILE *text = open_memstream(&json, &size);
    fprintf(text, "{\"weight_map\":{");
    for (size_t i = 0; i < s->count; i++) {
        snprintf(name, sizeof name, "model-%zu-of-3.safetensors", i % 3 + 1);
        fprintf(text, "%s\"%s\":\"%s\"", i > 0 ? "," : "", s->tensors[i].name, name);
    }
    fprintf(text, "}}");
    fclose(text);
    hf_write(s->folder, "model.safetensors.index.json", json, size);
    free(json);
    for (size_t part = 0; part < 3; part++) {
        hf_tensor some[MAX_TENSORS];
        size_t count = 0;
        for (size_t i = part; i < s->count; i += 3)
            some[count++] = s->tensors[i];
        snprintf(name, sizeof name, "model-%zu-of-3.safetensors", part + 1);
        hf_write_tensors(s->folder, name, some, count);
    }
}

static void make_folder(source *s, const char *model, const char *dtype, bool sharded)
{
    char path[128];
    smidge_error error;
    *s = (source){.count = 0};
    snprintf(path, sizeof path, "tests/golden/%s.gguf", model);
    engine_ok(smg_gguf_open(smg_test_source(path), &s->gguf, &error), &error);
    smg_text text = {0};
    engine_ok(smg_gguf_get_text(&s->gguf, "general.architecture", &text, NULL, &error), &error);
    snprintf(s->architecture, sizeof s->architecture, "%.*s", (int)text.size, text.data);
    for (uint64_t i = 0; i < s->gguf.tensor_count; i++)
        add_tensor(s, &s->gguf.tensors[i], dtype);
    hf_begin(s->folder);
    smg_file config;
    snprintf(path, sizeof path, "tests/golden/hf/%s.json", model);
    engine_ok(smg_file_open(smg_test_source(path), &config, &error), &error);
    hf_write(s->folder, "config.json", config.data, config.size);
    smg_file_close(&config);
    write_tokenizer(s);
    if (sharded)
        write_shards(s);
    else
        hf_write_tensors(s->folder, "model.safetensors", s->tensors, s->count);
}

static void drop_folder(source *s)
{
    for (size_t i = 0; i < s->count; i++)
        free(s->tensors[i].data);
    smg_gguf_close(&s->gguf);
    hf_remove(s->folder);
}

static const char *convert(const source *s, const char *name, const char *type, char path[256])
{
    smidge_error error;
    const smidge_convert_options options = {.size = sizeof options, .type = type, .threads = 2};
    engine_ok(smidge_convert(s->folder, hf_path(s->folder, name, path), &options, &error), &error);
    return path;
}

/* ---- What comes out ----------------------------------------------------------------------------------- */

static double off_by(const char *model, const char *logits)
{
    char path[128];
    int32_t sizes[2];
    snprintf(path, sizeof path, "tests/golden/%s.logits", logits);
    FILE *file = fopen(smg_test_source(path), "rb");
    assert_non_null(file);
    assert_int_equal(fread(sizes, sizeof sizes, 1, file), 1);
    const size_t positions = (size_t)sizes[0], vocabulary = (size_t)sizes[1];
    int32_t *tokens = calloc(positions, sizeof *tokens);
    float *expected = calloc(positions * vocabulary, sizeof *expected);
    assert_int_equal(fread(tokens, sizeof *tokens, positions, file), positions);
    assert_int_equal(fread(expected, sizeof *expected, positions * vocabulary, file), positions * vocabulary);
    fclose(file);
    smidge_model *open = engine_open(model, NULL, 2);
    smidge_session *session = engine_session(open, SMIDGE_KV_F32, sizes[0], sizes[0]);
    float *computed = engine_logits_new(open, sizes[0]);
    engine_run_rows(session, tokens, sizes[0], computed);
    double worst = 0.0;
    for (size_t i = 0; i < positions; i++)
        worst = fmax(worst,
                     engine_relative_error(computed + i * vocabulary, expected + i * vocabulary, sizes[1]));
    free(computed);
    smidge_session_free(session);
    smidge_model_close(open);
    free(tokens);
    free(expected);
    return worst;
}

/* Gemma's weights near 0 lose their last bit on the way to norm - 1 and back; rope's factors are powers, whose last bit
 * depends on the library. All else is equal bit for bit. */
static void compare_tensors(const smg_gguf *made, const smg_gguf *golden)
{
    assert_int_equal(made->tensor_count, golden->tensor_count);
    for (uint64_t i = 0; i < golden->tensor_count; i++) {
        const smg_gguf_tensor *expected = &golden->tensors[i];
        char name[128];
        snprintf(name, sizeof name, "%.*s", (int)expected->name.size, expected->name.data);
        const smg_gguf_tensor *tensor = smg_gguf_find_tensor(made, name);
        if (tensor == NULL || tensor->type != expected->type || tensor->bytes != expected->bytes)
            fail_msg("%s is missing or of another size", name);
        const bool inexact = strstr(name, "norm.weight") != NULL || strcmp(name, "rope_freqs.weight") == 0;
        for (uint64_t j = 0; j < expected->bytes; j += sizeof(float)) {
            float x, y;
            memcpy(&x, tensor->data + j, sizeof x);
            memcpy(&y, expected->data + j, sizeof y);
            if (!inexact)
                assert_memory_equal(&x, &y, sizeof x);
            assert_true(fabsf(x - y) <= 2e-6F * fabsf(y));
        }
    }
}

/* Every number that the golden file gives is in ours; ours may say more. */
static void compare_keys(const smg_gguf *made, const smg_gguf *golden)
{
    for (uint64_t i = 0; i < golden->key_count; i++) {
        const smg_gguf_key *expected = &golden->keys[i];
        char name[128];
        snprintf(name, sizeof name, "%.*s", (int)expected->name.size, expected->name.data);
        if (strncmp(name, "general.", 8) == 0 || strncmp(name, "tokenizer.", 10) == 0)
            continue;
        const smg_gguf_key *key = smg_gguf_find(made, name);
        if (key == NULL || key->type != expected->type || key->value_bytes != expected->value_bytes)
            fail_msg("key %s is missing or of another type", name);
        if (key->type == SMG_GGUF_F32) {
            float x, y;
            memcpy(&x, key->value, sizeof x);
            memcpy(&y, expected->value, sizeof y);
            assert_true(fabsf(x - y) <= 1e-6F * fabsf(y));
        } else {
            assert_memory_equal(key->value, expected->value, key->value_bytes);
        }
    }
}

static void folders_of_each_family_become_the_golden_files(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        source s;
        smg_gguf made;
        smidge_error error;
        char path[256];
        make_folder(&s, models[i], "F32", i % 2 == 0);
        engine_ok(smg_gguf_open(convert(&s, "out.gguf", "f32", path), &made, &error), &error);
        compare_tensors(&made, &s.gguf);
        compare_keys(&made, &s.gguf);
        smg_gguf_close(&made);
        const char *logits = strcmp(models[i], "phi3-longrope") == 0 ? "phi3-longrope-long" : models[i];
        const double error_of_logits = off_by(path, logits);
        printf("%s: logits differ by %.1e (limit 2e-5)\n", models[i], error_of_logits);
        assert_true(error_of_logits <= 2e-5);
        drop_folder(&s);
    }
}

static void folders_in_16_bits_give_the_logits_of_rounded_weights(void **state)
{
    (void)state;
    static const char *const kinds[][2] = {{"F16", "f16"}, {"BF16", "bf16"}};
    for (size_t i = 0; i < 2 * sizeof models / sizeof *models; i++) {
        source s;
        char path[256], logits[64];
        const char *model = models[i / 2];
        make_folder(&s, model, kinds[i % 2][0], i % 2 == 1);
        snprintf(logits, sizeof logits, "hf/%s-%s", model, kinds[i % 2][1]);
        const double error_of_logits = off_by(convert(&s, "out.gguf", "f32", path), logits);
        printf("%s: logits differ by %.1e (limit 2e-5)\n", logits, error_of_logits);
        assert_true(error_of_logits <= 2e-5);
        /* and in 16 bits the weights are the source's, bit for bit */
        smidge_error error;
        smg_gguf made;
        engine_ok(smg_gguf_open(convert(&s, "auto.gguf", NULL, path), &made, &error), &error);
        const smg_gguf_tensor *embedding = smg_gguf_find_tensor(&made, "token_embd.weight");
        for (size_t j = 0; j < s.count; j++) {
            if (strcmp(s.tensors[j].name, "model.embed_tokens.weight") != 0)
                continue;
            assert_int_equal(embedding->bytes, s.tensors[j].bytes);
            assert_memory_equal(embedding->data, s.tensors[j].data, embedding->bytes);
        }
        smg_gguf_close(&made);
        drop_folder(&s);
    }
}

static void compare_files(const char *a, const char *b)
{
    smg_file first, second;
    smidge_error error;
    engine_ok(smg_file_open(a, &first, &error), &error);
    engine_ok(smg_file_open(b, &second, &error), &error);
    assert_int_equal(first.size, second.size);
    assert_memory_equal(first.data, second.data, first.size);
    smg_file_close(&first);
    smg_file_close(&second);
}

static void quantizing_on_the_way_gives_the_bytes_of_two_steps(void **state)
{
    (void)state;
    static const char *const mixes[] = {"q4_k_m", "q8_0",   "q4_0", "q2_k",
                                        "q3_k_m", "q5_k_m", "q6_k", "iq4_xs"};
    static const char *const some[] = {"llama-plain", "qwen2", "phi3-longrope", "gemma3"};
    for (size_t i = 0; i < 4; i++) {
        source s;
        char half[256], once[256], twice[256];
        smidge_error error;
        smidge_file *file;
        make_folder(&s, some[i], "F16", false);
        engine_ok(smidge_file_open(convert(&s, "half.gguf", "f16", half), &file, &error), &error);
        for (size_t j = 0; j < sizeof mixes / sizeof *mixes; j++) {
            const smidge_quantize_options options = {.size = sizeof options, .type = mixes[j], .threads = 1};
            convert(&s, "once.gguf", mixes[j], once);
            engine_ok(smidge_file_quantize(file, hf_path(s.folder, "twice.gguf", twice), &options, &error),
                      &error);
            compare_files(once, twice);
        }
        smidge_file_close(file);
        drop_folder(&s);
    }
}

/* ---- Adapters ------------------------------------------------------------------------------------------- */

/* One matrix of a golden adapter under its Hugging Face name, as PEFT has it, and as MLX does: transposed. */
static void add_halves(const source *s, const smg_gguf_tensor *from, hf_tensor *peft, hf_tensor *mlx)
{
    char name[128], base[128];
    snprintf(name, sizeof name, "%.*s", (int)from->name.size, from->name.data);
    char *mark = strstr(name, ".lora_");
    assert_non_null(mark);
    const bool second = mark[6] == 'b';
    *mark = '\0';
    hf_name(s, name, base);
    *strstr(base, ".weight") = '\0';
    const uint64_t rows = from->shape[1], columns = from->shape[0];
    const size_t bytes = (size_t)(rows * columns) * sizeof(float);
    float *values = malloc(bytes), *turned = malloc(bytes);
    smg_dequantize_row(from->type, from->data, values, (int64_t)(rows * columns));
    const bool llama = strcmp(s->architecture, "llama") == 0;
    if (llama && second && strstr(name, "attn_q.") != NULL)
        rotate_back(values, rows, columns, number(s, "attention.head_count"));
    if (llama && second && strstr(name, "attn_k.") != NULL)
        rotate_back(values, rows, columns, number(s, "attention.head_count_kv"));
    for (uint64_t row = 0; row < rows; row++) {
        for (uint64_t column = 0; column < columns; column++)
            turned[column * rows + row] = values[row * columns + column];
    }
    *peft = (hf_tensor){.dims = 2, .shape = {rows, columns}};
    *mlx = (hf_tensor){.dims = 2, .shape = {columns, rows}};
    snprintf(peft->name, sizeof peft->name, "base_model.model.%.90s.lora_%c.weight", base,
             second ? 'B' : 'A');
    snprintf(mlx->name, sizeof mlx->name, "%.100s.lora_%c", base, second ? 'b' : 'a');
    store(peft, values, (size_t)(rows * columns), "F32");
    store(mlx, turned, (size_t)(rows * columns), "F32");
}

/* The rank that most matrices of the golden adapters have. Those of the others, which folders say by a pattern, are left out. */
#define RANK 3

static bool has_rank(const smg_gguf_tensor *tensor)
{
    return tensor->shape[tensor->name.data[tensor->name.size - 1] == 'a' ? 1 : 0] == RANK;
}

/* Both folders of a golden adapter; `base` is a folder with the model's settings. How many tensors each has. */
static size_t make_adapters(const source *s, const smg_gguf *golden, const char *base, const char *peft,
                            const char *mlx)
{
    static hf_tensor parts[2][MAX_TENSORS];
    char text[512];
    float alpha = 0.0F;
    smidge_error error;
    size_t count = 0;
    assert_in_range(golden->tensor_count, 2, MAX_TENSORS);
    for (uint64_t i = 0; i < golden->tensor_count; i++) {
        if (has_rank(&golden->tensors[i])) {
            add_halves(s, &golden->tensors[i], &parts[0][count], &parts[1][count]);
            count++;
        }
    }
    engine_ok(smg_gguf_get_f32(golden, "adapter.lora.alpha", &alpha, NULL, &error), &error);
    snprintf(text, sizeof text, "{\"r\":%d,\"lora_alpha\":%.9g,\"base_model_name_or_path\":\"%s\"}", RANK,
             (double)alpha, base);
    hf_write_text(peft, "adapter_config.json", text);
    snprintf(text, sizeof text, "{\"lora_parameters\":{\"rank\":%d,\"scale\":%.17g},\"model\":\"%s\"}", RANK,
             (double)alpha / RANK, base);
    hf_write_text(mlx, "adapter_config.json", text);
    hf_write_tensors(peft, "adapter_model.safetensors", parts[0], count);
    hf_write_tensors(mlx, "adapters.safetensors", parts[1], count);
    for (size_t i = 0; i < count; i++) {
        free(parts[0][i].data);
        free(parts[1][i].data);
    }
    return count;
}

static void compare_adapters(const smg_gguf *made, const smg_gguf *golden, size_t count)
{
    assert_int_equal(made->tensor_count, count);
    for (uint64_t i = 0; i < golden->tensor_count; i++) {
        const smg_gguf_tensor *expected = &golden->tensors[i];
        char name[128];
        snprintf(name, sizeof name, "%.*s", (int)expected->name.size, expected->name.data);
        if (!has_rank(expected))
            continue;
        const smg_gguf_tensor *tensor = smg_gguf_find_tensor(made, name);
        if (tensor == NULL || tensor->type != expected->type || tensor->bytes != expected->bytes ||
            memcmp(tensor->data, expected->data, expected->bytes) != 0)
            fail_msg("%s differs", name);
    }
    compare_keys(made, golden);
}

static void adapters_in_both_layouts_become_the_golden_ones(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        source s;
        smg_gguf golden, made;
        smidge_error error;
        char path[128], peft[64], mlx[64], out[2][256];
        make_folder(&s, models[i], "F32", false);
        snprintf(path, sizeof path, "tests/golden/%s.lora.gguf", models[i]);
        engine_ok(smg_gguf_open(smg_test_source(path), &golden, &error), &error);
        hf_begin(peft);
        hf_begin(mlx);
        const size_t count = make_adapters(&s, &golden, s.folder, peft, mlx);
        const smg_type type = golden.tensors[0].type;
        const smidge_convert_options options = {.size = sizeof options,
                                                .type = type == SMG_TYPE_F32   ? "f32"
                                                        : type == SMG_TYPE_F16 ? "f16"
                                                                               : "bf16",
                                                .threads = 1};
        engine_ok(smidge_convert(peft, hf_path(peft, "out.gguf", out[0]), &options, &error), &error);
        engine_ok(smidge_convert(mlx, hf_path(mlx, "out.gguf", out[1]), &options, &error), &error);
        compare_files(out[0], out[1]);
        engine_ok(smg_gguf_open(out[0], &made, &error), &error);
        compare_adapters(&made, &golden, count);
        smg_gguf_close(&made);
        smg_gguf_close(&golden);
        hf_remove(peft);
        hf_remove(mlx);
        drop_folder(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folders_of_each_family_become_the_golden_files),
        cmocka_unit_test(folders_in_16_bits_give_the_logits_of_rounded_weights),
        cmocka_unit_test(quantizing_on_the_way_gives_the_bytes_of_two_steps),
        cmocka_unit_test(adapters_in_both_layouts_become_the_golden_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
