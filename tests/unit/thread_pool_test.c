/* The thread pool. What workers find is noted and checked afterwards: an assertion in a worker would leave
 * through another thread's stack. */
#include "base/thread.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "test_support.h"

#define MILLISECOND INT64_C(1000000)
#define SECOND INT64_C(1000000000)

static const int thread_counts[] = {1, 2, 3, 8};
#define THREAD_COUNTS (sizeof thread_counts / sizeof *thread_counts)

static smg_pool *new_pool(int threads)
{
    smg_pool *pool = NULL;
    assert_int_equal(smg_pool_new(threads, &pool, NULL), SMIDGE_OK);
    assert_non_null(pool);
    return pool;
}

static void acquire(smg_pool *pool)
{
    assert_int_equal(smg_pool_acquire(pool, NULL), SMIDGE_OK);
}

/* ---- Sharing out work ---------------------------------------------------------------------------------- */

#define UNITS 1000

typedef struct share_out {
    int64_t total;
    int64_t step;
    atomic_int taken[UNITS];
    atomic_int outside; /* ranges that are empty, too long or out of bounds */
    atomic_int seen[SMG_THREADS_MAX];
} share_out;

static void take_all(void *context, smg_worker *worker)
{
    share_out *share = context;
    int64_t begin;
    int64_t end;
    atomic_fetch_add(&share->seen[worker->index], 1);
    while (smg_worker_next(worker, share->total, share->step, &begin, &end)) {
        if (begin < 0 || end <= begin || end > share->total || end - begin > share->step) {
            atomic_fetch_add(&share->outside, 1);
            return;
        }
        for (int64_t i = begin; i < end; i++)
            atomic_fetch_add(&share->taken[i], 1);
    }
}

static void check_share_out(smg_pool *pool, int64_t total, int64_t step)
{
    static share_out share;
    memset(&share, 0, sizeof share);
    share.total = total;
    share.step = step;
    acquire(pool);
    assert_int_equal(smg_pool_run(pool, take_all, &share, NULL), SMIDGE_OK);
    smg_pool_release(pool);
    assert_int_equal(share.outside, 0);
    for (int64_t i = 0; i < UNITS; i++)
        assert_int_equal(share.taken[i], i < total);
    assert_int_equal(share.seen[0], 1); /* the others may come too late, or look in twice */
    for (int i = smg_pool_threads(pool); i < SMG_THREADS_MAX; i++)
        assert_int_equal(share.seen[i], 0);
}

static void test_work_is_handed_out_exactly_once(void **state)
{
    (void)state;
    static const int64_t steps[] = {1, 7, 999, 1000, 5000};
    for (size_t i = 0; i < THREAD_COUNTS; i++) {
        smg_pool *pool = new_pool(thread_counts[i]);
        assert_int_equal(smg_pool_threads(pool), thread_counts[i]);
        for (int round = 0; round < 20; round++) {
            for (size_t s = 0; s < sizeof steps / sizeof *steps; s++)
                check_share_out(pool, UNITS, steps[s]);
            check_share_out(pool, 1, 1);
            check_share_out(pool, 0, 1);
        }
        smg_pool_free(pool);
    }
}

/* ---- Barriers ------------------------------------------------------------------------------------------ */

#define CELLS 61
#define PHASES 300

typedef struct ring {
    uint64_t cells[2][CELLS]; /* plain memory: only the barrier makes it safe */
    atomic_int stopped;
} ring;

static uint64_t mix(const uint64_t *from, int64_t i)
{
    return from[i] * 3 + from[(i + 1) % CELLS] + from[(i + CELLS - 1) % CELLS] + 1;
}

static void turn_ring(void *context, smg_worker *worker)
{
    ring *round = context;
    for (int phase = 0; phase < PHASES; phase++) {
        const uint64_t *from = round->cells[phase % 2];
        uint64_t *to = round->cells[1 - phase % 2];
        int64_t begin;
        int64_t end;
        while (smg_worker_next(worker, CELLS, 4, &begin, &end)) {
            for (int64_t i = begin; i < end; i++)
                to[i] = mix(from, i);
        }
        if (smg_worker_barrier(worker)) {
            atomic_fetch_add(&round->stopped, 1);
            return;
        }
    }
}

