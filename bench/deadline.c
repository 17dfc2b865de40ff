/* How late a call can be: deadlines that pass, and cancellations, at random moments of every phase.
 *
 *   deadline MODEL [TRIES]          default 100 tries a phase
 *
 * Phases: opening the model; prefill of a long prompt; decoding; waiting for the pool behind a session that
 * is busy with a long prompt of its own. Lateness is the time from the deadline (or from the call of
 * smidge_session_cancel) until the call has returned; after a cancellation also until another session can
 * have the pool. The status must be that of the stop each time. Exit status 1 if the worst of anything is
 * above 40 ms, or a status was wrong. */
#include <inttypes.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "engine/engine.h"

#define LIMIT_MS 40.0
#define MILLISECOND INT64_C(1000000)
#define BATCH 64
#define MOST_TOKENS 2048 /* of the long prompt */
#define ANSWER_TOKENS 400
#define MOST_WAIT (1500 * MILLISECOND) /* before a stop; long prompts take longer on a slow machine */

enum { PREFILL, DECODE, WAITING, PHASES };
static const char *const phase_names[] = {"prefill", "decode", "waiting"};

typedef struct bench {
    const char *path;
    int tries;
    int wrong;
    bool too_late;
    uint64_t random;
    smidge_model *model;
    smidge_session *session;
    smidge_session *other;
    char *prompt;
    size_t prompt_size;
} bench;

/* One call of smidge_generate in a thread of its own. */
typedef struct caller {
    pthread_t thread;
    smidge_session *session;
    smidge_span span;
    int32_t max_tokens;
    int64_t deadline_ns;
    int64_t answered_ns; /* the first text; 0: none came */
    int64_t returned_ns;
    smidge_status status;
    sem_t *decoding; /* posted with the first text; NULL: not */
} caller;

static _Noreturn void fail(const char *what, const smidge_error *error)
{
    fprintf(stderr, "deadline: %s: %s: %s\n", what, error->where, error->message);
    exit(1);
}

static uint64_t next_random(bench *run, uint64_t below)
{
    uint64_t z = run->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z ^ (z >> 31)) % below;
}

static void sleep_until(int64_t moment)
{
    struct timespec until = {.tv_sec = (time_t)(moment / 1000000000), .tv_nsec = (long)(moment % 1000000000)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) != 0)
        continue;
}

/* ---- Results ----------------------------------------------------------------------------------------- */

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static void report(bench *run, const char *what, const char *phase, double *ms, int count)
{
    if (count == 0) {
        printf("| %-8s | %-8s | no try was stopped in time to tell |\n", what, phase);
        run->wrong++;
        return;
    }
    qsort(ms, (size_t)count, sizeof *ms, by_size);
    printf("| %-8s | %-8s | %5d | %9.2f | %9.2f | %9.2f |\n", what, phase, count, ms[count / 2],
           ms[count * 95 / 100], ms[count - 1]);
    fflush(stdout);
    if (ms[count - 1] > LIMIT_MS)
        run->too_late = true;
}

static void expect(bench *run, const char *what, smidge_status status, smidge_status wanted)
{
    if (status == wanted)
        return;
    run->wrong++;
    printf("%s: status %s and not %s\n", what, smidge_status_name(status), smidge_status_name(wanted));
}

/* ---- Calls ------------------------------------------------------------------------------------------- */

static int on_text(void *user, const char *text, size_t size)
{
    caller *self = user;
    (void)text;
    (void)size;
    if (self->answered_ns == 0)
        self->answered_ns = smidge_now_ns();
    if (self->decoding != NULL)
        sem_post(self->decoding);
    self->decoding = NULL;
    return 0;
}

static void *call(void *user)
{
    caller *self = user;
    smidge_generate_options options;
    smidge_generate_options_init(&options);
    options.max_tokens = self->max_tokens;
    options.ignore_end = 1;
    options.deadline_ns = self->deadline_ns;
    options.on_text = on_text;
    options.user = self;
    self->status = smidge_generate(self->session, &self->span, 1, &options, NULL, NULL);
    self->returned_ns = smidge_now_ns();
    return NULL;
}

static void start(caller *self)
{
    int failed = pthread_create(&self->thread, NULL, call, self);
    if (failed != 0) {
        fprintf(stderr, "deadline: pthread_create: %s\n", strerror(failed));
        exit(1);
    }
}

static smidge_session *new_session(const bench *run)
{
    smidge_session_options options;
    smidge_session_options_init(&options);
    smidge_model_info info = {.size = sizeof info};
    smidge_model_describe(run->model, &info);
    options.context = info.context < MOST_TOKENS + ANSWER_TOKENS ? info.context : MOST_TOKENS + ANSWER_TOKENS;
    options.batch = BATCH;
    smidge_session *session = NULL;
    smidge_error error;
    if (smidge_session_new(run->model, &options, &session, &error) != SMIDGE_OK)
        fail("session", &error);
    return session;
}

