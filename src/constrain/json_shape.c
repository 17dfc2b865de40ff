#include <string.h>

#include "base/alloc.h"
#include "constrain/json_shape_internal.h"

enum {
    PHASE_OBJECT, /* { */
    PHASE_FIRST,  /* a name, or } */
    PHASE_NAME,   /* in a name, with its quotes and its colon */
    PHASE_WORD,   /* in a listed value */
    PHASE_QUOTE,  /* before a string */
    PHASE_STRING, /* in it */
    PHASE_ESCAPE, /* behind a backslash */
    PHASE_NUMBER,
    PHASE_AFTER, /* behind a value that cannot go on */
    PHASE_DONE
};

void smg_json_shape_free(smg_json_shape *shape)
{
    if (shape == NULL)
        return;
    smg_free(shape->nodes);
    smg_free(shape->names);
    smg_free(shape);
}

int32_t smg_json_key_count(const smg_json_shape *shape)
{
    return shape->count;
}

smg_text smg_json_key_name(const smg_json_shape *shape, int32_t key)
{
    if (key < 0 || key >= shape->count)
        return (smg_text){.data = "", .size = 0};
    return shape->properties[key].name;
}

void smg_json_start(const smg_json_shape *shape, smg_json_state *ret_state)
{
    (void)shape;
    *ret_state = (smg_json_state){.phase = PHASE_OBJECT, .key = -1, .places = -1};
}

/* ---- One byte ------------------------------------------------------------------------------------------ */

int32_t smg_json_child(const smg_json_node *nodes, int32_t parent, uint8_t byte)
{
    int32_t child = nodes[parent].first_child;
    while (child != 0 && nodes[child].byte != byte)
        child = nodes[child].next_sibling;
    return child;
}

static void begin_value(const smg_json_shape *shape, smg_json_state *state)
{
    const smg_json_property *property = &shape->properties[state->key];
    switch (property->kind) {
    case SMG_JSON_WORDS:
        state->phase = PHASE_WORD;
        state->node = property->root;
        break;
    case SMG_JSON_STRING:
        state->phase = PHASE_QUOTE;
        state->length = 0;
        break;
    case SMG_JSON_NUMBER:
        state->phase = PHASE_NUMBER;
        smg_json_number_start(state);
        break;
    }
}

static bool step_name(const smg_json_shape *shape, smg_json_state *state, uint8_t byte)
{
    int32_t child = smg_json_child(shape->nodes, state->node, byte);
    if (child == 0 || (shape->nodes[child].keys & shape->next_keys[state->key + 1]) == 0)
        return false;
    state->phase = PHASE_NAME;
    state->node = child;
    if (shape->nodes[child].key >= 0) {
        state->key = (int16_t)shape->nodes[child].key;
        begin_value(shape, state);
    }
    return true;
}

static bool step_after(const smg_json_shape *shape, smg_json_state *state, uint8_t byte)
{
    if (byte == '}' && shape->may_close[state->key + 1]) {
        state->phase = PHASE_DONE;
        return true;
    }
    if (byte == ',' && shape->next_keys[state->key + 1] != 0) {
        state->phase = PHASE_NAME;
        state->node = 0;
        return true;
    }
    return false;
}

static bool step_word(const smg_json_shape *shape, smg_json_state *state, uint8_t byte)
{
    int32_t child = smg_json_child(shape->nodes, state->node, byte);
    if (child == 0)
        return shape->nodes[state->node].key >= 0 && step_after(shape, state, byte);
    state->node = child;
    if (shape->nodes[child].first_child == 0)
        state->phase = PHASE_AFTER;
    return true;
}

/* What may follow the first byte of a character: no overlong forms, no surrogates, nothing beyond U+10FFFF
 * (Unicode, table 3-7), no control characters (U+0080 to U+009F), and nothing of the planes 4 to 11. */
static bool begin_character(smg_json_state *state, uint8_t byte)
{
    if (byte < 0xC2 || byte > 0xF4 || smg_json_is_vacant(byte))
        return false;
    state->pending = byte >= 0xF0 ? 3 : byte >= 0xE0 ? 2 : 1;
    state->low = byte == 0xC2 || byte == 0xE0 ? 0xA0 : byte == 0xF0 ? 0x90 : 0x80;
    state->high = byte == 0xED ? 0x9F : byte == 0xF4 ? 0x8F : 0xBF;
    return true;
}

static bool step_string(const smg_json_property *property, smg_json_state *state, uint8_t byte)
{
    if (state->phase == PHASE_ESCAPE) {
        state->phase = PHASE_STRING;
        return byte == '"' || byte == '\\';
    }
    if (state->pending > 0) {
        bool fits = byte >= state->low && byte <= state->high;
        state->pending--;
        state->low = 0x80;
        state->high = 0xBF;
        return fits;
    }
    if (byte == '"') {
        state->phase = PHASE_AFTER;
        return state->length >= property->min_length;
    }
    if (state->length == property->max_length)
        return false;
    state->length++;
    if (byte == '\\') {
        state->phase = PHASE_ESCAPE;
        return true;
    }
    return (byte >= 0x20 && byte < 0x7F) || begin_character(state, byte);
}

static bool step_number(const smg_json_shape *shape, smg_json_state *state, uint8_t byte)
{
    const smg_json_number *number = &shape->properties[state->key].number;
    if (byte == ',' || byte == '}')
        return smg_json_number_ends(number, state) && step_after(shape, state, byte);
    if (!smg_json_number_step(number, state, byte))
        return false;
    if (smg_json_number_rest(number, state) == 0)
        state->phase = PHASE_AFTER;
    return true;
}

