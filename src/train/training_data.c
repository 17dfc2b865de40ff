#include "train/training_data.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"

#define LABELS_MAX 256 /* more are no set that classify takes */

static void set_done(smg_dataset *set)
{
    smg_dataset_done(set);
}

void smg_training_data_done(smg_training_data *data)
{
    for (int64_t i = 0; i < data->stage_count; i++)
        smg_sequences_done(&data->stages[i].set);
    smg_sequences_done(&data->valid);
    for (size_t i = 0; i < data->label_count; i++)
        smg_free(data->labels[i]);
    smg_free(data->labels);
    *data = (smg_training_data){.stage_count = 0};
}

static uint64_t bytes_of(const smg_sequences *set)
{
    return set->token_room * sizeof *set->tokens + set->room * sizeof *set->list +
           set->hint_room * sizeof *set->hints;
}

uint64_t smg_training_data_bytes(const smg_training_data *data)
{
    uint64_t bytes = bytes_of(&data->valid);
    for (int64_t i = 0; i < data->stage_count; i++)
        bytes += bytes_of(&data->stages[i].set);
    return bytes;
}

/* ---- Labels ---------------------------------------------------------------------------------------------- */

static smidge_status add_label(smg_training_data *data, const char *label, smidge_error *error)
{
    for (size_t i = 0; i < data->label_count; i++) {
        if (strcmp(data->labels[i], label) == 0)
            return SMIDGE_OK;
    }
    if (data->labels == NULL)
        data->labels = smg_alloc_array(LABELS_MAX, sizeof *data->labels);
    char *copy = smg_alloc(strlen(label) + 1);
    if (data->labels == NULL || copy == NULL) {
        smg_free(copy);
        return smg_error_no_memory(error, "training data", strlen(label) + 1);
    }
    memcpy(copy, label, strlen(label) + 1);
    data->labels[data->label_count++] = copy;
    return SMIDGE_OK;
}

static smidge_status add_labels(smg_training_data *data, const smg_dataset *set, smidge_error *error)
{
    for (int32_t i = 0; i < set->label_count && data->label_count < LABELS_MAX; i++)
        SMG_TRY(add_label(data, set->labels[i], error));
    return SMIDGE_OK;
}

/* ---- Sets ------------------------------------------------------------------------------------------------ */

static smg_encoding encoding_of(const smg_training_options *options, const smidge_model *model)
{
    const int32_t context = model->model.shape.context;
    return (smg_encoding){
        .longest = options->sequence > 0 && options->sequence < context ? options->sequence : context,
        .skip_long = options->skip_long,
        .all = options->loss_all,
        .hints = options->hints > 0.0,
        .chat = options->chat,
        .system = options->system,
        .template_name = options->template_name,
        .template_file = options->template_file,
        .no_thinking = options->no_thinking,
    };
}

static smidge_status read_set(const smg_training_options *options, const char *const *paths, size_t count,
                              smg_dataset *ret_set, smidge_error *error)
{
    const smg_dataset_options how = {.problem = options->problem, .context = options->context};
    return smg_dataset_read(paths, count, &how, ret_set, error);
}

static smidge_status encode(const smg_training_options *options, const smidge_model *model,
                            const smg_dataset *set, const bool *marked, bool wanted, smg_sequences *sequences,
                            smg_training_data *data, smidge_error *error)
{
    smg_encoding encoding = encoding_of(options, model);
    encoding.hints = encoding.hints && !wanted; /* validation is about answers */
    size_t skipped = 0;
    SMG_TRY(smg_sequences_add(sequences, model, set, marked, wanted, &encoding, &skipped, error));
    data->skipped += skipped;
    data->longest = sequences->longest > data->longest ? sequences->longest : data->longest;
    data->hash = smg_sequences_hash(sequences, data->hash);
    if (sequences->count > 0)
        return SMIDGE_OK;
    return smg_error_set(error, SMIDGE_E_INVALID, wanted ? "validation examples" : set->examples[0].file,
                         "all examples are too long for %" PRId32
                         " tokens (raise --sequence, or shorten them)",
                         encoding.longest);
}

static smidge_status read_valid(const smg_training_options *options, const smidge_model *model,
                                smg_training_data *data, smidge_error *error)
{
    SMG_CLEANUP(set_done) smg_dataset set = {.count = 0};
    SMG_TRY(read_set(options, &options->valid, 1, &set, error));
    return encode(options, model, &set, NULL, true, &data->valid, data, error);
}

static smidge_status read_stage(const smg_training_options *options, const smidge_model *model, size_t number,
                                smg_training_data *data, smidge_error *error)
{
    SMG_CLEANUP(set_done) smg_dataset set = {.count = 0};
    SMG_CLEANUP(smg_free_ptr) bool *marked = NULL;
    const smg_training_stage *stage = &options->stages[number];
    smg_sequences *sequences = &data->stages[number].set;
    SMG_TRY(read_set(options, stage->paths, stage->path_count, &set, error));
    SMG_TRY(add_labels(data, &set, error));
    if (number == 0 && options->valid == NULL && options->valid_share > 0.0) {
        marked = smg_alloc_array(set.count, sizeof *marked);
        if (marked == NULL)
            return smg_error_no_memory(error, "training data", set.count);
        SMG_TRY(smg_dataset_split(&set, options->valid_share, options->seed, marked, error));
        SMG_TRY(encode(options, model, &set, marked, true, &data->valid, data, error));
    }
    return encode(options, model, &set, marked, false, sequences, data, error);
}

/* ---- Steps ----------------------------------------------------------------------------------------------- */

static smidge_status count_steps(const smg_training_options *options, size_t number, smg_training_data *data,
                                 smidge_error *error)
{
    smg_loop_stage *stage = &data->stages[number];
    const smg_batch_size size = {.examples = options->batch_size, .tokens = options->batch_tokens};
    stage->steps = options->stages[number].steps;
    stage->end = INT64_MAX;
    if (stage->steps == 0) {
        smg_stream stream = {.set = NULL};
        stage->end = (int64_t)llround(options->epochs * (double)stage->set.count);
        stage->end = stage->end < 1 ? 1 : stage->end;
        SMG_TRY(smg_stream_init(&stream, &stage->set, options->seed + number, error));
        smidge_status status = smg_stream_steps(&stream, &size, stage->end, &stage->steps, error);
        smg_stream_done(&stream);
        SMG_TRY(status);
    }
    data->steps += stage->steps;
    if (data->steps > (int64_t)SMG_CHECKPOINT_POINTS_MAX)
        return smg_error_set(error, SMIDGE_E_INVALID, "training",
                             "would take %" PRId64 " steps (take fewer epochs, or larger batches)",
                             data->steps);
    return SMIDGE_OK;
}

static void sum_up(const smg_sequences *set, smg_training_data *data)
{
    data->examples += set->count;
    data->hints += (int64_t)set->hint_count;
    for (size_t i = 0; i < set->count; i++) {
        data->tokens += set->list[i].length - 1;
        data->scored += set->list[i].length - set->list[i].answer;
    }
}

smidge_status smg_training_data_read(const smg_training_options *options, const smidge_model *model,
                                     smg_training_data *data, smidge_error *error)
{
    data->stage_count = (int64_t)options->stage_count;
    for (size_t i = 0; i < options->stage_count; i++) {
        SMG_TRY(read_stage(options, model, i, data, error));
        SMG_TRY(count_steps(options, i, data, error));
        sum_up(&data->stages[i].set, data);
    }
    return options->valid != NULL ? read_valid(options, model, data, error) : SMIDGE_OK;
}
