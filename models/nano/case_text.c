/* The many ways in which people write readings and what is normal for them. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "data/limits.h"
#include "noise.h"
#include "pattern.h"
#include "readings.h"

#define PIECE_MAX 256
#define LIST_MAX 2048

/* How one case writes: the same for all its sensors, mostly, as people do. */
typedef struct style {
    nano_random *random;
    const nano_words *words;
    const char *high, *low, *range; /* patterns of limits */
    const char *verdict;
    const char *space; /* before a unit */
    bool mixed;        /* each sensor's limit in a pattern of its own */
    bool bare;         /* limits without units */
    bool json;
} style;

/* Stands in front of two bytes that say what is known here: they are taken out of the prompt again. */
#define MARK '\001'

typedef struct piece {
    char text[PIECE_MAX];
} piece;

/* ---- Names ---- */

static void make_up(nano_random *random, const nano_words *words, nano_text *name)
{
    static const char *const joints[] = {"", " ", "_", "-"};
    const char *joint = joints[nano_random_below(random, 4)];
    const int64_t parts = nano_random_between(random, 1, 2);
    for (int64_t part = 0; part < parts; part++) {
        if (part > 0)
            nano_text_add(name, joint, strlen(joint));
        for (int64_t i = nano_random_between(random, 2, 3); i > 0; i--) {
            const char *syllable = nano_list_pick(&words->syllables, random);
            nano_text_add(name, syllable, strlen(syllable));
        }
    }
    if (nano_random_chance(random, 25)) {
        char number[8];
        const int size = snprintf(number, sizeof number, "%s%d", nano_random_chance(random, 50) ? "_" : "",
                                  (int)nano_random_between(random, 1, 99));
        nano_text_add(name, number, (size_t)size);
    }
}

/* Capitals and underscores as programs and people have them. */
static void respell(nano_random *random, char *name)
{
    const int64_t how = nano_random_below(random, 12);
    for (char *c = name; *c != '\0'; c++) {
        if (how == 0 || (how == 1 && c == name))
            *c = (char)toupper((unsigned char)*c);
        if (how == 2 && *c == ' ')
            *c = '_';
    }
}

/* The kind of a line "t bearing temperature", and where the rest begins. */
static char split_kind(const char *line, const char **ret_rest)
{
    *ret_rest = line + 2;
    return line[0];
}

static const char *draw_unit(nano_random *random, const nano_words *words, char kind)
{
    if (nano_random_chance(random, 25))
        return "";
    const bool any = nano_random_chance(random, 10);
    for (int tries = 0; tries < 100; tries++) {
        const char *unit;
        const char of = split_kind(nano_list_pick(&words->units, random), &unit);
        if (any || of == kind)
            return unit;
    }
    return "";
}

static void draw_name(nano_random *random, const nano_words *words, bool terse, nano_sensor *sensor)
{
    nano_text name = nano_text_over(sensor->name, sizeof sensor->name);
    char kind = 'x';
    if (terse) {
        const char *syllable = nano_list_pick(&words->syllables, random);
        nano_text_add(&name, syllable, strlen(syllable));
        sensor->unit = "";
        return;
    }
    if (nano_random_chance(random, 20)) {
        make_up(random, words, &name);
    } else {
        const char *known;
        kind = split_kind(nano_list_pick(&words->names, random), &known);
        nano_text_add(&name, known, strlen(known));
    }
    respell(random, sensor->name);
    sensor->unit = draw_unit(random, words, kind);
}

static void draw_names(nano_random *random, const nano_words *words, nano_case *c)
{
    for (int32_t i = 0; i < c->count; i++) {
        bool taken;
        do {
            draw_name(random, words, c->terse, &c->sensors[i]);
            taken = false;
            for (int32_t j = 0; j < i; j++)
                taken = taken || strcasecmp(c->sensors[i].name, c->sensors[j].name) == 0;
        } while (taken);
    }
}

/* ---- One sensor ---- */

static style draw_style(nano_random *random, const nano_words *words)
{
    style s = {.random = random, .words = words};
    s.high = nano_list_pick(&words->limits_high, random);
    s.low = nano_list_pick(&words->limits_low, random);
    s.range = nano_list_pick(&words->limits_range, random);
    s.verdict = nano_list_pick(&words->verdicts, random);
    s.space = nano_random_chance(random, 60) ? " " : "";
    s.mixed = nano_random_chance(random, 35);
    s.bare = nano_random_chance(random, 35);
    return s;
}

/* A pattern as it is, or with noise in `room`. */
static const char *maybe_noisy(const style *s, const nano_case *c, const char *pattern,
                               char room[NANO_LINE_MAX])
{
    return c->noisy && !s->json ? nano_noise_pattern(s->random, s->words, pattern, room) : pattern;
}

