#include "constrain/json_number.h"

uint64_t smg_json_power(int exponent)
{
    uint64_t power = 1;
    while (exponent-- > 0)
        power *= 10;
    return power;
}

void smg_json_number_init(smg_json_number *number, int64_t low, int64_t high, int decimals)
{
    *number = (smg_json_number){.decimals = decimals, .open = {high >= 0, low < 0}};
    if (high >= 0) {
        number->low[0] = low > 0 ? (uint64_t)low : 0;
        number->high[0] = (uint64_t)high;
    }
    if (low < 0) {
        number->low[1] = high < 0 ? (uint64_t)-high : 1;
        number->high[1] = (uint64_t)-low;
    }
}

void smg_json_number_start(smg_json_state *state)
{
    state->magnitude = 0;
    state->digits = 0;
    state->places = -1;
    state->negative = false;
}

static bool meets(const smg_json_number *number, bool negative, uint64_t first, uint64_t count)
{
    return number->open[negative] && first <= number->high[negative] && first + count > number->low[negative];
}

/* Characters of the longest number of this sign, without the sign. */
static int longest(const smg_json_number *number, bool negative)
{
    int digits = 1;
    uint64_t whole = number->high[negative] / smg_json_power(number->decimals);
    while (whole >= 10) {
        whole /= 10;
        digits++;
    }
    return digits + (number->decimals > 0 ? 1 + number->decimals : 0);
}

/* Nothing overflows: while `first` is at most the limit, ten times as much and a width as large fit 64
 * bits. */
int smg_json_number_rest(const smg_json_number *number, const smg_json_state *state)
{
    bool negative = state->negative;
    if (state->places >= 0) {
        int places = number->decimals - state->places;
        uint64_t unit = smg_json_power(places);
        return meets(number, negative, state->magnitude * unit, unit) ? places : -1;
    }
    if (state->digits == 0) {
        int plus = !negative && number->open[0] ? longest(number, false) : -1;
        int minus = number->open[1] ? longest(number, true) + (negative ? 0 : 1) : -1;
        return plus > minus ? plus : minus;
    }
    uint64_t width = smg_json_power(number->decimals);
    int fraction = number->decimals > 0 ? 1 + number->decimals : 0;
    if (state->magnitude == 0)
        return meets(number, negative, 0, width) ? fraction : -1;
    int rest = -1;
    uint64_t first = state->magnitude * width;
    for (int more = 0; first <= number->high[negative]; more++) {
        if (meets(number, negative, first, width))
            rest = more + fraction;
        first *= 10;
        width *= 10;
    }
    return rest;
}

bool smg_json_number_step(const smg_json_number *number, smg_json_state *state, uint8_t byte)
{
    if (byte == '-') {
        if (state->negative || state->digits > 0)
            return false;
        state->negative = true;
    } else if (byte == '.') {
        if (state->digits == 0 || state->places >= 0 || number->decimals == 0)
            return false;
        state->places = 0;
    } else if (byte >= '0' && byte <= '9') {
        bool whole = state->places < 0;
        if (whole && state->digits > 0 && state->magnitude == 0)
            return false;
        if (state->places == number->decimals)
            return false;
        state->magnitude = state->magnitude * 10 + (uint64_t)(byte - '0');
        state->digits += whole ? 1 : 0;
        state->places += whole ? 0 : 1;
    } else {
        return false;
    }
    return smg_json_number_rest(number, state) >= 0;
}

bool smg_json_number_ends(const smg_json_number *number, const smg_json_state *state)
{
    if (state->digits == 0 || state->places == 0)
        return false;
    int places = state->places < 0 ? number->decimals : number->decimals - state->places;
    return meets(number, state->negative, state->magnitude * smg_json_power(places), 1);
}
