#include "model/architectures.h"

#include <string.h>

/* SmolLM2, Mistral, TinyLlama and Llama 2 and 3 are all "llama" in GGUF: what tells them apart is in their keys and
 * tensors (rope_freqs, sliding window, tied output), not here. */
static const smg_architecture architectures[] = {
    {.name = "llama", .rope = SMG_ROPE_ADJACENT, .activation = SMG_ACTIVATION_SILU},
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
    return "llama (which includes Llama 2 and 3, Mistral, SmolLM and TinyLlama)";
}
