#include "token/splitter.h"

#include <stdint.h>
#include <string.h>

#include "token/unicode.h"

/* How many bytes at the front of `text` (at least one) are the rule's next piece. Matchers say 0 when their
 * pattern does not begin here. */
typedef size_t (*split_fn)(const char *text, size_t size);

typedef struct stage {
    split_fn fn;
    bool is_matcher; /* cuts out what it matches; the text between matches stays together */
} stage;

typedef struct look {
    uint32_t codepoint;
    unsigned kind; /* letter, number, space or 0 */
    size_t size;   /* 0 at the end of the text */
} look;

#define KIND_NONE 16u /* unlike any character's */

static look look_at(const char *text, size_t size, size_t at)
{
    look found = {.codepoint = SMG_UTF8_INVALID, .kind = KIND_NONE, .size = 0};
    if (at < size) {
        found.size = smg_utf8_decode(text + at, size - at, &found.codepoint);
        found.kind = smg_char_class(found.codepoint) & (SMG_CHAR_LETTER | SMG_CHAR_NUMBER | SMG_CHAR_SPACE);
    }
    return found;
}

/* Where the run of characters of one kind that begins at `at` ends. */
static size_t run_end(const char *text, size_t size, size_t at, unsigned kind)
{
    for (;;) {
        look here = look_at(text, size, at);
        if (here.kind != kind)
            return at;
        at += here.size;
    }
}

static bool is_newline(uint32_t codepoint)
{
    return codepoint == '\n' || codepoint == '\r';
}

/* 's 't 'm 'd 're 've 'll */
static size_t match_contraction(const char *text, size_t size, bool any_case)
{
    if (size < 2 || text[0] != '\'')
        return 0;
    char fold = any_case ? 0x20 : 0;
    char first = text[1];
    char second = size > 2 ? text[2] : '\0';
    if (first >= 'A' && first <= 'Z')
        first |= fold;
    if (second >= 'A' && second <= 'Z')
        second |= fold;
    if (first == 's' || first == 't' || first == 'm' || first == 'd')
        return 2;
    if (((first == 'r' || first == 'v') && second == 'e') || (first == 'l' && second == 'l'))
        return 3;
    return 0;
}

/* \s+(?!\S)|\s+ : the last space of a run belongs to what follows it, if anything does. */
static size_t split_spaces(const char *text, size_t size)
{
    size_t at = 0;
    size_t last = 0;
    for (look here = look_at(text, size, 0); here.kind == SMG_CHAR_SPACE; here = look_at(text, size, at)) {
        last = at;
        at += here.size;
    }
    return at == size || last == 0 ? at : last;
}

/* 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ */
static size_t split_gpt2(const char *text, size_t size)
{
    size_t contraction = match_contraction(text, size, false);
    if (contraction > 0)
        return contraction;
    size_t start = text[0] == ' ' ? 1 : 0;
    look here = look_at(text, size, start);
    if (here.kind == SMG_CHAR_SPACE || here.kind == KIND_NONE)
        return split_spaces(text, size);
    return run_end(text, size, start, here.kind);
}

/* \s*[\r\n]+|\s+(?!\S)|\s+ */
static size_t split_spaces_by_line(const char *text, size_t size)
{
    size_t at = 0;
    size_t line_end = 0;
    for (look here = look_at(text, size, 0); here.kind == SMG_CHAR_SPACE; here = look_at(text, size, at)) {
        at += here.size;
        if (is_newline(here.codepoint))
            line_end = at;
    }
    return line_end > 0 ? line_end : split_spaces(text, size);
}

/* (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,digits}| ?[^\s\p{L}\p{N}]+[\r\n]*
 * |\s*[\r\n]+|\s+(?!\S)|\s+ */
static size_t split_llama3_like(const char *text, size_t size, int digits)
{
    size_t contraction = match_contraction(text, size, true);
    if (contraction > 0)
        return contraction;
    look here = look_at(text, size, 0);
    if (here.kind == SMG_CHAR_NUMBER) {
        size_t end = here.size;
        for (int i = 1; i < digits; i++) {
            look next = look_at(text, size, end);
            if (next.kind != SMG_CHAR_NUMBER)
                break;
            end += next.size;
        }
        return end;
    }
    size_t letters = here.kind == SMG_CHAR_LETTER ? 0 : here.size;
    if (!is_newline(here.codepoint) && look_at(text, size, letters).kind == SMG_CHAR_LETTER)
        return run_end(text, size, letters, SMG_CHAR_LETTER);
    size_t start = here.codepoint == ' ' ? 1 : 0;
    if (look_at(text, size, start).kind == 0) {
        size_t end = run_end(text, size, start, 0);
        while (end < size && is_newline((uint8_t)text[end]))
            end++;
        return end;
    }
    return split_spaces_by_line(text, size);
}

static size_t split_llama3(const char *text, size_t size)
{
    return split_llama3_like(text, size, 3);
}

