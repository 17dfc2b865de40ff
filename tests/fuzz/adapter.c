/* A LoRA adapter of any bytes: a byte that says whether it is PEFT's or MLX's, adapter_config.json up to a zero byte, then the
 * safetensors; its base is a small Llama. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "convert/convert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char base[] =
    "{\"architectures\":[\"LlamaForCausalLM\"],\"num_hidden_layers\":2,\"hidden_size\":8,\"intermediate_size\":16,"
    "\"num_attention_heads\":2,\"vocab_size\":32,\"max_position_embeddings\":64}";

static char folder[64];

static void put(const char *name, const void *data, size_t size)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(data, 1, size, file) != size || fclose(file) != 0)
        abort();
}

static void drop(const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    unlink(path);
}

static void clear(void)
{
    static const char *const names[] = {"config.json", "adapter_config.json", "adapters.safetensors",
                                        "adapter_model.safetensors", "out.gguf"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        drop(names[i]);
    rmdir(folder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = size > 1 ? memchr(data + 1, 0, size - 1) : NULL;
    if (end == NULL)
        return 0;
    if (folder[0] == '\0') {
        snprintf(folder, sizeof folder, "/tmp/smidge-fuzz-XXXXXX");
        if (mkdtemp(folder) == NULL)
            abort();
        atexit(clear);
        put("config.json", base, sizeof base - 1);
    }
    const char *weights = (data[0] & 1) != 0 ? "adapters.safetensors" : "adapter_model.safetensors";
    char path[128];
    snprintf(path, sizeof path, "%s/out.gguf", folder);
    put("adapter_config.json", data + 1, (size_t)(end - data - 1));
    put(weights, end + 1, size - (size_t)(end + 1 - data));
    const smg_convert options = {.threads = 1, .base = folder};
    (void)!smg_convert_adapter(folder, path, &options, NULL);
    drop(weights);
    return 0;
}
