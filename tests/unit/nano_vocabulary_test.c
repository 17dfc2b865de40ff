/* The bundled model's vocabulary: merges against a corpus that is counted by hand, and texts that come back as they were. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "readings.h"
#include "test_support.h"
#include "token/tokenizer.h"
#include "vocabulary_file.h"

static char folder[] = "/tmp/nano_vocabulary.XXXXXX";
static char path[64];

static int start(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/vocabulary.gguf", folder);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    remove(path);
    return rmdir(folder);
}

static void add(nano_corpus *corpus, const char *text, int times)
{
    for (int i = 0; i < times; i++)
        assert_int_equal(nano_corpus_add(corpus, text, strlen(text), NULL), SMIDGE_OK);
}

static void merges_by_frequency(void **state)
{
    (void)state;
    nano_corpus *corpus;
    nano_merge merges[16];
    int32_t count;
    assert_int_equal(nano_corpus_new(&corpus, NULL), SMIDGE_OK);
    add(corpus, "low", 5);
    add(corpus, "lower", 2);
    add(corpus, "newest", 6);
    add(corpus, "widest", 3);
    assert_int_equal(nano_corpus_merges(corpus, 6, 0, merges, &count, NULL), SMIDGE_OK);
    nano_corpus_free(corpus);
    /* 9 times: e s and s t, the first of which has the lower symbols; then es t, 7: l o, lo w; 6: n e, ew/… by symbols */
    assert_int_equal(count, 6);
    assert_int_equal(merges[0].left, 'e');
    assert_int_equal(merges[0].right, 's');
    assert_int_equal(merges[1].left, 256);
    assert_int_equal(merges[1].right, 't');
    assert_int_equal(merges[2].left, 'l');
    assert_int_equal(merges[2].right, 'o');
    assert_int_equal(merges[3].left, 258);
    assert_int_equal(merges[3].right, 'w');
    assert_int_equal(merges[4].left, 'e');
    assert_int_equal(merges[4].right, 'w');
    assert_int_equal(merges[5].left, 'n');
    assert_int_equal(merges[5].right, 260);
}

/* Of whole words the most frequent get the space before them, as a last step; a name does not. */
static void spaces_joined(void **state)
{
    (void)state;
    nano_corpus *corpus;
    nano_merge merges[16];
    int32_t count;
    assert_int_equal(nano_corpus_new(&corpus, NULL), SMIDGE_OK);
    add(corpus, "is on", 1);
    add(corpus, "at ok on", 5);
    add(corpus, " is", 4);
    add(corpus, " xy", 9);
    add(corpus, "ab", 2);
    assert_int_equal(nano_corpus_keep_apart(corpus, "pump xy", 7, NULL), SMIDGE_OK);
    assert_int_equal(nano_corpus_merges(corpus, 8, 3, merges, &count, NULL), SMIDGE_OK);
    nano_corpus_free(corpus);
    /* xy 9, on 6, and at, is, ok 5 in the order of their symbols; so that there is no room for ab. Behind spaces: on 6, ok 5, is 4 */
    static const nano_merge expected[] = {{'x', 'y'}, {'o', 'n'}, {'a', 't'}, {'i', 's'},
                                          {'o', 'k'}, {' ', 257}, {' ', 260}, {' ', 259}};
    assert_int_equal(count, 8);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(merges[i].left, expected[i].left);
        assert_int_equal(merges[i].right, expected[i].right);
    }
}

static void nothing_to_merge(void **state)
{
    (void)state;
    nano_corpus *corpus;
    nano_merge merges[16];
    int32_t count;
    assert_int_equal(nano_corpus_new(&corpus, NULL), SMIDGE_OK);
    add(corpus, "ab", 3);
    add(corpus, "cd 2026 2026 2026", 1);
    assert_int_equal(nano_corpus_merges(corpus, 16, 4, merges, &count, NULL), SMIDGE_OK);
    nano_corpus_free(corpus);
    assert_int_equal(count, 1); /* "cd" occurs once, and digits stand alone */
    assert_int_equal(merges[0].left, 'a');
    assert_int_equal(merges[0].right, 'b');
}

/* A vocabulary of the training words, in `path`. */
static void make_vocabulary(int32_t most, nano_words *words)
{
    static nano_merge merges[NANO_SYMBOLS_MAX];
    const nano_mix mix = {.least = 1, .most = 6, .near_percent = 20, .shares = {1, 1, 0}};
    nano_corpus *corpus;
    int32_t count;
    nano_random random = {3};
    smidge_error error = {0};
    assert_int_equal(nano_words_read(smg_test_source("models/nano/words/train"), words, &error), SMIDGE_OK);
    assert_int_equal(nano_corpus_new(&corpus, &error), SMIDGE_OK);
    for (int i = 0; i < 300; i++) {
        nano_case c;
        nano_case_make(&random, words, &mix, (uint64_t)i, &c);
        add(corpus, c.prompt, 1);
        add(corpus, " NORMAL WARNING CRITICAL", 1);
    }
    assert_int_equal(nano_corpus_merges(corpus, most, 100, merges, &count, &error), SMIDGE_OK);
    nano_corpus_free(corpus);
    assert_int_equal(nano_vocabulary_write(path, merges, count, &error), SMIDGE_OK);
}

