/* Prefixes on disk: what comes back is what was saved, bit for bit, and nothing else is taken. */
#include "engine_support.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "synthetic_model.h"

static synthetic_file file;
static char folder[64];
static const char task[] = "The pump is watched by a small model that says what it sees. Reading: ";

static const char *path_of(const char *name, char text[128])
{
    snprintf(text, 128, "%s/%s", folder, name);
    return text;
}

static smidge_prefix *compute(smidge_session *session, const char *text)
{
    smidge_prefix *prefix = NULL;
    smidge_error error;
    const smidge_span span = {text, strlen(text), 0};
    engine_ok(smidge_prefix_new(session, &span, 1, 0, &prefix, &error), &error);
    return prefix;
}

static void save(smidge_model *model, int32_t kv, const char *path)
{
    smidge_session *session = engine_session(model, kv, 256, 0);
    smidge_prefix *prefix = compute(session, task);
    smidge_error error;
    engine_ok(smidge_prefix_save(prefix, path, &error), &error);
    smidge_prefix_free(prefix);
    smidge_session_free(session);
}

static void same_logits(smidge_model *model, int32_t kv, smidge_prefix *prefix)
{
    const smidge_span span = {task, sizeof task - 1, 0};
    const smidge_span spans[] = {span, {"12.5 bar", 8, 0}};
    int32_t ids[256];
    size_t count = 0;
    int32_t cached = 0;
    smidge_error error;
    engine_ok(smidge_tokenize(model, spans, 2, ids, 256, &count, &error), &error);
    smidge_session *cold = engine_session(model, kv, 256, 0);
    smidge_session *warm = engine_session(model, kv, 256, 0);
    engine_ok(smidge_session_set_prefix(warm, prefix, &error), &error);
    assert_int_equal(smg_session_prefill(cold, ids, (int32_t)count, &(smg_output){.logits = cold->logits},
                                         NULL, &cached),
                     SMIDGE_OK);
    assert_int_equal(cached, 0);
    assert_int_equal(smg_session_prefill(warm, ids, (int32_t)count, &(smg_output){.logits = warm->logits},
                                         NULL, &cached),
                     SMIDGE_OK);
    assert_true(cached > 8);
    assert_memory_equal(cold->logits, warm->logits, (size_t)model->model.shape.vocabulary * sizeof(float));
    smidge_session_free(warm);
    smidge_session_free(cold);
}

/* By its tokens a caller knows what was loaded. */
static void same_tokens(const smidge_model *model, const smidge_prefix *prefix)
{
    const smidge_span span = {task, sizeof task - 1, 0};
    int32_t ids[256];
    size_t count = 0;
    smidge_error error;
    engine_ok(smidge_tokenize(model, &span, 1, ids, 256, &count, &error), &error);
    size_t held = 0;
    const int32_t *tokens = smidge_prefix_tokens(prefix, &held);
    assert_int_equal(held, count);
    assert_memory_equal(tokens, ids, count * sizeof *ids);
}

static void what_is_saved_comes_back(void **state)
{
    (void)state;
    char path[128];
    for (int32_t kv = SMIDGE_KV_F16; kv <= SMIDGE_KV_F32; kv++) {
        smidge_model *model = engine_open(file.path, NULL, 2);
        save(model, kv, path_of("task", path));
        smidge_model_close(model);
        model = engine_open(file.path, NULL, 1); /* as another process would */
        smidge_prefix *prefix = NULL;
        smidge_error error;
        engine_ok(smidge_prefix_load(model, path, &prefix, &error), &error);
        same_tokens(model, prefix);
        same_logits(model, kv, prefix);
        smidge_prefix_free(prefix);
        smidge_model_close(model);
    }
}

