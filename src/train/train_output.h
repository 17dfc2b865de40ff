/* What was learned, as a file: an adapter as llama.cpp reads them, or a whole model. */
#ifndef SMG_TRAIN_TRAIN_OUTPUT_H
#define SMG_TRAIN_TRAIN_OUTPUT_H

#include "quant/mix.h"
#include "train/trainee.h"

/* How it came about: keys smidge.*. */
typedef struct smg_train_record {
    const char *base_name; /* the file's name, without folders; "": none */
    uint64_t base_id;      /* of the model that it began with */
    uint64_t seed;
    int64_t steps;
    double loss, valid_loss;   /* NAN: none */
    const char *const *labels; /* that it answers with */
    size_t label_count;
    float alpha; /* of adapters */
} smg_train_record;

/* general.type "adapter", adapter.type "lora", general.architecture, adapter.lora.alpha, and the parameters in F32 under their names:
 * NAME.lora_a is [rank rows of the input's columns], NAME.lora_b [output rows of rank columns]. Whole or not at all.
 * SMIDGE_E_IO, SMIDGE_E_FORMAT, SMIDGE_E_NOMEM. */
smidge_status smg_train_write_adapter(const char *path, const smg_model *base,
                                      const smg_parameter *parameters, size_t count,
                                      const smg_train_record *record, smidge_error *error) SMG_MUST_CHECK;

/* The base's file with the parameters instead of the tensors of their names, matrices in the types of the mix (NULL: F32); keys and
 * other tensors stay. Also SMIDGE_E_FORMAT (a weight that is no number). */
smidge_status smg_train_write_model(const char *path, const smg_model *base, const smg_parameter *parameters,
                                    size_t count, const smg_mix *mix, int threads,
                                    const smg_train_record *record, smidge_error *error) SMG_MUST_CHECK;

#endif
