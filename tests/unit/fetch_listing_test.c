/* Lists of a repository's files, and what is chosen from them. */
#include "fetch/listing.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "test_support.h"

#define SHA "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define GIT "0123456789abcdef0123456789abcdef01234567"

static smidge_status parse(const char *text, smg_listing *listing, smidge_error *error)
{
    return smg_listing_parse(text, strlen(text), "org/repo", listing, error);
}

static void test_a_list_is_read(void **state)
{
    (void)state;
    smg_listing listing;
    smidge_error error;
    static const char text[] = "{\"sha\":\"" GIT "\",\"siblings\":["
                               "{\"rfilename\":\"a/m.gguf\",\"size\":3,\"blobId\":\"" GIT
                               "\",\"lfs\":{\"sha256\":\"" SHA "\",\"size\":5000000000}},"
                               "{\"rfilename\":\"config.json\",\"size\":9,\"blobId\":\"" GIT "\"},"
                               "{\"rfilename\":\"x\",\"size\":-1,\"blobId\":5},{\"rfilename\":\"y\"}]}";
    assert_int_equal(parse(text, &listing, &error), SMIDGE_OK);
    assert_int_equal(listing.count, 4);
    assert_string_equal(listing.commit, GIT);
    assert_true(listing.files[0].has_size && listing.files[0].size == UINT64_C(5000000000));
    assert_int_equal(listing.files[0].digest.kind, SMG_DIGEST_SHA256);
    assert_true(listing.files[1].has_size && listing.files[1].size == 9);
    assert_int_equal(listing.files[1].digest.kind, SMG_DIGEST_GIT);
    assert_false(listing.files[2].has_size || listing.files[3].has_size);
    assert_int_equal(listing.files[2].digest.kind, SMG_DIGEST_NONE);
    smg_listing_done(&listing);
    for (size_t cut = 0; cut + 1 < sizeof text; cut++)
        assert_int_equal(smg_listing_parse(text, cut, "org/repo", &listing, &error), SMIDGE_E_FORMAT);
}

static void test_what_is_no_list(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "null",
                                      "[]",
                                      "{}",
                                      "{\"siblings\":{}}",
                                      "{\"siblings\":[5]}",
                                      "{\"siblings\":[{}]}",
                                      "{\"siblings\":[{\"rfilename\":5}]}",
                                      "{\"siblings\":[{\"rfilename\":\"\"}]}",
                                      "{\"siblings\":[{\"rfilename\":\"../x\"}]}",
                                      "{\"siblings\":[{\"rfilename\":\"/x\"}]}",
                                      "{\"siblings\":[{\"rfilename\":\"a/..\"}]}",
                                      "{\"siblings\":[{\"rfilename\":\"a\\u0000b\"}]}",
                                      "{\"siblings\":[{\"rfilename\":\"a\\nb\"}]}",
                                      "{\"siblings\":[],\"siblings\":[]}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        smg_listing listing = {.count = 77};
        smidge_error error;
        if (parse(bad[i], &listing, &error) != SMIDGE_E_FORMAT)
            fail_msg("%s is taken for a list", bad[i]);
        assert_int_equal(listing.count, 77);
    }
}

static void test_no_memory(void **state)
{
    (void)state;
    smg_listing listing;
    smidge_error error;
    smg_alloc_fail_at(1);
    assert_int_equal(parse("{\"siblings\":[{\"rfilename\":\"x\"}]}", &listing, &error), SMIDGE_E_NOMEM);
    smg_alloc_fail_at(0);
    assert_int_equal(smg_alloc_live_blocks(), 0);
}

/* Of files whose names stand in `files`, which are chosen for `type`: their numbers in `marks`. */
static void expect_choice(const char *const *files, const char *type, smg_choice wanted, const char *marks)
{
    static smg_listed listed[16];
    smg_listing listing = {.files = listed};
    smg_choice choice;
    smidge_error error = {0};
    char found[17] = "";
    memset(listed, 0, sizeof listed);
    for (; files[listing.count] != NULL; listing.count++)
        snprintf(listed[listing.count].path, sizeof listed->path, "%s", files[listing.count]);
    if (smg_listing_choose(&listing, type, "org/repo", &choice, &error) != SMIDGE_OK)
        fail_msg("type %s: %s", type == NULL ? "-" : type, error.message);
    for (size_t i = 0; i < listing.count; i++)
        strcat(found, listed[i].chosen ? "x" : ".");
    assert_int_equal(choice, wanted);
    assert_string_equal(found, marks);
}

