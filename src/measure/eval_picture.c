#include "measure/eval_picture.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "format/svg.h"

#define MARGIN 20.0
#define PANEL 330.0      /* width and height of a diagram inside its axes */
#define PANEL_LEFT 50.0  /* for what stands beside an axis … */
#define PANEL_BELOW 72.0 /* … and below it */
#define HEADING 40.0     /* above a diagram */
#define LABEL_MOST 20    /* characters of a label in a margin */

static const char *const colors[2] = {"#1f5fa8", "#c2571a"};

typedef struct drawing {
    smg_text_file out;
    const smg_eval_picture *picture;
    int32_t rows, columns; /* of the matrix */
    double cell;
    double matrix_x, matrix_y;
    double panels_x, panels_y; /* of the first diagram's axes */
    bool stacked;              /* diagrams stand above each other */
    double width, height;
} drawing;

static void discard_drawing(drawing *of)
{
    smg_text_file_discard(&of->out);
}

static int sides_of(const smg_eval_picture *picture)
{
    return picture->compared ? 2 : 1;
}

/* ---- Places ---------------------------------------------------------------------------------------------- */

/* Room for two numbers in a cell of up to twenty labels, then for one, then for a spot of color. */
static double cell_of(int32_t columns)
{
    if (columns <= 21)
        return fmin(76.0, fmax(34.0, 300.0 / columns));
    return fmax(9.0, 714.0 / columns);
}

static void place(drawing *of)
{
    const smg_class_report *classes = of->picture->sides[0].classes;
    const double titles = MARGIN + 22.0 * sides_of(of->picture) + 16.0;
    of->rows = classes->class_count;
    of->columns = classes->class_count + (classes->unanswered > 0 ? 1 : 0);
    of->cell = cell_of(of->columns);
    of->matrix_x = MARGIN + 140.0;
    of->matrix_y = titles + HEADING + 90.0;
    const double right = of->matrix_x + of->columns * of->cell;
    const double bottom = of->matrix_y + of->rows * of->cell;
    /* The last slanted label sticks out. */
    of->panels_x = right + 100.0 + PANEL_LEFT;
    of->panels_y = titles + HEADING;
    of->stacked = bottom > of->panels_y + 1.5 * PANEL;
    const int across = of->stacked ? 1 : 2;
    const int down = of->stacked ? 2 : 1;
    of->width =
        of->panels_x + across * (PANEL + PANEL_LEFT) + MARGIN - PANEL_LEFT + (across - 1) * MARGIN + 16.0;
    for (int i = 0; i < sides_of(of->picture); i++) /* about so wide are letters of the title */
        of->width = fmax(of->width, MARGIN + 8.6 * (double)(strlen(of->picture->sides[i].name) + 84));
    of->height = fmax(bottom, of->panels_y + down * (PANEL + PANEL_BELOW) + (down - 1) * HEADING) + MARGIN;
}

static void heading(drawing *of, double x, double y, const char *text)
{
    smg_svg_text(&of->out, x, y, "font-size=\"13\" font-weight=\"bold\" fill=\"#111\"", text);
}

/* ---- Titles ---------------------------------------------------------------------------------------------- */

static void draw_titles(drawing *of)
{
    for (int i = 0; i < sides_of(of->picture); i++) {
        const smg_eval_side *side = &of->picture->sides[i];
        const smg_interval *right = &side->classes->accuracy;
        const double y = MARGIN + 22.0 * i + 14.0;
        char text[512];
        char style[96];
        snprintf(style, sizeof style, "fill=\"%s\"", colors[i]);
        smg_svg_rectangle(&of->out, MARGIN, y - 11.0, 12.0, 12.0, style);
        snprintf(text, sizeof text,
                 "%.300s: accuracy %.2f %% of %" PRId64
                 " (95 %% interval %.2f to %.2f), calibration error %.1f %%",
                 side->name, 100.0 * right->value, side->classes->count, 100.0 * right->low,
                 100.0 * right->high, 100.0 * side->reliability->error);
        snprintf(style, sizeof style, "font-size=\"14\" font-weight=\"bold\" fill=\"%s\"",
                 of->picture->compared ? colors[i] : "#111");
        smg_svg_text(&of->out, MARGIN + 20.0, y, style, text);
    }
}

/* ---- Confusion ------------------------------------------------------------------------------------------- */

/* At most LABEL_MOST characters; never half of one. */
static void cut_label(const char *label, char *ret_cut, size_t room)
{
    size_t size = 0;
    int characters = 0;
    for (; label[size] != '\0' && characters < LABEL_MOST; characters++) {
        size++;
        while (((unsigned char)label[size] & 0xC0) == 0x80)
            size++;
    }
    snprintf(ret_cut, room, "%.*s%s", (int)size, label, label[size] != '\0' ? "…" : "");
}

