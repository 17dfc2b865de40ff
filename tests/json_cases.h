/* Schemas of flat objects, and a validator of answers that shares nothing with the library: it reads the
 * answer with jansson, and its text once more for what a parser forgives. */
#ifndef SMG_TESTS_JSON_CASES_H
#define SMG_TESTS_JSON_CASES_H

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include <jansson.h>

static const char *const json_cases[] = {
    /* An alarm, as an application would ask for it. */
    "{\"type\":\"object\",\"properties\":{"
    "\"state\":{\"enum\":[\"normal\",\"not sure\",\"no data\",\"fault\",\"fire\"]},"
    "\"confidence\":{\"type\":\"number\",\"minimum\":0,\"maximum\":1,\"multipleOf\":0.01}},"
    "\"required\":[\"state\",\"confidence\"],\"additionalProperties\":false}",
    "{\"type\":\"object\",\"properties\":{\"on\":{\"type\":\"boolean\"}},\"required\":[\"on\"]}",
    "{\"type\":\"object\",\"properties\":{\"version\":{\"const\":3},\"kind\":{\"const\":\"reading\"},"
    "\"none\":{\"const\":null}},\"required\":[\"kind\"]}",
    "{\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"integer\",\"minimum\":-105,\"maximum\":237}},"
    "\"required\":[\"n\"]}",
    "{\"type\":\"object\",\"properties\":{\"seven\":{\"type\":\"integer\",\"minimum\":7,\"maximum\":7},"
    "\"quarter\":{\"type\":\"number\",\"minimum\":0.25,\"maximum\":0.25},"
    "\"zero\":{\"type\":\"number\",\"minimum\":0,\"maximum\":0}},\"required\":[\"seven\",\"zero\"]}",
    "{\"type\":\"object\",\"properties\":{\"x\":{\"type\":\"number\",\"minimum\":-1.5,\"maximum\":2.25}}}",
    "{\"type\":\"object\",\"properties\":{\"s\":{\"type\":\"string\",\"minLength\":2,\"maxLength\":5}},"
    "\"required\":[\"s\"]}",
    /* Nothing is required. */
    "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"boolean\"},\"b\":{\"enum\":[1,2]},"
    "\"c\":{\"type\":\"string\",\"maxLength\":0},\"d\":{\"const\":\"d\"}}}",
    /* Names that begin alike; the required one in the middle. */
    "{\"type\":\"object\",\"properties\":{\"abc\":{\"const\":1},\"a\":{\"const\":2},\"ab\":{\"const\":3},"
    "\"abd\":{\"const\":4},\"\":{\"const\":5}},\"required\":[\"ab\"]}",
    /* Names and values that must be escaped, or are not ASCII. */
    "{\"type\":\"object\",\"properties\":{\"gr\xC3\xB6\xC3\x9F\x65 \\\"m\\\"\":{\"enum\":[\"\\\\\",\"a\\nb\","
    "\"\\u0001\",\"\\u00e9\",\"\\u00e8\",\"\xF0\x9F\x94\xA5\"]},\"\\u6E29\\u5EA6\":{\"type\":\"boolean\"}},"
    "\"required\":[\"\\u6E29\\u5EA6\"]}",
    "{\"type\":\"object\",\"properties\":{\"v\":{\"enum\":[1,12,123,1.5,12.25,-3,-30,null,true,"
    "\"x\",\"xy\",0]}},"
    "\"required\":[\"v\"]}",
    "{\"type\":\"object\",\"properties\":{\"big\":{\"type\":\"integer\",\"minimum\":-999999999999999999,"
    "\"maximum\":999999999999999999},\"far\":{\"type\":\"integer\",\"minimum\":99999999999,"
    "\"maximum\":100000000001}},\"required\":[\"big\",\"far\"]}",
    "{\"type\":\"object\",\"properties\":{\"tiny\":{\"type\":\"number\",\"minimum\":1e-9,\"maximum\":2.5e-8,"
    "\"multipleOf\":0.000000001}},\"required\":[\"tiny\"]}",
    "{\"type\":\"object\",\"properties\":{\"below\":{\"type\":\"number\",\"minimum\":-0.512,"
    "\"maximum\":-0.001},\"around\":{\"type\":\"number\",\"minimum\":-0.02,\"maximum\":0.03}},"
    "\"required\":[\"below\"]}",
    "{\"type\":\"object\",\"properties\":{\"a\":{\"enum\":[0]},\"b\":{\"enum\":[0]},\"c\":{\"enum\":[0]},"
    "\"d\":{\"enum\":[0]},\"e\":{\"enum\":[0]},\"f\":{\"enum\":[0]},\"g\":{\"enum\":[0]},"
    "\"h\":{\"enum\":[0]},\"i\":{\"enum\":[0]},\"j\":{\"enum\":[0]}},\"required\":[\"c\",\"h\"]}",
    "{\"type\":\"object\",\"properties\":{\"text\":{\"type\":\"string\",\"maxLength\":24}},"
    "\"required\":[\"text\"]}",
    /* As tools write schemas. */
    "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"title\":\"Order\",\"type\":\"object\","
    "\"description\":\"What was said\",\"properties\":{\"intent\":{\"title\":\"Intent\",\"type\":\"string\","
    "\"enum\":[\"turn_on\",\"turn_off\",\"dim\"],\"default\":\"dim\"},\"level\":{\"title\":\"Level\","
    "\"type\":\"integer\",\"minimum\":0,\"maximum\":100,\"examples\":[50]}},\"required\":[\"intent\"]}",
    "{\"type\":\"object\",\"properties\":{\"celsius\":{\"type\":\"number\",\"minimum\":-40,\"maximum\":125,"
    "\"multipleOf\":0.1}},\"required\":[\"celsius\"]}",
    "{\"type\":\"object\",\"properties\":{\"room\":{\"enum\":[\"kitchen\",\"kitchenette\",\"kit\",\"k\",\"\","
    "\"bath\",\"bathroom\",\"bedroom\",\"b\"]},\"since\":{\"type\":\"integer\",\"minimum\":1990,"
    "\"maximum\":2010}},\"required\":[\"since\"]}",
    "{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":3},"
    "\"ok\":{\"type\":\"boolean\"},\"note\":{\"type\":\"string\",\"maxLength\":6},"
    "\"load\":{\"type\":\"number\",\"minimum\":0.5,\"maximum\":99.95,\"multipleOf\":0.01},"
    "\"code\":{\"enum\":[\"E1\",\"E10\",10,1]}},\"required\":[\"id\",\"load\"]}",
};
#define JSON_CASES (sizeof(json_cases) / sizeof(json_cases[0]))

