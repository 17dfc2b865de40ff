#include "convert/tensor_names.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#define BIT(family) (1u << (family))
#define LLAMA BIT(SMG_HF_LLAMA)
#define QWEN2 BIT(SMG_HF_QWEN2)
#define QWEN3 BIT(SMG_HF_QWEN3)
#define PHI3 BIT(SMG_HF_PHI3)
#define GEMMA BIT(SMG_HF_GEMMA)
#define GEMMA23 (BIT(SMG_HF_GEMMA2) | BIT(SMG_HF_GEMMA3))
#define GEMMA3 BIT(SMG_HF_GEMMA3)
#define ALL (BIT(SMG_HF_FAMILIES) - 1)
#define APART (ALL & ~PHI3) /* q, k and v, gate and up in tensors of their own */

/* ONE: there is no such dimension. */
typedef enum extent { ONE, WIDTH, VOCABULARY, FEED, FEED2, HEAD, QUERIES, KEYS, QKV } extent;

typedef struct name_row {
    const char *from;
    const char *to;
    unsigned families;
    unsigned needed; /* in these */
    extent rows, columns;
    smg_hf_change change; /* in Llama, or for norms in Gemma */
} name_row;

static const name_row heads_of_model[] = {
    {"embed_tokens.weight", "token_embd.weight", ALL, ALL, VOCABULARY, WIDTH, SMG_HF_AS_IT_IS},
};

/* Of a layer, in the order in which they are written. */
static const name_row layer_rows[] = {
    {"input_layernorm.weight", "attn_norm.weight", ALL, ALL, ONE, WIDTH, SMG_HF_PLUS_ONE},
    {"self_attn.q_proj.weight", "attn_q.weight", APART, APART, QUERIES, WIDTH, SMG_HF_ROTATED_QUERIES},
    {"self_attn.q_proj.bias", "attn_q.bias", LLAMA | QWEN2, QWEN2, ONE, QUERIES, SMG_HF_ROTATED_QUERIES},
    {"self_attn.k_proj.weight", "attn_k.weight", APART, APART, KEYS, WIDTH, SMG_HF_ROTATED_KEYS},
    {"self_attn.k_proj.bias", "attn_k.bias", LLAMA | QWEN2, QWEN2, ONE, KEYS, SMG_HF_ROTATED_KEYS},
    {"self_attn.v_proj.weight", "attn_v.weight", APART, APART, KEYS, WIDTH, SMG_HF_AS_IT_IS},
    {"self_attn.v_proj.bias", "attn_v.bias", LLAMA | QWEN2, QWEN2, ONE, KEYS, SMG_HF_AS_IT_IS},
    {"self_attn.qkv_proj.weight", "attn_qkv.weight", PHI3, PHI3, QKV, WIDTH, SMG_HF_AS_IT_IS},
    {"self_attn.q_norm.weight", "attn_q_norm.weight", QWEN3 | GEMMA3, QWEN3 | GEMMA3, ONE, HEAD,
     SMG_HF_PLUS_ONE},
    {"self_attn.k_norm.weight", "attn_k_norm.weight", QWEN3 | GEMMA3, QWEN3 | GEMMA3, ONE, HEAD,
     SMG_HF_PLUS_ONE},
    {"self_attn.o_proj.weight", "attn_output.weight", ALL, ALL, WIDTH, QUERIES, SMG_HF_AS_IT_IS},
    {"self_attn.o_proj.bias", "attn_output.bias", LLAMA, 0, ONE, WIDTH, SMG_HF_AS_IT_IS},
    {"post_attention_layernorm.weight", "post_attention_norm.weight", GEMMA23, GEMMA23, ONE, WIDTH,
     SMG_HF_PLUS_ONE},
    {"post_attention_layernorm.weight", "ffn_norm.weight", ALL & ~GEMMA23, ALL & ~GEMMA23, ONE, WIDTH,
     SMG_HF_PLUS_ONE},
    {"pre_feedforward_layernorm.weight", "ffn_norm.weight", GEMMA23, GEMMA23, ONE, WIDTH, SMG_HF_PLUS_ONE},
    {"mlp.gate_proj.weight", "ffn_gate.weight", APART, APART, FEED, WIDTH, SMG_HF_AS_IT_IS},
    {"mlp.up_proj.weight", "ffn_up.weight", APART, APART, FEED, WIDTH, SMG_HF_AS_IT_IS},
    {"mlp.gate_up_proj.weight", "ffn_up.weight", PHI3, PHI3, FEED2, WIDTH, SMG_HF_AS_IT_IS},
    {"mlp.down_proj.weight", "ffn_down.weight", ALL, ALL, WIDTH, FEED, SMG_HF_AS_IT_IS},
    {"post_feedforward_layernorm.weight", "post_ffw_norm.weight", GEMMA23, GEMMA23, ONE, WIDTH,
     SMG_HF_PLUS_ONE},
};

static const name_row tails_of_model[] = {
    {"norm.weight", "output_norm.weight", ALL, ALL, ONE, WIDTH, SMG_HF_PLUS_ONE},
    {"lm_head.weight", "output.weight", ALL, ALL, VOCABULARY, WIDTH, SMG_HF_AS_IT_IS},
};

enum {
    HEADS = sizeof heads_of_model / sizeof *heads_of_model,
    LAYER_ROWS = sizeof layer_rows / sizeof *layer_rows,
    TAILS = sizeof tails_of_model / sizeof *tails_of_model
};

