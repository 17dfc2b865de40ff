#include "convert/hf_config.h"

#include <math.h>
#include <stdio.h>

#define WIDTH_MAX 1048576
#define CONTEXT_MAX INT32_MAX

typedef struct class_row {
    const char *name; /* of the class in config.json's "architectures" */
    smg_hf_family family;
} class_row;

static const class_row classes[] = {
    {"LlamaForCausalLM", SMG_HF_LLAMA},
    {"MistralForCausalLM", SMG_HF_LLAMA},
    {"Qwen2ForCausalLM", SMG_HF_QWEN2},
    {"Qwen3ForCausalLM", SMG_HF_QWEN3},
    {"Phi3ForCausalLM", SMG_HF_PHI3},
    {"GemmaForCausalLM", SMG_HF_GEMMA},
    {"Gemma2ForCausalLM", SMG_HF_GEMMA2},
    {"Gemma3ForCausalLM", SMG_HF_GEMMA3},
    {"Gemma3ForConditionalGeneration", SMG_HF_GEMMA3},
};

/* What transformers takes where config.json is silent; 0: it has to be there. */
typedef struct family_row {
    const char *architecture;
    int64_t heads, kv_heads, head_size, vocabulary, context, window;
    double rope_base;
    bool tied;
} family_row;

static const family_row families[SMG_HF_FAMILIES] = {
    [SMG_HF_LLAMA] = {.architecture = "llama", .rope_base = 10000.0},
    [SMG_HF_QWEN2] = {.architecture = "qwen2", .rope_base = 10000.0},
    [SMG_HF_QWEN3] = {.architecture = "qwen3", .head_size = 128, .rope_base = 10000.0},
    [SMG_HF_PHI3] = {.architecture = "phi3", .rope_base = 10000.0},
    [SMG_HF_GEMMA] = {.architecture = "gemma", .head_size = 256, .rope_base = 10000.0, .tied = true},
    [SMG_HF_GEMMA2] =
        {.architecture = "gemma2", .head_size = 256, .window = 4096, .rope_base = 10000.0, .tied = true},
    [SMG_HF_GEMMA3] = {.architecture = "gemma3",
                       .heads = 8,
                       .kv_heads = 4,
                       .head_size = 256,
                       .vocabulary = 262208,
                       .context = 131072,
                       .window = 4096,
                       .rope_base = 1000000.0,
                       .tied = true},
};

typedef struct reader {
    const json_t *json; /* of the language model: a part of the whole where there are others */
    const char *where;
    smg_hf_config *config;
    smidge_error *error;
} reader;

static bool is_gemma(const smg_hf_config *config)
{
    return config->family >= SMG_HF_GEMMA;
}

static smidge_status unsupported(const reader *read, const char *what, smg_text name, const char *advice)
{
    return smg_error_set(read->error, SMIDGE_E_UNSUPPORTED, read->where, "%s \"%.*s\" is not supported (%s)",
                         what, (int)(name.size < 64 ? name.size : 64), name.data, advice);
}

/* An integer that has to be there unless *ret is above 0, or `least` is. */
static smidge_status need_int(const reader *read, const char *name, int64_t most, int64_t *ret)
{
    SMG_TRY(smg_json_int(read->json, name, 1, most, read->where, ret, read->error));
    if (*ret > 0)
        return SMIDGE_OK;
    return smg_error_set(read->error, SMIDGE_E_FORMAT, read->where,
                         "\"%s\" is missing (download the folder again)", name);
}

static smidge_status read_family(reader *read)
{
    const json_t *list = smg_json_get(read->json, "architectures");
    const smg_text name = smg_json_text(json_array_get(list, 0));
    if (name.size == 0)
        return smg_error_set(read->error, SMIDGE_E_FORMAT, read->where,
                             "\"architectures\" is missing: this is no folder of a model (give the one with "
                             "config.json and model.safetensors)");
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        if (!smg_text_is(name, classes[i].name))
            continue;
        read->config->family = classes[i].family;
        read->config->architecture = families[classes[i].family].architecture;
        const json_t *part = smg_json_get(read->json, "text_config");
        if (json_is_object(part))
            read->json = part;
        return SMIDGE_OK;
    }
    return unsupported(read, "architecture", name,
                       "take a Llama, Mistral, Qwen2, Qwen3, Phi-3, Gemma, Gemma 2 or Gemma 3");
}

