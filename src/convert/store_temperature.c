#include "convert/store_temperature.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "format/gguf_write.h"
#include "model/adapter.h"

#define COPY_BYTES (UINT64_C(1) << 20)
/* The least alignment that is written; files with less get it, without saying so. */
#define LEAST_ALIGNMENT 32

static const char alignment_key[] = "general.alignment";

typedef struct copier {
    smg_gguf gguf;
    smg_gguf_writer *writer;
} copier;

static void close_copier(copier *job)
{
    smg_gguf_write_close(job->writer);
    smg_gguf_close(&job->gguf);
}

static smidge_status copy_keys(const copier *job, float temperature, smidge_error *error)
{
    const smg_gguf *gguf = &job->gguf;
    const smg_gguf_key *old = smg_gguf_find(gguf, SMG_ADAPTER_TEMPERATURE);
    const smg_gguf_key *alignment = smg_gguf_find(gguf, alignment_key);
    for (uint64_t i = 0; i < gguf->key_count; i++) {
        const smg_gguf_key *key = &gguf->keys[i];
        if (key == old)
            SMG_TRY(smg_gguf_write_f32(job->writer, SMG_ADAPTER_TEMPERATURE, temperature, error));
        else if (key == alignment && gguf->alignment >= LEAST_ALIGNMENT)
            SMG_TRY(smg_gguf_write_alignment(job->writer, gguf->alignment, error));
        else
            SMG_TRY(smg_gguf_write_key(job->writer, key, error));
    }
    return old == NULL ? smg_gguf_write_f32(job->writer, SMG_ADAPTER_TEMPERATURE, temperature, error)
                       : SMIDGE_OK;
}

static smidge_status copy_tensors(const copier *job, smidge_error *error)
{
    const smg_gguf *gguf = &job->gguf;
    char name[1025]; /* readers take no longer ones */
    for (uint64_t i = 0; i < gguf->tensor_count; i++) {
        const smg_gguf_tensor *tensor = &gguf->tensors[i];
        snprintf(name, sizeof name, "%.*s", (int)tensor->name.size, tensor->name.data);
        SMG_TRY(smg_gguf_write_tensor(job->writer, name, tensor->type, tensor->dims, tensor->shape, error));
    }
    for (uint64_t i = 0; i < gguf->tensor_count; i++) {
        const smg_gguf_tensor *tensor = &gguf->tensors[i];
        for (uint64_t at = 0, size; at < tensor->bytes; at += size) {
            size = tensor->bytes - at < COPY_BYTES ? tensor->bytes - at : COPY_BYTES;
            SMG_TRY(smg_gguf_write_data(job->writer, tensor->data + at, (size_t)size, error));
            smg_gguf_forget(gguf, tensor->data + at, (size_t)size);
        }
    }
    return SMIDGE_OK;
}

smidge_status smg_store_temperature(const char *from, const char *path, float temperature,
                                    smidge_error *error)
{
    SMG_CLEANUP(close_copier) copier job = {.writer = NULL};
    if (!isfinite(temperature) || !(temperature > 0.0F))
        return smg_error_set(error, SMIDGE_E_INVALID, path,
                             "cannot have a temperature of %g (it is a number above 0)", (double)temperature);
    SMG_TRY(smg_gguf_open(from, &job.gguf, error));
    SMG_TRY(smg_gguf_write_open(path, &job.writer, error));
    SMG_TRY(copy_keys(&job, temperature, error));
    SMG_TRY(copy_tensors(&job, error));
    return smg_gguf_write_finish(job.writer, error);
}
