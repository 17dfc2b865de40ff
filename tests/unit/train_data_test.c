/* Schedules, orders and batches; and examples as tokens, held against what the engine makes of the same texts. */
#include "engine_support.h"

#include "synthetic_model.h"
#include "train/batches.h"
#include "train/schedule.h"

static synthetic_file file;
static smidge_model *model;

/* ---- Schedules ------------------------------------------------------------------------------------------- */

static void schedules(void **state)
{
    (void)state;
    const smg_schedule schedule = {.steps = 100, .warmup = 9, .hold = 11, .floor = 0.1};
    assert_true(fabs(smg_schedule_at(&schedule, 0) - 0.1) < 1e-12);
    assert_true(fabs(smg_schedule_at(&schedule, 8) - 0.9) < 1e-12);
    assert_true(smg_schedule_at(&schedule, 9) == 1.0);
    assert_true(smg_schedule_at(&schedule, 20) == 1.0);
    assert_true(fabs(smg_schedule_at(&schedule, 60) - 0.55) < 1e-12);
    for (int64_t step = 21; step < 100; step++)
        assert_true(smg_schedule_at(&schedule, step) < smg_schedule_at(&schedule, step - 1));
    assert_true(smg_schedule_at(&schedule, 99) > 0.1);
    assert_true(smg_schedule_at(&schedule, 100) == 0.1);
    const smg_schedule one = {.steps = 1};
    assert_true(smg_schedule_at(&one, 0) == 1.0);
}

/* ---- Examples as tokens ----------------------------------------------------------------------------------- */

static const char *const names[] = {"ON", "ON_FIRE", "OFF"};
static const smg_message talk[] = {{"system", "Be short."}, {"user", "hello world"}};
static const smg_hint hints[] = {{5, "x"}, {12, "<|im_end|>"}};
static const smg_example examples[] = {
    {.kind = SMG_EXAMPLE_LABEL,
     .prompt = "hello world 123:",
     .answer = "OFF",
     .label = 2,
     .file = "f",
     .line = 1},
    {.kind = SMG_EXAMPLE_LABEL, .prompt = "hello: ", .answer = "ON", .label = 0, .file = "f", .line = 2},
    {.kind = SMG_EXAMPLE_LABEL, .prompt = "hello", .answer = "ON_FIRE", .label = 1, .file = "f", .line = 3},
    {.kind = SMG_EXAMPLE_JSON,
     .prompt = "world ",
     .answer = "{\"a\":12}",
     .label = -1,
     .file = "f",
     .line = 4},
    {.kind = SMG_EXAMPLE_TEXT,
     .messages = talk,
     .message_count = 2,
     .answer = "hello world",
     .label = -1,
     .file = "f",
     .line = 5},
    {.kind = SMG_EXAMPLE_LABEL,
     .prompt = "hello world 123:",
     .answer = "OFF",
     .label = 2,
     .file = "f",
     .line = 6,
     .hints = hints,
     .hint_count = 2},
};
enum { COUNT = sizeof examples / sizeof *examples };

static smg_dataset as_set(void)
{
    static smg_example copies[COUNT];
    static const char *labels[3];
    memcpy(copies, examples, sizeof copies);
    memcpy(labels, names, sizeof labels);
    return (smg_dataset){.examples = copies, .count = COUNT, .labels = labels, .label_count = 3};
}

static smg_sequences encode(const smg_encoding *encoding)
{
    const smg_dataset set = as_set();
    smg_sequences sequences = {.tokens = NULL};
    smidge_error error;
    size_t skipped = 9;
    engine_ok(smg_sequences_add(&sequences, model, &set, NULL, true, encoding, &skipped, &error), &error);
    assert_int_equal(skipped, 0);
    assert_int_equal(sequences.count, COUNT);
    return sequences;
}

/* What classify is given, as smidge_tokenize has it. */
static void same_prompt(const smg_sequences *all, size_t number, const char *prompt)
{
    const smg_sequence *one = &all->list[number];
    const smidge_span span = {.text = prompt, .size = strlen(prompt)};
    int32_t ids[256];
    size_t count = 0;
    smidge_error error;
    engine_ok(smidge_tokenize(model, &span, 1, ids, 256, &count, &error), &error);
    assert_int_equal(one->answer, count);
    assert_memory_equal(all->tokens + one->first, ids, count * sizeof *ids);
}

