/* Prefixes on disk.
 *
 * A file holds, little-endian: the header below, the ids, the keys and the values as they lie in memory. The sum at the
 * header's end is XXH3 of all bytes before it and of all after it. Nothing is taken from a file before that sum, the
 * sizes, and everything that the numbers depend on have been found right. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "base/cursor.h"
#include "engine/engine.h"

#define MAGIC "SMGPFX01"
#define MAGIC_NAME 6 /* of it; then the format's number */
enum { BUILD_SIZE = 48, HEADER_SIZE = 8 + 8 + 4 * 4 + 8 + BUILD_SIZE + 8, SUM_AT = HEADER_SIZE - 8 };

/* What a prefix depends on. */
typedef struct snapshot {
    uint64_t model;
    uint32_t cpu_mask;
    uint32_t kv;
    uint32_t long_rope;
    uint32_t count;
    uint64_t bytes; /* of the keys, and of the values */
    char build[BUILD_SIZE];
} snapshot;

static void put(uint8_t **at, uint64_t value, int width)
{
    for (int i = 0; i < width; i++)
        *(*at)++ = (uint8_t)(value >> (8 * i));
}

static void pack(const snapshot *shot, uint8_t ret_header[HEADER_SIZE])
{
    uint8_t *at = ret_header;
    memcpy(at, MAGIC, 8);
    at += 8;
    put(&at, shot->model, 8);
    put(&at, shot->cpu_mask, 4);
    put(&at, shot->kv, 4);
    put(&at, shot->long_rope, 4);
    put(&at, shot->count, 4);
    put(&at, shot->bytes, 8);
    memcpy(at, shot->build, BUILD_SIZE);
}

static uint64_t sum_of(const uint8_t *header, const smg_file_part *parts, size_t count)
{
    uint64_t sum = XXH3_64bits(header, SUM_AT);
    for (size_t i = 0; i < count; i++)
        sum = XXH3_64bits_withSeed(parts[i].data, parts[i].size, sum);
    return sum;
}

static uint64_t number_of(const char id[17])
{
    return strtoull(id, NULL, 16);
}

/* What a snapshot made here and now says of itself. */
static void describe(smidge_model *model, snapshot *ret_shot)
{
    char id[17];
    smidge_model_id(model, id);
    *ret_shot = (snapshot){.model = number_of(id), .cpu_mask = model->model.kernels.cpu_mask};
    snprintf(ret_shot->build, sizeof ret_shot->build, "%s %s", smidge_version(), smidge_commit());
}

static size_t cache_bytes(const smg_kv_cache *cache, const smg_model *model)
{
    return cache->layer_bytes * (size_t)model->shape.layers;
}

/* ---- Saving -------------------------------------------------------------------------------------------- */

/* A path mistaken for another must not cost a model or a task's text. What cannot be opened is for writing to tell. */
static smidge_status check_place(const char *path, smidge_error *error)
{
    SMG_CLEANUP(smg_file_close) smg_file file = {0};
    if (smg_file_open(path, &file, NULL) != SMIDGE_OK || file.size == 0)
        return SMIDGE_OK;
    if (file.size < sizeof MAGIC - 1 || memcmp(file.data, MAGIC, MAGIC_NAME) != 0)
        return smg_error_set(error, SMIDGE_E_INVALID, path,
                             "is not a saved prefix, and was left alone (give another path, or remove it)");
    return SMIDGE_OK;
}

smidge_status smidge_prefix_save(const smidge_prefix *prefix, const char *path, smidge_error *error)
{
    SMG_TRY(check_place(path, error));
    snapshot shot;
    describe(prefix->model, &shot);
    shot.kv = prefix->cache.kind;
    shot.long_rope = prefix->long_rope;
    shot.count = (uint32_t)prefix->count;
    shot.bytes = cache_bytes(&prefix->cache, &prefix->model->model);
    uint8_t header[HEADER_SIZE];
    pack(&shot, header);
    const smg_file_part parts[] = {
        {header, sizeof header},
        {prefix->ids, (size_t)prefix->count * sizeof *prefix->ids},
        {prefix->cache.keys, (size_t)shot.bytes},
        {prefix->cache.values, (size_t)shot.bytes},
    };
    uint8_t *sum = header + SUM_AT;
    put(&sum, sum_of(header, parts + 1, 3), 8);
    return smg_file_replace(path, parts, 4, error);
}

/* ---- Loading ------------------------------------------------------------------------------------------- */

static smidge_status stale(const char *path, const char *why, smidge_error *error)
{
    return smg_error_set(error, SMIDGE_E_INVALID, path, "was saved %s (compute the prefix again)", why);
}

