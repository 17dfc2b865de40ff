/* Building a tokenizer from a file's keys: one walk over the names and one over the merges note where each is, then hash
 * tables point back into the mapping, so that a program just started is ready in a few milliseconds. */
#include <inttypes.h>
#include <string.h>

#include "token/tokenizer_internal.h"
#include "token/unicode.h"

#define NO_ID 4294967295u /* how files write "none" */

#define KEY(name) "tokenizer.ggml." name

static const smg_pre_rule pre_rules[] = {
    {"default", SMG_SPLIT_DEFAULT, false, false},
    {"gpt-2", SMG_SPLIT_GPT2, false, false},
    {"mpt", SMG_SPLIT_GPT2, false, false},
    {"llama-bpe", SMG_SPLIT_LLAMA3, true, true},
    {"llama3", SMG_SPLIT_LLAMA3, true, true},
    {"llama-v3", SMG_SPLIT_LLAMA3, true, true},
    {"qwen2", SMG_SPLIT_QWEN2, false, false},
    {"smollm", SMG_SPLIT_DIGITS_GPT2, false, false},
    {"refact", SMG_SPLIT_DIGITS_GPT2, false, false},
    {"starcoder", SMG_SPLIT_DIGITS_GPT2, false, false},
    {"deepseek-coder", SMG_SPLIT_DEEPSEEK_CODER, false, false},
};

/* Texts from one look at the clock to the next: some 2 ms of a slow board. */
#define TEXTS_BETWEEN_CLOCKS 8192

typedef struct loader {
    const smg_gguf *gguf;
    const smg_stop *stop;
    smidge_error *error;
    smg_tokenizer_kind kind;
    const smg_pre_rule *pre;
    const smg_gguf_key *tokens;
    const smg_gguf_key *types;  /* may be NULL */
    const smg_gguf_key *scores; /* SPM */
    const smg_gguf_key *merges; /* BPE */
    smg_tokenizer *tokenizer;
} loader;

static bool text_is(smg_text text, const char *expected)
{
    return text.size == strlen(expected) && memcmp(text.data, expected, text.size) == 0;
}

static int shown(smg_text text)
{
    return text.size < 64 ? (int)text.size : 64;
}

static smidge_status choose_model(loader *l)
{
    smg_text model = {.data = "", .size = 0};
    smg_text pre = {.data = "default", .size = strlen("default")};
    bool found = false;
    SMG_TRY(smg_gguf_get_text(l->gguf, KEY("model"), &model, &found, l->error));
    if (!found)
        return smg_error_set(l->error, SMIDGE_E_FORMAT, l->gguf->path,
                             "key " KEY("model") " is missing (use a file that has its tokenizer inside)");
    if (text_is(model, "llama")) {
        l->kind = SMG_TOKENIZER_SPM;
        return SMIDGE_OK;
    }
    if (!text_is(model, "gpt2"))
        return smg_error_set(l->error, SMIDGE_E_UNSUPPORTED, l->gguf->path,
                             "tokenizer model \"%.*s\" is not supported (use a model with gpt2 or llama)",
                             shown(model), model.data);
    l->kind = SMG_TOKENIZER_BPE;
    SMG_TRY(smg_gguf_get_text(l->gguf, KEY("pre"), &pre, NULL, l->error));
    for (size_t i = 0; i < sizeof(pre_rules) / sizeof(pre_rules[0]); i++) {
        if (text_is(pre, pre_rules[i].name)) {
            l->pre = &pre_rules[i];
            return SMIDGE_OK;
        }
    }
    return smg_error_set(l->error, SMIDGE_E_UNSUPPORTED, l->gguf->path,
                         "pre-tokenizer \"%.*s\" is not supported (use a model with default, gpt-2, mpt, "
                         "llama-bpe, qwen2, smollm, refact, starcoder or deepseek-coder)",
                         shown(pre), pre.data);
}

