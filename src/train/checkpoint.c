#include "train/checkpoint.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/checked.h"
#include "base/cursor.h"

#define VERSION 1U
#define PLACE_FIELDS 15
#define POINT_BYTES 40

static const char magic[8] = {'S', 'M', 'G', 'T', 'R', 'A', 'I', 'N'};

_Static_assert(sizeof(smg_train_place) == PLACE_FIELDS * 8, "fields of eight bytes each");
_Static_assert(sizeof(smg_train_point) == POINT_BYTES, "written as it lies");

/* ---- Writing --------------------------------------------------------------------------------------------- */

typedef struct checkpoint_writer {
    smg_file_writer file;
    XXH64_state_t sum;
    smidge_error *error;
} checkpoint_writer;

static void discard(checkpoint_writer *writer)
{
    smg_file_discard(&writer->file);
}

static smidge_status put(checkpoint_writer *writer, const void *data, size_t size)
{
    if (size == 0)
        return SMIDGE_OK;
    XXH64_update(&writer->sum, data, size);
    return smg_file_append(&writer->file, data, size, writer->error);
}

static smidge_status put_count(checkpoint_writer *writer, uint64_t count)
{
    return put(writer, &count, sizeof count);
}

static smidge_status put_text(checkpoint_writer *writer, const char *text)
{
    const uint32_t size = (uint32_t)strlen(text);
    SMG_TRY(put(writer, &size, sizeof size));
    return put(writer, text, size);
}

static smidge_status put_all(checkpoint_writer *writer, const smg_checkpoint *checkpoint)
{
    const uint32_t head[] = {VERSION, (uint32_t)checkpoint->fact_count};
    SMG_TRY(put(writer, magic, sizeof magic));
    SMG_TRY(put(writer, head, sizeof head));
    for (size_t i = 0; i < checkpoint->fact_count; i++) {
        SMG_TRY(put_text(writer, checkpoint->facts[i].name));
        SMG_TRY(put_text(writer, checkpoint->facts[i].value));
    }
    SMG_TRY(put(writer, &checkpoint->place, sizeof checkpoint->place));
    SMG_TRY(put_count(writer, checkpoint->point_count));
    SMG_TRY(put(writer, checkpoint->points, checkpoint->point_count * sizeof *checkpoint->points));
    SMG_TRY(put_count(writer, checkpoint->array_count));
    for (size_t i = 0; i < checkpoint->array_count; i++) {
        const smg_floats *array = &checkpoint->arrays[i];
        SMG_TRY(put_count(writer, array->count));
        SMG_TRY(put(writer, array->data, array->count * sizeof *array->data));
    }
    const uint64_t sum = XXH64_digest(&writer->sum);
    return smg_file_append(&writer->file, &sum, sizeof sum, writer->error);
}

smidge_status smg_checkpoint_write(const char *path, const smg_checkpoint *checkpoint, smidge_error *error)
{
    SMG_CLEANUP(discard) checkpoint_writer writer = {.file.fd = -1, .error = error};
    XXH64_reset(&writer.sum, 0);
    SMG_TRY(smg_file_create(path, &writer.file, error));
    SMG_TRY(put_all(&writer, checkpoint));
    return smg_file_commit(&writer.file, error);
}

/* ---- What was left ---------------------------------------------------------------------------------------- */

/* PATH.PID.part, as base/file.h names what is not whole yet, of a process that is no more. */
static bool is_left(const char *name, const char *base, size_t size)
{
    char *end = NULL;
    if (strncmp(name, base, size) != 0 || name[size] != '.')
        return false;
    const long process = strtol(name + size + 1, &end, 10);
    return process > 0 && strcmp(end, ".part") == 0 && kill((pid_t)process, 0) != 0 && errno == ESRCH;
}

void smg_checkpoint_sweep(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash != NULL ? slash + 1 : path;
    char folder[PATH_MAX], left[PATH_MAX];
    snprintf(folder, sizeof folder, "%.*s", (int)(base - path), path);
    DIR *entries = opendir(folder[0] != '\0' ? folder : ".");
    if (entries == NULL)
        return;
    for (const struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        if (!is_left(entry->d_name, base, strlen(base)))
            continue;
        const int length = snprintf(left, sizeof left, "%s%s", folder, entry->d_name);
        if (length > 0 && (size_t)length < sizeof left)
            unlink(left);
    }
    closedir(entries);
}