static const char *column_label(const drawing *of, int32_t column)
{
    return column < of->rows ? of->picture->labels[column] : "no answer";
}

static void draw_matrix_labels(drawing *of)
{
    const double size = fmin(11.0, of->cell);
    char cut[4 * LABEL_MOST + 8];
    char style[128];
    for (int32_t i = 0; i < of->columns; i++) {
        const double x = of->matrix_x + (i + 0.5) * of->cell, y = of->matrix_y - 6.0;
        cut_label(column_label(of, i), cut, sizeof cut);
        snprintf(style, sizeof style, "font-size=\"%.1f\" fill=\"#222\" transform=\"rotate(-45 %.1f %.1f)\"",
                 size, x, y);
        smg_svg_text(&of->out, x, y, style, cut);
    }
    for (int32_t i = 0; i < of->rows; i++) {
        cut_label(of->picture->labels[i], cut, sizeof cut);
        snprintf(style, sizeof style, "font-size=\"%.1f\" text-anchor=\"end\" fill=\"#222\"", size);
        smg_svg_text(&of->out, of->matrix_x - 8.0, of->matrix_y + (i + 0.5) * of->cell + 0.36 * size, style,
                     cut);
    }
}

/* From white to blue where it is right, to orange where it is not. */
static void shade(double share, bool right, char *ret_style, size_t room)
{
    static const int ends[2][3] = {{0xc2, 0x57, 0x1a}, {0x1f, 0x5f, 0xa8}};
    int mixed[3];
    for (int i = 0; i < 3; i++)
        mixed[i] = (int)lround(255.0 + share * (ends[right][i] - 255));
    snprintf(ret_style, room, "fill=\"#%02x%02x%02x\"", mixed[0], mixed[1], mixed[2]);
}

static void draw_cell(drawing *of, int32_t row, int32_t column)
{
    const smg_class_report *classes = of->picture->sides[0].classes;
    const int64_t count = classes->confusion[(int64_t)row * (classes->class_count + 1) + column];
    const double share = (double)count / (double)classes->classes[row].expected;
    const double x = of->matrix_x + column * of->cell, y = of->matrix_y + row * of->cell;
    const char *ink = share > 0.55 ? "#fff" : "#222";
    char style[96];
    char text[64];
    smg_text_file_put(&of->out, "<g>");
    shade(share, row == column, style, sizeof style);
    smg_svg_rectangle(&of->out, x, y, of->cell, of->cell, style);
    if (of->cell >= 18.0) {
        const bool two = of->cell >= 34.0;
        const double middle = x + of->cell / 2.0;
        const double size = fmin(13.0, of->cell / 3.2);
        snprintf(style, sizeof style, "font-size=\"%.1f\" text-anchor=\"middle\" fill=\"%s\"", size, ink);
        snprintf(text, sizeof text, "%" PRId64, count);
        smg_svg_text(&of->out, middle, y + of->cell / 2.0 + (two ? -1.0 : 0.36 * size), style, text);
        snprintf(style, sizeof style, "font-size=\"%.1f\" text-anchor=\"middle\" fill=\"%s\"", 0.8 * size,
                 ink);
        snprintf(text, sizeof text, "%s%.0f %%", share < 0.01 ? "< " : "",
                 share < 0.01 ? 1.0 : 100.0 * share);
        if (two)
            smg_svg_text(&of->out, middle, y + of->cell / 2.0 + size, style, text);
    }
    smg_text_file_put(&of->out, "<title>");
    smg_svg_escape(&of->out, of->picture->labels[row]);
    smg_text_file_put(&of->out, ", answered ");
    smg_svg_escape(&of->out, column_label(of, column));
    smg_text_file_put(&of->out, ": %" PRId64 ", %.1f %%</title></g>\n", count, 100.0 * share);
}

static void draw_confusion(drawing *of)
{
    const smg_class_report *classes = of->picture->sides[0].classes;
    const double width = of->columns * of->cell, height = of->rows * of->cell;
    heading(of, MARGIN, of->panels_y - 16.0,
            of->picture->compared ? "Expected (down) and answered, the first model"
                                  : "Expected (down) and answered");
    smg_svg_text(&of->out, MARGIN, of->panels_y - 1.0, "fill=\"#555\"", "examples, and percent of their row");
    for (int32_t r = 0; r < of->rows; r++)
        for (int32_t c = 0; c < of->columns; c++)
            if (classes->confusion[(int64_t)r * (classes->class_count + 1) + c] > 0)
                draw_cell(of, r, c);
    for (int32_t i = 0; i <= of->rows; i++)
        smg_svg_line(&of->out, of->matrix_x, of->matrix_y + i * of->cell, of->matrix_x + width,
                     of->matrix_y + i * of->cell, "stroke=\"#e4e4e4\"");
    for (int32_t i = 0; i <= of->columns; i++)
        smg_svg_line(&of->out, of->matrix_x + i * of->cell, of->matrix_y, of->matrix_x + i * of->cell,
                     of->matrix_y + height, "stroke=\"#e4e4e4\"");
    draw_matrix_labels(of);
}