bool smg_json_step(const smg_json_shape *shape, smg_json_state *state, uint8_t byte)
{
    switch (state->phase) {
    case PHASE_OBJECT:
        state->phase = PHASE_FIRST;
        return byte == '{';
    case PHASE_FIRST:
        if (byte == '}')
            return step_after(shape, state, byte);
        return step_name(shape, state, byte);
    case PHASE_NAME:
        return step_name(shape, state, byte);
    case PHASE_WORD:
        return step_word(shape, state, byte);
    case PHASE_QUOTE:
        state->phase = PHASE_STRING;
        return byte == '"';
    case PHASE_STRING:
    case PHASE_ESCAPE:
        return step_string(&shape->properties[state->key], state, byte);
    case PHASE_NUMBER:
        return step_number(shape, state, byte);
    case PHASE_AFTER:
        return step_after(shape, state, byte);
    default:
        return false;
    }
}

bool smg_json_advance(const smg_json_shape *shape, smg_json_state *state, const char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!smg_json_step(shape, state, (uint8_t)bytes[i]))
            return false;
    }
    return true;
}

bool smg_json_string_holds(const char *bytes, size_t size, int32_t *ret_length)
{
    const smg_json_property any = {.max_length = INT32_MAX};
    smg_json_state state = {.phase = PHASE_STRING};
    for (size_t i = 0; i < size; i++) {
        if (!step_string(&any, &state, (uint8_t)bytes[i]) || state.phase == PHASE_AFTER)
            return false;
    }
    if (state.phase != PHASE_STRING || state.pending > 0)
        return false;
    *ret_length = state.length;
    return true;
}

/* ---- Questions about a state ------------------------------------------------------------------------ */

bool smg_json_accepts(const smg_json_shape *shape, const smg_json_state *state)
{
    (void)shape;
    return state->phase == PHASE_DONE;
}

static bool may_follow(const smg_json_shape *shape, const smg_json_state *state, int byte)
{
    smg_json_state copy = *state;
    return smg_json_step(shape, &copy, (uint8_t)byte);
}

void smg_json_next_bytes(const smg_json_shape *shape, const smg_json_state *state, uint8_t ret_mask[32])
{
    memset(ret_mask, 0, 32);
    for (int byte = 0; byte < 256; byte++) {
        if (may_follow(shape, state, byte))
            ret_mask[byte / 8] |= (uint8_t)(1 << byte % 8);
    }
}

/* The only byte that may follow, or -1. */
static int only_byte(const smg_json_shape *shape, const smg_json_state *state)
{
    int only = -1;
    for (int byte = 0x20; byte < 0xF5; byte++) {
        if (!may_follow(shape, state, byte))
            continue;
        if (only >= 0)
            return -1;
        only = byte;
    }
    return only;
}

size_t smg_json_forced(const smg_json_shape *shape, const smg_json_state *state, char *ret_bytes, size_t room)
{
    smg_json_state at = *state;
    size_t count = 0;
    while (count < room) {
        int byte = only_byte(shape, &at);
        if (byte < 0 || !smg_json_step(shape, &at, (uint8_t)byte))
            break;
        ret_bytes[count++] = (char)byte;
    }
    return count;
}

size_t smg_json_max_bytes(const smg_json_shape *shape)
{
    return shape->max_bytes;
}

static size_t left_in_name(const smg_json_shape *shape, const smg_json_state *state)
{
    const smg_json_node *node = &shape->nodes[state->node];
    size_t most = 0;
    for (uint64_t keys = node->keys & shape->next_keys[state->key + 1]; keys != 0; keys &= keys - 1) {
        const smg_json_property *property = &shape->properties[__builtin_ctzll(keys)];
        size_t left = property->name_bytes - (size_t)node->depth + property->value_bytes + property->tail;
        most = left > most ? left : most;
    }
    return most;
}

size_t smg_json_left_bytes(const smg_json_shape *shape, const smg_json_state *state)
{
    if (state->phase == PHASE_OBJECT)
        return shape->max_bytes;
    if (state->phase == PHASE_FIRST)
        return shape->max_bytes - 1;
    if (state->phase == PHASE_NAME)
        return left_in_name(shape, state);
    if (state->phase == PHASE_DONE)
        return 0;
    const smg_json_property *property = &shape->properties[state->key];
    if (state->phase == PHASE_WORD)
        return (size_t)shape->nodes[state->node].longest + property->tail;
    if (state->phase == PHASE_NUMBER)
        return (size_t)smg_json_number_rest(&property->number, state) + property->tail;
    if (state->phase == PHASE_AFTER)
        return property->tail;
    size_t left = property->tail + 1 + 4 * (size_t)(property->max_length - state->length);
    if (state->phase == PHASE_QUOTE)
        return left + 1;
    return left + state->pending + (state->phase == PHASE_ESCAPE ? 1 : 0);
}

int32_t smg_json_key(const smg_json_shape *shape, const smg_json_state *state)
{
    (void)shape;
    bool unsettled = state->phase >= PHASE_WORD && state->phase <= PHASE_NUMBER;
    return unsettled ? state->key : -1;
}

int32_t smg_json_begun(const smg_json_shape *shape, const smg_json_state *state)
{
    (void)shape;
    return state->key;
}

int32_t smg_json_string_room(const smg_json_shape *shape, const smg_json_state *state)
{
    if (state->phase != PHASE_STRING || state->pending > 0)
        return -1;
    return shape->properties[state->key].max_length - state->length;
}
