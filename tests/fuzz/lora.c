/* A LoRA adapter as a GGUF file of any bytes, on a small Llama: read, put onto the weights, and everything that a product would read
 * is read. (adapter.c feeds what smidge convert makes adapters of.) */
#include "model/adapter.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was read must not be optimized away. */
static volatile uint8_t sink;

static void touch(const void *data, uint64_t size)
{
    const uint8_t *bytes = data;
    for (uint64_t i = 0; i < size; i += 61)
        sink = (uint8_t)(sink ^ bytes[i]);
    sink = (uint8_t)(sink ^ bytes[size - 1]);
}

static void must(bool holds)
{
    if (!holds)
        __builtin_trap();
}

static void touch_matrix(const smg_matrix *matrix, int32_t ranks)
{
    const smg_lora *lora = matrix->lora;
    if (lora == NULL)
        return;
    const uint64_t element = lora->b_kind == SMG_KV_F16 ? 2 : 4;
    must(lora->rank > 0 && lora->place >= 0 && lora->place + lora->rank <= ranks);
    touch(lora->a, (uint64_t)lora->rank * lora->a_stride);
    for (int32_t i = 0; i < lora->rank; i++)
        touch(lora->b + (size_t)i * lora->b_stride, (uint64_t)matrix->rows * element);
}

static void read_weights(const smg_model *model)
{
    const int32_t ranks = model->weights.lora_ranks;
    for (int32_t i = 0; i < model->shape.layers; i++) {
        const smg_layer *layer = &model->weights.layers[i];
        const smg_matrix *const all[] = {&layer->q,    &layer->k,  &layer->v,   &layer->o,
                                         &layer->gate, &layer->up, &layer->down};
        for (size_t m = 0; m < sizeof all / sizeof *all; m++)
            touch_matrix(all[m], ranks);
    }
    touch_matrix(&model->weights.output, ranks);
}

static void feed(const smg_gguf *base, const smg_gguf *file)
{
    smg_adapter adapter;
    smg_model model;
    size_t pairs;
    int32_t rank;
    float numbers[2];
    (void)!smg_adapter_describe(file, &pairs, &rank, &numbers[0]);
    (void)!smg_adapter_read_temperature(file, &numbers[1], NULL);
    smidge_error error = {0};
    const smidge_status status = smg_adapter_read(file, base, 1.0F, &adapter, &error);
    must(error.code == status && (error.message[0] != '\0') == (status != SMIDGE_OK));
    if (status != SMIDGE_OK)
        return;
    must(adapter.count > 0 && adapter.rank > 0 && adapter.rank <= SMG_ADAPTER_MAX_RANK);
    must(adapter.temperature >= 0.0F);
    if (smg_model_load(base, 0, &model, NULL) != SMIDGE_OK)
        abort();
    if (smg_adapter_attach(&adapter, &model, NULL) == SMIDGE_OK)
        read_weights(&model);
    smg_model_done(&model);
    smg_adapter_done(&adapter);
}

/* The first byte chooses the base: matrices apart, or fused. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const bases[] = {SMIDGE_SOURCE_DIR "/tests/golden/llama-plain.gguf",
                                        SMIDGE_SOURCE_DIR "/tests/golden/phi3-partial.gguf"};
    static smg_gguf base[2];
    smg_gguf file;
    for (int i = 0; i < 2; i++) {
        if (base[i].file.data == NULL && smg_gguf_open(bases[i], &base[i], NULL) != SMIDGE_OK)
            abort();
    }
    if (size < 1 || smg_gguf_parse(data + 1, size - 1, "fuzz.gguf", &file, NULL) != SMIDGE_OK)
        return 0;
    const uint64_t before = smg_alloc_live_blocks();
    feed(&base[data[0] & 1], &file);
    must(smg_alloc_live_blocks() == before);
    smg_gguf_close(&file);
    return 0;
}
