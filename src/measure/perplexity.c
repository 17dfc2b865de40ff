#include "measure/perplexity.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "measure/chunk_pass.h"
#include "measure/token_stats.h"

/* A place that may be among the worst, before its text is looked up. */
typedef struct drop {
    double size;
    smg_token_stat stat;
    int32_t chunk;
    int32_t position;
} drop;

typedef struct measuring {
    smidge_session *session;
    smidge_session *reference; /* NULL: none */
    const smg_text_chunks *chunks;
    smg_stop stop;
    int32_t *ids;          /* [size] of the chunk */
    smg_token_stat *stats; /* [logit rows] */
    smg_moments surprise, reference_surprise, ratio, divergence, change, change_square;
    int64_t same_top;
    float *divergences; /* [tokens that count], like changes; NULL without a reference */
    float *changes;
    drop worst[SMG_WORST_PLACES]; /* the largest first */
    int32_t worst_count;
} measuring;

static void close_session(smidge_session **session)
{
    smidge_session_free(*session);
}

/* ---- A token --------------------------------------------------------------------------------------------- */

static void keep_worst(measuring *m, const drop *candidate)
{
    int32_t place = m->worst_count;
    while (place > 0 && m->worst[place - 1].size < candidate->size)
        place--;
    if (place == SMG_WORST_PLACES || !(candidate->size > 0))
        return;
    if (m->worst_count < SMG_WORST_PLACES)
        m->worst_count++;
    for (int32_t i = m->worst_count - 1; i > place; i--)
        m->worst[i] = m->worst[i - 1];
    m->worst[place] = *candidate;
}

/* False where something is no number. */
static bool add_token(measuring *m, const smg_token_stat *stat, int32_t chunk, int32_t position)
{
    if (!isfinite(stat->surprise) || !isfinite(stat->reference_surprise) || !isfinite(stat->divergence))
        return false;
    smg_moments_add(&m->surprise, stat->surprise);
    if (m->reference == NULL)
        return true;
    const double change = exp(-stat->surprise) - exp(-stat->reference_surprise);
    m->divergences[m->divergence.count] = (float)stat->divergence;
    m->changes[m->divergence.count] = (float)change;
    smg_moments_add(&m->reference_surprise, stat->reference_surprise);
    smg_moments_add(&m->ratio, stat->surprise - stat->reference_surprise);
    smg_moments_add(&m->divergence, stat->divergence);
    smg_moments_add(&m->change, change);
    smg_moments_add(&m->change_square, change * change);
    m->same_top += stat->top == stat->reference_top;
    keep_worst(m, &(drop){.size = -change, .stat = *stat, .chunk = chunk, .position = position});
    return true;
}

/* ---- A chunk --------------------------------------------------------------------------------------------- */

/* Rows of logits that workers go through, each for itself. */
typedef struct row_work {
    const measuring *m;
    int32_t position; /* of the first row's token */
    int32_t rows;
} row_work;

static void compute_rows(void *context, smg_worker *worker)
{
    const row_work *work = context;
    const measuring *m = work->m;
    const int32_t vocabulary = m->session->model->model.shape.vocabulary;
    int64_t begin;
    int64_t end;
    while (smg_worker_next(worker, work->rows, 1, &begin, &end)) {
        const size_t at = (size_t)begin * (size_t)vocabulary;
        smg_token_stat_compute(m->session->logits + at,
                               m->reference != NULL ? m->reference->logits + at : NULL, vocabulary,
                               m->ids[work->position + (int32_t)begin + 1], &m->stats[begin]);
    }
    (void)!smg_worker_barrier(worker);
}

/* What tokens first .. first + count - 1 of a pass that began at `start` say about the ones behind them. */
static smidge_status judge_rows(measuring *m, int32_t chunk, int32_t start, int32_t first, int32_t count,
                                bool *ret_sound)
{
    smg_pool *pool = m->session->model->pool;
    SMG_TRY(smg_chunk_logits(m->session, first, count, NULL, 0, &m->stop));
    if (m->reference != NULL)
        SMG_TRY(smg_chunk_logits(m->reference, first, count, NULL, 0, &m->stop));
    row_work work = {.m = m, .position = start + first, .rows = count};
    SMG_TRY(smg_pool_acquire(pool, &m->stop));
    smidge_status status = smg_pool_run(pool, compute_rows, &work, &m->stop);
    smg_pool_release(pool);
    SMG_TRY(status);
    for (int32_t i = 0; i < count && *ret_sound; i++)
        *ret_sound = add_token(m, &m->stats[i], chunk, start + first + i + 1);
    return SMIDGE_OK;
}

