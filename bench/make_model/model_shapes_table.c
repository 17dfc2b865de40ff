#include "model_shapes_table.h"

#include <string.h>

/* Types of tokens. */
#define NORMAL 1
#define UNKNOWN 2
#define CONTROL 3
#define USER 4
#define BYTE 6

#define NAMES(type_, list)                                                                                   \
    {                                                                                                        \
        .kind = SECTION_NAMES, .count = sizeof(list) / sizeof *(list), .type = (type_), .names = (list)      \
    }
#define ONE(type_, name)                                                                                     \
    {                                                                                                        \
        .kind = SECTION_NAMES, .count = 1, .type = (type_), .names = (const char *const[])                   \
        {                                                                                                    \
            name                                                                                             \
        }                                                                                                    \
    }
#define NUMBERED(type_, format, first_, last)                                                                \
    {                                                                                                        \
        .kind = SECTION_NUMBERED, .count = (last) - (first_) + 1, .type = (type_), .first = (first_),        \
        .names = (const char *const[])                                                                       \
        {                                                                                                    \
            format                                                                                           \
        }                                                                                                    \
    }
#define RUNS(type_, text, first_, last)                                                                      \
    {                                                                                                        \
        .kind = SECTION_RUNS, .count = (last) - (first_) + 1, .type = (type_), .first = (first_),            \
        .names = (const char *const[])                                                                       \
        {                                                                                                    \
            text                                                                                             \
        }                                                                                                    \
    }
#define BYTES(type_)                                                                                         \
    {                                                                                                        \
        .kind = SECTION_BYTES, .count = 256, .type = (type_)                                                 \
    }
#define PIECES(count_)                                                                                       \
    {                                                                                                        \
        .kind = SECTION_PIECES, .count = (count_), .type = NORMAL                                            \
    }
#define LETTERS_COUNT 95
#define LETTERS                                                                                              \
    {                                                                                                        \
        .kind = SECTION_LETTERS, .count = LETTERS_COUNT, .type = NORMAL                                      \
    }

/* ---- Vocabularies --------------------------------------------------------------------------------------- */

static const char *const llama3_begin[] = {"<|begin_of_text|>",
                                           "<|end_of_text|>",
                                           "<|reserved_special_token_0|>",
                                           "<|reserved_special_token_1|>",
                                           "<|finetune_right_pad_id|>",
                                           "<|reserved_special_token_2|>",
                                           "<|start_header_id|>",
                                           "<|end_header_id|>",
                                           "<|eom_id|>",
                                           "<|eot_id|>",
                                           "<|python_tag|>"};

static const model_vocabulary llama3 = {
    .model = "gpt2",
    .pre = "llama-bpe",
    .merges = 280147,
    .sections = {BYTES(NORMAL), PIECES(128000 - 256), NAMES(CONTROL, llama3_begin),
                 NUMBERED(CONTROL, "<|reserved_special_token_%d|>", 3, 247)},
    .bos = 128000,
    .eos = 128009,
    .unknown = NO_TOKEN,
    .padding = NO_TOKEN,
    .add_bos = NO_TOKEN,
    .add_eos = NO_TOKEN,
    .add_space = NO_TOKEN,
};

static const char *const smollm2_begin[] = {"<|endoftext|>",    "<|im_start|>",   "<|im_end|>",
                                            "<repo_name>",      "<reponame>",     "<file_sep>",
                                            "<filename>",       "<gh_stars>",     "<issue_start>",
                                            "<issue_comment>",  "<issue_closed>", "<jupyter_start>",
                                            "<jupyter_text>",   "<jupyter_code>", "<jupyter_output>",
                                            "<jupyter_script>", "<empty_output>"};

