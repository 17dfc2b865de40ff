/* Flat JSON token by token: a million walks through 20 shapes, each choosing among what the filter allows. */
#include "test_support.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "constrain/token_filter.h"
#include "json_cases.h"
#include "tiny_vocabulary.h"

#define WALKS 1000000
#define FIXTURE_WALKS 60000 /* of them */
#define WORDS_MAX 8192
#define TEXT_ROOM 4096

static smg_json_shape *shapes[JSON_CASES];
static json_t *schemas[JSON_CASES];

typedef struct vocabulary {
    gguf_builder file;
    smg_gguf gguf;
    smg_tokenizer *tokenizer;
    smg_token_filter *filter;
} vocabulary;

static const char *const fixtures[] = {"llama-bpe", "llama-spm", "phi-3", "qwen2", "gpt-2", "deepseek-coder"};
#define FIXTURES (sizeof(fixtures) / sizeof(fixtures[0]))

static void open_tiny(vocabulary *v, bool spm)
{
    static tiny_tokens tokens;
    smidge_error error;
    if (spm)
        tiny_spm_tokens(&tokens);
    else
        tiny_bpe_tokens(&tokens);
    tiny_add_missing(&tokens, json_tokens, sizeof(json_tokens) / sizeof(json_tokens[0]));
    if (spm)
        tiny_begin_spm(&v->file, &tokens);
    else
        tiny_begin_bpe(&v->file, &tokens, "gpt-2");
    gguf_finish(&v->file);
    if (smg_gguf_parse(v->file.bytes, v->file.size, "tiny", &v->gguf, &error) != SMIDGE_OK ||
        smg_tokenizer_new(&v->gguf, NULL, &v->tokenizer, &error) != SMIDGE_OK ||
        smg_token_filter_new(v->tokenizer, &v->filter, &error) != SMIDGE_OK)
        fail_msg("%s: %s", error.where, error.message);
}

/* False where the fixture is not there. */
static bool open_fixture(vocabulary *v, const char *name)
{
    char file[128];
    smidge_error error;
    snprintf(file, sizeof(file), "tokenizers/ggml-vocab-%s.gguf", name);
    const char *path = smg_test_fixture(file);
    if (!path) {
        print_message("no fixture %s\n", file);
        return false;
    }
    if (smg_gguf_open(path, &v->gguf, &error) != SMIDGE_OK ||
        smg_tokenizer_new(&v->gguf, NULL, &v->tokenizer, &error) != SMIDGE_OK)
        fail_msg("%s: %s", error.where, error.message);
    int64_t start = smidge_now_ns();
    if (smg_token_filter_new(v->tokenizer, &v->filter, &error) != SMIDGE_OK)
        fail_msg("%s: %s", error.where, error.message);
    print_message("%s: filter of %d tokens in %.1f ms\n", name, (int)smg_tokenizer_size(v->tokenizer),
                  (double)(smidge_now_ns() - start) / 1e6);
    return true;
}

static void close_vocabulary(vocabulary *v)
{
    smg_token_filter_free(v->filter);
    smg_tokenizer_free(v->tokenizer);
    smg_gguf_close(&v->gguf);
    gguf_free(&v->file);
}

/* ---- Choosing ------------------------------------------------------------------------------------------ */

enum { UNIFORM, QUOTES, DIGITS, LONGEST, SHORTEST, BACKSLASHES, BROKEN_UTF8, ENDLESS, ENDING, STRATEGIES };

static int count_of(smg_text bytes, const char *set)
{
    int count = 0;
    for (size_t i = 0; i < bytes.size; i++)
        count += bytes.data[i] != '\0' && strchr(set, bytes.data[i]) != NULL;
    return count;
}

/* A random logit, with a bias that no model should have. */
static float logit(int strategy, smg_text bytes, uint64_t *random)
{
    float noise = (float)(smg_test_random(random) >> 40) / (float)(1 << 24);
    unsigned char last = (unsigned char)bytes.data[bytes.size - 1];
    switch (strategy) {
    case QUOTES:
        return noise + 2 * (float)count_of(bytes, "\"");
    case DIGITS:
        return noise + 2 * (float)count_of(bytes, "0123456789.-");
    case LONGEST:
        return noise + (float)bytes.size;
    case SHORTEST:
        return noise - (float)bytes.size;
    case BACKSLASHES:
        return noise + 2 * (float)count_of(bytes, "\\");
    case BROKEN_UTF8:
        return noise + (last >= 0xC2 ? 4 : last >= 0x80 ? 2 : 0);
    case ENDLESS:
        return noise - 2 * (float)count_of(bytes, "\"}");
    case ENDING:
        return noise + 2 * (float)count_of(bytes, "}");
    default:
        return noise;
    }
}

