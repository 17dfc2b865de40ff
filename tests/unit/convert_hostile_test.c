/* Folders that are wrong: every integer field of their formats with hostile values, what is missing, what is refused by name. Each
 * ends in an error that says so, and leaves no file. */
#include "engine_support.h"

#include <inttypes.h>
#include <jansson.h>

#include "base/alloc.h"
#include "convert/hf_config.h"
#include "convert/hf_vocabulary.h"
#include "format/safetensors.h"
#include "hf_builder.h"
#include "smidge/tools.h"

static const char *const hostile[] = {"-1",
                                      "0",
                                      "3",
                                      "2147483647",
                                      "2147483648",
                                      "4294967295",
                                      "4294967296",
                                      "4611686018427387904",
                                      "9223372036854775807",
                                      "18446744073709551615",
                                      "1e400",
                                      "1e18",
                                      "-1e-9",
                                      "0.5",
                                      "\"7\"",
                                      "true",
                                      "null",
                                      "[]",
                                      "{}"};

#define HOSTILE (sizeof hostile / sizeof *hostile)

enum { WIDTH = 16, FEED = 24, TOKENS = 260 };

static const char config_text[] =
    "{\"architectures\":[\"LlamaForCausalLM\"],\"num_hidden_layers\":1,\"hidden_size\":16,"
    "\"intermediate_size\":24,\"num_attention_heads\":2,\"num_key_value_heads\":2,\"head_dim\":8,"
    "\"vocab_size\":260,\"max_position_embeddings\":64,\"rms_norm_eps\":1e-5,\"rope_theta\":10000.0,"
    "\"tie_word_embeddings\":true,\"bos_token_id\":1,\"eos_token_id\":2,\"sliding_window\":32,"
    "\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":8.0,\"low_freq_factor\":1.0,\"high_freq_factor\":4.0,"
    "\"original_max_position_embeddings\":32}}";

static hf_tensor floats(const char *name, uint64_t rows, uint64_t columns)
{
    hf_tensor t = {.dtype = "F32",
                   .dims = rows > 0 ? 2 : 1,
                   .shape = {rows > 0 ? rows : columns, columns},
                   .bytes = (rows > 0 ? rows : 1) * columns * sizeof(float)};
    snprintf(t.name, sizeof t.name, "%s", name);
    t.data = calloc(1, t.bytes);
    return t;
}

static void write_weights(const char *folder, const char *without)
{
    hf_tensor all[] = {
        floats("model.embed_tokens.weight", TOKENS, WIDTH),
        floats("model.norm.weight", 0, WIDTH),
        floats("model.layers.0.input_layernorm.weight", 0, WIDTH),
        floats("model.layers.0.self_attn.q_proj.weight", WIDTH, WIDTH),
        floats("model.layers.0.self_attn.k_proj.weight", WIDTH, WIDTH),
        floats("model.layers.0.self_attn.v_proj.weight", WIDTH, WIDTH),
        floats("model.layers.0.self_attn.o_proj.weight", WIDTH, WIDTH),
        floats("model.layers.0.post_attention_layernorm.weight", 0, WIDTH),
        floats("model.layers.0.mlp.gate_proj.weight", FEED, WIDTH),
        floats("model.layers.0.mlp.up_proj.weight", FEED, WIDTH),
        floats("model.layers.0.mlp.down_proj.weight", WIDTH, FEED),
    };
    enum { COUNT = sizeof all / sizeof *all };
    hf_tensor kept[COUNT];
    size_t count = 0;
    for (size_t i = 0; i < COUNT; i++) {
        if (without == NULL || strcmp(all[i].name, without) != 0)
            kept[count++] = all[i];
    }
    hf_write_tensors(folder, "model.safetensors", kept, count);
    for (size_t i = 0; i < COUNT; i++)
        free(all[i].data);
}

static void tokenizer_text(char text[8192])
{
    int at = snprintf(
        text, 8192,
        "{\"added_tokens\":[{\"id\":2,\"content\":\"</s>\",\"special\":true}],\"model\":{\"type\":\"BPE\","
        "\"byte_fallback\":true,\"unk_token\":\"<unk>\",\"merges\":[],\"vocab\":{\"<unk>\":0,"
        "\"<s>\":1,\"</s>\":2");
    for (int i = 0; i < 256; i++)
        at += snprintf(text + at, 8192 - (size_t)at, ",\"<0x%02X>\":%d", (unsigned)i, i + 3);
    snprintf(text + at, 8192 - (size_t)at, ",\"a\":259}}}");
}

