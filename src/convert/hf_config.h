/* config.json of a Hugging Face folder: which family, and its numbers. What a file leaves out has the default that
 * transformers has for it. */
#ifndef SMG_CONVERT_HF_CONFIG_H
#define SMG_CONVERT_HF_CONFIG_H

#include "format/gguf_write.h"
#include "format/json_text.h"

#define SMG_HF_MAX_LAYERS 512
#define SMG_HF_MAX_FACTORS 512

typedef enum smg_hf_family {
    SMG_HF_LLAMA,
    SMG_HF_QWEN2,
    SMG_HF_QWEN3,
    SMG_HF_PHI3,
    SMG_HF_GEMMA,
    SMG_HF_GEMMA2,
    SMG_HF_GEMMA3,
    SMG_HF_FAMILIES
} smg_hf_family;

typedef enum smg_hf_scaling { SMG_HF_UNSCALED, SMG_HF_LINEAR, SMG_HF_LLAMA3, SMG_HF_LONGROPE } smg_hf_scaling;

typedef struct smg_hf_config {
    smg_hf_family family;
    const char *architecture; /* GGUF's word: "llama" */
    int64_t layers, width, feed_forward, heads, kv_heads, head_size, vocabulary, context;
    int64_t window; /* 0: none */
    bool head_size_given;
    bool tied;
    double epsilon;
    double rope_base, window_rope_base;
    double score_cap, logit_cap; /* 0: none */
    int64_t rope_size;
    smg_hf_scaling scaling;
    double factor, low_factor, high_factor, attention_factor;
    int64_t original_context;
    int64_t factor_count; /* longrope: of each list below; llama3: of the first */
    float factors[SMG_HF_MAX_FACTORS];
    float short_factors[SMG_HF_MAX_FACTORS];
    /* Gemma 3: layers with a window where that is not the usual five of six. */
    bool lists_windows;
    uint8_t windowed[SMG_HF_MAX_LAYERS];
    int64_t bos, eos, pad; /* -1: not there */
} smg_hf_config;

/* `where` names the file. Errors: SMIDGE_E_UNSUPPORTED (a family, a rope scaling or an activation that the engine does not run,
 * by name), SMIDGE_E_FORMAT (a number that is missing, or cannot be), naming it. */
smidge_status smg_hf_config_read(const json_t *json, const char *where, smg_hf_config *ret_config,
                                 smidge_error *error) SMG_MUST_CHECK;
/* The keys of the model under their names in GGUF. */
smidge_status smg_hf_config_write(const smg_hf_config *config, smg_gguf_writer *writer, smidge_error *error)
    SMG_MUST_CHECK;

#endif
