/* The samples of one model as a markdown table on standard output, and as a plot.
 *
 *     bench_report SAMPLES.csv TITLE [PLOT.svg]
 *
 * Of each test the median of all rounds, and half the distance between its quartiles. See bench/README.md for how to read
 * it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "bench_report/plot.h"
#include "bench_report/rows.h"

static void print_machine(const samples *from)
{
    static const struct {
        const char *name;
        const char *title;
        const char *unit;
        double scale;
    } lines[] = {{"read", "Reading memory", "GB/s", 1.0},
                 {"read-weights", "Reading as many bytes as the weights, again and again", "GB/s", 1.0},
                 {"dot", "8-bit dot products, vector units", "TOP/s", 1e-3},
                 {"dot-matrix", "8-bit dot products, matrix unit", "TOP/s", 1e-3}};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        const char *separator = ": ";
        for (int threads = 0; (threads = samples_next_threads(from, threads)) > 0;) {
            summary value = samples_summary(from, "machine", lines[i].name, threads);
            if (value.count == 0)
                continue;
            if (separator[0] == ':')
                printf("- %s", lines[i].title);
            printf("%s%.3g %s with %d %s", separator, value.largest * lines[i].scale, lines[i].unit, threads,
                   threads == 1 ? "thread" : "threads");
            separator = ", ";
        }
        if (separator[0] == ',')
            putchar('\n');
    }
    summary others = samples_summary(from, "machine", "others", 0);
    if (others.count > 0)
        printf("- Other programs took %.0f %% of the processors' time (in the worst round %.0f %%)\n",
               others.median, others.largest);
}

static void print_value(const row *one, int which)
{
    const summary *value = &one->values[which];
    if (value->count == 0)
        printf(" |");
    else
        printf(" %.4g %s ±%.0f %% |", value->median, one->unit, 100.0 * value->spread);
}

static void print_share(const row *one, int which)
{
    double share = row_share(one, (engine)which);
    if (share == 0.0 || one->values[which].count == 0)
        printf(" |");
    else if (one->higher_is_better)
        printf(" %.0f %% |", 100.0 * share);
    else
        printf(" x%.2f |", share);
}

static void print_row(const row *one, const rows *table)
{
    printf("| %s |", one->title);
    if (one->threads == ROW_BEST)
        printf(" best |");
    else
        printf(" %d |", one->threads);
    for (int i = 0; i < ENGINES; i++) {
        if (table->engines[i])
            print_value(one, i);
    }
    for (int i = ENGINE_LLAMA; i < ENGINES; i++) {
        double ratio = row_ratio(one, (engine)i);
        if (table->engines[i] && ratio > 0.0)
            printf(" **%.2f** |", ratio);
        else if (table->engines[i])
            printf(" |");
    }
    for (int i = 0; i < ENGINES; i++) {
        if (table->engines[i])
            print_share(one, i);
    }
    putchar('\n');
}

static void print_table(const rows *table)
{
    int columns = 2;
    printf("| test | threads |");
    for (int i = 0; i < ENGINES; i++)
        if (table->engines[i])
            columns += printf(" %s |", engine_titles[i]) > 0;
    for (int i = ENGINE_LLAMA; i < ENGINES; i++)
        if (table->engines[i])
            columns += printf(" times better than %s |", engine_titles[i]) > 0;
    for (int i = 0; i < ENGINES; i++)
        if (table->engines[i])
            columns += printf(" %s of limit |", engine_titles[i]) > 0;
    printf("\n|");
    for (int i = 0; i < columns; i++)
        printf("---|");
    putchar('\n');
    for (size_t i = 0; i < table->count; i++)
        print_row(&table->all[i], table);
}

int main(int argc, char **argv)
{
    static rows table;
    if (argc < 3) {
        fputs("usage: bench_report SAMPLES.csv TITLE [PLOT.svg]\n", stderr);
        return 2;
    }
    samples all = samples_read(argv[1]);
    rows_collect(&all, &table);
    printf("### %s\n\n", argv[2]);
    print_machine(&all);
    putchar('\n');
    print_table(&table);
    if (argc > 3) {
        FILE *file = fopen(argv[3], "w");
        if (file == NULL) {
            perror(argv[3]);
            return 1;
        }
        plot_write(&table, argv[2], file);
        if (fclose(file) != 0) {
            perror(argv[3]);
            return 1;
        }
    }
    free(all.all);
    return 0;
}