/* ---- Reading --------------------------------------------------------------------------------------------- */

static smidge_status damaged(const char *path, const char *what, smidge_error *error)
{
    return smg_error_set(error, SMIDGE_E_FORMAT, path,
                         "is no whole checkpoint: %s (remove it, or begin anew with --restart)", what);
}

static smidge_status pass_facts(smg_cursor *cursor, smg_checkpoint_file *file, smidge_error *error)
{
    if (file->fact_count > SMG_CHECKPOINT_FACTS_MAX)
        return damaged(file->path, "it says too much about itself", error);
    file->facts = cursor->data + cursor->position;
    for (uint32_t i = 0; i < 2 * file->fact_count; i++) {
        const uint32_t size = smg_cursor_u32(cursor);
        if (size >= SMG_CHECKPOINT_TEXT_MAX || smg_cursor_bytes(cursor, size) == NULL)
            return damaged(file->path, "what it says about itself is cut off", error);
    }
    return SMIDGE_OK;
}

/* What every training holds to. */
static bool is_possible(const smg_train_place *place)
{
    const int64_t counts[] = {place->step,      place->stage,    place->stage_step,
                              place->epoch,     place->position, place->tokens,
                              place->best_step, place->worse,    place->batch};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        if (counts[i] < 0 || counts[i] > INT64_MAX / 4)
            return false;
    }
    return place->batch >= 1 && place->batch <= INT32_MAX && place->best_step <= place->step &&
           place->stage_step <= place->step && (place->recompute == 0 || place->recompute == 1) &&
           (place->stopped == 0 || place->stopped == 1) && isfinite(place->seconds) && place->seconds >= 0.0;
}

static smidge_status pass_arrays(smg_cursor *cursor, smg_checkpoint_file *file, smidge_error *error)
{
    file->array_count = smg_cursor_u64(cursor);
    if (file->array_count > SMG_CHECKPOINT_ARRAYS_MAX)
        return damaged(file->path, "it has too many arrays", error);
    file->arrays = cursor->data + cursor->position;
    for (uint64_t i = 0; i < file->array_count; i++) {
        uint64_t bytes = 0;
        if (!smg_checked_mul(smg_cursor_u64(cursor), sizeof(float), &bytes) ||
            smg_cursor_bytes(cursor, bytes) == NULL)
            return damaged(file->path, "an array is cut off", error);
    }
    return SMIDGE_OK;
}

static smidge_status read_all(smg_cursor *cursor, smg_checkpoint_file *file, smidge_error *error)
{
    file->fact_count = smg_cursor_u32(cursor);
    SMG_TRY(pass_facts(cursor, file, error));
    const uint8_t *place = smg_cursor_bytes(cursor, sizeof file->place);
    if (place == NULL)
        return damaged(file->path, "it is cut off", error);
    memcpy(&file->place, place, sizeof file->place);
    if (!is_possible(&file->place))
        return damaged(file->path, "no training can be where it says it is", error);
    file->point_count = smg_cursor_u64(cursor);
    if (file->point_count > SMG_CHECKPOINT_POINTS_MAX)
        return damaged(file->path, "its log is too long", error);
    file->points = smg_cursor_bytes(cursor, file->point_count * POINT_BYTES);
    if (file->points == NULL)
        return damaged(file->path, "its log is cut off", error);
    SMG_TRY(pass_arrays(cursor, file, error));
    if (smg_cursor_left(cursor) != sizeof(uint64_t))
        return damaged(file->path, "something is behind its end", error);
    return SMIDGE_OK;
}

smidge_status smg_checkpoint_parse(const void *data, size_t size, const char *path,
                                   smg_checkpoint_file *ret_file, smidge_error *error)
{
    smg_checkpoint_file file = {.fact_count = 0};
    smg_cursor cursor;
    uint64_t sum = 0;
    snprintf(file.path, sizeof file.path, "%s", path);
    if (size < sizeof magic + 2 * sizeof(uint32_t) + sizeof sum || memcmp(data, magic, sizeof magic) != 0)
        return damaged(path, "it does not begin like one", error);
    smg_cursor_init(&cursor, data, size);
    (void)smg_cursor_bytes(&cursor, sizeof magic);
    const uint32_t version = smg_cursor_u32(&cursor);
    if (version != VERSION)
        return smg_error_set(
            error, SMIDGE_E_UNSUPPORTED, path,
            "is a checkpoint of version %" PRIu32
            ", and this program writes %u (end that training with the program that began it, or begin "
            "anew with --restart)",
            version, VERSION);
    memcpy(&sum, (const uint8_t *)data + size - sizeof sum, sizeof sum);
    if (XXH64(data, size - sizeof sum, 0) != sum)
        return damaged(path, "its checksum is wrong", error);
    SMG_TRY(read_all(&cursor, &file, error));
    *ret_file = file;
    return SMIDGE_OK;
}

