/* smidge_classify against brute force: every path of tokens that spells a label of the set on stories260K,
 * each with forward passes of its own from the first token on, in double precision, and with nothing cut.
 *
 * The rules are the published ones: a label may be spelled with or without one leading space; a path ends
 * where one label remains; a label that others begin with ends with an end token or one that begins with a
 * newline. */
#include "engine_support.h"

#define MODEL "models/stories260K/stories260K.gguf"
#define MOST_LABELS 8
#define MOST_PATH 64
#define LIMIT 1e-4

/* A vocabulary read by hand: what each token spells. */
typedef struct piece {
    char bytes[64];
    size_t size;
} piece;

typedef struct oracle {
    smidge_session *session;
    const piece *pieces;
    int32_t vocabulary;
    const char *const *labels;
    int label_count;
    int32_t ids[1024];
    int32_t prompt_count;
    double scores[MOST_LABELS];
    long passes;
} oracle;

static smidge_model *model;
static piece *pieces;

enum { EOS = 2 };

/* "▁" is a space, "<0x0A>" a byte; the first three are control tokens. */
static piece read_piece(smg_text name, int32_t id)
{
    piece read = {.size = 0};
    unsigned byte = 0;
    char text[64];
    assert_true(name.size < sizeof text);
    memcpy(text, name.data, name.size);
    text[name.size] = '\0';
    if (id < 3)
        return read;
    if (name.size == 6 && sscanf(text, "<0x%2X>", &byte) == 1) {
        read.bytes[read.size++] = (char)byte;
        return read;
    }
    for (size_t i = 0; i < name.size; i++) {
        if (strncmp(text + i, "\xE2\x96\x81", 3) == 0) {
            read.bytes[read.size++] = ' ';
            i += 2;
        } else {
            read.bytes[read.size++] = text[i];
        }
    }
    return read;
}

static void read_pieces(void)
{
    const smg_gguf_key *array = NULL;
    smidge_error error;
    engine_ok(smg_gguf_get_array(&model->gguf, "tokenizer.ggml.tokens", SMG_GGUF_STRING, &array, &error),
              &error);
    pieces = calloc(array->count, sizeof *pieces);
    assert_non_null(pieces);
    uint64_t position = 0;
    smg_text name;
    for (int32_t id = 0; smg_gguf_next_text(array, &position, &name); id++)
        pieces[id] = read_piece(name, id);
}

/* The probabilities after the prompt and `depth` tokens more, all computed afresh. */
static double *compute_probabilities(oracle *o, int depth)
{
    int32_t count = o->prompt_count + depth;
    int32_t cached = 0;
    smidge_session_reset(o->session);
    assert_int_equal(smg_session_prefill(o->session, o->ids, count,
                                         &(smg_output){.logits = o->session->logits}, NULL, &cached),
                     SMIDGE_OK);
    assert_int_equal(cached, 0);
    o->passes++;
    double *p = calloc((size_t)o->vocabulary, sizeof *p);
    assert_non_null(p);
    double sum = 0.0;
    for (int32_t i = 0; i < o->vocabulary; i++)
        sum += p[i] = exp((double)o->session->logits[i]);
    for (int32_t i = 0; i < o->vocabulary; i++)
        p[i] /= sum;
    return p;
}

/* How many labels, with or without a space, begin with this spelling; the last of them in *ret_label. */
static int matching(const oracle *o, const char *spelling, int *ret_label)
{
    int count = 0;
    char spaced[128];
    size_t size = strlen(spelling);
    for (int i = 0; i < o->label_count; i++) {
        snprintf(spaced, sizeof spaced, " %s", o->labels[i]);
        if (strncmp(o->labels[i], spelling, size) == 0 || strncmp(spaced, spelling, size) == 0) {
            *ret_label = i;
            count++;
        }
    }
    return count;
}

/* The label that this spelling completes, or -1. */
static int complete(const oracle *o, const char *spelling)
{
    for (int i = 0; i < o->label_count; i++) {
        if (strcmp(o->labels[i], spelling) == 0 ||
            (*spelling == ' ' && strcmp(o->labels[i], spelling + 1) == 0))
            return i;
    }
    return -1;
}

static void walk(oracle *o, const char *spelling, int depth, double mass)
{
    double *p = compute_probabilities(o, depth);
    int done = complete(o, spelling);
    for (int32_t id = 0; id < o->vocabulary; id++) {
        const piece *next = &o->pieces[id];
        if (done >= 0 && (id == EOS || (next->size > 0 && next->bytes[0] == '\n')))
            o->scores[done] += mass * p[id];
        if (next->size == 0 || memchr(next->bytes, '\0', next->size) != NULL)
            continue;
        char longer[128];
        int label = -1;
        snprintf(longer, sizeof longer, "%s%.*s", spelling, (int)next->size, next->bytes);
        int count = matching(o, longer, &label);
        if (count == 1) {
            o->scores[label] += mass * p[id];
        } else if (count > 1) {
            assert_in_range(depth, 0, MOST_PATH);
            o->ids[o->prompt_count + depth] = id;
            walk(o, longer, depth + 1, mass * p[id]);
        }
    }
    free(p);
}

