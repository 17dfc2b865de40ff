#include "model/attention.h"

#include <math.h>
#include <string.h>

_Static_assert(SMG_MAX_HEAD_SIZE <= SMG_CELL_MAX, "kernels have room for a head");

/* Units of the phases of a single token, and the positions above which phases pay. */
enum { PHASE_POSITIONS = 128, PHASE_ELEMENTS = 32, PHASE_LEAST = 128 };

/* ---- Rotary positions ---------------------------------------------------------------------------------
 * Su et al., "RoFormer", arXiv 2104.09864; Llama 3's divisors are in the model's frequencies. */

void smg_rope_angles(const smg_shape *shape, const float *frequencies, int32_t position, float *ret_angles)
{
    for (int32_t i = 0; i < shape->rope_size / 2; i++) {
        float angle = (float)position * frequencies[i];
        ret_angles[2 * i] = cosf(angle) * shape->rope_magnitude;
        ret_angles[2 * i + 1] = sinf(angle) * shape->rope_magnitude;
    }
}

void smg_rope_turn(smg_rope_kind kind, const float *angles, int32_t pairs, float *head)
{
    int32_t step = kind == SMG_ROPE_ADJACENT ? 2 : 1;
    int32_t partner = kind == SMG_ROPE_ADJACENT ? 1 : pairs;
    for (int32_t i = 0; i < pairs; i++) {
        float *a = head + i * step;
        float *b = a + partner;
        float cosine = angles[2 * i];
        float sine = angles[2 * i + 1];
        float turned = *a * cosine - *b * sine;
        *b = *a * sine + *b * cosine;
        *a = turned;
    }
}

static void scale(float *head, float factor, int32_t size)
{
    for (int32_t i = 0; i < size; i++)
        head[i] *= factor;
}

/* What becomes of a query or a key on its way into the scores; `norm` may be NULL. */
static void turn_head(const smg_model *model, const float *angles, const float *norm, float *head)
{
    const smg_shape *shape = &model->shape;
    if (norm != NULL)
        model->kernels.rms_norm(head, norm, shape->norm_epsilon, shape->head_size, head);
    smg_rope_turn(shape->architecture->rope, angles, shape->rope_size / 2, head);
}

/* ---- One layer of a batch ----------------------------------------------------------------------------- */

typedef struct block {
    const smg_model *model;
    smg_scratch *scratch;
    const smg_row *rows;
    int32_t count;
    const smg_asking *asking;
    int layer;
    int32_t group; /* query heads to a key/value head */
} block;

static const float *angles_of(const block *in, int64_t row)
{
    const float *tables =
        in->model->shape.windowed[in->layer] ? in->scratch->window_angles : in->scratch->angles;
    return tables + row * in->model->shape.rope_size;
}

/* Key and value of one token for one head go into their cell. */
static void store_head(const block *in, int64_t row, int32_t kv_head)
{
    const smg_shape *shape = &in->model->shape;
    const smg_kernels *kernels = &in->model->kernels;
    float *k = in->scratch->k + (row * shape->kv_heads + kv_head) * shape->head_size;
    const float *v = in->scratch->v + (row * shape->kv_heads + kv_head) * shape->head_size;
    smg_kv_cache *cache = in->rows[row].cache;
    size_t place = (size_t)in->layer * cache->layer_bytes + (size_t)in->rows[row].cell * cache->cell_bytes +
                   (size_t)kv_head * cache->head_bytes;
    turn_head(in->model, angles_of(in, row), in->model->weights.layers[in->layer].k_norm, k);
    kernels->kv_store[cache->kind](k, cache->keys + place, shape->head_size);
    kernels->kv_store[cache->kind](v, cache->values + place, shape->head_size);
}

