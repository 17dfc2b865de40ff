/* Batch invariance: one batch, chunks, token by token, any number of threads, a warm prefix and a session's
 * own past give the same logits bit for bit, at every CPU path, for every family, weight type and KV type. */
#include "engine_support.h"
#include "synthetic_model.h"

#include <inttypes.h>

#define POSITIONS 96
#define LONGEST 300 /* beyond what one tile of keys holds, and one phase of a single token's attention */
#define STORIES "models/stories260K/stories260K.gguf"

/* One model, all of whose ways of being run must agree. */
typedef struct subject {
    const char *name;
    const char *path;
    const char *lora; /* NULL: no adapter */
    int32_t positions;
    int32_t prefix_context; /* of the sessions that compute prefixes; 0: more than the others have */
    char text[LONGEST];
    int32_t before;       /* tokens in front of the first capital's … */
    bool bos;             /* … of which the first is BOS, so that even no text has a token */
    int32_t ids[LONGEST]; /* the first `positions` of the text's */
} subject;

/* The same of it at one CPU path with one KV type. */
typedef struct setting {
    const subject *of;
    const char *cpu;
    int32_t kv;
    const float *expected; /* [positions][vocabulary] */
} setting;

/* Capitals are one token each in all these vocabularies, so the tokens of a part of the text are the first of
 * the whole text's. */
static void choose_text(subject *chosen, const smidge_model *model)
{
    uint64_t state = 7;
    for (int32_t i = 0; i < LONGEST; i++)
        chosen->text[i] = (char)('A' + smg_test_random(&state) % 26);
    int32_t ids[LONGEST + 8];
    size_t count = 0;
    smidge_error error;
    const smidge_span span = {.text = chosen->text, .size = LONGEST};
    engine_ok(smidge_tokenize(model, &span, 1, ids, LONGEST + 8, &count, &error), &error);
    assert_in_range(count, LONGEST + 1, LONGEST + 8);
    chosen->before = (int32_t)count - LONGEST;
    chosen->bos = smg_tokenizer_adds_bos(model->tokenizer);
    memcpy(chosen->ids, ids, (size_t)chosen->positions * sizeof *ids);
}

static void same_bits(const setting *at, const float *ours, int32_t first, int32_t count, int32_t vocabulary,
                      const char *way, int32_t number)
{
    const float *expected = at->expected + (size_t)first * (size_t)vocabulary;
    for (size_t i = 0; i < (size_t)count * (size_t)vocabulary; i++) {
        if (memcmp(&ours[i], &expected[i], sizeof *ours) != 0)
            fail_msg("%s, %s KV, %s, %s %" PRId32 ": position %zu, logit %zu is %a and not %a", at->of->name,
                     engine_kv_names[at->kv], at->cpu, way, number, (size_t)first + i / (size_t)vocabulary,
                     i % (size_t)vocabulary, (double)ours[i], (double)expected[i]);
    }
}

static void check_chunks(const setting *at, smidge_model *model, int32_t chunk)
{
    int32_t positions = at->of->positions;
    float *logits = engine_logits_new(model, positions);
    smidge_session *session = engine_session(model, at->kv, positions, chunk);
    engine_run_rows(session, at->of->ids, positions, logits);
    same_bits(at, logits, 0, positions, model->model.shape.vocabulary, "chunks of", chunk);
    smidge_session_free(session);
    free(logits);
}

/* The prefix of the first `length` tokens, or the shortest there is where no text has so few. */
static smidge_prefix *make_prefix(const setting *at, smidge_model *model, int32_t length)
{
    const subject *of = at->of;
    int32_t context = of->prefix_context > 0 ? of->prefix_context : POSITIONS + 8;
    smidge_session *session = engine_session(model, at->kv, context, 5);
    int32_t size = length > of->before ? length - of->before : of->bos ? 0 : 1;
    const smidge_span span = {.text = of->text, .size = (size_t)size};
    smidge_prefix *prefix = NULL;
    smidge_error error;
    engine_ok(smidge_prefix_new(session, &span, 1, 0, &prefix, &error), &error);
    assert_int_equal(prefix->count, size > 0 ? size + of->before : 1);
    assert_memory_equal(prefix->ids, of->ids, (size_t)prefix->count * sizeof *of->ids);
    smidge_session_free(session);
    return prefix;
}

