/* smidge convert on what real models have: the vocabularies of Llama 2, Llama 3 and Qwen2, and a small trained model. */
#include "engine_support.h"

#include <jansson.h>

#include "convert/hf_vocabulary.h"
#include "convert/tensor_names.h"
#include "format/gguf_write.h"
#include "hf_builder.h"
#include "smidge/tools.h"

/* Published with the models. */
#define LLAMA3_RULE                                                                                          \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|" \
    "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define QWEN2_RULE                                                                                           \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|"      \
    "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

static void equal_arrays(const smg_gguf *made, const smg_gguf *expected, const char *name)
{
    const smg_gguf_key *a = smg_gguf_find(made, name), *b = smg_gguf_find(expected, name);
    if (a == NULL || b == NULL || a->count != b->count || a->value_bytes != b->value_bytes ||
        memcmp(a->value, b->value, a->value_bytes) != 0)
        fail_msg("%s differs", name);
}

/* A vocabulary alone, as convert writes it. */
static void write_vocabulary(const char *folder, int64_t count, const char *path)
{
    smidge_error error;
    smg_hf_vocabulary vocabulary;
    smg_gguf_writer *writer = NULL;
    smg_hf_config *config = calloc(1, sizeof *config);
    config->vocabulary = count;
    config->bos = config->eos = config->pad = -1;
    engine_ok(smg_hf_vocabulary_read(folder, config, &vocabulary, &error), &error);
    engine_ok(smg_gguf_write_open(path, &writer, &error), &error);
    engine_ok(smg_hf_vocabulary_write(&vocabulary, writer, &error), &error);
    engine_ok(smg_gguf_write_finish(writer, &error), &error);
    smg_gguf_write_close(writer);
    smg_hf_vocabulary_free(&vocabulary);
    free(config);
}

static uint64_t open_vocabulary(const char *fixture, smg_gguf *ret)
{
    smidge_error error;
    engine_ok(smg_gguf_open(smg_test_need_fixture(fixture), ret, &error), &error);
    return smg_gguf_find(ret, "tokenizer.ggml.tokens")->count;
}

static void sentencepiece_gives_the_arrays_of_llama_2(void **state)
{
    (void)state;
    char folder[64], path[256];
    smidge_error error;
    smg_gguf expected, made;
    smg_file model;
    const uint64_t count = open_vocabulary("tokenizers/ggml-vocab-llama-spm.gguf", &expected);
    engine_ok(smg_file_open(smg_test_need_fixture("tokenizers/llama-2.tokenizer.model"), &model, &error),
              &error);
    hf_begin(folder);
    hf_write(folder, "tokenizer.model", model.data, model.size);
    write_vocabulary(folder, (int64_t)count, hf_path(folder, "out.gguf", path));
    engine_ok(smg_gguf_open(path, &made, &error), &error);
    equal_arrays(&made, &expected, "tokenizer.ggml.tokens");
    equal_arrays(&made, &expected, "tokenizer.ggml.scores");
    equal_arrays(&made, &expected, "tokenizer.ggml.token_type");
    smg_gguf_close(&made);
    /* rows of the embedding without a token get one that no text leads to */
    write_vocabulary(folder, (int64_t)count + 8, path);
    engine_ok(smg_gguf_open(path, &made, &error), &error);
    const smg_gguf_key *tokens = smg_gguf_find(&made, "tokenizer.ggml.tokens");
    const smg_gguf_key *types = smg_gguf_find(&made, "tokenizer.ggml.token_type");
    smg_text last = {0};
    for (uint64_t position = 0; smg_gguf_next_text(tokens, &position, &last);) {}
    assert_true(smg_text_is(last, "[PAD32007]"));
    assert_int_equal(types->value[4 * (count + 7)], SMG_HF_UNUSED);
    smg_gguf_close(&made);
    smg_gguf_close(&expected);
    smg_file_close(&model);
    hf_remove(folder);
}

/* ---- tokenizer.json ----------------------------------------------------------------------------------- */

static void put(json_t *object, const char *name, json_t *value)
{
    assert_int_equal(json_object_set_new_nocheck(object, name, value), 0);
}

static json_t *splits(const char *rule)
{
    return json_pack("{s:s,s:[{s:s,s:{s:s},s:s,s:b},{s:s,s:b,s:b,s:b}]}", "type", "Sequence", "pretokenizers",
                     "type", "Split", "pattern", "Regex", rule, "behavior", "Isolated", "invert", 0, "type",
                     "ByteLevel", "add_prefix_space", 0, "trim_offsets", 1, "use_regex", 0);
}