/* Queries of one asking token, ready to meet the keys. */
static void take_queries(const block *in, int64_t asking, int32_t head, int32_t count, float *ret_queries)
{
    const smg_shape *shape = &in->model->shape;
    int64_t row = in->asking->select != NULL ? in->asking->select[asking] : asking;
    int32_t size = shape->head_size;
    memcpy(ret_queries, in->scratch->q + (row * shape->heads + head) * size,
           (size_t)count * (size_t)size * sizeof *ret_queries);
    for (int32_t i = 0; i < count; i++) {
        float *query = ret_queries + (int64_t)i * size;
        turn_head(in->model, angles_of(in, row), in->model->weights.layers[in->layer].q_norm, query);
        if (shape->query_scale != 1.0F)
            scale(query, shape->query_scale, size);
    }
    if (in->rows[row].cache->kind == SMG_KV_F16)
        in->model->kernels.round_f16(ret_queries, (int64_t)count * size);
}

/* ---- What a token sees -------------------------------------------------------------------------------- */

/* Positions begin .. end - 1. */
typedef struct range {
    int32_t begin;
    int32_t end;
} range;

static range seen_by(const block *in, const smg_row *row)
{
    const smg_shape *shape = &in->model->shape;
    int32_t begin = 0;
    if (shape->windowed[in->layer] && row->position >= shape->window)
        begin = row->position - shape->window + 1;
    return (range){begin, row->position + 1};
}

/* The cells of a segment that fall into the range, from keys or values; false when none does. */
static bool cells_in(const block *in, const smg_segment *segment, range wanted, int32_t kv_head, bool values,
                     smg_cells *ret_cells, int32_t *ret_first)
{
    const smg_kv_cache *cache = segment->cache;
    int64_t begin = segment->position > wanted.begin ? segment->position : wanted.begin;
    int64_t end = (int64_t)segment->position + segment->count;
    if (end > wanted.end)
        end = wanted.end;
    if (begin >= end)
        return false;
    size_t place = (size_t)in->layer * cache->layer_bytes + (size_t)kv_head * cache->head_bytes +
                   (size_t)(segment->first_cell + begin - segment->position) * cache->cell_bytes;
    *ret_cells = (smg_cells){
        .rows = (values ? cache->values : cache->keys) + place,
        .stride = cache->cell_bytes,
        .count = end - begin,
        .n = in->model->shape.head_size,
    };
    *ret_first = (int32_t)begin;
    return true;
}

static bool same_segment(const smg_segment *a, const smg_segment *b)
{
    return a->cache == b->cache && a->first_cell == b->first_cell && a->position == b->position &&
           a->count == b->count;
}

/* Where two tokens begin to see different cells at the same position. */
static int32_t parting(const smg_row *a, const smg_row *b)
{
    if (a->segments == b->segments && a->segment_count == b->segment_count)
        return INT32_MAX;
    int32_t count = a->segment_count < b->segment_count ? a->segment_count : b->segment_count;
    for (int32_t s = 0; s < count; s++) {
        if (!same_segment(&a->segments[s], &b->segments[s]))
            return a->segments[s].position;
    }
    const smg_row *longer = a->segment_count > count ? a : b;
    return longer->segment_count > count ? longer->segments[count].position : INT32_MAX;
}

/* What all of these rows see in the same cells; may be empty, and then begins where each row's own part ends or
 * later. */
static range seen_by_all(const block *in, const smg_row *rows, int32_t count)
{
    range shared = seen_by(in, &rows[0]);
    for (int32_t r = 1; r < count; r++) {
        range own = seen_by(in, &rows[r]);
        int32_t end = parting(&rows[0], &rows[r]);
        end = own.end < end ? own.end : end;
        shared.begin = own.begin > shared.begin ? own.begin : shared.begin;
        shared.end = end < shared.end ? end : shared.end;
    }
    if (shared.end < shared.begin)
        shared.end = shared.begin;
    return shared;
}

/* ---- Attention ---------------------------------------------------------------------------------------- */

/* Query heads of one key/value head in neighbouring rows of those that ask: what one worker attends to at once. */
typedef struct bundle {
    int32_t row, rows;
    int32_t kv_head;
    int32_t head, heads;
} bundle;

