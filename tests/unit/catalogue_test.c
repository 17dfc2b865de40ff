/* The catalogue: names lead to entries, and its numbers are counted again from the dimensions. */
#include "fetch/catalogue.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "format/blocks.h"
#include "quant/mix.h"
#include "test_support.h"

typedef struct sum {
    const smg_catalogue_entry *entry;
    const smg_mix *mix;
    smg_mix_model model;
    uint64_t elements, bytes;
} sum;

static void matrix(sum *total, const char *name, int64_t columns, int64_t rows)
{
    const smg_type type = smg_mix_choose(total->mix, &total->model, name, (uint64_t)columns);
    total->elements += (uint64_t)(columns * rows);
    total->bytes += smg_type_row_bytes(type, (uint64_t)columns) * (uint64_t)rows;
}

static void vector(sum *total, int64_t count)
{
    total->elements += (uint64_t)count;
    total->bytes += (uint64_t)count * sizeof(float);
}

static void layer_matrix(sum *total, int layer, const char *name, int64_t columns, int64_t rows)
{
    char full[64];
    snprintf(full, sizeof full, "blk.%d.%s.weight", layer, name);
    matrix(total, full, columns, rows);
}

static bool is(const smg_catalogue_entry *entry, const char *architecture)
{
    return strcmp(entry->architecture, architecture) == 0;
}

static void layer(sum *total, int number)
{
    const smg_catalogue_entry *entry = total->entry;
    const int64_t width = entry->width, inner = entry->feed_forward;
    const int64_t queries = (int64_t)entry->heads * entry->head_size;
    const int64_t keys = (int64_t)entry->kv_heads * entry->head_size;
    if (is(entry, "phi3")) {
        layer_matrix(total, number, "attn_qkv", width, queries + 2 * keys);
        layer_matrix(total, number, "ffn_up", width, 2 * inner);
    } else {
        layer_matrix(total, number, "attn_q", width, queries);
        layer_matrix(total, number, "attn_k", width, keys);
        layer_matrix(total, number, "attn_v", width, keys);
        layer_matrix(total, number, "ffn_gate", width, inner);
        layer_matrix(total, number, "ffn_up", width, inner);
    }
    layer_matrix(total, number, "attn_output", queries, width);
    layer_matrix(total, number, "ffn_down", inner, width);
    vector(total, 2 * width);
    if (is(entry, "gemma2") || is(entry, "gemma3"))
        vector(total, 2 * width);
    if (is(entry, "qwen3") || is(entry, "gemma3"))
        vector(total, 2 * (int64_t)entry->head_size);
    if (is(entry, "qwen2"))
        vector(total, queries + 2 * keys);
}

static sum count(const smg_catalogue_entry *entry, const char *type)
{
    sum total = {.entry = entry,
                 .mix = smg_mix_find(type),
                 .model = {.layers = entry->layers,
                           .grouping = entry->heads / entry->kv_heads,
                           .tied = entry->tied}};
    assert_non_null(total.mix);
    matrix(&total, "token_embd.weight", entry->width, entry->vocabulary);
    if (!entry->tied)
        matrix(&total, "output.weight", entry->width, entry->vocabulary);
    vector(&total, entry->width);
    for (int i = 0; i < entry->layers; i++)
        layer(&total, i);
    return total;
}

/* Parameters are exact; a file is its tensors and a header of at most 13 MiB, in which a token and its merge take some
 * 8 to 64 bytes. */
static void test_numbers_follow_from_the_dimensions(void **state)
{
    (void)state;
    for (size_t i = 0; i < smg_catalogue_count(); i++) {
        const smg_catalogue_entry *entry = smg_catalogue_at(i);
        for (int type = 0; type < SMG_CATALOGUE_TYPES; type++) {
            const sum total = count(entry, smg_catalogue_types[type]);
            const uint64_t header = entry->bytes[type] - total.bytes;
            if (total.elements != entry->parameters || entry->bytes[type] <= total.bytes ||
                header < (uint64_t)entry->vocabulary * 8 || header > (uint64_t)entry->vocabulary * 64)
                fail_msg("%s %s: %" PRIu64 " parameters, %" PRIu64
                         " bytes of tensors; the table says %" PRIu64 " and %" PRIu64,
                         entry->name, smg_catalogue_types[type], total.elements, total.bytes,
                         entry->parameters, entry->bytes[type]);
        }
    }
}

