/* Attention of a batch over its caches, shared out over the workers, and rotary positions. */
#ifndef SMG_MODEL_ATTENTION_H
#define SMG_MODEL_ATTENTION_H

#include "model/scratch.h"

/* Cosine and sine for every pair of a head at this position, times the model's rope_magnitude: ret_angles[2 * i],
 * [2 * i + 1]. */
void smg_rope_angles(const smg_shape *shape, const float *frequencies, int32_t position, float *ret_angles);

/* Turns the pairs of a query or a key by those angles. */
void smg_rope_turn(smg_rope_kind kind, const float *angles, int32_t pairs, float *head);

/* Rows of a batch that attend. */
typedef struct smg_asking {
    const smg_row *rows;
    const int32_t *select; /* which of the batch they are; NULL: all of it */
    int32_t count;
} smg_asking;

/* Turns keys and queries, puts keys and values of the whole batch into their cells, and fills scratch->attention, a row for each
 * that asks, from scratch->q and the caches; complete after the next barrier. True when the run was stopped. */
bool smg_attention_run(const smg_model *model, smg_scratch *scratch, smg_worker *worker, const smg_row *rows,
                       int32_t count, const smg_asking *asking, int layer) SMG_MUST_CHECK;

#endif
