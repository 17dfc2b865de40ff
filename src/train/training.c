#include "train/training.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "quant/mix.h"
#include "train/gemm.h"
#include "train/start_model.h"
#include "train/train_loop.h"
#include "train/train_output.h"
#include "train/train_report.h"
#include "train/training_data.h"
#include "train/training_plan.h"

/* Tokens that go through the model at once where memory allows: more make products hardly faster. */
#define USUAL_TOKENS 1024
#define FACTS 28

typedef struct training {
    const smg_training_options *options;
    const smg_mix *mix;
    char checkpoint_path[PATH_MAX];
    char curve_path[PATH_MAX];
    char start_path[PATH_MAX]; /* of the model that is made; "" where it is gone */
    smidge_model *model;
    bool held; /* the pool */
    smg_training_data data;
    smg_fact facts[FACTS];
    size_t fact_count;
    smg_checkpoint_file checkpoint;
    bool resumed;
    smg_train_options train;
    smg_optimizer_options optimizing;
    uint64_t memory;
    smg_trainee *trainee;
    smg_parameter *parameters;
    size_t parameter_count;
    smg_optimizer *optimizer;
    smg_loop_settings settings;
    smg_loop loop;
} training;

static void training_done(training *run)
{
    smg_loop_done(&run->loop);
    smg_optimizer_free(run->optimizer);
    smg_trainee_free(run->trainee);
    smg_checkpoint_close(&run->checkpoint);
    smg_training_data_done(&run->data);
    if (run->held)
        smg_pool_release(run->model->pool);
    smidge_model_close(run->model);
    if (run->start_path[0] != '\0')
        unlink(run->start_path);
}

void smg_training_defaults(smg_training_options *ret_options)
{
    *ret_options = (smg_training_options){.valid_share = 0.05,
                                          .hints = 0.3,
                                          .rank = 8,
                                          .alpha = 16.0F,
                                          .targets = SMG_TARGET_ALL,
                                          .epochs = 3.0,
                                          .batch_size = 16,
                                          .rate = 2e-4,
                                          .muon_rate = 0.02,
                                          .floor = 0.1,
                                          .warmup = 0.05,
                                          .clip = 1.0,
                                          .beta2 = 0.999,
                                          .patience = 6,
                                          .seed = 1,
                                          .checkpoint_every = 60.0};
}

/* ---- Options --------------------------------------------------------------------------------------------- */

static smidge_status bad_option(const char *name, const char *why, smidge_error *error)
{
    return smg_error_set(error, SMIDGE_E_INVALID, name, "%s", why);
}

static smidge_status check_numbers(const smg_training_options *options, smidge_error *error)
{
    const struct {
        bool sound;
        const char *name, *why;
    } rules[] = {
        {options->stage_count >= 1 && options->stage_count <= SMG_TRAINING_STAGES_MAX, "--stage",
         "1 to 32 stages can be given (put some together)"},
        {options->epochs > 0.0 && options->epochs <= 1e6, "--epochs", "must be above 0 (3 is usual)"},
        {options->batch_size >= 0 && options->batch_size <= 1 << 20, "--batch-size",
         "must be from 1 to 1048576 (16 is usual)"},
        {options->batch_size > 0 || (options->batch_tokens >= 1 && options->batch_tokens <= 1 << 24),
         "--batch-tokens", "must be from 1 to 16777216 (4096 is usual)"},
        {options->rate > 0.0 && options->rate <= 1e9, "--lr", "must be above 0 (2e-4 is usual)"},
        {options->muon_rate > 0.0 && options->muon_rate <= 1e9, "--muon-lr",
         "must be above 0 (0.02 is usual)"},
        {options->floor >= 0.0 && options->floor <= 1.0, "--lr-floor", "must be from 0 to 1 (0.1 is usual)"},
        {options->warmup >= 0.0 && options->warmup < 1.0, "--warmup",
         "is a share of all steps, from 0 to below 1 (0.05 is usual)"},
        {options->hold >= 0.0 && options->hold < 1.0, "--lr-hold",
         "is a share of the steps behind the warm-up, from 0 to below 1 (0 is usual)"},
        {options->decay >= 0.0 && options->decay <= 1.0, "--weight-decay",
         "must be from 0 to 1 (0.01 is usual)"},
        {options->clip >= 0.0 && options->clip <= 1e6, "--clip",
         "must be 0, for none, or above (1 is usual)"},
        {options->beta2 >= 0.5 && options->beta2 < 1.0, "--beta2",
         "must be from 0.5 to below 1 (0.999 is usual)"},
        {options->valid_share >= 0.0 && options->valid_share <= 0.5, "--valid-share",
         "must be from 0 to 0.5 (0.05 is usual)"},
        {options->hints >= 0.0 && options->hints <= 1000.0, "--hints",
         "must be 0, for none, or above (0.3 is usual)"},
        {options->prompt_loss >= 0.0 && options->prompt_loss <= 1000.0, "--prompt-loss",
         "must be 0, for none, or above (0.1 is usual)"},
        {options->sequence >= 0, "--sequence", "must be above 0 (without it, it is as long as the data)"},
        {options->patience >= 0, "--patience", "must be 0, for never, or above (6 is usual)"},
        {options->valid_every >= 0, "--valid-every", "must be above 0 (without it, 20 times in all)"},
        {options->checkpoint_every >= 0.0 && options->checkpoint_every <= 1e9, "--checkpoint-every",
         "must be 0, for each step, or seconds (60 is usual)"},
        {options->full || (options->rank >= 1 && options->rank <= SMG_RANK_MOST), "--lora-rank",
         "must be from 1 to 1024 (8 is usual)"},
        {options->full || (isfinite(options->alpha) && options->alpha > 0.0F), "--lora-alpha",
         "must be above 0 (twice the rank is usual)"},
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        if (!rules[i].sound)
            return bad_option(rules[i].name, rules[i].why, error);
    }
    return SMIDGE_OK;
}