static const char *limit_pattern(const style *s, const nano_limits *limits)
{
    const nano_words *words = s->words;
    if (limits->has_low && limits->has_high)
        return s->mixed ? nano_list_pick(&words->limits_range, s->random) : s->range;
    if (limits->has_low)
        return s->mixed ? nano_list_pick(&words->limits_low, s->random) : s->low;
    return s->mixed ? nano_list_pick(&words->limits_high, s->random) : s->high;
}

static piece unit_text(const style *s, const nano_sensor *sensor)
{
    piece unit = {""};
    if (sensor->unit[0] != '\0')
        snprintf(unit.text, sizeof unit.text, "%s%s", s->space, sensor->unit);
    return unit;
}

/* Bytes of a mark are never zero. */
static void mark(nano_text *text, nano_hint_kind kind, int32_t value)
{
    const char bytes[] = {MARK, (char)(kind + 1), (char)(value + 1)};
    nano_text_add(text, bytes, sizeof bytes);
}

/* What the prompt has said of a sensor before, in another list. */
typedef enum told { TOLD_NOTHING, TOLD_LIMITS, TOLD_VALUE } told;

/* The decimal that a sensor's value is compared with first. */
static const nano_decimal *main_limit(const nano_limits *limits)
{
    return limits->has_high ? &limits->high : &limits->low;
}

/* A number with what is known before and behind it. */
typedef struct around {
    int32_t owner; /* the sensor's place where its name was read already; or -1 */
    const nano_decimal
        *recalled; /* what the number is to be compared with, where that was read already; or NULL */
} around;

static void write_number(nano_decimal value, around of, char ret_text[PIECE_MAX])
{
    char digits[NANO_DECIMAL_TEXT];
    nano_text text = nano_text_over(ret_text, PIECE_MAX);
    if (of.recalled != NULL)
        mark(&text, NANO_HINT_RECALL, nano_hint_of_size(*of.recalled));
    nano_text_add(&text, digits, (size_t)nano_decimal_text(value, digits));
    if (of.owner >= 0)
        mark(&text, NANO_HINT_OWNER, of.owner);
    mark(&text, NANO_HINT_SIZE, nano_hint_of_size(value));
}

/* Whether `first` stands before `then` in the pattern; what is not there does not. */
static bool comes_before(const char *pattern, const char *first, const char *then)
{
    const char *one = strstr(pattern, first);
    const char *other = strstr(pattern, then);
    return one != NULL && other != NULL && one < other;
}

typedef struct numbers {
    char value[PIECE_MAX], low[PIECE_MAX], high[PIECE_MAX];
} numbers;

static void write_numbers(const nano_sensor *sensor, int32_t place, const char *pattern, told before,
                          numbers *ret)
{
    const nano_limits *limits = &sensor->limits;
    const bool limit_first = comes_before(pattern, "$l", "$v") || comes_before(pattern, "$m", "$v");
    const bool value_first = comes_before(pattern, "$v", "$l") || comes_before(pattern, "$v", "$m");
    const bool value_named = comes_before(pattern, "$n", "$v");
    const bool limit_named = comes_before(pattern, "$n", "$l") || comes_before(pattern, "$n", "$m");
    /* in a list of its own the number is known to belong to what was said before by the name alone */
    const bool limits_known = before == TOLD_LIMITS ? value_named : limit_first;
    const bool value_known = before == TOLD_VALUE ? limit_named : value_first;
    const around of_value = {value_named ? place : -1, limits_known ? main_limit(limits) : NULL};
    around of_limit = {limit_named ? place : -1, value_known ? &sensor->value : NULL};
    write_number(sensor->value, of_value, ret->value);
    write_number(limits->low, of_limit, ret->low);
    if (limits->has_low)
        of_limit.recalled = NULL; /* before the first of the two */
    write_number(limits->high, of_limit, ret->high);
}

static void write_sensor(const style *s, const nano_case *c, int32_t number, const char *pattern, told before,
                         nano_text *text)
{
    const nano_sensor *sensor = &c->sensors[number];
    numbers n;
    char worked[SMG_LIMIT_TEXT_MAX];
    const nano_limits *limits = &sensor->limits;
    write_numbers(sensor, number, pattern, before, &n);
    smg_limit_text(nano_decimal_real(sensor->value),
                   limits->has_low ? nano_decimal_real(limits->low) : -INFINITY,
                   limits->has_high ? nano_decimal_real(limits->high) : INFINITY, worked);

    const piece unit = unit_text(s, sensor);
    const char *min = limits->has_low ? n.low : NULL;
    const char *max = limits->has_high ? n.high : NULL;
    const nano_field of_limit[] = {{"min", min}, {"max", max}, {"u", s->bare ? "" : unit.text}, {NULL, NULL}};
    char words[PIECE_MAX];
    nano_text limit = nano_text_over(words, sizeof words);
    char room[NANO_LINE_MAX];
    nano_text_expand(&limit, maybe_noisy(s, c, limit_pattern(s, limits), room), of_limit);

    const nano_field fields[] = {{"n", sensor->name},
                                 {"v", n.value},
                                 {"u", unit.text},
                                 {"l", words},
                                 {"w", worked},
                                 {"min", min},
                                 {"max", max},
                                 {"lo", min == NULL ? "null" : min},
                                 {"hi", max == NULL ? "null" : max},
                                 {"both", min != NULL && max != NULL ? "" : NULL},
                                 {NULL, NULL}};
    nano_text_expand(text, pattern, fields);
    text->full = text->full || limit.full;
}

