/* Perplexity and what it is compared with: against sums of our own over all logits, at any number of threads, for chunks that
 * overlap and chunks that do not; and what is refused. */
#include "measure/perplexity.h"

#include "base/alloc.h"
#include "engine_support.h"
#include "synthetic_model.h"

#define MOST_TOKENS 4096

static const char text[] =
    "THE PUMP IS AT 3.1 BAR, AND THE WORLD TURNS. A hot bearing hums; a cold one does not. Temperature 71.5 C, vibration "
    "2.9 mm/s, pressure 4.2 bar: WARNING. Nothing moved in the night, and in the morning the valve was open.\n"
    "Ein Satz auf Deutsch: Größe 12 µm, 20 °C. \xF0\x9F\x94\xA5 NORMAL, NORMAL, CRITICAL. 0123456789 0123456789\n";

typedef struct text_file {
    int fd;
    char path[64];
} text_file;

static text_file write_text(const char *content, size_t size)
{
    text_file file = {.fd = memfd_create("text", MFD_CLOEXEC)};
    assert_true(file.fd >= 0);
    assert_int_equal(write(file.fd, content, size), size);
    snprintf(file.path, sizeof file.path, "/proc/self/fd/%d", file.fd);
    return file;
}

static synthetic_file make_model(uint64_t seed, bool bpe)
{
    return synthetic_make(&(synthetic_shape){.type = SMG_TYPE_F32,
                                             .layers = 2,
                                             .width = 64,
                                             .heads = 2,
                                             .kv_heads = 1,
                                             .head_size = 32,
                                             .feed_forward = 96,
                                             .context = 256,
                                             .bpe = bpe,
                                             .seed = seed});
}

/* ---- The same by brute force ----------------------------------------------------------------------------- */

typedef struct chunk_numbers {
    double *surprise, *reference_surprise, *divergence;
    bool *same_top;
    int32_t *places; /* in the text */
    int32_t count;
} chunk_numbers;

static void logarithms(const float *logits, int32_t vocabulary, double *ret)
{
    double sum = 0;
    for (int32_t i = 0; i < vocabulary; i++)
        sum += exp((double)logits[i]);
    for (int32_t i = 0; i < vocabulary; i++)
        ret[i] = (double)logits[i] - log(sum);
}

static int32_t likeliest(const double *values, int32_t count)
{
    int32_t best = 0;
    for (int32_t i = 1; i < count; i++)
        best = values[i] > values[best] ? i : best;
    return best;
}

/* All logits of a chunk, one token after another. */
static float *all_logits(smidge_model *model, const int32_t *ids, int32_t size)
{
    smidge_session *session = engine_session(model, SMIDGE_KV_F16, size, 1);
    float *logits = engine_logits_new(model, size);
    engine_run_rows(session, ids, size, logits);
    smidge_session_free(session);
    return logits;
}

static void add_chunk(smidge_model *model, smidge_model *reference, const int32_t *ids, int32_t first,
                      int32_t size, int32_t counts, chunk_numbers *numbers)
{
    int32_t own[512];
    const int32_t vocabulary = model->model.shape.vocabulary;
    double *p = calloc((size_t)vocabulary, sizeof *p), *q = calloc((size_t)vocabulary, sizeof *q);
    assert_true(p != NULL && q != NULL && size <= 512);
    memcpy(own, ids + first, (size_t)size * sizeof *own);
    if (smg_tokenizer_adds_bos(model->tokenizer))
        own[0] = smg_tokenizer_bos(model->tokenizer);
    float *logits = all_logits(model, own, size), *others = all_logits(reference, own, size);
    for (int32_t i = counts; i < size; i++) {
        const int32_t at = numbers->count++;
        assert_true(at < MOST_TOKENS);
        logarithms(logits + (size_t)(i - 1) * (size_t)vocabulary, vocabulary, p);
        logarithms(others + (size_t)(i - 1) * (size_t)vocabulary, vocabulary, q);
        numbers->surprise[at] = -p[own[i]];
        numbers->reference_surprise[at] = -q[own[i]];
        numbers->same_top[at] = likeliest(p, vocabulary) == likeliest(q, vocabulary);
        numbers->places[at] = first + i;
        numbers->divergence[at] = 0;
        for (int32_t v = 0; v < vocabulary; v++)
            numbers->divergence[at] += exp(q[v]) * (q[v] - p[v]);
    }
    free(logits);
    free(others);
    free(p);
    free(q);
}