/* Token by token the logits at `i` foretell the token at `i + 1`; the last of a chunk has none to foretell. */
static smidge_status measure_chunk(measuring *m, int32_t chunk, bool *ret_sound)
{
    const int32_t end = m->chunks->size - 1;
    const int32_t kept = m->chunks->counts - 1;
    const int32_t most = m->session->logit_rows;
    smg_text_chunks_copy(m->chunks, chunk, m->ids);
    for (int32_t start = 0, count = 0; start < end && *ret_sound; start += count) {
        SMG_TRY(smg_chunk_pass(m->session, m->ids, start, end, kept, &count, &m->stop));
        if (m->reference != NULL)
            SMG_TRY(smg_chunk_pass(m->reference, m->ids, start, end, kept, &count, &m->stop));
        for (int32_t row = kept > start ? kept - start : 0; row < count && *ret_sound; row += most)
            SMG_TRY(judge_rows(m, chunk, start, row, count - row < most ? count - row : most, ret_sound));
    }
    return SMIDGE_OK;
}

static smidge_status measure_all(measuring *m, const smg_perplexity_options *options, bool *ret_sound)
{
    for (int32_t i = 0; i < m->chunks->count && *ret_sound; i++) {
        SMG_TRY(measure_chunk(m, i, ret_sound));
        if (options->progress != NULL)
            options->progress(options->progress_context, i + 1, m->chunks->count,
                              exp(smg_moments_mean(&m->surprise).value));
    }
    return SMIDGE_OK;
}

/* ---- Results --------------------------------------------------------------------------------------------- */

/* exp of a mean; a small error of the mean is that share of it. */
static smg_estimate exponential(const smg_moments *moments)
{
    const smg_estimate mean = smg_moments_mean(moments);
    const double value = exp(mean.value);
    return (smg_estimate){.value = value, .error = value * mean.error};
}

/* The tokens' text as whole characters, on one line, cut to the room at the end. */
static void spell(const smg_tokenizer *tokenizer, const int32_t *ids, int32_t count, char *ret_text,
                  size_t room)
{
    smg_utf8_stream stream = {0};
    char bytes[SMG_PLACE_TOKEN], clean[SMG_UTF8_STREAM_ROOM(sizeof bytes)];
    size_t used = 0;
    for (int32_t i = 0; i <= count; i++) {
        size_t whole;
        if (i < count) {
            const size_t size = smg_tokenizer_spell(tokenizer, ids[i], bytes, sizeof bytes);
            whole = smg_utf8_stream_feed(&stream, bytes, size, clean);
        } else {
            whole = smg_utf8_stream_finish(&stream, clean);
        }
        if (used + whole >= room)
            break;
        for (size_t b = 0; b < whole; b++)
            ret_text[used++] = (unsigned char)clean[b] < ' ' ? ' ' : clean[b];
    }
    ret_text[used] = '\0';
}

static void describe_place(const measuring *m, const drop *from, smg_place *ret_place)
{
    const smg_tokenizer *tokenizer = m->session->model->tokenizer;
    smg_text_chunks_copy(m->chunks, from->chunk, m->ids);
    *ret_place = (smg_place){.token = (int64_t)from->chunk * m->chunks->step + from->position,
                             .probability = exp(-from->stat.surprise),
                             .reference_probability = exp(-from->stat.reference_surprise)};
    int32_t first = from->position;
    for (size_t size = 0; first > 0; first--) {
        char bytes[SMG_PLACE_TOKEN];
        size += 3 * smg_tokenizer_spell(tokenizer, m->ids[first - 1], bytes, sizeof bytes);
        if (size > SMG_PLACE_TEXT)
            break;
    }
    spell(tokenizer, m->ids + first, from->position - first, ret_place->before, sizeof ret_place->before);
    spell(tokenizer, m->ids + from->position, 1, ret_place->right, sizeof ret_place->right);
    spell(tokenizer, &from->stat.top, 1, ret_place->preferred, sizeof ret_place->preferred);
}

static void compare_results(measuring *m, smg_comparison *ret)
{
    const size_t count = (size_t)m->divergence.count;
    const double share = (double)m->same_top / (double)count;
    *ret = (smg_comparison){.reference = exponential(&m->reference_surprise),
                            .ratio = exponential(&m->ratio),
                            .divergence = smg_moments_mean(&m->divergence),
                            .change = smg_moments_mean(&m->change)};
    ret->same_top.value = share;
    ret->same_top.error = count > 1 ? sqrt(share * (1 - share) / (double)(count - 1)) : 0;
    const smg_estimate square = smg_moments_mean(&m->change_square);
    ret->change_size.value = sqrt(square.value);
    if (square.value > 0)
        ret->change_size.error = square.error / (2 * ret->change_size.value);
    smg_sort_floats(m->divergences, count);
    smg_sort_floats(m->changes, count);
    ret->divergence_median = smg_sorted_percentile(m->divergences, count, 0.5);
    ret->divergence_90 = smg_sorted_percentile(m->divergences, count, 0.9);
    ret->divergence_99 = smg_sorted_percentile(m->divergences, count, 0.99);
    ret->divergence_999 = smg_sorted_percentile(m->divergences, count, 0.999);
    ret->divergence_most = smg_sorted_percentile(m->divergences, count, 1);
    ret->change_1 = smg_sorted_percentile(m->changes, count, 0.01);
    ret->change_5 = smg_sorted_percentile(m->changes, count, 0.05);
    ret->place_count = m->worst_count;
    for (int32_t i = 0; i < m->worst_count; i++)
        describe_place(m, &m->worst[i], &ret->places[i]);
}

