#include "train/train_loop.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "train/train_report.h"

/* How much of the shown loss is the step's own. */
#define SMOOTHING 0.1

static size_t elements_of(const smg_parameter *parameter)
{
    return (size_t)parameter->rows * (size_t)parameter->columns;
}

static double since(int64_t started)
{
    return (double)(smg_clock_now() - started) * 1e-9;
}

/* ---- Room ------------------------------------------------------------------------------------------------ */

uint64_t smg_loop_need(int64_t steps, uint64_t elements, bool validated)
{
    return (uint64_t)steps * sizeof(smg_train_point) + (validated ? elements * sizeof(float) : 0);
}

/* Values, state and, with validation, the best values. */
static void list_arrays(smg_loop *loop)
{
    float *best = loop->best;
    size_t count = 0;
    for (size_t i = 0; i < loop->parameter_count; i++)
        loop->arrays[count++] = (smg_floats){loop->parameters[i].value, elements_of(&loop->parameters[i])};
    float *state = NULL;
    const size_t state_size = smg_optimizer_state(loop->optimizer, &state);
    loop->arrays[count++] = (smg_floats){state, state_size};
    if (best != NULL) {
        size_t all = 0;
        for (size_t i = 0; i < loop->parameter_count; i++)
            all += elements_of(&loop->parameters[i]);
        loop->arrays[count++] = (smg_floats){best, all};
    }
    loop->array_count = count;
}

smidge_status smg_loop_init(smg_loop *loop, smidge_error *error)
{
    const smg_loop_settings *settings = loop->settings;
    size_t all = 0;
    for (size_t i = 0; i < loop->parameter_count; i++)
        all += elements_of(&loop->parameters[i]);
    loop->kept = -1;
    loop->place.loss = loop->place.valid_loss = loop->place.best_loss = NAN;
    loop->points = smg_alloc_array((size_t)settings->schedule.steps, sizeof *loop->points);
    loop->items = smg_alloc_array(smg_batch_room(&settings->batch), sizeof *loop->items);
    loop->arrays = smg_alloc_array(loop->parameter_count + 2, sizeof *loop->arrays);
    loop->best = loop->valid != NULL ? smg_alloc_array(all, sizeof *loop->best) : NULL;
    if (loop->points == NULL || loop->items == NULL || loop->arrays == NULL ||
        (loop->valid != NULL && loop->best == NULL))
        return smg_error_no_memory(error, "training", all * sizeof *loop->best);
    list_arrays(loop);
    SMG_TRY(smg_packer_init(&loop->packer, (int32_t)loop->place.batch, settings->weight, error));
    return smg_stream_init(&loop->stream, &loop->stages[0].set, settings->seed, error);
}

void smg_loop_done(smg_loop *loop)
{
    smg_free(loop->points);
    smg_free(loop->items);
    smg_free(loop->arrays);
    smg_free(loop->best);
    smg_packer_done(&loop->packer);
    smg_stream_done(&loop->stream);
}

/* ---- Going on -------------------------------------------------------------------------------------------- */

/* Each stage has an order of its own. */
static smidge_status enter_stage(smg_loop *loop, int64_t stage, smidge_error *error)
{
    smg_stream_done(&loop->stream);
    return smg_stream_init(&loop->stream, &loop->stages[stage].set, loop->settings->seed + (uint64_t)stage,
                           error);
}

smidge_status smg_loop_resume(smg_loop *loop, const smg_checkpoint_file *file, smidge_error *error)
{
    const smg_train_place *place = &file->place;
    const bool sound = place->step <= loop->settings->schedule.steps && place->stage < loop->stage_count &&
                       file->point_count == (uint64_t)place->step && place->batch == loop->place.batch &&
                       place->recompute == loop->place.recompute;
    if (sound)
        SMG_TRY(enter_stage(loop, place->stage, error));
    if (!sound || !smg_stream_seek(&loop->stream, place->epoch, place->position))
        return smg_error_set(error, SMIDGE_E_FORMAT, file->path,
                             "is at a place that this training does not have (begin anew with --restart)");
    SMG_TRY(smg_checkpoint_load(file, loop->arrays, loop->array_count, error));
    loop->place = *place;
    loop->point_count = (size_t)file->point_count;
    smg_checkpoint_points(file, loop->points);
    loop->kept = place->step;
    return SMIDGE_OK;
}

