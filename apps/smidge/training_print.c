#include "training_print.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

/* Between two lines in a pipe, and two changes of the one on a terminal. */
#define PIPE_NS INT64_C(10000000000)
#define TERMINAL_NS INT64_C(200000000)
/* The first steps are slower: memory is touched for the first time. */
#define STEPS_MEASURED 3

/* A Raspberry Pi 5: four Cortex-A76 of 2.4 GHz, each with two NEON units of four lanes that multiply and add. */
#define PI_CORES 4.0
#define PI_GHZ 2.4
#define PI_UNITS 2.0
#define PI_LANES 4.0

void training_printer_init(training_printer *printer, const char *command,
                           const smg_training_options *options, bool quiet)
{
    *printer = (training_printer){.command = command,
                                  .options = options,
                                  .quiet = quiet,
                                  .terminal = isatty(STDERR_FILENO) == 1};
}

/* "41 s", "12 min", "3.4 h" */
static const char *duration(double seconds, char text[32])
{
    if (!(seconds < 1e9))
        snprintf(text, 32, "?");
    else if (seconds < 120.0)
        snprintf(text, 32, "%.0f s", seconds);
    else if (seconds < 7200.0)
        snprintf(text, 32, "%.0f min", seconds / 60.0);
    else
        snprintf(text, 32, "%.1f h", seconds / 3600.0);
    return text;
}

/* "1.8 M" */
static const char *amount(double count, char text[32])
{
    const bool large = count >= 1e9;
    if (count < 1e5)
        snprintf(text, 32, "%.0f", count);
    else
        snprintf(text, 32, "%.3g %s", count / (large ? 1e9 : 1e6), large ? "G" : "M");
    return text;
}

static void print_examples(const smg_training_plan *plan)
{
    printf("examples     %zu to learn from, %zu to validate on", plan->examples, plan->valid_examples);
    if (plan->skipped > 0)
        printf("; %zu are too long and left out", plan->skipped);
    printf("\ntokens       %.1f an example, %.1f %% of them to be learned", plan->example_tokens,
           100.0 * plan->scored);
    if (plan->hints > 0.0)
        printf(", %.1f hints an example with them", plan->hints);
    putchar('\n');
}

void training_print_plan(void *context, const smg_training_plan *plan)
{
    training_printer *printer = context;
    char first[32], second[32];
    printer->plan = *plan;
    if (printer->quiet)
        return;
    print_examples(plan);
    printf("parameters   %s are trained, %s are in the model\n", amount((double)plan->parameters, first),
           amount((double)plan->model_parameters, second));
    printf("memory       at most %s in all: %d tokens at once%s, %d %s%s\n",
           cli_bytes((double)plan->memory, first), (int)plan->batch,
           plan->recompute ? ", layers computed again instead of kept" : "", plan->threads,
           plan->threads == 1 ? "thread" : "threads", plan->bf16 ? ", bf16" : "");
    printf("steps        %" PRId64, plan->steps);
    if (plan->epochs > 0.0)
        printf(" in %g %s", plan->epochs, plan->epochs == 1.0 ? "epoch" : "epochs");
    else if (plan->stages > 1)
        printf(" in %" PRId64 " stages", plan->stages);
    if (plan->resumed >= 0)
        printf("; goes on behind step %" PRId64 " of %s.checkpoint", plan->resumed, printer->options->output);
    putchar('\n');
    fflush(stdout);
}

/* How long a Raspberry Pi 5 takes, and why. */
static void print_estimate(const training_printer *printer, double tokens_per_second)
{
    const smg_training_plan *plan = &printer->plan;
    const double epochs = plan->epochs > 0.0 ? plan->epochs : 1.0;
    const double pi = PI_CORES * PI_GHZ * PI_UNITS * PI_LANES * 2.0; /* GFLOP/s */
    const double reached = plan->flop * tokens_per_second;
    const double share = fmin(1.0, reached / plan->peak);
    const double flop = 1000.0 * plan->example_tokens * epochs * plan->flop;
    char text[32];
    printf(
        "here         %.1f tokens/s: %.3g GFLOP a token x that = %.1f GFLOP/s, %.0f %% of the %.1f that products reach\n",
        tokens_per_second, plan->flop * 1e-9, reached * 1e-9, 100.0 * share, plan->peak * 1e-9);
    printf(
        "on a Pi 5    about %s for 1,000 such examples and %g %s: 1,000 x %.1f tokens x %g x %.3g GFLOP = %.3g TFLOP,\n"
        "             at %.0f %% of 4 cores x 2.4 GHz x 2 units x 4 lanes x 2 = %.1f GFLOP/s\n",
        duration(flop * 1e-9 / (pi * share), text), epochs, epochs == 1.0 ? "epoch" : "epochs",
        plan->example_tokens, epochs, plan->flop * 1e-9, flop * 1e-12, 100.0 * share, pi);
    fflush(stdout);
}

static void take_away(training_printer *printer)
{
    if (printer->shown)
        fprintf(stderr, "\r%110s\r", "");
    printer->shown = false;
}

static void print_status(const training_printer *printer, const smg_training_status *status,
                         const char *before, const char *after)
{
    char line[384], left[32], valid[48] = "", stage[64] = "";
    if (isfinite(status->valid_loss))
        snprintf(valid, sizeof valid, "  valid %.4f", status->valid_loss);
    if (status->stages > 1)
        snprintf(stage, sizeof stage, "  stage %" PRId64 "/%" PRId64, status->stage + 1, status->stages);
    snprintf(line, sizeof line,
             "step %" PRId64 "/%" PRId64 "%s  epoch %.2f  loss %.4f%s  %.0f tokens/s  %s left", status->step,
             status->steps, stage, status->epoch, status->loss, valid, status->tokens_per_second,
             duration(status->left, left));
    fprintf(printer->terminal ? stderr : stdout, "%s%s%s", before, line, after);
}

void training_print_progress(void *context, const smg_training_status *status)
{
    training_printer *printer = context;
    const int64_t now = smidge_now_ns();
    const int64_t first = printer->plan.resumed > 0 ? printer->plan.resumed : 0;
    if (printer->quiet)
        return;
    if (!printer->estimated && (status->step - first >= STEPS_MEASURED || status->step == status->steps)) {
        take_away(printer);
        printer->estimated = true;
        print_estimate(printer, status->tokens_per_second);
    }
    if (now - printer->told < (printer->terminal ? TERMINAL_NS : PIPE_NS) && status->step < status->steps)
        return;
    printer->told = now;
    if (printer->terminal) {
        print_status(printer, status, "\r", "   ");
        printer->shown = true;
    } else {
        print_status(printer, status, "", "\n");
        fflush(stdout);
    }
}

void training_print_end(training_printer *printer)
{
    take_away(printer);
}

void training_print_result(const training_printer *printer, const smg_training_result *result)
{
    char text[32];
    printf("trained      %" PRId64 " steps%s, %" PRId64 " tokens, %s: loss %.4f", result->steps,
           result->stopped ? " (validations got no better)" : "", result->tokens,
           duration(result->seconds, text), result->loss);
    if (isfinite(result->valid_loss))
        printf(", validation loss %.6f of step %" PRId64, result->valid_loss, result->best_step);
    printf("\n%s: %s; the loss is drawn in %s\n", printer->options->output,
           printer->options->full ? "the model" : "the adapter", result->curve);
}
