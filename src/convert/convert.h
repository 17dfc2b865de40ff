/* Folders of the Hugging Face kind to GGUF files: whole models, and LoRA adapters. Tensor goes after tensor from the mapped source to
 * the file, some rows at a time. */
#ifndef SMG_CONVERT_CONVERT_H
#define SMG_CONVERT_CONVERT_H

#include "convert/hf_folder.h"
#include "quant/mix.h"

typedef struct smg_convert {
    const smg_mix *mix; /* NULL: 16 bits, as the source has them; F16 where it has 32 */
    int threads;
    const char *base; /* of an adapter: the model's folder or GGUF file; NULL: what the adapter names */
    void (*progress)(void *context, uint64_t done, uint64_t total); /* may be NULL */
    void *progress_context;
    void (*note)(void *context, const char *text); /* what a person should know, one line each; may be NULL */
    void *note_context;
} smg_convert;

/* Whether a folder holds an adapter. */
bool smg_convert_is_adapter(const char *folder);
/* Errors: those of smg_hf_config_read, smg_hf_vocabulary_read, smg_hf_weights_open and the writer; SMIDGE_E_FORMAT (a tensor that is
 * missing, twice, of another size than config.json says, or holds what is no number). */
smidge_status smg_convert_model(const char *folder, const char *path, const smg_convert *options,
                                smidge_error *error) SMG_MUST_CHECK;
/* PEFT's and MLX's. Also SMIDGE_E_INVALID (the base is not known, or a type that is not f32, f16 or bf16). */
smidge_status smg_convert_adapter(const char *folder, const char *path, const smg_convert *options,
                                  smidge_error *error) SMG_MUST_CHECK;

/* Row `row` of rows that rope turns: of a head, first halves and second halves become neighbours. */
static inline int64_t smg_convert_rotated(int64_t row, int64_t head_size)
{
    const int64_t head = row / head_size, inside = row % head_size;
    return head * head_size + inside % 2 * (head_size / 2) + inside / 2;
}

#endif
