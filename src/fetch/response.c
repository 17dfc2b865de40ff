#include "fetch/response.h"

#include <string.h>
#include <strings.h>

#include "base/checked.h"

#define RETRY_MOST 86400

/* Part of a line. */
typedef struct text {
    const char *data;
    size_t size;
} text;

/* ---- Digests ------------------------------------------------------------------------------------------- */

bool smg_digest_parse(const char *digits, size_t size, smg_digest *ret_digest)
{
    smg_digest digest = {.kind = size == 64   ? SMG_DIGEST_SHA256
                                 : size == 40 ? SMG_DIGEST_GIT
                                              : SMG_DIGEST_NONE};
    if (digest.kind == SMG_DIGEST_NONE)
        return false;
    for (size_t i = 0; i < size; i++) {
        const char digit = digits[i] >= 'A' && digits[i] <= 'F' ? (char)(digits[i] + 32) : digits[i];
        if (!(digit >= '0' && digit <= '9') && !(digit >= 'a' && digit <= 'f'))
            return false;
        digest.hex[i] = digit;
    }
    *ret_digest = digest;
    return true;
}

bool smg_digest_equal(const smg_digest *a, const smg_digest *b)
{
    return a->kind == b->kind && strcmp(a->hex, b->hex) == 0;
}

/* ---- Values -------------------------------------------------------------------------------------------- */

static text trim(text value)
{
    while (value.size > 0 && (value.data[0] == ' ' || value.data[0] == '\t')) {
        value.data++;
        value.size--;
    }
    while (value.size > 0 && strchr(" \t\r\n", value.data[value.size - 1]) != NULL)
        value.size--;
    return value;
}

static bool begins(text value, const char *word)
{
    const size_t size = strlen(word);
    return value.size >= size && strncasecmp(value.data, word, size) == 0;
}

/* Digits in front of `value`, which it passes over. */
static bool take_number(text *value, uint64_t *ret)
{
    uint64_t number = 0;
    size_t used = 0;
    for (; used < value->size && value->data[used] >= '0' && value->data[used] <= '9'; used++) {
        if (!smg_checked_mul(number, 10, &number) ||
            !smg_checked_add(number, (uint64_t)(value->data[used] - '0'), &number))
            return false;
    }
    if (used == 0)
        return false;
    value->data += used;
    value->size -= used;
    *ret = number;
    return true;
}

static bool take_byte(text *value, char byte)
{
    if (value->size == 0 || value->data[0] != byte)
        return false;
    value->data++;
    value->size--;
    return true;
}

static bool whole_number(text value, uint64_t *ret)
{
    uint64_t number;
    /* files end far below this; what is above would only overflow somewhere */
    if (!take_number(&value, &number) || value.size != 0 || number > INT64_MAX)
        return false;
    *ret = number;
    return true;
}

/* Nothing where it does not fit or is not plain text. */
static void copy(char *ret, size_t room, text value)
{
    ret[0] = '\0';
    if (value.size >= room)
        return;
    for (size_t i = 0; i < value.size; i++) {
        if (value.data[i] < 0x20 || value.data[i] > 0x7E)
            return;
    }
    memcpy(ret, value.data, value.size);
    ret[value.size] = '\0';
}

/* "bytes 0-9/10", "bytes 0-9/ *" and, from those who refuse, "bytes * /10". */
static void read_range(smg_response *response, text value)
{
    uint64_t first, last, total;
    if (!begins(value, "bytes"))
        return;
    value.data += 5;
    value.size -= 5;
    value = trim(value);
    const bool refused = take_byte(&value, '*');
    if (!refused && (!take_number(&value, &first) || !take_byte(&value, '-') || !take_number(&value, &last) ||
                     first > last || last >= INT64_MAX))
        return;
    if (!take_byte(&value, '/'))
        return;
    const bool unknown = take_byte(&value, '*');
    if (!unknown && (!take_number(&value, &total) || total > INT64_MAX || (!refused && last >= total)))
        return;
    if (value.size != 0)
        return;
    if (!refused) {
        response->has_range = true;
        response->first = first;
        response->last = last;
    }
    response->has_total = !unknown;
    response->total = unknown ? 0 : total;
}

