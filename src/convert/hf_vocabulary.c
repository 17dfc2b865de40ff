#include "convert/hf_vocabulary.h"

#include <limits.h>
#include <stdio.h>

#include "base/alloc.h"
#include "convert/hf_folder.h"

#define KEY(name) "tokenizer.ggml." name
#define JINJA_BYTES SMG_GGUF_MAX_STRING

/* What llama.cpp's converter gives to tokens that are not made by merging, and to rows without a token. */
static const float added_score = -1000.0F, padded_score = -10000.0F;

static bool begins_and_ends(smg_text text, const char *begin, const char *end)
{
    const size_t first = strlen(begin), last = strlen(end);
    return text.size >= first + last && memcmp(text.data, begin, first) == 0 &&
           memcmp(text.data + text.size - last, end, last) == 0;
}

/* Tokens that are special whatever their file says. */
static bool looks_special(smg_text text)
{
    return smg_text_is(text, "<pad>") || smg_text_is(text, "<mask>") || smg_text_is(text, "<2mass>") ||
           smg_text_is(text, "[@BOS@]") || begins_and_ends(text, "<|", "|>") ||
           begins_and_ends(text, "<\xef\xbd\x9c", "\xef\xbd\x9c>") || begins_and_ends(text, "<unused", ">");
}

smidge_status smg_hf_vocabulary_begin(smg_hf_vocabulary *vocabulary, int64_t count, const char *where,
                                      smidge_error *error)
{
    vocabulary->tokens = smg_alloc_array((size_t)count, sizeof *vocabulary->tokens);
    if (vocabulary->tokens == NULL)
        return smg_error_no_memory(error, where, (size_t)count * sizeof *vocabulary->tokens);
    vocabulary->count = count;
    for (int i = 0; i < SMG_HF_SPECIALS; i++)
        vocabulary->specials[i] = -1;
    return SMIDGE_OK;
}

/* SentencePiece's sign for a space, back to one: a token that the user defined is looked for in the text itself. */
static smidge_status spell_spaces(smg_hf_vocabulary *vocabulary, smg_text *text, smidge_error *error)
{
    char room[1024];
    size_t size = 0;
    if (text->size >= sizeof room)
        return SMIDGE_OK;
    for (size_t i = 0; i < text->size; i++, size++) {
        const bool sign = text->size - i >= 3 && memcmp(text->data + i, "\xe2\x96\x81", 3) == 0;
        room[size] = sign ? ' ' : text->data[i];
        i += sign ? 2 : 0;
    }
    if (size == text->size)
        return SMIDGE_OK;
    if (vocabulary->own == NULL)
        vocabulary->own = json_array();
    json_t *string = json_stringn_nocheck(room, size);
    if (json_array_append_new(vocabulary->own, string) != 0)
        return smg_error_no_memory(error, "tokenizer", size);
    *text = smg_json_text(string);
    return SMIDGE_OK;
}

smidge_status smg_hf_vocabulary_add(smg_hf_vocabulary *vocabulary, int64_t id, smg_text text, bool special,
                                    smidge_error *error)
{
    smg_hf_token *token = &vocabulary->tokens[id];
    if (text.size == 0)
        return SMIDGE_OK;
    const bool unknown = token->type == SMG_HF_UNKNOWN;
    const bool control = special || looks_special(text);
    if (!control)
        SMG_TRY(spell_spaces(vocabulary, &text, error));
    *token = (smg_hf_token){.text = text.data, .size = text.size, .score = added_score};
    if (unknown)
        token->type = SMG_HF_UNKNOWN;
    else
        token->type = control ? SMG_HF_CONTROL : SMG_HF_USER_DEFINED;
    return SMIDGE_OK;
}

void smg_hf_vocabulary_free(smg_hf_vocabulary *vocabulary)
{
    smg_free(vocabulary->tokens);
    json_decref(vocabulary->tokenizer);
    json_decref(vocabulary->settings);
    json_decref(vocabulary->added);
    json_decref(vocabulary->specials_map);
    json_decref(vocabulary->own);
    smg_file_close(&vocabulary->sentencepiece);
    smg_free(vocabulary->jinja);
    *vocabulary = (smg_hf_vocabulary){0};
}

