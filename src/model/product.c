#include "model/product.h"

/* Tiles are cut so that each worker gets several, to even out workers that are held up, yet none is so small that taking
 * it costs as much as doing it. */
#define TILES_PER_WORKER 6
#define TILE_STEP 16
/* Elements of an adapter's A that each worker had rather multiply for itself than share them and wait. */
#define SHARED_ELEMENTS 32768
#define SHARED_RANKS 4 /* rows of A that a worker then takes at once */
/* Columns that a worker shows to an observer at once: some cache lines. */
#define OBSERVED_COLUMNS 64

enum { MATRICES_MOST = 4 }; /* that share an input */

/* ---- Inputs ------------------------------------------------------------------------------------------ */

/* Norms row `number` of the source if it wants that, and writes it in every form as row `place` of `inputs`. */
static void prepare_row(const smg_model *model, const smg_source *source, int64_t number, int64_t place,
                        float *norm, const smg_inputs *inputs)
{
    int64_t from = source->select != NULL ? source->select[number] : number;
    const float *x = source->x + from * (int64_t)source->stride;
    if (source->norm != NULL) {
        float *normed = norm + place * source->columns;
        model->kernels.rms_norm(x, source->norm, model->shape.norm_epsilon, source->columns, normed);
        x = normed;
    }
    for (int act = SMG_ACT_F32 + 1; act < SMG_ACT_COUNT; act++) {
        if ((source->forms & 1U << act) != 0)
            model->kernels.quantize[act](x,
                                         (uint8_t *)inputs->rows[act] + (size_t)place * inputs->stride[act],
                                         source->columns);
    }
}

/* Where the source's forms will stand: a single row's with each worker, unless somebody wants to see it whole. */
static smg_inputs place_inputs(const smg_source *source, smg_scratch *scratch, int worker, bool alone,
                               float **ret_norm)
{
    smg_worker_scratch *own = &scratch->workers[worker];
    smg_inputs inputs = alone ? own->single : scratch->batch;
    *ret_norm = alone ? own->norm : scratch->norm;
    /* F32 needs no copy: the normed rows, or the source itself, which kernels only read. */
    inputs.rows[SMG_ACT_F32] = source->norm != NULL ? *ret_norm : (float *)(uintptr_t)source->x;
    inputs.stride[SMG_ACT_F32] =
        (source->norm != NULL ? (size_t)source->columns : source->stride) * sizeof(float);
    return inputs;
}

/* ---- Adapters ---------------------------------------------------------------------------------------- */

/* The products of a source that an adapter adds to, and where A x goes. */
typedef struct adapted {
    const smg_lora *loras[MATRICES_MOST];
    int count;
    int32_t ranks; /* of all of them; 0: there is nothing to do */
    float *row;    /* of the first token */
    size_t stride; /* floats from token to token */
} adapted;

static adapted find_adapted(const smg_model *model, const smg_product *products, int count)
{
    adapted of = {.stride = (size_t)model->weights.lora_ranks};
    if (model->weights.lora_ranks == 0)
        return of;
    for (int i = 0; i < count; i++) {
        const smg_matrix *const matrices[] = {products[i].matrix, products[i].pair};
        for (int j = 0; j < 2 && matrices[j] != NULL; j++) {
            const smg_lora *lora = matrices[j]->lora;
            if (lora == NULL || lora->again)
                continue;
            of.loras[of.count++] = lora;
            of.ranks = lora->place + lora->rank;
        }
    }
    return of;
}

/* Elements first .. end - 1 of scale * A x for `tokens` inputs from `token` on. */
static void reduce(const smg_model *model, const adapted *of, const smg_inputs *inputs, int32_t columns,
                   int64_t token, int64_t tokens, int32_t first, int32_t end)
{
    const size_t x_stride = inputs->stride[SMG_ACT_F32];
    const uint8_t *x = (const uint8_t *)inputs->rows[SMG_ACT_F32] + (size_t)token * x_stride;
    for (int i = 0; i < of->count; i++) {
        const smg_lora *lora = of->loras[i];
        const int32_t from = first > lora->place ? first - lora->place : 0;
        const int32_t to = end < lora->place + lora->rank ? end - lora->place : lora->rank;
        if (from >= to)
            continue;
        float *out = of->row + (size_t)token * of->stride + (size_t)(lora->place + from);
        model->kernels.matmul[lora->a_type](columns, to - from, lora->a + (size_t)from * lora->a_stride,
                                            lora->a_stride, tokens, x, x_stride, out, of->stride);
        for (int64_t t = 0; t < tokens; t++, out += of->stride) {
            for (int32_t r = 0; r < to - from; r++)
                out[r] *= lora->scale;
        }
    }
}