static smidge_status need_array(loader *l, const char *name, smg_gguf_type type, const smg_gguf_key **ret_key)
{
    SMG_TRY(smg_gguf_get_array(l->gguf, name, type, ret_key, l->error));
    if (*ret_key == NULL)
        return smg_error_set(l->error, SMIDGE_E_FORMAT, l->gguf->path,
                             "key %s is missing (convert the model again)", name);
    /* Positions inside the array are kept in 32 bits. */
    if ((*ret_key)->count > SMG_GGUF_MAX_ARRAY || (*ret_key)->value_bytes >= UINT32_MAX)
        return smg_error_set(l->error, SMIDGE_E_FORMAT, l->gguf->path,
                             "key %s has %" PRIu64 " elements in %" PRIu64
                             " bytes, which is too many (convert the model again)",
                             name, (*ret_key)->count, (*ret_key)->value_bytes);
    return SMIDGE_OK;
}

static smidge_status check_length(loader *l, const char *name, const smg_gguf_key *key)
{
    if (key == NULL || key->count == l->tokens->count)
        return SMIDGE_OK;
    return smg_error_set(l->error, SMIDGE_E_FORMAT, l->gguf->path,
                         "key %s has %" PRIu64 " elements for %" PRIu64 " tokens (convert the model again)",
                         name, key->count, l->tokens->count);
}

static smidge_status find_arrays(loader *l)
{
    SMG_TRY(need_array(l, KEY("tokens"), SMG_GGUF_STRING, &l->tokens));
    if (l->tokens->count == 0)
        return smg_error_set(l->error, SMIDGE_E_FORMAT, l->gguf->path,
                             "key " KEY("tokens") " is empty (convert the model again)");
    SMG_TRY(smg_gguf_get_array(l->gguf, KEY("token_type"), SMG_GGUF_I32, &l->types, l->error));
    SMG_TRY(check_length(l, KEY("token_type"), l->types));
    if (l->kind == SMG_TOKENIZER_BPE)
        return need_array(l, KEY("merges"), SMG_GGUF_STRING, &l->merges);
    SMG_TRY(need_array(l, KEY("scores"), SMG_GGUF_F32, &l->scores));
    return check_length(l, KEY("scores"), l->scores);
}

static void take_table(smg_arena *arena, uint64_t count, smg_text_table *ret_table)
{
    ret_table->slot_count = smg_vocabulary_slots(count);
    ret_table->slots = smg_arena_take(arena, ret_table->slot_count * sizeof(uint32_t));
    ret_table->offsets = smg_arena_take(arena, count * sizeof(uint32_t));
}

smg_tokenizer *smg_vocabulary_take(smg_arena *arena, smg_vocabulary_counts counts)
{
    smg_tokenizer made = {0};
    smg_tokenizer *tokenizer = smg_arena_take(arena, sizeof(made));
    take_table(arena, counts.tokens, &made.names);
    take_table(arena, counts.merges, &made.merges);
    made.flags = smg_arena_take(arena, counts.tokens);
    made.trusted_lengths = smg_arena_take(arena, sizeof(smg_special_lengths));
    made.untrusted_lengths = smg_arena_take(arena, sizeof(smg_special_lengths));
    made.bytes = smg_token_bytes_take(arena, counts);
    if (tokenizer != NULL)
        *tokenizer = made;
    return tokenizer;
}

/* A page that is read before it is written is paid for twice. */
static void clear(const smg_text_table *table)
{
    memset(table->slots, 0, table->slot_count * sizeof(*table->slots));
}

