/* A GGUF file of any bytes: parsed, walked through the public accessors, and taken for a vocabulary and
 * for a model. */
#include "format/gguf.h"

#include <string.h>

#include "base/alloc.h"
#include "model/weights.h"
#include "token/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was read must not be optimized away. */
static volatile uint8_t sink;

static void touch(const void *data, uint64_t size)
{
    const uint8_t *bytes = data;
    if (size > 0)
        sink = (uint8_t)(bytes[0] ^ bytes[size - 1]);
}

static void must(bool holds)
{
    if (!holds)
        __builtin_trap();
}

/* Names may hold zeros, which no caller of the accessors can ask for: then another key is found, or none. */
static const char *copy_name(smg_text name, char room[1100])
{
    memcpy(room, name.data, name.size);
    room[name.size] = '\0';
    return room;
}

static void read_key(const smg_gguf *gguf, const smg_gguf_key *key)
{
    char room[1100];
    const char *name = copy_name(key->name, room);
    uint32_t number = 0;
    float real = 0.0F;
    bool yes = false;
    smg_text text = {0};
    const smg_gguf_key *array = NULL;
    must(strlen(name) != key->name.size || smg_gguf_find(gguf, name) == key);
    (void)!smg_gguf_get_u32(gguf, name, &number, NULL, NULL);
    (void)!smg_gguf_get_f32(gguf, name, &real, NULL, NULL);
    (void)!smg_gguf_get_bool(gguf, name, &yes, NULL, NULL);
    if (smg_gguf_get_text(gguf, name, &text, NULL, NULL) == SMIDGE_OK)
        touch(text.data, text.size);
    if (smg_gguf_get_array(gguf, name, key->element_type, &array, NULL) == SMIDGE_OK && array != NULL)
        touch(array->value, array->value_bytes);
    must(real - real == 0.0F); /* never infinite, never no number */
}

static void read_keys(const smg_gguf *gguf)
{
    for (uint64_t i = 0; i < gguf->key_count; i++) {
        const smg_gguf_key *key = &gguf->keys[i];
        touch(key->name.data, key->name.size);
        touch(key->value, key->value_bytes);
        touch(smg_gguf_type_name(key->type), 1);
        read_key(gguf, key);
        uint64_t position = 0;
        uint64_t count = 0;
        smg_text text;
        while (key->type == SMG_GGUF_ARRAY && smg_gguf_next_text(key, &position, &text)) {
            touch(text.data, text.size);
            count++;
        }
        if (key->type == SMG_GGUF_ARRAY && key->element_type == SMG_GGUF_STRING)
            must(count == key->count);
    }
}

static void read_tensors(const smg_gguf *gguf)
{
    uint64_t end = gguf->data_offset;
    for (uint64_t i = 0; i < gguf->tensor_count; i++) {
        const smg_gguf_tensor *tensor = &gguf->tensors[i];
        char room[1100];
        const char *name = copy_name(tensor->name, room);
        must(strlen(name) != tensor->name.size || smg_gguf_find_tensor(gguf, name) == tensor);
        must(tensor->offset >= end && tensor->bytes > 0);
        end = tensor->offset + tensor->bytes;
        must(end <= gguf->file.size);
        touch(tensor->data, tensor->bytes);
    }
    touch(smg_gguf_file_type(gguf), 1);
}

static void read_vocabulary(const smg_gguf *gguf)
{
    smg_tokenizer *tokenizer = NULL;
    touch(&(uint64_t){smg_tokenizer_memory(gguf)}, 8);
    if (smg_tokenizer_new(gguf, NULL, &tokenizer, NULL) != SMIDGE_OK)
        return;
    for (int32_t id = 0; id < smg_tokenizer_size(tokenizer); id++) {
        smg_text bytes = smg_tokenizer_bytes(tokenizer, id);
        smg_text name = smg_tokenizer_name(tokenizer, id);
        touch(bytes.data, bytes.size);
        touch(name.data, name.size);
    }
    smg_tokenizer_free(tokenizer);
}

static void touch_matrix(const smg_matrix *matrix)
{
    touch(matrix->data, (uint64_t)matrix->rows * matrix->stride);
}

static void touch_vector(const float *vector, int32_t count)
{
    if (vector != NULL)
        touch(vector, (uint64_t)count * sizeof *vector);
}

static void read_model(const smg_gguf *gguf)
{
    smg_shape shape;
    smg_weights weights;
    if (smg_shape_read(gguf, &shape, NULL) != SMIDGE_OK)
        return;
    if (smg_weights_load(gguf, &shape, &weights, NULL) != SMIDGE_OK)
        return;
    touch_matrix(&weights.embedding);
    touch_matrix(&weights.output);
    touch_vector(weights.output_norm, shape.width);
    touch_vector(weights.rope_divisors, shape.rope_size / 2);
    for (int32_t i = 0; i < shape.layers; i++) {
        const smg_layer *layer = &weights.layers[i];
        const smg_matrix *matrices[] = {&layer->q,    &layer->k,  &layer->v,   &layer->o,
                                        &layer->gate, &layer->up, &layer->down};
        for (size_t m = 0; m < sizeof matrices / sizeof *matrices; m++)
            touch_matrix(matrices[m]);
        touch_vector(layer->attention_norm, shape.width);
        touch_vector(layer->feed_forward_norm, shape.width);
        touch_vector(layer->q_bias, layer->q.rows);
        touch_vector(layer->k_bias, layer->k.rows);
        touch_vector(layer->v_bias, layer->v.rows);
        touch_vector(layer->o_bias, layer->o.rows);
    }
    smg_weights_done(&weights);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    smg_gguf gguf;
    smidge_error error = {0};
    smidge_status status = smg_gguf_parse(data, size, "fuzz.gguf", &gguf, &error);
    must(error.code == status && (error.message[0] != '\0') == (status != SMIDGE_OK));
    if (status == SMIDGE_OK) {
        read_keys(&gguf);
        read_tensors(&gguf);
        read_vocabulary(&gguf);
        read_model(&gguf);
        smg_gguf_close(&gguf);
    }
    must(smg_alloc_live_blocks() == 0);
    return 0;
}
