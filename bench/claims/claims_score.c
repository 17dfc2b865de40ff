/* One cell of the table: what the predictions for a test set come to. The same for language models, whose predictions
 * `smidge eval` wrote, and for simple methods, which write theirs in its form.
 *
 *     claims_score [--positive LABEL [--tune VALID-PREDICTIONS.jsonl]] [--json] [--set NAME=TEXT]... DATA.jsonl PREDICTIONS.jsonl
 *
 * Without a flag: the share that is right, with Wilson's interval, and, where ids tell how far a case is from its nearest limit,
 * the shares beyond and within 5 % of it. With --positive: F1 of that label, false and missed alarms, their intervals by
 * drawing groups of the data (or examples, where it has no groups) 2,000 times with replacement, seed 1. --tune takes the
 * probability from which the label is answered from other predictions, where F1 is best; else the likelier label is.
 * --json: exact matches, the same of those alone whose intent is not "none", and the share whose "intent" is right.
 *
 * One JSON object on standard output. Rows of data and predictions must be the same prompts in the same order; predictions may
 * be fewer.
 */
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "measure/evaluation.h"

enum { DRAWS = 2000, NEAR_LIMIT = 5000 /* thousandths of a percent */ };

typedef struct row {
    bool expected, answered; /* the positive label; of JSON: expected is an intent other than "none" */
    bool right, intent_right;
    double probability; /* of the positive label; -1: not told */
    int64_t apart;      /* -1: the id does not tell */
    int32_t group;      /* -1: none */
} row;

typedef struct rows {
    row *list;
    size_t count;
    const char **groups;
    int32_t group_count;
    json_t *kept; /* owns the groups' names */
} rows;

typedef struct counts {
    int64_t hit, missed, false_alarm, quiet;
} counts;

static void die(const char *what, const char *why)
{
    fprintf(stderr, "claims_score: %s: %s\n", what, why);
    exit(1);
}

static void *grown(void *list, size_t count, size_t size)
{
    void *more = (count & (count - 1)) != 0 ? list : realloc(list, (count == 0 ? 1 : 2 * count) * size);
    if (more == NULL)
        die("memory", "there is too little");
    return more;
}

/* ---- Reading --------------------------------------------------------------------------------------------- */

/* The next object; NULL at the end of the file. */
static json_t *next_object(FILE *file, const char *path)
{
    json_error_t fault;
    int first = getc(file);
    while (first == '\n' || first == ' ' || first == '\r')
        first = getc(file);
    if (first == EOF)
        return NULL;
    ungetc(first, file);
    json_t *object = json_loadf(file, JSON_DISABLE_EOF_CHECK, &fault);
    if (!json_is_object(object))
        die(path, object == NULL ? fault.text : "has a line that is no object");
    return object;
}

static const char *text_of(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

static bool same_text(const char *a, const char *b)
{
    return a != NULL && b != NULL && strcmp(a, b) == 0;
}

static int32_t group_of(rows *all, const json_t *data)
{
    const char *name = text_of(data, "group");
    if (name == NULL)
        return -1;
    for (int32_t i = all->group_count; i-- > 0;)
        if (strcmp(all->groups[i], name) == 0)
            return i;
    json_array_append(all->kept, json_object_get(data, "group"));
    all->groups = grown(all->groups, (size_t)all->group_count, sizeof *all->groups);
    all->groups[all->group_count] = name;
    return all->group_count++;
}

static void judge_intent(const json_t *prediction, row *one)
{
    const char *expected = text_of(prediction, "expected");
    const char *answered = text_of(prediction, "answered");
    json_t *wanted = expected != NULL ? json_loads(expected, 0, NULL) : NULL;
    json_t *got = answered != NULL ? json_loads(answered, 0, NULL) : NULL;
    one->intent_right = same_text(text_of(wanted, "intent"), text_of(got, "intent"));
    one->expected = !same_text(text_of(wanted, "intent"), "none");
    json_decref(wanted);
    json_decref(got);
}

static row row_of(const json_t *prediction, const char *positive)
{
    row one = {.right = json_is_true(json_object_get(prediction, "right")), .apart = -1, .group = -1};
    const json_t *probability = json_object_get(json_object_get(prediction, "probabilities"), positive);
    one.expected = same_text(text_of(prediction, "expected"), positive);
    one.answered = same_text(text_of(prediction, "answered"), positive);
    one.probability = json_is_number(probability) ? json_number_value(probability) : -1;
    return one;
}

static void add_row(rows *all, row one)
{
    all->list = grown(all->list, all->count, sizeof *all->list);
    all->list[all->count++] = one;
}

static FILE *open_file(const char *path)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        die(path, "cannot be read");
    return file;
}

