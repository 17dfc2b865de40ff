/* What a person asks for, and where that leads. */
#include "fetch/source.h"

#include <string.h>

#include "test_support.h"

static smg_source parse(const char *text, const char *type)
{
    smg_source source;
    smidge_error error = {0};
    if (smg_source_parse(text, type, SMG_HUB, &source, &error) != SMIDGE_OK)
        fail_msg("%s: %s: %s", text, error.where, error.message);
    return source;
}

static void expect_file(const char *text, const char *repository, const char *revision, const char *file,
                        const char *name)
{
    const smg_source source = parse(text, NULL);
    assert_int_equal(source.kind, SMG_SOURCE_HUB_FILE);
    assert_string_equal(source.repository, repository);
    assert_string_equal(source.revision, revision);
    assert_string_equal(source.file, file);
    assert_string_equal(source.name, name);
}

static void expect_repository(const char *text, const char *repository, const char *revision)
{
    const smg_source source = parse(text, NULL);
    assert_int_equal(source.kind, SMG_SOURCE_REPOSITORY);
    assert_string_equal(source.repository, repository);
    assert_string_equal(source.revision, revision);
}

static void test_repositories(void **state)
{
    (void)state;
    expect_repository("hf:org/repo", "org/repo", "main");
    expect_repository("HF:org/repo@v1.0", "org/repo", "v1.0");
    expect_repository("hf://org/repo", "org/repo", "main");
    expect_repository(SMG_HUB "/org/repo", "org/repo", "main");
    expect_repository(SMG_HUB "/org/repo/", "org/repo", "main");
    expect_repository(SMG_HUB "/org/repo/tree/v2", "org/repo", "v2");
    expect_repository("https://hf.co/org/repo?x=y", "org/repo", "main");
    expect_file("hf:org/repo:m.gguf", "org/repo", "main", "m.gguf", "m.gguf");
    expect_file("hf:org/repo@refs/pr/1:a/b/m.gguf", "org/repo", "refs/pr/1", "a/b/m.gguf", "m.gguf");
    expect_file(SMG_HUB "/org/repo/resolve/main/a/m.gguf?download=true", "org/repo", "main", "a/m.gguf",
                "m.gguf");
    expect_file(SMG_HUB "/org/repo/blob/v1/m%20n.gguf", "org/repo", "v1", "m n.gguf", "m n.gguf");
}

static void test_the_catalogue(void **state)
{
    (void)state;
    smg_source source = parse("Phi-3-Mini", NULL);
    assert_int_equal(source.kind, SMG_SOURCE_HUB_FILE);
    assert_string_equal(source.name, "Phi-3-mini-4k-instruct-Q4_K_M.gguf");
    assert_string_equal(source.entry->name, "phi3-mini");
    source = parse("phi3-mini", "q6_k");
    assert_string_equal(source.file, "Phi-3-mini-4k-instruct-Q6_K.gguf");
    source = parse("phi3-mini", "q4_0"); /* not one that all have: the repository is asked */
    assert_int_equal(source.kind, SMG_SOURCE_REPOSITORY);
    assert_string_equal(source.repository, "bartowski/Phi-3-mini-4k-instruct-GGUF");
    source = parse("phi3-mini", "safetensors");
    assert_int_equal(source.kind, SMG_SOURCE_REPOSITORY);
    assert_string_equal(source.repository, "microsoft/Phi-3-mini-4k-instruct");
}

static void test_addresses(void **state)
{
    (void)state;
    smg_source source = parse("https://user:pass@host:81/a/b%2Bc.gguf?x=/y#z", NULL);
    assert_int_equal(source.kind, SMG_SOURCE_URL);
    assert_string_equal(source.name, "b+c.gguf");
    assert_string_equal(source.url, "https://user:pass@host:81/a/b%2Bc.gguf?x=/y#z");
    source = parse(SMG_HUB "/datasets/org/set/resolve/main/readings.csv", NULL);
    assert_int_equal(source.kind, SMG_SOURCE_URL);
    assert_string_equal(source.name, "readings.csv");
}

