/* Tokenizing any text with any of the small vocabularies: it succeeds, control tokens appear only where
 * trusted text may have named them, and plain text comes back as it was.
 *
 * Input: byte 0 chooses the vocabulary, byte 1 the flags (1: spans alternate in trust, 2: add BOS), byte 2
 * the spans' length; the rest is text. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "tiny_vocabulary.h"
#include "token/tokenizer.h"

#define MAX_SPANS 64

static const char *const pres[] = {NULL, "gpt-2", "llama-bpe", "qwen2", "smollm", "deepseek-coder"};
#define VOCABULARIES (1 + sizeof(pres) / sizeof(pres[0]))

static smg_tokenizer *tokenizers[VOCABULARIES];

static void require(int holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "tokenizer: %s\n", what);
    abort();
}

/* The vocabularies stay for the life of the process. */
static void build(void)
{
    static gguf_builder builders[VOCABULARIES];
    static smg_gguf ggufs[VOCABULARIES];
    static tiny_tokens tokens[VOCABULARIES];
    for (size_t i = 0; i < VOCABULARIES; i++) {
        smidge_error error;
        if (i == 0) {
            tiny_spm_tokens(&tokens[i]);
            tiny_begin_spm(&builders[i], &tokens[i]);
        } else {
            tiny_bpe_tokens(&tokens[i]);
            tiny_begin_bpe(&builders[i], &tokens[i], pres[i - 1]);
        }
        gguf_finish(&builders[i]);
        require(smg_gguf_parse(builders[i].bytes, builders[i].size, "tiny", &ggufs[i], &error) == SMIDGE_OK,
                "the vocabulary does not parse");
        require(smg_tokenizer_new(&ggufs[i], NULL, &tokenizers[i], &error) == SMIDGE_OK,
                "the vocabulary does not load");
    }
}

/* Text that SentencePiece cannot tell from spaces does not come back. */
static int comes_back(size_t vocabulary, const char *text, size_t size)
{
    return vocabulary != 0 || memmem(text, size, "\xE2\x96\x81", 3) == NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    if (tokenizers[0] == NULL)
        build();
    size_t vocabulary = data[0] % VOCABULARIES;
    const smg_tokenizer *tokenizer = tokenizers[vocabulary];
    int alternate = data[1] & 1;
    int add_bos = data[1] >> 1 & 1;
    const char *text = (const char *)data + 3;
    size -= 3;

    smg_span spans[MAX_SPANS];
    size_t count = 0;
    size_t step = alternate ? data[2] + 1u : size;
    for (size_t at = 0; at < size && count < MAX_SPANS; count++) {
        size_t part = count == MAX_SPANS - 1 || size - at < step ? size - at : step;
        spans[count] = (smg_span){.text = text + at, .size = part, .trusted = alternate && count % 2 == 0};
        at += part;
    }

    smg_ids ids;
    smidge_error error;
    require(smg_tokenizer_encode(tokenizer, spans, count, add_bos, &ids, &error) == SMIDGE_OK,
            "encode failed");
    size_t first = add_bos && smg_tokenizer_adds_bos(tokenizer) ? 1 : 0;
    for (size_t i = 0; i < ids.count; i++) {
        require(ids.ids[i] >= 0 && ids.ids[i] < smg_tokenizer_size(tokenizer), "id out of range");
        require(alternate || i < first || !smg_tokenizer_is_control(tokenizer, ids.ids[i]),
                "plain text became a control token");
    }
    char *back;
    size_t back_size;
    require(smg_tokenizer_decode(tokenizer, ids.ids, ids.count, &back, &back_size, &error) == SMIDGE_OK,
            "decode failed");
    if (!alternate && comes_back(vocabulary, text, size))
        require(back_size == size && memcmp(back, text, size) == 0, "the text did not come back");

    smg_utf8_stream stream = {.pending_count = 0};
    char *shown = smg_alloc(SMG_UTF8_STREAM_ROOM(back_size) + 12);
    if (shown != NULL) {
        size_t written = smg_utf8_stream_feed(&stream, back, back_size, shown);
        require(written <= SMG_UTF8_STREAM_ROOM(back_size), "the stream wrote too much");
        (void)smg_utf8_stream_finish(&stream, shown + written);
    }
    smg_free(shown);
    smg_free(back);
    smg_free(ids.ids);
    return 0;
}
