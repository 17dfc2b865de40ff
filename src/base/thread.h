/* The thread pool: a fixed set of workers that run one function together, shared by any number of sessions in the
 * order of their deadlines.
 *
 *   smg_pool_acquire   wait for the pool, earliest deadline first; the wait counts against the deadline
 *   smg_pool_run       run fn on the caller, worker 0, and on every other worker that comes in time
 *   smg_pool_release
 *
 * Inside fn, work is shared out by smg_worker_next and phases are separated by smg_worker_barrier. A barrier waits for
 * the units of its phase to be done, not for the workers: one that another process keeps from running holds nobody up
 * unless it holds a unit, and may find itself phases behind, with nothing to take. So a worker may change memory, or
 * read what changes during the run, only while it holds a unit, which is until it asks for the next one or
 * comes to the barrier.
 *
 * Stopping is cooperative: smg_worker_next looks at the clock and the cancel flag, and once one of the workers has seen
 * a reason to stop no more work is handed out, and the next barrier that a worker comes to returns true. */
#ifndef SMG_BASE_THREAD_H
#define SMG_BASE_THREAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

#define SMG_THREADS_MAX 64

/* Why a run may have to end early. */
typedef struct smg_stop {
    int64_t deadline;   /* smg_clock_now() at which it is over; SMG_NEVER for none */
    atomic_int *cancel; /* set to 1 by another thread; NULL for none */
} smg_stop;

/* SMIDGE_OK, SMIDGE_E_DEADLINE or SMIDGE_E_CANCELLED, as things stand now. `stop` may be NULL. */
smidge_status smg_stop_check(const smg_stop *stop);
/* Adds the message that belongs to DEADLINE and CANCELLED; other statuses pass through. */
smidge_status smg_stop_explain(smidge_status status, const char *where, smidge_error *error) SMG_MUST_CHECK;
/* Both. */
smidge_status smg_stop_report(const smg_stop *stop, const char *where, smidge_error *error) SMG_MUST_CHECK;

typedef struct smg_pool smg_pool;

typedef struct smg_worker {
    _Alignas(64) smg_pool *pool; /* in cache lines of their own: each writes only what is its own */
    int index;                   /* 0 .. count-1 */
    int count;
    /* Of the pool: */
    unsigned phase; /* that this worker is in */
    int64_t total;  /* units of it; 0: none asked for yet */
    int64_t taken;  /* by this worker */
    int64_t running_since;
} smg_worker;

typedef void (*smg_pool_fn)(void *context, smg_worker *worker);

/* `threads` in 1 .. SMG_THREADS_MAX. Errors: SMIDGE_E_INVALID, SMIDGE_E_NOMEM. */
smidge_status smg_pool_new(int threads, smg_pool **ret_pool, smidge_error *error) SMG_MUST_CHECK;
void smg_pool_free(smg_pool *pool);
int smg_pool_threads(const smg_pool *pool);

/* Waits until this caller is the waiting one with the earliest deadline and the pool is free.
 * SMIDGE_E_DEADLINE or SMIDGE_E_CANCELLED when that comes first; then the pool is not held. */
smidge_status smg_pool_acquire(smg_pool *pool, const smg_stop *stop) SMG_MUST_CHECK;
void smg_pool_release(smg_pool *pool);
/* Makes every waiting caller look at its cancel flag. Any thread. */
void smg_pool_kick(smg_pool *pool);

/* Runs fn and returns when all is done and no worker is inside fn. The pool must be held. Returns SMIDGE_OK, or
 * why it was stopped. */
smidge_status smg_pool_run(smg_pool *pool, smg_pool_fn fn, void *context, const smg_stop *stop)
    SMG_MUST_CHECK;

/* Waits until the units handed out since the last barrier, or since fn began, are done; true when the run was stopped
 * and fn must return. Where no units were asked for, it waits for nothing. */
bool smg_worker_barrier(smg_worker *worker) SMG_MUST_CHECK;
/* Takes the next `step` of `total` units of work: *ret_begin .. *ret_end. False when none is left or the
 * run was stopped. Units are handed out once between two barriers; `total` is below 2^32 and the same for all. */
bool smg_worker_next(smg_worker *worker, int64_t total, int64_t step, int64_t *ret_begin, int64_t *ret_end);

/* Which of `total` units number `n` stands for, if workers that take turns are to stay with neighbours each: what one fetches ahead at
 * a unit's end is then its own next one. */
static inline int64_t smg_worker_place(const smg_worker *worker, int64_t n, int64_t total)
{
    const int64_t share = total / worker->count,
                  longer = total % worker->count; /* so many shares are longer by one */
    const int64_t turn = n % worker->count;
    return turn * share + (turn < longer ? turn : longer) + n / worker->count;
}

/* Physical cores this process may run on, at least 1. */
int smg_thread_cores(void);

#endif
