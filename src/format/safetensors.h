/* Reading safetensors, memory-mapped. As with GGUF nothing is believed: the header's length, each tensor's place and its
 * size are proven first; there are no holes and no overlaps.
 * Source: the format's description (github.com/huggingface/safetensors, README). */
#ifndef SMG_FORMAT_SAFETENSORS_H
#define SMG_FORMAT_SAFETENSORS_H

#include "base/file.h"
#include "format/json_text.h"

#define SMG_SAFETENSORS_MAX_HEADER 100000000u
#define SMG_SAFETENSORS_MAX_TENSORS 65536u
#define SMG_SAFETENSORS_MAX_DIMS 8

typedef struct smg_safetensor {
    const char *name;  /* lives as long as the file is open */
    const char *dtype; /* as the file spells it: "BF16" */
    smg_type type;     /* F32, F16 or BF16; SMG_TYPE_COUNT for the rest */
    uint32_t dims;
    uint64_t shape[SMG_SAFETENSORS_MAX_DIMS]; /* the row length last; unused ones are 1 */
    const uint8_t *data;                      /* in the mapping */
    uint64_t bytes;
} smg_safetensor;

typedef struct smg_safetensors {
    smg_file file;
    bool borrowed; /* the caller keeps the bytes */
    json_t *header;
    smg_safetensor *tensors; /* in the order of their data */
    size_t count;
} smg_safetensors;

/* SMIDGE_E_IO, SMIDGE_E_FORMAT (damaged, and how), SMIDGE_E_NOMEM. */
smidge_status smg_safetensors_open(const char *path, smg_safetensors *ret_file, smidge_error *error)
    SMG_MUST_CHECK;
/* The same over bytes that the caller keeps alive; `name` is for messages. */
smidge_status smg_safetensors_parse(const void *data, size_t size, const char *name,
                                    smg_safetensors *ret_file, smidge_error *error) SMG_MUST_CHECK;
/* Takes one that is all zeros. */
void smg_safetensors_close(smg_safetensors *file);

#endif
