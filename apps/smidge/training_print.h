/* What finetune and train say: the plan, a line while they run, what came out. */
#ifndef SMIDGE_TRAINING_PRINT_H
#define SMIDGE_TRAINING_PRINT_H

#include "cli.h"
#include "train/training.h"

typedef struct training_printer {
    const char *command;
    const smg_training_options *options;
    bool quiet;
    bool terminal;
    bool shown; /* a line that wants taking away */
    bool estimated;
    int64_t told; /* when, in ns */
    smg_training_plan plan;
} training_printer;

void training_printer_init(training_printer *printer, const char *command,
                           const smg_training_options *options, bool quiet);
/* As callbacks of smg_training_options, the printer being their context. */
void training_print_plan(void *printer, const smg_training_plan *plan);
void training_print_progress(void *printer, const smg_training_status *status);
void training_print_end(training_printer *printer);
void training_print_result(const training_printer *printer, const smg_training_result *result);

#endif
