/* The normal form of a Jinja text. It is read, never run:
 *
 *  - comments are gone, and so is the white space that Jinja would not print; the rest between tags becomes
 *    an output tag, {{'\n'}} for white space and {{"text"}}, which nothing else becomes, for text
 *  - inside tags: no white space but one space between words; strings in single quotes with their escapes
 *    undone; `a.b` is `a['b']`; `~` is `+`; `.strip()` is `|trim`
 *  - output tags that follow each other are one, {{a+b}}, and strings that are added are one
 *
 * What cannot be read (a tag without end) ends the text. */
#include "token/chat_template_internal.h"

#include <string.h>

#include "base/alloc.h"

/* The worst case are line ends between tags: {{'\n'}} for one byte. */
#define GROWTH 8

typedef struct reader {
    const char *text;
    size_t size;
    size_t at;
    char *form;
    size_t used;
    size_t string_end;      /* form is this long after a string's closing quote; 0: another thing came last */
    bool output_open_ended; /* form ends with the }} of an output tag */
    bool word;              /* form ends with a word */
} reader;

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_word(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           (c & 0x80);
}

static char peek(const reader *read, size_t ahead)
{
    return read->at + ahead < read->size ? read->text[read->at + ahead] : '\0';
}

static void put(reader *read, const char *bytes, size_t size)
{
    memcpy(read->form + read->used, bytes, size);
    read->used += size;
    read->word = false;
    read->output_open_ended = false;
}

static void put_char(reader *read, char c)
{
    put(read, &c, 1);
}

/* Opens a string, or the one before it again if the two are added. */
static void open_string(reader *read)
{
    bool added =
        read->string_end != 0 && read->used == read->string_end + 1 && read->form[read->used - 1] == '+';
    if (added)
        read->used -= 2;
    else
        put_char(read, '\'');
}

static void close_string(reader *read)
{
    put_char(read, '\'');
    read->string_end = read->used;
}

static void open_output(reader *read)
{
    if (read->output_open_ended) {
        read->used -= 2;
        put_char(read, '+');
    } else {
        put(read, "{{", 2);
    }
}

static void close_output(reader *read)
{
    put(read, "}}", 2);
    read->output_open_ended = true;
}

static void put_text(reader *read, const char *text, size_t size)
{
    size_t blank = 0;
    while (blank < size && is_space(text[blank]))
        blank++;
    if (size == 0)
        return;
    if (blank < size) {
        put(read, "{{\"", 3);
        put(read, text, size);
        put(read, "\"}}", 3);
        return;
    }
    open_output(read);
    open_string(read);
    put(read, text, size);
    close_string(read);
    close_output(read);
}

static void read_string(reader *read)
{
    char quote = peek(read, 0);
    read->at++;
    open_string(read);
    while (read->at < read->size && peek(read, 0) != quote) {
        char c = read->text[read->at++];
        if (c == '\\' && read->at < read->size) {
            c = read->text[read->at++];
            if (c == 'n')
                c = '\n';
            else if (c == 't')
                c = '\t';
            else if (c == 'r')
                c = '\r';
            else if (c != '\\' && c != '\'' && c != '"')
                put_char(read, '\\');
        }
        put_char(read, c);
    }
    read->at += read->at < read->size;
    close_string(read);
}

static size_t word_size(const reader *read, size_t from)
{
    size_t size = 0;
    while (is_word(peek(read, from + size)))
        size++;
    return size;
}

/* `.b` after something, or a method. */
static void read_attribute(reader *read)
{
    size_t size = word_size(read, 1);
    const char *name = read->text + read->at + 1;
    if (size == 5 && memcmp(name, "strip", 5) == 0 && peek(read, 6) == '(' && peek(read, 7) == ')') {
        put(read, "|trim", 5);
        read->word = true;
        read->at += 8;
        return;
    }
    bool method = peek(read, 1 + size) == '(';
    put(read, method ? "." : "['", method ? 1 : 2);
    put(read, name, size);
    if (!method)
        put(read, "']", 2);
    read->at += 1 + size;
}

