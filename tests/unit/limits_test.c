/* Readings against limits, held against whole numbers; and decimals, read and written. */
#include "data/limits.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/decimal_text.h"
#include "test_support.h"

static double number(const char *text)
{
    double value = 0;
    if (!smg_decimal_parse(text, strlen(text), '.', &value))
        fail_msg("%s is not read", text);
    return value;
}

static void says(const char *value, double low, double high, const char *expected)
{
    char text[SMG_LIMIT_TEXT_MAX];
    const int size = smg_limit_text(number(value), low, high, text);
    if (strcmp(text, expected) != 0)
        fail_msg("%s in %g..%g: \"%s\", not \"%s\"", value, low, high, text, expected);
    assert_int_equal(size, strlen(expected));
}

static void texts(void **state)
{
    (void)state;
    says("70", 60, 80, "normal");
    says("60", 60, 80, "normal");
    says("80", 60, 80, "normal");
    says("80.0001", 60, 80, "above its limit by 1 %");
    says("92", 60, 80, "above its limit by 15 %");
    says("104", 60, 80, "above its limit by 30 %");
    says("104.001", 60, 80, "above its limit by 31 %");
    says("42", 60, 80, "below its limit by 30 %");
    says("41.99", 60, 80, "below its limit by 31 %");
    says("-12", 60, 80, "below its limit by 120 %");
    says("0.91", -INFINITY, 0.7, "above its limit by 30 %");
    says("0.49", 0.7, INFINITY, "below its limit by 30 %");
    says("-26", -20, INFINITY, "below its limit by 30 %");
    says("-14", -INFINITY, -20, "above its limit by 30 %");
    says("-13.9", -INFINITY, -20, "above its limit by 31 %");
    says("5", -INFINITY, INFINITY, "normal");
    /* no percent of nothing */
    says("0", 0, 5, "normal");
    says("-0.3", 0, 5, "below its limit by 0.3");
    says("-0.30001", 0, 5, "below its limit by 0.301");
    says("1234.2", -5, 0, "above its limit by 1235");
    says("12.345", -5, 0, "above its limit by 12.4");
    says("0.0000001", -5, 0, "above its limit");
    says("1e300", -5, 0, "above its limit");
    says("10001", 0, 1, "above its limit by 1000000 %");
    says("10001.01", 0, 1, "above its limit by over 1000000 %");
    says("1e300", 0, 1e-300, "above its limit by over 1000000 %");
}

/* What a mean of readings that all equal the limit is, is that limit. */
static void rounding_of_sums(void **state)
{
    (void)state;
    for (int count = 1; count < 400; count++) {
        double sum = 0;
        for (int i = 0; i < count; i++)
            sum += 0.7;
        assert_int_equal(smg_limit_judge(sum / count, 0.7, 0.7).state, SMG_LIMIT_NORMAL);
    }
}

/* Value and limits are whole numbers of 10^-places, and so is everything that is expected. */
static void against_whole_numbers(void **state)
{
    (void)state;
    static const int64_t powers[] = {1, 10, 100, 1000, 10000};
    uint64_t seed = 5;
    const int repeats = smg_test_repeats(400000);
    int exact = 0;
    for (int i = 0; i < repeats; i++) {
        const int64_t power = powers[smg_test_random(&seed) % 5];
        const int64_t limit = (int64_t)(smg_test_random(&seed) % 2000001) - 1000000;
        /* mostly near it, often a whole percent away, or next to that */
        int64_t value = (int64_t)(smg_test_random(&seed) % 2000001) - 1000000;
        if (i % 4 != 0)
            value = limit + llabs(limit) * (int64_t)(smg_test_random(&seed) % 300) / 100 +
                    (int64_t)(smg_test_random(&seed) % 3) - 1;
        const bool above = smg_test_random(&seed) % 2 == 0;
        const int64_t out = above ? value - limit : limit - value;
        const double low = above ? -INFINITY : (double)limit / (double)power;
        const double high = above ? (double)limit / (double)power : INFINITY;
        const smg_limit_verdict verdict = smg_limit_judge((double)value / (double)power, low, high);
        if (out <= 0) {
            assert_int_equal(verdict.state, SMG_LIMIT_NORMAL);
            assert_int_equal(verdict.percent, 0);
            continue;
        }
        assert_int_equal(verdict.state, above ? SMG_LIMIT_ABOVE : SMG_LIMIT_BELOW);
        if (limit == 0) {
            assert_false(verdict.relative);
            continue;
        }
        int64_t percent = (out * 100 + llabs(limit) - 1) / llabs(limit);
        exact += out * 100 % llabs(limit) == 0;
        percent = percent > SMG_LIMIT_PERCENT_MAX ? SMG_LIMIT_PERCENT_MAX + 1 : percent;
        if (verdict.percent != percent)
            fail_msg("%lld against %lld by %lld: %d %%, not %lld", (long long)value, (long long)limit,
                     (long long)power, verdict.percent, (long long)percent);
    }
    assert_true(exact > repeats / 2000);
}

