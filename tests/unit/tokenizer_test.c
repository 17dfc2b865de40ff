/* The tokenizers on small vocabularies made in memory: special tokens and trust, spaces, hostile text, broken
 * vocabularies, memory. */
#include "test_support.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "tiny_vocabulary.h"
#include "token/tokenizer_internal.h"

typedef struct fixture {
    tiny_tokens tokens;
    gguf_builder builder;
    smg_gguf gguf;
    smg_tokenizer *tokenizer;
} fixture;

/* Finishes the builder and opens it; returns what smg_tokenizer_new says. */
static smidge_status open_built(fixture *f, smidge_error *error)
{
    f->tokenizer = NULL;
    gguf_finish(&f->builder);
    assert_int_equal(smg_gguf_parse(f->builder.bytes, f->builder.size, "tiny", &f->gguf, error), SMIDGE_OK);
    return smg_tokenizer_new(&f->gguf, NULL, &f->tokenizer, error);
}

static void close_built(fixture *f)
{
    smg_tokenizer_free(f->tokenizer);
    smg_gguf_close(&f->gguf);
    gguf_free(&f->builder);
}

static void open_bpe(fixture *f, const char *pre)
{
    smidge_error error;
    tiny_bpe_tokens(&f->tokens);
    tiny_begin_bpe(&f->builder, &f->tokens, pre);
    assert_int_equal(open_built(f, &error), SMIDGE_OK);
}

static void open_spm(fixture *f)
{
    smidge_error error;
    tiny_spm_tokens(&f->tokens);
    tiny_begin_spm(&f->builder, &f->tokens);
    assert_int_equal(open_built(f, &error), SMIDGE_OK);
}

static smg_ids encode(const smg_tokenizer *tokenizer, const smg_span *spans, size_t count, bool add_bos)
{
    smg_ids ids = {.ids = NULL, .count = 0};
    smidge_error error;
    if (smg_tokenizer_encode(tokenizer, spans, count, add_bos, &ids, &error) != SMIDGE_OK)
        fail_msg("%s", error.message);
    return ids;
}

/* Encodes one span and compares the names of the tokens, joined by '|'. */
static void check_names(const smg_tokenizer *tokenizer, const char *text, bool trusted, const char *expected)
{
    smg_span span = {.text = text, .size = strlen(text), .trusted = trusted};
    smg_ids ids = encode(tokenizer, &span, 1, false);
    char names[1024];
    size_t size = 0;
    for (size_t i = 0; i < ids.count; i++) {
        smg_text name = smg_tokenizer_name(tokenizer, ids.ids[i]);
        size += (size_t)snprintf(names + size, sizeof(names) - size, "%s%.*s", i > 0 ? "|" : "",
                                 (int)name.size, name.data);
    }
    names[size] = '\0';
    assert_string_equal(names, expected);
    smg_free(ids.ids);
}

static void check_round_trip(const smg_tokenizer *tokenizer, const char *text, size_t size)
{
    smg_span span = {.text = text, .size = size};
    smg_ids ids = encode(tokenizer, &span, 1, false);
    char *back;
    size_t back_size;
    smidge_error error;
    assert_int_equal(smg_tokenizer_decode(tokenizer, ids.ids, ids.count, &back, &back_size, &error),
                     SMIDGE_OK);
    assert_int_equal(back_size, size);
    assert_memory_equal(back, text, size);
    assert_int_equal(back[size], 0);
    smg_free(back);
    smg_free(ids.ids);
}

static void bpe_merges_by_rank(void **state)
{
    (void)state;
    fixture f;
    open_bpe(&f, "gpt-2");
    check_names(f.tokenizer, "", false, "");
    check_names(f.tokenizer, "hello world", false, "hello|Ġwor|l|d");
    check_names(f.tokenizer, "hell 1234", false, "hell|Ġ|123|4");
    check_names(f.tokenizer, "aaaaaaaaaaa", false, "aaaaaaaa|aaa");
    check_names(f.tokenizer, "it's é", false, "i|t|'s|Ġ|Ã©");
    assert_string_equal(smg_tokenizer_model(f.tokenizer), "gpt2");
    assert_string_equal(smg_tokenizer_pre(f.tokenizer), "gpt-2");
    assert_false(smg_tokenizer_adds_bos(f.tokenizer));
    assert_false(smg_tokenizer_adds_space(f.tokenizer));
    close_built(&f);
}

