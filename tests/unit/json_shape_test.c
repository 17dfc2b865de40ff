/* Flat JSON as an automaton over bytes: which schemas compile, and what the compiled ones accept, against
 * brute force and a validator of its own. */
#include "test_support.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "constrain/json_shape.h"
#include "json_cases.h"

#define TEXT_ROOM 65536

static smg_json_shape *must_compile(const char *schema)
{
    smg_json_shape *shape = NULL;
    smidge_error error = {0};
    if (smg_json_shape_compile(schema, strlen(schema), &shape, &error) != SMIDGE_OK)
        fail_msg("%s: %s: %s", schema, error.where, error.message);
    return shape;
}

/* A schema of one property "a", required. */
static const char *around(const char *property)
{
    static char schema[4096];
    snprintf(schema, sizeof(schema), "{\"type\":\"object\",\"properties\":{\"a\":%s},\"required\":[\"a\"]}",
             property);
    return schema;
}

static bool takes(const smg_json_shape *shape, const char *text, size_t size)
{
    smg_json_state state;
    smg_json_start(shape, &state);
    return smg_json_advance(shape, &state, text, size) && smg_json_accepts(shape, &state);
}

static bool takes_value(const smg_json_shape *shape, const char *value)
{
    char text[4096];
    int size = snprintf(text, sizeof(text), "{\"a\":%s}", value);
    return takes(shape, text, (size_t)size);
}

/* ---- What compiles ------------------------------------------------------------------------------------- */

typedef struct refusal {
    const char *schema; /* or a property, when it does not begin with '!' */
    smidge_status status;
    const char *message;
} refusal;

