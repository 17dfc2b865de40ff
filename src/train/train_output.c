#include "train/train_output.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "format/gguf_write.h"
#include "format/json_text.h"
#include "quant/tensor_maker.h"

#define QUANTIZATION_VERSION 2

typedef struct output {
    const smg_model *base;
    const smg_parameter *parameters;
    size_t count;
    const smg_train_record *record;
    smg_gguf_writer *writer;
    smg_tensor_maker *maker;
    const smg_parameter *now; /* whose rows are read */
    smidge_error *error;
} output;

static void output_done(output *out)
{
    smg_gguf_write_close(out->writer);
    smg_tensor_maker_free(out->maker);
}

/* ---- Keys ------------------------------------------------------------------------------------------------ */

static smidge_status put_text(const output *out, const char *name, const char *text)
{
    return smg_gguf_write_text(out->writer, name, (smg_text){.data = text, .size = strlen(text)}, out->error);
}

static smidge_status put_loss(const output *out, const char *name, double loss)
{
    return isfinite(loss) ? smg_gguf_write_f32(out->writer, name, (float)loss, out->error) : SMIDGE_OK;
}

static smidge_status put_record(const output *out)
{
    const smg_train_record *record = out->record;
    const uint64_t steps = (uint64_t)record->steps;
    char id[32];
    snprintf(id, sizeof id, "%016" PRIx64, record->base_id);
    SMG_TRY(put_text(out, "smidge.base_model_id", id));
    if (record->base_name[0] != '\0')
        SMG_TRY(put_text(out, "smidge.base_name", record->base_name));
    SMG_TRY(smg_gguf_write_scalar(out->writer, "smidge.seed", SMG_GGUF_U64, &record->seed, out->error));
    SMG_TRY(smg_gguf_write_scalar(out->writer, "smidge.steps", SMG_GGUF_U64, &steps, out->error));
    SMG_TRY(put_loss(out, "smidge.train_loss", record->loss));
    SMG_TRY(put_loss(out, "smidge.valid_loss", record->valid_loss));
    if (record->label_count == 0)
        return SMIDGE_OK;
    SMG_TRY(smg_gguf_write_texts(out->writer, "smidge.labels", record->label_count, out->error));
    for (size_t i = 0; i < record->label_count; i++) {
        const smg_text label = {.data = record->labels[i], .size = strlen(record->labels[i])};
        SMG_TRY(smg_gguf_write_next_text(out->writer, label, out->error));
    }
    return SMIDGE_OK;
}

/* ---- Adapters -------------------------------------------------------------------------------------------- */

static smidge_status put_adapter_keys(const output *out)
{
    smg_text architecture = {.data = "", .size = 0};
    smg_text name = {.data = "", .size = 0};
    SMG_TRY(smg_gguf_get_text(out->base->gguf, "general.architecture", &architecture, NULL, out->error));
    SMG_TRY(smg_gguf_get_text(out->base->gguf, "general.name", &name, NULL, out->error));
    SMG_TRY(put_text(out, "general.type", "adapter"));
    SMG_TRY(smg_gguf_write_text(out->writer, "general.architecture", architecture, out->error));
    if (name.size > 0)
        SMG_TRY(smg_gguf_write_text(out->writer, "general.base_model.0.name", name, out->error));
    SMG_TRY(put_text(out, "adapter.type", "lora"));
    SMG_TRY(smg_gguf_write_f32(out->writer, "adapter.lora.alpha", out->record->alpha, out->error));
    return put_record(out);
}

static smidge_status put_floats(const output *out, const smg_parameter *one)
{
    return smg_gguf_write_data(out->writer, one->value,
                               (size_t)one->rows * (size_t)one->columns * sizeof(float), out->error);
}

smidge_status smg_train_write_adapter(const char *path, const smg_model *base,
                                      const smg_parameter *parameters, size_t count,
                                      const smg_train_record *record, smidge_error *error)
{
    SMG_CLEANUP(output_done)
    output out = {.base = base, .parameters = parameters, .count = count, .record = record, .error = error};
    SMG_TRY(smg_gguf_write_open(path, &out.writer, error));
    SMG_TRY(put_adapter_keys(&out));
    for (size_t i = 0; i < count; i++) {
        const uint64_t shape[] = {(uint64_t)parameters[i].columns, (uint64_t)parameters[i].rows};
        SMG_TRY(smg_gguf_write_tensor(out.writer, parameters[i].name, SMG_TYPE_F32, 2, shape, error));
    }
    for (size_t i = 0; i < count; i++)
        SMG_TRY(put_floats(&out, &parameters[i]));
    return smg_gguf_write_finish(out.writer, error);
}

/* ---- Models ---------------------------------------------------------------------------------------------- */

static bool is_ours(smg_text name)
{
    return smg_text_is(name, "general.file_type") || smg_text_is(name, "general.quantization_version") ||
           (name.size > 7 && memcmp(name.data, "smidge.", 7) == 0);
}