/* scores[j][position - origin] of queries that see `wanted` as `row` does. */
static void score(const block *in, const smg_row *row, range wanted, int32_t kv_head, const float *queries,
                  int32_t count, float *scores, int32_t origin)
{
    smg_cells keys;
    int32_t first;
    for (int32_t s = 0; s < row->segment_count; s++) {
        const smg_segment *segment = &row->segments[s];
        if (cells_in(in, segment, wanted, kv_head, false, &keys, &first))
            in->model->kernels.attention_scores[segment->cache->kind](queries, (size_t)keys.n, count, &keys,
                                                                      in->model->shape.score_scale,
                                                                      scores + first - origin,
                                                                      in->scratch->score_stride);
    }
}

/* Likewise the sum of values by their probabilities, onto ret_mix[j]. */
static void mix(const block *in, const smg_row *row, range wanted, int32_t kv_head, const float *scores,
                int32_t origin, int32_t count, float *ret_mix)
{
    smg_cells values;
    int32_t first;
    for (int32_t s = 0; s < row->segment_count; s++) {
        const smg_segment *segment = &row->segments[s];
        if (cells_in(in, segment, wanted, kv_head, true, &values, &first))
            in->model->kernels.attention_mix[segment->cache->kind](scores + first - origin,
                                                                   in->scratch->score_stride, count, &values,
                                                                   ret_mix, (size_t)values.n);
    }
}

/* Scores of one query become probabilities. */
static void weigh(const block *in, const smg_row *row, float *scores, int32_t count)
{
    const smg_kernels *kernels = &in->model->kernels;
    if (in->model->shape.score_cap > 0.0F)
        kernels->soft_cap(scores, count, in->model->shape.score_cap);
    kernels->softmax(scores, count);
    if (row->cache->kind == SMG_KV_F16)
        kernels->round_f16(scores, count);
}

/* Rows see most positions in the same cells, and there they go together; before that, where windows begin, and behind
 * it each goes alone, so that every sum goes along the positions. */
static void attend(const block *in, const bundle *take, const smg_worker_scratch *mine)
{
    const smg_shape *shape = &in->model->shape;
    const smg_row *rows = in->asking->rows + take->row;
    int32_t heads = take->heads;
    int64_t step = (int64_t)heads * shape->head_size;
    size_t stride = in->scratch->score_stride;
    range shared = seen_by_all(in, rows, take->rows);
    int32_t origin = shared.begin;
    for (int32_t r = 0; r < take->rows; r++) {
        range own = seen_by(in, &rows[r]);
        origin = own.begin < origin ? own.begin : origin;
        take_queries(in, take->row + r, take->head, heads, mine->queries + r * step);
    }
    memset(mine->mixes, 0, (size_t)(take->rows * step) * sizeof *mine->mixes);
    score(in, rows, shared, take->kv_head, mine->queries, take->rows * heads, mine->scores, origin);
    for (int32_t r = 0; r < take->rows; r++) {
        range own = seen_by(in, &rows[r]);
        range before = {own.begin, shared.begin < own.end ? shared.begin : own.end};
        range behind = {shared.end, own.end};
        float *scores = mine->scores + (size_t)(r * heads) * stride;
        score(in, &rows[r], before, take->kv_head, mine->queries + r * step, heads, scores, origin);
        score(in, &rows[r], behind, take->kv_head, mine->queries + r * step, heads, scores, origin);
        for (int32_t h = 0; h < heads; h++)
            weigh(in, &rows[r], scores + (size_t)h * stride + own.begin - origin, own.end - own.begin);
        mix(in, &rows[r], before, take->kv_head, scores, origin, heads, mine->mixes + r * step);
    }
    mix(in, rows, shared, take->kv_head, mine->scores, origin, take->rows * heads, mine->mixes);
    for (int32_t r = 0; r < take->rows; r++) {
        range behind = {shared.end, seen_by(in, &rows[r]).end};
        const float *scores = mine->scores + (size_t)(r * heads) * stride;
        mix(in, &rows[r], behind, take->kv_head, scores, origin, heads, mine->mixes + r * step);
        memcpy(in->scratch->attention +
                   ((int64_t)(take->row + r) * shape->heads + take->head) * shape->head_size,
               mine->mixes + r * step, (size_t)step * sizeof *mine->mixes);
    }
}