/* data_path NULL: predictions alone. */
static rows read_rows(const char *data_path, const char *path, const char *positive, bool json)
{
    rows all = {.kept = json_array()};
    FILE *data_file = data_path != NULL ? open_file(data_path) : NULL;
    FILE *file = open_file(path);
    for (json_t *prediction; (prediction = next_object(file, path)) != NULL;) {
        row one = row_of(prediction, positive != NULL ? positive : "");
        json_t *data = data_file != NULL ? next_object(data_file, data_path) : NULL;
        if (data_file != NULL && !same_text(text_of(data, "prompt"), text_of(prediction, "prompt")))
            die(path, "is not of these data: prompts differ (make both again)");
        if (data != NULL) {
            const char *id = text_of(data, "id");
            const char *apart = id != NULL ? strstr(id, "-apart") : NULL;
            one.apart = apart != NULL ? strtoll(apart + strlen("-apart"), NULL, 10) : -1;
            one.group = group_of(&all, data);
        }
        if (json)
            judge_intent(prediction, &one);
        add_row(&all, one);
        json_decref(data);
        json_decref(prediction);
    }
    fclose(file);
    if (data_file != NULL)
        fclose(data_file);
    if (all.count == 0)
        die(path, "has no predictions");
    return all;
}

static void free_rows(rows *all)
{
    json_decref(all->kept);
    free(all->groups);
    free(all->list);
}

/* ---- Shares ---------------------------------------------------------------------------------------------- */

static json_t *interval_json(double value, double low, double high, size_t count)
{
    return json_pack("{s:f, s:f, s:f, s:I}", "value", value, "low", low, "high", high, "count",
                     (json_int_t)count);
}

static void put_share(json_t *metrics, const char *name, int64_t right, int64_t count)
{
    if (count == 0)
        return;
    const smg_interval share = smg_interval_of_share(right, count);
    json_object_set_new(metrics, name, interval_json(share.value, share.low, share.high, (size_t)count));
}

static void put_accuracy(json_t *metrics, const rows *all)
{
    int64_t right[3] = {0}; /* all, beyond 5 % of a limit, within */
    int64_t count[3] = {(int64_t)all->count};
    for (size_t i = 0; i < all->count; i++) {
        const row *one = &all->list[i];
        const int band = one->apart > NEAR_LIMIT ? 1 : 2;
        right[0] += one->right;
        if (one->apart >= 0) {
            right[band] += one->right;
            count[band]++;
        }
    }
    put_share(metrics, "accuracy", right[0], count[0]);
    put_share(metrics, "beyond", right[1], count[1]);
    put_share(metrics, "within", right[2], count[2]);
}

static void put_json(json_t *metrics, const rows *all)
{
    int64_t exact = 0;
    int64_t intent = 0;
    int64_t home = 0; /* answers with an intent of their own, which may have slots */
    int64_t home_exact = 0;
    for (size_t i = 0; i < all->count; i++) {
        const row *one = &all->list[i];
        exact += one->right;
        intent += one->intent_right;
        home += one->expected;
        home_exact += one->expected && one->right;
    }
    put_share(metrics, "intent", intent, (int64_t)all->count);
    put_share(metrics, "exact", exact, (int64_t)all->count);
    put_share(metrics, "exact_home", home_exact, home);
}

/* ---- F1, false and missed alarms ------------------------------------------------------------------------- */

static double f1_of(const counts *c)
{
    const int64_t all = 2 * c->hit + c->missed + c->false_alarm;
    return all > 0 ? 2.0 * (double)c->hit / (double)all : 0;
}

/* FAR and MAR as the Skoltech Anomaly Benchmark has them: false alarms among what is normal, misses among anomalies. */
static double false_rate(const counts *c)
{
    return c->false_alarm + c->quiet > 0 ? (double)c->false_alarm / (double)(c->false_alarm + c->quiet) : 0;
}

static double missed_rate(const counts *c)
{
    return c->hit + c->missed > 0 ? (double)c->missed / (double)(c->hit + c->missed) : 0;
}

static void count_row(counts *c, const row *one)
{
    c->hit += one->expected && one->answered;
    c->missed += one->expected && !one->answered;
    c->false_alarm += !one->expected && one->answered;
    c->quiet += !one->expected && !one->answered;
}

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15); /* SplitMix64 */
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static int rising(const void *a, const void *b)
{
    const double first = *(const double *)a;
    const double second = *(const double *)b;
    return first < second ? -1 : first > second ? 1 : 0;
}

static void put_interval(json_t *metrics, const char *name, double value, double *drawn, size_t count)
{
    qsort(drawn, DRAWS, sizeof *drawn, rising);
    json_object_set_new(metrics, name,
                        interval_json(value, drawn[DRAWS / 40], drawn[DRAWS - 1 - DRAWS / 40], count));
}

/* The units that are drawn: groups where there are any, else each row. */
static counts *units_of(const rows *all, size_t *ret_count)
{
    const bool grouped = all->group_count > 0;
    const size_t count = grouped ? (size_t)all->group_count : all->count;
    counts *units = calloc(count, sizeof *units);
    if (units == NULL)
        die("memory", "there is too little");
    for (size_t i = 0; i < all->count; i++) {
        if (grouped && all->list[i].group < 0)
            die("data", "some rows have a group and some have none");
        count_row(&units[grouped ? (size_t)all->list[i].group : i], &all->list[i]);
    }
    *ret_count = count;
    return units;
}

