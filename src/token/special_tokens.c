/* Special tokens: which there are, which of them end a generation, and where they stand in a text. */
#include <ctype.h>
#include <string.h>

#include "token/tokenizer_internal.h"

typedef struct end_name {
    const char *name;
    bool sure; /* an end whatever type the file gives it; else only where the file says that it is special */
} end_name;

/* The ends of the known families. Converters have given some of them the wrong type. */
static const end_name end_names[] = {
    {"<|im_end|>", true},     {"<|eot_id|>", true},
    {"<|eom_id|>", true},     {"<|end|>", true},
    {"<|endoftext|>", true},  {"<|end_of_text|>", true},
    {"<end_of_turn>", true},  {"<end_of_utterance>", true},
    {"<|EOT|>", true},        {"<EOT>", true},
    {"_<EOT>", true},         {"[EOT]", true},
    {"[EOS]", true},          {"<｜end▁of▁sentence｜>", true},
    {"<|return|>", true},     {"<eos>", true},
    {"</s>", false}, /* also a closing tag of HTML, in Gemma's vocabulary */
    {"<|fim_pad|>", false},   {"<fim-pad>", false},
    {"<fim_pad>", false},     {"<PAD>", false},
    {"[PAD]", false},         {"<|fim_repo|>", false},
    {"<|repo_name|>", false}, {"<fim-repo>", false},
    {"<REPO>", false},        {"<reponame>", false},
    {"<|file_sep|>", false},
};

/* Whether a user-defined token spells a marker rather than a piece of ordinary text such as a run of
 * newlines. Files give chat markers this type often enough ("<|User|>" in deepseek-coder) that text which is
 * not trusted must not be able to write one. */
static bool looks_like_marker(smg_text name)
{
    if (name.size < 3)
        return false;
    char first = name.data[0];
    char last = name.data[name.size - 1];
    return (first == '<' && last == '>') || (first == '[' && last == ']');
}

uint8_t smg_special_flags(smg_tokenizer_kind kind, int32_t type, smg_text name)
{
    bool spm = kind == SMG_TOKENIZER_SPM;
    switch (type) {
    case SMG_TOKEN_NORMAL:
        return SMG_TOKEN_TEXT;
    case SMG_TOKEN_UNKNOWN:
    case SMG_TOKEN_CONTROL:
        return SMG_TOKEN_SILENT | SMG_TOKEN_SPECIAL;
    case SMG_TOKEN_USER_DEFINED:
        if (looks_like_marker(name))
            return SMG_TOKEN_SPECIAL | SMG_TOKEN_LITERAL;
        /* SentencePiece's own runs of spaces are met while merging, as they are spelled with U+2581. */
        return SMG_TOKEN_SPECIAL | SMG_TOKEN_ANYWHERE | SMG_TOKEN_LITERAL | (spm ? SMG_TOKEN_TEXT : 0);
    case SMG_TOKEN_BYTE:
        return SMG_TOKEN_IS_BYTE;
    default:
        return SMG_TOKEN_SILENT;
    }
}

static void mark_ends(smg_tokenizer *tokenizer)
{
    for (size_t i = 0; i < sizeof(end_names) / sizeof(end_names[0]); i++) {
        int32_t id = smg_vocabulary_find(tokenizer, end_names[i].name, strlen(end_names[i].name));
        if (id == SMG_TOKEN_NONE)
            continue;
        if (end_names[i].sure || (tokenizer->flags[id] & SMG_TOKEN_SPECIAL))
            tokenizer->flags[id] = SMG_TOKEN_SILENT | SMG_TOKEN_SPECIAL | SMG_TOKEN_END;
    }
}

static bool contains_folded(smg_text text, const char *lower)
{
    size_t size = strlen(lower);
    for (size_t at = 0; at + size <= text.size; at++) {
        size_t same = 0;
        while (same < size && tolower((unsigned char)text.data[at + same]) == lower[same])
            same++;
        if (same == size)
            return true;
    }
    return false;
}

/* Phi-3's markers swallow the white space behind them (`rstrip` in its tokenizer.json), which GGUF has no key
 * for; the model's name has to do. */
static void mark_strips(smg_tokenizer *tokenizer, const smg_gguf *gguf)
{
    smg_text model = {.data = "", .size = 0};
    if (smg_gguf_get_text(gguf, "general.name", &model, NULL, NULL) != SMIDGE_OK)
        return;
    if (!contains_folded(model, "phi-3") && !contains_folded(model, "phi3"))
        return;
    static const char *const keep[] = {"<unk>", "<s>", "<|endoftext|>"};
    for (int32_t id = 0; id < tokenizer->size; id++) {
        if (tokenizer->flags[id] & SMG_TOKEN_SPECIAL)
            tokenizer->flags[id] |= SMG_TOKEN_STRIPS;
    }
    for (size_t i = 0; i < sizeof(keep) / sizeof(keep[0]); i++) {
        int32_t id = smg_vocabulary_find(tokenizer, keep[i], strlen(keep[i]));
        if (id != SMG_TOKEN_NONE)
            tokenizer->flags[id] &= (uint8_t)~SMG_TOKEN_STRIPS;
    }
}

static void note_length(smg_special_lengths *lengths, smg_text name)
{
    lengths->bits[(uint8_t)name.data[0]][name.size / 64] |= UINT64_C(1) << (name.size % 64);
}

void smg_special_prepare(smg_tokenizer *tokenizer, const smg_gguf *gguf)
{
    mark_ends(tokenizer);
    mark_strips(tokenizer, gguf);
    for (int32_t id = 0; id < tokenizer->size; id++) {
        if (!(tokenizer->flags[id] & SMG_TOKEN_SPECIAL))
            continue;
        smg_text name = smg_vocabulary_name(tokenizer, id);
        if (name.size == 0 || name.size > SMG_SPECIAL_MAX)
            continue;
        note_length(tokenizer->trusted_lengths, name);
        if (tokenizer->flags[id] & SMG_TOKEN_ANYWHERE) {
            note_length(tokenizer->untrusted_lengths, name);
            tokenizer->any_untrusted = true;
        }
    }
}

size_t smg_special_match(const smg_tokenizer *tokenizer, const char *text, size_t size, size_t at,
                         size_t trusted_end, int32_t *ret_id)
{
    bool trusted = at < trusted_end;
    if (!trusted && !tokenizer->any_untrusted)
        return 0;
    const smg_special_lengths *lengths = trusted ? tokenizer->trusted_lengths : tokenizer->untrusted_lengths;
    const uint64_t *bits = lengths->bits[(uint8_t)text[at]];
    for (int word = (SMG_SPECIAL_MAX + 1) / 64 - 1; word >= 0; word--) {
        for (uint64_t left = bits[word]; left != 0;) {
            int bit = 63 - __builtin_clzll(left);
            left &= ~(UINT64_C(1) << bit);
            size_t length = (size_t)word * 64 + (size_t)bit;
            if (length > size - at)
                continue;
            int32_t id = smg_vocabulary_find(tokenizer, text + at, length);
            uint8_t flags = id == SMG_TOKEN_NONE ? 0 : tokenizer->flags[id];
            bool allowed = (flags & SMG_TOKEN_ANYWHERE) ||
                           ((flags & SMG_TOKEN_SPECIAL) && trusted && length <= trusted_end - at);
            if (allowed) {
                *ret_id = id;
                return length;
            }
        }
    }
    return 0;
}
