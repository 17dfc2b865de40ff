/* The architecture table: how the families of models differ, as data. The forward pass is one and reads its
 * switches here; adding a family is adding a row. */
#ifndef SMG_MODEL_ARCHITECTURES_H
#define SMG_MODEL_ARCHITECTURES_H

#include <stdbool.h>
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
    bool fused;            /* attn_qkv holds q, k and v, and ffn_up holds gate and up, one below the other */
    bool head_norms;       /* each head of q and k is normed before it is turned */
    bool post_norms;       /* what a block computed is normed before it is added */
    bool scaled_embedding; /* by the root of the width */
    bool scaled_query; /* a query is scaled before it is rounded, and not its scores; as llama.cpp does it */
    int32_t
        window_period; /* one layer in so many sees everything; 1: none does; 0: all do without a window */
    int32_t window;    /* where the key is absent; 0: none */
    float window_rope_base; /* of layers with a window, where the key is absent; 0: as the others */
    float score_cap;        /* of attention, where the key is absent: cap * tanh(x / cap); 0: none */
    float logit_cap;        /* of logits, likewise */
    int32_t
        wide_layers; /* a model of so many layers scales scores by width / heads instead of the head size */
} smg_architecture;

/* NULL for a family this build does not know. */
const smg_architecture *smg_architecture_find(smg_text name);
/* All names, for messages. */
const char *smg_architecture_names(void);

#endif