static smidge_status take_memory(loader *l)
{
    smg_vocabulary_counts counts = {
        .tokens = l->tokens->count,
        .token_bytes = l->tokens->value_bytes,
        .merges = l->merges != NULL ? l->merges->count : 0,
    };
    smg_arena counting = {0};
    (void)smg_vocabulary_take(&counting, counts);
    smg_arena arena;
    SMG_TRY(smg_arena_init(&arena, counting.used, l->gguf->path, l->error));
    smg_tokenizer *tokenizer = smg_vocabulary_take(&arena, counts);
    tokenizer->arena = arena;
    tokenizer->kind = l->kind;
    tokenizer->pre = l->pre;
    tokenizer->size = (int32_t)counts.tokens;
    tokenizer->words_apart = l->kind == SMG_TOKENIZER_SPM;
    tokenizer->names.texts = (const char *)l->tokens->value;
    tokenizer->merges.texts = l->merges != NULL ? (const char *)l->merges->value : NULL;
    tokenizer->scores = l->scores != NULL ? l->scores->value : NULL;
    for (int i = 0; i < 256; i++)
        tokenizer->byte_ids[i] = SMG_TOKEN_NONE;
    clear(&tokenizer->names);
    clear(&tokenizer->merges);
    l->tokenizer = tokenizer;
    return SMIDGE_OK;
}

/* Files without types are old; their bytes are known by their names. */
static int32_t type_of(const loader *l, int32_t id, smg_text name)
{
    if (l->types == NULL) {
        bool byte = l->kind == SMG_TOKENIZER_SPM && smg_byte_name_parse(name) >= 0;
        return byte ? SMG_TOKEN_BYTE : SMG_TOKEN_NORMAL;
    }
    int32_t type;
    memcpy(&type, l->types->value + sizeof(type) * (size_t)id, sizeof(type));
    return type;
}

static smidge_status load_token(loader *l, int32_t id, smg_text name)
{
    smg_tokenizer *tokenizer = l->tokenizer;
    int32_t type = type_of(l, id, name);
    if (type < SMG_TOKEN_UNDEFINED || type > SMG_TOKEN_BYTE)
        return smg_error_set(l->error, SMIDGE_E_FORMAT, l->gguf->path,
                             "token %" PRId32 " has the unknown type %" PRId32 " (convert the model again)",
                             id, type);
    if (type == SMG_TOKEN_BYTE) {
        int byte = smg_byte_name_parse(name);
        if (byte < 0)
            return smg_error_set(l->error, SMIDGE_E_FORMAT, l->gguf->path,
                                 "token %" PRId32
                                 " has the type of a byte but not the name of one, <0x00> to "
                                 "<0xFF> (convert the model again)",
                                 id);
        if (tokenizer->byte_ids[byte] == SMG_TOKEN_NONE)
            tokenizer->byte_ids[byte] = id;
    }
    if (name.size == 0) { /* a hole in the vocabulary, which several files have */
        tokenizer->flags[id] = SMG_TOKEN_SILENT;
        return SMIDGE_OK;
    }
    tokenizer->flags[id] = smg_special_flags(l->kind, type, name);
    return SMIDGE_OK;
}

static bool is_space(const char *at)
{
    return memcmp(at, SMG_SPM_SPACE, SMG_SPM_SPACE_SIZE) == 0;
}

/* Whether a space stands behind something else, so that a word ends inside. */
static bool joins_words(smg_text name)
{
    const char *end = name.data + name.size;
    const char *at = name.data;
    while (end - at >= SMG_SPM_SPACE_SIZE && is_space(at))
        at += SMG_SPM_SPACE_SIZE;
    for (; (at = memchr(at, SMG_SPM_SPACE[0], (size_t)(end - at))) != NULL; at++) {
        if (end - at < SMG_SPM_SPACE_SIZE || !is_space(at) || at == name.data || at[-1] == ' ')
            continue;
        if (at - name.data < SMG_SPM_SPACE_SIZE || !is_space(at - SMG_SPM_SPACE_SIZE))
            return true;
    }
    return false;
}

