/* Prototypes of all kernels of this architecture, made from kernels.inc: for the files that define them and
 * for the checker. Callers use the table. */
#ifndef SMG_KERNELS_KERNEL_LIST_H
#define SMG_KERNELS_KERNEL_LIST_H

#include "kernels/kernels.h"

/* A kernel has the type that its slot points to. */
#define SMG_KERNEL(path, slot, function) __typeof__(*((smg_kernels *)0)->slot) function;
#include "kernels/kernels.inc"
#undef SMG_KERNEL

#endif
