/* Headers, and what they mean for a file of which a part is there. */
#include "fetch/resume.h"

#include <stdio.h>
#include <string.h>

#include "test_support.h"

#define SHA_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define SHA_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define GIT_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define URL "https://host/dir/m.gguf"

static smg_response read_lines(const char *text)
{
    smg_response response;
    smg_response_init(&response);
    while (*text != '\0') {
        const size_t size = strcspn(text, "\n") + 1;
        smg_response_line(&response, text, size);
        text += size;
    }
    return response;
}

#define HUB_A "HTTP/1.1 302 Found\nX-Repo-Commit: c0\nx-linked-etag: \"" SHA_A "\"\nX-Linked-Size: 1000\n\n"
#define HUB_B "HTTP/1.1 302 Found\nX-Repo-Commit: c1\nx-linked-etag: \"" SHA_B "\"\nX-Linked-Size: 1000\n\n"

static smg_digest digest(const char *hex)
{
    smg_digest result = {0};
    assert_true(smg_digest_parse(hex, strlen(hex), &result));
    return result;
}

static smg_part part_with(const char *hex, const char *etag, const char *modified)
{
    smg_part part = {.has_length = true, .length = 1000, .synced = 5000};
    smg_part_set_url(&part, URL);
    if (hex != NULL)
        part.digest = digest(hex);
    snprintf(part.etag, sizeof part.etag, "%s", etag);
    snprintf(part.modified, sizeof part.modified, "%s", modified);
    return part;
}

/* ---- Headers ------------------------------------------------------------------------------------------- */

static void test_the_last_response_counts(void **state)
{
    (void)state;
    const smg_response response =
        read_lines(HUB_A "HTTP/2 206 \r\nContent-Length: 400\r\ncontent-range:  bytes 600-999/1000\r\n"
                         "ETag: \"cdn\"\r\nLast-Modified: today\r\nRetry-After: 7\r\n\r\n");
    assert_int_equal(response.status, 206);
    assert_false(response.http1);
    assert_true(response.has_length && response.length == 400);
    assert_true(response.has_range && response.first == 600 && response.last == 999);
    assert_true(response.has_total && response.total == 1000);
    assert_string_equal(response.etag, "\"cdn\"");
    assert_string_equal(response.modified, "today");
    assert_int_equal(response.retry_after, 7);
    assert_true(response.hub && response.has_size && response.size == 1000);
    assert_string_equal(smg_response_digest(&response).hex, SHA_A);
}

static void test_storage_has_no_say_in_the_digest(void **state)
{
    (void)state;
    const smg_response response = read_lines(HUB_A "HTTP/1.1 200 OK\nx-linked-etag: \"" SHA_B
                                                   "\"\nx-linked-size: 5\nETag: \"" GIT_A "\"\n");
    assert_string_equal(smg_response_digest(&response).hex, SHA_A);
    assert_int_equal(response.size, 1000);
    /* and the tag of any server is no digest */
    const smg_response other = read_lines("HTTP/1.1 200 OK\nETag: \"" GIT_A "\"\n");
    assert_int_equal(smg_response_digest(&other).kind, SMG_DIGEST_NONE);
    /* but the Hub's own is, wherever it stands */
    const smg_response own = read_lines("HTTP/1.1 200 OK\nETag: \"" GIT_A "\"\nX-Repo-Commit: c\n");
    assert_int_equal(smg_response_digest(&own).kind, SMG_DIGEST_GIT);
}

static void test_unreadable_values_count_as_absent(void **state)
{
    (void)state;
    static const char *const ranges[] =
        {"bytes 5-4/10",  "bytes 0-10/10",
         "bytes 0-9",     "bytes -9/10",
         "bytes 0-/10",   "0-9/10",
         "bytes 0-9/10x", "bytes 0-9/",
         "items 0-9/10",  "bytes 0-99999999999999999999/100000000000000000000",
         "bytes"};
    char text[400];
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        snprintf(text, sizeof text, "HTTP/1.1 206 x\nContent-Range: %s\n", ranges[i]);
        if (read_lines(text).has_range)
            fail_msg("\"%s\" is taken for a range", ranges[i]);
    }
    const smg_response odd =
        read_lines("HTTP/1.1 2x0\nContent-Length: -1\nRetry-After: soon\nETag: W/\"weak\"\n"
                   "x-linked-etag: \"xyz\"\nContent-Length : 5\nno colon\n: empty\n");
    assert_int_equal(odd.status, 2);
    assert_false(odd.has_length);
    assert_int_equal(odd.retry_after, -1);
    assert_string_equal(odd.etag, "");
    assert_int_equal(odd.digest.kind, SMG_DIGEST_NONE);
    const smg_response refused = read_lines("HTTP/1.1 416 x\nContent-Range: bytes */1000\n");
    assert_true(!refused.has_range && refused.has_total && refused.total == 1000);
    const smg_response huge = read_lines("HTTP/1.1 200 x\nContent-Length: 99999999999999999999\n");
    assert_false(huge.has_length);
}

/* ---- The state ----------------------------------------------------------------------------------------- */

