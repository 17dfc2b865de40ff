/* The models that make_model makes: what is in their files but for the weights. */
#ifndef SMG_BENCH_MODEL_SHAPES_TABLE_H
#define SMG_BENCH_MODEL_SHAPES_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- Vocabularies */

typedef enum section_kind {
    SECTION_NAMES,    /* names[0 .. count - 1] */
    SECTION_NUMBERED, /* names[0], which has a %d, with the numbers first .. first + count - 1 */
    SECTION_RUNS,     /* names[0], first .. first + count - 1 times */
    SECTION_BYTES,    /* all 256, spelled as the kind of tokenizer spells them */
    SECTION_PIECES,   /* generated */
    SECTION_LETTERS   /* SPM: the space and the printable ASCII characters, which pieces are made of */
} section_kind;

/* Tokens with consecutive ids. */
typedef struct vocabulary_section {
    section_kind kind;
    int32_t count;
    int32_t type; /* as tokenizer.ggml.token_type numbers them */
    int32_t first;
    const char *const *names;
} vocabulary_section;

#define MAX_SECTIONS 16
#define NO_TOKEN (-1)

typedef struct model_vocabulary {
    const char *model;                         /* "gpt2": byte-level BPE; "llama": SPM */
    const char *pre;                           /* NULL: no such key */
    int32_t merges;                            /* BPE */
    float special_score;                       /* SPM: of what is neither a piece nor a byte */
    vocabulary_section sections[MAX_SECTIONS]; /* in the order of ids; count 0 ends them */
    int32_t bos, eos, unknown, padding;        /* ids, or NO_TOKEN */
    int32_t add_bos, add_eos, add_space;       /* 1, 0, or NO_TOKEN for no such key */
} model_vocabulary;

int32_t vocabulary_size(const model_vocabulary *vocabulary);

/* ---- Shapes */

typedef struct model_shape {
    const char *name;  /* as asked for: "1b" */
    const char *title; /* general.name */
    const char *architecture;
    const model_vocabulary *vocabulary;
    uint32_t layers, width, heads, kv_heads, head_size, feed_forward, context;
    uint32_t window;    /* 0: no such key */
    float rope_base;    /* 0: no such key */
    float rope_scaling; /* Llama 3's factor, which is in a tensor; 0: none */
    float norm_epsilon;
    bool
        head_size_keys; /* attention.key_length and value_length, where width / heads does not say it or files
                            have it all the same */
    bool vocabulary_key; /* vocab_size */
    bool rope_size_key;  /* rope.dimension_count */
    bool original_key;   /* rope.scaling.original_context_length */
    bool tied;
    bool fused; /* attn_qkv, and gate and up in ffn_up */
    /* Standard deviations of random weights. With these the next token does not hang on the last one alone. */
    float embedding;
    float residual; /* of what a layer adds, in units of 1 / sqrt(columns) */
} model_shape;

/* NULL if there is none. */
const model_shape *model_shape_find(const char *name, size_t name_size);
/* All names, for messages. */
const char *model_shape_names(void);

#endif
