/* Builds GGUF bytes in memory, for tests: sound ones, and ones that are wrong on purpose.
 *
 *   gguf_builder b;
 *   gguf_begin(&b, 3);
 *   gguf_add_u32(&b, "general.alignment", 32);
 *   gguf_add_str(&b, "general.architecture", "llama");
 *   gguf_add_array_str(&b, "tokenizer.ggml.tokens", words, count);
 *   gguf_add_tensor(&b, "token_embd.weight", SMG_TYPE_F32, 2, (uint64_t[]){8, 4}, data, sizeof(data));
 *   gguf_finish(&b);          now b.bytes and b.size
 *   gguf_free(&b);
 *
 * Tensor data is padded to `alignment` (32 unless set before the first tensor). Counts in the header are what
 * was added unless key_count_override or tensor_count_override say otherwise. v2 and v3 share this layout. */
#ifndef SMG_TESTS_GGUF_BUILDER_H
#define SMG_TESTS_GGUF_BUILDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define GGUF_NO_OVERRIDE UINT64_MAX

typedef struct gguf_buffer {
    uint8_t *data;
    size_t size;
    size_t room;
} gguf_buffer;

typedef struct gguf_builder {
    uint32_t version;
    uint32_t alignment;
    uint64_t key_count;
    uint64_t tensor_count;
    uint64_t key_count_override;
    uint64_t tensor_count_override;
    gguf_buffer keys;
    gguf_buffer infos;
    gguf_buffer tensor_data;
    gguf_buffer file; /* filled by gguf_finish */
    uint8_t *bytes;
    size_t size;
    size_t data_offset; /* where tensor data starts; known after gguf_finish */
} gguf_builder;

static inline void gguf_put(gguf_buffer *buffer, const void *data, size_t size)
{
    if (buffer->size + size > buffer->room) {
        size_t room = (buffer->size + size) * 2 + 64;
        uint8_t *grown = (uint8_t *)realloc(buffer->data, room);
        if (!grown)
            abort(); /* a test without memory has nothing to say */
        buffer->data = grown;
        buffer->room = room;
    }
    if (size > 0)
        memcpy(buffer->data + buffer->size, data, size);
    buffer->size += size;
}

/* Little-endian whatever the machine is. */
static inline void gguf_put_int(gguf_buffer *buffer, uint64_t value, int bytes)
{
    uint8_t raw[8];
    for (int i = 0; i < bytes; i++)
        raw[i] = (uint8_t)(value >> (8 * i));
    gguf_put(buffer, raw, (size_t)bytes);
}

static inline void gguf_put_f32(gguf_buffer *buffer, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    gguf_put_int(buffer, bits, 4);
}

static inline void gguf_put_text(gguf_buffer *buffer, const char *text, size_t size)
{
    gguf_put_int(buffer, size, 8);
    gguf_put(buffer, text, size);
}

static inline void gguf_begin(gguf_builder *b, uint32_t version)
{
    memset(b, 0, sizeof(*b));
    b->version = version;
    b->alignment = 32;
    b->key_count_override = GGUF_NO_OVERRIDE;
    b->tensor_count_override = GGUF_NO_OVERRIDE;
}

/* The name and the type; the value is up to the caller (gguf_put_* on b->keys). Types, by GGUF's document:
 * 0 u8, 1 i8, 2 u16, 3 i16, 4 u32, 5 i32, 6 f32, 7 bool, 8 string, 9 array, 10 u64, 11 i64, 12 f64. */
static inline void gguf_add_key(gguf_builder *b, const char *name, uint32_t type)
{
    gguf_put_text(&b->keys, name, strlen(name));
    gguf_put_int(&b->keys, type, 4);
    b->key_count++;
}

static inline void gguf_add_u8(gguf_builder *b, const char *name, uint8_t value)
{
    gguf_add_key(b, name, 0);
    gguf_put_int(&b->keys, value, 1);
}

static inline void gguf_add_u16(gguf_builder *b, const char *name, uint16_t value)
{
    gguf_add_key(b, name, 2);
    gguf_put_int(&b->keys, value, 2);
}

static inline void gguf_add_u32(gguf_builder *b, const char *name, uint32_t value)
{
    gguf_add_key(b, name, 4);
    gguf_put_int(&b->keys, value, 4);
}

static inline void gguf_add_i32(gguf_builder *b, const char *name, int32_t value)
{
    gguf_add_key(b, name, 5);
    gguf_put_int(&b->keys, (uint32_t)value, 4);
}

static inline void gguf_add_f32(gguf_builder *b, const char *name, float value)
{
    gguf_add_key(b, name, 6);
    gguf_put_f32(&b->keys, value);
}

static inline void gguf_add_bool(gguf_builder *b, const char *name, bool value)
{
    gguf_add_key(b, name, 7);
    gguf_put_int(&b->keys, value ? 1 : 0, 1);
}

static inline void gguf_add_u64(gguf_builder *b, const char *name, uint64_t value)
{
    gguf_add_key(b, name, 10);
    gguf_put_int(&b->keys, value, 8);
}

