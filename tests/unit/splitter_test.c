/* The hand-coded pre-tokenizers against PCRE2 on the published patterns: 100,000 random strings each. */
#include "test_support.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "token/splitter.h"
#include "token/unicode.h"

#define ROUNDS 100000
#define MAX_CHARS 48

static void bytes_are_kept(void **state)
{
    (void)state;
    uint64_t random = 11;
    char text[200];
    for (int round = 0; round < 20000; round++) {
        size_t size = smg_test_random(&random) % sizeof(text);
        for (size_t i = 0; i < size; i++)
            text[i] = (char)(smg_test_random(&random) >> 11);
        smg_splitter splitter;
        smg_splitter_init(&splitter, (smg_split)(round % SMG_SPLIT_COUNT), text, size);
        size_t at = 0;
        for (smg_text piece; smg_splitter_next(&splitter, &piece); at += piece.size) {
            assert_ptr_equal(piece.data, text + at);
            assert_true(piece.size > 0);
        }
        assert_int_equal(at, size);
    }
}

#ifndef SMIDGE_HAVE_PCRE2

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(bytes_are_kept)};
    if (cmocka_run_group_tests(tests, NULL, NULL) != 0)
        return 1;
    smg_test_skip("the comparison with PCRE2, which is missing (libpcre2-dev)");
}

#else

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#define GPT2 "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)"
#define LLAMA3(digits)                                                                                       \
    "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" digits        \
    "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

static const char *const patterns[SMG_SPLIT_COUNT][SMG_SPLIT_STAGES_MAX] = {
    [SMG_SPLIT_DEFAULT] = {"[\\p{P}\\$\\+<=>\\^~\\|]+", GPT2, "\\p{N}+", "[0-9][0-9][0-9]"},
    [SMG_SPLIT_GPT2] = {GPT2},
    [SMG_SPLIT_DIGITS_GPT2] = {"\\p{N}", GPT2},
    [SMG_SPLIT_LLAMA3] = {LLAMA3("\\p{N}{1,3}")},
    [SMG_SPLIT_QWEN2] = {LLAMA3("\\p{N}")},
    [SMG_SPLIT_DEEPSEEK_CODER] = {"[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", "[一-龥ࠀ-一가-퟿]+",
                                  "\\p{N}"},
};

static uint32_t *agreed; /* code points that both libraries put in the same class */
static size_t agreed_count;
static uint8_t *is_agreed;

static pcre2_code *compile(const char *pattern)
{
    int code;
    PCRE2_SIZE offset;
    pcre2_code *compiled = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP,
                                         &code, &offset, NULL);
    if (compiled == NULL)
        fail_msg("pattern %s does not compile: %d at %zu", pattern, code, (size_t)offset);
    pcre2_jit_compile(compiled, PCRE2_JIT_COMPLETE); /* quicker where it works */
    return compiled;
}

/* The two know different versions of Unicode; and PCRE2's \s takes U+180E in, which has not been
 * white space since Unicode 6.3. */
static int find_agreed(void **state)
{
    (void)state;
    agreed = malloc(0x110000 * sizeof(*agreed));
    is_agreed = calloc(0x110000, 1);
    if (agreed == NULL || is_agreed == NULL)
        return 1;
    pcre2_code *classes = compile("(\\p{L})|(\\p{N})|(\\s)|(\\p{P})");
    pcre2_match_data *match = pcre2_match_data_create_from_pattern(classes, NULL);
    size_t excluded = 0;
    for (uint32_t c = 0; c <= 0x10FFFF; c++) {
        if (c >= 0xD800 && c <= 0xDFFF)
            continue;
        char text[4];
        size_t size = smg_utf8_encode(c, text);
        int group = pcre2_match(classes, (PCRE2_SPTR)text, size, 0, 0, match, NULL) - 1;
        unsigned theirs = group > 0 ? 1u << (group - 1) : 0;
        unsigned order[] = {SMG_CHAR_LETTER, SMG_CHAR_NUMBER, SMG_CHAR_SPACE, SMG_CHAR_PUNCT};
        unsigned ours = 0;
        for (int i = 0; i < 4; i++)
            ours |= smg_char_class(c) & order[i] ? 1u << i : 0;
        if (ours == theirs) {
            agreed[agreed_count++] = c;
            is_agreed[c] = 1;
        } else {
            excluded++;
        }
    }
    char version[64];
    pcre2_config(PCRE2_CONFIG_UNICODE_VERSION, version);
    printf("PCRE2 knows Unicode %s, smidge 15.0: %zu code points excluded\n", version, excluded);
    pcre2_match_data_free(match);
    pcre2_code_free(classes);
    return excluded < 20000 && is_agreed[' '] && is_agreed[0x85] && is_agreed[0x3000] ? 0 : 1;
}

typedef struct range {
    uint32_t first;
    uint32_t last;
} range;

/* What splitting rules treat apart, each as likely as all of Unicode together. */
static const range ranges[] = {
    {'a', 'e'},         {'A', 'Z'},         {'0', '9'},         {' ', ' '},         {' ', ' '},
    {'\n', '\n'},       {'\r', '\r'},       {'\t', '\r'},       {'\'', '\''},       {'!', '/'},
    {':', '@'},         {'[', '`'},         {'{', 0x7F},        {0, 0x1F},          {0x80, 0x9F},
    {0xA0, 0xFF},       {0x2B0, 0x36F},     {0x400, 0x4FF},     {0x600, 0x6FF},     {0x660, 0x669},
    {0x7E0, 0x820},     {0x900, 0x97F},     {0x1680, 0x1680},   {0x1800, 0x180F},   {0x2000, 0x206F},
    {0x2070, 0x209F},   {0x2150, 0x218F},   {0x2190, 0x21FF},   {0x2460, 0x24FF},   {0x3000, 0x303F},
    {0x3040, 0x30FF},   {0x3200, 0x32FF},   {0x4DF0, 0x4E10},   {0x9FA0, 0x9FFF},   {0xABF0, 0xAC10},
    {0xD790, 0xD7FF},   {0xE000, 0xF8FF},   {0xFE00, 0xFE0F},   {0xFF00, 0xFFEF},   {0x10000, 0x103FF},
    {0x1D7CE, 0x1D7FF}, {0x1F300, 0x1F6FF}, {0x20000, 0x20100}, {0xE0000, 0xE01EF}, {0, 0x10FFFF},
};
#define RANGE_COUNT (sizeof(ranges) / sizeof(ranges[0]))