/* What the library "tokenizers" would have written of this vocabulary; merges as pairs, or as texts in older files. */
static void write_json(const char *folder, const smg_gguf *gguf, const char *rule, bool pairs)
{
    json_t *root = json_object(), *model = json_object(), *vocab = json_object(), *merges = json_array();
    json_t *added = json_array();
    const smg_gguf_key *types = smg_gguf_find(gguf, "tokenizer.ggml.token_type");
    smg_text text;
    uint64_t position = 0;
    for (int i = 0; smg_gguf_next_text(smg_gguf_find(gguf, "tokenizer.ggml.tokens"), &position, &text); i++) {
        char name[1024];
        snprintf(name, sizeof name, "%.*s", (int)text.size, text.data);
        const int type = types->value[4 * i];
        if (type == SMG_HF_CONTROL || type == SMG_HF_USER_DEFINED)
            json_array_append_new(added, json_pack("{s:i,s:s,s:b}", "id", i, "content", name, "special",
                                                   type == SMG_HF_CONTROL));
        else if (type != SMG_HF_UNUSED)
            put(vocab, name, json_integer(i));
    }
    position = 0;
    while (smg_gguf_next_text(smg_gguf_find(gguf, "tokenizer.ggml.merges"), &position, &text)) {
        const char *space = memchr(text.data + 1, ' ', text.size - 1);
        const size_t left = (size_t)(space - text.data);
        json_array_append_new(merges,
                              pairs ? json_pack("[s%,s%]", text.data, left, space + 1, text.size - left - 1)
                                    : json_stringn_nocheck(text.data, text.size));
    }
    put(model, "type", json_string("BPE"));
    put(model, "vocab", vocab);
    put(model, "merges", merges);
    put(root, "added_tokens", added);
    put(root, "pre_tokenizer", splits(rule));
    put(root, "model", model);
    char path[256];
    assert_int_equal(json_dump_file(root, hf_path(folder, "tokenizer.json", path), JSON_COMPACT), 0);
    json_decref(root);
}

/* The 46 cases of the fixtures. */
static void check_cases(const char *path, const char *name)
{
    static const char line[] = "\n__ggml_vocab_test__\n";
    char fixture[128], *in = NULL, *out = NULL;
    size_t size;
    int32_t ids[4096];
    smidge_file *file = NULL;
    smidge_error error;
    engine_ok(smidge_file_open(path, &file, &error), &error);
    snprintf(fixture, sizeof fixture, "tokenizers/ggml-vocab-%s.gguf.inp", name);
    engine_ok(smg_file_read(smg_test_need_fixture(fixture), 1 << 20, &in, &size, &error), &error);
    snprintf(fixture, sizeof fixture, "tokenizers/ggml-vocab-%s.gguf.out", name);
    engine_ok(smg_file_read(smg_test_need_fixture(fixture), 1 << 20, &out, &size, &error), &error);
    int cases = 0;
    const char *expected = out;
    for (char *at = in, *end; (end = strstr(at, line)) != NULL; at = end + sizeof line - 1, cases++) {
        const smidge_span span = {.text = at, .size = (size_t)(end - at)};
        size_t count = 0;
        if (span.size > 0) /* an empty prompt is refused */
            engine_ok(smidge_file_tokenize(file, &span, 1, ids, 4096, &count, &error), &error);
        for (size_t i = 0; i < count; i++) {
            char *after = NULL;
            assert_true(*expected == ' ');
            assert_int_equal(ids[i], strtol(expected, &after, 10));
            expected = after;
        }
        assert_int_equal(*expected, '\n');
        expected++;
    }
    assert_int_equal(cases, 46);
    smidge_file_close(file);
    smg_free(in);
    smg_free(out);
}