static smidge_status name_files(training *run, smidge_error *error)
{
    const char *output = run->options->output;
    const size_t size = strlen(output);
    const bool ended = size > 5 && strcmp(output + size - 5, ".gguf") == 0;
    if (size + 16 > sizeof run->checkpoint_path)
        return bad_option("-o", "is too long a path (shorten it)", error);
    snprintf(run->checkpoint_path, sizeof run->checkpoint_path, "%.4000s.checkpoint", output);
    snprintf(run->curve_path, sizeof run->curve_path, "%.*s.svg", (int)(ended ? size - 5 : size), output);
    return SMIDGE_OK;
}

static smidge_status try_place(const char *path, smidge_error *error)
{
    SMG_CLEANUP(smg_file_discard) smg_file_writer writer = {.fd = -1};
    return smg_file_create(path, &writer, error);
}

static smidge_status check_files(const training *run, smidge_error *error)
{
    const smg_training_options *options = run->options;
    struct stat base, output;
    if (options->model != NULL && stat(options->model, &base) == 0 && stat(options->output, &output) == 0 &&
        base.st_dev == output.st_dev && base.st_ino == output.st_ino)
        return smg_error_set(error, SMIDGE_E_INVALID, options->output,
                             "is the model that is trained (give another name: -o)");
    SMG_TRY(try_place(options->output, error));
    return options->log != NULL ? try_place(options->log, error) : SMIDGE_OK;
}

static smidge_status check(training *run, smidge_error *error)
{
    const smg_training_options *options = run->options;
    SMG_TRY(check_numbers(options, error));
    for (size_t i = 0; i < options->stage_count; i++) {
        if (options->stage_count > 1 && options->stages[i].steps < 1)
            return bad_option("--stage", "must say how many steps it has (DATA:STEPS)", error);
    }
    if (options->type != NULL) {
        run->mix = smg_mix_find(options->type);
        if (run->mix == NULL)
            return smg_error_set(error, SMIDGE_E_INVALID, options->type, "is not a type (take one of %s)",
                                 smg_mix_names());
    }
    SMG_TRY(name_files(run, error));
    return check_files(run, error);
}

/* ---- The model ------------------------------------------------------------------------------------------- */

static smidge_status open_model(training *run, smidge_error *error)
{
    const smg_training_options *options = run->options;
    smidge_model_options how;
    smidge_model_options_init(&how);
    how.threads = options->threads > 0 ? options->threads : smg_thread_cores();
    how.force = options->force;
    how.memory_limit = options->memory;
    how.cpu = options->cpu;
    const char *path = options->model;
    if (path == NULL) {
        snprintf(run->start_path, sizeof run->start_path, "%.4000s.start", options->output);
        smg_checkpoint_sweep(run->start_path);
        SMG_TRY(smg_start_model_write(options->shape, options->vocabulary, options->seed, run->start_path,
                                      error));
        path = run->start_path;
    }
    SMG_TRY(smidge_model_open(path, &how, &run->model, error));
    if (run->start_path[0] != '\0')
        unlink(run->start_path); /* the mapping stays */
    run->start_path[0] = '\0';
    SMG_TRY(smg_pool_acquire(run->model->pool, NULL));
    run->held = true;
    return SMIDGE_OK;
}

