/* How far two importance matrices are apart, matrix by matrix: imatrix_compare MODEL A B, each of
 * these GGUF or .dat. Exit status 0 where both know the same matrices. */
#include <math.h>
#include <stdio.h>

#include "format/gguf.h"
#include "quant/imatrix.h"

/* Root mean square of the difference, relative to that of b; and the largest difference relative to its own value. */
static void compare(const float *a, const float *b, int64_t columns, double *ret_rms, double *ret_largest)
{
    double difference = 0, size = 0, largest = 0;
    for (int64_t i = 0; i < columns; i++) {
        const double gap = (double)a[i] - (double)b[i];
        difference += gap * gap;
        size += (double)b[i] * (double)b[i];
        largest = fmax(largest, fabs(gap) / (double)b[i]);
    }
    *ret_rms = sqrt(difference / size);
    *ret_largest = largest;
}

int main(int argc, char **argv)
{
    smidge_error error;
    smg_imatrix *a = NULL, *b = NULL;
    if (argc != 4) {
        fprintf(stderr, "usage: imatrix_compare MODEL.gguf A B\n");
        return 2;
    }
    smg_gguf gguf = {0};
    if (smg_gguf_open(argv[1], &gguf, &error) != SMIDGE_OK ||
        smg_imatrix_open(argv[2], &a, &error) != SMIDGE_OK ||
        smg_imatrix_open(argv[3], &b, &error) != SMIDGE_OK) {
        fprintf(stderr, "imatrix_compare: %s: %s\n", error.where, error.message);
        return 1;
    }
    int both = 0;
    double worst_rms = 0, worst_largest = 0, sum = 0;
    for (uint64_t i = 0; i < gguf.tensor_count; i++) {
        char name[256];
        int64_t columns = 0, others = 0;
        double rms = 0, largest = 0;
        snprintf(name, sizeof name, "%.*s", (int)gguf.tensors[i].name.size, gguf.tensors[i].name.data);
        const float *x = smg_imatrix_find(a, name, &columns), *y = smg_imatrix_find(b, name, &others);
        if (x == NULL || y == NULL || columns != others)
            continue;
        compare(x, y, columns, &rms, &largest);
        printf("%-32s %6lld columns  rms %.2e  largest %.2e\n", name, (long long)columns, rms, largest);
        both++;
        sum += rms;
        worst_rms = fmax(worst_rms, rms);
        worst_largest = fmax(worst_largest, largest);
    }
    printf("%zu and %zu matrices, %d in both: mean rms %.2e, largest rms %.2e, largest of a column %.2e\n",
           smg_imatrix_count(a), smg_imatrix_count(b), both, both > 0 ? sum / both : 0.0, worst_rms,
           worst_largest);
    const bool same =
        both > 0 && (size_t)both == smg_imatrix_count(a) && (size_t)both == smg_imatrix_count(b);
    smg_imatrix_close(a);
    smg_imatrix_close(b);
    smg_gguf_close(&gguf);
    return same ? 0 : 1;
}
