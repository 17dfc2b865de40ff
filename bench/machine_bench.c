/* What this machine can do at most, for each number of threads: reading memory in order, and 8-bit dot products.
 *
 *     machine_bench BYTES THREADS...      BYTES: what a decoded token reads of the weights
 *
 * Prints lines `test threads value unit`: `read` of a buffer twice as large as the last cache, at least 512 MiB; `read-weights`
 * of one of BYTES, of which a large cache may hold a part; `dot` of the vector units, `dot-matrix` of a matrix unit
 * where there is one. Each is the best of several tries.
 */
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "bench_plan.h"
#include "fit/read_range.h"
#include "machine_bench/dot_peak.h"

#define MIB 1048576.0
#define TRY_SECONDS 0.15

enum { MAX_THREADS = 256, TRIES = 5, LINE = 64 };

typedef struct worker worker;

typedef struct work {
    worker *workers;
    pthread_barrier_t begin;
    pthread_barrier_t end;
    int threads;
    const unsigned char *data; /* NULL: dot products */
    size_t bytes;
    const dot_loop *loop;
    uint64_t rounds;
    bool done;
} work;

struct worker {
    work *work;
    int number;
    pthread_t thread;
    double began;
    double ended;
};

static void *run_worker(void *argument)
{
    worker *self = argument;
    work *job = self->work;
    for (;;) {
        pthread_barrier_wait(&job->begin);
        if (job->done)
            return NULL;
        self->began = plan_now();
        if (job->data == NULL) {
            job->loop->run(job->rounds);
        } else {
            size_t share = job->bytes / (size_t)job->threads / LINE * LINE;
            smg_read_range(job->data + share * (size_t)self->number, share);
        }
        self->ended = plan_now();
        pthread_barrier_wait(&job->end);
    }
}

/* Seconds from when the first worker began until the last was done: by their own clocks, since this thread may be woken
 * long after. */
static double run_once(work *job)
{
    pthread_barrier_wait(&job->begin);
    pthread_barrier_wait(&job->end);
    double began = job->workers[0].began;
    double ended = job->workers[0].ended;
    for (int i = 1; i < job->threads; i++) {
        began = job->workers[i].began < began ? job->workers[i].began : began;
        ended = job->workers[i].ended > ended ? job->workers[i].ended : ended;
    }
    return ended - began;
}

/* The shortest of some tries; the first of all is not counted. */
static double run_best(work *job)
{
    double best = 0.0;
    (void)run_once(job);
    double until = plan_now() + TRY_SECONDS;
    for (int i = 0; i < TRIES || plan_now() < until; i++) {
        double took = run_once(job);
        best = i == 0 || took < best ? took : best;
    }
    return best;
}

static void measure_read(work *job, const char *name, const unsigned char *data, size_t bytes)
{
    job->data = data;
    job->bytes = bytes;
    plan_sample(name, job->threads, (double)bytes / run_best(job) / 1e9, "GB/s");
    job->data = NULL;
}

static void measure_dot(work *job, const char *name, const dot_loop *loop)
{
    if (loop == NULL)
        return;
    job->loop = loop;
    job->rounds = 1000;
    while (run_once(job) < 0.01)
        job->rounds *= 2;
    plan_sample(name, job->threads,
                2.0 * loop->products * (double)job->rounds * job->threads / run_best(job) / 1e9, "GOP/s");
}

static void measure(const unsigned char *data, size_t large, size_t weights, int threads)
{
    static worker workers[MAX_THREADS];
    work job = {.workers = workers, .threads = threads};
    pthread_barrier_init(&job.begin, NULL, (unsigned)threads + 1);
    pthread_barrier_init(&job.end, NULL, (unsigned)threads + 1);
    for (int i = 0; i < threads; i++) {
        workers[i] = (worker){.work = &job, .number = i};
        if (pthread_create(&workers[i].thread, NULL, run_worker, &workers[i]) != 0) {
            fputs("machine_bench: the system gives no thread\n", stderr);
            exit(1);
        }
    }
    measure_read(&job, "read", data, large);
    measure_read(&job, "read-weights", data, weights);
    measure_dot(&job, "dot", dot_peak_vector());
    measure_dot(&job, "dot-matrix", dot_peak_matrix());
    job.done = true;
    pthread_barrier_wait(&job.begin);
    for (int i = 0; i < threads; i++)
        pthread_join(workers[i].thread, NULL);
    pthread_barrier_destroy(&job.begin);
    pthread_barrier_destroy(&job.end);
}

/* Bytes that may be taken without trouble. */
static size_t half_of_memory(void)
{
    long pages = sysconf(_SC_AVPHYS_PAGES);
    long page = sysconf(_SC_PAGESIZE);
    return pages > 0 && page > 0 ? (size_t)pages / 2 * (size_t)page : (size_t)512 << 20;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

int main(int argc, char **argv)
{
    if (argc < 3 || atoll(argv[1]) < 1) {
        fputs("usage: machine_bench BYTES THREADS...\n", stderr);
        return 2;
    }
    long cache = sysconf(_SC_LEVEL3_CACHE_SIZE);
    size_t large = (size_t)512 << 20;
    if (cache > 0 && 2 * (size_t)cache > large)
        large = 2 * (size_t)cache;
    size_t limit = half_of_memory();
    size_t weights = least((size_t)atoll(argv[1]), limit);
    large = least(large, limit);
    size_t bytes = large > weights ? large : weights;
    unsigned char *data = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED) {
        fprintf(stderr, "machine_bench: no memory for %.0f MiB\n", (double)bytes / MIB);
        return 1;
    }
    (void)madvise(data, bytes, MADV_HUGEPAGE);
    memset(data, 1, bytes); /* not zeros, of which a kernel may keep one page for all */
    for (int i = 2; i < argc; i++) {
        int threads = atoi(argv[i]);
        if (threads >= 1 && threads <= MAX_THREADS)
            measure(data, large, weights, threads);
    }
    munmap(data, bytes);
    return 0;
}