static const refusal refusals[] = {
    {"!", SMIDGE_E_INVALID, "it is not JSON"},
    {"!{\"type\":\"object\"", SMIDGE_E_INVALID, "it is not JSON: line 1"},
    {"!{\"type\":\"object\",\"type\":\"object\"}", SMIDGE_E_INVALID, "duplicate object key"},
    {"![]", SMIDGE_E_INVALID, "it is not an object"},
    {"!{}", SMIDGE_E_UNSUPPORTED, "its \"type\" is not \"object\""},
    {"!{\"type\":\"array\"}", SMIDGE_E_UNSUPPORTED, "its \"type\" is not \"object\""},
    {"!{\"type\":\"object\"}", SMIDGE_E_INVALID, "it has no \"properties\""},
    {"!{\"type\":\"object\",\"properties\":{}}", SMIDGE_E_INVALID, "describe at least one"},
    {"!{\"$ref\":\"#/x\"}", SMIDGE_E_UNSUPPORTED, "\"$ref\" is not supported"},
    {"!{\"type\":\"object\",\"anyOf\":[]}", SMIDGE_E_UNSUPPORTED, "\"anyOf\" is not supported"},
    {"!{\"type\":\"object\",\"minProperties\":1}", SMIDGE_E_UNSUPPORTED, "\"minProperties\""},
    {"!{\"type\":\"object\",\"properties\":{\"a\":{\"const\":1}},\"additionalProperties\":true}",
     SMIDGE_E_UNSUPPORTED, "(set it to false, or leave it out)"},
    {"!{\"type\":\"object\",\"properties\":{\"a\":{\"const\":1}},\"required\":\"a\"}", SMIDGE_E_INVALID,
     "\"required\" is not a list"},
    {"!{\"type\":\"object\",\"properties\":{\"a\":{\"const\":1}},\"required\":[1]}", SMIDGE_E_INVALID,
     "not a name"},
    {"!{\"type\":\"object\",\"properties\":{\"a\":{\"const\":1}},\"required\":[\"b\"]}", SMIDGE_E_INVALID,
     "\"b\" is required and no property"},
    {"![[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]", SMIDGE_E_UNSUPPORTED, "nested deeper than 16"},
    {"true", SMIDGE_E_UNSUPPORTED, "property \"a\" is not described by an object"},
    {"{}", SMIDGE_E_UNSUPPORTED, "property \"a\" has no \"type\" (add one"},
    {"{\"type\":[\"string\",\"null\"]}", SMIDGE_E_UNSUPPORTED, "not one name"},
    {"{\"type\":\"object\",\"properties\":{}}", SMIDGE_E_UNSUPPORTED,
     "has type \"object\" (supported are string,"},
    {"{\"type\":\"array\",\"items\":{}}", SMIDGE_E_UNSUPPORTED, "has type \"array\""},
    {"{\"type\":\"null\"}", SMIDGE_E_UNSUPPORTED, "has type \"null\""},
    {"{\"$ref\":\"#/$defs/x\"}", SMIDGE_E_UNSUPPORTED, "has \"$ref\" ("},
    {"{\"anyOf\":[{\"type\":\"boolean\"}]}", SMIDGE_E_UNSUPPORTED, "has \"anyOf\" ("},
    {"{\"type\":\"string\"}", SMIDGE_E_UNSUPPORTED, "a string without a bound (add \"maxLength\""},
    {"{\"type\":\"string\",\"maxLength\":5,\"pattern\":\"a*\"}", SMIDGE_E_UNSUPPORTED,
     "has \"pattern\" (with type string, supported are type, minLength, maxLength)"},
    {"{\"type\":\"string\",\"format\":\"date\"}", SMIDGE_E_UNSUPPORTED, "has \"format\""},
    {"{\"type\":\"string\",\"maxLength\":4097}", SMIDGE_E_UNSUPPORTED, "above 4096"},
    {"{\"type\":\"string\",\"maxLength\":-1}", SMIDGE_E_INVALID, "not a whole number"},
    {"{\"type\":\"string\",\"maxLength\":2.5}", SMIDGE_E_INVALID, "not a whole number"},
    {"{\"type\":\"string\",\"maxLength\":2,\"minLength\":3}", SMIDGE_E_INVALID, "(swap them)"},
    {"{\"type\":\"integer\"}", SMIDGE_E_UNSUPPORTED, "a number without a bound (add \"minimum\")"},
    {"{\"type\":\"number\",\"minimum\":0}", SMIDGE_E_UNSUPPORTED, "(add \"maximum\")"},
    {"{\"type\":\"number\",\"minimum\":\"0\",\"maximum\":1}", SMIDGE_E_INVALID, "give a number"},
    {"{\"type\":\"number\",\"minimum\":0,\"maximum\":1,\"exclusiveMaximum\":1}", SMIDGE_E_UNSUPPORTED,
     "has \"exclusiveMaximum\" (with type number"},
    {"{\"type\":\"integer\",\"minimum\":2,\"maximum\":1}", SMIDGE_E_INVALID, "(widen them)"},
    {"{\"type\":\"integer\",\"minimum\":0.1,\"maximum\":0.9}", SMIDGE_E_INVALID, "has no number"},
    {"{\"type\":\"number\",\"minimum\":0.0001,\"maximum\":0.0009}", SMIDGE_E_INVALID,
     "with 3 decimals from \"minimum\" to \"maximum\" (widen them, or set \"multipleOf\")"},
    {"{\"type\":\"integer\",\"minimum\":0,\"maximum\":1000000000000000000}", SMIDGE_E_UNSUPPORTED,
     "\"maximum\" of more than 18 digits"},
    {"{\"type\":\"number\",\"minimum\":-1e300,\"maximum\":1}", SMIDGE_E_UNSUPPORTED, "\"minimum\" of more"},
    {"{\"type\":\"integer\",\"minimum\":0,\"maximum\":9,\"multipleOf\":0.1}", SMIDGE_E_UNSUPPORTED,
     "(use 1, or leave it out)"},
    {"{\"type\":\"integer\",\"minimum\":0,\"maximum\":9,\"multipleOf\":5}", SMIDGE_E_UNSUPPORTED,
     "multipleOf"},
    {"{\"type\":\"number\",\"minimum\":0,\"maximum\":9,\"multipleOf\":0.5}", SMIDGE_E_UNSUPPORTED,
     "0.1, 0.01"},
    {"{\"type\":\"number\",\"minimum\":0,\"maximum\":9,\"multipleOf\":-0.1}", SMIDGE_E_UNSUPPORTED, "0.1"},
    {"{\"type\":\"number\",\"minimum\":0,\"maximum\":9,\"multipleOf\":1e-10}", SMIDGE_E_UNSUPPORTED, "0.1"},
    {"{\"type\":\"boolean\",\"maxLength\":5}", SMIDGE_E_UNSUPPORTED, "has \"maxLength\" (with type boolean"},
    {"{\"enum\":[]}", SMIDGE_E_INVALID, "lists nothing"},
    {"{\"enum\":\"x\"}", SMIDGE_E_INVALID, "not a list"},
    {"{\"enum\":[[1]]}", SMIDGE_E_UNSUPPORTED, "an object or an array"},
    {"{\"enum\":[1e30]}", SMIDGE_E_UNSUPPORTED, "more than 18 digits"},
    {"{\"enum\":[1,2],\"const\":1}", SMIDGE_E_UNSUPPORTED, "has \"const\" (with \"enum\""},
    {"{\"type\":\"string\",\"enum\":[\"a\",1]}", SMIDGE_E_INVALID, "not of type \"string\""},
    {"{\"type\":\"integer\",\"enum\":[1.5]}", SMIDGE_E_INVALID, "not of type \"integer\""},
    {"{\"type\":\"string\",\"enum\":[\"a\"],\"maxLength\":5}", SMIDGE_E_UNSUPPORTED, "has \"maxLength\""},
};

