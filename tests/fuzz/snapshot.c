/* Saved prefixes: bytes as they are, and a real snapshot with changes whose sum is made right again, since a wrong sum is
 * all that most changed files would ever show. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/alloc.h"
#include "base/file.h"
#include "engine/engine.h"

enum { HEADER = 104, SUM_AT = HEADER - 8 };

static smidge_model *model;
static uint8_t *real;
static size_t real_size;

static void prepare(void)
{
    smidge_error error;
    smidge_model_options options;
    smidge_model_options_init(&options);
    options.threads = 1;
    smidge_session *session = NULL;
    smidge_prefix *prefix = NULL;
    const smidge_span span = {"it was", 6, 0};
    char path[] = "/tmp/smidge-fuzz-XXXXXX";
    int fd = mkstemp(path);
    char *text = NULL;
    if (fd < 0 ||
        smidge_model_open(SMIDGE_SOURCE_DIR "/tests/golden/llama-plain.gguf", &options, &model, &error) !=
            SMIDGE_OK ||
        smidge_session_new(model, NULL, &session, &error) != SMIDGE_OK ||
        smidge_prefix_new(session, &span, 1, 0, &prefix, &error) != SMIDGE_OK ||
        smidge_prefix_save(prefix, path, &error) != SMIDGE_OK ||
        smg_file_read(path, 1 << 26, &text, &real_size, &error) != SMIDGE_OK)
        abort();
    real = (uint8_t *)text;
    close(fd);
    unlink(path);
    smidge_prefix_free(prefix);
    smidge_session_free(session);
}

static uint64_t load(const uint8_t *bytes, int width)
{
    uint64_t value = 0;
    for (int i = width - 1; i >= 0; i--)
        value = value << 8 | bytes[i];
    return value;
}

/* As the header's numbers cut the rest, if they do. */
static void mend_sum(uint8_t *bytes, size_t size)
{
    uint64_t ids = load(bytes + 28, 4) * 4;
    uint64_t cells = load(bytes + 32, 8);
    size_t left = size - HEADER;
    if (ids > left || cells > left || ids + 2 * cells > left)
        return;
    uint64_t sum = XXH3_64bits(bytes, SUM_AT);
    sum = XXH3_64bits_withSeed(bytes + HEADER, (size_t)ids, sum);
    sum = XXH3_64bits_withSeed(bytes + HEADER + ids, (size_t)cells, sum);
    sum = XXH3_64bits_withSeed(bytes + HEADER + ids + cells, (size_t)cells, sum);
    for (int i = 0; i < 8; i++)
        bytes[SUM_AT + i] = (uint8_t)(sum >> (8 * i));
}

static void try_bytes(const uint8_t *bytes, size_t size)
{
    smidge_prefix *prefix = NULL;
    smidge_error error = {0};
    smidge_status status = smg_snapshot_parse(model, bytes, size, "input", &prefix, &error);
    if ((status == SMIDGE_OK) != (prefix != NULL) || (status != SMIDGE_OK && error.message[0] == '\0'))
        abort();
    if (prefix != NULL && (prefix->count < 1 || prefix->count > model->model.shape.context))
        abort();
    smidge_prefix_free(prefix);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (model == NULL)
        prepare();
    try_bytes(data, size);
    /* Each three bytes are a place and what is put there; the rest of a place's range is the end that is cut off. */
    uint8_t *changed = malloc(real_size);
    if (changed == NULL)
        return 0;
    memcpy(changed, real, real_size);
    size_t kept = real_size;
    for (size_t i = 0; i + 3 <= size; i += 3) {
        size_t place = ((size_t)data[i] << 8 | data[i + 1]) % (HEADER + 512);
        if (place < real_size)
            changed[place] = data[i + 2];
        if (data[i] == 0xFF && kept > HEADER)
            kept -= data[i + 2] < kept - HEADER ? data[i + 2] : 0;
    }
    mend_sum(changed, kept);
    try_bytes(changed, kept);
    free(changed);
    return 0;
}