/* Sizes of published files in q4_k_m, as the repositories list them (for Phi-3 Mini: microsoft's own file). */
static void test_sizes_are_those_of_published_files(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint64_t bytes;
    } published[] = {
        {"smollm2-360m", 270590880}, {"gemma-3-1b", 806058240},  {"llama-3.2-1b", 807694464},
        {"qwen2.5-1.5b", 986048768}, {"gemma-2-2b", 1708582752}, {"phi3-mini", 2393231072},
        {"mistral-7b", 4368439584},
    };
    for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
        const smg_catalogue_entry *entry = smg_catalogue_find(published[i].name);
        assert_non_null(entry);
        assert_in_range(entry->bytes[0], published[i].bytes / 1000 * 999, published[i].bytes / 1000 * 1001);
    }
}

static void test_names_lead_to_entries(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"llama-3.2-1b", "llama-3.2-1b"}, {"Llama-3.2-3B", "llama-3.2-3b"}, {"phi3-mini", "phi3-mini"},
        {"phi-3-mini", "phi3-mini"},      {"gemma-2b", "gemma-2b"},         {"gemma-2-2b", "gemma-2-2b"},
        {"mistral-7b", "mistral-7b"},     {"MISTRAL", "mistral-7b"},        {"smollm2-135m", "smollm2-135m"},
        {"smollm2-360m", "smollm2-360m"}, {"smollm2-1.7b", "smollm2-1.7b"}, {"qwen2.5-0.5b", "qwen2.5-0.5b"},
        {"qwen2.5-1.5b", "qwen2.5-1.5b"}, {"qwen3-0.6b", "qwen3-0.6b"},     {"gemma3-1b", "gemma-3-1b"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        const smg_catalogue_entry *entry = smg_catalogue_find(pairs[i][0]);
        assert_non_null(entry);
        assert_string_equal(entry->name, pairs[i][1]);
    }
    assert_null(smg_catalogue_find(""));
    assert_null(smg_catalogue_find(","));
    assert_null(smg_catalogue_find("phi"));
    assert_null(smg_catalogue_find("mistral-7b,"));
}

static void test_entries_are_complete(void **state)
{
    (void)state;
    for (size_t i = 0; i < smg_catalogue_count(); i++) {
        const smg_catalogue_entry *entry = smg_catalogue_at(i);
        char file[128];
        assert_ptr_equal(smg_catalogue_find(entry->name), entry);
        assert_non_null(strchr(entry->repository, '/'));
        assert_non_null(strchr(entry->original, '/'));
        assert_true(entry->title[0] != '\0' && entry->licence[0] != '\0');
        for (int type = 0; type < SMG_CATALOGUE_TYPES; type++) {
            assert_true(smg_catalogue_file(entry, type, file, sizeof file));
            assert_null(strchr(file, '%'));
            assert_false(smg_catalogue_file(entry, type, file, strlen(file)));
        }
        if (i > 0)
            assert_true(entry->parameters > smg_catalogue_at(i - 1)->parameters);
        /* aliases are names of this entry alone */
        char aliases[256];
        snprintf(aliases, sizeof aliases, "%s", entry->aliases);
        for (char *rest = aliases, *alias; (alias = strsep(&rest, ",")) != NULL && alias[0] != '\0';)
            assert_ptr_equal(smg_catalogue_find(alias), entry);
    }
    char file[128];
    assert_true(smg_catalogue_file(smg_catalogue_find("mistral-7b"), 0, file, sizeof file));
    assert_string_equal(file, "mistral-7b-instruct-v0.2.Q4_K_M.gguf");
    assert_true(smg_catalogue_file(smg_catalogue_find("qwen2.5-0.5b"), 3, file, sizeof file));
    assert_string_equal(file, "Qwen2.5-0.5B-Instruct-Q8_0.gguf");
    assert_int_equal(smg_catalogue_type("Q8_0"), 3);
    assert_int_equal(smg_catalogue_type("q4"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_follow_from_the_dimensions),
        cmocka_unit_test(test_sizes_are_those_of_published_files),
        cmocka_unit_test(test_names_lead_to_entries),
        cmocka_unit_test(test_entries_are_complete),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