static void test_a_state_comes_back(void **state)
{
    (void)state;
    char text[SMG_PART_STATE_MAX];
    smg_part parts[] = {part_with(SHA_A, "\"e\"", ""), part_with(GIT_A, "", "today"), {.length = 0}};
    for (size_t i = 0; i < 3; i++) {
        smg_part back;
        const size_t size = smg_part_write(&parts[i], text);
        assert_true(smg_part_read(text, size, &back));
        assert_string_equal(back.url, parts[i].url);
        assert_string_equal(back.etag, parts[i].etag);
        assert_string_equal(back.modified, parts[i].modified);
        assert_true(smg_digest_equal(&back.digest, &parts[i].digest));
        assert_int_equal(back.has_length, parts[i].has_length);
        assert_int_equal(back.length, parts[i].length);
        assert_int_equal(back.synced, parts[i].synced);
        for (size_t cut = 0; cut < size; cut++)
            assert_false(smg_part_read(text, cut, &back));
        text[size] = 'x';
        assert_false(smg_part_read(text, size + 1, &back));
    }
}

static void test_secrets_stay_out_of_it(void **state)
{
    (void)state;
    smg_part part = {0};
    smg_part_set_url(&part, "https://user:secret@host:1/a@b/m.gguf?signature=secret#x");
    assert_string_equal(part.url, "https://host:1/a@b/m.gguf");
    smg_part_set_url(&part, "https://user:secret@host?secret");
    assert_string_equal(part.url, "https://host");
}

/* ---- Asking and judging -------------------------------------------------------------------------------- */

static void test_how_to_ask(void **state)
{
    (void)state;
    smg_part part = part_with(NULL, "\"e\"", "today");
    smg_ask ask = smg_resume_ask(&part, 600, URL "?other=query");
    assert_true(ask.range && ask.offset == 600);
    assert_string_equal(ask.if_range, "\"e\"");
    ask = smg_resume_ask(&part, 1000, URL); /* all there: is it still the same? */
    assert_true(ask.range && ask.offset == 999);
    assert_false(smg_resume_ask(&part, 1001, URL).range);
    assert_false(smg_resume_ask(&part, 0, URL).range);
    assert_false(smg_resume_ask(NULL, 600, URL).range);
    assert_false(smg_resume_ask(&part, 600, "https://host/other").range);
    part.synced = 500; /* the rest may not have survived */
    assert_int_equal(smg_resume_ask(&part, 600, URL).offset, 500);
    part.synced = 0;
    assert_false(smg_resume_ask(&part, 600, URL).range);
    part = part_with(NULL, "", "today");
    assert_string_equal(smg_resume_ask(&part, 600, URL).if_range, "today");
    part = part_with(NULL, "", "");
    assert_false(smg_resume_ask(&part, 600, URL).range);
    part = part_with(SHA_A, "\"e\"", "");
    ask = smg_resume_ask(&part, 600, "https://mirror/x");
    assert_true(ask.range && ask.if_range == NULL);
}

typedef struct judged {
    const char *sha, *etag; /* of the part; NULL: there is no part */
    const char *lines;
    smg_verdict verdict;
} judged;

