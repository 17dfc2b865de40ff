/* The architecture table: how the families of models differ, as data. The forward pass is one and reads its
 * switches here; adding a family is adding a row. */
#ifndef SMG_MODEL_ARCHITECTURES_H
#define SMG_MODEL_ARCHITECTURES_H

#include <stddef.h>

#include "format/gguf.h"

/* Which elements of a head turn together. */
typedef enum smg_rope_kind {
    SMG_ROPE_ADJACENT, /* 2i and 2i+1, as GGUF stores Llama */
    SMG_ROPE_HALVES    /* i and i + n/2, as Hugging Face stores everything */
} smg_rope_kind;

typedef enum smg_activation { SMG_ACTIVATION_SILU, SMG_ACTIVATION_GELU } smg_activation;

typedef struct smg_architecture {
    const char *name; /* general.architecture, and the prefix of its keys */
    smg_rope_kind rope;
    smg_activation activation;
} smg_architecture;

/* NULL for a family this build does not know. */
const smg_architecture *smg_architecture_find(smg_text name);
/* "llama, qwen2 …" for messages. */
const char *smg_architecture_names(void);

#endif
