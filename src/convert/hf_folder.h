/* The weights of a Hugging Face folder: one file, or shards that an index lists. */
#ifndef SMG_CONVERT_HF_FOLDER_H
#define SMG_CONVERT_HF_FOLDER_H

#include <limits.h>

#include "format/safetensors.h"

#define SMG_HF_JSON_BYTES ((size_t)64 << 20) /* of any JSON file in such a folder */
#define SMG_HF_MAX_SHARDS 256

typedef struct smg_hf_shard {
    char path[PATH_MAX];
    smg_safetensors file;
} smg_hf_shard;

typedef struct smg_hf_weights {
    smg_hf_shard *shards;
    size_t count;
} smg_hf_weights;

/* "FOLDER/NAME"; SMIDGE_E_INVALID when that is longer than a path may be. */
smidge_status smg_hf_path(const char *folder, const char *name, char ret_path[PATH_MAX], smidge_error *error)
    SMG_MUST_CHECK;
bool smg_hf_exists(const char *path);
/* The object in a JSON file of the folder; NULL where there is no such file and it need not be there. */
smidge_status smg_hf_json(const char *folder, const char *name, bool needed, json_t **ret_json,
                          smidge_error *error) SMG_MUST_CHECK;

/* Errors: those of smg_safetensors_open; SMIDGE_E_IO (no weights, or which shard is missing), SMIDGE_E_FORMAT (a tensor that
 * the index promises is not in its shard), SMIDGE_E_UNSUPPORTED (pickled weights only). */
smidge_status smg_hf_weights_open(const char *folder, smg_hf_weights *ret_weights, smidge_error *error)
    SMG_MUST_CHECK;
/* Takes one that is all zeros. */
void smg_hf_weights_close(smg_hf_weights *weights);

#endif
