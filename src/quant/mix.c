#include "quant/mix.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* What a tensor is for; only what some rule tells apart. */
typedef enum tensor_role {
    ROLE_OTHER,
    ROLE_EMBEDDING,
    ROLE_OUTPUT, /* also an embedding that is the output */
    ROLE_VALUE,
    ROLE_FUSED_QKV,
    ROLE_ATTENTION_OUTPUT,
    ROLE_DOWN,
} tensor_role;

/* Which layers a rule is for. */
typedef enum layer_set {
    LAYERS_NONE, /* ends a list of rules */
    LAYERS_ALL,
    LAYERS_MORE_BITS, /* the first and last eighth, and every third between: half of them */
    LAYERS_FIRST_EIGHTH,
    LAYERS_FIRST_EIGHTH_PLAIN,    /* unless there is an importance matrix */
    LAYERS_FIRST_EIGHTH_WEIGHTED, /* only if there is one */
    LAYERS_FIRST_SIXTEENTH,
    LAYERS_FIRST_TWO,
    LAYERS_FIRST_FOUR,
    LAYERS_GROUPED, /* all, where at least four query heads share keys and values */
} layer_set;

typedef struct mix_rule {
    tensor_role role;
    layer_set layers;
    smg_type type;
} mix_rule;

#define MAX_RULES 6

struct smg_mix {
    const char *name;
    uint32_t file_type; /* ggml's number for it */
    smg_type type;      /* of whatever has no rule */
    smg_type output;
    mix_rule rules[MAX_RULES]; /* the first that applies counts */
};

/* The newest versions of llama.cpp treat attn_qkv as attn_v: half of them get Q6_K in Q4_K_M, the others Q4_K. The
 * files of Phi-3 that are about were made before and have Q5_K throughout; so have ours. */