/* ---- What a checkpoint belongs to ------------------------------------------------------------------------ */

__attribute__((format(printf, 3, 4))) static void fact(training *run, const char *name, const char *format,
                                                       ...)
{
    va_list arguments;
    smg_fact *one = &run->facts[run->fact_count++];
    one->name = name;
    va_start(arguments, format);
    vsnprintf(one->value, sizeof one->value, format, arguments);
    va_end(arguments);
}

/* The steps of all stages; their data are in the hash. */
static void stage_fact(training *run)
{
    char steps[SMG_CHECKPOINT_TEXT_MAX] = "";
    size_t used = 0;
    for (int64_t i = 0; i < run->data.stage_count && used < sizeof steps; i++)
        used += (size_t)snprintf(steps + used, sizeof steps - used, "%s%" PRId64, i > 0 ? "+" : "",
                                 run->data.stages[i].steps);
    fact(run, "steps of --stage", "%s", steps);
}

static void list_facts(training *run)
{
    const smg_training_options *options = run->options;
    fact(run, "model", "%016" PRIx64, smg_model_id(&run->model->gguf));
    fact(run, "data", "%016" PRIx64, run->data.hash);
    fact(run, "kind", "%s", options->full ? "all weights" : "adapter");
    if (!options->full) {
        fact(run, "--lora-rank", "%" PRId32, options->rank);
        fact(run, "--lora-alpha", "%.9g", (double)options->alpha);
        fact(run, "--lora-targets", "%" PRIx32, options->targets);
    }
    fact(run, "number of steps", "%" PRId64, run->data.steps);
    if (run->data.stage_count > 1)
        stage_fact(run);
    fact(run, "--batch-size", "%" PRId64, options->batch_size);
    fact(run, "--batch-tokens", "%" PRId64, options->batch_size > 0 ? 0 : options->batch_tokens);
    fact(run, "optimizer", "%s", options->muon ? "muon" : "adamw");
    fact(run, "--lr", "%.17g", options->rate);
    if (options->muon)
        fact(run, "--muon-lr", "%.17g", options->muon_rate);
    fact(run, "--lr-floor", "%.17g", options->floor);
    fact(run, "--hints", "%.17g", options->hints);
    fact(run, "--prompt-loss", "%.17g", options->prompt_loss);
    fact(run, "--warmup", "%.17g", options->warmup);
    fact(run, "--lr-hold", "%.17g", options->hold);
    fact(run, "--weight-decay", "%.17g", options->decay);
    fact(run, "--clip", "%.17g", options->clip);
    fact(run, "--beta2", "%.17g", options->beta2);
    fact(run, "--patience", "%" PRId64, options->patience);
    fact(run, "--valid-every", "%" PRId64, options->valid_every);
    fact(run, "--seed", "%" PRIu64, options->seed);
    fact(run, "precision", "%s", options->bf16 ? "bf16" : "f32");
}

static smidge_status find_checkpoint(training *run, smidge_error *error)
{
    smg_checkpoint_sweep(run->checkpoint_path);
    smg_checkpoint_sweep(run->options->output);
    smg_checkpoint_sweep(run->curve_path);
    if (run->options->log != NULL)
        smg_checkpoint_sweep(run->options->log);
    if (run->options->restart) {
        unlink(run->checkpoint_path);
        return SMIDGE_OK;
    }
    SMG_TRY(smg_checkpoint_open(run->checkpoint_path, &run->checkpoint, &run->resumed, error));
    if (!run->resumed)
        return SMIDGE_OK;
    return smg_checkpoint_match(&run->checkpoint, run->facts, run->fact_count, error);
}

/* ---- Memory, and what stands in it ----------------------------------------------------------------------- */

static int32_t usual_tokens(const training *run)
{
    const smg_training_options *options = run->options;
    const int64_t longest = run->data.longest;
    int64_t most = options->batch_size > 0 ? options->batch_size * longest : options->batch_tokens;
    most = most < USUAL_TOKENS ? most : USUAL_TOKENS;
    return (int32_t)(most > longest ? most : longest);
}