/* Adds B's rows first .. first + rows - 1 times what reduce() left, to out[token * stride + row - first]. */
static void add_adapted(const smg_kernels *kernels, const smg_lora *lora, const adapted *of, int32_t tokens,
                        int32_t first, int32_t rows, float *out, size_t stride)
{
    const size_t element = lora->b_kind == SMG_KV_F16 ? sizeof(smg_half) : sizeof(float);
    const smg_cells columns = {.rows = lora->b + (size_t)first * element,
                               .stride = lora->b_stride,
                               .count = lora->rank,
                               .n = rows};
    kernels->attention_mix[lora->b_kind](of->row + lora->place, of->stride, tokens, &columns, out, stride);
}

/* ---- Many inputs ------------------------------------------------------------------------------------- */

/* Brings many rows into their forms. True when the run was stopped. */
static bool prepare_batch(const smg_model *model, smg_worker *worker, const smg_source *source, float *norm,
                          const smg_inputs *inputs, const adapted *of)
{
    int64_t step = source->rows / ((int64_t)worker->count * TILES_PER_WORKER);
    int64_t begin;
    int64_t end;
    while (smg_worker_next(worker, source->rows, step > 0 ? step : 1, &begin, &end)) {
        for (int64_t row = begin; row < end; row++)
            prepare_row(model, source, row, row, norm, inputs);
        reduce(model, of, inputs, source->columns, begin, end - begin, 0, of->ranks);
    }
    return smg_worker_barrier(worker);
}

/* Shows the products' input to the observer. True when the run was stopped. */
static bool show_input(const smg_observer *observer, smg_worker *worker, const smg_source *source,
                       const smg_inputs *inputs, const smg_product *products, int count)
{
    const float *x = inputs->rows[SMG_ACT_F32];
    const size_t stride = inputs->stride[SMG_ACT_F32] / sizeof *x;
    int64_t begin;
    int64_t end;
    while (smg_worker_next(worker, source->columns, OBSERVED_COLUMNS, &begin, &end)) {
        for (int i = 0; i < count; i++) {
            const smg_matrix *const matrices[] = {products[i].matrix, products[i].pair};
            for (int j = 0; j < 2 && matrices[j] != NULL; j++)
                observer->see(observer->context, matrices[j], x, stride, source->rows, (int32_t)begin,
                              (int32_t)end);
        }
    }
    return smg_worker_barrier(worker);
}

/* ---- Products ---------------------------------------------------------------------------------------- */

typedef struct tiling {
    const smg_kernels *kernels;
    const smg_inputs *inputs;
    const adapted *adapted;
    smg_activation activation;
    int32_t tokens;
    float *tile;
} tiling;

/* Rows first .. first + rows - 1 of a matrix with every token: out[token * stride + row - first]. */
static void multiply(const tiling *tiles, const smg_matrix *matrix, int32_t first, int32_t rows, float *out,
                     size_t stride)
{
    tiles->kernels->matmul[matrix->type](matrix->columns, rows, matrix->data + (size_t)first * matrix->stride,
                                         matrix->stride, tiles->tokens, tiles->inputs->rows[matrix->act],
                                         tiles->inputs->stride[matrix->act], out, stride);
    if (matrix->lora != NULL)
        add_adapted(tiles->kernels, matrix->lora, tiles->adapted, tiles->tokens, first, rows, out, stride);
}

static void run_tile(const tiling *tiles, const smg_product *product, int32_t first, int32_t rows)
{
    float *out = product->out + first;
    float *tile = tiles->tile;
    if (product->kind == SMG_PRODUCT_ACTIVATE) {
        multiply(tiles, product->matrix, first, rows, out, product->stride);
        multiply(tiles, product->pair, first, rows, tile, SMG_TILE_ROWS);
        for (int32_t t = 0; t < tiles->tokens; t++) {
            float *gate = out + (size_t)t * product->stride;
            const float *up = tile + (size_t)t * SMG_TILE_ROWS;
            if (tiles->activation == SMG_ACTIVATION_GELU)
                tiles->kernels->gelu_mul(gate, up, rows, gate);
            else
                tiles->kernels->silu_mul(gate, up, rows, gate);
        }
        return;
    }
    const bool adds = product->kind == SMG_PRODUCT_ADD;
    float *fresh = adds ? tile : out;
    const size_t stride = adds ? SMG_TILE_ROWS : product->stride;
    multiply(tiles, product->matrix, first, rows, fresh, stride);
    for (int32_t t = 0; t < tiles->tokens; t++, fresh += stride) {
        if (product->bias != NULL)
            tiles->kernels->add(fresh, product->bias + first, rows);
        if (product->cap > 0.0F)
            tiles->kernels->soft_cap(fresh, rows, product->cap);
        if (adds)
            tiles->kernels->add(out + (size_t)(product->select != NULL ? product->select[t] : t) *
                                          product->stride,
                                fresh, rows);
    }
}