static void check_bpe(const char *name, const char *rule, const char *pre, bool pairs)
{
    char folder[64], path[256], fixture[128];
    smidge_error error;
    smg_gguf expected, made;
    snprintf(fixture, sizeof fixture, "tokenizers/ggml-vocab-%s.gguf", name);
    const uint64_t count = open_vocabulary(fixture, &expected);
    hf_begin(folder);
    write_json(folder, &expected, rule, pairs);
    write_vocabulary(folder, (int64_t)count, hf_path(folder, "out.gguf", path));
    engine_ok(smg_gguf_open(path, &made, &error), &error);
    equal_arrays(&made, &expected, "tokenizer.ggml.tokens");
    equal_arrays(&made, &expected, "tokenizer.ggml.token_type");
    equal_arrays(&made, &expected, "tokenizer.ggml.merges");
    smg_text text = {0};
    engine_ok(smg_gguf_get_text(&made, "tokenizer.ggml.pre", &text, NULL, &error), &error);
    assert_true(smg_text_is(text, pre));
    smg_gguf_close(&made);
    smg_gguf_close(&expected);
    check_cases(path, name);
    hf_remove(folder);
}

static void llama_3_comes_back_from_json(void **state)
{
    (void)state;
    check_bpe("llama-bpe", LLAMA3_RULE, "llama-bpe", true);
}

static void qwen2_comes_back_from_json(void **state)
{
    (void)state;
    check_bpe("qwen2", QWEN2_RULE, "qwen2", false);
}

/* ---- A trained model ---------------------------------------------------------------------------------- */

static void stories_convert_bit_for_bit(void **state)
{
    (void)state;
    char folder[64], source[512], path[256];
    smidge_error error;
    smg_gguf expected, made;
    engine_ok(smg_gguf_open(smg_test_need_fixture("models/stories260K/stories260K.gguf"), &expected, &error),
              &error);
    snprintf(source, sizeof source, "%s", smg_test_need_fixture("models/stories260K-hf/config.json"));
    *strrchr(source, '/') = '\0';
    hf_begin(folder);
    const smidge_convert_options options = {.size = sizeof options, .type = "f32", .threads = 2};
    engine_ok(smidge_convert(source, hf_path(folder, "out.gguf", path), &options, &error), &error);
    engine_ok(smg_gguf_open(path, &made, &error), &error);
    assert_int_equal(made.tensor_count, expected.tensor_count);
    for (uint64_t i = 0; i < expected.tensor_count; i++) {
        char name[128];
        snprintf(name, sizeof name, "%.*s", (int)expected.tensors[i].name.size,
                 expected.tensors[i].name.data);
        const smg_gguf_tensor *tensor = smg_gguf_find_tensor(&made, name);
        assert_non_null(tensor);
        assert_int_equal(tensor->bytes, expected.tensors[i].bytes);
        assert_memory_equal(tensor->data, expected.tensors[i].data, tensor->bytes);
    }
    equal_arrays(&made, &expected, "tokenizer.ggml.tokens");
    equal_arrays(&made, &expected, "tokenizer.ggml.token_type");
    static const char text[] = "Once upon a time, there was a little girl named L\xc3\xbc"
                               "ci. \n  42!";
    const smidge_span span = {.text = text, .size = sizeof text - 1};
    int32_t ids[2][128];
    size_t counts[2];
    const char *const files[] = {path, smg_test_need_fixture("models/stories260K/stories260K.gguf")};
    for (int i = 0; i < 2; i++) {
        smidge_file *file = NULL;
        engine_ok(smidge_file_open(files[i], &file, &error), &error);
        engine_ok(smidge_file_tokenize(file, &span, 1, ids[i], 128, &counts[i], &error), &error);
        smidge_file_close(file);
    }
    assert_int_equal(counts[0], counts[1]);
    assert_memory_equal(ids[0], ids[1], counts[0] * sizeof **ids);
    smg_gguf_close(&made);
    smg_gguf_close(&expected);
    hf_remove(folder);
}

/* ---- Inventories of real models ----------------------------------------------------------------------- */

static double listed_real(const json_t *keys, const char *architecture, const char *ending, double otherwise)
{
    char name[128];
    snprintf(name, sizeof name, "%s.%s", architecture, ending);
    const char *text = json_string_value(json_object_get(keys, name));
    return text != NULL ? strtod(text, NULL) : otherwise;
}

static int64_t listed(const json_t *keys, const char *architecture, const char *ending, int64_t otherwise)
{
    return (int64_t)listed_real(keys, architecture, ending, (double)otherwise);
}