/* The allowed token with the greatest logit; of many, among some. */
static int32_t choose(const vocabulary *v, const uint64_t *tokens, size_t count, int strategy,
                      uint64_t *random)
{
    size_t words = smg_token_filter_words(v->filter);
    float best_logit = -1e9f;
    int32_t best = -1;
    size_t tries = count < 24 ? count : 24;
    size_t word = count < 24 ? 0 : smg_test_random(random) % words;
    uint64_t bits = count < 24 ? tokens[0] : tokens[word] & ~UINT64_C(0) << smg_test_random(random) % 64;
    for (; tries > 0; tries--) {
        while (bits == 0) {
            word = word + 1 == words ? 0 : word + 1;
            bits = tokens[word];
        }
        int32_t id = (int32_t)(word * 64) + __builtin_ctzll(bits);
        float now = logit(strategy, smg_tokenizer_bytes(v->tokenizer, id), random);
        bits &= bits - 1;
        if (now > best_logit) {
            best_logit = now;
            best = id;
        }
        if (count >= 24 && strategy == UNIFORM)
            break;
    }
    return best;
}

/* ---- Walking ------------------------------------------------------------------------------------------- */

static void check_against_all(const vocabulary *v, const smg_json_shape *shape, const smg_json_state *state,
                              const uint64_t *tokens, size_t count)
{
    size_t found = 0;
    for (int32_t id = 0; id < smg_tokenizer_size(v->tokenizer); id++) {
        smg_text bytes = smg_tokenizer_bytes(v->tokenizer, id);
        smg_json_state after = *state;
        bool want = bytes.size > 0 && bytes.size <= 128 && !smg_tokenizer_is_control(v->tokenizer, id) &&
                    !smg_tokenizer_is_end(v->tokenizer, id) &&
                    smg_json_advance(shape, &after, bytes.data, bytes.size);
        bool got = tokens[id / 64] >> id % 64 & 1;
        if (want != got)
            fail_msg("token %d, \"%.*s\", is %s", (int)id, (int)bytes.size, bytes.data,
                     got ? "offered and leaves the shape" : "missing");
        found += got;
    }
    assert_int_equal(found, count);
}

/* One walk; returns its tokens. With `check`, compares the filter with trying all tokens. */
static size_t walk(const vocabulary *v, size_t number, int strategy, uint64_t *random, bool check)
{
    static uint64_t tokens[WORDS_MAX];
    char text[TEXT_ROOM];
    size_t size = 0;
    size_t steps = 0;
    const smg_json_shape *shape = shapes[number];
    size_t left = smg_json_max_bytes(shape);
    smg_json_state state;
    smg_json_start(shape, &state);
    while (!smg_json_accepts(shape, &state)) {
        size_t count = smg_token_filter_json(v->filter, shape, &state, tokens);
        if (count == 0)
            fail_msg("dead end behind %.*s", (int)size, text);
        if (check)
            check_against_all(v, shape, &state, tokens, count);
        int32_t id = choose(v, tokens, count, strategy, random);
        smg_text bytes = smg_tokenizer_bytes(v->tokenizer, id);
        if (!smg_json_advance(shape, &state, bytes.data, bytes.size))
            fail_msg("\"%.*s\" was offered behind %.*s", (int)bytes.size, bytes.data, (int)size, text);
        size_t left_now = smg_json_left_bytes(shape, &state);
        assert_true(left_now + bytes.size <= left && size + bytes.size < sizeof(text));
        left = left_now;
        memcpy(text + size, bytes.data, bytes.size);
        size += bytes.size;
        steps++;
    }
    text[size] = '\0';
    const char *fault = json_answer_fault(schemas[number], text, size);
    if (fault)
        fail_msg("%s %s", text, fault);
    assert_int_equal(smg_token_filter_json(v->filter, shape, &state, tokens), 0);
    assert_true(steps <= smg_json_max_bytes(shape));
    return steps;
}

static void walk_often(const vocabulary *v, const char *name, int walks, uint64_t seed)
{
    uint64_t random = seed;
    size_t steps = 0;
    int64_t start = smidge_now_ns();
    assert_true(smg_token_filter_words(v->filter) <= WORDS_MAX);
    for (int i = 0; i < walks; i++) {
        size_t number = (size_t)i % JSON_CASES;
        int strategy = (int)(smg_test_random(&random) % (STRATEGIES + 3)); /* most of them uniform */
        steps += walk(v, number, strategy < STRATEGIES ? strategy : UNIFORM, &random, false);
    }
    print_message("%s: %d walks, %zu steps, %.1f s\n", name, walks, steps,
                  (double)(smidge_now_ns() - start) / 1e9);
}

static void tiny_vocabularies(void **unused)
{
    (void)unused;
    for (int spm = 0; spm < 2; spm++) {
        vocabulary v = {0};
        open_tiny(&v, spm);
        uint64_t random = 3;
        int checks = smg_test_repeats(20 * STRATEGIES * (int)JSON_CASES);
        for (int i = 0; i < checks; i++)
            walk(&v, (size_t)i % JSON_CASES, i / (int)JSON_CASES % STRATEGIES, &random, true);
        walk_often(&v, spm ? "tiny, SPM" : "tiny, BPE", smg_test_repeats((WALKS - FIXTURE_WALKS) / 2), 11);
        close_vocabulary(&v);
    }
}