static smg_ids encode(const smg_tokenizer *tokenizer, const char *text, size_t size)
{
    smg_ids ids;
    const smg_span span = {text, size, false};
    assert_int_equal(smg_tokenizer_encode(tokenizer, &span, 1, true, &ids, NULL), SMIDGE_OK);
    return ids;
}

static void comes_back(const smg_tokenizer *tokenizer, const char *text, size_t size)
{
    char *back;
    size_t back_size;
    smg_ids ids = encode(tokenizer, text, size);
    assert_true(ids.count > 0 && ids.ids[0] == smg_tokenizer_bos(tokenizer));
    for (size_t i = 1; i < ids.count; i++) {
        const smg_text bytes = smg_tokenizer_bytes(tokenizer, ids.ids[i]);
        for (size_t j = 0; j < bytes.size; j++)
            assert_true(bytes.size == 1 || bytes.data[j] < '0' || bytes.data[j] > '9');
    }
    assert_int_equal(smg_tokenizer_decode(tokenizer, ids.ids, ids.count, &back, &back_size, NULL), SMIDGE_OK);
    assert_int_equal(back_size, size);
    assert_memory_equal(back, text, size);
    smg_free(back);
    smg_free(ids.ids);
}

static void round_trips(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "94.20 C",
                                        "a  b\n\n c\t1234567",
                                        "\xC2\xB0"
                                        "C \xE6\xB8\xA9\xE5\xBA\xA6 \xF0\x9F\x94\xA5",
                                        "<|endoftext|><|im_start|>",
                                        "{\"intent\":\"none\"}"};
    nano_words words;
    smg_gguf gguf;
    smg_tokenizer *tokenizer;
    nano_random random = {4};
    const nano_mix mix = {.least = 1, .most = 6, .near_percent = 20, .shares = {1, 1, 1}};
    make_vocabulary(700, &words);
    assert_int_equal(smg_gguf_open(path, &gguf, NULL), SMIDGE_OK);
    assert_int_equal(smg_tokenizer_new(&gguf, NULL, &tokenizer, NULL), SMIDGE_OK);
    assert_int_equal(smg_tokenizer_size(tokenizer), NANO_SPECIALS + NANO_BYTES + 700);
    assert_string_equal(smg_tokenizer_pre(tokenizer), "qwen2");
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        comes_back(tokenizer, texts[i], strlen(texts[i]));
    for (int i = 0; i < smg_test_repeats(2000); i++) {
        nano_case c;
        nano_case_make(&random, &words, &mix, (uint64_t)i, &c);
        comes_back(tokenizer, c.prompt, c.size);
    }
    smg_ids ids = encode(tokenizer, " NORMAL WARNING CRITICAL", 24);
    assert_int_equal(ids.count, 4); /* a label is a token */
    smg_free(ids.ids);
    smg_tokenizer_free(tokenizer);
    smg_gguf_close(&gguf);
    nano_words_done(&words);
}

static smidge_status make_all(smidge_error *error)
{
    nano_corpus *corpus;
    nano_merge merges[8];
    int32_t count;
    smidge_status status = nano_corpus_new(&corpus, error);
    if (status != SMIDGE_OK)
        return status;
    char text[16];
    for (int i = 0; i < 3000 && status == SMIDGE_OK; i++) {
        const int size =
            snprintf(text, sizeof text, "w%c%c%c", 'a' + i % 26, 'a' + i / 26 % 26, 'a' + i / 676);
        status = nano_corpus_add(corpus, text, (size_t)size, error);
    }
    if (status == SMIDGE_OK)
        status = nano_corpus_merges(corpus, 8, 4, merges, &count, error);
    nano_corpus_free(corpus);
    return status == SMIDGE_OK ? nano_vocabulary_write(path, merges, count, error) : status;
}

static void without_memory(void **state)
{
    (void)state;
    const uint64_t held = smg_alloc_live_blocks();
    uint64_t step = 1;
    remove(path);
    for (uint64_t n = 1;; n += step) {
        smidge_error error = {0};
        smg_alloc_fail_at(n);
        const smidge_status status = make_all(&error);
        smg_alloc_fail_at(0);
        assert_int_equal(smg_alloc_live_blocks(), held);
        if (status == SMIDGE_OK) {
            assert_true(n > 3000); /* a word each */
            break;
        }
        assert_int_equal(status, SMIDGE_E_NOMEM);
        assert_int_not_equal(access(path, F_OK), 0);
        /* between the first calls and the last there are words, all alike */
        step = n > 8 && n < 2900 ? 97 : 1;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merges_by_frequency), cmocka_unit_test(spaces_joined),
        cmocka_unit_test(nothing_to_merge),    cmocka_unit_test(round_trips),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
