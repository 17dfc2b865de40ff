/* An importance matrix of any bytes, GGUF or .dat: read, and what it says used. */
#include "quant/imatrix.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    smg_imatrix *imatrix = NULL;
    smidge_error error;
    if (smg_imatrix_parse(data, size, "fuzz", &imatrix, &error) != SMIDGE_OK) {
        must(error.message[0] != '\0');
        return 0;
    }
    int64_t columns = 0;
    const float *values = smg_imatrix_find(imatrix, "blk.0.attn_q.weight", &columns);
    for (int64_t i = 0; values != NULL && i < columns; i++)
        must(isfinite(values[i]) && values[i] > 0);
    must(strlen(smg_imatrix_dataset(imatrix)) < 256 && smg_imatrix_count(imatrix) <= 4096);
    smg_imatrix_close(imatrix);
    return 0;
}