static const model_vocabulary smollm2 = {
    .model = "gpt2",
    .pre = "smollm",
    .merges = 48900,
    .sections = {NAMES(CONTROL, smollm2_begin), BYTES(NORMAL), PIECES(49152 - 17 - 256)},
    .bos = 1,
    .eos = 2,
    .unknown = 0,
    .padding = 2,
    .add_bos = 0,
    .add_eos = NO_TOKEN,
    .add_space = 0,
};

static const char *const spm_ends[] = {"<s>", "</s>"};

static const model_vocabulary mistral = {
    .model = "llama",
    .sections = {ONE(UNKNOWN, "<unk>"), NAMES(CONTROL, spm_ends), BYTES(BYTE),
                 PIECES(32000 - 259 - LETTERS_COUNT), LETTERS},
    .bos = 1,
    .eos = 2,
    .unknown = 0,
    .padding = NO_TOKEN,
    .add_bos = 1,
    .add_eos = 0,
    .add_space = NO_TOKEN,
};

static const char *const phi3_begin[] = {"<unk>", "<s>"};
static const char *const phi3_end[] = {"<|endoftext|>",    "<|assistant|>",    "<|placeholder1|>",
                                       "<|placeholder2|>", "<|placeholder3|>", "<|placeholder4|>",
                                       "<|system|>",       "<|end|>",          "<|placeholder5|>",
                                       "<|placeholder6|>", "<|user|>"};

static const model_vocabulary phi3 = {
    .model = "llama",
    .pre = "default",
    .special_score = -1000.0F,
    .sections = {NAMES(CONTROL, phi3_begin), ONE(USER, "</s>"), BYTES(BYTE),
                 PIECES(32000 - 259 - LETTERS_COUNT), LETTERS, NAMES(CONTROL, phi3_end),
                 NUMBERED(UNKNOWN, "[PAD%d]", 32011, 32063)},
    .bos = 1,
    .eos = 32000,
    .unknown = 0,
    .padding = 32000,
    .add_bos = 0,
    .add_eos = 0,
    .add_space = NO_TOKEN,
};

