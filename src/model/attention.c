#include "model/attention.h"

#include <math.h>
#include <string.h>

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

static void turn(float *head, const float *angles, int32_t pairs, smg_rope_kind kind)
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

/* ---- Keys and values into the cache ------------------------------------------------------------------- */

/* One token's share of one key/value head: the head's key and value, and the queries that belong to it. */
static void store_head(const smg_model *model, smg_scratch *scratch, const smg_row *rows, int64_t row,
                       int32_t kv_head, int layer)
{
    const smg_shape *shape = &model->shape;
    smg_rope_kind kind = shape->architecture->rope;
    int32_t size = shape->head_size;
    int32_t pairs = shape->rope_size / 2;
    int32_t group = shape->heads / shape->kv_heads;
    const smg_layer *weights = &model->weights.layers[layer];
    const float *tables = shape->windowed[layer] ? scratch->window_angles : scratch->angles;
    const float *angles = tables + row * shape->rope_size;
    float *q = scratch->q + (row * shape->heads + (int64_t)kv_head * group) * size;
    float *k = scratch->k + (row * shape->kv_heads + kv_head) * size;
    const float *v = scratch->v + (row * shape->kv_heads + kv_head) * size;
    smg_kv_cache *cache = rows[row].cache;
    for (int32_t i = 0; i < group; i++) {
        float *head = q + (int64_t)i * size;
        if (weights->q_norm != NULL)
            model->kernels.rms_norm(head, weights->q_norm, shape->norm_epsilon, size, head);
        turn(head, angles, pairs, kind);
        if (shape->query_scale != 1.0F)
            scale(head, shape->query_scale, size);
    }
    if (weights->k_norm != NULL)
        model->kernels.rms_norm(k, weights->k_norm, shape->norm_epsilon, size, k);
    if (cache->kind == SMG_KV_F16)
        model->kernels.round_f16(q, (int64_t)group * size);
    turn(k, angles, pairs, kind);
    size_t place = (size_t)layer * cache->layer_bytes + (size_t)rows[row].cell * cache->cell_bytes +
                   (size_t)kv_head * cache->head_bytes;
    model->kernels.kv_store[cache->kind](k, cache->keys + place, size);
    model->kernels.kv_store[cache->kind](v, cache->values + place, size);
}

void smg_attention_store(const smg_model *model, smg_scratch *scratch, smg_worker *worker,
                         const smg_row *rows, int32_t count, int layer)
{
    int32_t heads = model->shape.kv_heads;
    int64_t begin;
    int64_t end;
    while (smg_worker_next(worker, (int64_t)count * heads, 1, &begin, &end))
        store_head(model, scratch, rows, begin / heads, (int32_t)(begin % heads), layer);
}

/* ---- Attention ---------------------------------------------------------------------------------------- */

/* The part of a segment that positions low .. high fall into; false when none does. */
static bool overlap(const smg_segment *segment, int32_t low, int32_t high, int32_t *ret_first,
                    int32_t *ret_count)
{
    int64_t begin = segment->position > low ? segment->position : low;
    int64_t end = (int64_t)segment->position + segment->count;
    if (end > (int64_t)high + 1)
        end = (int64_t)high + 1;
    if (begin >= end)
        return false;
    *ret_first = (int32_t)begin;
    *ret_count = (int32_t)(end - begin);
    return true;
}

static void attend(const smg_model *model, const smg_row *row, int layer, int32_t kv_head, const float *q,
                   float *scores, float *ret_mix)
{
    const smg_shape *shape = &model->shape;
    const smg_kernels *kernels = &model->kernels;
    int32_t size = shape->head_size;
    int32_t high = row->position;
    int32_t low = shape->windowed[layer] && high >= shape->window ? high - shape->window + 1 : 0;
    int32_t first;
    int32_t count;
    for (int32_t s = 0; s < row->segment_count; s++) {
        const smg_segment *segment = &row->segments[s];
        if (!overlap(segment, low, high, &first, &count))
            continue;
        const smg_kv_cache *cache = segment->cache;
        size_t place = (size_t)layer * cache->layer_bytes + (size_t)kv_head * cache->head_bytes +
                       (size_t)(segment->first_cell + first - segment->position) * cache->cell_bytes;
        kernels->attention_scores[cache->kind](q, cache->keys + place, cache->cell_bytes, count, size,
                                               shape->score_scale, scores + (first - low));
    }
    if (shape->score_cap > 0.0F)
        kernels->soft_cap(scores, high - low + 1, shape->score_cap);
    kernels->softmax(scores, high - low + 1);
    if (row->cache->kind == SMG_KV_F16)
        kernels->round_f16(scores, high - low + 1);
    memset(ret_mix, 0, (size_t)size * sizeof *ret_mix);
    for (int32_t s = 0; s < row->segment_count; s++) {
        const smg_segment *segment = &row->segments[s];
        if (!overlap(segment, low, high, &first, &count))
            continue;
        const smg_kv_cache *cache = segment->cache;
        size_t place = (size_t)layer * cache->layer_bytes + (size_t)kv_head * cache->head_bytes +
                       (size_t)(segment->first_cell + first - segment->position) * cache->cell_bytes;
        kernels->attention_mix[cache->kind](scores + (first - low), cache->values + place, cache->cell_bytes,
                                            count, size, ret_mix);
    }
}

void smg_attention_run(const smg_model *model, smg_scratch *scratch, smg_worker *worker, const smg_row *rows,
                       int32_t count, int layer)
{
    const smg_shape *shape = &model->shape;
    int32_t group = shape->heads / shape->kv_heads;
    float *scores = scratch->workers[worker->index].scores;
    int64_t begin;
    int64_t end;
    while (smg_worker_next(worker, (int64_t)count * shape->heads, 1, &begin, &end)) {
        int64_t row = begin / shape->heads;
        int32_t head = (int32_t)(begin % shape->heads);
        attend(model, &rows[row], layer, head / group, scratch->q + begin * shape->head_size, scores,
               scratch->attention + begin * shape->head_size);
    }
}
