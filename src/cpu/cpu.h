/* What this processor can do, as a mask of CPU paths; tests and `--cpu` lower it. */
#ifndef SMG_CPU_CPU_H
#define SMG_CPU_CPU_H

#include <stdbool.h>
#include <stdint.h>

/* Each bit is one kernel path: a set of instructions that its files are compiled for. */
typedef enum smg_cpu_path {
    SMG_CPU_REF = 0,
    SMG_CPU_AVX2 = 1 << 0,       /* AVX2, FMA, F16C */
    SMG_CPU_AVXVNNI = 1 << 1,    /* the above and AVX-VNNI */
    SMG_CPU_AVX512VNNI = 1 << 2, /* AVX-512 F, BW, DQ, VL and VNNI */
    SMG_CPU_AVX512BF16 = 1 << 3, /* the above and AVX512-BF16 */
    SMG_CPU_AMX = 1 << 4,     /* the above and AMX with bfloat16, the use of which the kernel has permitted */
    SMG_CPU_NEON = 1 << 8,    /* Armv8-A */
    SMG_CPU_DOTPROD = 1 << 9, /* Armv8.2 with the integer dot product */
    SMG_CPU_I8MM = 1 << 10    /* with the 8-bit matrix multiply */
} smg_cpu_path;

#define SMG_CPU_ALL UINT32_MAX

/* The paths this processor and operating system support. Constant for the life of the process. */
uint32_t smg_cpu_mask(void);

/* The steps to test, worst first: the empty mask, then each path this machine adds to the ones before.
 * Writes at most 8 masks, returns how many. */
int smg_cpu_steps(uint32_t ret_masks[8]);

/* The name of the best path in a mask: "avx512vnni", "neon", "ref" … */
const char *smg_cpu_path_name(uint32_t mask);
/* The mask that ends at the named path (all below it included); false if the name is unknown or this
 * machine lacks it. "auto" gives smg_cpu_mask(). */
bool smg_cpu_path_parse(const char *name, uint32_t *ret_mask);
/* Processor model as the kernel names it, "" if unknown. Writes a string of at most `size` bytes. */
void smg_cpu_model_name(char *text, uint64_t size);

#endif