static void fixture_vocabularies(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < FIXTURES; i++) {
        vocabulary v = {0};
        if (!open_fixture(&v, fixtures[i]))
            continue;
        uint64_t random = 5;
        int checks = smg_test_repeats((int)JSON_CASES);
        for (int j = 0; j < checks; j++)
            walk(&v, (size_t)j, j % STRATEGIES, &random, true);
        walk_often(&v, fixtures[i], smg_test_repeats(FIXTURE_WALKS / (int)FIXTURES), 13);
        close_vocabulary(&v);
    }
}

/* ---- The filter by itself --------------------------------------------------------------------------- */

/* Prints how long one call takes; a bound so generous that only another order of growth breaks it. */
static void is_fast(void **unused)
{
    (void)unused;
    static const struct {
        size_t number;
        const char *text;
    } cases[] = {
        {15, ""},
        {15, "{"},
        {15, "{\"text\":\""},
        {15, "{\"text\":\"12345678901234567890"},
        {15, "{\"text\":\"\\"},
        {15, "{\"text\":\"\xE4"},
        {0, "{\"state\":\"n"},
        {0, "{\"state\":"},
        {3, "{\"n\":"},
        {11, "{\"big\":"},
        {12, "{\"tiny\":0."},
    };
    static uint64_t tokens[WORDS_MAX];
    vocabulary v = {0};
    if (!open_fixture(&v, "llama-bpe"))
        skip();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const smg_json_shape *shape = shapes[cases[i].number];
        smg_json_state state;
        smg_json_start(shape, &state);
        assert_true(smg_json_advance(shape, &state, cases[i].text, strlen(cases[i].text)));
        size_t count = 0;
        int repeats = smg_test_repeats(500);
        int64_t start = smidge_now_ns();
        for (int j = 0; j < repeats; j++)
            count = smg_token_filter_json(v.filter, shape, &state, tokens);
        double each = (double)(smidge_now_ns() - start) / repeats / 1e3;
        bool whole = !strchr(cases[i].text, '\xE4');
        print_message("behind %-36s %6zu tokens %8.1f us\n", whole ? cases[i].text : "half a character",
                      count, each);
        assert_true(each < 20000);
    }
    close_vocabulary(&v);
}

/* A vocabulary without the bytes that answers need is refused. */
static void wants_every_byte(void **unused)
{
    (void)unused;
    static tiny_tokens tokens;
    vocabulary v = {0};
    smidge_error error = {0};
    tiny_bpe_tokens(&tokens);
    for (size_t i = 0; i < tokens.count; i++) {
        if (strcmp(tokens.names[i], "{") == 0)
            snprintf(tokens.names[i], sizeof(tokens.names[i]), "{{");
    }
    tiny_begin_bpe(&v.file, &tokens, "gpt-2");
    gguf_finish(&v.file);
    assert_int_equal(smg_gguf_parse(v.file.bytes, v.file.size, "tiny", &v.gguf, &error), SMIDGE_OK);
    assert_int_equal(smg_tokenizer_new(&v.gguf, NULL, &v.tokenizer, &error), SMIDGE_OK);
    assert_int_equal(smg_token_filter_new(v.tokenizer, &v.filter, &error), SMIDGE_E_UNSUPPORTED);
    assert_non_null(strstr(error.message, "the byte 0x7B alone"));
    close_vocabulary(&v);
}

static void survives_lack_of_memory(void **unused)
{
    (void)unused;
    vocabulary v = {0};
    open_tiny(&v, true);
    smg_token_filter_free(v.filter);
    v.filter = NULL;
    uint64_t live = smg_alloc_live_blocks();
    uint64_t n = 1;
    for (;; n++) {
        smidge_error error = {0};
        smg_alloc_fail_at(n);
        smidge_status status = smg_token_filter_new(v.tokenizer, &v.filter, &error);
        if (status == SMIDGE_OK)
            break;
        assert_int_equal(status, SMIDGE_E_NOMEM);
        assert_int_equal(smg_alloc_live_blocks(), live);
    }
    smg_alloc_fail_at(0);
    assert_true(n > 5);
    close_vocabulary(&v);
    smg_token_filter_free(NULL);
}

static int compile_all(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < JSON_CASES; i++) {
        smidge_error error;
        schemas[i] = json_loads(json_cases[i], 0, NULL);
        if (smg_json_shape_compile(json_cases[i], strlen(json_cases[i]), &shapes[i], &error) != SMIDGE_OK)
            return 1;
    }
    return 0;
}

static int free_all(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < JSON_CASES; i++) {
        json_decref(schemas[i]);
        smg_json_shape_free(shapes[i]);
    }
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tiny_vocabularies),
        cmocka_unit_test(fixture_vocabularies),
        cmocka_unit_test(is_fast),
        cmocka_unit_test(wants_every_byte),
        cmocka_unit_test(survives_lack_of_memory),
    };
    return cmocka_run_group_tests(tests, compile_all, free_all);
}