/* ---- Measuring ------------------------------------------------------------------------------------------- */

/* The first token that the two spell differently; -1: none. */
static int32_t first_difference(const smg_tokenizer *a, const smg_tokenizer *b)
{
    for (int32_t i = 0; i < smg_tokenizer_size(a); i++) {
        const smg_text x = smg_tokenizer_name(a, i), y = smg_tokenizer_name(b, i);
        if (x.size != y.size || memcmp(x.data, y.data, x.size) != 0)
            return i;
    }
    return -1;
}

static smidge_status check_vocabularies(const smidge_model *model, const smidge_model *reference,
                                        smidge_error *error)
{
    static const char advice[] = "compare models of one family, such as two types of the same one";
    const int32_t ours = model->model.shape.vocabulary, theirs = reference->model.shape.vocabulary;
    if (ours != theirs || smg_tokenizer_size(model->tokenizer) != smg_tokenizer_size(reference->tokenizer))
        return smg_error_set(error, SMIDGE_E_INVALID, reference->gguf.path,
                             "has a vocabulary of %" PRId32 " tokens, and the measured model one of %" PRId32
                             " (%s)",
                             theirs, ours, advice);
    const int32_t differs = first_difference(model->tokenizer, reference->tokenizer);
    if (differs >= 0)
        return smg_error_set(error, SMIDGE_E_INVALID, reference->gguf.path,
                             "has another vocabulary than the measured model: token %" PRId32 " differs (%s)",
                             differs, advice);
    return SMIDGE_OK;
}

static smidge_status allocate(measuring *m, smidge_error *error)
{
    const smg_text_chunks *chunks = m->chunks;
    const size_t tokens = (size_t)(chunks->size - chunks->counts) * (size_t)chunks->count;
    m->ids = smg_alloc_array((size_t)chunks->size, sizeof *m->ids);
    m->stats = smg_alloc_array((size_t)m->session->logit_rows, sizeof *m->stats);
    bool complete = m->ids != NULL && m->stats != NULL;
    if (m->reference != NULL) {
        m->divergences = smg_alloc_array(tokens, sizeof *m->divergences);
        m->changes = smg_alloc_array(tokens, sizeof *m->changes);
        complete = complete && m->divergences != NULL && m->changes != NULL;
    }
    return complete ? SMIDGE_OK : smg_error_no_memory(error, "perplexity", 2 * tokens * sizeof(float));
}

static void release(measuring *m)
{
    smg_free(m->ids);
    smg_free(m->stats);
    smg_free(m->divergences);
    smg_free(m->changes);
}

static smidge_status measure_chunks(smidge_session *session, smidge_session *reference,
                                    const smg_text_chunks *chunks, const smg_perplexity_options *options,
                                    smg_perplexity *ret_result, smidge_error *error)
{
    SMG_CLEANUP(release)
    measuring m = {.session = session,
                   .reference = reference,
                   .chunks = chunks,
                   .stop = {.deadline = SMG_NEVER, .cancel = options->cancel}};
    bool sound = true;
    SMG_TRY(allocate(&m, error));
    SMG_TRY(smg_stop_explain(measure_all(&m, options, &sound), "perplexity", error));
    if (!sound)
        return smg_engine_bad_logits(session->model, error);
    *ret_result = (smg_perplexity){.chunks = chunks->count,
                                   .tokens = m.surprise.count,
                                   .perplexity = exponential(&m.surprise)};
    if (reference != NULL)
        compare_results(&m, &ret_result->comparison);
    return SMIDGE_OK;
}

smidge_status smg_perplexity_measure(smidge_model *model, smidge_model *reference, const char *path,
                                     const smg_perplexity_options *options, smg_perplexity *ret_result,
                                     smidge_error *error)
{
    SMG_CLEANUP(smg_text_chunks_done) smg_text_chunks chunks = {0};
    SMG_CLEANUP(close_session) smidge_session *session = NULL;
    SMG_CLEANUP(close_session) smidge_session *second = NULL;
    if (reference != NULL)
        SMG_TRY(check_vocabularies(model, reference, error));
    SMG_TRY(smg_text_chunks_read(model, path, &options->chunking, &chunks, error));
    SMG_TRY(smg_chunk_session(model, chunks.size, options->kv_type, &session, error));
    if (reference != NULL)
        SMG_TRY(smg_chunk_session(reference, chunks.size, options->kv_type, &second, error));
    return measure_chunks(session, second, &chunks, options, ret_result, error);
}
