/* Integer products of Armv8-A: bytes to 16 bits, some products summed there, pairs of those to 32 bits. */
#include "kernels/kernel_list.h"

#define ISA neon

#include "kernels/arm/matmul_small_arm.inc"
#include "kernels/arm/matmul_super_arm.inc"