static chunk_numbers numbers_new(void)
{
    chunk_numbers numbers = {.surprise = calloc(MOST_TOKENS, sizeof(double)),
                             .reference_surprise = calloc(MOST_TOKENS, sizeof(double)),
                             .divergence = calloc(MOST_TOKENS, sizeof(double)),
                             .same_top = calloc(MOST_TOKENS, sizeof(bool)),
                             .places = calloc(MOST_TOKENS, sizeof(int32_t))};
    assert_true(numbers.surprise != NULL && numbers.reference_surprise != NULL &&
                numbers.divergence != NULL && numbers.same_top != NULL && numbers.places != NULL);
    return numbers;
}

static void numbers_free(chunk_numbers *numbers)
{
    free(numbers->surprise);
    free(numbers->reference_surprise);
    free(numbers->divergence);
    free(numbers->same_top);
    free(numbers->places);
}

static void near(const char *what, double ours, double wanted, double limit)
{
    if (!(fabs(ours - wanted) <= limit * fmax(fabs(wanted), 1e-3)))
        fail_msg("%s is %.12g, expected %.12g", what, ours, wanted);
}

static smg_estimate mean_of(const double *values, int32_t count)
{
    double sum = 0, squares = 0;
    for (int32_t i = 0; i < count; i++)
        sum += values[i];
    for (int32_t i = 0; i < count; i++)
        squares += (values[i] - sum / count) * (values[i] - sum / count);
    return (smg_estimate){sum / count, sqrt(squares / count / (count - 1))};
}

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts the values; at 10 % steps of `count - 1` no two values have to be mixed in these tests' sizes. */
static double percentile_of(double *values, int32_t count, double share)
{
    qsort(values, (size_t)count, sizeof *values, compare_doubles);
    const double place = share * (count - 1);
    const int32_t below = (int32_t)floor(place), above = below + 1 < count ? below + 1 : below;
    return values[below] + (place - below) * (values[above] - values[below]);
}

static void check_comparison(const smg_perplexity *result, chunk_numbers *n)
{
    const smg_comparison *c = &result->comparison;
    double *gaps = calloc((size_t)n->count, sizeof *gaps),
           *changes = calloc((size_t)n->count, sizeof *changes);
    double squares = 0, same = 0;
    int32_t worst = 0;
    assert_true(gaps != NULL && changes != NULL);
    for (int32_t i = 0; i < n->count; i++) {
        gaps[i] = n->surprise[i] - n->reference_surprise[i];
        changes[i] = exp(-n->surprise[i]) - exp(-n->reference_surprise[i]);
        squares += changes[i] * changes[i] / n->count;
        same += n->same_top[i] ? 1 : 0;
        worst = changes[i] < changes[worst] ? i : worst;
    }
    same /= n->count;
    near("the reference's perplexity", c->reference.value,
         exp(mean_of(n->reference_surprise, n->count).value), 1e-9);
    near("the ratio", c->ratio.value, exp(mean_of(gaps, n->count).value), 1e-9);
    near("its error", c->ratio.error, c->ratio.value * mean_of(gaps, n->count).error, 1e-6);
    near("divergence", c->divergence.value, mean_of(n->divergence, n->count).value, 1e-7);
    near("its error", c->divergence.error, mean_of(n->divergence, n->count).error, 1e-6);
    near("same top", c->same_top.value, same, 1e-12);
    near("its error", c->same_top.error, sqrt(same * (1 - same) / (n->count - 1)), 1e-9);
    near("change", c->change.value, mean_of(changes, n->count).value, 1e-7);
    near("its size", c->change_size.value, sqrt(squares), 1e-7);
    assert_int_equal(c->place_count, SMG_WORST_PLACES);
    near("the worst place's p", c->places[0].probability - c->places[0].reference_probability, changes[worst],
         1e-9);
    assert_int_equal(c->places[0].token, n->places[worst]);
    for (int32_t i = 1; i < c->place_count; i++)
        assert_true(c->places[i].probability - c->places[i].reference_probability >=
                    c->places[i - 1].probability - c->places[i - 1].reference_probability);
    /* floats are kept for these */
    near("median", c->divergence_median, percentile_of(n->divergence, n->count, 0.5), 1e-5);
    near("90 %", c->divergence_90, percentile_of(n->divergence, n->count, 0.9), 1e-5);
    near("99 %", c->divergence_99, percentile_of(n->divergence, n->count, 0.99), 1e-5);
    near("99.9 %", c->divergence_999, percentile_of(n->divergence, n->count, 0.999), 1e-5);
    near("most", c->divergence_most, percentile_of(n->divergence, n->count, 1), 1e-5);
    near("1 %", c->change_1, percentile_of(changes, n->count, 0.01), 1e-5);
    near("5 %", c->change_5, percentile_of(changes, n->count, 0.05), 1e-5);
    free(gaps);
    free(changes);
}