static void refuses(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        const refusal *want = &refusals[i];
        const char *schema = want->schema[0] == '!' ? want->schema + 1 : around(want->schema);
        smg_json_shape *shape = NULL;
        smidge_error error = {0};
        smidge_status status = smg_json_shape_compile(schema, strlen(schema), &shape, &error);
        if (status != want->status || error.code != status || shape ||
            !strstr(error.message, want->message) || !strchr(error.message, '(') ||
            strchr(error.message, '\n'))
            fail_msg("%s: %d, \"%s\"", schema, status, error.message);
    }
}

static void refuses_what_is_too_much(void **unused)
{
    (void)unused;
    smg_json_shape *shape = NULL;
    smidge_error error = {0};
    static char schema[SMG_JSON_SCHEMA_BYTES_MAX + 2];
    memset(schema, ' ', sizeof(schema) - 1);
    assert_int_equal(smg_json_shape_compile(schema, sizeof(schema) - 1, &shape, &error),
                     SMIDGE_E_UNSUPPORTED);
    assert_non_null(strstr(error.message, "more than 65536 bytes"));
    for (int count = 64; count <= 65; count++) {
        size_t at = (size_t)snprintf(schema, sizeof(schema), "{\"type\":\"object\",\"properties\":{");
        for (int i = 0; i < count; i++)
            at += (size_t)snprintf(schema + at, sizeof(schema) - at, "%s\"k%d\":{\"type\":\"boolean\"}",
                                   i ? "," : "", i);
        snprintf(schema + at, sizeof(schema) - at, "}}");
        if (count == 64) {
            shape = must_compile(schema);
            assert_int_equal(smg_json_key_count(shape), 64);
            assert_true(takes(shape, "{\"k63\":true}", 12));
            smg_json_shape_free(shape);
        } else {
            assert_int_equal(smg_json_shape_compile(schema, strlen(schema), &shape, &error),
                             SMIDGE_E_UNSUPPORTED);
            assert_non_null(strstr(error.message, "65 properties (give at most 64)"));
        }
    }
    smg_json_shape_free(NULL);
}

static void knows_its_keys(void **unused)
{
    (void)unused;
    smg_json_shape *shape = must_compile(json_cases[9]);
    assert_int_equal(smg_json_key_count(shape), 2);
    assert_string_equal(smg_json_key_name(shape, 0).data, "gr\xC3\xB6\xC3\x9F\x65 \"m\"");
    assert_string_equal(smg_json_key_name(shape, 1).data, "\xE6\xB8\xA9\xE5\xBA\xA6");
    assert_int_equal(smg_json_key_name(shape, 2).size, 0);
    assert_int_equal(smg_json_key_name(shape, -1).size, 0);
    smg_json_shape_free(shape);
    shape = must_compile("{\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"integer\",\"minimum\":0,"
                         "\"maximum\":99},\"s\":{\"type\":\"string\",\"maxLength\":3}}}");
    static const char text[] = "{\"n\":5,\"s\":\"x\"}";
    static const int32_t keys[] = {-1, -1, -1, -1, -1, 0, 0, -1, -1, -1, -1, 1, 1, 1, -1, -1};
    smg_json_state state;
    smg_json_start(shape, &state);
    for (size_t i = 0; i < sizeof(text); i++) {
        assert_int_equal(smg_json_key(shape, &state), keys[i]);
        assert_int_equal(smg_json_advance(shape, &state, text + i, 1), text[i] != '\0');
    }
    smg_json_shape_free(shape);
}

/* ---- What is accepted ------------------------------------------------------------------------------- */