/* ---- Lists of sensors ---- */

static void shuffle(nano_random *random, int32_t *order, int32_t count)
{
    for (int32_t i = count - 1; i > 0; i--) {
        const int64_t other = nano_random_below(random, i + 1);
        const int32_t kept = order[i];
        order[i] = order[other];
        order[other] = kept;
    }
}

/* `known`: behind each sensor it is known how it compares, and it is told where the form has that. */
static void write_list(const style *s, const nano_case *c, const nano_list *patterns, told before, bool known,
                       bool shuffled, nano_text *text)
{
    int32_t order[NANO_SENSORS_MAX] = {0, 1, 2, 3, 4, 5};
    char pattern_room[NANO_LINE_MAX];
    char separator_room[NANO_LINE_MAX];
    const char *pattern = maybe_noisy(s, c, nano_list_pick(patterns, s->random), pattern_room);
    const char *separator = s->json ? ", " : nano_list_pick(&s->words->separators, s->random);
    if (c->noisy && !s->json && nano_random_chance(s->random, 60))
        separator = nano_noise_separator(s->random, s->words, separator_room);
    if (shuffled)
        shuffle(s->random, order, c->count);
    for (int32_t i = 0; i < c->count; i++) {
        const nano_sensor *sensor = &c->sensors[order[i]];
        if (i > 0)
            nano_text_add(text, separator, strlen(separator));
        write_sensor(s, c, order[i], pattern, before, text);
        if (known)
            mark(text, NANO_HINT_DISTANCE, nano_hint_of_distance(&sensor->distance));
        if (known && c->form == NANO_EXPLAINED)
            write_sensor(s, c, order[i], s->verdict, before, text);
    }
}

/* ---- The whole prompt ---- */

static void write_instruction(const style *s, nano_text *text)
{
    int32_t order[NANO_SEVERITIES] = {0, 1, 2};
    if (nano_random_chance(s->random, 15))
        return;
    if (!nano_random_chance(s->random, 30))
        shuffle(s->random, order, NANO_SEVERITIES);
    const nano_field names[] = {{"1", nano_severity_name((nano_severity)order[0])},
                                {"2", nano_severity_name((nano_severity)order[1])},
                                {"3", nano_severity_name((nano_severity)order[2])},
                                {NULL, NULL}};
    char labels[PIECE_MAX];
    nano_text list = nano_text_over(labels, sizeof labels);
    nano_text_expand(&list, nano_list_pick(&s->words->orders, s->random), names);
    const nano_field fields[] = {{"labels", labels}, {NULL, NULL}};
    nano_text_expand(text, nano_list_pick(&s->words->instructions, s->random), fields);
}

static void write_device(const style *s, nano_text *text)
{
    char number[16];
    snprintf(number, sizeof number, "%d", (int)nano_random_between(s->random, 1, 400));
    const nano_field fields[] = {{"k", number}, {NULL, NULL}};
    nano_text_expand(text, nano_list_pick(&s->words->devices, s->random), fields);
}

static void add_hint(nano_case *c, nano_hint hint)
{
    if (c->hint_count < NANO_HINTS_MAX)
        c->hints[c->hint_count++] = hint;
}

/* What is known behind the byte that was written last; of several kinds at one place all are kept, in their order. */
static void take_hint(nano_case *c, size_t size, const char *bytes)
{
    const nano_hint hint = {size - 1, (nano_hint_kind)(bytes[1] - 1), (uint8_t)bytes[2] - 1};
    if (size > 0)
        add_hint(c, hint);
}

/* Behind each word that comes after the last sensor. */
static void add_severities(nano_case *c)
{
    int32_t known = 0;
    for (int32_t i = 0; i < c->hint_count; i++)
        known += c->hints[i].kind == NANO_HINT_DISTANCE;
    if (known < c->count)
        return; /* the last sensor ends the prompt */
    for (size_t at = c->hints[c->hint_count - 1].at + 1; at + 1 < c->size; at++) {
        if (isalnum((unsigned char)c->prompt[at]) && !isalnum((unsigned char)c->prompt[at + 1]))
            add_hint(c, (nano_hint){at, NANO_HINT_SEVERITY, (int32_t)c->severity});
    }
}