static void run_oracle(oracle *o, const char *prompt)
{
    const smidge_span span = engine_span(prompt);
    size_t count = 0;
    smidge_error error;
    engine_ok(smidge_tokenize(model, &span, 1, o->ids, 512, &count, &error), &error);
    o->prompt_count = (int32_t)count;
    walk(o, "", 0, 1.0);
}

static const char *const prompts[] = {
    "Once upon a time",
    "Lily saw that the pump was hot. The light was red. She said: \"",
    "Pump reading: pressure 3.1 bar, usual 4.0 bar. Temperature 81, usual 60.\nThe state is",
    "The big dog was",
    "A",
};

static void check_case(const char *const *labels, int count, const char *prompt)
{
    oracle o = {.session = engine_session(model, SMIDGE_KV_F32, 1024, 0),
                .pieces = pieces,
                .vocabulary = model->model.shape.vocabulary,
                .labels = labels,
                .label_count = count};
    run_oracle(&o, prompt);
    double total = 0.0;
    for (int i = 0; i < count; i++)
        total += o.scores[i];
    assert_true(total > 0.0);

    smidge_session *session = engine_session(model, SMIDGE_KV_F32, 1024, 0);
    smidge_labels *set = NULL;
    smidge_error error;
    engine_ok(smidge_labels_new(model, labels, (size_t)count, &set, &error), &error);
    double probabilities[MOST_LABELS];
    smidge_classify_result result = {.size = sizeof result, .probabilities = probabilities};
    const smidge_span span = engine_span(prompt);
    engine_ok(smidge_classify(session, set, &span, 1, NULL, &result, &error), &error);
    assert_true(result.label_mass < 0.0);

    double with_mass[MOST_LABELS];
    smidge_classify_result massed = {.size = sizeof massed, .probabilities = with_mass};
    const smidge_classify_options options = {.size = sizeof options, .label_mass = 1};
    engine_ok(smidge_classify(session, set, &span, 1, &options, &massed, &error), &error);
    assert_memory_equal(with_mass, probabilities, (size_t)count * sizeof *probabilities);
    assert_true(massed.cut_share == result.cut_share);

    double worst = 0.0;
    double sum = 0.0;
    for (int i = 0; i < count; i++) {
        worst = fmax(worst, fabs(probabilities[i] - o.scores[i] / total));
        sum += probabilities[i];
    }
    printf("%-10.10s.. %d labels from %s: off by %.1e; mass %.1e, cut %.1e in %d, %d passes for %ld\n",
           prompt, count, labels[0], worst, total, result.cut_share, (int)result.cut_branches,
           (int)result.passes, o.passes);
    assert_true(worst <= LIMIT);
    assert_true(fabs(sum - 1.0) <= 1e-12);
    assert_true(fabs(massed.label_mass - total) <= (1e-5 + 2.0 * massed.cut_share) * total);
    assert_true(result.cut_share <= 1e-4 * result.cut_branches);
    assert_int_equal(result.answer, SMIDGE_ANSWER_OK);
    assert_true(result.confidence == probabilities[result.label]);
    smidge_labels_free(set);
    smidge_session_free(session);
    smidge_session_free(o.session);
}

static void check_set(const char *const *labels)
{
    int count = 0;
    while (labels[count] != NULL)
        count++;
    int some = smg_test_repeats(20) < 20 ? 2 : (int)(sizeof prompts / sizeof *prompts);
    for (int i = 0; i < some; i++)
        check_case(labels, count, prompts[i]);
}

static void different_first_tokens(void **state)
{
    (void)state;
    check_set((const char *const[]){"NORMAL", "WARNING", "CRITICAL", NULL});
    check_set((const char *const[]){"yes", "no", NULL});
}

static void one_label_begins_another(void **state)
{
    (void)state;
    check_set((const char *const[]){"ON", "ON_FIRE", "OFF", NULL});
    check_set((const char *const[]){"A", "AB", "ABC", NULL});
    check_set((const char *const[]){"play", "playing", "player", NULL});
}

static void shared_first_tokens(void **state)
{
    (void)state;
    check_set((const char *const[]){"happy", "hat", "hot", "house", NULL});
    check_set((const char *const[]){"big girl", "big boy", "big dog", NULL});
}

static void spaces_inside(void **state)
{
    (void)state;
    check_set((const char *const[]){"too high", "too low", "fine", NULL});
    check_set((const char *const[]){"a big", "a bird", "a", NULL});
}

static void other_alphabets(void **state)
{
    (void)state;
    check_set((const char *const[]){"GRÜN", "GRAU", "GELB", NULL});
    check_set((const char *const[]){"正常", "正しい", "警告", NULL});
    check_set((const char *const[]){"é", "è", "e", NULL});
}

static void single_letters(void **state)
{
    (void)state;
    check_set((const char *const[]){"A", "B", "C", "D", NULL});
}

int main(void)
{
    model = engine_open(smg_test_need_fixture(MODEL), NULL, 2);
    read_pieces();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(different_first_tokens), cmocka_unit_test(one_label_begins_another),
        cmocka_unit_test(shared_first_tokens),    cmocka_unit_test(spaces_inside),
        cmocka_unit_test(other_alphabets),        cmocka_unit_test(single_letters),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(pieces);
    smidge_model_close(model);
    return failed;
}