static void make_folder(char folder[64])
{
    char text[8192];
    hf_begin(folder);
    hf_write_text(folder, "config.json", config_text);
    tokenizer_text(text);
    hf_write_text(folder, "tokenizer.json", text);
    write_weights(folder, NULL);
}

static smidge_status convert(const char *folder, smidge_error *error)
{
    char path[256], fresh[256];
    const smidge_convert_options options = {.size = sizeof options, .threads = 1};
    hf_path(folder, "out.gguf", path);
    const smidge_status status = smidge_convert(folder, path, &options, error);
    snprintf(fresh, sizeof fresh, "ls %.60s | grep -q out.gguf", folder);
    assert_int_equal(system(fresh) == 0, status == SMIDGE_OK);
    if (status == SMIDGE_OK)
        unlink(path);
    return status;
}

static void refused(const char *folder, smidge_status status, const char *where, const char *message)
{
    smidge_error error;
    const smidge_status given = convert(folder, &error);
    if (given != status || strstr(error.where, where) == NULL || strstr(error.message, message) == NULL)
        fail_msg("%s: %s: %s; expected %s: %s: %s", smidge_status_name(given), error.where, error.message,
                 smidge_status_name(status), where, message);
    assert_non_null(strchr(error.message, '(')); /* says what to do */
}

/* ---- Integers ----------------------------------------------------------------------------------------- */

/* Each number of a text in turn replaced by each of the hostile ones. */
static void sweep(const char *text, void (*check)(void *context, const char *changed, size_t size),
                  void *context)
{
    const size_t size = strlen(text);
    char *changed = malloc(size + 64);
    for (size_t i = 1; i < size;) {
        const size_t length = strspn(text + i, "0123456789.e-");
        if (length == 0 || strchr(":[,", text[i - 1]) == NULL) {
            i += length > 0 ? length : 1;
            continue;
        }
        for (size_t j = 0; j < HOSTILE; j++) {
            const int made =
                snprintf(changed, size + 64, "%.*s%s%s", (int)i, text, hostile[j], text + i + length);
            check(context, changed, (size_t)made);
        }
        i += length;
    }
    free(changed);
}

static void check_config(void *context, const char *changed, size_t size)
{
    json_t *json = NULL;
    smidge_error error;
    smg_hf_config *config = context;
    if (smg_json_parse(changed, size, "config.json", &json, &error) == SMIDGE_OK &&
        smg_hf_config_read(json, "config.json", config, &error) == SMIDGE_OK) {
        assert_in_range(config->layers, 1, SMG_HF_MAX_LAYERS);
        assert_in_range(config->vocabulary, 1, SMG_GGUF_MAX_ARRAY);
        assert_in_range(config->heads, 1, 4096);
        assert_int_equal(config->heads % config->kv_heads, 0);
        assert_in_range(config->factor_count, 0, SMG_HF_MAX_FACTORS);
        for (int64_t i = 0; i < config->factor_count; i++)
            assert_true(isfinite(config->factors[i]) && config->factors[i] > 0.0F);
    } else {
        assert_non_null(strchr(error.message, '('));
    }
    json_decref(json);
}

static void numbers_of_config_json(void **state)
{
    (void)state;
    smg_hf_config *config = malloc(sizeof *config);
    sweep(config_text, check_config, config);
    free(config);
}

static void numbers_of_config_json_in_whole_folders(void **state)
{
    (void)state;
    char folder[64];
    smidge_error error;
    make_folder(folder);
    assert_int_equal(convert(folder, &error), SMIDGE_OK);
    static const char *const fields[] = {"num_hidden_layers",   "hidden_size",         "intermediate_size",
                                         "num_attention_heads", "num_key_value_heads", "head_dim",
                                         "vocab_size"};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        json_t *json = json_loads(config_text, 0, NULL);
        json_object_set_new(json, fields[i], json_integer(3));
        char *text = json_dumps(json, JSON_COMPACT);
        hf_write_text(folder, "config.json", text);
        assert_int_not_equal(convert(folder, &error), SMIDGE_OK);
        free(text);
        json_decref(json);
    }
    hf_remove(folder);
}

static void check_safetensors(void *context, const char *changed, size_t size)
{
    (void)context;
    const uint64_t length = size;
    uint8_t *bytes = calloc(1, sizeof length + size + 24);
    smg_safetensors file;
    memcpy(bytes, &length, sizeof length);
    memcpy(bytes + sizeof length, changed, size);
    if (smg_safetensors_parse(bytes, sizeof length + size + 24, "x", &file, NULL) == SMIDGE_OK) {
        for (size_t i = 0; i < file.count; i++)
            assert_true(file.tensors[i].data + file.tensors[i].bytes <= bytes + sizeof length + size + 24);
        smg_safetensors_close(&file);
    }
    free(bytes);
}