static void test_phases_see_what_the_others_wrote(void **state)
{
    (void)state;
    ring expected = {0};
    for (int phase = 0; phase < PHASES; phase++) {
        for (int64_t i = 0; i < CELLS; i++)
            expected.cells[1 - phase % 2][i] = mix(expected.cells[phase % 2], i);
    }
    for (size_t i = 0; i < THREAD_COUNTS; i++) {
        smg_pool *pool = new_pool(thread_counts[i]);
        for (int round = 0; round < 5; round++) {
            ring got = {0};
            acquire(pool);
            assert_int_equal(smg_pool_run(pool, turn_ring, &got, NULL), SMIDGE_OK);
            smg_pool_release(pool);
            assert_int_equal(got.stopped, 0);
            assert_memory_equal(got.cells, expected.cells, sizeof got.cells);
        }
        smg_pool_free(pool);
    }
}

/* Runs that follow at once upon each other, with next to nothing in them. */
static void add_units(void *context, smg_worker *worker)
{
    uint64_t *sums = context;
    int64_t begin;
    int64_t end;
    while (smg_worker_next(worker, SMG_THREADS_MAX, 60, &begin, &end)) {
        for (int64_t i = begin; i < end; i++)
            sums[i] += (uint64_t)i + 1;
    }
}

static void test_many_short_runs(void **state)
{
    (void)state;
    uint64_t runs = (uint64_t)smg_test_repeats(20000);
    for (size_t i = 0; i < THREAD_COUNTS; i++) {
        uint64_t sums[SMG_THREADS_MAX] = {0};
        smg_pool *pool = new_pool(thread_counts[i]);
        acquire(pool);
        for (uint64_t run = 0; run < runs; run++)
            assert_int_equal(smg_pool_run(pool, add_units, sums, NULL), SMIDGE_OK);
        smg_pool_release(pool);
        for (uint64_t unit = 0; unit < SMG_THREADS_MAX; unit++)
            assert_int_equal(sums[unit], runs * (unit + 1));
        smg_pool_free(pool);
    }
}

static void test_pools_come_and_go_unused(void **state)
{
    (void)state;
    uint64_t live = smg_alloc_live_blocks();
    for (int i = 0; i < 50; i++)
        smg_pool_free(new_pool(thread_counts[i % THREAD_COUNTS]));
    smg_pool_free(NULL);
    assert_int_equal(smg_alloc_live_blocks(), live);
}

static void test_a_pool_without_sense_is_refused(void **state)
{
    (void)state;
    static const int counts[] = {0, -1, SMG_THREADS_MAX + 1, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        smg_pool *pool = NULL;
        smidge_error error = {0};
        assert_int_equal(smg_pool_new(counts[i], &pool, &error), SMIDGE_E_INVALID);
        assert_null(pool);
        assert_non_null(strstr(error.message, "between 1 and 64"));
    }
    smg_pool *pool = NULL;
    smg_alloc_fail_at(1);
    assert_int_equal(smg_pool_new(2, &pool, NULL), SMIDGE_E_NOMEM);
    smg_alloc_fail_at(0);
    assert_null(pool);
}

/* Workers that are held up at random, with and without a unit, as if their processors were needed elsewhere: the
 * others go on without them, and they find their way to the phase at hand. */
typedef struct delayed {
    ring ring;
    atomic_int units;
    _Atomic(uint64_t) random;
} delayed;

static void hold_up(delayed *work)
{
    uint64_t random = atomic_fetch_add(&work->random, 1);
    random = smg_test_random(&random);
    if (random % 256 == 0)
        usleep((useconds_t)(random >> 8) % 500);
    else if (random % 16 == 0)
        sched_yield();
}

static void turn_ring_held_up(void *context, smg_worker *worker)
{
    delayed *work = context;
    for (int phase = 0; phase < PHASES; phase++) {
        const uint64_t *from = work->ring.cells[phase % 2];
        uint64_t *to = work->ring.cells[1 - phase % 2];
        int64_t begin;
        int64_t end;
        hold_up(work);
        while (smg_worker_next(worker, CELLS, 7, &begin, &end)) {
            for (int64_t i = begin; i < end; i++)
                to[i] = mix(from, i);
            atomic_fetch_add(&work->units, (int)(end - begin));
            hold_up(work);
        }
        if (smg_worker_barrier(worker)) {
            atomic_fetch_add(&work->ring.stopped, 1);
            return;
        }
        if (phase % 5 == 0 && smg_worker_barrier(worker)) /* nothing to share out: nobody waits */
            return;
    }
}

