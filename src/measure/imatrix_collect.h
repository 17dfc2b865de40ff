/* Collecting an importance matrix: the sum of the squares of what goes into each column of each matrix, over a text.
 *
 * As llama.cpp's llama-imatrix does it: the text in chunks, every position of a chunk counts, inputs are taken as they are before they
 * are quantized to 8 bits, and matrices that share an input have an entry each. Sums are in double, each column's in the order of
 * positions, so that the same file comes out with any number of threads.
 * The file is GGUF with, for each matrix, F32 tensors NAME.in_sum2 [row length, 1] and NAME.counts [1, 1], the rows that were
 * summed. Source: llama.cpp tools/imatrix/imatrix.cpp. quant/imatrix.h reads it. */
#ifndef SMG_MEASURE_IMATRIX_COLLECT_H
#define SMG_MEASURE_IMATRIX_COLLECT_H

#include "base/thread.h"
#include "measure/text_chunks.h"

typedef struct smg_collector smg_collector;

typedef struct smg_collect_options {
    smg_chunking chunking;
    int32_t kv_type;    /* smidge_kv_type */
    bool output;        /* the output matrix too, which usually is left at more bits and needs none */
    atomic_int *cancel; /* may be set at any time, by a signal handler too; NULL: nobody does */
    /* After each chunk: how many of how many. NULL: nobody asks. */
    void (*progress)(void *context, uint64_t done, uint64_t total);
    void *progress_context;
} smg_collect_options;

/* Empty. SMIDGE_E_NOMEM. */
smidge_status smg_collector_new(smg_collector **ret_collector, smidge_error *error) SMG_MUST_CHECK;
/* Takes NULL. */
void smg_collector_free(smg_collector *collector);

/* Adds what the model does with the text file at `path` ("-": standard input). After a failure the collector is only good for being
 * freed. SMIDGE_E_INVALID (options out of range, too short a text, matrices of another model were added before), SMIDGE_E_MODEL
 * (something computed is no number), SMIDGE_E_CANCELLED, SMIDGE_E_NO_FIT, SMIDGE_E_IO, SMIDGE_E_NOMEM. */
smidge_status smg_collector_run(smg_collector *collector, smidge_model *model, const char *path,
                                const smg_collect_options *options, smidge_error *error) SMG_MUST_CHECK;
/* Adds the sums of a file that this or llama-imatrix wrote: GGUF, or the older .dat. A .dat keeps means of chunks and does not say
 * how many tokens a chunk has: as many as those merged or measured before, or else chunk_size (0: 512). SMIDGE_E_INVALID (of another model), SMIDGE_E_FORMAT (damaged, or
 * not such a file), SMIDGE_E_UNSUPPORTED (matrices of experts), SMIDGE_E_IO, SMIDGE_E_NOMEM. */
smidge_status smg_collector_merge(smg_collector *collector, const char *path, uint32_t chunk_size,
                                  smidge_error *error) SMG_MUST_CHECK;
/* The same from bytes, which need not stay; `name` is for messages. */
smidge_status smg_collector_merge_bytes(smg_collector *collector, const void *data, size_t size,
                                        uint32_t chunk_size, const char *name, smidge_error *error)
    SMG_MUST_CHECK;

/* Matrices that have sums, and the chunks of text that these come from. */
size_t smg_collector_count(const smg_collector *collector);
uint32_t smg_collector_chunks(const smg_collector *collector);

/* Whether a file can be written there; nothing is left behind. SMIDGE_E_IO. */
smidge_status smg_collector_check(const char *path, smidge_error *error) SMG_MUST_CHECK;
/* Writes the file, entries by name; it appears when it is whole. SMIDGE_E_INVALID (nothing was collected), SMIDGE_E_IO,
 * SMIDGE_E_NOMEM. */
smidge_status smg_collector_write(const smg_collector *collector, const char *path, smidge_error *error)
    SMG_MUST_CHECK;

#endif
