/* Templates that users write: one `key: value` a line. */
#include "token/chat_template_internal.h"

#include <string.h>

#include "base/alloc.h"

/* A template and the text of all its strings, in one block. */
typedef struct own_template {
    smg_chat_template chat;
    char text[];
} own_template;

typedef struct parser {
    const char *name;
    smg_text line; /* what is left of it */
    int number;
    own_template *own;
    size_t used;
    unsigned seen; /* keys, as bits */
    smidge_error *error;
} parser;

typedef enum key_kind { KEY_TEXT, KEY_SWITCH } key_kind;

typedef struct key {
    const char *name;
    key_kind kind;
    size_t offset; /* of a string in the template */
} key;

#define TURN(role, part)                                                                                     \
    (offsetof(smg_chat_template, turn) + (role) * sizeof(smg_chat_turn) + offsetof(smg_chat_turn, part))

enum { SYSTEM_PREFIX, SYSTEM_SUFFIX, USER_PREFIX, GENERATION = 6, KEYS = 9 };

static const key keys[KEYS] = {
    {"system-prefix", KEY_TEXT, TURN(SMG_CHAT_SYSTEM, prefix)},
    {"system-suffix", KEY_TEXT, TURN(SMG_CHAT_SYSTEM, suffix)},
    {"user-prefix", KEY_TEXT, TURN(SMG_CHAT_USER, prefix)},
    {"user-suffix", KEY_TEXT, TURN(SMG_CHAT_USER, suffix)},
    {"assistant-prefix", KEY_TEXT, TURN(SMG_CHAT_ASSISTANT, prefix)},
    {"assistant-suffix", KEY_TEXT, TURN(SMG_CHAT_ASSISTANT, suffix)},
    {"generation-prompt", KEY_TEXT, offsetof(smg_chat_template, generation)},
    {"default-system", KEY_TEXT, offsetof(smg_chat_template, default_system)},
    {"trim", KEY_SWITCH, 0},
};

#define KEY_NAMES                                                                                            \
    "system-prefix, system-suffix, user-prefix, user-suffix, assistant-prefix, assistant-suffix, "           \
    "generation-prompt, default-system, trim"

#define fail(parse, ...) smg_error_set((parse)->error, SMIDGE_E_INVALID, (parse)->name, __VA_ARGS__)

static char next(const parser *parse)
{
    return parse->line.size > 0 ? parse->line.data[0] : '\0';
}

static void skip(parser *parse, size_t count)
{
    parse->line.data += count;
    parse->line.size -= count;
}

static void skip_blanks(parser *parse)
{
    while (next(parse) == ' ' || next(parse) == '\t')
        skip(parse, 1);
}

static smidge_status expect_end(parser *parse)
{
    skip_blanks(parse);
    if (parse->line.size == 0 || next(parse) == '#')
        return SMIDGE_OK;
    return fail(parse, "line %d goes on after its value (one key and one value a line)", parse->number);
}

/* "..." with escapes. */
static smidge_status parse_text(parser *parse, const char **ret_text)
{
    if (next(parse) != '"')
        return fail(parse, "line %d: the value must stand in double quotes (write \"...\")", parse->number);
    skip(parse, 1);
    char *text = parse->own->text + parse->used;
    while (parse->line.size > 0 && next(parse) != '"') {
        unsigned char c = (unsigned char)next(parse);
        skip(parse, 1);
        if (c == '\\') {
            c = (unsigned char)next(parse);
            if (c != 'n' && c != 't' && c != '"' && c != '\\')
                return fail(parse,
                            "line %d has a backslash that means nothing (only \\n, \\t, \\\" and \\\\ do)",
                            parse->number);
            c = c == 'n' ? '\n' : c == 't' ? '\t' : c;
            skip(parse, 1);
        } else if (c < ' ') {
            return fail(parse, "line %d has a control character (write \\n or \\t)", parse->number);
        }
        parse->own->text[parse->used++] = (char)c;
    }
    if (next(parse) != '"')
        return fail(parse, "line %d: the value has no end (close it with a double quote)", parse->number);
    skip(parse, 1);
    parse->own->text[parse->used++] = '\0';
    *ret_text = text;
    return expect_end(parse);
}