smidge_status smg_checkpoint_open(const char *path, smg_checkpoint_file *ret_file, bool *ret_found,
                                  smidge_error *error)
{
    SMG_CLEANUP(smg_file_close) smg_file bytes = {.data = NULL};
    if (access(path, F_OK) != 0 && errno == ENOENT) {
        *ret_found = false;
        return SMIDGE_OK;
    }
    SMG_TRY(smg_file_open(path, &bytes, error));
    SMG_TRY(smg_checkpoint_parse(bytes.data, bytes.size, path, ret_file, error));
    ret_file->file = bytes;
    bytes = (smg_file){.data = NULL};
    *ret_found = true;
    return SMIDGE_OK;
}

void smg_checkpoint_close(smg_checkpoint_file *file)
{
    smg_file_close(&file->file);
    *file = (smg_checkpoint_file){.fact_count = 0};
}

/* ---- What it belongs to ---------------------------------------------------------------------------------- */

typedef struct text_view {
    const char *text;
    uint32_t size;
} text_view;

/* Lengths were proven when the file was read. */
static text_view next_text(const uint8_t **at)
{
    text_view view;
    memcpy(&view.size, *at, sizeof view.size);
    view.text = (const char *)*at + sizeof view.size;
    *at += sizeof view.size + view.size;
    return view;
}

static bool is_text(text_view view, const char *text)
{
    return view.size == strlen(text) && memcmp(view.text, text, view.size) == 0;
}

smidge_status smg_checkpoint_match(const smg_checkpoint_file *file, const smg_fact *facts, size_t count,
                                   smidge_error *error)
{
    const uint8_t *at = file->facts;
    for (size_t i = 0; i < count || i < file->fact_count; i++) {
        text_view name = {.text = "", .size = 0};
        text_view value = name;
        if (i < file->fact_count) {
            name = next_text(&at);
            value = next_text(&at);
        }
        const char *here = i < count ? facts[i].name : "";
        const char *now = i < count ? facts[i].value : "none";
        if (!is_text(name, here))
            return smg_error_set(
                error, SMIDGE_E_INVALID, file->path,
                "is the checkpoint of another kind of training (go on with the same flags, or begin "
                "anew with --restart)");
        if (!is_text(value, now))
            return smg_error_set(
                error, SMIDGE_E_INVALID, file->path,
                "was begun with another %s: %.*s, now %s (go on with the same one, or begin anew with "
                "--restart)",
                here, (int)value.size, value.text, now);
    }
    return SMIDGE_OK;
}

/* ---- What is in it --------------------------------------------------------------------------------------- */

void smg_checkpoint_points(const smg_checkpoint_file *file, smg_train_point *ret_points)
{
    memcpy(ret_points, file->points, file->point_count * POINT_BYTES);
}

static uint64_t count_at(const uint8_t *at)
{
    uint64_t count;
    memcpy(&count, at, sizeof count);
    return count;
}

smidge_status smg_checkpoint_load(const smg_checkpoint_file *file, const smg_floats *arrays, size_t count,
                                  smidge_error *error)
{
    const uint8_t *at = file->arrays;
    bool same = file->array_count == count;
    for (size_t i = 0; same && i < count; i++) {
        same = count_at(at) == arrays[i].count;
        at += sizeof(uint64_t) + arrays[i].count * sizeof(float);
    }
    if (!same)
        return damaged(file->path, "its arrays are not those of this model", error);
    at = file->arrays;
    for (size_t i = 0; i < count; i++) {
        memcpy(arrays[i].data, at + sizeof(uint64_t), arrays[i].count * sizeof(float));
        at += sizeof(uint64_t) + arrays[i].count * sizeof(float);
    }
    return SMIDGE_OK;
}
