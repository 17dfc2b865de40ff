/* The order of examples, and batches of them. The order of an epoch depends on the seed and its number alone, so that a place in it is
 * two numbers. */
#ifndef SMG_TRAIN_BATCHES_H
#define SMG_TRAIN_BATCHES_H

#include "train/sequences.h"
#include "train/trainee.h"

/* Examples without end, each epoch in an order of its own. */
typedef struct smg_stream {
    const smg_sequences *set;
    uint64_t seed;
    int64_t epoch;    /* from 0 */
    int64_t position; /* in its order */
    int32_t *order;   /* [set->count] of this epoch */
} smg_stream;

/* How much goes into one step: so many examples, or as many as have at most so many tokens (at least one). */
typedef struct smg_batch_size {
    int64_t examples; /* 0: `tokens` counts */
    int64_t tokens;
} smg_batch_size;

/* The set has examples, and outlives the stream. SMIDGE_E_NOMEM. */
smidge_status smg_stream_init(smg_stream *stream, const smg_sequences *set, uint64_t seed,
                              smidge_error *error) SMG_MUST_CHECK;
void smg_stream_done(smg_stream *stream);
/* Goes to a place, such as one of a checkpoint. False where there is no such. */
bool smg_stream_seek(smg_stream *stream, int64_t epoch, int64_t position);
/* Most examples that a step has. */
size_t smg_batch_room(const smg_batch_size *size);
/* The next step's examples, never behind `end` examples in all (epoch * count + position); 0 there. */
size_t smg_stream_take(smg_stream *stream, const smg_batch_size *size, int64_t end, int32_t *ret_items);
/* How many steps `end` examples from the stream's beginning are. SMIDGE_E_NOMEM. */
smidge_status smg_stream_steps(const smg_stream *stream, const smg_batch_size *size, int64_t end,
                               int64_t *ret_steps, smidge_error *error) SMG_MUST_CHECK;

/* Room for what goes through the model at once. */
/* Of losses, beside an answer's 1; 0: there are none. */
typedef struct smg_loss_weights {
    float hint;
    float prompt; /* of a prompt's tokens, where there is no hint */
} smg_loss_weights;

typedef struct smg_packer {
    int32_t *tokens, *targets, *starts; /* [most] */
    float *weights;                     /* [most] */
    int32_t most;
    smg_loss_weights weight;
} smg_packer;

/* SMIDGE_E_NOMEM. */
smidge_status smg_packer_init(smg_packer *packer, int32_t most, smg_loss_weights weight, smidge_error *error)
    SMG_MUST_CHECK;
void smg_packer_done(smg_packer *packer);
/* As many of the examples as fit, one behind the other and none split; each alone does. Returns how many. The batch points into the
 * packer. `answers`: nothing else has a loss. */
size_t smg_packer_fill(smg_packer *packer, const smg_sequences *set, const int32_t *items, size_t count,
                       bool answers, smg_train_batch *ret_batch);
/* The weights of all losses: tokens of answers, hints, and tokens of prompts. */
double smg_packer_scored(const smg_packer *packer, const smg_sequences *set, const int32_t *items,
                         size_t count);

#endif
