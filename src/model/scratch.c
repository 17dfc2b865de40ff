#include "model/scratch.h"

static int32_t larger(int32_t a, int32_t b)
{
    return a > b ? a : b;
}

static float *take_floats(smg_arena *arena, int64_t count)
{
    return smg_arena_take(arena, (size_t)count * sizeof(float));
}

/* Buffers for `rows` rows in each form that the model's products want. */
static smg_inputs take_inputs(smg_arena *arena, const smg_model *model, int32_t rows)
{
    const smg_shape *shape = &model->shape;
    int32_t columns = larger(larger(shape->width, shape->feed_forward), shape->heads * shape->head_size);
    smg_inputs inputs = {0};
    for (smg_act act = SMG_ACT_F32 + 1; act < SMG_ACT_COUNT; act++) {
        if ((model->weights.acts & 1U << act) == 0)
            continue;
        inputs.stride[act] = smg_act_row_bytes(act, columns);
        inputs.rows[act] = smg_arena_take(arena, inputs.stride[act] * (size_t)rows);
    }
    return inputs;
}

void smg_scratch_observe(smg_scratch *scratch, const smg_observer *observer)
{
    scratch->observer = observer;
}

bool smg_scratch_long(const smg_model *model, int32_t context)
{
    return model->weights.rope_divisors_long != model->weights.rope_divisors &&
           context > model->shape.rope_original;
}

smg_scratch *smg_scratch_take(smg_arena *arena, const smg_model *model, int32_t rows, int32_t context,
                              int32_t spare, int threads)
{
    const smg_shape *shape = &model->shape;
    int64_t queries = (int64_t)shape->heads * shape->head_size;
    int64_t keys = (int64_t)shape->kv_heads * shape->head_size;
    smg_scratch *taken = smg_arena_take(arena, sizeof *taken);
    smg_scratch scratch = {.rows = rows};
    scratch.x = take_floats(arena, (int64_t)rows * shape->width);
    scratch.norm = take_floats(arena, (int64_t)rows * shape->width);
    scratch.q = take_floats(arena, rows * queries);
    scratch.k = take_floats(arena, rows * keys);
    scratch.v = take_floats(arena, rows * keys);
    scratch.attention = take_floats(arena, rows * queries);
    scratch.score_stride = (size_t)context + (size_t)spare;
    int64_t queries_most = (int64_t)larger(threads * SMG_QUERIES_MOST, shape->heads);
    scratch.scores = take_floats(arena, queries_most * (int64_t)scratch.score_stride);
    scratch.hidden = take_floats(arena, (int64_t)rows * shape->feed_forward);
    if (shape->architecture->post_norms)
        scratch.projection = take_floats(arena, (int64_t)rows * shape->width);
    scratch.frequencies =
        model->frequencies[smg_scratch_long(model, context) ? SMG_ROPE_LONG : SMG_ROPE_SHORT];
    scratch.angles = take_floats(arena, (int64_t)rows * shape->rope_size);
    scratch.window_angles = scratch.angles;
    if (model->frequencies[SMG_ROPE_WINDOW] != NULL)
        scratch.window_angles = take_floats(arena, (int64_t)rows * shape->rope_size);
    scratch.wanted = smg_arena_take(arena, (size_t)rows * sizeof *scratch.wanted);
    scratch.live = smg_arena_take(arena, (size_t)rows * sizeof *scratch.live);
    scratch.asking = smg_arena_take(arena, (size_t)rows * sizeof *scratch.asking);
    scratch.batch = take_inputs(arena, model, rows);
    const int32_t ranks = model->weights.lora_ranks;
    if (ranks > 0)
        scratch.lora = take_floats(arena, (int64_t)rows * ranks);
    for (int i = 0; i < threads; i++) {
        smg_worker_scratch *worker = &scratch.workers[i];
        if (scratch.scores != NULL)
            worker->scores = scratch.scores + (size_t)i * SMG_QUERIES_MOST * scratch.score_stride;
        worker->queries = take_floats(arena, (int64_t)SMG_QUERIES_MOST * shape->head_size);
        worker->mixes = take_floats(arena, (int64_t)SMG_QUERIES_MOST * shape->head_size);
        worker->tile = take_floats(arena, (int64_t)rows * SMG_TILE_ROWS);
        worker->norm = take_floats(arena, shape->width);
        worker->single = take_inputs(arena, model, 1);
        if (ranks > 0)
            worker->lora = take_floats(arena, ranks);
    }
    if (taken != NULL)
        *taken = scratch;
    return taken;
}