/* ---- Diagrams -------------------------------------------------------------------------------------------- */

/* Axes from 0 to 1 across and from `low` to 1 up. */
typedef struct axes {
    double x, y; /* the upper left corner */
    double low;
} axes;

static double across(const axes *in, double value)
{
    return in->x + PANEL * value;
}

static double up(const axes *in, double value)
{
    return in->y + PANEL * (1.0 - (fmax(value, in->low) - in->low) / (1.0 - in->low));
}

static void draw_axes(drawing *of, const axes *in, const char *bottom, const char *left)
{
    char text[32];
    char style[128];
    const double step = smg_svg_round_step(1.0 - in->low, 5);
    for (int i = 0; i <= 5; i++) {
        snprintf(text, sizeof text, "%d %%", 20 * i);
        smg_svg_text(&of->out, across(in, 0.2 * i), in->y + PANEL + 16.0,
                     "text-anchor=\"middle\" fill=\"#555\"", text);
    }
    const int pieces = (int)lround((1.0 - in->low) / step);
    for (int i = 0; i <= pieces; i++) {
        const double value = 1.0 - i * (1.0 - in->low) / pieces;
        smg_svg_line(&of->out, in->x, up(in, value), in->x + PANEL, up(in, value), "stroke=\"#e4e4e4\"");
        snprintf(text, sizeof text, "%.3g %%", 100.0 * value);
        smg_svg_text(&of->out, in->x - 6.0, up(in, value) + 4.0, "text-anchor=\"end\" fill=\"#555\"", text);
    }
    smg_svg_line(&of->out, in->x, in->y + PANEL, in->x + PANEL, in->y + PANEL, "stroke=\"#888\"");
    smg_svg_text(&of->out, in->x + PANEL / 2.0, in->y + PANEL + 34.0, "text-anchor=\"middle\" fill=\"#222\"",
                 bottom);
    const double x = in->x - 40.0, y = in->y + PANEL / 2.0;
    snprintf(style, sizeof style, "text-anchor=\"middle\" fill=\"#222\" transform=\"rotate(-90 %.1f %.1f)\"",
             x, y);
    smg_svg_text(&of->out, x, y, style, left);
}

static void begin_line(drawing *of, int side)
{
    smg_text_file_put(&of->out, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"2\" points=\"",
                      colors[side]);
}

static void draw_dot(drawing *of, double x, double y, int side)
{
    smg_text_file_put(&of->out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>\n", x, y,
                      colors[side]);
}

/* How many answers a bin has, in the room of a bin. */
static void draw_bin_counts(drawing *of, const axes *in, int side)
{
    const smg_reliability *reliability = of->picture->sides[side].reliability;
    const double y = in->y + PANEL + 50.0 + 13.0 * side;
    char text[32];
    char style[96];
    snprintf(style, sizeof style, "font-size=\"8\" text-anchor=\"middle\" fill=\"%s\"", colors[side]);
    for (int i = 0; i < SMG_RELIABILITY_BINS; i++) {
        const int64_t count = reliability->bins[i].count;
        if (count == 0)
            continue;
        if (count < 10000)
            snprintf(text, sizeof text, "%" PRId64, count);
        else
            snprintf(text, sizeof text, "%" PRId64 "k", count / 1000);
        smg_svg_text(&of->out, across(in, (i + 0.5) / SMG_RELIABILITY_BINS), y, style, text);
    }
    smg_svg_text(&of->out, in->x - 6.0, y, "font-size=\"8\" text-anchor=\"end\" fill=\"#555\"", "answers");
}

