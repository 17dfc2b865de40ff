/* Rows of JSON Lines. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "data/dataset_build.h"
#include "data/json_raw.h"
#include "data/nearest.h"
#include "format/json_text.h"

#define FORMS                                                                                                \
    "{\"prompt\": \"...\", \"label\": \"...\"}, or \"json\" instead of the label, or {\"messages\": [...]}"

typedef struct row_reader {
    smg_dataset_build *build;
    const char *text; /* the line */
    size_t size;
    int64_t line;
    const json_t *json;
    smg_json_place place; /* of the object */
    smg_example example;
} row_reader;

static const char *const known[] = {"prompt", "label", "json", "messages", "id", "group", "hints"};

static bool is_known(const char *name)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(known[i], name) == 0)
            return true;
    }
    return false;
}

/* ---- What is bad about a row ----------------------------------------------------------------------------- */

/* The column of a member's value; of the row where it cannot be found. */
static size_t column_of(const row_reader *row, const char *name)
{
    smg_json_place place = row->place;
    (void)smg_json_find_member(row->text, row->place, name, &place);
    return smg_dataset_column(row->text, place.begin);
}

/* A member that is not there; perhaps one of nearly its name is. */
static smidge_status missing(const row_reader *row, const char *name)
{
    const char *const names[] = {name, "messages"};
    const size_t count = strcmp(name, "prompt") == 0 ? 2 : 1;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)row->json, key, value)
    {
        const ptrdiff_t meant = is_known(key) ? -1 : smg_nearest_name(key, names, count);
        if (meant >= 0)
            return smg_dataset_bad(row->build, row->line, column_of(row, key),
                                   "there is no \"%s\", but \"%.40s\" (write \"%s\")", names[meant], key,
                                   names[meant]);
    }
    return smg_dataset_bad(row->build, row->line, smg_dataset_column(row->text, row->place.begin),
                           "there is no \"%s\" (a row is " FORMS ")", name);
}

static smidge_status not_json(const row_reader *row, const smg_json_fault *fault)
{
    const char *advice = "put one whole JSON object on each line";
    smg_lines rest = {.text = row->text, .size = row->size};
    const char *first = rest.text + row->place.begin;
    if (row->place.begin >= row->size || *first == '[')
        advice = "one object a line is expected, not an array of them: jq -c '.[]' FILE makes it so";
    else if (*first != '{')
        advice = "a row is " FORMS "; what is CSV needs a template, --template";
    else if (fault->cut)
        advice = "the object must end on its line: jq -c . FILE makes it so";
    return smg_dataset_bad(row->build, row->line, (size_t)fault->column, "this is not JSON: %.160s (%s)",
                           fault->text, advice);
}

/* Bytes that are no text. */
static smidge_status not_text(const row_reader *row, size_t at)
{
    return smg_dataset_bad(row->build, row->line, smg_dataset_column(row->text, at),
                           row->text[at] == '\0'
                               ? "there is a zero byte (the file is damaged, or UTF-16: save it as UTF-8)"
                               : "this is not UTF-8 (save the file as UTF-8)");
}

/* ---- Members --------------------------------------------------------------------------------------------- */

static smidge_status take_text(const row_reader *row, const char *name, const json_t *value,
                               const char **ret_text)
{
    if (!json_is_string(value))
        return smg_dataset_bad(row->build, row->line, column_of(row, name),
                               "\"%s\" is not a text (put it in quotes)", name);
    return smg_dataset_copy(row->build, json_string_value(value), json_string_length(value), ret_text);
}

/* A text, or a number or true or false as it is written. */
static smidge_status take_label(row_reader *row, const json_t *value)
{
    const size_t column = column_of(row, "label");
    smg_json_place place;
    if (json_is_string(value))
        return smg_dataset_label(row->build, json_string_value(value), json_string_length(value), row->line,
                                 column, &row->example);
    if ((!json_is_number(value) && !json_is_boolean(value)) ||
        !smg_json_find_member(row->text, row->place, "label", &place))
        return smg_dataset_bad(
            row->build, row->line, column,
            "\"label\" is neither a text nor a number nor true or false (what has fields goes "
            "into \"json\")");
    return smg_dataset_label(row->build, row->text + place.begin, place.end - place.begin, row->line, column,
                             &row->example);
}

