/* The table of claims from its cells, as markdown on standard output.
 *
 *     claims_table [--quick] MANIFEST        lines: ROW, COLUMN, path of the cell or nothing, why there is none; tab-separated
 *
 * Verdicts compare what stands in the cells; nothing here is measured. See bench/claims/README.md for how to read it.
 */
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_CELLS = 200, MOST_MINUTES = 20 };

typedef enum row_kind { ZERO_SHOT, TUNED, SIMPLE, OTHER_TYPE } row_kind;

typedef struct row_title {
    const char *name;
    row_kind kind;
    const char *title;
} row_title;

static const row_title rows[] = {
    {"smol-zero", ZERO_SHOT, "SmolLM2-135M, zero-shot (1)"},
    {"gemma-zero", ZERO_SHOT, "Gemma 3 270M, zero-shot"},
    {"smol-tuned", TUNED, "SmolLM2-135M, tuned (1)"},
    {"gemma-tuned", TUNED, "Gemma 3 270M, tuned"},
    {"nano", TUNED, "smidge-nano (2)"},
    {"rules", SIMPLE, "limits by rule"},
    {"logistic", SIMPLE, "logistic regression"},
    {"boosting", SIMPLE, "gradient boosting"},
    {"forest", SIMPLE, "isolation forest"},
    {"crf", SIMPLE, "logistic regression and CRF"},
    {"nano-f16", OTHER_TYPE, "nano, F16"},
    {"nano-q8_0", OTHER_TYPE, "nano, Q8_0"},
    {"nano-q4_k_m", OTHER_TYPE, "nano, Q4_K_M"},
    {"nano-q4_0", OTHER_TYPE, "nano, Q4_0"},
    {"nano-q2_k", OTHER_TYPE, "nano, Q2_K"},
};
enum { ROWS = sizeof rows / sizeof *rows };

typedef struct metric {
    const char *column, *name, *title;
    const char *task; /* for verdicts; NULL: none is given on it */
} metric;

static const metric metrics[] = {
    {"worked", "accuracy", "thresholds, worked out", "thresholds, worked out"},
    {"raw", "accuracy", "thresholds, raw", "thresholds, raw"},
    {"raw", "beyond", "raw, beyond 5 % of a limit", NULL},
    {"raw", "within", "raw, within 5 %", NULL},
    {"skab", "f1", "SKAB, F1", "anomalies of a pump (SKAB)"},
    {"ai4i", "f1", "AI4I, F1", "failures of a machine (AI4I)"},
    {"commands", "intent", "intent", "intents of commands"},
    {"commands", "exact_home", "exact JSON, home commands", "commands for the home to JSON"},
    {"commands", "exact", "exact JSON, all", "all commands to JSON"},
};
enum { METRICS = sizeof metrics / sizeof *metrics };

typedef struct cell {
    char row[32], column[32], why[128];
    json_t *content; /* NULL: why says */
} cell;

typedef struct table {
    cell cells[MOST_CELLS];
    size_t count;
    bool quick;
} table;

typedef struct value {
    bool there;
    double value, low, high;
} value;

/* ---- Reading --------------------------------------------------------------------------------------------- */

static void die(const char *what, const char *why)
{
    fprintf(stderr, "claims_table: %s: %s\n", what, why);
    exit(1);
}

/* The text up to the next tab or the end of the line; what is behind it is left in *at. */
static const char *next_field(char **at)
{
    char *field = *at;
    char *end = field + strcspn(field, "\t\n");
    *at = *end == '\0' ? end : end + 1;
    *end = '\0';
    return field;
}

static void read_manifest(const char *path, table *all)
{
    char line[4096];
    FILE *file = fopen(path, "re");
    if (file == NULL)
        die(path, "cannot be read");
    while (fgets(line, sizeof line, file) != NULL) {
        char *at = line;
        json_error_t fault;
        if (all->count == MOST_CELLS)
            die(path, "has too many lines");
        cell *one = &all->cells[all->count++];
        snprintf(one->row, sizeof one->row, "%.31s", next_field(&at));
        snprintf(one->column, sizeof one->column, "%.31s", next_field(&at));
        const char *content = next_field(&at);
        snprintf(one->why, sizeof one->why, "%.127s", next_field(&at));
        if (*content == '\0')
            continue;
        one->content = json_load_file(content, 0, &fault);
        if (!json_is_object(json_object_get(one->content, "metrics")))
            die(content, "is no cell (remove it, and it is made again)");
    }
    fclose(file);
}

static const cell *find(const table *all, const char *row, const char *column)
{
    for (size_t i = 0; i < all->count; i++)
        if (strcmp(all->cells[i].row, row) == 0 && strcmp(all->cells[i].column, column) == 0)
            return &all->cells[i];
    return NULL;
}

