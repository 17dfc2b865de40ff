#include "engine/describe.h"

#include <inttypes.h>
#include <string.h>

void smg_describe_text(smg_text text, char *ret_text, size_t room)
{
    size_t size = text.size < room - 1 ? text.size : room - 1;
    memcpy(ret_text, text.data, size);
    ret_text[size] = '\0';
}

smidge_status smg_describe_vocabulary(const smg_model *model, const smg_tokenizer *tokenizer,
                                      smidge_error *error)
{
    int32_t tokens = smg_tokenizer_size(tokenizer);
    if (tokens == model->shape.vocabulary)
        return SMIDGE_OK;
    return smg_error_set(error, SMIDGE_E_FORMAT, model->gguf->path,
                         "has %" PRId32 " tokens in its vocabulary and %" PRId32
                         " rows in token_embd.weight (convert the model again)",
                         tokens, model->shape.vocabulary);
}

smidge_status smg_describe_refusal(smidge_status status, smidge_error *error)
{
    if (status == SMIDGE_E_FORMAT || status == SMIDGE_E_UNSUPPORTED)
        smg_error_see(error, SMG_SECTION_FILES);
    return status;
}
