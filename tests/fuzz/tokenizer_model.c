/* tokenizer.model of any bytes, into a vocabulary of 64 rows: every piece lies inside the file. */
#include "convert/hf_vocabulary.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    smg_hf_vocabulary vocabulary = {0};
    if (smg_hf_vocabulary_begin(&vocabulary, 64, "fuzz", NULL) != SMIDGE_OK)
        return 0;
    vocabulary.sentencepiece = (smg_file){.data = data, .size = size};
    const smidge_status status = smg_hf_tokenizer_model(&vocabulary, "fuzz", NULL);
    for (int64_t i = 0; status == SMIDGE_OK && i < vocabulary.count; i++) {
        const smg_hf_token *token = &vocabulary.tokens[i];
        const uint8_t *text = (const uint8_t *)token->text;
        if (token->size > 0 && (text < data || token->size > (size_t)(data + size - text)))
            __builtin_trap();
    }
    vocabulary.sentencepiece = (smg_file){0};
    smg_hf_vocabulary_free(&vocabulary);
    return 0;
}