/* As much text as the context holds beside an answer. */
static void make_prompt(bench *run)
{
    static const char line[] = "Pump 7: pressure 3.1 bar, usual 4.0 bar, temperature 81 C, usual 60 C. ";
    smidge_model_info info = {.size = sizeof info};
    smidge_model_describe(run->model, &info);
    size_t most = MOST_TOKENS;
    if ((size_t)info.context < MOST_TOKENS + ANSWER_TOKENS)
        most = (size_t)info.context - ANSWER_TOKENS;
    run->prompt = calloc(most + 1, sizeof line);
    size_t tokens = 0;
    smidge_error error;
    while (run->prompt != NULL) {
        memcpy(run->prompt + run->prompt_size, line, sizeof line - 1);
        const smidge_span span = {.text = run->prompt, .size = run->prompt_size + sizeof line - 1};
        if (smidge_tokenize(run->model, &span, 1, NULL, 0, &tokens, &error) != SMIDGE_OK)
            fail("prompt", &error);
        if (tokens > most)
            break;
        run->prompt_size += sizeof line - 1;
    }
    if (run->prompt == NULL || run->prompt_size == 0) {
        fprintf(stderr, "deadline: the model's context of %" PRId32 " is too small for this\n", info.context);
        exit(1);
    }
}

static caller long_call(bench *run)
{
    smidge_session_reset(run->session);
    return (caller){.session = run->session,
                    .span = {.text = run->prompt, .size = run->prompt_size},
                    .max_tokens = 1};
}

static caller short_call(bench *run)
{
    smidge_session_reset(run->session);
    return (caller){.session = run->session,
                    .span = {.text = "Pump", .size = 4},
                    .max_tokens = ANSWER_TOKENS - 16};
}

/* How long a call takes when nothing stops it. */
static int64_t measure(caller one)
{
    int64_t started = smidge_now_ns();
    call(&one);
    if (one.status != SMIDGE_OK) {
        fprintf(stderr, "deadline: a call without a deadline ended with %s\n",
                smidge_status_name(one.status));
        exit(1);
    }
    return one.returned_ns - started;
}

/* How far into a call that takes so long the stop may come. */
static int64_t longest(int64_t whole)
{
    return whole * 8 / 10 < MOST_WAIT ? whole * 8 / 10 : MOST_WAIT;
}

/* A session of somebody else, busy with the pool; its deadline is earlier, so that it goes first. */
static void occupy(bench *run, caller *busy)
{
    smidge_session_reset(run->other);
    *busy = (caller){.session = run->other,
                     .span = {.text = run->prompt, .size = run->prompt_size},
                     .max_tokens = 1,
                     .deadline_ns = smidge_now_ns() + 3600 * 1000 * MILLISECOND};
    start(busy);
}

static void vacate(caller *busy)
{
    smidge_session_cancel(busy->session);
    pthread_join(busy->thread, NULL);
}

/* ---- Deadlines --------------------------------------------------------------------------------------- */

static void load(bench *run, double *ms)
{
    smidge_model_options options;
    smidge_model_options_init(&options);
    smidge_model *model = NULL;
    smidge_error error;
    int64_t whole = INT64_MAX;
    for (int i = 0; i < 5; i++) {
        int64_t started = smidge_now_ns();
        if (smidge_model_open(run->path, &options, &model, &error) != SMIDGE_OK)
            fail("open", &error);
        int64_t taken = smidge_now_ns() - started;
        whole = taken < whole ? taken : whole;
        smidge_model_close(model);
    }
    int count = 0;
    for (int i = 0; i < 20 * run->tries && count < run->tries; i++) {
        options.deadline_ns = smidge_now_ns() + (int64_t)next_random(run, (uint64_t)whole);
        smidge_status status = smidge_model_open(run->path, &options, &model, &error);
        int64_t returned = smidge_now_ns();
        if (status == SMIDGE_OK) { /* the deadline fell behind the last look at the clock */
            smidge_model_close(model);
            run->too_late = run->too_late || returned - options.deadline_ns > (int64_t)(LIMIT_MS * 1e6);
            continue;
        }
        expect(run, "load", status, SMIDGE_E_DEADLINE);
        ms[count++] = (double)(returned - options.deadline_ns) / 1e6;
    }
    report(run, "deadline", "load", ms, count);
}