/* config.json of a model with these keys, at full size: no weights are needed to name tensors and write keys. */
static json_t *config_of(const json_t *keys, const char *class, const char *architecture)
{
    const int64_t context = listed(keys, architecture, "context_length", 0);
    const int64_t width = listed(keys, architecture, "embedding_length", 0);
    const int64_t heads = listed(keys, architecture, "attention.head_count", 0);
    json_t *json = json_pack("{s:[s],s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:f,s:f,s:b}", "architectures", class,
                             "num_hidden_layers", (json_int_t)listed(keys, architecture, "block_count", 0),
                             "hidden_size", (json_int_t)width, "intermediate_size",
                             (json_int_t)listed(keys, architecture, "feed_forward_length", 0),
                             "num_attention_heads", (json_int_t)heads, "num_key_value_heads",
                             (json_int_t)listed(keys, architecture, "attention.head_count_kv", 0),
                             "vocab_size", (json_int_t)listed(keys, architecture, "vocab_size", 32000),
                             "max_position_embeddings", (json_int_t)context, "rms_norm_eps",
                             listed_real(keys, architecture, "attention.layer_norm_rms_epsilon", 1e-5),
                             "rope_theta", (double)listed(keys, architecture, "rope.freq_base", 10000),
                             "tie_word_embeddings", json_object_get(keys, "output.weight") == NULL);
    const int64_t original = listed(keys, architecture, "rope.scaling.original_context_length", 0);
    if (original > 0) {
        json_t *factors = json_array();
        for (int64_t i = 0; i < width / heads / 2; i++)
            json_array_append_new(factors, json_real(1.5));
        put(json, "original_max_position_embeddings", json_integer(original));
        put(json, "sliding_window", json_integer(listed(keys, architecture, "attention.sliding_window", 0)));
        put(json, "rope_scaling",
            json_pack("{s:s,s:O,s:o}", "type", "longrope", "long_factor", factors, "short_factor", factors));
    }
    return json;
}

/* A number of ours against the listed one; texts and arrays are not compared. */
static void compare_number(const smg_gguf_key *key, const char *name, const char *expected)
{
    double number;
    if (key->type == SMG_GGUF_F32) {
        float value;
        memcpy(&value, key->value, sizeof value);
        number = (double)value;
    } else if (key->type == SMG_GGUF_U32) {
        uint32_t value;
        memcpy(&value, key->value, sizeof value);
        number = (double)value;
    } else {
        return;
    }
    if (fabs(number - strtod(expected, NULL)) > 1e-6 * fabs(number))
        fail_msg("%s is %g, not %s", name, number, expected);
}

static void check_inventory(const char *fixture, const char *class)
{
    char path[128], folder[64], out[256];
    smidge_error error;
    smg_gguf_writer *writer = NULL;
    smg_gguf made;
    snprintf(path, sizeof path, "convert/%s.json", fixture);
    json_t *keys = json_load_file(smg_test_need_fixture(path), 0, NULL);
    const char *architecture = json_string_value(json_object_get(keys, "general.architecture"));
    json_t *json = config_of(keys, class, architecture);
    smg_hf_config *config = malloc(sizeof *config);
    engine_ok(smg_hf_config_read(json, fixture, config, &error), &error);
    assert_string_equal(config->architecture, architecture);
    size_t tensors = 0;
    for (int32_t i = 0; i < smg_hf_places(config); i++) {
        char name[128];
        smg_hf_tensor tensor;
        if (!smg_hf_place_needed(config, i, name))
            continue;
        engine_ok(smg_hf_tensor_name(config, name, fixture, &tensor, &error), &error);
        if (json_object_get(keys, tensor.name) == NULL)
            fail_msg("%s: %s is called %s, which the model does not have", fixture, name, tensor.name);
        tensors++;
    }
    hf_begin(folder);
    engine_ok(smg_gguf_write_open(hf_path(folder, "out.gguf", out), &writer, &error), &error);
    engine_ok(smg_hf_config_write(config, writer, &error), &error);
    engine_ok(smg_gguf_write_finish(writer, &error), &error);
    smg_gguf_write_close(writer);
    engine_ok(smg_gguf_open(out, &made, &error), &error);
    const char *name;
    json_t *value;
    json_object_foreach(keys, name, value)
    {
        const size_t size = strlen(name);
        const bool weight = size > 7 && strcmp(name + size - 7, ".weight") == 0;
        if (weight || (size > 5 && strcmp(name + size - 5, ".bias") == 0))
            tensors -= strncmp(name, "rope_", 5) != 0;
        else if (strncmp(name, architecture, strlen(architecture)) == 0 && smg_gguf_find(&made, name) == NULL)
            fail_msg("%s: key %s is missing", fixture, name);
        else if (strncmp(name, architecture, strlen(architecture)) == 0)
            compare_number(smg_gguf_find(&made, name), name, json_string_value(value));
    }
    assert_int_equal(tensors, 0); /* each of the model's tensors is one of ours */
    smg_gguf_close(&made);
    hf_remove(folder);
    free(config);
    json_decref(json);
    json_decref(keys);
}

