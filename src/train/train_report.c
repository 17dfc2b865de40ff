#include "train/train_report.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "format/svg.h"

#define WIDTH 720.0
#define HEIGHT 400.0
#define LEFT 64.0
#define RIGHT 20.0
#define TOP 52.0
#define BOTTOM 44.0
/* Points of a line: more than this are drawn on top of each other. */
#define MOST_POINTS 600

/* ---- The log --------------------------------------------------------------------------------------------- */

static void put_number(smg_text_file *out, float value)
{
    if (isfinite(value))
        smg_text_file_put(out, ",%.7g", (double)value);
    else
        smg_text_file_put(out, ",");
}

smidge_status smg_train_write_log(const char *path, const smg_train_point *points, size_t count,
                                  smidge_error *error)
{
    SMG_CLEANUP(smg_text_file_discard) smg_text_file out = SMG_TEXT_FILE_CLOSED;
    SMG_TRY(smg_text_file_create(path, &out, error));
    smg_text_file_put(&out, "step,tokens,seconds,loss,valid_loss,learning_rate,gradient_norm\n");
    for (size_t i = 0; i < count; i++) {
        smg_text_file_put(&out, "%" PRId64 ",%" PRId64 ",%.3f", points[i].step, points[i].tokens,
                          points[i].seconds);
        put_number(&out, points[i].loss);
        put_number(&out, points[i].valid_loss);
        put_number(&out, points[i].rate);
        put_number(&out, points[i].norm);
        smg_text_file_put(&out, "\n");
    }
    return smg_text_file_finish(&out, error);
}

/* ---- The picture ----------------------------------------------------------------------------------------- */

typedef struct plot {
    smg_text_file out;
    const smg_train_point *points;
    size_t count;
    double first, last; /* steps */
    double low, high;   /* logarithms of losses */
} plot;

static void discard_plot(plot *drawing)
{
    smg_text_file_discard(&drawing->out);
}

/* Losses fall by orders of magnitude, so heights are logarithms; what is below this is drawn at it. */
static double height_of(double loss)
{
    return log10(loss > 1e-6 ? loss : 1e-6);
}

static double x_of(const plot *drawing, double step)
{
    const double span = drawing->last - drawing->first;
    return LEFT + (WIDTH - LEFT - RIGHT) * (span > 0.0 ? (step - drawing->first) / span : 0.5);
}

static double y_of(const plot *drawing, double loss)
{
    const double way = (height_of(loss) - drawing->low) / (drawing->high - drawing->low);
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * way;
}

static void find_range(plot *drawing)
{
    double low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < drawing->count; i++) {
        const double losses[] = {(double)drawing->points[i].loss, (double)drawing->points[i].valid_loss};
        for (int k = 0; k < 2; k++) {
            if (isfinite(losses[k])) {
                low = fmin(low, height_of(losses[k]));
                high = fmax(high, height_of(losses[k]));
            }
        }
    }
    if (!(low <= high))
        low = high = 0.0;
    /* A line that is flat still needs some height around it. */
    const double margin = fmax(0.05 * (high - low), 0.05);
    drawing->low = low - margin;
    drawing->high = high + margin;
    drawing->first = drawing->count > 0 ? (double)drawing->points[0].step : 0.0;
    drawing->last = drawing->count > 0 ? (double)drawing->points[drawing->count - 1].step : 1.0;
}

static void draw_height(plot *drawing, double loss)
{
    char label[32];
    const double y = y_of(drawing, loss);
    smg_svg_line(&drawing->out, LEFT, y, WIDTH - RIGHT, y, "stroke=\"#e4e4e4\"");
    snprintf(label, sizeof label, "%.4g", loss);
    smg_svg_text(&drawing->out, LEFT - 8.0, y + 4.0, "text-anchor=\"end\" fill=\"#555\"", label);
}

