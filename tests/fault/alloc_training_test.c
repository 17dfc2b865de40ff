/* Every allocation of a training fails in turn: it ends with SMIDGE_E_NOMEM, nothing is left in memory, nothing is written, and the next
 * training is as if there had been none. */
#include "engine_support.h"

#include <unistd.h>

#include "base/alloc.h"
#include "synthetic_model.h"
#include "train/training.h"

static synthetic_file file;
static char data[64], output[64], kept[80], curve[64];

static smg_training_options options_of(bool full)
{
    smg_training_options options;
    smg_training_defaults(&options);
    options.model = file.path;
    options.output = output;
    options.stages[0].paths[0] = data;
    options.stages[0].path_count = 1;
    options.stage_count = 1;
    options.valid_share = 0.3;
    options.batch_size = 4;
    options.epochs = 1.0;
    options.threads = 1;
    options.full = full;
    options.muon = full;
    return options;
}

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

static void fail_in_turn(bool full)
{
    const smg_training_options options = options_of(full);
    const uint64_t live = smg_alloc_live_blocks();
    uint64_t failures = 0;
    for (uint64_t n = 1; !exists(output); n++) {
        smg_training_result result;
        smidge_error error;
        smg_alloc_fail_at(n);
        const smidge_status status = smg_training_run(&options, &result, &error);
        const uint64_t calls = smg_alloc_calls();
        smg_alloc_fail_at(0);
        assert_int_equal(smg_alloc_live_blocks(), live);
        if (status == SMIDGE_OK) {
            assert_true(exists(output));
            assert_false(exists(kept));
            continue;
        }
        assert_true(calls >= n);
        assert_int_equal(status, SMIDGE_E_NOMEM);
        assert_false(exists(output));
        failures++;
    }
    print_message("%d failures\n", (int)failures);
    assert_true(failures > 40);
    unlink(output);
}

static void adapters(void **state)
{
    (void)state;
    fail_in_turn(false);
}

static void all_weights(void **state)
{
    (void)state;
    fail_in_turn(true);
}

static int make_all(void **state)
{
    (void)state;
    file = synthetic_make(&(synthetic_shape){.type = SMG_TYPE_F32,
                                             .layers = 1,
                                             .width = 32,
                                             .heads = 1,
                                             .kv_heads = 1,
                                             .head_size = 32,
                                             .feed_forward = 32,
                                             .context = 64,
                                             .bpe = true,
                                             .seed = 1});
    snprintf(data, sizeof data, "/tmp/alloc_training.%d.jsonl", (int)getpid());
    snprintf(output, sizeof output, "/tmp/alloc_training.%d.gguf", (int)getpid());
    snprintf(kept, sizeof kept, "%s.checkpoint", output);
    snprintf(curve, sizeof curve, "/tmp/alloc_training.%d.svg", (int)getpid());
    FILE *examples = fopen(data, "w");
    assert_non_null(examples);
    for (int i = 0; i < 12; i++)
        fprintf(examples, "{\"prompt\": \"hello %d\", \"label\": \"%s\", \"hints\": [[2, \"x\"]]}\n", i,
                i % 2 == 0 ? "ON" : "OFF");
    fclose(examples);
    return 0;
}

static int remove_all(void **state)
{
    (void)state;
    unlink(data);
    unlink(output);
    unlink(kept);
    unlink(curve);
    synthetic_free(&file);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(adapters), cmocka_unit_test(all_weights)};
    return cmocka_run_group_tests(tests, make_all, remove_all);
}