static smidge_status parse_safetensors(const char *header, uint64_t length, size_t data)
{
    const size_t size = strlen(header);
    uint8_t *bytes = calloc(1, sizeof length + size + data);
    smg_safetensors file;
    memcpy(bytes, &length, sizeof length);
    memcpy(bytes + sizeof length, header, size);
    const smidge_status status = smg_safetensors_parse(bytes, sizeof length + size + data, "x", &file, NULL);
    if (status == SMIDGE_OK)
        smg_safetensors_close(&file);
    free(bytes);
    return status;
}

static void numbers_of_safetensors(void **state)
{
    (void)state;
    static const char sound[] =
        "{\"__metadata__\":null,\"a\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]},"
        "\"b\":{\"dtype\":\"F16\",\"shape\":[4],\"data_offsets\":[16,24]}}";
    sweep(sound, check_safetensors, NULL);
    const uint64_t size = sizeof sound - 1;
    assert_int_equal(parse_safetensors(sound, size, 24), SMIDGE_OK);
    assert_int_equal(parse_safetensors(sound, size, 23), SMIDGE_E_FORMAT); /* cut */
    assert_int_equal(parse_safetensors(sound, size, 25), SMIDGE_E_FORMAT); /* a tail */
    static const uint64_t lengths[] =
        {0, 1, 7, UINT64_C(100000001), UINT64_C(1) << 31, UINT64_C(1) << 32, UINT64_C(1) << 63, UINT64_MAX};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        assert_int_equal(parse_safetensors(sound, lengths[i], 24), SMIDGE_E_FORMAT);
    static const char *const wrong[] = {
        /* overlap, hole, a size that is not the shape's, a dtype that there is not */
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"b\":{\"dtype\":\"F32\",\"shape\":[2],"
        "\"data_offsets\":[4,12]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"F32\",\"shape\":[1],"
        "\"data_offsets\":[8,12]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,12]}}",
        "{\"a\":{\"dtype\":\"F99\",\"shape\":[3],\"data_offsets\":[0,12]}}",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(parse_safetensors(wrong[i], strlen(wrong[i]), 12), SMIDGE_E_FORMAT);
}

/* Token numbers: each of the hostile ones for a token, and for an added one. */
static void numbers_of_tokenizer_json(void **state)
{
    (void)state;
    char folder[64], text[8192], changed[9000];
    smidge_error error;
    make_folder(folder);
    tokenizer_text(text);
    static const char *const places[] = {"\"a\":259", "\"id\":2"};
    for (size_t i = 0; i < 2; i++) {
        const char *at = strstr(text, places[i]);
        const size_t name = (size_t)(strchr(places[i], ':') - places[i]) + 1;
        for (size_t j = 0; j < HOSTILE; j++) {
            snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - text + (int)name), text, hostile[j],
                     at + strlen(places[i]));
            hf_write_text(folder, "tokenizer.json", changed);
            const smidge_status status = convert(folder, &error);
            assert_true(status == SMIDGE_E_FORMAT || (i == 1 && status == SMIDGE_OK));
        }
    }
    hf_remove(folder);
}