static int32_t tile_rows(int64_t rows, int workers)
{
    int64_t wanted = rows / ((int64_t)workers * TILES_PER_WORKER) / TILE_STEP * TILE_STEP;
    if (wanted < TILE_STEP)
        return TILE_STEP;
    return wanted > SMG_TILE_ROWS ? SMG_TILE_ROWS : (int32_t)wanted;
}

/* How many tiles of `step` rows a product has. */
static int64_t tiles_of(const smg_product *product, int32_t step)
{
    return product->groups != NULL ? product->group_count : (product->matrix->rows + step - 1) / step;
}

/* What a single token's input still wants before a worker can multiply it. */
typedef struct single {
    const smg_model *model;
    const smg_source *source;
    const smg_inputs *inputs;
    float *norm;
    bool done;
} single;

static void prepare_single(single *input)
{
    if (!input->done)
        prepare_row(input->model, input->source, 0, 0, input->norm, input->inputs);
    input->done = true;
}

/* Where A is large, its rows are shared out. True when the run was stopped. */
static bool share_reduction(smg_worker *worker, single *input, const adapted *of)
{
    int64_t begin;
    int64_t end;
    while (smg_worker_next(worker, of->ranks, SHARED_RANKS, &begin, &end)) {
        prepare_single(input);
        reduce(input->model, of, input->inputs, input->source->columns, 0, 1, (int32_t)begin, (int32_t)end);
    }
    return smg_worker_barrier(worker);
}

/* All tiles of the products. True when the run was stopped. */
static bool run_tiles(const tiling *tiles, smg_worker *worker, const smg_product *products, int count,
                      single *input, bool reduced)
{
    int64_t rows = 0;
    for (int i = 0; i < count; i++)
        rows += products[i].matrix->rows;
    const int32_t step = products->groups != NULL ? SMG_OUTPUT_GROUP : tile_rows(rows, worker->count);
    int64_t total = 0;
    for (int i = 0; i < count; i++)
        total += tiles_of(&products[i], step);
    int64_t tile;
    int64_t end;
    while (smg_worker_next(worker, total, 1, &tile, &end)) {
        const smg_product *product = products;
        tile = smg_worker_place(worker, tile, total);
        prepare_single(input);
        if (!reduced)
            reduce(input->model, tiles->adapted, input->inputs, input->source->columns, 0, 1, 0,
                   tiles->adapted->ranks);
        reduced = true;
        for (; tile >= tiles_of(product, step); product++)
            tile -= tiles_of(product, step);
        int32_t first = (product->groups != NULL ? product->groups[tile] : (int32_t)tile) * step;
        int32_t left = product->matrix->rows - first;
        run_tile(tiles, product, first, left < step ? left : step);
    }
    return smg_worker_barrier(worker);
}

bool smg_product_run(const smg_model *model, smg_scratch *scratch, smg_worker *worker,
                     const smg_source *source, const smg_product *products, int count)
{
    const smg_observer *observer = scratch->observer;
    smg_worker_scratch *own = &scratch->workers[worker->index];
    const bool alone = source->rows == 1 && observer == NULL;
    float *norm;
    smg_inputs inputs = place_inputs(source, scratch, worker->index, alone, &norm);
    adapted of = find_adapted(model, products, count);
    const bool shared = alone && worker->count > 1 && (int64_t)of.ranks * source->columns > SHARED_ELEMENTS;
    of.row = alone && !shared ? own->lora : scratch->lora;
    const tiling tiles = {
        .kernels = &model->kernels,
        .inputs = &inputs,
        .adapted = &of,
        .activation = model->shape.architecture->activation,
        .tokens = source->rows,
        .tile = own->tile,
    };
    single input = {.model = model, .source = source, .inputs = &inputs, .norm = norm, .done = !alone};
    if (!alone && prepare_batch(model, worker, source, norm, &inputs, &of))
        return true;
    if (observer != NULL && show_input(observer, worker, source, &inputs, products, count))
        return true;
    if (shared && share_reduction(worker, &input, &of))
        return true;
    return run_tiles(&tiles, worker, products, count, &input, !alone || shared);
}