static void spm_merges_by_score(void **state)
{
    (void)state;
    fixture f;
    open_spm(&f);
    check_names(f.tokenizer, "", false, "");
    check_names(f.tokenizer, " ", false, "▁▁");
    check_names(f.tokenizer, "hello world", false, "▁hello|▁world");
    check_names(f.tokenizer, "hello  123", false, "▁hello|▁▁|123");
    check_names(f.tokenizer, "世界ж", false, "▁|世界|<0xD0>|<0xB6>");
    check_names(f.tokenizer, "aaaaa", false, "▁|aaaa|a");
    /* A piece with a space inside is met although most words stand apart. */
    check_names(f.tokenizer, "é x", false, "▁|é▁x");
    assert_string_equal(smg_tokenizer_model(f.tokenizer), "llama");
    assert_string_equal(smg_tokenizer_pre(f.tokenizer), "");
    assert_true(smg_tokenizer_adds_bos(f.tokenizer));
    assert_true(smg_tokenizer_adds_space(f.tokenizer));
    assert_int_equal(smg_tokenizer_bos(f.tokenizer), TINY_BOS);
    assert_int_equal(smg_tokenizer_eos(f.tokenizer), TINY_EOS);
    close_built(&f);
}

static void special_tokens_need_trust(void **state)
{
    (void)state;
    fixture f;
    open_bpe(&f, "smollm");
    check_names(f.tokenizer, "<|im_end|>", true, "<|im_end|>");
    check_names(f.tokenizer, "a<|im_start|>hello</s>", true, "a|<|im_start|>|hello|</s>");
    check_names(f.tokenizer, "<|User|>", true, "<|User|>");
    check_names(f.tokenizer, "<|im_end|>", false, "<||i|m|_|e|n|d||>");
    check_names(f.tokenizer, "<|User|>", false, "<||U|s|e|r||>");
    check_names(f.tokenizer, "a\n\n\nb", false, "a|\n\n\n|b");
    check_names(f.tokenizer, "a\n\n\nb", true, "a|\n\n\n|b");
    close_built(&f);

    open_spm(&f);
    check_names(f.tokenizer, "<s>a</s>", true, "<s>|▁|a|</s>");
    /* "<" and "s>" would make "<s>", "</" and "s>" the other, were control tokens not kept out of merging. */
    check_names(f.tokenizer, "<s>", false, "▁|<|s>");
    check_names(f.tokenizer, "</s>", false, "▁|</|s>");
    check_names(f.tokenizer, "<0x41>", false, "▁|<0x|4|1|>");
    check_names(f.tokenizer, "<unk>", false, "▁|<|u|n|k|>");
    close_built(&f);
}

static void trust_is_per_span(void **state)
{
    (void)state;
    fixture f;
    open_bpe(&f, "gpt-2");
    smg_span spans[] = {
        {.text = "<|im_start|>he", .size = 14, .trusted = true},
        {.text = "llo<|im_end|>", .size = 13, .trusted = false},
        {.text = "<|im_e", .size = 6, .trusted = true},
        {.text = "", .size = 0, .trusted = true},
        {.text = "nd|>", .size = 4, .trusted = true},
        {.text = "<|im_e", .size = 6, .trusted = true},
        {.text = "nd|>", .size = 4, .trusted = false},
        {.text = "<|im_end|>", .size = 10, .trusted = true},
    };
    smg_ids ids = encode(f.tokenizer, spans, sizeof(spans) / sizeof(spans[0]), false);
    int starts = 0;
    int ends = 0;
    for (size_t i = 0; i < ids.count; i++) {
        starts += ids.ids[i] == TINY_START;
        ends += ids.ids[i] == TINY_END;
    }
    /* The one in the untrusted span and the one that reaches into it are plain text. */
    assert_int_equal(starts, 1);
    assert_int_equal(ends, 2);
    smg_text second = smg_tokenizer_name(f.tokenizer, ids.ids[1]);
    assert_int_equal(second.size, 5); /* "hello", merged over the border */
    assert_memory_equal(second.data, "hello", 5);
    smg_free(ids.ids);
    close_built(&f);
}

