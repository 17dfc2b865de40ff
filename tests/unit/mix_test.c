/* The types that mixes choose: against llama.cpp's rules written out, and against files that it made. */
#include "quant/mix.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "format/gguf.h"
#include "test_support.h"

static smg_type choose(const char *mix, const smg_mix_model *model, const char *name, uint64_t columns)
{
    const smg_mix *found = smg_mix_find(mix);
    assert_non_null(found);
    return smg_mix_choose(found, model, name, columns);
}

static smg_type choose_layer(const char *mix, const smg_mix_model *model, int layer, const char *name,
                             uint64_t columns)
{
    char full[64];
    snprintf(full, sizeof full, "blk.%d.%s.weight", layer, name);
    return choose(mix, model, full, columns);
}

static void test_names_are_found_in_any_case(void **state)
{
    (void)state;
    assert_string_equal(smg_mix_name(smg_mix_find("q4_k_m")), "Q4_K_M");
    assert_ptr_equal(smg_mix_find("Q4_K_m"), smg_mix_find("q4_k_m"));
    assert_int_equal(smg_mix_file_type(smg_mix_find("q4_0")), 2);
    assert_int_equal(smg_mix_file_type(smg_mix_find("q8_0")), 7);
    assert_int_equal(smg_mix_file_type(smg_mix_find("q4_k_m")), 15);
    assert_null(smg_mix_find(""));
    assert_null(smg_mix_find("q4_k"));
    assert_null(smg_mix_find("q4_k_mm"));
    assert_non_null(strstr(smg_mix_names(), "q4_k_m"));
}

static void test_matrices_are_quantized_and_nothing_else(void **state)
{
    (void)state;
    assert_true(smg_mix_quantizes("token_embd.weight", 2));
    assert_true(smg_mix_quantizes("output.weight", 2));
    assert_true(smg_mix_quantizes("blk.0.attn_q.weight", 2));
    assert_false(smg_mix_quantizes("output_norm.weight", 1));
    assert_false(smg_mix_quantizes("blk.3.attn_norm.weight", 1));
    assert_false(smg_mix_quantizes("blk.3.attn_k_norm.weight", 2));
    assert_false(smg_mix_quantizes("blk.0.attn_q.bias", 1));
    assert_false(smg_mix_quantizes("blk.0.attn_q.bias", 2));
    assert_false(smg_mix_quantizes("rope_freqs.weight", 1));
}

/* 16 layers: an eighth is 2, so the first two, the last two, and every third from 4 on have more bits. */
static void test_llama_1b_as_q4_k_m(void **state)
{
    (void)state;
    static const bool more[16] =
        {[0] = true, [1] = true, [4] = true, [7] = true, [10] = true, [13] = true, [14] = true, [15] = true};
    static const char *const plain[] = {"attn_q", "attn_k", "attn_output", "ffn_gate", "ffn_up"};
    const smg_mix_model model = {.layers = 16, .tied = true};
    assert_int_equal(choose("q4_k_m", &model, "token_embd.weight", 2048), SMG_TYPE_Q6_K);
    for (int layer = 0; layer < 16; layer++) {
        smg_type wanted = more[layer] ? SMG_TYPE_Q6_K : SMG_TYPE_Q4_K;
        assert_int_equal(choose_layer("q4_k_m", &model, layer, "attn_v", 2048), wanted);
        assert_int_equal(choose_layer("q4_k_m", &model, layer, "ffn_down", 8192), wanted);
        for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
            assert_int_equal(choose_layer("q4_k_m", &model, layer, plain[i], 2048), SMG_TYPE_Q4_K);
    }
}

/* The published Phi-3 Mini in Q4_K_M has 81 tensors in Q4_K, 32 in Q5_K and 17 in Q6_K. */
static void test_phi3_as_q4_k_m(void **state)
{
    (void)state;
    const smg_mix_model model = {.layers = 32, .tied = false};
    int counts[SMG_TYPE_COUNT] = {0};
    counts[choose("q4_k_m", &model, "token_embd.weight", 3072)]++;
    counts[choose("q4_k_m", &model, "output.weight", 3072)]++;
    for (int layer = 0; layer < 32; layer++) {
        counts[choose_layer("q4_k_m", &model, layer, "attn_qkv", 3072)]++;
        counts[choose_layer("q4_k_m", &model, layer, "attn_output", 3072)]++;
        counts[choose_layer("q4_k_m", &model, layer, "ffn_up", 3072)]++;
        counts[choose_layer("q4_k_m", &model, layer, "ffn_down", 8192)]++;
    }
    assert_int_equal(counts[SMG_TYPE_Q4_K], 81);
    assert_int_equal(counts[SMG_TYPE_Q5_K], 32);
    assert_int_equal(counts[SMG_TYPE_Q6_K], 17);
    assert_int_equal(choose("q4_k_m", &model, "token_embd.weight", 3072), SMG_TYPE_Q4_K);
    assert_int_equal(choose("q4_k_m", &model, "output.weight", 3072), SMG_TYPE_Q6_K);
}

