/* The name of a file's quantization: what its author says, or what most of its bytes are. */
#include "format/gguf.h"

static const char *const file_types[] = {
    [0] = "F32",     [1] = "F16",     [2] = "Q4_0",    [3] = "Q4_1",    [7] = "Q8_0",
    [8] = "Q5_0",    [9] = "Q5_1",    [10] = "Q2_K",   [11] = "Q3_K_S", [12] = "Q3_K_M",
    [13] = "Q3_K_L", [14] = "Q4_K_S", [15] = "Q4_K_M", [16] = "Q5_K_S", [17] = "Q5_K_M",
    [18] = "Q6_K",   [21] = "Q2_K_S", [25] = "IQ4_NL", [30] = "IQ4_XS", [32] = "BF16",
};

const char *smg_gguf_file_type(const smg_gguf *gguf)
{
    uint32_t number = UINT32_MAX;
    if (smg_gguf_get_u32(gguf, "general.file_type", &number, NULL, NULL) == SMIDGE_OK &&
        number < sizeof file_types / sizeof *file_types && file_types[number] != NULL)
        return file_types[number];
    uint64_t bytes[SMG_TYPE_COUNT] = {0};
    int most = SMG_TYPE_F32;
    for (uint64_t i = 0; i < gguf->tensor_count; i++)
        bytes[gguf->tensors[i].type] += gguf->tensors[i].bytes;
    for (int i = 0; i < SMG_TYPE_COUNT; i++)
        most = bytes[i] > bytes[most] ? i : most;
    return gguf->tensor_count == 0 ? "vocabulary only" : smg_type_describe((uint32_t)most)->name;
}