static uint32_t random_char(uint64_t *random, const range *from)
{
    for (int tries = 0; tries < 8; tries++) {
        uint32_t c = from->first + (uint32_t)(smg_test_random(random) % (from->last - from->first + 1));
        if (is_agreed[c])
            return c;
    }
    return agreed[smg_test_random(random) % agreed_count];
}

/* Characters of up to four ranges, in short runs, and now and then a contraction. */
static size_t random_text(uint64_t *random, char *ret_text)
{
    static const char *const bits[] = {"'s", "'re", "'LL", "'Ve", "'d", "  ", "\r\n", " \n ", "123", "'t's"};
    const range *chosen[4];
    for (int i = 0; i < 4; i++)
        chosen[i] = &ranges[smg_test_random(random) % RANGE_COUNT];
    size_t chars = smg_test_random(random) % MAX_CHARS;
    size_t size = 0;
    for (size_t i = 0; i < chars; i++) {
        uint64_t r = smg_test_random(random);
        if (r % 16 == 0) {
            const char *bit = bits[(r >> 8) % (sizeof(bits) / sizeof(bits[0]))];
            memcpy(ret_text + size, bit, strlen(bit));
            size += strlen(bit);
        } else {
            size += smg_utf8_encode(random_char(random, chosen[r >> 8 & 3]), ret_text + size);
        }
    }
    return size;
}

/* Cuts each piece of `ends` by one pattern: matches and what lies between them. */
static size_t cut(const pcre2_code *code, pcre2_match_data *match, const char *text, const size_t *ends,
                  size_t count, size_t *ret_ends)
{
    size_t made = 0;
    size_t start = 0;
    for (size_t i = 0; i < count; i++) {
        PCRE2_SPTR piece = (PCRE2_SPTR)(text + start);
        size_t size = ends[i] - start;
        size_t at = 0;
        while (at < size && pcre2_match(code, piece, size, at, 0, match, NULL) > 0) {
            const PCRE2_SIZE *found = pcre2_get_ovector_pointer(match);
            if (found[0] > at)
                ret_ends[made++] = start + found[0];
            ret_ends[made++] = start + found[1];
            at = found[1];
        }
        if (at < size)
            ret_ends[made++] = start + size;
        start = ends[i];
    }
    return made;
}

static void report(uint64_t seed, int round, smg_split split, const char *text, size_t size)
{
    printf("seed %llu, round %d, splitter %d, text:", (unsigned long long)seed, round, (int)split);
    for (size_t i = 0; i < size; i++)
        printf(" %02X", (uint8_t)text[i]);
    printf("\n");
}

static void compare(smg_split split, uint64_t seed)
{
    pcre2_code *codes[SMG_SPLIT_STAGES_MAX] = {NULL};
    pcre2_match_data *match = pcre2_match_data_create(1, NULL);
    int stages = 0;
    for (; stages < SMG_SPLIT_STAGES_MAX && patterns[split][stages] != NULL; stages++)
        codes[stages] = compile(patterns[split][stages]);
    uint64_t random = seed + (uint64_t)split;
    size_t pieces = 0;
    for (int round = 0; round < ROUNDS; round++) {
        char text[MAX_CHARS * 4];
        size_t ends[2][MAX_CHARS * 4 + 1];
        size_t size = random_text(&random, text);
        ends[0][0] = size;
        size_t count = size > 0 ? 1 : 0;
        for (int i = 0; i < stages; i++)
            count = cut(codes[i], match, text, ends[i % 2], count, ends[(i + 1) % 2]);
        smg_splitter splitter;
        smg_splitter_init(&splitter, split, text, size);
        size_t at = 0;
        size_t same = 0;
        for (smg_text piece; smg_splitter_next(&splitter, &piece); same++) {
            at += piece.size;
            if (same >= count || at != ends[stages % 2][same])
                break;
        }
        if (same != count) {
            report(seed, round, split, text, size);
            fail_msg("piece %zu ends at %zu, PCRE2 says %zu", same, at,
                     same < count ? ends[stages % 2][same] : 0);
        }
        pieces += count;
    }
    printf("splitter %d: %d strings, %zu pieces agree\n", (int)split, ROUNDS, pieces);
    for (int i = 0; i < stages; i++)
        pcre2_code_free(codes[i]);
    pcre2_match_data_free(match);
}

static void agrees_with_pcre2(void **state)
{
    (void)state;
    const char *given = getenv("SMIDGE_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    printf("seed %llu (SMIDGE_SEED repeats it)\n", (unsigned long long)seed);
    for (int split = 0; split < SMG_SPLIT_COUNT; split++)
        compare((smg_split)split, seed);
}

static int release(void **state)
{
    (void)state;
    free(agreed);
    free(is_agreed);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(bytes_are_kept), cmocka_unit_test(agrees_with_pcre2)};
    return cmocka_run_group_tests(tests, find_agreed, release);
}

#endif