/* Starts from the prefix and goes on in chunks of 7; the session's own cells then stand behind the shared
 * ones. */
static void check_prefix(const setting *at, smidge_model *model, int32_t length)
{
    int32_t positions = at->of->positions;
    int32_t vocabulary = model->model.shape.vocabulary;
    smidge_prefix *prefix = make_prefix(at, model, length);
    length = prefix->count;
    smidge_session *session = engine_session(model, at->kv, positions, 7);
    smidge_error error;
    engine_ok(smidge_session_set_prefix(session, prefix, &error), &error);
    smidge_prefix_free(prefix); /* the session keeps it alive */
    int32_t cached = 0;
    int32_t first = length < positions ? length : positions - 1;
    assert_int_equal(smg_session_prefill(session, at->of->ids, first + 1,
                                         &(smg_output){.logits = session->logits}, NULL, &cached),
                     SMIDGE_OK);
    assert_int_equal(cached, first);
    same_bits(at, session->logits, first, 1, vocabulary, "prefix of", length);
    float *logits = engine_logits_new(model, positions);
    engine_run_rows(session, at->of->ids + first + 1, positions - first - 1, logits);
    same_bits(at, logits, first + 1, positions - first - 1, vocabulary, "behind a prefix of", length);
    /* Back into the middle of the prefix: part of it is used again, the rest is computed by the session. */
    int32_t middle = length / 2;
    assert_int_equal(smg_session_prefill(session, at->of->ids, middle + 1,
                                         &(smg_output){.logits = session->logits}, NULL, &cached),
                     SMIDGE_OK);
    assert_int_equal(cached, middle);
    same_bits(at, session->logits, middle, 1, vocabulary, "back into a prefix of", length);
    engine_run_rows(session, at->of->ids + middle + 1, positions - middle - 1, logits);
    same_bits(at, logits, middle + 1, positions - middle - 1, vocabulary, "from within a prefix of", length);
    free(logits);
    smidge_session_free(session);
}

/* Another text in between leaves no trace: what both begin with stays, the rest is computed again. */
static void check_own_past(const setting *at, smidge_model *model, int32_t common)
{
    int32_t positions = at->of->positions;
    int32_t other[LONGEST];
    for (int32_t i = 0; i < positions; i++)
        other[i] = i < common ? at->of->ids[i] : at->of->ids[positions - 1 - i + common];
    other[common] = at->of->ids[common] == 5 ? 6 : 5;
    smidge_session *session = engine_session(model, at->kv, positions, 16);
    int32_t cached = 0;
    assert_int_equal(smg_session_prefill(session, other, positions, &(smg_output){.logits = session->logits},
                                         NULL, &cached),
                     SMIDGE_OK);
    assert_int_equal(smg_session_prefill(session, at->of->ids, positions,
                                         &(smg_output){.logits = session->logits}, NULL, &cached),
                     SMIDGE_OK);
    assert_int_equal(cached, common);
    same_bits(at, session->logits, positions - 1, 1, model->model.shape.vocabulary, "own past of", common);
    smidge_session_free(session);
}

/* Logits of some groups of tokens are what they are among all, and nothing else is touched. */
static void check_some_logits(const setting *at, smidge_model *model)
{
    int32_t positions = at->of->positions;
    int32_t vocabulary = model->model.shape.vocabulary;
    const int32_t last = (vocabulary - 1) / SMG_OUTPUT_GROUP;
    const int32_t groups[] = {0, last / 2, last};
    smidge_session *session = engine_session(model, at->kv, positions, 16);
    const float *expected = at->expected + (int64_t)(positions - 1) * vocabulary;
    for (int32_t i = 0; i < vocabulary; i++)
        session->logits[i] = -12345.0F;
    const smg_output output = {.logits = session->logits, .groups = groups, .group_count = last > 1 ? 3 : 1};
    int32_t cached = 0;
    assert_int_equal(smg_session_prefill(session, at->of->ids, positions, &output, NULL, &cached), SMIDGE_OK);
    for (int32_t i = 0; i < vocabulary; i++) {
        bool asked = false;
        for (int32_t g = 0; g < output.group_count; g++)
            asked = asked || i / SMG_OUTPUT_GROUP == groups[g];
        assert_true(session->logits[i] == (asked ? expected[i] : -12345.0F));
    }
    smidge_session_free(session);
}