/* ---- Where tokens come from --------------------------------------------------------------------------- */

static bool is_of_bytes(const json_t *tokenizer)
{
    const json_t *steps = smg_json_get(tokenizer, "pre_tokenizer");
    const json_t *parts = smg_json_get(steps, "pretokenizers");
    bool found = smg_text_is(smg_json_text(smg_json_get(steps, "type")), "ByteLevel");
    for (size_t i = 0; i < json_array_size(parts); i++)
        found |= smg_text_is(smg_json_text(smg_json_get(json_array_get(parts, i), "type")), "ByteLevel");
    return found;
}

static smidge_status read_source(smg_hf_vocabulary *vocabulary, const char *folder, smidge_error *error)
{
    char json[PATH_MAX], model[PATH_MAX];
    SMG_TRY(smg_hf_path(folder, "tokenizer.json", json, error));
    SMG_TRY(smg_hf_path(folder, "tokenizer.model", model, error));
    SMG_TRY(smg_hf_json(folder, "tokenizer.json", false, &vocabulary->tokenizer, error));
    if (smg_hf_exists(model) && !is_of_bytes(vocabulary->tokenizer)) {
        SMG_TRY(smg_file_open(model, &vocabulary->sentencepiece, error));
        return smg_hf_tokenizer_model(vocabulary, model, error);
    }
    if (vocabulary->tokenizer == NULL)
        return smg_error_set(error, SMIDGE_E_IO, folder,
                             "has neither tokenizer.json nor tokenizer.model (download the folder again)");
    return smg_hf_tokenizer_json(vocabulary, json, error);
}

/* Files beside a tokenizer.model that add tokens to it; one that has no row in the model is never seen. */
static smidge_status read_additions(smg_hf_vocabulary *vocabulary, smidge_error *error)
{
    const char *name;
    json_t *value;
    json_object_foreach(vocabulary->added, name, value)
    {
        const int64_t id = json_is_integer(value) ? json_integer_value(value) : -1;
        if (id >= 0 && id < vocabulary->count)
            SMG_TRY(smg_hf_vocabulary_add(vocabulary, id, (smg_text){name, strlen(name)}, false, error));
    }
    json_t *list = smg_json_get(vocabulary->settings, "added_tokens_decoder");
    json_object_foreach(list, name, value)
    {
        char *end = NULL;
        const long id = strtol(name, &end, 10);
        if (end == name || *end != '\0' || id < 0 || id >= vocabulary->count)
            continue;
        SMG_TRY(smg_hf_vocabulary_add(vocabulary, id, smg_json_text(smg_json_get(value, "content")),
                                      json_is_true(smg_json_get(value, "special")), error));
    }
    const json_t *more =
        vocabulary->sentencepiece.data != NULL ? smg_json_get(vocabulary->tokenizer, "added_tokens") : NULL;
    for (size_t i = 0; i < json_array_size(more); i++) {
        const json_t *entry = json_array_get(more, i);
        const json_t *number = smg_json_get(entry, "id");
        const int64_t id = json_is_integer(number) ? json_integer_value(number) : -1;
        if (id >= 0 && id < vocabulary->count)
            SMG_TRY(smg_hf_vocabulary_add(vocabulary, id, smg_json_text(smg_json_get(entry, "content")),
                                          json_is_true(smg_json_get(entry, "special")), error));
    }
    return SMIDGE_OK;
}

/* ---- Special tokens ----------------------------------------------------------------------------------- */

static int64_t find_token(const smg_hf_vocabulary *vocabulary, smg_text text)
{
    for (int64_t id = 0; text.size > 0 && id < vocabulary->count; id++) {
        const smg_hf_token *token = &vocabulary->tokens[id];
        if (token->text != NULL && token->size == text.size && memcmp(token->text, text.data, text.size) == 0)
            return id;
    }
    return -1;
}

