#include "fit/speed.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "fit/read_range.h"

#define ROUND_NANOSECONDS 40000000 /* for all rounds of one measurement, if that is enough for LEAST_ROUNDS */
#define PIECE ((size_t)256 << 10)  /* of a plain read */

enum { LEAST_ROUNDS = 3, MOST_ROUNDS = 64, TILE_ROWS = 64, PHASES = 500, TILES_PER_WORKER = 6 };

/* Two halves of it are a small positive number in every format that scales are kept in. */
#define MADE_UP_BYTE 0x11

/* ---- What a token takes --------------------------------------------------------------------------------- */

static void add_matrix(smg_token_work *work, const smg_matrix *matrix)
{
    const smg_lora *lora = matrix->lora;
    work->bytes[matrix->type] += (uint64_t)matrix->rows * matrix->stride;
    if (lora == NULL)
        return;
    const bool halves = lora->b_kind == SMG_KV_F16;
    work->bytes[halves ? SMG_TYPE_F16 : SMG_TYPE_F32] +=
        (uint64_t)lora->rank * (uint64_t)matrix->rows * (halves ? sizeof(smg_half) : sizeof(float));
    if (!lora->again)
        work->bytes[lora->a_type] += (uint64_t)lora->rank * lora->a_stride;
}

void smg_token_work_count(const smg_model *model, smg_token_work *ret_work)
{
    const smg_shape *shape = &model->shape;
    smg_token_work work = {.columns = shape->width};
    for (int32_t i = 0; i < shape->layers; i++) {
        const smg_layer *layer = &model->weights.layers[i];
        const smg_matrix *all[] = {&layer->q,    &layer->k,  &layer->v,   &layer->o,
                                   &layer->gate, &layer->up, &layer->down};
        for (size_t m = 0; m < sizeof all / sizeof *all; m++)
            add_matrix(&work, all[m]);
    }
    add_matrix(&work, &model->weights.output);
    /* Queries, keys and values; attention; its output; gate and up; down; and a norm behind each block in some families.
     * One for the embedding, one for the logits. */
    work.phases = 2 + shape->layers * (shape->architecture->post_norms ? 7 : 5);
    *ret_work = work;
}

uint64_t smg_token_work_bytes(const smg_token_work *work)
{
    uint64_t bytes = 0;
    for (int type = 0; type < SMG_TYPE_COUNT; type++)
        bytes += work->bytes[type];
    return bytes;
}

uint64_t smg_token_work_kv(const smg_shape *shape, smg_kv kind, int32_t positions)
{
    const uint64_t position = 2 * (uint64_t)shape->kv_heads * (uint64_t)smg_kv_bytes(kind, shape->head_size);
    uint64_t bytes = 0;
    for (int32_t i = 0; i < shape->layers; i++) {
        const bool cut = shape->windowed[i] && shape->window > 0 && shape->window < positions;
        bytes += position * (uint64_t)(cut ? shape->window : positions);
    }
    return bytes;
}

double smg_speed_predict(const smg_speed *speed, const smg_token_work *work, uint64_t kv_bytes)
{
    double seconds =
        (double)kv_bytes / (SMG_SPEED_KV_SHARE * speed->bandwidth) + (double)work->phases * speed->phase;
    for (int type = 0; type < SMG_TYPE_COUNT; type++) {
        const double rate =
            speed->rates[type] > 0.0 ? speed->rates[type] : SMG_SPEED_SHARE * speed->bandwidth;
        seconds += (double)work->bytes[type] / rate;
    }
    return seconds;
}

/* ---- Measuring ------------------------------------------------------------------------------------------ */

typedef struct job {
    smg_matmul_fn matmul; /* NULL: plain reading */
    const uint8_t *data;
    int64_t tiles;
    size_t tile_bytes;
    size_t row_bytes;
    int32_t columns;
    const void *activations;
    size_t activation_bytes;
} job;

static void run_job(void *context, smg_worker *worker)
{
    const job *own = context;
    float out[TILE_ROWS];
    int64_t tile;
    int64_t end;
    while (smg_worker_next(worker, own->tiles, 1, &tile, &end)) {
        const uint8_t *data =
            own->data + (size_t)smg_worker_place(worker, tile, own->tiles) * own->tile_bytes;
        if (own->matmul == NULL)
            smg_read_range(data, own->tile_bytes);
        else
            own->matmul(own->columns, TILE_ROWS, data, own->row_bytes, 1, own->activations,
                        own->activation_bytes, out, TILE_ROWS);
    }
    (void)!smg_worker_barrier(worker);
}