/* The inside of a tag up to `end` ("}}" or "%}"); true if a minus stood before that. */
static bool read_inside(reader *read, char end)
{
    while (read->at < read->size) {
        char c = peek(read, 0);
        size_t sign = c == '-' || c == '+';
        if (peek(read, sign) == end && peek(read, sign + 1) == '}') {
            read->at += sign + 2;
            return c == '-';
        }
        size_t size = word_size(read, 0);
        if (is_space(c)) {
            read->at++;
        } else if (c == '\'' || c == '"') {
            read_string(read);
        } else if (c == '.' && word_size(read, 1) > 0 && !(peek(read, 1) >= '0' && peek(read, 1) <= '9')) {
            read_attribute(read);
        } else if (size > 0) {
            if (read->word)
                put_char(read, ' ');
            put(read, read->text + read->at, size);
            read->word = true;
            read->at += size;
        } else {
            put_char(read, c == '~' ? '+' : c);
            read->at++;
        }
    }
    return false;
}

/* Text between tags, `from` to read->at, without what Jinja takes away on both sides. `left` is what closed
 * the tag before: '-', '%' (a block or comment), '}' (an output), or 0 at the start. */
static void read_text(reader *read, size_t from, char left)
{
    size_t to = read->at;
    bool line_start = left == '\0';
    if (left == '-') {
        while (from < to && is_space(read->text[from]))
            from++;
    } else if (left == '%' && from < to && read->text[from] == '\n') {
        from++;
        line_start = true;
    }
    bool tag = read->at < read->size;
    char kind = peek(read, 1);
    if (tag && peek(read, 2) == '-') {
        while (to > from && is_space(read->text[to - 1]))
            to--;
    } else if (tag && kind != '{' && peek(read, 2) != '+') {
        size_t blank = to;
        while (blank > from && (read->text[blank - 1] == ' ' || read->text[blank - 1] == '\t'))
            blank--;
        if (blank > from ? read->text[blank - 1] == '\n' : line_start)
            to = blank;
    }
    put_text(read, read->text + from, to - from);
}

static bool find_tag(reader *read)
{
    for (; read->at + 1 < read->size; read->at++) {
        char kind = peek(read, 1);
        if (peek(read, 0) == '{' && (kind == '{' || kind == '%' || kind == '#'))
            return true;
    }
    read->at = read->size;
    return false;
}

/* True if a minus stood before its end. */
static bool skip_comment(reader *read)
{
    for (read->at += 2; read->at < read->size; read->at++) {
        if (peek(read, 0) == '#' && peek(read, 1) == '}') {
            read->at += 2;
            return read->text[read->at - 3] == '-';
        }
    }
    return false;
}

static void read_all(reader *read)
{
    char left = '\0';
    for (;;) {
        size_t from = read->at;
        bool found = find_tag(read);
        read_text(read, from, left);
        if (!found)
            return;
        char kind = peek(read, 1);
        if (kind == '#') {
            left = skip_comment(read) ? '-' : '%';
            continue;
        }
        read->at += 2;
        read->at += peek(read, 0) == '-' || peek(read, 0) == '+';
        if (kind == '{')
            open_output(read);
        else
            put(read, "{%", 2);
        bool minus = read_inside(read, kind == '{' ? '}' : '%');
        if (kind == '{')
            close_output(read);
        else
            put(read, "%}", 2);
        left = minus ? '-' : kind == '{' ? '}' : '%';
    }
}

/* Line ends of any kind are one kind, and the one that ends the text is dropped; returns the size. */
static size_t copy_lines(const char *text, size_t size, char *ret_text)
{
    size_t copied = 0;
    for (size_t i = 0; i < size; i++) {
        bool both = text[i] == '\r' && i + 1 < size && text[i + 1] == '\n';
        if (!both)
            ret_text[copied++] = text[i] == '\r' ? '\n' : text[i];
    }
    return copied - (copied > 0 && ret_text[copied - 1] == '\n');
}

smidge_status smg_chat_jinja_form(smg_text jinja, char **ret_form, size_t *ret_size, smidge_error *error)
{
    size_t room = jinja.size * GROWTH + 16;
    reader read = {.form = smg_alloc(room + jinja.size)};
    if (read.form == NULL)
        return smg_error_no_memory(error, "chat template", room + jinja.size);
    read.text = read.form + room;
    read.size = copy_lines(jinja.data, jinja.size, read.form + room);
    read_all(&read);
    read.form[read.used] = '\0';
    *ret_form = read.form;
    *ret_size = read.used;
    return SMIDGE_OK;
}