static void draw_axes(plot *drawing)
{
    /* 1, 2 and 5 of each power where there are few powers, else these alone */
    const double span = drawing->high - drawing->low;
    static const double digits[] = {1.0, 2.0, 5.0};
    if (span < 0.45) {
        const double low = pow(10.0, drawing->low), high = pow(10.0, drawing->high);
        const double step = smg_svg_round_step(high - low, 5);
        for (int64_t i = (int64_t)ceil(low / step); (double)i * step <= high; i++)
            draw_height(drawing, (double)i * step);
    } else {
        for (int power = (int)floor(drawing->low); power <= (int)ceil(drawing->high); power++) {
            for (int i = 0; i < (span < 3.0 ? 3 : 1); i++) {
                const double loss = digits[i] * pow(10.0, power);
                if (height_of(loss) >= drawing->low && height_of(loss) <= drawing->high)
                    draw_height(drawing, loss);
            }
        }
    }
    const double width = drawing->last - drawing->first;
    const double step = fmax(smg_svg_round_step(width > 0.0 ? width : 1.0, 6), 1.0);
    for (int64_t i = (int64_t)ceil(drawing->first / step); (double)i * step <= drawing->last; i++) {
        const double at = (double)i * step;
        char label[32];
        snprintf(label, sizeof label, "%.0f", at);
        smg_svg_text(&drawing->out, x_of(drawing, at), HEIGHT - BOTTOM + 18.0,
                     "text-anchor=\"middle\" fill=\"#555\"", label);
    }
    smg_svg_line(&drawing->out, LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, HEIGHT - BOTTOM, "stroke=\"#888\"");
    smg_svg_text(&drawing->out, (LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 8.0,
                 "text-anchor=\"middle\" fill=\"#555\"", "step");
}

typedef enum curve { CURVE_LOSS, CURVE_SMOOTH, CURVE_VALID } curve;

static void draw_curve(plot *drawing, curve which, const char *style)
{
    const size_t stride = drawing->count / MOST_POINTS + 1;
    double smooth = NAN;
    smg_text_file_put(&drawing->out, "<polyline fill=\"none\" %s points=\"", style);
    for (size_t i = 0; i < drawing->count; i++) {
        const smg_train_point *point = &drawing->points[i];
        double loss = (double)(which == CURVE_VALID ? point->valid_loss : point->loss);
        if (!isfinite(loss))
            continue;
        /* a fiftieth of the way, so that a curve of any length looks alike */
        const double weight = fmin(1.0, fmax(50.0 / (double)drawing->count, 0.02));
        smooth = isnan(smooth) ? loss : smooth + weight * (loss - smooth);
        if (which != CURVE_VALID && i % stride != 0 && i + 1 != drawing->count)
            continue;
        loss = which == CURVE_SMOOTH ? smooth : loss;
        smg_text_file_put(&drawing->out, "%.1f,%.1f ", x_of(drawing, (double)point->step),
                          y_of(drawing, loss));
    }
    smg_text_file_put(&drawing->out, "\"/>\n");
}

static void draw_validations(plot *drawing)
{
    for (size_t i = 0; i < drawing->count; i++) {
        const smg_train_point *point = &drawing->points[i];
        if (isfinite(point->valid_loss))
            smg_text_file_put(&drawing->out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"2.5\" fill=\"#c2571a\"/>\n",
                              x_of(drawing, (double)point->step), y_of(drawing, (double)point->valid_loss));
    }
}

static void draw_legend(plot *drawing, bool validated)
{
    smg_svg_rectangle(&drawing->out, LEFT, 32.0, 14.0, 3.0, "fill=\"#1f5fa8\"");
    smg_svg_text(&drawing->out, LEFT + 20.0, 38.0, "fill=\"#222\"", "loss of the training examples");
    if (!validated)
        return;
    smg_svg_rectangle(&drawing->out, LEFT + 210.0, 32.0, 14.0, 3.0, "fill=\"#c2571a\"");
    smg_svg_text(&drawing->out, LEFT + 230.0, 38.0, "fill=\"#222\"", "loss of the validation examples");
}

smidge_status smg_train_write_curve(const char *path, const char *title, const smg_train_point *points,
                                    size_t count, smidge_error *error)
{
    SMG_CLEANUP(discard_plot)
    plot drawing = {.out = SMG_TEXT_FILE_CLOSED, .points = points, .count = count};
    bool validated = false;
    for (size_t i = 0; i < count; i++)
        validated = validated || isfinite(points[i].valid_loss);
    SMG_TRY(smg_text_file_create(path, &drawing.out, error));
    find_range(&drawing);
    smg_svg_begin(&drawing.out, WIDTH, HEIGHT);
    smg_svg_text(&drawing.out, 14.0, 20.0, "font-size=\"14\" font-weight=\"bold\" fill=\"#111\"", title);
    draw_legend(&drawing, validated);
    draw_axes(&drawing);
    draw_curve(&drawing, CURVE_LOSS, "stroke=\"#b9cfe8\" stroke-width=\"1\"");
    draw_curve(&drawing, CURVE_SMOOTH, "stroke=\"#1f5fa8\" stroke-width=\"2\"");
    if (validated) {
        draw_curve(&drawing, CURVE_VALID, "stroke=\"#c2571a\" stroke-width=\"1.5\"");
        draw_validations(&drawing);
    }
    smg_svg_end(&drawing.out);
    return smg_text_file_finish(&drawing.out, error);
}