static smidge_status refusal(const char *const *files, const char *type)
{
    static smg_listed listed[16];
    smg_listing listing = {.files = listed};
    smg_choice choice;
    smidge_error error = {0};
    for (; files[listing.count] != NULL; listing.count++)
        snprintf(listed[listing.count].path, sizeof listed->path, "%s", files[listing.count]);
    const smidge_status status = smg_listing_choose(&listing, type, "org/repo", &choice, &error);
    if (status != SMIDGE_OK)
        assert_non_null(strstr(error.message, "("));
    return status;
}

static void test_gguf_files(void **state)
{
    (void)state;
    static const char *const quants[] = {"README.md",      "m-Q4_K_M.gguf",     "m-Q4_K_L.gguf",
                                         "m-IQ4_XS.gguf",  "m.q8_0.gguf",       "mmproj-Q8_0.gguf",
                                         "m-imatrix.gguf", "q8_0/m-f16.gguf",   "m-Q8_0_R16.gguf",
                                         "config.json",    "model.safetensors", NULL};
    static const char *const one[] = {"x", "only.gguf", NULL};
    static const char *const pieces[] = {"m-Q8_0-00001-of-00002.gguf", "m-Q8_0-00002-of-00002.gguf", NULL};
    expect_choice(quants, NULL, SMG_CHOICE_OPEN, ".xxxx..xx..");
    expect_choice(quants, "q4_k_m", SMG_CHOICE_FILE, ".x.........");
    expect_choice(quants, "Q8_0", SMG_CHOICE_FILE, "....x......");
    expect_choice(quants, "safetensors", SMG_CHOICE_FOLDER, ".........xx");
    expect_choice(one, NULL, SMG_CHOICE_FILE, ".x");
    assert_int_equal(refusal(quants, "q4_k"), SMIDGE_E_INVALID);
    assert_int_equal(refusal(quants, "q2_k"), SMIDGE_E_INVALID);
    assert_int_equal(refusal(pieces, "q8_0"), SMIDGE_E_UNSUPPORTED);
    assert_int_equal(refusal(one, "safetensors"), SMIDGE_E_UNSUPPORTED);
}

static void test_folders(void **state)
{
    (void)state;
    static const char *const whole[] = {"config.json",
                                        "model.safetensors",
                                        "model.fp32.safetensors",
                                        "onnx/model.onnx",
                                        "sub/model.safetensors",
                                        "tokenizer.model",
                                        NULL};
    static const char *const shards[] = {"config.json",
                                         "model-00001-of-00002.safetensors",
                                         "model-00002-of-00002.safetensors",
                                         "model.safetensors.index.json",
                                         "consolidated.safetensors",
                                         "vocab.json",
                                         "LICENSE",
                                         NULL};
    static const char *const adapter[] = {"adapter_config.json", "adapter_model.safetensors",
                                          "optimizer.safetensors", NULL};
    static const char *const mlx[] = {"adapters.safetensors", "adapter_config.json", NULL};
    static const char *const pickle[] = {"config.json", "pytorch_model.bin", NULL};
    static const char *const none[] = {"config.json", "model.onnx", NULL};
    static const char *const empty[] = {NULL};
    expect_choice(whole, NULL, SMG_CHOICE_FOLDER, "xx...x");
    expect_choice(shards, NULL, SMG_CHOICE_FOLDER, "xxxx.x.");
    expect_choice(adapter, NULL, SMG_CHOICE_FOLDER, "xx.");
    expect_choice(mlx, NULL, SMG_CHOICE_FOLDER, "xx");
    assert_int_equal(refusal(pickle, NULL), SMIDGE_E_UNSUPPORTED);
    assert_int_equal(refusal(none, NULL), SMIDGE_E_UNSUPPORTED);
    assert_int_equal(refusal(empty, NULL), SMIDGE_E_UNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_list_is_read), cmocka_unit_test(test_what_is_no_list),
        cmocka_unit_test(test_no_memory),      cmocka_unit_test(test_gguf_files),
        cmocka_unit_test(test_folders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