static smidge_status read_heads(const reader *read)
{
    smg_hf_config *config = read->config;
    const family_row *family = &families[config->family];
    config->heads = family->heads;
    SMG_TRY(need_int(read, "num_attention_heads", 4096, &config->heads));
    config->kv_heads = family->kv_heads > 0 ? family->kv_heads : config->heads;
    SMG_TRY(need_int(read, "num_key_value_heads", 4096, &config->kv_heads));
    if (config->heads % config->kv_heads != 0)
        return smg_error_set(
            read->error, SMIDGE_E_FORMAT, read->where,
            "\"num_attention_heads\" is no multiple of \"num_key_value_heads\" (correct it)");
    config->head_size_given = smg_json_get(read->json, "head_dim") != NULL || family->head_size > 0;
    config->head_size = family->head_size > 0 ? family->head_size : config->width / config->heads;
    SMG_TRY(need_int(read, "head_dim", 4096, &config->head_size));
    if (config->head_size % 2 != 0)
        return smg_error_set(read->error, SMIDGE_E_FORMAT, read->where,
                             "has heads of an odd size, which rope cannot turn (correct it)");
    return SMIDGE_OK;
}

/* The engine knows what a family computes; a file that says otherwise would convert and then answer wrongly. */
static smidge_status check_assumptions(const reader *read)
{
    const bool gemma = is_gemma(read->config);
    const json_t *activation = gemma ? smg_json_get(read->json, "hidden_activation") : NULL;
    if (activation == NULL)
        activation = smg_json_get(read->json, "hidden_act");
    const smg_text name = smg_json_text(activation);
    const bool silu = smg_text_is(name, "silu") || smg_text_is(name, "swish");
    const bool gelu =
        smg_text_is(name, "gelu") || smg_text_is(name, "gelu_pytorch_tanh") || smg_text_is(name, "gelu_new");
    if (activation != NULL && !(gemma ? gelu : silu))
        return unsupported(read, "the activation", name, "such a model of this family is not run");
    int64_t scalar = read->config->head_size;
    SMG_TRY(
        smg_json_int(read->json, "query_pre_attn_scalar", 1, WIDTH_MAX, read->where, &scalar, read->error));
    const bool wide = read->config->layers == 46 || read->config->layers == 62;
    const int64_t expected = wide ? read->config->width / read->config->heads : read->config->head_size;
    if (read->config->family >= SMG_HF_GEMMA2 && scalar != expected)
        return smg_error_set(read->error, SMIDGE_E_UNSUPPORTED, read->where,
                             "\"query_pre_attn_scalar\" is %d, which GGUF has no key for (it would have to "
                             "be the size of a head, %d)",
                             (int)scalar, (int)expected);
    return SMIDGE_OK;
}

/* ---- Rope --------------------------------------------------------------------------------------------- */

static smidge_status read_factors(const reader *read, const json_t *scaling, const char *name, float *ret)
{
    const json_t *list = smg_json_get(scaling, name);
    const size_t count = (size_t)read->config->factor_count;
    if (json_array_size(list) != count || count > SMG_HF_MAX_FACTORS)
        return smg_error_set(read->error, SMIDGE_E_FORMAT, read->where,
                             "\"%s\" does not have one number for each of %zu pairs (download it again)",
                             name, count);
    for (size_t i = 0; i < count; i++) {
        const json_t *number = json_array_get(list, i);
        const double value = json_is_number(number) ? json_number_value(number) : 0.0;
        if (!(value > 1e-6 && value < 1e6))
            return smg_error_set(read->error, SMIDGE_E_FORMAT, read->where,
                                 "\"%s\" holds something that is no factor (download it again)", name);
        ret[i] = (float)value;
    }
    return SMIDGE_OK;
}

/* Phi-3: turns by one list of factors up to the original context, by another beyond, and scales what it turns. */
static smidge_status read_longrope(const reader *read, const json_t *scaling)
{
    smg_hf_config *config = read->config;
    config->scaling = SMG_HF_LONGROPE;
    config->factor_count = config->rope_size / 2;
    SMG_TRY(read_factors(read, scaling, "long_factor", config->factors));
    SMG_TRY(read_factors(read, scaling, "short_factor", config->short_factors));
    const double scale = (double)config->context / (double)config->original_context;
    config->attention_factor =
        scale > 1.0 ? sqrt(1.0 + log(scale) / log((double)config->original_context)) : 1.0;
    return smg_json_real(scaling, "attention_factor", read->where, &config->attention_factor, read->error);
}

/* Llama 3: high frequencies stay, low ones are divided, those between are blended. In floats, as llama.cpp's converter and
 * transformers do it. */
