#include "fetch/resume.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"

#define HEADING "smidge-part 1\n"

/* ---- The state ----------------------------------------------------------------------------------------- */

void smg_part_set_url(smg_part *part, const char *url)
{
    const char *scheme = strstr(url, "://");
    const char *host = scheme == NULL ? url : scheme + 3;
    const char *path = host + strcspn(host, "/?#");
    const char *at = memrchr(host, '@', (size_t)(path - host));
    snprintf(part->url, sizeof part->url, "%.*s%.*s", (int)(host - url), url,
             (int)strcspn(at == NULL ? host : at + 1, "?#"), at == NULL ? host : at + 1);
}

size_t smg_part_write(const smg_part *part, char ret_text[SMG_PART_STATE_MAX])
{
    char length[32] = "";
    if (part->has_length)
        snprintf(length, sizeof length, "%" PRIu64, part->length);
    const int size =
        snprintf(ret_text, SMG_PART_STATE_MAX,
                 HEADING "url %s\netag %s\nmodified %s\ndigest %s\nlength %s\nsynced %" PRIu64 "\nend\n",
                 part->url, part->etag, part->modified, part->digest.hex, length, part->synced);
    return (size_t)size; /* all members together are shorter than the text may be */
}

/* The value of the line that starts with `key`, into `room` bytes. */
static bool take_line(const char **at, const char *end, const char *key, char *ret, size_t room)
{
    const size_t key_size = strlen(key);
    const char *line_end = memchr(*at, '\n', (size_t)(end - *at));
    if (line_end == NULL || (size_t)(line_end - *at) < key_size || memcmp(*at, key, key_size) != 0)
        return false;
    const char *value = *at + key_size;
    const size_t size = (size_t)(line_end - value);
    if (size >= room)
        return false;
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char)value[i] < 0x20 || value[i] == 0x7F)
            return false;
    }
    memcpy(ret, value, size);
    ret[size] = '\0';
    *at = line_end + 1;
    return true;
}

static bool parse_bytes(const char *text, uint64_t *ret)
{
    uint64_t bytes = 0;
    if (*text == '\0')
        return false;
    for (; *text >= '0' && *text <= '9'; text++) {
        if (!smg_checked_mul(bytes, 10, &bytes) || !smg_checked_add(bytes, (uint64_t)(*text - '0'), &bytes))
            return false;
    }
    *ret = bytes;
    return *text == '\0' && bytes <= INT64_MAX;
}

bool smg_part_read(const char *text, size_t size, smg_part *ret_part)
{
    const char *at = text, *end = text + size;
    const size_t heading = sizeof HEADING - 1;
    char digest[66], length[24], synced[24], rest[1];
    smg_part part = {0};
    if (size < heading || size >= SMG_PART_STATE_MAX || memcmp(text, HEADING, heading) != 0)
        return false;
    at += heading;
    if (!take_line(&at, end, "url ", part.url, sizeof part.url) ||
        !take_line(&at, end, "etag ", part.etag, sizeof part.etag) ||
        !take_line(&at, end, "modified ", part.modified, sizeof part.modified) ||
        !take_line(&at, end, "digest ", digest, sizeof digest) ||
        !take_line(&at, end, "length ", length, sizeof length) ||
        !take_line(&at, end, "synced ", synced, sizeof synced) ||
        !take_line(&at, end, "end", rest, sizeof rest) || at != end)
        return false;
    if (digest[0] != '\0' && !smg_digest_parse(digest, strlen(digest), &part.digest))
        return false;
    part.has_length = length[0] != '\0';
    if ((part.has_length && !parse_bytes(length, &part.length)) || !parse_bytes(synced, &part.synced))
        return false;
    *ret_part = part;
    return true;
}

/* ---- Asking -------------------------------------------------------------------------------------------- */

smg_ask smg_resume_ask(const smg_part *part, uint64_t size, const char *url)
{
    const smg_ask whole = {0};
    /* what came after the last sync may be gone, or be zeros, since the power failed */
    if (part != NULL && size > part->synced)
        size = part->synced;
    if (part == NULL || size == 0 || (part->has_length && size > part->length))
        return whole;
    smg_ask ask = {.range = true, .offset = size};
    if (part->has_length && size == part->length)
        ask.offset--;
    /* With a digest it does not matter who has the file: the answer says which one it is, or the end does. */
    if (part->digest.kind == SMG_DIGEST_SHA256)
        return ask;
    smg_part now = {0};
    smg_part_set_url(&now, url);
    if (strcmp(now.url, part->url) != 0)
        return whole;
    ask.if_range = part->etag[0] != '\0' ? part->etag : part->modified;
    return ask.if_range[0] != '\0' ? ask : whole;
}

