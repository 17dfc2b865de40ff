/* A text that grows. What fails for want of memory is noted, so that a writer may write on and look once. */
#ifndef SMG_DATA_TEXT_BUILDER_H
#define SMG_DATA_TEXT_BUILDER_H

#include <stdbool.h>
#include <stddef.h>

typedef struct smg_text_builder {
    char *data; /* no zero byte behind it */
    size_t size;
    size_t room;
    bool failed;
} smg_text_builder;

void smg_text_put(smg_text_builder *builder, const char *text, size_t size);
void smg_text_print(smg_text_builder *builder, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* As a JSON string, in quotes. */
void smg_text_put_json(smg_text_builder *builder, const char *text);
/* For SMG_CLEANUP; takes zeroed ones. */
void smg_text_builder_done(smg_text_builder *builder);

#endif
