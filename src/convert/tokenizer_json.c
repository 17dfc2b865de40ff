/* tokenizer.json, of the library "tokenizers". BPE of bytes is GGUF's "gpt2", with the pre-tokenizer known by its rule; BPE of
 * letters that falls back to bytes is what SentencePiece's became, GGUF's "llama", whose scores say what merges say here. */
#include <inttypes.h>
#include <stdio.h>

#include "base/alloc.h"
#include "convert/hf_vocabulary.h"

#define CASELESS "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|"
#define REST "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

typedef struct rule {
    const char *pattern; /* of the first split */
    const char *pre;
} rule;

static const rule rules[] = {
    {CASELESS "\\p{N}{1,3}" REST, "llama-bpe"},
    {CASELESS "\\p{N}" REST, "qwen2"},
    {"[\\r\\n]", "deepseek-coder"},
};

typedef struct reader {
    smg_hf_vocabulary *vocabulary;
    const char *where;
    const json_t *model;
    smidge_error *error;
} reader;

static bool type_is(const json_t *object, const char *name)
{
    return smg_text_is(smg_json_text(smg_json_get(object, "type")), name);
}

static int shown(smg_text text)
{
    return text.size < 200 ? (int)text.size : 200;
}

static smidge_status refuse(const reader *read, const char *what, smg_text name)
{
    return smg_error_set(
        read->error, SMIDGE_E_UNSUPPORTED, read->where,
        "%s %.*s is not supported (GGUF knows BPE of bytes as GPT-2, Llama 3, Qwen2 and SmolLM "
        "split it, and SentencePiece's BPE)",
        what, shown(name), name.data);
}

/* ---- The way it splits -------------------------------------------------------------------------------- */

/* The step of this type, where there is one: `steps` is one step, or a sequence of them. */
static const json_t *find_step(const json_t *steps, const char *list, const char *type)
{
    if (type_is(steps, type))
        return steps;
    const json_t *parts = smg_json_get(steps, list);
    for (size_t i = 0; i < json_array_size(parts); i++) {
        if (type_is(json_array_get(parts, i), type))
            return json_array_get(parts, i);
    }
    return NULL;
}

static smidge_status find_rule(const reader *read, const json_t *steps)
{
    const json_t *split = find_step(steps, "pretokenizers", "Split");
    const json_t *digits = find_step(steps, "pretokenizers", "Digits");
    if (split == NULL) {
        const bool single = json_is_true(smg_json_get(digits, "individual_digits"));
        if (digits != NULL && !single)
            return refuse(read, "pre-tokenizer", (smg_text){"Digits", 6});
        read->vocabulary->pre = digits != NULL ? "smollm" : "gpt-2";
        return SMIDGE_OK;
    }
    const smg_text pattern = smg_json_text(smg_json_get(smg_json_get(split, "pattern"), "Regex"));
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        if (smg_text_is(pattern, rules[i].pattern)) {
            read->vocabulary->pre = rules[i].pre;
            return SMIDGE_OK;
        }
    }
    return refuse(read, "a pre-tokenizer that splits at", pattern);
}

/* Whether a space goes in front of a text. */
static bool adds_space(const json_t *tokenizer)
{
    const json_t *metaspace =
        find_step(smg_json_get(tokenizer, "pre_tokenizer"), "pretokenizers", "Metaspace");
    if (find_step(smg_json_get(tokenizer, "normalizer"), "normalizers", "Prepend") != NULL)
        return true;
    if (metaspace == NULL)
        return false;
    const json_t *scheme = smg_json_get(metaspace, "prepend_scheme");
    if (scheme != NULL)
        return !smg_text_is(smg_json_text(scheme), "never");
    return !json_is_false(smg_json_get(metaspace, "add_prefix_space"));
}

/* ---- Tokens ------------------------------------------------------------------------------------------- */

static smidge_status bad_id(const reader *read, smg_text token)
{
    return smg_error_set(read->error, SMIDGE_E_FORMAT, read->where,
                         "token \"%.*s\" has no number below the %" PRId64
                         " that config.json gives as \"vocab_size\" (is it of the same model?)",
                         shown(token), token.data, read->vocabulary->count);
}

static bool is_byte_name(smg_text text)
{
    static const char digits[] = "0123456789ABCDEF";
    return text.size == 6 && memcmp(text.data, "<0x", 3) == 0 && text.data[5] == '>' &&
           memchr(digits, text.data[3], 16) != NULL && memchr(digits, text.data[4], 16) != NULL;
}