static value value_of(const table *all, const char *row, const char *column, const char *name)
{
    const cell *one = find(all, row, column);
    const json_t *interval =
        one != NULL ? json_object_get(json_object_get(one->content, "metrics"), name) : NULL;
    value ret = {.there = json_is_object(interval)};
    ret.value = json_number_value(json_object_get(interval, "value"));
    ret.low = json_number_value(json_object_get(interval, "low"));
    ret.high = json_number_value(json_object_get(interval, "high"));
    return ret;
}

static const char *text_of(const cell *one, const char *name)
{
    const char *text = one != NULL ? json_string_value(json_object_get(one->content, name)) : NULL;
    return text != NULL ? text : "";
}

/* ---- Comparing ------------------------------------------------------------------------------------------- */

/* The best of the rows of some kinds (bits 1 << row_kind); -1 where none is there. */
static int best_of(const table *all, const metric *which, unsigned kinds)
{
    int best = -1;
    double most = -1;
    for (int r = 0; r < ROWS; r++) {
        const value v = value_of(all, rows[r].name, which->column, which->name);
        if ((kinds >> rows[r].kind & 1) != 0 && v.there && v.value > most) {
            most = v.value;
            best = r;
        }
    }
    return best;
}

#define LANGUAGE (1U << ZERO_SHOT | 1U << TUNED)
#define ALL_BUT_TYPES (LANGUAGE | 1U << SIMPLE)

static const metric *metric_named(const char *column, const char *name)
{
    for (int m = 0; m < METRICS; m++)
        if (strcmp(metrics[m].column, column) == 0 && strcmp(metrics[m].name, name) == 0)
            return &metrics[m];
    return NULL;
}

/* ---- The table ------------------------------------------------------------------------------------------- */

static void print_value(value v, bool bold)
{
    const char *mark = bold ? "**" : "";
    printf(" %s%.1f%s [%.1f, %.1f] |", mark, 100 * v.value, mark, 100 * v.low, 100 * v.high);
}

static void print_cell(const table *all, const row_title *row, const metric *which, bool bold)
{
    const cell *one = find(all, row->name, which->column);
    const value v = value_of(all, row->name, which->column, which->name);
    if (v.there)
        print_value(v, bold);
    else if (one == NULL || one->content != NULL || strcmp(one->why, "-") == 0)
        printf(" – |");
    else
        printf(" %s |", one->why);
}

static void print_rows(const table *all, unsigned kinds)
{
    printf("| percent [95 %% interval] |");
    for (int m = 0; m < METRICS; m++)
        printf(" %s |", metrics[m].title);
    printf("\n|---|");
    for (int m = 0; m < METRICS; m++)
        printf("---:|");
    putchar('\n');
    for (int r = 0; r < ROWS; r++) {
        if ((kinds >> rows[r].kind & 1) == 0)
            continue;
        printf("| %s |", rows[r].title);
        for (int m = 0; m < METRICS; m++)
            print_cell(all, &rows[r], &metrics[m], best_of(all, &metrics[m], kinds) == r);
        putchar('\n');
    }
}

/* ---- Verdicts -------------------------------------------------------------------------------------------- */

static void print_verdict(const table *all, const metric *which)
{
    const int language = best_of(all, which, LANGUAGE);
    const int simple = best_of(all, which, 1U << SIMPLE);
    printf("- %s: ", which->task);
    if (language < 0 || simple < 0) {
        if (simple >= 0)
            printf("best simple method %s, %.1f %%; ", rows[simple].title,
                   100 * value_of(all, rows[simple].name, which->column, which->name).value);
        printf("%s not run yet.\n", language < 0 ? "language models" : "simple methods");
        return;
    }
    const value of_it = value_of(all, rows[language].name, which->column, which->name);
    const value other = value_of(all, rows[simple].name, which->column, which->name);
    printf("best language model %s, %.1f %%; best simple method %s, %.1f %%: ", rows[language].title,
           100 * of_it.value, rows[simple].title, 100 * other.value);
    if (of_it.low > other.value)
        printf("the language model is better.\n");
    else if (of_it.value >= other.value)
        printf("the language model is ahead, but its interval reaches below the simple method.\n");
    else if (of_it.high >= other.value)
        printf(
            "**the simple method is ahead**, within the language model's interval: use the simple method.\n");
    else
        printf("**the language model loses: use the simple method.**\n");
}

static void print_must(const char *what, bool known, bool met, const char *numbers)
{
    printf("| %s | %s | %s |\n", what, known ? met ? "pass" : "**fail**" : "not run yet", numbers);
}

static void must_reach(const table *all, const char *what, const char *column, const char *name, double least)
{
    char numbers[128] = "";
    const value v = value_of(all, "nano", column, name);
    if (v.there)
        snprintf(numbers, sizeof numbers, "%.2f %% [%.2f, %.2f]", 100 * v.value, 100 * v.low, 100 * v.high);
    print_must(what, v.there, v.value >= least, numbers);
}

