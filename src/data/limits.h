/* A reading against what is normal for it, in words: small models read words better than they compare digits. */
#ifndef SMG_DATA_LIMITS_H
#define SMG_DATA_LIMITS_H

#include <stdbool.h>

#define SMG_LIMIT_TEXT_MAX 64
/* Percent; of what is further out it is only said that it is ("by over 1000000 %"). */
#define SMG_LIMIT_PERCENT_MAX 1000000

typedef enum smg_limit_state { SMG_LIMIT_NORMAL, SMG_LIMIT_ABOVE, SMG_LIMIT_BELOW } smg_limit_state;

typedef struct smg_limit_verdict {
    smg_limit_state state;
    bool relative; /* to the limit that is violated; false where that is 0: then there is only the amount */
    int percent; /* of |that limit|, at most 1 more than the largest; 0 where nothing is violated or `relative` is false */
    double amount; /* how far out, in the reading's unit */
} smg_limit_verdict;

/* `low` and `high` are inclusive, with -INFINITY and INFINITY for none; low <= high, and the value is a number.
 *
 * The rule: a reading that equals a limit is normal. The percent is a whole number and is rounded up, so that "by 30 %"
 * is never said of 30.4: for every whole N, the text says more than N exactly where the reading is out by more than N
 * percent. Doubles hold most decimals with an error (0.91 against 0.7 gives 30.000000000000004), so what exceeds
 * a whole number by less than a billionth of itself, and a limit by less than a hundred-billionth, does not exceed it. */
smg_limit_verdict smg_limit_judge(double value, double low, double high);

/* "normal", "above its limit by 12 %", "below its limit by 3 %"; with a limit of 0 "above its limit by 0.4", the amount rounded up to
 * three digits. Returns the length. */
int smg_limit_text(double value, double low, double high, char ret_text[SMG_LIMIT_TEXT_MAX]);

#endif
