/* The one forward pass: a batch of tokens, of any sequences at any positions, through all layers.
 *
 * Batch invariance: what comes out for a token depends on the token and on what it attends to, never on the
 * batch it came in, on chunks, or on the number of threads. Products reduce in a fixed order in their
 * kernels; attention adds positions one after the other; keys and values are always read back from the
 * cache, in the form the cache keeps them. */
#ifndef SMG_MODEL_FORWARD_H
#define SMG_MODEL_FORWARD_H

#include "base/thread.h"
#include "model/kv_cache.h"
#include "model/model.h"

/* One token of a batch. */
typedef struct smg_row {
    int32_t token;
    int32_t position;
    const smg_segment *segments; /* what it attends to, itself included, by position */
    int32_t segment_count;
    smg_kv_cache *cache; /* where its key and value go … */
    int32_t cell;        /* … and in which cell; one of the segments covers it */
    bool wanted;         /* its logits are asked for */
    bool kept;           /* smg_forward_logits may ask for them afterwards */
} smg_row;

/* Where logits go, and which. */
typedef struct smg_output {
    float *logits; /* [wanted rows][vocabulary] */
    /* Ascending: only logits of tokens g * SMG_OUTPUT_GROUP … (g + 1) * SMG_OUTPUT_GROUP - 1 are computed, and the others stay
     * as they are. NULL: all are. */
    const int32_t *groups;
    int32_t group_count;
} smg_output;

/* Tokens whose logits are computed together. */
enum { SMG_OUTPUT_GROUP = 16 };

typedef struct smg_scratch smg_scratch;

/* Sees what goes into the products of passes: `rows` rows of floats, `stride` floats apart, as they are before they are
 * quantized. Each range of columns comes to one worker, in the same order of products whatever the number of threads, with all rows
 * of the pass; ranges of the same product may come to several workers at once. Must not fail. */
typedef struct smg_observer {
    void (*see)(void *context, const smg_matrix *matrix, const float *x, size_t stride, int32_t rows,
                int32_t first_column, int32_t end_column);
    void *context;
} smg_observer;

/* Takes from the arena (which may only be counting: then NULL) everything that passes of up to `rows` tokens,
 * at positions below context + spare, on `threads` threads need. */
smg_scratch *smg_scratch_take(smg_arena *arena, const smg_model *model, int32_t rows, int32_t context,
                              int32_t spare, int threads);
/* Whether a context of this length turns by the model's long factors (Phi-3's longrope). What is computed with one
 * set means nothing with the other. */
bool smg_scratch_long(const smg_model *model, int32_t context);

/* From now on passes with this scratch are watched; NULL: no longer. The observer must stay. */
void smg_scratch_observe(smg_scratch *scratch, const smg_observer *observer);

/* Runs the batch on the pool, waiting for it in the order of deadlines. `output` may be NULL where no row is wanted.
 * On SMIDGE_E_DEADLINE and SMIDGE_E_CANCELLED the cells of the batch hold garbage and nothing else changed.
 * Tokens must be in range; positions below the scratch's context; at most its rows. */
smidge_status smg_forward_run(const smg_model *model, smg_pool *pool, smg_scratch *scratch,
                              const smg_row *rows, int32_t row_count, const smg_output *output,
                              const smg_stop *stop) SMG_MUST_CHECK;

/* Logits of rows that were `kept` by the last pass with this scratch, by their places in it; output->logits: [row_count]
 * [vocabulary]. Statuses as above. */
smidge_status smg_forward_logits(const smg_model *model, smg_pool *pool, smg_scratch *scratch,
                                 const int32_t *rows, int32_t row_count, const smg_output *output,
                                 const smg_stop *stop) SMG_MUST_CHECK;

#endif