static smidge_status fit(training *run, smidge_error *error)
{
    const smg_training_options *options = run->options;
    run->train = (smg_train_options){.rank = options->full ? 0 : options->rank,
                                     .alpha = options->alpha,
                                     .targets = options->targets,
                                     .bf16 = options->bf16,
                                     .tokens = usual_tokens(run),
                                     .sequence = run->data.longest,
                                     .seed = options->seed};
    smg_optimizer_defaults(&run->optimizing);
    run->optimizing.beta2 = options->beta2;
    run->optimizing.decay = options->decay;
    run->optimizing.muon = options->muon;
    run->optimizing.bf16 = options->bf16;
    if (run->resumed) {
        if (run->checkpoint.place.batch < run->data.longest)
            return smg_error_set(
                error, SMIDGE_E_FORMAT, run->checkpoint_path,
                "is at a place that this training does not have (begin anew with --restart)");
        run->train.tokens = (int32_t)run->checkpoint.place.batch;
        run->train.recompute = run->checkpoint.place.recompute != 0;
    }
    const smg_plan_input input = {.model = &run->model->model,
                                  .train = run->train,
                                  .optimizer = run->optimizing,
                                  .threads = run->model->threads,
                                  .file = run->model->gguf.file.size,
                                  .vocabulary = run->model->vocabulary_bytes,
                                  .data = smg_training_data_bytes(&run->data),
                                  .steps = run->data.steps,
                                  .validated = run->data.valid.count > 0,
                                  .memory = options->memory,
                                  .force = options->force,
                                  .settled = run->resumed};
    return smg_plan_memory(&input, &run->train.tokens, &run->train.recompute, &run->memory, error);
}

static void settle(training *run)
{
    const smg_training_options *options = run->options;
    const int64_t steps = run->data.steps;
    const int64_t warmup = (int64_t)(options->warmup * (double)steps);
    const int64_t hold = (int64_t)(options->hold * (double)(steps - warmup));
    const int64_t every = options->valid_every > 0 ? options->valid_every : (steps + 19) / 20;
    run->settings = (smg_loop_settings){
        .batch = {.examples = options->batch_size, .tokens = options->batch_tokens},
        .schedule = {.steps = steps, .warmup = warmup, .hold = hold, .floor = options->floor},
        .rate = options->rate,
        .muon_rate = options->muon_rate,
        .weight = {.hint = (float)options->hints, .prompt = (float)options->prompt_loss},
        .clip = options->clip,
        .valid_every = every,
        .patience = options->patience,
        .seed = options->seed,
        .checkpoint_every = options->checkpoint_every,
        .checkpoint_path = run->checkpoint_path,
        .log_path = options->log,
        .facts = run->facts,
        .fact_count = run->fact_count,
        .cancel = options->cancel,
    };
}

static void pass_progress(void *context, const smg_loop_status *status)
{
    const smg_training_options *options = context;
    if (options->progress == NULL)
        return;
    options->progress(options->context, &(smg_training_status){.step = status->step,
                                                               .steps = status->steps,
                                                               .stage = status->stage,
                                                               .stages = status->stages,
                                                               .epoch = status->epoch,
                                                               .loss = status->loss,
                                                               .valid_loss = status->valid_loss,
                                                               .tokens_per_second = status->tokens_per_second,
                                                               .left = status->left});
}

static smidge_status make_ready(training *run, smidge_error *error)
{
    const smg_model *model = &run->model->model;
    SMG_TRY(smg_trainee_new(model, run->model->pool, &run->train, &run->trainee, error));
    run->parameter_count = smg_trainee_parameters(run->trainee, &run->parameters);
    SMG_TRY(smg_optimizer_new(run->parameters, run->parameter_count, &run->optimizing, &model->kernels,
                              run->model->pool, &run->optimizer, error));
    settle(run);
    run->loop = (smg_loop){
        .settings = &run->settings,
        .trainee = run->trainee,
        .parameters = run->parameters,
        .parameter_count = run->parameter_count,
        .optimizer = run->optimizer,
        .stages = run->data.stages,
        .stage_count = run->data.stage_count,
        .valid = run->data.valid.count > 0 ? &run->data.valid : NULL,
        .progress = pass_progress,
        .context = (void *)(uintptr_t)run->options,
        .place = {.batch = run->train.tokens, .recompute = run->train.recompute},
    };
    SMG_TRY(smg_loop_init(&run->loop, error));
    return run->resumed ? smg_loop_resume(&run->loop, &run->checkpoint, error) : SMIDGE_OK;
}

