/* How fast a model will decode: what a token makes the machine do, how fast the machine does that, and the one sum of both.
 *
 *   seconds a token = sum over types of (bytes of weights / rate of their products)
 *                   + bytes of keys and values / (SMG_SPEED_KV_SHARE x bandwidth)
 *                   + phases x seconds of a phase
 *
 * A phase is what ends with a barrier in model/forward.c. Products of small models are bound by arithmetic and not by memory,
 * which is why the rate is that of the very kernels, on made-up weights in the amount that the model has, and not the
 * bandwidth. Where only a bandwidth is known, products get SMG_SPEED_SHARE of it. bench/RESULTS.md holds it against
 * what was measured. */
#ifndef SMG_FIT_SPEED_H
#define SMG_FIT_SPEED_H

#include "base/thread.h"
#include "model/kv_cache.h"
#include "model/model.h"

#define SMG_SPEED_SHARE 0.80
#define SMG_SPEED_KV_SHARE 0.60
/* Where nothing is known of the machine but its bandwidth. */
#define SMG_SPEED_PHASE_SECONDS 4e-6

/* What one token of an answer takes. */
typedef struct smg_token_work {
    uint64_t bytes[SMG_TYPE_COUNT]; /* of weights, by their type */
    int32_t phases;
    int32_t columns; /* of most rows */
} smg_token_work;

/* Needs shape and weights of the model, but no data. */
void smg_token_work_count(const smg_model *model, smg_token_work *ret_work);
uint64_t smg_token_work_bytes(const smg_token_work *work);
/* Bytes of keys and values that a token behind `positions` others reads. */
uint64_t smg_token_work_kv(const smg_shape *shape, smg_kv kind, int32_t positions);

typedef struct smg_speed {
    int threads;
    double bandwidth;             /* bytes a second */
    double phase;                 /* seconds */
    double rates[SMG_TYPE_COUNT]; /* bytes a second; 0: not measured */
} smg_speed;

/* Measures with `bytes` of memory, filled with made-up weights; products of the types in `types`, bits 1 << smg_type, with rows of
 * about `columns` elements. Takes some 40 ms for each. SMIDGE_E_NOMEM. */
smidge_status smg_speed_measure(smg_pool *pool, uint32_t cpu_mask, uint64_t types, int32_t columns,
                                size_t bytes, smg_speed *ret_speed, smidge_error *error) SMG_MUST_CHECK;

/* Seconds for a token that reads `kv_bytes` of keys and values. */
double smg_speed_predict(const smg_speed *speed, const smg_token_work *work, uint64_t kv_bytes);

#endif