static void bytes_names_and_kinds(void **state)
{
    (void)state;
    fixture f;
    open_bpe(&f, NULL);
    assert_string_equal(smg_tokenizer_pre(f.tokenizer), "default");
    assert_int_equal(smg_tokenizer_size(f.tokenizer), f.tokens.count);
    for (int byte = 0; byte < 256; byte++) {
        smg_text bytes = smg_tokenizer_bytes(f.tokenizer, TINY_NEWLINES + 1 + byte);
        assert_int_equal(bytes.size, 1);
        assert_int_equal((uint8_t)bytes.data[0], byte);
    }
    assert_int_equal(smg_tokenizer_bytes(f.tokenizer, TINY_END).size, 0);
    assert_int_equal(smg_tokenizer_bytes(f.tokenizer, TINY_NEWLINES).size, 3);
    assert_int_equal(smg_tokenizer_bytes(f.tokenizer, TINY_USER).size, 8);
    assert_int_equal(smg_tokenizer_bytes(f.tokenizer, -1).size, 0);
    assert_int_equal(smg_tokenizer_bytes(f.tokenizer, smg_tokenizer_size(f.tokenizer)).size, 0);
    assert_int_equal(smg_tokenizer_name(f.tokenizer, INT32_MAX).size, 0);
    assert_true(smg_tokenizer_is_control(f.tokenizer, TINY_END));
    assert_false(smg_tokenizer_is_control(f.tokenizer, TINY_NEWLINES));
    assert_false(smg_tokenizer_is_control(f.tokenizer, INT32_MIN));
    assert_true(smg_tokenizer_is_end(f.tokenizer, TINY_END));
    assert_true(smg_tokenizer_is_end(f.tokenizer, TINY_EOS));
    assert_false(smg_tokenizer_is_end(f.tokenizer, TINY_START));
    assert_false(smg_tokenizer_is_end(f.tokenizer, 1000000));
    close_built(&f);

    open_spm(&f);
    smg_text bytes = smg_tokenizer_bytes(f.tokenizer, TINY_NEWLINES + 1 + 0xF0);
    assert_int_equal(bytes.size, 1);
    assert_int_equal((uint8_t)bytes.data[0], 0xF0);
    bytes = smg_tokenizer_bytes(f.tokenizer, TINY_NEWLINES + 1 + 256 + 2);
    assert_int_equal(bytes.size, 6);
    assert_memory_equal(bytes.data, " hello", 6);
    close_built(&f);
}

/* What one token at a time says is what all of them together say, cut at any room. */
static void check_spelling(const smg_tokenizer *tokenizer)
{
    for (int32_t id = -1; id <= smg_tokenizer_size(tokenizer); id++) {
        smg_text bytes = smg_tokenizer_bytes(tokenizer, id);
        for (size_t room = 0; room <= bytes.size + 1; room++) {
            char spelled[64];
            size_t size = smg_tokenizer_spell(tokenizer, id, spelled, room);
            assert_int_equal(size, bytes.size < room ? bytes.size : room);
            assert_memory_equal(spelled, bytes.data, size);
        }
    }
}

/* No token that begins like this is passed over. */
static void check_search(const smg_tokenizer *tokenizer, const char *beginnings, const char *behind)
{
    bool first[256] = {false};
    bool second[256] = {false};
    for (const char *byte = beginnings; *byte != '\0'; byte++)
        first[(uint8_t)*byte] = true;
    for (const char *byte = behind; *byte != '\0'; byte++)
        second[(uint8_t)*byte] = true;
    smg_token_search search;
    smg_token_search_init(&search, tokenizer, first, second);
    int32_t found = smg_token_search_next(&search);
    for (int32_t id = 0; id < smg_tokenizer_size(tokenizer); id++) {
        smg_text bytes = smg_tokenizer_bytes(tokenizer, id);
        bool wanted = bytes.size > 0 && first[(uint8_t)bytes.data[0]];
        if (wanted && bytes.data[0] == ' ' && bytes.size > 1)
            wanted = second[(uint8_t)bytes.data[1]];
        if (wanted || smg_tokenizer_is_end(tokenizer, id))
            assert_int_equal(found, id);
        if (found == id)
            found = smg_token_search_next(&search);
    }
    assert_int_equal(found, SMG_TOKEN_NONE);
}

static void tokens_one_by_one(void **state)
{
    (void)state;
    fixture f;
    for (int spm = 0; spm < 2; spm++) {
        if (spm)
            open_spm(&f);
        else
            open_bpe(&f, NULL);
        check_spelling(f.tokenizer);
        check_search(f.tokenizer, "", "");
        check_search(f.tokenizer, "\n", "");
        check_search(f.tokenizer, "h\n", "");
        check_search(f.tokenizer, " h\n", "");
        check_search(f.tokenizer, " h\n", "h");
        check_search(f.tokenizer, " ", " ");
        check_search(f.tokenizer, " <\xE2\xC3\xA9\x7F\x01", " \xE2\xC4");
        close_built(&f);
    }
}