static smg_perplexity measure(const char *model_path, const char *reference_path, const char *path,
                              const smg_perplexity_options *options, int32_t threads)
{
    smidge_error error;
    smg_perplexity result = {0};
    smidge_model *model = engine_open(model_path, "ref", threads);
    smidge_model *reference = reference_path != NULL ? engine_open(reference_path, "ref", threads) : NULL;
    engine_ok(smg_perplexity_measure(model, reference, path, options, &result, &error), &error);
    smidge_model_close(reference);
    smidge_model_close(model);
    return result;
}

/* ---- Tests ----------------------------------------------------------------------------------------------- */

static void check_chunking(const smg_chunking *chunking)
{
    synthetic_file a = make_model(11, false), b = make_model(12, false);
    text_file file = write_text(text, sizeof text - 1);
    smidge_model *model = engine_open(a.path, "ref", 1), *reference = engine_open(b.path, "ref", 1);
    const smg_span span = {.text = text, .size = sizeof text - 1};
    smg_ids ids;
    chunk_numbers numbers = numbers_new();
    assert_int_equal(smg_tokenizer_encode(model->tokenizer, &span, 1, true, &ids, NULL), SMIDGE_OK);
    const int32_t size = chunking->context;
    const int32_t step = chunking->stride > 0 ? chunking->stride : size;
    const int32_t counts = chunking->stride > 0 ? size - chunking->stride : size / 2 + 1;
    int32_t chunks = 0;
    for (int32_t first = 0; first + size <= (int32_t)ids.count; first += step) {
        if (chunking->most > 0 && chunks == chunking->most)
            break;
        add_chunk(model, reference, ids.ids, first, size, counts, &numbers);
        chunks++;
    }
    const smg_perplexity_options options = {.chunking = *chunking};
    const smg_perplexity one = measure(a.path, b.path, file.path, &options, 1);
    assert_int_equal(one.chunks, chunks);
    assert_int_equal(one.tokens, numbers.count);
    const smg_estimate mean = mean_of(numbers.surprise, numbers.count);
    near("perplexity", one.perplexity.value, exp(mean.value), 1e-9);
    near("its error", one.perplexity.error, exp(mean.value) * mean.error, 1e-6);
    check_comparison(&one, &numbers);
    for (int32_t threads = 2; threads <= 3; threads++) {
        const smg_perplexity more = measure(a.path, b.path, file.path, &options, threads);
        assert_memory_equal(&more, &one, sizeof one);
    }
    const smg_perplexity alone = measure(a.path, NULL, file.path, &options, 2);
    assert_true(alone.perplexity.value == one.perplexity.value);
    assert_true(alone.comparison.divergence.value == 0.0);
    smg_free(ids.ids);
    numbers_free(&numbers);
    smidge_model_close(reference);
    smidge_model_close(model);
    close(file.fd);
    synthetic_free(&a);
    synthetic_free(&b);
}

/* 129 and 130 leave one and two tokens for the last pass; 150 goes over the rows of logits that are computed at once. */
static void numbers_are_those_of_brute_force(void **state)
{
    (void)state;
    check_chunking(&(smg_chunking){.context = 32});
    check_chunking(&(smg_chunking){.context = 130, .most = 1});
    check_chunking(&(smg_chunking){.context = 64, .stride = 24});
    check_chunking(&(smg_chunking){.context = 150, .stride = 149});
}

static void a_model_loses_nothing_against_itself(void **state)
{
    (void)state;
    synthetic_file a = make_model(11, true);
    text_file file = write_text(text, sizeof text - 1);
    const smg_perplexity_options options = {.chunking = {.context = 40}};
    const smg_perplexity result = measure(a.path, a.path, file.path, &options, 2);
    assert_true(result.comparison.divergence.value < 1e-12);
    assert_true(result.comparison.same_top.value == 1.0);
    assert_true(result.comparison.ratio.value == 1.0);
    assert_int_equal(result.comparison.place_count, 0);
    close(file.fd);
    synthetic_free(&a);
}

static void refuse(smidge_model *model, smidge_model *reference, const char *path,
                   const smg_chunking *chunking, const char *words)
{
    smidge_error error = {0};
    smg_perplexity result = {.chunks = 4711};
    const smg_perplexity_options options = {.chunking = *chunking};
    const smidge_status status = smg_perplexity_measure(model, reference, path, &options, &result, &error);
    if (status != SMIDGE_E_INVALID || strstr(error.message, words) == NULL)
        fail_msg("%s: \"%s\", expected \"%s\"", smidge_status_name(status), error.message, words);
    assert_int_equal(result.chunks, 4711);
}