static void takes_only_strings_that_fit(void **unused)
{
    (void)unused;
    smg_json_shape *shape = must_compile(around("{\"type\":\"string\",\"minLength\":1,\"maxLength\":3}"));
    static const char *const good[] = {
        "\"a\"",
        "\"abc\"",
        "\"\\\"\\\\x\"",
        "\"\xC3\xA9\xE4\xB8\x96\xF0\x9F\x94\xA5\"",
        "\"\xC2\xA0\"",
        "\"\xE0\xA0\x80\"",
        "\"\xED\x9F\xBF\"",
        "\"\xEE\x80\x80\"",
        "\"\xF0\x90\x80\x80\"",
        "\"\xF0\xBF\xBF\xBF\"",
        "\"\xF3\xA0\x81\xBF\"",
        "\"\xF4\x8F\xBF\xBF\"",
        "\" \"",
        "\"~/'\"",
    };
    static const char *const bad[] = {
        "\"\"",
        "\"abcd\"",
        "\"\\n\"",
        "\"\\/\"",
        "\"\\u0041\"",
        "\"\n\"",
        "\"\x7F\"",
        "\"\x01\"",
        "\"\xC2\x80\"",
        "\"\xC2\x9F\"",
        "\"\x80\"",
        "\"\xC0\xAF\"",
        "\"\xC1\xBF\"",
        "\"\xC3\"",
        "\"\xC3\x28\"",
        "\"\xE0\x9F\xBF\"",
        "\"\xED\xA0\x80\"",
        "\"\xF0\x8F\xBF\xBF\"",
        "\"\xF4\x90\x80\x80\"",
        "\"\xF1\x80\x80\x80\"", /* an empty plane */
        "\"\xF2\xBF\xBF\xBF\"",
        "\"\xF5\x80\x80\x80\"",
        "\"\xFF\"",
        "\"a",
        "a",
        "1",
        " \"a\"",
        "\"a\" ",
        "\"\\\"",
        "null",
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(takes_value(shape, good[i]));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(takes_value(shape, bad[i]));
    smg_json_shape_free(shape);
}

static void takes_only_listed_values(void **unused)
{
    (void)unused;
    smg_json_shape *shape =
        must_compile(around("{\"enum\":[1,12,1.50,-0.0,1e2,1.25e-3,\"a\\\"\\t\",\"\\u00fc\",null,true]}"));
    static const char *const good[] = {"1",       "12",           "1.5",          "0",    "100",
                                       "0.00125", "\"a\\\"\\t\"", "\"\xC3\xBC\"", "null", "true"};
    static const char *const bad[] = {"1.50", "-0", "1e2", "2", "false", "\"a\"", "\"\\u00fc\"", "123", "10"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(takes_value(shape, good[i]));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(takes_value(shape, bad[i]));
    smg_json_shape_free(shape);
}

static void takes_only_numbers_in_bounds(void **unused)
{
    (void)unused;
    smg_json_shape *shape =
        must_compile(around("{\"type\":\"number\",\"minimum\":-40,\"maximum\":125.5,\"multipleOf\":0.1}"));
    static const char *const good[] = {"0", "0.0", "-0.1", "125.5", "125", "-40", "-40.0", "99.9", "7.0"};
    static const char *const bad[] = {"-0", "-0.0", "125.6", "126",  "-40.1", "-41", "00", "01",   "1.",
                                      ".5", "+1",   "1e1",   "1.00", "--1",   "-",   "",   "1.2.3"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(takes_value(shape, good[i]));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(takes_value(shape, bad[i]));
    smg_json_shape_free(shape);
    shape = must_compile(json_cases[11]);
    static const char far[] = "{\"big\":-999999999999999999,\"far\":100000000001}";
    static const char farther[] = "{\"big\":-1000000000000000000,\"far\":100000000001}";
    assert_true(takes(shape, far, sizeof(far) - 1));
    assert_false(takes(shape, farther, sizeof(farther) - 1));
    assert_int_equal(smg_json_max_bytes(shape), sizeof(far) - 1);
    smg_json_shape_free(shape);
}

/* ---- Against brute force ---------------------------------------------------------------------------- */

/* All strings of at most `most` symbols, as values or, where a symbol is whole names and brackets, as
 * objects: the automaton must take exactly what jansson parses and the validator lets through. */
typedef struct brute {
    smg_json_shape *shape;
    json_t *schema;
    const char *const *symbols;
    int symbol_count;
    int most;
    int decimals; /* a rule of its own: the validator looks at values, not at how they are written */
    const char *front;
    const char *back;
    long taken;
    size_t longest;
} brute;

static bool has_decimals(const char *text, int most)
{
    const char *point = strchr(text, '.');
    return !point || (int)strspn(point + 1, "0123456789") <= most;
}

static void brute_from(brute *b, char *text, size_t size, int count)
{
    size_t back = strlen(b->back);
    memcpy(text + size, b->back, back + 1);
    bool want = json_answer_fault(b->schema, text, size + back) == NULL && has_decimals(text, b->decimals);
    bool got = takes(b->shape, text, size + back);
    if (want != got)
        fail_msg("%s is %s", text, want ? "valid and not taken" : "taken and not valid");
    b->taken += got;
    b->longest = got && size + back > b->longest ? size + back : b->longest;
    for (int i = 0; count < b->most && i < b->symbol_count; i++) {
        size_t more = strlen(b->symbols[i]);
        memcpy(text + size, b->symbols[i], more);
        brute_from(b, text, size + more, count + 1);
    }
}

static void brute_run(brute *b, const char *schema)
{
    char text[1024];
    b->shape = must_compile(schema);
    b->schema = json_loads(schema, 0, NULL);
    memcpy(text, b->front, strlen(b->front));
    brute_from(b, text, strlen(b->front), 0);
    json_decref(b->schema);
    smg_json_shape_free(b->shape);
}

static void numbers_against_brute_force(void **unused)
{
    (void)unused;
    static const char *const symbols[] = {"0", "1", "2", "3", "5", "8", "9", "-", "."};
    static const struct {
        const char *low;
        const char *high;
        const char *step;
        int decimals;
        long count; /* how many spellings there are, where they can be counted by hand; else 0 */
    } bounds[] = {
        {"0", "9", "1", 0, 7},
        {"-1", "1", "1", 0, 3},
        {"-0.5", "0.5", "0.1", 1, 0},
        {"0", "0", "1", 0, 1},
        {"0", "0", "0.1", 1, 2},
        {"-3", "-2", "1", 0, 2},
        {"8", "112", "1", 0, 0},
        {"-103", "-98", "1", 0, 0},
        {"0.25", "0.25", "0.01", 2, 1},
        {"1.95", "2.05", "0.01", 2, 0},
        {"-1.1", "-0.9", "0.01", 2, 0},
        {"99.5", "100.5", "0.1", 1, 0},
        {"0.001", "0.009", "0.001", 3, 0},
        {"-9999", "9999", "0.001", 3, 0},
        {"105", "105", "0.1", 1, 1},
        {"-0.02", "0.03", "0.01", 2, 0},
        {"0.5", "8", "1", 0, 5},
    };
    for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
        char property[256];
        snprintf(property, sizeof(property),
                 "{\"type\":\"number\",\"minimum\":%s,\"maximum\":%s,\"multipleOf\":%s}", bounds[i].low,
                 bounds[i].high, bounds[i].step);
        brute b = {.symbols = symbols,
                   .symbol_count = 9,
                   .most = smg_test_repeats(20) > 1 ? 5 : 4,
                   .decimals = bounds[i].decimals,
                   .front = "{\"a\":",
                   .back = "}"};
        brute_run(&b, around(property));
        if (strcmp(bounds[i].low, "105") == 0)
            assert_int_equal(b.taken, b.most < 5 ? 1 : 2); /* 105 and 105.0 */
        else if (bounds[i].count)
            assert_int_equal(b.taken, bounds[i].count);
        assert_true(b.taken > 0 || b.most < 5);
    }
}

static void strings_against_brute_force(void **unused)
{
    (void)unused;
    static const char *const symbols[] = {"\"", "\\", "a", "\xC3", "\xA9", "\xE4", "\xB8", "\xED"};
    brute b = {.symbols = symbols,
               .symbol_count = 8,
               .most = smg_test_repeats(20) > 1 ? 6 : 4,
               .front = "{\"a\":\"",
               .back = "\"}"};
    /* With these symbols JSON can escape only what the automaton does, too. */
    brute_run(&b, around("{\"type\":\"string\",\"minLength\":1,\"maxLength\":3}"));
    assert_true(b.taken > 100 || b.most < 6);
}

static void objects_against_brute_force(void **unused)
{
    (void)unused;
    static const char *const symbols[] = {"{", "}", ",", "\"a\":", "\"b\":", "\"ab\":", "1", "12", "true"};
    brute b = {.symbols = symbols,
               .symbol_count = 9,
               .most = smg_test_repeats(20) > 1 ? 6 : 5,
               .front = "{",
               .back = ""};
    brute_run(&b,
              "{\"type\":\"object\",\"properties\":{\"ab\":{\"enum\":[1,12]},\"a\":{\"type\":\"boolean\"},"
              "\"b\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":11}},\"required\":[\"a\"]}");
    assert_int_equal(b.taken, b.most < 6 ? 1 : 4); /* a; ab of 1 or 12 and a; a and b of 1 */
    brute c = b;
    c.taken = 0;
    c.front = "{\"a\":true";
    brute_run(&c,
              "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"boolean\"},\"ab\":{\"enum\":[1,12]},"
              "\"b\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":11}}}");
    assert_int_equal(c.taken, 1 + 2 + 2); /* nothing more; ab of 1 or 12; b of 1 or 11 */
}

