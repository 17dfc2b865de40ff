/* Integer products with AVX2 alone. */
#include "kernels/kernel_list.h"

#define ISA avx2

#include "kernels/x86/matmul_small_x86.inc"
#include "kernels/x86/matmul_super_x86.inc"