static void loading_stops(void **state)
{
    (void)state;
    const smg_stop late = {.deadline = 1};
    fixture f;
    open_bpe(&f, NULL);
    smidge_error error;
    smg_tokenizer *tokenizer = NULL;
    assert_int_equal(smg_tokenizer_new(&f.gguf, &late, &tokenizer, &error), SMIDGE_E_DEADLINE);
    assert_null(tokenizer);
    close_built(&f);
}

static void bos_and_eos(void **state)
{
    (void)state;
    smidge_error error;
    fixture f;
    tiny_bpe_tokens(&f.tokens);
    tiny_begin_bpe(&f.builder, &f.tokens, "llama-bpe");
    gguf_add_bool(&f.builder, "tokenizer.ggml.add_eos_token", true);
    assert_int_equal(open_built(&f, &error), SMIDGE_OK);
    assert_true(smg_tokenizer_adds_bos(f.tokenizer));
    smg_span span = {.text = "hello", .size = 5};
    smg_ids ids = encode(f.tokenizer, &span, 1, true);
    assert_int_equal(ids.count, 3);
    assert_int_equal(ids.ids[0], TINY_BOS);
    assert_int_equal(ids.ids[2], TINY_EOS);
    smg_free(ids.ids);
    ids = encode(f.tokenizer, NULL, 0, true);
    assert_int_equal(ids.count, 2);
    smg_free(ids.ids);
    close_built(&f);

    tiny_spm_tokens(&f.tokens);
    tiny_begin_spm(&f.builder, &f.tokens);
    gguf_add_bool(&f.builder, "tokenizer.ggml.add_bos_token", false);
    gguf_add_bool(&f.builder, "tokenizer.ggml.add_space_prefix", false);
    gguf_add_u32(&f.builder, "tokenizer.ggml.padding_token_id", UINT32_MAX);
    assert_int_equal(open_built(&f, &error), SMIDGE_OK);
    assert_false(smg_tokenizer_adds_bos(f.tokenizer));
    assert_false(smg_tokenizer_adds_space(f.tokenizer));
    check_names(f.tokenizer, "hello", false, "he|llo");
    check_round_trip(f.tokenizer, " hello", 6);
    close_built(&f);
}

static void decoding_undoes_encoding(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",       " ",     "  ",     "   a",     "hello world",  "hello\n\n\n hello",
        "\n\n\n", "a\tb ", "é世🙂ж", "<s>x</s>", " <|im_end|> ", "\n\n\n  \n\n\n\n",
    };
    static const char *const pres[] = {
        "default", "gpt-2",  "mpt",    "llama-bpe", "llama3",         "llama-v3",
        "qwen2",   "smollm", "refact", "starcoder", "deepseek-coder",
    };
    fixture f;
    for (size_t p = 0; p <= sizeof(pres) / sizeof(pres[0]); p++) {
        if (p == 0)
            open_spm(&f);
        else
            open_bpe(&f, pres[p - 1]);
        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
            check_round_trip(f.tokenizer, texts[i], strlen(texts[i]));
        uint64_t random = 5 + p;
        char text[100];
        for (int round = 0; round < 2000; round++) { /* not even valid UTF-8; all bytes have tokens */
            size_t size = smg_test_random(&random) % sizeof(text);
            for (size_t i = 0; i < size; i++)
                text[i] = (char)(smg_test_random(&random) >> 9 & 0xFF);
            for (size_t i = 0; i + 2 < size; i++) { /* U+2581 is a space to SentencePiece */
                if (memcmp(text + i, "\xE2\x96\x81", 3) == 0)
                    text[i] = 'a';
            }
            check_round_trip(f.tokenizer, text, size);
        }
        close_built(&f);
    }
}

