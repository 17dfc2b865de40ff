/* The kernel checker: every kernel against its reference at every CPU-mask step.
 *
 * Buffers end where an unreadable page begins, rows are apart and the bytes between them are poison, so a
 * kernel that reads or writes outside its rows is caught without a sanitizer too. */
#ifndef SMG_KERNEL_CHECK_H
#define SMG_KERNEL_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "kernels/kernels.h"

/* A line of kernels.inc. */
typedef struct kernel_entry {
    uint32_t path;
    size_t slot; /* offset in smg_kernels */
    const char *name;
    void (*function)(void);
} kernel_entry;

extern const kernel_entry kernel_entries[];
extern const size_t kernel_entry_count;

/* The function in a slot of a table. */
void (*kernel_at(const smg_kernels *table, size_t slot))(void);

typedef struct check {
    const smg_kernels *reference;
    const smg_kernels *table;
    const char *kernel; /* under test, for messages and for the signal handler */
    uint64_t random;
    double worst; /* error over bound so far */
    int failures;
} check;

/* Records a failure, with a message for the first few of a kernel. */
void check_fail(check *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* |got - expected| <= bound, NaN equal to NaN only. */
bool check_near(check *c, double got, double expected, double bound);

/* `size` bytes of poison that end at an unreadable page; released together by guarded_free_all. */
void *guarded_new(size_t size);
void guarded_free_all(void);

uint64_t random_bits(uint64_t *state);
/* Uniform in [-1, 1). */
float random_float(uint64_t *state);

/* How test data is made. */
typedef enum data_kind {
    DATA_RANDOM,
    DATA_EXTREME, /* largest scales, quants at either end, one sign */
    DATA_ALTERNATING,
    DATA_KINDS
} data_kind;

/* One row of weights of any plain type, with finite scales. */
void fill_weights(uint64_t *random, smg_type type, data_kind kind, uint8_t *row, int64_t k);
void fill_floats(uint64_t *random, data_kind kind, float *x, int64_t n);

void check_matmul(check *c, smg_type type);
/* `type` is an interleaved one. */
void check_interleaved(check *c, smg_type type);
void check_quantize(check *c, smg_act act);
void check_dequantize(check *c, smg_type type);
void check_search(check *c);
void check_kv_store(check *c, smg_kv kv);
void check_attention_scores(check *c, smg_kv kv);
void check_attention_mix(check *c, smg_kv kv);
void check_round_f16(check *c);
void check_rms_norm(check *c);
void check_add(check *c);
void check_soft_cap(check *c);
void check_softmax(check *c);
void check_gate(check *c, bool gelu);
void check_rms_norm_back(check *c);
void check_add_product(check *c);
void check_gate_back(check *c, bool gelu);
void check_gemm_pack(check *c, smg_gemm_kind kind, bool a_side);
void check_gemm(check *c, smg_gemm_kind kind);

/* Times the kernels whose names contain `filter` ("" for all). Returns the exit status. */
int kernel_bench(const char *filter);

#endif