/* The first model's bins are bars, the second one's a line over them. */
static void draw_reliability(drawing *of, const axes *in)
{
    const smg_reliability *first = of->picture->sides[0].reliability;
    heading(of, in->x - PANEL_LEFT + 10.0, in->y - 16.0, "Are confidences what they say?");
    draw_axes(of, in, "confidence", "right");
    for (int i = 0; i < SMG_RELIABILITY_BINS; i++) {
        const double x = across(in, (double)i / SMG_RELIABILITY_BINS);
        const double y = up(in, first->bins[i].accuracy);
        if (first->bins[i].count > 0)
            smg_svg_rectangle(&of->out, x + 1.0, y - 1.0, PANEL / SMG_RELIABILITY_BINS - 2.0,
                              in->y + PANEL - y + 1.0,
                              "fill=\"#1f5fa8\" fill-opacity=\"0.55\" stroke=\"#1f5fa8\"");
    }
    smg_svg_line(&of->out, in->x, in->y + PANEL, in->x + PANEL, in->y,
                 "stroke=\"#444\" stroke-dasharray=\"5 4\"");
    draw_bin_counts(of, in, 0);
    if (!of->picture->compared)
        return;
    const smg_reliability *second = of->picture->sides[1].reliability;
    begin_line(of, 1);
    for (int i = 0; i < SMG_RELIABILITY_BINS; i++)
        if (second->bins[i].count > 0)
            smg_text_file_put(&of->out, "%.1f,%.1f ", across(in, second->bins[i].confidence),
                              up(in, second->bins[i].accuracy));
    smg_text_file_put(&of->out, "\"/>\n");
    for (int i = 0; i < SMG_RELIABILITY_BINS; i++)
        if (second->bins[i].count > 0)
            draw_dot(of, across(in, second->bins[i].confidence), up(in, second->bins[i].accuracy), 1);
    draw_bin_counts(of, in, 1);
}

static void draw_abstain_line(drawing *of, const axes *in, int side)
{
    const smg_abstain_curve *curve = of->picture->sides[side].abstain;
    const smg_abstain_point *wanted = &curve->wanted;
    char text[96];
    char style[64];
    begin_line(of, side);
    for (int32_t i = 0; i < curve->point_count; i++)
        smg_text_file_put(&of->out, "%.1f,%.1f ", across(in, curve->points[i].share),
                          up(in, curve->points[i].accuracy));
    smg_text_file_put(&of->out, "\"/>\n");
    for (int32_t i = 0; i < curve->point_count; i++)
        draw_dot(of, across(in, curve->points[i].share), up(in, curve->points[i].accuracy), side);
    if (curve->reached) {
        smg_text_file_put(&of->out,
                          "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"7\" fill=\"none\" stroke=\"%s\" "
                          "stroke-width=\"2\"/>\n",
                          across(in, wanted->share), up(in, wanted->accuracy), colors[side]);
        snprintf(text, sizeof text, "%.3g %% right: --min-confidence %.4f, %.1f %% answered",
                 100.0 * of->picture->wanted_accuracy, wanted->threshold, 100.0 * wanted->share);
    } else {
        snprintf(text, sizeof text, "%.3g %% right: at no confidence", 100.0 * of->picture->wanted_accuracy);
    }
    snprintf(style, sizeof style, "fill=\"%s\"", colors[side]);
    smg_svg_text(&of->out, in->x, in->y + PANEL + 50.0 + 14.0 * side, style, text);
}

static void draw_abstain(drawing *of, const axes *in)
{
    heading(of, in->x - PANEL_LEFT + 10.0, in->y - 16.0, "What does abstaining buy?");
    draw_axes(of, in, "answered, the surest first", "right, of what is answered");
    smg_svg_line(&of->out, in->x, up(in, of->picture->wanted_accuracy), in->x + PANEL,
                 up(in, of->picture->wanted_accuracy), "stroke=\"#444\" stroke-dasharray=\"5 4\"");
    for (int i = sides_of(of->picture) - 1; i >= 0; i--)
        draw_abstain_line(of, in, i);
}

/* The least accuracy that is drawn, rounded down to a tenth; 90 % where all is above that. */
static double lowest(const smg_eval_picture *picture)
{
    double low = 0.9;
    for (int i = 0; i < sides_of(picture); i++)
        for (int32_t p = 0; p < picture->sides[i].abstain->point_count; p++)
            low = fmin(low, picture->sides[i].abstain->points[p].accuracy);
    return floor(10.0 * low + 1e-9) / 10.0;
}

smidge_status smg_eval_draw(const char *path, const smg_eval_picture *picture, smidge_error *error)
{
    SMG_CLEANUP(discard_drawing) drawing of = {.out = SMG_TEXT_FILE_CLOSED, .picture = picture};
    SMG_TRY(smg_text_file_create(path, &of.out, error));
    place(&of);
    smg_svg_begin(&of.out, of.width, of.height);
    draw_titles(&of);
    draw_confusion(&of);
    const axes first = {.x = of.panels_x, .y = of.panels_y};
    const axes second = {.x = of.stacked ? first.x : first.x + PANEL + PANEL_LEFT + MARGIN,
                         .y = of.stacked ? first.y + PANEL + PANEL_BELOW + HEADING : first.y,
                         .low = lowest(picture)};
    draw_reliability(&of, &first);
    draw_abstain(&of, &second);
    smg_svg_end(&of.out);
    return smg_text_file_finish(&of.out, error);
}