static float *compute_expected(const subject *of, smidge_model *model, int32_t kv)
{
    smidge_session *session = engine_session(model, kv, of->positions, of->positions);
    float *expected = engine_logits_new(model, of->positions);
    engine_run_rows(session, of->ids, of->positions, expected);
    smidge_session_free(session);
    for (int32_t i = 0; i < of->positions * model->model.shape.vocabulary; i++)
        assert_true(isfinite(expected[i]));
    return expected;
}

static const int32_t chunks[] = {64, 7, 1, POSITIONS};
/* Three for each thread count. */
static const int32_t prefixes[] = {1, 47, 63, 3, 33, POSITIONS, 16, 4, 24};

static void check_one_prefix(const setting *at, smidge_model *model, int which)
{
    int32_t length = prefixes[which];
    check_prefix(at, model, length < at->of->positions ? length : at->of->positions);
}

static void check_setting(const subject *of, const char *cpu, int32_t kv, bool quick)
{
    float *expected = NULL;
    for (int32_t threads = 1; threads <= 3; threads += quick ? 2 : 1) {
        smidge_model *model = engine_open_adapted(of->path, of->lora, cpu, threads);
        if (expected == NULL)
            expected = compute_expected(of, model, kv);
        const setting at = {.of = of, .cpu = cpu, .kv = kv, .expected = expected};
        for (int i = 0; i < 4; i++)
            check_chunks(&at, model, chunks[i]);
        for (int i = 0; i < (quick ? 1 : 3); i++)
            check_one_prefix(&at, model, 3 * (threads - 1) + i);
        check_own_past(&at, model, of->positions / 3);
        check_some_logits(&at, model);
        smidge_model_close(model);
    }
    free(expected);
}

/* One thread count with one chunk and one prefix. Over three steps and three KV types each thread count meets each
 * chunk: the two are orthogonal Latin squares. */
static void check_corner(const subject *of, const char *cpu, int32_t kv, int step, int turn)
{
    int32_t threads = 1 + (turn + step + kv) % 3;
    smidge_model *model = engine_open_adapted(of->path, of->lora, cpu, 1);
    float *expected = compute_expected(of, model, kv);
    smidge_model_close(model);
    model = engine_open_adapted(of->path, of->lora, cpu, threads);
    const setting at = {.of = of, .cpu = cpu, .kv = kv, .expected = expected};
    check_chunks(&at, model, POSITIONS);
    check_chunks(&at, model, chunks[(turn + step + 2 * kv) % 3]);
    check_one_prefix(&at, model, 3 * (threads - 1) + (turn + step) % 3);
    check_own_past(&at, model, of->positions / 3);
    smidge_model_close(model);
    free(expected);
}

/* `whole`: everything with everything; otherwise a corner for each CPU path and KV type. In quick runs 1 and 3 threads,
 * and one CPU path and KV type a model by turns; each is met. */
static void check_subject(subject *of, bool whole, int turn)
{
    smidge_model *model = engine_open(of->path, NULL, 1);
    choose_text(of, model);
    bool quick = smg_test_repeats(20) < 20;
    const char *cpus[ENGINE_STEPS];
    int steps = engine_cpu_names(cpus);
    int kinds = engine_allows(model, SMIDGE_KV_Q8_0) ? 3 : 2;
    smidge_model_close(model);
    for (int i = 0; i < steps; i++) {
        for (int32_t kv = 0; kv < kinds; kv++) {
            if (quick && (i != turn % steps || kv != turn / steps % kinds))
                continue;
            if (whole || quick)
                check_setting(of, cpus[i], kv, quick);
            else
                check_corner(of, cpus[i], kv, i, turn);
        }
    }
}

/* Families differ in the forward pass: windows of 16 positions in all or in some layers, norms, biases, caps, and rope.
 * Phi-3's longrope turns by other factors once the session's context is above 64. */