/* ---- From every state there is a way, and it is as long as was said --------------------------------- */

static bool in_mask(const uint8_t mask[32], int byte)
{
    return mask[byte / 8] >> byte % 8 & 1;
}

/* The longest rest is one byte more than the longest after one more byte: if that holds in every state, it
 * is exact. */
static void check_state(const smg_json_shape *shape, const smg_json_state *state)
{
    uint8_t mask[32];
    size_t most = 0;
    int choices = 0;
    smg_json_next_bytes(shape, state, mask);
    for (int byte = 0; byte < 256; byte++) {
        smg_json_state next = *state;
        char c = (char)byte;
        bool goes = smg_json_advance(shape, &next, &c, 1);
        assert_int_equal(goes, in_mask(mask, byte));
        if (!goes)
            continue;
        size_t left = smg_json_left_bytes(shape, &next) + 1;
        most = left > most ? left : most;
        choices++;
    }
    assert_int_equal(smg_json_left_bytes(shape, state), most);
    assert_int_equal(choices == 0, smg_json_accepts(shape, state));
    char forced[8];
    size_t count = smg_json_forced(shape, state, forced, sizeof(forced));
    assert_int_equal(count > 0, choices == 1);
    smg_json_state at = *state;
    for (size_t i = 0; i < count; i++) {
        smg_json_next_bytes(shape, &at, mask);
        for (int byte = 0; byte < 256; byte++)
            assert_int_equal(in_mask(mask, byte), byte == (uint8_t)forced[i]);
        assert_true(smg_json_advance(shape, &at, forced + i, 1));
    }
    smg_json_next_bytes(shape, &at, mask);
    for (int i = 0, bits = 0; i < 32 && count < sizeof(forced); i++) {
        bits += __builtin_popcount(mask[i]);
        assert_true(i < 31 || bits != 1);
    }
}