/* A token's text, or an object that has it as "content". */
static smg_text special_text(const json_t *object, const char *name)
{
    const json_t *value = smg_json_get(object, name);
    return smg_json_text(json_is_object(value) ? smg_json_get(value, "content") : value);
}

/* The first of one number or several. */
static int64_t first_id(const json_t *object, const char *name)
{
    const json_t *value = smg_json_get(object, name);
    if (json_is_array(value))
        value = json_array_get(value, 0);
    return json_is_integer(value) ? json_integer_value(value) : -1;
}

static smidge_status read_specials(smg_hf_vocabulary *vocabulary, const char *folder,
                                   const smg_hf_config *config, smidge_error *error)
{
    static const char *const names[SMG_HF_SPECIALS] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                                       "pad_token", "cls_token", "mask_token"};
    const int64_t from_config[SMG_HF_SPECIALS] = {config->bos, config->eos, -1, -1, config->pad, -1, -1};
    SMG_CLEANUP(smg_json_release) json_t *generation = NULL;
    SMG_TRY(smg_hf_json(folder, "generation_config.json", false, &generation, error));
    for (int i = 0; i < SMG_HF_SPECIALS; i++) {
        int64_t id = find_token(vocabulary, special_text(vocabulary->settings, names[i]));
        if (id < 0)
            id = find_token(vocabulary, special_text(vocabulary->specials_map, names[i]));
        if (id < 0)
            id = from_config[i];
        if (id < 0 && i == SMG_HF_EOS)
            id = first_id(generation, "eos_token_id");
        vocabulary->specials[i] = id < vocabulary->count ? id : -1;
    }
    for (int64_t id = 0; vocabulary->specials[SMG_HF_UNK] < 0 && id < vocabulary->count; id++) {
        if (vocabulary->tokens[id].type == SMG_HF_UNKNOWN)
            vocabulary->specials[SMG_HF_UNK] = id;
    }
    return SMIDGE_OK;
}

static bool step_is(const json_t *step, const smg_hf_vocabulary *vocabulary, smg_hf_special special)
{
    const smg_text text = smg_json_text(smg_json_get(smg_json_get(step, "SpecialToken"), "id"));
    const int64_t id = vocabulary->specials[special];
    const smg_hf_token *token = id >= 0 ? &vocabulary->tokens[id] : NULL;
    return token != NULL && text.size > 0 && token->text != NULL && token->size == text.size &&
           memcmp(token->text, text.data, text.size) == 0;
}

/* What tokenizer.json puts before and behind every text. False where it does not say. */
static bool read_frame(smg_hf_vocabulary *vocabulary)
{
    const json_t *processor = smg_json_get(vocabulary->tokenizer, "post_processor");
    const json_t *parts = smg_json_get(processor, "processors");
    for (size_t i = 0; i < json_array_size(parts); i++) {
        const json_t *part = json_array_get(parts, i);
        if (smg_text_is(smg_json_text(smg_json_get(part, "type")), "TemplateProcessing"))
            processor = part;
    }
    const json_t *single = smg_json_get(processor, "single");
    const size_t count = json_array_size(single);
    if (count == 0)
        return false;
    vocabulary->add_bos = step_is(json_array_get(single, 0), vocabulary, SMG_HF_BOS);
    vocabulary->add_eos = count > 1 && step_is(json_array_get(single, count - 1), vocabulary, SMG_HF_EOS);
    return true;
}

static smidge_status read_settings(smg_hf_vocabulary *vocabulary, const char *folder,
                                   const smg_hf_config *config, smidge_error *error)
{
    const json_t *settings = vocabulary->settings;
    SMG_TRY(read_specials(vocabulary, folder, config, error));
    if (!read_frame(vocabulary))
        vocabulary->add_bos = vocabulary->merges == NULL;
    if (config->family >= SMG_HF_GEMMA)
        vocabulary->add_space = false;
    SMG_TRY(smg_json_bool(settings, "add_bos_token", folder, &vocabulary->add_bos, error));
    SMG_TRY(smg_json_bool(settings, "add_eos_token", folder, &vocabulary->add_eos, error));
    if (config->family < SMG_HF_GEMMA)
        SMG_TRY(smg_json_bool(settings, "add_prefix_space", folder, &vocabulary->add_space, error));
    vocabulary->add_bos &= vocabulary->specials[SMG_HF_BOS] >= 0;
    vocabulary->add_eos &= vocabulary->specials[SMG_HF_EOS] >= 0;
    return SMIDGE_OK;
}

