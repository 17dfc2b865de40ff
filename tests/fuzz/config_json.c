/* config.json of any bytes: what is accepted is small enough to work with, and every tensor that it wants has a name and a size. */
#include "convert/tensor_names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static smg_hf_config config;
    json_t *json = NULL;
    char name[128];
    smg_hf_tensor tensor;
    if (smg_json_parse((const char *)data, size, "fuzz", &json, NULL) == SMIDGE_OK &&
        smg_hf_config_read(json, "fuzz", &config, NULL) == SMIDGE_OK) {
        must(config.heads > 0 && config.kv_heads > 0 && config.heads % config.kv_heads == 0);
        must(config.factor_count >= 0 && config.factor_count <= SMG_HF_MAX_FACTORS);
        for (int64_t i = 0; i < config.factor_count; i++)
            must(config.factors[i] > 0.0F && config.factors[i] - config.factors[i] == 0.0F);
        for (int32_t i = 0; i < smg_hf_places(&config); i++) {
            if (!smg_hf_place_needed(&config, i, name))
                continue;
            must(smg_hf_tensor_name(&config, name, "fuzz", &tensor, NULL) == SMIDGE_OK);
            must(tensor.place == i && tensor.rows > 0 && tensor.columns > 0);
        }
    }
    json_decref(json);
    return 0;
}
