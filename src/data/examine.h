/* What is in a set of examples that its maker should know before anything learns from it. */
#ifndef SMG_DATA_EXAMINE_H
#define SMG_DATA_EXAMINE_H

#include "data/dataset.h"
#include "data/text_builder.h"

#define SMG_EXAMINE_PAIRS 5

typedef struct smg_example_pair {
    size_t first;
    size_t second;
} smg_example_pair;

typedef struct smg_examination {
    size_t labels, jsons, texts; /* examples of each kind */
    size_t *label_counts;        /* [label_count] */
    int32_t majority;            /* the most frequent label, the first of equals; -1: there are none */
    size_t groups;               /* different ones */
    size_t grouped;              /* examples that are in one */
    size_t empty;                /* prompts of nothing but white space */
    size_t duplicates;           /* examples whose prompt and answer there were before */
    size_t conflicts;            /* examples whose prompt there was before with another answer */
    smg_example_pair conflict_pairs[SMG_EXAMINE_PAIRS]; /* the first of them, with what they conflict with */
} smg_examination;

/* SMIDGE_E_NOMEM. */
smidge_status smg_examine(const smg_dataset *set, smg_examination *ret, smidge_error *error) SMG_MUST_CHECK;
/* Takes zeroed ones. */
void smg_examination_done(smg_examination *examination);

/* How many examples of a second set, or part of one, the first one has too: by their prompts, and by their prompts with every
 * number as a '#', which finds readings that were only counted on. A part is what has `side` in its array; NULL: all. */
typedef struct smg_overlap {
    size_t compared; /* examples of the second */
    size_t exact;
    size_t masked;                             /* exact ones included */
    smg_example_pair pairs[SMG_EXAMINE_PAIRS]; /* the first masked ones: in the first set, in the second */
} smg_overlap;

typedef struct smg_dataset_part {
    const smg_dataset *set;
    const uint8_t *sides; /* [set->count]; NULL: all of it */
    uint8_t side;
} smg_dataset_part;

smidge_status smg_overlap_find(const smg_dataset_part *first, const smg_dataset_part *second,
                               smg_overlap *ret, smidge_error *error) SMG_MUST_CHECK;

/* What the example asks: its prompt, or roles and contents of its messages. `mask`: numbers as '#'. */
void smg_example_question(const smg_example *example, bool mask, smg_text_builder *builder);

#endif