static void test_who_is_held_up_finds_the_phase_at_hand(void **state)
{
    (void)state;
    ring expected = {0};
    for (int phase = 0; phase < PHASES; phase++) {
        for (int64_t i = 0; i < CELLS; i++)
            expected.cells[1 - phase % 2][i] = mix(expected.cells[phase % 2], i);
    }
    for (size_t i = 0; i < THREAD_COUNTS; i++) {
        smg_pool *pool = new_pool(thread_counts[i]);
        acquire(pool);
        for (int round = 0; round < smg_test_repeats(20); round++) {
            delayed got = {.random = (uint64_t)round * 1000003};
            assert_int_equal(smg_pool_run(pool, turn_ring_held_up, &got, NULL), SMIDGE_OK);
            assert_int_equal(got.ring.stopped, 0);
            assert_int_equal(got.units, PHASES * CELLS);
            assert_memory_equal(got.ring.cells, expected.cells, sizeof expected.cells);
        }
        smg_pool_release(pool);
        smg_pool_free(pool);
    }
}

/* Worker 0 waits outside any unit for the others to finish the phase. */
static void leave_it_to_the_others(void *context, smg_worker *worker)
{
    atomic_int *phases = context;
    int64_t begin;
    int64_t end;
    for (int phase = 0; phase < 3; phase++) {
        for (int wait = 0; worker->index == 0 && atomic_load(phases) < 3 && wait < 20000; wait++)
            usleep(200);
        while (smg_worker_next(worker, 10, 1, &begin, &end))
            atomic_fetch_add(phases, end == 10);
        if (smg_worker_barrier(worker))
            return;
    }
}

static void test_nobody_waits_for_who_holds_nothing(void **state)
{
    (void)state;
    atomic_int phases = 0;
    smg_pool *pool = new_pool(2);
    acquire(pool);
    assert_int_equal(smg_pool_run(pool, leave_it_to_the_others, &phases, NULL), SMIDGE_OK);
    smg_pool_release(pool);
    smg_pool_free(pool);
    assert_int_equal(phases, 3);
}

/* ---- Stopping ------------------------------------------------------------------------------------------ */

typedef struct endless {
    atomic_int begun;
    atomic_int left;
    atomic_int after; /* units handed out to one who had been told to stop */
} endless;

static void run_for_ever(void *context, smg_worker *worker)
{
    endless *work = context;
    int64_t begin;
    int64_t end;
    atomic_fetch_add(&work->begun, 1);
    do {
        while (smg_worker_next(worker, 16, 1, &begin, &end))
            continue;
    } while (!smg_worker_barrier(worker));
    atomic_fetch_add(&work->after, smg_worker_next(worker, 16, 1, &begin, &end));
    atomic_fetch_add(&work->left, 1);
}

/* Also those who came late, before the run returned. */
static void check_all_left(const endless *work)
{
    assert_int_equal(work->left, work->begun);
    assert_int_equal(work->after, 0);
}

static void test_a_deadline_stops_all_workers(void **state)
{
    (void)state;
    for (size_t i = 0; i < THREAD_COUNTS; i++) {
        smg_pool *pool = new_pool(thread_counts[i]);
        for (int round = 0; round < 5; round++) {
            endless work = {0};
            acquire(pool);
            /* On a busy machine a deadline can pass before the run begins: then a later one. */
            for (int64_t wait = 10 * MILLISECOND; work.begun == 0; wait *= 2) {
                smg_stop stop = {.deadline = smg_clock_now() + wait};
                assert_int_equal(smg_pool_run(pool, run_for_ever, &work, &stop), SMIDGE_E_DEADLINE);
                assert_true(smg_clock_now() >= stop.deadline);
            }
            smg_pool_release(pool);
            check_all_left(&work);
            check_share_out(pool, UNITS, 3); /* and the pool works on */
        }
        smg_pool_free(pool);
    }
}

typedef struct canceller {
    endless *work;
    atomic_int cancel;
} canceller;