static void every_family(void **state)
{
    (void)state;
    subject families[] = {
        {.name = "llama-plain"},
        {.name = "llama-rope3"},
        {.name = "llama-window"},
        {.name = "qwen2"},
        {.name = "qwen3"},
        {.name = "phi3"},
        {.name = "phi3-partial"},
        {.name = "phi3-longrope", .positions = 60, .prefix_context = 64},
        {.name = "phi3-longrope", .positions = 65},
        {.name = "gemma"},
        {.name = "gemma2"},
        {.name = "gemma3"},
        {.name = "gemma3-linear"},
    };
    for (int i = 0; i < (int)(sizeof families / sizeof *families); i++) {
        subject *family = &families[i];
        char path[64];
        snprintf(path, sizeof path, "tests/golden/%s.gguf", family->name);
        family->path = smg_test_source(path);
        if (family->positions == 0)
            family->positions = POSITIONS;
        check_subject(family, false, i + 1);
    }
}

/* Adapters in F32, F16 and BF16, on fused matrices, before post norms, on an output matrix of its own. */
static void adapters(void **state)
{
    (void)state;
    subject families[] = {{.name = "llama-plain"},
                          {.name = "llama-window"},
                          {.name = "phi3-partial"},
                          {.name = "gemma2"},
                          {.name = "gemma3"}};
    /* Where programs run slowly, every second one. */
    const int step = smg_test_repeats(20) < 20 ? 2 : 1;
    for (int i = 0; i < (int)(sizeof families / sizeof *families); i += step) {
        subject *family = &families[i];
        char path[64], lora[64];
        snprintf(path, sizeof path, "tests/golden/%s.gguf", family->name);
        snprintf(lora, sizeof lora, "tests/golden/%s.lora.gguf", family->name);
        family->path = smg_test_source(path);
        family->lora = smg_test_source(lora);
        family->positions = POSITIONS;
        check_subject(family, false, i + 2);
    }
}

/* Of a rank at which workers share A for a single token in some products and have it each for themselves in others; on weights that want
 * their activations in 8 bits. */
static void large_adapters(void **state)
{
    (void)state;
    static const smg_type types[] = {SMG_TYPE_F16, SMG_TYPE_Q8_0};
    const synthetic_shape shape = {.type = SMG_TYPE_Q4_0,
                                   .layers = 2,
                                   .width = 256,
                                   .heads = 4,
                                   .kv_heads = 2,
                                   .head_size = 64,
                                   .feed_forward = 160,
                                   .context = 256,
                                   .seed = 21};
    synthetic_file file = synthetic_make(&shape);
    smidge_model *model = engine_open(file.path, NULL, 1);
    subject random = {.name = "rank 64", .path = file.path, .positions = 70};
    choose_text(&random, model);
    smidge_model_close(model);
    const char *cpus[ENGINE_STEPS];
    const int steps = engine_cpu_names(cpus);
    for (int i = smg_test_repeats(20) < 20 ? 1 : 0; i < 2; i++) {
        synthetic_file lora = synthetic_adapter(&shape, types[i], 64, 22);
        random.lora = lora.path;
        check_setting(&random, cpus[steps - 1], SMIDGE_KV_F16, i > 0 || smg_test_repeats(20) < 20);
        check_corner(&random, cpus[0], SMIDGE_KV_F32, i, 1);
        synthetic_free(&lora);
    }
    synthetic_free(&file);
}

/* The size of a context changes nothing, but for longrope at its threshold, where it changes every position but the
 * first. */