static const smg_mix mixes[] = {
    {.name = "Q4_0",
     .file_type = 2,
     .type = SMG_TYPE_Q4_0,
     .output = SMG_TYPE_Q6_K,
     .rules = {{ROLE_DOWN, LAYERS_FIRST_EIGHTH_WEIGHTED, SMG_TYPE_Q4_1}}},
    {.name = "Q4_1", .file_type = 3, .type = SMG_TYPE_Q4_1, .output = SMG_TYPE_Q6_K},
    {.name = "Q8_0", .file_type = 7, .type = SMG_TYPE_Q8_0, .output = SMG_TYPE_Q8_0},
    {.name = "Q5_0",
     .file_type = 8,
     .type = SMG_TYPE_Q5_0,
     .output = SMG_TYPE_Q6_K,
     .rules = {{ROLE_DOWN, LAYERS_FIRST_EIGHTH_WEIGHTED, SMG_TYPE_Q5_1}}},
    {.name = "Q5_1", .file_type = 9, .type = SMG_TYPE_Q5_1, .output = SMG_TYPE_Q6_K},
    {.name = "Q2_K",
     .file_type = 10,
     .type = SMG_TYPE_Q2_K,
     .output = SMG_TYPE_Q6_K,
     .rules = {{ROLE_VALUE, LAYERS_GROUPED, SMG_TYPE_Q4_K},
               {ROLE_VALUE, LAYERS_ALL, SMG_TYPE_Q3_K},
               {ROLE_DOWN, LAYERS_ALL, SMG_TYPE_Q3_K},
               {ROLE_ATTENTION_OUTPUT, LAYERS_ALL, SMG_TYPE_Q3_K}}},
    {.name = "Q3_K_S", .file_type = 11, .type = SMG_TYPE_Q3_K, .output = SMG_TYPE_Q6_K},
    {.name = "Q3_K_M",
     .file_type = 12,
     .type = SMG_TYPE_Q3_K,
     .output = SMG_TYPE_Q6_K,
     .rules = {{ROLE_VALUE, LAYERS_FIRST_TWO, SMG_TYPE_Q5_K},
               {ROLE_VALUE, LAYERS_ALL, SMG_TYPE_Q4_K},
               {ROLE_DOWN, LAYERS_FIRST_SIXTEENTH, SMG_TYPE_Q5_K},
               {ROLE_DOWN, LAYERS_ALL, SMG_TYPE_Q4_K},
               {ROLE_ATTENTION_OUTPUT, LAYERS_ALL, SMG_TYPE_Q4_K},
               {ROLE_FUSED_QKV, LAYERS_ALL, SMG_TYPE_Q4_K}}},
    {.name = "Q3_K_L",
     .file_type = 13,
     .type = SMG_TYPE_Q3_K,
     .output = SMG_TYPE_Q6_K,
     .rules = {{ROLE_VALUE, LAYERS_ALL, SMG_TYPE_Q5_K},
               {ROLE_DOWN, LAYERS_ALL, SMG_TYPE_Q5_K},
               {ROLE_ATTENTION_OUTPUT, LAYERS_ALL, SMG_TYPE_Q5_K},
               {ROLE_FUSED_QKV, LAYERS_ALL, SMG_TYPE_Q4_K}}},
    {.name = "Q4_K_S",
     .file_type = 14,
     .type = SMG_TYPE_Q4_K,
     .output = SMG_TYPE_Q6_K,
     .rules = {{ROLE_VALUE, LAYERS_FIRST_FOUR, SMG_TYPE_Q5_K},
               {ROLE_DOWN, LAYERS_FIRST_EIGHTH, SMG_TYPE_Q5_K}}},
    {.name = "Q4_K_M",
     .file_type = 15,
     .type = SMG_TYPE_Q4_K,
     .output = SMG_TYPE_Q6_K,
     .rules = {{ROLE_VALUE, LAYERS_MORE_BITS, SMG_TYPE_Q6_K},
               {ROLE_DOWN, LAYERS_MORE_BITS, SMG_TYPE_Q6_K},
               {ROLE_FUSED_QKV, LAYERS_ALL, SMG_TYPE_Q5_K}}},
    {.name = "Q5_K_S", .file_type = 16, .type = SMG_TYPE_Q5_K, .output = SMG_TYPE_Q6_K},
    {.name = "Q5_K_M",
     .file_type = 17,
     .type = SMG_TYPE_Q5_K,
     .output = SMG_TYPE_Q6_K,
     .rules = {{ROLE_VALUE, LAYERS_MORE_BITS, SMG_TYPE_Q6_K},
               {ROLE_DOWN, LAYERS_MORE_BITS, SMG_TYPE_Q6_K},
               {ROLE_FUSED_QKV, LAYERS_ALL, SMG_TYPE_Q6_K}}},
    {.name = "Q6_K", .file_type = 18, .type = SMG_TYPE_Q6_K, .output = SMG_TYPE_Q6_K},
    {.name = "IQ4_NL",
     .file_type = 25,
     .type = SMG_TYPE_IQ4_NL,
     .output = SMG_TYPE_Q6_K,
     .rules = {{ROLE_VALUE, LAYERS_GROUPED, SMG_TYPE_Q5_K},
               {ROLE_DOWN, LAYERS_FIRST_EIGHTH_PLAIN, SMG_TYPE_Q5_K}}},
    {.name = "IQ4_XS",
     .file_type = 30,
     .type = SMG_TYPE_IQ4_XS,
     .output = SMG_TYPE_Q6_K,
     .rules = {{ROLE_VALUE, LAYERS_GROUPED, SMG_TYPE_Q5_K},
               {ROLE_DOWN, LAYERS_FIRST_EIGHTH_PLAIN, SMG_TYPE_Q5_K}}},
    {.name = "F32", .file_type = 0, .type = SMG_TYPE_F32, .output = SMG_TYPE_F32},
    {.name = "F16", .file_type = 1, .type = SMG_TYPE_F16, .output = SMG_TYPE_F16},
    {.name = "BF16", .file_type = 32, .type = SMG_TYPE_BF16, .output = SMG_TYPE_BF16},
};

const smg_mix *smg_mix_find(const char *name)
{
    for (size_t i = 0; i < sizeof mixes / sizeof *mixes; i++) {
        if (strcasecmp(mixes[i].name, name) == 0)
            return &mixes[i];
    }
    return NULL;
}

const char *smg_mix_name(const smg_mix *mix)
{
    return mix->name;
}

uint32_t smg_mix_file_type(const smg_mix *mix)
{
    return mix->file_type;
}

const char *smg_mix_names(void)
{
    return "q2_k, q3_k_s, q3_k_m, q3_k_l, q4_0, q4_1, q4_k_s, q4_k_m, q5_0, q5_1, q5_k_s, q5_k_m, q6_k, q8_0, iq4_nl, "
           "iq4_xs, f16, bf16 and f32";
}

