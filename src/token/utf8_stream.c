#include <string.h>

#include "token/tokenizer.h"
#include "token/unicode.h"

static const char replacement[] = "\xEF\xBF\xBD";
#define REPLACEMENT_SIZE 3

static size_t write_replacement(char *ret_text)
{
    memcpy(ret_text, replacement, REPLACEMENT_SIZE);
    return REPLACEMENT_SIZE;
}

size_t smg_utf8_stream_feed(smg_utf8_stream *stream, const char *bytes, size_t size, char *ret_text)
{
    size_t written = 0;
    for (size_t i = 0; i < size; i++) {
        stream->pending[stream->pending_count++] = (uint8_t)bytes[i];
        int length = smg_utf8_prefix(stream->pending, (size_t)stream->pending_count);
        if (length == 0 && stream->pending_count > 1) {
            /* What waited stays unfinished for good; the new byte may begin something itself. */
            written += write_replacement(ret_text + written);
            stream->pending[0] = (uint8_t)bytes[i];
            stream->pending_count = 1;
            length = smg_utf8_prefix(stream->pending, 1);
        }
        if (length == 0) {
            written += write_replacement(ret_text + written);
            stream->pending_count = 0;
        } else if (length == stream->pending_count) {
            memcpy(ret_text + written, stream->pending, (size_t)length);
            written += (size_t)length;
            stream->pending_count = 0;
        }
    }
    return written;
}

size_t smg_utf8_stream_finish(smg_utf8_stream *stream, char *ret_text)
{
    if (stream->pending_count == 0)
        return 0;
    stream->pending_count = 0;
    return write_replacement(ret_text);
}