/* Tokens that JSON likes, and some that tempt: across the end of a string, of a number, of the object. */
static const char *const json_tokens[] = {
    "{\"",       "\":",  "\",\"", "\"}",  "},",     "}}",  "\":\"",  "\":{",   "10",   "100",
    "00",        "0.",   ".5",    "-1",   "999999", "99",  "12",     "\\\"",   "\"\"", "\\\\",
    "\\n",       "true", "false", "null", "tr",     ",\"", "norma",  "\"fire", "kit",  "kitchen",
    "bath\",\"", "0,\"", "0}",    "0}x",  "5.",     ".0",  "\"\\\"", "-",      "--",
};

/* Compact, no control characters, and each number is an integer or a plain decimal without -0. */
static inline bool json_text_is_plain(const char *text, size_t size)
{
    bool quoted = false;
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < 0x20 || c == 0x7F || (c == 0xC2 && i + 1 < size && (unsigned char)text[i + 1] < 0xA0))
            return false;
        if (c == '"') {
            quoted = !quoted;
        } else if (quoted) {
            i += c == '\\';
        } else if (c == ' ') {
            return false;
        } else if (c == '-' || (c >= '0' && c <= '9')) {
            size_t count = strspn(text + i, "-0123456789.");
            bool zero = strspn(text + i + 1, "0.") >= count - 1;
            if ((c == '-' && zero) || text[i + count] == 'e' || text[i + count] == 'E' || count > 21)
                return false;
            i += count - 1;
        }
    }
    return true;
}

