#include "plot.h"

#define LEFT 270.0  /* where bars begin */
#define WIDTH 400.0 /* of the longest */
#define RIGHT 200.0 /* for the value behind it */
#define TOP 74.0
#define BAR 13.0
#define GAP 11.0
#define BOTTOM 14.0
#define LONGEST 8.0 /* what is longer is cut off, and says so */

static const char *const colors[ENGINES] = {"#1f5fa8", "#a3a9b0", "#c98a3a"};

static void text(FILE *file, double x, double y, const char *attributes, const char *words)
{
    fprintf(file, "<text x=\"%.1f\" y=\"%.1f\" %s>", x, y, attributes);
    for (; *words != '\0'; words++) {
        if (*words == '<' || *words == '&')
            fputs(*words == '<' ? "&lt;" : "&amp;", file);
        else
            fputc(*words, file);
    }
    fputs("</text>\n", file);
}

/* How many times better than llama.cpp. */
static double length_of(const row *one, int which)
{
    double ours = row_ratio(one, ENGINE_LLAMA);
    double other = row_ratio(one, (engine)which);
    if (which == ENGINE_OURS)
        return ours;
    return other > 0.0 ? ours / other : 0.0;
}

static int bars_of(const row *one)
{
    int bars = 0;
    for (int i = 0; i < ENGINES; i++)
        bars += length_of(one, i) > 0.0;
    return bars;
}

static void draw_grid(FILE *file, double longest, double bottom)
{
    double step = longest > 12.0 ? 4.0 : longest > 6.0 ? 2.0 : longest > 3.0 ? 1.0 : 0.5;
    for (int i = 0; i * step <= longest; i++) {
        double x = LEFT + WIDTH * i * step / longest;
        char label[16];
        fprintf(file, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\"/>\n", x, TOP - 6.0,
                x, bottom, i * step == 1.0 ? "#888" : "#e2e2e2");
        snprintf(label, sizeof label, "%g", i * step);
        text(file, x, TOP - 10.0, "text-anchor=\"middle\" fill=\"#555\"", label);
    }
}

static void draw_legend(FILE *file, const rows *table)
{
    double x = LEFT;
    for (int i = 0; i < ENGINES; i++) {
        if (!table->engines[i])
            continue;
        fprintf(file, "<rect x=\"%.1f\" y=\"31\" width=\"12\" height=\"12\" fill=\"%s\"/>\n", x, colors[i]);
        text(file, x + 17.0, 41.5, "fill=\"#222\"", engine_titles[i]);
        x += 110.0;
    }
    text(file, LEFT + WIDTH + RIGHT - 14.0, 20.0, "text-anchor=\"end\" fill=\"#555\"",
         "how many times better than llama.cpp: longer is better");
}

/* Returns where the next row begins. */
static double draw_row(FILE *file, const row *one, double longest, double y)
{
    char label[128];
    double height = BAR * bars_of(one);
    if (one->threads == ROW_BEST)
        snprintf(label, sizeof label, "%s, each at its best", one->title);
    else
        snprintf(label, sizeof label, "%s, %d %s", one->title, one->threads,
                 one->threads == 1 ? "thread" : "threads");
    text(file, LEFT - 10.0, y + height / 2.0 + 4.0, "text-anchor=\"end\" fill=\"#222\"", label);
    for (int i = 0; i < ENGINES; i++) {
        double length = length_of(one, i);
        if (length <= 0.0)
            continue;
        double end = LEFT + WIDTH * (length < longest ? length : longest) / longest;
        fprintf(file, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\"/>\n", LEFT, y,
                end - LEFT, BAR - 1.0, colors[i]);
        int size = snprintf(label, sizeof label, "%.4g %s", one->values[i].median, one->unit);
        if (i == ENGINE_OURS)
            snprintf(label + size, sizeof label - (size_t)size, "  (%.2fx%s)", length,
                     length > longest ? ", cut off" : "");
        text(file, end + 5.0, y + BAR - 3.0,
             i == ENGINE_OURS ? "fill=\"#222\" font-weight=\"bold\"" : "fill=\"#222\"", label);
        y += BAR;
    }
    return y + GAP;
}

void plot_write(const rows *table, const char *title, FILE *file)
{
    double longest = 2.0;
    double height = TOP + BOTTOM;
    for (size_t i = 0; i < table->count; i++) {
        for (int k = 0; k < ENGINES; k++)
            longest = length_of(&table->all[i], k) > longest ? length_of(&table->all[i], k) : longest;
        longest = longest < LONGEST ? longest : LONGEST;
        height += row_ratio(&table->all[i], ENGINE_LLAMA) > 0.0 ? BAR * bars_of(&table->all[i]) + GAP : 0.0;
    }
    double width = LEFT + WIDTH + RIGHT;
    fprintf(
        file,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" width=\"%.0f\" height=\"%.0f\" "
        "font-family=\"sans-serif\" font-size=\"11\">\n"
        "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
        width, height, width, height);
    text(file, 14.0, 20.0, "font-size=\"14\" font-weight=\"bold\" fill=\"#111\"", title);
    draw_legend(file, table);
    draw_grid(file, longest, height - BOTTOM);
    double y = TOP;
    for (size_t i = 0; i < table->count; i++) {
        if (row_ratio(&table->all[i], ENGINE_LLAMA) > 0.0)
            y = draw_row(file, &table->all[i], longest, y);
    }
    fputs("</svg>\n", file);
}