static size_t split_qwen2(const char *text, size_t size)
{
    return split_llama3_like(text, size, 1);
}

/* \p{N} */
static size_t match_number(const char *text, size_t size)
{
    look here = look_at(text, size, 0);
    return here.kind == SMG_CHAR_NUMBER ? here.size : 0;
}

/* \p{N}+ */
static size_t match_numbers(const char *text, size_t size)
{
    return run_end(text, size, 0, SMG_CHAR_NUMBER);
}

/* [0-9][0-9][0-9] */
static size_t match_three_digits(const char *text, size_t size)
{
    for (size_t i = 0; i < 3; i++) {
        if (i >= size || text[i] < '0' || text[i] > '9')
            return 0;
    }
    return 3;
}

/* [\r\n] */
static size_t match_newline(const char *text, size_t size)
{
    (void)size;
    return is_newline((uint8_t)text[0]) ? 1 : 0;
}

/* \s?\p{L}+ */
static size_t match_spaced_letters(const char *text, size_t size)
{
    look here = look_at(text, size, 0);
    size_t start = here.kind == SMG_CHAR_SPACE ? here.size : 0;
    size_t end = run_end(text, size, start, SMG_CHAR_LETTER);
    return end > start ? end : 0;
}

static size_t punct_end(const char *text, size_t size, size_t at, const char *also)
{
    while (at < size) {
        uint32_t codepoint;
        size_t length = smg_utf8_decode(text + at, size - at, &codepoint);
        bool listed = codepoint > 0 && codepoint < 0x80 && strchr(also, (int)codepoint) != NULL;
        if (!listed && !(smg_char_class(codepoint) & SMG_CHAR_PUNCT))
            break;
        at += length;
    }
    return at;
}

/* \s?\p{P}+ */
static size_t match_spaced_punct(const char *text, size_t size)
{
    look here = look_at(text, size, 0);
    size_t start = here.kind == SMG_CHAR_SPACE ? here.size : 0;
    size_t end = punct_end(text, size, start, "");
    return end > start ? end : 0;
}

/* [\p{P}\$\+<=>\^~\|]+ */
static size_t match_punct_and_signs(const char *text, size_t size)
{
    return punct_end(text, size, 0, "$+<=>^~|");
}

/* [一-龥ࠀ-一가-퟿]+ */
static size_t match_east_asian(const char *text, size_t size)
{
    size_t at = 0;
    while (at < size) {
        uint32_t codepoint;
        size_t length = smg_utf8_decode(text + at, size - at, &codepoint);
        if (!(codepoint >= 0x0800 && codepoint <= 0x9FA5) && !(codepoint >= 0xAC00 && codepoint <= 0xD7FF))
            break;
        at += length;
    }
    return at;
}

/* A list ends with a stage without function. */
static const stage stages[SMG_SPLIT_COUNT][SMG_SPLIT_STAGES_MAX + 1] = {
    [SMG_SPLIT_DEFAULT] = {{match_punct_and_signs, true},
                           {split_gpt2, false},
                           {match_numbers, true},
                           {match_three_digits, true}},
    [SMG_SPLIT_GPT2] = {{split_gpt2, false}},
    [SMG_SPLIT_DIGITS_GPT2] = {{match_number, true}, {split_gpt2, false}},
    [SMG_SPLIT_LLAMA3] = {{split_llama3, false}},
    [SMG_SPLIT_QWEN2] = {{split_qwen2, false}},
    [SMG_SPLIT_DEEPSEEK_CODER] = {{match_newline, true},
                                  {match_spaced_letters, true},
                                  {match_spaced_punct, true},
                                  {match_east_asian, true},
                                  {match_number, true}},
};

static size_t stage_next(const stage *s, const char *text, size_t size)
{
    size_t length = s->fn(text, size);
    if (length > 0 || !s->is_matcher)
        return length;
    do {
        uint32_t codepoint;
        length += smg_utf8_decode(text + length, size - length, &codepoint);
    } while (length < size && s->fn(text + length, size - length) == 0);
    return length;
}

void smg_splitter_init(smg_splitter *splitter, smg_split split, const char *text, size_t size)
{
    *splitter = (smg_splitter){.text = text, .size = size, .split = split};
}

bool smg_splitter_next(smg_splitter *splitter, smg_text *ret_piece)
{
    size_t start = splitter->position;
    if (start >= splitter->size)
        return false;
    /* A rule whose piece is used up cuts the next one from the piece of the rule before it. */
    size_t end = splitter->size;
    const stage *list = stages[splitter->split];
    for (int i = 0; i < SMG_SPLIT_STAGES_MAX && list[i].fn != NULL; i++) {
        if (splitter->ends[i] <= start)
            splitter->ends[i] = start + stage_next(&list[i], splitter->text + start, end - start);
        end = splitter->ends[i];
    }
    *ret_piece = (smg_text){.data = splitter->text + start, .size = end - start};
    splitter->position = end;
    return true;
}