static smidge_status read_llama3(const reader *read, const json_t *scaling)
{
    smg_hf_config *config = read->config;
    config->scaling = SMG_HF_LLAMA3;
    config->factor_count = config->head_size / 2;
    config->factor = 8.0;
    config->low_factor = 1.0;
    config->high_factor = 4.0;
    SMG_TRY(smg_json_real(scaling, "factor", read->where, &config->factor, read->error));
    SMG_TRY(smg_json_real(scaling, "low_freq_factor", read->where, &config->low_factor, read->error));
    SMG_TRY(smg_json_real(scaling, "high_freq_factor", read->where, &config->high_factor, read->error));
    if (config->low_factor >= config->high_factor || config->factor_count > SMG_HF_MAX_FACTORS)
        return smg_error_set(read->error, SMIDGE_E_FORMAT, read->where,
                             "\"low_freq_factor\" is not below \"high_freq_factor\" (download it again)");
    const double original = (double)config->original_context;
    for (int64_t i = 0; i < config->factor_count; i++) {
        const float power = powf((float)config->rope_base, (float)(2 * i) / (float)config->head_size);
        const double wave = 2.0 * M_PI * (double)power;
        double divisor = 1.0;
        if (wave > original / config->low_factor) {
            divisor = config->factor;
        } else if (wave >= original / config->high_factor) {
            const double smooth =
                (original / wave - config->low_factor) / (config->high_factor - config->low_factor);
            divisor = 1.0 / ((1.0 - smooth) / config->factor + smooth);
        }
        config->factors[i] = (float)divisor;
    }
    return SMIDGE_OK;
}

static smidge_status read_scaling(const reader *read, const json_t *scaling)
{
    smg_hf_config *config = read->config;
    const json_t *type = smg_json_get(scaling, "rope_type");
    const smg_text name = smg_json_text(type != NULL ? type : smg_json_get(scaling, "type"));
    SMG_TRY(smg_json_real(scaling, "rope_theta", read->where, &config->rope_base, read->error));
    SMG_TRY(smg_json_int(scaling, "original_max_position_embeddings", 2, CONTEXT_MAX, read->where,
                         &config->original_context, read->error));
    if (config->family == SMG_HF_PHI3 && (smg_text_is(name, "longrope") || smg_text_is(name, "su")))
        return read_longrope(read, scaling);
    if (name.size == 0 || smg_text_is(name, "default"))
        return SMIDGE_OK;
    if (smg_text_is(name, "linear")) {
        config->scaling = SMG_HF_LINEAR;
        config->factor = 1.0;
        return smg_json_real(scaling, "factor", read->where, &config->factor, read->error);
    }
    if (smg_text_is(name, "llama3") && config->family == SMG_HF_LLAMA)
        return read_llama3(read, scaling);
    return unsupported(read, "rope scaling", name, "linear, Llama 3's and Phi-3's longrope are");
}

static smidge_status read_rope(const reader *read)
{
    smg_hf_config *config = read->config;
    const json_t *json = read->json;
    config->rope_base = families[config->family].rope_base;
    config->window_rope_base = 10000.0;
    SMG_TRY(smg_json_real(json, "rope_theta", read->where, &config->rope_base, read->error));
    SMG_TRY(smg_json_real(json, "rope_local_base_freq", read->where, &config->window_rope_base, read->error));
    config->original_context = config->context;
    SMG_TRY(smg_json_int(json, "original_max_position_embeddings", 2, CONTEXT_MAX, read->where,
                         &config->original_context, read->error));
    /* Newer folders have all of it in one object, and Gemma 3 one for each kind of layer. */
    const json_t *parameters = smg_json_get(json, "rope_parameters");
    const json_t *windowed = smg_json_get(parameters, "sliding_attention");
    const json_t *full = smg_json_get(parameters, "full_attention");
    SMG_TRY(smg_json_real(windowed, "rope_theta", read->where, &config->window_rope_base, read->error));
    const json_t *scaling = full != NULL ? full : parameters;
    if (scaling == NULL)
        scaling = smg_json_get(json, "rope_scaling");
    double part = 1.0;
    SMG_TRY(smg_json_real(json, "partial_rotary_factor", read->where, &part, read->error));
    SMG_TRY(smg_json_real(scaling, "partial_rotary_factor", read->where, &part, read->error));
    config->rope_size = (int64_t)(part * (double)config->head_size);
    if (part > 1.0 || config->rope_size < 2 || config->rope_size % 2 != 0)
        return smg_error_set(read->error, SMIDGE_E_FORMAT, read->where,
                             "\"partial_rotary_factor\" does not leave whole pairs of a head (correct it)");
    if (part < 1.0 && config->family != SMG_HF_PHI3)
        return smg_error_set(read->error, SMIDGE_E_UNSUPPORTED, read->where,
                             "turns a part of each head only, which this family is not run with (Phi-3 is)");
    return scaling == NULL ? SMIDGE_OK : read_scaling(read, scaling);
}

