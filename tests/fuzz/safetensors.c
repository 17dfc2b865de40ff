/* A safetensors file of any bytes: what is accepted lies inside the file, whole, one tensor behind the other. */
#include "format/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    smg_safetensors file;
    smidge_error error;
    if (smg_safetensors_parse(data, size, "fuzz", &file, &error) != SMIDGE_OK)
        return 0;
    const uint8_t *next = file.count > 0 ? file.tensors[0].data : data + size;
    for (size_t i = 0; i < file.count; i++) {
        const smg_safetensor *tensor = &file.tensors[i];
        if (tensor->data != next || tensor->bytes > (uint64_t)(data + size - next))
            __builtin_trap();
        next += tensor->bytes;
    }
    if (next != data + size)
        __builtin_trap();
    smg_safetensors_close(&file);
    return 0;
}