/* The label that the answer's tokens lead to in classify's automaton. */
static int32_t label_of(const smg_sequences *all, size_t number, const smg_labels *automaton)
{
    const smg_sequence *one = &all->list[number];
    int32_t state = 0;
    for (int32_t i = one->answer; i < one->length; i++) {
        const smg_label_state *from = &automaton->states[state];
        int32_t next = INT32_MIN;
        for (int32_t e = 0; e < from->edge_count; e++) {
            const smg_label_edge *edge = &automaton->edges[from->first_edge + e];
            if (edge->token == all->tokens[one->first + (size_t)i])
                next = edge->target;
        }
        assert_true(next != INT32_MIN);
        if (next < 0)
            return ~next;
        state = next;
    }
    return -1;
}

static void spelled(const smg_sequences *all, size_t number, const char *text, int32_t end)
{
    const smg_sequence *one = &all->list[number];
    int32_t count = one->length - one->answer;
    const int32_t *tokens = all->tokens + one->first + one->answer;
    if (end != SMG_TOKEN_NONE)
        assert_int_equal(tokens[--count], end);
    char joined[256] = "";
    for (int32_t i = 0; i < count; i++) {
        const smg_text bytes = smg_tokenizer_bytes(model->tokenizer, tokens[i]);
        strncat(joined, bytes.data, bytes.size);
    }
    assert_string_equal(joined, text);
}

static void as_classify_does(void **state)
{
    (void)state;
    smg_sequences all = encode(&(smg_encoding){.longest = 200, .template_name = "chatml"});
    smg_labels automaton = {0};
    smidge_error error;
    engine_ok(smg_labels_compile(model->tokenizer, names, 3, &automaton, &error), &error);
    same_prompt(&all, 0, "hello world 123:");
    same_prompt(&all, 1, "hello: ");
    same_prompt(&all, 3, "world ");
    assert_int_equal(label_of(&all, 0, &automaton), 2);
    assert_int_equal(label_of(&all, 1, &automaton), 0);
    assert_int_equal(label_of(&all, 2, &automaton), 1);
    /* a space in front unless there is one; an end where another label goes on */
    spelled(&all, 0, " OFF", SMG_TOKEN_NONE);
    spelled(&all, 1, "ON", TINY_EOS);
    spelled(&all, 2, " ON_FIRE", SMG_TOKEN_NONE);
    spelled(&all, 3, "{\"a\":12}", TINY_EOS);
    smg_labels_done(&automaton);
    smg_sequences_done(&all);
}

/* As run --chat: the template in front, its own end behind. */
static void as_chat_does(void **state)
{
    (void)state;
    smg_sequences all = encode(
        &(smg_encoding){.longest = 200, .template_name = "chatml", .chat = true, .system = "Be short."});
    smidge_chat_options options;
    smidge_chat_options_init(&options);
    options.template_name = "chatml";
    const smidge_message messages[] = {{"system", "Be short.", 9}, {"user", "hello world", 11}};
    smidge_chat *chat = NULL;
    smidge_error error;
    engine_ok(smidge_chat_new(model, messages, 2, &options, &chat, &error), &error);
    size_t spans = 0, count = 0;
    int32_t ids[256];
    const smidge_span *list = smidge_chat_spans(chat, &spans);
    engine_ok(smidge_tokenize(model, list, spans, ids, 256, &count, &error), &error);
    const smg_sequence *one = &all.list[4];
    assert_int_equal(one->answer, count);
    assert_memory_equal(all.tokens + one->first, ids, count * sizeof *ids);
    spelled(&all, 4, "hello world", TINY_END);
    spelled(&all, 1, "ON", TINY_END); /* the template ends with a line break: no space */
    smidge_chat_free(chat);
    smg_sequences_done(&all);
}

static void too_long(void **state)
{
    (void)state;
    const smg_dataset set = as_set();
    smg_sequences all = {.tokens = NULL};
    smidge_error error;
    size_t skipped = 0;
    smg_encoding encoding = {.longest = 12, .template_name = "chatml"};
    assert_int_equal(smg_sequences_add(&all, model, &set, NULL, true, &encoding, &skipped, &error),
                     SMIDGE_E_INVALID);
    assert_string_equal(error.where, "f:5");
    assert_non_null(strstr(error.message, "more than 12"));
    smg_sequences_done(&all);
    encoding.skip_long = true;
    engine_ok(smg_sequences_add(&all, model, &set, NULL, true, &encoding, &skipped, &error), &error);
    assert_true(skipped > 0);
    assert_int_equal(all.count + skipped, COUNT);
    assert_true(all.longest <= 12);
    smg_sequences_done(&all);
}

