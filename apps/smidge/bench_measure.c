#include "bench_measure.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "process.h"
#include "smidge/tools.h"

/* A pump and its limits; all that stands before the first value is the same for every reading. */
static const char task[] =
    "You are the monitor of an industrial pump. Normal: temperature below 70 C, vibration below 2.8 mm/s, pressure 4 to 6 "
    "bar. Classify the reading as NORMAL, WARNING or CRITICAL.\nReading: temperature ";
static const char *const labels[] = {"NORMAL", "WARNING", "CRITICAL"};

enum { READING_ROOM = 160 };

/* No two alike in any value. */
static void write_reading(int32_t number, char text[READING_ROOM])
{
    snprintf(text, READING_ROOM,
             "%.1f C, vibration %.2f mm/s, pressure %.2f bar.\nAnswer:", 40.0 + 0.7 * number,
             0.5 + 0.11 * number, 2.0 + 0.13 * number);
}

/* ---- Numbers -------------------------------------------------------------------------------------------- */

static bench_speed summarize_speed(int32_t tokens, const double *rates, int32_t count)
{
    double sum = 0.0;
    double squares = 0.0;
    for (int32_t i = 0; i < count; i++)
        sum += rates[i];
    double mean = sum / count;
    for (int32_t i = 0; i < count; i++)
        squares += (rates[i] - mean) * (rates[i] - mean);
    return (bench_speed){.tokens = tokens,
                         .mean = mean,
                         .deviation = count > 1 ? sqrt(squares / (count - 1)) : 0.0};
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The smallest value that at least this share of all is not above. */
static double percentile(const double *sorted, int32_t count, double share)
{
    int32_t place = (int32_t)ceil(share * count) - 1;
    return sorted[place < 0 ? 0 : place];
}

static bench_latency summarize_latency(double *times, int32_t count)
{
    qsort(times, (size_t)count, sizeof *times, compare);
    return (bench_latency){.count = count,
                           .p50 = percentile(times, count, 0.50),
                           .p95 = percentile(times, count, 0.95),
                           .p99 = percentile(times, count, 0.99)};
}

/* ---- Speed ---------------------------------------------------------------------------------------------- */

static smidge_status measure_speed(const bench_options *options, smidge_session *session, bench_threads *run,
                                   smidge_error *error)
{
    double *prefill = calloc((size_t)options->repetitions * 2, sizeof *prefill);
    if (prefill == NULL) {
        *error = (smidge_error){.code = SMIDGE_E_NOMEM, .where = "bench", .message = CLI_NO_MEMORY};
        return SMIDGE_E_NOMEM;
    }
    double *decode = prefill + options->repetitions;
    smidge_status status = SMIDGE_OK;
    /* The first round brings the weights into memory and is not counted. */
    for (int32_t i = -1; i < options->repetitions && status == SMIDGE_OK; i++) {
        int64_t prompt_ns = 0;
        int64_t decode_ns = 0;
        status = smidge_measure(session, options->prompt_tokens, options->tokens, (uint64_t)i, &prompt_ns,
                                &decode_ns, error);
        if (i < 0 || status != SMIDGE_OK)
            continue;
        prefill[i] = options->prompt_tokens * 1e9 / (double)(prompt_ns > 0 ? prompt_ns : 1);
        decode[i] = options->tokens * 1e9 / (double)(decode_ns > 0 ? decode_ns : 1);
    }
    if (status == SMIDGE_OK) {
        run->prefill = summarize_speed(options->prompt_tokens, prefill, options->repetitions);
        run->decode = summarize_speed(options->tokens, decode, options->repetitions);
    }
    free(prefill);
    return status;
}

/* ---- Time to label -------------------------------------------------------------------------------------- */

static smidge_status classify(smidge_session *session, const smidge_labels *set, int32_t number,
                              double *ret_ms, smidge_error *error)
{
    char reading[READING_ROOM];
    write_reading(number, reading);
    const smidge_span spans[] = {{task, sizeof task - 1, 0}, {reading, strlen(reading), 0}};
    smidge_classify_result result = {.size = sizeof result};
    smidge_status status = smidge_classify(session, set, spans, 2, NULL, &result, error);
    *ret_ms = (double)result.duration_ns / 1e6;
    return status;
}

/* Cold and warm take turns, so that both see the same machine. */
static smidge_status time_labels(const bench_options *options, smidge_session *session,
                                 const smidge_labels *set, smidge_prefix *prefix, bench_threads *run,
                                 smidge_error *error)
{
    int32_t count = options->readings;
    double *cold = calloc((size_t)count * 2, sizeof *cold);
    if (cold == NULL) {
        *error = (smidge_error){.code = SMIDGE_E_NOMEM, .where = "bench", .message = CLI_NO_MEMORY};
        return SMIDGE_E_NOMEM;
    }
    double *warm = cold + count;
    smidge_status status = SMIDGE_OK;
    for (int32_t i = 0; i < count && status == SMIDGE_OK; i++) {
        smidge_session_reset(session);
        status = smidge_session_set_prefix(session, NULL, error);
        if (status == SMIDGE_OK)
            status = classify(session, set, 2 * i, &cold[i], error);
        smidge_session_reset(session);
        if (status == SMIDGE_OK)
            status = smidge_session_set_prefix(session, prefix, error);
        if (status == SMIDGE_OK)
            status = classify(session, set, 2 * i + 1, &warm[i], error);
    }
    if (status == SMIDGE_OK) {
        run->cold = summarize_latency(cold, count);
        run->warm = summarize_latency(warm, count);
    }
    free(cold);
    return status;
}

static smidge_status measure_labels(const bench_options *options, smidge_model *model,
                                    smidge_session *session, bench_threads *run, smidge_error *error)
{
    smidge_labels *set = NULL;
    smidge_prefix *prefix = NULL;
    const smidge_span span = {task, sizeof task - 1, 0};
    smidge_status status = smidge_labels_new(model, labels, 3, &set, error);
    if (status == SMIDGE_OK)
        status = smidge_prefix_new(session, &span, 1, 0, &prefix, error);
    if (status == SMIDGE_OK)
        status = time_labels(options, session, set, prefix, run, error);
    (void)!smidge_session_set_prefix(session, NULL, NULL);
    smidge_prefix_free(prefix);
    smidge_labels_free(set);
    return status;
}

/* ---- A number of threads ---------------------------------------------------------------------------------- */

/* What the longest test needs, and at least what a reading does. */
static int32_t context_for(const bench_options *options, const smidge_model_info *info)
{
    enum { FOR_READINGS = 512 };
    int64_t needed = (int64_t)options->prompt_tokens + options->tokens;
    if (needed < FOR_READINGS)
        needed = info->context < FOR_READINGS ? info->context : FOR_READINGS;
    return needed > INT32_MAX ? INT32_MAX : (int32_t)needed;
}

static smidge_status measure(const bench_options *options, const model_flags *flags, bench_report *report,
                             smidge_model **ret_model, smidge_session **ret_session, smidge_error *error)
{
    smidge_status status = model_open(flags, 0, ret_model, error);
    if (status != SMIDGE_OK)
        return status;
    report->model = (smidge_model_info){.size = sizeof report->model};
    smidge_model_describe(*ret_model, &report->model);
    status = model_session(flags, *ret_model, context_for(options, &report->model), ret_session, error);
    bench_threads *run = &report->runs[report->count++];
    run->threads = flags->threads;
    if (status == SMIDGE_OK)
        status = measure_speed(options, *ret_session, run, error);
    if (status == SMIDGE_OK && options->readings > 0)
        status = measure_labels(options, *ret_model, *ret_session, run, error);
    return status;
}

int bench_run(const bench_options *options, int32_t threads, bench_report *report)
{
    model_flags flags = options->model;
    flags.threads = threads;
    smidge_model *model = NULL;
    smidge_session *session = NULL;
    smidge_error error;
    smidge_status status = measure(options, &flags, report, &model, &session, &error);
    smidge_session_free(session);
    smidge_model_close(model);
    report->peak_bytes = process_peak_memory();
    return status == SMIDGE_OK ? -1 : cli_fail(&error);
}