/* Tokens `from` to `to` - 1; the name of the first is at *position. */
static smidge_status load_some_tokens(loader *l, int32_t from, int32_t to, uint64_t *position)
{
    smg_tokenizer *tokenizer = l->tokenizer;
    for (int32_t id = from; id < to; id++) {
        smg_text name = {.data = "", .size = 0};
        if (!smg_gguf_next_text(l->tokens, position, &name))
            return smg_error_set(l->error, SMIDGE_E_FORMAT, l->gguf->path,
                                 "key " KEY("tokens") " ends early (convert the model again)");
        tokenizer->names.offsets[id] = (uint32_t)(*position - name.size);
        SMG_TRY(load_token(l, id, name));
        if (tokenizer->words_apart && (tokenizer->flags[id] & SMG_TOKEN_TEXT) && joins_words(name))
            tokenizer->words_apart = false;
    }
    int32_t same = SMG_TOKEN_NONE;
    int32_t id = smg_vocabulary_add_names(tokenizer, from, to, &same);
    if (id == SMG_TOKEN_NONE)
        return SMIDGE_OK;
    smg_text name = smg_vocabulary_name(tokenizer, id);
    return smg_error_set(l->error, SMIDGE_E_FORMAT, l->gguf->path,
                         "tokens %" PRId32 " and %" PRId32
                         " have the same name \"%.*s\" (convert the model again)",
                         same, id, shown(name), name.data);
}

static smidge_status load_tokens(loader *l)
{
    uint64_t position = 0;
    int32_t size = l->tokenizer->size;
    for (int32_t from = 0; from < size; from += TEXTS_BETWEEN_CLOCKS) {
        int32_t to = size - from < TEXTS_BETWEEN_CLOCKS ? size : from + TEXTS_BETWEEN_CLOCKS;
        SMG_TRY(smg_stop_report(l->stop, l->gguf->path, l->error));
        SMG_TRY(load_some_tokens(l, from, to, &position));
    }
    return SMIDGE_OK;
}

/* A merge of tokens that the vocabulary lacks is harmless: no text ever leads to it. */
static smidge_status load_merges(loader *l)
{
    smg_text_table *merges = &l->tokenizer->merges;
    int32_t size = l->merges != NULL ? (int32_t)l->merges->count : 0;
    uint64_t position = 0;
    smg_text merge;
    for (int32_t from = 0, to; from < size; from = to) {
        SMG_TRY(smg_stop_report(l->stop, l->gguf->path, l->error));
        int32_t most = size - from < TEXTS_BETWEEN_CLOCKS ? size : from + TEXTS_BETWEEN_CLOCKS;
        for (to = from; to < most && smg_gguf_next_text(l->merges, &position, &merge); to++)
            merges->offsets[to] = (uint32_t)(position - merge.size);
        if (to == from)
            break;
        int32_t bad = smg_vocabulary_add_merges(l->tokenizer, from, to);
        if (bad < 0)
            continue;
        merge = smg_vocabulary_merge(l->tokenizer, bad);
        return smg_error_set(l->error, SMIDGE_E_FORMAT, l->gguf->path,
                             "merge %" PRId32
                             ", \"%.*s\", is not two tokens with a space between (convert the model again)",
                             bad, shown(merge), merge.data);
    }
    return SMIDGE_OK;
}

static smidge_status get_id(const loader *l, const char *name, int32_t *ret_id)
{
    uint32_t value = 0;
    bool found = false;
    SMG_TRY(smg_gguf_get_u32(l->gguf, name, &value, &found, l->error));
    if (!found)
        return SMIDGE_OK;
    if (value == NO_ID) {
        *ret_id = SMG_TOKEN_NONE;
        return SMIDGE_OK;
    }
    if (value >= (uint32_t)l->tokenizer->size)
        return smg_error_set(l->error, SMIDGE_E_FORMAT, l->gguf->path,
                             "key %s is %" PRIu32 " but there are %" PRId32
                             " tokens (convert the model again)",
                             name, value, l->tokenizer->size);
    *ret_id = (int32_t)value;
    return SMIDGE_OK;
}

