#include "model/model.h"

#include <math.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/alloc.h"

#define ID_BYTES_PER_TENSOR 65536

static smidge_status fill_frequencies(const smg_model *model, float base, float factor, const float *divisors,
                                      float *ret_frequencies, smidge_error *error)
{
    int32_t size = model->shape.rope_size;
    for (int32_t i = 0; i < size / 2; i++) {
        double divisor = (double)factor;
        if (divisors != NULL)
            divisor *= (double)divisors[i];
        double frequency = pow((double)base, -2.0 * i / size) / divisor;
        if (!isfinite(frequency))
            return smg_error_set(
                error, SMIDGE_E_FORMAT, model->gguf->path,
                "a tensor of rope factors holds %g, which nothing can be divided by (convert the "
                "model again)",
                divisor);
        ret_frequencies[i] = (float)frequency;
    }
    return SMIDGE_OK;
}

static smidge_status load_frequencies(smg_model *model, smidge_error *error)
{
    const smg_shape *shape = &model->shape;
    const smg_weights *weights = &model->weights;
    size_t pairs = (size_t)shape->rope_size / 2;
    float *tables = smg_alloc_array(pairs * SMG_ROPE_TABLES, sizeof *tables);
    if (tables == NULL)
        return smg_error_no_memory(error, model->gguf->path, pairs * SMG_ROPE_TABLES * sizeof *tables);
    for (int i = 0; i < SMG_ROPE_TABLES; i++)
        model->frequencies[i] = tables + pairs * (size_t)i;
    SMG_TRY(fill_frequencies(model, shape->rope_base, shape->rope_factor, weights->rope_divisors,
                             model->frequencies[SMG_ROPE_SHORT], error));
    SMG_TRY(fill_frequencies(model, shape->rope_base, shape->rope_factor, weights->rope_divisors_long,
                             model->frequencies[SMG_ROPE_LONG], error));
    if (shape->architecture->window_rope_base > 0.0F)
        return fill_frequencies(model, shape->window_rope_base, 1.0F, NULL,
                                model->frequencies[SMG_ROPE_WINDOW], error);
    model->frequencies[SMG_ROPE_WINDOW] = NULL; /* as the other layers */
    return SMIDGE_OK;
}

smidge_status smg_model_load(const smg_gguf *gguf, uint32_t cpu_mask, smg_model *ret_model,
                             smidge_error *error)
{
    SMG_CLEANUP(smg_model_done) smg_model model = {.gguf = gguf};
    smg_text kind = {.data = "", .size = 0};
    /* a wrong type is none of what matters here */
    (void)!smg_gguf_get_text(gguf, "general.type", &kind, NULL, NULL);
    if (kind.size == 7 && memcmp(kind.data, "adapter", 7) == 0)
        return smg_error_set(error, SMIDGE_E_UNSUPPORTED, gguf->path,
                             "is an adapter, which runs on top of its model (give that behind -m, and this "
                             "behind --lora)");
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
    smg_free(model->frequencies[SMG_ROPE_SHORT]); /* the tables are one block */
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