static smidge_status compact(const row_reader *row, const char *text, smg_json_place place,
                             const char **ret_text)
{
    const size_t size = smg_json_compact(text, place, NULL);
    SMG_CLEANUP(smg_free_ptr) char *copy = smg_alloc(size + 1);
    if (copy == NULL)
        return smg_error_no_memory(row->build->error, row->build->path, size);
    smg_json_compact(text, place, copy);
    return smg_dataset_copy(row->build, copy, size, ret_text);
}

static smidge_status take_json_text(row_reader *row, const char *text, size_t size)
{
    SMG_CLEANUP(smg_json_release) json_t *json = NULL;
    smg_json_fault fault;
    const smidge_status status = smg_json_parse_strict(text, size, &json, &fault);
    if (status == SMIDGE_E_NOMEM)
        return smg_error_no_memory(row->build->error, row->build->path, size);
    if (status != SMIDGE_OK)
        return smg_dataset_bad(
            row->build, row->line, column_of(row, "json"),
            "the text in \"json\" is not JSON: character %d: %.160s (write the object itself, "
            "without quotes)",
            fault.column, fault.text);
    return compact(row, text, smg_json_whole(text, size), &row->example.answer);
}

static smidge_status take_json(row_reader *row, const json_t *value)
{
    smg_json_place place;
    row->example.kind = SMG_EXAMPLE_JSON;
    if (json_is_string(value))
        return take_json_text(row, json_string_value(value), json_string_length(value));
    if ((!json_is_object(value) && !json_is_array(value)) ||
        !smg_json_find_member(row->text, row->place, "json", &place))
        return smg_dataset_bad(row->build, row->line, column_of(row, "json"),
                               "\"json\" is no object (a single text or number is a \"label\")");
    return compact(row, row->text, place, &row->example.answer);
}