/* ---- Windows ------------------------------------------------------------------------------------------ */

static smidge_status read_layer_types(const reader *read)
{
    smg_hf_config *config = read->config;
    const json_t *types = smg_json_get(read->json, "layer_types");
    int64_t period = 6;
    SMG_TRY(smg_json_int(read->json, "sliding_window_pattern", 1, SMG_HF_MAX_LAYERS, read->where, &period,
                         read->error));
    if (types != NULL && json_array_size(types) != (size_t)config->layers)
        return smg_error_set(read->error, SMIDGE_E_FORMAT, read->where,
                             "\"layer_types\" does not have one for each layer (download it again)");
    for (int64_t i = 0; i < config->layers; i++) {
        const bool usual = i % 6 < 5;
        config->windowed[i] = i % period < period - 1;
        if (types != NULL)
            config->windowed[i] =
                smg_text_is(smg_json_text(json_array_get(types, (size_t)i)), "sliding_attention");
        config->lists_windows |= config->windowed[i] != usual;
    }
    return SMIDGE_OK;
}

static smidge_status read_window(const reader *read)
{
    smg_hf_config *config = read->config;
    config->window = families[config->family].window;
    SMG_TRY(smg_json_int(read->json, "sliding_window", 0, CONTEXT_MAX, read->where, &config->window,
                         read->error));
    if (config->family == SMG_HF_QWEN2 || config->family == SMG_HF_QWEN3) {
        bool used = false;
        SMG_TRY(smg_json_bool(read->json, "use_sliding_window", read->where, &used, read->error));
        if (used && config->window > 0)
            return smg_error_set(
                read->error, SMIDGE_E_UNSUPPORTED, read->where,
                "\"use_sliding_window\" is true, which this family is not run with (set it to "
                "false where contexts are shorter than the window)");
        config->window = 0;
    }
    if (config->family == SMG_HF_GEMMA2) {
        config->score_cap = 50.0;
        config->logit_cap = 30.0;
        SMG_TRY(smg_json_real(read->json, "attn_logit_softcapping", read->where, &config->score_cap,
                              read->error));
        SMG_TRY(smg_json_real(read->json, "final_logit_softcapping", read->where, &config->logit_cap,
                              read->error));
    }
    return config->family == SMG_HF_GEMMA3 ? read_layer_types(read) : SMIDGE_OK;
}

/* ---- All of it ---------------------------------------------------------------------------------------- */

static smidge_status read_ids(const reader *read)
{
    static const char *const names[] = {"bos_token_id", "eos_token_id", "pad_token_id"};
    int64_t *const ids[] = {&read->config->bos, &read->config->eos, &read->config->pad};
    for (size_t i = 0; i < 3; i++) {
        *ids[i] = -1;
        /* a list has several ends; which of them is meant, the tokenizer says */
        if (!json_is_array(smg_json_get(read->json, names[i])))
            SMG_TRY(smg_json_int(read->json, names[i], -1, INT32_MAX, read->where, ids[i], read->error));
    }
    return SMIDGE_OK;
}

smidge_status smg_hf_config_read(const json_t *json, const char *where, smg_hf_config *ret_config,
                                 smidge_error *error)
{
    smg_hf_config config = {0};
    reader read = {.json = json, .where = where, .config = &config, .error = error};
    SMG_TRY(read_family(&read));
    const family_row *family = &families[config.family];
    config.vocabulary = family->vocabulary;
    config.context = family->context;
    config.tied = family->tied;
    config.epsilon = 1e-6;
    SMG_TRY(need_int(&read, "num_hidden_layers", SMG_HF_MAX_LAYERS, &config.layers));
    SMG_TRY(need_int(&read, "hidden_size", WIDTH_MAX, &config.width));
    SMG_TRY(need_int(&read, "intermediate_size", WIDTH_MAX, &config.feed_forward));
    SMG_TRY(need_int(&read, "vocab_size", SMG_GGUF_MAX_ARRAY, &config.vocabulary));
    SMG_TRY(need_int(&read, "max_position_embeddings", CONTEXT_MAX, &config.context));
    SMG_TRY(smg_json_real(read.json, "rms_norm_eps", where, &config.epsilon, error));
    SMG_TRY(smg_json_bool(json, "tie_word_embeddings", where, &config.tied, error));
    SMG_TRY(smg_json_bool(read.json, "tie_word_embeddings", where, &config.tied, error));
    SMG_TRY(read_heads(&read));
    SMG_TRY(read_rope(&read));
    SMG_TRY(read_window(&read));
    SMG_TRY(check_assumptions(&read));
    SMG_TRY(read_ids(&read));
    *ret_config = config;
    return SMIDGE_OK;
}

