#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "base/alloc.h"
#include "constrain/json_shape_internal.h"

#define WHERE "json schema"
#define DEPTH_MAX 16
#define KEYWORDS_MAX 8

/* Fails about the property at hand. */
#define REFUSE(read, code, format, ...)                                                                      \
    smg_error_set((read)->error, code, WHERE, "property \"%.64s\" " format, (read)->name, ##__VA_ARGS__)

typedef struct reader {
    smg_json_shape *shape;
    int32_t node_room;
    const char *name; /* of the property at hand */
    json_t *schema;
    const char *type; /* NULL where it has none */
    smidge_error *error;
} reader;

static void decref(json_t **json)
{
    json_decref(*json);
}

static void free_shape(smg_json_shape **shape)
{
    smg_json_shape_free(*shape);
}

static uint64_t key_bit(int32_t key)
{
    return (uint64_t)1 << key % SMG_JSON_KEYS_MAX;
}

/* ---- Tries ------------------------------------------------------------------------------------------ */

static smidge_status add_node(reader *read, int32_t *ret_node)
{
    smg_json_shape *shape = read->shape;
    if (shape->node_count == read->node_room) {
        int32_t room = read->node_room == 0 ? 256 : read->node_room * 2;
        smg_json_node *grown = smg_realloc_array(shape->nodes, (size_t)room, sizeof(*grown));
        if (grown == NULL)
            return smg_error_no_memory(read->error, WHERE, (size_t)room * sizeof(*grown));
        shape->nodes = grown;
        read->node_room = room;
    }
    *ret_node = shape->node_count;
    shape->nodes[shape->node_count++] = (smg_json_node){.key = -1};
    return SMIDGE_OK;
}

static smidge_status add_byte(reader *read, int32_t *at, uint8_t byte, uint64_t keys)
{
    int32_t child = smg_json_child(read->shape->nodes, *at, byte);
    if (child == 0) {
        SMG_TRY(add_node(read, &child));
        smg_json_node *parent = &read->shape->nodes[*at];
        smg_json_node *node = &read->shape->nodes[child];
        node->byte = byte;
        node->depth = parent->depth + 1;
        node->next_sibling = parent->first_child;
        parent->first_child = child;
    }
    read->shape->nodes[child].keys |= keys;
    *at = child;
    return SMIDGE_OK;
}

static smidge_status add_plain(reader *read, int32_t *at, const char *text, uint64_t keys)
{
    for (; *text != '\0'; text++)
        SMG_TRY(add_byte(read, at, (uint8_t)*text, keys));
    return SMIDGE_OK;
}

/* With quotes, escaped where it must be. */
static smidge_status add_quoted(reader *read, int32_t *at, const char *text, size_t size, uint64_t keys)
{
    static const char named[] = "\"\\\b\f\n\r\t";
    static const char letters[] = "\"\\bfnrt";
    SMG_TRY(add_byte(read, at, '"', keys));
    for (size_t i = 0; i < size; i++) {
        uint8_t byte = (uint8_t)text[i];
        if (smg_json_is_vacant(byte))
            return REFUSE(
                read, SMIDGE_E_UNSUPPORTED,
                "has a character between U+40000 and U+BFFFF, where Unicode has none (take it out)");
        const char *letter = byte != 0 ? strchr(named, byte) : NULL;
        char escape[8];
        if (letter != NULL) {
            snprintf(escape, sizeof(escape), "\\%c", letters[letter - named]);
            SMG_TRY(add_plain(read, at, escape, keys));
        } else if (byte < 0x20 || byte == 0x7F) {
            snprintf(escape, sizeof(escape), "\\u%04x", byte);
            SMG_TRY(add_plain(read, at, escape, keys));
        } else {
            SMG_TRY(add_byte(read, at, byte, keys));
        }
    }
    return add_byte(read, at, '"', keys);
}

/* Children come after their parents. */
static void measure_nodes(smg_json_shape *shape)
{
    for (int32_t i = shape->node_count - 1; i >= 0; i--) {
        smg_json_node *node = &shape->nodes[i];
        for (int32_t child = node->first_child; child != 0; child = shape->nodes[child].next_sibling) {
            int32_t longest = shape->nodes[child].longest + 1;
            node->longest = longest > node->longest ? longest : node->longest;
        }
    }
}

/* ---- Keywords ------------------------------------------------------------------------------------------ */

static bool is_listed(const char *word, const char *const *list)
{
    while (*list != NULL && strcmp(word, *list) != 0)
        list++;
    return *list != NULL;
}

/* Says nothing about which values are valid. */
static bool is_annotation(const char *keyword)
{
    static const char *const annotations[] = {
        "title", "description", "$schema", "$id", "$comment", "default", "examples", NULL,
    };
    return is_listed(keyword, annotations);
}

static smidge_status check_keywords(const reader *read, const char *const *known, const char *kind)
{
    const char *keyword = NULL;
    json_t *value = NULL;
    json_object_foreach(read->schema, keyword, value)
    {
        if (is_annotation(keyword) || is_listed(keyword, known))
            continue;
        char names[160] = "";
        for (size_t i = 0, at = 0; known[i] != NULL && at < sizeof(names); i++)
            at += (size_t)snprintf(names + at, sizeof(names) - at, "%s%s", i == 0 ? "" : ", ", known[i]);
        return REFUSE(read, SMIDGE_E_UNSUPPORTED, "has \"%.64s\" (with %s, supported are %s)", keyword, kind,
                      names);
    }
    return SMIDGE_OK;
}

static const json_t *keyword(const reader *read, const char *name)
{
    return json_object_get(read->schema, name);
}

static void to_decimal(const json_t *number, smg_json_decimal *ret_decimal)
{
    if (json_is_integer(number))
        smg_json_decimal_integer(json_integer_value(number), ret_decimal);
    else
        smg_json_decimal_real(json_real_value(number), ret_decimal);
}

/* ---- Listed values ---------------------------------------------------------------------------------- */

static bool has_type(const json_t *value, const char *type)
{
    if (type == NULL)
        return true;
    if (json_is_string(value))
        return strcmp(type, "string") == 0;
    if (json_is_boolean(value))
        return strcmp(type, "boolean") == 0;
    if (!json_is_number(value))
        return false;
    smg_json_decimal decimal;
    to_decimal(value, &decimal);
    return strcmp(type, "number") == 0 || (strcmp(type, "integer") == 0 && decimal.exponent >= 0);
}

static smidge_status add_word(reader *read, int32_t root, const json_t *value)
{
    if (json_is_object(value) || json_is_array(value))
        return REFUSE(read, SMIDGE_E_UNSUPPORTED,
                      "lists an object or an array (list strings, numbers, true, false or null)");
    if (!has_type(value, read->type))
        return REFUSE(read, SMIDGE_E_INVALID, "lists a value that is not of type \"%.16s\" (take one away)",
                      read->type);
    int32_t at = root;
    if (json_is_string(value)) {
        SMG_TRY(add_quoted(read, &at, json_string_value(value), json_string_length(value), UINT64_MAX));
    } else if (json_is_number(value)) {
        smg_json_decimal decimal;
        char text[SMG_JSON_DECIMAL_ROOM];
        to_decimal(value, &decimal);
        if (!smg_json_decimal_spell(&decimal, text))
            return REFUSE(read, SMIDGE_E_UNSUPPORTED,
                          "lists a number of more than 18 digits (use fewer digits, or a string)");
        SMG_TRY(add_plain(read, &at, text, UINT64_MAX));
    } else {
        const char *text = json_is_null(value) ? "null" : json_is_true(value) ? "true" : "false";
        SMG_TRY(add_plain(read, &at, text, UINT64_MAX));
    }
    read->shape->nodes[at].key = 0;
    return SMIDGE_OK;
}

static smidge_status read_words(reader *read, smg_json_property *property)
{
    static const char *const known_enum[] = {"type", "enum", NULL};
    static const char *const known_const[] = {"type", "const", NULL};
    const json_t *list = keyword(read, "enum");
    SMG_TRY(list != NULL ? check_keywords(read, known_enum, "\"enum\"")
                         : check_keywords(read, known_const, "\"const\""));
    if (list != NULL && json_array_size(list) == 0)
        return REFUSE(read, SMIDGE_E_INVALID, "has an \"enum\" that lists nothing (list the values)");
    property->kind = SMG_JSON_WORDS;
    SMG_TRY(add_node(read, &property->root));
    if (list == NULL)
        return add_word(read, property->root, keyword(read, "const"));
    for (size_t i = 0; i < json_array_size(list); i++)
        SMG_TRY(add_word(read, property->root, json_array_get(list, i)));
    return SMIDGE_OK;
}

static smidge_status read_boolean(reader *read, smg_json_property *property)
{
    static const char *const known[] = {"type", NULL};
    static const char *const words[] = {"true", "false"};
    SMG_TRY(check_keywords(read, known, "type boolean"));
    property->kind = SMG_JSON_WORDS;
    SMG_TRY(add_node(read, &property->root));
    for (int i = 0; i < 2; i++) {
        int32_t at = property->root;
        SMG_TRY(add_plain(read, &at, words[i], UINT64_MAX));
        read->shape->nodes[at].key = 0;
    }
    return SMIDGE_OK;
}

/* ---- Strings and numbers ---------------------------------------------------------------------------- */

static smidge_status read_length(const reader *read, const char *name, int32_t *ret_length)
{
    const json_t *value = keyword(read, name);
    if (value == NULL)
        return SMIDGE_OK;
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return REFUSE(read, SMIDGE_E_INVALID, "has a \"%s\" that is not a whole number (give 0 to %d)", name,
                      SMG_JSON_STRING_MAX);
    if (json_integer_value(value) > SMG_JSON_STRING_MAX)
        return REFUSE(read, SMIDGE_E_UNSUPPORTED, "has a \"%s\" above %d (lower it)", name,
                      SMG_JSON_STRING_MAX);
    *ret_length = (int32_t)json_integer_value(value);
    return SMIDGE_OK;
}

static smidge_status read_string(reader *read, smg_json_property *property)
{
    static const char *const known[] = {"type", "minLength", "maxLength", NULL};
    SMG_TRY(check_keywords(read, known, "type string"));
    if (keyword(read, "maxLength") == NULL)
        return REFUSE(read, SMIDGE_E_UNSUPPORTED,
                      "is a string without a bound (add \"maxLength\", at most %d)", SMG_JSON_STRING_MAX);
    property->kind = SMG_JSON_STRING;
    SMG_TRY(read_length(read, "minLength", &property->min_length));
    SMG_TRY(read_length(read, "maxLength", &property->max_length));
    if (property->min_length > property->max_length)
        return REFUSE(read, SMIDGE_E_INVALID, "has \"minLength\" above \"maxLength\" (swap them)");
    property->value_bytes = 2 + 4 * (size_t)property->max_length;
    return SMIDGE_OK;
}

static smidge_status read_decimals(const reader *read, bool integer, int *ret_decimals)
{
    *ret_decimals = integer ? 0 : SMG_JSON_DECIMALS;
    const json_t *value = keyword(read, "multipleOf");
    if (value == NULL)
        return SMIDGE_OK;
    smg_json_decimal decimal = {0};
    if (json_is_number(value))
        to_decimal(value, &decimal);
    if (decimal.mantissa != 1 || decimal.negative || decimal.exponent > 0 ||
        decimal.exponent < (integer ? 0 : -SMG_JSON_DECIMALS_MAX))
        return REFUSE(read, SMIDGE_E_UNSUPPORTED,
                      "has a \"multipleOf\" that is not supported (use 1%s, or leave it out)",
                      integer ? "" : ", 0.1, 0.01 and so on to 0.000000001");
    *ret_decimals = -decimal.exponent;
    return SMIDGE_OK;
}

static smidge_status read_bound(const reader *read, const char *name, int decimals, bool up,
                                int64_t *ret_units)
{
    const json_t *value = keyword(read, name);
    if (value == NULL)
        return REFUSE(read, SMIDGE_E_UNSUPPORTED, "is a number without a bound (add \"%s\")", name);
    if (!json_is_number(value))
        return REFUSE(read, SMIDGE_E_INVALID, "has a \"%s\" that is not a number (give a number)", name);
    smg_json_decimal decimal;
    to_decimal(value, &decimal);
    if (!smg_json_decimal_scale(&decimal, decimals, up, ret_units))
        return REFUSE(read, SMIDGE_E_UNSUPPORTED,
                      "has a \"%s\" of more than 18 digits, %d of them decimals (bring it nearer to 0)", name,
                      decimals);
    return SMIDGE_OK;
}

static smidge_status read_number(reader *read, smg_json_property *property, bool integer)
{
    static const char *const known[] = {"type", "minimum", "maximum", "multipleOf", NULL};
    SMG_TRY(check_keywords(read, known, integer ? "type integer" : "type number"));
    int decimals = 0;
    int64_t low = 0;
    int64_t high = 0;
    SMG_TRY(read_decimals(read, integer, &decimals));
    SMG_TRY(read_bound(read, "minimum", decimals, true, &low));
    SMG_TRY(read_bound(read, "maximum", decimals, false, &high));
    if (low > high)
        return REFUSE(read, SMIDGE_E_INVALID,
                      "has no number with %d decimals from \"minimum\" to \"maximum\" (widen them%s)",
                      decimals, integer ? "" : ", or set \"multipleOf\"");
    property->kind = SMG_JSON_NUMBER;
    smg_json_number_init(&property->number, low, high, decimals);
    smg_json_state state;
    smg_json_number_start(&state);
    property->value_bytes = (size_t)smg_json_number_rest(&property->number, &state);
    return SMIDGE_OK;
}

/* ---- The object ------------------------------------------------------------------------------------- */

static smidge_status read_value(reader *read, smg_json_property *property)
{
    if (!json_is_object(read->schema))
        return REFUSE(read, SMIDGE_E_UNSUPPORTED,
                      "is not described by an object (give it a type with bounds, or an enum)");
    const json_t *type = keyword(read, "type");
    if (type != NULL && !json_is_string(type))
        return REFUSE(read, SMIDGE_E_UNSUPPORTED, "has a \"type\" that is not one name (choose one type)");
    read->type = json_string_value(type);
    const json_t *list = keyword(read, "enum");
    if (list != NULL && !json_is_array(list))
        return REFUSE(read, SMIDGE_E_INVALID, "has an \"enum\" that is not a list (list the values)");
    if (list != NULL || keyword(read, "const") != NULL)
        return read_words(read, property);
    if (type == NULL) {
        static const char *const known[] = {"type", "enum", "const", NULL};
        SMG_TRY(check_keywords(read, known, "no type"));
        return REFUSE(read, SMIDGE_E_UNSUPPORTED, "has no \"type\" (add one with bounds, or an \"enum\")");
    }
    if (strcmp(read->type, "string") == 0)
        return read_string(read, property);
    if (strcmp(read->type, "boolean") == 0)
        return read_boolean(read, property);
    if (strcmp(read->type, "integer") == 0)
        return read_number(read, property, true);
    if (strcmp(read->type, "number") == 0)
        return read_number(read, property, false);
    return REFUSE(read, SMIDGE_E_UNSUPPORTED,
                  "has type \"%.16s\" (supported are string, integer, number, boolean, enum and const)",
                  read->type);
}

static smidge_status read_property(reader *read, int32_t key, const char *name)
{
    smg_json_shape *shape = read->shape;
    smg_json_property *property = &shape->properties[key];
    property->name = (smg_text){.data = name, .size = strlen(name)};
    int32_t at = 0;
    SMG_TRY(add_quoted(read, &at, name, property->name.size, key_bit(key)));
    SMG_TRY(add_byte(read, &at, ':', key_bit(key)));
    shape->nodes[at].key = key;
    property->name_bytes = (size_t)shape->nodes[at].depth;
    return read_value(read, property);
}

static smidge_status read_properties(reader *read, json_t *properties)
{
    smg_json_shape *shape = read->shape;
    if (!json_is_object(properties) || json_object_size(properties) == 0)
        return smg_error_set(read->error, SMIDGE_E_INVALID, WHERE,
                             "it has no \"properties\" (describe at least one)");
    if (json_object_size(properties) > SMG_JSON_KEYS_MAX)
        return smg_error_set(read->error, SMIDGE_E_UNSUPPORTED, WHERE,
                             "it has %zu properties (give at most %d)", json_object_size(properties),
                             SMG_JSON_KEYS_MAX);
    const char *name = NULL;
    json_t *value = NULL;
    size_t bytes = 0;
    json_object_foreach(properties, name, value)
    {
        bytes += strlen(name) + 1;
    }
    shape->names = smg_alloc(bytes);
    if (shape->names == NULL)
        return smg_error_no_memory(read->error, WHERE, bytes);
    char *copy = shape->names;
    json_object_foreach(properties, name, value)
    {
        memcpy(copy, name, strlen(name) + 1);
        read->name = copy;
        read->schema = value;
        SMG_TRY(read_property(read, shape->count, copy));
        shape->count++;
        copy += strlen(copy) + 1;
    }
    return SMIDGE_OK;
}

static smidge_status read_required(reader *read, const json_t *required)
{
    smg_json_shape *shape = read->shape;
    if (required != NULL && !json_is_array(required))
        return smg_error_set(read->error, SMIDGE_E_INVALID, WHERE,
                             "\"required\" is not a list (list names of properties)");
    for (size_t i = 0; i < json_array_size(required); i++) {
        const char *name = json_string_value(json_array_get(required, i));
        if (name == NULL)
            return smg_error_set(
                read->error, SMIDGE_E_INVALID, WHERE,
                "\"required\" lists something that is not a name (list names of properties)");
        int32_t key = 0;
        while (key < shape->count && strcmp(shape->properties[key].name.data, name) != 0)
            key++;
        if (key == shape->count)
            return smg_error_set(read->error, SMIDGE_E_INVALID, WHERE,
                                 "\"%.64s\" is required and no property (add it to \"properties\")", name);
        shape->properties[key].required = true;
    }
    return SMIDGE_OK;
}

/* From behind: which keys may follow, and how much at most. */
static void link_keys(smg_json_shape *shape)
{
    uint64_t next = 0;
    bool close = true;
    size_t tail = 1;
    for (int32_t key = shape->count - 1; key >= 0; key--) {
        smg_json_property *property = &shape->properties[key];
        if (property->kind == SMG_JSON_WORDS)
            property->value_bytes = (size_t)shape->nodes[property->root].longest;
        shape->next_keys[key + 1] = next;
        shape->may_close[key + 1] = close;
        property->tail = tail;
        tail += property->name_bytes + property->value_bytes + 1;
        next = (property->required ? 0 : next) | key_bit(key);
        close = close && !property->required;
    }
    shape->next_keys[0] = next;
    shape->may_close[0] = close;
    shape->max_bytes = tail; /* one comma too many, but the opening bracket */
}

static smidge_status read_object(reader *read, json_t *schema)
{
    static const char *const known[] = {"type", "properties", "required", "additionalProperties", NULL};
    const char *name = NULL;
    json_t *value = NULL;
    if (!json_is_object(schema))
        return smg_error_set(read->error, SMIDGE_E_INVALID, WHERE,
                             "it is not an object (give {\"type\": \"object\", \"properties\": ...})");
    json_object_foreach((json_t *)(uintptr_t)schema, name, value)
    {
        if (!is_annotation(name) && !is_listed(name, known))
            return smg_error_set(
                read->error, SMIDGE_E_UNSUPPORTED, WHERE,
                "\"%.64s\" is not supported (an answer is one flat object: type, properties, "
                "required, additionalProperties)",
                name);
    }
    const char *type = json_string_value(json_object_get(schema, "type"));
    if (type == NULL || strcmp(type, "object") != 0)
        return smg_error_set(read->error, SMIDGE_E_UNSUPPORTED, WHERE,
                             "its \"type\" is not \"object\" (an answer is one flat object)");
    const json_t *additional = json_object_get(schema, "additionalProperties");
    if (additional != NULL && !json_is_false(additional))
        return smg_error_set(read->error, SMIDGE_E_UNSUPPORTED, WHERE,
                             "\"additionalProperties\" is not false (set it to false, or leave it out)");
    int32_t root = 0;
    SMG_TRY(add_node(read, &root));
    read->shape->nodes[root].keys = UINT64_MAX;
    SMG_TRY(read_properties(read, json_object_get(schema, "properties")));
    SMG_TRY(read_required(read, json_object_get(schema, "required")));
    measure_nodes(read->shape);
    link_keys(read->shape);
    return SMIDGE_OK;
}

/* ---- The text --------------------------------------------------------------------------------------- */

/* How deep brackets go, before a parser that calls itself sees them. */
static int nesting(const char *text, size_t size)
{
    int depth = 0;
    int deepest = 0;
    bool quoted = false;
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '"')
            quoted = !quoted;
        else if (quoted && text[i] == '\\')
            i++;
        else if (!quoted && (text[i] == '{' || text[i] == '['))
            depth++;
        else if (!quoted && (text[i] == '}' || text[i] == ']'))
            depth--;
        deepest = depth > deepest ? depth : deepest;
    }
    return deepest;
}

