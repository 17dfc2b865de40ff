/* Mixes: which type each tensor of a model gets when the whole is quantized as, say, Q4_K_M. The rules are those of
 * llama.cpp (src/llama-quant.cpp), so that a file of ours has the size and the types that one of theirs has. */
#ifndef SMG_QUANT_MIX_H
#define SMG_QUANT_MIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "format/blocks.h"

typedef struct smg_mix smg_mix;

/* What the rules ask about a model. */
typedef struct smg_mix_model {
    int32_t layers;
    int32_t grouping; /* query heads for each head of keys and values */
    bool tied;        /* no output.weight: the embedding is the output, and gets what an output gets */
    bool weighted;    /* quantized with an importance matrix */
} smg_mix_model;

/* By its name, "q4_k_m", in whatever case; NULL if there is no such mix. */
const smg_mix *smg_mix_find(const char *name);
/* "Q4_K_M". */
const char *smg_mix_name(const smg_mix *mix);
/* What stands in general.file_type. */
uint32_t smg_mix_file_type(const smg_mix *mix);
/* The names of all mixes, for messages. */
const char *smg_mix_names(void);

/* Whether a mix has a say: matrices of weights do; norms, biases and rope factors stay as they are, in F32. */
bool smg_mix_quantizes(const char *name, uint32_t dims);
/* The type of a tensor that smg_mix_quantizes, with rows of `columns`. Rows that its blocks do not divide get the
 * nearest type with smaller blocks, or F16. */
smg_type smg_mix_choose(const smg_mix *mix, const smg_mix_model *model, const char *name, uint64_t columns);

#endif
