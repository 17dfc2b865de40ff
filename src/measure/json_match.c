#include "measure/json_match.h"

#include <string.h>

#include "format/json_text.h"

/* Arrays count by their order, objects by their keys, numbers by their value. */
static bool same(const json_t *a, const json_t *b)
{
    if (json_is_number(a) && json_is_number(b))
        return json_number_value(a) == json_number_value(b);
    if (json_typeof(a) != json_typeof(b))
        return false;
    if (json_is_string(a))
        return json_string_length(a) == json_string_length(b) &&
               memcmp(json_string_value(a), json_string_value(b), json_string_length(a)) == 0;
    if (json_is_array(a)) {
        bool all = json_array_size(a) == json_array_size(b);
        for (size_t i = 0; i < json_array_size(a) && all; i++)
            all = same(json_array_get(a, i), json_array_get(b, i));
        return all;
    }
    if (!json_is_object(a))
        return true; /* true, false and null are types of their own */
    if (json_object_size(a) != json_object_size(b))
        return false;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)a, key, value)
    {
        const json_t *other = json_object_get(b, key);
        if (other == NULL || !same(value, other))
            return false;
    }
    return true;
}

static void count_keys(const json_t *expected, const json_t *answer, smg_json_match *match)
{
    const char *key;
    json_t *value;
    match->keys = (int32_t)json_object_size(expected);
    json_object_foreach((json_t *)(uintptr_t)answer, key, value)
    {
        const json_t *wanted = json_object_get(expected, key);
        if (wanted == NULL)
            match->keys++;
        else if (same(wanted, value))
            match->keys_same++;
    }
}

smidge_status smg_json_match_texts(const char *expected, size_t expected_size, const char *answer,
                                   size_t answer_size, smg_json_match *ret_match, smidge_error *error)
{
    SMG_CLEANUP(smg_json_release) json_t *wanted = NULL;
    SMG_CLEANUP(smg_json_release) json_t *got = NULL;
    smg_json_fault fault;
    smidge_status status = smg_json_parse_strict(expected, expected_size, &wanted, &fault);
    if (status == SMIDGE_OK)
        status = smg_json_parse_strict(answer, answer_size, &got, &fault);
    if (status == SMIDGE_E_NOMEM)
        return smg_error_no_memory(error, "evaluation", expected_size + answer_size);
    if (wanted == NULL)
        return smg_error_set(error, SMIDGE_E_FORMAT, "evaluation", "what is expected is no JSON: %.160s",
                             fault.text);
    smg_json_match match = {.same = got != NULL && same(wanted, got)};
    if (json_is_object(wanted) && json_is_object(got))
        count_keys(wanted, got, &match);
    else if (json_is_object(wanted))
        match.keys = (int32_t)json_object_size(wanted);
    *ret_match = match;
    return SMIDGE_OK;
}