static void real_models_have_these_tensors_and_keys(void **state)
{
    (void)state;
    check_inventory("Meta-Llama-3-8B-Instruct", "LlamaForCausalLM");
    check_inventory("Mistral-7B-Instruct-v0.2", "MistralForCausalLM");
    check_inventory("Phi-3-mini-128k-instruct", "Phi3ForCausalLM");
    check_inventory("Qwen2.5-0.5B-Instruct", "Qwen2ForCausalLM");
    check_inventory("gemma-2-2b-it", "Gemma2ForCausalLM");
    check_inventory("gemma-2b-it", "GemmaForCausalLM");
}

/* A small tokenizer of the kind that the listed one is: SentencePiece's as tokenizer.json, or one with merges. */
static void write_tokenizer(const char *folder, const json_t *keys)
{
    char path[256];
    json_t *vocab = json_object(), *root;
    if (json_object_get(keys, "tokenizer.ggml.merges") == NULL) {
        static const char *const first[] = {"<unk>", "<s>", "</s>", "<pad>"};
        for (int i = 0; i < 260; i++) {
            char byte[8];
            snprintf(byte, sizeof byte, "<0x%02X>", (unsigned)(i - 4) & 0xff);
            put(vocab, i < 4 ? first[i] : byte, json_integer(i));
        }
        root = json_pack("{s:{s:s,s:b,s:s,s:o,s:[]}}", "model", "type", "BPE", "byte_fallback", 1,
                         "unk_token", "<unk>", "vocab", vocab, "merges");
    } else {
        const char *pre = json_string_value(json_object_get(keys, "tokenizer.ggml.pre"));
        put(vocab, "a", json_integer(0));
        put(vocab, "b", json_integer(1));
        put(vocab, "ab", json_integer(2));
        root = json_pack("{s:[{s:i,s:s,s:b},{s:i,s:s,s:b},{s:i,s:s,s:b}],s:o,s:{s:s,s:o,s:[s]}}",
                         "added_tokens", "id", 3, "content", "<s>", "special", 1, "id", 4, "content", "</s>",
                         "special", 1, "id", 5, "content", "<pad>", "special", 1, "pre_tokenizer",
                         splits(strcmp(pre, "qwen2") == 0 ? QWEN2_RULE : LLAMA3_RULE), "model", "type", "BPE",
                         "vocab", vocab, "merges", "a b");
    }
    assert_non_null(root);
    assert_int_equal(json_dump_file(root, hf_path(folder, "tokenizer.json", path), JSON_COMPACT), 0);
    json_decref(root);
    hf_write_text(folder, "tokenizer_config.json",
                  "{\"bos_token\":\"<s>\",\"eos_token\":\"</s>\",\"pad_token\":\"<pad>\"}");
}

/* A folder with the listed numbers but for the width, the vocabulary and two layers of the depth; its weights are zeros. */
static void write_folder(const char *folder, const json_t *keys, const char *class, const char *architecture)
{
    static hf_tensor tensors[64];
    enum { WIDTH = 64, VOCABULARY = 264 };
    char path[256];
    size_t count = 0;
    smidge_error error;
    json_t *json = config_of(keys, class, architecture);
    const int64_t heads = listed(keys, architecture, "attention.head_count", 0);
    const int64_t head = listed(keys, architecture, "embedding_length", 0) / heads;
    put(json, "num_hidden_layers", json_integer(2));
    put(json, "hidden_size", json_integer(WIDTH));
    put(json, "intermediate_size", json_integer(2 * WIDTH));
    put(json, "vocab_size", json_integer(VOCABULARY));
    put(json, "head_dim", json_integer(listed(keys, architecture, "attention.key_length", head)));
    assert_int_equal(json_dump_file(json, hf_path(folder, "config.json", path), 0), 0);
    smg_hf_config *config = malloc(sizeof *config);
    engine_ok(smg_hf_config_read(json, path, config, &error), &error);
    for (int32_t i = 0; i < smg_hf_places(config); i++) {
        hf_tensor *tensor = &tensors[count];
        smg_hf_tensor to;
        if (!smg_hf_place_needed(config, i, tensor->name))
            continue;
        assert_in_range(++count, 1, 64);
        engine_ok(smg_hf_tensor_name(config, tensor->name, path, &to, &error), &error);
        tensor->dtype = "F16";
        tensor->dims = (int)to.dims;
        tensor->shape[0] = to.dims == 1 ? (uint64_t)(to.rows * to.columns) : (uint64_t)to.rows;
        tensor->shape[1] = (uint64_t)to.columns;
        tensor->bytes = (size_t)(to.rows * to.columns) * 2;
        tensor->data = calloc(1, tensor->bytes);
    }
    hf_write_tensors(folder, "model.safetensors", tensors, count);
    for (size_t i = 0; i < count; i++)
        free(tensors[i].data);
    free(config);
    json_decref(json);
}