/* A text or a whole number; what tells rows apart or holds them together. */
static smidge_status take_name(const row_reader *row, const char *name, const char **ret_text)
{
    const json_t *value = json_object_get(row->json, name);
    char digits[32];
    if (value == NULL || json_is_null(value))
        return SMIDGE_OK;
    if (!json_is_integer(value) && !json_is_string(value))
        return smg_dataset_bad(row->build, row->line, column_of(row, name),
                               "\"%s\" is neither a text nor a whole number (correct it, or leave it out)",
                               name);
    if (json_is_string(value))
        return take_text(row, name, value, ret_text);
    const int size = snprintf(digits, sizeof digits, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    return smg_dataset_copy(row->build, digits, (size_t)size, ret_text);
}

/* ---- Hints ----------------------------------------------------------------------------------------------- */

static smidge_status bad_hint(const row_reader *row, size_t number, const char *why)
{
    smg_json_place place = row->place, inner;
    if (smg_json_find_member(row->text, row->place, "hints", &place) &&
        smg_json_find_element(row->text, place, number, &inner))
        place = inner;
    return smg_dataset_bad(row->build, row->line, smg_dataset_column(row->text, place.begin), "hint %zu %s",
                           number + 1, why);
}

/* From the first byte of a character to that of the one `count` further on; at most to the end. */
static size_t characters_on(const char *text, size_t at, json_int_t count)
{
    for (; text[at] != '\0' && count > 0; count--) {
        do
            at++;
        while (((unsigned char)text[at] & 0xC0U) == 0x80U);
    }
    return at;
}

static smidge_status take_hints(row_reader *row, const json_t *value)
{
    const size_t count = json_array_size(value);
    if (!json_is_array(value) || count > SMG_DATASET_HINTS_MAX)
        return smg_dataset_bad(row->build, row->line, column_of(row, "hints"),
                               "\"hints\" is no array of at most %d (write [[CHARACTER, \"TOKEN\"], ...])",
                               SMG_DATASET_HINTS_MAX);
    smg_hint *hints = smg_text_pool_take(row->build->set->pool, count * sizeof *hints);
    if (hints == NULL)
        return smg_error_no_memory(row->build->error, row->build->path, count * sizeof *hints);
    json_int_t last = -1;
    size_t byte = 0;
    for (size_t i = 0; i < count; i++) {
        const json_t *pair = json_array_get(value, i), *at = json_array_get(pair, 0);
        const json_t *text = json_array_get(pair, 1);
        if (json_array_size(pair) != 2 || !json_is_integer(at) || !json_is_string(text))
            return bad_hint(row, i, "is no pair of a character's number and a text ([12, \"high\"])");
        if (json_integer_value(at) <= last)
            return bad_hint(row, i, "is not behind the one before it (sort them)");
        byte = characters_on(row->example.prompt, byte, json_integer_value(at) - (last < 0 ? 0 : last));
        last = json_integer_value(at);
        hints[i].at = byte;
        if (row->example.prompt[byte] == '\0')
            return bad_hint(row, i, "is behind the end of the prompt (characters count from 0)");
        SMG_TRY(
            smg_dataset_copy(row->build, json_string_value(text), json_string_length(text), &hints[i].text));
    }
    row->example.hints = hints;
    row->example.hint_count = (int32_t)count;
    return SMIDGE_OK;
}

/* ---- Chats ----------------------------------------------------------------------------------------------- */

static smidge_status bad_message(const row_reader *row, size_t number, const char *name, const char *why)
{
    smg_json_place place = row->place, inner;
    if (smg_json_find_member(row->text, row->place, "messages", &place) &&
        smg_json_find_element(row->text, place, number, &inner)) {
        place = inner;
        if (name != NULL && smg_json_find_member(row->text, inner, name, &inner))
            place = inner;
    }
    return smg_dataset_bad(row->build, row->line, smg_dataset_column(row->text, place.begin),
                           "message %zu %s", number + 1, why);
}

/* Templates of chats take a system message in front, then user and assistant in turns. */
static smidge_status check_role(const row_reader *row, size_t number, bool system, const char *role)
{
    const bool users_turn = (number - system) % 2 == 0;
    if (strcmp(role, "system") == 0 && number == 0)
        return SMIDGE_OK;
    if (strcmp(role, "system") == 0)
        return bad_message(row, number, "role",
                           "is the system's, which can only be the first (move it there)");
    if (strcmp(role, "user") != 0 && strcmp(role, "assistant") != 0)
        return bad_message(row, number, "role",
                           "has a role that is not system, user or assistant (name one)");
    if (users_turn != (strcmp(role, "user") == 0))
        return bad_message(
            row, number, "role",
            users_turn ? "is the assistant's where the user's turn is (they take turns, the user first)"
                       : "is the user's where the assistant's turn is (they take turns, the user first)");
    return SMIDGE_OK;
}

static smidge_status take_message(const row_reader *row, size_t number, bool *system, const json_t *value,
                                  smg_message *ret_message)
{
    const json_t *role = json_object_get(value, "role"), *content = json_object_get(value, "content");
    if (!json_is_object(value))
        return bad_message(row, number, NULL,
                           "is no object (write {\"role\": \"...\", \"content\": \"...\"})");
    if (!json_is_string(role))
        return bad_message(row, number, "role", "has no \"role\" that is a text (system, user or assistant)");
    if (!json_is_string(content))
        return bad_message(row, number, "content",
                           "has no \"content\" that is a text (put what was said there)");
    const char *name = json_string_value(role);
    SMG_TRY(check_role(row, number, *system, name));
    *system |= strcmp(name, "system") == 0;
    ret_message->role = strcmp(name, "system") == 0 ? "system"
                        : strcmp(name, "user") == 0 ? "user"
                                                    : "assistant";
    return smg_dataset_copy(row->build, json_string_value(content), json_string_length(content),
                            &ret_message->content);
}

static smidge_status take_messages(row_reader *row, const json_t *value)
{
    const size_t count = json_array_size(value), column = column_of(row, "messages");
    if (!json_is_array(value) || count < 2)
        return smg_dataset_bad(
            row->build, row->line, column,
            "\"messages\" is no array of at least two (the user's, and the assistant's answer)");
    if (count > SMG_DATASET_MESSAGES_MAX)
        return smg_dataset_bad(row->build, row->line, column,
                               "there are %zu messages (at most %d: cut the chat)", count,
                               SMG_DATASET_MESSAGES_MAX);
    smg_message *messages = smg_text_pool_take(row->build->set->pool, count * sizeof *messages);
    if (messages == NULL)
        return smg_error_no_memory(row->build->error, row->build->path, count * sizeof *messages);
    bool system = false;
    for (size_t i = 0; i < count; i++)
        SMG_TRY(take_message(row, i, &system, json_array_get(value, i), &messages[i]));
    if (strcmp(messages[count - 1].role, "assistant") != 0 || count - 1 == (size_t)system)
        return bad_message(row, count - 1, "role",
                           "is the last, but not the assistant's answer (add it, or drop the row)");
    row->example.kind = SMG_EXAMPLE_TEXT;
    row->example.messages = messages;
    row->example.message_count = (int32_t)count - 1;
    row->example.answer = messages[count - 1].content;
    return SMIDGE_OK;
}

/* ---- Rows ------------------------------------------------------------------------------------------------ */

/* Two members of which a row can have one. */
static smidge_status clash(const row_reader *row, const char *one, const char *other)
{
    return smg_dataset_bad(row->build, row->line, column_of(row, other),
                           "there are both \"%s\" and \"%s\" (leave one out: a row is " FORMS ")", one,
                           other);
}

static smidge_status take_example(row_reader *row)
{
    const json_t *prompt = json_object_get(row->json, "prompt"), *label = json_object_get(row->json, "label");
    const json_t *json = json_object_get(row->json, "json"),
                 *messages = json_object_get(row->json, "messages"),
                 *hints = json_object_get(row->json, "hints");
    if (messages != NULL && hints != NULL)
        return clash(row, "messages", "hints");
    SMG_TRY(take_name(row, "id", &row->example.id));
    SMG_TRY(take_name(row, "group", &row->example.group));
    if (messages != NULL && (prompt != NULL || label != NULL || json != NULL))
        return clash(row, "messages", prompt != NULL ? "prompt" : label != NULL ? "label" : "json");
    if (label != NULL && json != NULL)
        return clash(row, "label", "json");
    if (messages != NULL)
        return take_messages(row, messages);
    if (prompt == NULL)
        return missing(row, "prompt");
    SMG_TRY(take_text(row, "prompt", prompt, &row->example.prompt));
    if (hints != NULL)
        SMG_TRY(take_hints(row, hints));
    if (label == NULL && json == NULL)
        return missing(row, "label");
    return label != NULL ? take_label(row, label) : take_json(row, json);
}

/* Members that mean nothing: to be told of once. */
static smidge_status note_unused(const row_reader *row)
{
    smg_dataset *set = row->build->set;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)row->json, key, value)
    {
        int32_t at = 0;
        while (at < set->unused_count && strcmp(set->unused[at], key) != 0)
            at++;
        if (is_known(key) || at < set->unused_count || at == SMG_DATASET_UNUSED_MAX)
            continue;
        SMG_TRY(smg_dataset_copy(row->build, key, strlen(key), &set->unused[at]));
        set->unused_count++;
    }
    return SMIDGE_OK;
}

