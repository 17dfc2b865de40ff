/* Collecting an importance matrix: the sums are those of the model's own inputs, for every matrix and every token; the same file comes
 * out at any number of threads; files can be merged, and read again. */
#include "measure/imatrix_collect.h"

#include <stdio.h>

#include "base/alloc.h"
#include "engine_support.h"
#include "format/gguf.h"
#include "quant/imatrix.h"
#include "synthetic_model.h"

#define WIDTH 96
#define CHUNK 130 /* a batch of 128 and then two tokens */

static const char text[] =
    "THE PUMP IS AT 3.1 BAR, AND THE WORLD TURNS. A hot bearing hums; a cold one does not. Temperature 71.5 C, vibration "
    "2.9 mm/s, pressure 4.2 bar: WARNING. Nothing moved in the night, and in the morning the valve was open.\n"
    "Ein Satz auf Deutsch: 12 Meter, 20 Grad. NORMAL, NORMAL, CRITICAL. 0123456789 0123456789 0123456789 0123456789\n";

static char folder[] = "/tmp/smidge-collect-XXXXXX";

static char *path_of(const char *name)
{
    static char paths[4][128];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static void write_file(const char *path, const char *content, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(content, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static synthetic_file make_model(int32_t width)
{
    return synthetic_make(&(synthetic_shape){.type = SMG_TYPE_Q8_0,
                                             .layers = 2,
                                             .width = width,
                                             .heads = 3,
                                             .kv_heads = 1,
                                             .head_size = 32,
                                             .feed_forward = 160,
                                             .context = 256,
                                             .seed = 21});
}

static void collect(const char *model_path, const char *out, const smg_collect_options *options,
                    int32_t threads)
{
    smidge_error error;
    smg_collector *collector = NULL;
    smidge_model *model = engine_open(model_path, "ref", threads);
    engine_ok(smg_collector_new(&collector, &error), &error);
    engine_ok(smg_collector_run(collector, model, path_of("text"), options, &error), &error);
    engine_ok(smg_collector_write(collector, out, &error), &error);
    smg_collector_free(collector);
    smidge_model_close(model);
}

static float *tensor_values(const smg_gguf *gguf, const char *name, uint64_t columns)
{
    const smg_gguf_tensor *tensor = smg_gguf_find_tensor(gguf, name);
    if (tensor == NULL)
        fail_msg("%s is not there", name);
    assert_int_equal(tensor->type, SMG_TYPE_F32);
    assert_int_equal(tensor->dims, 2);
    assert_int_equal(tensor->shape[0], columns);
    assert_int_equal(tensor->shape[1], 1);
    float *values = malloc(tensor->bytes);
    assert_non_null(values);
    memcpy(values, tensor->data, tensor->bytes);
    return values;
}

/* ---- The sums -------------------------------------------------------------------------------------------- */

/* Everything goes into the model by hand here: names, columns, rows, and for the first layer the very numbers. */
static void expect_entry(const smg_gguf *gguf, const char *matrix, uint64_t columns, float rows)
{
    char name[64];
    snprintf(name, sizeof name, "%s.weight.counts", matrix);
    float *counts = tensor_values(gguf, name, 1);
    assert_true(*counts == rows);
    free(counts);
    snprintf(name, sizeof name, "%s.weight.in_sum2", matrix);
    float *sums = tensor_values(gguf, name, columns);
    double total = 0;
    for (uint64_t i = 0; i < columns; i++) {
        assert_true(isfinite(sums[i]) && sums[i] >= 0);
        total += (double)sums[i];
    }
    assert_true(total > 0);
    free(sums);
}

static const float *floats_of(const smidge_model *model, const char *name)
{
    return (const float *)(const void *)smg_gguf_find_tensor(&model->gguf, name)->data;
}

/* The first layer's input: the embedding of each token, normed. */
static void expect_first_inputs(const smidge_model *model, const smg_gguf *gguf, int32_t chunks)
{
    const smg_span span = {.text = text, .size = sizeof text - 1};
    const float *norm = floats_of(model, "blk.0.attn_norm.weight");
    const smg_matrix *embedding = &model->model.weights.embedding;
    double wanted[WIDTH] = {0};
    smg_ids ids;
    assert_int_equal(smg_tokenizer_encode(model->tokenizer, &span, 1, true, &ids, NULL), SMIDGE_OK);
    for (int32_t at = 0; at < chunks * CHUNK; at++) {
        const int32_t id = at % CHUNK == 0 ? TINY_BOS : ids.ids[at];
        double squares = 0, x[WIDTH];
        for (int i = 0; i < WIDTH; i++) {
            /* Q8_0: blocks of a half-precision scale and 32 numbers of 8 bits */
            const uint8_t *block = embedding->data + (size_t)id * embedding->stride + (size_t)(i / 32) * 34;
            uint16_t scale;
            memcpy(&scale, block, sizeof scale);
            x[i] = (double)smg_half_to_float(scale) * (double)(int8_t)block[2 + i % 32];
            squares += x[i] * x[i] / WIDTH;
        }
        for (int i = 0; i < WIDTH; i++)
            wanted[i] += pow(x[i] / sqrt(squares + 1e-5) * (double)norm[i], 2);
    }
    smg_free(ids.ids);
    static const char *const names[] = {"blk.0.attn_q.weight.in_sum2", "blk.0.attn_k.weight.in_sum2",
                                        "blk.0.attn_v.weight.in_sum2"};
    for (size_t n = 0; n < 3; n++) {
        float *sums = tensor_values(gguf, names[n], WIDTH);
        for (int i = 0; i < WIDTH; i++)
            assert_true(fabs((double)sums[i] - wanted[i]) <= 1e-5 * wanted[i]);
        free(sums);
    }
}

static void sums_are_those_of_the_inputs(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint64_t columns;
    } matrices[] = {{"attn_q", WIDTH},   {"attn_k", WIDTH}, {"attn_v", WIDTH}, {"attn_output", 96},
                    {"ffn_gate", WIDTH}, {"ffn_up", WIDTH}, {"ffn_down", 160}};
    synthetic_file a = make_model(WIDTH);
    smidge_error error;
    smg_gguf gguf;
    uint32_t number = 0;
    collect(a.path, path_of("sums"), &(smg_collect_options){.chunking = {.context = CHUNK}}, 2);
    engine_ok(smg_gguf_open(path_of("sums"), &gguf, &error), &error);
    engine_ok(smg_gguf_get_u32(&gguf, "imatrix.chunk_count", &number, NULL, &error), &error);
    const int32_t chunks = (int32_t)number;
    assert_true(chunks >= 2);
    engine_ok(smg_gguf_get_u32(&gguf, "imatrix.chunk_size", &number, NULL, &error), &error);
    assert_int_equal(number, CHUNK);
    assert_int_equal(gguf.tensor_count, 2 * 2 * 7);
    for (int layer = 0; layer < 2; layer++) {
        for (size_t i = 0; i < 7; i++) {
            char name[64];
            snprintf(name, sizeof name, "blk.%d.%s", layer, matrices[i].name);
            expect_entry(&gguf, name, matrices[i].columns, (float)(chunks * CHUNK));
        }
    }
    smidge_model *model = engine_open(a.path, NULL, 1);
    expect_first_inputs(model, &gguf, chunks);
    smidge_model_close(model);
    smg_gguf_close(&gguf);
    synthetic_free(&a);
}

static void the_output_matrix_is_there_when_asked_for(void **state)
{
    (void)state;
    synthetic_file a = make_model(WIDTH);
    smg_gguf gguf;
    smidge_error error;
    const smg_collect_options options = {.chunking = {.context = CHUNK, .most = 1}, .output = true};
    collect(a.path, path_of("output"), &options, 2);
    engine_ok(smg_gguf_open(path_of("output"), &gguf, &error), &error);
    expect_entry(&gguf, "output", WIDTH, CHUNK);
    assert_int_equal(gguf.tensor_count, 2 * (2 * 7 + 1));
    smg_gguf_close(&gguf);
    synthetic_free(&a);
}

/* Where q, k and v are one tensor, and gate and up are, there is one entry for each tensor that the file has. */
static void fused_tensors_have_one_entry(void **state)
{
    (void)state;
    smg_gguf gguf;
    smidge_error error;
    collect(smg_test_source("tests/golden/phi3.gguf"), path_of("fused"),
            &(smg_collect_options){.chunking = {.context = 16}}, 1);
    engine_ok(smg_gguf_open(path_of("fused"), &gguf, &error), &error);
    assert_non_null(smg_gguf_find_tensor(&gguf, "blk.0.attn_qkv.weight.in_sum2"));
    assert_non_null(smg_gguf_find_tensor(&gguf, "blk.0.attn_output.weight.in_sum2"));
    assert_non_null(smg_gguf_find_tensor(&gguf, "blk.0.ffn_up.weight.in_sum2"));
    assert_non_null(smg_gguf_find_tensor(&gguf, "blk.0.ffn_down.weight.in_sum2"));
    assert_int_equal(gguf.tensor_count % 8, 0);
    smg_gguf_close(&gguf);
}

/* ---- Files ----------------------------------------------------------------------------------------------- */

static void expect_same_files(const char *a, const char *b)
{
    smg_file x = {0}, y = {0};
    smidge_error error;
    engine_ok(smg_file_open(a, &x, &error), &error);
    engine_ok(smg_file_open(b, &y, &error), &error);
    assert_int_equal(x.size, y.size);
    assert_memory_equal(x.data, y.data, x.size);
    smg_file_close(&x);
    smg_file_close(&y);
}

static void threads_do_not_change_the_file(void **state)
{
    (void)state;
    synthetic_file a = make_model(WIDTH);
    const smg_collect_options options = {.chunking = {.context = CHUNK}, .output = true};
    collect(a.path, path_of("one"), &options, 1);
    for (int32_t threads = 2; threads <= 5; threads++) {
        collect(a.path, path_of("more"), &options, threads);
        expect_same_files(path_of("one"), path_of("more"));
    }
    synthetic_free(&a);
}

static void the_file_is_read_again(void **state)
{
    (void)state;
    synthetic_file a = make_model(WIDTH);
    smg_gguf gguf;
    smidge_error error;
    smg_imatrix *imatrix;
    int64_t columns;
    collect(a.path, path_of("again"), &(smg_collect_options){.chunking = {.context = CHUNK}}, 1);
    engine_ok(smg_imatrix_open(path_of("again"), &imatrix, &error), &error);
    assert_int_equal(smg_imatrix_count(imatrix), 14);
    assert_true(smg_imatrix_chunks(imatrix) >= 2);
    assert_string_equal(smg_imatrix_dataset(imatrix), path_of("text"));
    const float *values = smg_imatrix_find(imatrix, "blk.1.ffn_down.weight", &columns);
    assert_non_null(values);
    assert_int_equal(columns, 160);
    engine_ok(smg_gguf_open(path_of("again"), &gguf, &error), &error);
    float *sums = tensor_values(&gguf, "blk.1.ffn_down.weight.in_sum2", 160);
    double mean = 0;
    for (int i = 0; i < 160; i++)
        mean += (double)sums[i] / 160;
    for (int i = 0; i < 160; i++)
        assert_true(fabs((double)values[i] - (double)sums[i] / mean) < 1e-5 * (double)values[i] + 1e-6);
    free(sums);
    smg_gguf_close(&gguf);
    smg_imatrix_close(imatrix);
    synthetic_free(&a);
}

static void files_are_merged(void **state)
{
    (void)state;
    synthetic_file a = make_model(WIDTH), narrow = make_model(64);
    smidge_error error;
    smg_collector *collector;
    smg_gguf once, twice;
    const smg_collect_options options = {.chunking = {.context = CHUNK}};
    collect(a.path, path_of("once"), &options, 1);
    collect(narrow.path, path_of("narrow"), &options, 1);
    engine_ok(smg_collector_new(&collector, &error), &error);
    engine_ok(smg_collector_merge(collector, path_of("once"), 0, &error), &error);
    const uint32_t chunks = smg_collector_chunks(collector);
    smidge_model *model = engine_open(a.path, "ref", 1);
    engine_ok(smg_collector_run(collector, model, path_of("text"), &options, &error), &error);
    assert_int_equal(smg_collector_count(collector), 14);
    assert_int_equal(smg_collector_chunks(collector), 2 * chunks);
    engine_ok(smg_collector_write(collector, path_of("twice"), &error), &error);
    assert_int_equal(smg_collector_merge(collector, path_of("narrow"), 0, &error), SMIDGE_E_INVALID);
    assert_non_null(strstr(error.message, "merge files of one model"));
    smg_collector_free(collector);
    smidge_model_close(model);
    engine_ok(smg_gguf_open(path_of("once"), &once, &error), &error);
    engine_ok(smg_gguf_open(path_of("twice"), &twice, &error), &error);
    float *x = tensor_values(&once, "blk.0.ffn_down.weight.in_sum2", 160);
    float *y = tensor_values(&twice, "blk.0.ffn_down.weight.in_sum2", 160);
    for (int i = 0; i < 160; i++)
        assert_true(fabs((double)y[i] - 2 * (double)x[i]) <= 1e-6 * (double)y[i]);
    free(x);
    free(y);
    smg_gguf_close(&once);
    smg_gguf_close(&twice);
    synthetic_free(&a);
    synthetic_free(&narrow);
}

/* ---- Failing --------------------------------------------------------------------------------------------- */

static void stop_at_once(void *context, uint64_t done, uint64_t total)
{
    assert_true(done == 1 && total > 1);
    atomic_store((atomic_int *)context, 1);
}

static void what_fails_says_so(void **state)
{
    (void)state;
    synthetic_file a = make_model(WIDTH);
    smidge_error error;
    smg_collector *collector;
    atomic_int cancel = 0;
    const smg_collect_options options = {.chunking = {.context = 64},
                                         .cancel = &cancel,
                                         .progress = stop_at_once,
                                         .progress_context = &cancel};
    smidge_model *model = engine_open(a.path, NULL, 2);
    engine_ok(smg_collector_new(&collector, &error), &error);
    assert_int_equal(smg_collector_write(collector, path_of("none"), &error), SMIDGE_E_INVALID);
    assert_int_equal(smg_collector_merge(collector, path_of("text"), 0, &error), SMIDGE_E_FORMAT);
    assert_int_equal(smg_collector_merge(collector, path_of("none"), 0, &error), SMIDGE_E_IO);
    assert_int_equal(smg_collector_run(collector, model, path_of("none"), &options, &error), SMIDGE_E_IO);
    assert_int_equal(smg_collector_run(collector, model, path_of("text"), &options, &error),
                     SMIDGE_E_CANCELLED);
    smg_collector_free(collector);
    smidge_model_close(model);
    synthetic_free(&a);
}

static smidge_status make(smidge_model *model, smidge_error *error)
{
    smg_collector *collector = NULL;
    const smg_collect_options options = {.chunking = {.context = 16, .most = 1}};
    smidge_status status = smg_collector_new(&collector, error);
    if (status == SMIDGE_OK)
        status = smg_collector_run(collector, model, path_of("text"), &options, error);
    if (status == SMIDGE_OK)
        status = smg_collector_write(collector, path_of("failing"), error);
    smg_collector_free(collector);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    synthetic_file a = make_model(WIDTH);
    smidge_model *model = engine_open(a.path, NULL, 1);
    const uint64_t live = smg_alloc_live_blocks();
    uint64_t n = 1;
    for (smidge_status status = SMIDGE_E_NOMEM; status != SMIDGE_OK; n++) {
        smidge_error error;
        smg_alloc_fail_at(n);
        status = make(model, &error);
        smg_alloc_fail_at(0);
        assert_true(status == SMIDGE_OK || status == SMIDGE_E_NOMEM);
        assert_int_equal(access(path_of("failing"), F_OK) == 0, status == SMIDGE_OK);
        assert_int_equal(smg_alloc_live_blocks(), live);
    }
    assert_true(n > 20);
    smidge_model_close(model);
    synthetic_free(&a);
}

static int begin(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL)
        return 1;
    write_file(path_of("text"), text, sizeof text - 1);
    return 0;
}

static int end(void **state)
{
    (void)state;
    static const char *const names[] = {"text",  "sums", "output", "fused",  "one",    "more",
                                        "again", "once", "twice",  "narrow", "failing"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(path_of(names[i]));
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_are_those_of_the_inputs),
        cmocka_unit_test(the_output_matrix_is_there_when_asked_for),
        cmocka_unit_test(fused_tensors_have_one_entry),
        cmocka_unit_test(threads_do_not_change_the_file),
        cmocka_unit_test(the_file_is_read_again),
        cmocka_unit_test(files_are_merged),
        cmocka_unit_test(what_fails_says_so),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
