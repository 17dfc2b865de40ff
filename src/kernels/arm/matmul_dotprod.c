/* Integer products with the dot product instruction: four products into each 32-bit lane. */
#if !defined(__ARM_FEATURE_DOTPROD)
#error "this file is compiled with -march=armv8.2-a+dotprod"
#endif

#include "kernels/kernel_list.h"

#define ISA dotprod

#include "kernels/arm/matmul_small_arm.inc"
#include "kernels/arm/matmul_super_arm.inc"