/* Walks byte by byte to the end; returns the length. */
static size_t walk_bytes(const smg_json_shape *shape, uint64_t *random, bool check, char *ret_text)
{
    smg_json_state state;
    size_t size = 0;
    smg_json_start(shape, &state);
    while (!smg_json_accepts(shape, &state)) {
        uint8_t mask[32];
        if (check)
            check_state(shape, &state);
        smg_json_next_bytes(shape, &state, mask);
        int byte = (int)(smg_test_random(random) % 256);
        while (!in_mask(mask, byte))
            byte = (byte + 1) % 256; /* never ends in a dead end: check_state said that there is one */
        ret_text[size] = (char)byte;
        assert_true(smg_json_advance(shape, &state, ret_text + size++, 1));
        assert_true(size <= smg_json_max_bytes(shape));
    }
    ret_text[size] = '\0';
    return size;
}

static void walks_end_well(void **unused)
{
    (void)unused;
    static char text[TEXT_ROOM];
    uint64_t random = 1;
    for (size_t i = 0; i < JSON_CASES; i++) {
        smg_json_shape *shape = must_compile(json_cases[i]);
        json_t *schema = json_loads(json_cases[i], 0, NULL);
        assert_true(smg_json_max_bytes(shape) < sizeof(text));
        smg_json_state state;
        smg_json_start(shape, &state);
        assert_int_equal(smg_json_left_bytes(shape, &state), smg_json_max_bytes(shape));
        int walks = smg_test_repeats(400);
        for (int j = 0; j < walks; j++) {
            size_t size = walk_bytes(shape, &random, j < walks / 4 + 1, text);
            const char *fault = json_answer_fault(schema, text, size);
            if (fault)
                fail_msg("%s %s", text, fault);
            assert_true(takes(shape, text, size));
            /* What was damaged is taken only where it is still valid. */
            text[smg_test_random(&random) % size] = (char)smg_test_random(&random);
            if (takes(shape, text, size))
                assert_null(json_answer_fault(schema, text, size));
        }
        json_decref(schema);
        smg_json_shape_free(shape);
    }
}

/* Every text of a small language, by trying every byte. */
static long enumerate(const smg_json_shape *shape, json_t *schema, const smg_json_state *state, char *text,
                      size_t size, size_t *longest)
{
    if (smg_json_accepts(shape, state)) {
        text[size] = '\0';
        assert_null(json_answer_fault(schema, text, size));
        *longest = size > *longest ? size : *longest;
        return 1;
    }
    long count = 0;
    for (int byte = 0; byte < 256; byte++) {
        smg_json_state next = *state;
        text[size] = (char)byte;
        if (smg_json_advance(shape, &next, text + size, 1))
            count += enumerate(shape, schema, &next, text, size + 1, longest);
    }
    return count;
}

