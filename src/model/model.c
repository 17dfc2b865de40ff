#include "model/model.h"

#include <math.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/alloc.h"

#define ID_BYTES_PER_TENSOR 65536

static smidge_status load_frequencies(smg_model *model, smidge_error *error)
{
    const smg_shape *shape = &model->shape;
    int32_t pairs = shape->rope_size / 2;
    model->frequencies = smg_alloc_array((size_t)pairs, sizeof *model->frequencies);
    if (model->frequencies == NULL)
        return smg_error_no_memory(error, model->gguf->path, (size_t)pairs * sizeof *model->frequencies);
    for (int32_t i = 0; i < pairs; i++) {
        double divisor = (double)shape->rope_factor;
        if (model->weights.rope_divisors != NULL)
            divisor *= (double)model->weights.rope_divisors[i];
        double frequency = pow((double)shape->rope_base, -2.0 * i / shape->rope_size) / divisor;
        if (!isfinite(frequency))
            return smg_error_set(
                error, SMIDGE_E_FORMAT, model->gguf->path,
                "tensor rope_freqs.weight holds %g, which nothing can be divided by (convert the model again)",
                divisor);
        model->frequencies[i] = (float)frequency;
    }
    return SMIDGE_OK;
}

smidge_status smg_model_load(const smg_gguf *gguf, uint32_t cpu_mask, smg_model *ret_model,
                             smidge_error *error)
{
    SMG_CLEANUP(smg_model_done) smg_model model = {.gguf = gguf};
    SMG_TRY(smg_shape_read(gguf, &model.shape, error));
    SMG_TRY(smg_weights_load(gguf, &model.shape, &model.weights, error));
    smg_kernels_init(&model.kernels, cpu_mask);
    SMG_TRY(load_frequencies(&model, error));
    *ret_model = model;
    model = (smg_model){0};
    return SMIDGE_OK;
}

void smg_model_done(smg_model *model)
{
    smg_weights_done(&model->weights);
    smg_free(model->frequencies);
    *model = (smg_model){0};
}

uint64_t smg_model_id(const smg_gguf *gguf)
{
    uint64_t header = gguf->data_offset < gguf->file.size ? gguf->data_offset : gguf->file.size;
    uint64_t id = XXH3_64bits_withSeed(gguf->file.data, (size_t)header, gguf->file.size);
    for (uint64_t i = 0; i < gguf->tensor_count; i++) {
        const smg_gguf_tensor *tensor = &gguf->tensors[i];
        uint64_t bytes = tensor->bytes < ID_BYTES_PER_TENSOR ? tensor->bytes : ID_BYTES_PER_TENSOR;
        id = XXH3_64bits_withSeed(tensor->data, (size_t)bytes, id);
    }
    return id;
}