static smidge_status load_ids(loader *l)
{
    smg_tokenizer *tokenizer = l->tokenizer;
    bool spm = l->kind == SMG_TOKENIZER_SPM;
    tokenizer->unknown = spm ? 0 : SMG_TOKEN_NONE;
    tokenizer->bos = spm && tokenizer->size > 1 ? 1 : SMG_TOKEN_NONE;
    tokenizer->eos = spm && tokenizer->size > 2 ? 2 : SMG_TOKEN_NONE;
    int32_t eot = SMG_TOKEN_NONE;
    int32_t eom = SMG_TOKEN_NONE;
    int32_t padding = SMG_TOKEN_NONE;
    SMG_TRY(get_id(l, KEY("unknown_token_id"), &tokenizer->unknown));
    SMG_TRY(get_id(l, KEY("bos_token_id"), &tokenizer->bos));
    SMG_TRY(get_id(l, KEY("eos_token_id"), &tokenizer->eos));
    SMG_TRY(get_id(l, KEY("eot_token_id"), &eot));
    SMG_TRY(get_id(l, KEY("eom_token_id"), &eom));
    SMG_TRY(get_id(l, KEY("padding_token_id"), &padding));

    if (l->types == NULL) {
        const int32_t control[] = {tokenizer->unknown, tokenizer->bos, tokenizer->eos, eot, eom, padding};
        for (size_t i = 0; i < sizeof(control) / sizeof(control[0]); i++) {
            if (control[i] != SMG_TOKEN_NONE)
                tokenizer->flags[control[i]] = SMG_TOKEN_SILENT | SMG_TOKEN_SPECIAL;
        }
    }
    smg_special_prepare(tokenizer, l->gguf);
    const int32_t ends[] = {tokenizer->eos, eot, eom};
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        if (ends[i] != SMG_TOKEN_NONE)
            tokenizer->flags[ends[i]] |= SMG_TOKEN_END;
    }
    return SMIDGE_OK;
}

static smidge_status load_additions(loader *l)
{
    smg_tokenizer *tokenizer = l->tokenizer;
    bool bos_asked = false;
    bool eos_asked = false;
    tokenizer->add_bos = l->kind == SMG_TOKENIZER_SPM || l->pre->add_bos;
    SMG_TRY(smg_gguf_get_bool(l->gguf, KEY("add_bos_token"), &tokenizer->add_bos, &bos_asked, l->error));
    SMG_TRY(smg_gguf_get_bool(l->gguf, KEY("add_eos_token"), &tokenizer->add_eos, &eos_asked, l->error));
    bool add_space = true;
    SMG_TRY(smg_gguf_get_bool(l->gguf, KEY("add_space_prefix"), &add_space, NULL, l->error));
    tokenizer->add_space = add_space && l->kind == SMG_TOKENIZER_SPM;

    bool no_bos = tokenizer->add_bos && tokenizer->bos == SMG_TOKEN_NONE;
    bool no_eos = tokenizer->add_eos && tokenizer->eos == SMG_TOKEN_NONE;
    if ((no_bos && bos_asked) || (no_eos && eos_asked))
        return smg_error_set(
            l->error, SMIDGE_E_FORMAT, l->gguf->path,
            "key " KEY("add_%s_token") " is true but there is no such token (convert the model again)",
            no_bos ? "bos" : "eos");
    if (no_bos)
        tokenizer->add_bos = false;
    return SMIDGE_OK;
}

static void free_tokenizer(loader *l)
{
    smg_tokenizer_free(l->tokenizer);
}

smidge_status smg_tokenizer_new(const smg_gguf *gguf, const smg_stop *stop, smg_tokenizer **ret_tokenizer,
                                smidge_error *error)
{
    SMG_CLEANUP(free_tokenizer) loader l = {.gguf = gguf, .stop = stop, .error = error};
    SMG_TRY(choose_model(&l));
    SMG_TRY(find_arrays(&l));
    SMG_TRY(take_memory(&l));
    SMG_TRY(load_tokens(&l));
    SMG_TRY(load_merges(&l));
    SMG_TRY(load_ids(&l));
    SMG_TRY(load_additions(&l));
    *ret_tokenizer = l.tokenizer;
    l.tokenizer = NULL;
    return SMIDGE_OK;
}
