/* Where a training was, in one file: to go on from there as if it had never been ended.
 *
 * Little-endian: "SMGTRAIN", the version (u32), the number of facts (u32); each fact's name and value, as a length (u32) and
 * bytes; the place (fixed fields); the number of points (u64) and the points; the number of arrays (u64), each as a length (u64)
 * and floats; xxHash64 of all that. */
#ifndef SMG_TRAIN_CHECKPOINT_H
#define SMG_TRAIN_CHECKPOINT_H

#include <stdbool.h>

#include "base/file.h"

#define SMG_CHECKPOINT_FACTS_MAX 64
#define SMG_CHECKPOINT_TEXT_MAX 256
#define SMG_CHECKPOINT_POINTS_MAX (UINT64_C(1) << 24)
#define SMG_CHECKPOINT_ARRAYS_MAX (UINT64_C(1) << 18)

/* What a checkpoint belongs to. */
typedef struct smg_fact {
    const char *name; /* as a user knows it: "--lr" */
    char value[SMG_CHECKPOINT_TEXT_MAX];
} smg_fact;

/* How far the training is. */
typedef struct smg_train_place {
    int64_t step; /* that are done */
    int64_t stage, stage_step;
    int64_t epoch, position; /* in the stage's order of examples */
    int64_t tokens;          /* that went through the model */
    int64_t best_step;       /* 0: none yet */
    int64_t worse;           /* validations since then */
    int64_t batch;           /* tokens that go through the model at once */
    int64_t recompute;       /* 0 or 1 */
    int64_t stopped;         /* early: 1, nothing is left to do */
    double seconds;          /* spent, in all runs */
    double loss;             /* smoothed; NAN: none yet */
    double valid_loss;       /* the latest; NAN: none */
    double best_loss;        /* NAN: none */
} smg_train_place;

/* A line of the log. */
typedef struct smg_train_point {
    int64_t step, tokens;
    double seconds;
    float loss, valid_loss; /* NAN: not looked at */
    float rate, norm;
} smg_train_point;

typedef struct smg_floats {
    float *data;
    size_t count;
} smg_floats;

typedef struct smg_checkpoint {
    const smg_fact *facts;
    size_t fact_count;
    smg_train_place place;
    const smg_train_point *points;
    size_t point_count;
    const smg_floats *arrays;
    size_t array_count;
} smg_checkpoint;

/* Removes what killed processes left beside `path`: parts of files that they were writing there. */
void smg_checkpoint_sweep(const char *path);

/* Whole or not at all, and on the disk. SMIDGE_E_IO. */
smidge_status smg_checkpoint_write(const char *path, const smg_checkpoint *checkpoint, smidge_error *error)
    SMG_MUST_CHECK;

/* One that was read, proven, and is still in the file. */
typedef struct smg_checkpoint_file {
    smg_file file; /* empty where the caller keeps the bytes */
    char path[256];
    const uint8_t *facts; /* in the bytes, like all below */
    uint32_t fact_count;
    smg_train_place place;
    const uint8_t *points;
    uint64_t point_count;
    const uint8_t *arrays;
    uint64_t array_count;
} smg_checkpoint_file;

/* *ret_found is false, and all is well, where there is no such file. SMIDGE_E_FORMAT (damaged), SMIDGE_E_UNSUPPORTED (of another
 * version), SMIDGE_E_IO. Every place is one that a training can be in, but for what depends on its data. */
smidge_status smg_checkpoint_open(const char *path, smg_checkpoint_file *ret_file, bool *ret_found,
                                  smidge_error *error) SMG_MUST_CHECK;
/* The same of bytes that the caller keeps. */
smidge_status smg_checkpoint_parse(const void *data, size_t size, const char *path,
                                   smg_checkpoint_file *ret_file, smidge_error *error) SMG_MUST_CHECK;
void smg_checkpoint_close(smg_checkpoint_file *file);

/* SMIDGE_E_INVALID, with what differs, where it belongs to another training. */
smidge_status smg_checkpoint_match(const smg_checkpoint_file *file, const smg_fact *facts, size_t count,
                                   smidge_error *error) SMG_MUST_CHECK;
void smg_checkpoint_points(const smg_checkpoint_file *file, smg_train_point *ret_points);
/* Fills the arrays. SMIDGE_E_FORMAT where the file has others; then none is touched. */
smidge_status smg_checkpoint_load(const smg_checkpoint_file *file, const smg_floats *arrays, size_t count,
                                  smidge_error *error) SMG_MUST_CHECK;

#endif