/* Not before the run has begun: on a busy machine that can take any time. */
static void *cancel_soon(void *argument)
{
    canceller *self = argument;
    while (atomic_load(&self->work->begun) == 0)
        usleep(200);
    usleep(5000);
    atomic_store(&self->cancel, 1);
    return NULL;
}

static void test_cancelling_stops_all_workers(void **state)
{
    (void)state;
    for (size_t i = 0; i < THREAD_COUNTS; i++) {
        smg_pool *pool = new_pool(thread_counts[i]);
        for (int round = 0; round < 5; round++) {
            endless work = {0};
            canceller self = {.work = &work};
            smg_stop stop = {.deadline = SMG_NEVER, .cancel = &self.cancel};
            pthread_t other;
            acquire(pool);
            assert_int_equal(pthread_create(&other, NULL, cancel_soon, &self), 0);
            assert_int_equal(smg_pool_run(pool, run_for_ever, &work, &stop), SMIDGE_E_CANCELLED);
            pthread_join(other, NULL);
            smg_pool_release(pool);
            check_all_left(&work);
            check_share_out(pool, UNITS, 3);
        }
        smg_pool_free(pool);
    }
}

static void test_what_is_over_already_does_not_begin(void **state)
{
    (void)state;
    atomic_int cancel = 1;
    const smg_stop late = {.deadline = smg_clock_now() - 1};
    const smg_stop cancelled = {.deadline = SMG_NEVER, .cancel = &cancel};
    smg_pool *pool = new_pool(2);
    assert_int_equal(smg_pool_acquire(pool, &late), SMIDGE_E_DEADLINE);
    assert_int_equal(smg_pool_acquire(pool, &cancelled), SMIDGE_E_CANCELLED);
    acquire(pool); /* neither holds it */
    endless work = {0};
    assert_int_equal(smg_pool_run(pool, run_for_ever, &work, &late), SMIDGE_E_DEADLINE);
    assert_int_equal(smg_pool_run(pool, run_for_ever, &work, &cancelled), SMIDGE_E_CANCELLED);
    assert_int_equal(work.begun, 0);
    smg_pool_release(pool);
    smg_pool_free(pool);
}

static void test_a_stop_says_why(void **state)
{
    (void)state;
    atomic_int cancel = 0;
    smg_stop stop = {.deadline = SMG_NEVER, .cancel = &cancel};
    smidge_error error = {0};
    assert_int_equal(smg_stop_check(NULL), SMIDGE_OK);
    assert_int_equal(smg_stop_check(&stop), SMIDGE_OK);
    assert_int_equal(smg_stop_report(&stop, "x", &error), SMIDGE_OK);
    assert_string_equal(error.message, "");
    stop.deadline = smg_clock_now() + 1000 * SECOND;
    assert_int_equal(smg_stop_check(&stop), SMIDGE_OK);
    stop.deadline = smg_clock_now();
    assert_int_equal(smg_stop_report(&stop, "classify", &error), SMIDGE_E_DEADLINE);
    assert_string_equal(error.where, "classify");
    assert_non_null(strstr(error.message, "deadline"));
    cancel = 1; /* whoever cancels wants to hear of it */
    assert_int_equal(smg_stop_report(&stop, "x", &error), SMIDGE_E_CANCELLED);
    assert_non_null(strstr(error.message, "cancelled"));
}

/* ---- The queue ----------------------------------------------------------------------------------------- */

typedef struct client {
    smg_pool *pool;
    smg_stop stop;
    pthread_t thread;
    atomic_int thread_id; /* of the kernel; 0 until it is about to wait */
    smidge_status status;
    int turn; /* 1 for the first that got the pool */
    int *turns;
} client;

static void *client_main(void *argument)
{
    client *self = argument;
    atomic_store(&self->thread_id, (int)syscall(SYS_gettid));
    self->status = smg_pool_acquire(self->pool, &self->stop);
    if (self->status == SMIDGE_OK) {
        self->turn = ++*self->turns; /* guarded by the pool itself */
        smg_pool_release(self->pool);
    }
    return NULL;
}

static bool asleep(int thread_id)
{
    char path[64];
    char text[256] = "";
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", thread_id);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    size_t size = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    const char *name_end = size > 0 ? strrchr(text, ')') : NULL;
    return name_end != NULL && name_end[1] == ' ' && name_end[2] == 'S';
}