/* ---- Batches --------------------------------------------------------------------------------------------- */

static void packed(void **state)
{
    (void)state;
    smg_sequences all = encode(&(smg_encoding){.longest = 200, .template_name = "chatml", .hints = true});
    smg_packer packer;
    smg_train_batch batch;
    smidge_error error;
    const int32_t items[] = {5, 0, 4};
    const int32_t room = all.list[5].length - 1 + all.list[0].length - 1;
    assert_int_equal(smg_packer_init(&packer, room, (smg_loss_weights){.hint = 0.25F}, &error), SMIDGE_OK);
    assert_int_equal(smg_packer_fill(&packer, &all, items, 3, false, &batch), 2);
    assert_int_equal(batch.count, room);
    assert_int_equal(batch.sequences, 2);
    assert_int_equal(batch.starts[0], 0);
    assert_int_equal(batch.starts[1], all.list[5].length - 1);
    double weights = 0.0;
    for (int32_t i = 0; i < batch.count; i++)
        weights += batch.targets[i] >= 0 ? (double)batch.weights[i] : 0.0;
    assert_true(weights == smg_packer_scored(&packer, &all, items, 2));
    /* the answer of the second, and nothing of its prompt */
    const smg_sequence *second = &all.list[0];
    for (int32_t i = 0; i + 1 < second->length; i++) {
        const int32_t target = batch.targets[batch.starts[1] + i];
        assert_int_equal(batch.tokens[batch.starts[1] + i], all.tokens[second->first + (size_t)i]);
        assert_int_equal(target, i + 1 >= second->answer ? all.tokens[second->first + (size_t)i + 1] : -1);
    }
    /* of the first also two hints, at the tokens that have the bytes */
    int found = 0;
    size_t end = 0;
    for (int32_t i = 0; i + 1 < all.list[5].answer; i++) {
        const size_t begin = end;
        end += smg_tokenizer_bytes(model->tokenizer, batch.tokens[i]).size;
        const bool hinted = (begin <= 5 && 5 < end) || (begin <= 12 && 12 < end);
        assert_int_equal(batch.targets[i] >= 0, hinted);
        if (hinted && begin > 5)
            assert_int_equal(batch.targets[i], TINY_END);
        if (hinted)
            assert_true(batch.weights[i] == 0.25F);
        found += hinted;
    }
    assert_int_equal(found, 2);
    assert_int_equal(smg_packer_fill(&packer, &all, items, 3, true, &batch), 2);
    assert_int_equal(batch.targets[4], -1);
    for (int32_t i = 0; i < batch.count; i++)
        assert_true(batch.targets[i] < 0 || batch.weights[i] == 1.0F);
    smg_packer_done(&packer);
    smg_sequences_done(&all);
}

/* Prompts, too, with a weight of their own; hints stay where they are. */
static void prompts_packed(void **state)
{
    (void)state;
    smg_sequences all = encode(&(smg_encoding){.longest = 200, .template_name = "chatml", .hints = true});
    const smg_sequence *one = &all.list[5];
    const smg_loss_weights weight = {.hint = 0.25F, .prompt = 0.125F};
    smg_packer packer;
    smg_train_batch batch;
    smidge_error error;
    const int32_t item = 5;
    assert_int_equal(smg_packer_init(&packer, one->length - 1, weight, &error), SMIDGE_OK);
    assert_int_equal(smg_packer_fill(&packer, &all, &item, 1, false, &batch), 1);
    double weights = 0.0;
    int hinted = 0;
    for (int32_t i = 0; i < batch.count; i++) {
        const bool answer = i + 1 >= one->answer;
        const bool hint = !answer && batch.weights[i] == 0.25F;
        assert_true(batch.weights[i] == (answer ? 1.0F : hint ? 0.25F : 0.125F));
        if (!hint)
            assert_int_equal(batch.targets[i], all.tokens[one->first + (size_t)i + 1]);
        weights += (double)batch.weights[i];
        hinted += hint;
    }
    assert_int_equal(hinted, 2);
    assert_true(weights == smg_packer_scored(&packer, &all, &item, 1));
    smg_packer_done(&packer);
    smg_sequences_done(&all);
}

