/* Interleaved rows: the same logits bit for bit at every CPU path, and the way back gives the file that was. */
#include "engine_support.h"
#include "format/interleave.h"
#include "synthetic_model.h"

#include <unistd.h>

#include "smidge/tools.h"

#define POSITIONS 70

static char folder[64];
static char packed[128];
static char plain[128];
static smidge_error error;

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/repack_test.XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(packed, sizeof packed, "%s/packed.gguf", folder);
    snprintf(plain, sizeof plain, "%s/plain.gguf", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(packed);
    unlink(plain);
    return rmdir(folder); /* fails when something was left behind */
}

static smidge_status repack(const char *from, const char *to, bool back)
{
    smidge_file *file = NULL;
    const smidge_repack_options options = {.size = sizeof options, .plain = back};
    engine_ok(smidge_file_open(from, &file, &error), &error);
    smidge_status status = smidge_file_repack(file, to, &options, &error);
    smidge_file_close(file);
    return status;
}

static float *logits_of(const char *path, const char *cpu, int32_t chunk, size_t *ret_size)
{
    smidge_model *model = engine_open(path, cpu, 2);
    int32_t ids[POSITIONS];
    for (int32_t i = 0; i < POSITIONS; i++)
        ids[i] = 3 + i * 7 % 300;
    smidge_session *session = engine_session(model, SMIDGE_KV_F16, POSITIONS, chunk);
    float *logits = engine_logits_new(model, POSITIONS);
    engine_run_rows(session, ids, POSITIONS, logits);
    *ret_size = (size_t)POSITIONS * (size_t)model->model.shape.vocabulary * sizeof *logits;
    smidge_session_free(session);
    smidge_model_close(model);
    return logits;
}

static void check_same_logits(const char *path, const char *name)
{
    const char *cpus[ENGINE_STEPS];
    const int steps = engine_cpu_names(cpus);
    for (int i = 0; i < steps; i++) {
        size_t size = 0, packed_size = 0;
        float *expected = logits_of(path, cpus[i], POSITIONS, &size);
        for (int32_t chunk = 1; chunk <= POSITIONS; chunk += POSITIONS - 1) {
            float *got = logits_of(packed, cpus[i], chunk, &packed_size);
            assert_int_equal(size, packed_size);
            if (memcmp(expected, got, size) != 0)
                fail_msg("%s, %s, chunks of %d: interleaved rows give other logits", name, cpus[i],
                         (int)chunk);
            free(got);
        }
        free(expected);
    }
}

/* All keys but the alignment, and all tensors. */
static void check_same_file(const char *path)
{
    smg_gguf was, is;
    engine_ok(smg_gguf_open(path, &was, &error), &error);
    engine_ok(smg_gguf_open(plain, &is, &error), &error);
    assert_int_equal(was.key_count, is.key_count);
    assert_int_equal(was.tensor_count, is.tensor_count);
    for (uint64_t i = 0; i < was.key_count; i++) {
        assert_int_equal(was.keys[i].value_bytes, is.keys[i].value_bytes);
        assert_memory_equal(was.keys[i].value, is.keys[i].value, was.keys[i].value_bytes);
    }
    for (uint64_t i = 0; i < was.tensor_count; i++) {
        assert_int_equal(was.tensors[i].type, is.tensors[i].type);
        assert_int_equal(was.tensors[i].bytes, is.tensors[i].bytes);
        assert_memory_equal(was.tensors[i].data, is.tensors[i].data, was.tensors[i].bytes);
    }
    smg_gguf_close(&was);
    smg_gguf_close(&is);
}

/* Columns of the type's blocks; a vocabulary of whole groups, or (a little smaller) of rows that stay plain. */
static void check_type(smg_type type, bool whole_vocabulary)
{
    const smg_type_info *info = smg_type_describe(type);
    const bool super = info->block_elements == SMG_QK_K;
    static const char *const extra[] = {"yes", "no"};
    const synthetic_shape shape = {
        .type = type,
        .layers = 1,
        .width = super ? 256 : 64,
        .heads = super ? 4 : 2,
        .kv_heads = super ? 2 : 1,
        .head_size = super ? 64 : 32,
        .feed_forward = super ? 256 : 160,
        .context = 256,
        .seed = 200 + (uint64_t)type,
        .extra_tokens = extra,
        .extra_count = whole_vocabulary ? 2 : 0,
    };
    synthetic_file file = synthetic_make(&shape);
    engine_ok(repack(file.path, packed, false), &error);
    check_same_logits(file.path, info->name);
    engine_ok(repack(packed, plain, true), &error);
    check_same_file(file.path);
    assert_int_equal(repack(packed, plain, false), SMIDGE_E_INVALID);
    synthetic_free(&file);
}

static void every_type_gives_the_same_logits(void **state)
{
    (void)state;
    int count = 0;
    for (smg_type type = 0; type < SMG_TYPE_R16; type++) {
        if (smg_type_describe(type) == NULL || !smg_group_fits(type, SMG_QK_K, SMG_GROUP_ROWS))
            continue;
        check_type(type, count % 2 == 0);
        count++;
    }
    assert_int_equal(count, 12);
}

static void what_cannot_be_repacked_is_refused(void **state)
{
    (void)state;
    const char *floats = smg_test_source("tests/golden/llama-plain.gguf");
    assert_int_equal(repack(floats, packed, false), SMIDGE_E_INVALID);
    assert_non_null(strstr(error.message, "nothing to interleave"));
    assert_int_equal(repack(floats, plain, true), SMIDGE_E_INVALID);
    assert_non_null(strstr(error.message, "no interleaved rows"));
    const synthetic_shape shape = {.type = SMG_TYPE_Q4_0,
                                   .layers = 1,
                                   .width = 64,
                                   .heads = 2,
                                   .kv_heads = 1,
                                   .head_size = 32,
                                   .feed_forward = 160,
                                   .context = 64,
                                   .seed = 1};
    synthetic_file file = synthetic_make(&shape);
    char nowhere[160];
    snprintf(nowhere, sizeof nowhere, "%s/missing/packed.gguf", folder);
    assert_int_equal(repack(file.path, nowhere, false), SMIDGE_E_IO);
    synthetic_free(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_type_gives_the_same_logits, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(what_cannot_be_repacked_is_refused, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
