/* Sets of labels over small vocabularies. The first byte chooses the vocabulary; labels are the lines that
 * follow. */
#include "constrain/labels.h"

#include <string.h>

#include "base/alloc.h"
#include "tiny_vocabulary.h"

#define VOCABULARIES 2
#define MOST_LABELS 300 /* more than are allowed */
#define MOST_BYTES 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        __builtin_trap();
}

/* Built once and kept: what is fuzzed are the labels. */
static const smg_tokenizer *vocabulary(int which)
{
    static gguf_builder files[VOCABULARIES];
    static smg_gguf parsed[VOCABULARIES];
    static smg_tokenizer *tokenizers[VOCABULARIES];
    static tiny_tokens tokens;
    if (tokenizers[which] == NULL) {
        if (which == 0) {
            tiny_bpe_tokens(&tokens);
            tiny_begin_bpe(&files[which], &tokens, "gpt-2");
        } else {
            tiny_spm_tokens(&tokens);
            tiny_begin_spm(&files[which], &tokens);
        }
        gguf_finish(&files[which]);
        must(smg_gguf_parse(files[which].bytes, files[which].size, "tiny", &parsed[which], NULL) ==
             SMIDGE_OK);
        must(smg_tokenizer_new(&parsed[which], NULL, &tokenizers[which], NULL) == SMIDGE_OK);
    }
    return tokenizers[which];
}

/* Edges stay inside, paths only get deeper, and what ends names a label. */
static void check(const smg_labels *labels, const smg_tokenizer *tokenizer, size_t count)
{
    must(labels->count == (int32_t)count && labels->state_count >= 1);
    int32_t place = 0;
    for (int32_t i = 0; i < labels->state_count; i++) {
        const smg_label_state *state = &labels->states[i];
        must(state->first_edge == place && state->edge_count >= 0);
        place += state->edge_count;
        must(state->depth <= 1 + SMG_LABEL_BYTES_MAX);
        for (int32_t e = 0; e < state->edge_count; e++) {
            smg_label_edge edge = labels->edges[state->first_edge + e];
            must(edge.token >= 0 && edge.token < smg_tokenizer_size(tokenizer));
            if (edge.target < 0)
                must(~edge.target < labels->count);
            else
                must(edge.target < labels->state_count && labels->states[edge.target].depth > state->depth);
            for (int32_t other = 0; other < e; other++) /* a token leads to one place */
                must(labels->edges[state->first_edge + other].token != edge.token);
        }
    }
    must(place == labels->edge_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char text[MOST_BYTES + 1];
    const char *labels[MOST_LABELS];
    size_t count = 0;
    if (size < 1 || size > MOST_BYTES)
        return 0;
    const smg_tokenizer *tokenizer = vocabulary(data[0] % VOCABULARIES);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    for (char *line = text; line != NULL && count < MOST_LABELS;) {
        labels[count++] = line;
        line = strchr(line, '\n');
        if (line != NULL)
            *line++ = '\0';
    }
    uint64_t live = smg_alloc_live_blocks();
    smg_labels compiled = {0};
    smidge_error error = {0};
    smidge_status status = smg_labels_compile(tokenizer, labels, count, &compiled, &error);
    must(error.code == status && (error.message[0] != '\0') == (status != SMIDGE_OK));
    if (status == SMIDGE_OK)
        check(&compiled, tokenizer, count);
    smg_labels_done(&compiled);
    must(smg_alloc_live_blocks() == live);
    return 0;
}
