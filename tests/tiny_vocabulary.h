/* Small vocabularies as GGUF bytes, for tests and fuzzing: all 256 bytes, a few merges or pieces, and special
 * tokens of each type. The first tokens have fixed ids. */
#ifndef SMG_TESTS_TINY_VOCABULARY_H
#define SMG_TESTS_TINY_VOCABULARY_H

#include <stdio.h>

#include "gguf_builder.h"

#define TINY_MAX_TOKENS 512

enum {
    TINY_UNKNOWN = 0, /* "<unk>" */
    TINY_BOS = 1,     /* "<s>" */
    TINY_EOS = 2,     /* "</s>" */
    TINY_START = 3,   /* "<|im_start|>" */
    TINY_END = 4,     /* "<|im_end|>" */
    TINY_USER = 5,    /* "<|User|>", user-defined */
    TINY_NEWLINES = 6 /* three newlines, user-defined */
};

typedef struct tiny_tokens {
    char names[TINY_MAX_TOKENS][24];
    const char *texts[TINY_MAX_TOKENS];
    int32_t types[TINY_MAX_TOKENS];
    float scores[TINY_MAX_TOKENS];
    size_t count;
} tiny_tokens;

static inline void tiny_add(tiny_tokens *t, const char *name, int32_t type, float score)
{
    snprintf(t->names[t->count], sizeof(t->names[0]), "%s", name);
    t->texts[t->count] = t->names[t->count];
    t->types[t->count] = type;
    t->scores[t->count++] = score;
}

/* Those of the names that are not there yet, as pieces that merges prefer to none. */
static inline void tiny_add_missing(tiny_tokens *t, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool known = false;
        for (size_t j = 0; j < t->count; j++)
            known = known || strcmp(t->texts[j], names[i]) == 0;
        if (!known)
            tiny_add(t, names[i], 1, -300.0f);
    }
}

static inline void tiny_add_specials(tiny_tokens *t)
{
    tiny_add(t, "<unk>", 2, 0.0f);
    tiny_add(t, "<s>", 3, 0.0f);
    tiny_add(t, "</s>", 3, 0.0f);
    tiny_add(t, "<|im_start|>", 3, 0.0f);
    tiny_add(t, "<|im_end|>", 3, 0.0f);
    tiny_add(t, "<|User|>", 4, 0.0f);
    tiny_add(t, "\n\n\n", 4, 0.0f);
}

/* The alphabet of GPT-2, told independently of the library: printable Latin-1 stands for itself, the rest
 * follows from U+0100. */
static inline void tiny_letter(int byte, char *ret_utf8)
{
    int letter = byte;
    int next = 0x100;
    for (int i = 0; i <= byte; i++) {
        bool printable = (i >= '!' && i <= '~') || (i >= 0xA1 && i <= 0xAC) || (i >= 0xAE && i <= 0xFF);
        letter = printable ? i : next;
        next += printable ? 0 : 1;
    }
    if (letter < 0x80) {
        ret_utf8[0] = (char)letter;
        ret_utf8[1] = '\0';
    } else {
        ret_utf8[0] = (char)(0xC0 | letter >> 6);
        ret_utf8[1] = (char)(0x80 | (letter & 0x3F));
        ret_utf8[2] = '\0';
    }
}

static const char *const tiny_merges[] = {
    "h e",  "l l", "he ll", "hell o", "Ġ w",  "o r",   "Ġw or",     "1 2", "12 3", "Ġ Ġ",
    "ĠĠ Ġ", "Ċ Ċ", "' s",   "a a",    "aa a", "aa aa", "aaaa aaaa", "Ã ©", "| >",  "< |",
};
#define TINY_MERGE_COUNT (sizeof(tiny_merges) / sizeof(tiny_merges[0]))

static inline void tiny_bpe_tokens(tiny_tokens *t)
{
    t->count = 0;
    tiny_add_specials(t);
    for (int byte = 0; byte < 256; byte++) {
        char letter[3];
        tiny_letter(byte, letter);
        tiny_add(t, letter, 1, 0.0f);
    }
    for (size_t i = 0; i < TINY_MERGE_COUNT; i++) {
        const char *space = strchr(tiny_merges[i], ' ');
        char name[24];
        snprintf(name, sizeof(name), "%.*s%s", (int)(space - tiny_merges[i]), tiny_merges[i], space + 1);
        tiny_add(t, name, 1, 0.0f);
    }
}

static inline void tiny_spm_tokens(tiny_tokens *t)
{
    static const char *const pieces[] = {
        "▁he",  "llo", "▁hello", "ll", "he",   "▁▁", "▁▁▁▁", "▁w", "or", "▁wor", "ld",  "▁world", "aa",
        "aaaa", "12",  "123",    "é",  "世界", "s>", "<s",   "</", "0x", "<0x",  "é▁x", "é▁",
    };
    t->count = 0;
    tiny_add_specials(t);
    for (int byte = 0; byte < 256; byte++) {
        char name[8];
        snprintf(name, sizeof(name), "<0x%02X>", byte);
        tiny_add(t, name, 6, 0.0f);
    }
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++)
        tiny_add(t, pieces[i], 1, -1.0f - (float)i);
    tiny_add(t, "▁", 1, -100.0f);
    for (int c = '!'; c <= '~'; c++) {
        char name[2] = {(char)c, '\0'};
        tiny_add(t, name, 1, -200.0f - (float)c);
    }
}

/* Leaves room for more keys: the caller calls gguf_finish. */
static inline void tiny_begin_bpe(gguf_builder *b, const tiny_tokens *t, const char *pre)
{
    gguf_begin(b, 3);
    gguf_add_str(b, "tokenizer.ggml.model", "gpt2");
    if (pre)
        gguf_add_str(b, "tokenizer.ggml.pre", pre);
    gguf_add_array_str(b, "tokenizer.ggml.tokens", t->texts, t->count);
    gguf_add_array_i32(b, "tokenizer.ggml.token_type", t->types, t->count);
    gguf_add_array_str(b, "tokenizer.ggml.merges", tiny_merges, TINY_MERGE_COUNT);
    gguf_add_u32(b, "tokenizer.ggml.bos_token_id", TINY_BOS);
    gguf_add_u32(b, "tokenizer.ggml.eos_token_id", TINY_EOS);
}

static inline void tiny_begin_spm(gguf_builder *b, const tiny_tokens *t)
{
    gguf_begin(b, 3);
    gguf_add_str(b, "tokenizer.ggml.model", "llama");
    gguf_add_array_str(b, "tokenizer.ggml.tokens", t->texts, t->count);
    gguf_add_array_f32(b, "tokenizer.ggml.scores", t->scores, t->count);
    gguf_add_array_i32(b, "tokenizer.ggml.token_type", t->types, t->count);
}

#endif