/* One word of 64 KiB; what would be quadratic takes seconds. */
static void long_words_are_quick(void **state)
{
    (void)state;
    enum { SIZE = 65536 };
    char *text = malloc(SIZE);
    assert_non_null(text);
    static const char *const fillers[] = {"a",  "<|im_end|>", "hello", "\xF0\x9F\x99\x82",
                                          "'s", " ",          "\n",    "\xFF"};
    for (size_t i = 0; i < sizeof(fillers) / sizeof(fillers[0]); i++) {
        size_t length = strlen(fillers[i]);
        for (size_t at = 0; at < SIZE; at++)
            text[at] = fillers[i][at % length];
        for (int model = 0; model < 3; model++) {
            fixture f;
            if (model == 0)
                open_spm(&f);
            else
                open_bpe(&f, model == 1 ? "llama-bpe" : "default");
            int64_t start = smg_clock_now();
            check_round_trip(f.tokenizer, text, SIZE);
            assert_true(smg_clock_now() - start < INT64_C(5000000000));
            close_built(&f);
        }
    }
    free(text);
}

static void too_long_text_is_refused(void **state)
{
    (void)state;
    fixture f;
    open_spm(&f);
    smg_span spans[] = {{.text = "a", .size = 1}, {.text = "a", .size = SIZE_MAX}};
    smg_ids ids;
    smidge_error error;
    assert_int_equal(smg_tokenizer_encode(f.tokenizer, spans, 2, true, &ids, &error), SMIDGE_E_INVALID);
    assert_non_null(strstr(error.message, "16 MiB"));
    close_built(&f);
}

static void memory_is_foretold(void **state)
{
    (void)state;
    fixture f;
    open_bpe(&f, "smollm");
    uint64_t blocks = smg_alloc_live_blocks();
    uint64_t foretold = smg_tokenizer_memory(&f.gguf);
    assert_true(foretold > 0 && foretold < 100000);
    smg_tokenizer *second;
    smidge_error error;
    smg_alloc_fail_at(0);
    assert_int_equal(smg_tokenizer_new(&f.gguf, NULL, &second, &error), SMIDGE_OK);
    assert_int_equal(smg_alloc_calls(), 1); /* all that it takes, and it is as large as foretold */
    assert_int_equal(smg_alloc_live_blocks(), blocks + 1);
    assert_int_equal(second->arena.size, foretold);
    smg_tokenizer_free(second);
    assert_int_equal(smg_alloc_live_blocks(), blocks);
    smg_tokenizer_free(NULL);
    close_built(&f);

    gguf_builder empty;
    smg_gguf gguf;
    gguf_begin(&empty, 3);
    gguf_add_array_i32(&empty, "tokenizer.ggml.tokens", (const int32_t[]){1, 2}, 2);
    gguf_finish(&empty);
    assert_int_equal(smg_gguf_parse(empty.bytes, empty.size, "empty", &gguf, &error), SMIDGE_OK);
    assert_int_equal(smg_tokenizer_memory(&gguf), 0);
    smg_gguf_close(&gguf);
    gguf_free(&empty);
}

static smidge_status load_and_use(const smg_gguf *gguf)
{
    smg_tokenizer *tokenizer = NULL;
    smg_ids ids = {.ids = NULL, .count = 0};
    char *text = NULL;
    size_t size;
    smidge_error error;
    smg_span spans[] = {{.text = "<s>hello", .size = 8, .trusted = true}, {.text = " world", .size = 6}};
    smidge_status status = smg_tokenizer_new(gguf, NULL, &tokenizer, &error);
    if (status == SMIDGE_OK)
        status = smg_tokenizer_encode(tokenizer, spans, 2, true, &ids, &error);
    if (status == SMIDGE_OK)
        status = smg_tokenizer_decode(tokenizer, ids.ids, ids.count, &text, &size, &error);
    if (status != SMIDGE_OK)
        assert_int_equal(error.code, status);
    smg_free(text);
    smg_free(ids.ids);
    smg_tokenizer_free(tokenizer);
    return status;
}

static void each_allocation_may_fail(void **state)
{
    (void)state;
    for (int model = 0; model < 2; model++) {
        fixture f;
        if (model == 0)
            open_spm(&f);
        else
            open_bpe(&f, "qwen2");
        uint64_t blocks = smg_alloc_live_blocks();
        smg_alloc_fail_at(0);
        assert_int_equal(load_and_use(&f.gguf), SMIDGE_OK);
        uint64_t calls = smg_alloc_calls();
        assert_true(calls >= 6);
        for (uint64_t n = 1; n <= calls; n++) {
            smg_alloc_fail_at(n);
            assert_int_equal(load_and_use(&f.gguf), SMIDGE_E_NOMEM);
            assert_int_equal(smg_alloc_live_blocks(), blocks);
        }
        smg_alloc_fail_at(0);
        close_built(&f);
    }
}

