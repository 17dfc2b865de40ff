/* A template of any bytes, then a zero byte, then a recording of any bytes: windows, values, labels and prompts of it. */
#include "data/template.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "data/baselines.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const smg_dataset_options options;

static void must(bool holds)
{
    if (!holds)
        __builtin_trap();
}

static void render(const smg_template *template, const smg_recording *recording)
{
    smg_left_out left_out = {0};
    smg_windows windows = {.template = template, .recording = recording, .left_out = &left_out};
    smg_window window;
    smg_text_builder builder = {0};
    /* short steps give many windows of one row: that some are sound must do */
    for (int i = 0; i < 200 && smg_windows_next(&windows, &window); i++) {
        const smg_field *field = NULL;
        const char *why = NULL;
        int32_t row = 0;
        must(window.count >= 1 && window.group < recording->group_count);
        for (int32_t j = 0; j < window.count; j++)
            must(window.rows[j] >= 0 && window.rows[j] < recording->count);
        if (smg_window_lacks(template, &window))
            continue;
        if (template->label.column >= 0)
            (void)smg_window_label(template, &window, &row);
        builder.size = 0;
        must(smg_window_prompt(template, &window, &builder, &field, &why) || (field != NULL && why != NULL));
    }
    smg_text_builder_done(&builder);
}

static void read_recording(smg_template *template, const uint8_t *data, size_t size)
{
    smg_dataset set = {0};
    smidge_error error;
    smg_dataset_build build = {.set = &set, .options = &options, .error = &error, .path = "fuzz"};
    smg_recording recording = {0};
    char *text = malloc(size + 1);
    must(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    if (smg_dataset_prepare(&set, &error) == SMIDGE_OK &&
        smg_recording_read(&build, template, text, size, &recording) == SMIDGE_OK && build.bad == 0 &&
        smg_baselines_learn(template, &recording, 1, NULL, &error) == SMIDGE_OK)
        render(template, &recording);
    smg_recording_done(&recording);
    smg_dataset_done(&set);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint64_t live = smg_alloc_live_blocks();
    const uint8_t *zero = size == 0 ? NULL : memchr(data, '\0', size);
    const size_t length = zero == NULL ? size : (size_t)(zero - data);
    smg_template template = {0};
    smidge_error error;
    if (smg_template_parse((const char *)data, length, "fuzz", &template, &error) == SMIDGE_OK) {
        if (zero != NULL)
            read_recording(&template, zero + 1, size - length - 1);
    } else {
        must(error.message[0] != '\0');
    }
    smg_template_done(&template);
    must(smg_alloc_live_blocks() == live);
    return 0;
}