static smidge_status read_row(row_reader *row)
{
    SMG_CLEANUP(smg_json_release) json_t *json = NULL;
    smg_json_fault fault;
    const size_t end = smg_dataset_text_end(row->text, row->size);
    if (end < row->size)
        return not_text(row, end);
    const smidge_status status = smg_json_parse_strict(row->text, row->size, &json, &fault);
    if (status == SMIDGE_E_NOMEM)
        return smg_error_no_memory(row->build->error, row->build->path, row->size);
    row->place = smg_json_whole(row->text, row->size);
    if (status != SMIDGE_OK)
        return not_json(row, &fault);
    if (!json_is_object(json)) {
        fault = (smg_json_fault){.column = (int)smg_dataset_column(row->text, row->place.begin),
                                 .text = "an array is no object"};
        return not_json(row, &fault);
    }
    row->json = json;
    SMG_TRY(take_example(row));
    SMG_TRY(note_unused(row));
    return smg_dataset_add(row->build, &row->example);
}

static bool is_blank(const char *line, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (line[i] != ' ' && line[i] != '\t' && line[i] != '\r')
            return false;
    }
    return true;
}

smidge_status smg_dataset_read_jsonl(smg_dataset_build *build, const char *text, size_t size)
{
    smg_lines lines;
    const char *line;
    size_t line_size;
    SMG_TRY(smg_lines_begin(&lines, text, size, build->path, build->error));
    while (smg_lines_next(&lines, &line, &line_size)) {
        if (is_blank(line, line_size))
            continue;
        build->rows++;
        if (line_size > SMG_DATASET_LINE_MAX) {
            (void)smg_dataset_bad(build, lines.number, 1, "the line is longer than %zu bytes (shorten it)",
                                  SMG_DATASET_LINE_MAX);
            continue;
        }
        row_reader row = {.build = build,
                          .text = line,
                          .size = line_size,
                          .line = lines.number,
                          .example = {.label = -1, .file = build->path, .line = lines.number}};
        const size_t bad = build->bad;
        const smidge_status status = read_row(&row);
        if (status != SMIDGE_OK && build->bad == bad)
            return status;
    }
    return SMIDGE_OK;
}