/* SentencePiece's: lengths, types and numbers of fields, cut at every byte and with every byte changed. */
static void bytes_of_tokenizer_model(void **state)
{
    (void)state;
    static const uint8_t sound[] = {0x0a, 0x0e, 0x0a, 0x05, '<',  'u',  'n',  'k',  '>',  0x15, 0x00, 0x00,
                                    0x00, 0x00, 0x18, 0x02, 0x0a, 0x08, 0x0a, 0x01, 'a',  0x15, 0x00, 0x00,
                                    0x80, 0xbf, 0x12, 0x02, 0x18, 0x02, 0x1a, 0x02, 0x18, 0x00};
    static const uint8_t bytes[] = {0x00, 0x01, 0x07, 0x7f, 0x80, 0xff};
    for (size_t cut = 0; cut <= sizeof sound; cut++) {
        for (size_t change = 0; change < (cut == sizeof sound ? cut * sizeof bytes : 1); change++) {
            uint8_t *copy = malloc(sizeof sound);
            memcpy(copy, sound, sizeof sound);
            if (cut == sizeof sound)
                copy[change / sizeof bytes] = bytes[change % sizeof bytes];
            smg_hf_vocabulary vocabulary = {0};
            assert_int_equal(smg_hf_vocabulary_begin(&vocabulary, 4, "x", NULL), SMIDGE_OK);
            vocabulary.sentencepiece = (smg_file){.data = copy, .size = cut};
            (void)!smg_hf_tokenizer_model(&vocabulary, "x", NULL);
            vocabulary.sentencepiece = (smg_file){0};
            smg_hf_vocabulary_free(&vocabulary);
            free(copy);
        }
    }
    smg_hf_vocabulary vocabulary = {0};
    assert_int_equal(smg_hf_vocabulary_begin(&vocabulary, 4, "x", NULL), SMIDGE_OK);
    vocabulary.sentencepiece = (smg_file){.data = sound, .size = sizeof sound};
    assert_int_equal(smg_hf_tokenizer_model(&vocabulary, "x", NULL), SMIDGE_OK);
    assert_int_equal(vocabulary.tokens[0].type, SMG_HF_UNKNOWN);
    assert_true(vocabulary.tokens[1].score == -1.0F && !vocabulary.add_space);
    vocabulary.sentencepiece = (smg_file){0};
    smg_hf_vocabulary_free(&vocabulary);
}

/* ---- What is missing or not supported ----------------------------------------------------------------- */

static void change_config(const char *folder, const char *name, const char *value)
{
    json_t *json = json_loads(config_text, 0, NULL);
    json_object_set_new(json, name, json_loads(value, JSON_DECODE_ANY, NULL));
    char *text = json_dumps(json, JSON_COMPACT);
    hf_write_text(folder, "config.json", text);
    free(text);
    json_decref(json);
}

static void refusals_name_what_is_wrong(void **state)
{
    (void)state;
    char folder[64];
    make_folder(folder);
    change_config(folder, "architectures", "[\"MixtralForCausalLM\"]");
    refused(folder, SMIDGE_E_UNSUPPORTED, "config.json", "MixtralForCausalLM");
    change_config(folder, "rope_scaling", "{\"type\":\"yarn\",\"factor\":4.0}");
    refused(folder, SMIDGE_E_UNSUPPORTED, "config.json", "yarn");
    change_config(folder, "hidden_act", "\"relu\"");
    refused(folder, SMIDGE_E_UNSUPPORTED, "config.json", "relu");
    change_config(folder, "intermediate_size", "32");
    refused(folder, SMIDGE_E_FORMAT, "model.safetensors", "model.layers.0.mlp.gate_proj.weight");
    hf_write_text(folder, "config.json", config_text);
    write_weights(folder, "model.layers.0.mlp.up_proj.weight");
    refused(folder, SMIDGE_E_FORMAT, folder, "model.layers.0.mlp.up_proj.weight is missing");
    hf_delete(folder, "model.safetensors");
    refused(folder, SMIDGE_E_IO, folder, "has no model.safetensors");
    hf_write_text(folder, "pytorch_model.bin", "x");
    refused(folder, SMIDGE_E_UNSUPPORTED, "pytorch_model.bin", "safetensors");
    hf_write_text(folder, "model.safetensors.index.json", "{\"weight_map\":{\"a\":\"model-1.safetensors\"}}");
    refused(folder, SMIDGE_E_IO, "model-1.safetensors", "shard is missing");
    hf_write_text(folder, "model.safetensors.index.json", "{\"weight_map\":{\"a\":\"../secret\"}}");
    refused(folder, SMIDGE_E_FORMAT, "index.json", "names no file");
    write_weights(folder, NULL);
    hf_write_text(folder, "tokenizer.json", "{\"model\":{\"type\":\"Unigram\",\"vocab\":[]}}");
    refused(folder, SMIDGE_E_UNSUPPORTED, "tokenizer.json", "Unigram");
    hf_write_text(
        folder, "tokenizer.json",
        "{\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":"
        "{\"Regex\":\"x+y\"}},{\"type\":\"ByteLevel\"}]},\"model\":{\"type\":\"BPE\",\"vocab\":{},"
        "\"merges\":[]}}");
    refused(folder, SMIDGE_E_UNSUPPORTED, "tokenizer.json", "x+y");
    hf_delete(folder, "tokenizer.json");
    refused(folder, SMIDGE_E_IO, folder, "neither tokenizer.json nor tokenizer.model");
    hf_delete(folder, "config.json");
    refused(folder, SMIDGE_E_IO, folder, "config.json");
    hf_remove(folder);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    char folder[64];
    smidge_error error;
    make_folder(folder);
    smidge_status status = SMIDGE_E_NOMEM;
    for (uint64_t n = 1; status != SMIDGE_OK && n < 1000; n++) {
        const uint64_t before = smg_alloc_live_blocks();
        smg_alloc_fail_at(n);
        status = convert(folder, &error);
        smg_alloc_fail_at(0);
        assert_true(status == SMIDGE_OK || status == SMIDGE_E_NOMEM);
        assert_int_equal(smg_alloc_live_blocks(), before);
    }
    assert_int_equal(status, SMIDGE_OK);
    hf_remove(folder);
}