static smidge_status read_tokens(const reader *read, bool bytes)
{
    json_t *list = smg_json_get(read->model, "vocab");
    const char *name;
    size_t size;
    json_t *number;
    if (!json_is_object(list))
        return refuse(read, "a vocabulary that is", (smg_text){"a list", 6});
    void *member = json_object_iter(list);
    for (; member != NULL; member = json_object_iter_next(list, member)) {
        name = json_object_iter_key(member);
        number = json_object_iter_value(member);
        size = strlen(name);
        const smg_text text = {.data = name, .size = size};
        if (!json_is_integer(number) || json_integer_value(number) < 0 ||
            json_integer_value(number) >= read->vocabulary->count)
            return bad_id(read, text);
        smg_hf_token *token = &read->vocabulary->tokens[json_integer_value(number)];
        if (token->text != NULL)
            return smg_error_set(read->error, SMIDGE_E_FORMAT, read->where,
                                 "tokens \"%.*s\" and \"%.*s\" have the same number (download it again)",
                                 shown(text), name, shown((smg_text){token->text, token->size}), token->text);
        *token = (smg_hf_token){.text = name, .size = size, .type = SMG_HF_NORMAL};
        if (bytes && is_byte_name(text))
            token->type = SMG_HF_BYTE;
    }
    return SMIDGE_OK;
}

static smidge_status read_added(const reader *read)
{
    const json_t *list = smg_json_get(read->vocabulary->tokenizer, "added_tokens");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *entry = json_array_get(list, i);
        const json_t *id = smg_json_get(entry, "id");
        const smg_text text = smg_json_text(smg_json_get(entry, "content"));
        if (!json_is_integer(id) || json_integer_value(id) < 0 ||
            json_integer_value(id) >= read->vocabulary->count)
            return bad_id(read, text);
        SMG_TRY(smg_hf_vocabulary_add(read->vocabulary, json_integer_value(id), text,
                                      json_is_true(smg_json_get(entry, "special")), read->error));
    }
    return SMIDGE_OK;
}

/* ---- Merges ------------------------------------------------------------------------------------------- */

static bool merge_parts(const json_t *merge, smg_text *ret_left, smg_text *ret_right)
{
    if (json_is_array(merge) && json_array_size(merge) == 2) {
        *ret_left = smg_json_text(json_array_get(merge, 0));
        *ret_right = smg_json_text(json_array_get(merge, 1));
        return ret_left->size > 0 && ret_right->size > 0;
    }
    const smg_text both = smg_json_text(merge);
    const char *space = both.size > 2 ? memchr(both.data + 1, ' ', both.size - 2) : NULL;
    if (space == NULL)
        return false;
    *ret_left = (smg_text){.data = both.data, .size = (size_t)(space - both.data)};
    *ret_right = (smg_text){.data = space + 1, .size = both.size - ret_left->size - 1};
    return true;
}

static smidge_status bad_merge(const reader *read, size_t number)
{
    return smg_error_set(read->error, SMIDGE_E_FORMAT, read->where,
                         "merge %zu is not of two tokens that make a third (download it again)", number);
}

bool smg_hf_merge_text(const json_t *merge, char *room_for, size_t room, smg_text *ret_text)
{
    smg_text parts[2];
    size_t size = 0;
    if (!merge_parts(merge, &parts[0], &parts[1]) || 2 * (parts[0].size + parts[1].size) + 1 > room)
        return false;
    for (int i = 0; i < 2; i++) {
        for (size_t j = 0; j < parts[i].size; j++) {
            const char c = parts[i].data[j];
            if (c == ' ') /* as bytes are spelled: the one that stands between the two is for that alone */
                room_for[size++] = '\xc4';
            room_for[size++] = c == ' ' ? '\xa0' : c;
        }
        if (i == 0)
            room_for[size++] = ' ';
    }
    *ret_text = (smg_text){.data = room_for, .size = size};
    return true;
}

static smidge_status check_merges(const reader *read)
{
    char room[SMG_HF_MERGE_BYTES];
    smg_text text;
    const json_t *merges = read->vocabulary->merges;
    for (size_t i = 0; i < json_array_size(merges); i++) {
        if (!smg_hf_merge_text(json_array_get(merges, i), room, sizeof room, &text))
            return bad_merge(read, i);
    }
    return SMIDGE_OK;
}