static void run_phases(void *context, smg_worker *worker)
{
    (void)context;
    for (int i = 0; i < PHASES; i++) {
        int64_t begin;
        int64_t end;
        while (smg_worker_next(worker, (int64_t)worker->count * TILES_PER_WORKER, 1, &begin, &end)) {}
        if (smg_worker_barrier(worker))
            return;
    }
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Seconds of a round: the median, so that neither luck nor another program's burst counts. The first is not counted. */
static double time_rounds(smg_pool *pool, smg_pool_fn run, job *work)
{
    double rounds[MOST_ROUNDS];
    int count = 0;
    (void)!smg_pool_run(pool, run, work, NULL); /* nothing can stop it */
    const int64_t until = smg_clock_now() + ROUND_NANOSECONDS;
    while (count < MOST_ROUNDS && (count < LEAST_ROUNDS || smg_clock_now() < until)) {
        const int64_t began = smg_clock_now();
        (void)!smg_pool_run(pool, run, work, NULL);
        rounds[count++] = (double)(smg_clock_now() - began) / 1e9;
    }
    qsort(rounds, (size_t)count, sizeof *rounds, compare);
    return rounds[count / 2] > 0.0 ? rounds[count / 2] : 1e-9;
}

/* A row in the form that products want. */
static void make_activations(const smg_kernels *kernels, smg_act act, int32_t columns, float *x,
                             void *ret_row)
{
    for (int32_t i = 0; i < columns; i++)
        x[i] = (float)(i % 17) / 16.0F - 0.5F;
    if (kernels->quantize[act] != NULL)
        kernels->quantize[act](x, ret_row, columns);
    else
        memcpy(ret_row, x, (size_t)columns * sizeof *x);
}

/* Bytes a second of products with rows of one type; 0 where the memory is too small for a tile. */
static double measure_type(smg_pool *pool, const smg_kernels *kernels, smg_type type, int32_t columns,
                           const uint8_t *data, size_t bytes, float *x, void *activations)
{
    const smg_type_info *info = smg_type_describe(type);
    if (info == NULL || kernels->matmul[type] == NULL)
        return 0.0;
    const smg_act act = smg_act_for(type);
    const int32_t block = info->block_elements;
    columns = columns < block ? block : columns / block * block;
    make_activations(kernels, act, columns, x, activations);
    job work = {.matmul = kernels->matmul[type],
                .data = data,
                .row_bytes = smg_type_row_bytes(type, (uint64_t)columns),
                .columns = columns,
                .activations = activations,
                .activation_bytes = smg_act_row_bytes(act, columns)};
    work.tile_bytes = TILE_ROWS * work.row_bytes;
    work.tiles = (int64_t)(bytes / work.tile_bytes);
    if (work.tiles == 0)
        return 0.0;
    return (double)work.tiles * (double)work.tile_bytes / time_rounds(pool, run_job, &work);
}

typedef struct memory {
    uint8_t *data;
    size_t bytes;
} memory;

static void memory_done(memory *block)
{
    if (block->data != NULL)
        smg_unmap(block->data, block->bytes);
}

smidge_status smg_speed_measure(smg_pool *pool, uint32_t cpu_mask, uint64_t types, int32_t columns,
                                size_t bytes, smg_speed *ret_speed, smidge_error *error)
{
    const char *where = "measuring the machine";
    SMG_CLEANUP(memory_done) memory weights = {.data = smg_map_anonymous(bytes), .bytes = bytes};
    columns = columns < SMG_QK_K ? SMG_QK_K : columns;
    SMG_CLEANUP(smg_free_ptr) float *x = smg_alloc_array((size_t)columns, sizeof *x);
    SMG_CLEANUP(smg_free_ptr) void *row = smg_alloc_array((size_t)columns + 64, sizeof *x);
    if (weights.data == NULL || x == NULL || row == NULL)
        return smg_error_no_memory(error, where, bytes);
    memset(weights.data, MADE_UP_BYTE, bytes);
    smg_speed speed = {.threads = smg_pool_threads(pool)};
    smg_kernels kernels;
    smg_kernels_init(&kernels, cpu_mask);
    SMG_TRY(smg_pool_acquire(pool, NULL));
    job read = {.data = weights.data, .tiles = (int64_t)(bytes / PIECE), .tile_bytes = PIECE};
    speed.bandwidth = (double)read.tiles * (double)PIECE / time_rounds(pool, run_job, &read);
    speed.phase = time_rounds(pool, run_phases, NULL) / PHASES;
    for (int type = 0; type < SMG_TYPE_COUNT; type++) {
        if ((types >> type & 1) == 0)
            continue;
        speed.rates[type] =
            measure_type(pool, &kernels, (smg_type)type, columns, weights.data, bytes, x, row);
    }
    smg_pool_release(pool);
    *ret_speed = speed;
    return SMIDGE_OK;
}