/* ---- Chat template ------------------------------------------------------------------------------------ */

static smidge_status read_template(smg_hf_vocabulary *vocabulary, const char *folder, smidge_error *error)
{
    char path[PATH_MAX];
    const json_t *given = smg_json_get(vocabulary->settings, "chat_template");
    SMG_TRY(smg_hf_path(folder, "chat_template.jinja", path, error));
    if (smg_hf_exists(path)) {
        size_t size;
        SMG_TRY(smg_file_read(path, JINJA_BYTES, &vocabulary->jinja, &size, error));
        vocabulary->chat_template = (smg_text){.data = vocabulary->jinja, .size = size};
        return SMIDGE_OK;
    }
    for (size_t i = 0; i < json_array_size(given); i++) {
        const json_t *entry = json_array_get(given, i);
        if (smg_text_is(smg_json_text(smg_json_get(entry, "name")), "default"))
            vocabulary->chat_template = smg_json_text(smg_json_get(entry, "template"));
    }
    if (json_is_string(given))
        vocabulary->chat_template = smg_json_text(given);
    if (vocabulary->chat_template.size > SMG_GGUF_MAX_STRING)
        return smg_error_set(error, SMIDGE_E_FORMAT, folder,
                             "has a chat template of more than 1 MiB (download it again)");
    return SMIDGE_OK;
}

smidge_status smg_hf_vocabulary_read(const char *folder, const smg_hf_config *config,
                                     smg_hf_vocabulary *ret_vocabulary, smidge_error *error)
{
    SMG_CLEANUP(smg_hf_vocabulary_free) smg_hf_vocabulary vocabulary = {0};
    SMG_TRY(smg_hf_vocabulary_begin(&vocabulary, config->vocabulary, folder, error));
    SMG_TRY(smg_hf_json(folder, "tokenizer_config.json", false, &vocabulary.settings, error));
    SMG_TRY(smg_hf_json(folder, "special_tokens_map.json", false, &vocabulary.specials_map, error));
    SMG_TRY(smg_hf_json(folder, "added_tokens.json", false, &vocabulary.added, error));
    SMG_TRY(read_source(&vocabulary, folder, error));
    SMG_TRY(read_additions(&vocabulary, error));
    SMG_TRY(read_settings(&vocabulary, folder, config, error));
    SMG_TRY(read_template(&vocabulary, folder, error));
    vocabulary.numbered = vocabulary.merges != NULL && config->family == SMG_HF_QWEN2;
    *ret_vocabulary = vocabulary;
    vocabulary = (smg_hf_vocabulary){0};
    return SMIDGE_OK;
}

/* ---- Writing ------------------------------------------------------------------------------------------ */

static smidge_status write_names(const smg_hf_vocabulary *vocabulary, smg_gguf_writer *writer,
                                 smidge_error *error)
{
    char padded[32];
    SMG_TRY(smg_gguf_write_texts(writer, KEY("tokens"), (uint64_t)vocabulary->count, error));
    for (int64_t id = 0; id < vocabulary->count; id++) {
        const smg_hf_token *token = &vocabulary->tokens[id];
        smg_text text = {.data = token->text, .size = token->size};
        if (text.data == NULL) {
            text.size = (size_t)snprintf(padded, sizeof padded, "[PAD%d]", (int)id);
            text.data = padded;
        }
        SMG_TRY(smg_gguf_write_next_text(writer, text, error));
    }
    return SMIDGE_OK;
}

/* Scores and types, 4 bytes each. Merges need no scores, and most converters give none; those that published Qwen's files wrote
 * the tokens' numbers, and -1 for rows without a token, which is what a reader that asks for them expects. */