static int64_t size_of(const smg_hf_config *config, extent which)
{
    switch (which) {
    case ONE:
        return 1;
    case WIDTH:
        return config->width;
    case VOCABULARY:
        return config->vocabulary;
    case FEED:
        return config->feed_forward;
    case FEED2:
        return 2 * config->feed_forward;
    case HEAD:
        return config->head_size;
    case QUERIES:
        return config->heads * config->head_size;
    case KEYS:
        return config->kv_heads * config->head_size;
    case QKV:
        return (config->heads + 2 * config->kv_heads) * config->head_size;
    }
    return 0;
}

static smg_hf_change change_of(const smg_hf_config *config, const name_row *row)
{
    if (row->change == SMG_HF_PLUS_ONE)
        return config->family >= SMG_HF_GEMMA ? SMG_HF_PLUS_ONE : SMG_HF_AS_IT_IS;
    return config->family == SMG_HF_LLAMA ? row->change : SMG_HF_AS_IT_IS;
}

/* The row of a table that has this name in this family, or -1. */
static int find(const smg_hf_config *config, const name_row *rows, int count, const char *name)
{
    for (int i = 0; i < count; i++) {
        if ((rows[i].families & BIT(config->family)) != 0 && strcmp(rows[i].from, name) == 0)
            return i;
    }
    return -1;
}

static void fill(const smg_hf_config *config, const name_row *row, int32_t place, int64_t layer,
                 smg_hf_tensor *ret)
{
    *ret = (smg_hf_tensor){.place = place,
                           .dims = row->rows == ONE ? 1 : 2,
                           .rows = size_of(config, row->rows),
                           .columns = size_of(config, row->columns),
                           .change = change_of(config, row)};
    if (layer >= 0)
        snprintf(ret->name, sizeof ret->name, "blk.%d.%s", (int)layer, row->to);
    else
        snprintf(ret->name, sizeof ret->name, "%s", row->to);
}

/* Passes over `start`, if the name begins with it. */
static bool passes(const char **name, const char *start)
{
    const size_t size = strlen(start);
    if (strncmp(*name, start, size) != 0)
        return false;
    *name += size;
    return true;
}

/* Vision parts of Gemma 3, and tables of frequencies that old Llamas have: not for the engine. */
static bool is_ignored(const smg_hf_config *config, const char *name)
{
    if (config->family == SMG_HF_GEMMA3 &&
        (strstr(name, "vision_tower.") != NULL || strstr(name, "multi_modal_projector.") != NULL))
        return true;
    if (strcmp(name, "lm_head.weight") == 0)
        return config->tied;
    const char *end = strstr(name, ".rotary_emb.inv_freq");
    return end != NULL && strcmp(end, ".rotary_emb.inv_freq") == 0;
}

/* "12.self_attn…": the layer, and passes over it. */
static int64_t pass_layer(const smg_hf_config *config, const char **name)
{
    char *end = NULL;
    if (!isdigit((unsigned char)**name))
        return -1;
    const long layer = strtol(*name, &end, 10);
    if (layer >= config->layers || *end != '.')
        return -1;
    *name = end + 1;
    return layer;
}

smidge_status smg_hf_tensor_name(const smg_hf_config *config, const char *name, const char *where,
                                 smg_hf_tensor *ret_tensor, smidge_error *error)
{
    const char *rest = name;
    if (config->family == SMG_HF_GEMMA3 && !passes(&rest, "model.language_model."))
        (void)passes(&rest, "language_model.");
    *ret_tensor = (smg_hf_tensor){.place = -1};
    if (is_ignored(config, rest))
        return SMIDGE_OK;
    int32_t place = HEADS + (int32_t)config->layers * LAYER_ROWS;
    int row = find(config, tails_of_model + 1, TAILS - 1, rest);
    if (row >= 0) {
        fill(config, &tails_of_model[row + 1], place + row + 1, -1, ret_tensor);
        return SMIDGE_OK;
    }
    (void)passes(&rest, "model.");
    row = find(config, heads_of_model, HEADS, rest);
    if (row >= 0) {
        fill(config, &heads_of_model[row], row, -1, ret_tensor);
        return SMIDGE_OK;
    }
    row = find(config, tails_of_model, 1, rest);
    if (row >= 0) {
        fill(config, &tails_of_model[row], place + row, -1, ret_tensor);
        return SMIDGE_OK;
    }
    const int64_t layer = passes(&rest, "layers.") ? pass_layer(config, &rest) : -1;
    row = layer >= 0 ? find(config, layer_rows, LAYER_ROWS, rest) : -1;
    if (row < 0)
        return smg_error_set(
            error, SMIDGE_E_UNSUPPORTED, where,
            "tensor %.128s belongs to no %s with %d layers (is config.json of the same model?)", name,
            config->architecture, (int)config->layers);
    fill(config, &layer_rows[row], HEADS + (int32_t)layer * LAYER_ROWS + row, layer, ret_tensor);
    return SMIDGE_OK;
}

int32_t smg_hf_places(const smg_hf_config *config)
{
    return HEADS + (int32_t)config->layers * LAYER_ROWS + TAILS;
}

bool smg_hf_place_needed(const smg_hf_config *config, int32_t place, char ret_name[128])
{
    const int32_t inside = place - HEADS, layers = (int32_t)config->layers * LAYER_ROWS;
    const name_row *row;
    if (inside < 0) {
        row = &heads_of_model[place];
        snprintf(ret_name, 128, "model.%s", row->from);
    } else if (inside < layers) {
        row = &layer_rows[inside % LAYER_ROWS];
        snprintf(ret_name, 128, "model.layers.%d.%s", (int)(inside / LAYER_ROWS), row->from);
    } else {
        row = &tails_of_model[inside - layers];
        snprintf(ret_name, 128, "%s%s", inside == layers ? "model." : "", row->from);
        if (inside > layers && config->tied)
            return false;
    }
    return (row->needed & BIT(config->family)) != 0;
}
