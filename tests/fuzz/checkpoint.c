/* A checkpoint of any bytes, with the right checksum: what is refused is refused whole, and what is not lies inside the bytes. */
#include "train/checkpoint.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        __builtin_trap();
}

static void use(const smg_checkpoint_file *file, const uint8_t *end)
{
    smidge_error error;
    float values[64] = {0};
    static const smg_fact facts[] = {{"model", "a"}, {"--lr", "b"}};
    const smg_floats arrays[] = {{values, 1}, {values + 1, 2}};
    must(file->place.batch >= 1 && file->place.step >= 0 && isfinite(file->place.seconds));
    (void)!smg_checkpoint_match(file, facts, 2, &error);
    (void)!smg_checkpoint_load(file, arrays, file->array_count < 2 ? (size_t)file->array_count : 2, &error);
    must(file->points + file->point_count * sizeof(smg_train_point) <= end);
    if (file->point_count > 1024)
        return;
    smg_train_point points[1024];
    smg_checkpoint_points(file, points);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    smidge_error error;
    smg_checkpoint_file file;
    uint8_t *copy = calloc(1, size + 1);
    if (copy == NULL)
        return 0;
    if (size > 0)
        memcpy(copy, data, size);
    if (smg_checkpoint_parse(copy, size, "fuzz", &file, &error) == SMIDGE_OK)
        use(&file, copy + size);
    if (size >= 8) {
        const uint64_t sum = XXH64(copy, size - 8, 0);
        memcpy(copy + size - 8, &sum, sizeof sum);
        if (smg_checkpoint_parse(copy, size, "fuzz", &file, &error) == SMIDGE_OK)
            use(&file, copy + size);
    }
    free(copy);
    return 0;
}
