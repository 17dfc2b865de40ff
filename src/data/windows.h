/* Windows over a recording, and what they come to: numbers, labels, prompts. */
#ifndef SMG_DATA_WINDOWS_H
#define SMG_DATA_WINDOWS_H

#include "data/recording.h"
#include "data/text_builder.h"

typedef struct smg_window {
    const smg_recording *recording;
    const int32_t *rows; /* [count], at least 1 */
    int32_t count;
    int32_t group;
} smg_window;

/* The windows of a recording, group by group. Zeros but for the first three. */
typedef struct smg_windows {
    const smg_template *template;
    const smg_recording *recording;
    smg_left_out *left_out; /* is added to; may be NULL */
    int32_t group;
    int32_t at;   /* in the recording's order: where the next window may begin */
    bool begun;   /* with the group */
    double start; /* of time windows: since the group's first row */
    int32_t end;  /* of the window before */
} smg_windows;

bool smg_windows_next(smg_windows *windows, smg_window *ret_window);

/* A value of the window; NAN where one is missing in it. False where there is none: a slope at one time. */
bool smg_window_value(const smg_window *window, const smg_quantity *quantity, double *ret_value);
/* Whether a value that the prompt wants is missing. */
bool smg_window_lacks(const smg_template *template, const smg_window *window);
/* The label of the window: a text that lives as long as template and recording; NULL: no case fits, ret_row has what does not. */
const char *smg_window_label(const smg_template *template, const smg_window *window, int32_t *ret_row);
/* Puts the prompt behind what the builder holds. False where a placeholder has no text: ret_field says which, ret_why why. */
bool smg_window_prompt(const smg_template *template, const smg_window *window, smg_text_builder *builder,
                       const smg_field **ret_field, const char **ret_why);

#endif