/* ---- Judging ------------------------------------------------------------------------------------------- */

static bool set_length(smg_part *part, uint64_t length)
{
    if (part->has_length && part->length != length)
        return false;
    part->has_length = true;
    part->length = length;
    return true;
}

/* What is said about the file, in all places, must be the same. */
static bool describe(const smg_response *response, const smg_part *expected, smg_part *ret_part)
{
    memcpy(ret_part->etag, response->etag, sizeof ret_part->etag);
    memcpy(ret_part->modified, response->modified, sizeof ret_part->modified);
    ret_part->digest = smg_response_digest(response);
    ret_part->has_length = false;
    ret_part->length = 0;
    if (expected != NULL && expected->digest.kind != SMG_DIGEST_NONE)
        ret_part->digest = expected->digest;
    if (expected != NULL && expected->has_length)
        (void)set_length(ret_part, expected->length);
    return !response->has_size || set_length(ret_part, response->size);
}

/* Whether the rest that comes belongs to what is there. */
static bool goes_on(const smg_part *part, const smg_part *now, const smg_ask *ask,
                    const smg_response *response)
{
    if (!response->has_range || response->first != ask->offset)
        return false;
    if (response->has_total && response->last + 1 != response->total)
        return false;
    if (response->has_length && response->length != response->last - response->first + 1)
        return false;
    if (part->has_length &&
        (response->last + 1 != part->length || (now->has_length && now->length != part->length)))
        return false;
    if (part->digest.kind != SMG_DIGEST_NONE && now->digest.kind != SMG_DIGEST_NONE)
        return smg_digest_equal(&part->digest, &now->digest);
    if (part->etag[0] != '\0' && now->etag[0] != '\0')
        return strcmp(part->etag, now->etag) == 0;
    /* it was asked on a condition, or the digest in the end says whether it was right */
    return ask->if_range != NULL || part->digest.kind != SMG_DIGEST_NONE;
}

static smg_verdict judge_rest(const smg_part *part, const smg_ask *ask, const smg_response *response,
                              smg_part *now)
{
    if (part == NULL || !ask->range || !goes_on(part, now, ask, response))
        return SMG_TAKE_AGAIN;
    /* what is known from before and not said again stays known */
    if (now->digest.kind == SMG_DIGEST_NONE)
        now->digest = part->digest;
    if (now->etag[0] == '\0')
        memcpy(now->etag, part->etag, sizeof now->etag);
    (void)set_length(now, response->last + 1);
    return SMG_TAKE_REST;
}

smg_verdict smg_resume_judge(const smg_part *part, const smg_ask *ask, const smg_response *response,
                             const smg_part *expected, smg_part *ret_part)
{
    smg_part now = *ret_part;
    if (response->status == 416)
        return ask->range ? SMG_TAKE_AGAIN : SMG_TAKE_STATUS;
    if (response->status != 200 && response->status != 206)
        return SMG_TAKE_STATUS;
    if (response->encoded)
        return SMG_TAKE_ENCODED;
    if (!describe(response, expected, &now))
        return SMG_TAKE_LENGTH;
    if (response->status == 206) {
        const smg_verdict verdict = judge_rest(part, ask, response, &now);
        if (verdict == SMG_TAKE_REST)
            *ret_part = now;
        return verdict;
    }
    if (response->has_length && !set_length(&now, response->length))
        return SMG_TAKE_LENGTH;
    if (response->http1 && !response->has_length && !response->chunked && !now.has_length)
        return SMG_TAKE_ENDLESS;
    *ret_part = now;
    return SMG_TAKE_WHOLE;
}

int64_t smg_resume_delay(int64_t base, int tries, uint64_t random)
{
    int64_t delay = base;
    for (int i = 1; i < tries && delay < base * 60; i++)
        delay *= 2;
    if (delay > base * 60)
        delay = base * 60;
    return delay / 2 + (int64_t)(random % (uint64_t)(delay / 2 + 1));
}
