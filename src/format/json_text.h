/* JSON of other programs: settings and tokenizers of models, headers of weights. Bounded in depth, and every number is looked at
 * before it is believed. Objects are jansson's. */
#ifndef SMG_FORMAT_JSON_TEXT_H
#define SMG_FORMAT_JSON_TEXT_H

#include <jansson.h>

#include "base/error.h"
#include "format/gguf.h"

#define SMG_JSON_DEPTH_MAX 64

/* The caller releases it with json_decref. `where` is for messages. Errors: SMIDGE_E_FORMAT (no JSON, nested too deep, no
 * object at the top), SMIDGE_E_NOMEM. */
smidge_status smg_json_parse(const char *text, size_t size, const char *where, json_t **ret_json,
                             smidge_error *error) SMG_MUST_CHECK;
/* A file of at most `limit` bytes; also SMIDGE_E_IO and SMIDGE_E_INVALID (longer). */
smidge_status smg_json_read(const char *path, size_t limit, json_t **ret_json, smidge_error *error)
    SMG_MUST_CHECK;
/* The same by the rules for what people write themselves: no name twice in an object, no \u0000 and no other zero byte.
 * No message is made: the reason is one line without advice, the place is in characters, from 1. SMIDGE_E_FORMAT, SMIDGE_E_NOMEM. */
typedef struct smg_json_fault {
    int line;
    int column;
    bool cut; /* the text ended too early */
    char text[192];
} smg_json_fault;

smidge_status smg_json_parse_strict(const char *text, size_t size, json_t **ret_json,
                                    smg_json_fault *ret_fault) SMG_MUST_CHECK;
/* For SMG_CLEANUP. */
void smg_json_release(json_t **json);

/* Members of an object. Missing ones, and null, leave *ret as it is; of another kind or outside the range:
 * SMIDGE_E_FORMAT, with the member's name. Integers may be written as 1e4. */
smidge_status smg_json_int(const json_t *object, const char *name, int64_t least, int64_t most,
                           const char *where, int64_t *ret, smidge_error *error) SMG_MUST_CHECK;
smidge_status smg_json_real(const json_t *object, const char *name, const char *where, double *ret,
                            smidge_error *error) SMG_MUST_CHECK;
smidge_status smg_json_bool(const json_t *object, const char *name, const char *where, bool *ret,
                            smidge_error *error) SMG_MUST_CHECK;
/* The member, or NULL where it is missing or null. */
json_t *smg_json_get(const json_t *object, const char *name);
/* The text of a string, valid as long as it; "" of anything else. */
smg_text smg_json_text(const json_t *string);
bool smg_text_is(smg_text text, const char *expected);

#endif
