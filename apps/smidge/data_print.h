/* What smidge data tells of examples, as text or JSON. */
#ifndef SMIDGE_DATA_PRINT_H
#define SMIDGE_DATA_PRINT_H

#include "cli.h"
#include "data/examine.h"

/* Of one length each example has. */
typedef struct data_lengths {
    int64_t least;
    int64_t median;
    int64_t p95;
    int64_t most;
} data_lengths;

typedef struct data_report {
    const smg_dataset *set;
    const char *const *files;
    size_t file_count;
    const smg_examination *found;
    data_lengths characters; /* of prompts */
    const char *model;       /* NULL: tokens were not counted */
    data_lengths prompt_tokens, answer_tokens;
    int32_t tokens_most;
    size_t
        too_long; /* examples of more than so many tokens; without a model, of more than 4 times so many characters */
    const uint8_t *sides; /* the split; NULL: there is none */
    bool by_group;
    const smg_dataset *other; /* what it is compared with */
    const char *other_path;
    const smg_overlap *overlap; /* of the split, or with the other; NULL: neither */
    int32_t samples;
} data_report;

void data_print_text(const data_report *report);
void data_print_json(const data_report *report);

#endif
