#include "model/architectures.h"

#include <string.h>

/* SmolLM2, Mistral, TinyLlama and Llama 2 and 3 are all "llama" in GGUF: what tells them apart is in their keys and
 * tensors (rope_freqs, sliding window, tied output), not here. */
static const smg_architecture architectures[] = {
    {.name = "llama", .rope = SMG_ROPE_ADJACENT, .window_period = 1},
    {.name = "qwen2", .rope = SMG_ROPE_HALVES},
    {.name = "qwen3", .rope = SMG_ROPE_HALVES, .head_norms = true},
    {.name = "phi3", .rope = SMG_ROPE_HALVES, .fused = true, .scaled_query = true, .window_period = 1},
    {.name = "gemma",
     .rope = SMG_ROPE_HALVES,
     .activation = SMG_ACTIVATION_GELU,
     .scaled_embedding = true,
     .scaled_query = true},
    {.name = "gemma2",
     .rope = SMG_ROPE_HALVES,
     .activation = SMG_ACTIVATION_GELU,
     .scaled_embedding = true,
     .scaled_query = true,
     .post_norms = true,
     .window_period = 2,
     .window = 4096,
     .score_cap = 50.0F,
     .logit_cap = 30.0F,
     .wide_layers = 46},
    {.name = "gemma3",
     .rope = SMG_ROPE_HALVES,
     .activation = SMG_ACTIVATION_GELU,
     .scaled_embedding = true,
     .scaled_query = true,
     .head_norms = true,
     .post_norms = true,
     .window_period = 6,
     .window_rope_base = 10000.0F,
     .wide_layers = 62},
};

const smg_architecture *smg_architecture_find(smg_text name)
{
    for (size_t i = 0; i < sizeof architectures / sizeof *architectures; i++) {
        const smg_architecture *row = &architectures[i];
        if (strlen(row->name) == name.size && memcmp(row->name, name.data, name.size) == 0)
            return row;
    }
    return NULL;
}

const char *smg_architecture_names(void)
{
    return "llama (Llama 2 and 3, Mistral, SmolLM, TinyLlama), qwen2, qwen3, phi3, gemma, gemma2 and gemma3";
}