static void test_answers(void **state)
{
    (void)state;
#define REST "HTTP/1.1 206 x\nContent-Length: 400\nContent-Range: bytes 600-999/1000\n"
    static const judged cases[] = {
        {SHA_A, "\"e\"", HUB_A REST, SMG_TAKE_REST},
        {SHA_A, "\"e\"", HUB_A REST "ETag: \"of another storage\"\n", SMG_TAKE_REST},
        {SHA_A, "\"e\"", HUB_B REST "ETag: \"e\"\n", SMG_TAKE_AGAIN},
        {"", "\"e\"", REST "ETag: \"e\"\n", SMG_TAKE_REST},
        {"", "\"e\"", REST, SMG_TAKE_REST},
        {"", "\"e\"", REST "ETag: \"f\"\n", SMG_TAKE_AGAIN},
        {SHA_A, "", REST, SMG_TAKE_REST},
        /* another part, another length, no part */
        {SHA_A, "", HUB_A "HTTP/1.1 206 x\nContent-Range: bytes 601-999/1000\n", SMG_TAKE_AGAIN},
        {SHA_A, "", HUB_A "HTTP/1.1 206 x\nContent-Range: bytes 0-999/1000\n", SMG_TAKE_AGAIN},
        {SHA_A, "", HUB_A "HTTP/1.1 206 x\nContent-Range: bytes 600-998/1000\n", SMG_TAKE_AGAIN},
        {SHA_A, "", HUB_A "HTTP/1.1 206 x\nContent-Range: bytes 600-1000/1001\n", SMG_TAKE_AGAIN},
        {SHA_A, "", HUB_A "HTTP/1.1 206 x\nContent-Range: bytes 600-999/*\n", SMG_TAKE_REST},
        {SHA_A, "", HUB_A "HTTP/1.1 206 x\nContent-Length: 399\nContent-Range: bytes 600-999/1000\n",
         SMG_TAKE_AGAIN},
        {SHA_A, "", HUB_A "HTTP/1.1 206 x\n", SMG_TAKE_AGAIN},
        {NULL, "", HUB_A REST, SMG_TAKE_AGAIN},
        {SHA_A, "", HUB_A "HTTP/1.1 416 x\nContent-Range: bytes */1000\n", SMG_TAKE_AGAIN},
        {NULL, "", "HTTP/1.1 416 x\n", SMG_TAKE_STATUS},
        /* the whole file */
        {SHA_A, "", HUB_A "HTTP/1.1 200 x\nContent-Length: 1000\n", SMG_TAKE_WHOLE},
        {SHA_A, "", HUB_B "HTTP/1.1 200 x\nContent-Length: 1000\n", SMG_TAKE_WHOLE},
        {NULL, "", "HTTP/1.1 200 x\nContent-Length: 7\n", SMG_TAKE_WHOLE},
        {NULL, "", "HTTP/1.1 200 x\nTransfer-Encoding: chunked\n", SMG_TAKE_WHOLE},
        {NULL, "", "HTTP/2 200\n", SMG_TAKE_WHOLE},
        {NULL, "", HUB_A "HTTP/1.1 200 x\n", SMG_TAKE_WHOLE},
        /* none */
        {NULL, "", HUB_A "HTTP/1.1 200 x\nContent-Length: 999\n", SMG_TAKE_LENGTH},
        {NULL, "", "HTTP/1.1 200 x\n", SMG_TAKE_ENDLESS},
        {NULL, "", "HTTP/1.1 200 x\nContent-Length: 7\nContent-Encoding: gzip\n", SMG_TAKE_ENCODED},
        {NULL, "", "HTTP/1.1 404 x\nContent-Length: 7\n", SMG_TAKE_STATUS},
        {NULL, "", "HTTP/1.1 204 x\n", SMG_TAKE_STATUS},
        {NULL, "", "", SMG_TAKE_STATUS},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const judged *test = &cases[i];
        smg_part part = {0}, now = {.length = 12345};
        if (test->sha != NULL)
            part = part_with(test->sha[0] != '\0' ? test->sha : NULL, test->etag, "");
        const smg_part *there = test->sha == NULL ? NULL : &part;
        const smg_ask ask = smg_resume_ask(there, 600, URL);
        const smg_response response = read_lines(test->lines);
        const smg_verdict verdict = smg_resume_judge(there, &ask, &response, NULL, &now);
        if (verdict != test->verdict)
            fail_msg("case %zu: %d instead of %d", i, (int)verdict, (int)test->verdict);
        if (verdict != SMG_TAKE_REST && verdict != SMG_TAKE_WHOLE)
            assert_int_equal(now.length, 12345); /* untouched */
        else if (response.hub)
            assert_true(now.has_length && now.length == 1000 && now.digest.kind == SMG_DIGEST_SHA256);
    }
}

static void test_what_is_expected_counts(void **state)
{
    (void)state;
    smg_part now = {0};
    const smg_ask ask = {0};
    const smg_part expected = part_with(SHA_A, "", "");
    smg_response response = read_lines("HTTP/1.1 200 x\nContent-Length: 1000\n");
    assert_int_equal(smg_resume_judge(NULL, &ask, &response, &expected, &now), SMG_TAKE_WHOLE);
    assert_string_equal(now.digest.hex, SHA_A);
    response = read_lines("HTTP/1.1 200 x\nContent-Length: 1001\n");
    assert_int_equal(smg_resume_judge(NULL, &ask, &response, &expected, &now), SMG_TAKE_LENGTH);
    response = read_lines(HUB_B "HTTP/1.1 200 x\nContent-Length: 1000\n"); /* changed since it was listed */
    assert_int_equal(smg_resume_judge(NULL, &ask, &response, &expected, &now), SMG_TAKE_WHOLE);
    assert_string_equal(now.digest.hex, SHA_A);
}

static void test_waiting(void **state)
{
    (void)state;
    uint64_t random = 1;
    int64_t before = 0;
    for (int tries = 1; tries < 2000; tries++) {
        const int64_t most = smg_resume_delay(1000, tries, UINT64_MAX) | 1;
        for (int i = 0; i < 4; i++) {
            const int64_t delay = smg_resume_delay(1000, tries, smg_test_random(&random));
            assert_true(delay >= 500 && delay <= 60000);
            if (tries < 6)
                assert_true(delay >= (500 << (tries - 1)) && delay <= (1000 << (tries - 1)));
        }
        before = most;
    }
    assert_true(before >= 30000);
    assert_true(smg_resume_delay(1, 1, 5) <= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_last_response_counts),
        cmocka_unit_test(test_storage_has_no_say_in_the_digest),
        cmocka_unit_test(test_unreadable_values_count_as_absent),
        cmocka_unit_test(test_a_state_comes_back),
        cmocka_unit_test(test_secrets_stay_out_of_it),
        cmocka_unit_test(test_how_to_ask),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_what_is_expected_counts),
        cmocka_unit_test(test_waiting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
