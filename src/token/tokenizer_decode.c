#include <string.h>

#include "base/alloc.h"
#include "token/tokenizer_internal.h"

/* Encoding put a space in front of plain text at the start and behind special tokens; here it goes again. */
static smg_text text_of(const smg_tokenizer *tokenizer, int32_t id, bool *after_special)
{
    smg_text bytes = smg_tokenizer_bytes(tokenizer, id);
    bool special = id >= 0 && id < tokenizer->size && (tokenizer->flags[id] & SMG_TOKEN_SPECIAL);
    if (tokenizer->add_space && *after_special && !special && bytes.size > 0 && bytes.data[0] == ' ') {
        bytes.data++;
        bytes.size--;
    }
    *after_special = special;
    return bytes;
}

smidge_status smg_tokenizer_decode(const smg_tokenizer *tokenizer, const int32_t *ids, size_t count,
                                   char **ret_text, size_t *ret_size, smidge_error *error)
{
    size_t size = 0;
    bool after_special = true;
    for (size_t i = 0; i < count; i++)
        size += text_of(tokenizer, ids[i], &after_special).size;
    char *text = smg_alloc(size + 1);
    if (text == NULL)
        return smg_error_no_memory(error, "detokenizing", size + 1);
    size_t at = 0;
    after_special = true;
    for (size_t i = 0; i < count; i++) {
        smg_text bytes = text_of(tokenizer, ids[i], &after_special);
        if (bytes.size > 0)
            memcpy(text + at, bytes.data, bytes.size);
        at += bytes.size;
    }
    *ret_text = text;
    *ret_size = size;
    return SMIDGE_OK;
}