static void contexts_change_nothing_but_at_a_threshold(void **state)
{
    (void)state;
    static const int32_t contexts[] = {60, 64, 65, 256};
    subject phi = {.name = "phi3-longrope", .positions = 60};
    phi.path = smg_test_source("tests/golden/phi3-longrope.gguf");
    smidge_model *model = engine_open(phi.path, NULL, 2);
    choose_text(&phi, model);
    int32_t vocabulary = model->model.shape.vocabulary;
    float *sides[2] = {engine_logits_new(model, phi.positions), engine_logits_new(model, phi.positions)};
    float *logits = engine_logits_new(model, phi.positions);
    for (int i = 0; i < 4; i++) {
        smidge_session *session = engine_session(model, SMIDGE_KV_F16, contexts[i], 16);
        engine_run_rows(session, phi.ids, phi.positions, i % 2 == 0 ? sides[i / 2] : logits);
        smidge_session_free(session);
        const setting at = {.of = &phi,
                            .cpu = "the best path",
                            .kv = SMIDGE_KV_F16,
                            .expected = sides[i / 2]};
        if (i % 2 == 1)
            same_bits(&at, logits, 0, phi.positions, vocabulary, "context of", contexts[i]);
    }
    for (int32_t i = 1; i < phi.positions; i++)
        assert_memory_not_equal(sides[0] + i * vocabulary, sides[1] + i * vocabulary,
                                (size_t)vocabulary * sizeof *logits);
    free(sides[0]);
    free(sides[1]);
    free(logits);
    smidge_model_close(model);
}

static void stories(void **state)
{
    (void)state;
    subject trained = {.name = "stories260K", .positions = POSITIONS, .path = smg_test_fixture(STORIES)};
    if (trained.path == NULL) {
        printf("no fixture %s\n", STORIES);
        skip();
    }
    check_subject(&trained, true, 0);
}

/* Rows of feed_forward 160 and vocabulary 382 do not fill the last tile. */
static void check_type(smg_type type, int turn)
{
    const smg_type_info *info = smg_type_describe(type);
    bool super = info->block_elements == SMG_QK_K;
    synthetic_shape shape = {
        .type = type,
        .layers = super ? 1 : 2,
        .width = super ? 256 : 64,
        .heads = super ? 4 : 2,
        .kv_heads = super ? 2 : 1,
        .head_size = super ? 64 : 32,
        .feed_forward = super ? 256 : 160,
        .context = 256,
        .window = turn % 2 == 0 ? 0 : 24,
        .seed = 100 + (uint64_t)type,
    };
    synthetic_file file = synthetic_make(&shape);
    subject random = {.name = info->name, .path = file.path, .positions = 70};
    check_subject(&random, true, turn);
    synthetic_free(&file);
}

static void every_weight_type(void **state)
{
    (void)state;
    int turn = 0;
    for (uint32_t type = 0; type < SMG_TYPE_COUNT; type++) {
        const smg_type_info *info = smg_type_describe(type);
        /* interleaved ones: repack_test */
        if (info != NULL && info->weights && !smg_type_is_interleaved(type))
            check_type((smg_type)type, turn++);
    }
    assert_true(turn >= 15);
}

/* A single token's attention is cut by positions where whole heads would leave workers idle: three heads for one, two
 * and three workers, with windows and without. */
static void long_contexts(void **state)
{
    (void)state;
    const char *cpus[ENGINE_STEPS];
    int steps = engine_cpu_names(cpus);
    for (int32_t window = 0; window <= 200; window += 200) {
        synthetic_shape shape = {
            .type = SMG_TYPE_Q8_0,
            .layers = 2,
            .width = 64,
            .heads = 9,
            .kv_heads = 3,
            .head_size = 64,
            .feed_forward = 64,
            .context = LONGEST,
            .window = window,
            .seed = 5,
        };
        synthetic_file file = synthetic_make(&shape);
        subject random = {.name = "long", .path = file.path, .positions = LONGEST};
        smidge_model *model = engine_open(file.path, NULL, 1);
        choose_text(&random, model);
        smidge_model_close(model);
        bool quick = smg_test_repeats(20) < 20; /* then one KV type with windows, and one without */
        for (int32_t kv = 0; kv < 3; kv++) {
            if (!quick || kv == (window > 0 ? SMIDGE_KV_Q8_0 : SMIDGE_KV_F16))
                check_setting(&random, cpus[steps - 1], kv, quick);
        }
        synthetic_free(&file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_family),   cmocka_unit_test(contexts_change_nothing_but_at_a_threshold),
        cmocka_unit_test(stories),        cmocka_unit_test(every_weight_type),
        cmocka_unit_test(long_contexts),  cmocka_unit_test(adapters),
        cmocka_unit_test(large_adapters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
