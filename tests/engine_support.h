/* What tests of the engine share: opening models at every CPU path, running tokens with all their logits, and
 * comparing logits. Failures end the cmocka test with the engine's own message. */
#ifndef SMG_TESTS_ENGINE_SUPPORT_H
#define SMG_TESTS_ENGINE_SUPPORT_H

#include "test_support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/cpu.h"
#include "engine/engine.h"

#define ENGINE_STEPS 8

static const char *const engine_kv_names[] =
    {[SMIDGE_KV_F16] = "f16", [SMIDGE_KV_F32] = "f32", [SMIDGE_KV_Q8_0] = "q8_0"};

static inline void engine_ok(smidge_status status, const smidge_error *error)
{
    if (status != SMIDGE_OK)
        fail_msg("%s: %s: %s", smidge_status_name(status), error->where, error->message);
}

/* The names of all CPU paths of this machine, worst first; returns how many. */
static inline int engine_cpu_names(const char *ret_names[ENGINE_STEPS])
{
    uint32_t masks[ENGINE_STEPS];
    int count = smg_cpu_steps(masks);
    assert_in_range(count, 1, ENGINE_STEPS);
    for (int i = 0; i < count; i++)
        ret_names[i] = smg_cpu_path_name(masks[i]);
    return count;
}

/* lora NULL: no adapter. cpu NULL: the best path. */
static inline smidge_model *engine_open_adapted(const char *path, const char *lora, const char *cpu,
                                                int32_t threads)
{
    smidge_model_options options;
    smidge_model_options_init(&options);
    options.cpu = cpu;
    options.threads = threads;
    options.lora_path = lora;
    smidge_error error;
    smidge_model *model = NULL;
    engine_ok(smidge_model_open(path, &options, &model, &error), &error);
    return model;
}

/* cpu NULL: the best path. */
static inline smidge_model *engine_open(const char *path, const char *cpu, int32_t threads)
{
    return engine_open_adapted(path, NULL, cpu, threads);
}

/* context and batch 0: the defaults. */
static inline smidge_session *engine_session(smidge_model *model, int32_t kv, int32_t context, int32_t batch)
{
    smidge_session_options options;
    smidge_session_options_init(&options);
    options.kv_type = kv;
    options.context = context;
    options.batch = batch;
    smidge_error error;
    smidge_session *session = NULL;
    engine_ok(smidge_session_new(model, &options, &session, &error), &error);
    return session;
}

/* True where the model's heads allow this KV type. */
static inline bool engine_allows(const smidge_model *model, int32_t kv)
{
    return kv != SMIDGE_KV_Q8_0 || model->model.shape.head_size % SMG_QK == 0;
}

/* Goes on with `count` tokens from where the session is, in passes of its batch at most, and writes the
 * logits after each of them to ret_logits[count][vocabulary]. */
static inline void engine_run_rows(smidge_session *session, const int32_t *ids, int32_t count,
                                   float *ret_logits)
{
    size_t vocabulary = (size_t)session->model->model.shape.vocabulary;
    smg_segment segments[2];
    int32_t segment_count = smg_session_segments(session, segments);
    assert_true(session->count + count <= session->options.context);
    for (int32_t done = 0; done < count;) {
        int32_t left = count - done;
        int32_t chunk = left < session->options.batch ? left : session->options.batch;
        for (int32_t i = 0; i < chunk; i++) {
            int32_t position = session->count + i;
            session->rows[i] = (smg_row){
                .token = ids[done + i],
                .position = position,
                .segments = segments,
                .segment_count = segment_count,
                .cache = &session->cache,
                .cell = position - session->shared,
                .wanted = true,
            };
            session->ids[position] = ids[done + i];
        }
        const smg_output output = {.logits = ret_logits + (size_t)done * vocabulary};
        smidge_status status = smg_forward_run(&session->model->model, session->model->pool, session->scratch,
                                               session->rows, chunk, &output, NULL);
        assert_int_equal(status, SMIDGE_OK);
        session->count += chunk;
        done += chunk;
    }
}

/* Room for the logits of `count` tokens; the caller's to free. */
static inline float *engine_logits_new(const smidge_model *model, int32_t count)
{
    float *logits = calloc((size_t)count * (size_t)model->model.shape.vocabulary, sizeof *logits);
    assert_non_null(logits);
    return logits;
}

/* max|ours - ref| / max|ref| of one position. NaN fails the test. */
static inline double engine_relative_error(const float *ours, const float *ref, int32_t count)
{
    double difference = 0.0;
    double largest = 0.0;
    for (int32_t i = 0; i < count; i++) {
        assert_true(isfinite(ours[i]));
        difference = fmax(difference, fabs((double)ours[i] - (double)ref[i]));
        largest = fmax(largest, fabs((double)ref[i]));
    }
    assert_true(largest > 0.0);
    return difference / largest;
}

/* A plain text as the one span of a prompt. */
static inline smidge_span engine_span(const char *text)
{
    return (smidge_span){.text = text, .size = strlen(text)};
}

#endif