/* Starts a client and returns once it sleeps in the queue. The pool is held by the caller. */
static void start_client(client *each, smg_pool *pool, int64_t deadline, int *turns)
{
    each->pool = pool;
    each->stop.deadline = deadline;
    each->turns = turns;
    assert_int_equal(pthread_create(&each->thread, NULL, client_main, each), 0);
    int sleeping = 0;
    for (int64_t give_up = smg_clock_now() + 30 * SECOND; sleeping < 5 && smg_clock_now() < give_up;) {
        int thread_id = atomic_load(&each->thread_id);
        sleeping = thread_id != 0 && asleep(thread_id) ? sleeping + 1 : 0;
        usleep(2000);
    }
}

static void test_the_earliest_deadline_goes_first(void **state)
{
    (void)state;
    int64_t now = smg_clock_now();
    /* The same deadline: who came first. No deadline: last. */
    const int64_t deadlines[] = {SMG_NEVER,          now + 900 * SECOND, now + 500 * SECOND,
                                 now + 900 * SECOND, SMG_NEVER,          now + 700 * SECOND};
    const int turns_expected[] = {5, 3, 1, 4, 6, 2};
    client clients[6];
    memset(clients, 0, sizeof clients);
    int turns = 0;
    smg_pool *pool = new_pool(2);
    acquire(pool);
    for (int i = 0; i < 6; i++)
        start_client(&clients[i], pool, deadlines[i], &turns);
    smg_pool_release(pool);
    for (int i = 0; i < 6; i++)
        pthread_join(clients[i].thread, NULL);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(clients[i].status, SMIDGE_OK);
        assert_int_equal(clients[i].turn, turns_expected[i]);
    }
    acquire(pool);
    smg_pool_release(pool);
    smg_pool_free(pool);
}

static void test_who_waited_too_long_leaves_the_queue(void **state)
{
    (void)state;
    client clients[3];
    memset(clients, 0, sizeof clients);
    int turns = 0;
    smg_pool *pool = new_pool(2);
    acquire(pool);
    int64_t now = smg_clock_now();
    start_client(&clients[0], pool, now + 900 * SECOND, &turns);
    start_client(&clients[1], pool, now + 500 * SECOND, &turns);
    clients[2].pool = pool;
    clients[2].turns = &turns;
    clients[2].stop.deadline = smg_clock_now() + 30 * MILLISECOND; /* the first in the queue */
    assert_int_equal(pthread_create(&clients[2].thread, NULL, client_main, &clients[2]), 0);
    pthread_join(clients[2].thread, NULL); /* while the pool is held */
    assert_int_equal(clients[2].status, SMIDGE_E_DEADLINE);
    assert_true(smg_clock_now() >= clients[2].stop.deadline);
    smg_pool_release(pool);
    pthread_join(clients[0].thread, NULL);
    pthread_join(clients[1].thread, NULL);
    assert_int_equal(clients[0].turn, 2);
    assert_int_equal(clients[1].turn, 1);
    smg_pool_free(pool);
}

static void test_who_is_cancelled_leaves_the_queue(void **state)
{
    (void)state;
    client clients[3];
    atomic_int cancel[3] = {0, 0, 0};
    memset(clients, 0, sizeof clients);
    int turns = 0;
    smg_pool *pool = new_pool(2);
    acquire(pool);
    for (int i = 0; i < 3; i++) {
        clients[i].stop.cancel = &cancel[i];
        start_client(&clients[i], pool, SMG_NEVER, &turns);
    }
    smg_pool_kick(pool); /* without a reason: nobody leaves */
    usleep(20000);
    atomic_store(&cancel[1], 1);
    smg_pool_kick(pool);
    pthread_join(clients[1].thread, NULL); /* while the pool is held */
    assert_int_equal(clients[1].status, SMIDGE_E_CANCELLED);
    assert_int_equal(turns, 0);
    smg_pool_release(pool);
    pthread_join(clients[0].thread, NULL);
    pthread_join(clients[2].thread, NULL);
    assert_int_equal(clients[0].turn, 1);
    assert_int_equal(clients[2].turn, 2);
    smg_pool_free(pool);
}

/* ---- All at once --------------------------------------------------------------------------------------- */

#define HAMMERS 8