static inline bool json_string_fits(const json_t *property, const json_t *value)
{
    const char *text = json_string_value(value);
    json_int_t length = 0;
    for (size_t i = 0; i < json_string_length(value); i++) {
        length += ((unsigned char)text[i] & 0xC0) != 0x80;
        if ((unsigned char)text[i] < 0x20)
            return false;
    }
    return length <= json_integer_value(json_object_get(property, "maxLength")) &&
           length >= json_integer_value(json_object_get(property, "minLength"));
}

static inline bool json_number_fits(const json_t *property, const json_t *value, bool integer)
{
    const json_t *multiple = json_object_get(property, "multipleOf");
    double number = json_number_value(value);
    double step = multiple ? json_number_value(multiple) : 0.001;
    double steps = number / step;
    if (integer && !json_is_integer(value))
        return false;
    if (json_is_integer(value) && json_is_integer(json_object_get(property, "minimum")) &&
        json_integer_value(value) < json_integer_value(json_object_get(property, "minimum")))
        return false;
    if (json_is_integer(value) && json_is_integer(json_object_get(property, "maximum")) &&
        json_integer_value(value) > json_integer_value(json_object_get(property, "maximum")))
        return false;
    return number >= json_number_value(json_object_get(property, "minimum")) &&
           number <= json_number_value(json_object_get(property, "maximum")) &&
           (integer || fabs(steps - round(steps)) < 1e-6);
}

/* 1.0 is 1. */
static inline bool json_same(const json_t *a, const json_t *b)
{
    return json_equal(a, b) ||
           (json_is_number(a) && json_is_number(b) && json_number_value(a) == json_number_value(b));
}

static inline bool json_value_fits(const json_t *property, const json_t *value)
{
    const json_t *list = json_object_get(property, "enum");
    const json_t *constant = json_object_get(property, "const");
    const char *type = json_string_value(json_object_get(property, "type"));
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (json_same(json_array_get(list, i), value))
            return true;
    }
    if (list || constant)
        return constant && json_same(constant, value);
    if (strcmp(type, "boolean") == 0)
        return json_is_boolean(value);
    if (strcmp(type, "string") == 0)
        return json_is_string(value) && json_string_fits(property, value);
    return json_is_number(value) && json_number_fits(property, value, strcmp(type, "integer") == 0);
}

static inline bool json_object_fits(json_t *schema, json_t *answer)
{
    json_t *properties = json_object_get(schema, "properties");
    json_t *required = json_object_get(schema, "required");
    size_t found = 0;
    const char *key;
    const json_t *property;
    void *at = json_object_iter(answer);
    if (!json_is_object(answer))
        return false;
    /* In the order of the schema: so each of the answer's is met on the way. */
    json_object_foreach(properties, key, property)
    {
        if (at && strcmp(json_object_iter_key(at), key) == 0) {
            if (!json_value_fits(property, json_object_iter_value(at)))
                return false;
            at = json_object_iter_next(answer, at);
            found++;
        }
    }
    for (size_t i = 0; i < json_array_size(required); i++) {
        if (!json_object_get(answer, json_string_value(json_array_get(required, i))))
            return false;
    }
    return found == json_object_size(answer);
}

/* NULL when the answer is one that the schema allows, in the form that the automaton promises; else what
 * is wrong with it. A zero byte follows the text. */
static inline const char *json_answer_fault(json_t *schema, const char *text, size_t size)
{
    json_t *answer = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
    if (!answer)
        return "is not JSON";
    bool fits = json_object_fits(schema, answer);
    json_decref(answer);
    if (!fits)
        return "does not fit its schema";
    return json_text_is_plain(text, size) ? NULL : "has a form that is not promised";
}

#endif