/* ---- Adapters ----------------------------------------------------------------------------------------- */

static const char *const adapter_text =
    "{\"r\":2,\"lora_alpha\":4,\"base_model_name_or_path\":\"%s\",\"bias\":\"none\"}";

static void write_adapter(const char *folder, const char *format, const char *base)
{
    char text[512];
    const char *place = strstr(format, "%s");
    snprintf(text, sizeof text, "%.*s%s%s", (int)(place - format), format, base, place + 2);
    hf_write_text(folder, "adapter_config.json", text);
    hf_tensor parts[] = {floats("base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight", 2, WIDTH),
                         floats("base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight", WIDTH, 2)};
    for (int i = 0; i < WIDTH * 2; i++)
        ((float *)parts[1].data)[i] = (float)(i / 2);
    hf_write_tensors(folder, "adapter_model.safetensors", parts, 2);
    free(parts[0].data);
    free(parts[1].data);
}

static void adapters_turn_only_what_comes_out(void **state)
{
    (void)state;
    char base[64], folder[64], path[256];
    smidge_error error;
    smg_gguf made;
    make_folder(base);
    hf_begin(folder);
    write_adapter(folder, adapter_text, base);
    const smidge_convert_options options = {.size = sizeof options, .type = "f32", .threads = 1};
    engine_ok(smidge_convert(folder, hf_path(folder, "out.gguf", path), &options, &error), &error);
    engine_ok(smg_gguf_open(path, &made, &error), &error);
    float alpha = 0.0F;
    engine_ok(smg_gguf_get_f32(&made, "adapter.lora.alpha", &alpha, NULL, &error), &error);
    assert_true(alpha == 4.0F);
    const smg_gguf_tensor *b = smg_gguf_find_tensor(&made, "blk.0.attn_q.weight.lora_b");
    assert_non_null(smg_gguf_find_tensor(&made, "blk.0.attn_q.weight.lora_a"));
    assert_non_null(b);
    /* two heads of 8: rows 0 4 1 5 2 6 3 7 of each */
    static const float rows[] = {0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15};
    for (size_t i = 0; i < 16; i++) {
        float value;
        memcpy(&value, b->data + 8 * i, sizeof value);
        assert_true(value == rows[i]);
    }
    smg_gguf_close(&made);
    hf_delete(folder, "out.gguf");
    write_adapter(folder, adapter_text, "/nowhere/base");
    refused(folder, SMIDGE_E_INVALID, folder, "--base");
    write_adapter(folder, "{\"r\":2,\"lora_alpha\":4,\"use_dora\":true,\"base_model_name_or_path\":\"%s\"}",
                  base);
    refused(folder, SMIDGE_E_UNSUPPORTED, folder, "use_dora");
    write_adapter(folder, "{\"r\":3,\"lora_alpha\":4,\"base_model_name_or_path\":\"%s\"}", base);
    refused(folder, SMIDGE_E_FORMAT, "adapter_model.safetensors", "q_proj.lora_A");
    char format[256];
    for (size_t i = 0; i < HOSTILE; i++) {
        snprintf(format, sizeof format, "{\"r\":%s,\"lora_alpha\":4,\"base_model_name_or_path\":\"%%s\"}",
                 hostile[i]);
        write_adapter(folder, format, base);
        assert_int_not_equal(convert(folder, &error), SMIDGE_OK);
    }
    hf_remove(folder);
    hf_remove(base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_of_config_json),
        cmocka_unit_test(numbers_of_config_json_in_whole_folders),
        cmocka_unit_test(numbers_of_safetensors),
        cmocka_unit_test(numbers_of_tokenizer_json),
        cmocka_unit_test(bytes_of_tokenizer_model),
        cmocka_unit_test(refusals_name_what_is_wrong),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(adapters_turn_only_what_comes_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