static void put_f1(json_t *metrics, const rows *all)
{
    static double f1[DRAWS];
    static double far[DRAWS];
    static double mar[DRAWS];
    size_t unit_count;
    uint64_t state = 1;
    counts total = {0};
    counts *units = units_of(all, &unit_count);
    for (size_t i = 0; i < all->count; i++)
        count_row(&total, &all->list[i]);
    for (int draw = 0; draw < DRAWS; draw++) {
        counts drawn = {0};
        for (size_t i = 0; i < unit_count; i++) {
            const counts *unit = &units[next_random(&state) % unit_count];
            drawn.hit += unit->hit;
            drawn.missed += unit->missed;
            drawn.false_alarm += unit->false_alarm;
            drawn.quiet += unit->quiet;
        }
        f1[draw] = f1_of(&drawn);
        far[draw] = false_rate(&drawn);
        mar[draw] = missed_rate(&drawn);
    }
    put_interval(metrics, "f1", f1_of(&total), f1, all->count);
    put_interval(metrics, "false_alarms", false_rate(&total), far, all->count);
    put_interval(metrics, "missed_alarms", missed_rate(&total), mar, all->count);
    const counts always = {.hit = total.hit + total.missed, .false_alarm = total.false_alarm + total.quiet};
    json_object_set_new(metrics, "f1_always", json_real(f1_of(&always))); /* of who always says the label */
    json_object_set_new(metrics, "units", json_integer((json_int_t)unit_count));
    free(units);
}

/* Where F1 of `all` is best when a probability of at least that is answered positive. */
static double best_threshold(rows *all)
{
    double best = 0.5;
    double best_f1 = -1;
    double *tried = calloc(all->count, sizeof *tried);
    if (tried == NULL)
        die("memory", "there is too little");
    for (size_t i = 0; i < all->count; i++) {
        tried[i] = all->list[i].probability;
        if (tried[i] < 0)
            die("--tune", "these predictions have no probabilities");
    }
    qsort(tried, all->count, sizeof *tried, rising);
    for (size_t t = 0; t < all->count; t++) {
        counts c = {0};
        if (t > 0 && tried[t] == tried[t - 1])
            continue;
        for (size_t i = 0; i < all->count; i++) {
            all->list[i].answered = all->list[i].probability >= tried[t];
            count_row(&c, &all->list[i]);
        }
        if (f1_of(&c) > best_f1) {
            best_f1 = f1_of(&c);
            /* between this one and the one below: what is new lies between, too */
            best = t > 0 ? (tried[t] + tried[t - 1]) / 2 : tried[t];
        }
    }
    free(tried);
    return best;
}

static void tune(rows *all, const char *path, const char *positive, json_t *cell)
{
    rows other = read_rows(NULL, path, positive, false);
    const double threshold = best_threshold(&other);
    for (size_t i = 0; i < all->count; i++) {
        if (all->list[i].probability < 0)
            die("--tune", "these predictions have no probabilities");
        all->list[i].answered = all->list[i].probability >= threshold;
        all->list[i].right = all->list[i].answered == all->list[i].expected;
    }
    json_object_set_new(cell, "threshold", json_real(threshold));
    free_rows(&other);
}

/* ---- The program ----------------------------------------------------------------------------------------- */

static int misused(void)
{
    fputs(
        "usage: claims_score [--positive LABEL [--tune VALID.jsonl]] [--json] [--set NAME=TEXT]... DATA.jsonl "
        "PREDICTIONS.jsonl\n",
        stderr);
    return 2;
}

static void set_member(json_t *cell, char *text)
{
    char *value = strchr(text, '=');
    if (value == NULL)
        die(text, "is no NAME=TEXT");
    *value++ = '\0';
    json_object_set_new(cell, text, json_string(value));
}

int main(int argc, char **argv)
{
    const char *positive = NULL;
    const char *valid = NULL;
    bool json = false;
    json_t *cell = json_object();
    int at = 1;
    for (; at < argc && argv[at][0] == '-'; at++) {
        const bool more = at + 1 < argc;
        if (strcmp(argv[at], "--json") == 0)
            json = true;
        else if (strcmp(argv[at], "--positive") == 0 && more)
            positive = argv[++at];
        else if (strcmp(argv[at], "--tune") == 0 && more)
            valid = argv[++at];
        else if (strcmp(argv[at], "--set") == 0 && more)
            set_member(cell, argv[++at]);
        else
            return misused();
    }
    if (argc - at != 2 || (valid != NULL && positive == NULL) || (json && positive != NULL))
        return misused();
    rows all = read_rows(argv[at], argv[at + 1], positive, json);
    json_t *metrics = json_object();
    if (valid != NULL)
        tune(&all, valid, positive, cell);
    if (positive != NULL)
        put_f1(metrics, &all);
    if (json)
        put_json(metrics, &all);
    else
        put_accuracy(metrics, &all);
    json_object_set_new(cell, "metrics", metrics);
    json_dumpf(cell, stdout, JSON_INDENT(1) | JSON_SORT_KEYS | JSON_REAL_PRECISION(8));
    putchar('\n');
    json_decref(cell);
    free_rows(&all);
    return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
}