/* Rows of 576, as SmolLM2-135M has, are whole blocks of 32 but not of 256. */
static void test_rows_that_blocks_do_not_divide(void **state)
{
    (void)state;
    const smg_mix_model model = {.layers = 30, .tied = true};
    assert_int_equal(choose_layer("q4_k_m", &model, 5, "attn_q", 576), SMG_TYPE_Q5_0);
    assert_int_equal(choose_layer("q4_k_m", &model, 5, "attn_qkv", 576), SMG_TYPE_Q5_1);
    assert_int_equal(choose_layer("q4_k_m", &model, 0, "attn_v", 576), SMG_TYPE_Q8_0);
    assert_int_equal(choose_layer("q4_k_m", &model, 0, "ffn_down", 1536), SMG_TYPE_Q6_K);
    assert_int_equal(choose("q4_k_m", &model, "token_embd.weight", 576), SMG_TYPE_Q8_0);
    assert_int_equal(choose("q4_0", &model, "token_embd.weight", 576), SMG_TYPE_Q8_0);
    assert_int_equal(choose_layer("q4_0", &model, 5, "attn_q", 576), SMG_TYPE_Q4_0);
    assert_int_equal(choose_layer("q4_0", &model, 5, "attn_q", 40), SMG_TYPE_F16);
    assert_int_equal(choose_layer("q4_k_m", &model, 5, "attn_q", 40), SMG_TYPE_F16);
    assert_int_equal(choose_layer("q8_0", &model, 5, "attn_q", 40), SMG_TYPE_F16);
}

static void test_plain_mixes(void **state)
{
    (void)state;
    const smg_mix_model tied = {.layers = 16, .tied = true};
    const smg_mix_model apart = {.layers = 16, .tied = false};
    for (int layer = 0; layer < 16; layer++) {
        assert_int_equal(choose_layer("q4_0", &tied, layer, "attn_v", 2048), SMG_TYPE_Q4_0);
        assert_int_equal(choose_layer("q4_0", &tied, layer, "ffn_down", 8192), SMG_TYPE_Q4_0);
        assert_int_equal(choose_layer("q8_0", &tied, layer, "ffn_down", 8192), SMG_TYPE_Q8_0);
    }
    assert_int_equal(choose("q4_0", &tied, "token_embd.weight", 2048), SMG_TYPE_Q6_K);
    assert_int_equal(choose("q4_0", &apart, "token_embd.weight", 2048), SMG_TYPE_Q4_0);
    assert_int_equal(choose("q4_0", &apart, "output.weight", 2048), SMG_TYPE_Q6_K);
    assert_int_equal(choose("q8_0", &tied, "token_embd.weight", 2048), SMG_TYPE_Q8_0);
}

/* With an importance matrix the first down projections of small blocks get a minimum, and IQ4's need no more bits. */
static void test_mixes_with_importance(void **state)
{
    (void)state;
    const smg_mix_model plain = {.layers = 16}, weighted = {.layers = 16, .weighted = true};
    for (int layer = 0; layer < 16; layer++) {
        const bool first = layer < 2;
        assert_int_equal(choose_layer("q4_0", &plain, layer, "ffn_down", 8192), SMG_TYPE_Q4_0);
        assert_int_equal(choose_layer("q4_0", &weighted, layer, "ffn_down", 8192),
                         first ? SMG_TYPE_Q4_1 : SMG_TYPE_Q4_0);
        assert_int_equal(choose_layer("q5_0", &weighted, layer, "ffn_down", 8192),
                         first ? SMG_TYPE_Q5_1 : SMG_TYPE_Q5_0);
        assert_int_equal(choose_layer("iq4_xs", &plain, layer, "ffn_down", 8192),
                         first ? SMG_TYPE_Q5_K : SMG_TYPE_IQ4_XS);
        assert_int_equal(choose_layer("iq4_xs", &weighted, layer, "ffn_down", 8192), SMG_TYPE_IQ4_XS);
    }
}

/* ---- Real files ----------------------------------------------------------------------------------------- */

static void test_a_file_that_llama_cpp_made(void **state)
{
    (void)state;
    const char *path = smg_test_model("gemma-3-270m-q4_k_m.gguf");
    if (path == NULL) {
        print_message("no gemma-3-270m-q4_k_m.gguf (scripts/models.sh gemma3-270m fetches it)\n");
        skip();
    }
    smg_gguf gguf;
    assert_int_equal(smg_gguf_open(path, &gguf, NULL), SMIDGE_OK);
    const smg_mix_model model = {.layers = 18, .tied = smg_gguf_find_tensor(&gguf, "output.weight") == NULL};
    for (uint64_t i = 0; i < gguf.tensor_count; i++) {
        const smg_gguf_tensor *tensor = &gguf.tensors[i];
        char name[128];
        snprintf(name, sizeof name, "%.*s", (int)tensor->name.size, tensor->name.data);
        smg_type wanted = smg_mix_quantizes(name, tensor->dims)
                              ? choose("q4_k_m", &model, name, tensor->shape[0])
                              : SMG_TYPE_F32;
        if (tensor->type != wanted)
            fail_msg("%s is %s, not %s", name, smg_type_describe(tensor->type)->name,
                     smg_type_describe(wanted)->name);
    }
    smg_gguf_close(&gguf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_are_found_in_any_case),
        cmocka_unit_test(test_matrices_are_quantized_and_nothing_else),
        cmocka_unit_test(test_llama_1b_as_q4_k_m),
        cmocka_unit_test(test_phi3_as_q4_k_m),
        cmocka_unit_test(test_rows_that_blocks_do_not_divide),
        cmocka_unit_test(test_plain_mixes),
        cmocka_unit_test(test_mixes_with_importance),
        cmocka_unit_test(test_a_file_that_llama_cpp_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
