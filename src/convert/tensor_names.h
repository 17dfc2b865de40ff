/* What a tensor of a Hugging Face folder is called in GGUF, which shape it has to have, and what is done to its rows. */
#ifndef SMG_CONVERT_TENSOR_NAMES_H
#define SMG_CONVERT_TENSOR_NAMES_H

#include "convert/hf_config.h"

typedef enum smg_hf_change {
    SMG_HF_AS_IT_IS,
    SMG_HF_ROTATED_QUERIES, /* Llama: rows of a head go from halves to neighbours, which is how its rope turns them */
    SMG_HF_ROTATED_KEYS,
    SMG_HF_PLUS_ONE /* Gemma's norms are stored less 1 */
} smg_hf_change;

typedef struct smg_hf_tensor {
    char name[64]; /* in GGUF */
    int32_t place; /* where it stands in the file; -1: nothing that the engine wants */
    uint32_t dims; /* 1 or 2 */
    int64_t rows, columns;
    smg_hf_change change;
} smg_hf_tensor;

/* Errors: SMIDGE_E_UNSUPPORTED (the family has no such tensor). `where` is the file it is in. */
smidge_status smg_hf_tensor_name(const smg_hf_config *config, const char *name, const char *where,
                                 smg_hf_tensor *ret_tensor, smidge_error *error) SMG_MUST_CHECK;
/* How many places there are, and whether the file is broken without this one; its name then as the folder would have it. */
int32_t smg_hf_places(const smg_hf_config *config);
bool smg_hf_place_needed(const smg_hf_config *config, int32_t place, char ret_name[128]);

#endif
