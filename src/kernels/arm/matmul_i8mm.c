/* Integer products with the 8-bit matrix multiply instruction: 32 products of two tokens with two rows. */
#if !defined(__ARM_FEATURE_MATMUL_INT8)
#error "this file is compiled with -march=armv8.2-a+dotprod+i8mm"
#endif

#include "kernels/kernel_list.h"

#define ISA i8mm

#include "kernels/arm/matmul_small_arm.inc"
#include "kernels/arm/matmul_super_arm.inc"
