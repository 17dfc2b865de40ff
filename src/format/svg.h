/* Pictures as text: an SVG file that is written piece by piece and appears only when it is whole. Lengths are in pixels, y goes down.
 * Source: SVG 1.1 (W3C). */
#ifndef SMG_FORMAT_SVG_H
#define SMG_FORMAT_SVG_H

#include <stddef.h>

#include "base/file.h"

/* Any text file; the first failure is kept, and told at the end. */
typedef struct smg_text_file {
    smg_file_writer file;
    char buffer[8192];
    size_t used;
    smidge_status status;
    smidge_error error;
} smg_text_file;

/* For the cleanup attribute: nothing to discard yet. */
#define SMG_TEXT_FILE_CLOSED                                                                                 \
    {                                                                                                        \
        .file.fd = -1                                                                                        \
    }

/* SMIDGE_E_IO. */
smidge_status smg_text_file_create(const char *path, smg_text_file *ret_out, smidge_error *error)
    SMG_MUST_CHECK;
/* At most 511 bytes at once; more is cut. */
void smg_text_file_put(smg_text_file *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Puts it in place, or tells the first failure: SMIDGE_E_IO. */
smidge_status smg_text_file_finish(smg_text_file *out, smidge_error *error) SMG_MUST_CHECK;
void smg_text_file_discard(smg_text_file *out);

/* A white picture, in which text is sans-serif of 11 pixels unless its attributes say otherwise. */
void smg_svg_begin(smg_text_file *out, double width, double height);
void smg_svg_end(smg_text_file *out);
/* What stands between tags: any text; control characters, and bytes that are no UTF-8, become blanks and question marks. */
void smg_svg_escape(smg_text_file *out, const char *text);
/* One line of such text; `attributes` are put as they are, here and below. */
void smg_svg_text(smg_text_file *out, double x, double y, const char *attributes, const char *text);
void smg_svg_line(smg_text_file *out, double x1, double y1, double x2, double y2, const char *attributes);
void smg_svg_rectangle(smg_text_file *out, double x, double y, double width, double height,
                       const char *attributes);
/* The distance of ticks, 1, 2 or 5 times a power of ten, that cuts a span into about so many pieces. */
double smg_svg_round_step(double span, int pieces);

#endif