static const char *const gemma_begin[] = {"<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "<2mass>", "[@BOS@]"};
static const char *const gemma_turns[] = {"<start_of_turn>", "<end_of_turn>"};
static const char *const gemma_tags[] = {"<table>",  "<caption>", "<thead>",      "<tbody>",  "<tfoot>",
                                         "<tr>",     "<th>",      "<td>",         "</table>", "</caption>",
                                         "</thead>", "</tbody>",  "</tfoot>",     "</tr>",    "</th>",
                                         "</td>",    "<h1>",      "<h2>",         "<h3>",     "<h4>",
                                         "<h5>",     "<h6>",      "<blockquote>", "</h1>",    "</h2>",
                                         "</h3>",    "</h4>",     "</h5>",        "</h6>",    "</blockquote>",
                                         "<strong>", "<em>",      "<b>",          "<i>",      "<u>",
                                         "<s>",      "<sub>",     "<sup>",        "<code>",   "</strong>",
                                         "</em>",    "</b>",      "</i>",         "</u>",     "</s>",
                                         "</sub>",   "</sup>",    "</code>"};

static const model_vocabulary gemma = {
    .model = "llama",
    .special_score = -1000.0F,
    .sections = {NAMES(CONTROL, gemma_begin), NUMBERED(CONTROL, "<unused%d>", 0, 98),
                 NAMES(CONTROL, gemma_turns), RUNS(USER, "\n", 1, 31), RUNS(USER, " ", 2, 31),
                 NAMES(USER, gemma_tags), BYTES(BYTE), PIECES(256000 - 473 - LETTERS_COUNT), LETTERS},
    .bos = 2,
    .eos = 1,
    .unknown = 3,
    .padding = 0,
    .add_bos = 1,
    .add_eos = 0,
    .add_space = 0,
};

int32_t vocabulary_size(const model_vocabulary *vocabulary)
{
    int32_t size = 0;
    for (int i = 0; i < MAX_SECTIONS; i++)
        size += vocabulary->sections[i].count;
    return size;
}

/* ---- Shapes --------------------------------------------------------------------------------------------- */

static const model_shape shapes[] = {
    {.name = "135m",
     .title = "SmolLM2 135M, random weights",
     .architecture = "llama",
     .vocabulary = &smollm2,
     .layers = 30,
     .width = 576,
     .heads = 9,
     .kv_heads = 3,
     .head_size = 64,
     .feed_forward = 1536,
     .context = 8192,
     .rope_base = 100000.0F,
     .norm_epsilon = 1e-5F,
     .vocabulary_key = true,
     .rope_size_key = true,
     .tied = true,
     .embedding = 0.02F,
     .residual = 1.0F},
    {.name = "1b",
     .title = "Llama 3.2 1B, random weights",
     .architecture = "llama",
     .vocabulary = &llama3,
     .layers = 16,
     .width = 2048,
     .heads = 32,
     .kv_heads = 8,
     .head_size = 64,
     .feed_forward = 8192,
     .context = 131072,
     .rope_base = 500000.0F,
     .rope_scaling = 32.0F,
     .norm_epsilon = 1e-5F,
     .head_size_keys = true,
     .vocabulary_key = true,
     .rope_size_key = true,
     .tied = true,
     .embedding = 0.02F,
     .residual = 1.0F},
    {.name = "3b",
     .title = "Llama 3.2 3B, random weights",
     .architecture = "llama",
     .vocabulary = &llama3,
     .layers = 28,
     .width = 3072,
     .heads = 24,
     .kv_heads = 8,
     .head_size = 128,
     .feed_forward = 8192,
     .context = 131072,
     .rope_base = 500000.0F,
     .rope_scaling = 32.0F,
     .norm_epsilon = 1e-5F,
     .head_size_keys = true,
     .vocabulary_key = true,
     .rope_size_key = true,
     .tied = true,
     .embedding = 0.02F,
     .residual = 1.0F},
    /* The embedding is multiplied by sqrt(width), so it is small here, and the layers loud. */
    {.name = "gemma2b",
     .title = "Gemma 2B, random weights",
     .architecture = "gemma",
     .vocabulary = &gemma,
     .layers = 18,
     .width = 2048,
     .heads = 8,
     .kv_heads = 1,
     .head_size = 256,
     .feed_forward = 16384,
     .context = 8192,
     .norm_epsilon = 1e-6F,
     .head_size_keys = true,
     .tied = true,
     .embedding = 0.006F,
     .residual = 4.0F},
    {.name = "phi3",
     .title = "Phi-3 Mini 4k, random weights",
     .architecture = "phi3",
     .vocabulary = &phi3,
     .layers = 32,
     .width = 3072,
     .heads = 32,
     .kv_heads = 32,
     .head_size = 96,
     .feed_forward = 8192,
     .context = 4096,
     .window = 2047,
     .rope_base = 10000.0F,
     .norm_epsilon = 1e-5F,
     .rope_size_key = true,
     .original_key = true,
     .fused = true,
     .embedding = 0.02F,
     .residual = 1.0F},
    {.name = "mistral7b",
     .title = "Mistral 7B v0.2, random weights",
     .architecture = "llama",
     .vocabulary = &mistral,
     .layers = 32,
     .width = 4096,
     .heads = 32,
     .kv_heads = 8,
     .head_size = 128,
     .feed_forward = 14336,
     .context = 32768,
     .rope_base = 1000000.0F,
     .norm_epsilon = 1e-5F,
     .rope_size_key = true,
     .embedding = 0.02F,
     .residual = 1.0F},
};

const model_shape *model_shape_find(const char *name, size_t name_size)
{
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        if (strlen(shapes[i].name) == name_size && memcmp(shapes[i].name, name, name_size) == 0)
            return &shapes[i];
    }
    return NULL;
}

const char *model_shape_names(void)
{
    return "135m, 1b, 3b, gemma2b, phi3 and mistral7b";
}