/* The best tuned model against a number, or against the best simple method's. */
static void must_of_tuned(const table *all, const char *what, const metric *which, double least, double more)
{
    char numbers[256] = "";
    const int tuned = best_of(all, which, 1U << TUNED);
    const int simple = best_of(all, which, 1U << SIMPLE);
    const bool known = tuned >= 0 && (least > 0 || simple >= 0);
    bool met = false;
    if (known) {
        const value v = value_of(all, rows[tuned].name, which->column, which->name);
        const value other =
            simple >= 0 ? value_of(all, rows[simple].name, which->column, which->name) : (value){0};
        /* with nothing more to reach, an interval that includes the other one's value will do */
        met = least > 0 ? v.value >= least : more > 0 ? v.value >= other.value + more : v.high >= other.value;
        snprintf(numbers, sizeof numbers, "%s: %.1f %% [%.1f, %.1f]", rows[tuned].title, 100 * v.value,
                 100 * v.low, 100 * v.high);
        const size_t used = strlen(numbers);
        if (simple >= 0)
            snprintf(numbers + used, sizeof numbers - used, "; %s: %.1f %%", rows[simple].title,
                     100 * other.value);
    }
    print_must(what, known, met, numbers);
}

static void print_musts(const table *all)
{
    puts("\n## What must hold\n\n| | | |\n|---|---|---|");
    must_reach(all, "nano, numeric work done by templates: at least 99.5 %", "worked", "accuracy", 0.995);
    must_reach(all, "nano, raw text beyond 5 % of a limit: at least 97 %", "raw", "beyond", 0.97);
    must_reach(all, "nano, the same: aim of 99.5 %", "raw", "beyond", 0.995);
    must_reach(all, "nano, raw text within 5 % of a limit: reported", "raw", "within", 0);
    must_of_tuned(all, "intent, best of the tuned models: at least 95 %", metric_named("commands", "intent"),
                  0.95, 0);
    must_of_tuned(all, "exact JSON of home commands: the CRF's and 3 points more",
                  metric_named("commands", "exact_home"), 0, 0.03);
    must_of_tuned(all, "exact JSON of home commands: aim of 88 %", metric_named("commands", "exact_home"),
                  0.88, 0);
    must_of_tuned(all, "SKAB: the tuned model's interval includes or beats the best simple method",
                  metric_named("skab", "f1"), 0, 0);
}

/* ---- SKAB ------------------------------------------------------------------------------------------------ */

/* README.md of github.com/waico/SKAB, commit b2c0d46c2971dcbfe71e26087b6d231998bb91c2, "Outlier detection problem". */
static const struct {
    const char *name;
    double f1, far, mar;
} published[] = {
    {"Conv-AE", 0.78, 13.55, 28.02},
    {"MSET", 0.78, 39.73, 14.13},
    {"T-squared+Q (PCA-based)", 0.76, 26.62, 24.92},
    {"LSTM-AE", 0.74, 29.96, 25.92},
    {"T-squared", 0.66, 19.21, 42.6},
    {"LSTM-VAE", 0.56, 9.13, 55.03},
    {"Vanilla LSTM", 0.54, 12.54, 59.53},
    {"MSCRED", 0.36, 49.94, 69.88},
    {"Vanilla AE", 0.39, 2.59, 75.15},
    {"Isolation forest", 0.29, 2.56, 82.89},
};

/* F1 of who answers nothing but the label that is looked for. */
static double always_of(const cell *one)
{
    return json_number_value(json_object_get(json_object_get(one->content, "metrics"), "f1_always"));
}

static void print_skab(const table *all)
{
    double always = 0;
    puts("\n## SKAB beside its published table\n");
    puts("The published ones see no labels: each learns from the first 400 rows of an experiment what is");
    puts("normal there, and is tested on every second behind them. Ours (but the isolation forest, which");
    puts(
        "knows the share of anomalies alone) learn from 20 labelled experiments and are tested on 11 others,");
    puts("every tenth second behind the first 400 rows. **They may not be ranked in one list.**\n");
    puts("| | F1 | false alarms, % | missed alarms, % |\n|---|---:|---:|---:|");
    for (int r = 0; r < ROWS; r++) {
        const value f1 = value_of(all, rows[r].name, "skab", "f1");
        const value far = value_of(all, rows[r].name, "skab", "false_alarms");
        const value mar = value_of(all, rows[r].name, "skab", "missed_alarms");
        if (!f1.there || rows[r].kind == OTHER_TYPE)
            continue;
        always = always_of(find(all, rows[r].name, "skab"));
        printf("| %s | %.2f [%.2f, %.2f] | %.1f [%.1f, %.1f] | %.1f [%.1f, %.1f] |\n", rows[r].title,
               f1.value, f1.low, f1.high, 100 * far.value, 100 * far.low, 100 * far.high, 100 * mar.value,
               100 * mar.low, 100 * mar.high);
    }
    if (always > 0)
        printf("| *always ANOMALY* | %.2f | 100.0 | 0.0 |\n", always);
    for (size_t i = 0; i < sizeof published / sizeof *published; i++)
        printf("| *published: %s* | %.2f | %.2f | %.2f |\n", published[i].name, published[i].f1,
               published[i].far, published[i].mar);
    puts("\nPublished: I. D. Katser, V. O. Kozitsin, Skoltech Anomaly Benchmark, README.md of");
    puts("github.com/waico/SKAB, commit b2c0d46.");
}