/* ---- Many tokens: bundles of rows ---------------------------------------------------------------------- */

static int32_t parts_of(int32_t whole, int32_t part)
{
    return (whole + part - 1) / part;
}

/* As many queries at once as there is room for, but enough bundles that no worker waits long for the last. */
static void cut_batch(const block *in, int workers, int32_t *ret_rows, int32_t *ret_heads)
{
    int32_t kv_heads = in->model->shape.kv_heads;
    int32_t heads = in->group < SMG_QUERIES_MOST ? in->group : SMG_QUERIES_MOST;
    int32_t rows = SMG_QUERIES_MOST / heads;
    while ((int64_t)parts_of(in->asking->count, rows) * parts_of(in->group, heads) * kv_heads < 2 * workers) {
        if (rows > 1)
            rows = (rows + 1) / 2;
        else if (heads > 1)
            heads = (heads + 1) / 2;
        else
            break;
    }
    *ret_rows = rows;
    *ret_heads = heads;
}

/* The last rows of a head, which see most, come first. */
static void attend_batch(const block *in, smg_worker *worker)
{
    int32_t rows;
    int32_t heads;
    cut_batch(in, worker->count, &rows, &heads);
    int32_t parts = parts_of(in->group, heads);
    int32_t tiles = parts_of(in->asking->count, rows);
    int64_t begin;
    int64_t end;
    while (smg_worker_next(worker, (int64_t)in->model->shape.kv_heads * parts * tiles, 1, &begin, &end)) {
        int32_t tile = tiles - 1 - (int32_t)(begin % tiles);
        int32_t part = (int32_t)(begin / tiles);
        bundle take = {.row = tile * rows, .rows = rows, .kv_head = part / parts, .heads = heads};
        if (take.row + rows > in->asking->count)
            take.rows = in->asking->count - take.row;
        int32_t skipped = part % parts * heads;
        if (skipped + heads > in->group)
            take.heads = in->group - skipped;
        take.head = take.kv_head * in->group + skipped;
        attend(in, &take, &in->scratch->workers[worker->index]);
    }
}

static void store_batch(const block *in, smg_worker *worker)
{
    int32_t heads = in->model->shape.kv_heads;
    int64_t begin;
    int64_t end;
    while (smg_worker_next(worker, (int64_t)in->count * heads, 1, &begin, &end))
        store_head(in, begin / heads, (int32_t)(begin % heads));
}

/* ---- One token ------------------------------------------------------------------------------------------ */

/* A key/value head is stored and attended to by one worker, without a barrier in between. */
static void attend_heads(const block *in, smg_worker *worker)
{
    int64_t begin;
    int64_t end;
    while (smg_worker_next(worker, in->model->shape.kv_heads, 1, &begin, &end)) {
        store_head(in, 0, (int32_t)begin);
        for (int32_t i = 0; i < in->group; i += SMG_QUERIES_MOST) {
            bundle take = {.rows = 1, .kv_head = (int32_t)begin, .heads = in->group - i};
            take.head = take.kv_head * in->group + i;
            if (take.heads > SMG_QUERIES_MOST)
                take.heads = SMG_QUERIES_MOST;
            attend(in, &take, &in->scratch->workers[worker->index]);
        }
    }
}