static smidge_status keep(smg_loop *loop, smidge_error *error)
{
    const smg_loop_settings *settings = loop->settings;
    smidge_error failure;
    char kept[96] = "";
    loop->place.epoch = loop->stream.epoch;
    loop->place.position = loop->stream.position;
    const smg_checkpoint checkpoint = {.facts = settings->facts,
                                       .fact_count = settings->fact_count,
                                       .place = loop->place,
                                       .points = loop->points,
                                       .point_count = loop->point_count,
                                       .arrays = loop->arrays,
                                       .array_count = loop->array_count};
    smidge_status status = smg_checkpoint_write(settings->checkpoint_path, &checkpoint, &failure);
    if (status == SMIDGE_OK && settings->log_path != NULL)
        status = smg_train_write_log(settings->log_path, loop->points, loop->point_count, &failure);
    if (status == SMIDGE_OK) {
        loop->kept = loop->place.step;
        return SMIDGE_OK;
    }
    if (loop->kept >= 0)
        snprintf(kept, sizeof kept,
                 "; the checkpoint of step %" PRId64 " is kept, and the same command goes on", loop->kept);
    return smg_error_set(error, status, failure.where, "at step %" PRId64 ": %s%s", loop->place.step,
                         failure.message, kept);
}

/* ---- A step ---------------------------------------------------------------------------------------------- */

static smidge_status no_number(const smg_loop *loop, const char *what, smidge_error *error)
{
    const char *path = loop->settings->checkpoint_path;
    if (loop->kept < 0)
        return smg_error_set(
            error, SMIDGE_E_MODEL, "training",
            "%s of step %" PRId64
            " is no number, and no checkpoint was written before (take a smaller --lr, or look at the data)",
            what, loop->place.step + 1);
    return smg_error_set(error, SMIDGE_E_MODEL, "training",
                         "%s of step %" PRId64 " is no number; the checkpoint of step %" PRId64
                         " is kept as %s (take a smaller --lr and begin anew with --restart)",
                         what, loop->place.step + 1, loop->kept, path);
}

/* Gradients of the mean loss over all targets of the step's examples. */
static smidge_status collect(smg_loop *loop, size_t count, double *ret_loss, smidge_error *error)
{
    const smg_sequences *set = loop->stream.set;
    const double scored = smg_packer_scored(&loop->packer, set, loop->items, count);
    double sum = 0.0;
    smg_trainee_clear(loop->trainee);
    for (size_t done = 0; done < count;) {
        smg_train_batch batch;
        double loss = 0.0, weight = 0.0;
        done += smg_packer_fill(&loop->packer, set, loop->items + done, count - done, false, &batch);
        smidge_status status =
            smg_trainee_run(loop->trainee, &batch, true, (float)(1.0 / scored), NULL, &loss, &weight, error);
        if (status == SMIDGE_E_MODEL)
            return no_number(loop, "the loss", error);
        SMG_TRY(status);
        loop->place.tokens += batch.count;
        sum += loss;
    }
    *ret_loss = sum / scored;
    return SMIDGE_OK;
}

static smidge_status step(smg_loop *loop, smg_train_point *ret_point, smidge_error *error)
{
    const smg_loop_settings *settings = loop->settings;
    smg_train_place *place = &loop->place;
    double loss = 0.0;
    while (place->stage_step == loop->stages[place->stage].steps) {
        place->stage++;
        place->stage_step = 0;
        SMG_TRY(enter_stage(loop, place->stage, error));
    }
    const size_t count =
        smg_stream_take(&loop->stream, &settings->batch, loop->stages[place->stage].end, loop->items);
    SMG_TRY(collect(loop, count, &loss, error));
    const double norm = smg_optimizer_norm(loop->optimizer);
    if (!isfinite(norm) || !isfinite(loss))
        return no_number(loop, "the gradient", error);
    const double scale = settings->clip > 0.0 ? fmin(1.0, settings->clip / (norm + 1e-6)) : 1.0;
    const double factor = smg_schedule_at(&settings->schedule, place->step);
    smg_optimizer_step(loop->optimizer, place->step + 1, settings->rate * factor,
                       settings->muon_rate * factor, scale);
    place->step++;
    place->stage_step++;
    place->loss = isnan(place->loss) ? loss : place->loss + SMOOTHING * (loss - place->loss);
    *ret_point = (smg_train_point){.step = place->step,
                                   .tokens = place->tokens,
                                   .loss = (float)loss,
                                   .valid_loss = NAN,
                                   .rate = (float)(settings->rate * factor),
                                   .norm = (float)norm};
    return SMIDGE_OK;
}

/* ---- Validation ------------------------------------------------------------------------------------------ */

static void copy_best(const smg_loop *loop, bool back)
{
    float *best = loop->best;
    for (size_t i = 0; i < loop->parameter_count; i++) {
        const size_t count = elements_of(&loop->parameters[i]);
        float *value = loop->parameters[i].value;
        memcpy(back ? value : best, back ? best : value, count * sizeof *value);
        best += count;
    }
}