/* Every epoch has all examples once, in an order of its own that the seed gives; a place in it can be found again. */
static void orders(void **state)
{
    (void)state;
    enum { MANY = 50 };
    smg_sequence list[MANY];
    for (int i = 0; i < MANY; i++)
        list[i] = (smg_sequence){.length = 2 + i % 7, .answer = 1};
    const smg_sequences set = {.list = list, .count = MANY, .longest = 7};
    const smg_batch_size size = {.tokens = 20};
    smg_stream stream, again;
    smidge_error error;
    int32_t order[3 * MANY], items[20];
    assert_int_equal(smg_stream_init(&stream, &set, 7, &error), SMIDGE_OK);
    int64_t steps = 0, counted = 0;
    size_t done = 0;
    for (size_t taken; (taken = smg_stream_take(&stream, &size, 2 * MANY + 5, items)) > 0; steps++) {
        int32_t tokens = 0;
        for (size_t i = 0; i < taken; i++)
            tokens += list[items[i]].length - 1;
        assert_true(tokens <= 20);
        memcpy(order + done, items, taken * sizeof *items);
        done += taken;
    }
    assert_int_equal(done, 2 * MANY + 5);
    assert_int_equal(smg_stream_steps(&stream, &size, 2 * MANY + 5, &counted, &error), SMIDGE_OK);
    assert_int_equal(counted, steps);
    for (int epoch = 0; epoch < 2; epoch++) {
        bool seen[MANY] = {false};
        for (int i = 0; i < MANY; i++) {
            assert_false(seen[order[epoch * MANY + i]]);
            seen[order[epoch * MANY + i]] = true;
        }
    }
    assert_memory_not_equal(order, order + MANY, MANY * sizeof *order);
    /* from the middle of the second epoch */
    assert_int_equal(smg_stream_init(&again, &set, 7, &error), SMIDGE_OK);
    assert_true(smg_stream_seek(&again, 1, 20));
    const size_t taken = smg_stream_take(&again, &(smg_batch_size){.examples = 10}, INT64_MAX, items);
    assert_int_equal(taken, 10);
    assert_memory_equal(items, order + MANY + 20, 10 * sizeof *items);
    assert_false(smg_stream_seek(&again, 0, MANY));
    assert_false(smg_stream_seek(&again, -1, 0));
    smg_stream_done(&again);
    assert_int_equal(smg_stream_init(&again, &set, 8, &error), SMIDGE_OK);
    assert_memory_not_equal(again.order, order, MANY * sizeof *order);
    smg_stream_done(&again);
    smg_stream_done(&stream);
}

/* Groups stay together, and the share is about what was asked for. */
static void splits(void **state)
{
    (void)state;
    enum { MANY = 400 };
    static smg_example many[MANY];
    static char groups[MANY / 4][16];
    bool marked[MANY], again[MANY];
    smidge_error error;
    for (int i = 0; i < MANY; i++) {
        snprintf(groups[i / 4], sizeof groups[0], "g%d", i / 4);
        many[i] = (smg_example){.prompt = "x", .answer = "y", .group = groups[i / 4]};
    }
    const smg_dataset set = {.examples = many, .count = MANY};
    engine_ok(smg_dataset_split(&set, 0.1, 3, marked, &error), &error);
    int count = 0;
    for (int i = 0; i < MANY; i++) {
        count += marked[i];
        assert_int_equal(marked[i], marked[i / 4 * 4]);
    }
    assert_in_range(count, 40, 44);
    engine_ok(smg_dataset_split(&set, 0.1, 3, again, &error), &error);
    assert_memory_equal(marked, again, sizeof marked);
    const smg_dataset one = {.examples = many, .count = 1};
    assert_int_equal(smg_dataset_split(&one, 0.1, 3, marked, &error), SMIDGE_E_INVALID);
    const smg_dataset same = {.examples = many, .count = 4};
    assert_int_equal(smg_dataset_split(&same, 0.1, 3, marked, &error), SMIDGE_E_INVALID);
}

static int open_all(void **state)
{
    (void)state;
    file = synthetic_make(&(synthetic_shape){.type = SMG_TYPE_F32,
                                             .layers = 1,
                                             .width = 64,
                                             .heads = 2,
                                             .kv_heads = 1,
                                             .head_size = 32,
                                             .feed_forward = 64,
                                             .context = 256,
                                             .bpe = true,
                                             .seed = 1});
    model = engine_open(file.path, NULL, 1);
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    smidge_model_close(model);
    synthetic_free(&file);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schedules), cmocka_unit_test(as_classify_does), cmocka_unit_test(as_chat_does),
        cmocka_unit_test(too_long),  cmocka_unit_test(packed),           cmocka_unit_test(prompts_packed),
        cmocka_unit_test(orders),    cmocka_unit_test(splits),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
