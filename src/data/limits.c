#include "data/limits.h"

#include <math.h>
#include <stdio.h>

#include "data/decimal_text.h"

#define SLACK 1e-9 /* of a percent, and of larger percents */

/* By how much percent of the limit, rounded up as the rule says; 0: by nothing that counts. */
static int percent_of(double amount, double limit)
{
    const double percent = 100 * (amount / fabs(limit));
    if (!(percent <= SMG_LIMIT_PERCENT_MAX))
        return SMG_LIMIT_PERCENT_MAX + 1;
    return (int)ceil(percent - SLACK * fmax(percent, 1));
}

smg_limit_verdict smg_limit_judge(double value, double low, double high)
{
    smg_limit_verdict verdict = {.state = SMG_LIMIT_NORMAL};
    const double limit = value > high ? high : low;
    if (!(value > high) && !(value < low))
        return verdict;
    verdict.amount = fabs(value - limit);
    verdict.relative = limit != 0;
    verdict.percent = verdict.relative ? percent_of(verdict.amount, limit) : 0;
    if (verdict.relative && verdict.percent == 0)
        return (smg_limit_verdict){.state = SMG_LIMIT_NORMAL};
    verdict.state = value > high ? SMG_LIMIT_ABOVE : SMG_LIMIT_BELOW;
    return verdict;
}

/* Up to three digits; larger whole numbers as they are. */
static double round_up(double amount)
{
    const double step = pow(10, fmin(floor(log10(amount)) - 2, 0));
    return ceil(amount / step - SLACK) * step;
}

int smg_limit_text(double value, double low, double high, char ret_text[SMG_LIMIT_TEXT_MAX])
{
    const smg_limit_verdict verdict = smg_limit_judge(value, low, high);
    const char *side = verdict.state == SMG_LIMIT_ABOVE ? "above" : "below";
    const bool over = verdict.percent > SMG_LIMIT_PERCENT_MAX;
    char amount[SMG_DECIMAL_TEXT_MAX];
    if (verdict.state == SMG_LIMIT_NORMAL)
        return snprintf(ret_text, SMG_LIMIT_TEXT_MAX, "normal");
    if (verdict.relative)
        return snprintf(ret_text, SMG_LIMIT_TEXT_MAX, "%s its limit by %s%d %%", side, over ? "over " : "",
                        over ? SMG_LIMIT_PERCENT_MAX : verdict.percent);
    if (verdict.amount > 1e15 || verdict.amount < 1e-6)
        return snprintf(ret_text, SMG_LIMIT_TEXT_MAX, "%s its limit", side);
    smg_decimal_short(round_up(verdict.amount), 15, amount);
    return snprintf(ret_text, SMG_LIMIT_TEXT_MAX, "%s its limit by %.24s", side, amount);
}
