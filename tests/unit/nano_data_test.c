/* The bundled model's data: labels held against a reading of the text that knows nothing of how it was made, the words of
 * training and test held apart, the same bytes for the same seed. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/alloc.h"
#include "commands.h"
#include "noise.h"
#include "readings.h"
#include "test_support.h"

static nano_words train, test;
static char folder[] = "/tmp/nano_data.XXXXXX";

static nano_words read_words(const char *path)
{
    nano_words words;
    smidge_error error = {0};
    if (nano_words_read(path, &words, &error) != SMIDGE_OK)
        fail_msg("%s: %s", error.where, error.message);
    return words;
}

static int start(void **state)
{
    (void)state;
    train = read_words(smg_test_source("models/nano/words/train"));
    test = read_words(smg_test_source("models/nano/words/test"));
    return mkdtemp(folder) == NULL ? -1 : 0;
}

static int stop(void **state)
{
    (void)state;
    nano_words_done(&train);
    nano_words_done(&test);
    return rmdir(folder);
}

/* ---- The rule, by another way: on texts, in long double with room for no doubt ---- */

/* Thousandths as a whole number: exact, whatever the decimals. */
static int64_t parse(const char *text, const char **ret_end)
{
    int64_t value = 0;
    int decimals = -1;
    const bool negative = *text == '-';
    for (text += negative;
         isdigit((unsigned char)*text) || (*text == '.' && decimals < 0 && isdigit((unsigned char)text[1]));
         text++) {
        if (*text == '.') {
            decimals = 0;
            continue;
        }
        value = value * 10 + (*text - '0');
        decimals += decimals >= 0;
    }
    for (int i = decimals < 0 ? 0 : decimals; i < 4; i++)
        value *= 10;
    *ret_end = text;
    return negative ? -value : value;
}

/* 0 within, 1 out by at most 30 %, 2 by more. */
static int judge(int64_t value, bool has_low, int64_t low, bool has_high, int64_t high)
{
    int64_t out = 0;
    int64_t limit = 1;
    if (has_high && value > high) {
        out = value - high;
        limit = llabs(high);
    }
    if (has_low && value < low) {
        out = low - value;
        limit = llabs(low);
    }
    if (out == 0)
        return 0;
    return 10 * out <= 3 * limit ? 1 : 2;
}

static nano_severity severity_of(const int *judged, int count)
{
    int violated = 0;
    int severe = 0;
    for (int i = 0; i < count; i++) {
        violated += judged[i] > 0;
        severe += judged[i] == 2;
    }
    return violated == 0 ? NANO_NORMAL : violated == 1 && severe == 0 ? NANO_WARNING : NANO_CRITICAL;
}

static int64_t number_of(nano_decimal decimal)
{
    char text[NANO_DECIMAL_TEXT];
    const char *end;
    nano_decimal_text(decimal, text);
    const int64_t value = parse(text, &end);
    assert_int_equal(*end, '\0');
    return value;
}