static void what_cannot_be_measured_is_refused(void **state)
{
    (void)state;
    synthetic_file a = make_model(11, false), b = make_model(12, true);
    text_file file = write_text(text, sizeof text - 1), empty = write_text("", 0);
    smidge_model *model = engine_open(a.path, NULL, 1), *other = engine_open(b.path, NULL, 1);
    refuse(model, other, file.path, &(smg_chunking){.context = 32}, "vocabulary");
    refuse(model, NULL, empty.path, &(smg_chunking){.context = 32}, "and a chunk wants 32");
    refuse(model, NULL, file.path, &(smg_chunking){.context = 257}, "trained for (give -c 256 or less)");
    refuse(model, NULL, file.path, &(smg_chunking){.context = 3}, "too short");
    refuse(model, NULL, file.path, &(smg_chunking){.context = -1}, "too short");
    refuse(model, NULL, file.path, &(smg_chunking){.context = 32, .stride = 32}, "between 1 and 31");
    refuse(model, NULL, file.path, &(smg_chunking){.context = 32, .stride = -1}, "between 1 and 31");
    refuse(model, NULL, file.path, &(smg_chunking){.context = 32, .most = -1}, "cannot be measured");
    smidge_model_close(other);
    smidge_model_close(model);
    close(file.fd);
    close(empty.fd);
    synthetic_free(&a);
    synthetic_free(&b);
}

static void stop_after_two(void *context, int32_t done, int32_t total, double perplexity)
{
    assert_true(done <= 2 && total > 2 && isfinite(perplexity));
    if (done == 2)
        atomic_store((atomic_int *)context, 1);
}

static void it_can_be_stopped(void **state)
{
    (void)state;
    synthetic_file a = make_model(11, false);
    text_file file = write_text(text, sizeof text - 1);
    smidge_model *model = engine_open(a.path, NULL, 2);
    atomic_int cancel = 0;
    smidge_error error;
    smg_perplexity result;
    const smg_perplexity_options options = {.chunking = {.context = 16},
                                            .cancel = &cancel,
                                            .progress = stop_after_two,
                                            .progress_context = &cancel};
    assert_int_equal(smg_perplexity_measure(model, NULL, file.path, &options, &result, &error),
                     SMIDGE_E_CANCELLED);
    smidge_model_close(model);
    close(file.fd);
    synthetic_free(&a);
}

/* Weights that are no numbers give logits that are none. */
static void what_is_no_number_is_said(void **state)
{
    (void)state;
    synthetic_file a = make_model(11, false);
    text_file file = write_text(text, sizeof text - 1);
    smg_gguf gguf;
    smidge_error error;
    const float bad = NAN;
    assert_int_equal(smg_gguf_open(a.path, &gguf, &error), SMIDGE_OK);
    const uint64_t at = smg_gguf_find_tensor(&gguf, "output_norm.weight")->offset;
    smg_gguf_close(&gguf);
    assert_int_equal(pwrite(a.fd, &bad, sizeof bad, (off_t)at), sizeof bad);
    smidge_model *model = engine_open(a.path, NULL, 2);
    smg_perplexity result;
    const smg_perplexity_options options = {.chunking = {.context = 16}};
    assert_int_equal(smg_perplexity_measure(model, NULL, file.path, &options, &result, &error),
                     SMIDGE_E_MODEL);
    smidge_model_close(model);
    close(file.fd);
    synthetic_free(&a);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    synthetic_file a = make_model(11, false), b = make_model(12, false);
    text_file file = write_text(text, sizeof text - 1);
    smidge_model *model = engine_open(a.path, NULL, 1), *reference = engine_open(b.path, NULL, 1);
    const smg_perplexity_options options = {.chunking = {.context = 16, .most = 2}};
    const char *first = smg_tokenizer_bytes(model->tokenizer, 20).data; /* spelled once and kept */
    const uint64_t live = smg_alloc_live_blocks();
    uint64_t n = 1;
    assert_non_null(first);
    for (smidge_status status = SMIDGE_E_NOMEM; status != SMIDGE_OK; n++) {
        smg_perplexity result;
        smidge_error error;
        smg_alloc_fail_at(n);
        status = smg_perplexity_measure(model, reference, file.path, &options, &result, &error);
        smg_alloc_fail_at(0);
        assert_true(status == SMIDGE_OK || status == SMIDGE_E_NOMEM);
        assert_int_equal(smg_alloc_live_blocks(), live);
    }
    assert_true(n > 10);
    smidge_model_close(reference);
    smidge_model_close(model);
    close(file.fd);
    synthetic_free(&a);
    synthetic_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_those_of_brute_force),
        cmocka_unit_test(a_model_loses_nothing_against_itself),
        cmocka_unit_test(what_cannot_be_measured_is_refused),
        cmocka_unit_test(it_can_be_stopped),
        cmocka_unit_test(what_is_no_number_is_said),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
