/* The real vocabularies: every conformance case, and what hostile text may not do to them. */
#include "test_support.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "token/tokenizer.h"

#define CASES 46

static const char *const vocabularies[] = {
    "llama-spm", "phi-3", "llama-bpe", "qwen2", "gpt-2", "refact", "deepseek-coder",
};
#define VOCABULARY_COUNT (sizeof(vocabularies) / sizeof(vocabularies[0]))

typedef struct loaded {
    smg_gguf gguf;
    smg_tokenizer *tokenizer;
} loaded;

static void open_vocabulary(const char *name, loaded *v)
{
    char file[128];
    smidge_error error;
    snprintf(file, sizeof(file), "tokenizers/ggml-vocab-%s.gguf", name);
    if (smg_gguf_open(smg_test_need_fixture(file), &v->gguf, &error) != SMIDGE_OK ||
        smg_tokenizer_new(&v->gguf, NULL, &v->tokenizer, &error) != SMIDGE_OK)
        fail_msg("%s: %s", error.where, error.message);
}

static void close_vocabulary(loaded *v)
{
    smg_tokenizer_free(v->tokenizer);
    smg_gguf_close(&v->gguf);
}

static char *read_cases(const char *name, const char *ending, size_t *ret_size)
{
    char file[128];
    char *text;
    smidge_error error;
    snprintf(file, sizeof(file), "tokenizers/ggml-vocab-%s.gguf.%s", name, ending);
    if (smg_file_read(smg_test_need_fixture(file), 1 << 20, &text, ret_size, &error) != SMIDGE_OK)
        fail_msg("%s: %s", error.where, error.message);
    return text;
}

static void check_case(const smg_tokenizer *tokenizer, const char *text, size_t size, const char *expected,
                       size_t expected_size)
{
    smg_span span = {.text = text, .size = size};
    smg_ids ids;
    smidge_error error;
    assert_int_equal(smg_tokenizer_encode(tokenizer, &span, 1, false, &ids, &error), SMIDGE_OK);
    char shown[4096];
    size_t at = 0;
    for (size_t i = 0; i < ids.count; i++)
        at += (size_t)snprintf(shown + at, sizeof(shown) - at, " %d", (int)ids.ids[i]);
    if (at != expected_size || memcmp(shown, expected, at) != 0)
        fail_msg("\"%.*s\" gives%.*s, not%.*s", (int)size, text, (int)at, shown, (int)expected_size,
                 expected);
    char *back;
    size_t back_size;
    assert_int_equal(smg_tokenizer_decode(tokenizer, ids.ids, ids.count, &back, &back_size, &error),
                     SMIDGE_OK);
    if (back_size != size || memcmp(back, text, size) != 0)
        fail_msg("\"%.*s\" comes back as \"%s\"", (int)size, text, back);
    smg_free(back);
    smg_free(ids.ids);
}

static void every_case(void **state)
{
    (void)state;
    static const char separator[] = "\n__ggml_vocab_test__\n";
    for (size_t v = 0; v < VOCABULARY_COUNT; v++) {
        loaded vocabulary;
        int64_t start = smg_clock_now();
        open_vocabulary(vocabularies[v], &vocabulary);
        int64_t ready = smg_clock_now() - start;
        size_t input_size;
        size_t output_size;
        char *input = read_cases(vocabularies[v], "inp", &input_size);
        char *output = read_cases(vocabularies[v], "out", &output_size);
        const char *line = output;
        const char *text = input;
        int cases = 0;
        for (const char *end; (end = strstr(text, separator)) != NULL; cases++) {
            size_t line_size = strcspn(line, "\n");
            check_case(vocabulary.tokenizer, text, (size_t)(end - text), line, line_size);
            line += line_size + (line[line_size] == '\n');
            text = end + strlen(separator);
        }
        assert_int_equal(cases, CASES);
        printf("%s: %d cases, ready after %.1f ms, %.1f MB\n", vocabularies[v], cases, (double)ready / 1e6,
               (double)smg_tokenizer_memory(&vocabulary.gguf) / 1e6);
        smg_free(input);
        smg_free(output);
        close_vocabulary(&vocabulary);
    }
}

/* Each special token's name inside a reading stays text; inside a template it is the token. */
static void markers_in_readings(void **state)
{
    (void)state;
    for (size_t v = 0; v < VOCABULARY_COUNT; v++) {
        loaded vocabulary;
        open_vocabulary(vocabularies[v], &vocabulary);
        const smg_tokenizer *tokenizer = vocabulary.tokenizer;
        int controls = 0;
        for (int32_t id = 0; id < smg_tokenizer_size(tokenizer); id++) {
            if (!smg_tokenizer_is_control(tokenizer, id))
                continue;
            controls++;
            smg_text name = smg_tokenizer_name(tokenizer, id);
            smg_span span = {.text = name.data, .size = name.size};
            smg_ids ids;
            smidge_error error;
            assert_int_equal(smg_tokenizer_encode(tokenizer, &span, 1, false, &ids, &error), SMIDGE_OK);
            assert_true(ids.count > 1);
            for (size_t i = 0; i < ids.count; i++)
                assert_false(smg_tokenizer_is_control(tokenizer, ids.ids[i]));
            smg_free(ids.ids);
            span.trusted = true;
            assert_int_equal(smg_tokenizer_encode(tokenizer, &span, 1, false, &ids, &error), SMIDGE_OK);
            assert_int_equal(ids.count, 1);
            assert_int_equal(ids.ids[0], id);
            smg_free(ids.ids);
        }
        printf("%s: %d control tokens\n", vocabularies[v], controls);
        assert_true(controls > 0);
        close_vocabulary(&vocabulary);
    }
}