static smidge_status write_numbers(const smg_hf_vocabulary *vocabulary, smg_gguf_writer *writer,
                                   smidge_error *error)
{
    const size_t count = (size_t)vocabulary->count;
    SMG_CLEANUP(smg_free_ptr) float *scores = smg_alloc_array(count, sizeof *scores);
    SMG_CLEANUP(smg_free_ptr) int32_t *types = smg_alloc_array(count, sizeof *types);
    if (scores == NULL || types == NULL)
        return smg_error_no_memory(error, "tokenizer", count * sizeof *scores);
    for (size_t id = 0; id < count; id++) {
        const smg_hf_token *token = &vocabulary->tokens[id];
        scores[id] = token->text != NULL ? token->score : padded_score;
        if (vocabulary->numbered)
            scores[id] = token->text != NULL ? (float)id : -1.0F;
        types[id] = token->text != NULL ? token->type : SMG_HF_UNUSED;
    }
    if (vocabulary->merges == NULL || vocabulary->numbered)
        SMG_TRY(smg_gguf_write_array(writer, KEY("scores"), SMG_GGUF_F32, scores, count, error));
    return smg_gguf_write_array(writer, KEY("token_type"), SMG_GGUF_I32, types, count, error);
}

static smidge_status write_merges(const smg_hf_vocabulary *vocabulary, smg_gguf_writer *writer,
                                  smidge_error *error)
{
    char room[SMG_HF_MERGE_BYTES];
    const size_t count = json_array_size(vocabulary->merges);
    SMG_TRY(smg_gguf_write_texts(writer, KEY("merges"), count, error));
    for (size_t i = 0; i < count; i++) {
        smg_text text = {.data = "", .size = 0};
        if (!smg_hf_merge_text(json_array_get(vocabulary->merges, i), room, sizeof room, &text))
            return smg_error_set(error, SMIDGE_E_FORMAT, "tokenizer", "merge %zu is none", i);
        SMG_TRY(smg_gguf_write_next_text(writer, text, error));
    }
    return SMIDGE_OK;
}

smidge_status smg_hf_vocabulary_write(const smg_hf_vocabulary *vocabulary, smg_gguf_writer *writer,
                                      smidge_error *error)
{
    static const char *const ids[SMG_HF_SPECIALS] = {KEY("bos_token_id"),     KEY("eos_token_id"),
                                                     KEY("unknown_token_id"), KEY("seperator_token_id"),
                                                     KEY("padding_token_id"), KEY("cls_token_id"),
                                                     KEY("mask_token_id")};
    const char *model = vocabulary->model, *pre = vocabulary->pre;
    SMG_TRY(smg_gguf_write_text(writer, KEY("model"), (smg_text){model, strlen(model)}, error));
    SMG_TRY(smg_gguf_write_text(writer, KEY("pre"), (smg_text){pre, strlen(pre)}, error));
    SMG_TRY(write_names(vocabulary, writer, error));
    SMG_TRY(write_numbers(vocabulary, writer, error));
    if (vocabulary->merges != NULL)
        SMG_TRY(write_merges(vocabulary, writer, error));
    for (int i = 0; i < SMG_HF_SPECIALS; i++) {
        if (vocabulary->specials[i] >= 0)
            SMG_TRY(smg_gguf_write_u32(writer, ids[i], (uint32_t)vocabulary->specials[i], error));
    }
    SMG_TRY(smg_gguf_write_bool(writer, KEY("add_bos_token"), vocabulary->add_bos, error));
    SMG_TRY(smg_gguf_write_bool(writer, KEY("add_eos_token"), vocabulary->add_eos, error));
    if (vocabulary->specials[SMG_HF_PAD] >= 0)
        SMG_TRY(smg_gguf_write_bool(writer, KEY("add_padding_token"), false, error));
    if (vocabulary->merges == NULL)
        SMG_TRY(smg_gguf_write_bool(writer, KEY("add_space_prefix"), vocabulary->add_space, error));
    if (vocabulary->chat_template.size > 0)
        SMG_TRY(smg_gguf_write_text(writer, "tokenizer.chat_template", vocabulary->chat_template, error));
    return SMIDGE_OK;
}