static smidge_status tell_plan(training *run, smidge_error *error)
{
    const smg_training_options *options = run->options;
    const smg_training_data *data = &run->data;
    smg_training_plan plan = {
        .examples = data->examples,
        .valid_examples = data->valid.count,
        .skipped = data->skipped,
        .example_tokens = (double)data->tokens / (double)data->examples,
        .scored =
            options->prompt_loss > 0.0 ? 1.0 : (double)(data->scored + data->hints) / (double)data->tokens,
        .hints = (double)data->hints / (double)data->examples,
        .steps = data->steps,
        .stages = data->stage_count,
        .epochs = options->stages[0].steps > 0 ? 0.0 : options->epochs,
        .model_parameters = run->model->model.weights.parameters,
        .memory = run->memory,
        .batch = run->train.tokens,
        .recompute = run->train.recompute,
        .threads = run->model->threads,
        .bf16 = options->bf16 && smg_gemm_has_bf16(&run->model->model.kernels),
        .resumed = run->resumed ? run->loop.place.step : -1,
    };
    if (options->planned == NULL)
        return SMIDGE_OK;
    for (size_t i = 0; i < run->parameter_count; i++)
        plan.parameters += (uint64_t)run->parameters[i].rows * (uint64_t)run->parameters[i].columns;
    plan.flop = smg_plan_flop(&run->model->model, &run->train, plan.scored);
    SMG_TRY(smg_plan_peak(&run->model->model, run->model->pool, options->bf16, &plan.peak, error));
    options->planned(options->context, &plan);
    return SMIDGE_OK;
}

/* ---- The end --------------------------------------------------------------------------------------------- */

static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

static double written_loss(const training *run)
{
    return run->data.valid.count > 0 ? run->loop.place.best_loss : NAN;
}

static smidge_status write_outputs(training *run, smidge_error *error)
{
    const smg_training_options *options = run->options;
    const smg_train_place *place = &run->loop.place;
    char title[256];
    const smg_train_record record = {
        .base_name = options->model != NULL ? file_name(options->model) : "",
        .base_id = smg_model_id(&run->model->gguf),
        .seed = options->seed,
        .steps = place->best_step > 0 ? place->best_step : place->step,
        .loss = place->loss,
        .valid_loss = written_loss(run),
        .labels = (const char *const *)run->data.labels,
        .label_count = run->data.label_count,
        .alpha = options->alpha,
    };
    smg_loop_take_best(&run->loop);
    snprintf(title, sizeof title, "%.120s: loss of %" PRId64 " steps", file_name(options->output),
             place->step);
    SMG_TRY(smg_train_write_curve(run->curve_path, title, run->loop.points, run->loop.point_count, error));
    if (options->log != NULL)
        SMG_TRY(smg_train_write_log(options->log, run->loop.points, run->loop.point_count, error));
    if (options->full)
        return smg_train_write_model(options->output, &run->model->model, run->parameters,
                                     run->parameter_count, run->mix, run->model->threads, &record, error);
    return smg_train_write_adapter(options->output, &run->model->model, run->parameters, run->parameter_count,
                                   &record, error);
}

static smidge_status finish(training *run, smg_training_result *ret_result, smidge_error *error)
{
    const smg_train_place *place = &run->loop.place;
    smidge_error failure;
    const smidge_status status = write_outputs(run, &failure);
    if (status != SMIDGE_OK)
        return smg_error_set(error, status, failure.where,
                             "%s; all that was learned is kept in %s, and the same command goes on",
                             failure.message, run->checkpoint_path);
    unlink(run->checkpoint_path);
    *ret_result = (smg_training_result){.steps = place->step,
                                        .best_step = place->best_step,
                                        .loss = place->loss,
                                        .valid_loss = written_loss(run),
                                        .seconds = place->seconds,
                                        .tokens = place->tokens,
                                        .stopped = place->stopped != 0};
    snprintf(ret_result->curve, sizeof ret_result->curve, "%s", run->curve_path);
    return SMIDGE_OK;
}

smidge_status smg_training_run(const smg_training_options *options, smg_training_result *ret_result,
                               smidge_error *error)
{
    /* its stages alone would fill a board's stack */
    SMG_CLEANUP(smg_free_ptr) training *memory = smg_alloc(sizeof *memory);
    if (memory == NULL)
        return smg_error_no_memory(error, "training", sizeof *memory);
    memory->options = options;
    smidge_status status = check(memory, error);
    if (status == SMIDGE_OK)
        status = open_model(memory, error);
    if (status == SMIDGE_OK)
        status = smg_training_data_read(options, memory->model, &memory->data, error);
    if (status == SMIDGE_OK) {
        list_facts(memory);
        status = find_checkpoint(memory, error);
    }
    if (status == SMIDGE_OK)
        status = fit(memory, error);
    if (status == SMIDGE_OK)
        status = make_ready(memory, error);
    if (status == SMIDGE_OK)
        status = tell_plan(memory, error);
    if (status == SMIDGE_OK)
        status = smg_loop_run(&memory->loop, error);
    if (status == SMIDGE_OK)
        status = finish(memory, ret_result, error);
    training_done(memory);
    return status;
}
