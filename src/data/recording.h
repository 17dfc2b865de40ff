/* A recording: of a CSV file, the columns that a template names, row by row, in groups. */
#ifndef SMG_DATA_RECORDING_H
#define SMG_DATA_RECORDING_H

#include "data/dataset_build.h"
#include "data/template.h"

typedef struct smg_recording_group {
    const char *name;
    int32_t begin; /* in `order` */
    int32_t end;
} smg_recording_group;

/* What is normal for a group, by its first rows. */
typedef struct smg_recording_baseline {
    double mean;
    double deviation; /* 0: there are not enough rows, or they do not vary */
} smg_recording_baseline;

/* Arrays are NULL where the template has no use for them. */
typedef struct smg_recording_column {
    double *numbers;    /* NAN: missing */
    const char **texts; /* NULL: missing */
} smg_recording_column;

typedef struct smg_recording {
    const char *path;
    int32_t count; /* rows, those of which the template says nothing left out */
    int32_t room;
    smg_recording_column *columns; /* the template's */
    int32_t column_count;
    double *times; /* seconds */
    int64_t *lines;
    int32_t *order; /* rows, group by group, each in its order */
    smg_recording_group *groups;
    int32_t group_count;
    smg_recording_baseline *baselines; /* [group_count][the template's]; NULL: it has none from first rows */
} smg_recording;

/* Reads a file that is in memory, as smg_csv_open takes it. Texts go to the set's memory. Bad rows are noted. */
smidge_status smg_recording_read(smg_dataset_build *build, const smg_template *template, char *text,
                                 size_t size, smg_recording *ret) SMG_MUST_CHECK;
/* Takes zeroed ones. */
void smg_recording_done(smg_recording *recording);

#endif
