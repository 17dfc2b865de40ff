#include "train/optimizer.h"

#include <math.h>

#include "base/alloc.h"
#include "train/muon.h"

/* Elements that a worker takes at once; also what the norm is summed by, so that it does not depend on threads. */
#define CHUNK ((size_t)16384)

typedef struct chunk {
    const smg_parameter *parameter;
    size_t first, count;
    float *state; /* m at `first`; v lies the parameter's size behind. NULL: Muon's */
} chunk;

struct smg_optimizer {
    const smg_parameter *parameters;
    size_t count;
    smg_optimizer_options options;
    smg_pool *pool;
    smg_muon muon;
    float *state;
    size_t state_size; /* in floats */
    chunk *chunks;
    size_t chunk_count;
    double *sums; /* [chunk_count] */
    /* The step at hand: */
    float rate, keep, scale, root;
};

void smg_optimizer_defaults(smg_optimizer_options *ret_options)
{
    *ret_options = (smg_optimizer_options){.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .momentum = 0.95};
}

/* ---- Room ------------------------------------------------------------------------------------------------ */

static size_t elements_of(const smg_parameter *parameter)
{
    return (size_t)parameter->rows * (size_t)parameter->columns;
}

static bool by_muon(const smg_optimizer_options *options, const smg_parameter *parameter)
{
    return options->muon && smg_muon_takes(parameter);
}

static void measure(const smg_parameter *parameters, size_t count, const smg_optimizer_options *options,
                    size_t *ret_state, size_t *ret_chunks)
{
    *ret_state = 0;
    *ret_chunks = 0;
    for (size_t i = 0; i < count; i++) {
        const size_t elements = elements_of(&parameters[i]);
        *ret_state += by_muon(options, &parameters[i]) ? elements : 2 * elements;
        *ret_chunks += (elements + CHUNK - 1) / CHUNK;
    }
}

uint64_t smg_optimizer_need(const smg_parameter *parameters, size_t count,
                            const smg_optimizer_options *options, const smg_kernels *kernels, int threads)
{
    size_t state, chunks;
    measure(parameters, count, options, &state, &chunks);
    const uint64_t muon =
        options->muon ? smg_muon_need(parameters, count, kernels, options->bf16, threads) : 0;
    return muon + state * sizeof(float) + chunks * (sizeof(chunk) + sizeof(double)) + sizeof(smg_optimizer);
}

static void lay_out(smg_optimizer *optimizer)
{
    float *state = optimizer->state;
    chunk *next = optimizer->chunks;
    for (size_t i = 0; i < optimizer->count; i++) {
        const smg_parameter *parameter = &optimizer->parameters[i];
        const size_t elements = elements_of(parameter);
        const bool muon = by_muon(&optimizer->options, parameter);
        for (size_t first = 0; first < elements; first += CHUNK) {
            *next++ = (chunk){.parameter = parameter,
                              .first = first,
                              .count = elements - first < CHUNK ? elements - first : CHUNK,
                              .state = muon ? NULL : state + first};
        }
        state += muon ? elements : 2 * elements;
    }
}

static smidge_status fill(smg_optimizer *optimizer, const smg_kernels *kernels, smidge_error *error)
{
    measure(optimizer->parameters, optimizer->count, &optimizer->options, &optimizer->state_size,
            &optimizer->chunk_count);
    optimizer->state = smg_alloc_array(optimizer->state_size, sizeof(float));
    optimizer->chunks = smg_alloc_array(optimizer->chunk_count, sizeof *optimizer->chunks);
    optimizer->sums = smg_alloc_array(optimizer->chunk_count, sizeof *optimizer->sums);
    if (optimizer->state == NULL || optimizer->chunks == NULL || optimizer->sums == NULL)
        return smg_error_no_memory(error, "optimizer", optimizer->state_size * sizeof(float));
    lay_out(optimizer);
    if (!optimizer->options.muon)
        return SMIDGE_OK;
    return smg_muon_init(&optimizer->muon, optimizer->parameters, optimizer->count, kernels,
                         optimizer->options.bf16, optimizer->pool, error);
}

smidge_status smg_optimizer_new(const smg_parameter *parameters, size_t count,
                                const smg_optimizer_options *options, const smg_kernels *kernels,
                                smg_pool *pool, smg_optimizer **ret_optimizer, smidge_error *error)
{
    smg_optimizer *optimizer = smg_alloc(sizeof *optimizer);
    if (optimizer == NULL)
        return smg_error_no_memory(error, "optimizer", sizeof *optimizer);
    optimizer->parameters = parameters;
    optimizer->count = count;
    optimizer->options = *options;
    optimizer->pool = pool;
    smidge_status status = fill(optimizer, kernels, error);
    if (status != SMIDGE_OK)
        smg_optimizer_free(optimizer);
    else
        *ret_optimizer = optimizer;
    return status;
}

