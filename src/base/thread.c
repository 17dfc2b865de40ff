#include "base/thread.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"

/* Long enough to bridge the gap between two phases of a layer, short enough not to matter on a battery. */
#define SPIN_NANOSECONDS 50000
#define SPINS_BETWEEN_CLOCKS 32

/* More than smidge.h asks of callers, whatever the C library gives by itself. */
#define STACK_BYTES (1 << 20)

/* Less than kernels let a thread run while another one waits for its processor: some 3 ms. */
#define TURN_NANOSECONDS 2000000

/* A caller of smg_pool_acquire, on its own stack while it waits. */
typedef struct waiter {
    struct waiter *next;
    int64_t deadline;
    bool granted;
    pthread_cond_t wake;
} waiter;

/* A word that threads wait on until it changes: they spin for a moment, then sleep in the kernel. */
typedef struct gate {
    atomic_uint value;
    atomic_int sleepers;
} gate;

/* In the crew's value, beside the number of workers inside fn: nobody may enter. */
#define CREW_CLOSED 0x80000000U

struct smg_pool {
    int count;
    int started; /* threads that exist, for taking a half-built pool apart */
    int64_t spin;
    pthread_t threads[SMG_THREADS_MAX];
    smg_worker workers[SMG_THREADS_MAX];

    _Alignas(64) gate job; /* goes up with every run, and once more to quit */
    atomic_bool quit;
    gate crew; /* how many workers beside the caller are inside fn, and CREW_CLOSED between runs */
    smg_pool_fn fn;
    void *context;
    const smg_stop *stop;
    unsigned first_phase; /* of this run */
    atomic_int stopped;   /* a smidge_status */

    /* What workers tell each other while they work, in one cache line. */
    _Alignas(64) gate phase;  /* its number, which never goes back */
    _Atomic(uint64_t) handed; /* the same number, and how many of its units have been taken: see ticket */
    atomic_llong finished;    /* how many of them are done */

    pthread_mutex_t lock; /* guards what follows */
    waiter *waiting;      /* earliest deadline first, then first come */
    bool held;
};

/* ---- Stopping --------------------------------------------------------------------------------------- */

smidge_status smg_stop_check(const smg_stop *stop)
{
    if (stop == NULL)
        return SMIDGE_OK;
    if (stop->cancel != NULL && atomic_load_explicit(stop->cancel, memory_order_relaxed) != 0)
        return SMIDGE_E_CANCELLED;
    if (stop->deadline != SMG_NEVER && smg_clock_now() >= stop->deadline)
        return SMIDGE_E_DEADLINE;
    return SMIDGE_OK;
}

smidge_status smg_stop_explain(smidge_status status, const char *where, smidge_error *error)
{
    if (status == SMIDGE_E_DEADLINE)
        return smg_error_set(error, SMIDGE_E_DEADLINE, where,
                             "the deadline passed before the answer was there (allow more time, shorten the "
                             "prompt or take a smaller model)");
    if (status == SMIDGE_E_CANCELLED)
        return smg_error_set(error, SMIDGE_E_CANCELLED, where, "cancelled by the caller");
    return status;
}

smidge_status smg_stop_report(const smg_stop *stop, const char *where, smidge_error *error)
{
    return smg_stop_explain(smg_stop_check(stop), where, error);
}

/* ---- Waiting ---------------------------------------------------------------------------------------- */

static void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static bool passed(const gate *word, unsigned old)
{
    return atomic_load_explicit(&word->value, memory_order_acquire) != old;
}

static void gate_wait(gate *word, unsigned old, int64_t spin)
{
    int64_t until = 0;
    for (unsigned i = 1; spin > 0; i++) {
        if (passed(word, old))
            return;
        relax();
        if (i % SPINS_BETWEEN_CLOCKS != 0)
            continue;
        int64_t now = smg_clock_now();
        if (until == 0)
            until = now + spin;
        else if (now >= until)
            break;
    }
    /* Sequentially consistent on both sides: either the opener sees this sleeper, or the kernel sees the
     * new value and does not let it sleep. */
    atomic_fetch_add(&word->sleepers, 1);
    while (!passed(word, old))
        syscall(SYS_futex, &word->value, FUTEX_WAIT_PRIVATE, old, NULL, NULL, 0);
    atomic_fetch_sub(&word->sleepers, 1);
}