/* Elements of a head's mixes, PHASE_ELEMENTS or all of them. */
static void mix_part(const block *in, int32_t kv_head, int32_t first, int32_t count)
{
    const smg_shape *shape = &in->model->shape;
    const smg_row *row = in->rows;
    size_t stride = in->scratch->score_stride;
    range own = seen_by(in, row);
    int32_t head = kv_head * in->group;
    float *mixes = in->scratch->attention + (int64_t)head * shape->head_size + first;
    for (int32_t i = 0; i < in->group; i++)
        memset(mixes + (int64_t)i * shape->head_size, 0, (size_t)count * sizeof *mixes);
    smg_cells values;
    int32_t place;
    for (int32_t s = 0; s < row->segment_count; s++) {
        smg_kv kind = row->segments[s].cache->kind;
        if (!cells_in(in, &row->segments[s], own, kv_head, true, &values, &place))
            continue;
        values.rows = (const uint8_t *)values.rows + smg_kv_bytes(kind, first);
        values.n = count;
        in->model->kernels.attention_mix[kind](in->scratch->scores + (size_t)head * stride +
                                                   (place - own.begin),
                                               stride, in->group, &values, mixes, (size_t)shape->head_size);
    }
}

/* The same in three phases that can be cut finer: scores by positions, probabilities by heads, mixes by elements. */
static bool attend_phases(const block *in, smg_worker *worker)
{
    const smg_shape *shape = &in->model->shape;
    smg_scratch *scratch = in->scratch;
    const smg_row *row = in->rows;
    range own = seen_by(in, row);
    int32_t seen = own.end - own.begin;
    int32_t chunks = parts_of(seen, PHASE_POSITIONS);
    int64_t begin;
    int64_t end;
    while (smg_worker_next(worker, (int64_t)shape->kv_heads * chunks, 1, &begin, &end)) {
        int32_t kv_head = (int32_t)(begin / chunks);
        int32_t head = kv_head * in->group;
        range part = {.begin = own.begin + (int32_t)(begin % chunks) * PHASE_POSITIONS};
        part.end = own.end - part.begin > PHASE_POSITIONS ? part.begin + PHASE_POSITIONS : own.end;
        if (part.end == own.end)
            store_head(in, 0, kv_head);
        for (int32_t i = 0, count; i < in->group; i += count) {
            count = in->group - i < SMG_QUERIES_MOST ? in->group - i : SMG_QUERIES_MOST;
            float *queries = scratch->workers[worker->index].queries;
            take_queries(in, 0, head + i, count, queries);
            score(in, row, part, kv_head, queries, count,
                  scratch->scores + (size_t)(head + i) * scratch->score_stride, own.begin);
        }
    }
    if (smg_worker_barrier(worker))
        return true;
    while (smg_worker_next(worker, shape->heads, 1, &begin, &end))
        weigh(in, row, scratch->scores + (size_t)begin * scratch->score_stride, seen);
    if (smg_worker_barrier(worker))
        return true;
    int32_t elements = shape->head_size % PHASE_ELEMENTS == 0 ? PHASE_ELEMENTS : shape->head_size;
    int32_t parts = shape->head_size / elements;
    while (smg_worker_next(worker, (int64_t)shape->kv_heads * parts, 1, &begin, &end))
        mix_part(in, (int32_t)(begin / parts), (int32_t)(begin % parts) * elements, elements);
    return false;
}

/* Whether whole heads would leave workers idle for long. */
static bool wants_phases(const block *in, int workers)
{
    int32_t kv_heads = in->model->shape.kv_heads;
    range own = seen_by(in, in->rows);
    return kv_heads % workers != 0 && kv_heads < 4 * workers && own.end - own.begin > PHASE_LEAST;
}

bool smg_attention_run(const smg_model *model, smg_scratch *scratch, smg_worker *worker, const smg_row *rows,
                       int32_t count, const smg_asking *asking, int layer)
{
    const block in = {
        .model = model,
        .scratch = scratch,
        .rows = rows,
        .count = count,
        .asking = asking,
        .layer = layer,
        .group = model->shape.heads / model->shape.kv_heads,
    };
    if (count > 1 || asking->count == 0) {
        store_batch(&in, worker);
        if (asking->count == 0)
            return false;
        if (smg_worker_barrier(worker))
            return true;
        attend_batch(&in, worker);
        return false;
    }
    if (wants_phases(&in, worker->count))
        return attend_phases(&in, worker);
    attend_heads(&in, worker);
    return false;
}