static void small_languages_are_counted(void **unused)
{
    (void)unused;
    static const struct {
        int number;
        long count;
    } cases[] = {
        {0, 5 * (101 + 11 + 2)}, /* with two decimals, one, none */
        {1, 2},
        {2, 4},
        {3, 343},
        {4, 4 * 3}, /* zero is 0, 0.0, 0.00, 0.000; a quarter is absent, 0.25 or 0.250 */
        {7, 3 * 3 * 2 * 2},
        {8, 16},
        {9, 2 * 7},
        {10, 12},
        {14, 256},
        {16, 3 * 102},
        {18, 10 * 21},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[256];
        size_t longest = 0;
        smg_json_shape *shape = must_compile(json_cases[cases[i].number]);
        json_t *schema = json_loads(json_cases[cases[i].number], 0, NULL);
        smg_json_state state;
        smg_json_start(shape, &state);
        long count = enumerate(shape, schema, &state, text, 0, &longest);
        if (count != cases[i].count || longest != smg_json_max_bytes(shape))
            fail_msg("case %d: %ld texts, not %ld; the longest has %zu bytes, not %zu", cases[i].number,
                     count, cases[i].count, longest, smg_json_max_bytes(shape));
        json_decref(schema);
        smg_json_shape_free(shape);
    }
}

/* ---- Random schemas --------------------------------------------------------------------------------- */

static const char *pick(uint64_t *random, const char *const *list, size_t count)
{
    return list[smg_test_random(random) % count];
}
#define PICK(random, list) pick(random, list, sizeof(list) / sizeof((list)[0]))

/* Mostly sound. */
static size_t make_property(uint64_t *random, char *text, size_t room)
{
    static const char *const words[] = {"\"on\"", "\"off\"",    "1",     "-2.5", "true",        "null",
                                        "\"\"",   "\"on\\\"\"", "0.001", "1e3",  "\"\\u00e4\"", "[1]",
                                        "\"o\"",  "1e40",       "false", "12",   "120",         "{}"};
    static const char *const steps[] = {"1", "0.1", "0.01", "0.001", "0.5", "1e-9", "\"1\"", "0"};
    static const char *const odd[] = {"",
                                      "",
                                      "",
                                      "",
                                      "",
                                      ",\"pattern\":\"x\"",
                                      ",\"title\":\"T\"",
                                      ",\"format\":1",
                                      ",\"minLength\":1",
                                      ",\"default\":[]"};
    const char *extra = PICK(random, odd);
    int low = (int)(smg_test_random(random) % 2000) - 1000;
    int width = (int)(smg_test_random(random) % 300) - 5;
    int places = (int)(smg_test_random(random) % 4);
    switch (smg_test_random(random) % 6) {
    case 0:
        return (size_t)snprintf(text, room, "{\"enum\":[%s,%s,%s]%s}", PICK(random, words),
                                PICK(random, words), PICK(random, words), extra);
    case 1:
        return (size_t)snprintf(text, room, "{\"const\":%s%s}", PICK(random, words), extra);
    case 2:
        return (size_t)snprintf(text, room, "{\"type\":\"string\",\"maxLength\":%d%s}", width % 20, extra);
    case 3:
        return (size_t)snprintf(text, room, "{\"type\":\"integer\",\"minimum\":%d,\"maximum\":%d%s}", low,
                                low + width, extra);
    case 4:
        return (size_t)snprintf(text, room,
                                "{\"type\":\"number\",\"minimum\":%.*f,\"maximum\":%.*f,\"multipleOf\":%s%s}",
                                places, low / 100.0, places, (low + width) / 100.0, PICK(random, steps),
                                extra);
    default:
        return (size_t)snprintf(text, room, "{\"type\":\"boolean\"%s}", extra);
    }
}

static size_t make_schema(uint64_t *random, char *text, size_t room)
{
    static const char *const names[] = {"a", "b",    "ab", "abc", "\\u00e4", "x y",
                                        "",  "\\\"", "c",  "d",   "e",       "f"};
    static const char *const ends[] = {"",
                                       "",
                                       "",
                                       ",\"additionalProperties\":false",
                                       ",\"required\":[\"a\"]",
                                       ",\"required\":[\"a\",\"c\"]",
                                       ",\"required\":[\"no\"]",
                                       ",\"anyOf\":[]",
                                       ",\"$id\":\"x\""};
    size_t first = smg_test_random(random) % 12;
    size_t at = (size_t)snprintf(text, room, "{\"type\":\"object\",\"properties\":{");
    for (size_t i = first; i < 12 && i < first + 1 + smg_test_random(random) % 4; i++) {
        at += (size_t)snprintf(text + at, room - at, "%s\"%s\":", i > first ? "," : "", names[i]);
        at += make_property(random, text + at, room - at);
    }
    return at + (size_t)snprintf(text + at, room - at, "}%s}", PICK(random, ends));
}

