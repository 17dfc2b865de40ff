/* tokenizer.json of any bytes, into a vocabulary of 600 rows: texts and merges can all be read afterwards. */
#include "convert/hf_vocabulary.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint8_t sink;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    smg_hf_vocabulary vocabulary = {0};
    char room[SMG_HF_MERGE_BYTES];
    smg_text text;
    if (smg_json_parse((const char *)data, size, "fuzz", &vocabulary.tokenizer, NULL) != SMIDGE_OK)
        return 0;
    if (smg_hf_vocabulary_begin(&vocabulary, 600, "fuzz", NULL) == SMIDGE_OK &&
        smg_hf_tokenizer_json(&vocabulary, "fuzz", NULL) == SMIDGE_OK) {
        for (int64_t i = 0; i < vocabulary.count; i++) {
            const smg_hf_token *token = &vocabulary.tokens[i];
            for (size_t j = 0; j < token->size; j++)
                sink = (uint8_t)token->text[j];
        }
        for (size_t i = 0; i < json_array_size(vocabulary.merges); i++) {
            if (!smg_hf_merge_text(json_array_get(vocabulary.merges, i), room, sizeof room, &text))
                __builtin_trap(); /* it was found good */
        }
    }
    smg_hf_vocabulary_free(&vocabulary);
    return 0;
}