/* After the value was changed, sequentially consistently. */
static void gate_wake(gate *word)
{
    if (atomic_load(&word->sleepers) != 0)
        syscall(SYS_futex, &word->value, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

static void gate_open(gate *word)
{
    atomic_fetch_add(&word->value, 1);
    gate_wake(word);
}

/* ---- Phases -----------------------------------------------------------------------------------------
 * A phase is over when its units are done, whoever did them. A worker whose processor is needed elsewhere is waited
 * for only while it holds a unit; when it comes back it walks through the phases that it missed, in which nothing is
 * left to take, to the one at hand. */

static uint64_t ticket(unsigned phase, int64_t units)
{
    return (uint64_t)phase << 32 | (uint64_t)units;
}

static void begin_phase(smg_pool *pool, unsigned phase)
{
    atomic_store_explicit(&pool->finished, 0, memory_order_relaxed);
    atomic_store_explicit(&pool->handed, ticket(phase, 0), memory_order_release);
    atomic_store(&pool->phase.value, phase);
    gate_wake(&pool->phase);
}

/* What this worker took is done; who does the last of a phase begins the next. */
static void settle(smg_pool *pool, smg_worker *worker)
{
    int64_t taken = worker->taken;
    worker->taken = 0;
    if (taken > 0 &&
        atomic_fetch_add_explicit(&pool->finished, taken, memory_order_acq_rel) + taken == worker->total)
        begin_phase(pool, worker->phase + 1);
}

/* Who is made to leave its processor in the middle of a unit keeps everybody waiting until it is let back, for whole
 * milliseconds; so it leaves by itself, while it holds none. Where nobody else wants the processor this costs half
 * a microsecond. */
static void offer_processor(smg_worker *worker)
{
    if (smg_clock_now() - worker->running_since < TURN_NANOSECONDS)
        return;
    sched_yield();
    worker->running_since = smg_clock_now();
}

bool smg_worker_barrier(smg_worker *worker)
{
    smg_pool *pool = worker->pool;
    unsigned phase = worker->phase;
    settle(pool, worker);
    if (worker->total == 0) { /* whoever comes first takes a unit that is not there, and has done all */
        uint64_t none = ticket(phase, 0);
        if (atomic_compare_exchange_strong(&pool->handed, &none, ticket(phase, 1)))
            begin_phase(pool, phase + 1);
    }
    worker->phase = phase + 1;
    worker->total = 0;
    if (pool->count > 1)
        offer_processor(worker);
    gate_wait(&pool->phase, phase, pool->spin);
    return atomic_load_explicit(&pool->stopped, memory_order_relaxed) != SMIDGE_OK;
}

/* Why to stop now; noted for the others. */
static smidge_status why_stop(smg_pool *pool)
{
    smidge_status status = atomic_load_explicit(&pool->stopped, memory_order_relaxed);
    if (status != SMIDGE_OK)
        return status;
    status = smg_stop_check(pool->stop);
    if (status != SMIDGE_OK)
        atomic_store_explicit(&pool->stopped, status, memory_order_relaxed);
    return status;
}

bool smg_worker_next(smg_worker *worker, int64_t total, int64_t step, int64_t *ret_begin, int64_t *ret_end)
{
    smg_pool *pool = worker->pool;
    uint64_t handed = atomic_load_explicit(&pool->handed, memory_order_relaxed);
    worker->total = total;
    if (handed >> 32 != worker->phase || (int64_t)(uint32_t)handed >= total)
        return false;
    bool stop = why_stop(pool) != SMIDGE_OK;
    int64_t begin;
    int64_t end;
    do {
        begin = (uint32_t)handed;
        if (handed >> 32 != worker->phase || begin >= total)
            return false;
        /* To stop is to take all that is left and to do nothing with it: the phase then ends as ever. */
        end = stop || total - begin < step ? total : begin + step;
    } while (!atomic_compare_exchange_weak_explicit(&pool->handed, &handed, ticket(worker->phase, end),
                                                    memory_order_acquire, memory_order_relaxed));
    worker->taken += end - begin;
    *ret_begin = begin;
    *ret_end = end;
    return !stop;
}

/* ---- Runs ------------------------------------------------------------------------------------------- */

static void work(smg_pool *pool, smg_worker *worker)
{
    worker->phase = pool->first_phase;
    worker->total = 0;
    worker->taken = 0;
    pool->fn(pool->context, worker);
    settle(pool, worker); /* fn may have left without a barrier, while others wait at one */
}

static void *worker_main(void *argument)
{
    smg_worker *worker = argument;
    smg_pool *pool = worker->pool;
    for (unsigned seen = 0;;) {
        gate_wait(&pool->job, seen, pool->spin);
        seen = atomic_load(&pool->job.value);
        if (atomic_load(&pool->quit))
            return NULL;
        if ((atomic_fetch_add(&pool->crew.value, 1) & CREW_CLOSED) == 0)
            work(pool, worker);
        atomic_fetch_sub(&pool->crew.value, 1);
        gate_wake(&pool->crew);
    }
}

smidge_status smg_pool_run(smg_pool *pool, smg_pool_fn fn, void *context, const smg_stop *stop)
{
    SMG_TRY(smg_stop_check(stop));
    pool->fn = fn;
    pool->context = context;
    pool->stop = stop;
    /* The last run may have left its last phase unfinished. */
    pool->first_phase = atomic_load_explicit(&pool->phase.value, memory_order_relaxed) + 1;
    atomic_store_explicit(&pool->stopped, SMIDGE_OK, memory_order_relaxed);
    begin_phase(pool, pool->first_phase);
    if (pool->count > 1) {
        atomic_fetch_and(&pool->crew.value, ~CREW_CLOSED);
        gate_open(&pool->job);
    }
    work(pool, &pool->workers[0]);
    unsigned inside = atomic_fetch_or(&pool->crew.value, CREW_CLOSED) | CREW_CLOSED;
    for (; inside != CREW_CLOSED; inside = atomic_load(&pool->crew.value))
        gate_wait(&pool->crew, inside, pool->spin);
    return atomic_load_explicit(&pool->stopped, memory_order_relaxed);
}

/* ---- The pool and its queue ------------------------------------------------------------------------- */

static int processors(cpu_set_t *ret_set)
{
    CPU_ZERO(ret_set);
    if (sched_getaffinity(0, sizeof *ret_set, ret_set) != 0)
        return 1;
    return CPU_COUNT(ret_set);
}

smidge_status smg_pool_new(int threads, smg_pool **ret_pool, smidge_error *error)
{
    if (threads < 1 || threads > SMG_THREADS_MAX)
        return smg_error_set(error, SMIDGE_E_INVALID, "threads", "%d is not between 1 and %d", threads,
                             SMG_THREADS_MAX);
    smg_pool *pool = smg_alloc(sizeof *pool);
    if (pool == NULL)
        return smg_error_no_memory(error, "threads", sizeof *pool);
    cpu_set_t set;
    pool->count = threads;
    pool->started = 1;
    atomic_init(&pool->crew.value, CREW_CLOSED);
    /* With more threads than processors, whoever spins keeps the one it waits for from running. */
    pool->spin = threads <= processors(&set) ? SPIN_NANOSECONDS : 0;
    pthread_mutex_init(&pool->lock, NULL);
    for (int i = 0; i < threads; i++)
        pool->workers[i] = (smg_worker){.pool = pool, .index = i, .count = threads};
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    int failed = 0;
    while (pool->started < threads && failed == 0) {
        int i = pool->started;
        failed = pthread_create(&pool->threads[i], &attributes, worker_main, &pool->workers[i]);
        pool->started += failed == 0;
    }
    pthread_attr_destroy(&attributes);
    if (failed != 0) {
        const int number = pool->started + 1;
        smg_pool_free(pool);
        return smg_error_set(error, SMIDGE_E_NOMEM, "threads", "the system refused thread %d of %d: %s",
                             number, threads, strerror(failed));
    }
    *ret_pool = pool;
    return SMIDGE_OK;
}

void smg_pool_free(smg_pool *pool)
{
    if (pool == NULL)
        return;
    atomic_store(&pool->quit, true);
    gate_open(&pool->job);
    for (int i = 1; i < pool->started; i++)
        pthread_join(pool->threads[i], NULL);
    pthread_mutex_destroy(&pool->lock);
    smg_free(pool);
}

int smg_pool_threads(const smg_pool *pool)
{
    return pool->count;
}

static void enqueue(smg_pool *pool, waiter *self)
{
    waiter **place = &pool->waiting;
    while (*place != NULL && (*place)->deadline <= self->deadline)
        place = &(*place)->next;
    self->next = *place;
    *place = self;
}

static void dequeue(smg_pool *pool, const waiter *self)
{
    waiter **place = &pool->waiting;
    while (*place != self)
        place = &(*place)->next;
    *place = self->next;
}

static void wait_for_grant(smg_pool *pool, waiter *self)
{
    if (self->deadline == SMG_NEVER) {
        pthread_cond_wait(&self->wake, &pool->lock);
        return;
    }
    struct timespec until = {.tv_sec = (time_t)(self->deadline / 1000000000),
                             .tv_nsec = (long)(self->deadline % 1000000000)};
    pthread_cond_timedwait(&self->wake, &pool->lock, &until);
}

smidge_status smg_pool_acquire(smg_pool *pool, const smg_stop *stop)
{
    SMG_TRY(smg_stop_check(stop));
    pthread_mutex_lock(&pool->lock);
    if (!pool->held) { /* nobody waits either: whoever releases hands over */
        pool->held = true;
        pthread_mutex_unlock(&pool->lock);
        return SMIDGE_OK;
    }
    waiter self = {.deadline = stop != NULL ? stop->deadline : SMG_NEVER};
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&self.wake, &attributes);
    pthread_condattr_destroy(&attributes);
    enqueue(pool, &self);
    /* Again under the lock: a cancellation before it found nobody waiting to wake. */
    smidge_status status = smg_stop_check(stop);
    while (!self.granted && status == SMIDGE_OK) {
        wait_for_grant(pool, &self);
        status = self.granted ? SMIDGE_OK : smg_stop_check(stop);
    }
    if (!self.granted)
        dequeue(pool, &self);
    pthread_mutex_unlock(&pool->lock);
    pthread_cond_destroy(&self.wake);
    return status;
}

void smg_pool_release(smg_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    waiter *first = pool->waiting;
    if (first == NULL) {
        pool->held = false;
    } else { /* handed over, so that a newcomer cannot slip in between */
        pool->waiting = first->next;
        first->granted = true;
        pthread_cond_signal(&first->wake);
    }
    pthread_mutex_unlock(&pool->lock);
}

void smg_pool_kick(smg_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    for (waiter *each = pool->waiting; each != NULL; each = each->next)
        pthread_cond_signal(&each->wake);
    pthread_mutex_unlock(&pool->lock);
}

/* ---- Cores ------------------------------------------------------------------------------------------ */

/* The first hardware thread of the core that `cpu` belongs to; `cpu` itself when the kernel does not say. */
static int first_sibling(int cpu)
{
    char path[96];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return cpu;
    char line[64];
    char *end = line;
    long first = cpu;
    if (fgets(line, sizeof line, file) != NULL)
        first = strtol(line, &end, 10);
    fclose(file);
    return end != line && first >= 0 && first < CPU_SETSIZE ? (int)first : cpu;
}

int smg_thread_cores(void)
{
    cpu_set_t set;
    processors(&set);
    cpu_set_t cores;
    CPU_ZERO(&cores);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &set))
            continue;
        int core = first_sibling(cpu);
        if (core >= 0 && core < CPU_SETSIZE)
            CPU_SET(core, &cores);
    }
    int count = CPU_COUNT(&cores);
    return count < 1 ? 1 : count;
}