void smg_loop_take_best(smg_loop *loop)
{
    if (loop->best != NULL && loop->place.best_step > 0)
        copy_best(loop, true);
}

static smidge_status validate(smg_loop *loop, smidge_error *error)
{
    smg_train_place *place = &loop->place;
    double sum = 0.0, weights = 0.0;
    for (size_t done = 0; done < loop->valid->count;) {
        smg_train_batch batch;
        double loss = 0.0, weight = 0.0;
        int32_t items[64];
        size_t count = loop->valid->count - done < 64 ? loop->valid->count - done : 64;
        for (size_t i = 0; i < count; i++)
            items[i] = (int32_t)(done + i);
        done += smg_packer_fill(&loop->packer, loop->valid, items, count, true, &batch);
        smidge_status status =
            smg_trainee_run(loop->trainee, &batch, false, 0.0F, NULL, &loss, &weight, error);
        if (status == SMIDGE_E_MODEL)
            return no_number(loop, "the loss of the validation after the last step, and so that", error);
        SMG_TRY(status);
        sum += loss;
        weights += weight;
    }
    place->valid_loss = sum / weights;
    if (isnan(place->best_loss) || place->valid_loss < place->best_loss) {
        place->best_loss = place->valid_loss;
        place->best_step = place->step;
        place->worse = 0;
        copy_best(loop, false);
    } else {
        place->worse++;
    }
    place->stopped = loop->settings->patience > 0 && place->worse >= loop->settings->patience;
    return SMIDGE_OK;
}

static bool is_due(const smg_loop *loop)
{
    return loop->valid != NULL && (loop->place.step % loop->settings->valid_every == 0 ||
                                   loop->place.step == loop->settings->schedule.steps);
}

/* ---- All of it ------------------------------------------------------------------------------------------- */

/* What this run has seen of it. */
typedef struct run_clock {
    int64_t started, kept;
    double before; /* seconds in earlier runs */
    int64_t first_step, first_tokens;
} run_clock;

static void tell(const smg_loop *loop, const run_clock *clock)
{
    const smg_train_place *place = &loop->place;
    const double spent = since(clock->started);
    const int64_t steps = place->step - clock->first_step;
    const int64_t left = loop->settings->schedule.steps - place->step;
    const smg_loop_status status = {
        .step = place->step,
        .steps = loop->settings->schedule.steps,
        .stage = place->stage,
        .stages = loop->stage_count,
        .epoch = (double)loop->stream.epoch + (double)loop->stream.position / (double)loop->stream.set->count,
        .loss = place->loss,
        .valid_loss = place->valid_loss,
        .tokens_per_second = (double)(place->tokens - clock->first_tokens) / spent,
        .left = place->stopped ? 0.0 : spent / (double)steps * (double)left,
    };
    if (loop->progress != NULL)
        loop->progress(loop->context, &status);
}

static smidge_status stop_here(const smg_loop *loop, smidge_error *error)
{
    return smg_error_set(error, SMIDGE_E_CANCELLED, "training",
                         "was stopped by a signal after step %" PRId64 " of %" PRId64
                         " (the same command goes on from %s)",
                         loop->place.step, loop->settings->schedule.steps, loop->settings->checkpoint_path);
}

smidge_status smg_loop_run(smg_loop *loop, smidge_error *error)
{
    const smg_loop_settings *settings = loop->settings;
    smg_train_place *place = &loop->place;
    run_clock clock = {.started = smg_clock_now(),
                       .before = place->seconds,
                       .first_step = place->step,
                       .first_tokens = place->tokens};
    clock.kept = clock.started;
    while (place->step < settings->schedule.steps && place->stopped == 0) {
        smg_train_point point;
        SMG_TRY(step(loop, &point, error));
        if (is_due(loop)) {
            SMG_TRY(validate(loop, error));
            point.valid_loss = (float)place->valid_loss;
        }
        place->seconds = clock.before + since(clock.started);
        point.seconds = place->seconds;
        loop->points[loop->point_count++] = point;
        tell(loop, &clock);
        const bool cancelled = settings->cancel != NULL && atomic_load(settings->cancel) != 0;
        if (cancelled || since(clock.kept) >= settings->checkpoint_every) {
            SMG_TRY(keep(loop, error));
            clock.kept = smg_clock_now();
        }
        if (cancelled && place->step < settings->schedule.steps && place->stopped == 0)
            return stop_here(loop, error);
    }
    return loop->kept == place->step ? SMIDGE_OK : keep(loop, error);
}