typedef struct known_end {
    const char *vocabulary;
    const char *name;
    bool is_end;
} known_end;

static void ends_of_generation(void **state)
{
    (void)state;
    static const known_end ends[] = {
        {"llama-spm", "</s>", true},         {"llama-spm", "<s>", false},
        {"phi-3", "<|end|>", true},          {"phi-3", "<|user|>", false},
        {"llama-bpe", "<|eot_id|>", true},   {"llama-bpe", "<|end_of_text|>", true},
        {"qwen2", "<|im_end|>", true},       {"qwen2", "<|im_start|>", false},
        {"qwen2", "<|endoftext|>", true},    {"gpt-2", "<|endoftext|>", true},
        {"refact", "<|endoftext|>", true},   {"refact", "<fim_prefix>", false},
        {"deepseek-coder", "<|EOT|>", true}, {"deepseek-coder", "<|User|>", false},
    };
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        loaded vocabulary;
        open_vocabulary(ends[i].vocabulary, &vocabulary);
        smg_span span = {.text = ends[i].name, .size = strlen(ends[i].name), .trusted = true};
        smg_ids ids;
        smidge_error error;
        assert_int_equal(smg_tokenizer_encode(vocabulary.tokenizer, &span, 1, false, &ids, &error),
                         SMIDGE_OK);
        assert_int_equal(ids.count, 1);
        if (smg_tokenizer_is_end(vocabulary.tokenizer, ids.ids[0]) != ends[i].is_end)
            fail_msg("%s: %s", ends[i].vocabulary, ends[i].name);
        smg_free(ids.ids);
        close_vocabulary(&vocabulary);
    }
}

/* Phi-3's markers swallow the line's end behind them, as its template relies on. */
static void phi3_markers_strip(void **state)
{
    (void)state;
    loaded vocabulary;
    open_vocabulary("phi-3", &vocabulary);
    smg_span span = {.text = "<|user|>\nHi<|end|>\n<|assistant|>\n", .size = 33, .trusted = true};
    smg_ids ids;
    smidge_error error;
    assert_int_equal(smg_tokenizer_encode(vocabulary.tokenizer, &span, 1, true, &ids, &error), SMIDGE_OK);
    static const int32_t expected[] = {1, 32010, 6324, 32007, 32001};
    assert_int_equal(ids.count, 5);
    assert_memory_equal(ids.ids, expected, sizeof(expected));
    smg_free(ids.ids);
    close_vocabulary(&vocabulary);
}

static void long_words_are_quick(void **state)
{
    (void)state;
    enum { SIZE = 65536 };
    char *text = malloc(SIZE);
    assert_non_null(text);
    static const char *const fillers[] = {"a", "ab", "<|im_end|>", "the", "=", "\xE4\xB8\x96", " ", "1"};
    for (size_t v = 0; v < VOCABULARY_COUNT; v++) {
        loaded vocabulary;
        open_vocabulary(vocabularies[v], &vocabulary);
        int64_t worst = 0;
        for (size_t i = 0; i < sizeof(fillers) / sizeof(fillers[0]); i++) {
            for (size_t at = 0; at < SIZE; at++)
                text[at] = fillers[i][at % strlen(fillers[i])];
            smg_span span = {.text = text, .size = SIZE};
            smg_ids ids;
            smidge_error error;
            int64_t start = smg_clock_now();
            assert_int_equal(smg_tokenizer_encode(vocabulary.tokenizer, &span, 1, true, &ids, &error),
                             SMIDGE_OK);
            int64_t spent = smg_clock_now() - start;
            worst = spent > worst ? spent : worst;
            smg_free(ids.ids);
        }
        printf("%s: 64 KiB without a break take %.1f ms at most\n", vocabularies[v], (double)worst / 1e6);
        assert_true(worst < INT64_C(5000000000)); /* quadratic would be minutes, even under a sanitizer */
        close_vocabulary(&vocabulary);
    }
    free(text);
}

static void memory_is_foretold(void **state)
{
    (void)state;
    for (size_t v = 0; v < VOCABULARY_COUNT; v++) {
        loaded vocabulary;
        open_vocabulary(vocabularies[v], &vocabulary);
        uint64_t blocks = smg_alloc_live_blocks();
        smg_tokenizer *second;
        smidge_error error;
        smg_alloc_fail_at(0);
        assert_int_equal(smg_tokenizer_new(&vocabulary.gguf, NULL, &second, &error), SMIDGE_OK);
        assert_int_equal(smg_alloc_calls(), 1); /* one block; its size is compared in tokenizer_test */
        assert_true(smg_tokenizer_memory(&vocabulary.gguf) < (UINT64_C(8) << 20));
        smg_tokenizer_free(second);
        assert_int_equal(smg_alloc_live_blocks(), blocks);
        close_vocabulary(&vocabulary);
    }
}

int main(void)
{
    for (size_t v = 0; v < VOCABULARY_COUNT; v++) { /* or none of them runs */
        char file[128];
        snprintf(file, sizeof(file), "tokenizers/ggml-vocab-%s.gguf", vocabularies[v]);
        (void)smg_test_need_fixture(file);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case),           cmocka_unit_test(markers_in_readings),
        cmocka_unit_test(ends_of_generation),   cmocka_unit_test(phi3_markers_strip),
        cmocka_unit_test(long_words_are_quick), cmocka_unit_test(memory_is_foretold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