static void deadlines(bench *run, int phase, int64_t whole, double *ms)
{
    int count = 0;
    for (int i = 0; i < run->tries; i++) {
        caller busy = {.session = NULL};
        if (phase == WAITING)
            occupy(run, &busy);
        caller one = phase == PREFILL ? long_call(run) : short_call(run);
        int64_t share = phase == WAITING ? 60 * MILLISECOND : longest(whole);
        one.deadline_ns = smidge_now_ns() + (int64_t)next_random(run, (uint64_t)share);
        if (phase == WAITING)
            one.deadline_ns += 3 * MILLISECOND;
        call(&one);
        if (phase == WAITING)
            vacate(&busy);
        if (one.status == SMIDGE_OK)
            continue; /* it ran faster than when it was measured */
        expect(run, phase_names[phase], one.status, SMIDGE_E_DEADLINE);
        ms[count++] = (double)(one.returned_ns - one.deadline_ns) / 1e6;
    }
    report(run, "deadline", phase_names[phase], ms, count);
}

/* ---- Cancellations ----------------------------------------------------------------------------------- */

static void begin_phase(bench *run, int phase, caller *one, caller *busy)
{
    sem_t decoding;
    sem_init(&decoding, 0, 0);
    if (phase == WAITING)
        occupy(run, busy);
    *one = phase == PREFILL ? long_call(run) : short_call(run);
    if (phase == DECODE)
        one->decoding = &decoding;
    start(one);
    if (phase == DECODE)
        sem_wait(&decoding);
    sem_destroy(&decoding);
}

/* Waits for the pool as another session would; returns when it was got. */
static int64_t take_pool(bench *run)
{
    const smg_stop none = {.deadline = SMG_NEVER};
    if (smg_pool_acquire(run->model->pool, &none) != SMIDGE_OK)
        run->wrong++;
    int64_t got = smidge_now_ns();
    smg_pool_release(run->model->pool);
    return got;
}

static void cancellations(bench *run, int phase, int64_t whole, double *ms, double *free_ms)
{
    int count = 0;
    for (int i = 0; i < run->tries; i++) {
        caller busy = {.session = NULL};
        caller one;
        begin_phase(run, phase, &one, &busy);
        int64_t share = phase == WAITING ? 60 * MILLISECOND : longest(whole);
        sleep_until(smidge_now_ns() + (int64_t)next_random(run, (uint64_t)share));
        int64_t cancelled = smidge_now_ns();
        smidge_session_cancel(run->session);
        int64_t freed = phase == WAITING ? 0 : take_pool(run);
        pthread_join(one.thread, NULL);
        if (phase == WAITING)
            vacate(&busy);
        if (one.status == SMIDGE_OK)
            continue; /* it was done already */
        expect(run, phase_names[phase], one.status, SMIDGE_E_CANCELLED);
        free_ms[count] = (double)(freed - cancelled) / 1e6;
        ms[count++] = (double)(one.returned_ns - cancelled) / 1e6;
    }
    report(run, "cancel", phase_names[phase], ms, count);
    if (phase != WAITING)
        report(run, "pool", phase_names[phase], free_ms, count);
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: deadline MODEL [TRIES]\n");
        return 2;
    }
    bench run = {.path = argv[1], .tries = argc == 3 ? atoi(argv[2]) : 100, .random = 1};
    if (run.tries < 1 || run.tries > 1000000) {
        fprintf(stderr, "deadline: TRIES must be 1 to 1000000\n");
        return 2;
    }
    double *ms = calloc((size_t)run.tries, sizeof *ms);
    double *free_ms = calloc((size_t)run.tries, sizeof *free_ms);
    smidge_error error;
    if (ms == NULL || free_ms == NULL || smidge_model_open(run.path, NULL, &run.model, &error) != SMIDGE_OK)
        fail("open", &error);
    run.session = new_session(&run);
    run.other = new_session(&run);
    make_prompt(&run);
    int64_t prefill = measure(long_call(&run));
    int64_t decode = measure(short_call(&run));
    printf("the long prompt takes %.0f ms, an answer of %d tokens %.0f ms\n", (double)prefill / 1e6,
           ANSWER_TOKENS - 16, (double)decode / 1e6);
    printf("| what     | phase    | tries | p50 ms    | p95 ms    | worst ms  |\n");
    printf("|----------|----------|------:|----------:|----------:|----------:|\n");
    load(&run, ms);
    for (int phase = PREFILL; phase < PHASES; phase++)
        deadlines(&run, phase, phase == DECODE ? decode : prefill, ms);
    for (int phase = PREFILL; phase < PHASES; phase++)
        cancellations(&run, phase, phase == DECODE ? decode : prefill, ms, free_ms);
    printf("%s: limit %.0f ms, %d wrong statuses\n", run.too_late || run.wrong > 0 ? "FAILED" : "kept",
           LIMIT_MS, run.wrong);
    smidge_session_free(run.other);
    smidge_session_free(run.session);
    smidge_model_close(run.model);
    free(run.prompt);
    free(free_ms);
    free(ms);
    return run.too_late || run.wrong > 0 ? 1 : 0;
}