static smidge_status parse(const char *text, size_t size, json_t **ret_json, smidge_error *error)
{
    if (size > SMG_JSON_SCHEMA_BYTES_MAX)
        return smg_error_set(error, SMIDGE_E_UNSUPPORTED, WHERE, "it has more than %d bytes (shorten it)",
                             SMG_JSON_SCHEMA_BYTES_MAX);
    if (nesting(text, size) > DEPTH_MAX)
        return smg_error_set(error, SMIDGE_E_UNSUPPORTED, WHERE,
                             "it is nested deeper than %d (an answer is one flat object)", DEPTH_MAX);
    json_error_t at;
    *ret_json = json_loadb(text, size, JSON_REJECT_DUPLICATES, &at);
    if (*ret_json != NULL)
        return SMIDGE_OK;
    if (json_error_code(&at) == json_error_out_of_memory)
        return smg_error_no_memory(error, WHERE, size);
    return smg_error_set(error, SMIDGE_E_INVALID, WHERE,
                         "it is not JSON: line %d, column %d: %.100s (correct it)", at.line, at.column,
                         at.text);
}

smidge_status smg_json_shape_compile(const char *schema, size_t size, smg_json_shape **ret_shape,
                                     smidge_error *error)
{
    SMG_CLEANUP(decref) json_t *json = NULL;
    SMG_TRY(parse(schema, size, &json, error));
    SMG_CLEANUP(free_shape) smg_json_shape *shape = smg_alloc(sizeof(*shape));
    if (shape == NULL)
        return smg_error_no_memory(error, WHERE, sizeof(*shape));
    reader read = {.shape = shape, .error = error};
    SMG_TRY(read_object(&read, json));
    *ret_shape = shape;
    shape = NULL;
    return SMIDGE_OK;
}