static smidge_status damaged(const char *path, smidge_error *error)
{
    return smg_error_set(error, SMIDGE_E_FORMAT, path,
                         "is not a whole saved prefix (compute the prefix again)");
}

static void unpack(smg_cursor *cursor, snapshot *ret_shot)
{
    ret_shot->model = smg_cursor_u64(cursor);
    ret_shot->cpu_mask = smg_cursor_u32(cursor);
    ret_shot->kv = smg_cursor_u32(cursor);
    ret_shot->long_rope = smg_cursor_u32(cursor);
    ret_shot->count = smg_cursor_u32(cursor);
    ret_shot->bytes = smg_cursor_u64(cursor);
    const uint8_t *build = smg_cursor_bytes(cursor, BUILD_SIZE);
    if (build != NULL)
        memcpy(ret_shot->build, build, BUILD_SIZE);
}

static smidge_status check_origin(smidge_model *model, const snapshot *shot, const char *path,
                                  smidge_error *error)
{
    snapshot here;
    describe(model, &here);
    if (memcmp(shot->build, here.build, BUILD_SIZE) != 0)
        return stale(path, "by another version of this library", error);
    if (shot->model != here.model)
        return stale(path, "for another model", error);
    if (shot->cpu_mask != here.cpu_mask)
        return stale(path, "on another kernel path", error);
    return SMIDGE_OK;
}

/* Sizes that agree with this model; ids that it has. */
static smidge_status check_sizes(const smidge_model *model, const snapshot *shot, const uint8_t *ids,
                                 const char *path, smidge_error *error)
{
    const smg_shape *shape = &model->model.shape;
    if (shot->kv >= SMG_KV_COUNT || shot->long_rope > 1 || shot->count < 1 ||
        shot->count > (uint32_t)shape->context || !smg_kv_cache_allows(shape, (smg_kv)shot->kv))
        return damaged(path, error);
    smg_kv_cache cache;
    smg_arena counting = {0};
    smg_kv_cache_init(&cache, shape, (smg_kv)shot->kv, (int32_t)shot->count, &counting);
    if (shot->bytes != cache_bytes(&cache, &model->model))
        return damaged(path, error);
    for (uint32_t i = 0; i < shot->count; i++) {
        int32_t id;
        memcpy(&id, ids + (size_t)i * sizeof id, sizeof id);
        if (id < 0 || id >= shape->vocabulary)
            return damaged(path, error);
    }
    return SMIDGE_OK;
}

smidge_status smg_snapshot_parse(smidge_model *model, const uint8_t *data, size_t size, const char *path,
                                 smidge_prefix **ret_prefix, smidge_error *error)
{
    smg_cursor cursor;
    smg_cursor_init(&cursor, data, size);
    const uint8_t *magic = smg_cursor_bytes(&cursor, 8);
    snapshot shot = {0};
    unpack(&cursor, &shot);
    uint64_t sum = smg_cursor_u64(&cursor);
    if (cursor.failed || memcmp(magic, MAGIC, 8) != 0)
        return damaged(path, error);
    size_t id_bytes = (size_t)shot.count * sizeof(int32_t);
    const smg_file_part parts[] = {
        {smg_cursor_bytes(&cursor, id_bytes), id_bytes},
        {smg_cursor_bytes(&cursor, shot.bytes), (size_t)shot.bytes},
        {smg_cursor_bytes(&cursor, shot.bytes), (size_t)shot.bytes},
    };
    if (cursor.failed || smg_cursor_left(&cursor) != 0 || sum_of(data, parts, 3) != sum)
        return damaged(path, error);
    SMG_TRY(check_origin(model, &shot, path, error));
    SMG_TRY(check_sizes(model, &shot, parts[0].data, path, error));
    smidge_prefix *prefix = NULL;
    SMG_TRY(smg_prefix_new(model, (smg_kv)shot.kv, (int32_t)shot.count, shot.long_rope != 0, &prefix, error));
    memcpy(prefix->ids, parts[0].data, id_bytes);
    memcpy(prefix->cache.keys, parts[1].data, (size_t)shot.bytes);
    memcpy(prefix->cache.values, parts[2].data, (size_t)shot.bytes);
    *ret_prefix = prefix;
    return SMIDGE_OK;
}

smidge_status smidge_prefix_load(smidge_model *model, const char *path, smidge_prefix **ret_prefix,
                                 smidge_error *error)
{
    SMG_CLEANUP(smg_file_close) smg_file file = {0};
    SMG_TRY(smg_file_open(path, &file, error));
    smidge_status status = smg_snapshot_parse(model, file.data, file.size, path, ret_prefix, error);
    if (status == SMIDGE_E_FORMAT || status == SMIDGE_E_INVALID)
        smg_error_see(error, SMG_SECTION_PREFIXES);
    return status;
}