/* ---- Writing ------------------------------------------------------------------------------------------ */

typedef struct key_writer {
    const smg_hf_config *config;
    smg_gguf_writer *writer;
    smidge_error *error;
    char name[128];
} key_writer;

static const char *key(key_writer *keys, const char *ending)
{
    snprintf(keys->name, sizeof keys->name, "%s.%s", keys->config->architecture, ending);
    return keys->name;
}

static smidge_status put_int(key_writer *keys, const char *ending, int64_t value)
{
    return smg_gguf_write_u32(keys->writer, key(keys, ending), (uint32_t)value, keys->error);
}

static smidge_status put_real(key_writer *keys, const char *ending, double value)
{
    return smg_gguf_write_f32(keys->writer, key(keys, ending), (float)value, keys->error);
}

static smidge_status write_rope(key_writer *keys)
{
    const smg_hf_config *config = keys->config;
    if (config->family != SMG_HF_GEMMA && config->family != SMG_HF_GEMMA2)
        SMG_TRY(put_real(keys, "rope.freq_base", config->rope_base));
    if (config->family == SMG_HF_GEMMA3 && config->window_rope_base != 10000.0)
        SMG_TRY(put_real(keys, "rope.freq_base_swa", config->window_rope_base));
    if (config->family == SMG_HF_LLAMA || config->family == SMG_HF_PHI3)
        SMG_TRY(put_int(keys, "rope.dimension_count", config->rope_size));
    if (config->family == SMG_HF_PHI3)
        SMG_TRY(put_int(keys, "rope.scaling.original_context_length", config->original_context));
    if (config->scaling == SMG_HF_LONGROPE)
        SMG_TRY(put_real(keys, "rope.scaling.attn_factor", config->attention_factor));
    if (config->scaling != SMG_HF_LINEAR)
        return SMIDGE_OK;
    SMG_TRY(smg_gguf_write_text(keys->writer, key(keys, "rope.scaling.type"), (smg_text){"linear", 6},
                                keys->error));
    return put_real(keys, "rope.scaling.factor", config->factor);
}

static smidge_status write_window(key_writer *keys)
{
    const smg_hf_config *config = keys->config;
    if (config->score_cap > 0.0)
        SMG_TRY(put_real(keys, "attn_logit_softcapping", config->score_cap));
    if (config->logit_cap > 0.0)
        SMG_TRY(put_real(keys, "final_logit_softcapping", config->logit_cap));
    if (config->window > 0 || config->family == SMG_HF_PHI3)
        SMG_TRY(put_int(keys, "attention.sliding_window", config->window));
    if (!config->lists_windows)
        return SMIDGE_OK;
    return smg_gguf_write_array(keys->writer, key(keys, "attention.sliding_window_pattern"), SMG_GGUF_BOOL,
                                config->windowed, (uint64_t)config->layers, keys->error);
}

smidge_status smg_hf_config_write(const smg_hf_config *config, smg_gguf_writer *writer, smidge_error *error)
{
    key_writer keys = {.config = config, .writer = writer, .error = error};
    SMG_TRY(put_int(&keys, "block_count", config->layers));
    SMG_TRY(put_int(&keys, "context_length", config->context));
    SMG_TRY(put_int(&keys, "embedding_length", config->width));
    SMG_TRY(put_int(&keys, "feed_forward_length", config->feed_forward));
    SMG_TRY(put_int(&keys, "attention.head_count", config->heads));
    SMG_TRY(put_int(&keys, "attention.head_count_kv", config->kv_heads));
    SMG_TRY(put_real(&keys, "attention.layer_norm_rms_epsilon", config->epsilon));
    if (config->head_size_given) {
        SMG_TRY(put_int(&keys, "attention.key_length", config->head_size));
        SMG_TRY(put_int(&keys, "attention.value_length", config->head_size));
    }
    if (config->family == SMG_HF_LLAMA)
        SMG_TRY(put_int(&keys, "vocab_size", config->vocabulary));
    SMG_TRY(write_rope(&keys));
    return write_window(&keys);
}
