/* Whether two JSON answers say the same: the order of keys and the spelling of numbers do not count. */
#ifndef SMG_MEASURE_JSON_MATCH_H
#define SMG_MEASURE_JSON_MATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

typedef struct smg_json_match {
    bool same;
    /* Of objects: keys that either side has, and those with the same value on both. 0 of anything else. */
    int32_t keys, keys_same;
} smg_json_match;

/* `expected` is JSON; an answer that is not matches nothing. SMIDGE_E_FORMAT (the expected one is no JSON), SMIDGE_E_NOMEM. */
smidge_status smg_json_match_texts(const char *expected, size_t expected_size, const char *answer,
                                   size_t answer_size, smg_json_match *ret_match, smidge_error *error)
    SMG_MUST_CHECK;

#endif