static inline void gguf_add_i64(gguf_builder *b, const char *name, int64_t value)
{
    gguf_add_key(b, name, 11);
    gguf_put_int(&b->keys, (uint64_t)value, 8);
}

static inline void gguf_add_str_n(gguf_builder *b, const char *name, const char *text, size_t size)
{
    gguf_add_key(b, name, 8);
    gguf_put_text(&b->keys, text, size);
}

static inline void gguf_add_str(gguf_builder *b, const char *name, const char *text)
{
    gguf_add_str_n(b, name, text, strlen(text));
}

/* The head of an array; its elements are up to the caller. */
static inline void gguf_add_array(gguf_builder *b, const char *name, uint32_t element_type, uint64_t count)
{
    gguf_add_key(b, name, 9);
    gguf_put_int(&b->keys, element_type, 4);
    gguf_put_int(&b->keys, count, 8);
}

static inline void gguf_add_array_str(gguf_builder *b, const char *name, const char *const *texts,
                                      size_t count)
{
    gguf_add_array(b, name, 8, count);
    for (size_t i = 0; i < count; i++)
        gguf_put_text(&b->keys, texts[i], strlen(texts[i]));
}

static inline void gguf_add_array_f32(gguf_builder *b, const char *name, const float *values, size_t count)
{
    gguf_add_array(b, name, 6, count);
    for (size_t i = 0; i < count; i++)
        gguf_put_f32(&b->keys, values[i]);
}

static inline void gguf_add_array_i32(gguf_builder *b, const char *name, const int32_t *values, size_t count)
{
    gguf_add_array(b, name, 5, count);
    for (size_t i = 0; i < count; i++)
        gguf_put_int(&b->keys, (uint32_t)values[i], 4);
}

static inline void gguf_add_array_u32(gguf_builder *b, const char *name, const uint32_t *values, size_t count)
{
    gguf_add_array(b, name, 4, count);
    for (size_t i = 0; i < count; i++)
        gguf_put_int(&b->keys, values[i], 4);
}

/* Only the description, with any offset: for layouts that are wrong on purpose. */
static inline void gguf_add_tensor_info(gguf_builder *b, const char *name, uint32_t type, uint32_t dims,
                                        const uint64_t *shape, uint64_t offset)
{
    gguf_put_text(&b->infos, name, strlen(name));
    gguf_put_int(&b->infos, dims, 4);
    for (uint32_t i = 0; i < dims; i++)
        gguf_put_int(&b->infos, shape[i], 8);
    gguf_put_int(&b->infos, type, 4);
    gguf_put_int(&b->infos, offset, 8);
    b->tensor_count++;
}

static inline void gguf_pad(gguf_buffer *buffer, size_t alignment)
{
    static const uint8_t zeros[64] = {0};
    while (alignment > 0 && buffer->size % alignment != 0) {
        size_t missing = alignment - buffer->size % alignment;
        gguf_put(buffer, zeros, missing < sizeof(zeros) ? missing : sizeof(zeros));
    }
}

/* Describes a tensor and puts its bytes behind those of the tensors before it. data NULL: zeros. */
static inline void gguf_add_tensor(gguf_builder *b, const char *name, uint32_t type, uint32_t dims,
                                   const uint64_t *shape, const void *data, size_t bytes)
{
    gguf_pad(&b->tensor_data, b->alignment);
    gguf_add_tensor_info(b, name, type, dims, shape, b->tensor_data.size);
    if (data) {
        gguf_put(&b->tensor_data, data, bytes);
    } else {
        for (size_t i = 0; i < bytes; i++)
            gguf_put(&b->tensor_data, "", 1);
    }
}

/* Puts the file together. A file without tensors ends where its keys end. */
static inline void gguf_finish(gguf_builder *b)
{
    b->file.size = 0;
    gguf_put(&b->file, "GGUF", 4);
    gguf_put_int(&b->file, b->version, 4);
    bool true_tensors = b->tensor_count_override == GGUF_NO_OVERRIDE;
    bool true_keys = b->key_count_override == GGUF_NO_OVERRIDE;
    gguf_put_int(&b->file, true_tensors ? b->tensor_count : b->tensor_count_override, 8);
    gguf_put_int(&b->file, true_keys ? b->key_count : b->key_count_override, 8);
    gguf_put(&b->file, b->keys.data, b->keys.size);
    gguf_put(&b->file, b->infos.data, b->infos.size);
    b->data_offset = b->file.size;
    if (b->tensor_count > 0) {
        gguf_pad(&b->file, b->alignment);
        b->data_offset = b->file.size;
        gguf_put(&b->file, b->tensor_data.data, b->tensor_data.size);
        gguf_pad(&b->file, b->alignment);
    }
    b->bytes = b->file.data;
    b->size = b->file.size;
}

static inline void gguf_free(gguf_builder *b)
{
    free(b->keys.data);
    free(b->infos.data);
    free(b->tensor_data.data);
    free(b->file.data);
    memset(b, 0, sizeof(*b));
}

#endif
