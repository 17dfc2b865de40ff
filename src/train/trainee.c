#include "train/trainee.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "model/attention.h"
#include "quant/dequantize.h"
#include "train/random.h"
#include "train/train_parameters.h"
#include "train/train_state.h"

/* Logits of one chunk take at most so many bytes, and at least so many rows. */
enum { LOGIT_BYTES = 32 << 20, LOGIT_ROWS = 16 };

static float *take_floats(smg_arena *arena, int64_t count)
{
    return smg_arena_take(arena, (size_t)count * sizeof(float));
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* ---- Room -------------------------------------------------------------------------------------------- */

/* All but x. */
static void take_state(smg_trainee *trainee, smg_arena *arena, smg_layer_state *state)
{
    const smg_shape *shape = &trainee->model->shape;
    const int64_t tokens = trainee->options.tokens;
    const int64_t queries = tokens * shape->heads * shape->head_size;
    const int64_t keys = tokens * shape->kv_heads * shape->head_size;
    state->q = take_floats(arena, queries);
    state->k = take_floats(arena, keys);
    state->v = take_floats(arena, keys);
    if (shape->architecture->head_norms) {
        state->q_raw = take_floats(arena, queries);
        state->k_raw = take_floats(arena, keys);
    }
    state->attention = take_floats(arena, queries);
    state->middle = take_floats(arena, tokens * shape->width);
    state->gate = take_floats(arena, tokens * shape->feed_forward);
    state->up = take_floats(arena, tokens * shape->feed_forward);
    if (shape->architecture->post_norms) {
        state->projected = take_floats(arena, tokens * shape->width);
        state->result = take_floats(arena, tokens * shape->width);
    }
}

static void take_states(smg_trainee *trainee, smg_arena *arena)
{
    const smg_shape *shape = &trainee->model->shape;
    smg_layer_state common = {0};
    trainee->states = smg_arena_take(arena, (size_t)shape->layers * sizeof *trainee->states);
    if (trainee->options.recompute)
        take_state(trainee, arena, &common);
    for (int32_t i = 0; i < shape->layers; i++) {
        smg_layer_state state = common;
        if (!trainee->options.recompute)
            take_state(trainee, arena, &state);
        state.x = take_floats(arena, (int64_t)trainee->options.tokens * shape->width);
        if (trainee->states != NULL)
            trainee->states[i] = state;
    }
}

static void take_shared(smg_trainee *trainee, smg_arena *arena)
{
    const smg_shape *shape = &trainee->model->shape;
    smg_train_shared *shared = &trainee->shared;
    const int64_t tokens = trainee->options.tokens;
    const int64_t queries = (int64_t)shape->heads * shape->head_size;
    const int64_t keys = (int64_t)shape->kv_heads * shape->head_size;
    /* Lent out between its uses: to the rows that have a target, and to queries on their way through a norm. */
    const int64_t hidden = larger(shape->feed_forward, larger(shape->width, queries));
    shared->normed = take_floats(arena, tokens * shape->width);
    shared->d_normed = take_floats(arena, tokens * shape->width);
    shared->dx = take_floats(arena, tokens * shape->width);
    shared->d_block = take_floats(arena, tokens * shape->width);
    shared->hidden = take_floats(arena, tokens * hidden);
    shared->d_gate = take_floats(arena, tokens * hidden);
    shared->dq = take_floats(arena, tokens * queries);
    shared->dk = take_floats(arena, tokens * keys);
    shared->dv = take_floats(arena, tokens * keys);
    shared->d_attention = take_floats(arena, tokens * queries);
    shared->factors = take_floats(arena, tokens * shape->heads);
    for (int i = 0; i < 3; i++) {
        shared->low[i] = take_floats(arena, tokens * trainee->options.rank);
        shared->d_low[i] = take_floats(arena, tokens * trainee->options.rank);
    }
}

static void take_workers(smg_trainee *trainee, smg_arena *arena)
{
    const smg_shape *shape = &trainee->model->shape;
    const int64_t scores = (int64_t)SMG_TRAIN_ROWS * trainee->options.sequence;
    trainee->workers = smg_arena_take(arena, (size_t)trainee->threads * sizeof *trainee->workers);
    for (int i = 0; i < trainee->threads; i++) {
        smg_train_worker worker = {.scores = take_floats(arena, scores),
                                   .d_scores = take_floats(arena, scores)};
        if (shape->score_cap > 0.0F || shape->logit_cap > 0.0F)
            worker.capped = take_floats(arena, larger(scores, shape->vocabulary));
        if (trainee->workers != NULL)
            trainee->workers[i] = worker;
    }
    trainee->gemm_bytes = smg_gemm_space(&trainee->model->kernels, trainee->options.bf16);
    trainee->gemm_space = smg_arena_take(arena, (size_t)trainee->threads * trainee->gemm_bytes);
}

static int32_t count_logit_rows(const smg_trainee *trainee)
{
    const int64_t rows =
        larger(LOGIT_BYTES / (int64_t)sizeof(float) / trainee->model->shape.vocabulary, LOGIT_ROWS);
    return rows < trainee->options.tokens ? (int32_t)rows : trainee->options.tokens;
}

/* Everything comes from one block, whose size is found by the same walk without one. */
static void take_all(smg_trainee *trainee, smg_arena *arena)
{
    const smg_shape *shape = &trainee->model->shape;
    const size_t tokens = (size_t)trainee->options.tokens;
    trainee->layers = smg_arena_take(arena, (size_t)shape->layers * sizeof *trainee->layers);
    trainee->parameters =
        smg_arena_take(arena, smg_train_count_parameters(trainee) * sizeof *trainee->parameters);
    smg_train_take_parameters(trainee, arena);
    take_states(trainee, arena);
    trainee->x = take_floats(arena, (int64_t)tokens * shape->width);
    take_shared(trainee, arena);
    trainee->angles = take_floats(arena, (int64_t)trainee->options.sequence * shape->rope_size);
    trainee->window_angles = trainee->angles;
    if (trainee->model->frequencies[SMG_ROPE_WINDOW] != NULL)
        trainee->window_angles = take_floats(arena, (int64_t)trainee->options.sequence * shape->rope_size);
    trainee->positions = smg_arena_take(arena, tokens * sizeof *trainee->positions);
    trainee->wanted = smg_arena_take(arena, tokens * sizeof *trainee->wanted);
    trainee->losses = smg_arena_take(arena, tokens * sizeof *trainee->losses);
    trainee->logit_rows = count_logit_rows(trainee);
    trainee->logits = take_floats(arena, (int64_t)trainee->logit_rows * shape->vocabulary);
    take_workers(trainee, arena);
}

static bool valid_options(const smg_train_options *options)
{
    return options->rank >= 0 && options->rank <= SMG_RANK_MOST && options->tokens >= 1 &&
           options->tokens <= SMG_MAX_CONTEXT && options->sequence >= 1 &&
           options->sequence <= options->tokens &&
           (options->rank == 0 || ((options->targets & SMG_TARGET_ALL) != 0 && isfinite(options->alpha)));
}

uint64_t smg_trainee_need(const smg_model *model, const smg_train_options *options, int threads)
{
    if (!valid_options(options))
        return 0;
    smg_trainee trainee = {.model = model, .options = *options, .threads = threads};
    smg_arena counting = {0};
    take_all(&trainee, &counting);
    return counting.used + sizeof trainee;
}

/* ---- Making ------------------------------------------------------------------------------------------ */

static void fill_angles(smg_trainee *trainee)
{
    const smg_model *model = trainee->model;
    const bool is_long = smg_scratch_long(model, trainee->options.sequence);
    const float *frequencies = model->frequencies[is_long ? SMG_ROPE_LONG : SMG_ROPE_SHORT];
    for (int32_t i = 0; i < trainee->options.sequence; i++) {
        const int64_t at = (int64_t)i * model->shape.rope_size;
        smg_rope_angles(&model->shape, frequencies, i, trainee->angles + at);
        if (trainee->window_angles != trainee->angles)
            smg_rope_angles(&model->shape, model->frequencies[SMG_ROPE_WINDOW], i,
                            trainee->window_angles + at);
    }
}

static smidge_status check_weights(const smg_model *model, smidge_error *error)
{
    for (uint64_t i = 0; i < model->gguf->tensor_count; i++)
        if (smg_type_is_interleaved(model->gguf->tensors[i].type))
            return smg_error_set(error, SMIDGE_E_UNSUPPORTED, model->gguf->path,
                                 "has interleaved rows, which cannot be trained (take the file that smidge "
                                 "repack --plain makes of it)");
    return SMIDGE_OK;
}

smidge_status smg_trainee_new(const smg_model *model, smg_pool *pool, const smg_train_options *options,
                              smg_trainee **ret_trainee, smidge_error *error)
{
    if (!valid_options(options))
        return smg_error_set(error, SMIDGE_E_INVALID, "training",
                             "rank %" PRId32 ", %" PRId32 " tokens in sequences of %" PRId32
                             " do not go together (rank 0 to %d, sequences no longer than the batch)",
                             options->rank, options->tokens, options->sequence, SMG_RANK_MOST);
    SMG_TRY(check_weights(model, error));
    smg_trainee *trainee = smg_alloc(sizeof *trainee);
    if (trainee == NULL)
        return smg_error_no_memory(error, "training", sizeof *trainee);
    *trainee =
        (smg_trainee){.model = model, .pool = pool, .options = *options, .threads = smg_pool_threads(pool)};
    smg_arena counting = {0};
    take_all(trainee, &counting);
    smidge_status status = smg_arena_init(&trainee->arena, counting.used, "training", error);
    if (status != SMIDGE_OK) {
        smg_trainee_free(trainee);
        return status;
    }
    take_all(trainee, &trainee->arena);
    smg_train_fill_parameters(trainee);
    fill_angles(trainee);
    *ret_trainee = trainee;
    return SMIDGE_OK;
}

void smg_trainee_free(smg_trainee *trainee)
{
    if (trainee == NULL)
        return;
    smg_arena_done(&trainee->arena);
    smg_free(trainee);
}

size_t smg_trainee_parameters(const smg_trainee *trainee, smg_parameter **ret_list)
{
    *ret_list = trainee->parameters;
    return trainee->parameter_count;
}

void smg_trainee_clear(smg_trainee *trainee)
{
    for (size_t i = 0; i < trainee->parameter_count; i++) {
        const smg_parameter *parameter = &trainee->parameters[i];
        memset(parameter->gradient, 0,
               (size_t)parameter->rows * (size_t)parameter->columns * sizeof *parameter->gradient);
    }
}

/* ---- One run ----------------------------------------------------------------------------------------- */

static smidge_status bad_batch(const char *why, int32_t where, smidge_error *error)
{
    return smg_error_set(error, SMIDGE_E_INVALID, "training batch", "%s at token %" PRId32, why, where);
}

static smidge_status check_batch(const smg_trainee *trainee, const smg_train_batch *batch,
                                 smidge_error *error)
{
    const int32_t vocabulary = trainee->model->shape.vocabulary;
    if (batch->count < 1 || batch->count > trainee->options.tokens || batch->sequences < 1)
        return smg_error_set(error, SMIDGE_E_INVALID, "training batch",
                             "%" PRId32 " tokens in %" PRId32 " sequences, where 1 to %" PRId32
                             " tokens have room",
                             batch->count, batch->sequences, trainee->options.tokens);
    for (int32_t s = 0; s < batch->sequences; s++) {
        const int32_t begin = batch->starts[s];
        const int32_t end = s + 1 < batch->sequences ? batch->starts[s + 1] : batch->count;
        if (begin < 0 || begin >= end || end > batch->count || (s == 0 && begin != 0))
            return bad_batch("sequences are not in order", begin, error);
        if (end - begin > trainee->options.sequence)
            return bad_batch("too long a sequence begins", begin, error);
    }
    for (int32_t i = 0; i < batch->count; i++)
        if (batch->tokens[i] < 0 || batch->tokens[i] >= vocabulary || batch->targets[i] >= vocabulary)
            return bad_batch("there is no such token or target", i, error);
    return SMIDGE_OK;
}

static void fill_positions(const smg_trainee *trainee, const smg_train_batch *batch)
{
    int32_t start = 0;
    int32_t next = 1;
    for (int32_t i = 0; i < batch->count; i++) {
        if (next < batch->sequences && batch->starts[next] == i)
            start = batch->starts[next++];
        trainee->positions[i] = i - start;
    }
}

static float embedding_scale(const smg_trainee *trainee)
{
    const smg_shape *shape = &trainee->model->shape;
    return shape->architecture->scaled_embedding ? sqrtf((float)shape->width) : 1.0F;
}

static void embed_rows(void *context, smg_worker *worker)
{
    const smg_train_run *run = context;
    const smg_trainee *trainee = run->trainee;
    const smg_matrix *embedding = &trainee->model->weights.embedding;
    const int64_t width = trainee->model->shape.width;
    const float scale = embedding_scale(trainee);
    int64_t begin;
    int64_t end;
    while (smg_worker_next(worker, run->batch->count, 1, &begin, &end)) {
        float *x = trainee->states[0].x + begin * width;
        const int64_t token = run->batch->tokens[begin];
        if (trainee->embedding != NULL)
            memcpy(x, trainee->embedding + token * width, (size_t)width * sizeof *x);
        else
            smg_dequantize_row_of(embedding->type, embedding->data, token, x, width);
        for (int64_t i = 0; i < width && scale != 1.0F; i++)
            x[i] *= scale;
    }
}

/* Columns are shared out, so that each sum goes along the tokens. */
static void embed_back(void *context, smg_worker *worker)
{
    const smg_train_run *run = context;
    const smg_trainee *trainee = run->trainee;
    const int64_t width = trainee->model->shape.width;
    const float scale = embedding_scale(trainee);
    int64_t begin;
    int64_t end;
    while (smg_worker_next(worker, width, 64, &begin, &end))
        for (int64_t t = 0; t < run->batch->count; t++) {
            float *sum = trainee->embedding_gradient + run->batch->tokens[t] * width;
            const float *dx = trainee->shared.dx + t * width;
            for (int64_t i = begin; i < end; i++)
                sum[i] += scale * dx[i];
        }
}

static smidge_status run_all(smg_train_run *run, bool backward, double *ret_loss, double *ret_weight)
{
    smg_trainee *trainee = run->trainee;
    const int layers = trainee->model->shape.layers;
    SMG_TRY(smg_pool_run(trainee->pool, embed_rows, run, run->stop));
    for (int i = 0; i < layers; i++)
        SMG_TRY(smg_train_layer_forward(run, i, i + 1 < layers ? trainee->states[i + 1].x : trainee->x));
    SMG_TRY(smg_train_output(run, backward, ret_loss, ret_weight));
    for (int i = layers - 1; backward && i >= 0; i--)
        SMG_TRY(smg_train_layer_backward(run, i));
    if (backward && trainee->embedding_gradient != NULL)
        SMG_TRY(smg_pool_run(trainee->pool, embed_back, run, run->stop));
    return SMIDGE_OK;
}

smidge_status smg_trainee_run(smg_trainee *trainee, const smg_train_batch *batch, bool backward,
                              float gradient_scale, const smg_stop *stop, double *ret_loss,
                              double *ret_weight, smidge_error *error)
{
    SMG_TRY(check_batch(trainee, batch, error));
    fill_positions(trainee, batch);
    smg_train_run run = {.trainee = trainee, .batch = batch, .stop = stop, .gradient_scale = gradient_scale};
    double loss = 0.0;
    double weight = 0.0;
    SMG_TRY(smg_stop_explain(run_all(&run, backward, &loss, &weight), "training", error));
    if (!isfinite(loss))
        return smg_error_set(error, SMIDGE_E_MODEL, "training",
                             "the loss is no number (take a lower learning rate, or clip gradients lower)");
    *ret_loss = loss;
    *ret_weight = weight;
    return SMIDGE_OK;
}
