/* LoRA adapters: pairs of low-rank matrices in a GGUF file, proven to fit a model, and put onto its weights.
 *
 * general.type is "adapter", adapter.type "lora", general.architecture the base's, adapter.lora.alpha a float. Each matrix NAME of the
 * base that is adapted has tensors NAME.lora_a, `rank` rows of the matrix's columns, and NAME.lora_b, the matrix's rows of `rank` columns;
 * a product W x then gains scale * alpha / rank * B (A x). Where alpha is missing or 0 it gains scale * B (A x), as in llama.cpp.
 * Source: llama.cpp convert_lora_to_gguf.py and src/llama-adapter.cpp; LoRA: arXiv 2106.09685. */
#ifndef SMG_MODEL_ADAPTER_H
#define SMG_MODEL_ADAPTER_H

#include "base/alloc.h"
#include "model/model.h"

#define SMG_ADAPTER_MAX_RANK 1024
/* Divides the logits of labels, so that probabilities are what they say; f32, above 0. A model's file may have it, too. */
#define SMG_ADAPTER_TEMPERATURE "smidge.temperature"

typedef struct smg_adapter_pair {
    const smg_gguf_tensor *base; /* [rows][columns] */
    const smg_gguf_tensor *a;    /* [rank][columns]; F32, F16, BF16 or Q8_0, as b is … */
    const smg_gguf_tensor *b;    /* [rows][rank] */
    int32_t rank;
    float scale; /* of B (A x), alpha and the caller's included */
} smg_adapter_pair;

typedef struct smg_adapter {
    const smg_gguf *file; /* NULL: no adapter. It and the base's stay open for as long as the adapter lives */
    smg_adapter_pair *pairs;
    size_t count;
    float alpha;       /* 0: none */
    float scale;       /* the caller's */
    int32_t rank;      /* the largest */
    float temperature; /* 0: the file has none */
    smg_arena held;    /* what the weights point at */
} smg_adapter;

/* Proves that each pair of `file` fits `base`. `scale` is the caller's, usually 1. Errors: SMIDGE_E_INVALID (not an adapter, or another
 * base's; a scale that is no number), SMIDGE_E_FORMAT (damaged: a partner is missing, shapes contradict each other),
 * SMIDGE_E_UNSUPPORTED (by name: what this build does not apply), SMIDGE_E_NOMEM. */
smidge_status smg_adapter_read(const smg_gguf *file, const smg_gguf *base, float scale,
                               smg_adapter *ret_adapter, smidge_error *error) SMG_MUST_CHECK;
/* Puts an adapter that was read with the model's file onto the model, for as long as the adapter lives. SMIDGE_E_UNSUPPORTED (a matrix
 * that the forward pass does not have), SMIDGE_E_NOMEM; the model then is as it was. */
smidge_status smg_adapter_attach(smg_adapter *adapter, smg_model *model, smidge_error *error) SMG_MUST_CHECK;
void smg_adapter_done(smg_adapter *adapter);

/* What an attached adapter takes beside the model: its file, and what it holds. 0 where there is none. */
uint64_t smg_adapter_bytes(const smg_adapter *adapter);
/* The id of a model of id `model` with this adapter at its scale; `model` itself where there is none. */
uint64_t smg_adapter_id(const smg_adapter *adapter, uint64_t model);

/* Of any file that says that it is a LoRA adapter, with no base at hand: its tensors in pairs, their largest rank, alpha. False
 * where it is none. */
bool smg_adapter_describe(const smg_gguf *file, size_t *ret_pairs, int32_t *ret_rank, float *ret_alpha);

/* The temperature that an adapter or a model has in its file; `ret_temperature` stays where there is none. SMIDGE_E_FORMAT (no number
 * above 0). */
smidge_status smg_adapter_read_temperature(const smg_gguf *file, float *ret_temperature, smidge_error *error)
    SMG_MUST_CHECK;

#endif