static void refuse(smidge_model *model, const char *path, smidge_status expected, const char *why)
{
    uint64_t before = smg_alloc_live_blocks();
    uint64_t bytes = model->session_bytes;
    smidge_prefix *prefix = NULL;
    smidge_error error = {0};
    assert_int_equal(smidge_prefix_load(model, path, &prefix, &error), expected);
    assert_null(prefix);
    if (strstr(error.message, why) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", error.message, why);
    if (expected == SMIDGE_E_INVALID || expected == SMIDGE_E_FORMAT)
        assert_non_null(strstr(error.message, "; see docs/troubleshooting.md, \"Stale saved prefixes\")"));
    assert_int_equal(smg_alloc_live_blocks(), before);
    assert_int_equal(model->session_bytes, bytes);
}

static void what_is_foreign_is_refused(void **state)
{
    (void)state;
    char path[128];
    smidge_model *model = engine_open(file.path, NULL, 1);
    save(model, SMIDGE_KV_F16, path_of("task", path));
    synthetic_file other_file = synthetic_small(512);
    smidge_model *other = engine_open(other_file.path, NULL, 1);
    refuse(other, path, SMIDGE_E_INVALID, "for another model");
    smidge_model_close(other);
    synthetic_free(&other_file);
    uint32_t masks[8];
    if (smg_cpu_steps(masks) > 1) {
        smidge_model *slow = engine_open(file.path, "ref", 1);
        refuse(slow, path, SMIDGE_E_INVALID, "on another kernel path");
        smidge_model_close(slow);
    }
    refuse(model, file.path, SMIDGE_E_FORMAT, "not a whole saved prefix");
    refuse(model, "/nonexistent/prefix", SMIDGE_E_IO, "No such file");
    smidge_model_close(model);
}

static uint8_t *read_bytes(const char *path, size_t *ret_size)
{
    char *text = NULL;
    smidge_error error;
    engine_ok(smg_file_read(path, 1 << 28, &text, ret_size, &error), &error);
    return (uint8_t *)text;
}

/* Every byte of the header, and some of the rest, changed; every length of the header, and some beyond. */
static void what_is_damaged_is_refused(void **state)
{
    (void)state;
    enum { HEADER = 96 };
    char path[128];
    size_t size = 0;
    smidge_model *model = engine_open(file.path, NULL, 1);
    save(model, SMIDGE_KV_F16, path_of("task", path));
    uint8_t *bytes = read_bytes(path, &size);
    smidge_prefix *prefix = NULL;
    smidge_error error;
    for (size_t at = 0; at < size; at += at < 2 * HEADER ? 1 : 997) {
        bytes[at] ^= 0x10;
        assert_int_not_equal(smg_snapshot_parse(model, bytes, size, "changed", &prefix, &error), SMIDGE_OK);
        bytes[at] ^= 0x10;
        assert_int_not_equal(smg_snapshot_parse(model, bytes, at, "cut", &prefix, &error), SMIDGE_OK);
    }
    assert_null(prefix);
    engine_ok(smg_snapshot_parse(model, bytes, size, "whole", &prefix, &error), &error);
    smidge_prefix_free(prefix);
    smg_free(bytes);
    smidge_model_close(model);
}

/* The session that a failed load was meant for goes on as it was. */
static void a_failed_load_changes_nothing(void **state)
{
    (void)state;
    char path[128];
    smidge_model *model = engine_open(file.path, NULL, 1);
    smidge_session *session = engine_session(model, SMIDGE_KV_F16, 256, 0);
    smidge_prefix *held = compute(session, task);
    smidge_error error;
    engine_ok(smidge_session_set_prefix(session, held, &error), &error);
    int32_t count = session->count;
    const smg_file_part nonsense = {"SMGPFX01 and nothing", 20};
    engine_ok(smg_file_replace(path_of("nonsense", path), &nonsense, 1, &error), &error);
    refuse(model, path, SMIDGE_E_FORMAT, "not a whole saved prefix");
    assert_ptr_equal(session->prefix, held);
    assert_int_equal(session->count, count);
    same_logits(model, SMIDGE_KV_F16, held);
    smidge_prefix_free(held);
    smidge_session_free(session);
    smidge_model_close(model);
}

static void saving_is_whole_or_not_at_all(void **state)
{
    (void)state;
    smidge_model *model = engine_open(file.path, NULL, 1);
    smidge_session *session = engine_session(model, SMIDGE_KV_F16, 256, 0);
    smidge_prefix *prefix = compute(session, task);
    smidge_error error;
    assert_int_equal(smidge_prefix_save(prefix, "/nonexistent/folder/prefix", &error), SMIDGE_E_IO);
    char path[128];
    path_of("folder", path);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(smidge_prefix_save(prefix, path, &error), SMIDGE_E_IO); /* a folder is in the way */
    char part[160];
    snprintf(part, sizeof part, "%s.%ld.part", path, (long)getpid());
    assert_int_equal(access(part, F_OK), -1);
    assert_int_equal(rmdir(path), 0);
    smidge_prefix_free(prefix);
    smidge_session_free(session);
    smidge_model_close(model);
}

/* A path mistaken for another costs no file; one of an older format, or an empty one, is replaced. */
static void what_is_something_else_is_left_alone(void **state)
{
    (void)state;
    static const char *const others[] = {"Judge the reading.", "SMGPF", "GGUF and a model"};
    static const char *const taken[] = {"SMGPFX00 of another time", ""};
    smidge_model *model = engine_open(file.path, NULL, 1);
    smidge_session *session = engine_session(model, SMIDGE_KV_F16, 256, 0);
    smidge_prefix *prefix = compute(session, task);
    char path[128];
    path_of("nonsense", path);
    smidge_error error = {0};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        const smg_file_part other = {others[i], strlen(others[i])};
        engine_ok(smg_file_replace(path, &other, 1, &error), &error);
        assert_int_equal(smidge_prefix_save(prefix, path, &error), SMIDGE_E_INVALID);
        assert_non_null(strstr(error.message, "was left alone"));
        size_t size = 0;
        uint8_t *bytes = read_bytes(path, &size);
        assert_int_equal(size, other.size);
        assert_memory_equal(bytes, others[i], size);
        smg_free(bytes);
    }
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) {
        const smg_file_part other = {taken[i], strlen(taken[i])};
        engine_ok(smg_file_replace(path, &other, 1, &error), &error);
        engine_ok(smidge_prefix_save(prefix, path, &error), &error);
        smidge_prefix *loaded = NULL;
        engine_ok(smidge_prefix_load(model, path, &loaded, &error), &error);
        smidge_prefix_free(loaded);
    }
    smidge_prefix_free(prefix);
    smidge_session_free(session);
    smidge_model_close(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_saved_comes_back),
        cmocka_unit_test(what_is_foreign_is_refused),
        cmocka_unit_test(what_is_damaged_is_refused),
        cmocka_unit_test(a_failed_load_changes_nothing),
        cmocka_unit_test(saving_is_whole_or_not_at_all),
        cmocka_unit_test(what_is_something_else_is_left_alone),
    };
    file = synthetic_small(1024);
    snprintf(folder, sizeof folder, "/tmp/smidge-test-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    synthetic_free(&file);
    char path[128];
    unlink(path_of("task", path));
    unlink(path_of("nonsense", path));
    rmdir(folder);
    return failed;
}