/* ---- broken vocabularies ---- */

typedef void (*breaker)(fixture *f);

typedef struct broken_case {
    breaker make; /* begins and fills the builder */
    smidge_status status;
    const char *says;
} broken_case;

static void no_model(fixture *f)
{
    gguf_begin(&f->builder, 3);
    gguf_add_array_str(&f->builder, "tokenizer.ggml.tokens", f->tokens.texts, f->tokens.count);
}

static void other_model(fixture *f)
{
    gguf_begin(&f->builder, 3);
    gguf_add_str(&f->builder, "tokenizer.ggml.model", "rwkv");
}

static void model_is_number(fixture *f)
{
    gguf_begin(&f->builder, 3);
    gguf_add_u32(&f->builder, "tokenizer.ggml.model", 3);
}

static void other_pre(fixture *f)
{
    tiny_begin_bpe(&f->builder, &f->tokens, "tekken");
}

static void no_tokens(fixture *f)
{
    gguf_begin(&f->builder, 3);
    gguf_add_str(&f->builder, "tokenizer.ggml.model", "llama");
}

static void empty_tokens(fixture *f)
{
    no_tokens(f);
    gguf_add_array_str(&f->builder, "tokenizer.ggml.tokens", NULL, 0);
}

static void tokens_are_numbers(fixture *f)
{
    no_tokens(f);
    gguf_add_array_i32(&f->builder, "tokenizer.ggml.tokens", f->tokens.types, f->tokens.count);
}

static void tokens_are_no_array(fixture *f)
{
    no_tokens(f);
    gguf_add_str(&f->builder, "tokenizer.ggml.tokens", "a");
}

static void no_scores(fixture *f)
{
    no_tokens(f);
    gguf_add_array_str(&f->builder, "tokenizer.ggml.tokens", f->tokens.texts, f->tokens.count);
}

static void few_scores(fixture *f)
{
    no_scores(f);
    gguf_add_array_f32(&f->builder, "tokenizer.ggml.scores", f->tokens.scores, f->tokens.count - 1);
}

static void scores_are_ints(fixture *f)
{
    no_scores(f);
    gguf_add_array_i32(&f->builder, "tokenizer.ggml.scores", f->tokens.types, f->tokens.count);
}

static void many_types(fixture *f)
{
    no_scores(f);
    gguf_add_array_f32(&f->builder, "tokenizer.ggml.scores", f->tokens.scores, f->tokens.count);
    gguf_add_array_i32(&f->builder, "tokenizer.ggml.token_type", f->tokens.types, f->tokens.count + 1);
}

static void types_are_unsigned(fixture *f)
{
    no_scores(f);
    gguf_add_array_u32(&f->builder, "tokenizer.ggml.token_type", (const uint32_t[]){1}, 1);
}

static void unknown_type(fixture *f)
{
    f->tokens.types[9] = 7;
    tiny_begin_bpe(&f->builder, &f->tokens, NULL);
}

static void wrong_byte(fixture *f)
{
    f->tokens.types[9] = 6;
    tiny_begin_bpe(&f->builder, &f->tokens, NULL);
}

static void same_names(fixture *f)
{
    f->tokens.texts[20] = f->tokens.texts[10];
    tiny_begin_bpe(&f->builder, &f->tokens, NULL);
}

static void no_merges(fixture *f)
{
    gguf_begin(&f->builder, 3);
    gguf_add_str(&f->builder, "tokenizer.ggml.model", "gpt2");
    gguf_add_array_str(&f->builder, "tokenizer.ggml.tokens", f->tokens.texts, f->tokens.count);
}

static void half_merge(fixture *f)
{
    static const char *const merges[] = {"h e", "hello"};
    no_merges(f);
    gguf_add_array_str(&f->builder, "tokenizer.ggml.merges", merges, 2);
}

static void merge_of_nothing(fixture *f)
{
    static const char *const merges[] = {"h "};
    no_merges(f);
    gguf_add_array_str(&f->builder, "tokenizer.ggml.merges", merges, 1);
}

static void id_out_of_range(fixture *f)
{
    tiny_begin_spm(&f->builder, &f->tokens);
    gguf_add_u32(&f->builder, "tokenizer.ggml.eot_token_id", (uint32_t)f->tokens.count);
}

