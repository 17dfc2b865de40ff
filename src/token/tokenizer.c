#include <string.h>

#include "token/tokenizer_internal.h"

void smg_tokenizer_free(smg_tokenizer *tokenizer)
{
    if (tokenizer == NULL)
        return;
    pthread_mutex_destroy(&tokenizer->bytes->lock);
    smg_arena arena = tokenizer->arena; /* which the tokenizer lies in */
    smg_arena_done(&arena);
}

uint64_t smg_tokenizer_memory(const smg_gguf *gguf)
{
    const smg_gguf_key *tokens = smg_gguf_find(gguf, "tokenizer.ggml.tokens");
    const smg_gguf_key *merges = smg_gguf_find(gguf, "tokenizer.ggml.merges");
    if (tokens == NULL || tokens->type != SMG_GGUF_ARRAY || tokens->element_type != SMG_GGUF_STRING)
        return 0;
    return smg_tokenizer_memory_of(tokens->count, tokens->value_bytes,
                                   merges != NULL && merges->type == SMG_GGUF_ARRAY ? merges->count : 0);
}

uint64_t smg_tokenizer_memory_of(uint64_t tokens, uint64_t token_bytes, uint64_t merges)
{
    const smg_vocabulary_counts counts = {.tokens = tokens, .token_bytes = token_bytes, .merges = merges};
    smg_arena counting = {0};
    (void)smg_vocabulary_take(&counting, counts);
    return counting.used;
}

int32_t smg_tokenizer_size(const smg_tokenizer *tokenizer)
{
    return tokenizer->size;
}

static bool in_range(const smg_tokenizer *tokenizer, int32_t id)
{
    return id >= 0 && id < tokenizer->size;
}

smg_text smg_tokenizer_name(const smg_tokenizer *tokenizer, int32_t id)
{
    if (!in_range(tokenizer, id))
        return (smg_text){.data = "", .size = 0};
    return smg_vocabulary_name(tokenizer, id);
}

bool smg_tokenizer_is_control(const smg_tokenizer *tokenizer, int32_t id)
{
    return in_range(tokenizer, id) && (tokenizer->flags[id] & SMG_TOKEN_SILENT);
}

bool smg_tokenizer_is_end(const smg_tokenizer *tokenizer, int32_t id)
{
    return in_range(tokenizer, id) && (tokenizer->flags[id] & SMG_TOKEN_END);
}

int32_t smg_tokenizer_bos(const smg_tokenizer *tokenizer)
{
    return tokenizer->bos;
}

int32_t smg_tokenizer_eos(const smg_tokenizer *tokenizer)
{
    return tokenizer->eos;
}

bool smg_tokenizer_adds_bos(const smg_tokenizer *tokenizer)
{
    return tokenizer->add_bos;
}

bool smg_tokenizer_adds_space(const smg_tokenizer *tokenizer)
{
    return tokenizer->add_space;
}

const char *smg_tokenizer_model(const smg_tokenizer *tokenizer)
{
    return tokenizer->kind == SMG_TOKENIZER_SPM ? "llama" : "gpt2";
}

const char *smg_tokenizer_pre(const smg_tokenizer *tokenizer)
{
    return tokenizer->pre != NULL ? tokenizer->pre->name : "";
}
