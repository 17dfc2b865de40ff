#include "format/svg.h"

#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

enum { PUT_MOST = 512 };

smidge_status smg_text_file_create(const char *path, smg_text_file *ret_out, smidge_error *error)
{
    ret_out->used = 0;
    ret_out->status = SMIDGE_OK;
    return smg_file_create(path, &ret_out->file, error);
}

static void flush(smg_text_file *out)
{
    if (out->status == SMIDGE_OK && out->used > 0)
        out->status = smg_file_append(&out->file, out->buffer, out->used, &out->error);
    out->used = 0;
}

void smg_text_file_put(smg_text_file *out, const char *format, ...)
{
    va_list arguments;
    if (out->used + PUT_MOST > sizeof out->buffer)
        flush(out);
    va_start(arguments, format);
    const int size = vsnprintf(out->buffer + out->used, PUT_MOST, format, arguments);
    va_end(arguments);
    out->used += size < 0 ? 0 : size < PUT_MOST ? (size_t)size : PUT_MOST - 1;
}

smidge_status smg_text_file_finish(smg_text_file *out, smidge_error *error)
{
    flush(out);
    if (out->status == SMIDGE_OK)
        return smg_file_commit(&out->file, error);
    if (error != NULL)
        *error = out->error;
    return out->status;
}

void smg_text_file_discard(smg_text_file *out)
{
    smg_file_discard(&out->file);
}

void smg_svg_begin(smg_text_file *out, double width, double height)
{
    smg_text_file_put(out,
                      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" width=\"%.0f\" "
                      "height=\"%.0f\" font-family=\"sans-serif\" font-size=\"11\">\n"
                      "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
                      width, height, width, height);
}

void smg_svg_end(smg_text_file *out)
{
    smg_text_file_put(out, "</svg>\n");
}

/* Bytes of the character that `text` begins with; 0: none. */
static int character_size(const unsigned char *text)
{
    const int size = text[0] < 0x80                      ? 1
                     : text[0] >= 0xC2 && text[0] < 0xE0 ? 2
                     : text[0] >= 0xE0 && text[0] < 0xF0 ? 3
                     : text[0] >= 0xF0 && text[0] < 0xF5 ? 4
                                                         : 0;
    for (int i = 1; i < size; i++)
        if ((text[i] & 0xC0) != 0x80)
            return 0;
    /* overlong, a surrogate, or beyond the last */
    const bool wrong = (text[0] == 0xE0 && text[1] < 0xA0) || (text[0] == 0xED && text[1] > 0x9F) ||
                       (text[0] == 0xF0 && text[1] < 0x90) || (text[0] == 0xF4 && text[1] > 0x8F);
    return wrong ? 0 : size;
}

void smg_svg_escape(smg_text_file *out, const char *text)
{
    for (int size; *text != '\0'; text += size > 0 ? size : 1) {
        const char *entity = *text == '<' ? "&lt;" : *text == '&' ? "&amp;" : *text == '>' ? "&gt;" : NULL;
        size = character_size((const unsigned char *)text);
        if (entity != NULL)
            smg_text_file_put(out, "%s", entity);
        else if (size == 0)
            smg_text_file_put(out, "?");
        else if (size == 1 && (unsigned char)*text < ' ')
            smg_text_file_put(out, " ");
        else
            smg_text_file_put(out, "%.*s", size, text);
    }
}

void smg_svg_text(smg_text_file *out, double x, double y, const char *attributes, const char *text)
{
    smg_text_file_put(out, "<text x=\"%.1f\" y=\"%.1f\" %s>", x, y, attributes);
    smg_svg_escape(out, text);
    smg_text_file_put(out, "</text>\n");
}

void smg_svg_line(smg_text_file *out, double x1, double y1, double x2, double y2, const char *attributes)
{
    smg_text_file_put(out, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" %s/>\n", x1, y1, x2, y2,
                      attributes);
}

void smg_svg_rectangle(smg_text_file *out, double x, double y, double width, double height,
                       const char *attributes)
{
    smg_text_file_put(out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" %s/>\n", x, y, width,
                      height, attributes);
}

double smg_svg_round_step(double span, int pieces)
{
    const double raw = span / pieces;
    const double power = pow(10.0, floor(log10(raw)));
    const double share = raw / power;
    return power * (share <= 1.0 ? 1.0 : share <= 2.0 ? 2.0 : share <= 5.0 ? 5.0 : 10.0);
}