static void id_is_text(fixture *f)
{
    tiny_begin_spm(&f->builder, &f->tokens);
    gguf_add_str(&f->builder, "tokenizer.ggml.eos_token_id", "2");
}

static void bos_without_id(fixture *f)
{
    tiny_begin_spm(&f->builder, &f->tokens);
    gguf_add_u32(&f->builder, "tokenizer.ggml.bos_token_id", UINT32_MAX);
    gguf_add_bool(&f->builder, "tokenizer.ggml.add_bos_token", true);
}

static void add_bos_is_number(fixture *f)
{
    tiny_begin_spm(&f->builder, &f->tokens);
    gguf_add_u32(&f->builder, "tokenizer.ggml.add_bos_token", 1);
}

static void broken_vocabularies_are_refused(void **state)
{
    (void)state;
    static const broken_case cases[] = {
        {no_model, SMIDGE_E_FORMAT, "tokenizer.ggml.model is missing"},
        {other_model, SMIDGE_E_UNSUPPORTED, "\"rwkv\""},
        {model_is_number, SMIDGE_E_FORMAT, "tokenizer.ggml.model"},
        {other_pre, SMIDGE_E_UNSUPPORTED, "\"tekken\""},
        {no_tokens, SMIDGE_E_FORMAT, "tokenizer.ggml.tokens is missing"},
        {empty_tokens, SMIDGE_E_FORMAT, "tokenizer.ggml.tokens is empty"},
        {tokens_are_numbers, SMIDGE_E_FORMAT, "tokenizer.ggml.tokens"},
        {tokens_are_no_array, SMIDGE_E_FORMAT, "tokenizer.ggml.tokens"},
        {no_scores, SMIDGE_E_FORMAT, "tokenizer.ggml.scores is missing"},
        {few_scores, SMIDGE_E_FORMAT, "tokenizer.ggml.scores has"},
        {scores_are_ints, SMIDGE_E_FORMAT, "tokenizer.ggml.scores"},
        {many_types, SMIDGE_E_FORMAT, "tokenizer.ggml.token_type has"},
        {types_are_unsigned, SMIDGE_E_FORMAT, "tokenizer.ggml.token_type"},
        {unknown_type, SMIDGE_E_FORMAT, "unknown type 7"},
        {wrong_byte, SMIDGE_E_FORMAT, "type of a byte"},
        {same_names, SMIDGE_E_FORMAT, "tokens 10 and 20"},
        {no_merges, SMIDGE_E_FORMAT, "tokenizer.ggml.merges is missing"},
        {half_merge, SMIDGE_E_FORMAT, "merge 1, \"hello\""},
        {merge_of_nothing, SMIDGE_E_FORMAT, "merge 0, \"h \""},
        {id_out_of_range, SMIDGE_E_FORMAT, "tokenizer.ggml.eot_token_id is"},
        {id_is_text, SMIDGE_E_FORMAT, "tokenizer.ggml.eos_token_id"},
        {bos_without_id, SMIDGE_E_FORMAT, "add_bos_token"},
        {add_bos_is_number, SMIDGE_E_FORMAT, "add_bos_token"},
    };
    uint64_t blocks = smg_alloc_live_blocks();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fixture f;
        smidge_error error = {.code = SMIDGE_OK};
        tiny_bpe_tokens(&f.tokens);
        /* The pieces of the other model would do as well: the names are what counts. */
        cases[i].make(&f);
        smidge_status status = open_built(&f, &error);
        if (status != cases[i].status || strstr(error.message, cases[i].says) == NULL)
            fail_msg("case %zu: status %d, %s", i, (int)status, error.message);
        assert_null(f.tokenizer);
        assert_non_null(strstr(error.message, " ("));
        assert_null(strchr(error.message, '\n'));
        close_built(&f);
        assert_int_equal(smg_alloc_live_blocks(), blocks);
    }
}

