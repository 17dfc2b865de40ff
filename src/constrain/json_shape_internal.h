/* What the files of the flat-JSON automaton share. */
#ifndef SMG_CONSTRAIN_JSON_SHAPE_INTERNAL_H
#define SMG_CONSTRAIN_JSON_SHAPE_INTERNAL_H

#include "constrain/json_number.h"
#include "constrain/json_shape.h"

/* Names and listed values are tries of bytes. All lie in one array; node 0 is the root of the names and
 * nobody's child. Names are spelled with quotes and colon, so none begins with another. */
typedef struct smg_json_node {
    uint64_t keys;       /* names: which keys are here or below; values: all bits */
    int32_t first_child; /* 0: none */
    int32_t next_sibling;
    int32_t key;     /* names: the key that ends here; values: 0 where one ends; else -1 */
    int32_t depth;   /* below its root */
    int32_t longest; /* most bytes below */
    uint8_t byte;
} smg_json_node;

typedef enum smg_json_kind { SMG_JSON_WORDS, SMG_JSON_STRING, SMG_JSON_NUMBER } smg_json_kind;

typedef struct smg_json_property {
    smg_json_kind kind;
    bool required;
    smg_text name;
    size_t name_bytes;  /* as spelled, with quotes and colon */
    size_t value_bytes; /* of the longest value */
    size_t tail;        /* most bytes behind the value, to the end of the object */
    int32_t root;       /* of the words */
    int32_t min_length;
    int32_t max_length;
    smg_json_number number;
} smg_json_property;

struct smg_json_shape {
    smg_json_node *nodes;
    int32_t node_count;
    int32_t count;
    size_t max_bytes;
    char *names;
    smg_json_property properties[SMG_JSON_KEYS_MAX];
    uint64_t
        next_keys[SMG_JSON_KEYS_MAX + 1];  /* [0]: which key may come first, [k + 1]: which behind key k */
    bool may_close[SMG_JSON_KEYS_MAX + 1]; /* the object may end there */
};

/* Begins characters of the planes 4 to 11 only, where Unicode has none: some vocabularies cannot spell these bytes. */
static inline bool smg_json_is_vacant(uint8_t byte)
{
    return byte == 0xF1 || byte == 0xF2;
}

/* The child for this byte, or 0. */
int32_t smg_json_child(const smg_json_node *nodes, int32_t parent, uint8_t byte);
bool smg_json_step(const smg_json_shape *shape, smg_json_state *state, uint8_t byte);
/* Inside a string, between two characters, the number of characters that still fit; -1 elsewhere. */
int32_t smg_json_string_room(const smg_json_shape *shape, const smg_json_state *state);

/* True when these bytes are whole characters inside a string, whatever the string; then *ret_length is how
 * many. */
bool smg_json_string_holds(const char *bytes, size_t size, int32_t *ret_length);

/* ---- json_decimal.c: numbers of the schema ---- */

/* mantissa * 10^exponent, mantissa not ending in zero. */
typedef struct smg_json_decimal {
    bool negative;
    uint64_t mantissa;
    int exponent;
} smg_json_decimal;

#define SMG_JSON_DECIMAL_ROOM 32

void smg_json_decimal_integer(int64_t value, smg_json_decimal *ret_decimal);
/* The shortest decimal that reads as this double, which is finite. */
void smg_json_decimal_real(double value, smg_json_decimal *ret_decimal);
/* In units of the last of `decimals`, rounded up or down; false when beyond the limit. */
bool smg_json_decimal_scale(const smg_json_decimal *decimal, int decimals, bool up, int64_t *ret_units);
/* Spells it without an exponent; false when that takes more than 18 digits. */
bool smg_json_decimal_spell(const smg_json_decimal *decimal, char ret_text[SMG_JSON_DECIMAL_ROOM]);

#endif