/* ---- Decimals -------------------------------------------------------------------------------------------- */

static void written(void **state)
{
    (void)state;
    static const struct {
        double value;
        int decimals;
        const char *text;
    } fixed[] = {{71.24, 1, "71.2"},       {-0.04, 1, "0.0"},
                 {-0.06, 1, "-0.1"},       {0, 0, "0"},
                 {-0.0, 2, "0.00"},        {1e21, 0, "1000000000000000000000"},
                 {2.5, 12, "2.500000000"}, {-71.26, 0, "-71"}};
    static const struct {
        double value;
        int digits;
        const char *text;
    } short_ones[] =
        {{71.2, 6, "71.2"},      {0.1 + 0.2, 15, "0.3"}, {100, 3, "100"}, {123456, 3, "123456"},
         {1.0 / 3, 4, "0.3333"}, {-0.5, 3, "-0.5"},      {0, 3, "0"},     {0.00012345, 3, "0.000123"},
         {9.9996, 4, "10"},      {1e-12, 3, "0"},        {-1e-12, 3, "0"}};
    char text[SMG_DECIMAL_TEXT_MAX];
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
        assert_int_equal(smg_decimal_text(fixed[i].value, fixed[i].decimals, text), strlen(fixed[i].text));
        assert_string_equal(text, fixed[i].text);
    }
    for (size_t i = 0; i < sizeof short_ones / sizeof *short_ones; i++) {
        smg_decimal_short(short_ones[i].value, short_ones[i].digits, text);
        assert_string_equal(text, short_ones[i].text);
    }
    assert_int_equal(smg_decimal_text(-1.7e308, 9, text), 320);
}

static void read_back(void **state)
{
    (void)state;
    static const char *const good[] = {"0",  "-0",  "+1",   "12.5",     ".5",
                                       "5.", "1e3", "1E-3", "-1.25e+2", "007.10"};
    static const char *const bad[] = {"",    ".",    "-",   "+-1",   "1 ",     " 1",    "1e",
                                      "1e+", "0x10", "nan", "inf",   "1,5",    "1.5.2", "1e5.",
                                      "--1", "1_0",  "e5",  "1e999", "-1e999", "١"};
    double value = 0;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(smg_decimal_parse(good[i], strlen(good[i]), '.', &value));
        assert_true(value == strtod(good[i], NULL));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        value = 42;
        if (smg_decimal_parse(bad[i], strlen(bad[i]), '.', &value))
            fail_msg("\"%s\" is read as %g", bad[i], value);
        assert_true(value == 42);
    }
    assert_true(smg_decimal_parse("1,5", 3, ',', &value) && value == 1.5);
    assert_false(smg_decimal_parse("1.5", 3, ',', &value));
    assert_true(smg_decimal_parse("71.2;", 4, '.', &value) && value == 71.2);
    char many[400];
    memset(many, '9', sizeof many);
    assert_true(smg_decimal_parse(many, 300, '.', &value));
    assert_false(smg_decimal_parse(many, 301, '.', &value));
}

/* A program that uses the library may speak German; where no such locale is installed, there is nothing to see. */
static void other_locales(void **state)
{
    (void)state;
    static const char *const names[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "ru_RU.UTF-8", "ps_AF.UTF-8"};
    int tried = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (setlocale(LC_NUMERIC, names[i]) == NULL)
            continue;
        tried++;
        written(NULL);
        double value = 0;
        assert_true(smg_decimal_parse("71.25", 5, '.', &value) && value == 71.25);
        assert_true(smg_decimal_parse("71,25", 5, ',', &value) && value == 71.25);
    }
    setlocale(LC_NUMERIC, "C");
    if (tried == 0)
        skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts),
        cmocka_unit_test(rounding_of_sums),
        cmocka_unit_test(against_whole_numbers),
        cmocka_unit_test(written),
        cmocka_unit_test(read_back),
        cmocka_unit_test(other_locales),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
