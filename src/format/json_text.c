#include "format/json_text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

void smg_json_release(json_t **json)
{
    json_decref(*json);
}

/* How deep brackets are nested, those in texts aside. */
static int nesting(const char *text, size_t size)
{
    int depth = 0, deepest = 0;
    bool inside = false;
    for (size_t i = 0; i < size; i++) {
        const char c = text[i];
        if (inside) {
            if (c == '\\')
                i++;
            inside = c != '"';
        } else if (c == '"') {
            inside = true;
        } else if (c == '{' || c == '[') {
            deepest = ++depth > deepest ? depth : deepest;
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
    return deepest;
}

smidge_status smg_json_parse(const char *text, size_t size, const char *where, json_t **ret_json,
                             smidge_error *error)
{
    if (nesting(text, size) > SMG_JSON_DEPTH_MAX)
        return smg_error_set(error, SMIDGE_E_FORMAT, where, "is nested deeper than %d (download it again)",
                             SMG_JSON_DEPTH_MAX);
    json_error_t at;
    json_t *json = json_loadb(text, size, JSON_ALLOW_NUL, &at);
    if (json == NULL && json_error_code(&at) == json_error_out_of_memory)
        return smg_error_no_memory(error, where, size);
    if (json == NULL)
        return smg_error_set(error, SMIDGE_E_FORMAT, where,
                             "is not JSON: line %d, column %d: %.100s (download it again)", at.line,
                             at.column, at.text);
    if (!json_is_object(json)) {
        json_decref(json);
        return smg_error_set(error, SMIDGE_E_FORMAT, where, "is not a JSON object (download it again)");
    }
    *ret_json = json;
    return SMIDGE_OK;
}

/* ---- What people write themselves ------------------------------------------------------------------------ */

static size_t characters(const char *text, size_t size)
{
    size_t count = 0;
    for (size_t i = 0; i < size; i++)
        count += ((unsigned char)text[i] & 0xC0) != 0x80;
    return count;
}

/* jansson's place is behind the token that it did not like. */
static void describe_fault(const json_error_t *at, smg_json_fault *ret_fault)
{
    static const char near_mark[] = " near '";
    const enum json_error_code code = json_error_code(at);
    const char *near = strstr(at->text, near_mark);
    const char *token = near == NULL ? "" : near + sizeof near_mark - 1;
    size_t length = strlen(token);
    length -= length > 0 && token[length - 1] == '\'' ? 1 : 0;
    const int wide = (int)characters(token, length);
    *ret_fault = (smg_json_fault){.line = at->line, .column = at->column};
    if (wide > 0 && wide <= at->column)
        ret_fault->column -= wide - 1;
    if (ret_fault->column < 1)
        ret_fault->column = 1;
    ret_fault->cut = code == json_error_premature_end_of_input;
    if (code == json_error_duplicate_key)
        snprintf(ret_fault->text, sizeof ret_fault->text, "%.*s is there twice", (int)length, token);
    else if (code == json_error_null_character || code == json_error_null_byte_in_key)
        snprintf(ret_fault->text, sizeof ret_fault->text, "a text holds a zero byte, \\u0000");
    else if (code == json_error_numeric_overflow)
        snprintf(ret_fault->text, sizeof ret_fault->text, "the number %.*s is too large", (int)length, token);
    else
        snprintf(ret_fault->text, sizeof ret_fault->text, "%s", at->text);
}

smidge_status smg_json_parse_strict(const char *text, size_t size, json_t **ret_json,
                                    smg_json_fault *ret_fault)
{
    if (nesting(text, size) > SMG_JSON_DEPTH_MAX) {
        *ret_fault = (smg_json_fault){.line = 1, .column = 1};
        snprintf(ret_fault->text, sizeof ret_fault->text, "it is nested deeper than %d", SMG_JSON_DEPTH_MAX);
        return SMIDGE_E_FORMAT;
    }
    json_error_t at;
    json_t *json = json_loadb(text, size, JSON_REJECT_DUPLICATES, &at);
    if (json == NULL) {
        describe_fault(&at, ret_fault);
        return json_error_code(&at) == json_error_out_of_memory ? SMIDGE_E_NOMEM : SMIDGE_E_FORMAT;
    }
    *ret_json = json;
    return SMIDGE_OK;
}

smidge_status smg_json_read(const char *path, size_t limit, json_t **ret_json, smidge_error *error)
{
    SMG_CLEANUP(smg_free_ptr) char *text = NULL;
    size_t size = 0;
    SMG_TRY(smg_file_read(path, limit, &text, &size, error));
    return smg_json_parse(text, size, path, ret_json, error);
}

json_t *smg_json_get(const json_t *object, const char *name)
{
    json_t *value = json_object_get(object, name);
    return json_is_null(value) ? NULL : value;
}

smg_text smg_json_text(const json_t *string)
{
    if (!json_is_string(string))
        return (smg_text){.data = "", .size = 0};
    return (smg_text){.data = json_string_value(string), .size = json_string_length(string)};
}

bool smg_text_is(smg_text text, const char *expected)
{
    return text.size == strlen(expected) && memcmp(text.data, expected, text.size) == 0;
}

smidge_status smg_json_int(const json_t *object, const char *name, int64_t least, int64_t most,
                           const char *where, int64_t *ret, smidge_error *error)
{
    const json_t *value = smg_json_get(object, name);
    if (value == NULL)
        return SMIDGE_OK;
    int64_t number = 0;
    bool whole = json_is_integer(value);
    if (whole) {
        number = json_integer_value(value);
    } else if (json_is_real(value) && fabs(json_real_value(value)) < 9e15) {
        number = (int64_t)json_real_value(value);
        whole = (double)number == json_real_value(value);
    }
    if (!whole || number < least || number > most)
        return smg_error_set(error, SMIDGE_E_FORMAT, where,
                             "\"%s\" is not a whole number from %" PRId64 " to %" PRId64
                             " (correct it, or download it again)",
                             name, least, most);
    *ret = number;
    return SMIDGE_OK;
}

smidge_status smg_json_real(const json_t *object, const char *name, const char *where, double *ret,
                            smidge_error *error)
{
    const json_t *value = smg_json_get(object, name);
    if (value == NULL)
        return SMIDGE_OK;
    const double number = json_is_number(value) ? json_number_value(value) : -1.0;
    /* every such number here is a scale, a base or an epsilon that a float has to hold */
    if (!(number > 1e-30 && number < 1e30))
        return smg_error_set(error, SMIDGE_E_FORMAT, where,
                             "\"%s\" is not a positive number (correct it, or download it again)", name);
    *ret = number;
    return SMIDGE_OK;
}

smidge_status smg_json_bool(const json_t *object, const char *name, const char *where, bool *ret,
                            smidge_error *error)
{
    const json_t *value = smg_json_get(object, name);
    if (value == NULL)
        return SMIDGE_OK;
    if (!json_is_boolean(value))
        return smg_error_set(error, SMIDGE_E_FORMAT, where,
                             "\"%s\" is neither true nor false (correct it, or download it again)", name);
    *ret = json_is_true(value);
    return SMIDGE_OK;
}