static void mutate(uint64_t *random, char *text, size_t *size)
{
    static const char *const pieces[] =
        {"{",        "}",   "[",       "]",    "\"",      ":",    ",",
         "-",        "1e9", "\\u0000", "null", "\\ud800", "\xC3", "9999999999999999999",
         "\"type\":"};
    for (size_t count = 1 + smg_test_random(random) % 3; count > 0; count--) {
        size_t place = smg_test_random(random) % *size;
        const char *piece = PICK(random, pieces);
        size_t more = strlen(piece);
        switch (smg_test_random(random) % 3) {
        case 0:
            text[place] = (char)smg_test_random(random);
            break;
        case 1:
            memmove(text + place, text + place + 1, *size - place - 1);
            *size -= *size > 1;
            break;
        default:
            memmove(text + place + more, text + place, *size - place);
            memcpy(text + place, piece, more);
            *size += more;
            break;
        }
    }
}

static void random_schemas_compile_or_are_refused(void **unused)
{
    (void)unused;
    static char text[TEXT_ROOM];
    static char schema[8192];
    uint64_t random = 7;
    int compiled = 0;
    int count = smg_test_repeats(4000);
    count = count < 1000 ? 1000 : count;
    for (int i = 0; i < count; i++) {
        size_t size = make_schema(&random, schema, sizeof(schema) - 256);
        if (i % 2)
            mutate(&random, schema, &size);
        smg_json_shape *shape = NULL;
        smidge_error error = {0};
        uint64_t live = smg_alloc_live_blocks();
        smidge_status status = smg_json_shape_compile(schema, size, &shape, &error);
        if (status != SMIDGE_OK) {
            assert_true(status == SMIDGE_E_INVALID || status == SMIDGE_E_UNSUPPORTED);
            assert_null(shape);
            assert_true(strlen(error.message) > 10 && !strchr(error.message, '\n'));
            assert_non_null(strchr(error.message, '('));
        } else {
            compiled++;
            json_t *json = json_loadb(schema, size, JSON_REJECT_DUPLICATES, NULL);
            for (int j = 0; j < 5; j++) {
                size_t length = walk_bytes(shape, &random, j == 0, text);
                const char *fault = json_answer_fault(json, text, length);
                if (fault)
                    fail_msg("%.*s: %s %s", (int)size, schema, text, fault);
            }
            json_decref(json);
        }
        smg_json_shape_free(shape);
        assert_int_equal(smg_alloc_live_blocks(), live);
    }
    assert_in_range(compiled, count / 10, count * 9 / 10);
}

static void survives_lack_of_memory(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < JSON_CASES; i++) {
        smg_json_shape *shape = NULL;
        smidge_error error = {0};
        uint64_t live = smg_alloc_live_blocks();
        uint64_t n = 1;
        for (;; n++) {
            smg_alloc_fail_at(n);
            smidge_status status =
                smg_json_shape_compile(json_cases[i], strlen(json_cases[i]), &shape, &error);
            if (status == SMIDGE_OK)
                break;
            assert_int_equal(status, SMIDGE_E_NOMEM);
            assert_int_equal(smg_alloc_live_blocks(), live);
        }
        smg_alloc_fail_at(0);
        assert_true(n > 3);
        smg_json_shape_free(shape);
        assert_int_equal(smg_alloc_live_blocks(), live);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses),
        cmocka_unit_test(refuses_what_is_too_much),
        cmocka_unit_test(knows_its_keys),
        cmocka_unit_test(takes_only_strings_that_fit),
        cmocka_unit_test(takes_only_listed_values),
        cmocka_unit_test(takes_only_numbers_in_bounds),
        cmocka_unit_test(numbers_against_brute_force),
        cmocka_unit_test(strings_against_brute_force),
        cmocka_unit_test(objects_against_brute_force),
        cmocka_unit_test(walks_end_well),
        cmocka_unit_test(small_languages_are_counted),
        cmocka_unit_test(random_schemas_compile_or_are_refused),
        cmocka_unit_test(survives_lack_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
