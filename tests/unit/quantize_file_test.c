/* A model file quantized: which types it may be asked for, what importance changes, and what is refused. */
#include "test_support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gguf_builder.h"
#include "quant/dequantize.h"
#include "quant/quantize_file.h"

enum { COLUMNS = 256, ROWS = 24 };

static const char down[] = "blk.0.ffn_down.weight", up[] = "blk.0.ffn_up.weight",
                  norm[] = "blk.0.ffn_norm.weight";
static float weights[ROWS * COLUMNS];
static char folder[] = "/tmp/smidge-quantize-XXXXXX", path[64];

static int make_folder(void **state)
{
    uint64_t random = 7;
    (void)state;
    for (int i = 0; i < ROWS * COLUMNS; i++)
        weights[i] = (float)((double)smg_test_random(&random) / 1.8446744073709552e19 - 0.5);
    if (mkdtemp(folder) == NULL)
        return 1;
    snprintf(path, sizeof path, "%s/out.gguf", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

/* A model of three tensors, whose bytes stay with the builder. */
static void build_model(gguf_builder *model, const float *matrix, smg_gguf *ret_gguf)
{
    gguf_begin(model, 3);
    gguf_add_str(model, "general.architecture", "llama");
    gguf_add_u32(model, "llama.block_count", 16);
    gguf_add_u32(model, "general.file_type", 0);
    gguf_add_tensor(model, down, SMG_TYPE_F32, 2, (uint64_t[]){COLUMNS, ROWS}, matrix, sizeof weights);
    gguf_add_tensor(model, up, SMG_TYPE_F32, 2, (uint64_t[]){COLUMNS, ROWS}, weights, sizeof weights);
    gguf_add_tensor(model, norm, SMG_TYPE_F32, 1, (uint64_t[]){COLUMNS}, weights, COLUMNS * 4);
    gguf_finish(model);
    assert_int_equal(smg_gguf_parse(model->bytes, model->size, "model", ret_gguf, NULL), SMIDGE_OK);
}

/* Squares of the inputs of one matrix: columns that matter very differently, one of them not at all. */
static void build_imatrix(const char *tensor, uint64_t columns, smg_imatrix **ret_imatrix)
{
    gguf_builder file;
    char name[64];
    float *sums = calloc((size_t)columns, sizeof *sums);
    const float count = 100;
    assert_non_null(sums);
    for (uint64_t i = 1; i < columns; i++)
        sums[i] = i % 8 == 0 ? 1e4F : 1.0F;
    gguf_begin(&file, 3);
    gguf_add_str(&file, "general.type", "imatrix");
    gguf_add_array_str(&file, "imatrix.datasets", (const char *const[]){"readings.txt"}, 1);
    gguf_add_u32(&file, "imatrix.chunk_count", 9);
    snprintf(name, sizeof name, "%s.in_sum2", tensor);
    gguf_add_tensor(&file, name, SMG_TYPE_F32, 2, (uint64_t[]){columns, 1}, sums,
                    (size_t)columns * sizeof *sums);
    snprintf(name, sizeof name, "%s.counts", tensor);
    gguf_add_tensor(&file, name, SMG_TYPE_F32, 2, (uint64_t[]){1, 1}, &count, sizeof count);
    gguf_finish(&file);
    assert_int_equal(smg_imatrix_parse(file.bytes, file.size, "imatrix", ret_imatrix, NULL), SMIDGE_OK);
    gguf_free(&file);
    free(sums);
}

static smidge_status quantize(const float *matrix, const smg_quantize *options, smidge_error *error)
{
    gguf_builder model;
    smg_gguf gguf;
    unlink(path);
    build_model(&model, matrix, &gguf);
    smidge_status status = smg_quantize_write(&gguf, path, options, error);
    smg_gguf_close(&gguf);
    gguf_free(&model);
    if (status != SMIDGE_OK)
        assert_int_not_equal(access(path, F_OK), 0);
    return status;
}

static void refused(const float *matrix, const smg_quantize *options, smidge_status expected, const char *why)
{
    smidge_error error;
    assert_int_equal(quantize(matrix, options, &error), expected);
    if (strstr(error.message, why) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", error.message, why);
}

static smg_type type_in_file(const char *tensor)
{
    smg_gguf gguf;
    assert_int_equal(smg_gguf_open(path, &gguf, NULL), SMIDGE_OK);
    const smg_gguf_tensor *found = smg_gguf_find_tensor(&gguf, tensor);
    assert_non_null(found);
    const smg_type type = found->type;
    smg_gguf_close(&gguf);
    return type;
}

static double weighted_error(const smg_imatrix *imatrix)
{
    smg_gguf gguf;
    float row[COLUMNS];
    double error = 0;
    int64_t columns = 0;
    const float *importance = smg_imatrix_find(imatrix, up, &columns);
    assert_int_equal(smg_gguf_open(path, &gguf, NULL), SMIDGE_OK);
    const smg_gguf_tensor *tensor = smg_gguf_find_tensor(&gguf, up);
    const size_t bytes = (size_t)smg_type_row_bytes(tensor->type, COLUMNS);
    for (int r = 0; r < ROWS; r++) {
        smg_dequantize_row(tensor->type, tensor->data + (size_t)r * bytes, row, COLUMNS);
        for (int i = 0; i < COLUMNS; i++)
            error += (double)importance[i] * pow((double)row[i] - (double)weights[r * COLUMNS + i], 2);
    }
    smg_gguf_close(&gguf);
    return error;
}

/* ---- Tests ---------------------------------------------------------------------------------------------- */

static void choices_go_before_the_mix(void **state)
{
    smg_type_choice choices[2];
    smg_quantize options = {.mix = smg_mix_find("q4_0"), .threads = 2, .choices = choices, .choice_count = 2};
    (void)state;
    assert_int_equal(smg_type_choice_parse("ffn_down=Q6_K", &choices[0], NULL), SMIDGE_OK);
    assert_int_equal(smg_type_choice_parse("blk.*.*up*t=bf16", &choices[1], NULL), SMIDGE_OK);
    assert_int_equal(quantize(weights, &options, NULL), SMIDGE_OK);
    assert_int_equal(type_in_file(down), SMG_TYPE_Q6_K);
    assert_int_equal(type_in_file(up), SMG_TYPE_BF16);
    assert_int_equal(type_in_file(norm), SMG_TYPE_F32);
    /* the first that applies counts */
    assert_int_equal(smg_type_choice_parse("*=q8_0", &choices[1], NULL), SMIDGE_OK);
    assert_int_equal(quantize(weights, &options, NULL), SMIDGE_OK);
    assert_int_equal(type_in_file(down), SMG_TYPE_Q6_K);
    assert_int_equal(type_in_file(up), SMG_TYPE_Q8_0);
    assert_int_equal(smg_type_choice_parse("blk.1.*=q8_0", &choices[1], NULL), SMIDGE_OK);
    refused(weights, &options, SMIDGE_E_INVALID, "is no matrix of this model");
    assert_int_equal(smg_type_choice_parse("norm=q8_0", &choices[1], NULL), SMIDGE_OK);
    refused(weights, &options, SMIDGE_E_INVALID, "is no matrix of this model");
    static const char *const bad[] = {"", "q8_0", "=q8_0", "ffn_up=", "ffn_up=q4_k_m", "ffn_up=Q4_0_R16"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(smg_type_choice_parse(bad[i], &choices[0], NULL), SMIDGE_E_INVALID);
}

static void floats_become_other_floats(void **state)
{
    static const struct {
        const char *mix;
        smg_type type;
        float error;
    } cases[] = {{"f32", SMG_TYPE_F32, 0}, {"f16", SMG_TYPE_F16, 1.3e-4F}, {"bf16", SMG_TYPE_BF16, 1.0e-3F}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const smg_quantize options = {.mix = smg_mix_find(cases[i].mix), .threads = 1};
        assert_int_equal(quantize(weights, &options, NULL), SMIDGE_OK);
        smg_gguf gguf;
        float row[COLUMNS];
        assert_int_equal(smg_gguf_open(path, &gguf, NULL), SMIDGE_OK);
        const smg_gguf_tensor *tensor = smg_gguf_find_tensor(&gguf, up);
        assert_int_equal(tensor->type, cases[i].type);
        smg_dequantize_row(tensor->type, tensor->data, row, COLUMNS);
        for (int c = 0; c < COLUMNS; c++)
            assert_true(fabsf(row[c] - weights[c]) <= cases[i].error);
        smg_gguf_close(&gguf);
    }
}

static void importance_moves_the_error(void **state)
{
    static const char *const mixes[] = {"q4_0", "q4_k_s", "q2_k", "q3_k_s", "iq4_xs"};
    smg_imatrix *imatrix;
    (void)state;
    build_imatrix(up, COLUMNS, &imatrix);
    for (size_t i = 0; i < sizeof mixes / sizeof *mixes; i++) {
        smg_quantize options = {.mix = smg_mix_find(mixes[i]), .threads = 1};
        assert_int_equal(quantize(weights, &options, NULL), SMIDGE_OK);
        const double plain = weighted_error(imatrix);
        options.imatrix = imatrix;
        options.imatrix_name = "folder/f.gguf";
        assert_int_equal(quantize(weights, &options, NULL), SMIDGE_OK);
        const double weighted = weighted_error(imatrix);
        if (!(weighted < 0.9 * plain))
            fail_msg("%s: %g with importance, %g without", mixes[i], weighted, plain);
    }
    smg_gguf gguf;
    smg_text file = {0}, dataset = {0};
    uint32_t chunks = 0;
    assert_int_equal(smg_gguf_open(path, &gguf, NULL), SMIDGE_OK);
    assert_int_equal(smg_gguf_get_text(&gguf, "quantize.imatrix.file", &file, NULL, NULL), SMIDGE_OK);
    assert_int_equal(smg_gguf_get_text(&gguf, "quantize.imatrix.dataset", &dataset, NULL, NULL), SMIDGE_OK);
    assert_int_equal(smg_gguf_get_u32(&gguf, "quantize.imatrix.chunks_count", &chunks, NULL, NULL),
                     SMIDGE_OK);
    assert_memory_equal(file.data, "f.gguf", file.size);
    assert_memory_equal(dataset.data, "readings.txt", dataset.size);
    assert_int_equal(chunks, 9);
    smg_gguf_close(&gguf);
    smg_imatrix_close(imatrix);
}

static void importance_of_another_model_is_refused(void **state)
{
    smg_imatrix *imatrix;
    smg_quantize options = {.mix = smg_mix_find("q4_0"), .threads = 1, .imatrix_name = "other.gguf"};
    (void)state;
    build_imatrix(up, COLUMNS / 2, &imatrix);
    options.imatrix = imatrix;
    refused(weights, &options, SMIDGE_E_INVALID, "has 128 numbers for blk.0.ffn_up.weight");
    smg_imatrix_close(imatrix);
    build_imatrix("blk.0.attn_q.weight", COLUMNS, &imatrix);
    options.imatrix = imatrix;
    refused(weights, &options, SMIDGE_E_INVALID, "knows none of this model's tensors");
    smg_imatrix_close(imatrix);
}

static void what_is_no_weight_is_named(void **state)
{
    static float broken[ROWS * COLUMNS];
    smg_quantize options = {.mix = smg_mix_find("q4_k_m"), .threads = 2};
    (void)state;
    memcpy(broken, weights, sizeof broken);
    broken[5 * COLUMNS + 255] = NAN;
    refused(broken, &options, SMIDGE_E_FORMAT, "not a finite number, in row 5");
    broken[5 * COLUMNS + 255] = -INFINITY;
    refused(broken, &options, SMIDGE_E_FORMAT, "not a finite number, in row 5");
    broken[5 * COLUMNS + 255] = -7e4F;
    refused(broken, &options, SMIDGE_E_FORMAT, "has -70000 in row 5, which is too large for Q6_K");
    options.mix = smg_mix_find("f16");
    refused(broken, &options, SMIDGE_E_FORMAT, "too large for F16 (take bf16 or f32)");
    options.mix = smg_mix_find("bf16");
    assert_int_equal(quantize(broken, &options, NULL), SMIDGE_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(choices_go_before_the_mix),
        cmocka_unit_test(floats_become_other_floats),
        cmocka_unit_test(importance_moves_the_error),
        cmocka_unit_test(importance_of_another_model_is_refused),
        cmocka_unit_test(what_is_no_weight_is_named),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
