/* What comes from servers, and from the state of an unfinished file. The first byte says which: 's' a state, 'h' headers, 'l'
 * a list of files, 'n' a name. */
#include "fetch/listing.h"
#include "fetch/resume.h"
#include "fetch/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        __builtin_trap();
}

/* What is read is written as it was. */
static void feed_state(const char *text, size_t size)
{
    smg_part part, back;
    char again[SMG_PART_STATE_MAX];
    if (!smg_part_read(text, size, &part))
        return;
    const size_t length = smg_part_write(&part, again);
    must(length < sizeof again && smg_part_read(again, length, &back));
    must(strcmp(part.url, back.url) == 0 && strcmp(part.etag, back.etag) == 0 &&
         smg_digest_equal(&part.digest, &back.digest) && part.length == back.length);
    const smg_ask ask = smg_resume_ask(&part, part.length / 2 + 1, part.url);
    must(!ask.range || ask.offset <= part.length || !part.has_length);
}

/* Whatever a server says: only bytes that go on where the part ends are added to it, and only to the same file. */
static void feed_headers(const char *text, size_t size)
{
    smg_response response;
    smg_response_init(&response);
    for (size_t at = 0; at < size;) {
        const char *end = memchr(text + at, '\n', size - at);
        const size_t line = end == NULL ? size - at : (size_t)(end - text) - at + 1;
        smg_response_line(&response, text + at, line);
        at += line;
    }
    smg_part part = {.etag = "\"e\"", .has_length = true, .length = 1000, .synced = 1000};
    smg_part_set_url(&part, "https://host/m");
    for (int i = 0; i < 2; i++) {
        smg_part now = {0};
        if (i == 1)
            part.digest = (smg_digest){SMG_DIGEST_SHA256,
                                       "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
        const smg_ask ask = smg_resume_ask(&part, 600, "https://host/m");
        must(ask.range && ask.offset == 600);
        const smg_verdict verdict = smg_resume_judge(&part, &ask, &response, NULL, &now);
        if (verdict == SMG_TAKE_REST) {
            must(response.status == 206 && response.first == 600 && response.last == 999);
            must(now.has_length && now.length == 1000);
            must(i == 0 || smg_digest_equal(&part.digest, &now.digest));
        } else if (verdict == SMG_TAKE_WHOLE) {
            must(response.status == 200);
        }
    }
}

static void feed_listing(const char *text, size_t size)
{
    static const char *const types[] = {NULL, "q4_k_m", "safetensors"};
    smg_listing listing;
    smidge_error error;
    if (smg_listing_parse(text, size, "org/repo", &listing, &error) != SMIDGE_OK)
        return;
    for (size_t i = 0; i < 3; i++) {
        smg_choice choice;
        size_t chosen = 0;
        const smidge_status status = smg_listing_choose(&listing, types[i], "org/repo", &choice, &error);
        for (size_t k = 0; k < listing.count; k++) {
            chosen += listing.files[k].chosen;
            must(smg_path_is_safe(listing.files[k].path));
        }
        must(status != SMIDGE_OK || chosen > 0);
        must(status != SMIDGE_OK || choice != SMG_CHOICE_FILE || chosen == 1);
    }
    smg_listing_done(&listing);
}

static void feed_name(const char *text)
{
    static smg_source source;
    static char url[SMG_URL_MAX];
    smidge_error error;
    if (smg_source_parse(text, NULL, SMG_HUB, &source, &error) != SMIDGE_OK)
        return;
    if (source.kind != SMG_SOURCE_REPOSITORY)
        must(smg_name_is_safe(source.name, strlen(source.name)));
    if (source.kind == SMG_SOURCE_URL)
        return;
    if (smg_source_listing_url(SMG_HUB, source.repository, source.revision, url, &error) == SMIDGE_OK)
        must(strstr(url, "/../") == NULL && strpbrk(url, " \r\n") == NULL);
    if (source.kind == SMG_SOURCE_HUB_FILE && smg_source_file_url(SMG_HUB, source.repository, source.revision,
                                                                  source.file, url, &error) == SMIDGE_OK)
        must(strstr(url, "/../") == NULL && strpbrk(url, " \r\n") == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    char *text = malloc(size); /* without the first byte, and with an end */
    must(text != NULL);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    if (data[0] == 's')
        feed_state(text, size - 1);
    else if (data[0] == 'h')
        feed_headers(text, size - 1);
    else if (data[0] == 'l')
        feed_listing(text, size - 1);
    else if (data[0] == 'n')
        feed_name(text);
    free(text);
    return 0;
}
