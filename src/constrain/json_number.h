/* Decimals between two bounds, digit by digit.
 *
 * Bounds are integers in units of the last decimal, so that all is exact. Sign and magnitude are kept
 * apart: for either sign the magnitudes allowed are one range. What begins with certain digits is one
 * range as well for each number of digits to come, and a prefix lives as long as one of these meets the
 * range that is allowed. */
#ifndef SMG_CONSTRAIN_JSON_NUMBER_H
#define SMG_CONSTRAIN_JSON_NUMBER_H

#include "constrain/json_shape.h"

#define SMG_JSON_NUMBER_LIMIT ((int64_t)999999999999999999) /* of a bound, in units of the last decimal */

typedef struct smg_json_number {
    uint64_t low[2]; /* for + and -: magnitudes, in units of the last decimal */
    uint64_t high[2];
    bool open[2]; /* there are numbers of this sign; 0 has sign + */
    int decimals;
} smg_json_number;

/* 10 to the power of 0 to 19. */
uint64_t smg_json_power(int exponent);
/* From bounds in units of the last decimal, low <= high, both within the limit. */
void smg_json_number_init(smg_json_number *number, int64_t low, int64_t high, int decimals);
void smg_json_number_start(smg_json_state *state);
bool smg_json_number_step(const smg_json_number *number, smg_json_state *state, uint8_t byte);
/* True where the number may end. */
bool smg_json_number_ends(const smg_json_number *number, const smg_json_state *state);
/* The most characters that can still come, -1 when no number begins like this. */
int smg_json_number_rest(const smg_json_number *number, const smg_json_state *state);

#endif