/* The token that a merge makes, or -1. */
static int64_t merged_id(const json_t *vocab, const json_t *merge)
{
    smg_text left, right;
    char made[1024];
    if (!merge_parts(merge, &left, &right) || left.size + right.size >= sizeof made)
        return -1;
    memcpy(made, left.data, left.size);
    memcpy(made + left.size, right.data, right.size);
    made[left.size + right.size] = '\0';
    const json_t *number = json_object_get(vocab, made);
    return number != NULL && strlen(made) == left.size + right.size ? json_integer_value(number) : -1;
}

/* SentencePiece numbers its pieces by score: then what it gave them is known from their numbers. */
static void score_by_number(smg_hf_vocabulary *vocabulary)
{
    int64_t first = -1;
    for (int64_t id = 0; id < vocabulary->count; id++) {
        smg_hf_token *token = &vocabulary->tokens[id];
        if (token->text == NULL || token->type != SMG_HF_NORMAL)
            continue;
        first = first < 0 ? id : first;
        token->score = (float)(first - id);
    }
}

/* "llama" merges where the score of what comes out is highest: what the first merge makes has score 0, what
 * the next makes -1, and so on. */
static smidge_status score_tokens(const reader *read)
{
    const json_t *vocab = smg_json_get(read->model, "vocab");
    const json_t *merges = smg_json_get(read->model, "merges");
    smg_hf_vocabulary *vocabulary = read->vocabulary;
    SMG_CLEANUP(smg_free_ptr) uint8_t *scored = smg_alloc((size_t)vocabulary->count);
    if (scored == NULL)
        return smg_error_no_memory(read->error, read->where, (size_t)vocabulary->count);
    float next = 0.0F;
    int64_t latest = -1;
    bool in_order = true;
    for (size_t i = 0; i < json_array_size(merges); i++) {
        const int64_t id = merged_id(vocab, json_array_get(merges, i));
        if (id < 0)
            return bad_merge(read, i);
        if (scored[id])
            continue;
        scored[id] = 1;
        in_order &= id > latest;
        latest = id;
        vocabulary->tokens[id].score = next;
        next -= 1.0F;
    }
    if (in_order) {
        score_by_number(vocabulary);
        return SMIDGE_OK;
    }
    for (int64_t id = 0; id < vocabulary->count; id++) {
        if (vocabulary->tokens[id].text != NULL && !scored[id])
            vocabulary->tokens[id].score = next; /* no merge makes it, and none comes after */
    }
    return SMIDGE_OK;
}

static void mark_unknown(const reader *read)
{
    const char *unknown = json_string_value(smg_json_get(read->model, "unk_token"));
    const json_t *number =
        unknown != NULL ? json_object_get(smg_json_get(read->model, "vocab"), unknown) : NULL;
    if (number != NULL)
        read->vocabulary->tokens[json_integer_value(number)].type = SMG_HF_UNKNOWN;
}

smidge_status smg_hf_tokenizer_json(smg_hf_vocabulary *vocabulary, const char *where, smidge_error *error)
{
    const json_t *tokenizer = vocabulary->tokenizer;
    reader read = {.vocabulary = vocabulary,
                   .where = where,
                   .model = smg_json_get(tokenizer, "model"),
                   .error = error};
    const json_t *merges = smg_json_get(read.model, "merges");
    const json_t *type = smg_json_get(read.model, "type");
    if (type != NULL && !type_is(read.model, "BPE"))
        return refuse(&read, "the tokenizer type", smg_json_text(type));
    if (!json_is_array(merges))
        return smg_error_set(error, SMIDGE_E_FORMAT, where, "has no model with merges (download it again)");
    const json_t *steps = smg_json_get(tokenizer, "pre_tokenizer");
    const bool of_bytes = find_step(steps, "pretokenizers", "ByteLevel") != NULL;
    const bool falls_back = json_is_true(smg_json_get(read.model, "byte_fallback"));
    if (!of_bytes && !falls_back)
        return refuse(&read, "the tokenizer type", (smg_text){"BPE without bytes", 17});
    SMG_TRY(read_tokens(&read, !of_bytes));
    if (of_bytes) {
        vocabulary->model = "gpt2";
        vocabulary->merges = merges;
        SMG_TRY(find_rule(&read, steps));
        SMG_TRY(check_merges(&read));
    } else {
        vocabulary->model = "llama";
        vocabulary->pre = "default";
        vocabulary->add_space = adds_space(tokenizer);
        mark_unknown(&read);
        SMG_TRY(score_tokens(&read));
    }
    return read_added(&read);
}
