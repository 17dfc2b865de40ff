#include "vocabulary_file.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "format/gguf_write.h"
#include "token/unicode.h"

#define KEY(name) "tokenizer.ggml." name
#define END_OF_TEXT 0
#define START_OF_TEXT 1
#define TYPE_NORMAL 1
#define TYPE_CONTROL 3
#define NAME_MAX_BYTES (2 * NANO_WORD_MAX)

static const char *const specials[NANO_SPECIALS] = {"<|endoftext|>", "<|startoftext|>", "<|im_start|>",
                                                    "<|im_end|>"};

/* Names in the printable alphabet of byte-level BPE (OpenAI's GPT-2, encoder.py): printable Latin-1 bytes stand for themselves,
 * the others for U+0100 and up, in order. */
typedef struct names {
    char (*list)[NAME_MAX_BYTES + 1];
} names;

static bool prints(int byte)
{
    return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xFF && byte != 0xAD);
}

static void name_bytes(names *n)
{
    uint32_t stand_in = 0x100;
    for (int byte = 0; byte < NANO_BYTES; byte++) {
        const uint32_t letter = prints(byte) ? (uint32_t)byte : stand_in++;
        n->list[byte][smg_utf8_encode(letter, n->list[byte])] = '\0';
    }
}

/* Both halves come before what they make. */
static void name_merges(names *n, const nano_merge *merges, int32_t count)
{
    for (int32_t i = 0; i < count; i++) {
        char *name = n->list[NANO_BYTES + i];
        const char *left = n->list[merges[i].left], *right = n->list[merges[i].right];
        const size_t size = strlen(left);
        memcpy(name, left, size);
        memcpy(name + size, right, strlen(right) + 1);
    }
}

static smg_text text_of(const char *text)
{
    return (smg_text){text, strlen(text)};
}

static smidge_status write_tokens(smg_gguf_writer *writer, const names *n, int32_t symbols,
                                  smidge_error *error)
{
    int32_t types[NANO_SPECIALS + NANO_SYMBOLS_MAX];
    const uint64_t count = (uint64_t)NANO_SPECIALS + (uint64_t)symbols;
    SMG_TRY(smg_gguf_write_texts(writer, KEY("tokens"), count, error));
    for (int32_t i = 0; i < NANO_SPECIALS; i++)
        SMG_TRY(smg_gguf_write_next_text(writer, text_of(specials[i]), error));
    for (int32_t i = 0; i < symbols; i++)
        SMG_TRY(smg_gguf_write_next_text(writer, text_of(n->list[i]), error));
    for (uint64_t i = 0; i < count; i++)
        types[i] = i < NANO_SPECIALS ? TYPE_CONTROL : TYPE_NORMAL;
    return smg_gguf_write_array(writer, KEY("token_type"), SMG_GGUF_I32, types, count, error);
}

static smidge_status write_merges(smg_gguf_writer *writer, const names *n, const nano_merge *merges,
                                  int32_t count, smidge_error *error)
{
    SMG_TRY(smg_gguf_write_texts(writer, KEY("merges"), (uint64_t)count, error));
    for (int32_t i = 0; i < count; i++) {
        char line[2 * NAME_MAX_BYTES + 2];
        snprintf(line, sizeof line, "%s %s", n->list[merges[i].left], n->list[merges[i].right]);
        SMG_TRY(smg_gguf_write_next_text(writer, text_of(line), error));
    }
    return SMIDGE_OK;
}

static smidge_status write_keys(smg_gguf_writer *writer, const names *n, const nano_merge *merges,
                                int32_t count, smidge_error *error)
{
    SMG_TRY(smg_gguf_write_text(writer, "general.architecture", text_of("llama"), error));
    SMG_TRY(smg_gguf_write_text(writer, "general.name", text_of("smidge-nano"), error));
    SMG_TRY(smg_gguf_write_text(writer, KEY("model"), text_of("gpt2"), error));
    SMG_TRY(smg_gguf_write_text(writer, KEY("pre"), text_of("qwen2"), error));
    SMG_TRY(write_tokens(writer, n, NANO_BYTES + count, error));
    SMG_TRY(write_merges(writer, n, merges, count, error));
    SMG_TRY(smg_gguf_write_u32(writer, KEY("bos_token_id"), START_OF_TEXT, error));
    SMG_TRY(smg_gguf_write_u32(writer, KEY("eos_token_id"), END_OF_TEXT, error));
    SMG_TRY(smg_gguf_write_u32(writer, KEY("padding_token_id"), END_OF_TEXT, error));
    SMG_TRY(smg_gguf_write_bool(writer, KEY("add_bos_token"), true, error));
    return smg_gguf_write_bool(writer, KEY("add_eos_token"), false, error);
}

static void close_writer(smg_gguf_writer **writer)
{
    smg_gguf_write_close(*writer);
}

smidge_status nano_vocabulary_write(const char *path, const nano_merge *merges, int32_t count,
                                    smidge_error *error)
{
    SMG_CLEANUP(close_writer) smg_gguf_writer *writer = NULL;
    SMG_CLEANUP(smg_free_ptr) void *block = smg_alloc_array((size_t)(NANO_BYTES + count), NAME_MAX_BYTES + 1);
    names n = {block};
    if (block == NULL)
        return smg_error_no_memory(error, path, (size_t)(NANO_BYTES + count) * (NAME_MAX_BYTES + 1));
    name_bytes(&n);
    name_merges(&n, merges, count);
    SMG_TRY(smg_gguf_write_open(path, &writer, error));
    SMG_TRY(write_keys(writer, &n, merges, count, error));
    return smg_gguf_write_finish(writer, error);
}