/* What is odd but harmless is taken. */
static void odd_vocabularies_work(void **state)
{
    (void)state;
    static const char *const merges[] = {"h e",         "nothing known", "h e",  "< s>",
                                         "< |im_end|>", "l l",           "he ll"};
    fixture f;
    smidge_error error;
    tiny_bpe_tokens(&f.tokens);
    f.tokens.texts[30] = ""; /* two holes */
    f.tokens.texts[31] = "";
    f.tokens.texts[32] = "s>"; /* would let a merge write "<s>" */
    no_merges(&f);
    gguf_add_array_str(&f.builder, "tokenizer.ggml.merges", merges, sizeof(merges) / sizeof(merges[0]));
    gguf_add_u32(&f.builder, "tokenizer.ggml.bos_token_id", TINY_BOS); /* a control token, by its key alone */
    assert_int_equal(open_built(&f, &error), SMIDGE_OK);
    check_names(f.tokenizer, "hello", false, "hell|o");
    check_names(f.tokenizer, "<s>", false, "<|s|>");
    check_names(f.tokenizer, "<s>", true, "<s>");
    close_built(&f);

    /* Without bytes there is the unknown token; without that, nothing. */
    for (int unknown = 0; unknown < 2; unknown++) {
        f.tokens.count = 0;
        tiny_add_specials(&f.tokens);
        tiny_add(&f.tokens, "▁", 1, -1.0f);
        tiny_add(&f.tokens, "a", 1, -2.0f);
        tiny_begin_spm(&f.builder, &f.tokens);
        gguf_add_u32(&f.builder, "tokenizer.ggml.unknown_token_id", unknown ? 0 : UINT32_MAX);
        assert_int_equal(open_built(&f, &error), SMIDGE_OK);
        check_names(f.tokenizer, "a世a", false, unknown ? "▁|a|<unk>|a" : "▁|a|a");
        close_built(&f);
    }
}

/* Damage anywhere in a file gives a refusal or a tokenizer that works on what is left. */
static void damaged_vocabularies_do_no_harm(void **state)
{
    (void)state;
    static const char text[] = "hello <|im_end|> world\n\n\n 123 \xFF\xE4\xB8\x96 aaaaaaaaa<s>";
    uint64_t random = 3;
    int working = 0;
    for (int model = 0; model < 2; model++) {
        fixture f;
        if (model == 0)
            open_spm(&f);
        else
            open_bpe(&f, "qwen2");
        for (int round = 0; round < 3000; round++) {
            uint8_t *bytes = malloc(f.builder.size);
            assert_non_null(bytes);
            memcpy(bytes, f.builder.bytes, f.builder.size);
            for (uint64_t hits = smg_test_random(&random) % 3 + 1; hits > 0; hits--)
                bytes[smg_test_random(&random) % f.builder.size] = (uint8_t)(smg_test_random(&random) >> 7);
            smg_gguf gguf;
            smg_tokenizer *tokenizer = NULL;
            smg_ids ids = {.ids = NULL, .count = 0};
            char *back = NULL;
            size_t size;
            smidge_error error;
            if (smg_gguf_parse(bytes, f.builder.size, "damaged", &gguf, &error) == SMIDGE_OK) {
                if (smg_tokenizer_new(&gguf, NULL, &tokenizer, &error) == SMIDGE_OK) {
                    smg_span span = {.text = text, .size = sizeof(text) - 1, .trusted = round % 2 == 0};
                    assert_int_equal(smg_tokenizer_encode(tokenizer, &span, 1, true, &ids, &error),
                                     SMIDGE_OK);
                    assert_int_equal(smg_tokenizer_decode(tokenizer, ids.ids, ids.count, &back, &size,
                                                          &error),
                                     SMIDGE_OK);
                    working++;
                }
                smg_free(back);
                smg_free(ids.ids);
                smg_tokenizer_free(tokenizer);
                smg_gguf_close(&gguf);
            }
            free(bytes);
        }
        close_built(&f);
    }
    printf("%d of 6000 damaged vocabularies still load\n", working);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bpe_merges_by_rank),        cmocka_unit_test(spm_merges_by_score),
        cmocka_unit_test(special_tokens_need_trust), cmocka_unit_test(trust_is_per_span),
        cmocka_unit_test(bytes_names_and_kinds),     cmocka_unit_test(bos_and_eos),
        cmocka_unit_test(decoding_undoes_encoding),  cmocka_unit_test(long_words_are_quick),
        cmocka_unit_test(too_long_text_is_refused),  cmocka_unit_test(memory_is_foretold),
        cmocka_unit_test(each_allocation_may_fail),  cmocka_unit_test(broken_vocabularies_are_refused),
        cmocka_unit_test(odd_vocabularies_work),     cmocka_unit_test(damaged_vocabularies_do_no_harm),
        cmocka_unit_test(tokens_one_by_one),         cmocka_unit_test(loading_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