void smg_optimizer_free(smg_optimizer *optimizer)
{
    if (optimizer == NULL)
        return;
    smg_muon_done(&optimizer->muon);
    smg_free(optimizer->state);
    smg_free(optimizer->chunks);
    smg_free(optimizer->sums);
    smg_free(optimizer);
}

size_t smg_optimizer_state(const smg_optimizer *optimizer, float **ret_state)
{
    *ret_state = optimizer->state;
    return optimizer->state_size;
}

/* ---- The norm -------------------------------------------------------------------------------------------- */

static void sum_squares(void *context, smg_worker *worker)
{
    const smg_optimizer *optimizer = context;
    int64_t begin, end;
    while (smg_worker_next(worker, (int64_t)optimizer->chunk_count, 1, &begin, &end)) {
        const chunk *part = &optimizer->chunks[begin];
        const float *gradient = part->parameter->gradient + part->first;
        double sum = 0.0;
        for (size_t i = 0; i < part->count; i++)
            sum += (double)gradient[i] * (double)gradient[i];
        optimizer->sums[begin] = sum;
    }
}

double smg_optimizer_norm(smg_optimizer *optimizer)
{
    /* without a stop a run ends in no other way than well */
    (void)!smg_pool_run(optimizer->pool, sum_squares, optimizer, NULL);
    double sum = 0.0;
    for (size_t i = 0; i < optimizer->chunk_count; i++)
        sum += optimizer->sums[i];
    return sqrt(sum);
}

/* ---- The step -------------------------------------------------------------------------------------------- */

static void move(const smg_optimizer *optimizer, const chunk *part)
{
    const smg_parameter *parameter = part->parameter;
    const float *restrict gradient = parameter->gradient + part->first;
    float *restrict value = parameter->value + part->first;
    float *restrict m = part->state;
    float *restrict v = part->state + elements_of(parameter);
    const float beta1 = (float)optimizer->options.beta1, beta2 = (float)optimizer->options.beta2;
    const float rest1 = (float)(1.0 - optimizer->options.beta1);
    const float rest2 = (float)(1.0 - optimizer->options.beta2);
    const float epsilon = (float)optimizer->options.epsilon;
    const float rate = optimizer->rate, scale = optimizer->scale, root = optimizer->root;
    const float keep = parameter->matrix ? optimizer->keep : 1.0F;
    for (size_t i = 0; i < part->count; i++) {
        const float g = gradient[i] * scale;
        m[i] = beta1 * m[i] + rest1 * g;
        v[i] = beta2 * v[i] + rest2 * g * g;
        value[i] = value[i] * keep - rate * m[i] / (sqrtf(v[i]) / root + epsilon);
    }
}

static void move_all(void *context, smg_worker *worker)
{
    const smg_optimizer *optimizer = context;
    int64_t begin, end;
    while (smg_worker_next(worker, (int64_t)optimizer->chunk_count, 1, &begin, &end)) {
        if (optimizer->chunks[begin].state != NULL)
            move(optimizer, &optimizer->chunks[begin]);
    }
}

static void move_by_muon(smg_optimizer *optimizer, double rate, double scale)
{
    const smg_muon_step how = {.rate = rate,
                               .decay = optimizer->options.decay,
                               .beta = optimizer->options.momentum,
                               .scale = scale};
    float *state = optimizer->state;
    for (size_t i = 0; i < optimizer->count; i++) {
        const smg_parameter *parameter = &optimizer->parameters[i];
        const bool muon = by_muon(&optimizer->options, parameter);
        if (muon)
            smg_muon_update(&optimizer->muon, parameter, state, &how);
        state += elements_of(parameter) * (muon ? 1 : 2);
    }
}

void smg_optimizer_step(smg_optimizer *optimizer, int64_t step, double rate, double muon_rate, double scale)
{
    const smg_optimizer_options *options = &optimizer->options;
    optimizer->rate = (float)(rate / (1.0 - pow(options->beta1, (double)step)));
    optimizer->root = (float)sqrt(1.0 - pow(options->beta2, (double)step));
    optimizer->keep = (float)(1.0 - rate * options->decay);
    optimizer->scale = (float)scale;
    (void)!smg_pool_run(optimizer->pool, move_all, optimizer, NULL);
    if (options->muon)
        move_by_muon(optimizer, muon_rate, scale);
}