/* No white space at the ends, and none twice where a part was left out; marks become hints. */
static void tidy(nano_case *c, nano_text *text)
{
    size_t to = 0;
    for (size_t from = 0; from < text->size; from++) {
        const char byte = text->data[from];
        const bool doubled = to > 0 && byte == ' ' && text->data[to - 1] == ' ';
        if (byte == MARK) {
            take_hint(c, to, text->data + from);
            from += 2;
        } else if (!doubled && (to > 0 || !isspace((unsigned char)byte))) {
            text->data[to++] = byte;
        }
    }
    while (to > 0 && isspace((unsigned char)text->data[to - 1]))
        to--;
    text->data[text->size = to] = '\0';
    c->size = to;
    /* behind the last byte it is the label that is asked for */
    while (c->hint_count > 0 && c->hints[c->hint_count - 1].at + 1 >= to)
        c->hint_count--;
}

typedef struct lists {
    char limits[LIST_MAX], readings[LIST_MAX], items[LIST_MAX];
} lists;

/* Fills what the frame names; verdicts stand behind whichever of limits and readings comes later, where both are known. */
static bool write_lists(const style *s, const nano_case *c, const char *frame, lists *ret)
{
    const nano_words *words = s->words;
    const char *limits_at = strstr(frame, "$limits");
    const char *readings_at = strstr(frame, "$readings");
    nano_text limits = nano_text_over(ret->limits, sizeof ret->limits);
    nano_text readings = nano_text_over(ret->readings, sizeof ret->readings);
    nano_text items = nano_text_over(ret->items, sizeof ret->items);
    if (c->form == NANO_WORKED) {
        write_list(s, c, &words->worked, TOLD_NOTHING, true, false, &readings);
    } else if (limits_at != NULL && readings_at != NULL) {
        const bool limits_last = limits_at > readings_at;
        const told before = limits_last ? TOLD_VALUE : TOLD_LIMITS;
        write_list(s, c, s->json ? &words->limit_items_json : &words->limit_items,
                   limits_last ? before : TOLD_NOTHING, limits_last, nano_random_chance(s->random, 30),
                   &limits);
        write_list(s, c, s->json ? &words->readings_json : &words->readings,
                   limits_last ? TOLD_NOTHING : before, !limits_last, false, &readings);
    } else {
        write_list(s, c, s->json ? &words->items_json : &words->items, TOLD_NOTHING, true, false, &items);
    }
    return !limits.full && !readings.full && !items.full;
}

static const char *draw_frame(style *s, const nano_case *c)
{
    const nano_words *words = s->words;
    if (c->form == NANO_WORKED)
        return nano_list_pick(&words->frames_worked, s->random);
    if (c->plain) {
        const char *frame;
        do
            frame = nano_list_pick(&words->frames_terse, s->random);
        while (c->together && strstr(frame, "$items") == NULL);
        return frame;
    }
    s->json = nano_random_chance(s->random, 15);
    const bool apart = nano_random_chance(s->random, 50) && !c->together;
    if (s->json)
        return nano_list_pick(apart ? &words->frames_lists_json : &words->frames_items_json, s->random);
    return nano_list_pick(apart ? &words->frames_lists : &words->frames_items, s->random);
}

bool nano_case_text(nano_random *random, const nano_words *words, nano_case *c)
{
    lists parts;
    char instruction[NANO_LINE_MAX + PIECE_MAX];
    char device[PIECE_MAX];
    style s = draw_style(random, words);
    c->hint_count = 0;
    draw_names(random, words, c);
    const char *frame = draw_frame(&s, c);
    if (!write_lists(&s, c, frame, &parts))
        return false;
    nano_text asked = nano_text_over(instruction, sizeof instruction);
    if (!c->plain)
        write_instruction(&s, &asked);
    nano_text of = nano_text_over(device, sizeof device);
    write_device(&s, &of);
    char ask_room[NANO_LINE_MAX];
    const char *ask = nano_random_chance(random, 8) ? "" : nano_list_pick(&words->asks, random);
    if (c->noisy && nano_random_chance(random, 40))
        ask = nano_noise_ask(random, words, ask_room);
    const nano_field fields[] = {{"i", instruction},
                                 {"d", device},
                                 {"limits", parts.limits},
                                 {"readings", parts.readings},
                                 {"items", parts.items},
                                 {"a", ask},
                                 {NULL, NULL}};
    nano_text prompt = nano_text_over(c->prompt, sizeof c->prompt);
    nano_text_expand(&prompt, frame, fields);
    tidy(c, &prompt);
    add_severities(c);
    return !prompt.full && !asked.full && !of.full;
}
