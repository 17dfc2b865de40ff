#include "data/text_builder.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

static bool make_room(smg_text_builder *builder, size_t size)
{
    if (builder->failed || size > SIZE_MAX / 4 - builder->size) {
        builder->failed = true;
        return false;
    }
    if (builder->room - builder->size >= size)
        return true;
    const size_t room = (builder->size + size) * 2 + 256;
    char *grown = smg_realloc_array(builder->data, room, 1);
    builder->failed = grown == NULL;
    if (grown == NULL)
        return false;
    builder->data = grown;
    builder->room = room;
    return true;
}

void smg_text_put(smg_text_builder *builder, const char *text, size_t size)
{
    if (size == 0 || !make_room(builder, size))
        return;
    memcpy(builder->data + builder->size, text, size);
    builder->size += size;
}

void smg_text_print(smg_text_builder *builder, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    const int size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    smg_text_put(builder, text, size < 0 ? 0 : (size_t)size < sizeof text ? (size_t)size : sizeof text - 1);
}

void smg_text_put_json(smg_text_builder *builder, const char *text)
{
    smg_text_put(builder, "\"", 1);
    for (const char *plain = text;; text++) {
        const unsigned char c = (unsigned char)*text;
        if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7F)
            continue;
        smg_text_put(builder, plain, (size_t)(text - plain));
        plain = text + 1;
        if (c == '\0')
            break;
        if (c == '"' || c == '\\')
            smg_text_print(builder, "\\%c", c);
        else if (c == '\n' || c == '\t')
            smg_text_print(builder, "\\%c", c == '\n' ? 'n' : 't');
        else
            smg_text_print(builder, "\\u%04x", c);
    }
    smg_text_put(builder, "\"", 1);
}

void smg_text_builder_done(smg_text_builder *builder)
{
    smg_free(builder->data);
    *builder = (smg_text_builder){0};
}
