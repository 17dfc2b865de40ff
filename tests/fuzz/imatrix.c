/* An importance matrix of any bytes, GGUF or .dat: read, and merged with itself. */
#include "quant/imatrix.h"

#include <math.h>
#include <stdbool.h>

#include "base/alloc.h"
#include "measure/imatrix_collect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        __builtin_trap();
}

static void look_up(const smg_imatrix *imatrix, const char *name)
{
    int64_t columns = 0;
    const float *values = smg_imatrix_find(imatrix, name, &columns);
    for (int64_t i = 0; values != NULL && i < columns; i++)
        must(isfinite(values[i]) && values[i] > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint64_t live = smg_alloc_live_blocks();
    smg_imatrix *imatrix = NULL;
    smg_collector *collector = NULL;
    smidge_error error;
    if (smg_imatrix_parse(data, size, "fuzz", &imatrix, &error) == SMIDGE_OK) {
        must(smg_imatrix_count(imatrix) <= size);
        look_up(imatrix, "a");
        look_up(imatrix, "blk.0.attn_q.weight");
        must(smg_imatrix_dataset(imatrix) != NULL);
        smg_imatrix_close(imatrix);
    }
    if (smg_collector_new(&collector, &error) == SMIDGE_OK) {
        for (int i = 0; i < 2; i++) {
            if (smg_collector_merge_bytes(collector, data, size, 64, "fuzz", &error) != SMIDGE_OK)
                break;
            must(smg_collector_count(collector) <= size);
        }
        smg_collector_free(collector);
    }
    must(smg_alloc_live_blocks() == live);
    return 0;
}