static void test_what_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "x",
                                      "org/repo",
                                      "hf:",
                                      "hf:org",
                                      "hf:org/",
                                      "hf:/repo",
                                      "hf:org/repo/more",
                                      "hf:org/repo:",
                                      "hf:org/repo:/m",
                                      "hf:org/repo:..",
                                      "hf:org/repo:a/../b",
                                      "hf:org/repo:a//b",
                                      "hf:org/repo:a\\b",
                                      "hf:org/repo:a\nb",
                                      "hf:org/..",
                                      "hf:../repo",
                                      "hf:org/repo@",
                                      "hf:org/repo@..",
                                      "hf:org/repo@a/../b",
                                      "hf:or g/repo",
                                      "hf:org/re?po",
                                      "https://",
                                      "https:///x",
                                      "https://host",
                                      "https://host/",
                                      "https://host/a/",
                                      "https://host/..",
                                      "https://host/%2e%2e",
                                      "https://host/a%2fb",
                                      "https://host/a%00b",
                                      "https://host/a b",
                                      "https://host/a%0ab",
                                      "https://host?x/y",
                                      "file:///etc/passwd",
                                      "ftp://host/x"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        smg_source source = {.name = "untouched"};
        smidge_error error = {0};
        if (smg_source_parse(bad[i], NULL, SMG_HUB, &source, &error) != SMIDGE_E_INVALID)
            fail_msg("\"%s\" is taken", bad[i]);
        assert_string_equal(source.name, "untouched");
        assert_non_null(strstr(error.message, "("));
    }
}

static void test_long_ones_are_refused(void **state)
{
    (void)state;
    static char text[3 * SMG_URL_MAX];
    static const char *const heads[] = {"hf:",          "hf:org/",       "hf:org/repo@",
                                        "hf:org/repo:", "https://host/", "https://"};
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        smg_source source;
        memset(text, 'a', sizeof text - 1);
        memcpy(text, heads[i], strlen(heads[i]));
        assert_int_equal(smg_source_parse(text, NULL, SMG_HUB, &source, NULL), SMIDGE_E_INVALID);
    }
}

static void test_urls_are_encoded(void **state)
{
    (void)state;
    char url[SMG_URL_MAX];
    assert_int_equal(smg_source_file_url(SMG_HUB, "o/r", "refs/pr/1", "a b/c#?%.gguf", url, NULL), SMIDGE_OK);
    assert_string_equal(url, SMG_HUB "/o/r/resolve/refs%2Fpr%2F1/a%20b/c%23%3F%25.gguf");
    assert_int_equal(smg_source_listing_url("http://m", "o/r", "main", url, NULL), SMIDGE_OK);
    assert_string_equal(url, "http://m/api/models/o/r/revision/main?blobs=true");
    static char longer[SMG_URL_MAX + 1];
    memset(longer, '%', SMG_URL_MAX);
    assert_int_equal(smg_source_file_url(SMG_HUB, "o/r", "main", longer, url, NULL), SMIDGE_E_INVALID);
}

/* Who gets the token. */
static void test_origins(void **state)
{
    (void)state;
    assert_true(smg_url_same_origin("https://Hub/a", "https://hub"));
    assert_false(smg_url_same_origin("https://hub.evil/a", "https://hub"));
    assert_false(smg_url_same_origin("https://hub@evil/a", "https://hub"));
    assert_false(smg_url_same_origin("https://hub:444/a", "https://hub"));
    assert_false(smg_url_same_origin("http://hub/a", "https://hub"));
    assert_false(smg_url_same_origin("hub", "hub"));
    assert_true(smg_url_is_private("https://anything"));
    assert_true(smg_url_is_private("http://localhost:80/x"));
    assert_true(smg_url_is_private("http://127.0.0.1"));
    assert_false(smg_url_is_private("http://localhost.evil"));
    assert_false(smg_url_is_private("http://localhost:80@evil/"));
    assert_false(smg_url_is_private("http://hub"));
    assert_false(smg_url_is_private("ftp://localhost"));
}

static void test_names(void **state)
{
    (void)state;
    char name[SMG_FILE_NAME_MAX + 2] = {0};
    memset(name, 'x', SMG_FILE_NAME_MAX + 1);
    assert_true(smg_name_is_safe(name, SMG_FILE_NAME_MAX));
    assert_false(smg_name_is_safe(name, SMG_FILE_NAME_MAX + 1));
    assert_true(smg_name_is_safe("...", 3));
    assert_true(smg_name_is_safe("a..b", 4));
    assert_false(smg_name_is_safe("..", 2));
    assert_false(smg_name_is_safe(".", 1));
    assert_false(smg_name_is_safe("", 0));
    assert_false(smg_name_is_safe("a\033b", 3));
    assert_true(smg_path_is_safe("a/b/c"));
    assert_false(smg_path_is_safe("/a"));
    assert_false(smg_path_is_safe("a/"));
    assert_false(smg_path_is_safe("a/./b"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_repositories),
        cmocka_unit_test(test_the_catalogue),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_long_ones_are_refused),
        cmocka_unit_test(test_urls_are_encoded),
        cmocka_unit_test(test_origins),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
