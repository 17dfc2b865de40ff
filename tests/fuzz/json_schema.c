/* Schemas of flat objects, to the first zero byte; what compiles is walked by the bytes that follow. */
#include "constrain/json_shape.h"

#include <string.h>

#include <jansson.h>

#include "base/alloc.h"

#define MOST_BYTES 8192
#define MOST_STEPS 256 /* bytes of the object */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        __builtin_trap();
}

static bool in_mask(const uint8_t mask[32], int byte)
{
    return mask[byte / 8] >> byte % 8 & 1;
}

/* Each byte picks among those that are allowed; when they are used up, the greatest goes on, which ends
 * names, lists and numbers before long, and strings at their bound. */
static void walk(const smg_json_shape *shape, const uint8_t *choices, size_t size)
{
    static char text[MOST_STEPS + 1];
    char forced[64];
    smg_json_state state;
    size_t count = 0;
    smg_json_start(shape, &state);
    size_t left = smg_json_max_bytes(shape);
    must(smg_json_left_bytes(shape, &state) == left);
    while (!smg_json_accepts(shape, &state)) {
        uint8_t mask[32];
        int bits = 0;
        smg_json_next_bytes(shape, &state, mask);
        for (int i = 0; i < 32; i++)
            bits += __builtin_popcount(mask[i]);
        must(bits > 0);
        must((smg_json_forced(shape, &state, forced, sizeof(forced)) > 0) == (bits == 1));
        must(bits > 1 || in_mask(mask, (uint8_t)forced[0]));
        int32_t key = smg_json_key(shape, &state);
        must(key >= -1 && key < smg_json_key_count(shape));
        int byte = count < size ? choices[count] : 255;
        while (!in_mask(mask, byte))
            byte = (byte + 255) % 256;
        if (count == MOST_STEPS)
            return;
        text[count] = (char)byte;
        must(smg_json_advance(shape, &state, text + count, 1));
        count++;
        must(smg_json_left_bytes(shape, &state) < left);
        left = smg_json_left_bytes(shape, &state);
    }
    must(left == 0);
    json_t *answer = json_loadb(text, count, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    must(json_is_object(answer));
    json_decref(answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > MOST_BYTES)
        return 0;
    const uint8_t *end = size > 0 ? memchr(data, 0, size) : NULL;
    size_t length = end != NULL ? (size_t)(end - data) : size;
    uint64_t live = smg_alloc_live_blocks();
    smg_json_shape *shape = NULL;
    smidge_error error = {0};
    smidge_status status = smg_json_shape_compile((const char *)data, length, &shape, &error);
    must(error.code == status && (error.message[0] != '\0') == (status != SMIDGE_OK));
    must((shape != NULL) == (status == SMIDGE_OK) && strchr(error.message, '\n') == NULL);
    if (status == SMIDGE_OK)
        walk(shape, length < size ? data + length + 1 : data, length < size ? size - length - 1 : 0);
    smg_json_shape_free(shape);
    must(smg_alloc_live_blocks() == live);
    return 0;
}