static void rule(void **state)
{
    (void)state;
    static const struct {
        nano_decimal value, low, high;
        int expected;
    } cases[] = {
        {{80, 0}, {60, 0}, {800, 1}, 0},   {{8001, 2}, {60, 0}, {80, 0}, 1}, {{104, 0}, {60, 0}, {80, 0}, 1},
        {{10401, 2}, {60, 0}, {80, 0}, 2}, {{42, 0}, {60, 0}, {80, 0}, 1},   {{419, 1}, {60, 0}, {80, 0}, 2},
        {{-26, 0}, {-20, 0}, {0, 0}, 1},   {{-261, 1}, {-20, 0}, {0, 0}, 2}, {{91, 2}, {0, 0}, {7, 1}, 1},
        {{1, 1}, {-5, 0}, {0, 0}, 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const nano_limits limits = {true, true, cases[i].low, cases[i].high};
        const nano_distance distance = nano_distance_of(cases[i].value, &limits);
        assert_int_equal((distance.side != 0) + distance.severe, cases[i].expected);
        assert_int_equal(distance.side != 0, distance.out > 0);
    }
}

/* ---- Cases as they are made ---- */

static void check_numbers(const nano_case *c, const nano_mix *mix)
{
    int judged[NANO_SENSORS_MAX];
    assert_in_range(c->count, mix->least, mix->most);
    for (int i = 0; i < c->count; i++) {
        const nano_sensor *sensor = &c->sensors[i];
        char text[NANO_DECIMAL_TEXT];
        judged[i] = judge(number_of(sensor->value), sensor->limits.has_low, number_of(sensor->limits.low),
                          sensor->limits.has_high, number_of(sensor->limits.high));
        assert_int_equal((sensor->distance.side != 0) + sensor->distance.severe, judged[i]);
        nano_decimal_text(sensor->value, text);
        if (c->form != NANO_WORKED && strstr(c->prompt, text) == NULL)
            fail_msg("%s is not in: %s", text, c->prompt);
        if (strstr(c->prompt, sensor->name) == NULL)
            fail_msg("%s is not in: %s", sensor->name, c->prompt);
    }
    assert_int_equal(c->severity, severity_of(judged, c->count));
    assert_int_equal(c->near, c->apart <= 2 * NANO_PERCENT);
    assert_true(c->edge <= c->apart);
}

/* What is recalled before a number is the size of another number of the same sensor. */
static void check_recall(const nano_case *c, size_t at, int32_t size)
{
    char text[NANO_DECIMAL_TEXT];
    bool found = false;
    assert_false(isdigit((unsigned char)c->prompt[at]));
    for (int32_t i = 0; i < c->count; i++) {
        const nano_sensor *sensor = &c->sensors[i];
        const nano_limits *limits = &sensor->limits;
        const nano_decimal limit = limits->has_high ? limits->high : limits->low;
        const nano_decimal asked[] = {sensor->value, limits->has_low ? limits->low : limits->high};
        const nano_decimal told[] = {limit, sensor->value};
        for (int k = 0; k < 2; k++) {
            nano_decimal_text(asked[k], text);
            found = found || (strncmp(c->prompt + at + 1, text, strlen(text)) == 0 &&
                              nano_hint_of_size(told[k]) == size);
        }
    }
    if (!found)
        fail_msg("nothing of size %d is recalled at %zu of: %s", (int)size, at, c->prompt);
}

/* The label is known when every sensor is, and not before. */
static void check_severities(const nano_case *c)
{
    int before = 0;
    for (int i = 0; i < c->hint_count; i++) {
        before += c->hints[i].kind == NANO_HINT_DISTANCE;
        if (c->hints[i].kind == NANO_HINT_SEVERITY) {
            assert_int_equal(before, c->count);
            assert_int_equal(c->hints[i].value, c->severity);
        }
    }
}

static void check_text(const nano_case *c)
{
    size_t at = 0;
    int distances = 0;
    assert_int_equal(c->size, strlen(c->prompt));
    assert_false(isspace((unsigned char)c->prompt[0]) || isspace((unsigned char)c->prompt[c->size - 1]));
    for (const char *byte = c->prompt; *byte != '\0'; byte++) {
        assert_true((unsigned char)*byte >= 0x20 || *byte == '\n');
        assert_false(byte[0] == '$' && islower((unsigned char)byte[1])); /* a field that nobody filled */
    }
    for (int i = 0; i < c->hint_count; i++) {
        static const int32_t kinds[] = {[NANO_HINT_OWNER] = NANO_SENSORS_MAX,
                                        [NANO_HINT_SIZE] = NANO_HINT_SIZES,
                                        [NANO_HINT_RECALL] = NANO_HINT_SIZES,
                                        [NANO_HINT_DISTANCE] = NANO_HINT_DISTANCES,
                                        [NANO_HINT_SEVERITY] = NANO_SEVERITIES};
        assert_true(c->hints[i].at + 1 < c->size);
        assert_true(i == 0 || c->hints[i].at > at ||
                    (c->hints[i].at == at && c->hints[i].kind > c->hints[i - 1].kind));
        at = c->hints[i].at;
        distances += c->hints[i].kind == NANO_HINT_DISTANCE;
        assert_in_range(c->hints[i].value, 0, kinds[c->hints[i].kind] - 1);
        if (c->hints[i].kind == NANO_HINT_OWNER) {
            const char *name = strstr(c->prompt, c->sensors[c->hints[i].value].name);
            assert_true(isdigit((unsigned char)c->prompt[at]) && name != NULL && name < c->prompt + at);
        }
        if (c->hints[i].kind == NANO_HINT_SIZE)
            assert_true(isdigit((unsigned char)c->prompt[at]));
        if (c->hints[i].kind == NANO_HINT_RECALL)
            check_recall(c, at, c->hints[i].value);
    }
    /* that behind the last byte makes room for the label */
    assert_in_range(distances, c->count - 1, c->count);
    check_severities(c);
}

/* What stands in a prompt of which the numeric work was done. */
static nano_severity severity_of_words(const char *prompt)
{
    static const char *const words[] = {"above its limit by ", "below its limit by "};
    int judged[NANO_SENSORS_MAX];
    int count = 0;
    for (const char *at = prompt; *at != '\0'; at++) {
        for (int i = 0; i < 2; i++) {
            if (strncmp(at, words[i], strlen(words[i])) == 0)
                judged[count++] = atoi(at + strlen(words[i])) > 30 ? 2 : 1;
        }
    }
    return severity_of(judged, count);
}

static void check_cases(const nano_words *words, nano_form form, int count)
{
    nano_mix mix = {.least = 1, .most = 6, .near_percent = 20, .terse_percent = 20};
    nano_random random = {(uint64_t)form + 1};
    int near = 0;
    int severities[NANO_SEVERITIES] = {0};
    int sensors[NANO_SENSORS_MAX + 1] = {0};
    mix.shares[form] = 1;
    for (int i = 0; i < count; i++) {
        nano_case c;
        nano_case_make(&random, words, &mix, (uint64_t)i, &c);
        check_numbers(&c, &mix);
        check_text(&c);
        if (form != NANO_RAW)
            assert_int_equal(c.severity, severity_of_words(c.prompt));
        near += c.near;
        severities[c.severity]++;
        sensors[c.count]++;
    }
    for (int i = 0; i < NANO_SEVERITIES; i++)
        assert_in_range(severities[i], count / 3, count / 3 + 1);
    for (int i = 1; i <= NANO_SENSORS_MAX; i++)
        assert_true(sensors[i] > count / 10);
    assert_in_range(near, count * 16 / 100, count * 24 / 100);
}

static void labels(void **state)
{
    (void)state;
    const int count = smg_test_repeats(6000);
    for (int form = 0; form < NANO_FORMS; form++) {
        check_cases(&train, (nano_form)form, count);
        check_cases(&test, (nano_form)form, count);
    }
}

/* Names, units and wordings, and no instruction: at most a few words behind the sensors. */
static void plain_cases(void **state)
{
    (void)state;
    nano_mix mix = {.least = 1, .most = 6, .near_percent = 20, .plain_percent = 50, .shares = {1, 0, 0}};
    nano_random random = {9};
    int count = 0;
    for (int i = 0; i < 300; i++) {
        nano_case c;
        nano_case_make(&random, &train, &mix, (uint64_t)i, &c);
        check_text(&c);
        assert_false(c.terse);
        count += c.plain;
        if (c.plain)
            assert_null(strstr(c.prompt, "NORMAL"));
    }
    assert_in_range(count, 110, 190);
}

/* Strange words change no case: names and numbers are all there, and what is known at which place. */
static void noisy_cases(void **state)
{
    (void)state;
    nano_mix mix = {.least = 1,
                    .most = 6,
                    .near_percent = 20,
                    .terse_percent = 20,
                    .plain_percent = 20,
                    .noise_percent = 100,
                    .shares = {3, 1, 1}};
    nano_random random = {13};
    for (int i = 0; i < 600; i++) {
        nano_case c;
        nano_case_make(&random, &train, &mix, (uint64_t)i, &c);
        assert_true(c.noisy);
        check_numbers(&c, &mix);
        check_text(&c);
        if (c.form == NANO_WORKED)
            assert_int_equal(c.severity, severity_of_words(c.prompt));
    }
}

/* A pattern keeps its fields and words in their order; a separator is something. */
static void noise(void **state)
{
    (void)state;
    static const char pattern[] = "$n must stay below $max$u";
    nano_random random = {17};
    char room[NANO_LINE_MAX];
    int changed = 0;
    for (int i = 0; i < 300; i++) {
        const char *at = nano_noise_pattern(&random, &train, pattern, room);
        changed += strcmp(at, pattern) != 0;
        static const char *const parts[] = {"$n", "must", "stay", "below", "$max$u"};
        for (size_t part = 0; part < sizeof parts / sizeof *parts; part++) {
            at = strstr(at, parts[part]);
            assert_non_null(at);
            at += strlen(parts[part]);
        }
        assert_string_equal(at, "");
        assert_true(nano_noise_separator(&random, &train, room)[0] != '\0');
        assert_true(isalpha((unsigned char)nano_noise_ask(&random, &train, room)[0]));
    }
    assert_in_range(changed, 120, 240);
}

/* Every sensor by itself: a quarter is far outside, which a lone decider seldom is. */
static void varied_cases(void **state)
{
    (void)state;
    nano_mix mix = {.least = 1, .most = 6, .near_percent = 10, .varied_percent = 100, .shares = {1, 0, 0}};
    nano_random random = {11};
    int sensors = 0;
    int severe = 0;
    int gross = 0;
    for (int i = 0; i < 500; i++) {
        nano_case c;
        nano_case_make(&random, &train, &mix, (uint64_t)i, &c);
        check_numbers(&c, &mix);
        check_text(&c);
        for (int j = 0; j < c.count; j++) {
            severe += c.sensors[j].distance.severe;
            gross += c.sensors[j].distance.out > 360 * NANO_PERCENT;
        }
        sensors += c.count;
    }
    assert_in_range(severe * 100 / sensors, 20, 30);
    assert_in_range(gross * 100 / sensors, 3, 15);
}

/* How often a number's owner is one that was left for another before: of one list never, of limits and readings apart mostly. */
static int returns(const nano_case *c)
{
    bool left[NANO_SENSORS_MAX] = {false};
    int last = -1;
    int count = 0;
    for (int i = 0; i < c->hint_count; i++) {
        if (c->hints[i].kind != NANO_HINT_OWNER || c->hints[i].value == last)
            continue;
        if (last >= 0)
            left[last] = true;
        last = c->hints[i].value;
        count += left[last];
    }
    return count;
}

static void together(void **state)
{
    (void)state;
    nano_mix mix = {.least = 2, .most = 6, .near_percent = 20, .terse_percent = 50, .shares = {1, 0, 0}};
    for (int side_by_side = 0; side_by_side < 2; side_by_side++) {
        nano_random random = {7};
        int count = 0;
        mix.together = side_by_side != 0;
        for (int i = 0; i < 300; i++) {
            nano_case c;
            nano_case_make(&random, &train, &mix, (uint64_t)i, &c);
            count += returns(&c);
        }
        assert_true(mix.together ? count == 0 : count > 300);
    }
}

/* Words that can be read back: every sensor is "name=value", every limit "name: low..high", "name: <=high" or "name: >=low". */
static void plain_words(nano_words *words)
{
    static const char *high[] = {"<=$max"}, *low[] = {">=$min"}, *range[] = {"$min..$max"},
                      *reading[] = {"$n=$v;"}, *limit[] = {"$n: $l;"}, *item[] = {"$n=$v;$n: $l;"},
                      *frame[] = {"$limits $readings"}, *items[] = {"$items"}, *separator[] = {" "};
    *words = train;
#define ONE(member, line) words->member = (nano_list){.lines = line, .count = 1}
    ONE(limits_high, high);
    ONE(limits_low, low);
    ONE(limits_range, range);
    ONE(readings, reading);
    ONE(readings_json, reading);
    ONE(limit_items, limit);
    ONE(limit_items_json, limit);
    ONE(items, item);
    ONE(items_json, item);
    ONE(frames_lists, frame);
    ONE(frames_lists_json, frame);
    ONE(frames_items, items);
    ONE(frames_items_json, items);
    ONE(separators, separator);
#undef ONE
}

static int judge_text(const char *prompt, const char *name)
{
    char key[NANO_NAME_MAX + 4];
    const char *at;
    int64_t low = 0;
    int64_t high = 0;
    snprintf(key, sizeof key, "%s=", name);
    const int64_t value = parse(strstr(prompt, key) + strlen(key), &at);
    snprintf(key, sizeof key, "%s: ", name);
    const char *limit = strstr(prompt, key) + strlen(key);
    const bool is_high = strncmp(limit, "<=", 2) == 0;
    const bool is_low = strncmp(limit, ">=", 2) == 0;
    if (is_high) {
        high = parse(limit + 2, &at);
    } else {
        low = parse(limit + (is_low ? 2 : 0), &at);
        if (!is_low)
            high = parse(at + 2, &at);
    }
    assert_int_equal(*at, ';');
    return judge(value, !is_high, low, !is_low, high);
}

static void labels_read_back(void **state)
{
    (void)state;
    nano_words words;
    nano_random random = {99};
    const nano_mix mix = {.least = 1, .most = 6, .near_percent = 20, .shares = {1, 0, 0}};
    plain_words(&words);
    for (int i = 0; i < smg_test_repeats(10000); i++) {
        nano_case c;
        int judged[NANO_SENSORS_MAX];
        bool clear = true;
        nano_case_make(&random, &words, &mix, (uint64_t)i, &c);
        /* a name that another one ends with cannot be found by its text */
        for (int j = 0; j < c.count; j++) {
            for (int k = 0; k < c.count; k++)
                clear = clear && (j == k || strstr(c.sensors[j].name, c.sensors[k].name) == NULL);
        }
        if (!clear)
            continue;
        for (int j = 0; j < c.count; j++)
            judged[j] = judge_text(c.prompt, c.sensors[j].name);
        assert_int_equal(c.severity, severity_of(judged, c.count));
    }
}

/* Larger numbers and distances have no lower hints, and each has a letter of its own. */
static void hints_in_order(void **state)
{
    (void)state;
    char seen[256] = {0};
    int32_t last = 0;
    for (int64_t digits = 0; digits < 200000000; digits += digits / 50 + 1) {
        const int32_t hint = nano_hint_of_size((nano_decimal){-digits, 4});
        assert_true(hint >= last && hint <= last + 1);
        last = hint;
    }
    assert_int_equal(last, 48 + 2); /* 20000: six powers of ten above 0.01, and 2 > 10^(2/8) */
    last = 0;
    for (int64_t out = -100000; out < 300000; out++) {
        const nano_distance distance = {.side = out > 0, .out = out, .apart = -out};
        const int32_t hint = nano_hint_of_distance(&distance);
        assert_true(hint == last || hint == last + 1);
        last = hint;
    }
    assert_int_equal(last, NANO_HINT_DISTANCES - 1);
    for (int32_t i = 0; i < NANO_HINT_SIZES; i++) {
        const nano_hint size = {0, NANO_HINT_SIZE, i};
        const nano_hint recalled = {0, NANO_HINT_RECALL, i};
        assert_int_equal(seen[(unsigned char)nano_hint_letter(&size)]++, 0);
        assert_int_equal(nano_hint_letter(&recalled), nano_hint_letter(&size));
    }
    for (int32_t i = 0; i < NANO_HINT_DISTANCES; i++) {
        const nano_hint distance = {0, NANO_HINT_DISTANCE, i};
        assert_int_equal(seen[(unsigned char)nano_hint_letter(&distance)]++, 0);
    }
}

/* ---- Words ---- */

/* Letters in lower case, digits and signs; spaces, underscores and hyphens are all the same. */
static void plain(const char *line, char *ret, size_t room)
{
    size_t size = 0;
    for (; *line != '\0' && size + 1 < room; line++)
        ret[size++] = *line == '_' || *line == '-' ? ' ' : (char)tolower((unsigned char)*line);
    ret[size] = '\0';
}

static bool has(const nano_list *list, const char *line)
{
    char wanted[NANO_LINE_MAX + 1];
    char other[NANO_LINE_MAX + 1];
    plain(line, wanted, sizeof wanted);
    for (int i = 0; i < list->count; i++) {
        plain(list->lines[i], other, sizeof other);
        if (strcmp(wanted, other) == 0)
            return true;
    }
    return false;
}

static void compare_lists(const char *name, const nano_list *of_train, const nano_list *of_test)
{
    for (int i = 0; i < of_test->count; i++) {
        if (has(of_train, of_test->lines[i]))
            fail_msg("%s: \"%s\" is in both folders", name, of_test->lines[i]);
    }
}

/* How a command is asked is not what is tested with commands: their texts are others. */
static void words_are_disjoint(void **state)
{
    (void)state;
#define COMPARE(name)                                                                                        \
    if (strcmp(#name, "commands") != 0)                                                                      \
        compare_lists(#name, &train.name, &test.name);
    NANO_LISTS(COMPARE)
#undef COMPARE
    assert_true(has(&train.names, train.names.lines[0])); /* that the comparison can find something */
}

/* Nor do capitals, underscores and made-up names bring a name of training into a test. */
static void names_are_disjoint(void **state)
{
    (void)state;
    enum { TRAIN = 3000, TEST = 1500 };
    const nano_mix mix = {.least = 6, .most = 6, .near_percent = 20, .shares = {1, 0, 0}};
    char(*names)[NANO_NAME_MAX] = calloc((size_t)TRAIN * 6, sizeof *names);
    nano_random random = {5};
    nano_case c;
    assert_non_null(names);
    for (int i = 0; i < TRAIN; i++) {
        nano_case_make(&random, &train, &mix, (uint64_t)i, &c);
        for (int j = 0; j < 6; j++)
            plain(c.sensors[j].name, names[i * 6 + j], NANO_NAME_MAX);
    }
    qsort(names, (size_t)TRAIN * 6, sizeof *names, (int (*)(const void *, const void *))strcmp);
    for (int i = 0; i < TEST; i++) {
        nano_case_make(&random, &test, &mix, (uint64_t)i, &c);
        for (int j = 0; j < 6; j++) {
            char name[NANO_NAME_MAX];
            plain(c.sensors[j].name, name, sizeof name);
            if (bsearch(name, names, (size_t)TRAIN * 6, sizeof *names,
                        (int (*)(const void *, const void *))strcmp))
                fail_msg("%s is in both", c.sensors[j].name);
        }
    }
    free(names);
}

static void same_seed_same_bytes(void **state)
{
    (void)state;
    const nano_mix mix = {.least = 1, .most = 6, .near_percent = 20, .shares = {1, 1, 1}};
    uint64_t hashes[2] = {0};
    uint64_t numbers = 0;
    for (int round = 0; round < 2; round++) {
        nano_random random = {7};
        nano_case c;
        for (int i = 0; i < 300; i++) {
            nano_case_make(&random, &train, &mix, (uint64_t)i, &c);
            hashes[round] = XXH3_64bits_withSeed(c.prompt, c.size, hashes[round]);
        }
    }
    assert_int_equal(hashes[0], hashes[1]);
    nano_random random = {7};
    for (int i = 0; i < 300; i++) {
        nano_case c;
        nano_case_numbers(&random, &mix, (nano_severity)(i % 3), &c);
        for (int j = 0; j < c.count; j++)
            numbers = numbers * UINT64_C(0x100000001B3) + (uint64_t)c.sensors[j].value.digits;
    }
    /* whatever machine this is */
    assert_int_equal(numbers, UINT64_C(0xd648313bd4b7e68c));
}

/* ---- Commands ---- */

static const char rows[] =
    "{\"id\":\"a\",\"text\":\"dim the l\xC3\xA4mp in the kitchen\",\"intent\":\"iot_hue_lightdim\",\"slots\":[{\"name\":"
    "\"device_type\",\"value\":\"l\xC3\xA4mp\",\"start\":8,\"end\":12},{\"name\":\"house_place\",\"value\":\"kitchen\","
    "\"start\":20,\"end\":27}],\"split\":\"train\"}\n"
    "{\"id\":\"b\",\"text\":\"what time is it\",\"intent\":\"datetime_query\",\"slots\":[],\"split\":\"train\"}\n"
    "{\"id\":\"c\",\"text\":\"lights off in the hall\",\"intent\":\"iot_hue_lightoff\",\"slots\":[{\"name\":\"house_place\","
    "\"value\":\"hall\",\"start\":18,\"end\":22}],\"split\":\"train\"}\n"
    "{\"id\":\"d\",\"text\":\"lights off\",\"intent\":\"iot_hue_lightoff\",\"slots\":[],\"split\":\"dev\"}\n";

static const char *write_file(const char *text)
{
    static char path[64];
    snprintf(path, sizeof path, "%s/commands.jsonl", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    return path;
}

static void expect_row(json_t *row, const char *expected)
{
    char *text = json_dumps(row, JSON_COMPACT);
    assert_string_equal(text, expected);
    free(text);
    json_decref(row);
}

static void commands_to_json(void **state)
{
    (void)state;
    nano_commands commands;
    nano_random random = {1};
    smidge_error error = {0};
    int swapped = 0;
    int listed = 0;
    const char *path = write_file(rows);
    assert_int_equal(nano_commands_read(path, "train", &commands, &error), SMIDGE_OK);
    assert_int_equal(commands.count, 3);
    assert_int_equal(commands.order_count, 2);
    expect_row(
        nano_command_row(&commands, &test, &random, 0),
        "{\"prompt\":\"Command: dim the l\xC3\xA4mp in the kitchen\\nJSON:\",\"json\":{\"intent\":\"iot_hue_lightdim\","
        "\"device_type\":\"l\xC3\xA4mp\",\"house_place\":\"kitchen\"},\"id\":\"a\"}");
    expect_row(
        nano_command_row(&commands, &test, &random, 1),
        "{\"prompt\":\"Command: what time is it\\nJSON:\",\"json\":{\"intent\":\"none\"},\"id\":\"b\"}");
    for (int i = 0; i < 200; i++) {
        json_t *row = nano_command_vary(&commands, &test, &random);
        const char *prompt = json_string_value(json_object_get(row, "prompt"));
        const char *key;
        json_t *value;
        json_object_foreach(json_object_get(row, "json"), key, value)
        {
            if (strcmp(key, "intent") != 0)
                assert_non_null(strstr(prompt, json_string_value(value)));
        }
        swapped += strstr(prompt, "in the hall") != NULL && strstr(prompt, "dim") != NULL;
        listed += strstr(prompt, "in the orangery") != NULL;
        json_decref(row);
    }
    assert_true(swapped > 0);
    assert_true(listed > 0);
    nano_commands_done(&commands);
    assert_int_equal(nano_commands_read(path, "dev", &commands, &error), SMIDGE_E_INVALID);
    remove(path);
}

static void bad_commands(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "{\"id\":\"a\"}\n",
        "[]\n",
        "no json\n",
        "{\"id\":\"a\",\"text\":\"dim it\",\"intent\":\"iot_x\",\"slots\":[{\"name\":\"n\",\"value\":\"it\",\"start\":3,\"end\":6}],"
        "\"split\":\"train\"}\n",
        "{\"id\":\"a\",\"text\":\"dim it\",\"intent\":\"iot_x\",\"slots\":[{\"name\":\"n\",\"value\":\"it\",\"start\":4,\"end\":99}],"
        "\"split\":\"train\"}\n"
        "{\"id\":\"a\",\"text\":\"dim it\",\"intent\":\"iot_x\",\"slots\":[{\"name\":\"n\",\"value\":\"m it\",\"start\":2,\"end\":6},"
        "{\"name\":\"n\",\"value\":\"it\",\"start\":4,\"end\":6}],\"split\":\"train\"}\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        nano_commands commands = {0};
        smidge_error error = {0};
        const char *path = write_file(bad[i]);
        assert_int_equal(nano_commands_read(path, "train", &commands, &error), SMIDGE_E_FORMAT);
        assert_null(commands.rows);
        remove(path);
    }
}

/* ---- Failing allocations ---- */

static void words_without_memory(void **state)
{
    (void)state;
    const uint64_t held = smg_alloc_live_blocks();
    for (uint64_t n = 1;; n++) {
        nano_words words;
        smidge_error error = {0};
        smg_alloc_fail_at(n);
        const smidge_status status =
            nano_words_read(smg_test_source("models/nano/words/test"), &words, &error);
        smg_alloc_fail_at(0);
        if (status == SMIDGE_OK) {
            nano_words_done(&words);
            assert_true(n > 10);
            break;
        }
        assert_int_equal(status, SMIDGE_E_NOMEM);
        assert_int_equal(smg_alloc_live_blocks(), held);
    }
    assert_int_equal(smg_alloc_live_blocks(), held);
}

static void commands_without_memory(void **state)
{
    (void)state;
    const uint64_t held = smg_alloc_live_blocks();
    const char *path = write_file(rows);
    for (uint64_t n = 1;; n++) {
        nano_commands commands;
        smidge_error error = {0};
        smg_alloc_fail_at(n);
        const smidge_status status = nano_commands_read(path, "train", &commands, &error);
        smg_alloc_fail_at(0);
        if (status == SMIDGE_OK) {
            nano_commands_done(&commands);
            assert_true(n > 2);
            break;
        }
        assert_int_equal(status, SMIDGE_E_NOMEM);
        assert_int_equal(smg_alloc_live_blocks(), held);
    }
    assert_int_equal(smg_alloc_live_blocks(), held);
    remove(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rule),
        cmocka_unit_test(labels),
        cmocka_unit_test(plain_cases),
        cmocka_unit_test(noisy_cases),
        cmocka_unit_test(noise),
        cmocka_unit_test(varied_cases),
        cmocka_unit_test(together),
        cmocka_unit_test(labels_read_back),
        cmocka_unit_test(hints_in_order),
        cmocka_unit_test(words_are_disjoint),
        cmocka_unit_test(names_are_disjoint),
        cmocka_unit_test(same_seed_same_bytes),
        cmocka_unit_test(commands_to_json),
        cmocka_unit_test(bad_commands),
        cmocka_unit_test(words_without_memory),
        cmocka_unit_test(commands_without_memory),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