static smidge_status parse_switch(parser *parse)
{
    size_t size = parse->line.size;
    while (size > 0 && (parse->line.data[size - 1] == ' ' || parse->line.data[size - 1] == '\t'))
        size--;
    bool yes = size == 3 && memcmp(parse->line.data, "yes", 3) == 0;
    if (!yes && !(size == 2 && memcmp(parse->line.data, "no", 2) == 0))
        return fail(parse, "line %d: trim is neither yes nor no (write one of them)", parse->number);
    for (int role = 0; role < SMG_CHAT_ROLES; role++)
        parse->own->chat.turn[role].trim = yes;
    return SMIDGE_OK;
}

static smidge_status parse_line(parser *parse)
{
    skip_blanks(parse);
    if (parse->line.size == 0 || next(parse) == '#')
        return SMIDGE_OK;
    for (unsigned i = 0; i < KEYS; i++) {
        size_t size = strlen(keys[i].name);
        if (parse->line.size <= size || memcmp(parse->line.data, keys[i].name, size) != 0 ||
            parse->line.data[size] != ':')
            continue;
        if (parse->seen >> i & 1)
            return fail(parse, "line %d has %s for the second time (leave one out)", parse->number,
                        keys[i].name);
        parse->seen |= 1u << i;
        skip(parse, size + 1);
        skip_blanks(parse);
        if (keys[i].kind == KEY_SWITCH)
            return parse_switch(parse);
        const char *value = NULL;
        SMG_TRY(parse_text(parse, &value));
        memcpy((char *)&parse->own->chat + keys[i].offset, &value, sizeof value);
        return SMIDGE_OK;
    }
    return fail(parse, "line %d does not begin with a key and a colon (the keys are " KEY_NAMES ")",
                parse->number);
}

static smidge_status finish(parser *parse)
{
    smg_chat_template *chat = &parse->own->chat;
    if (!(parse->seen >> USER_PREFIX & 1))
        return fail(parse,
                    "there is no user-prefix (say what stands before a user message, \"\" for nothing)");
    if (!(parse->seen >> GENERATION & 1))
        chat->generation = chat->turn[SMG_CHAT_ASSISTANT].prefix;
    if (!(parse->seen & (1u << SYSTEM_PREFIX | 1u << SYSTEM_SUFFIX))) {
        if (chat->default_system != NULL)
            return fail(parse, "default-system has no system turn to stand in (add system-prefix)");
        chat->system = SMG_CHAT_SYSTEM_FIRST_USER;
        chat->fold_close = "\n\n";
    }
    return SMIDGE_OK;
}

static smidge_status parse_lines(parser *parse, smg_text text)
{
    while (text.size > 0) {
        const char *newline = memchr(text.data, '\n', text.size);
        size_t size = newline == NULL ? text.size : (size_t)(newline - text.data);
        parse->line = (smg_text){text.data, size - (size > 0 && text.data[size - 1] == '\r')};
        parse->number++;
        SMG_TRY(parse_line(parse));
        size += newline != NULL;
        text.data += size;
        text.size -= size;
    }
    return finish(parse);
}

smidge_status smg_chat_parse_file(smg_text text, const char *name, smg_chat_template **ret_template,
                                  smidge_error *error)
{
    parser parse = {.name = name, .error = error};
    if (text.size > SMG_CHAT_MAX_FILE)
        return fail(&parse, "it has %zu bytes, more than a template can have (at most %u KiB)", text.size,
                    SMG_CHAT_MAX_FILE >> 10);
    /* Each string is shorter than its line, quotes and all. */
    size_t name_size = strlen(name) + 1;
    size_t bytes = sizeof *parse.own + text.size + name_size;
    SMG_CLEANUP(smg_free_ptr) own_template *own = smg_alloc(bytes);
    if (own == NULL)
        return smg_error_no_memory(error, name, bytes);
    parse.own = own;
    memcpy(own->text, name, name_size);
    own->chat.name = own->text;
    parse.used = name_size;
    SMG_TRY(parse_lines(&parse, text));
    *ret_template = &own->chat;
    own = NULL;
    return SMIDGE_OK;
}

void smg_chat_template_free(smg_chat_template *chat)
{
    smg_free(chat);
}
