#include "convert/hf_folder.h"

#include <stdio.h>
#include <sys/stat.h>

#include "base/alloc.h"

static const char single_name[] = "model.safetensors", index_name[] = "model.safetensors.index.json";

smidge_status smg_hf_path(const char *folder, const char *name, char ret_path[PATH_MAX], smidge_error *error)
{
    const int size = snprintf(ret_path, PATH_MAX, "%s/%s", folder, name);
    if (size < 0 || size >= PATH_MAX)
        return smg_error_set(error, SMIDGE_E_INVALID, folder, "is too long for a path (move the folder)");
    return SMIDGE_OK;
}

bool smg_hf_exists(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0;
}

smidge_status smg_hf_json(const char *folder, const char *name, bool needed, json_t **ret_json,
                          smidge_error *error)
{
    char path[PATH_MAX];
    SMG_TRY(smg_hf_path(folder, name, path, error));
    if (!needed && !smg_hf_exists(path)) {
        *ret_json = NULL;
        return SMIDGE_OK;
    }
    return smg_json_read(path, SMG_HF_JSON_BYTES, ret_json, error);
}

static smidge_status grow(smg_hf_weights *weights, const char *folder, smidge_error *error)
{
    const size_t bytes = (weights->count + 1) * sizeof *weights->shards;
    smg_hf_shard *shards = smg_realloc_array(weights->shards, weights->count + 1, sizeof *weights->shards);
    if (shards == NULL)
        return smg_error_no_memory(error, folder, bytes);
    weights->shards = shards;
    memset(&shards[weights->count], 0, sizeof *shards);
    return SMIDGE_OK;
}

static smidge_status add_shard(smg_hf_weights *weights, const char *folder, const char *name,
                               smidge_error *error)
{
    SMG_TRY(grow(weights, folder, error));
    smg_hf_shard *shard = &weights->shards[weights->count];
    SMG_TRY(smg_hf_path(folder, name, shard->path, error));
    if (!smg_hf_exists(shard->path))
        return smg_error_set(error, SMIDGE_E_IO, shard->path,
                             "this shard is missing (download the folder again; all parts of the model are "
                             "needed)");
    SMG_TRY(smg_safetensors_open(shard->path, &shard->file, error));
    weights->count++;
    return SMIDGE_OK;
}

static bool has_tensor(const smg_hf_shard *shard, const char *name)
{
    for (size_t i = 0; i < shard->file.count; i++) {
        if (strcmp(shard->file.tensors[i].name, name) == 0)
            return true;
    }
    return false;
}

/* The shard of this name, opened at its first tensor. */
static smidge_status find_shard(smg_hf_weights *weights, const char *folder, const char *name,
                                const smg_hf_shard **ret_shard, smidge_error *error)
{
    const size_t start = strlen(folder) + 1;
    for (size_t i = 0; i < weights->count; i++) {
        *ret_shard = &weights->shards[i];
        if (strcmp(weights->shards[i].path + start, name) == 0)
            return SMIDGE_OK;
    }
    if (weights->count == SMG_HF_MAX_SHARDS)
        return smg_error_set(error, SMIDGE_E_UNSUPPORTED, folder, "has more than %d shards (join them)",
                             SMG_HF_MAX_SHARDS);
    SMG_TRY(add_shard(weights, folder, name, error));
    *ret_shard = &weights->shards[weights->count - 1];
    return SMIDGE_OK;
}

static smidge_status open_index(const char *folder, const char *path, smg_hf_weights *weights,
                                smidge_error *error)
{
    SMG_CLEANUP(smg_json_release) json_t *index = NULL;
    SMG_TRY(smg_json_read(path, SMG_HF_JSON_BYTES, &index, error));
    json_t *map = smg_json_get(index, "weight_map");
    if (!json_is_object(map) || json_object_size(map) == 0)
        return smg_error_set(error, SMIDGE_E_FORMAT, path, "has no weight_map (download it again)");
    const char *name;
    json_t *value;
    json_object_foreach(map, name, value)
    {
        const smg_text file = smg_json_text(value);
        /* a name, not a way out of the folder */
        if (file.size == 0 || strlen(file.data) != file.size || strchr(file.data, '/') != NULL)
            return smg_error_set(error, SMIDGE_E_FORMAT, path,
                                 "names no file for tensor %.128s (download it again)", name);
        const smg_hf_shard *shard;
        SMG_TRY(find_shard(weights, folder, file.data, &shard, error));
        if (!has_tensor(shard, name))
            return smg_error_set(error, SMIDGE_E_FORMAT, shard->path,
                                 "tensor %.128s is not in it, as %s says (download both again)", name,
                                 index_name);
    }
    return SMIDGE_OK;
}

static smidge_status no_weights(const char *folder, smidge_error *error)
{
    char path[PATH_MAX];
    static const char *const pickled[] = {"pytorch_model.bin", "pytorch_model.bin.index.json",
                                          "consolidated.00.pth"};
    for (size_t i = 0; i < sizeof pickled / sizeof *pickled; i++) {
        SMG_TRY(smg_hf_path(folder, pickled[i], path, error));
        if (smg_hf_exists(path))
            return smg_error_set(error, SMIDGE_E_UNSUPPORTED, path,
                                 "is a pickle, which is a program and not data (take the model as "
                                 "safetensors; most repositories have it so)");
    }
    return smg_error_set(error, SMIDGE_E_IO, folder,
                         "has no %s and no %s (give a folder with config.json and these)", single_name,
                         index_name);
}

smidge_status smg_hf_weights_open(const char *folder, smg_hf_weights *ret_weights, smidge_error *error)
{
    SMG_CLEANUP(smg_hf_weights_close) smg_hf_weights weights = {0};
    char single[PATH_MAX], index[PATH_MAX];
    SMG_TRY(smg_hf_path(folder, single_name, single, error));
    SMG_TRY(smg_hf_path(folder, index_name, index, error));
    if (smg_hf_exists(single))
        SMG_TRY(add_shard(&weights, folder, single_name, error));
    else if (smg_hf_exists(index))
        SMG_TRY(open_index(folder, index, &weights, error));
    else
        SMG_TRY(no_weights(folder, error));
    *ret_weights = weights;
    weights = (smg_hf_weights){0};
    return SMIDGE_OK;
}

void smg_hf_weights_close(smg_hf_weights *weights)
{
    for (size_t i = 0; i < weights->count; i++)
        smg_safetensors_close(&weights->shards[i].file);
    smg_free(weights->shards);
    *weights = (smg_hf_weights){0};
}