/* ---- Roles ---------------------------------------------------------------------------------------------- */

static bool ends_with(const char *name, const char *ending)
{
    size_t size = strlen(name);
    size_t ending_size = strlen(ending);
    return size >= ending_size && strcmp(name + size - ending_size, ending) == 0;
}

bool smg_mix_quantizes(const char *name, uint32_t dims)
{
    return dims >= 2 && ends_with(name, "weight") && !ends_with(name, "_norm.weight");
}

static tensor_role find_role(const smg_mix_model *model, const char *name, int32_t *ret_layer)
{
    static const struct {
        const char *ending;
        tensor_role role;
    } endings[] = {
        {".attn_v.weight", ROLE_VALUE},
        {".attn_qkv.weight", ROLE_FUSED_QKV},
        {".attn_output.weight", ROLE_ATTENTION_OUTPUT},
        {".ffn_down.weight", ROLE_DOWN},
    };
    if (strcmp(name, "output.weight") == 0)
        return ROLE_OUTPUT;
    if (strcmp(name, "token_embd.weight") == 0)
        return model->tied ? ROLE_OUTPUT : ROLE_EMBEDDING;
    if (strncmp(name, "blk.", 4) != 0 || name[4] < '0' || name[4] > '9')
        return ROLE_OTHER;
    *ret_layer = (int32_t)strtol(name + 4, NULL, 10);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        if (ends_with(name, endings[i].ending))
            return endings[i].role;
    }
    return ROLE_OTHER;
}

/* ---- Choosing ------------------------------------------------------------------------------------------- */

static bool applies(layer_set which, const smg_mix_model *model, int32_t layer)
{
    const int32_t count = model->layers, eighth = count / 8;
    switch (which) {
    case LAYERS_ALL:
        return true;
    case LAYERS_MORE_BITS:
        return layer < eighth || layer >= 7 * count / 8 || (layer - eighth) % 3 == 2;
    case LAYERS_FIRST_EIGHTH:
        return layer < eighth;
    case LAYERS_FIRST_EIGHTH_PLAIN:
        return layer < eighth && !model->weighted;
    case LAYERS_FIRST_EIGHTH_WEIGHTED:
        return layer < eighth && model->weighted;
    case LAYERS_FIRST_SIXTEENTH:
        return layer < count / 16;
    case LAYERS_FIRST_TWO:
        return layer < 2;
    case LAYERS_FIRST_FOUR:
        return layer < 4;
    case LAYERS_GROUPED:
        return model->grouping >= 4;
    default:
        return false;
    }
}

static smg_type by_rule(const smg_mix *mix, const smg_mix_model *model, tensor_role role, int32_t layer)
{
    for (int i = 0; i < MAX_RULES && mix->rules[i].layers != LAYERS_NONE; i++) {
        const mix_rule *rule = &mix->rules[i];
        if (rule->role == role && applies(rule->layers, model, layer))
            return rule->type;
    }
    return mix->type;
}

/* What comes nearest among the types with blocks of 32. */
static smg_type smaller_blocks(smg_type type)
{
    switch (type) {
    case SMG_TYPE_Q2_K:
    case SMG_TYPE_Q3_K:
        return SMG_TYPE_Q4_0;
    case SMG_TYPE_Q4_K:
        return SMG_TYPE_Q5_0;
    case SMG_TYPE_Q5_K:
        return SMG_TYPE_Q5_1;
    case SMG_TYPE_Q6_K:
        return SMG_TYPE_Q8_0;
    case SMG_TYPE_IQ4_XS:
        return SMG_TYPE_IQ4_NL;
    default:
        return type;
    }
}

smg_type smg_mix_choose(const smg_mix *mix, const smg_mix_model *model, const char *name, uint64_t columns)
{
    int32_t layer = 0;
    tensor_role role = find_role(model, name, &layer);
    smg_type type = role == ROLE_OUTPUT ? mix->output : by_rule(mix, model, role, layer);
    if (smg_type_row_bytes(type, columns) == 0)
        type = smaller_blocks(type);
    return smg_type_row_bytes(type, columns) == 0 ? SMG_TYPE_F16 : type;
}