/* ---- What fewer bits cost -------------------------------------------------------------------------------- */

static void print_types(const table *all)
{
    puts("\n## What fewer bits cost: nano in other types\n");
    print_rows(all, 1U << OTHER_TYPE);
    puts("\nPoints lost against F16, the most of all columns:\n");
    for (int r = 0; r < ROWS; r++) {
        double most = -1;
        const char *where = "";
        if (rows[r].kind != OTHER_TYPE || strcmp(rows[r].name, "nano-f16") == 0)
            continue;
        for (int m = 0; m < METRICS; m++) {
            const value v = value_of(all, rows[r].name, metrics[m].column, metrics[m].name);
            const value whole = value_of(all, "nano-f16", metrics[m].column, metrics[m].name);
            if (v.there && whole.there && whole.value - v.value > most) {
                most = whole.value - v.value;
                where = metrics[m].title;
            }
        }
        if (most > -1)
            printf("- %s: %.1f (%s)%s\n", rows[r].title, 100 * most, where,
                   most < 0.05 ? ": under 5, as the article says" : ": **not under 5, as the article says**");
        else
            printf("- %s: not run yet\n", rows[r].title);
    }
}

/* ---- What stands behind the cells ------------------------------------------------------------------------ */

static void print_cells(const table *all)
{
    puts("\n## The cells\n");
    puts("| row | column | tested on | learned from | minutes of training | limit chosen | when | program |");
    puts("|---|---|---:|---:|---:|---:|---|---|");
    for (size_t i = 0; i < all->count; i++) {
        const cell *one = &all->cells[i];
        const json_t *first = json_object_get(json_object_get(one->content, "metrics"),
                                              strcmp(one->column, "commands") == 0 ? "intent" : "accuracy");
        const json_t *threshold = json_object_get(one->content, "threshold");
        const char *minutes = text_of(one, "minutes");
        if (one->content == NULL)
            continue;
        printf("| %s | %s | %d | %s | %s%s | ", one->row, one->column,
               (int)json_integer_value(json_object_get(first, "count")), text_of(one, "learned"), minutes,
               strtod(minutes, NULL) > MOST_MINUTES ? " **(more than 20)**" : "");
        if (threshold != NULL)
            printf("%.3g", json_number_value(threshold));
        printf(" | %s | %s |\n", text_of(one, "when"), text_of(one, "version"));
    }
}

static void print_notes(const table *all)
{
    puts("# The article's claim, tested\n");
    puts("Made by `./dev claims`; [README.md](README.md) says what was done. Intervals: 95 %, Wilson's for");
    puts("shares, for F1 by drawing whole experiments (SKAB) or examples (AI4I) 2,000 times.\n");
    if (all->quick)
        puts("**Made with --quick, to try the machinery: these numbers say nothing.**\n");
    print_rows(all, ALL_BUT_TYPES);
    puts(
        "\n(1) The file that it was made from is in Q4_1: its base was born in 4 bits, and nothing here says");
    puts(
        "what more bits would give. (2) As it comes in the repository for thresholds and commands, which are");
    puts("in its training; with an adapter for SKAB and AI4I, which are not.\n");
    puts(
        "Larger models were asked every tenth of the 10,000 cases of thresholds. \"Worked out\": templates did");
    puts("the arithmetic. Simple methods are given the distances from the limits as numbers, where language");
    puts("models read text.\n");
    puts("## Verdicts\n");
    for (int m = 0; m < METRICS; m++)
        if (metrics[m].task != NULL)
            print_verdict(all, &metrics[m]);
}

int main(int argc, char **argv)
{
    static table all;
    int at = 1;
    if (at < argc && strcmp(argv[at], "--quick") == 0) {
        all.quick = true;
        at++;
    }
    if (argc - at != 1) {
        fputs("usage: claims_table [--quick] MANIFEST\n", stderr);
        return 2;
    }
    read_manifest(argv[at], &all);
    print_notes(&all);
    print_musts(&all);
    print_skab(&all);
    print_types(&all);
    print_cells(&all);
    for (size_t i = 0; i < all.count; i++)
        json_decref(all.cells[i].content);
    return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
}
