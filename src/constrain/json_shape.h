/* A flat JSON object as an automaton over bytes.
 *
 * A shape is compiled from a JSON schema of an object whose values are enums, constants, bounded strings,
 * bounded numbers or booleans. It describes compact JSON, without white space, with the keys in the order
 * of the schema's `properties`; keys that are not required may be left out. The automaton is
 * deterministic, and from every state that it can reach, a complete object can be reached: there are no
 * dead ends.
 *
 * - Names and listed values are spelled in one way: escaped where JSON demands it, DEL too, and nowhere else.
 * - Strings hold no control characters (neither C0, DEL nor C1), escape only \" and \\, and are valid
 *   UTF-8 without the planes 4 to 11, which are empty. Their length is counted in code points.
 * - Numbers are plain decimals, [-]digits[.digits], without exponent, superfluous leading zeros or -0,
 *   between their bounds (inclusive), with at most so many decimals as `multipleOf` has (3 where it is
 *   absent). Zeros may end a fraction: a model that means 21.0 must not be pushed to 21.1 once it has
 *   written the point.
 *
 * A shape is immutable once compiled and may be used by many threads. Nothing here allocates but the
 * compiling. */
#ifndef SMG_CONSTRAIN_JSON_SHAPE_H
#define SMG_CONSTRAIN_JSON_SHAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "format/gguf.h"

#define SMG_JSON_SCHEMA_BYTES_MAX 65536
#define SMG_JSON_KEYS_MAX 64
#define SMG_JSON_STRING_MAX 4096 /* largest maxLength */
#define SMG_JSON_DECIMALS_MAX 9
#define SMG_JSON_DECIMALS 3 /* without multipleOf */

typedef struct smg_json_shape smg_json_shape;

/* What has been spelled so far. To be copied freely; the fields are the automaton's own. */
typedef struct smg_json_state {
    uint64_t magnitude; /* number: its digits, without sign and point */
    int32_t node;       /* in the trie of names or values */
    int32_t length;     /* string: code points, with the unfinished one */
    int16_t key;        /* the last that was begun; -1 at the start */
    uint8_t phase;
    uint8_t pending; /* string: bytes that the character still lacks */
    uint8_t low;     /* and what the next of them may be */
    uint8_t high;
    uint8_t digits; /* number: before the point */
    int8_t places;  /* number: behind it; -1 without a point */
    bool negative;
} smg_json_state;

/* The schema is `size` bytes of UTF-8. SMIDGE_E_INVALID (not JSON, or a schema that contradicts itself),
 * SMIDGE_E_UNSUPPORTED (a keyword that is not known here, or an answer without a bound; named),
 * SMIDGE_E_NOMEM. */
smidge_status smg_json_shape_compile(const char *schema, size_t size, smg_json_shape **ret_shape,
                                     smidge_error *error) SMG_MUST_CHECK;
void smg_json_shape_free(smg_json_shape *shape);

int32_t smg_json_key_count(const smg_json_shape *shape);
/* A key's name, unescaped, a zero byte behind it; it lives as long as the shape. */
smg_text smg_json_key_name(const smg_json_shape *shape, int32_t key);

void smg_json_start(const smg_json_shape *shape, smg_json_state *ret_state);
/* False where the bytes leave the language; the state is then good for nothing. No bytes: true. */
bool smg_json_advance(const smg_json_shape *shape, smg_json_state *state, const char *bytes, size_t count);
/* True when the object is complete; nothing can follow it. */
bool smg_json_accepts(const smg_json_shape *shape, const smg_json_state *state);
/* Writes the bytes that must follow before there is a choice again (or the object is complete), at most
 * `room`, and returns how many. They may end inside a character. */
size_t smg_json_forced(const smg_json_shape *shape, const smg_json_state *state, char *ret_bytes,
                       size_t room);
/* Which bytes may follow: byte b is bit b % 8 of ret_mask[b / 8]. */
void smg_json_next_bytes(const smg_json_shape *shape, const smg_json_state *state, uint8_t ret_mask[32]);
/* The length in bytes of the longest object, and of the longest rest from a state: exact, not estimates. A
 * token spells at least one byte, so these bound the tokens as well. */
size_t smg_json_max_bytes(const smg_json_shape *shape);
size_t smg_json_left_bytes(const smg_json_shape *shape, const smg_json_state *state);
/* The key whose value is begun and not settled yet; -1 elsewhere. What is chosen in such a state is a choice
 * about this key's value (the end of a number belongs to it, the comma behind a closed string does not). */
int32_t smg_json_key(const smg_json_shape *shape, const smg_json_state *state);
/* The key whose value was begun last, settled or not; -1 before the first. */
int32_t smg_json_begun(const smg_json_shape *shape, const smg_json_state *state);

#endif