typedef struct hammer {
    smg_pool *pool;
    pthread_t thread;
    int number;
    int rounds;
    int *inside; /* guarded by the pool alone */
    uint64_t *runs;
    int done;
    int late;
    int wrong;
    atomic_int_fast64_t units;
} hammer;

static void count_units(void *context, smg_worker *worker)
{
    hammer *self = context;
    int64_t begin;
    int64_t end;
    for (int phase = 0; phase < 3; phase++) {
        while (smg_worker_next(worker, 100, 9, &begin, &end))
            atomic_fetch_add_explicit(&self->units, end - begin, memory_order_relaxed);
        if (smg_worker_barrier(worker))
            return;
    }
}

static void *hammer_main(void *argument)
{
    hammer *self = argument;
    uint64_t random = (uint64_t)self->number;
    for (int i = 0; i < self->rounds; i++) {
        uint64_t kind = smg_test_random(&random);
        int64_t patience = kind % 4 == 0 ? (int64_t)(kind >> 8) % (200 * 1000) : 100 * SECOND;
        smg_stop stop = {.deadline = kind % 4 == 1 ? SMG_NEVER : smg_clock_now() + patience};
        smidge_status status = smg_pool_acquire(self->pool, &stop);
        if (status == SMIDGE_OK) {
            self->wrong += ++*self->inside != 1;
            atomic_store(&self->units, 0);
            status = smg_pool_run(self->pool, count_units, self, &stop);
            self->wrong += status == SMIDGE_OK && self->units != 300;
            ++*self->runs;
            self->wrong += --*self->inside != 0;
            smg_pool_release(self->pool);
        }
        self->done += status == SMIDGE_OK;
        self->late += status == SMIDGE_E_DEADLINE;
        if (kind % 16 == 5)
            smg_pool_kick(self->pool);
    }
    return NULL;
}

static void test_many_clients_at_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < THREAD_COUNTS; i++) {
        smg_pool *pool = new_pool(thread_counts[i]);
        hammer hammers[HAMMERS];
        memset(hammers, 0, sizeof hammers);
        int inside = 0;
        uint64_t runs = 0;
        int rounds = smg_test_repeats(2000);
        for (int h = 0; h < HAMMERS; h++) {
            hammers[h].pool = pool;
            hammers[h].number = h;
            hammers[h].rounds = rounds;
            hammers[h].inside = &inside;
            hammers[h].runs = &runs;
            assert_int_equal(pthread_create(&hammers[h].thread, NULL, hammer_main, &hammers[h]), 0);
        }
        uint64_t done = 0;
        for (int h = 0; h < HAMMERS; h++) {
            pthread_join(hammers[h].thread, NULL);
            assert_int_equal(hammers[h].wrong, 0);
            assert_int_equal(hammers[h].done + hammers[h].late, rounds); /* no other answer */
            done += (uint64_t)hammers[h].done;
        }
        assert_true(runs >= done);
        assert_true(done > 0);
        check_share_out(pool, UNITS, 3);
        smg_pool_free(pool);
    }
}

static void test_there_is_at_least_one_core(void **state)
{
    (void)state;
    int cores = smg_thread_cores();
    assert_in_range(cores, 1, sysconf(_SC_NPROCESSORS_ONLN));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_work_is_handed_out_exactly_once),
        cmocka_unit_test(test_phases_see_what_the_others_wrote),
        cmocka_unit_test(test_many_short_runs),
        cmocka_unit_test(test_who_is_held_up_finds_the_phase_at_hand),
        cmocka_unit_test(test_nobody_waits_for_who_holds_nothing),
        cmocka_unit_test(test_pools_come_and_go_unused),
        cmocka_unit_test(test_a_pool_without_sense_is_refused),
        cmocka_unit_test(test_a_deadline_stops_all_workers),
        cmocka_unit_test(test_cancelling_stops_all_workers),
        cmocka_unit_test(test_what_is_over_already_does_not_begin),
        cmocka_unit_test(test_a_stop_says_why),
        cmocka_unit_test(test_the_earliest_deadline_goes_first),
        cmocka_unit_test(test_who_waited_too_long_leaves_the_queue),
        cmocka_unit_test(test_who_is_cancelled_leaves_the_queue),
        cmocka_unit_test(test_many_clients_at_once),
        cmocka_unit_test(test_there_is_at_least_one_core),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