/* Tokens' numbers, and -1 where there is no token: what hashes to the listed sum with the 151936 rows of Qwen2.5. */
static void check_scores(const smg_gguf *made)
{
    const smg_gguf_key *scores = smg_gguf_find(made, "tokenizer.ggml.scores");
    for (uint64_t id = 0; id < scores->count; id++) {
        float score;
        memcpy(&score, scores->value + id * sizeof score, sizeof score);
        assert_true(score == (id < 6 ? (float)id : -1.0F));
    }
}

static void check_folder(const char *fixture, const char *class)
{
    char path[256], folder[64];
    smidge_error error;
    smg_gguf made;
    snprintf(path, sizeof path, "convert/%s.json", fixture);
    json_t *keys = json_load_file(smg_test_need_fixture(path), 0, NULL);
    const char *architecture = json_string_value(json_object_get(keys, "general.architecture"));
    hf_begin(folder);
    write_folder(folder, keys, class, architecture);
    write_tokenizer(folder, keys);
    const smidge_convert_options options = {.size = sizeof options, .type = "f16", .threads = 1};
    engine_ok(smidge_convert(folder, hf_path(folder, "out.gguf", path), &options, &error), &error);
    engine_ok(smg_gguf_open(path, &made, &error), &error);
    const char *name;
    json_t *value;
    uint64_t tensors = 0;
    json_object_foreach(keys, name, value)
    {
        const size_t size = strlen(name);
        const bool weight = size > 7 && strcmp(name + size - 7, ".weight") == 0;
        int layer = 0;
        const bool deeper = sscanf(name, "blk.%d.", &layer) == 1 && layer > 1;
        if (weight || (size > 5 && strcmp(name + size - 5, ".bias") == 0)) {
            tensors += !deeper;
            if (!deeper && smg_gguf_find_tensor(&made, name) == NULL)
                fail_msg("%s: tensor %s is missing", fixture, name);
        } else if (smg_gguf_find(&made, name) == NULL) {
            fail_msg("%s: key %s is missing", fixture, name);
        }
    }
    assert_int_equal(made.tensor_count, tensors);
    if (strcmp(architecture, "qwen2") == 0)
        check_scores(&made);
    for (const char *const *same = (const char *const[]){"tokenizer.ggml.model", "tokenizer.ggml.pre", NULL};
         *same != NULL; same++) {
        smg_text text = {0};
        const char *expected = json_string_value(json_object_get(keys, *same));
        engine_ok(smg_gguf_get_text(&made, *same, &text, NULL, &error), &error);
        assert_true(expected == NULL || smg_text_is(text, expected));
    }
    smg_gguf_close(&made);
    hf_remove(folder);
    json_decref(keys);
}

static void folders_of_real_models_have_every_listed_key(void **state)
{
    (void)state;
    check_folder("Meta-Llama-3-8B-Instruct", "LlamaForCausalLM");
    check_folder("Mistral-7B-Instruct-v0.2", "MistralForCausalLM");
    check_folder("Phi-3-mini-128k-instruct", "Phi3ForCausalLM");
    check_folder("Qwen2.5-0.5B-Instruct", "Qwen2ForCausalLM");
    check_folder("gemma-2-2b-it", "Gemma2ForCausalLM");
    check_folder("gemma-2b-it", "GemmaForCausalLM");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sentencepiece_gives_the_arrays_of_llama_2),
        cmocka_unit_test(llama_3_comes_back_from_json),
        cmocka_unit_test(qwen2_comes_back_from_json),
        cmocka_unit_test(stories_convert_bit_for_bit),
        cmocka_unit_test(real_models_have_these_tensors_and_keys),
        cmocka_unit_test(folders_of_real_models_have_every_listed_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
