#include "quant/tensor_maker.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdatomic.h>

#include "base/alloc.h"
#include "base/thread.h"
#include "cpu/cpu.h"
#include "quant/quantize.h"

/* Elements of a batch of rows, which all workers share: enough to make starting them cheap. */
#define BATCH_ELEMENTS (INT64_C(1) << 20)
#define LARGEST_HALF 65504.0F

struct smg_tensor_maker {
    smg_kernels kernels;
    smg_pool *pool;
    float *floats;  /* [threads][longest] */
    uint8_t *batch; /* rows that are made */
    int64_t longest;
    /* The batch at hand: */
    const smg_tensor_rows *rows;
    int64_t first, count;
    atomic_bool refused;
};

static int64_t batch_rows(int64_t columns)
{
    return columns < BATCH_ELEMENTS ? BATCH_ELEMENTS / columns : 1;
}

smidge_status smg_tensor_maker_new(int threads, int64_t longest, smg_tensor_maker **ret_maker,
                                   smidge_error *error)
{
    /* no type takes more than F32; a batch of shorter rows is no larger */
    const int64_t batch = longest > BATCH_ELEMENTS ? longest : BATCH_ELEMENTS;
    const size_t bytes = (size_t)batch * sizeof(float);
    smg_tensor_maker *maker = smg_alloc(sizeof *maker);
    if (maker == NULL)
        return smg_error_no_memory(error, "quantizing", sizeof *maker);
    maker->longest = longest;
    maker->floats = smg_alloc_array((size_t)longest * (size_t)threads, sizeof(float));
    maker->batch = smg_alloc(bytes);
    smg_kernels_init(&maker->kernels, smg_cpu_mask());
    smidge_status status = maker->floats == NULL || maker->batch == NULL
                               ? smg_error_no_memory(error, "quantizing", bytes)
                               : smg_pool_new(threads, &maker->pool, error);
    if (status == SMIDGE_OK)
        status = smg_pool_acquire(maker->pool, NULL);
    if (status != SMIDGE_OK)
        smg_tensor_maker_free(maker);
    else
        *ret_maker = maker;
    return status;
}

void smg_tensor_maker_free(smg_tensor_maker *maker)
{
    if (maker == NULL)
        return;
    smg_pool_free(maker->pool);
    smg_free(maker->floats);
    smg_free(maker->batch);
    smg_free(maker);
}

/* Blocks keep their scales and minimums as halves. */
static float largest_of(smg_type type)
{
    return type == SMG_TYPE_F32 || type == SMG_TYPE_BF16 ? FLT_MAX : LARGEST_HALF;
}

static bool all_within(const float *x, int64_t n, float largest)
{
    enum { PIECE = 16 }; /* of fixed length, so that compilers make vectors of it */
    int outside = 0;
    int64_t i = 0;
    for (; i + PIECE <= n; i += PIECE)
        for (int j = 0; j < PIECE; j++)
            outside |= !(fabsf(x[i + j]) <= largest); /* nor is what is not a number */
    for (; i < n; i++)
        outside |= !(fabsf(x[i]) <= largest);
    return outside == 0;
}

static void make_rows(void *context, smg_worker *worker)
{
    smg_tensor_maker *maker = context;
    const smg_tensor_rows *rows = maker->rows;
    const size_t bytes = (size_t)smg_type_row_bytes(rows->type, (uint64_t)rows->columns);
    const float largest = largest_of(rows->type);
    float *x = maker->floats + worker->index * maker->longest;
    int64_t begin, end;
    while (smg_worker_next(worker, maker->count, 1, &begin, &end)) {
        for (int64_t row = begin; row < end; row++) {
            rows->read(rows->context, maker->first + row, x);
            if (all_within(x, rows->columns, largest))
                smg_quantize_row(&maker->kernels, rows->type, x, rows->importance, rows->columns,
                                 maker->batch + (size_t)row * bytes);
            else
                atomic_store(&maker->refused, true);
        }
    }
}

/* Says which element of the batch it was. */
static smidge_status refuse(smg_tensor_maker *maker, smidge_error *error)
{
    const smg_tensor_rows *rows = maker->rows;
    const float largest = largest_of(rows->type);
    float *x = maker->floats;
    for (int64_t row = maker->first; row < maker->first + maker->count; row++) {
        rows->read(rows->context, row, x);
        for (int64_t i = 0; i < rows->columns; i++) {
            if (fabsf(x[i]) <= largest)
                continue;
            if (isfinite(x[i]))
                return smg_error_set(error, SMIDGE_E_FORMAT, rows->file,
                                     "%s has %g in row %" PRId64
                                     ", which is too large for %s (take bf16 or f32)",
                                     rows->name, (double)x[i], row, smg_type_describe(rows->type)->name);
            break;
        }
        if (!all_within(x, rows->columns, FLT_MAX))
            return smg_error_set(error, SMIDGE_E_FORMAT, rows->file,
                                 "%s has a weight that is not a finite number, in row %" PRId64
                                 " (the file is damaged, or the model was saved while it diverged)",
                                 rows->name, row);
    }
    return smg_error_set(error, SMIDGE_E_FORMAT, rows->file, "%s changed while it was read (try again)",
                         rows->name);
}

smidge_status smg_tensor_make(smg_tensor_maker *maker, const smg_tensor_rows *rows, smg_gguf_writer *writer,
                              smidge_error *error)
{
    const size_t bytes = (size_t)smg_type_row_bytes(rows->type, (uint64_t)rows->columns);
    const int64_t step = batch_rows(rows->columns);
    maker->rows = rows;
    atomic_store(&maker->refused, false);
    for (maker->first = 0; maker->first < rows->rows; maker->first += maker->count) {
        maker->count = rows->rows - maker->first < step ? rows->rows - maker->first : step;
        SMG_TRY(smg_pool_run(maker->pool, make_rows, maker, NULL));
        if (atomic_load(&maker->refused))
            return refuse(maker, error);
        SMG_TRY(smg_gguf_write_data(writer, maker->batch, (size_t)maker->count * bytes, error));
        rows->done(rows->context, maker->first, maker->count);
    }
    return SMIDGE_OK;
}