static smidge_status put_model_keys(const output *out, const smg_mix *mix)
{
    const smg_gguf *gguf = out->base->gguf;
    for (uint64_t i = 0; i < gguf->key_count; i++) {
        if (!is_ours(gguf->keys[i].name))
            SMG_TRY(smg_gguf_write_key(out->writer, &gguf->keys[i], out->error));
    }
    const uint32_t type = mix != NULL ? smg_mix_file_type(mix) : 0; /* ALL_F32 */
    SMG_TRY(smg_gguf_write_u32(out->writer, "general.file_type", type, out->error));
    if (mix != NULL)
        SMG_TRY(smg_gguf_write_u32(out->writer, "general.quantization_version", QUANTIZATION_VERSION,
                                   out->error));
    return put_record(out);
}

static const smg_parameter *find_parameter(const output *out, smg_text name)
{
    for (size_t i = 0; i < out->count; i++) {
        if (smg_text_is(name, out->parameters[i].name))
            return &out->parameters[i];
    }
    return NULL;
}

static smg_type type_of(const output *out, const smg_mix *mix, const smg_gguf_tensor *tensor,
                        const smg_parameter *parameter)
{
    const smg_shape *shape = &out->base->shape;
    const smg_mix_model model = {.layers = shape->layers,
                                 .grouping = shape->heads / shape->kv_heads,
                                 .tied = smg_gguf_find_tensor(out->base->gguf, "output.weight") == NULL};
    if (parameter == NULL)
        return tensor->type;
    if (mix == NULL || !smg_mix_quantizes(parameter->name, tensor->dims))
        return SMG_TYPE_F32;
    return smg_mix_choose(mix, &model, parameter->name, tensor->shape[0]);
}

static void read_row(const void *context, int64_t row, float *ret_row)
{
    const smg_parameter *one = ((const output *)context)->now;
    memcpy(ret_row, one->value + (size_t)row * (size_t)one->columns, (size_t)one->columns * sizeof(float));
}

/* Weights stay in memory: nothing is to be given back. */
static void forget_rows(void *context, int64_t first, int64_t count)
{
    (void)context;
    (void)first;
    (void)count;
}

static smidge_status put_tensor(output *out, const smg_mix *mix, const smg_gguf_tensor *tensor)
{
    const smg_parameter *one = find_parameter(out, tensor->name);
    if (one == NULL)
        return smg_gguf_write_data(out->writer, tensor->data, tensor->bytes, out->error);
    out->now = one;
    const smg_tensor_rows rows = {.file = out->base->gguf->path,
                                  .name = one->name,
                                  .type = type_of(out, mix, tensor, one),
                                  .columns = one->columns,
                                  .rows = one->rows,
                                  .read = read_row,
                                  .done = forget_rows,
                                  .context = out};
    return smg_tensor_make(out->maker, &rows, out->writer, out->error);
}

static smidge_status declare(const output *out, const smg_mix *mix, const smg_gguf_tensor *tensor)
{
    const smg_parameter *one = find_parameter(out, tensor->name);
    char name[1024];
    snprintf(name, sizeof name, "%.*s", (int)(tensor->name.size < 1023 ? tensor->name.size : 1023),
             tensor->name.data);
    if (one != NULL && (uint64_t)one->rows * (uint64_t)one->columns !=
                           tensor->shape[0] * tensor->shape[1] * tensor->shape[2] * tensor->shape[3])
        return smg_error_set(
            out->error, SMIDGE_E_FORMAT, name,
            "has another shape than what was trained (this is a defect of smidge: please report it)");
    return smg_gguf_write_tensor(out->writer, name, type_of(out, mix, tensor, one), tensor->dims,
                                 tensor->shape, out->error);
}

smidge_status smg_train_write_model(const char *path, const smg_model *base, const smg_parameter *parameters,
                                    size_t count, const smg_mix *mix, int threads,
                                    const smg_train_record *record, smidge_error *error)
{
    SMG_CLEANUP(output_done)
    output out = {.base = base, .parameters = parameters, .count = count, .record = record, .error = error};
    const smg_gguf *gguf = base->gguf;
    int64_t longest = 1;
    for (size_t i = 0; i < count; i++)
        longest = parameters[i].columns > longest ? parameters[i].columns : longest;
    SMG_TRY(smg_tensor_maker_new(threads, longest, &out.maker, error));
    SMG_TRY(smg_gguf_write_open(path, &out.writer, error));
    SMG_TRY(put_model_keys(&out, mix));
    for (uint64_t i = 0; i < gguf->tensor_count; i++)
        SMG_TRY(declare(&out, mix, &gguf->tensors[i]));
    for (uint64_t i = 0; i < gguf->tensor_count; i++)
        SMG_TRY(put_tensor(&out, mix, &gguf->tensors[i]));
    return smg_gguf_write_finish(out.writer, error);
}