static text unquote(text value)
{
    if (begins(value, "W/")) {
        value.data += 2;
        value.size -= 2;
    }
    if (value.size >= 2 && value.data[0] == '"' && value.data[value.size - 1] == '"') {
        value.data++;
        value.size -= 2;
    }
    return value;
}

/* ---- Lines --------------------------------------------------------------------------------------------- */

void smg_response_init(smg_response *response)
{
    *response = (smg_response){.retry_after = -1};
}

/* "HTTP/1.1 206 Partial Content" */
static void start(smg_response *response, text line)
{
    smg_response fresh;
    smg_response_init(&fresh);
    fresh.hub = response->hub;
    fresh.digest = response->digest;
    fresh.has_size = response->has_size;
    fresh.size = response->size;
    fresh.http1 = begins(line, "HTTP/1");
    const char *space = memchr(line.data, ' ', line.size);
    if (space != NULL) {
        text rest = {space + 1, line.size - (size_t)(space + 1 - line.data)};
        uint64_t status;
        rest = trim(rest);
        if (take_number(&rest, &status) && status <= 999)
            fresh.status = (int)status;
    }
    *response = fresh;
}

/* The Hub says what the file is; storage that it sends us to has no say in that. */
static void read_linked(smg_response *response, text name, text value)
{
    if (name.size == 13 && begins(name, "x-linked-etag") && response->digest.kind == SMG_DIGEST_NONE) {
        const text plain = unquote(value);
        (void)smg_digest_parse(plain.data, plain.size, &response->digest);
    } else if (name.size == 13 && begins(name, "x-linked-size") && !response->has_size) {
        response->has_size = whole_number(value, &response->size);
    } else if (name.size == 13 && begins(name, "x-repo-commit")) {
        response->hub = true;
    }
}

static bool is(text name, const char *word)
{
    return name.size == strlen(word) && begins(name, word);
}

void smg_response_line(smg_response *response, const void *data, size_t size)
{
    const text line = trim((text){data, size});
    if (begins(line, "HTTP/")) {
        start(response, line);
        return;
    }
    const char *colon = memchr(line.data, ':', line.size);
    if (line.size == 0 || colon == NULL)
        return;
    const text name = {line.data, (size_t)(colon - line.data)};
    const text value = trim((text){colon + 1, line.size - name.size - 1});
    uint64_t number;
    if (is(name, "content-length")) {
        response->has_length = whole_number(value, &response->length);
    } else if (is(name, "content-range")) {
        read_range(response, value);
    } else if (is(name, "etag")) {
        copy(response->etag, sizeof response->etag, begins(value, "W/") ? (text){"", 0} : value);
    } else if (is(name, "last-modified")) {
        copy(response->modified, sizeof response->modified, value);
    } else if (is(name, "transfer-encoding")) {
        response->chunked = begins(value, "chunked");
    } else if (is(name, "content-encoding")) {
        response->encoded = !is(value, "identity");
    } else if (is(name, "retry-after")) {
        if (whole_number(value, &number))
            response->retry_after = number < RETRY_MOST ? (int32_t)number : RETRY_MOST;
    } else if (is(name, "x-error-code")) {
        copy(response->error_code, sizeof response->error_code, value);
    } else {
        read_linked(response, name, value);
    }
}

smg_digest smg_response_digest(const smg_response *response)
{
    smg_digest digest = response->digest;
    const text tag = unquote((text){response->etag, strlen(response->etag)});
    if (digest.kind == SMG_DIGEST_NONE && response->hub && tag.size == 40)
        (void)smg_digest_parse(tag.data, tag.size, &digest);
    return digest;
}
